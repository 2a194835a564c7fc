"""Tables whose columns are the methods: turned round, so that a row is what is compared.

Rows of single seeds are runs, and no results to compare methods at: they say of how many seeds the rows below
them are the mean and the spread.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from decimal import Decimal

from rigorkd_analysis.columns import is_difference, is_number_set
from rigorkd_analysis.published.printed_cells import Row, known_name, unmarked, value_and_spread
from rigorkd_analysis.published.printed_rounding import decimals_of, half_unit
from rigorkd_analysis.published.printed_table import decimal_of
from rigorkd_analysis.published.spread_words import is_mean, meant_by, sums_up
from rigorkd_analysis.table_error import TableError

NAME = "method"
_SEED = re.compile(r"(?:(?:.*/)?\s*(?:random\s*)?(?:seeds?|runs?|trials?)\W{0,3}\d+)", re.IGNORECASE)
"""A row that is called as one seed, where no column is called so."""


def turned(rows: Sequence[Row]) -> tuple[list[Row], list[str], dict[str, int]]:
    """A row for each column of numbers, a column for each row, named by the words on its left.

    And notes, and which row each of these columns was.

    Raises:
        TableError: fewer than two columns hold numbers, rows are named alike, or all of them are runs.
    """
    columns = list(rows[0])
    seed = _seed_column(rows)
    numbers = [
        column
        for column in columns
        if column != seed and any(_number(row.get(column) or "") is not None for row in rows)
    ]
    words = columns[: columns.index(numbers[0])] if numbers else []
    # settings such as an amount of data stand on the left, in whole numbers, and name rows too
    while len(numbers) > 2 and (
        is_number_set(numbers[0]) or all((row.get(numbers[0]) or "").strip().isdecimal() for row in rows)
    ):
        words.append(numbers.pop(0))
    between = [column for column in numbers if is_difference(column)]
    numbers = [column for column in numbers if column not in between]
    derived = _derived(rows, numbers)
    numbers = [column for column in numbers if column not in derived]
    if len(numbers) < 2:
        raise TableError("--turned, and fewer than two columns hold numbers", hint="leave --turned out")
    words = [column for column in columns if column in (*words, seed)]
    notes = [f"left out: {column}, a difference of columns by its name" for column in between]
    notes += [
        f"left out: {column}, which says how columns compare: no spread, where they have one"
        for column in derived
    ]
    labels = [_label(row, words) for row in rows]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise TableError(
            f"--turned, and two rows are named {twice or 'nothing'}", hint="name every row once, on its left"
        )
    runs = [at for at, row in enumerate(rows) if _is_run(row, seed, labels[at])]
    stay = [at for at in range(len(rows)) if at not in runs]
    if not stay:
        raise all_runs([labels[at] for at in runs])
    data = {} if _DATA in labels else _data_of(numbers)
    if data:
        notes.append(
            f"columns are compared within {', '.join({**dict.fromkeys(data.values())})}, by their names"
        )
    out: list[Row] = []
    for column in numbers:
        told = {NAME: column, **({_DATA: data[column]} if data else {})}
        if runs:
            told["n"] = str(sum(_number(rows[at].get(column) or "") is not None for at in runs))
        out.append({**told, **{labels[at]: rows[at].get(column) or "" for at in stay}})
    notes += _notes(rows, labels, runs, numbers) if runs else []
    return out, notes, {label: at for at, label in enumerate(labels)}


_COMPARING = frozenset(
    {
        "gap",
        "closed",
        "recovered",
        "recovery",
        "retained",
        "retention",
        "relative",
        "ratio",
        "gains",
        "drop",
        "vs",
    }
)
"""Words of a column that is made of others: `Gap Closed`, `Relative to Teacher`."""


_DATA = "dataset"
_DATA_SETS = re.compile(
    r"(?:[a-z]+-)?(?:cifar|mnist|imagenet|inet|svhn|stl|cub|flowers|food|caltech|places|pets|cars)(?![a-z]).*",
    re.IGNORECASE,
)
"""What a data set is called: `CIFAR-100`, `Fashion-MNIST`, `Tiny-ImageNet`."""


def _data_of(columns: Sequence[str]) -> dict[str, str]:
    """The data set of each column, of columns that are named by one and a method (`CIFAR10 Base.`).

    Nothing, unless all are, over several data sets, and each data set has several columns.
    """
    out = dict[str, str]()
    for column in columns:
        first, _, rest = column.partition(" ")
        if not rest or not _DATA_SETS.fullmatch(first) or _DATA_SETS.fullmatch(rest):
            return {}
        out[column] = first
    counts = [list(out.values()).count(name) for name in out.values()]
    return out if len({*out.values()}) > 1 and counts and min(counts) > 1 else {}


def _derived(rows: Sequence[Row], numbers: Sequence[str]) -> list[str]:
    """The columns made of others, by a word or all their signs, where two others hold means with spreads."""
    texts = {column: [unmarked(row.get(column) or "").strip() for row in rows] for column in numbers}
    spread = {c for c, own in texts.items() if all(value_and_spread(text) for text in own if text)}
    if len(spread) < 2:
        return []
    return [
        column
        for column, own in texts.items()
        if not any(value_and_spread(text) for text in own)
        and (
            all(text[:1] in "+-−" for text in own)
            or not _COMPARING.isdisjoint(re.split(r"[^a-z]+", column.casefold()))
        )
    ]


def all_runs(seeds: Sequence[str]) -> TableError:
    """Nothing but runs is no printed table."""
    shown = ", ".join(seeds[:4]) + (", …" if len(seeds) > 4 else "")
    return TableError(
        f"its rows are seeds ({shown}), so its numbers are of single runs, and a printed table has means",
        hint="`rigorkd analyze` judges runs, paired by their seeds",
    )


def seed_rows(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The seeds that rows are called by, and what the others are called, which sum them up.

    Nothing, unless all rows are either: of cells with a seed each the seed names none.
    """
    column = _seed_column(rows)
    if column is None or any(_is_word(rows, other) for other in rows[0] if other != column):
        return [], []
    names = [unmarked(row.get(column) or "").strip() for row in rows]
    seeds = [name for name in names if name.isdecimal()]
    return (seeds, [name for name in names if not name.isdecimal()]) if len({*seeds}) > 1 else ([], [])


