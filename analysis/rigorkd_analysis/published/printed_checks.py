"""Checks of a published table beside its tests: costs, printed differences, validation, other metrics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from rigorkd_analysis.metric_names import is_metric, is_validation, label, words_of
from rigorkd_analysis.published.printed_cells import Row
from rigorkd_analysis.published.printed_judged import is_accuracy, result_columns
from rigorkd_analysis.published.printed_rounding import half_unit
from rigorkd_analysis.published.printed_spread import Spread, spread_column, spread_of
from rigorkd_analysis.published.printed_table import decimal_of, episodes, row_names
from rigorkd_analysis.published.spread_words import parted
from rigorkd_analysis.runs import chosen_on_test

_BASES = ("standard", "baseline", "scratch", "student", "before")
_DIFFERENCES = ("gain", "difference", "delta", "diff", "improvement")
_NO_DIFFERENCES = frozenset(
    {
        "std",
        "sd",
        "stdev",
        "stddev",
        "sem",
        "se",
        "stderr",
        "var",
        "ci",
        "ci95",
        "lo",
        "hi",
        "low",
        "high",
        "lower",
        "upper",
    }
    | {"p", "pval", "pvalue", "t", "d", "rel", "relative", "pct", "percent", "n"}
)
"""Words in the names of columns beside a difference that are none themselves."""
_VALIDATION = ("best_val_top1", "val_top1", "best_val_acc", "val_acc")
_TRAINING = {"train", "training"}
_FIXED_BY_ARCHITECTURE = ("latency", "params", "parameters", "flops", "macs", "throughput", "fps", "size_mb")


@dataclass(frozen=True)
class Caveat:
    """What a table's claims take for granted: in a note, and in few words ("" for none) behind each claim."""

    note: str
    short: str = ""


@dataclass(frozen=True)
class EfficiencyFlag:
    """A cost that a table says differs between cells of one architecture."""

    student: str
    column: str
    values: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class DifferenceCheck:
    """A printed difference beside the difference of the printed values."""

    where: str
    column: str
    printed: float
    recomputed: float
    matches: bool
    rounding_explains: bool
    says: str


def efficiency_flags(rows: list[Row]) -> list[EfficiencyFlag]:
    """Distillation changes the weights of a network, not its architecture: its speed and size stay."""
    by_student: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("student"):
            by_student.setdefault(row["student"], []).append(row)
    out = []
    for student, own in by_student.items():
        for column in own[0]:
            if not any(column.casefold().startswith(word) for word in _FIXED_BY_ARCHITECTURE):
                continue
            values = tuple(row[column] for row in own if decimal_of(row.get(column) or "") is not None)
            if len({decimal_of(value) for value in values}) > 1:
                noise = "measurement noise" if "param" not in column and "flop" not in column else "a mistake"
                out.append(
                    EfficiencyFlag(
                        student,
                        column,
                        values,
                        f"{student}: {column} is printed as {' and '.join(values)} for one unchanged "
                        f"architecture; the difference cannot come from distillation, it is {noise}.",
                    )
                )
    return out


def caveats_of(rows: Sequence[Row], metric: str, spread: Spread | None) -> list[Caveat]:
    """What the table does not say of its numbers, or says against them; `spread` if it is used."""
    out: list[Caveat] = []
    if spread is not None:
        if note := spread.note():
            taken = (
                f"{spread.name} is taken as a standard deviation over seeds: a standard error would change it"
            )
            out.append(Caveat(note, "" if spread.said else taken))
        if divisor := spread.divisor_note():
            out.append(Caveat(divisor))
        if counted := episodes(rows, metric):
            over = f"{spread.name} is taken to be over seeds, not over the {counted} of one run"
            out.append(Caveat(f"{over}, which would say nothing of other seeds", over))
    for text in chosen_on_test(pd.DataFrame(list(rows)), metric):
        out.append(Caveat(text, "chosen on test data, so optimistic"))
    if is_training(metric):
        out.append(Caveat(f"{metric} is of training data, by its name: it says nothing of test images"))
    elif not is_of_test_images(metric):
        text = f"{metric} is of validation images, by its name: no test images are counted for it"
        out.append(Caveat(text, "on validation images, which may have chosen epochs and settings"))
    return out


