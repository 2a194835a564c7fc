"""The whole analysis: a tidy table and a plan in, an `Analysis` out. Pure: no files, no clock, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis import combinations, families
from rigorkd_analysis.baselines import Matcher, baselines, distilled
from rigorkd_analysis.best import best_cells
from rigorkd_analysis.errors import TableError
from rigorkd_analysis.factorial import factorials
from rigorkd_analysis.images import PredictionSource, image_comparisons
from rigorkd_analysis.metrics import Goal, goal_of, is_percentage
from rigorkd_analysis.paired import mean_interval, sd_interval
from rigorkd_analysis.plan import Plan
from rigorkd_analysis.results import Analysis, CellSummary, Family, FamilyName, Secondary
from rigorkd_analysis.sequential import sequential_analysis
from rigorkd_analysis.table import Runs, read_runs
from rigorkd_analysis.wording import Names, Phrasing

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "rigorkd.analysis/1"
_CSV_CONDITIONS = ("the test images", "whatever the table's runs share and its columns do not tell")


def analyze(
    table: pd.DataFrame,
    plan: Plan | None = None,
    *,
    study: str = "",
    predictions: PredictionSource | None = None,
) -> Analysis:
    """Say which differences between the cells of a table are real.

    Args:
        table: one row per run: `cell`, `seed`, metric columns; optionally `student`, `method`, `group`,
            `start`, `epochs`, `teacher`, `T`, `alpha`, `status` and more.
        plan: what to ask; the default asks for every gain, with Holm, at 5 %.
        study: a name for the document.
        predictions: gives the per-example predictions of a run; with it, intervals over new images too.

    Raises:
        TableError: the table or the plan is unusable; the message says where and how to mend it.
    """
    plan = plan or Plan()
    runs = read_runs(table, plan.metric)
    goal = goal_of(runs.metric, plan.goal)
    matcher = Matcher(runs, plan.baselines)
    asked = _asked(runs, plan, goal)
    found, parts = _families(asked, matcher)
    secondary, skipped = _secondary(table, plan)
    return Analysis(
        schema=SCHEMA,
        study=study,
        metric=runs.metric,
        goal=goal,
        alpha=plan.alpha,
        correction=plan.correction,
        sesoi=plan.sesoi,
        joint=plan.joint,
        conditioned_on=plan.conditioned_on or _CSV_CONDITIONS,
        cells=cell_summaries(runs, plan.alpha),
        families=tuple(found),
        best=best_cells(asked, runs),
        factorial=tuple(factorials(asked)),
        images=tuple(image_comparisons(asked, parts, predictions)) if predictions else (),
        sequential=sequential_analysis(asked, found, parts) if plan.sequential else None,
        secondary=tuple(secondary),
        warnings=(*_warnings(runs, plan, matcher, found), *skipped),
    )


def _secondary(table: pd.DataFrame, plan: Plan) -> tuple[list[Secondary], list[str]]:
    """The gains on every secondary metric, and why some have none: a secondary metric stops nothing."""
    out: list[Secondary] = []
    skipped: list[str] = []
    for metric in plan.secondary:
        try:
            runs = read_runs(table, metric)
            goal = goal_of(metric)
            gains = combinations.gains(runs, Matcher(runs, plan.baselines))
        except TableError as error:
            skipped.append(f"the secondary metric {metric} is left out: {error.message}")
            continue
        if gains:
            asked = _asked(runs, replace(plan, metric=metric, goal=goal, sesoi=None), goal)
            planned = plan.planned and not any(cell in runs.index for cell in plan.added)
            family = families.build(asked, "gains", planned, gains)
            out.append(Secondary(metric, goal, cell_summaries(runs, plan.alpha), family))
    return out, skipped


def _asked(runs: Runs, plan: Plan, goal: Goal) -> families.Asked:
    """What families share: the runs that verdicts use, and decimals from the typical spread of a cell."""
    spread = _typical_sd(runs)
    judged = runs.without(plan.selection_seeds)
    return families.Asked(judged, plan, goal, Phrasing.of(runs, goal, spread), Names(runs))


def _families(
    asked: families.Asked, matcher: Matcher
) -> tuple[list[Family], list[list[combinations.Combination]]]:
    runs, plan = asked.runs, asked.plan
    out: list[Family] = []
    parts: list[list[combinations.Combination]] = []

    def add(name: FamilyName, members: list[tuple[bool, combinations.Combination]]) -> None:
        for planned, some in _by_plan(runs, plan, members):
            out.append(families.build(asked, name, planned, some))
            parts.append(some)

    if matcher.any():
        add("gains", [(plan.planned, part) for part in combinations.gains(runs, matcher)])
    contrasts = [(c.planned, combinations.resolve(runs, matcher, c)) for c in plan.contrasts]
    add("contrasts", contrasts)
    if plan.all_pairs or not out:
        add("all_pairs", [(False, part) for part in combinations.all_pairs(runs)])
    return out, parts


def _by_plan(
    runs: Runs, plan: Plan, members: list[tuple[bool, combinations.Combination]]
) -> list[tuple[bool, list[combinations.Combination]]]:
    """The planned ones first, then the exploratory ones; what uses a cell added later is exploratory."""
    added = {runs.index[cell] for cell in plan.added if cell in runs.index}
    kinds = [planned and not added.intersection(part.cells) for planned, part in members]
    split = [
        (kind, [part for own, (_, part) in zip(kinds, members, strict=True) if own == kind])
        for kind in (True, False)
    ]
    return [(kind, some) for kind, some in split if some]


def cell_summaries(runs: Runs, alpha: float) -> tuple[CellSummary, ...]:
    """Mean and spread of every cell over its finished runs."""
    there = ~np.isnan(runs.values)
    n = there.sum(axis=1)
    filled = np.where(there, runs.values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / n
        std = np.sqrt((np.where(there, runs.values - mean[:, None], 0.0) ** 2).sum(axis=1) / (n - 1))
        std = np.where(n > 1, std, np.nan)
        low, high = mean_interval(mean, std, n.astype(np.float64), alpha)
        std_low, std_high = sd_interval(std, n - 1.0, alpha)
    diverged = runs.diverged.sum(axis=1)

    def value(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]], cell: int) -> float | None:
        number = float(array[cell])
        return number if np.isfinite(number) else None

    return tuple(
        CellSummary(
            cell=name,
            student=runs.student(cell),
            method=runs.text("method", cell) or None,
            n=int(n[cell]),
            diverged=int(diverged[cell]),
            mean=value(mean, cell),
            std=value(std, cell),
            ci_low=value(low, cell),
            ci_high=value(high, cell),
            std_ci_low=value(std_low, cell),
            std_ci_high=value(std_high, cell),
        )
        for cell, name in enumerate(runs.cells)
    )


def _typical_sd(runs: Runs) -> float:
    """The median standard deviation of the cells that have some spread, 0 if none has."""
    several = runs.values[(~np.isnan(runs.values)).sum(axis=1) > 1]
    spreads = np.nanstd(several, axis=1, ddof=1) if several.size else np.zeros(0)
    spreads = spreads[spreads > 0]
    return float(np.median(spreads)) if spreads.size else 0.0


def _warnings(runs: Runs, plan: Plan, matcher: Matcher, found: list[Family]) -> list[str]:
    out = []
    if runs.smoke:
        out.append("SMOKE RUNS: shrunken and synthetic; these numbers say nothing about any method")
    out += runs.warnings
    out += _units_and_goal(runs, plan)
    out += [f"conditioned on {item}" for item in plan.conditioned_on if "fixed teacher" in item]
    if not found:
        out.append("nothing to compare" + (": there is only one cell" if len(runs.cells) == 1 else ""))
    elif found[0].name == "all_pairs" and not plan.all_pairs:
        why = (
            "no cell has the method 'baseline'"
            if "method" in runs.attributes
            else "the table has no method column"
        )
        out.append(f"{why}, so there are no gains: all pairs are shown; name one with --baseline CELL")
    if plan.selection_seeds:
        out.append(f"seeds {_listed(plan.selection_seeds)} were kept for choosing: verdicts use the others")
    lone = np.flatnonzero(runs.diverged.any(axis=1))
    if lone.size:
        out.append(
            f"{int(runs.diverged.sum())} diverged {'run' if runs.diverged.sum() == 1 else 'runs'} in "
            f"{_listed(runs.cells[cell] for cell in lone[:6])}: "
            "no comparison that misses one can be better"
        )
    out += _without_spread(runs)
    looks = sorted(set(plan.looks))
    if looks and looks[0] < len(runs.seeds):
        out.append(
            f"repeated look, not valid at alpha: this study was analysed before at n = {_listed(looks)}"
        )
    out += _untuned_baselines(runs, matcher)
    return out


def _without_spread(runs: Runs) -> list[str]:
    """Cells of three runs or more that are all equal: seeds that change nothing, or copies of one run."""
    several = (~np.isnan(runs.values)).sum(axis=1) >= 3
    still = several & (_range(runs.values) == 0)
    if not still.any():
        return []
    names = [runs.cells[cell] for cell in np.flatnonzero(still)]
    shown = _listed(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return [f"the same value at every seed, as if one run stood there several times: {shown}"]


def _range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest minus smallest per row, 0 for a row of NaN alone."""
    there = ~np.isnan(values)
    largest = np.where(there, values, -np.inf).max(axis=1)
    smallest = np.where(there, values, np.inf).min(axis=1)
    return np.where(there.any(axis=1), largest - smallest, 0.0)


