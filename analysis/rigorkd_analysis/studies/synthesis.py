"""One question over many studies: their average and their scatter, not a count of stars.

The studies differ (data, teacher, code), so their true effects do: what is asked is the average over such
studies, how far they scatter, and where a new one would land. The unit is the study. Each counts once, with
its mean over seeds, and Student's t over the k means gives test, interval and prediction. Weighting studies
by their precision is the usual way of a meta-analysis, but with a handful of seeds the precisions are guesses
themselves: simulated with 5 seeds a study, the weighted interval covers .93 to .996 and its prediction
interval .87 to 1, the plain ones .95 to .96 and .93 to .95 whatever the studies' number and spread. The
weighted average stays as a sensitivity check.

Sources: Paule and Mandel (1982); Hartung and Knapp (2001), Sidik and Jonkman (2002) and, for a q not below 1,
Knapp and Hartung (2003); Welch (1951) for the test that all effects are the same. Both are
statsmodels'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from scipy import special

from rigorkd_analysis.analysis_plan import Correction, Plan
from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.moments import Floats, Moments, mean_interval, or_nan, or_none
from rigorkd_analysis.stats.paired import tost
from rigorkd_analysis.studies.effects import (
    SCHEMA,
    Effect,
    Effects,
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
from rigorkd_analysis.verdicts import Evidence, Verdict, verdict
from rigorkd_analysis.wording import Phrasing, adjusted_name, p_text, percent_text


@dataclass(frozen=True)
class StudyShare:
    """What one study says of a question: its mean over n seeds with a t interval."""

    study: str
    n: int
    mean: float
    sd: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Summary:
    """One question over k studies, each of which counts once: the study is the unit here.

    Attributes:
        mean, ci_low, ci_high: the average true effect over such studies, t with k − 1 degrees of freedom.
        prediction_low, prediction_high: where a new such study, of about as many seeds, will find its mean.
        tau: the standard deviation of true effects between studies beyond the noise of seeds, by moments.
        p_same: Welch's analysis of variance, that all true effects are equal.
        weighted_*: the same average by inverse-variance weights (Paule–Mandel, Hartung–Knapp–Sidik–Jonkman),
            a sensitivity check.
        favourable: studies whose mean points the way of the goal.
        not_valid: why no verdict is valid at alpha here, such as a repeated look at one of the studies; the
            verdict is then inconclusive, whatever the p-values are.
    """

    name: str
    k: int
    studies: tuple[StudyShare, ...]
    mean: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    t: float | None
    df: int | None
    p: float | None
    p_adjusted: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    prediction_low: float | None
    prediction_high: float | None
    tau: float | None
    p_same: float | None
    weighted_mean: float | None
    weighted_ci_low: float | None
    weighted_ci_high: float | None
    favourable: int
    verdict: Verdict
    says: str
    warnings: tuple[str, ...]
    not_valid: str | None = None


@dataclass(frozen=True)
class SummaryFamily:
    """`gains`: every gain that several studies have. `overall`: the average of those that all have."""

    name: Literal["overall", "gains"]
    size: int
    summaries: tuple[Summary, ...]


@dataclass(frozen=True)
class Synthesis:
    """One question over many studies. `unmatched` names gains that fewer than two studies have."""

    schema: str
    kind: Literal["summary"]
    metric: str
    goal: Goal
    alpha: float
    correction: Correction
    sesoi: float | None
    studies: tuple[StudyFacts, ...]
    families: tuple[SummaryFamily, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class WeightedAverage:
    """A random-effects average of k effects, in their units."""

    mean: float
    se: float
    ci_low: float
    ci_high: float
    tau2: float


def weighted_average(effects: Floats, variances: Floats, alpha: float) -> WeightedAverage:
    """Combine k ≥ 2 effects with their squared standard errors, both of shape (k,), by statsmodels.

    Paule and Mandel's iteration doubles its way up from the noise, so that it takes many steps where studies
    scatter far beyond it.
    """
    from statsmodels.stats.meta_analysis import combine_effects

    found = combine_effects(effects, variances, method_re="iterated", use_t=True, maxiter=500)
    mean = float(found.mean_effect_re)
    se = float(found.sd_eff_w_re * np.sqrt(max(1.0, found.scale_hksj_re)))
    half = float(-special.stdtrit(effects.size - 1, alpha / 2)) * se
    return WeightedAverage(mean, se, mean - half, mean + half, float(found.tau2))


def summarize_studies(studies: Sequence[Study], plan: Plan) -> Synthesis:
    """Sum up every gain that at least two of the studies have, and the average of those that all have.

    Raises:
        TableError: a table is unusable, studies share runs, or no gain is in two of them.
    """
    found = [effects_of(study, plan.metric) for study in studies]
    warnings = refuse_dependence(found)
    metric, goal, say = common_metric(found, plan.goal)
    names = list(dict.fromkeys(name for one in found for name in one.gains))
    shared = [name for name in names if sum(name in one.gains for one in found) > 1]
    if not shared:
        raise TableError(
            f"no gain is in two of these studies{without_gains(found)}",
            hint="cells are matched by name; --rename brings names together",
        )
    everywhere = [name for name in shared if all(name in one.gains for one in found)]
    families = []
    if len(everywhere) > 1:
        average = [(one.study, _average(one, everywhere)) for one in found]
        whole = _Shared(
            f"average of {len(everywhere)} gains",
            average,
            0,
            tuple(one.gains[everywhere[0]] for one in found),
        )
        families.append(_family("overall", [whole], plan, goal, say))
    gains = [
        _Shared(
            name,
            [(one.study, one.gains[name].values) for one in found if name in one.gains],
            sum(one.gains[name].diverged for one in found if name in one.gains),
            tuple(one.gains[name] for one in found if name in one.gains),
        )
        for name in shared
    ]
    families.append(_family("gains", gains, plan, goal, say))
    return Synthesis(
        schema=SCHEMA,
        kind="summary",
        metric=metric,
        goal=goal,
        alpha=plan.alpha,
        correction=plan.correction,
        sesoi=plan.sesoi,
        studies=tuple(one.facts for one in found),
        families=tuple(families),
        unmatched=tuple(
            f"{name} (only in {one.study})" for one in found for name in one.gains if name not in shared
        ),
        warnings=tuple(warnings),
    )


def _average(study: Effects, names: list[str]) -> Floats:
    """Per seed, the average of these gains: seeds that lack one are left out."""
    runs, rows = study.runs, []
    for name in names:
        baseline = study.gains[name].baseline
        rows.append(runs.values[runs.position(name)] - runs.values[runs.position(baseline)])
    grid = np.array(rows)
    return np.asarray(grid[:, ~np.isnan(grid).any(axis=0)].mean(axis=0), dtype=np.float64)


@dataclass(frozen=True)
class _Shared:
    """What is summed up: the values per seed of each study that has it, and how many runs diverged.

    `effects` say, one per study, under which conditions the studies are judged.
    """

    name: str
    samples: list[tuple[str, Floats]]
    diverged: int
    effects: tuple[Effect, ...]


def _family(
    name: Literal["overall", "gains"], asked: list[_Shared], plan: Plan, goal: Goal, say: Phrasing
) -> SummaryFamily:
    summaries = [_summary(shared, plan, goal) for shared in asked]
    looks = over_looks([shared.effects for shared in asked])
    adjusted, adjusted_equal = (
        np.minimum(1.0, looks * adjust(or_nan(getattr(one, p) for one in summaries), plan.correction))
        for p in ("p", "p_equivalence")
    )
    out = []
    for one, shared, p_adj, p_eq in zip(summaries, asked, adjusted, adjusted_equal, strict=True):
        evidence = Evidence(
            mean_diff=one.mean,
            p_adjusted=or_none(p_adj),
            p_equivalence_adjusted=or_none(p_eq),
            simultaneous=None,
            # what converged is a selection, and whether cell or baseline lost runs is not told apart here
            diverged_a=shared.diverged > 0,
            diverged_b=shared.diverged > 0,
        )
        word, _ = verdict(evidence, goal=goal, alpha=plan.alpha, sesoi=plan.sesoi, joint=False)
        word = Verdict.INCONCLUSIVE if one.not_valid else word
        one = replace(one, p_adjusted=or_none(p_adj), p_equivalence_adjusted=or_none(p_eq), verdict=word)
        out.append(replace(one, says=_says(one, len(summaries), plan, say)))
    return SummaryFamily(name, len(summaries), tuple(out))


def _summary(shared: _Shared, plan: Plan, goal: Goal) -> Summary:
    moments = Moments.of([sample for _, sample in shared.samples])
    usable = np.isfinite(moments.sd)
    warnings = [
        f"{study} is left out: {'its seeds are equal' if sample.size > 1 else 'it has fewer than 2 seeds'}"
        for (study, sample), there in zip(shared.samples, usable, strict=True)
        if not there
    ]
    if shared.diverged:
        warnings.append(f"{shared.diverged} runs of it diverged: among converged seeds only")
    n, mean, sd = moments.n[usable], moments.mean[usable], moments.sd[usable]
    k = n.size
    unfit = no_verdict(shared.effects)
    warnings += [unfit] if unfit else []
    warnings += of_looks(shared.effects, [study for study, _ in shared.samples])
    if k == 2:
        warnings.append("two studies tell little of how such studies scatter")
    sign = 1.0 if goal == "max" else -1.0
    names = [study for (study, _), there in zip(shared.samples, usable, strict=True) if there]
    numbers = zip(mean, sd, *mean_interval(mean, sd, n, plan.alpha), strict=True)
    shares = tuple(
        StudyShare(study, int(size), *map(float, row))
        for study, size, row in zip(names, n, numbers, strict=True)
    )
    favourable = int((sign * mean > 0).sum())
    unknown = dict.fromkeys(field.name for field in fields(Summary))
    blank = replace(
        Summary(**unknown),  # type: ignore[arg-type]
        name=shared.name, k=k, studies=shares, favourable=favourable, verdict=Verdict.INCONCLUSIVE, says="",
        warnings=tuple(warnings), not_valid=unfit,
    )  # fmt: skip
    spread = float(mean.std(ddof=1)) if k > 1 else 0.0
    if spread == 0:
        return blank
    from statsmodels.stats.oneway import anova_generic

    centre, se = float(mean.mean()), spread / float(np.sqrt(k))
    new = spread * float(np.sqrt(1 + 1 / k))
    reach = float(-special.stdtrit(k - 1, plan.alpha / 2))
    equal = None
    if plan.sesoi is not None:
        equal = float(tost(np.array([centre]), np.array([se]), k - 1, plan.sesoi)[0])
    weighted = weighted_average(mean, sd**2 / n, plan.alpha)
    if se < float(np.sqrt((sd**2 / n).mean() / k)):
        blank = replace(blank, warnings=(*blank.warnings, _CLOSE))
    return replace(
        blank,
        mean=centre,
        se=se,
        ci_low=centre - reach * se,
        ci_high=centre + reach * se,
        t=centre / se,
        df=k - 1,
        p=float(2 * special.stdtr(k - 1, -abs(centre / se))),
        p_equivalence=equal,
        prediction_low=centre - reach * new,
        prediction_high=centre + reach * new,
        tau=float(np.sqrt(max(0.0, spread**2 - float((sd**2 / n).mean())))),
        p_same=float(anova_generic(mean, sd**2, n, use_var="unequal").pvalue),
        weighted_mean=weighted.mean,
        weighted_ci_low=weighted.ci_low,
        weighted_ci_high=weighted.ci_high,
    )


_CLOSE = (
    "the studies agree more closely than the noise of their seeds would let them: the interval is a lucky "
    "one, and the weighted average with its interval is the cautious one"
)


def _says(one: Summary, size: int, plan: Plan, say: Phrasing) -> str:
    if one.mean is None:
        why = "; ".join(one.warnings) or "their means are all equal"
        return f"{one.name}: nothing can be said of such studies in general ({why})."
    name, share = adjusted_name(plan.correction, size), percent_text(1 - plan.alpha)
    subject = f"{one.name} is" if one.name.startswith("average") else f"gain of {one.name} averages"
    alone = " alone" if size > 1 and plan.correction != "none" else ""
    p_same = one.p_same if one.p_same is not None else 1.0
    same = "they differ from each other" if p_same < plan.alpha else "that they differ is not shown"
    same = "whether they differ is not judged" if one.not_valid else same
    found = _on_average(one.verdict, say.number(plan.sesoi) + say.unit)
    found += f" ({one.not_valid})" if one.not_valid else ""
    return (
        f"Over {one.k} studies the {subject} {say.number(one.mean, True)}{say.unit} "
        f"({share} CI {say.interval(one.ci_low, one.ci_high)}{alone}, "
        f"{p_text(one.p_adjusted, name)}): "
        f"{found}; {same} ({p_text(one.p_same)}, "
        f"sd between studies {say.number(one.tau)}), and a new such study will find "
        f"{say.interval(one.prediction_low, one.prediction_high)} ({share} prediction)."
    )


def _on_average(verdict: Verdict, sesoi: str) -> str:
    if verdict is Verdict.INCONCLUSIVE:
        return verdict.label
    within = ""
    if verdict is Verdict.EQUIVALENT:
        within = f" within ±{sesoi}"
    elif verdict.negligible:
        within = f", by less than {sesoi}"
    return f"{verdict.badge} on average{within}"
