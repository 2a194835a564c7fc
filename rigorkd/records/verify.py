"""Is everything in a study what was committed? Every file is hashed; nothing is believed or changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import RigorkdError
from rigorkd.models.model import is_own_model
from rigorkd.models.own_code import module_file, read_source
from rigorkd.records.damage import Damage
from rigorkd.records.layout import LEAF, StudyFolder
from rigorkd.records.record import digest_of, read
from rigorkd.records.study import read_info


@dataclass(frozen=True)
class Verified:
    """How many records and files were hashed, and what is damaged: by run, or by file for the study's own."""

    records: int
    files: int
    damaged: tuple[Damage, ...]


def verify_study(folder: Path) -> Verified:
    """Hash every record, every file beside it, the plan in `study.json` and the protocol texts."""
    damaged = list(_study_damage(folder))
    records = files = 0
    for leaf in _leaves(folder):
        name = leaf.relative_to(folder).as_posix()
        if not (leaf / "record.json").is_file():
            damaged.append(Damage(name, "its record.json is missing"))
            continue
        records += 1
        try:
            record = read(leaf / "record.json")
            files += 1 + len(record.files)
            wrong = record.verify()
        except RigorkdError as error:
            damaged.append(Damage(name, error.message))
            continue
        if wrong:
            damaged.append(Damage(name, ", ".join(_says(leaf, file) for file in wrong)))
    return Verified(records, files, tuple(damaged))


def _says(folder: Path, name: str) -> str:
    if name == "record.json":
        return "record.json was edited"
    return f"{name} is not what was committed" if (folder / name).exists() else f"{name} is missing"


def _study_damage(folder: Path) -> Iterator[Damage]:
    study = StudyFolder(folder)
    try:
        info = read_info(folder)
    except RigorkdError as error:
        yield Damage("study.json", error.message)
        return
    planned = json.loads(study.study_json.read_bytes())["planned"]
    text = json.dumps(planned["analysis"], sort_keys=True)
    if hashlib.sha256(text.encode()).hexdigest() != planned.get("sha256"):
        yield Damage("study.json", "the planned analysis is not the one that the first run noted")
    for text_hash in info.protocols:
        path = study.protocol(text_hash)
        if digest_of(path) != text_hash:
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


def _leaves(folder: Path) -> Iterator[Path]:
    """Every folder of a run, whether its record is there or not."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if LEAF.fullmatch(Path(path).name) and files:
            folders.clear()
            yield Path(path)
