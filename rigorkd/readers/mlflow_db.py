"""MLflow's database (`mlflow.db`, SQLite): the runs, parameters and metrics of its tracking store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.readers.listing import LARGEST, Listing
from rigorkd.readers.mlflow_store import Metrics, rows_of
from rigorkd.readers.raw import RawTable, Reading, table_of

_NEEDED = ("experiments", "runs", "params", "metrics", "latest_metrics")
_INFINITE = 1.7e308
"""MLflow writes an infinite value as the largest number that a double holds, and NaN as a flag."""


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per run with the last value of each metric; with --select, one per run and step.

    Raises:
        InputError: it is no database of MLflow.
    """
    rows, places = [], []
    dropped: list[str] = []
    for path in files:
        with _opened(path) as database:
            for row in _runs(database, asked, path, dropped):
                rows.append(row)
                places.append(str(path))
    if not rows:
        raise InputError(f"{found.root}: no run of MLflow in its database", hint="name one that has runs")
    several = len({row["group"] for row in rows}) > 1  # experiments have baselines of their own
    rows = rows if several else [{k: v for k, v in row.items() if k != "group"} for row in rows]
    kind = "MLflow database" + ("" if asked.select else ", the last value of each metric")
    came = {"group": "MLflow's experiment"} if several else {}
    return [table_of(rows, places, kind, dropped=dropped, came=came)]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be read alone: nothing is written beside it, and no code in its schema is trusted."""
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST:,} bytes", hint="export the experiment that is meant")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            database.execute("PRAGMA query_only = ON")
            database.execute("PRAGMA trusted_schema = OFF")
            there = dict(database.execute("SELECT name, type FROM sqlite_master WHERE sql IS NOT NULL"))
            if any(there.get(name) != "table" for name in _NEEDED):
                raise InputError(f"{path}: no database of MLflow", hint="leave it out, or export a table")
            yield database
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: the database cannot be read ({error})", hint="stop its server, or copy it again"
        ) from None


def _runs(
    database: sqlite3.Connection, asked: Reading, path: Path, dropped: list[str]
) -> Iterator[dict[str, object]]:
    names = dict(database.execute("SELECT experiment_id, name FROM experiments"))
    params: dict[str, list[tuple[str, str]]] = {}
    for run, key, value in database.execute("SELECT run_uuid, key, value FROM params"):
        params.setdefault(run, []).append((key, value))
    table = "metrics" if asked.select else "latest_metrics"
    metrics: dict[str, Metrics] = {}
    for run, key, value, step, time, is_nan in database.execute(
        f"SELECT run_uuid, key, value, step, timestamp, is_nan FROM {table}"
    ):
        if not key.startswith("rigorkd/"):  # what publish wrote there
            text = _number(value, bool(is_nan))
            metrics.setdefault(run, {}).setdefault(key, []).append((int(step or 0), int(time or 0), text))
    for run, name, status, start, stage, experiment in database.execute(
        "SELECT run_uuid, name, status, start_time, lifecycle_stage, experiment_id FROM runs "
        "ORDER BY start_time, run_uuid"
    ):
        if stage == "deleted":
            dropped.append(f"{path}: {name or run} was deleted in MLflow")
            continue
        head: dict[str, object] = {"run": name or "", "run_id": run, "status": str(status or "").lower()}
        head |= {"start_time": start, "group": str(names.get(experiment, experiment))}
        for key, value in params.get(run, ()):
            head.setdefault(key, value)
        yield from rows_of(head, metrics.get(run, {}), asked)


def _number(value: float, is_nan: bool) -> str:
    if is_nan:
        return "nan"
    return ("inf" if value > 0 else "-inf") if abs(value) >= _INFINITE else repr(float(value))
