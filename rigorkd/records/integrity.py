"""Is everything in a study what was committed?

`verify_study` believes nothing and hashes everything. `Intact` does not hash everything every time: a file
whose hash was right is remembered by its size, inode and the kernel's time stamps; while these stay the same
it is believed. The stamps are only compared for being the same, so a clock that jumps costs a hashing and
decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import RigorkdError
from rigorkd.files import sha256_of, write_atomically
from rigorkd.models.model import is_own_model
from rigorkd.models.own_code import module_file, read_source
from rigorkd.records.layout import LEAF, StudyFolder
from rigorkd.records.read import misreported
from rigorkd.records.record import WEIGHTS, Record, digest_of, read_record
from rigorkd.records.study import PLAN_EDITED, read_info
from rigorkd.records.untrusted import NO_FILE, PROTOCOL, read_json, refuse_links_inside

MOST_KNOWN = 256 * 2**20
"""Bytes that intact.json may have: a line of 200 for every file of the study."""


@dataclass(frozen=True)
class Damage:
    """A run whose record cannot be believed, and why."""

    run: str
    reason: str


class Intact:
    """The files of a study that were found to hold what their records say."""

    def __init__(self, study: StudyFolder) -> None:
        self._study = study
        self._known = _read(study)
        self._changed = False

    def damage(self, record: Record) -> Damage | None:
        """What is wrong with a record, None if nothing is. A student's deleted weights are no damage."""
        wrong = [] if record.sealed else ["record.json was edited"]
        wrong += [f"record.json names no {name}" for name in record.unnamed]
        for name, digest in record.files.items():
            path = record.folder / name
            stamp = _stamp(path)
            if stamp is None:
                if name != WEIGHTS or record.fields.get("role") != "student":
                    wrong.append(f"{name} is missing")
            elif self._known.get(f"{record.run}/{name}") != [digest, *stamp]:
                if record.digest_of(name) != digest:
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
            known = _read(self._study) | self._known
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
        found = path.lstat()
    except OSError:
        return None
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _read(study: StudyFolder) -> dict[str, list[str | int]]:
    try:
        return read_json(study.intact_json, study.path, MOST_KNOWN)
    except (OSError, ValueError):
        return {}


@dataclass(frozen=True)
class Verified:
    """How many records and files were hashed, and what is damaged: by run, or by file for the study's own.

    `digest` is one hash of all of it: of `study.json`, the notes of changes and of copies in the data, the
    protocol texts, the records and the files that they name. None where anything is damaged. `gone` are the
    students whose weights were deleted, which is no damage: the hash of what they were is in the digest.
    """

    records: int
    files: int
    damaged: tuple[Damage, ...]
    digest: str | None = None
    gone: tuple[str, ...] = ()


def verify_study(folder: Path) -> Verified:
    """Hash every record, every file beside it, the plan in `study.json` and the protocol texts.

    Top-1, top-5 and loss are computed again from every run's predictions.
    """
    damaged = list(_study_damage(folder))
    digests = [] if damaged else _own_digests(folder)
    records = files = 0
    gone: list[str] = []
    for leaf, inside in _leaves(folder):
        name = leaf.relative_to(folder).as_posix()
        if inside is None:
            damaged.append(Damage(name, "a link to a folder; rigorkd follows none inside a study"))
            continue
        if "record.json" not in inside:
            damaged.append(Damage(name, "its record.json is missing"))
            continue
        records += 1
        try:
            record = read_record(StudyFolder(folder), name, found=True)
            files += 1 + len(record.files)
            wrong = record.verify()
            if wrong == [WEIGHTS] and weights_gone([record]):
                gone.append(name)
                wrong = []
            says = [_says(record, file) for file in wrong] or misreported(record)
        except RigorkdError as error:
            damaged.append(Damage(name, error.message))
            continue
        if says:
            damaged.append(Damage(name, ", ".join(says)))
        digests += [(f"{name}/{file}", digest) for file, digest in record.files.items()]
        digests.append((f"{name}/record.json", str(record.digest_of("record.json"))))
    lines = "".join(f"{digest} {name}\n" for name, digest in sorted(digests))
    return Verified(records, files, tuple(damaged), None if damaged else sha256_of(lines), tuple(gone))


def _says(record: Record, name: str) -> str:
    folder = record.folder
    if name == "record.json":
        return "record.json was edited"
    if name not in record.files:
        return f"record.json names no {name}"
    return f"{name} is not what was committed" if (folder / name).exists() else f"{name} is missing"


def _study_damage(folder: Path) -> Iterator[Damage]:
    study = StudyFolder(folder)
    try:
        info = read_info(folder)
    except RigorkdError as error:
        yield Damage("study.json", error.message)
        return
    try:
        refuse_links_inside(study.protocols, folder, PROTOCOL)
    except RigorkdError as error:
        yield Damage(study.protocols.name, error.message)
        return
    if not info.plan_noted:
        yield Damage("study.json", PLAN_EDITED)
    for text_hash in info.protocols:
        path = study.protocol(text_hash)
        if digest_of(path, folder) != text_hash:
            what = "is not what was run" if path.exists() else "is missing"
            yield Damage(path.relative_to(folder).as_posix(), f"the protocol's text {what}")
    for name, file in info.start_files.items():
        if is_own_model(name) and module_file(study.protocols, name.partition(":")[0]):
            try:
                found: str | None = read_source(name, study.protocols).sha256
            except RigorkdError:
                found = None
            if found != file.sha256:
                yield Damage(study.protocols.name, f"the copy of the code of {name} is not what was run")


def _own_digests(folder: Path) -> list[tuple[str, str]]:
    """What belongs to the study itself, by name, with its hash; its texts and code were looked at before."""
    study = StudyFolder(folder)
    kept = (path for path in study.protocols.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    notes = [path for path in (study.changes_jsonl, study.data_json) if path.is_file()]
    paths = [study.study_json, *notes, *kept]
    return [(path.relative_to(folder).as_posix(), str(digest_of(path, folder))) for path in paths]


def _leaves(folder: Path) -> Iterator[tuple[Path, list[str] | None]]:
    """Every folder of a run with the files in it, and every link to a folder, with None.

    OSError for a folder that may not be looked into: what lies there would not be missed.
    """

    def refuse(error: OSError) -> None:
        if error.errno not in NO_FILE:
            raise error

    for path, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from ((Path(path, name), None) for name in folders if Path(path, name).is_symlink())
        if LEAF.fullmatch(Path(path).name) and files:
            folders.clear()
            yield Path(path), files
