"""Which column of a printed table is judged: the one asked for, or the only one that it can be."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence

from rigorkd_analysis.columns import is_called_setting, is_cost, is_difference, is_inner, plain_name
from rigorkd_analysis.metric_names import is_accuracy as is_named_accuracy
from rigorkd_analysis.metric_names import is_metric, noun_of
from rigorkd_analysis.published.printed_cells import KNOWN, RESULTS_OF_ROLES, Row, first_name, known_name
from rigorkd_analysis.published.printed_spread import MADE, bare, spread_of
from rigorkd_analysis.published.printed_table import Printed, decimal_of, row_names, seeds_of, unread
from rigorkd_analysis.published.printed_turned import all_runs, seed_rows
from rigorkd_analysis.published.spread_words import is_mean
from rigorkd_analysis.runs import suggest_of_all
from rigorkd_analysis.table_error import TableError


def is_accuracy(metric: str) -> bool:
    metric = noun_of(bare(metric))  # a standard error is no error
    words = re.sub(r"[^a-z0-9]", "", metric.casefold())  # "Top-1 (%)" is top1
    if "err" in words or "loss" in words:
        return False
    return any(word in words for word in ("top1", "top5", "acc")) or is_named_accuracy(metric)


def is_of_test(metric: str) -> bool:
    """Whether a column's name says test, and neither the best of many nor a spread."""
    words = set(re.split(r"[^a-z0-9]+", metric.casefold()))
    return "test" in words and words.isdisjoint({"best", "max", "min", "peak", "top5", "acc5", "std", "sd"})


USUAL = ("test_top1", "top1", "test_top1_mean", "top1_mean")
"""The columns that are judged unasked."""


def spread_out(table: Printed) -> tuple[list[Row], str, list[str]]:
    """The rows with one value each: a wide table (standard_top1, kd_top1) is spread out."""
    rows = list(table.rows)
    columns = list(rows[0])
    if not table.turned:
        _refuse_turned(rows, [column for column in columns if MADE not in column])
        _refuse_seeds(rows)
        _refuse_epochs(rows)
    wanted = (table.metric,) if table.metric else USUAL
    folded = {column.casefold(): column for column in columns}
    for name in wanted:
        found = name if name in columns else folded.get(name.casefold(), folded.get(known_name(name)))
        if found is not None:
            return rows, found, []
    for name in wanted:
        wide = [column for column in columns if column.endswith(f"_{name}")]
        if len(wide) > 1:
            spread, words = [], first_name(rows)
            for position, row in enumerate(rows):
                for column in wide:
                    what = column.removesuffix(f"_{name}")
                    who = (
                        row.get("cell") or row.get("student") or row.get(words or "") or f"row {position + 1}"
                    )
                    kept = {
                        key: row[key] for key in ("student", "n_test", "seed", "n", "n_seeds") if key in row
                    }
                    if (own := spread_of(columns, column)) is not None and column in own.column:
                        kept[own.column.replace(column, name, 1)] = row[own.column]
                    spread.append({**kept, "cell": f"{who}/{what}", name: row[column]})
            note = f"the table is wide: {', '.join(wide)} are read as cells of {name}"
            return [dict(row) for row in spread], name, [note]
    valid = result_columns(rows)
    _refuse_unread(rows, table.metric, valid)
    if table.metric:
        meant = [column for column in valid if _is_of(column, table.metric)]
        if len(meant) == 1:
            return rows, meant[0], [f"{meant[0]} is judged, the only column of {table.metric}"]
        if meant:
            raise TableError(
                f"{len(meant)} columns are of {table.metric!r}",
                hint=f"give --metric, one of: {_listed(meant)}{_APART}",
            )
        known = [*_endings(valid), *valid]
        raise TableError(
            f"no {'row' if table.turned else 'column'} {table.metric!r} in this table",
            hint=suggest_of_all(table.metric, known),
        )
    if valid and not table.turned:
        _refuse_no_results(rows, valid)
    tested = [column for column in valid if is_accuracy(column) and is_of_test(column)]
    # others may hold settings, costs, or numbers that are not read
    digits = [c for c in columns if any(re.match(r"[~≈+−-]?\s*\.?\d", row.get(c) or "") for row in rows)]
    digits = [column for column in digits if MADE not in column]
    only = "the only column of numbers" if len(digits) == 1 else "the only column of results that is read"
    for chosen, why in ((valid, only), (tested, "by its name")):
        if len(chosen) == 1:
            return rows, chosen[0], [f"{chosen[0]} is judged, {why}"]
    averaged = any(spread_of(columns, column) for column in valid)
    unknown = averaged and seeds_of(table, rows) is None
    count = "; and --seeds K, the seeds behind each mean" if unknown else ""
    turn = "" if table.turned or any(map(is_metric, valid)) else f". {_IF_TURNED}"
    raise TableError(
        f"which {'row' if table.turned else 'column'} is to be judged?",
        hint=f"give --metric, one of: {_listed(valid)}{count}{_APART}{turn}"
        if valid
        else f"no column holds numbers; columns: {', '.join(columns[:30])}",
    )


