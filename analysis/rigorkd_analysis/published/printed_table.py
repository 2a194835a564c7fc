"""A published table as it is printed: its text, what the page around it says, and one checked number per row.

Printed decimals are part of the input, so values are text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from rigorkd_analysis.columns import is_cost, is_number_set, is_setting
from rigorkd_analysis.likeness import holds_data
from rigorkd_analysis.metric_names import goal_of, on_two_scales, words_of
from rigorkd_analysis.published.printed_cells import (
    KNOWN,
    Row,
    first_name,
    is_unclear,
    is_yes_or_no,
    unmarked,
)
from rigorkd_analysis.published.printed_elsewhere import Elsewhere, seeds_elsewhere
from rigorkd_analysis.published.printed_nearly import is_nearly_number, numbers_in
from rigorkd_analysis.published.printed_rounding import Span, column_decimals, decimals_of, half_unit
from rigorkd_analysis.published.printed_seeds import Told, other_of_runs, seeds_said, told_of_marked
from rigorkd_analysis.published.printed_spread import MADE, Said, Spread, bare, spread_of
from rigorkd_analysis.runs import suggest
from rigorkd_analysis.table_error import TableError


@dataclass(frozen=True)
class Printed:
    """A published table: rows of text, and what the page around it says.

    Attributes:
        rows: one mapping per row, values as printed.
        n_test: test images; None takes the table's `n_test` column.
        metric: column; None takes the first of `test_top1` and `top1`.
        seeds: k, if the values are means over k seeds; None takes each row's `n` or `n_seeds`, else what
            the heading or the caption says, else 1.
        differences: rows of another table that prints differences of these values.
        test: t, p and difference of a paired test printed in the text.
        within: a column whose values rows must share to be compared; None takes one named dataset or so.
        caption: what is written around the table, which may say what ± is and how many seeds there were.
        elsewhere: lines of the text far from the table that say such things, each with its number.
        spread: what ± is, by the reader's own word.
        baselines: rows that the others are compared with alone: a label, COLUMN=VALUE or one column's value.
        without: rows that are left out, named alike.
        turned: its columns are what is compared, and `metric` is a row.
    """

    rows: Sequence[Row]
    n_test: int | None = None
    metric: str | None = None
    seeds: int | None = None
    alpha: float = 0.05
    differences: Sequence[Row] = ()
    test: tuple[Decimal | float, Decimal | float, Decimal | float | None] | None = None
    within: str | None = None
    caption: str = ""
    elsewhere: Elsewhere = ()
    spread: Said | None = None
    baselines: Sequence[str] = ()
    without: Sequence[str] = ()
    turned: bool = False


@dataclass(frozen=True)
class Entry:
    """One printed value, a mean of n seeds, of the table's row `row`; `task` is what it was tested on.

    Attributes:
        half: by how much rounding may have moved the value.
        spread: what is printed behind ±, as text.
        std: the standard deviation that it makes; sd: all values of it that its rounding allows.
    """

    cell: str
    student: str | None
    value: Decimal
    text: str
    decimals: int
    std: float | None
    row: int
    n: int = 1
    task: str = ""
    half: Decimal = Decimal(0)
    sd: Span | None = None
    spread: str = ""

    def may_meet(self, other: Entry) -> bool:
        """Whether a comparison of the two makes sense: the same student on the same data."""
        return (self.student, self.task) == (other.student, other.task)


def episodes(rows: Sequence[Row], metric: str) -> str | None:
    """A column that counts the episodes of an evaluation: a spread beside it may be over them."""
    found = (column for column in rows[0] if {"episode", "episodes"} & {*words_of(column)})
    return next((column for column in found if column != metric), None)


def row_names(rows: Sequence[Row]) -> list[str]:
    """What each row is called: by a known column, else by the first of words, else by its number."""
    words = first_name(rows)
    sets = None if words or not rows else _setting_that_names(rows)
    return [
        _own_name(row) or (row[words] if words else f"{sets}={row[sets]}" if sets else f"row {position + 1}")
        for position, row in enumerate(rows)
    ]


def _setting_that_names(rows: Sequence[Row]) -> str | None:
    """The first column, if it holds a setting in numbers, another in each row: `Temperature (T)`."""
    first = next(iter(rows[0]))
    values = {(row.get(first) or "").strip() for row in rows}
    return first if is_number_set(first) and len(values) == len(rows) and "" not in values else None


def _own_name(row: Row) -> str:
    return row.get("cell") or row.get("run") or row.get("method") or row.get("model") or ""


def decimal_of(text: str) -> Decimal | None:
    if "_" in text:  # Decimal takes 71.3_2 for 71.32
        return None
    try:
        value = Decimal(text.strip().replace("−", "-"))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def merge_runs(rows: list[Row], metric: str) -> tuple[list[Row], list[str]]:
    kept: list[Row] = []
    notes: list[str] = []
    seen: dict[tuple[str, str], Row] = {}
    for position, row in enumerate(rows):
        run = (row.get("run") or "").strip()
        key = (row.get("student") or "", run)
        if not run or key not in seen:
            kept.append(row)
            seen[key] = row
            continue
        if row.get(metric) != seen[key].get(metric):
            raise TableError(
                f"run {run} is printed with {seen[key].get(metric)} and {row.get(metric)}",
                hint="equal names in the column 'run' mean one run; correct the table",
                row=position,
                column="run",
            )
        notes.append(
            f"{_own_name(seen[key])} and {_own_name(row)} are one run ({run}) printed twice; it counts once"
        )
    return kept, notes


def task_column(rows: Sequence[Row], within: str | None) -> str | None:
    """The column that says what each row was tested on: the one asked for, or one of data sets."""
    folded = {column.casefold(): column for column in rows[0]}
    if within is not None and within.casefold() not in folded:
        raise TableError(f"no column {within!r} in this table", hint=suggest(within, list(rows[0])))
    words = _TASKS if within is None else (within.casefold(),)
    found = next((folded[word] for word in words if word in folded), None)
    if found is None and within is None:
        found = next((c for c in rows[0] if holds_data(c, {row.get(c) or "" for row in rows})), None)
    if within is None and found is not None and found.casefold() == "benchmark":
        # those that a method is measured against are called so too: then each row is one
        others = [
            c for c in rows[0] if c != found and all(decimal_of(row.get(c) or "") is None for row in rows)
        ]
        if not others and len({row.get(found) for row in rows}) == len(rows):
            return None
    return found


_TASKS = ("dataset", "data set", "data_set", "datasets", "data", "benchmark", "task", "corpus", "domain",
          "env", "env_id", "environment")  # fmt: skip


def tasks_of(rows: Sequence[Row], within: str | None, names: Sequence[str]) -> list[str]:
    """What each row was tested on: by the column asked for, or by one of data sets; "" where none says.

    Raises:
        TableError: rows are named alike and two columns of words tell them apart: which of them is it?
    """
    if (column := task_column(rows, within)) is not None:
        return [(row.get(column) or "").strip() for row in rows]
    columns = list(rows[0])
    told = [column for column in columns if all(decimal_of(row.get(column) or "") is None for row in rows)]
    told = [column for column in told if len({row.get(column) for row in rows}) > 1 and column != "student"]
    told = [column for column in told if not is_cost(column)]
    alike = next((name for name in names if names.count(name) > 1), None)
    pairs = {tuple(row.get(column) or "" for column in told[:2]) for row in rows}
    if (
        alike is not None
        and "student" not in map(str.casefold, columns)
        and len(told) > 1
        and len(pairs) == len(rows)
    ):
        raise TableError(
            f"{names.count(alike)} rows are named {alike}, and {told[0]!r} and {told[1]!r} tell rows apart: "
            "results on different data are no rivals",
            hint="give --within COLUMN, what rows must share to be compared, such as "
            f"--within {told[0]!r} or --within {told[1]!r}",
        )
    return [""] * len(rows)


def _refuse_runs(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Raw runs are no printed table: each seed of a cell would be judged as a cell."""
    seeds: dict[str, set[str]] = {}
    for name, row in zip(names, rows, strict=True):
        seeds.setdefault(name, set()).add((row.get("seed") or "").strip())
    name, found = max(seeds.items(), key=lambda item: len(item[1]))
    if len(found) > 1:
        raise TableError(
            f"{name} is there at {len(found)} seeds: these rows are runs, and a printed table has one row "
            "for each cell",
            hint="`rigorkd analyze` judges runs",
            column="seed",
        )


