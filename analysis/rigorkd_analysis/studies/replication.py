"""Does a replication agree? Two studies, gain by gain: the difference of their gains, never two p-values.

That one study finds a gain significant and the other does not says nothing about whether they differ (Gelman
and Stern 2006). So the difference itself is tested (Welch), and agreement is shown by two one-sided tests
against the smallest effect of interest, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from rigorkd_analysis.analysis_plan import Correction, Plan, few_seeds
from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.moments import Moments, or_none, prediction_interval
from rigorkd_analysis.stats.paired import Settings
from rigorkd_analysis.stats.welch import welch
from rigorkd_analysis.studies.effects import (
    SCHEMA,
    Effect,
    Effects,
    Level,
    Study,
    StudyFacts,
    common_metric,
    effects_of,
    no_verdict,
    of_looks,
    over_looks,
    refuse_dependence,
    without_gains,
)
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.verdicts import Counted
from rigorkd_analysis.wording import Phrasing, adjusted_name, p_text, percent_text


class Agreement(Counted):
    """What two studies show of each other."""

    DIFFER = "differ", "differ"
    AGREE = "agree", "agree"
    DIFFER_NEGLIGIBLE = "differ_negligible", "differ by a negligible amount"
    INCONCLUSIVE = "inconclusive", "show neither"


@dataclass(frozen=True)
class StudyDifference:
    """One gain (or one cell) in two studies: mean_diff = mean_a − mean_b, Welch.

    Attributes:
        prediction_low, prediction_high: where the mean of b was to be expected from a alone, were they equal.
        mde: the difference that these seeds detect with 80 % power.
        not_valid: why no verdict is valid at alpha here, such as a repeated look at one of the studies; the
            verdict is then inconclusive, whatever the p-values are.
    """

    name: str
    n_a: int
    n_b: int
    mean_a: float | None
    mean_b: float | None
    sd_a: float | None
    sd_b: float | None
    mean_diff: float | None
    se: float | None
    df: float | None
    t: float | None
    p: float | None
    p_adjusted: float | None
    ci_low: float | None
    ci_high: float | None
    ci_simultaneous_low: float | None
    ci_simultaneous_high: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    equivalence_ci_low: float | None
    equivalence_ci_high: float | None
    prediction_low: float | None
    prediction_high: float | None
    inside_prediction: bool | None
    mde: float | None
    verdict: Agreement
    says: str
    warnings: tuple[str, ...]
    not_valid: str | None = None


_NUMBERS = {field.name for field in fields(StudyDifference)}


@dataclass(frozen=True)
class DifferenceFamily:
    """Gains, or cells, of two studies, corrected together."""

    name: Level
    size: int
    comparisons: tuple[StudyDifference, ...]


@dataclass(frozen=True)
class Replication:
    """Two studies of the same question. `unmatched` names gains and cells that only one of them has."""

    schema: str
    kind: Literal["replication"]
    metric: str
    goal: Goal
    alpha: float
    correction: Correction
    sesoi: float | None
    studies: tuple[StudyFacts, ...]
    families: tuple[DifferenceFamily, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_studies(a: Study, b: Study, plan: Plan) -> Replication:
    """Compare two studies; differences are a − b. Of the plan, metric, goal, sesoi, alpha, correction count.

    Raises:
        TableError: a table is unusable, the studies share runs, or have no cell in common.
    """
    first, second = effects_of(a, plan.metric), effects_of(b, plan.metric)
    warnings = refuse_dependence([first, second])
    metric, goal, say = common_metric([first, second], plan.goal)
    both: tuple[tuple[Level, Mapping[str, Effect], Mapping[str, Effect]], ...] = (
        ("gains", first.gains, second.gains),
        ("cells", first.cells, second.cells),
    )
    families = [
        _family(name, ours, theirs, first, second, plan, say)
        for name, ours, theirs in both
        if ours.keys() & theirs.keys()
    ]
    if not families:
        raise TableError(
            f"{a.name} and {b.name} have no cell in common",
            hint=f"{a.name} has {_some(first)}; {b.name} has {_some(second)}; --rename brings names together",
        )
    if families[0].name != "gains":
        why = without_gains((first, second))
        warnings.append(f"no gain is in both studies{why}, so only the levels of cells are compared")
    if plan.sesoi is None:
        warnings.append("without a smallest effect of interest (--sesoi) agreement cannot be shown")
    return Replication(
        schema=SCHEMA,
        kind="replication",
        metric=metric,
        goal=goal,
        alpha=plan.alpha,
        correction=plan.correction,
        sesoi=plan.sesoi,
        studies=tuple(one.facts for one in (first, second)),
        families=tuple(families),
        unmatched=tuple(
            f"{name} (only in {one.study})"
            for one, other in ((first, second), (second, first))
            for name in one.cells
            if name not in other.cells
        ),
        warnings=tuple(warnings),
    )


def _some(study: Effects) -> str:
    names = list(study.cells)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _family(
    name: Level,
    ours: Mapping[str, Effect],
    theirs: Mapping[str, Effect],
    first: Effects,
    second: Effects,
    plan: Plan,
    say: Phrasing,
) -> DifferenceFamily:
    cells = [cell for cell in ours if cell in theirs]
    m = 1 if plan.correction == "none" else len(cells)
    a = Moments.of([ours[cell].values for cell in cells])
    b = Moments.of([theirs[cell].values for cell in cells])
    found = welch(a, b, Settings(plan.alpha, m, plan.sesoi))
    looks = over_looks([(ours[cell], theirs[cell]) for cell in cells])
    p_adjusted, p_equal = (
        np.minimum(1.0, looks * adjust(found[name], plan.correction)) for name in ("p", "p_equivalence")
    )
    low, high = prediction_interval(a.mean, a.sd, a.n, b.n, plan.alpha)
    out = []
    for i, cell in enumerate(cells):
        warnings = _warnings(ours[cell], theirs[cell], first.study, second.study)
        unfit = no_verdict((ours[cell], theirs[cell]))
        lost = bool(ours[cell].diverged or theirs[cell].diverged)
        verdict = _verdict(or_none(p_adjusted[i]), or_none(p_equal[i]), plan.alpha, lost or bool(unfit))
        mean_b, ends = or_none(b.mean[i]), (or_none(low[i]), or_none(high[i]))
        inside = None
        if mean_b is not None and ends[0] is not None and ends[1] is not None:
            inside = ends[0] <= mean_b <= ends[1]
        one = StudyDifference(
            name=cell,
            n_a=int(a.n[i]),
            n_b=int(b.n[i]),
            mean_a=or_none(a.mean[i]),
            mean_b=mean_b,
            sd_a=or_none(a.sd[i]),
            sd_b=or_none(b.sd[i]),
            **{name: or_none(values[i]) for name, values in found.items() if name in _NUMBERS},
            p_adjusted=or_none(p_adjusted[i]),
            p_equivalence_adjusted=or_none(p_equal[i]),
            prediction_low=ends[0],
            prediction_high=ends[1],
            inside_prediction=inside,
            verdict=verdict,
            says="",
            warnings=tuple(warnings) + ((unfit,) if unfit else ()),
            not_valid=unfit,
        )
        out.append(_with_words(one, name, first.study, second.study, len(cells), plan, say))
    return DifferenceFamily(name, len(cells), tuple(out))


def _verdict(p: float | None, p_equal: float | None, alpha: float, lost: bool) -> Agreement:
    if p is None or lost:  # what converged is a selection, whichever study lost runs
        return Agreement.INCONCLUSIVE
    differ, agree = p < alpha, p_equal is not None and p_equal < alpha
    if differ and agree:
        return Agreement.DIFFER_NEGLIGIBLE
    return Agreement.DIFFER if differ else Agreement.AGREE if agree else Agreement.INCONCLUSIVE


def _warnings(a: Effect, b: Effect, first: str, second: str) -> list[str]:
    out = []
    for effect, study in ((a, first), (b, second)):
        n = effect.values.size
        if effect.diverged:
            out.append(f"{effect.diverged} of its seeds diverged in {study}: among converged seeds only")
        if n < 2:
            seeds = "no seed" if n == 0 else "one seed"
            out.append(f"{study} has {seeds} of it: there is no spread to compare with")
        elif few_seeds(n):
            out.append(f"{study} has {n} seeds of it")
        if n > 1 and not np.isfinite(Moments.of([effect.values]).sd[0]):
            out.append(f"all seeds of it are equal in {study}: no spread, no test")
    return out + of_looks((a, b), (first, second))


def _with_words(
    one: StudyDifference,
    family: str,
    first: str,
    second: str,
    size: int,
    plan: Plan,
    say: Phrasing,
) -> StudyDifference:
    what = f"The gain of {one.name}" if family == "gains" else f"{one.name}, {say.words},"
    signed = family == "gains"
    seen = (
        f"{what} is {say.number(one.mean_a, signed)}{say.unit} in {first} (n = {one.n_a}) and "
        f"{say.number(one.mean_b, signed)}{say.unit} in {second} (n = {one.n_b})"
    )
    if one.p_adjusted is None:
        return replace(one, says=f"{seen}; this cannot be compared: {'; '.join(one.warnings)}.")
    name = adjusted_name(plan.correction, size)
    together = ""
    if size > 1 and plan.correction != "none":
        interval = say.interval(one.ci_simultaneous_low, one.ci_simultaneous_high)
        together = f", over all {size} {interval}"
    numbers = (
        f"difference {say.number(one.mean_diff, True)}, {percent_text(1 - plan.alpha)} CI "
        f"{say.interval(one.ci_low, one.ci_high)}{together}, Welch t({one.df:.1f}) = {one.t:.2f}, "
        f"{p_text(one.p_adjusted, name)}"
    ).replace("= -", "= −")
    if one.verdict == Agreement.DIFFER:
        end = "the studies differ"
    elif one.verdict == Agreement.AGREE:
        end = f"the studies agree within ±{say.number(plan.sesoi)}{say.unit}"
        end += f" ({p_text(one.p_equivalence_adjusted, 'TOST ' + name)})"
    elif one.verdict == Agreement.DIFFER_NEGLIGIBLE:
        end = f"the studies differ, by less than {say.number(plan.sesoi)}{say.unit}"
    elif one.not_valid:
        end = f"neither a difference nor agreement can be claimed ({one.not_valid})"
    else:
        end = "neither a difference nor agreement is shown"
        if one.mde is not None:
            end += f"; these seeds detect {say.number(one.mde)}{say.unit} or more with 80 % power"
    return replace(one, says=f"{seen}: {end} ({numbers}).")
