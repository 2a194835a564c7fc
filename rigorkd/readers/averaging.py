"""Rows of one run averaged before seeds are compared (`--average`): folds and items, or a method's settings.

What every run has, such as folds, must be the same in all cells that are compared: one fold is harder than
another. A setting is a method's own: each method is averaged over the temperatures that it has, the same ones
at each seed; one that has a single temperature is named with it, one without any stands as it is. What a name
stands for is part of it from then on. Which is which the column's name and its empty fields tell.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.axes import SYMBOLS
from rigorkd_analysis.columns import AVERAGED_OVER, OWN_SETTINGS, SET_TO, is_number
from rigorkd_analysis.likeness import is_training_setting
from rigorkd_analysis.short_names import plain as as_written

from rigorkd.readers.averaged_parts import (
    TOLD,
    absent,
    are_one_mean,
    average_options,
    by_part,
    in_brief,
    in_turn,
    is_setting,
    row_numbers,
    tell_parts,
    these,
    without_any,
)
from rigorkd.readers.draft import Draft, averaged_over, original
from rigorkd.readers.known_names import PARAMETERS
from rigorkd.readers.leaving_out import words_of
from rigorkd.readers.metric_choice import candidates
from rigorkd.readers.row_cells import set_to
from rigorkd.readers.run_rows import cell_columns, settings_in, told_of
from rigorkd.readers.shapes import is_cost
from rigorkd.readers.written_numbers import ABSENT, plain
from rigorkd.text import count, some_of, suggest

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

AVERAGED = "averaged settings: "
"""How the warning begins that results are means over what their method was set to."""


def average(draft: Draft, metric: str | None) -> None:
    """Rows of one run averaged over folds, items, repeats or settings, which are no replicates.

    Of several columns over each in turn: methods may have settings of their own, one a temperature and
    another a weight.
    """
    for name in averaged_over(draft):
        if original(draft, name) is None:
            raise draft.table.error(
                f"--average {name}: no such column",
                suggest(name, draft.frame.columns, f"there are: {draft.columns()}"),
            )
    named = [column for name in averaged_over(draft) if (column := original(draft, name)) is not None]
    columns = list(dict.fromkeys(named))
    for column in columns:
        _refuse(draft, metric, column)
    if not columns:
        return
    turns, joined = in_turn(draft, columns)
    before = draft.frame
    owner = np.arange(len(before))
    draft.put(_row=[f"r{row}" for row in owner])  # no number, or it would look like a result
    draft.table = replace(draft.table, frame=draft.frame.drop(columns=joined))
    _refuse_mixed(draft, metric, turns)
    parts = [*joined, *(name for name in turns if name in columns and not is_setting(draft, name))]
    for at, column in enumerate(turns):
        became = _average_over(draft, metric, column, turns[at + 1 :])
        owner = np.array([became.get(row, row) for row in owner.tolist()], dtype=np.intp)
    tell_parts(draft, before, owner, parts)
    draft.table = replace(draft.table, frame=draft.frame.drop(columns="_row"))


def _refuse(draft: Draft, metric: str | None, column: str) -> None:
    if column in ("cell", "seed", metric, *cell_columns(draft)):
        rest = [name for name in cell_columns(draft) if name != column]
        instead = ""
        if column in cell_columns(draft) and column != "cell" and rest:
            instead = f"; to average over it, leave it out of what a cell is: --cell {_options(draft, rest)}"
        raise draft.table.error(
            f"--average {draft.spelt(column)}: it tells the runs apart, or is the metric",
            f"name the column whose rows are averaged within a run, such as fold{instead}",
        )


def _average_over(draft: Draft, metric: str | None, column: str, others: Sequence[str]) -> dict[int, int]:
    """Over one column; what is averaged over after it, `others`, tells its rows apart until then.

    Returns:
        The row, by its number in `_row`, that each has become a part of.
    """
    _without_the_unfinished(draft, column)
    _without_number(draft, metric, column)
    of_rows = _by_setting if is_setting(draft, column) else by_part
    number = of_rows(draft, column, others)
    for clock in ("epoch", "step"):  # rows of one run that end at several epochs have none together
        if clock in draft.frame and (draft.frame.groupby(number)[clock].nunique() > 1).any():
            draft.table = replace(draft.table, frame=draft.frame.drop(columns=clock))
    first = np.unique(number, return_index=True)[1]
    rows = row_numbers(draft.frame)
    became = dict(zip(rows.tolist(), rows[first][number].tolist(), strict=True))
    frame = draft.frame.iloc[first].copy()
    results = [metric] if metric else []
    results += [name for name in candidates(draft) if name != metric]
    sizes = np.bincount(number)
    fell = {word: _having(draft, word, number) for word in ("diverged", "missing")}
    lost = fell["diverged"] | fell["missing"]
    for name in results:
        values = plain(draft.frame[name])
        wrong = np.isnan(values) & ~lost[number]
        if wrong.any():
            if name != metric:
                frame = frame.drop(columns=name)
                continue
            row = int(np.flatnonzero(wrong)[0])
            raise draft.table.error("no number to average", "leave the row out, or mend it", row, str(metric))
        means = np.bincount(number, weights=np.nan_to_num(values)) / sizes
        frame[name] = ["" if gone else repr(float(one)) for gone, one in zip(lost, means, strict=True)]
    if fell["diverged"].any():  # what is averaged over has not converged, whichever of it did not
        frame["status"] = np.where(fell["diverged"], "diverged", frame["status"])
    frame = frame.drop(columns=column)
    least, most = int(sizes.min()), int(sizes.max())
    each = count(least, "row") if least == most else f"{least} to {most} rows"
    said = f"averaged over {draft.spelt(column)} ({each} a run)"
    draft.epochs = "; ".join(filter(None, (draft.epochs, said)))
    draft.table = replace(draft.table.rows(first, frame), items=None)  # those of one row are not the run's
    return became


def _having(draft: Draft, status: str, number: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the runs, by number, have a row of this status."""
    own = np.zeros(len(number), dtype=bool)
    if "status" in draft.frame:
        own = (draft.frame["status"] == status).to_numpy()
    return np.asarray(np.bincount(number, weights=own) > 0)