def _units_and_goal(runs: Runs, plan: Plan) -> list[str]:
    """A goal against the metric's name, and a SESOI in points for a metric in fractions (or the reverse)."""
    out = []
    if plan.goal is not None:
        try:
            usual = goal_of(runs.metric)
        except TableError:
            usual = plan.goal
        if usual != plan.goal:
            out.append(f"the goal of {runs.metric} was given as {plan.goal}; by its name it would be {usual}")
    finite = np.abs(runs.values[np.isfinite(runs.values)])
    if plan.sesoi is not None and finite.size and is_percentage(runs.metric, 50.0):
        largest = float(finite.max())
        if (largest <= 1 and plan.sesoi >= 0.1) or (largest > 1.5 and plan.sesoi < 0.005):
            values = "fractions" if largest <= 1 else "percentages"
            out.append(f"is the SESOI of {plan.sesoi:g} meant so? The values of {runs.metric} are {values}")
    return out


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _untuned_baselines(runs: Runs, matcher: Matcher) -> list[str]:
    """Distilled cells were tried at several settings of one method, their baseline at one."""
    if not matcher.any() or "method" not in runs.attributes:
        return []
    tried: Counter[tuple[str, str, str, str]] = Counter()
    for cell in distilled(runs):
        tried[tuple(runs.text(name, cell) for name in ("group", "student", "method", "teacher"))] += 1  # type: ignore[index]
    own = Counter((runs.text("group", cell), runs.text("student", cell)) for cell in baselines(runs))
    flagged = sorted({(g, s, m, k) for (g, s, m, _), k in tried.items() if k > 1 and own.get((g, s), 0) == 1})
    shown = [
        f"{m} of {'/'.join(filter(None, (g, s))) or 'this table'} at {k} settings" for g, s, m, k in flagged
    ]
    if not shown:
        return []
    more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
    return [f"tuning was unequal: {'; '.join(shown[:4])}{more}, its baseline at one"]
