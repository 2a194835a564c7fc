"""The whole analysis: a tidy table and a plan in, an `Analysis` out. Pure: no files, no clock, no network."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.analysis_plan import TABLE_CONDITIONS, Pair, Plan, is_told_of_each
from rigorkd_analysis.baseline_matching import Matcher
from rigorkd_analysis.families import build_family, cautioned, images_of, on_images
from rigorkd_analysis.hypotheses import all_gains, all_pairs, averages, resolve
from rigorkd_analysis.likeness import copied, distilled_baselines, may_be_methods, on_what
from rigorkd_analysis.metric_names import Goal, goal_of, is_accuracy, is_top5, sesoi_off_scale, words_of
from rigorkd_analysis.named_pairs import each_pair, left_over
from rigorkd_analysis.offered_baselines import NO_GAINS, likely, offered
from rigorkd_analysis.omnibus import beside_factorials, beside_gains
from rigorkd_analysis.outliers import outlying
from rigorkd_analysis.plan_status import by_plan, with_history
from rigorkd_analysis.questions import Hypothesis, LinearContrast, Question
from rigorkd_analysis.results import (
    Analysis,
    CellSummary,
    Family,
    FamilyName,
    Progress,
    Secondary,
    Sequential,
)
from rigorkd_analysis.runs import Runs, read_runs
from rigorkd_analysis.sanity import OneClass, doubts, near_chance, whole_of
from rigorkd_analysis.stats.anova import factorials
from rigorkd_analysis.stats.moments import Moments, mean_interval, or_none, sd_interval
from rigorkd_analysis.stats.new_images import PredictionSource, image_comparisons
from rigorkd_analysis.stats.selection import best_cells
from rigorkd_analysis.stats.sequential import Asked, judged_in_sequence, sequential_analysis
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.tuning import unequal_tuning
from rigorkd_analysis.wording import Names, Phrasing

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "rigorkd.analysis/1"
SMOKE = "SMOKE RUNS: shrunken and synthetic; these numbers say nothing about any method"


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
    if plan.goal is None:
        _refuse_errors(table, runs.metric)
    _sesoi_on_scale(runs, plan)
    matcher = Matcher(runs, plan.baselines, plan.contrasts)
    question = _question(runs, plan, goal, matcher)
    watched = None if predictions is None else OneClass(predictions)
    asked = _hypotheses(question, matcher)
    images = tuple(image_comparisons(question, [parts for *_, parts in asked], watched))
    by_pair = {(one.a, one.b): one for one in images}
    found = [
        with_history(
            *(question, matcher),
            build_family(
                *(question, *family, by_pair, watched, _beside(at, asked)),
                in_sequence=judged_in_sequence(family[1], (planned for _, planned, _ in asked)),
            ),
            family[2],
        )
        for at, family in enumerate(asked)
    ]
    secondary, skipped = _secondary(table, plan)
    return replace(
        _unjudged(runs, plan, study),
        cells=cell_summaries(question.runs, plan.alpha),
        families=tuple(beside_gains(question, found)),
        best=best_cells(question, runs, matcher.rest_of_name),
        factorial=beside_factorials(question, factorials(question), found),
        images=cautioned(images, found),
        sequential=sequential_analysis(
            question,
            [
                Asked(
                    *own,
                    family.corrected_over,
                    [on_images(question, part, images_of(question, part, by_pair)) for part in own[2]],
                    family.demoted,
                    family.later,
                )
                for own, family in zip(asked, found, strict=True)
            ],
        )
        if plan.sequential
        else None,
        secondary=tuple(secondary),
        warnings=(
            *_warnings(question, runs, matcher, found),
            *_compared_with_nothing(question, asked, matcher.left_out()),
            *(() if watched is None else watched.warnings()),
            *skipped,
        ),
    )


def progress(table: pd.DataFrame, plan: Plan | None = None, *, study: str = "") -> Analysis:
    """How far a study is, and the means so far: no p-value, no interval, no verdict. It is no look.

    Means are of the seeds that verdicts will use; before any of these is there, of those kept for choosing.

    Raises:
        TableError: the table is unusable.
    """
    plan = plan or Plan()
    runs = read_runs(table, plan.metric)
    missing = np.zeros(runs.values.shape, dtype=bool)
    rows = table[table["status"] == "missing"] if "status" in table else table[:0]
    at = {seed: position for position, seed in enumerate(runs.seeds)}
    for cell, seed in zip(rows["cell"], rows["seed"], strict=True):
        missing[runs.index[str(cell)], at[int(seed)]] = True
    judged = ~np.isin(runs.seeds, plan.selection_seeds)
    shown, told = runs.without(plan.selection_seeds), _kept_for_choosing(plan, runs)
    if told and not (np.isfinite(shown.values) | shown.diverged).any():
        shown = runs
        told = ["no run of the seeds that verdicts use is there yet: means are of those kept for choosing"]
    judged = judged if judged.any() else ~judged
    return replace(
        _unjudged(runs, plan, study),
        cells=tuple(
            replace(cell, ci_low=None, ci_high=None, std_ci_low=None, std_ci_high=None)
            for cell in cell_summaries(shown, plan.alpha)
        ),
        progress=Progress(
            done=len(table) - len(rows),
            total=len(table),
            seeds_complete=int((~missing.any(axis=0) & judged).sum()),
            seeds=int(judged.sum()),
        ),
        warnings=(*([SMOKE] if runs.smoke else []), *runs.warnings, *told),
    )


def asked_of_cells(
    table: pd.DataFrame, plan: Plan
) -> dict[tuple[FamilyName, str], tuple[str, frozenset[str]]]:
    """What a plan asks beside the gains, by family and name: in words, with the cells that it is of.

    Raises:
        TableError: the table or the plan is unusable.
    """
    runs = read_runs(table, plan.metric)
    matcher = Matcher(runs, plan.baselines, plan.contrasts)
    question = _question(runs, plan, goal_of(runs.metric, plan.goal), matcher)
    return {
        (family, part.name if family == "overall" else part.called): (
            _in_words(part),
            frozenset(runs.cells[cell] for cell in part.cells),
        )
        for family, _, parts in _hypotheses(question, matcher)
        if family in ("primary", "overall", "contrasts")
        for part in parts
    }


def _in_words(part: Hypothesis) -> str:
    if isinstance(part, LinearContrast) and part.averaged:
        return part.title or part.name
    return part.called


def _unjudged(runs: Runs, plan: Plan, study: str) -> Analysis:
    """The head of a document, without anything found."""
    return Analysis(
        schema=SCHEMA,
        study=study,
        metric=runs.metric,
        goal=goal_of(runs.metric, plan.goal),
        alpha=plan.alpha,
        correction=plan.correction_of_looks,
        sesoi=plan.sesoi,
        joint=plan.joint,
        inference=plan.inference,
        looks=plan.interim,
        conditioned_on=plan.conditioned_on or TABLE_CONDITIONS,
        cells=(),
        families=(),
        best=None,
        factorial=(),
        images=(),
        sequential=None,
        secondary=(),
        progress=None,
        warnings=(),
    )


def until_decided(table: pd.DataFrame, plan: Plan) -> Sequential:
    """The anytime-valid verdict on every planned comparison of a growing table; `decided` says when to stop.

    Raises:
        TableError: the table is unusable.
    """
    found = analyze(table, replace(plan, sequential=True)).sequential
    assert found is not None
    return found


def _secondary(table: pd.DataFrame, plan: Plan) -> tuple[list[Secondary], list[str]]:
    """The gains on every secondary metric, and why some have none: a secondary metric stops nothing."""
    out: list[Secondary] = []
    skipped: list[str] = []
    for metric in plan.secondary:
        try:
            runs = read_runs(table, metric)
            goal = goal_of(metric)
            matcher = Matcher(runs, plan.baselines, plan.contrasts)
            gains = all_gains(runs, matcher)
        except TableError as error:
            why = error.message.replace(f"the metric {metric!r}", "it")
            skipped.append(f"the secondary metric {metric} is left out: {why}")
            continue
        if gains:
            own = replace(plan, metric=metric, goal=goal, sesoi=None, inference="seeds")
            question = _question(runs, own, goal, matcher)
            planned = plan.planned and not any(cell in runs.index for cell in plan.added)
            family = build_family(question, "gains", planned, gains, in_sequence=False)
            family = with_history(question, matcher, family, gains)
            out.append(Secondary(metric, goal, cell_summaries(question.runs, plan.alpha), family))
    return out, skipped


def _question(runs: Runs, plan: Plan, goal: Goal, matcher: Matcher) -> Question:
    """What families share: the runs that verdicts use, and decimals from the typical spread of a cell."""
    used = replace(runs.without(plan.selection_seeds), diverged_unjudged=plan.diverged_unjudged)
    phrasing = Phrasing.of(runs, goal, _typical_sd(runs))
    odd = replace(outlying(used, goal, plan.added), left_out=dict(plan.fell_unjudged))
    names = Names(runs, plan.baselines)
    alike = distilled_baselines(used, matcher.pairs(), distils=names.distils)
    chance = near_chance(used, plan, goal)
    return Question(used, plan, goal, phrasing, names, odd, copied(used), alike, chance)


def _hypotheses(question: Question, matcher: Matcher) -> list[tuple[FamilyName, bool, list[Hypothesis]]]:
    """The families before their numbers: name, whether it is planned, and what is compared."""
    runs, plan = question.runs, question.plan
    out: list[tuple[FamilyName, bool, list[Hypothesis]]] = []
    overall: list[tuple[FamilyName, bool, list[Hypothesis]]] = []
    if matcher.any():
        gains = all_gains(runs, matcher)
        for planned, part in by_plan(question, [(True, gain) for gain in gains]):
            known = planned and plan.planned and not plan.first_version
            simple = [gain for gain in part if isinstance(gain, LinearContrast)]
            if means := averages(runs, simple):
                overall.append(("overall", known, [*means]))
        out += [] if plan.first_version else overall
        if plan.primary is not None:
            cell = runs.position(plan.primary)
            alone = [gain for gain in gains if gain.pair is not None and gain.pair[0] == cell]
            if not alone:
                raise TableError(
                    f"the primary cell {plan.primary} has no gain",
                    hint="name a distilled cell that has a baseline",
                )
            gains = [gain for gain in gains if gain not in alone]
            out += [("primary", *part) for part in by_plan(question, [(plan.planned, alone[0])])]
        out += [("gains", *part) for part in by_plan(question, [(plan.planned, gain) for gain in gains])]
    asked = each_pair(runs, plan.contrasts)
    contrasts = [(contrast.planned, resolve(runs, matcher, contrast)) for contrast in asked]
    out += [("contrasts", *part) for part in by_plan(question, contrasts)]
    out += overall if plan.first_version else []  # what was planned then keeps its place
    if plan.all_pairs or not out:
        pairs = [(False, pair) for pair in all_pairs(runs)]
        out += [("all_pairs", *part) for part in by_plan(question, pairs)]
    return out


def _beside(at: int, families: Sequence[tuple[FamilyName, bool, list[Hypothesis]]]) -> list[Hypothesis]:
    """The other comparisons of families that ask already what exploratory contrasts ask once more.

    Who takes one pair out of a family that was seen keeps its correction: alone, it would be the one that
    looked best.
    """
    name, planned, parts = families[at]
    if planned or name != "contrasts":
        return []
    mine = {what for part in parts if (what := _what(part))}
    out: dict[object, Hypothesis] = {}
    for other in (*families[:at], *families[at + 1 :]):
        if other[0] != "all_pairs" and mine.intersection(map(_what, other[2])):
            out |= {_what(part): part for part in other[2] if _what(part) not in mine}
    return list(out.values())


def _what(part: Hypothesis) -> object:
    """What is compared, whatever it is called and whichever side comes first."""
    if not isinstance(part, LinearContrast):
        return frozenset(map(_what, part.members))
    weights = sorted(part.weights)
    sign = 1.0 if weights[0][1] > 0 else -1.0
    return tuple((cell, sign * weight) for cell, weight in weights)


def cell_summaries(runs: Runs, alpha: float) -> tuple[CellSummary, ...]:
    """Mean and spread of every cell over its finished runs."""
    moments = Moments.of_rows(runs.values)
    low, high = mean_interval(moments.mean, moments.sd, moments.n, alpha)
    std_low, std_high = sd_interval(moments.sd, moments.n - 1.0, alpha)
    return tuple(
        CellSummary(
            cell=name,
            student=runs.student(cell),
            method=runs.text("method", cell) or None,
            n=int(moments.n[cell]),
            diverged=int(runs.diverged[cell].sum()),
            mean=or_none(moments.mean[cell]),
            std=or_none(moments.sd[cell]),
            ci_low=or_none(low[cell]),
            ci_high=or_none(high[cell]),
            std_ci_low=or_none(std_low[cell]),
            std_ci_high=or_none(std_high[cell]),
        )
        for cell, name in enumerate(runs.cells)
    )


def _typical_sd(runs: Runs) -> float:
    """The median standard deviation of the cells that have some spread, 0 if none has."""
    several = runs.values[(~np.isnan(runs.values)).sum(axis=1) > 1]
    spreads = np.nanstd(several, axis=1, ddof=1) if several.size else np.zeros(0)
    spreads = spreads[spreads > 0]
    return float(np.median(spreads)) if spreads.size else 0.0


def _warnings(question: Question, runs: Runs, matcher: Matcher, found: list[Family]) -> list[str]:
    plan, out = question.plan, []
    if runs.smoke:
        out.append(SMOKE)
    out += runs.warnings
    out += _usual_goal(runs, plan)
    out += _wide_margin(runs, plan)
    if plan.test == "unpaired" and len(runs.cells) > 2:
        out.append(
            "runs are not paired by seed here, so what pairs them is left out: T × α tests, intervals over "
            "new test images, leave-one-seed-out selection; which cells may be best Welch's test says"
        )
    if plan.inference != "seeds" and len(runs.cells) > 2:
        out.append("which cells may be best, and T × α, are judged on these test images alone")
    out += matcher.by_value()
    out += doubts(question, matcher)
    if (alone := matcher.excused()) and matcher.any():  # else it goes without saying
        same = f" with the same {_listed(matcher.matched)}" if matcher.matched else ""
        has, it = ("has", "it") if len(alone) == 1 else ("have", "them")
        out.append(
            f"{_first(alone)} {has} no baseline{same}, and so no gain: only what was asked to be compared "
            f"with {it} says something of {it}"
        )
    out += [f"conditioned on {item}" for item in plan.conditioned_on if is_told_of_each(item)]
    out += [item for item in plan.conditioned_on if item.startswith("nothing was validated")]
    if not found:
        why = ": there is only one cell" if len(runs.cells) == 1 else ""
        if len(runs.cells) > 1 and not plan.contrasts:  # each is the baseline of its own student
            pair = " ".join(shlex.quote(cell) for cell in (runs.cells[1], runs.cells[0]))
            why = f": no cell has a baseline beside it, or a second one; --compare {pair} compares two"
            for column in on_what(runs):
                if may_be_methods(runs, column):
                    given = shlex.quote(f"{column}={runs.text(column, 0)}")
                    why += f"; if {column} tells methods apart, --baseline {given} says so"
        out.append(f"nothing to compare{why}")
    elif found[0].name == "all_pairs" and not plan.all_pairs:
        why = "no cell has the method 'baseline'"
        if "method" not in runs.attributes:
            why = "the table has no method column"
        elif matcher.any():
            why = "every cell is a baseline"
        cells = likely(runs)
        if len(cells) == len(runs.cells):
            cells = []
        named = offered(runs, cells, matcher.word_for) if cells else "--baseline CELL"
        out.append(f"{why}, {NO_GAINS}; name one with {named}")
    out += _kept_for_choosing(plan, runs)
    lone = np.flatnonzero(question.runs.lost(range(len(runs.cells))))
    if lone.size:
        n = int(question.runs.diverged.sum()) + sum(len(seeds) for _, seeds in plan.diverged_unjudged)
        out.append(
            f"{n} diverged {'run' if n == 1 else 'runs'} in "
            f"{_listed(runs.cells[cell] for cell in lone[:6])}: "
            "no comparison that misses one can be better or equivalent"
            + ", also where its seed is left out" * bool(plan.diverged_unjudged)
            # of a study its looks tell which are fresh
            + ": fresh are seeds numbered above all of these, three or more"
            * bool(plan.diverged_unjudged and not plan.conditioned_on)
        )
    out += _without_spread(runs, question.goal)
    if question.repeated_look:
        now = sorted(cell for cell in runs.cells if plan.later_than_a_look(cell))
        out.append(question.repeated_look + (f"; added after a look: {_listed(now)}" if now else ""))
    out += unequal_tuning(question, matcher, found)
    return out


def _compared_with_nothing(
    question: Question, families: Sequence[tuple[FamilyName, bool, list[Hypothesis]]], told_of: Sequence[int]
) -> list[str]:
    """The cells that no comparison meets though others are compared, with the data that they have alone.

    Not those that are `told_of` already. Before them those that a pair of words means and does not compare
    where gains meet them: who asked for DKD and KD must see that KD at T = 1 is none of it.
    """
    runs, out = question.runs, []
    met = {cell for *_, parts in families for part in parts for cell in part.cells}
    for pair in (one for one in question.plan.contrasts if isinstance(one, Pair)):
        if left := [cell for cell in left_over(runs, pair) if cell in met]:
            names = _first([runs.cells[cell] for cell in left])
            out.append(f"in no pair of {pair.a} and {pair.b}, as none of the other shares the rest: {names}")
    others = (cell for cell in range(len(runs.cells)) if cell not in met and cell not in told_of)
    named = bool(question.plan.baselines)  # else it goes without saying that a teacher is no rival
    alone = [cell for cell in others if named or runs.text("method", cell) != "teacher"]
    if not met or not alone:
        return out
    columns = on_what(runs)
    named_alone = []
    for cell in alone[:6]:
        where = [
            f"{column} {runs.text(column, cell)}"
            for column in columns
            if not any(runs.text(column, other) == runs.text(column, cell) for other in met)
        ]
        named_alone.append(runs.cells[cell] + (f" (alone on {', '.join(where)})" if where else ""))
    more = f" and {len(alone) - 6} more" if len(alone) > 6 else ""
    return [*out, f"compared with nothing: {_listed(named_alone)}{more}"]


def _kept_for_choosing(plan: Plan, runs: Runs) -> list[str]:
    if not plan.selection_seeds:
        return []
    fell = runs.diverged[:, np.isin(runs.seeds, plan.selection_seeds)].any(axis=1)
    lost = [runs.cells[cell] for cell in np.flatnonzero(fell)]
    return [
        f"seeds {_listed(plan.selection_seeds)} were kept for choosing: verdicts and means use the others"
        + f"; at those kept runs of {_listed(lost[:6])} diverged" * bool(lost)
    ]


def _without_spread(runs: Runs, goal: str) -> Iterator[str]:
    """Cells of three runs or more that are all equal: at their best, seeds that change nothing, or copies."""
    several = (~np.isnan(runs.values)).sum(axis=1) >= 3
    still = several & (_range(runs.values) == 0)
    full = np.zeros_like(still)
    if goal == "max" and is_accuracy(runs.metric) and not is_top5(runs.metric) and still.any():
        full = still & (np.nan_to_num(runs.values).max(axis=1) == whole_of(runs.values))
    for which, told in (
        (
            full,
            "{}, the best that there is, at every seed, so that nothing is left to gain (ask harder data)",
        ),
        (still & ~full, "the same value at every seed, as if one run stood there several times"),
    ):
        names = [runs.cells[cell] for cell in np.flatnonzero(which)]
        shown = _listed(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        if names:
            yield f"{told.format(f'{whole_of(runs.values):g}')}: {shown}"


def _range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest minus smallest per row, 0 for a row of NaN alone."""
    there = ~np.isnan(values)
    largest = np.where(there, values, -np.inf).max(axis=1)
    smallest = np.where(there, values, np.inf).min(axis=1)
    return np.where(there.any(axis=1), largest - smallest, 0.0)