def _is_share(text: str) -> bool:
    return text.endswith("%") and decimal_of(text.removesuffix("%")) is not None


def _refuse_mixed(rows: Sequence[Row], metric: str) -> None:
    """Of values with and without a percent sign the rarer kind is the slip."""
    texts = [(row.get(metric) or "").strip() for row in rows]
    signed = [_is_share(text) for text in texts]
    bare = [decimal_of(text) is not None for text in texts]
    if any(bare):
        odd = bare if sum(bare) <= sum(signed) else signed
        position = odd.index(True)
        raise TableError(
            f"{texts[position]!r} stands among values "
            + ("with a percent sign" if odd is bare else "without a percent sign"),
            hint="write all values with a percent sign, or none: one may be a fraction",
            row=position,
            column=metric,
        )


def entries_of(
    rows: list[Row],
    metric: str,
    seeds: Sequence[int] | None,
    spread: Spread | None = None,
    within: str | None = None,
    told: str = "",
) -> list[Entry]:
    """The checked values; `seeds` is each row's n, None if the table does not say it: then 1.

    `told` is what its words say of the seeds without settling it.
    """
    names = row_names(rows)
    _refuse_runs(rows, names)
    tasks = tasks_of(rows, within, names)
    names = [_with_task(rows, names, tasks, at) for at in range(len(rows))]
    of_values, of_spreads = (
        column_decimals(value for row in rows if (value := decimal_of(row.get(column) or "")) is not None)
        for column in (metric, spread.column if spread else metric)
    )
    out = []
    for position, row in enumerate(rows):
        text = (row.get(metric) or "").strip()
        value = decimal_of(text)
        if value is None:
            if _is_share(text):
                _refuse_mixed(rows, metric)
            raise TableError(
                f"{text!r} is not a number" if text else "no value",
                hint=unread(text, names[position], names.count(names[position])),
                row=position,
                column=metric,
            )
        width = decimal_of(row.get(spread.column) or "") if spread else None
        if spread and width is not None and width < 0:
            raise TableError(f"a spread of {width}", hint="check it", row=position, column=spread.name)
        if spread and width is not None and seeds is None:
            raise TableError(
                f"means with spreads ({spread.name}), and no number of seeds",
                hint=(told or "give --seeds K, or a column n")
                + (
                    f"; a spread over {counted} is none over seeds"
                    if (counted := episodes(rows, metric))
                    else ""
                ),
                row=position,
                column=metric,
            )
        n = seeds[position] if seeds is not None else 1
        std = sd = None
        if spread and width is not None and n > 1:
            per = spread.per_unit(n)
            std = float(width) * per
            sd = Span.of_size(width, half_unit(width, of_spreads)).times(per)
        out.append(
            Entry(
                cell=names[position],
                student=row.get("student") or None,
                value=value,
                text=text,
                decimals=decimals_of(value),
                std=std,
                row=position,
                n=n,
                task=tasks[position],
                half=half_unit(value, of_values),
                sd=sd,
                spread=(row.get(spread.column) or "").strip() if spread and width is not None else "",
            )
        )
    doubled = {entry.cell for entry in out if sum(other.cell == entry.cell for other in out) > 1}
    longer = [f"{entry.student}/{entry.cell}" if entry.student else entry.cell for entry in out]
    if doubled and len(set(longer)) == len(longer):
        return [replace(entry, cell=name) for entry, name in zip(out, longer, strict=True)]
    apart = _told_apart(rows, [entry.cell for entry in out], metric, spread)
    return [replace(entry, cell=name) for entry, name in zip(out, apart, strict=True)]


