"""Epoch-boundary checkpoints of one run. Losing one costs time, never correctness.

A file is its payload, then the payload's SHA-256: a torn or damaged one is seen before it is parsed. The
payload is hashed while it is written, so that no second copy of it is ever in memory.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO

import torch

from rigorkd.records.atomic import replacing
from rigorkd.train.student import Student

_DIGEST = hashlib.sha256().digest_size


class _HashingFile:
    """What torch.save needs of a file; all that passes through is hashed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def save(path: Path, student: Student, machine: str) -> None:
    """Write the student's state; it survives the death of the process (not a power cut, which costs time).

    `machine` names hardware and versions: a run's bits are those of one machine from end to end.
    """
    with replacing(path, durable=False) as file:
        hashing = _HashingFile(file)
        torch.save({"machine": machine, **student.state()}, hashing)  # type: ignore[arg-type]
        file.write(hashing.digest.digest())


def restore(path: Path, student: Student, machine: str, device: torch.device) -> bool:
    """Continue from a checkpoint of the same run on the same machine; False if there is none, or damaged."""
    try:
        content = memoryview(path.read_bytes())
    except FileNotFoundError:
        return False
    payload, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.sha256(payload).digest() != digest:
        path.unlink(missing_ok=True)
        return False
    state = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    if (state["run_hash"], state["machine"]) != (student.run_hash, machine):
        return False
    student.load_state(state)
    return True
