"""Runs are not rows: which rows count, and what is left out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.columns import number_text
from rigorkd_analysis.likeness import is_training_setting
from rigorkd_analysis.runs import mixed_settings

from rigorkd.errors import InputError
from rigorkd.readers.draft import Draft, averaged_over, kinds_of_seeds, original
from rigorkd.readers.epochs import select_epochs
from rigorkd.readers.json_lists import ROWS
from rigorkd.readers.known_names import INNER, canonical, is_bookkeeping, status_of
from rigorkd.readers.row_cells import maybe_merged
from rigorkd.readers.shapes import is_metric
from rigorkd.readers.written_numbers import ABSENT
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def statuses(draft: Draft) -> None:
    """Statuses in our words."""
    if "status" not in draft.frame:
        return
    words = {word: status_of(word) for word in draft.frame["status"].unique()}
    unknown = [word for word, ours in words.items() if ours is None]
    if unknown:
        row = int(np.flatnonzero((draft.frame["status"] == unknown[0]).to_numpy())[0])
        raise draft.table.error(
            f"{unknown[0]!r} does not say whether this run is done, diverged or missing",
            "write done (finished, completed, success), diverged, or missing (crashed, failed, running)",
            row,
            draft.came.get("status", "status").removeprefix("column ").strip("'"),
        )
    draft.put(_word=draft.frame["status"], status=draft.frame["status"].map(words))


def are_logged(draft: Draft) -> bool:
    """Whether what is averaged within a run, as its folds, has a log of epochs each, of which one counts."""
    columns = [original(draft, name) for name in averaged_over(draft)]
    clock = next((name for name in ("epoch", "step") if name in draft.frame), None)
    if not columns or clock is None or clock in columns:
        return False
    keys = [name for name in ("cell", "seed", "run_id", *columns) if name in draft.frame]
    again = draft.frame.duplicated(keys, keep=False)
    return bool(again.any()) and not draft.frame[again].duplicated([*keys, clock]).any()


EPOCH = "judged epoch: "
"""How the warning begins that says which epoch of each run counts."""


def epochs(draft: Draft, metric: str | None, *, each: bool = False) -> None:
    """One epoch of every run; `each` takes one of every value of what is averaged within a run."""
    if metric is None or not {"epoch", "step"} & set(draft.frame.columns):
        if draft.asked.select:
            logged = any(told.startswith(ROWS) for told in draft.dropped)
            raise draft.table.error(
                "--select needs a column epoch or step",
                "write a row for each epoch, as CSV or JSON Lines, or leave --select out"
                if logged
                else "leave --select out",
            )
        return
    try:
        within = [original(draft, name) for name in averaged_over(draft)] if each else []
        found = select_epochs(draft.table, metric, draft.asked, within)
    except InputError as error:
        names = draft.cell_of([]) if "is there twice" in error.message else []
        if not set(names) - set(cell_columns(draft)):
            raise
        offer = ",".join(map(draft.spelt, names))
        again = InputError(error.message, hint=f"two runs have one name: give --cell {shlex.quote(offer)}")
        again.offers = {"cell": offer}
        raise again from None
    if draft.asked.select and len(found.table.frame) < len(draft.frame):
        draft.warnings.append(f"{EPOCH}{found.said.partition(': ')[2]}, as --select asks")
    draft.table = found.table
    draft.epochs = "; ".join(filter(None, (draft.epochs, found.said)))
    draft.warnings += found.warnings


def duplicates(draft: Draft, metric: str | None) -> None:
    """Each seed of a cell once: a failed try beside a finished one, or one run listed twice, is left out."""
    if "seed" not in draft.frame:
        return
    frame = draft.frame
    status = frame["status"].to_numpy() if "status" in frame else np.full(len(frame), "", dtype=object)
    blank = np.zeros(len(frame), dtype=bool)
    if metric is not None and metric in frame:  # n/a is no number, and NaN may be a divergence
        blank = frame[metric].str.strip().str.casefold().isin(ABSENT - {"nan"}).to_numpy() & (status == "")
        if blank.any():
            status = np.where(blank, "missing", status)
            draft.put(status=status)
            frame = draft.frame
    unfinished = status == "missing"
    keep = np.ones(len(frame), dtype=bool)
    if unfinished.any() and metric is not None:  # what a run shows that did not finish is no result
        values = frame[metric].to_numpy(copy=True)
        values[unfinished] = ""
        draft.put(**{metric: values})
        frame = draft.frame
        names = [name for name in ("cell", "seed") if name in frame]
        for row in np.flatnonzero(unfinished):
            if any(frame[name].iloc[row] == "" for name in names):
                keep[row] = False
                draft.dropped.append(told_of(draft, int(row), "did not finish and has no seed"))
    key = frame.groupby(["cell", "seed"], sort=False).ngroup().to_numpy()
    sizes = np.bincount(key)
    lost = 0
    for group in np.flatnonzero(sizes > 1) if (sizes > 1).any() else ():
        rows = np.flatnonzero((key == group) & keep)
        kept = _one_of(draft, rows, unfinished)
        for row in rows:
            if kept is not None and row != kept:
                keep[row] = False
    for row in np.flatnonzero(unfinished & keep):
        lost += not blank[row]
        why = f"no {metric}" if blank[row] else "did not finish, and nothing replaces it"
        draft.dropped.append(told_of(draft, int(row), why))
    if lost:
        draft.warnings.append(
            f"{count(lost, 'run')} did not finish and {'is' if lost == 1 else 'are'} missing"
        )
    if empty := int((blank & keep).sum()):
        has = "has" if empty == 1 else "have"
        draft.warnings.append(
            f"{count(empty, 'run')} {has} no {metric}, and count{'s' * (empty == 1)} as missing"
        )
    draft.keep(keep)


def left_out_settings(draft: Draft) -> None:
    """Settings in which runs of one cell differ are none where `--cell` leaves them out.

    Cells that are mixtures alike and cells that differ in the setting are told apart: only the latter's
    difference may be the setting's.
    """
    if draft.asked.cell is None:
        return
    for name in mixed_settings(draft.frame):
        column = draft.frame[name]
        values = [word or "none" for word in column.unique()]
        draft.warnings.append(
            f"runs of one cell differ in {draft.spelt(name)} ({some_of(values, 4)}), which --cell leaves "
            "out: they count as one configuration"
        )
        told = _values_of_cells(column, draft.frame["cell"])
        if len(set(told.values())) > 1 and is_training_setting(name):
            each = [f"{cell} {' and '.join(own)}" for cell, own in told.items()]
            draft.warnings.append(
                f"cells differ in {draft.spelt(name)}, too ({some_of(each, 6)}): a difference between "
                "them is confounded with it"
            )
        draft.table = replace(draft.table, frame=draft.frame.drop(columns=name))


def _values_of_cells(values: Iterable[str], cells: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What each cell has of a setting, each value once and in one order."""
    found: dict[str, set[str]] = {}
    for cell, value in zip(cells, values, strict=True):
        found.setdefault(cell, set()).add(number_text(value) or "none")
    return {cell: tuple(sorted(own)) for cell, own in found.items()}


