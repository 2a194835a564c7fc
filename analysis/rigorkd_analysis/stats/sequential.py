"""Adding seeds until every comparison is decided, valid at any stopping time.

The anytime-valid t statistic of Wang and Ramdas (arXiv 2310.03722), S = Σd, V = Σd², mixture of precision c²:

    log E_n = ½·log(c²/(n + c²)) − (n/2)·log(1 − S²/((n + c²)·V)),   reject when E_n ≥ m/α

A verdict is frozen at its first crossing: of the few false ones most would be taken back later. Seeds count
in the order in which analyses met them, else in ascending order: one that came later, whatever its number,
undoes nothing that was decided before. The price of stopping at will is an interval about twice as wide at
n = 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from rigorkd_analysis.questions import (
    Conjunction,
    Hypothesis,
    Question,
    Subject,
    differences,
    no_spread,
)
from rigorkd_analysis.stats.moments import NOISE, Floats
from rigorkd_analysis.stats.sample_size import MAX_SEEDS, nct_cdf
from rigorkd_analysis.verdicts import Verdict, directed
from rigorkd_analysis.wording import p_text, percent_text, seeds_listed


@dataclass(frozen=True)
class SequentialComparison:
    """One comparison by the anytime-valid t test; `decided_at` is the number of seeds at the first crossing.

    `m` is the size of its family: p_adjusted is min(1, m·p) and the interval is at 1 − alpha/m. These, the
    evidence and the difference are those at the last seed, whenever the verdict was reached; `planned` is
    whether the question was fixed before the results were seen.
    """

    name: str
    family: str
    m: int
    n: int
    log_e: float | None
    p: float
    p_adjusted: float
    ci_low: float | None
    ci_high: float | None
    verdict: Verdict
    decided_at: int | None
    says: str
    planned: bool
    mean_diff: float | None


@dataclass(frozen=True)
class Sequential:
    """The anytime-valid analysis of every planned comparison, or of all where none is planned.

    `order` are the seeds as they count.
    """

    c2: float
    size: int
    decided: bool
    comparisons: tuple[SequentialComparison, ...]
    order: tuple[int, ...] = ()

    @property
    def planned(self) -> bool:
        """Whether all of them were planned: either all are or none is."""
        return all(comparison.planned for comparison in self.comparisons)

    @property
    def in_order(self) -> str:
        """In what order seeds count."""
        if list(self.order) == sorted(self.order):
            return "in the order of their numbers"
        return f"in the order of the analyses that met them ({seeds_listed(self.order)})"


LOST = "undecided, since runs diverged"
"""What the sentence of a comparison says that no number of seeds decides."""


@dataclass(frozen=True)
class Asked:
    """A family before its numbers: what is compared, over how many alpha is held, and of each comparison the
    images for which its verdict holds, as a sentence has it; `demoted` says why it is planned no more, but
    for those that came `later`."""

    name: str
    planned: bool
    members: Sequence[Hypothesis]
    m: int
    conditions: Sequence[str]
    demoted: str = ""
    later: Sequence[str] = ()


def log_e(d: Floats, c2: float) -> Floats:
    """log E_n for n = 1 … N along the last axis of d (…, N); 0 evidence while all differences are 0."""
    n = np.arange(1, d.shape[-1] + 1)
    S, V = np.cumsum(d, axis=-1), np.cumsum(d**2, axis=-1)
    ratio = np.divide(S**2, (n + c2) * V, out=np.zeros_like(V), where=V > 0)
    return np.asarray(0.5 * np.log(c2 / (n + c2)) - n / 2 * np.log1p(-ratio))


def error_of_looks(looks: tuple[int, ...], alpha: float = 0.05) -> float:
    """How often a paired t test at `alpha` rejects a true null at one look at least; 20,000 seeded draws."""
    draws = np.random.Generator(np.random.Philox(0)).normal(size=(20_000, max(looks)))
    rejected = np.zeros(len(draws), dtype=bool)
    for n in sorted(set(looks)):
        d = draws[:, :n]
        t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / np.sqrt(n))
        rejected |= np.abs(t) > -special.stdtrit(n - 1, alpha / 2)
    return float(rejected.mean())


def interval(d: Floats, c2: float, alpha: float) -> tuple[Floats, Floats]:
    """The 1 − alpha confidence sequence at n = 1 … N along the last axis of d; infinite while undefined."""
    n = np.arange(1, d.shape[-1] + 1)
    near = d - d[..., :1]  # the spread is taken around the first value: squares of the mean would swallow it
    off = np.cumsum(near, axis=-1) / n
    mean = d[..., :1] + off
    s = np.sqrt(np.maximum(np.cumsum(near**2, axis=-1) / n - off**2, 0.0))
    q = (alpha**2 * c2 / (n + c2)) ** (1 / n)
    below = (n + c2) * q - c2
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(below > 0, np.sqrt((n + c2) * (1 - q) / below), np.inf)
        half = np.where(np.isfinite(factor), s * factor, np.inf)
    return mean - half, mean + half


def seeds_to_decide(dz: float, level: float, c2: float, power: float = 0.8) -> int | None:
    """The number of seeds by which this test finds a true difference with this power, None beyond 100,000.

    It is the first n at which E_n alone reaches 1/level so often. That it may have done so before adds a
    few hundredths of power.

    Args:
        dz: the difference in standard deviations of the seeds' differences.
    """

    def finds(n: int) -> float:
        q = (level**2 * c2 / (n + c2)) ** (1 / n)
        below = (n + c2) * q - c2
        if below <= 0:  # so few seeds have no evidence that is large enough
            return 0.0
        critical = np.sqrt((n - 1) * (n + c2) * (1 - q) / below)
        shift = np.asarray(abs(dz) * np.sqrt(n))
        return 1.0 - float(nct_cdf(n - 1, shift, critical)) + float(nct_cdf(n - 1, shift, -critical))

    low, high = 1, 2
    while finds(high) < power:
        low, high = high, 2 * high
        if high > MAX_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) >= power else (middle, high)
    return high


def judged_in_sequence(planned: bool, of_all: Iterable[bool]) -> bool:
    """Whether this analysis judges a family that was `planned`, `of_all` families: else it is no way for it.

    It judges the planned ones, or all where none is planned.
    """
    return planned or not any(of_all)


def sequential_analysis(question: Question, families: Sequence[Asked]) -> Sequential:
    """Judge the families that `judged_in_sequence` names."""
    seeds = [int(seed) for seed in question.runs.seeds]
    met = {seed: at for at, seed in enumerate(question.plan.order)}
    order = sorted(range(len(seeds)), key=lambda at: (met.get(seeds[at], len(met)), seeds[at]))
    out = [
        _judge(question, family, part, where, order)
        for family in families
        if judged_in_sequence(family.planned, (one.planned for one in families))
        for part, where in zip(family.members, family.conditions, strict=True)
    ]
    judged = [comparison for comparison in out if comparison.n > 0]  # cells left out of a run decide nothing
    decided = bool(judged) and all(comparison.decided_at is not None for comparison in judged)
    return Sequential(
        c2=question.plan.c2,
        size=len(out),
        decided=decided,
        comparisons=tuple(out),
        order=tuple(seeds[at] for at in order),
    )


@dataclass(frozen=True)
class _Path:
    """The evidence on one mean as seeds arrive."""

    log_e: Floats
    low: Floats
    high: Floats
    mean: Floats

    @classmethod
    def of(cls, d: Floats, c2: float, alpha: float) -> _Path:
        low, high = interval(d, c2, alpha)
        return cls(log_e(d, c2), low, high, np.cumsum(d) / np.arange(1, d.size + 1))


def _judge(
    question: Question, family: Asked, part: Hypothesis, where: str, order: Sequence[int]
) -> SequentialComparison:
    runs, plan, m = question.runs, question.plan, family.m
    members = part.members if isinstance(part, Conjunction) else (part,)
    rows = differences(runs, members)
    same = no_spread(runs, members, rows)
    rows = rows[:, order]
    rows = rows[:, ~np.isnan(rows).any(axis=0)]
    n = rows.shape[1]
    cells = part.cells
    size = float(np.nanmax(np.abs(runs.values[cells]))) if n else 1.0
    if n < 2 or (same | (rows.std(axis=1) <= NOISE * size)).any():
        why = "fewer than 2 seeds" if n < 2 else "no spread over seeds"
        return SequentialComparison(
            part.name, family.name, m, n, None, 1.0, 1.0, None, None, Verdict.INCONCLUSIVE, None,
            f"{_subject(question, family, part).called}: undecided ({why}).", family.planned, None,
        )  # fmt: skip
    level = plan.alpha / m
    paths = [_Path.of(row, plan.c2, level) for row in rows]
    # a conjunction has the evidence of its weakest member, and needs one sign
    evidence = np.min([path.log_e for path in paths], axis=0)
    signs = np.array([np.sign(path.mean) for path in paths])
    agree = (signs == signs[0]).all(axis=0)
    differs = (evidence >= -np.log(level)) & agree
    inside = np.zeros(n, dtype=bool)
    if plan.sesoi is not None:
        inside = np.all([(path.low > -plan.sesoi) & (path.high < plan.sesoi) for path in paths], axis=0)
    lost = bool(runs.lost(cells).any())
    crossed = np.flatnonzero(differs | inside)
    decided_at = None if lost or crossed.size == 0 else int(crossed[0]) + 1
    verdict = Verdict.INCONCLUSIVE
    if decided_at is not None:
        at = decided_at - 1
        favoured = (signs[0][at] > 0) == (question.goal == "max")
        verdict = _verdict(bool(differs[at]), bool(inside[at]), favoured)
    last = _At.of(evidence, paths, n)
    then = None if decided_at in (None, n) else _At.of(evidence, paths, decided_at or n)
    return SequentialComparison(
        part.name, family.name, m, n, float(evidence[-1]), last.p, min(1.0, m * last.p), *last.ends, verdict,
        decided_at, _says(question, family, part, where, n, last, then, verdict, lost),
        family.planned, last.mean,
    )  # fmt: skip


@dataclass(frozen=True)
class _At:
    """The evidence on a comparison at a number of seeds; a conjunction has no interval and no difference."""

    n: int
    p: float
    ends: tuple[float | None, float | None]
    mean: float | None

    @classmethod
    def of(cls, evidence: Floats, paths: Sequence[_Path], n: int) -> _At:
        p = float(min(1.0, np.exp(-float(np.max(evidence[:n])))))
        if len(paths) > 1:
            return cls(n, p, (None, None), None)
        low, high = float(paths[0].low[n - 1]), float(paths[0].high[n - 1])
        known = np.isfinite(low) and np.isfinite(high)
        return cls(n, p, (low, high) if known else (None, None), float(paths[0].mean[n - 1]))


def _verdict(differs: bool, inside: bool, favoured: bool) -> Verdict:
    return directed(favoured, negligible=inside) if differs else Verdict.EQUIVALENT


def _says(
    question: Question,
    family: Asked,
    part: Hypothesis,
    where: str,
    n: int,
    last: _At,
    then: _At | None,
    verdict: Verdict,
    lost: bool,
) -> str:
    """The verdict and when it was reached, then the numbers at the last seed.

    The verdict is frozen and the numbers move on: those of an earlier seed stand beside it as they were then.
    """
    say, subject = question.phrasing, _subject(question, family, part)
    told = f"undecided after {n} seeds"
    if lost:
        told = LOST
    elif verdict is not Verdict.INCONCLUSIVE:
        words = verdict.label.replace(", ", ", but ")
        if verdict is Verdict.EQUIVALENT:
            words += f" within ±{say.number(question.plan.sesoi)}{say.unit}, sign undecided"
        told = f"{words}, decided at {n if then is None else then.n} seeds"
        if then is not None:
            told += f" ({_numbers(question, family.m, then, verdict)})"
    on = f" {where}" * bool(where)
    if last.mean is None:
        members = part.members if isinstance(part, Conjunction) else ()
        seen = f"the weakest evidence of its {len(members)} gains in {say.words}{on}"
    else:
        seen = f"{say.words} differed by {say.number(last.mean, True)}{say.unit}{subject.compared}{on}"
    why = "added later" if part.name in family.later else family.demoted or "not planned before the results"
    status = "" if family.planned else f"; exploratory: {why}"
    return f"{subject.called}: {told}; {seen} ({_numbers(question, family.m, last)}, n = {n} seeds){status}."


def _subject(question: Question, family: Asked, part: Hypothesis) -> Subject:
    """Of whom it speaks, in the words of the sentences of a fixed number of seeds."""
    return question.subject(part, gain=family.name in ("overall", "primary", "gains"))


def _numbers(question: Question, m: int, at: _At, of: Verdict | None = None) -> str:
    """p and interval at a number of seeds, of a verdict or the last; of equivalence the interval alone."""
    p = p_text(min(1.0, m * at.p), f"{'Bonferroni-adjusted ' * (m > 1)}anytime-valid p")
    p += " (the smallest so far)" if of is None and m * at.p < 1.0 else ""
    if at.ends[0] is None:
        return p
    level = f", simultaneous over {m}" if m > 1 else ""
    share = percent_text(1 - question.plan.alpha)
    interval = f"{share} interval {question.phrasing.interval(*at.ends)}{level}"
    return interval if of is Verdict.EQUIVALENT else f"{p}, {interval}"
