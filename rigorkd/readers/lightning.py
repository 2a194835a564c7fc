"""Lightning's CSV logger (`lightning_logs/version_3/metrics.csv` beside `hparams.yaml`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rigorkd.errors import InputError
from rigorkd.readers.delimited import read_delimited
from rigorkd.readers.hydra import MOST, read_yaml
from rigorkd.readers.known_names import canonical
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, as_mapping, flat, text_of


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """The logs, each with its hyper-parameters as columns."""
    tables = []
    for path in files:
        table = read_delimited(str(path), found.read(path), asked)
        settings, dropped = _settings(found, path.parent / "hparams.yaml")
        own = {canonical(str(name)) or str(name) for name in table.frame.columns}
        settings = {name: value for name, value in settings.items() if (canonical(name) or name) not in own}
        frame = table.frame.assign(
            **{name: np.full(len(table.frame), value, dtype=object) for name, value in settings.items()}
        )
        came = dict.fromkeys(settings, "hparams.yaml")
        tables.append(
            replace(
                table, frame=frame, kind="Lightning's CSV logs", came=came, dropped=(*table.dropped, *dropped)
            )
        )
    return tables


def _settings(found: Listing, path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    if path not in found.files:
        return {}, ()
    try:
        values = read_yaml(str(path), found.read(path, MOST))
    except InputError as error:  # objects of Python, which only running code could make
        return {}, (f"{error.message}",)
    return {name: text_of(value) for name, value in flat(as_mapping(values)).items()}, ()
