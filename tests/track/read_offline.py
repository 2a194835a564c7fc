"""Reads what W&B writes offline: a LevelDB log of protocol buffers.

`python read_offline.py FOLDER` prints JSON. A script, so that wandb is imported in a process of its own.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> Iterator[bytes]:
    """The records of a log; those that span blocks are put together."""
    data = path.read_bytes()
    at, parts = HEADER, b""  # the file begins with a header of its own, as long as a record's
    while at + HEADER <= len(data):
        room = BLOCK - at % BLOCK
        if room < HEADER:
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        if kind == 0:
            break
        parts += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (FULL, LAST):
            yield parts
            parts = b""


def read_run(path: Path) -> dict[str, Any]:
    """What W&B would send of a run: id, group, job type, name, tags, config, history, summary, exit code."""
    from wandb.proto import wandb_internal_pb2

    run: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "exit_code": None}
    for data in records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            for name in ("run_id", "run_group", "job_type", "display_name", "project", "entity"):
                run[name] = getattr(record.run, name)
            run["tags"] = list(record.run.tags)
            _update(run["config"], record.run.config.update)
        elif kind == "config":
            _update(run["config"], record.config.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run["history"].append(row)
        elif kind == "summary":
            _update(run["summary"], record.summary.update)
        elif kind == "exit":
            run["exit_code"] = record.exit.exit_code
    return run


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """Every offline run below a folder."""
    return [read_run(path) for path in sorted(folder.rglob("run-*.wandb")) if not path.is_symlink()]


def _update(into: dict[str, Any], items: Any) -> None:
    for item in items:
        into[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)


if __name__ == "__main__":
    print(json.dumps(read_runs(Path(sys.argv[1]))))
