"""Hydra's run folders: what each run's configuration says, as columns beside its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rigorkd.errors import InputError
from rigorkd.protocol.tree import TreeError, parse
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