def _without_the_unfinished(draft: Draft, column: str) -> None:
    """Rows that did not finish are no part of an average; where a seed has no other, one stands for it."""
    if "status" not in draft.frame or not (unfinished := (draft.frame["status"] == "missing")).any():
        return
    frame = draft.frame
    alone = unfinished.groupby([frame["cell"], frame["seed"]], sort=False).transform("all")
    gone = unfinished & (~alone | frame.duplicated(["cell", "seed"]))
    for row in np.flatnonzero(gone):
        where = f"{draft.spelt(column)} {frame[column].iloc[row]}"
        draft.dropped.append(told_of(draft, int(row), f"did not finish ({where})"))
    draft.keep(~gone.to_numpy())


def _without_number(draft: Draft, metric: str | None, column: str) -> None:
    """Rows to be averaged whose field is empty or `n/a` are left out, and named."""
    if metric is None:
        return
    blank = draft.frame[metric].str.strip().str.casefold().isin(ABSENT - {"nan"}).to_numpy()
    if "status" in draft.frame:  # a run that fell has none, and counts as what it is
        blank = blank & ~draft.frame["status"].isin(["diverged", "missing"]).to_numpy()
    if not blank.any() or blank.all():
        return
    for row in np.flatnonzero(blank):
        where = f"{draft.spelt(column)} {draft.frame[column].iloc[row]}"
        draft.dropped.append(told_of(draft, int(row), f"no {metric} of {where}"))
    draft.keep(~blank)


# --------------------------------------------------------------------------- settings: what some methods have


def _apart(draft: Draft, *columns: str) -> str:
    """The option that compares one setting at a time."""
    return f"--cell {_options(draft, [*cell_columns(draft), *columns])} compares each by itself"


def _options(draft: Draft, columns: Sequence[str]) -> str:
    return shlex.quote(",".join(map(draft.spelt, columns)))


