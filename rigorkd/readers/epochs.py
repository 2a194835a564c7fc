"""Per-epoch logs: which row of a run counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rigorkd_analysis.metric_names import goal_of
from rigorkd_analysis.runs import OPTIMISTIC
from rigorkd_analysis.table_error import TableError

from rigorkd.errors import InputError
from rigorkd.readers.known_names import folded
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.readers.written_numbers import ABSENT, plain
from rigorkd.text import suggest

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Selected:
    """One row per run; `said` is how its epoch was chosen."""

    table: RawTable
    said: str
    warnings: tuple[str, ...] = ()


def select_epochs(
    table: RawTable, metric: str, asked: Reading, within: Sequence[str | None] = ()
) -> Selected:
    """One row of every run's log, or of each value of the columns `within` a run, as of each fold.

    A value that a log writes once per run (a test after training) is the run's, whichever epoch counts.

    Raises:
        InputError: which epoch counts is not said, or an epoch is there twice.
    """
    frame = table.frame
    clock = "epoch" if "epoch" in frame else "step"
    parts = [name for name in ("cell", "seed", "run_id", "run", "_word", *within) if name in frame]
    keys: list[Any] = [frame[name] for name in parts]
    if len(table.files) > 1:
        keys.append(table.file_of)
    runs: NDArray[np.int64] = np.asarray(frame.groupby(keys, sort=False).ngroup(), dtype=np.int64)
    size = int(runs.max()) + 1
    if size == len(frame) and not asked.select:
        return Selected(table, "")
    times = plain(frame[clock])
    filled = ~frame[metric].str.casefold().isin(ABSENT).to_numpy() | (frame[metric].str.casefold() == "nan")
    filled = np.asarray(filled)
    once = bool((np.bincount(runs[filled], minlength=size) <= 1).all())
    if not asked.select and not once:
        raise table.error(
            f"{len(frame):,} rows are the {clock}s of {size:,} runs: which one counts?",
            "give --select last, or --select best:COLUMN with a validation metric",
            select="last",
        )
    said = f"{metric}: logged once a run"
    warnings: tuple[str, ...] = ()
    wanted = None
    marked = ""
    if asked.select and asked.select != "last":
        wanted, said, marked = _best(table, asked, metric, runs, times, size, clock)
        if marked:
            on = "test data" if _is_test(marked) else f"{marked}, which is judged"
            warnings = (f"the epoch of every run was chosen on {on}: {OPTIMISTIC}",)
    elif asked.select:
        said = f"{clock}: the last of each run"
    numbered = np.isfinite(times)
    if not numbered.all() and (filled & ~numbered).any() and not once:
        row = int(np.flatnonzero(filled & ~numbered)[0])
        raise table.error(f"{frame[clock].iloc[row]!r} is no {clock}", "number the rows", row, clock)
    on_test = f"best_test: {marked}" if marked and _is_test(marked) else ""
    return Selected(_picked(table, runs, times, size, wanted, clock, on_test, metric), said, warnings)


def _is_test(column: str) -> bool:
    return "test" in folded(column).replace("/", "_").split("_")


def _as_judged(column: str) -> str:
    """What a column measures, on whichever data."""
    words = folded(column).replace("/", "_").split("_")
    return "_".join(word for word in words if word not in _DATA)


_DATA = frozenset({"test", "val", "valid", "validation", "dev", "eval"})


def _best(
    table: RawTable,
    asked: Reading,
    metric: str,
    runs: NDArray[np.int64],
    times: NDArray[np.float64],
    size: int,
    clock: str,
) -> tuple[NDArray[np.float64], str, str]:
    """The epoch of each run at which a column is best; and that column, if it is of test data or judged.

    Which way it counts its name says; of the metric, and of the same on other data, `goal` does first.
    """
    select = asked.select or ""
    how, _, name = select.partition(":")
    columns = [str(column) for column in table.frame.columns]
    if how != "best" or not name:
        raise InputError(f"--select {select}: not understood", hint="give last, or best:COLUMN")
    column = next((one for one in columns if one == name), None) or next(
        (one for one in columns if folded(one) == folded(name)), None
    )
    if column is None:
        raise table.error(f"--select {select}: no column {name!r}", suggest(name, columns, "name a column"))
    like_judged = _as_judged(column) == _as_judged(metric)
    try:
        goal = asked.goal if asked.goal and like_judged else goal_of(column)
    except TableError:
        say = "say it by --goal, or select" if like_judged else "select"
        raise table.error(
            f"--select {select}: does more of {column} count as better?",
            f"{say} by a column whose name says so, such as val_acc or val_loss",
        ) from None
    values = plain(table.frame[column])
    values = np.where(np.isfinite(values), values if goal == "max" else -values, -np.inf)
    best = np.full(size, -np.inf)
    np.maximum.at(best, runs, values)
    if (~np.isfinite(best)).any():
        row = int(np.flatnonzero(~np.isfinite(best[runs]))[0])
        raise table.error(f"no value of {column} in this run", "leave the run out", row, column)
    first = np.full(size, np.inf)  # the earliest of equals
    at_best = values == best[runs]
    numbered = at_best & np.isfinite(times)
    np.minimum.at(first, runs[numbered], times[numbered])
    said = f"{clock}: the best of each run by {column} ({goal})"
    if _is_test(column):
        return first, f"{said}, which is of test data", column
    return first, f"{said}, which is judged" * (column == metric) or said, column if column == metric else ""


def _picked(
    table: RawTable,
    runs: NDArray[np.int64],
    times: NDArray[np.float64],
    size: int,
    wanted: NDArray[np.float64] | None,
    clock: str,
    marked: str,
    metric: str,
) -> RawTable:
    """Each run's row: per column the value at the wanted epoch, or the last one there is."""
    frame = table.frame
    order = np.lexsort((np.arange(len(frame)), np.where(np.isfinite(times), times, np.inf), runs))
    last = np.zeros(size, dtype=np.int64)
    last[runs[order]] = order
    if wanted is not None:
        at = times == wanted[runs]
        last[runs[order][at[order]]] = order[at[order]]
    made = frame.iloc[last].reset_index(drop=True).copy()
    for column in map(str, frame.columns):
        values = frame[column].to_numpy()
        if (values[last] != "").all() and wanted is None:
            if column == metric:
                _refuse_twice(table, runs, times, column, values, clock)
            continue
        there = values != ""
        counts = np.bincount(runs[there], minlength=size)
        use = (
            there[order]
            if wanted is None
            else (there & ((times == wanted[runs]) | (counts[runs] == 1)))[order]
        )
        own = np.full(size, "", dtype=object)
        own[runs[order][use]] = values[order][use]
        made[column] = own
        if column == metric:
            _refuse_twice(table, runs, times, column, values, clock)
    if clock == "epoch" and "epochs" not in made and "epochs_run" not in made:
        numbers = np.where(np.isfinite(times), times, -np.inf)
        most = np.full(size, -np.inf)
        np.maximum.at(most, runs, numbers)
        least = float(np.min(numbers[np.isfinite(numbers)], initial=0.0))
        made["epochs_run"] = ["" if not np.isfinite(value) else f"{value - least + 1:g}" for value in most]
    if marked:
        made["selected_on"] = marked
    return table.rows(last, made)


def _refuse_twice(
    table: RawTable,
    runs: NDArray[np.int64],
    times: NDArray[np.float64],
    column: str,
    values: Sequence[object] | NDArray[np.object_],
    clock: str,
) -> None:
    """One epoch of one run with two values: two runs under one name."""
    there = np.flatnonzero(np.asarray(values, dtype=object) != "")
    order = there[np.lexsort((times[there], runs[there]))]
    same = (runs[order][1:] == runs[order][:-1]) & (times[order][1:] == times[order][:-1])
    differ = np.asarray(values, dtype=object)[order][1:] != np.asarray(values, dtype=object)[order][:-1]
    if (same & differ).any():
        at = int(np.flatnonzero(same & differ)[0])
        first, row = sorted((int(order[at]), int(order[at + 1])))
        frame = table.frame
        raise table.error(
            f"{clock} {frame[clock].iloc[row]} of {frame['cell'].iloc[row]} seed {frame['seed'].iloc[row]} "
            f"is there twice ({table.place(first)}), with different {column}",
            "two runs have one name: tell them apart by --cell COLUMNS, --seed PATTERN or a column run_id",
            row,
            column,
        )
