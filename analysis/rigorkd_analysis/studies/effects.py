"""What one study brings to a comparison of studies: per cell and per gain, one value per seed.

The studies must be independent: a run that stands in two of them is no replication of itself, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.baseline_matching import Matcher
from rigorkd_analysis.hypotheses import all_gains
from rigorkd_analysis.metric_names import Goal, goal_of, is_percentage
from rigorkd_analysis.runs import Runs, read_runs
from rigorkd_analysis.stats.moments import Floats
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import Phrasing

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "rigorkd.compare/1"

Level = Literal["gains", "cells"]
"""What two studies are compared by: their gains, or the cells themselves."""


@dataclass(frozen=True)
class StudyFacts:
    """A study that takes part. `cells` and `seeds` are counts; a published table has no runs of its own."""

    name: str
    cells: int
    seeds: int


@dataclass(frozen=True)
class Study:
    """A named table of runs and the plan that goes with it (its metric, baselines and selection seeds)."""

    name: str
    table: pd.DataFrame
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True)
class Effect:
    """Values of one cell, or of one gain, over the seeds that have it; `diverged` counts seeds lost so.

    Attributes:
        not_valid: why no fixed-n test of its study is valid at alpha, such as a repeated look, "" if one is.
        looks: at how many numbers of seeds its study is looked at by plan; p-values are multiplied by it.
    """

    name: str
    values: Floats
    diverged: int
    baseline: str = ""
    not_valid: str = ""
    looks: int = 1


@dataclass(frozen=True)
class Effects:
    """A study as samples over seeds: `gains` and `cells` by the name of the (distilled) cell."""

    study: str
    runs: Runs
    gains: dict[str, Effect]
    cells: dict[str, Effect]
    weights: frozenset[str]
    modes: frozenset[str]

    @property
    def facts(self) -> StudyFacts:
        return StudyFacts(self.study, len(self.cells), len(self.runs.seeds))

    @property
    def largest(self) -> float:
        """The largest size of the metric, 0 if there is none."""
        return float(np.abs(self.runs.values[np.isfinite(self.runs.values)]).max(initial=0.0))


def effects_of(study: Study, metric: str | None) -> Effects:
    """Read a study. Raises TableError for an unusable table, naming the study."""
    try:
        runs = read_runs(study.table, metric or study.plan.metric)
        matcher = Matcher(runs, study.plan.baselines, study.plan.contrasts)
        found = all_gains(runs, matcher) if matcher.any() else []
    except TableError as error:
        raise TableError(
            f"{study.name}: {error.message}", hint=error.hint, row=error.row, column=error.column
        ) from None
    judged = runs.without(study.plan.selection_seeds)
    plan, done = study.plan, int((~np.isnan(judged.values)).any(axis=0).sum())
    why = plan.repeated_look(len(set(runs.seeds) - set(plan.selection_seeds))) or plan.between_looks(done)
    conditions = (f"{study.name}: {why}" if why else "", max(1, len(plan.interim)))
    gains = {}
    for part in found:
        assert part.pair is not None
        a, b = part.pair
        difference = judged.values[a] - judged.values[b]
        lost = int((judged.diverged[a] | judged.diverged[b]).sum())
        gains[runs.cells[a]] = Effect(runs.cells[a], _there(difference), lost, runs.cells[b], *conditions)
    cells = {
        name: Effect(name, _there(judged.values[cell]), int(judged.diverged[cell].sum()), "", *conditions)
        for cell, name in enumerate(runs.cells)
    }
    return Effects(
        study.name, judged, gains, cells, _texts(study.table, "weights_sha256"), _texts(study.table, "mode")
    )


def common_metric(studies: list[Effects], goal: Goal | None) -> tuple[str, Goal, Phrasing]:
    """The metric that all studies report, its direction and its wording; TableError if they differ."""
    metrics = sorted({one.runs.metric for one in studies})
    if len(metrics) > 1:
        raise TableError(
            f"the studies have different metrics: {', '.join(metrics)}", hint="name one with --metric"
        )
    (metric,) = metrics
    percent = [is_percentage(metric, one.largest) for one in studies]
    if any(percent) and not all(percent):
        raise TableError(
            f"{metric} is in percent in {studies[percent.index(True)].study} and not in "
            f"{studies[percent.index(False)].study}",
            hint="bring both to percent",
        )
    spreads = [
        float(np.nanstd(e.values, ddof=1)) for one in studies for e in one.cells.values() if e.values.size > 1
    ]
    direction = goal_of(metric, goal)
    phrasing = Phrasing.of(studies[0].runs, direction, float(np.median(spreads)) if spreads else 0.0)
    return metric, direction, phrasing


def refuse_dependence(studies: list[Effects]) -> list[str]:
    """TableError if a run stands in two studies; else what makes the studies less than independent."""
    warnings = []
    for first, second in combinations(studies, 2):
        both = first.weights & second.weights
        if both:
            raise TableError(
                f"{first.study} and {second.study} share {len(both)} runs (equal weights, to the last bit)",
                hint="a run does not replicate itself: give the second study other seeds",
            )
        if alike := _equal_results(first.runs, second.runs):
            named = ", ".join(alike[:3]) + ", …" * (len(alike) > 3)
            told = (
                f"{first.study} and {second.study} have equal results of {named} at every seed that both "
                "have, to the last digit: one set of runs, or the same trainings again"
            )
            if set(alike) == set(first.cells) & set(second.cells):
                raise TableError(
                    told, hint="a run does not replicate itself: give the second study other seeds"
                )
        seeds = set(first.runs.seeds) & set(second.runs.seeds)
        if seeds:
            shown = ", ".join(map(str, sorted(seeds)[:5])) + (", …" if len(seeds) > 5 else "")
            warnings.append(
                f"{first.study} and {second.study} both use the seeds {shown}: where they share data and "
                "code, these runs share splits and batches; the intervals take the studies as independent"
            )
        if alike:
            warnings.append(f"{told}; what uses them does not compare independent studies")
        if first.modes != second.modes and first.modes and second.modes:
            warnings.append(
                f"{first.study} is of mode {', '.join(sorted(first.modes))}, {second.study} of "
                f"{', '.join(sorted(second.modes))}: a difference may be the mode's"
            )
    smoke = [one.study for one in studies if one.runs.smoke]
    if smoke and len(smoke) < len(studies):
        raise TableError(
            f"{', '.join(smoke)} holds smoke runs, the other real ones", hint="smoke runs are no results"
        )
    if smoke:
        warnings.insert(0, "SMOKE RUNS: shrunken and synthetic; these numbers say nothing about any method")
    return warnings


_COPIES = 3
"""At so many seeds of a cell equal results are no chance."""


def _equal_results(first: Runs, second: Runs) -> list[str]:
    """The cells of both whose results are equal at every seed that both have, and not all one number."""
    seeds = sorted(set(first.seeds) & set(second.seeds))
    one, other = ([list(runs.seeds).index(seed) for seed in seeds] for runs in (first, second))
    found = []
    for cell in first.cells:
        if cell in second.index:
            a = first.values[first.index[cell]][one]
            b = second.values[second.index[cell]][other]
            there = ~np.isnan(a) & ~np.isnan(b)
            a, b = a[there], b[there]
            if len(a) >= _COPIES and len(set(a.tolist())) > 1 and np.array_equal(a, b):
                found.append(cell)
    return found


def without_gains(found: Iterable[Effects]) -> str:
    """Whose cells have no baseline beside them, and so no gains, behind what is missed for it; else ""."""
    bare = [one.study for one in found if not one.gains]
    if not bare:
        return ""
    return f" ({' and '.join(bare)}: no cell is a baseline of others; --baseline CELL names one)"


def no_verdict(effects: Iterable[Effect]) -> str | None:
    """Why nothing may be said of these effects together, None where nothing stands against it."""
    return "; ".join(dict.fromkeys(effect.not_valid for effect in effects if effect.not_valid)) or None


def over_looks(effects: Sequence[tuple[Effect, ...]]) -> Floats:
    """What p-values are multiplied by, one per comparison: the ways in which planned looks may have ended it.

    A comparison that holds at alpha over their number at every fixed number of seeds holds at alpha at any of
    them (Bonferroni).
    """
    return np.array([prod(effect.looks for effect in parts) for parts in effects], dtype=np.float64)


def of_looks(effects: Iterable[Effect], names: Iterable[str]) -> list[str]:
    """That planned looks of a study enter the p-values."""
    told = [
        f"{name} ({one.looks} planned looks)"
        for one, name in zip(effects, names, strict=True)
        if one.looks > 1
    ]
    return [f"adjusted p-values hold over the looks of {' and '.join(told)}"] if told else []


def _there(values: Floats) -> Floats:
    return np.asarray(values[~np.isnan(values)], dtype=np.float64)


def _texts(table: pd.DataFrame, column: str) -> frozenset[str]:
    if column not in table.columns:
        return frozenset()
    return frozenset(str(value) for value in table[column].dropna() if str(value))
