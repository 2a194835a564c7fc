"""One question over many studies: their average and their scatter, not a count of stars.

The studies differ (data, teacher, code), so their true effects do: what is asked is the average over such
studies, how far they scatter, and where a new one would land. The unit is the study. Each counts once, with
its mean over seeds, and Student's t over the k means gives test, interval and prediction. Weighting studies
by their precision is the usual way of a meta-analysis, but with a handful of seeds the precisions are guesses
themselves: simulated with 5 seeds a study, the weighted interval covers .93 to .996 and its prediction
interval .87 to 1, the plain ones .95 to .96 and .93 to .95 whatever the studies' number and spread. The
weighted average stays as a sensitivity check.

Sources: Paule and Mandel (1982); Hartung and Knapp (2001), Sidik and Jonkman (2002) and, for a q not below 1,
Knapp and Hartung (2003); Welch (1951) for the test that all effects are the same. statsmodels'
combine_effects and anova_oneway are the oracles in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.adjust import adjust
from rigorkd_analysis.comparing import SCHEMA, StudyShare, Summary, SummaryFamily, Synthesis
from rigorkd_analysis.effects import Effects, Study, common_metric, effects_of, refuse_dependence
from rigorkd_analysis.errors import TableError
from rigorkd_analysis.metrics import Goal
from rigorkd_analysis.paired import tost
from rigorkd_analysis.plan import Plan
from rigorkd_analysis.replication import study_facts
from rigorkd_analysis.verdicts import Evidence, Verdict, verdict
from rigorkd_analysis.welch import Moments
from rigorkd_analysis.wording import Phrasing, adjusted_name, p_text, percent_text

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WeightedAverage:
    """A random-effects average of k effects, in their units."""

    mean: float
    se: float
    ci_low: float
    ci_high: float
    tau2: float


def weighted_average(effects: Floats, variances: Floats, alpha: float) -> WeightedAverage:
    """Combine k ≥ 2 effects with their squared standard errors, both of shape (k,)."""
    k = effects.size
    tau2 = paule_mandel(effects, variances)
    weights = 1 / (variances + tau2)
    mean = float((weights * effects).sum() / weights.sum())
    q = float((weights * (effects - mean) ** 2).sum() / (k - 1))
    se = float(np.sqrt(max(1.0, q) / weights.sum()))
    half = float(-special.stdtrit(k - 1, alpha / 2)) * se
    return WeightedAverage(mean, se, mean - half, mean + half, tau2)


def paule_mandel(effects: Floats, variances: Floats) -> float:
    """The τ² at which Cochran's Q with weights 1/(v + τ²) equals its expectation k − 1; 0 if none does."""
    k = effects.size

    def excess(tau2: float) -> float:
        w = 1 / (variances + tau2)
        mean = (w * effects).sum() / w.sum()
        return float((w * (effects - mean) ** 2).sum()) - (k - 1)

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(np.var(effects)) * k + float(variances.max())
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def welch_anova(n: Floats, mean: Floats, sd: Floats) -> float:
    """The p-value of Welch's test that k means are equal, variances not assumed so."""
    k = mean.size
    weights = n / sd**2
    centre = (weights * mean).sum() / weights.sum()
    spread = ((1 - weights / weights.sum()) ** 2 / (n - 1)).sum()
    f = (weights * (mean - centre) ** 2).sum() / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    return float(special.fdtrc(k - 1, (k**2 - 1) / (3 * spread), f))


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
            "no gain is in two of these studies",
            hint="cells are matched by name; --rename brings names together",
        )
    everywhere = [name for name in shared if all(name in one.gains for one in found)]
    families = []
    if len(everywhere) > 1:
        average = [(one.study, _average(one, everywhere)) for one in found]
        families.append(
            _family("overall", [(f"average of {len(everywhere)} gains", average, 0)], plan, goal, say)
        )
    questions = [
        (
            name,
            [(one.study, one.gains[name].values) for one in found if name in one.gains],
            sum(one.gains[name].diverged for one in found if name in one.gains),
        )
        for name in shared
    ]
    families.append(_family("gains", questions, plan, goal, say))
    return Synthesis(
        schema=SCHEMA,
        kind="summary",
        metric=metric,
        goal=goal,
        alpha=plan.alpha,
        correction=plan.correction,
        sesoi=plan.sesoi,
        studies=tuple(study_facts(one) for one in found),
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


Question = tuple[str, list[tuple[str, Floats]], int]
"""A name, the values per seed of each study, and how many runs diverged."""


def _family(
    name: Literal["overall", "gains"], questions: list[Question], plan: Plan, goal: Goal, say: Phrasing
) -> SummaryFamily:
    summaries = [_summary(*question, plan, goal) for question in questions]
    p = np.array([np.nan if one.p is None else one.p for one in summaries])
    p_equal = np.array([np.nan if one.p_equivalence is None else one.p_equivalence for one in summaries])
    adjusted, adjusted_equal = adjust(p, plan.correction), adjust(p_equal, plan.correction)
    out = []
    for one, question, p_adj, p_eq in zip(summaries, questions, adjusted, adjusted_equal, strict=True):
        evidence = Evidence(
            mean_diff=one.mean,
            p_adjusted=_value(p_adj),
            p_equivalence_adjusted=_value(p_eq),
            simultaneous=None,
            # what converged is a selection, and whether cell or baseline lost runs is not told apart here
            diverged_a=question[2] > 0,
            diverged_b=question[2] > 0,
        )
        word, _ = verdict(evidence, goal=goal, alpha=plan.alpha, sesoi=plan.sesoi, joint=False)
        one = replace(one, p_adjusted=_value(p_adj), p_equivalence_adjusted=_value(p_eq), verdict=word)
        out.append(replace(one, says=_says(one, len(summaries), plan, say)))
    return SummaryFamily(name, len(summaries), tuple(out))


def _summary(name: str, values: list[tuple[str, Floats]], diverged: int, plan: Plan, goal: Goal) -> Summary:
    moments = Moments.of([sample for _, sample in values])
    usable = np.isfinite(moments.sd)
    warnings = [
        f"{study} is left out: {'its seeds are equal' if sample.size > 1 else 'it has fewer than 2 seeds'}"
        for (study, sample), there in zip(values, usable, strict=True)
        if not there
    ]
    if diverged:
        warnings.append(f"{diverged} runs of it diverged: among converged seeds only")
    n, mean, sd = moments.n[usable], moments.mean[usable], moments.sd[usable]
    names = [study for (study, _), there in zip(values, usable, strict=True) if there]
    k = len(names)
    if k == 2:
        warnings.append("two studies tell little of how such studies scatter")
    sign = 1.0 if goal == "max" else -1.0
    half = -special.stdtrit(n - 1, plan.alpha / 2) * sd / np.sqrt(n)
    shares = tuple(
        StudyShare(
            names[i],
            int(n[i]),
            float(mean[i]),
            float(sd[i]),
            float(mean[i] - half[i]),
            float(mean[i] + half[i]),
        )
        for i in range(k)
    )
    blank = Summary(
        name=name, k=k, studies=shares, mean=None, se=None, ci_low=None, ci_high=None, t=None, df=None,
        p=None, p_adjusted=None, p_equivalence=None, p_equivalence_adjusted=None, prediction_low=None,
        prediction_high=None, tau=None, p_same=None, weighted_mean=None, weighted_ci_low=None,
        weighted_ci_high=None, favourable=int((sign * mean > 0).sum()), verdict=Verdict.INCONCLUSIVE, says="",
        warnings=tuple(warnings),
    )  # fmt: skip
    spread = float(mean.std(ddof=1)) if k > 1 else 0.0
    if spread == 0:
        return blank
    centre, se = float(mean.mean()), spread / float(np.sqrt(k))
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
        prediction_low=centre - reach * spread * float(np.sqrt(1 + 1 / k)),
        prediction_high=centre + reach * spread * float(np.sqrt(1 + 1 / k)),
        tau=float(np.sqrt(max(0.0, spread**2 - float((sd**2 / n).mean())))),
        p_same=welch_anova(n, mean, sd),
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
    p_same = one.p_same if one.p_same is not None else 1.0
    same = "they differ from each other" if p_same < plan.alpha else "that they differ is not shown"
    return (
        f"Over {one.k} studies the {subject} {say.number(one.mean, True)}{say.unit} "
        f"({share} CI {say.interval(one.ci_low, one.ci_high)}, {p_text(one.p_adjusted, name)}): "
        f"{_on_average(one.verdict, say.number(plan.sesoi) + say.unit)}; {same} ({p_text(one.p_same)}, "
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


def _value(number: np.float64 | float) -> float | None:
    return float(number) if np.isfinite(number) else None
