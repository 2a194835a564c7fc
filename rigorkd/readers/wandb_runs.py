"""W&B's run folders (`wandb/run-…/run-….wandb`), offline or synced, records by wandb's own messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.json_records import plain_json
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, flat, table_of

SUMMARY = "W&B's summaries: the last value logged, unless the run set another"


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per run from its summary; with --select, its history."""
    rows, places = [], []
    for path in files:
        for row in _run_rows(path, found.read(path), asked):
            rows.append(row)
            places.append(str(path))
    kind = "W&B run folders" + ("" if asked.select else f", {SUMMARY}")
    return [table_of(rows, places, kind)]


def _run_rows(path: Path, content: bytes, asked: Reading) -> list[dict[str, object]]:
    run: dict[str, object] = {"run": path.stem, "run_id": path.stem, "status": "crashed"}
    config: dict[str, Any] = {}
    summary: dict[str, object] = {}
    history: list[dict[str, object]] = []
    for record in _records(path, content):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run |= {"run": record.run.display_name or record.run.run_id, "run_id": record.run.run_id}
            run["created"] = _created(record.run)
            if record.run.run_group:
                run["wandb_group"] = record.run.run_group
            config |= _items(record.run.config.update)
        elif kind == "config":
            config |= _items(record.config.update)
        elif kind == "summary":
            summary |= _items(record.summary.update)
        elif kind == "history":
            history.append(_items(record.history.item))
        elif kind == "exit":
            run["status"] = "finished" if record.exit.exit_code == 0 else "failed"
    settings = {name: value for name, value in flat(config).items() if not name.startswith("_wandb")}
    settings = {name: value for name, value in settings.items() if name not in run}
    if asked.select:
        return [{**run, **settings, **_scalars(row)} for row in history] or [{**run, **settings}]
    if not summary:  # a run that was cut off has no summary yet
        for row in history:
            summary |= row
    results = {name: value for name, value in _scalars(summary).items() if not name.startswith("_")}
    return [{**run, **settings, **{k: v for k, v in results.items() if k not in settings}}]


_BLOCK, _HEADER = 32768, 7
_FULL, _LAST = 1, 4


def _records(path: Path, content: bytes) -> Iterator[Any]:
    """The records in a log of LevelDB's form, whose last one a crash may have cut off."""
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    if content[:4] != b":W&B":
        raise InputError(f"{path}: not a run that W&B wrote", hint="leave it out, or copy it again")
    at, parts = _HEADER, bytearray()  # the file begins with a header of its own, as long as a record's
    while at + _HEADER <= len(content):
        room = _BLOCK - at % _BLOCK
        if room < _HEADER:
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + _HEADER])
        if kind == 0 or at + _HEADER + length > len(content):
            return
        parts += content[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if kind in (_FULL, _LAST):
            record = messages.Record()
            try:
                record.ParseFromString(bytes(parts))
            except DecodeError:
                raise InputError(
                    f"{path}: a damaged record of W&B", hint="leave it out, or copy it again"
                ) from None
            yield record
            parts.clear()


def _created(run: Any) -> str:
    try:
        return str(run.start_time.ToJsonString()) if run.HasField("start_time") else ""
    except ValueError:  # in no year that has four digits
        return ""


def _items(items: Any) -> dict[str, Any]:
    out = {}
    for item in items:
        name = item.key or ".".join(item.nested_key)
        try:
            out[name] = plain_json(item.value_json)
        except ValueError:
            continue
    return out


def _scalars(values: dict[str, Any]) -> dict[str, object]:
    return {
        name: value
        for name, value in flat(values).items()
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) < 200)
    }