def is_training(metric: str) -> bool:
    """Whether a metric is of the data that a network was trained on, by its name."""
    return not _TRAINING.isdisjoint(words_of(metric)) and "test" not in words_of(metric)


def is_of_test_images(metric: str) -> bool:
    """Whether a number of test images says how exact a metric is: not of training or validation data."""
    return not is_training(metric) and (not is_validation(metric) or "test" in words_of(metric))


def _stem(column: str) -> str | None:
    """What a column of differences is about: top1_gain → top1, latency_difference_ms → latency_ms.

    Nothing, where it says how exact a difference is (delta_sem), or its share of a number (delta_rel_pct).
    """
    if not _NO_DIFFERENCES.isdisjoint(re.split(r"[^a-z0-9]+", column.casefold())):
        return None
    for word in _DIFFERENCES:
        parts = column.split("_")
        if word in parts and len(parts) > 1:
            return "_".join(part for part in parts if part != word)
    return None


def own_differences(rows: Sequence[Row]) -> list[DifferenceCheck]:
    out, names = list[DifferenceCheck](), row_names(rows)
    for position, row in enumerate(rows):
        for column in row:
            stem = _stem(column)
            sides = [
                c
                for c in row
                if stem and c.endswith(f"_{stem}") and set(c.split("_")).isdisjoint(_DIFFERENCES)
            ]
            if len(sides) != 2:
                continue
            base = next((c for c in sides if c.removesuffix(f"_{stem}") in _BASES), sides[0])
            other = sides[1] if base == sides[0] else sides[0]
            where = row.get("student") or names[position]
            out += _check(where, column, row[column], row[other], row[base])
    return out


def other_differences(differences: Sequence[Row], rows: Sequence[Row]) -> list[DifferenceCheck]:
    out = own_differences(differences)
    for row in differences:
        own = [other for other in rows if other.get("student") and other.get("student") == row.get("student")]
        base = [other for other in own if other.get("method") in (*_BASES, "baseline")]
        rest = [other for other in own if other not in base]
        if len(base) != 1 or len(rest) != 1:
            continue
        for column in row:
            stem = _stem(column)
            if stem and stem in own[0]:
                out += _check(row["student"], column, row[column], rest[0][stem], base[0][stem])
    return out


def _check(where: str, column: str, printed: str, value: str, base: str) -> list[DifferenceCheck]:
    numbers = [decimal_of(text or "") for text in (printed, value, base)]
    if any(number is None for number in numbers):
        return []
    said, after, before = (number for number in numbers if number is not None)
    found = after - before
    # each printed value is off by up to half of its last digit
    slack = sum(half_unit(number) for number in (said, after, before))
    matches = said == found
    explained = abs(said - found) <= slack
    says = f"{where}: {column} is printed as {said:+f}, and {after} − {before} = {found:+f}"
    if not matches:
        says += (
            "; rounding of unprinted digits can explain it" if explained else "; rounding cannot explain it"
        )
    return [DifferenceCheck(where, column, float(said), float(found), matches, explained, says + ".")]


def other_results(rows: Sequence[Row], metric: str) -> list[str]:
    """Other columns that might be judged as this one is: no costs, validation, training or differences."""
    return [
        column
        for column in result_columns(rows)
        if column != metric
        and not any(column.casefold().startswith(word) for word in _FIXED_BY_ARCHITECTURE)
        and is_of_test_images(column)
        and _stem(column) is None
    ]