def refuse_other(spread: Spread | None, metric: str) -> None:
    """Raises TableError if what stands behind ± is neither standard deviations, nor errors, nor intervals."""
    if spread is not None and spread.kind == "other":
        raise TableError(
            f"what follows ± is no standard deviation, standard error or interval: {spread.word!r} says so",
            hint="print means ± standard deviations over seeds, or the means alone; if they are standard "
            "deviations after all, --spread sd says so",
            column=metric,
        )


def unread(text: str, name: str, alike: int = 1) -> str:
    """What to write instead of a text that is no number, in a row whose name so many have."""
    rest = f"print one number per row; leave rows without a value out (--without {shlex.quote(name)})"
    if alike > 1:
        rest = (
            f"print one number per row; leave rows without a value out of the table ({alike} are named "
            f"{name}; --without COLUMN=VALUE leaves out those with a value in a column)"
        )
    if is_unclear(unmarked(text)):
        return (
            "it may be a spread, a spread of the last digits or a rank: write mean ± standard deviation, as "
            "in 71.3 ± 0.2, or the mean alone"
        )
    if numbers := numbers_in(unmarked(text)):
        return f"it holds {len(numbers)} numbers: print a column for each, with a heading of its own"
    if is_nearly_number(text):
        return f"it says no exact number: print the one that was measured, {rest.partition('; ')[2]}".replace(
            ", leave", ", or leave"
        )
    if re.search(r"\d,\d", text):
        return "write a point before decimals, and nothing between thousands"
    if re.search(r"\d", text):
        return f"write a number, or mean ± standard deviation as in 71.3 ± 0.2; {rest}"
    return rest


