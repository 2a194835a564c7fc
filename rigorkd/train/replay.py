"""Teacher logits of whole epochs, kept on disk and replayed bit for bit.

A later, restarted or added cell of the same seed then needs no teacher. The key holds everything that the
logits' bits depend on; the files are a cache: a lost or damaged one costs time only. Each begins with the
SHA-256 of what follows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from rigorkd.records.atomic import write_atomically

_DIGEST = hashlib.sha256().digest_size
COMPUTE_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def replay_key(facts: Mapping[str, Any]) -> str:
    """A file-safe key of what determines an epoch's logits (plain JSON values)."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Replay:
    """The kept epochs of one key under `folder` (one folder for all keys of a study).

    At most `budget` bytes are kept for the whole study; what would exceed it is simply not kept.
    """

    folder: Path
    key: str
    precision: str
    budget: int

    def load(self, epoch: int, images: int, device: torch.device) -> Tensor | None:
        """Float32 logits (images, C) of an epoch in the order of its batches, None if not kept."""
        try:
            content = self._path(epoch).read_bytes()
        except OSError:
            return None
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        logits = load(payload)["logits"]
        return logits.to(device).float() if len(logits) == images else None

    def keep(self, epoch: int, logits: Tensor) -> None:
        """Keep an epoch's logits (images, C), in the compute dtype if that loses nothing."""
        narrow = logits.to(COMPUTE_DTYPE[self.precision])
        exact = narrow if torch.equal(narrow.float(), logits.float()) else logits.float()
        payload = save({"logits": exact.cpu().contiguous()})
        # A cache that cannot be written is just not used: a full disk is for the records to report.
        with contextlib.suppress(OSError):
            if self._used() + exact.nbytes <= self.budget:
                digest = hashlib.sha256(payload).digest()
                write_atomically(self._path(epoch), digest, payload, durable=False)

    def _path(self, epoch: int) -> Path:
        return self.folder / self.key / f"epoch-{epoch}.safetensors"

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("*/*.safetensors"))