def _seed_column(rows: Sequence[Row]) -> str | None:
    """The column that names rows by their seed, or by a word for what sums up its seeds."""
    for column in rows[0]:
        if known_name(column) == "seed":
            names = [unmarked(row.get(column) or "").strip() for row in rows]
            told = [name.isdecimal() or sums_up(name) or meant_by(name) is not None for name in names]
            return column if sum(told) > len(rows) / 2 and any(map(str.isdecimal, names)) else None
    return None


def _is_word(rows: Sequence[Row], column: str) -> bool:
    texts = [unmarked(row.get(column) or "").strip() for row in rows]
    return all(texts) and not any(_number(text) is not None for text in texts)


def _is_run(row: Row, seed: str | None, label: str) -> bool:
    if seed is not None:
        return unmarked(row.get(seed) or "").strip().isdecimal()
    return _SEED.fullmatch(label.strip()) is not None


def _notes(
    rows: Sequence[Row], labels: Sequence[str], runs: Sequence[int], numbers: Sequence[str]
) -> list[str]:
    """That runs were left out, and which means and deviations they do not have."""
    seeds = [labels[at] for at in runs]
    shown = f"{', '.join(seeds[:-1])} and {seeds[-1]}" if len(seeds) < 7 else f"{len(seeds)} rows"
    several = len(seeds) > 1
    notes = [
        f"{shown} {'are seeds' if several else 'is a seed'}, left out here: n counts them, and `rigorkd "
        "analyze` judges these runs themselves, paired by seed"
    ]
    for at, row in enumerate(rows):
        kind = meant_by(labels[at]) if at not in runs else None
        if not is_mean(labels[at]) and (kind is None or kind.kind != "sd"):
            continue
        for column in numbers:
            own = [v for run in runs if (v := _number(rows[run].get(column) or "")) is not None]
            printed = _number(row.get(column) or "")
            if printed is None or len(own) < 2:
                continue
            found = [statistics.mean(own)]
            if not is_mean(labels[at]):
                found = [statistics.stdev(own), statistics.pstdev(own)]
            slack = half_unit(printed) + half_unit(own[0])
            if all(abs(printed - one) > slack for one in found):
                decimals = decimals_of(printed)
                notes.append(
                    f"{labels[at]} of {column} is printed as {printed}, and that of its rows of seeds is "
                    f"{found[0]:.{decimals}f}: these are other runs, or one is mistyped"
                )
    return notes


def _label(row: Row, words: Sequence[str]) -> str:
    parts = [unmarked(row.get(column) or "").strip() for column in words]
    label = "/".join(part for part in parts if part)
    return f"{label} " if known_name(label) in (NAME, "n") else label


def _number(text: str) -> Decimal | None:
    """The value in a cell, without its spread."""
    if (both := value_and_spread(text)) is not None:
        return decimal_of(both[0])
    return decimal_of(unmarked(text).removesuffix("%").strip())