def _usual_goal(runs: Runs, plan: Plan) -> list[str]:
    """A goal against the metric's name."""
    out = []
    if plan.goal is not None:
        try:
            usual = goal_of(runs.metric)
        except TableError:
            usual = plan.goal
        if usual != plan.goal:
            out.append(f"the goal of {runs.metric} was given as {plan.goal}; by its name it would be {usual}")
    return out


def _refuse_errors(table: pd.DataFrame, metric: str) -> None:
    """Refuse top-1 that is above top-5: both are then error rates, of which less is better.

    Raises:
        TableError: so it is in every row, and no goal was given.
    """
    words = words_of(metric)
    if "top1" not in words or not is_accuracy(metric):
        return
    fifth = ["top5" if word == "top1" else word for word in words]
    other = next((str(column) for column in table.columns if words_of(str(column)) == fifth), None)
    if other is None or metric not in table.columns:
        return
    import pandas as pd

    one, five = (pd.to_numeric(table[column], errors="coerce") for column in (metric, other))
    there = one.notna() & five.notna()
    if there.any() and bool((one[there] > five[there]).all()):
        raise TableError(
            f"{metric} is above {other} in every row, which no accuracy can be: are they error rates?",
            hint="give the goal: --goal min if less is better, --goal max if more is",
            column=metric,
        )


