"""What every run has, such as folds or data sets, averaged within a seed: the same in all that is compared.

Folds and items are much alike, and at a seed that lost one in one cell it is left out of the others as well.
Data sets, or pairs of a teacher and its student, lie further apart than seeds do: where a run lacks one of
them, it has no average. Columns of such parts that go together, as the teacher does with the student of a
pair, are averaged over as one.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.columns import is_number, sets_up
from rigorkd_analysis.likeness import holds_data, says_on_what

from rigorkd.errors import InputError
from rigorkd.readers.draft import Draft, averaged_over
from rigorkd.readers.known_names import (
    INNER,
    canonical,
    folded,
    is_bookkeeping,
    is_kind_of_seed,
    unhumped,
)
from rigorkd.readers.leaving_out import words_of
from rigorkd.readers.run_rows import cell_columns
from rigorkd.readers.written_numbers import ABSENT
from rigorkd.text import some_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

AVERAGED_PARTS = "averaged within a run: "
"""How the warning begins that results are means over folds, items or data sets."""

TOLD = 6
"""Gaps that a warning names."""

_LISTED = 6
"""So many values are listed; of more, their number and their ends."""

_NETWORKS = ("student", "teacher", "model")
"""Settings by their names that go together in pairs: what a run is of, where they do."""

_NO_SETTING = frozenset(
    {"fold", "epoch", "step", "run", "run_id", "time", "status", "dataset", "task", "seed"}
)

_RIVALS = ("group", "dataset", "task", "student")
"""Cells that differ in one of these are not compared, so their folds need not be the same."""

_TOGETHER = "columns that are averaged over as one"
"""Where a column came from that was made of several."""

_ALIKE = frozenset({*INNER, "trial", "replicate", "question", "doc"})
_MANY = 50
"""So many values of a column are items, of which one more or less makes no other mean."""


def is_setting(draft: Draft, column: str) -> bool:
    """Whether a column is a setting that methods have, or have not, and no part of what all are measured on.

    By its name; a name that is not known is one where some cells have none of it.
    """
    known = canonical(column)
    if draft.came.get(column) == _TOGETHER:
        return False
    if column in INNER or known in _NO_SETTING or is_kind_of_seed(column) or says_on_what(column):
        return False
    if known is not None or sets_up(column):
        return True
    return not is_bookkeeping(column) and bool(without_any(draft, column).any())


def absent(draft: Draft, column: str) -> NDArray[np.bool_]:
    """The rows that have no value of a column."""
    return np.asarray(draft.frame[column].str.casefold().isin(ABSENT).to_numpy(), dtype=bool)


def without_any(draft: Draft, column: str) -> NDArray[np.bool_]:
    """The rows of cells that have no value of a column at all."""
    there = draft.frame.assign(_there=~absent(draft, column)).groupby("cell", sort=False)["_there"]
    return ~np.asarray(there.transform("any").to_numpy(), dtype=bool)


def _are_alike(draft: Draft, column: str) -> bool:
    """Whether the values of a part are much alike, as folds, items and seeds are; data sets are not."""
    if says_on_what(column) or draft.came.get(column) == _TOGETHER:
        return False
    if is_kind_of_seed(column) or canonical(column) in ("fold", "run", "run_id"):
        return True
    words = re.split(r"[^a-z]+", folded(unhumped(column)))
    return folded(column) in _ALIKE or not _ALIKE.isdisjoint(words) or draft.frame[column].nunique() > _MANY


# --------------------------------------------------------------------------------- columns that go together


def in_turn(draft: Draft, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns to average over one after another: folds and items first, as they are of one data set each.

    What lies far apart becomes one column, so that a run is averaged over what is there at its seed of all of
    it; so do networks that are no full grid: each teacher has its own student.

    Returns:
        The columns, one of which may be new, and those that became it.
    """
    alike = [name for name in columns if not is_setting(draft, name) and _are_alike(draft, name)]
    rest = [name for name in columns if name not in alike]
    parts = [name for name in rest if not is_setting(draft, name)]
    words = [name for name in rest if name in parts or _may_be_paired(draft, name)]
    together = [
        name
        for name in rest
        if name in parts
        or (name in words and any(_are_paired(draft.frame, name, one) for one in words if one != name))
    ]
    if len(together) < 2:
        return [*alike, *rest], []
    _fill(draft, together)
    # in the order in which the file has them, whatever order they were asked for in
    names = [name for name in map(str, draft.frame.columns) if name in together]
    joint = in_brief([draft.spelt(name) for name in names])
    values = ["/".join(row) for row in draft.frame[names].itertuples(index=False, name=None)]
    draft.put(**{joint: values})
    draft.came[joint] = _TOGETHER
    turns = [joint if name == together[0] else name for name in rest if name not in together[1:]]
    return [*alike, *turns], names