def told_of(draft: Draft, row: int, why: str) -> str:
    """A row with its place and name, and what there is to say of it."""
    frame = draft.frame
    name = frame["run"].iloc[row] if "run" in frame else ""
    name = name or f"{frame['cell'].iloc[row]} seed {frame['seed'].iloc[row]}"
    word = frame["_word"].iloc[row] if "_word" in frame else ""
    return f"{draft.table.place(row)}: {name}" + (f" ({word})" if word else "") + f": {why}"


def _one_of(draft: Draft, rows: NDArray[np.intp], unfinished: NDArray[np.bool_]) -> int | None:
    """Which of several rows for one seed of a cell counts; None leaves it to the analysis to refuse."""
    frame = draft.frame
    if rows.size < 2:
        return None
    done = rows[~unfinished[rows]]
    if done.size == 0:  # none finished: one stands for the run that is missing
        for row in rows[:-1]:
            draft.dropped.append(told_of(draft, int(row), "did not finish, as another try of it"))
        return int(rows[-1])
    for row in rows[unfinished[rows]]:
        draft.dropped.append(told_of(draft, int(row), "did not finish; another try of this seed did"))
    if done.size == 1:
        return int(done[0])
    columns = [name for name in frame.columns if not name.startswith("_")]
    own = frame.iloc[done]
    if "run_id" in frame and own["run_id"].nunique() == 1 and own["run_id"].iloc[0]:
        if len(own[columns].drop_duplicates()) == 1:
            for row in done[1:]:
                draft.dropped.append(told_of(draft, int(row), "the same run once more, by its id"))
            return int(done[0])
    elif (
        "time" in frame
        and own["time"].nunique() == len(own)
        and (own["time"] != "").all()
        and not (_is_cell_guessed(draft) and settings_in(draft, own))
    ):
        newest = max(done, key=lambda row: _instant(frame["time"].iloc[row]))
        for row in done:
            if row != newest:
                draft.dropped.append(
                    told_of(draft, int(row), "an earlier run of this seed; the latest counts")
                )
        draft.warnings.append(
            f"seed {own['seed'].iloc[0]} of {own['cell'].iloc[0]} was run {len(own)} times; the latest counts"
        )
        return int(newest)
    if draft.plainly:
        return None
    kinds = [name for name in kinds_of_seeds(draft)[::-1] if own[name].nunique() > 1]
    inner = next((name for name in (*INNER, *kinds) if name in frame), None)
    varying = settings_in(draft, own) or [
        name
        for name in columns
        if own[name].nunique() > 1 and name not in ("run", "run_id", "time") and not is_metric(name)
    ]
    offer, told = "", varying
    if inner:
        hint = (
            f"the unit of replication is the seed: average over {inner!r} first (--average {inner}); "
            "its values are not replicates"
        )
    elif len(own.drop_duplicates(wanted := draft.cell_of(cell_columns(draft), varying, ~unfinished))) > 1:
        offer = ",".join(map(draft.spelt, wanted))
        told = [name for name in varying if name in wanted] or varying
        told = told or [name for name in wanted if own[name].nunique() > 1]
        differing = some_of(list(map(draft.spelt, told)), 5)
        hint = f"these rows differ in {differing}: give --cell {shlex.quote(offer)}"
        again = frame[~unfinished].duplicated([*wanted, "seed"], keep=False).to_numpy()
        if again.any():
            left = int(frame[~unfinished].duplicated([*wanted, "seed"]).sum())
            twice = frame[~unfinished][again]
            alike = twice[(twice[[*wanted, "seed"]] == twice[[*wanted, "seed"]].iloc[0]).all(axis=1)].index[
                :2
            ]
            places = " and ".join(draft.table.place(int(row)) for row in alike)
            hint += f"; {count(left, 'row')} more than one of a seed will still have to be left out, "
            hint += f"the first of {places}"
            hint += _by_run(draft, own, varying, ~unfinished)
    elif counted := _counted(draft, own, ~unfinished):
        offer = ",".join(map(draft.spelt, counted))
        hint = f"these rows differ in {draft.spelt(counted[-1])}: give --cell {shlex.quote(offer)}"
    else:
        hint = "a run id, a status or a time would tell them apart; leave one out, or give --cell COLUMNS"
        if len(own[columns].drop_duplicates()) == 1:
            hint = "these rows are the same, word for word: delete one of them"
        elif varying:
            differing = some_of(list(map(draft.spelt, varying)), 5)
            hint = f"no setting tells them apart (they differ in {differing}): leave one out"
        hint += _by_run(draft, own, varying, ~unfinished)
    merged = [name for name in maybe_merged(draft, cell_columns(draft)) if (own[name] == "").any()]
    if merged:
        what = draft.spelt(merged[0])
        hint = f"{what} is empty in these rows: if it was a merged cell, write it in each row; else {hint}"
        offer = ""
    pair = _that_differ(frame, done, told)
    lines = " and ".join(draft.table.place(int(row)) for row in pair)
    raise draft.table.error(
        f"seed {own['seed'].iloc[0]} of {own['cell'].iloc[0]} is there {len(own)} times ({lines})",
        hint,
        pair[1],
        "seed",
        cell=offer,
    )


