"""Run folders, Hydra's and others: what each run's configuration says, as columns beside its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rigorkd.errors import InputError
from rigorkd.protocol.tree import TreeError, parse
from rigorkd.readers.json_records import json_document, scalars
from rigorkd.readers.known_names import canonical
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, as_list, as_mapping, flat, text_of

MOST = 2**20


def with_overrides(found: Listing, tables: Sequence[RawTable]) -> list[RawTable]:
    """The tables with the overrides of the Hydra run that each file belongs to, and what is known by name."""
    runs = {path.parent.parent for path in found.files if path.parent.name == ".hydra"}
    if not runs:
        return list(tables)
    told: dict[Path, dict[str, str]] = {}
    out = []
    for table in tables:
        settings: list[dict[str, str]] = []
        for file in table.files:
            run = next((folder for folder in Path(file).parents if folder in runs), None)
            if run is not None and run not in told:
                told[run] = _settings(found, run / ".hydra")
            settings.append(told[run] if run is not None else {})
        frame = table.frame
        names = list(dict.fromkeys(name for one in settings for name in one))
        own = {canonical(str(name)) or str(name) for name in frame.columns}
        names = [name for name in names if (canonical(name) or name) not in own]
        if names and settings:
            columns = {
                name: np.array([one.get(name, "") for one in settings], dtype=object)[table.file_of]
                for name in names
            }
            frame = frame.assign(**columns)
        came = {name: f"{name!r} of .hydra" for name in names}
        out.append(
            replace(table, frame=frame, kind=f"{table.kind}, Hydra run folders", came={**came, **table.came})
        )
    return out


_NAMES = (
    "config", "configs", "params", "args", "arguments", "hparams", "hyperparameters", "settings", "options",
    "opts", "flags",
)  # fmt: skip


def configurations(found: Listing) -> list[Path]:
    """The files that say how the run of their folder was set up: config.json beside its results."""
    by_folder: dict[Path, list[Path]] = {}
    for path in found.files:
        by_folder.setdefault(path.parent, []).append(path)
    return [
        path
        for files in by_folder.values()
        for path in files
        if path.stem.casefold() in _NAMES
        and path.suffix in (".json", ".yaml", ".yml")
        and any(
            other.suffix in (".json", ".csv", ".jsonl") and other.stem.casefold() not in _NAMES
            for other in files
        )
    ]


def with_configurations(found: Listing, tables: Sequence[RawTable]) -> list[RawTable]:
    """The tables with what the configuration beside each file says: known names, and what runs share."""
    own: dict[Path, dict[str, str]] = {}
    dropped: list[str] = []
    for path in configurations(found):
        content = found.read(path, MOST)
        reader = json_document if path.suffix == ".json" else read_yaml
        try:
            value = reader(str(path), content)
        except InputError as error:  # objects of Python, which only running code could make
            dropped.append(error.message)
            continue
        values = {name: text_of(value) for name, value in scalars(as_mapping(value)).items()}
        own[path.parent] = own.get(path.parent, {}) | values
    files = [Path(file).parent for table in tables for file in table.files]
    if len(own.keys() & set(files)) < 2:  # one beside a table of all runs says nothing of each
        return list(tables)
    counts: dict[str, Counter[str]] = {}
    for folder in files:
        for name, text in own.get(folder, {}).items():
            counts.setdefault(name, Counter())[text] += 1
    names = [
        name for name, texts in counts.items() if canonical(name) or 1 < len(texts) < sum(texts.values())
    ]
    out = []
    for table in tables:
        there = {canonical(str(name)) or str(name) for name in table.frame.columns}
        settings = [own.get(Path(file).parent, {}) for file in table.files]
        columns = {
            name: np.array([one.get(name, "") for one in settings], dtype=object)[table.file_of]
            for name in names
            if (canonical(name) or name) not in there
        }
        came = {name: f"{name!r} of the configuration beside it" for name in columns}
        out.append(replace(table, frame=table.frame.assign(**columns), came={**came, **table.came}))
    if out and dropped:
        out[0] = replace(out[0], dropped=(*out[0].dropped, *dropped))
    return out


def _settings(found: Listing, folder: Path) -> dict[str, str]:
    """Overrides by name, and of the whole configuration what is known by its name."""
    said: dict[str, str] = {}
    config = folder / "config.yaml"
    if config in found.files:
        values = flat(as_mapping(read_yaml(str(config), found.read(config, MOST))))
        said = {name: text_of(value) for name, value in values.items() if canonical(name)}
    overrides = folder / "overrides.yaml"
    if overrides in found.files:
        for item in as_list(read_yaml(str(overrides), found.read(overrides, MOST))):
            name, equal, value = str(item).lstrip("+~").partition("=")
            if equal:
                said[name] = value.strip("'\"")
    return said


def read_yaml(file: str, content: bytes) -> Any:
    """What a YAML file holds, of plain values only and as a protocol is read; InputError if it is none."""
    if not content.strip():
        return None
    try:
        return _lists(parse(content.decode(), finite=False).plain())
    except UnicodeDecodeError as error:
        reason = str(error)
    except TreeError as error:
        reason = error.message
    raise InputError(f"{file}: not plain YAML ({reason})", hint="leave the file out")


def _lists(value: Any) -> Any:
    """Sequences as lists, as other readers of YAML have them."""
    if isinstance(value, dict):
        return {name: _lists(item) for name, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value