def _by_setting(draft: Draft, column: str, others: Sequence[str]) -> NDArray[np.intp]:
    """Which rows are averaged: those of one seed of a cell that has the setting; all others stand alone.

    Each cell is averaged over its own settings, at every seed over the same ones: else seeds would differ by
    them. What these are is part of its name.

    Raises:
        InputError: it is not known of a row, there twice, or not all there at any seed.
    """
    what = draft.spelt(column)
    draft.put(**{column: draft.frame[column].map(as_written)})
    _one_of_each(draft, column, _stand_alone(draft, column), others)
    keep, told = np.ones(len(draft.frame), dtype=bool), []
    own = draft.frame[~_stand_alone(draft, column)]
    for cell, some in own.groupby("cell", sort=False):
        settings = set(some[column])
        runs = some.groupby(["seed", *others], sort=False)
        whole = runs[column].transform("nunique") == len(settings)
        if "status" in some:  # what diverged at one of them has, whatever else is missing
            fell = some.assign(_fell=some["status"] == "diverged").groupby(["seed", *others], sort=False)
            whole = whole | fell["_fell"].transform("any")
        told += _gaps(draft, column, str(cell), some[~whole], settings, some["seed"].nunique(), others)
        keep[some.index[~whole]] = False
    if told:
        more = f" and {len(told) - TOLD} more" * (len(told) > TOLD)
        draft.warnings.append(f"{what}: {'; '.join(told[:TOLD])}{more}")
    draft.keep(keep)
    alone = _stand_alone(draft, column)
    _name_averages(draft, column, alone)
    single = np.where(alone, np.arange(len(alone)), -1)
    keys = ["cell", "seed", "_alone", *others]
    number = draft.frame.assign(_alone=single).groupby(keys, sort=False).ngroup()
    return np.asarray(number.to_numpy(), dtype=np.intp)


def _stand_alone(draft: Draft, column: str) -> NDArray[np.bool_]:
    """The rows that no average is over: of cells without the setting, and of seeds at which none finished."""
    alone = without_any(draft, column)
    if "status" in draft.frame:
        alone = alone | (draft.frame["status"] == "missing").to_numpy()
    return alone


def _one_of_each(draft: Draft, column: str, alone: NDArray[np.bool_], others: Sequence[str]) -> None:
    """Refuse rows of which it is not known what they were set to, or that are not one of each setting."""
    what, frame = draft.spelt(column), draft.frame
    for row in np.flatnonzero(absent(draft, column) & ~alone)[:1]:
        has = list(
            dict.fromkeys(frame[column][(frame["cell"] == frame["cell"].iloc[row]) & (frame[column] != "")])
        )
        raise draft.table.error(
            f"{frame['cell'].iloc[row]} has {these(what, has)} elsewhere, and none here",
            f"write the {what} in each row of it, or delete the rows that have none",
            int(row),
            what,
        )
    rows = frame[~alone]
    keys = ["cell", "seed", column, *others]
    again = rows[rows.duplicated(keys, keep=False)]
    if len(again):
        first = again.iloc[0]
        alike = again[(again[keys] == first[keys]).all(axis=1)]
        places = " and ".join(draft.table.place(int(row)) for row in alike.index[:2])
        raise draft.table.error(
            f"seed {first['seed']} of {first['cell']} is there {len(alike)} times with {what} "
            f"{first[column]} ({places})",
            "each counts once: delete the others",
            int(alike.index[1]),
            "seed",
        )


def _refuse_mixed(draft: Draft, metric: str | None, turns: Sequence[str]) -> None:
    """Refuse rows of one run that differ in another setting than those to average over, in whatever order.

    Before any average, as of rows that became one the setting of the first alone would be left. What a run
    came to or cost beside the metric is none.
    """
    for column in filter(lambda name: is_setting(draft, name), turns):
        rows = draft.frame[~_stand_alone(draft, column)]
        varies = [
            name
            for name in settings_in(draft, rows)
            if name not in (metric, *turns, *cell_columns(draft))
            and not _is_outcome(draft, rows, turns, column, name)
        ]
        if not varies:
            continue
        others = [name for name in turns if name != column]
        of_one = rows.groupby(["cell", "seed", *others], sort=False)[varies].nunique() > 1
        if also := [name for name in varies if of_one[name].any()]:
            cell = of_one.index[int(np.flatnonzero(of_one[also[0]])[0])][0]
            raise draft.table.error(
                f"--average {draft.spelt(column)}: rows of one seed of {cell} differ in "
                f"{some_of(list(map(draft.spelt, also)), 6)}, too, and an average over both would not be "
                "said",
                _ways(draft, rows, column, also, others),
            )