def _that_differ(frame: pd.DataFrame, rows: NDArray[np.intp], columns: Sequence[str]) -> list[int]:
    """The first of some rows, and the next that differs from it in these columns, else the second."""
    values = frame[list(columns)]
    first = int(rows[0])
    other = next((int(row) for row in rows[1:] if not values.iloc[row].equals(values.iloc[first])), None)
    return [first, int(rows[1]) if other is None else other]


def _counted(draft: Draft, own: pd.DataFrame, rows: NDArray[np.bool_]) -> list[str]:
    """The cells and a column whose name usually counts something (`N`), where it alone tells rows apart.

    Its values come again at several seeds, as those of a setting do.
    """
    cells = cell_columns(draft)
    for name in map(str, own.columns):
        odd = name in (*INNER, *cells, "seed") or canonical(name) is not None or name.startswith("_")
        if odd or not is_bookkeeping(name) or own[name].nunique() < len(own) or not draft.recurs(name):
            continue
        if not draft.frame[rows].duplicated([*cells, name, "seed"]).any():
            return [*cells, name]
    return []


def _by_run(draft: Draft, own: pd.DataFrame, varying: Sequence[str], rows: NDArray[np.bool_]) -> str:
    """The cells that the runs' names make, as an offer, where they tell these rows apart."""
    if "run" not in own or own["run"].nunique() < 2:
        return ""
    named = draft.cell_of(["run"], varying, rows)
    if "run" not in named or own.duplicated(named).any():
        return ""
    names = " and ".join(own["run"].unique()[:2])
    return f"; if {names} are configurations, give --cell {shlex.quote(','.join(map(draft.spelt, named)))}"


def cell_columns(draft: Draft) -> list[str]:
    """The columns that a cell's name is made of."""
    where = draft.came.get("cell", "")
    if not where.startswith("columns "):
        return ["run"] if where.startswith(draft.came.get("run", "column run")) else ["cell"]
    return ["run" if name == "_named" else name for name in where.removeprefix("columns ").split(", ")]


def _is_cell_guessed(draft: Draft) -> bool:
    """Whether nobody said what a cell is: neither a column cell nor --cell."""
    return draft.asked.cell is None and "cell" in draft.came


def settings_in(draft: Draft, rows: pd.DataFrame) -> list[str]:
    """The columns in which these rows differ and that hold settings: other rows share their values."""
    known = ("cell", "seed", "run", "run_id", "time", "status", "step", "epoch")
    return [
        name
        for name in map(str, rows.columns)
        if name not in known
        and not name.startswith("_")
        and rows[name].nunique() > 1
        and not is_metric(name)
        and (canonical(name) is not None or not is_bookkeeping(name))
        and draft.frame[name].nunique() <= len(draft.frame) / 2
    ]


def _instant(text: str) -> float:
    import pandas as pd

    try:
        return float(text)
    except ValueError:
        pass
    moment = pd.to_datetime(text, errors="coerce", utc=True)
    return float("-inf") if isinstance(moment, type(pd.NaT)) else float(moment.timestamp())