def _listed(columns: Sequence[str]) -> str:
    """Columns to choose from, each told from the next: `'T=4, R=0.9'` is one."""
    several = any("," in column for column in columns)
    return ", ".join(shlex.quote(column) if several else column for column in columns[:30])


def _refuse_no_results(rows: Sequence[Row], valid: Sequence[str]) -> None:
    """Costs and settings are no results unasked, as columns or as rows.

    Raises:
        TableError: nothing else is there; says what judges them all the same.
    """
    which = "the first" if len(valid) > 1 else "it"
    anyway = f"--metric {shlex.quote(valid[0])} judges {which} all the same"
    settings = [column for column in valid if is_called_setting(column)]
    if all(column in settings or is_cost(column) for column in valid):
        what = "how it was trained" if len(settings) == len(valid) else "what a network is"
        what = "how much there was" if all(column.startswith("#") for column in valid) else what
        verb = "say" if len(valid) > 1 else "says"
        raise TableError(
            f"no column of results: {' and '.join(valid)} {verb} {what}, not how well it does", hint=anyway
        )
    named, *_ = rows[0]
    names = [(row.get(named) or "").strip() for row in rows]
    called = [name for name in names if is_called_setting(name)]
    shown = f"{', '.join(called[:3])}{', …' if len(called) > 3 else ''}"
    said = plain_name(named) in _OF_SETTINGS or any(plain_name(column) in _OF_VALUES for column in valid)
    if len(names) > 1 and 2 * len(called) > len(names) and said:
        raise TableError(
            f"its rows are settings ({shown}), which are no rivals",
            hint=f"give a table of results, one row for each method; {anyway}",
        )


_OF_SETTINGS = frozenset(
    {
        "parameter",
        "parameters",
        "hyperparameter",
        "hyperparameters",
        "setting",
        "settings",
        "config",
        "option",
    }
)
_OF_VALUES = frozenset({"value", "values", "default"})
"""How tables of settings are headed."""


def _refuse_unread(rows: Sequence[Row], metric: str | None, valid: Sequence[str]) -> None:
    """No other column is judged in the place of one whose cells begin with numbers, and are not read.

    Raises:
        TableError: such a column is called as a metric, or there is nothing else; says what to write.
    """
    words = first_name(rows)
    for column in rows[0] if metric is None else ():
        texts = [(row.get(column) or "").strip() for row in rows]
        odd = [at for at, text in enumerate(texts) if re.match(r"[-+−(\[]?\.?\d", text)]
        if (
            len(odd) < max(2, len(rows) / 2)
            or any(decimal_of(texts[at]) is not None for at in odd)
            or (valid and not is_accuracy(column))
            or (column == words and valid)
        ):
            continue
        raise TableError(
            f"{texts[odd[0]]!r} is not a number",
            hint=unread(texts[odd[0]], row_names(rows)[odd[0]]),
            row=odd[0],
            column=column,
        )


_IF_TURNED = "If these are methods, and rows what they were tested on, --turned compares them"
_APART = "; each is corrected for its own pairs alone"


def result_columns(rows: Sequence[Row]) -> list[str]:
    """The columns of numbers that may be judged, accuracies first: no settings, spreads, counts or epochs."""
    columns = list(rows[0])
    numbers = [
        column for column in columns if any(decimal_of(row.get(column) or "") is not None for row in rows)
    ]
    spreads = {own.column for column in numbers if (own := spread_of(columns, column))}
    known = {*KNOWN} - {*USUAL}
    valid = [
        column
        for column in numbers
        if MADE not in column and column not in {*spreads, *known}
        if not column.endswith("_std") or any(other.startswith(column + MADE) for other in columns)
    ]
    told = [
        column
        for column in valid
        if column in RESULTS_OF_ROLES or not (is_called_setting(column) or column.casefold() in known)
    ]
    measured = [
        column
        for column in told
        if not (is_cost(column) or is_difference(column) or _are_gains(rows, column))
    ]
    measured = _without_counts(rows, measured)
    return sorted(measured or told or valid, key=lambda column: not is_accuracy(column))