def _is_outcome(draft: Draft, rows: pd.DataFrame, turns: Sequence[str], column: str, name: str) -> bool:
    """Whether a column says what runs came to or cost. What goes with the setting at all seeds is another."""
    if not draft.is_outcome(name, ["cell", *turns]):
        return False
    own = rows.groupby(["cell", column], sort=False)
    return is_cost(name) or bool((own[name].nunique() > 1).any() or (own["seed"].nunique() < 2).all())


def _ways(draft: Draft, rows: pd.DataFrame, column: str, also: Sequence[str], others: Sequence[str]) -> str:
    """What may be done where rows of one run differ in more settings than the one to average over.

    Only what can be followed: settings that are no grid have no average over both, and cells that have all
    of the setting at no seed have none over it.
    """
    ways = []
    if are_one_mean(draft, rows, [column, *also]):
        them = "it" if len(also) == 1 else "them"
        ways.append(f"average over {them}, too: {average_options(draft, *also)}")
    apart = f"--cell {_options(draft, [*cell_columns(draft), *also])}"
    if _has_averages(rows, column, also, others):
        ways.append(f"tell them apart: {apart}")
    values = list(dict.fromkeys(rows[also[0]])) if len(also) == 1 else []
    if 1 < len(values) <= _FEW and all(values):
        value = next(
            (one for one in values if _has_averages(rows[rows[also[0]] == one], column, (), others)), None
        )
        if value is not None:
            without = " ".join(
                f"--without {shlex.quote(f'{draft.spelt(also[0])}={one}')}" for one in values if one != value
            )
            ways.append(f"keep {value} alone: {without}")
    return "; or ".join(ways) or f"do not average: {_apart(draft, column, *also)}"


def _has_averages(rows: pd.DataFrame, column: str, also: Sequence[str], others: Sequence[str]) -> bool:
    """Whether every cell has all of its settings at some seed, told apart by other columns, too."""
    for _, own in rows.groupby(["cell", *also], sort=False):
        if own.groupby(["seed", *others], sort=False)[column].nunique().max() < own[column].nunique():
            return False
    return True


_FEW = 4
"""So many values of a setting are left out one by one, as a message advises."""


def _gaps(
    draft: Draft,
    column: str,
    cell: str,
    some: pd.DataFrame,
    shared: set[str],
    seeds: int,
    others: Sequence[str],
) -> list[str]:
    """That a cell has no average at the seeds of these rows, which lack a setting."""
    what = draft.spelt(column)
    lost = {str(seed): shared - set(values) for seed, values in some.groupby("seed", sort=False)[column]}
    if len(lost) == seeds:
        each = f" at each {' and '.join(map(draft.spelt, others))}" if not all(lost.values()) else ""
        raise draft.table.error(
            f"at no seed {cell} has all of {these(what, sorted(shared))}{each}: averages within a seed need "
            "each",
            _ways_to_whole(draft, column, others, min(next(iter(lost.values())) or shared)),
        )
    of_what = dict.fromkeys(lost, "")
    if others:
        for seed, rows in some.groupby("seed", sort=False):
            where = list(dict.fromkeys("/".join(row) for row in rows[list(others)].itertuples(index=False)))
            of_what[str(seed)] = f" ({some_of(where, 4)})"
    return [
        f"{cell} lacks {some_of(sorted(values or shared), 6)} at seed {seed}{of_what[seed]}, and so has no "
        "average there"
        for seed, values in lost.items()
    ]