def _with_task(rows: Sequence[Row], names: Sequence[str], tasks: Sequence[str], at: int) -> str:
    """A row's name; of rows named alike with their data, and with the next column of words if that is it."""
    if names.count(names[at]) == 1 or not tasks[at] or len({*tasks}) == 1:
        return names[at]
    if names[at] != tasks[at]:
        return f"{tasks[at]}/{names[at]}"
    columns = [c for c in rows[0] if all(decimal_of(row.get(c) or "") is None for row in rows)]
    rest = next((word for c in columns if (word := rows[at].get(c) or "") != tasks[at]), "")
    return f"{tasks[at]}/{rest}" if rest else names[at]


def _told_apart(rows: Sequence[Row], names: list[str], metric: str, spread: Spread | None) -> list[str]:
    """Names of which none is there twice: with the first columns that tell rows apart, else with their rows.

    Words go before settings in numbers, those before what stands left of the metric, and a column that is
    another in each row stands alone, where the others do not tell them apart. Results name none.
    """
    if len({*names}) == len(names):
        return names
    known = {*KNOWN, metric, spread.column if spread else metric}
    known -= {"run", "model", "method", "student", "teacher", "T", "alpha"}
    words = [c for c in rows[0] if all(decimal_of(row.get(c) or "") is None for row in rows)]
    left = list(rows[0])[: [*rows[0], metric].index(metric)]
    numbers = [c for c in rows[0] if c not in words and is_setting(c)]
    results = {
        c
        for c in left
        if _is_result(c) or spread_of(list(rows[0]), c) is not None or _is_like(rows, c, metric)
    }
    told = [*words, *numbers, *(c for c in left if c not in (*words, *numbers, *results))]
    # what a network costs names it last, as a setting does: `S24/res=384`, not `32.2B`
    costs = [c for c in rows[0] if is_cost(c) and c != metric]
    costs = sorted(costs, key=lambda c: "res" not in words_of(c) and "resolution" not in words_of(c))
    told = [*(c for c in told if c not in costs), *(c for c in costs if c not in results)]
    words = [c for c in words if c not in costs]
    columns = {
        column: [(row.get(column) or "").strip() for row in rows] for column in told if column not in known
    }
    alone = [texts for column, texts in columns.items() if column in words and len({*texts}) == len(rows)]
    longer = names
    for column, texts in columns.items():
        if texts not in alone:
            short = "" if column in words and not is_yes_or_no(texts) else f"{column}="
            more = [
                f"{name}/{short}{text}"
                if longer.count(name) > 1 and text not in ("", *name.split("/"))
                else name
                for name, text in zip(longer, texts, strict=True)
            ]
            longer = more if len({*more}) > len({*longer}) else longer
    if alone and len({*longer}) < len(names):
        return alone[0]
    return [f"{name} (row {at})" if longer.count(name) > 1 else name for at, name in enumerate(longer, 1)]


def _is_like(rows: Sequence[Row], column: str, metric: str) -> bool:
    """Whether a column holds numbers such as the metric's: as many decimals, of its size; `CIFAR10` is so."""
    own, judged = (
        [value for row in rows if (value := decimal_of((row.get(name) or "").strip().removesuffix("%")))]
        for name in (column, metric)
    )
    decimals = max(map(decimals_of, own), default=0)
    if not decimals or decimals != max(map(decimals_of, judged), default=0):
        return False
    return max(own) >= min(judged) / 2 and min(own) <= 2 * max(judged)


