"""`rigorkd gc`: what no run of a study needs any more, how many bytes it has, and its deletion.

Records are never touched: of a finished run only the weights of a student go, which its record does without.
Folders are first renamed, so that no half of one is ever taken for the whole.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rigorkd.files import sweep_temporary
from rigorkd.launch.failures import read_failure
from rigorkd.launch.leases import alone_in
from rigorkd.records.expected import expected_hashes
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.record import WEIGHTS, Record, read_records
from rigorkd.records.study import read_info
from rigorkd.records.untrusted import LOG, read_bytes

KINDS = {
    "weights": "weights of students that no run starts from",
    "logs": "logs of runs that ended well",
    "checkpoints": "checkpoints and kept logits that no missing run needs",
    "aside": "records that were removed, stale or damaged, and set aside",
}
"""What can be deleted, and what that is."""


@dataclass(frozen=True)
class Piece:
    """A file or folder to delete."""

    kind: str
    path: Path
    bytes: int


def pieces(folder: Path, kinds: Collection[str] = tuple(KINDS)) -> list[Piece]:
    """What of these kinds a study has and needs no more."""
    study = StudyFolder(folder)
    study.refuse_links()
    return [piece for piece in _pieces(study) if piece.kind in kinds]


def clear(folder: Path, kinds: Collection[str]) -> list[Piece]:
    """Delete it; what was deleted. StoreError while a launcher is at work on the study."""
    study = StudyFolder(folder)
    with alone_in(study, "rigorkd gc"):
        sweep_temporary(folder / ".work")
        found = pieces(folder, kinds)
        for piece in found:
            if not piece.path.is_dir():
                piece.path.unlink(missing_ok=True)
                continue
            waiting = folder / ".work" / f".{piece.path.name}.{secrets.token_hex(4)}.tmp"
            waiting.parent.mkdir(exist_ok=True)
            piece.path.rename(waiting)
            shutil.rmtree(waiting)
    return found


def _pieces(study: StudyFolder) -> Iterator[Piece]:
    info, protocol, records = read_info(study.path), read_protocol(study.path), read_records(study)
    expected = expected_hashes(protocol, info.seeds, info.mode, info.start_files, info.numerics)
    done = {record.run for record in records}
    missing = expected.keys() - done
    needed = {need for cell in protocol.cells for need in cell.needs}
    for record in records:
        if _can_do_without_weights(record) and record.fields["cell"] not in needed:
            yield from _piece("weights", record.folder / WEIGHTS)
    yield from _logs(study, done)
    for path in sorted((study.path / ".work").rglob("*.pt")):
        if path.parent.relative_to(study.path / ".work").as_posix() not in missing:
            yield from _piece("checkpoints", path)
    for path in sorted((study.path / ".out").rglob("seed-*")):
        if path.is_dir() and path.relative_to(study.path / ".out").as_posix() not in missing:
            yield from _piece("checkpoints", path)
    if not missing:
        yield from _piece("checkpoints", study.replay)
    for aside in (study.removed, study.stale, study.damaged):
        for path in sorted(aside.glob("*")):
            yield from _piece("aside", path)


def _can_do_without_weights(record: Record) -> bool:
    """As `Intact` sees it."""
    return record.fields.get("role") == "student" and WEIGHTS in record.files


def _logs(study: StudyFolder, done: Collection[str]) -> Iterator[Piece]:
    """Not those that count a failed attempt, which reports add up, nor those that a failure points to."""
    pointed = set()
    for note in (study.path / ".work").rglob("failed.json"):
        run = note.parent.relative_to(study.path / ".work").as_posix()
        pointed.add(study.run_log(run))
        if (failure := read_failure(study, run)) and failure.log:
            pointed.add(study.path / failure.log)
    for path in sorted(study.logs.rglob("*.log")):
        run = path.relative_to(study.logs).with_suffix("").as_posix()
        worker = path.parent == study.logs and path.name.startswith("worker-")
        if path in pointed or not (worker or run in done):
            continue
        with contextlib.suppress(OSError):
            if worker or b" failed: " not in read_bytes(path, study.path, LOG):
                yield from _piece("logs", path)


def _piece(kind: str, path: Path) -> Iterator[Piece]:
    """A piece, if it is there."""
    if os.path.lexists(path):
        yield Piece(kind, path, size_of(path))


def size_of(path: Path) -> int:
    """What deleting frees; a file that has another name elsewhere frees nothing."""
    files = [path] if not path.is_dir() else (file for file in path.rglob("*") if not file.is_dir())
    found = [file.lstat() for file in files]
    return sum(status.st_size for status in found if status.st_nlink == 1)