def _wide_margin(runs: Runs, plan: Plan) -> list[str]:
    """A margin as wide as all that a metric does here, whose unit does not tell whether it is meant."""
    finite = runs.values[np.isfinite(runs.values)]
    if plan.sesoi is None or is_accuracy(runs.metric) or len(finite) < 2 or runs.smoke:
        return []
    low, high = float(finite.min()), float(finite.max())
    if plan.sesoi <= high - low or low == high:
        return []
    return [
        f"the margin of {plan.sesoi:g} is wider than the whole range of {runs.metric} here ({low:.4g} to "
        f"{high:.4g}): equivalent and negligible say no more than that; is it in the metric's unit?"
    ]


def _sesoi_on_scale(runs: Runs, plan: Plan) -> None:
    """Refuse a SESOI in points for an accuracy in fractions, or the reverse."""
    finite = runs.values[np.isfinite(runs.values)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    if (slip := sesoi_off_scale(runs.metric, plan.sesoi, high)) is not None:
        said, meant = slip
        raise TableError(
            f"{said} (values of {runs.metric} lie between {low:.4g} and {high:.4g})",
            hint=f"did you mean --sesoi {meant:g}?",
            column=runs.metric,
        )


def _first(names: Sequence[str], most: int = 6) -> str:
    """The first of these names, and how many more there are."""
    return _listed(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
