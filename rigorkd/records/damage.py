"""Which records are no longer what was committed, without hashing everything every time.

A file whose hash was right is remembered by its size, inode and the kernel's time stamps; while these stay
the same it is believed. The stamps are only compared for being the same, so a clock that jumps costs a
hashing and decides nothing. `rigorkd verify` believes nothing and hashes everything.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rigorkd.records.atomic import write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, digest_of

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Damage:
    """A run whose record cannot be believed, and why."""

    run: str
    reason: str


class Intact:
    """The files of a study that were found to hold what their records say."""

    def __init__(self, study: StudyFolder) -> None:
        self._study = study
        self._known = _read(study.intact_json)
        self._changed = False

    def damage(self, record: Record) -> Damage | None:
        """What is wrong with a record, None if nothing is. A student's deleted weights are no damage."""
        wrong = [] if record.sealed else ["record.json was edited"]
        for name, digest in record.files.items():
            path = record.folder / name
            stamp = _stamp(path)
            if stamp is None:
                if name != WEIGHTS or record.fields.get("role") != "student":
                    wrong.append(f"{name} is missing")
            elif self._known.get(f"{record.run}/{name}") != [digest, *stamp]:
                if digest_of(path) != digest:
                    wrong.append(f"{name} is not what was committed")
                else:
                    self._note(record.run, name, digest, stamp)
        return Damage(record.run, ", ".join(wrong)) if wrong else None

    def committed(self, record: Record) -> None:
        """Remember a record that a worker has just committed: its bytes were hashed as they were written."""
        for name, digest in record.files.items():
            stamp = _stamp(record.folder / name)
            if stamp is not None:
                self._note(record.run, name, digest, stamp)

    def save(self) -> None:
        """Keep what is known; losing it costs time only."""
        if self._changed:
            # Another launcher may have saved meanwhile.
            known = _read(self._study.intact_json) | self._known
            with contextlib.suppress(OSError):
                write_atomically(self._study.intact_json, json.dumps(known).encode(), durable=False)

    def _note(self, run: str, name: str, digest: str, stamp: tuple[int, ...]) -> None:
        self._known[f"{run}/{name}"] = [digest, *stamp]
        self._changed = True


def weights_gone(records: Iterable[Record]) -> list[str]:
    """The students whose recorded weights were deleted."""
    return [
        record.run
        for record in records
        if record.fields.get("role") == "student"
        and WEIGHTS in record.files
        and not (record.folder / WEIGHTS).exists()
    ]


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path) -> dict[str, list[str | int]]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
