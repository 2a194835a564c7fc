"""Checkpoints at the ends of epochs, by time. Losing one costs time, never correctness.

They are written at the end of an epoch if another one as long would put more than `EVERY` seconds at stake,
and when a stop is asked for: a kill costs the longer of `EVERY` seconds and one epoch of the cohort. A run
that ends goes straight to its record.

    checkpoint.pt     everything that resuming needs but the best weights
    best-<epoch>.pt   the best weights, if they are not those of the checkpoint itself: written when they
                      first differ, then left alone until better ones come

A file is its payload, then the payload's SHA-256: a torn or damaged one is seen before it is parsed. The
payload is hashed while it is written, so that no second copy of it is ever in memory. A checkpoint names the
hash of the best weights it belongs with, and what the last one needs is removed only once the next is there.
The archive's own checksums, a second digest of the same bytes, are left out; files with them are read too.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from rigorkd.files import replacing
from rigorkd.records.untrusted import read_bytes
from rigorkd.text import seconds_in
from rigorkd.train.student import BestFile, Student

_DIGEST = hashlib.sha256().digest_size

EVERY = 60.0
"""Seconds of work that a kill may cost, as far as epochs allow."""


def every() -> float:
    """EVERY, or RIGORKD_CHECKPOINT_EVERY: 0 writes at the end of every epoch."""
    return seconds_in("RIGORKD_CHECKPOINT_EVERY", EVERY, least=0.0)


class _HashingFile:
    """What torch.save needs of a file; all that passes through is hashed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class Saver:
    """Writes the checkpoints of a cohort in time. On CUDA a thread writes while the next epoch is trained.

    What is written is copied to the host first, so training never waits for the disk; one epoch's checkpoints
    at most are on their way. On a CPU the thread would take the time from training, so there is none. A smoke
    run `keeps` none: it is trained again in seconds.
    """

    def __init__(
        self,
        machine: str,
        *,
        background: bool,
        keeps: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.machine, self._keeps = machine, keeps
        self._every, self._now = every(), now
        self._saved = self._begun = now()
        self._unsaved: Mapping[Path, Student] = {}
        self._thread = ThreadPoolExecutor(max_workers=1) if background else None
        self._underway: list[Future[None]] = []

    def begin_epoch(self) -> None:
        """The students are about to change: they can be written again when they have ended the epoch."""
        self._unsaved = {}
        self._begun = self._now()

    def end_epoch(self, students: Mapping[Path, Student]) -> None:
        """Write the students, by path, if one more epoch like this one would put too much at stake."""
        self.settle()
        if not self._keeps:
            return
        self._unsaved = students
        now = self._now()
        if now - self._saved + (now - self._begun) > self._every or self._every == 0:
            self.save_unsaved()

    def save_unsaved(self) -> None:
        """Write, or begin to, every student that has ended an epoch since it was last written."""
        for path, student in self._unsaved.items():
            self.save(path, student)
        self._unsaved = {}
        self._saved = self._now()

    def save(self, path: Path, student: Student) -> None:
        """Write the student's state to `path`, or begin to."""
        if self._thread is None:
            save(path, student, self.machine)
        else:
            state = _on_host(_snapshot(student, self.machine))
            self._underway.append(self._thread.submit(_write, path, state, student))

    def settle(self) -> None:
        """Wait for what is being written; an OSError of the writing is raised here."""
        underway, self._underway = self._underway, []
        for future in underway:
            future.result()


def save(path: Path, student: Student, machine: str) -> None:
    """Write the student's state; it survives the death of the process (not a power cut, which costs time).

    `machine` names hardware and versions: a run's bits are those of one machine from end to end. That of
    rigorkd itself is noted and may differ.
    """
    _write(path, _snapshot(student, machine), student)


def restore(path: Path, student: Student, machine: str, device: torch.device) -> bool:
    """Continue from a checkpoint of the same run on the same machine; False if there is none, or damaged.

    It may be of another version of rigorkd that kept the same things: whose numerics it had is in the run's
    hash.
    """
    state = _load(path, device)
    if state is None:
        path.unlink(missing_ok=True)
        return False
    if (state["run_hash"], _libraries(state["machine"])) != (student.run_hash, _libraries(machine)):
        return False
    if not student.state().keys() <= state.keys():
        return False
    best = None
    if state["best_file"] is not None:
        kept = BestFile(state["best_epoch"], state["best_file"])
        best = _load(_best_path(path, kept.epoch), device, kept.sha256)
        if best is None:
            return False
        student.best_file = kept
    student.load_state(state, best)
    return True


def _libraries(machine: str) -> str:
    """The hardware and versions that a checkpoint names, but for the version of rigorkd itself."""
    return re.sub(r'"rigorkd":"[^"]*",', "", machine)


@dataclass(frozen=True)
class _Snapshot:
    """What a checkpoint holds, and the best weights if they must be written beside it."""

    state: dict[str, Any]
    best: dict[str, torch.Tensor] | None


def _snapshot(student: Student, machine: str) -> _Snapshot:
    known = student.best_file
    own = student.best_epoch == student.epoch  # the best weights are the model's
    written = known is not None and known.epoch == student.best_epoch
    state = {"machine": machine, **student.state()}
    state["best_file"] = known.sha256 if known is not None and written and not own else None
    return _Snapshot(state, None if own or written else student.best)


def _on_host(snapshot: _Snapshot) -> _Snapshot:
    """Copies that training cannot change; several copies from a device are on their way at once."""

    def copied(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.clone() if value.device.type == "cpu" else value.to("cpu", non_blocking=True)
        if isinstance(value, dict):
            return {key: copied(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(copied(item) for item in value)
        return value

    host = _Snapshot(copied(snapshot.state), copied(snapshot.best))
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return host


def _write(path: Path, snapshot: _Snapshot, student: Student) -> None:
    """Write the best weights if they are new, then what names them; then remove what nothing names."""
    state, epoch = snapshot.state, snapshot.state["best_epoch"]
    if snapshot.best is not None:
        student.best_file = BestFile(epoch, _store(_best_path(path, epoch), snapshot.best))
        state["best_file"] = student.best_file.sha256
    _store(path, state)
    needed = _best_path(path, epoch) if state["best_file"] is not None else None
    for other in path.parent.glob("best-*.pt"):
        if other != needed:
            other.unlink(missing_ok=True)


def _best_path(path: Path, epoch: int) -> Path:
    return path.with_name(f"best-{epoch}.pt")


def _store(path: Path, content: Any) -> str:
    """Write a file and give its hash."""
    with replacing(path, durable=False) as file, _no_checksums():
        hashing = _HashingFile(file)
        torch.save(content, hashing)  # type: ignore[arg-type]
        file.write(hashing.digest.digest())
    return hashing.digest.hexdigest()


@contextmanager
def _no_checksums() -> Iterator[None]:
    """Leave the checksums out of the archives that torch writes."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


def _load(path: Path, device: torch.device, sha256: str | None = None) -> dict[str, Any] | None:
    """The content of a file, None if there is none, it is damaged, or its hash is not the one expected."""
    try:
        content = memoryview(read_bytes(path, path.parent, None))
    except FileNotFoundError:
        return None
    payload, digest = content[:-_DIGEST], content[-_DIGEST:]
    found = hashlib.sha256(payload).digest()
    if found != digest or (sha256 is not None and found.hex() != sha256):
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    return state