def unread_spreads(rows: Sequence[Row], metric: str) -> list[str]:
    """Columns of numbers that may be the spread of a metric, by their words, or by standing right of it.

    None that is another result's, by its name or its place: it would be called what it is not.
    """
    columns = list(rows[0])
    if spread_column([f"{metric}_std"], metric) is None:
        return []  # no name would make it the metric's
    numbers = [c for c in columns if any(decimal_of(row.get(c) or "") is not None for row in rows)]
    right = columns[columns.index(metric) + 1 :][:1] if metric in columns else []
    known = {*result_columns(rows)}
    worded = [c for c in numbers if next(parted(c), None) is not None]
    results = [c for c in numbers if c == metric or (c in known and c not in worded)]
    taken = {own.column for c in results if c != metric and (own := spread_of(columns, c)) is not None}
    return [
        column
        for column in numbers
        if column != metric
        and column not in taken
        and (
            (
                column in worded
                and spread_column([column], column) is None
                and _is_beside(column, metric, columns, results)
            )
            or (
                (column in right and column in known and column not in worded)
                and not is_metric(column)
                and _stem(column) is None
                and _may_spread(rows, column, metric)
            )
        )
    ]


def _is_beside(column: str, metric: str, columns: Sequence[str], results: Sequence[str]) -> bool:
    """Whether a column of spreads may be a metric's: it has words of its alone, or no other stands nearer."""
    about = [{*words_of(of)} for of, _ in parted(column)]
    named = [one for one in results if any(own and own <= {*words_of(one)} for own in about)]
    if len(named) == 1:
        return named == [metric]
    before = [one for one in results if columns.index(one) < columns.index(column)]
    return not before or before[-1] == metric


_MOST_OF_A_MEAN = 4
"""A column that no word calls a spread may be one where means are more than so many times as large."""


def _may_spread(rows: Sequence[Row], column: str, metric: str) -> bool:
    """Whether the numbers of a column are small enough for spreads: others are results of something else."""
    pairs = [[decimal_of(row.get(name) or "") for name in (column, metric)] for row in rows]
    both = [(one, mean) for one, mean in pairs if one is not None and mean is not None]
    return all(0 <= one * _MOST_OF_A_MEAN < abs(mean) for one, mean in both)


def validation_picks(rows: list[Row], metric: str) -> list[str]:
    """Which cell validation picks, where that is printed too and differs from the best on test."""
    column = next((name for name in _VALIDATION if name in rows[0] and name != metric), None)
    if column is None or not is_accuracy(metric):
        return []
    by_student: dict[str, list[tuple[Decimal, Decimal, str]]] = {}
    names = row_names(rows)
    for position, row in enumerate(rows):
        validation, test = decimal_of(row.get(column) or ""), decimal_of(row.get(metric) or "")
        if validation is not None and test is not None:
            by_student.setdefault(row.get("student") or "", []).append((validation, test, names[position]))
    notes = []
    for student, own in by_student.items():
        if len(own) < 3:
            continue
        picked, top = max(own, key=lambda item: item[0]), max(own, key=lambda item: item[1])
        # of equal printed values rounding hides the larger one
        first = [item for item in own if item[0] == picked[0]], [item for item in own if item[1] == top[1]]
        if picked[2] != top[2] and len(first[0]) == len(first[1]) == 1:
            notes.append(
                f"{student or 'the table'}: {top[2]} is the best on test ({top[1]}), but validation picks "
                f"{picked[2]} (validation {picked[0]}, test {picked[1]}); calling the former best "
                "is choosing on test"
            )
    return notes


def other_metrics(rows: list[Row], metric: str) -> list[str]:
    """Columns of results in which a distilled row is worse than its student's baseline."""
    notes = []
    for column in rows[0]:
        if column == metric or not column.startswith("test_") or "loss" not in column:
            continue
        worse = []
        for row in rows:
            if row.get("method") in (None, "", "baseline", "teacher"):
                continue
            base = [
                o for o in rows if o.get("student") == row.get("student") and o.get("method") == "baseline"
            ]
            mine = decimal_of(row.get(column) or "")
            theirs = decimal_of(base[0].get(column) or "") if len(base) == 1 else None
            if mine is not None and theirs is not None and mine > theirs:
                worse.append(f"{row.get('student')} {theirs} → {mine}")
        if worse:
            notes.append(f"{label(column)} rose under distillation: {', '.join(worse)}")
    return notes
