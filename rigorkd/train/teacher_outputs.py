"""What the frozen teacher of a cohort says of a batch: computed once, looked up, or replayed bit for bit.

Logits of whole epochs are kept on disk, so that a later, restarted or added cell of the same seed needs no
teacher. Their key holds everything that the logits' bits depend on; the files are a cache: a lost or damaged
one costs time only. Each begins with the SHA-256 of what follows.
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
from torch import Tensor, nn

from rigorkd.files import sha256_of, write_atomically
from rigorkd.methods.base import Outputs
from rigorkd.methods.forward_hooks import ForwardHooks
from rigorkd.records.untrusted import read_bytes
from rigorkd.train.distributed import ALONE, Distributed
from rigorkd.train.evaluate import EvaluationSet
from rigorkd.train.student import Batch

_DIGEST = hashlib.sha256().digest_size
COMPUTE_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def replay_key(facts: Mapping[str, Any]) -> str:
    """A file-safe key of what determines an epoch's logits (plain JSON values)."""
    return sha256_of(json.dumps(facts, sort_keys=True))[:24]


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
            content = read_bytes(self._path(epoch), self.folder, None)
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


class TeacherOutputs:
    """What the frozen teacher says to the students of a cohort.

    With `clean` None the teacher sees the students' own batch, and whole epochs are kept in `replay` where
    there is one. Otherwise it saw every training image once through the evaluation view, and its logits are
    looked up by the image's row, whatever the order and augmentation of the epoch. `layers` are those whose
    outputs some student imitates; `distributed` are the processes that share a batch.
    """

    def __init__(
        self,
        model: nn.Module,
        clean: EvaluationSet | None,
        replay: Replay | None,
        layers: tuple[str, ...] = (),
        distributed: Distributed = ALONE,
    ) -> None:
        self.model, self.replay, self.layers, self.distributed = model, replay, layers, distributed
        self.hooks = ForwardHooks(model, layers)
        self._table = None if clean is None else clean.logits(model)
        self._subsets: dict[str, Tensor] = {}
        self._known: Tensor | None = None
        self._heard: list[Tensor] = []
        self.computed = 0
        """Images of the epoch whose logits were computed, by all processes together, not fetched."""

    def begin_epoch(self, epoch: int, images: int) -> None:
        """Fetch the kept logits of an epoch that shows `images` images, if there are any."""
        self._heard = []
        self._known = None
        self.computed = 0
        if self._table is None and self.replay is not None:
            self._known = self.replay.load(epoch, images, next(self.model.parameters()).device)

    def outputs(self, batch: Batch, *, features: bool = False) -> Outputs:
        """What the teacher says of a batch, of its strong view too if there is one; features where wanted."""
        rows = len(batch.rows)
        strong = None if batch.strong is None else self.distributed.gather(self._hear(batch.strong), rows)
        if self._table is not None:
            return Outputs(self._table[batch.rows], strong)
        if self._known is not None and not features:
            return Outputs(self._known[batch.start : batch.start + len(batch.rows)], strong)
        if features:
            self.hooks.open()
        said = self._hear(batch.images)
        taught = self.distributed.gather_outputs(Outputs(said, None, self.hooks.take()), rows)
        if self.replay is not None and self._known is None:
            self._heard.append(taught.logits)
        return taught._replace(strong=strong)

    def _hear(self, images: Tensor) -> Tensor:
        """What the teacher says of this process's share of a batch."""
        self.computed += len(images)
        return self.forward(self.distributed.share(images))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The teacher's logits (B, C) of the viewed images (B, C, S, S)."""
        logits: Tensor = self.model(images)
        return logits

    def end_epoch(self, epoch: int) -> None:
        """Keep the logits of the epoch for whoever comes later."""
        if self.replay is not None and self._heard:
            self.replay.keep(epoch, torch.cat(self._heard))
        self._heard = []
        self._known = None

    def of(self, name: str, subset: EvaluationSet) -> Tensor:
        """The teacher's logits (n, C) of a named subset in its evaluation view, computed once."""
        if name not in self._subsets:
            self._subsets[name] = subset.logits(self.model)
        return self._subsets[name]
