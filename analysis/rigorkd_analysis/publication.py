"""A study against all that its publication prints: each number, and each claim.

A printed number of k seeds is held against the prediction interval of our seeds (`studies.prediction`), all
numbers of one metric and level corrected together. A printed claim is answered by one comparison of our
analysis, with the correction of that comparison's own family: by its verdict, never by whether our mean lies
on the claimed side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np

from rigorkd_analysis.analysis_plan import Correction, Plan
from rigorkd_analysis.metric_names import Goal, is_accuracy
from rigorkd_analysis.published.printed_rounding import half_unit
from rigorkd_analysis.results import GAINS, Analysis, Comparison
from rigorkd_analysis.studies.effects import (
    SCHEMA,
    Effect,
    Level,
    Study,
    StudyFacts,
    common_metric,
    effects_of,
)
from rigorkd_analysis.studies.prediction import PrintedFamily, PrintedValue, printed_family
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.verdicts import Counted, Verdict

Expected = Literal["better", "worse", "different", "equivalent"]
"""What a publication claims of a comparison; better and worse are towards and against the metric's goal."""


@dataclass(frozen=True)
class PrintedRow:
    """One printed number: of which cell of the study, and where it stands. `rounding` is half its last digit.

    In a row of gains the number is the gain of that cell over its baseline.
    """

    place: str
    metric: str
    level: Level
    cell: str
    value: Decimal
    k: int
    rounding: float

    @classmethod
    def read(cls, place: str, metric: str, level: Level, cell: str, value: Decimal, k: int) -> PrintedRow:
        """With the rounding that the digits show."""
        return cls(place, metric, level, cell, value, k, float(half_unit(value)))


@dataclass(frozen=True)
class PrintedClaim:
    """What a publication says, and the comparison of ours that answers it.

    `shown_by` names a comparison, or the cell whose gain it is; None where none can answer it, and `because`
    says why.
    """

    claim: str
    place: str
    expected: Expected
    shown_by: str | None
    metric: str | None = None
    because: str = ""


class Outcome(Counted):
    """What our verdict means for a printed claim."""

    SUPPORTED = "supported", "supported"
    NEGLIGIBLE = "negligible", "supported in direction alone, too small to matter"
    CONTRADICTED = "contradicted", "contradicted"
    OPEN = "open", "open"
    UNTESTED = "untested", "not tested here"


@dataclass(frozen=True)
class ClaimAnswer:
    """A printed claim with our verdict.

    Attributes:
        ours: the comparison of ours that answers it; None, as are its numbers, where there is none.
        planned: whether that comparison was fixed before our results were seen.
    """

    claim: str
    place: str
    expected: Expected
    metric: str
    ours: str | None
    n: int | None
    mean_diff: float | None
    ci_low: float | None
    ci_high: float | None
    p_adjusted: float | None
    verdict: Verdict | None
    planned: bool | None
    outcome: Outcome
    says: str


@dataclass(frozen=True)
class PrintedMetric:
    """The printed numbers of one metric."""

    metric: str
    goal: Goal
    families: tuple[PrintedFamily, ...]