def _is_result(column: str) -> bool:
    """Whether a column's name says that it was measured."""
    try:
        goal_of(bare(column))
    except TableError:
        return MADE in column
    return True


def check_scale(entries: Sequence[Entry], metric: str) -> None:
    """Refuse fractions beside percentages."""
    found = on_two_scales([float(entry.value) for entry in entries])
    fraction, percent = (entries[at] for at in found) if found else (None, None)
    smallest = min((entry.value for entry in entries if entry.value > 1), default=Decimal(0))
    if fraction and percent and smallest >= 10 * fraction.value:  # 0.5 % may stand beside 3 % and 45 %
        raise TableError(
            f"{fraction.cell} is in fractions ({fraction.text}) and {percent.cell} in percent "
            f"({percent.text})",
            hint="write all of the column in percent, or all of it as fractions",
            row=fraction.row,
            column=metric,
        )


def check_range(entries: list[Entry], whole: int, metric: str) -> None:
    for entry in entries:
        if not 0 <= entry.value <= whole:
            raise TableError(
                f"{entry.text} is not an accuracy", hint="print percent (0 to 100) or fractions (0 to 1)",
                row=entry.row, column=metric,
            )  # fmt: skip


def seeds_told(table: Printed, rows: Sequence[Row], metric: str) -> Told:
    """What words say of the number of seeds where no column and no option does.

    The heading of the judged column goes before the caption, that before lines far from the table; two
    numbers at one place settle nothing, and a footnote settles what it marks alone.
    """
    if table.seeds is not None or any(column in rows[0] for column in _SEEDS):
        return Told(None)
    if other := other_of_runs(metric):
        said = f"its heading says “{other}”"
        return Told(
            None,
            f"{said}, which is no mean: what is said of seeds elsewhere is not taken for it (--seeds K reads "
            "it as a mean of K)",
            said,
        )
    for where, text in (("its heading", metric), ("the caption", table.caption)):
        if found := seeds_said(text):
            words = " and ".join(f"“{said}”" for _, said in found)
            if len(found) > 1:
                several = f"{where} names several numbers of seeds ({words})"
                return Told(None, f"{several}: --seeds K says which holds", several)
            return Told(found[0][0], f"n = {found[0][0]} by {where} ({words}); --seeds K changes it")
    far = seeds_elsewhere(table.elsewhere)
    return far if far.note else told_of_marked(table.caption)


_SEEDS = ("n_seeds", "seeds", "n")
"""Columns that hold the number of seeds behind each row."""


def seeds_of(table: Printed, rows: list[Row], metric: str = "") -> list[int] | None:
    """The number of seeds behind each row's value; None if the table does not say it."""
    if table.seeds is not None:
        if table.seeds < 1:
            raise TableError(
                f"seeds = {table.seeds}", hint="give the number of seeds behind each value, 1 or more"
            )
        return [table.seeds] * len(rows)
    for column in _SEEDS:
        if column in rows[0]:
            found = [(row.get(column) or "").strip() for row in rows]
            wrong = [i for i, text in enumerate(found) if not text.isdigit() or int(text) < 1]
            if not wrong:
                return [int(text) for text in found]
            raise TableError(
                f"the column {column!r} does not hold a number of seeds in every row",
                hint="give --seeds K",
                row=wrong[0],
                column=column,
            )
    told = seeds_told(table, rows, metric).seeds
    return None if told is None else [told] * len(rows)


def images_of(table: Printed, rows: list[Row]) -> int | None:
    if table.n_test is not None:
        if table.n_test < 1:
            raise TableError(f"n_test = {table.n_test}", hint="give the number of test images, such as 10000")
        return table.n_test
    found = {(row.get("n_test") or "").strip() for row in rows} - {""}
    if len(found) > 1:
        raise TableError(
            f"the rows have different n_test: {', '.join(sorted(found))}", hint="audit one test set at a time"
        )
    only = found.pop() if found else ""
    return int(only) if only.isdigit() and int(only) > 0 else None