def _ways_to_whole(draft: Draft, column: str, others: Sequence[str], lacked: str) -> str:
    """What may be done where a cell has all of its settings at no seed.

    Cells that what was measured tells apart are runs: then the column is no part of a cell. It is said first,
    as with it nothing else makes cells of several seeds.
    """
    came_to = [
        name
        for name in cell_columns(draft)
        if name in draft.frame and name != "cell" and draft.is_outcome(name)
    ]
    rest = [name for name in cell_columns(draft) if name not in came_to]
    if came_to and rest:
        says = "is" if len(came_to) == 1 else "are"
        return (
            f"{some_of(list(map(draft.spelt, came_to)), 4)} {says} what runs came to, and no part of a cell: "
            f"--cell {_options(draft, rest)}"
        )
    fewer = f"average over fewer: --without {shlex.quote(f'{draft.spelt(column)}={lacked}')}; or "
    left = draft.frame[~_stand_alone(draft, column) & (draft.frame[column] != lacked)]
    if not _has_averages(left, column, (), others):
        fewer = ""
    return f"run what is missing, or {fewer}do not average: {_apart(draft, column)}"


def _name_averages(draft: Draft, column: str, alone: NDArray[np.bool_]) -> None:
    """What each cell is averaged over, or set to, in its name and behind its method's; and a warning."""
    frame, what = draft.frame, draft.spelt(column)
    called = column if column in SYMBOLS or column in PARAMETERS else what
    own: dict[str, tuple[str, ...]] = {}
    for cell, some in frame[~alone].groupby("cell", sort=False):
        own[str(cell)] = tuple(sorted(some[column].unique(), key=_in_order))
    names, phrases = {}, {}
    for cell, values in own.items():
        said = f"{SYMBOLS.get(called, called)} = "
        if len(values) == 1:
            names[cell] = set_to(cell, column, values[0], draft.spelt)
            phrases[cell] = f"{SET_TO}{said}{values[0]}"
        else:
            names[cell] = f"{cell} mean {called}={in_brief(values, ',')}"
            phrases[cell] = f"{AVERAGED_OVER}{said}{in_brief(values)}"
    told = []
    groups: dict[tuple[str, ...], list[str]] = {}
    for cell, values in own.items():
        groups.setdefault(values, []).append(cell)
    as_is = []
    for values, cells in groups.items():
        words = some_of(words_of(draft, frame["cell"].isin(cells).to_numpy(), column), 4)
        if len(values) > 1:
            told.append(f"{words} over {what} {some_of(values, 12)}")
        else:
            as_is.append(f"{words}: {what} {values[0]} alone")
    without = ~frame["cell"].isin(list(own)).to_numpy()
    if without.any():
        as_is.append(f"{some_of(words_of(draft, without, column), 4)}: no {what}")
    stands = f" ({'; '.join(as_is)}, so as they are)" if as_is else ""
    if told:
        draft.warnings.append(f"{AVERAGED}{'; '.join(told)} within each seed{stands}, as --average asks")
    elif own:
        draft.warnings.append(f"--average {what} averages nothing: no cell has several of it{stands}")
    if len(groups) > 1 and is_training_setting(column):
        draft.warnings.append(
            f"cells differ in {what}: a difference between cells of different {what} is confounded with it"
        )
    before = frame["cell"]
    earlier = frame[OWN_SETTINGS] if OWN_SETTINGS in frame else [""] * len(frame)
    whole = [_both(first, phrases.get(cell, "")) for first, cell in zip(earlier, before, strict=True)]
    draft.put(cell=before.map(lambda cell: names.get(cell, cell)), **{OWN_SETTINGS: whole})
    draft.renamed.update({old: names.get(now, now) for old, now in draft.renamed.items()} | names)


def _both(first: str, then: str) -> str:
    """What a method was averaged over first, and what it was then."""
    if not (first and then):
        return first or then
    return f"{first} and {then.removeprefix(AVERAGED_OVER) if first.startswith(AVERAGED_OVER) else then}"


def _in_order(text: str) -> tuple[float, str]:
    """Numbers by their size, behind them words."""
    return (float(text), "") if is_number(text) else (math.inf, text)