@dataclass(frozen=True)
class Publication:
    """A study against its publication. `unmatched` names printed numbers that the study has no cell for."""

    schema: str
    kind: Literal["publication"]
    publication: str
    source: str
    alpha: float
    correction: Correction
    studies: tuple[StudyFacts, ...]
    metrics: tuple[PrintedMetric, ...]
    claims: tuple[ClaimAnswer, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_publication(
    studies: Mapping[str, Study],
    rows: Sequence[PrintedRow],
    claims: Sequence[PrintedClaim],
    analysis: Analysis,
    plan: Plan,
    *,
    publication: str,
    source: str,
) -> Publication:
    """Hold every printed number and claim against a study.

    Args:
        studies: the study's runs that have a metric, by metric; teachers and starts may stand among them.
        analysis: the study's own, whose verdicts answer the claims.

    Raises:
        TableError: a table is unusable.
    """
    metrics, unmatched, seeds = [], [], 0
    for metric in dict.fromkeys(row.metric for row in rows):
        mine = [row for row in rows if row.metric == metric]
        if metric not in studies:
            unmatched.append(f"all {len(mine)} printed values of {metric} (the study has no {metric})")
            continue
        found, lost = _metric(studies[metric], metric, mine, plan)
        unmatched += lost
        if found is not None:
            metrics.append(found)
            seeds = max(seeds, *(one.k for family in found.families for one in family.comparisons))
    warnings = [text for text in analysis.warnings if text.startswith("SMOKE")]
    ours = StudyFacts(
        analysis.study, len(analysis.cells), max((cell.n for cell in analysis.cells), default=0)
    )
    return Publication(
        schema=SCHEMA,
        kind="publication",
        publication=publication,
        source=source,
        alpha=plan.alpha,
        correction=plan.correction,
        studies=(ours, StudyFacts(publication, len({row.cell for row in rows}), seeds)),
        metrics=tuple(metrics),
        claims=tuple(answer(claim, analysis) for claim in claims),
        unmatched=tuple(dict.fromkeys(unmatched)),
        warnings=tuple(warnings),
    )


def _metric(
    study: Study, metric: str, rows: Sequence[PrintedRow], plan: Plan
) -> tuple[PrintedMetric | None, list[str]]:
    """The printed numbers of one metric against ours, and those that the study has no cell for."""
    ours = effects_of(study, metric)
    _, goal, say = common_metric([ours], plan.goal if metric == plan.metric else None)
    unmatched = []
    printed: dict[Level, dict[tuple[str, Decimal, int], PrintedValue]] = {"gains": {}, "cells": {}}

    def note(level: Level, cell: str, value: PrintedValue) -> None:
        key = (cell, value.value, value.k)
        before = printed[level].get(key)
        if before is None:
            printed[level][key] = value
        elif value.name not in before.name.split("; "):  # one number that is printed twice counts once
            closest = min(before.half_unit, value.half_unit)
            printed[level][key] = PrintedValue(f"{before.name}; {value.name}", value.value, closest, value.k)

    for row in rows:
        known = ours.gains if row.level == "gains" else ours.cells
        if row.cell not in known:
            what = "gain" if row.level == "gains" else "cell"
            unmatched.append(f"{row.cell} ({row.place}: the study has no such {what})")
            continue
        if row.level == "cells":
            _on_one_scale(metric, row, ours.cells[row.cell])
        note(row.level, row.cell, PrintedValue(row.place, row.value, row.rounding, row.k))
    levels = [row for row in rows if row.level == "cells"]
    for row in levels:
        effect = ours.gains.get(row.cell)
        for base in levels:
            if effect is not None and (base.cell, base.place) == (effect.baseline, row.place):
                difference = row.value - base.value
                rounding, k = row.rounding + base.rounding, min(row.k, base.k)
                note("gains", row.cell, PrintedValue(row.place, difference, rounding, k))
    families = []
    both: tuple[tuple[Level, dict[str, Effect]], ...] = (("gains", ours.gains), ("cells", ours.cells))
    for level, known in both:
        members = [(known[cell], value) for (cell, _, _), value in printed[level].items()]
        if members:
            families.append(printed_family(level, members, plan, say, study.name))
    return (PrintedMetric(metric, goal, tuple(families)) if families else None), unmatched


def _on_one_scale(metric: str, row: PrintedRow, ours: Effect) -> None:
    """Refuse a printed accuracy in fractions where ours are in percent, or the reverse."""
    own, printed = float(np.mean(ours.values)), float(row.value)
    for large, small in ((own, printed), (printed, own)):
        if is_accuracy(metric) and large > 1.5 and small <= 1 and abs(100 * small - large) <= 0.25 * large:
            raise TableError(
                f"{row.cell}: {printed:g} is printed ({row.place}), and ours is {own:g}: "
                "fractions beside percentages",
                hint="bring both to percent",
            )


def answer(claim: PrintedClaim, analysis: Analysis) -> ClaimAnswer:
    """What our analysis says of a claim."""
    metric = claim.metric or analysis.metric
    found = None if claim.shown_by is None else _comparison(analysis, metric, claim.shown_by)
    if found is None:
        reason = claim.because or f"the study has no comparison {claim.shown_by!r} on {metric}"
        return ClaimAnswer(
            claim=claim.claim,
            place=claim.place,
            expected=claim.expected,
            metric=metric,
            ours=claim.shown_by,
            n=None,
            mean_diff=None,
            ci_low=None,
            ci_high=None,
            p_adjusted=None,
            verdict=None,
            planned=None,
            outcome=Outcome.UNTESTED,
            says=reason,
        )
    return ClaimAnswer(
        claim=claim.claim,
        place=claim.place,
        expected=claim.expected,
        metric=metric,
        ours=found.name,
        n=found.n,
        mean_diff=found.mean_diff,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p_adjusted=found.p_adjusted,
        verdict=found.verdict,
        planned=found.planned,
        outcome=outcome(claim.expected, found.verdict),
        says=found.says if found.planned else f"exploratory: {found.says}",  # it leaves its page
    )


def outcome(expected: Expected, verdict: Verdict) -> Outcome:
    """What a verdict means for a claim. That nothing is shown speaks neither for nor against it."""
    if verdict is Verdict.INCONCLUSIVE:
        return Outcome.OPEN
    if expected == "equivalent":
        small = verdict is Verdict.EQUIVALENT or verdict.negligible
        return Outcome.SUPPORTED if small else Outcome.CONTRADICTED
    as_claimed = verdict.directed if expected == "different" else verdict.badge == expected
    if not as_claimed:
        return Outcome.CONTRADICTED
    return Outcome.NEGLIGIBLE if verdict.negligible else Outcome.SUPPORTED


def _comparison(analysis: Analysis, metric: str, name: str) -> Comparison | None:
    """The comparison of that name, or the gain of that cell."""
    families = [item.family for item in analysis.secondary if item.metric == metric]
    if metric == analysis.metric:
        families = list(analysis.families)
    gains = [family for family in families if family.name in GAINS]
    everything = [one for family in families for one in family.comparisons]
    by_cell = [one for family in gains for one in family.comparisons if one.a == name]
    return next((one for one in everything if one.name == name), by_cell[0] if by_cell else None)
