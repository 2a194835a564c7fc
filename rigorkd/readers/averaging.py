"""Rows of one run averaged before seeds are compared (`--average`): folds and items, or a method's settings.

What every run has, such as folds, must be the same in all cells that are compared: one fold is harder than
another. A setting is a method's own: each method is averaged over the temperatures that it has, the same ones
at each seed; one that has a single temperature is named with it, one without any stands as it is. What a name
stands for is part of it from then on. Which is which the column's name and its empty fields tell.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.axes import SYMBOLS
from rigorkd_analysis.columns import AVERAGED_OVER, OWN_SETTINGS, SET_TO, is_number, sets_up
from rigorkd_analysis.likeness import is_training_setting, says_on_what
from rigorkd_analysis.short_names import plain as as_written

from rigorkd.readers.draft import Draft, averaged_over, original
from rigorkd.readers.known_names import INNER, PARAMETERS, canonical, is_bookkeeping, is_kind_of_seed
from rigorkd.readers.leaving_out import words_of
from rigorkd.readers.metric_choice import candidates
from rigorkd.readers.row_cells import set_to
from rigorkd.readers.run_rows import cell_columns, settings_in, told_of
from rigorkd.readers.written_numbers import ABSENT, plain
from rigorkd.text import count, some_of, suggest

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

AVERAGED, AVERAGED_PARTS = "averaged settings: ", "averaged within a run: "
"""How the warnings begin that results are means over what their method was set to, or over folds or items."""


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
    columns = [column for name in averaged_over(draft) if (column := original(draft, name)) is not None]
    before, parts = draft.frame, dict[str, set[str]]()
    for at, column in enumerate(columns):
        is_part, had = _average_over(draft, metric, column, columns[at + 1 :])
        if is_part:
            parts[column] = had
    _tell_parts(draft, before, parts)


def _average_over(
    draft: Draft, metric: str | None, column: str, others: Sequence[str]
) -> tuple[bool, set[str]]:
    """Over one column; what is averaged over after it, `others`, tells its rows apart until then.

    Returns:
        Whether the column is a part of what all are measured on, and the values of it that were averaged.
    """
    if column in ("cell", "seed", metric, *cell_columns(draft)):
        rest = [name for name in cell_columns(draft) if name != column]
        instead = ""
        if column in cell_columns(draft) and column != "cell" and rest:
            instead = f"; to average over it, leave it out of what a cell is: --cell {_options(draft, rest)}"
        raise draft.table.error(
            f"--average {draft.spelt(column)}: it tells the runs apart, or is the metric",
            f"name the column whose rows are averaged within a run, such as fold{instead}",
        )
    _without_the_unfinished(draft, column)
    _without_number(draft, metric, column)
    is_part = not _is_setting(draft, column)
    of_rows = _by_part if is_part else _by_setting
    number = of_rows(draft, column, others)
    had = set(draft.frame[column])
    for clock in ("epoch", "step"):  # rows of one run that end at several epochs have none together
        if clock in draft.frame and (draft.frame.groupby(number)[clock].nunique() > 1).any():
            draft.table = replace(draft.table, frame=draft.frame.drop(columns=clock))
    first = np.unique(number, return_index=True)[1]
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
    return is_part, had


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


# ------------------------------------------------------------------------- folds, items: what every run has


_RIVALS = ("group", "dataset", "task", "student")
"""Cells that differ in one of these are not compared, so their folds need not be the same."""


def _by_part(draft: Draft, column: str, others: Sequence[str]) -> NDArray[np.intp]:
    """Which rows are one run, of those that are of what all compared cells have."""
    _on_common(draft, column)
    keys = [name for name in ("cell", "seed", "run_id", *others) if name in draft.frame]
    number = np.asarray(draft.frame.groupby(keys, sort=False).ngroup().to_numpy(), dtype=np.intp)
    sizes = np.bincount(number)
    if sizes.min() != sizes.max():
        few, least = draft.frame.iloc[int((number == sizes.argmin()).argmax())], int(sizes.min())
        draft.warnings.append(
            f"runs are averages over {least} to {sizes.max()} rows of {column} ({least} of "
            f"{few['cell']} seed {few['seed']})"
        )
    return number


def _tell_parts(draft: Draft, before: pd.DataFrame, parts: Mapping[str, set[str]]) -> None:
    """What every result is a mean over, of all columns at once, as rows were `before` any was averaged over.

    Of columns that go together, such as the teacher and the student of a pair, each pair is named: a mean
    over pairs is no mean over teachers.
    """
    kept = before
    for column, values in parts.items():
        kept = kept[kept[column].isin(values)]
    runs = kept.groupby([name for name in ("cell", "seed", "run_id") if name in kept], sort=False)
    in_order = (column for column in map(str, kept) if column in parts)
    several = [column for column in in_order if (runs[column].nunique() > 1).any()]
    if not several:
        return
    together = list(dict.fromkeys(zip(*(map(str, kept[column]) for column in several), strict=True)))
    of_each = [list(dict.fromkeys(words)) for words in zip(*together, strict=True)]
    names = [draft.spelt(column) for column in several]
    if len(together) < math.prod(map(len, of_each)):
        pairs = ["/".join(words) for words in together]
        told = f"{_in_brief(names)} ({_named(pairs, 'pairs' if len(several) == 2 else 'combinations')})"
    else:
        each = [f"{name} ({_named(words)})" for name, words in zip(names, of_each, strict=True)]
        told = _in_brief(each) if len(each) > 1 else each[0]
    draft.warnings.append(f"{AVERAGED_PARTS}every result is a mean over {told}, as --average asks")


def _named(values: Sequence[str], what: str = "values") -> str:
    return _in_brief(values) if 1 < len(values) <= _LISTED else f"{len(values)} {what}"


def _on_common(draft: Draft, column: str) -> None:
    """What is averaged must be the same in all cells that are compared: rows of other folds are left out.

    One fold is harder than another, so that averages over different ones differ without any difference. At a
    seed that lost a fold in one cell, it is left out of the others as well.

    Raises:
        InputError: cells have fewer than half of the folds in common.
    """
    keep = np.ones(len(draft.frame), dtype=bool)
    for rows in _places(draft, column):
        keep[rows] = _common(draft, draft.frame.iloc[rows], column)
    draft.keep(keep)


def _places(draft: Draft, column: str) -> list[NDArray[np.intp]]:
    """The rows of each place, whose cells are compared with each other."""
    frame = draft.frame
    rivals = [name for name in _RIVALS if name in frame and name != column]
    rivals += [
        name for name in map(str, frame.columns) if name not in (*rivals, column) and _is_part(draft, name)
    ]
    group = frame.groupby(rivals, sort=False).ngroup().to_numpy() if rivals else np.zeros(len(frame), np.intp)
    return [np.flatnonzero(group == one) for one in range(int(group.max(initial=-1)) + 1)]


def _is_part(draft: Draft, name: str) -> bool:
    return says_on_what(name) and bool((draft.frame.groupby("cell", sort=False)[name].nunique() == 1).all())


def _common(draft: Draft, frame: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    """Which rows of cells that are compared are of folds that all of them have."""
    shared, told = _shared(draft, frame, column)
    lacking, what = len(told), draft.spelt(column)
    keep = frame[column].isin(shared)
    left = frame[keep]
    if says_on_what(column):
        short = _without_some(draft, column, left, told).reindex(frame.index, fill_value=False)
        return np.asarray((keep & ~short).to_numpy(), dtype=bool)
    cells = left.groupby("seed", sort=False)["cell"].transform("nunique")
    lost = left.groupby(["seed", column], sort=False)["cell"].transform("nunique") < cells
    gaps = left[lost].drop_duplicates(["seed", column])
    for seed, fold in zip(gaps["seed"][:_TOLD], gaps[column][:_TOLD], strict=True):
        at_seed = left[left["seed"] == seed]
        had = set(at_seed["cell"][at_seed[column] == fold])
        without = [name for name in map(str, at_seed["cell"].unique()) if name not in had]
        told.append(f"{some_of(without, 3)} lacks {fold} at seed {seed}")
    if told:
        many = lacking + len(gaps)
        more = f" and {many - _TOLD} more" * (many > _TOLD)
        draft.warnings.append(
            f"{what}: {'; '.join(told[:_TOLD])}{more}; left out of the averages of all cells, so that like "
            "is compared with like"
        )
    keep = keep & ~lost.reindex(frame.index, fill_value=False)
    gone = frame[~frame["seed"].isin(set(frame["seed"][keep]))]
    if len(gone):
        raise draft.table.error(
            f"at seed {gone['seed'].iloc[0]} no {what} is there in all of "
            f"{some_of(list(dict.fromkeys(gone['cell'])), 4)}",
            f"name the same {what} alike in all cells, or leave the seed out",
            int(gone.index[0]),
            "seed",
        )
    return np.asarray(keep.to_numpy(), dtype=bool)


def _without_some(draft: Draft, column: str, rows: pd.DataFrame, told: Sequence[str]) -> pd.Series[bool]:
    """Which rows are of a seed at which their cell lacks some data sets, and so has no average.

    Data sets lie further apart than seeds do: a mean over fewer of them is no replicate of the others. A
    `told` part that a cell lacks at all seeds is left out of all, and said with these.
    """
    what, shared = draft.spelt(column), set(rows[column])
    short = rows.groupby(["cell", "seed"], sort=False)[column].transform("nunique") < len(shared)
    gaps = []
    for (cell, seed), some in rows[short].groupby(["cell", "seed"], sort=False):
        lost = some_of(sorted(shared.difference(some[column])), 6)
        gaps.append(f"{cell} lacks {lost} at seed {seed}, and so has no average there")
    if told:
        draft.warnings.append(
            f"{what}: {'; '.join(told[:_TOLD])}; left out of the averages of all cells, so that like is "
            "compared with like"
        )
    if gaps:
        more = f" and {len(gaps) - _TOLD} more" * (len(gaps) > _TOLD)
        draft.warnings.append(f"{what}: {'; '.join(gaps[:_TOLD])}{more}")
    return short


def _shared(draft: Draft, frame: pd.DataFrame, column: str) -> tuple[set[str], list[str]]:
    """What all of these cells have of a column, and what each lacks.

    Raises:
        InputError: they have less than half of it in common.
    """
    own = {str(cell): set(values) for cell, values in frame.groupby("cell", sort=False)[column]}
    everything, shared = list(dict.fromkeys(frame[column])), set.intersection(*own.values())
    what = draft.spelt(column)
    lacking = {
        cell: [value for value in everything if value not in had]
        for cell, had in own.items()
        if len(had) < len(everything)
    }
    if lacking and 2 * len(shared) < len(everything):
        cell, values = max(lacking.items(), key=lambda item: len(item[1]))
        other = next(name for name in own if values[0] in own[name])
        has = [value for value in everything if value in own[cell]]
        every = draft.frame.groupby("cell", sort=False)[column].agg(frozenset)
        alike = draft.frame["cell"].isin(every.index[every == own[cell]]).to_numpy()
        leave = " ".join(f"--without {shlex.quote(word)}" for word in words_of(draft, alike))
        same = f"name the same {what} alike in all cells; where runs are missing, leave {cell} out ({leave})"
        if with_it := _goes_with(draft, frame, column):
            both = [*(draft.spelt(name) for name in averaged_over(draft)), draft.spelt(with_it)]
            options = " ".join(f"--average {shlex.quote(name)}" for name in both)
            same = f"{what} goes with {draft.spelt(with_it)}: average over both ({options})"
        raise draft.table.error(
            f"{cell} has {_these(what, has)}, and no {_these('', values)}, which {other} has: averages "
            "over different ones are no like comparison",
            same,
        )
    return shared, [f"{cell} lacks {_these('', values)}" for cell, values in lacking.items()]


def _goes_with(draft: Draft, frame: pd.DataFrame, column: str) -> str | None:
    """The column of the cells that pairs with this one, as the teacher does with the student of a pair."""
    for name in cell_columns(draft):
        if name in frame and name not in ("cell", column):
            pairs = frame[[name, column]].drop_duplicates()
            if len(pairs) > 1 and pairs[name].is_unique and pairs[column].is_unique:
                return name
    return None


_TOLD = 6
"""Gaps that a warning names."""


def _these(what: str, values: Sequence[str]) -> str:
    """Values with what they are of; where a field is empty, that."""
    there = [value for value in values if value.casefold() not in ABSENT]
    named = [f"{what} {some_of(there, 6)}".strip()] if there else []
    empty = ["a field that is empty"] if len(there) < len(values) else []
    return " and ".join((*named, *empty))


def _apart(draft: Draft, column: str) -> str:
    """The option that compares one setting at a time."""
    return f"--cell {_options(draft, [*cell_columns(draft), column])} compares each by itself"


def _options(draft: Draft, columns: Sequence[str]) -> str:
    return shlex.quote(",".join(map(draft.spelt, columns)))


# --------------------------------------------------------------------------- settings: what some methods have


_NO_SETTING = frozenset(
    {"fold", "epoch", "step", "run", "run_id", "time", "status", "dataset", "task", "seed"}
)


def _is_setting(draft: Draft, column: str) -> bool:
    """Whether a column is a setting that methods have, or have not, and no part of what all are measured on.

    By its name; a name that is not known is one where some cells have none of it.
    """
    known = canonical(column)
    if column in INNER or known in _NO_SETTING or is_kind_of_seed(column) or says_on_what(column):
        return False
    if known is not None or sets_up(column):
        return True
    return not is_bookkeeping(column) and bool(_without_any(draft, column).any())


def _absent(draft: Draft, column: str) -> NDArray[np.bool_]:
    return np.asarray(draft.frame[column].str.casefold().isin(ABSENT).to_numpy(), dtype=bool)


def _without_any(draft: Draft, column: str) -> NDArray[np.bool_]:
    """The rows of cells that have no value of a column at all."""
    there = draft.frame.assign(_there=~_absent(draft, column)).groupby("cell", sort=False)["_there"]
    return ~np.asarray(there.transform("any").to_numpy(), dtype=bool)


def _by_setting(draft: Draft, column: str, others: Sequence[str]) -> NDArray[np.intp]:
    """Which rows are averaged: those of one seed of a cell that has the setting; all others stand alone.

    Each cell is averaged over its own settings, at every seed over the same ones: else seeds would differ by
    them. What these are is part of its name.

    Raises:
        InputError: it is not known of a row, there twice, or not all there at any seed; or rows of one run
            differ in another setting, too.
    """
    what = draft.spelt(column)
    draft.put(**{column: draft.frame[column].map(as_written)})
    _one_of_each(draft, column, _stand_alone(draft, column), others)
    keep, told = np.ones(len(draft.frame), dtype=bool), []
    own = draft.frame[~_stand_alone(draft, column)]
    for cell, some in own.groupby("cell", sort=False):
        settings = set(some[column])
        whole = some.groupby(["seed", *others], sort=False)[column].transform("nunique") == len(settings)
        told += _gaps(draft, column, str(cell), some[~whole], settings, some["seed"].nunique(), others)
        keep[some.index[~whole]] = False
    if told:
        more = f" and {len(told) - _TOLD} more" * (len(told) > _TOLD)
        draft.warnings.append(f"{what}: {'; '.join(told[:_TOLD])}{more}")
    draft.keep(keep)
    alone = _stand_alone(draft, column)
    _name_averages(draft, column, alone)
    single = np.where(alone, np.arange(len(alone)), -1)
    keys = ["cell", "seed", "_alone", *others]
    number = draft.frame.assign(_alone=single).groupby(keys, sort=False).ngroup()
    return np.asarray(number.to_numpy(), dtype=np.intp)


def _stand_alone(draft: Draft, column: str) -> NDArray[np.bool_]:
    """The rows that no average is over: of cells without the setting, and of seeds at which none finished."""
    alone = _without_any(draft, column)
    if "status" in draft.frame:
        alone = alone | (draft.frame["status"] == "missing").to_numpy()
    return alone


def _one_of_each(draft: Draft, column: str, alone: NDArray[np.bool_], others: Sequence[str]) -> None:
    """Refuse rows of which it is not known what they were set to, or that are not one of each setting."""
    what, frame = draft.spelt(column), draft.frame
    for row in np.flatnonzero(_absent(draft, column) & ~alone)[:1]:
        has = list(
            dict.fromkeys(frame[column][(frame["cell"] == frame["cell"].iloc[row]) & (frame[column] != "")])
        )
        raise draft.table.error(
            f"{frame['cell'].iloc[row]} has {_these(what, has)} elsewhere, and none here",
            f"write the {what} in each row of it, or delete the rows that have none",
            int(row),
            what,
        )
    rows = frame[~alone]
    varies = [
        name for name in settings_in(draft, rows) if name not in (column, *others, *cell_columns(draft))
    ]
    for name in varies:
        of_one = rows.groupby(["cell", "seed", *others], sort=False)[name].nunique()
        if (of_one > 1).any():
            cell = of_one.index[int(np.flatnonzero(of_one > 1)[0])][0]
            raise draft.table.error(
                f"--average {what}: rows of one seed of {cell} differ in {draft.spelt(name)}, too, and an "
                "average over both would not be said",
                f"average over it, too: --average {_options(draft, [column, name])}; or tell them apart: "
                f"--cell {_options(draft, [*cell_columns(draft), name])}; or keep one by "
                f"--without {shlex.quote(draft.spelt(name))}=…",
            )
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
        value = min(next(iter(lost.values())) or shared)
        each = f" at each {' and '.join(map(draft.spelt, others))}" if not all(lost.values()) else ""
        raise draft.table.error(
            f"at no seed {cell} has all of {_these(what, sorted(shared))}{each}: averages within a seed need "
            "each",
            f"run what is missing, or average over fewer: --without {shlex.quote(f'{what}={value}')}; or do "
            f"not average: {_apart(draft, column)}",
        )
    return [
        f"{cell} lacks {some_of(sorted(values or shared), 6)} at seed {seed}, and so has no average there"
        for seed, values in lost.items()
    ]


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
            names[cell] = f"{cell} mean {called}={_in_brief(values, ',')}"
            phrases[cell] = f"{AVERAGED_OVER}{said}{_in_brief(values)}"
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


_LISTED = 6
"""So many settings of one cell are listed in its name; of more, their number and their ends."""


def _in_brief(values: Sequence[str], between: str = "") -> str:
    if len(values) > _LISTED:
        return f"{values[0]} to {values[-1]} ({len(values)})" if not between else f"{values[0]}..{values[-1]}"
    return between.join(values) if between else f"{', '.join(values[:-1])} and {values[-1]}"
