"""What a published table with one seed per cell, or with means over k seeds, supports.

Two claims are kept apart. *These two networks differ on this test distribution*: bounded, since the per-image
outcomes are unknown. *The method differs*: not identifiable from one seed; the break-even seed standard
deviation says how little spread would explain the difference. Printed decimals are part of the input, so
values are text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Literal

import numpy as np

from rigorkd_analysis.adjust import adjust
from rigorkd_analysis.audit_results import Audit, AuditCell, AuditComparison, Printed, Row
from rigorkd_analysis.bounds import (
    Counts,
    McNemarBounds,
    Recovered,
    break_even_sd,
    counts,
    mcnemar_bounds,
    recover,
    t_range,
    two_sided_p,
    wilson,
)
from rigorkd_analysis.errors import TableError
from rigorkd_analysis.printed_checks import (
    decimal_of,
    efficiency_flags,
    is_accuracy,
    other_differences,
    other_metrics,
    own_differences,
    row_name,
    validation_picks,
)
from rigorkd_analysis.table import suggest

SCHEMA = "rigorkd.audit/1"


def audit(table: Printed) -> Audit:
    """Say what the table supports.

    Raises:
        TableError: a value or an argument is unusable; row and column are named.
    """
    if not table.rows:
        raise TableError("the table has no rows", hint="one row per cell, with a column such as top1")
    if not 0 < table.alpha < 0.5:
        raise TableError(f"alpha = {table.alpha:g} is not an error rate", hint="give one between 0 and 0.5")
    rows, metric, notes = _long(table)
    rows, merged = _merge_runs(rows, metric)
    k = _seeds(table, rows)
    n_test = _n_test(table, rows)
    entries = _entries(rows, metric, k)
    largest = max(abs(entry.value) for entry in entries)
    accuracy = is_accuracy(metric)
    whole = 100 if largest > 1 else 1
    if accuracy:
        _check_range(entries, whole, metric)
    decimals = max(entry.decimals for entry in entries)
    judged = accuracy and k == 1
    if judged and n_test is None:
        raise TableError(
            "how many test images?",
            hint="give --n-test N (10000 for CIFAR), or a column n_test",
            column=metric,
        )
    placed = [
        counts(entry.value, decimals, n_test, whole) if judged and n_test else None for entry in entries
    ]
    notes += merged + _impossible(entries, placed, n_test)
    if accuracy and whole == 1:
        notes.append("the values are taken as fractions of 1; differences and standard deviations too")
    comparisons = tuple(
        _compare(
            entries[i], entries[j], placed[i], placed[j], _Question(metric, k, n_test, table.alpha, whole)
        )
        for i, j in combinations(range(len(entries)), 2)
        if entries[i].student == entries[j].student
    )
    checks = [*own_differences(table.rows), *other_differences(table.differences, table.rows)]
    return Audit(
        schema=SCHEMA,
        metric=metric,
        n_test=n_test,
        seeds=k,
        alpha=table.alpha,
        decimals=decimals,
        cells=tuple(
            _cell(entry, place, n_test, whole, table.alpha)
            for entry, place in zip(entries, placed, strict=True)
        ),
        comparisons=comparisons,
        efficiency=tuple(efficiency_flags(rows)),
        differences=tuple(checks),
        recovered=tuple(_recovered(table)),
        survives=_survives(comparisons, k, len(entries), table.alpha),
        notes=(*notes, *validation_picks(rows, metric), *other_metrics(rows, metric)),
    )


@dataclass(frozen=True)
class _Entry:
    cell: str
    student: str | None
    value: Decimal
    text: str
    decimals: int
    std: float | None
    row: int


@dataclass(frozen=True)
class _Question:
    metric: str
    k: int
    n_test: int | None
    alpha: float
    whole: int

    @property
    def points(self) -> str:
        return " points" if self.whole == 100 and is_accuracy(self.metric) else ""


def _long(table: Printed) -> tuple[list[Row], str, list[str]]:
    """The rows with one value each: a wide table (standard_top1, kd_top1) is spread out."""
    rows = list(table.rows)
    columns = list(rows[0])
    wanted = (table.metric,) if table.metric else ("test_top1", "top1")
    for name in wanted:
        if name in columns:
            return rows, name, []
    for name in wanted:
        wide = [column for column in columns if column.endswith(f"_{name}")]
        if len(wide) > 1:
            spread = []
            for position, row in enumerate(rows):
                for column in wide:
                    what = column.removesuffix(f"_{name}")
                    who = row.get("cell") or row.get("student") or f"row {position + 1}"
                    kept = {key: row[key] for key in ("student", "n_test", "seed") if key in row}
                    spread.append({**kept, "cell": f"{who}/{what}", name: row[column]})
            note = f"the table is wide: {', '.join(wide)} are read as cells of {name}"
            return [dict(row) for row in spread], name, [note]
    valid = [column for column in columns if decimal_of(rows[0].get(column, "")) is not None]
    if table.metric:
        raise TableError(f"no column {table.metric!r} in this table", hint=suggest(table.metric, valid))
    raise TableError(
        "the table has neither test_top1 nor top1",
        hint=f"name the column: --metric, one of {', '.join(valid)}",
    )


def _merge_runs(rows: list[Row], metric: str) -> tuple[list[Row], list[str]]:
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
            f"{row_name(seen[key], 0)} and {row_name(row, position)} are one run ({run}) printed twice; "
            "it counts once"
        )
    return kept, notes


def _entries(rows: list[Row], metric: str, k: int) -> list[_Entry]:
    sd_column = next((c for c in (f"{metric}_std", f"{metric}_sd", "std", "sd") if c in rows[0]), None)
    out = []
    for position, row in enumerate(rows):
        text = (row.get(metric) or "").strip()
        value = decimal_of(text)
        if value is None:
            raise TableError(
                f"{text!r} is not a number" if text else "no value",
                hint="print one number per row; leave rows without a value out",
                row=position,
                column=metric,
            )
        sd = decimal_of(row.get(sd_column) or "") if sd_column else None
        if sd is not None and sd < 0:
            raise TableError(
                f"a standard deviation of {sd}", hint="check it", row=position, column=sd_column or ""
            )
        exponent = value.as_tuple().exponent
        decimals = max(0, -exponent) if isinstance(exponent, int) else 0
        std = float(sd) if sd is not None and k > 1 else None
        out.append(
            _Entry(row_name(row, position), row.get("student") or None, value, text, decimals, std, position)
        )
    doubled = {entry.cell for entry in out if sum(other.cell == entry.cell for other in out) > 1}
    return [
        entry
        if entry.cell not in doubled
        else _Entry(f"{entry.cell} (row {entry.row + 1})", *list(vars(entry).values())[1:])
        for entry in out
    ]


def _check_range(entries: list[_Entry], whole: int, metric: str) -> None:
    for entry in entries:
        if not 0 <= entry.value <= whole:
            raise TableError(
                f"{entry.text} is not an accuracy", hint="print percent (0 to 100) or fractions (0 to 1)",
                row=entry.row, column=metric,
            )  # fmt: skip


def _seeds(table: Printed, rows: list[Row]) -> int:
    if table.seeds is not None:
        if table.seeds < 1:
            raise TableError(
                f"seeds = {table.seeds}", hint="give the number of seeds behind each value, 1 or more"
            )
        return table.seeds
    for column in ("n_seeds", "seeds", "n"):
        if column in rows[0]:
            found = {(row.get(column) or "").strip() for row in rows}
            if len(found) == 1 and (only := found.pop()).isdigit() and int(only) > 0:
                return int(only)
            raise TableError(
                f"the column {column!r} does not hold one number of seeds",
                hint="give --seeds K",
                column=column,
            )
    return 1


def _n_test(table: Printed, rows: list[Row]) -> int | None:
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


def _impossible(entries: list[_Entry], placed: list[Counts | None], n_test: int | None) -> list[str]:
    return [
        f"{entry.cell}: no whole number of {n_test:,} images gives {entry.text}; the nearest is used"
        for entry, place in zip(entries, placed, strict=True)
        if place is not None and not place.exists
    ]


def _cell(entry: _Entry, place: Counts | None, n_test: int | None, whole: int, alpha: float) -> AuditCell:
    low = high = None
    if place is not None and n_test:
        low = whole * wilson(place.low, n_test, alpha)[0]
        high = whole * wilson(place.high, n_test, alpha)[1]
    return AuditCell(entry.cell, entry.student, float(entry.value), low, high, entry.std)


def _compare(
    first: _Entry, second: _Entry, place_1: Counts | None, place_2: Counts | None, question: _Question
) -> AuditComparison:
    a, b, x_a, x_b = first, second, place_1, place_2
    if second.value < first.value:
        a, b, x_a, x_b = second, first, place_2, place_1
    difference = float(b.value - a.value)
    bound: McNemarBounds | None = None
    low = high = None
    differ: Literal["always", "never", "depends"] | None = None
    if x_a is not None and x_b is not None and question.n_test:
        bound = mcnemar_bounds(x_a, x_b, question.n_test, question.alpha)
        low, high = max(0, x_b.low - x_a.high), max(x_b.high - x_a.low, 0)
        differ = "depends"
        if bound.p_max < question.alpha:
            differ = "always"
        elif bound.p_min >= question.alpha:
            differ = "never"
    t_low = t_high = p_low = p_high = None
    if question.k > 1 and a.std is not None and b.std is not None and difference > 0:
        t_low, t_high = t_range(difference, a.std, b.std, question.k)
        p_low, p_high = two_sided_p(t_high, question.k - 1), two_sided_p(t_low, question.k - 1)
    sd = break_even_sd(difference, question.k)
    says = _says(a, b, difference, bound, differ, sd, (p_low, p_high), question)
    return AuditComparison(
        a=a.cell,
        b=b.cell,
        difference=difference,
        images=bound.images if bound else None,
        discordant_min=bound.discordant_min if bound else None,
        discordant_max=bound.discordant_max if bound else None,
        p_min=bound.p_min if bound else None,
        p_max=bound.p_max if bound else None,
        networks_differ=differ,
        rejects_up_to_discordant=bound.rejects_up_to_discordant if bound else None,
        break_even_seed_sd=sd,
        images_min=low,
        images_max=high,
        t_low=t_low,
        t_high=t_high if t_high is not None and math.isfinite(t_high) else None,
        p_low=p_low,
        p_high=p_high,
        says=says,
    )


def _says(
    a: _Entry,
    b: _Entry,
    difference: float,
    bound: McNemarBounds | None,
    differ: str | None,
    sd: float,
    p: tuple[float | None, float | None],
    question: _Question,
) -> str:
    who = f"{b.text} ({b.cell}) against {a.text} ({a.cell})"
    gap = f"{b.value - a.value}{question.points}"
    parts = []
    if bound is not None and differ is not None and question.n_test:
        images = f"{bound.images:,} image{'' if bound.images == 1 else 's'} of {question.n_test:,}"
        parts.append(f"{who} is {images}: {_networks(bound, differ)}")
    else:
        parts.append(f"{who} is {gap}")
    if p[0] is not None and p[1] is not None:
        parts.append(
            f"a paired test over {question.k} seeds has p {p[0]:.2g} to {p[1]:.2g}, depending on the pairing"
        )
    if difference > 0 and p[1] is None:
        seeds = "one seed" if question.k == 1 else f"means of {question.k} seeds"
        parts.append(
            f"{seeds} cannot tell the methods apart unless the seed sd is below {sd:.2g}{question.points}"
            if question.k > 1
            else "that the method differs cannot be read from one seed: a seed sd of "
            f"{sd:.2g}{question.points} or more explains it by chance"
        )
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."


def _networks(bound: McNemarBounds, differ: str) -> str:
    if differ == "always":
        return f"these two networks differ, whatever the per-image outcomes (McNemar p ≤ {bound.p_max:.2g})"
    if differ == "never":
        least = "p = 1" if bound.p_min == 1 else f"p ≥ {bound.p_min:.2g}"
        return f"these two networks cannot be told apart (McNemar {least})"
    text = "whether these two networks differ depends on per-image outcomes that are not printed"
    text += f" (McNemar p from {bound.p_min:.1g} to {bound.p_max:.2g}"
    if bound.rejects_up_to_discordant is not None:
        text += f"; it rejects up to {bound.rejects_up_to_discordant:,} discordant images"
    return text + ")"


def _survives(comparisons: tuple[AuditComparison, ...], k: int, rows: int, alpha: float) -> tuple[str, ...]:
    """The claims that the table supports, in words; the first line is about methods."""
    if k == 1:
        out = ["No claim about a method survives: with one seed its effect is not identifiable."]
        always = [c for c in comparisons if c.networks_differ == "always"]
        worst = np.array([np.nan if c.p_max is None else c.p_max for c in comparisons])
        held = dict(zip(comparisons, adjust(worst, "holm") < alpha, strict=True))
        for c in always:
            claim = f"That the network of {c.b} is more accurate than that of {c.a} survives"
            out.append(
                claim + ("." if held[c] else f", but not Holm's correction over {len(comparisons)} pairs.")
            )
        unclear = sum(c.networks_differ == "depends" for c in comparisons)
        none = sum(c.networks_differ == "never" for c in comparisons)
        if not comparisons:
            out.append(f"No two of the {rows} rows share a student, so nothing is compared.")
        if unclear:
            out.append(
                f"{unclear} of {len(comparisons)} pairs of networks depend on outcomes that are not printed."
            )
        if none:
            out.append(f"{none} of {len(comparisons)} pairs of networks cannot be told apart at all.")
        return tuple(out)
    sure = [c for c in comparisons if c.p_high is not None and c.p_high < alpha]
    out = [
        f"That {c.b} is above {c.a} survives whatever the pairing of the seeds (p ≤ {c.p_high:.2g})."
        for c in sure
    ]
    if not sure:
        out.append(
            "No difference survives for certain: it depends on spreads or pairings that are not printed."
        )
    return tuple(out)


def _recovered(table: Printed) -> list[Recovered]:
    out = [recover(*table.test, alpha=table.alpha)] if table.test else []
    for row in table.rows:
        t, p = decimal_of(row.get("t") or ""), decimal_of(row.get("p") or "")
        difference = next(
            (
                d
                for c in ("difference", "mean_diff", "gain")
                if (d := decimal_of(row.get(c) or "")) is not None
            ),
            None,
        )
        if t is not None and p is not None:
            out.append(
                recover(float(t), float(p), None if difference is None else float(difference), table.alpha)
            )
    return out
