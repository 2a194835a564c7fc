"""Epoch-boundary checkpoints of one run. Losing one costs time, never correctness.

A file is the SHA-256 of its payload, then the payload: a torn or damaged one is seen before it is parsed.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch

from rigorkd.records.atomic import write_atomically
from rigorkd.train.student import Student

_DIGEST = hashlib.sha256().digest_size


def save(path: Path, student: Student, machine: str) -> None:
    """Write the student's state; it survives the death of the process (not a power cut, which costs time).

    `machine` names hardware and versions: a run's bits are those of one machine from end to end.
    """
    buffer = io.BytesIO()
    torch.save({"machine": machine, **student.state()}, buffer)
    payload = buffer.getbuffer()
    write_atomically(path, hashlib.sha256(payload).digest(), payload, durable=False)


def restore(path: Path, student: Student, machine: str, device: torch.device) -> bool:
    """Continue from a checkpoint of the same run on the same machine; False if there is none, or damaged."""
    try:
        content = memoryview(path.read_bytes())
    except FileNotFoundError:
        return False
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(payload).digest() != digest:
        path.unlink(missing_ok=True)
        return False
    state = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    if (state["run_hash"], state["machine"]) != (student.run_hash, machine):
        return False
    student.load_state(state)
    return True
