"""What a protocol needs beside itself: files of code, inputs of commands, weights to start from, data.

Whoever has a study's protocol and nothing else must know which files to ask for, and how to tell them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rigorkd.data.dataset import Dataset
from rigorkd.models.model import is_own_model
from rigorkd.records.expected import data_key
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, digest_of
from rigorkd.records.study import StudyInfo

Needed = tuple[tuple[str, tuple[str, ...]], ...]
"""Names with what is known of each: what it is, and its SHA-256 where one was noted."""


def needed_beside(folder: Path, info: StudyInfo, dataset: Dataset, records: Iterable[Record]) -> Needed:
    """The files that the newest protocol of a study names, or its commands read, as far as they are noted."""
    every = list(records)
    covered = _noted(every, "code")
    needed = [(name, ("code of a command", *hashes)) for name, hashes in covered.items()]
    protocols = StudyFolder(folder).protocols
    for path in sorted(protocols.rglob("*.py")):
        name = path.relative_to(protocols).as_posix()
        if name not in covered and "__pycache__" not in path.parts:
            needed.append((name, ("code of a model or a term", *_sha256([digest_of(path, folder)]))))
    needed += [(name, ("input of a command", *hashes)) for name, hashes in _noted(every, "inputs").items()]
    for name in sorted({name for record in every for name in record.fields.get("uncovered_files") or {}}):
        needed.append((str(name), ("read by a command; no hash covers it",)))
    key = data_key(dataset)
    for name, file in info.start_files.items():
        if name == key:
            needed.append((_place_of(dataset), ("data", f"checksum {file.sha256}")))
        elif not is_own_model(name) and not name.startswith(("command ", "data set ")):
            needed.append((name, ("weights to start from", *_sha256([file.sha256]))))
    return tuple(needed)


def _noted(records: Sequence[Record], key: str) -> Mapping[str, tuple[str, ...]]:
    """The files that records have under a key, by name, each with its hashes: several where it changed."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, sha256 in (record.fields.get(key) or {}).items():
            found.setdefault(str(name), {})[str(sha256)] = None
    return {name: _sha256(found[name]) for name in sorted(found)}


def _sha256(hashes: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(f"SHA-256 {one}" for one in hashes if one)


def _place_of(dataset: Dataset) -> str:
    """Where the protocol says that the data lie, with the name of a known data set."""
    where = next(str(getattr(dataset, key)) for key in ("root", "file", "path") if hasattr(dataset, key))
    return f"{dataset.name} in {where}" if dataset.info is not None else where