def _without_counts(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """Columns of results: whole numbers left of all that have decimals say what a row is, or count something.

    `Student Model` with 18, 34 and 50 is so, and `d_model`; what is called as a metric is none of them.
    """
    decimals = [
        any("." in (row.get(column) or "") and decimal_of(row[column]) is not None for row in rows)
        for column in columns
    ]
    first = decimals.index(True) if True in decimals else 0
    return [column for at, column in enumerate(columns) if at >= first or is_metric(column)]


def _are_gains(rows: Sequence[Row], column: str) -> bool:
    """Whether all numbers of a column are signed, some with a plus: they say how far rows are apart."""
    texts = [(row.get(column) or "").strip() for row in rows]
    numbers = [text for text in texts if decimal_of(text) is not None]
    return any(text[0] == "+" for text in numbers) and all(
        text[0] in "+-−" or not decimal_of(text) for text in numbers
    )


def _endings(columns: Sequence[str]) -> list[str]:
    """The metrics that a wide table has for several cells each: top1 of standard_top1 and kd_top1."""
    after = Counter(column[at.end() :] for column in columns for at in re.finditer("_", column))
    return [name for name, n in after.items() if n > 1 and is_metric(name)]


def _is_of(column: str, metric: str) -> bool:
    """Whether a column is a metric, but for what a program adds when it sums runs up and turns a table.

    `mean_test_acc_dataset=cifar100` is of test_acc.
    """
    plain = re.sub(r"^(?:mean|avg|average)[_ ./-]", "", column.casefold())
    turned = r"(?:[_ ./,]+[a-z0-9]+=[^=]*)*"
    return (
        re.fullmatch(rf"{re.escape(metric.casefold())}(?:[_ ./-](?:mean|avg|average))?{turned}", plain)
        is not None
    )


def _refuse_turned(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """A table with a row for each metric has the methods as its columns: its pairs would be of metrics.

    Raises:
        TableError: every row is called as a metric, and no column of numbers is.
    """
    named, *others = columns
    names = [row.get(named) or "" for row in rows]
    if len(names) < 2 or not others or not all(map(is_metric, names)) or any(map(is_metric, others)):
        return
    shown = ", ".join(names[:3])
    raise TableError(
        f"its rows are metrics ({shown}), and its columns what is to be compared",
        hint=f"--turned compares its columns; or turn it round: a row for each of {', '.join(others[:4])}, a "
        "column for each metric",
    )


def _refuse_epochs(rows: Sequence[Row]) -> None:
    """Epochs of one run are no rivals.

    Raises:
        TableError: the first column counts epochs or steps, and nothing else names the rows.
    """
    first = next(iter(rows[0]))
    counts = [decimal_of(row.get(first) or "") for row in rows]
    if is_inner(first) and len({*counts}) == len(rows) > 1 and None not in counts and not first_name(rows):
        raise TableError(
            f"its rows are one run at each {first.casefold()}, which are no rivals",
            hint="print one row for each method, of the epoch that was fixed before the test data were seen",
        )


def _refuse_seeds(rows: Sequence[Row]) -> None:
    """Seeds of one method are no rivals.

    Raises:
        TableError: the rows are called by seeds, or by what sums these up; says what judges them.
    """
    seeds, summaries = seed_rows(rows)
    if not seeds:
        return
    if not summaries:
        raise all_runs(seeds)
    mean = next(filter(is_mean, summaries), summaries[0])
    raise TableError(
        f"its rows are seeds ({', '.join(seeds[:4])}{', …' if len(seeds) > 4 else ''}) and what sums them up "
        f"({', '.join(summaries[:4])})",
        hint="`rigorkd analyze` judges the runs, paired by their seeds; --turned compares the columns at the "
        f"row {mean}"
        if len(result_columns(rows)) > 1
        else "one column is one method, with nothing to compare: add those of others",
    )
