"""`study.json`: what was planned when the study began, which protocol texts it has seen, which seeds.

The analysis section is kept as it was at the first run, so that whatever is added to it later can be told
apart as exploratory.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError, StoreError
from rigorkd.protocol.catalog import is_own_model
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.schema import Analysis
from rigorkd.protocol.sources import own_modules
from rigorkd.records.atomic import write_atomically
from rigorkd.records.expected import StartFile
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import digest_of, to_json

SCHEMA = "rigorkd.study/1"


@dataclass(frozen=True)
class StudyInfo:
    """`study.json` as read. `protocols` are the hashes of the texts run into the study, oldest first."""

    study: str
    smoke: bool
    mode: str
    created: str
    planned: Analysis
    protocols: tuple[str, ...]
    seeds: tuple[int, ...]
    start_files: dict[str, StartFile]


def folder_name(protocol: Protocol, mode: str) -> str:
    """The study's name and folder: `<study>`, with `.smoke` and `.fast` where they apply."""
    return protocol.study if mode == "reference" else f"{protocol.study}.{mode}"


def is_study(folder: Path) -> bool:
    """Whether the folder holds a study."""
    return StudyFolder(folder).study_json.is_file()


def read_info(folder: Path) -> StudyInfo:
    """Read `study.json`. Raises InputError if the folder is no study, StoreError if the file is damaged."""
    path = StudyFolder(folder).study_json
    if not path.is_file():
        raise InputError(
            f"{folder}: not a study (there is no study.json in it)",
            hint="give the folder that `rigorkd run` made, such as results/digits",
        )
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise ValueError("it holds no JSON object")
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r} is not {SCHEMA!r}")
        return StudyInfo(
            study=document["study"],
            smoke=document["smoke"],
            mode=document["mode"],
            created=document["created"],
            planned=Analysis.model_validate(_tuples(document["planned"]["analysis"])),
            protocols=tuple(entry["sha256"] for entry in document["protocols"]),
            seeds=tuple(document["seeds"]),
            start_files={path: StartFile(None, sha256) for path, sha256 in document["start_files"].items()},
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{path}: the file is damaged ({str(error).splitlines()[0]})",
            hint="restore it from a copy; the records beside it are untouched",
        ) from None


def newest_study(results: Path) -> Path:
    """The study under `results` with the latest finish time inside its records."""
    studies = [folder for folder in results.iterdir() if is_study(folder)] if results.is_dir() else []
    if not studies:
        raise InputError(
            f"{results}: no study in this folder",
            hint="run a protocol first (rigorkd run protocols/digits.yaml), or name a study or a CSV",
        )
    if len(studies) == 1:  # its records need not be read, however many there are
        return studies[0]
    return max((_last_finish(folder), folder) for folder in studies)[1]


def register(
    folder: Path, protocol: Protocol, seeds: tuple[int, ...], mode: str, files: Mapping[str, StartFile]
) -> None:
    """Note that this protocol text and these seeds are run into the study; the first call fixes the plan.

    Of the files that runs start from, the hashes are kept, so that the study can be read without them; of the
    user's own code a copy, so that its runs can be repeated.
    """
    layout = StudyFolder(folder)
    now = _now()
    if is_study(folder):
        read_info(folder)  # refuse a damaged file before anything is changed
        document: dict[str, Any] = json.loads(layout.study_json.read_bytes())
    else:
        analysis = protocol.spec.analysis.model_dump(mode="json")
        text = json.dumps(analysis, sort_keys=True)
        document = {
            "schema": SCHEMA,
            "study": folder_name(protocol, mode),
            "smoke": protocol.smoke,
            "mode": mode,
            "created": now,
            "planned": {
                "time": now,
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "analysis": analysis,
            },
            "protocols": [],
            "seeds": [],
            "start_files": {},
        }
    before = json.dumps(document)
    known = [entry["sha256"] for entry in document["protocols"]]
    if digest_of(layout.protocol(protocol.text_hash)) != protocol.text_hash:
        write_atomically(layout.protocol(protocol.text_hash), protocol.text.encode())
    _keep_code(layout, files)
    if not known or known[-1] != protocol.text_hash:
        document["protocols"].append({"sha256": protocol.text_hash, "time": now})
    document["seeds"] = sorted({*document["seeds"], *seeds})
    document["start_files"] |= {path: file.sha256 for path, file in files.items()}
    if json.dumps(document) != before or not is_study(folder):
        write_atomically(layout.study_json, to_json(document))


def _keep_code(layout: StudyFolder, files: Mapping[str, StartFile]) -> None:
    """Copy the newest source of models and terms to where the protocol's text lies: there they are found."""
    wanted: dict[Path, bytes] = {}
    for name, file in files.items():
        if is_own_model(name) and file.path is not None:
            for module in own_modules(name, file.path).values():
                wanted[layout.protocols / module.file.relative_to(module.root)] = module.source
    for path in [*layout.protocols.rglob("*.py")]:
        if path not in wanted:
            path.unlink()
    for path, content in wanted.items():
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)


def is_registered(
    folder: Path, protocol: Protocol, seeds: tuple[int, ...], mode: str, files: Mapping[str, StartFile]
) -> bool:
    """Whether `register` would change nothing."""
    if not is_study(folder):
        return False
    info = read_info(folder)
    known = {path: file.sha256 for path, file in info.start_files.items()}
    return (
        info.mode == mode
        and info.protocols[-1:] == (protocol.text_hash,)
        and digest_of(StudyFolder(folder).protocol(protocol.text_hash)) == protocol.text_hash
        and set(seeds) <= set(info.seeds)
        and all(known.get(path) == file.sha256 for path, file in files.items())
    )


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down: the schema's models are strict."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _last_finish(folder: Path) -> str:
    return max(map(_finish_time, StudyFolder(folder).records()), default="")


def _finish_time(record_json: Path) -> str:
    try:
        return str(json.loads(record_json.read_bytes())["finished"])
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        return ""
