"""MLflow's database (`mlflow.db`, SQLite): the runs, parameters and metrics of its tracking store."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.readers.listing import LARGEST, Listing, read_named
from rigorkd.readers.mlflow_store import Metrics, rows_of
from rigorkd.readers.raw import RawTable, Reading, table_of
from rigorkd.records.untrusted import read_bytes

LONGEST = 2**20
"""Bytes that one value of the database may have."""
_PLAIN = re.compile(r"CREATE TABLE\b", re.IGNORECASE)
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


def is_one(path: Path) -> bool:
    """Whether a file is a database of MLflow, and not any program's that calls its own so."""
    if path.name == "mlflow.db":  # then whatever is wrong with it is to be said
        return True
    try:
        with _opened(path):
            return True
    except (InputError, OSError):
        return False


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be read alone: nothing is written beside it, and no code in its schema is trusted."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise InputError(
            f"{path}: no file of at most {LARGEST:,} bytes", hint="export the experiment that is meant"
        )
    try:
        with (
            _own_copy(path) as readable,
            closing(sqlite3.connect(f"{readable.as_uri()}?mode=ro", uri=True, timeout=5)) as database,
        ):
            database.execute("PRAGMA query_only = ON")
            database.execute("PRAGMA trusted_schema = OFF")
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)  # of a value, too, that it computes
            tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL"
            there = {str(name): str(sql) for name, sql in database.execute(tables)}
            if any(not _PLAIN.match(there.get(name, "")) or _computes(database, name) for name in _NEEDED):
                raise InputError(f"{path}: no database of MLflow", hint="leave it out, or export a table")
            yield database
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: the database cannot be read ({error})", hint="stop its server, or copy it again"
        ) from None


@contextmanager
def _own_copy(path: Path) -> Iterator[Path]:
    """Where to open a database: one with a log of writes would be written to beside it, so a copy of it is.

    InputError if it changes meanwhile.
    """
    path = path.absolute()
    with path.open("rb") as file:
        if file.read(20)[18:] != b"\2\2":
            yield path
            return
    parts = [part for part in (path, path.with_name(f"{path.name}-wal")) if os.path.lexists(part)]
    before = [(part.stat().st_size, part.stat().st_mtime_ns) for part in parts]
    with tempfile.TemporaryDirectory(prefix="rigorkd-") as folder:
        for part in parts:
            content = read_named(part) if part == path else read_bytes(part, part.parent, LARGEST)
            (Path(folder) / part.name).write_bytes(content)
        if [(part.stat().st_size, part.stat().st_mtime_ns) for part in parts] != before:
            raise InputError(f"{path}: it is being written", hint="stop its server, or copy it again")
        yield Path(folder) / path.name


def _computes(database: sqlite3.Connection, table: str) -> bool:
    """Whether a table has columns that are computed when they are read, or hidden ones."""
    return any(row[6] for row in database.execute(f"PRAGMA table_xinfo({table})"))


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
        if not str(key).startswith("rigorkd/"):  # what publish wrote there
            try:
                found = (int(step or 0), int(time or 0), _number(value, bool(is_nan)))
            except (TypeError, ValueError):  # SQLite holds a column to no type
                raise InputError(
                    f"{path}: {str(key)[:80]!r} of run {str(run)[:80]!r} is no metric of MLflow",
                    hint="leave the database out, or copy it again",
                ) from None
            metrics.setdefault(run, {}).setdefault(str(key), []).append(found)
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
            head.setdefault(str(key), value)
        yield from rows_of(head, metrics.get(run, {}), asked)


def _number(value: float, is_nan: bool) -> str:
    if is_nan:
        return "nan"
    return ("inf" if value > 0 else "-inf") if abs(value) >= _INFINITE else repr(float(value))
