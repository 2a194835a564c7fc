"""A family of comparisons: statistics of all, correction over all, then each one's verdict and words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.analysis_plan import few_seeds
from rigorkd_analysis.declared import OneTested, apply_declared
from rigorkd_analysis.likeness import unlike
from rigorkd_analysis.paper_sentences import (
    CONVERGED,
    Context,
    Facts,
    beside,
    conjunction,
    sentence,
    with_cautions,
)
from rigorkd_analysis.questions import Conjunction, Hypothesis, LinearContrast, Question, differences
from rigorkd_analysis.results import Comparison, Family, FamilyName
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.anova import Consistency, summed_up
from rigorkd_analysis.stats.exact import exact_from
from rigorkd_analysis.stats.moments import NOISE, or_nan, or_none
from rigorkd_analysis.stats.new_images import ImageComparison, PredictionSource
from rigorkd_analysis.stats.paired import NO_TEST, PairedTest, Settings
from rigorkd_analysis.verdicts import (
    UNDETERMINED,
    Claim,
    Evidence,
    TestName,
    Verdict,
    claim,
    directed,
    verdict,
)
from rigorkd_analysis.wording import seeds_listed

#: A design whose detectable effect is this many standard deviations of the difference decides nothing.
ABSURD_DZ = 4.0
UNABLE = "this design cannot decide"
"""How that warning begins."""
UNSEEN = "seeds that no look has seen"
"""What is valid after a look, whatever is asked."""
#: Mean lengths of training further apart than this share make a comparison one of lengths, too.
LENGTHS_DIFFER = 0.05


@dataclass(frozen=True)
class Settled:
    """What every claim of a family shares: the question, its wording, and the test images where known.

    `in_sequence` is whether the sequential analysis judges it, too.
    """

    question: Question
    context: Context
    planned: bool
    images: Mapping[tuple[str, str], ImageComparison]
    in_sequence: bool

    def claim(
        self,
        part: Hypothesis,
        found: tuple[Verdict, str | None],
        lost: bool,
        test: TestName,
        refused: str = "",
    ) -> tuple[Claim, ImageComparison | None]:
        """What may be said of a comparison by this verdict, and its interval over new test images.

        `refused` is why the declared test has no valid answer here, "" where it has one.
        """
        question = self.question
        seen = images_of(question, part, self.images)
        conditions = (CONVERGED,) * lost
        if test != "seeds_and_images" and (where := on_images(question, part, seen)):
            conditions += (where,)
        fell = partial(
            question.outlying.collapsed_in,
            *(question.runs, part.cells),
            paired=question.plan.test != "unpaired",
        )
        collapsed = fell(equivalent=False)
        if collapsed is not None and (found[0].directed or found[0] is Verdict.INCONCLUSIVE):
            members = part.members if isinstance(part, Conjunction) else (part,)
            stands = question.outlying.stands_without
            if all(stands(question.runs, member.weights) for member in members):
                collapsed = None
        if collapsed is None and (found[0] is Verdict.EQUIVALENT or found[0].negligible):
            blind = fell(equivalent=True)
            if blind and found[0].negligible:  # the direction stands without its size
                found = directed(found[0].badge == "better"), UNDETERMINED
            else:
                collapsed = blind
        made = claim(
            found,
            not_valid=refused or question.repeated_look_at(part.cells) or collapsed,
            conditions=conditions,
            planned=self.planned,
            test=test,
        )
        return made, seen


def build_family(
    question: Question,
    name: FamilyName,
    planned: bool,
    parts: Sequence[Hypothesis],
    images: Mapping[tuple[str, str], ImageComparison] | None = None,
    predictions: PredictionSource | None = None,
    beside: Sequence[Hypothesis] = (),
    *,
    in_sequence: bool,
) -> Family:
    """Judge these comparisons as one family.

    Args:
        beside: are corrected together with these, and shown elsewhere.
        images: intervals over new test images, by pair.
        in_sequence: the sequential analysis judges this family, and may be advised.
        predictions: for an inference to new test images.
    """
    plan = question.plan
    every = [*parts, *beside]
    m = 1 if plan.correction == "none" else len(every)
    settings = Settings(plan.alpha, m, plan.sesoi, plan.interim, question.sign)
    simple = [part for part in every if isinstance(part, LinearContrast)]
    tested = apply_declared(question, simple, settings, predictions, gains=name == "gains")
    row = {id(part): position for position, part in enumerate(simple)}
    tests = [
        tested.one(row[id(part)])
        if isinstance(part, LinearContrast)
        else UnionTest.of(question, part, settings, predictions)
        for part in every
    ]
    p = adjust(or_nan(test.p for test in tests), plan.correction_of_looks)
    p_equivalence = adjust(or_nan(test.p_equivalence for test in tests), plan.correction_of_looks)
    correction = plan.correction_of_looks
    context = Context(
        plan.alpha, correction, len(every), plan.sesoi, plan.joint, question.phrasing, plan.interim
    )
    by_sequence = in_sequence and plan.test != "unpaired"
    settled = Settled(question, context, planned, images or {}, by_sequence)
    kind = "gain" if name in ("overall", "primary", "gains") else "contrast"
    comparisons = []
    numbered = zip(parts, tests, p, p_equivalence, strict=False)  # without those beside
    for part, test, own, own_equivalence in numbered:
        adjusted = or_none(own), or_none(own_equivalence)
        if isinstance(part, Conjunction):
            assert isinstance(test, UnionTest)
            comparisons.append(_conjunction(settled, part, test, adjusted))
        else:
            assert isinstance(test, OneTested)
            comparisons.append(_comparison(settled, part, test.adjusted(*adjusted), kind))
    whole: Consistency | None = None
    by_method: tuple[Consistency, ...] = ()
    if name == "gains" and plan.test != "unpaired":
        each = [set(c.conditions) for c in comparisons]
        where = [told for told in comparisons[0].conditions if told.startswith("on ")] if comparisons else []
        shared = [told for told in where if all(told in own for own in each)]
        whole, by_method = summed_up(question, simple, shared)
        common = [
            text
            for text in (comparisons[0].warnings if comparisons else ())
            if all(text in c.warnings for c in comparisons)
        ]
        whole = None if whole is None else replace(whole, says=with_cautions(whole.says, common))
        by_method = tuple(replace(one, says=with_cautions(one.says, common)) for one in by_method)
    strictest = 1 if plan.correction == "bh" else m  # step-up: p-values that are all below alpha all reject
    from_seeds = None if plan.test == "unpaired" else exact_from(plan.alpha / strictest)
    over = question.names.over(b for part in simple for b in part.baselines) if kind == "gain" else ""
    shown = tuple(comparisons)
    if any(one.verdict is not Verdict.INCONCLUSIVE for one in shown):  # which it could decide
        shown = tuple(
            replace(
                one,
                warnings=tuple(
                    re.sub(f"^{UNABLE}:", f"{UNABLE} effects such as these:", w) for w in one.warnings
                ),
            )
            for one in shown
        )
    return Family(name, planned, len(parts), shown, whole, from_seeds, over or None, len(beside), by_method)


@dataclass(frozen=True)
class UnionTest:
    """An intersection–union test over gains: the largest p of its members, one-sided towards the goal.

    Under version 0.1 and for joint verdicts they are two-sided, and p is 1 if they disagree in sign.
    """

    p: float | None
    p_equivalence: float | None
    sign: int
    seeds: tuple[int, ...]
    weakest: float
    kind: TestName
    refused: str

    @classmethod
    def of(
        cls, question: Question, part: Conjunction, settings: Settings, predictions: PredictionSource | None
    ) -> UnionTest:
        runs, plan = question.runs, question.plan
        tested = apply_declared(question, part.members, replace(settings, m=1), predictions)
        there = np.asarray(~np.isnan(differences(runs, part.members)).any(axis=0))
        mean, two_sided = tested.stats["mean_diff"], tested.p
        if plan.first_version or plan.joint:  # of either direction, as simultaneous intervals are
            signs = np.unique(np.sign(mean))  # NaN where a member has no seed
            sign = int(signs[0]) if len(signs) == 1 and np.isfinite(signs[0]) else 0
            p = float(np.max(two_sided)) if sign or np.isnan(two_sided).any() else 1.0
        else:
            favourable = question.sign * mean > 0
            p = float(np.max(np.where(favourable, two_sided / 2, 1 - two_sided / 2)))
            sign = int(question.sign) if favourable.all() else 0
        return cls(
            p=or_none(p),
            p_equivalence=or_none(np.max(tested.p_equivalence)),
            sign=sign,
            seeds=_seeds_of(runs, there),
            weakest=float(np.min(np.abs(mean))) * sign if sign else 0.0,
            kind=tested.kind,
            refused=next(iter(tested.refused.values()), ""),
        )

    def jointly(self, m: int) -> tuple[float | None, float | None]:
        """The p-values below alpha exactly where all two-sided intervals at 1 − alpha/m show the same.

        Such an interval lies within ±SESOI where both one-sided tests hold at alpha/(2m).
        """
        p, p_equivalence = or_nan((self.p, self.p_equivalence))
        return or_none(np.minimum(1.0, m * p)), or_none(np.minimum(1.0, 2 * m * p_equivalence))


def _conjunction(
    settled: Settled,
    part: Conjunction,
    union: UnionTest,
    adjusted: tuple[float | None, float | None],
) -> Comparison:
    question, context = settled.question, settled.context
    runs, plan = question.runs, question.plan
    m = 1 if plan.correction == "none" else context.size
    judged_by = union.jointly(m) if plan.joint else adjusted
    evidence = Evidence(union.weakest, *judged_by, None, *_lost(runs, *part.members))
    decided, magnitude = verdict(
        evidence, goal=question.goal, alpha=plan.alpha, sesoi=plan.sesoi, joint=False
    )
    if not union.sign and decided is not Verdict.EQUIVALENT:
        decided, magnitude = Verdict.INCONCLUSIVE, None
    n = len(union.seeds)
    lost = evidence.diverged_a or evidence.diverged_b
    made, _ = settled.claim(part, (decided, magnitude), lost, union.kind, union.refused)
    facts = Facts(
        "all_of", replace(NO_TEST, p_adjusted=adjusted[0], p_equivalence_adjusted=adjusted[1]), n, made, None,
        union.refused or "one of its gains cannot be tested" if n > 1 else _reason(n, False, union.kind),
    )  # fmt: skip
    test = replace(
        NO_TEST,
        p=union.p,
        p_adjusted=adjusted[0],
        p_equivalence=union.p_equivalence,
        p_equivalence_adjusted=adjusted[1],
    )
    return Comparison(
        **vars(test),
        name=part.name,
        a=None,
        b=None,
        weights={},
        student=None,
        n=n,
        seeds=union.seeds,
        decided_at=None,
        **vars(made),
        says=with_cautions(
            conjunction(facts, context, part.called),
            warned := _warnings(settled, part, n, NO_TEST, union.refused),
        ),
        warnings=warned,
        stands_for=part.subject,
    )


def _comparison(settled: Settled, part: LinearContrast, one: OneTested, kind: str) -> Comparison:
    question, context = settled.question, settled.context
    runs, plan, test = question.runs, question.plan, one.test
    seeds = _seeds_of(runs, one.there)
    numbers = (~np.isnan(runs.values[part.cells])).sum(axis=1)
    n = int(numbers.min()) if one.kind == "unpaired" else len(seeds)
    low, high = test.ci_simultaneous_low, test.ci_simultaneous_high
    evidence = Evidence(
        test.mean_diff,
        test.p_adjusted,
        test.p_equivalence_adjusted,
        None if low is None or high is None else (low, high),
        *_lost(runs, part),
    )
    found = verdict(evidence, goal=question.goal, alpha=plan.alpha, sesoi=plan.sesoi, joint=plan.joint)
    lost = evidence.diverged_a or evidence.diverged_b
    made, seen = settled.claim(part, found, lost, one.kind, one.refused)
    each = tuple(sorted({int(number) for number in numbers})) if one.kind == "unpaired" else ()
    facts = Facts(kind, test, n, made, seen, one.refused or _reason(n, test.sd_diff == 0, one.kind), each)
    subject = question.subject(part, gain=kind == "gain")
    return Comparison(
        **vars(test),
        name=part.name,
        a=runs.cells[part.pair[0]] if part.pair else None,
        b=runs.cells[part.pair[1]] if part.pair else None,
        weights={runs.cells[cell]: weight for cell, weight in part.weights},
        student=question.student_of(part),
        n=n,
        seeds=seeds,
        decided_at=one.decided_at,
        **vars(made),
        says=with_cautions(
            sentence(facts, context, subject), warned := _warnings(settled, part, n, test, one.refused)
        ),
        warnings=warned,
        stands_for=part.subject,
        called=part.title,
        settings=part.at,
    )


NEAR_CHANCE = "near chance"
"""How the warning begins that a comparison is of networks that have learnt little or nothing."""


def _lost(runs: Runs, *contrasts: LinearContrast) -> tuple[bool, bool]:
    """Whether a positively, and whether a negatively weighted cell lost runs to divergence."""
    weights = [one for contrast in contrasts for one in contrast.weights]
    lost = {sign: [cell for cell, weight in weights if weight * sign > 0] for sign in (1, -1)}
    return bool(runs.lost(lost[1]).any()), bool(runs.lost(lost[-1]).any())


def _reason(n: int, constant: bool, kind: str) -> str:
    if n == 0:
        return _NO_RUN if kind == "unpaired" else _NO_SEED
    if n == 1:
        return "one seed has no spread to test against"
    return "the difference has no spread over seeds" if constant else "it cannot be computed"


_NO_SEED = "no seed has all the cells it needs"
_NO_RUN = "some of its cells have no run"
"""The same of runs that are not paired by seed."""


def _warnings(
    settled: Settled, part: Hypothesis, n: int, test: PairedTest, refused: str = ""
) -> tuple[str, ...]:
    question = settled.question
    runs, plan = question.runs, question.plan
    cells, out = part.cells, [refused] if refused else []
    diverged = runs.diverged[cells]
    lost = [
        f"{runs.cells[cell]} {seeds_listed(_seeds_of(runs, row))}"
        for cell, row in zip(cells, diverged, strict=True)
        if row.any()
    ]
    named = {runs.cells[cell] for cell in cells}
    lost += [
        f"{cell} {seeds_listed(seeds)}, left out" for cell, seeds in runs.diverged_unjudged if cell in named
    ]
    if lost:
        out.append(f"among converged seeds only; diverged: {'; '.join(lost)}")
    there = ~np.isnan(runs.values[cells])
    missing = np.asarray(there.any(axis=0) & ~(there | diverged).all(axis=0))
    if missing.any() and plan.test != "unpaired":
        lack = "lacks" if missing.sum() == 1 else "lack"
        out.append(
            f"missing pairs: {seeds_listed(_seeds_of(runs, missing))} {lack} a run in some of the cells"
        )
    if n < 2 and plan.test == "paired" and (there.sum(axis=1) >= 2).all():
        out.append(
            "its cells have no two seeds in common; if that is by design, --unpaired compares the runs "
            "without pairing them (Welch's test)"
        )
    if n == 0:
        out.append(_reason(n, False, plan.test))
    elif n == 1:
        out.append("n = 1: one seed has no spread, so nothing is tested; see `rigorkd audit`")
    elif test.sd_diff == 0 and plan.test != "unpaired":
        found = differences(runs, part.members if isinstance(part, Conjunction) else (part,))
        spread = np.nanmax(found, axis=1) - np.nanmin(found, axis=1)
        alike = "the difference is the same at every seed, as if the runs were copies"
        if (spread > NOISE * np.nanmax(np.abs(runs.values[cells]))).any():
            alike = "the difference is the same at every seed but for rounding, which is no spread"
        if test.mean_diff == 0:
            alike = f"{runs.metric} is equal at every seed, as of copied runs or on very few test images"
        out.append(f"zero variance: {alike}")
    elif few := few_seeds(n):
        out.append(few)
    adjusted = (test.p_adjusted, test.p_equivalence_adjusted)
    shown = any(p is not None and p <= plan.alpha for p in adjusted)
    if test.mde is not None and test.sd_diff and test.mde / test.sd_diff > ABSURD_DZ and not shown:
        detects = test.mde / test.sd_diff
        points = f"({question.phrasing.number(test.mde)}{question.phrasing.unit})"
        only = f"only differences of {detects:.1f} standard deviations {points}"
        out.append(f"{UNABLE}: with 80 % power it detects {only}")
    lengths = _lengths(runs, part)
    if lengths:
        out.append(lengths)
    out += unlike(runs, cells)
    members = part.members if isinstance(part, Conjunction) else (part,)
    out += dict.fromkeys(text for member in members for text in member.unlike)
    if near := [cell for cell in cells if cell in question.near_chance]:
        which = "its cells know" if len(near) == len(cells) else f"{len(near)} of its {len(cells)} cells know"
        which = "one of its cells knows" if len(near) == 1 else which
        out.append(f"{NEAR_CHANCE}: {which} little more than {question.near_chance[near[0]]}")
    for doubtful in (question.copied, question.distilled_baselines):
        out += [doubtful[cell] for cell in cells if cell in doubtful]
    if repeated := question.repeated_look_at(cells):
        way = "the sequential verdicts" if plan.sequential else "--sequential"
        ways = f"{way}, or {UNSEEN}," if settled.in_sequence else UNSEEN
        out.append(f"{repeated}; {ways} stay valid")
    out += dict.fromkeys(filter(None, (plan.later_than_a_look(runs.cells[cell]) for cell in cells)))
    d = None if plan.test == "unpaired" else differences(runs, members)
    out += question.outlying.warnings(runs, cells, d)
    out += [question.plan.doubted] * bool(question.plan.doubted)
    return tuple(out)


def images_of(
    question: Question, part: Hypothesis, images: Mapping[tuple[str, str], ImageComparison]
) -> ImageComparison | None:
    """The interval over new test images of a pair, where there is one."""
    if not isinstance(part, LinearContrast) or part.pair is None:
        return None
    a, b = (question.runs.cells[cell] for cell in part.pair)
    return images.get((a, b))


def cautioned(images: Sequence[ImageComparison], families: Sequence[Family]) -> tuple[ImageComparison, ...]:
    """The intervals over new test images, whose sentences say what verdicts on the same cells are warned of.

    So they do why such a verdict is not valid: an interval of the same seeds, seen as often, is no better.
    """

    def told(one: ImageComparison) -> list[str]:
        asked = [c for f in families for c in f.comparisons if (c.a, c.b) == (one.a, one.b)]
        return [text for c in asked for text in (c.not_valid or "", *beside(c.not_valid, c.warnings)) if text]

    return tuple(replace(one, says=with_cautions(one.says, told(one))) for one in images)


def on_images(question: Question, part: Hypothesis, seen: ImageComparison | None) -> str:
    """On which test images a verdict over seeds holds, as a sentence has it; "" where they are not known."""
    known = seen.images if seen else question.plan.test_images or test_images(question.runs, part.cells)
    if known is None:
        return ""
    unit = seen.unit if seen else "images"
    own = question.plan.images_per_seed
    return f"on {known:,} test {unit} drawn anew at each seed" if own else f"on these {known:,} test {unit}"


def test_images(runs: Runs, cells: Sequence[int]) -> int | None:
    """How many test images these cells were tested on, if the table has one number for all of them."""
    known = {runs.number("n_test", cell) for cell in cells}
    only = known.pop() if len(known) == 1 else None
    return int(only) if only is not None and only >= 1 else None


def _seeds_of(runs: Runs, which: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(seed for seed, flag in zip(runs.seeds, which, strict=True) if flag)


def _lengths(runs: Runs, part: Hypothesis) -> str:
    """That cells were trained for different lengths: between what is compared, or between what is averaged.

    An average over lengths, each cell against a baseline of its own length, is a mixture: no side is longer.
    """
    if runs.epochs_run is None:
        return ""
    cells = part.cells
    lengths = runs.epochs_run[cells]
    if np.isnan(lengths).all(axis=1).any():
        return ""
    means = np.nanmean(lengths, axis=1)
    if means.max() - means.min() <= LENGTHS_DIFFER * means.max():
        return ""
    listed = ", ".join(f"{runs.cells[cell]} {mean:.4g}" for cell, mean in zip(cells, means, strict=True))
    of = dict(zip(cells, means, strict=True))
    members = part.members if isinstance(part, Conjunction) else (part,)
    if any(
        abs(sum(weight * of[cell] for cell, weight in one.weights))
        > LENGTHS_DIFFER * sum(abs(weight) * of[cell] for cell, weight in one.weights) / 2
        for one in members
    ):
        return f"trained for different lengths (epochs: {listed}): the difference is confounded with length"
    return (
        f"trained for different lengths (epochs: {listed}), on both sides alike: a mixture, of no one length"
    )
