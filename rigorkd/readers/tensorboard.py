"""TensorBoard's event files, by TensorBoard's own reader: a folder is a run, a tag is a column."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, table_of
from rigorkd.records.untrusted import opened

_POINTER = 1000
"""Bytes that Git LFS needs to say where a file is."""


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per run and step, with the hyper-parameters that `add_hparams` wrote.

    Raises:
        InputError: tensorboard is not installed, or there is no scalar in the files.
    """
    require("tensorboard", "reading TensorBoard's event files")
    rows: list[dict[str, object]] = []
    places: list[str] = []
    for path in files:
        if path.stat().st_size < _POINTER:
            found.read(path)  # which refuses a pointer
    for folder in sorted({path.parent for path in files}):
        _refuse_irregular(folder)
        name = folder.relative_to(found.root).as_posix()
        settings, steps = _run(folder)
        head: dict[str, object] = {"run": name if name != "." else folder.name, **settings}
        for step in sorted(steps):
            rows.append({**head, "step": step, **steps[step]})
            places.append(str(folder))
    if not rows:
        raise InputError(f"{found.root}: no scalar in the event files", hint="name the folder of the runs")
    return [table_of(rows, places, "TensorBoard event files")]


def _refuse_irregular(folder: Path) -> None:
    """StoreError for a link or a pipe that TensorBoard's reader would follow, or wait for."""
    for path in sorted(folder.iterdir()):
        if "tfevents" in path.name and not path.is_dir():
            with opened(path, folder):
                pass


def _run(folder: Path) -> tuple[dict[str, object], dict[int, dict[str, object]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    steps: dict[int, dict[str, object]] = {}
    for tag in tags["scalars"]:
        for event in events.Scalars(tag):
            steps.setdefault(event.step, {})[tag] = float(event.value)
    for tag in tags["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            from tensorboard.util.tensor_util import make_ndarray

            for event in events.Tensors(tag):
                if prod(side.size for side in event.tensor_proto.tensor_shape.dim) == 1:
                    steps.setdefault(event.step, {})[tag] = float(make_ndarray(event.tensor_proto))
    return _settings(events), steps


def _settings(events: Any) -> dict[str, object]:
    """What `add_hparams` wrote, if it was called."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    try:
        metadata = events.SummaryMetadata("_hparams_/session_start_info")
    except KeyError:
        return {}
    told = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    out: dict[str, object] = {}
    for name, value in told.session_start_info.hparams.items():
        kind = value.WhichOneof("kind")
        if kind in ("number_value", "string_value", "bool_value"):
            out[name] = getattr(value, kind)
    return out