def are_one_mean(draft: Draft, rows: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether a mean over several columns can be said: networks in pairs, or a full grid in each cell."""
    loose = [name for name in columns if not (name in _NETWORKS and _may_be_paired(draft, name))]
    for _, some in rows.groupby("cell", sort=False):
        if some[loose].drop_duplicates().shape[0] < math.prod(some[name].nunique() for name in loose):
            return False
    return True


def _may_be_paired(draft: Draft, name: str) -> bool:
    """Whether a column may hold halves of pairs, as teachers are: by its name, or words of one unknown."""
    if name in _NETWORKS:
        return True
    return canonical(name) is None and not any(is_number(word) for word in draft.frame[name].unique())


def _are_paired(frame: pd.DataFrame, name: str, other: str) -> bool:
    """Whether the values of two columns are no full grid, as far as rows have both."""
    there = ~(frame[name].str.casefold().isin(ABSENT) | frame[other].str.casefold().isin(ABSENT))
    pairs = frame.loc[there, [name, other]].drop_duplicates()
    return 1 < len(pairs) < pairs[name].nunique() * pairs[other].nunique()


def _fill(draft: Draft, together: Sequence[str]) -> None:
    """A student that had no teacher stands beside each that it has elsewhere: all are compared with it."""
    for name in together:
        gaps = absent(draft, name)
        if not gaps.any() or gaps.all():
            continue
        frame = draft.frame
        others = [one for one in together if one != name and _are_paired(frame, name, one)]
        if not others:
            continue
        known = frame.loc[~gaps, [*others, name]].drop_duplicates()
        of_each = {key: list(some[name]) for key, some in known.groupby(others, sort=False)}
        keys = list(frame[others].itertuples(index=False, name=None))
        own = [of_each.get(key, [""]) if gap else [""] for key, gap in zip(keys, gaps, strict=True)]
        rows = np.repeat(np.arange(len(frame)), [len(values) for values in own])
        whole = frame.iloc[rows].copy()
        filled = [value for values in own for value in values]
        whole[name] = [value or had for value, had in zip(filled, whole[name], strict=True)]
        draft.table = replace(draft.table.rows(rows, whole), items=None)


# ------------------------------------------------------------------------------------ the same of it in all


def by_part(draft: Draft, column: str, others: Sequence[str]) -> NDArray[np.intp]:
    """Which rows are one run, of those that are of what all compared cells have."""
    _on_common(draft, column, others)
    keys = [name for name in ("cell", "seed", "run_id", *others) if name in draft.frame]
    if "run_id" in keys and not _are_alike(draft, column):
        whole = [name for name in keys if name != "run_id"]
        if not draft.frame.duplicated([*whole, column]).any():  # a run on each data set has an id of its own
            keys = whole
    number = np.asarray(draft.frame.groupby(keys, sort=False).ngroup().to_numpy(), dtype=np.intp)
    sizes = np.bincount(number)
    again = draft.frame.duplicated([*keys, column]).any()
    if sizes.min() != sizes.max() and (_are_alike(draft, column) or again):
        few, least = draft.frame.iloc[int((number == sizes.argmin()).argmax())], int(sizes.min())
        draft.warnings.append(
            f"runs are averages over {least} to {sizes.max()} rows of {column} ({least} of "
            f"{few['cell']} seed {few['seed']})"
        )
    return number


def _on_common(draft: Draft, column: str, others: Sequence[str]) -> None:
    """What is averaged must be the same in all cells that are compared: rows of other folds are left out.

    One fold is harder than another, so that averages over different ones differ without any difference.

    Raises:
        InputError: cells have fewer than half of the folds in common, or one has all of them at no seed.
    """
    keep = np.ones(len(draft.frame), dtype=bool)
    for rows in _places(draft, column, others):
        keep[rows] = _common(draft, draft.frame.iloc[rows], column, others)
    draft.keep(keep)


def _places(draft: Draft, column: str, others: Sequence[str]) -> list[NDArray[np.intp]]:
    """The rows of each place, whose cells are compared with each other."""
    frame = draft.frame
    rivals = [name for name in _RIVALS if name in frame and name != column]
    rivals += [name for name in others if name not in rivals and not is_setting(draft, name)]
    rivals += [
        name for name in map(str, frame.columns) if name not in (*rivals, column) and _is_part(draft, name)
    ]
    group = frame.groupby(rivals, sort=False).ngroup().to_numpy() if rivals else np.zeros(len(frame), np.intp)
    return [np.flatnonzero(group == one) for one in range(int(group.max(initial=-1)) + 1)]


def _is_part(draft: Draft, name: str) -> bool:
    says = says_on_what(name) or holds_data(name, draft.frame[name].unique())
    return says and bool((draft.frame.groupby("cell", sort=False)[name].nunique() == 1).all())


def _units(draft: Draft, frame: pd.DataFrame, others: Sequence[str]) -> pd.Series[str]:
    """What each row is of, in words: its cell, at what is to be averaged over after this column."""
    units = frame["cell"]
    for name in others:
        if is_setting(draft, name):
            what = draft.spelt(name)
            said = {value: f" at {what} {value}" for value in frame[name].unique()}
            units = units + frame[name].map(
                {value: "" if value.casefold() in ABSENT else at for value, at in said.items()}
            )
    return units


def _common(draft: Draft, frame: pd.DataFrame, column: str, others: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows of cells that are compared are of folds that all of them have."""
    frame = frame.assign(_unit=_units(draft, frame, others))
    shared, told = _shared(draft, frame, column)
    lacking, what = len(told), draft.spelt(column)
    keep = frame[column].isin(shared)
    left = frame[keep]
    if not _are_alike(draft, column):
        short = _without_some(draft, column, left, told).reindex(frame.index, fill_value=False)
        return np.asarray((keep & ~short).to_numpy(), dtype=bool)
    cells = left.groupby("seed", sort=False)["_unit"].transform("nunique")
    lost = left.groupby(["seed", column], sort=False)["_unit"].transform("nunique") < cells
    gaps = left[lost].drop_duplicates(["seed", column])
    for seed, fold in zip(gaps["seed"][:TOLD], gaps[column][:TOLD], strict=True):
        at_seed = left[left["seed"] == seed]
        had = set(at_seed["_unit"][at_seed[column] == fold])
        without = [name for name in map(str, at_seed["_unit"].unique()) if name not in had]
        told.append(f"{some_of(without, 3)} lacks {fold} at seed {seed}")
    if told:
        many = lacking + len(gaps)
        more = f" and {many - TOLD} more" * (many > TOLD)
        draft.warnings.append(
            f"{what}: {'; '.join(told[:TOLD])}{more}; left out of the averages of all cells, so that like "
            "is compared with like"
        )
    keep = keep & ~lost.reindex(frame.index, fill_value=False)
    gone = frame[~frame["seed"].isin(set(frame["seed"][keep]))]
    if len(gone):
        raise draft.table.error(
            f"at seed {gone['seed'].iloc[0]} no {what} is there in all of "
            f"{some_of(list(dict.fromkeys(gone['_unit'])), 4)}",
            f"name the same {what} alike in all cells, or leave the seed out",
            int(gone.index[0]),
            "seed",
        )
    return np.asarray(keep.to_numpy(), dtype=bool)


def _without_some(draft: Draft, column: str, rows: pd.DataFrame, told: Sequence[str]) -> pd.Series[bool]:
    """Which rows are of a seed at which their cell lacks some data sets, and so has no average.

    Data sets lie further apart than seeds do: a mean over fewer of them is no replicate of the others. A
    `told` part that a cell lacks at all seeds is left out of all, and said with these. What diverged on one
    of them has, whatever else it lacks.

    Raises:
        InputError: a cell has no average at any seed.
    """
    what, shared = draft.spelt(column), set(rows[column])
    runs = rows.groupby(["_unit", "seed"], sort=False)
    short = runs[column].transform("nunique") < len(shared)
    if "status" in rows:
        fell = rows["status"].isin(["diverged", "missing"])
        short = short & ~rows.assign(_fell=fell).groupby(["_unit", "seed"], sort=False)["_fell"].transform(
            "any"
        )
    whole = set(rows["_unit"][~short])
    if never := [unit for unit in dict.fromkeys(rows["_unit"][short]) if unit not in whole]:
        raise _at_no_seed(draft, column, rows, never)
    gaps = []
    for (unit, seed), some in rows[short].groupby(["_unit", "seed"], sort=False):
        lost = some_of(sorted(shared.difference(some[column])), 6)
        gaps.append(f"{unit} lacks {lost} at seed {seed}, and so has no average there")
    if told:
        draft.warnings.append(
            f"{what}: {'; '.join(told[:TOLD])}; left out of the averages of all cells, so that like is "
            "compared with like"
        )
    if gaps:
        more = f" and {len(gaps) - TOLD} more" * (len(gaps) > TOLD)
        draft.warnings.append(f"{what}: {'; '.join(gaps[:TOLD])}{more}")
    return short


def _at_no_seed(draft: Draft, column: str, rows: pd.DataFrame, units: Sequence[str]) -> InputError:
    """That cells have no average at all, with ways out."""
    what, own = draft.spelt(column), rows[rows["_unit"].isin(units)]
    needs = list(dict.fromkeys(rows[column]))
    cells = list(dict.fromkeys(own["cell"]))
    words = words_of(draft, draft.frame["cell"].isin(cells).to_numpy())
    leave = " ".join(f"--without {shlex.quote(word)}" for word in words)
    ways = [f"run what is missing, or leave {some_of(cells, 3)} out ({leave})"]
    for value in () if draft.came.get(column) == _TOGETHER else needs:
        fewer = own[own[column] != value].groupby(["_unit", "seed"], sort=False)[column].nunique()
        full = fewer[fewer == len(needs) - 1].index.get_level_values("_unit")
        if len(needs) > 1 and set(full) == set(units):
            ways.append(f"average over fewer: --without {shlex.quote(f'{what}={value}')}")
            break
    has = "has" if len(units) == 1 else "have"
    return draft.table.error(
        f"at no seed {some_of(units, 3)} {has} all of {these(what, needs)}: averages within a seed need each",
        "; or ".join(ways),
    )


def _shared(draft: Draft, frame: pd.DataFrame, column: str) -> tuple[set[str], list[str]]:
    """What all of these cells have of a column, and what each lacks.

    Raises:
        InputError: they have less than half of it in common.
    """
    own = {str(unit): set(values) for unit, values in frame.groupby("_unit", sort=False)[column]}
    everything, shared = list(dict.fromkeys(frame[column])), set.intersection(*own.values())
    what = draft.spelt(column)
    lacking = {
        unit: [value for value in everything if value not in had]
        for unit, had in own.items()
        if len(had) < len(everything)
    }
    if lacking and 2 * len(shared) < len(everything):
        unit, values = max(lacking.items(), key=lambda item: len(item[1]))
        cell = frame["cell"][frame["_unit"] == unit].iloc[0]
        other = next(name for name in own if values[0] in own[name])
        has = [value for value in everything if value in own[unit]]
        every = draft.frame.groupby("cell", sort=False)[column].agg(frozenset)
        alike = draft.frame["cell"].isin(every.index[every == every[cell]]).to_numpy()
        leave = " ".join(f"--without {shlex.quote(word)}" for word in words_of(draft, alike))
        same = f"name the same {what} alike in all cells; where runs are missing, leave {cell} out ({leave})"
        if with_it := _goes_with(draft, frame, column):
            both = average_options(draft, with_it)
            same = f"{what} goes with {draft.spelt(with_it)}: average over both ({both})"
        raise draft.table.error(
            f"{unit} has {these(what, has)}, and no {these('', values)}, which {other} has: averages "
            "over different ones are no like comparison",
            same,
        )
    return shared, [f"{unit} lacks {these('', values)}" for unit, values in lacking.items()]


def _goes_with(draft: Draft, frame: pd.DataFrame, column: str) -> str | None:
    """The column of the cells that pairs with this one, as the teacher does with the student of a pair."""
    for name in cell_columns(draft):
        if name in frame and name not in ("cell", column):
            pairs = frame[[name, column]].drop_duplicates()
            if len(pairs) > 1 and pairs[name].is_unique and pairs[column].is_unique:
                return name
    return None


# --------------------------------------------------------------------------------------------- what is said


def tell_parts(draft: Draft, before: pd.DataFrame, owner: NDArray[np.intp], columns: Sequence[str]) -> None:
    """What every result is a mean over, of all columns at once, as rows were `before` any was averaged over.

    Of columns that go together, such as the teacher and the student of a pair, each pair is named: a mean
    over pairs is no mean over teachers. Cells with other parts than most, and seeds with fewer, are named.
    `owner` is the row of `_row` that each row has become a part of.
    """
    frame = draft.frame
    if "status" in frame:
        frame = frame[~frame["status"].isin(["diverged", "missing"])]
    cell_of = dict(
        zip(row_numbers(frame).tolist(), zip(frame["cell"], frame["seed"], strict=True), strict=True)
    )
    there = np.isin(owner, list(cell_of))
    kept, owner = before[there], owner[there]
    in_order = [column for column in map(str, kept) if column in columns]
    several = [column for column in in_order if (kept.groupby(owner)[column].nunique() > 1).any()]
    alone = [  # what was left out of all cells is in no result, though it was asked for
        f"of {draft.spelt(column)} {kept[column].iloc[0]} alone"
        for column in in_order
        if column not in several and kept[column].nunique() == 1 < before[column].nunique()
    ]
    if not several:
        if alone:
            told = in_brief(alone) if len(alone) > 1 else alone[0]
            draft.warnings.append(f"{AVERAGED_PARTS}every result is {told}")
        return
    words = list(map(tuple, kept[several].itertuples(index=False, name=None)))
    of_run: dict[int, set[tuple[str, ...]]] = {}
    for run, word in zip(owner.tolist(), words, strict=True):
        of_run.setdefault(run, set()).add(word)
    of_cell: dict[str, set[tuple[str, ...]]] = {}
    for run, own in of_run.items():
        of_cell.setdefault(cell_of[run][0], set()).update(own)
    sets = Counter(map(frozenset, of_cell.values()))
    most = max(sets, key=lambda one: (sets[one], len(one)))
    names = [draft.spelt(column) for column in several]

    def listed(some: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [word for word in dict.fromkeys(words) if word in some]

    other = alone + [
        f"of {some_of([cell for cell, own in of_cell.items() if own == one], 3)}: "
        f"{_named(['/'.join(word) for word in listed(one)])}"
        for one in sets
        if one != most
    ]
    fewer = [cell_of[run][1] for run, own in of_run.items() if own != of_cell[cell_of[run][0]]]
    if fewer:
        seeds = sorted(set(fewer), key=lambda seed: (len(seed), seed))
        other.append(f"fewer at seed{'s' * (len(seeds) > 1)} {some_of(seeds, 4)}")
    told = _of_what(names, listed(most))
    if other:
        told += f", {'; '.join(other)}"
    draft.warnings.append(f"{AVERAGED_PARTS}every result is a mean over {told}, as --average asks")


def row_numbers(frame: pd.DataFrame) -> NDArray[np.intp]:
    """Which row of the table as it was read each row was the first of."""
    return np.asarray(frame["_row"].str[1:].astype(int).to_numpy(), dtype=np.intp)


def _of_what(names: Sequence[str], together: Sequence[tuple[str, ...]]) -> str:
    """Columns with their values: each with its own where they are a grid, else the pairs that there are."""
    of_each = [list(dict.fromkeys(words)) for words in zip(*together, strict=True)]
    by_itself = [
        len(together) == len(of_each[at]) * len({(*word[:at], *word[at + 1 :]) for word in together})
        for at in range(len(names))
    ]
    if math.prod(map(len, of_each)) == len(together):
        by_itself = [True] * len(names)
    each = [f"{names[at]} ({_named(of_each[at])})" for at in range(len(names)) if by_itself[at]]
    tied = [at for at in range(len(names)) if not by_itself[at]]
    if tied:
        kind = "pairs" if len(tied) == 2 else "combinations"
        pairs = list(dict.fromkeys("/".join(word[at] for at in tied) for word in together))
        of = f"{kind} of " * bool(each)
        each.append(f"{of}{in_brief([names[at] for at in tied])} ({_named(pairs, kind)})")
    return in_brief(each) if len(each) > 1 else each[0]


def _named(values: Sequence[str], what: str = "values") -> str:
    if len(values) == 1:
        return f"{values[0]} alone"
    return in_brief(values) if len(values) <= _LISTED else f"{len(values)} {what}"


def these(what: str, values: Sequence[str]) -> str:
    """Values with what they are of; where a field is empty, that."""
    there = [value for value in values if value.casefold() not in ABSENT]
    named = [f"{what} {some_of(there, 6)}".strip()] if there else []
    empty = ["a field that is empty"] if len(there) < len(values) else []
    return " and ".join((*named, *empty))


def in_brief(values: Sequence[str], between: str = "") -> str:
    """Values in a row: of many the ends and their number."""
    if len(values) > _LISTED:
        return f"{values[0]} to {values[-1]} ({len(values)})" if not between else f"{values[0]}..{values[-1]}"
    return between.join(values) if between else f"{', '.join(values[:-1])} and {values[-1]}"


def average_options(draft: Draft, *more: str) -> str:
    """All that is averaged over and some columns more, as it is typed."""
    names = [*averaged_over(draft), *map(draft.spelt, more)]
    return " ".join(f"--average {shlex.quote(name)}" for name in dict.fromkeys(names))
