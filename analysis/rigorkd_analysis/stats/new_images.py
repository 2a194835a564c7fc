"""New test images as well as new seeds: intervals from per-example predictions, McNemar, agreement.

With d_si the difference of correctness at seed s on image i, both crossed, the variance of the mean is
(MS_seed + MS_image − MS_residual)/(nN), floored at MS_seed/(nN), with Satterthwaite's degrees of freedom.
The interval over seeds alone speaks of these very test images; this one speaks of new ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.questions import Hypothesis, LinearContrast, Question
from rigorkd_analysis.stats.exact import mcnemar
from rigorkd_analysis.stats.moments import NOISE, Floats
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import number_text, percent_text


@dataclass(frozen=True)
class ImageComparison:
    """A difference of top-1 over new seeds and new test images, in points, from per-example predictions."""

    a: str
    b: str
    n: int
    images: int
    mean_diff: float
    ci_low: float | None
    ci_high: float | None
    df: float | None
    seeds_only_ci_low: float | None
    seeds_only_ci_high: float | None
    agreement: float
    mcnemar_p: tuple[float, ...]
    says: str


@dataclass(frozen=True)
class Predictions:
    """One run on the test set: the class predicted and the class there, each of shape (images,)."""

    target: NDArray[np.integer]
    prediction: NDArray[np.integer]


#: Gives the predictions of (cell, seed), or None where there are none.
PredictionSource = Callable[[str, int], Predictions | None]


@dataclass(frozen=True)
class Crossed:
    """The mean of a (seeds, images) array with its interval over new seeds and images, and over new seeds."""

    mean: float
    df: float | None
    low: float | None
    high: float | None
    seeds_low: float | None
    seeds_high: float | None


def crossed_interval(d: Floats, alpha: float) -> Crossed:
    """The 1 − alpha interval of the mean of d (seeds n ≥ 2, images N ≥ 2), both random."""
    n, N = d.shape
    mean = float(d.mean())
    if n < 2 or N < 2:
        return Crossed(mean, None, None, None, None, None)
    by_seed, by_image = d.mean(axis=1), d.mean(axis=0)
    ms_seed = N * float(((by_seed - mean) ** 2).sum()) / (n - 1)
    ms_image = n * float(((by_image - mean) ** 2).sum()) / (N - 1)
    total = float(((d - mean) ** 2).sum())
    residual = max(total - ms_seed * (n - 1) - ms_image * (N - 1), 0.0)
    ms_residual = residual / ((n - 1) * (N - 1))
    seeds_only = ms_seed / (n * N)
    if ms_seed <= NOISE * total:  # every seed has the same mean: copies, not replicates
        return Crossed(mean, None, None, None, None, None)
    variance = (ms_seed + ms_image - ms_residual) / (n * N)
    half_seeds = -special.stdtrit(n - 1, alpha / 2) * seeds_only**0.5
    if variance <= seeds_only * (1 + 1e-9):
        variance, df = seeds_only, float(n - 1)
    else:
        parts = ms_seed**2 / (n - 1) + ms_image**2 / (N - 1) + ms_residual**2 / ((n - 1) * (N - 1))
        df = (ms_seed + ms_image - ms_residual) ** 2 / parts
    half = -special.stdtrit(df, alpha / 2) * variance**0.5
    return Crossed(mean, df, mean - half, mean + half, mean - half_seeds, mean + half_seeds)


def image_comparisons(
    question: Question, parts: Sequence[Sequence[Hypothesis]], source: PredictionSource | None
) -> list[ImageComparison]:
    """Every pair of the families, once, where the predictions of both cells are there."""
    if source is None:
        return []
    runs = question.runs

    @cache  # a baseline stands in many pairs
    def predictions(cell: int, seed: int) -> Predictions | None:
        return source(runs.cells[cell], seed)

    out = []
    seen: set[tuple[int, int]] = set()
    for part in (part for family in parts for part in family):
        if not isinstance(part, LinearContrast) or part.pair is None or part.pair in seen:
            continue
        seen.add(part.pair)
        a, b = part.pair
        there = np.asarray(~np.isnan(runs.values[[a, b]]).any(axis=0))
        used = [seed for seed, usable in zip(runs.seeds, there, strict=True) if usable]
        found = [(predictions(a, seed), predictions(b, seed)) for seed in used]
        pairs = [(x, y) for x, y in found if x is not None and y is not None]
        if pairs:
            out.append(_compare(question, a, b, pairs))
    return out


def _compare(
    question: Question, a: int, b: int, pairs: list[tuple[Predictions, Predictions]]
) -> ImageComparison:
    names = (question.runs.cells[a], question.runs.cells[b])
    target = pairs[0][0].target
    for run in (run for pair in pairs for run in pair):
        if run.target.shape != target.shape or (run.target != target).any():
            raise TableError(
                f"the runs of {names[0]} and {names[1]} were tested on different images",
                hint="test all runs of a comparison on the same images in the same order",
            )
    right_a = np.array([first.prediction == target for first, _ in pairs])
    right_b = np.array([second.prediction == target for _, second in pairs])
    found = crossed_interval(100.0 * (right_a.astype(np.float64) - right_b), question.plan.alpha)
    exact = tuple(
        mcnemar(int((x & ~y).sum()), int((y & ~x).sum())) for x, y in zip(right_a, right_b, strict=True)
    )
    share = percent_text(1 - question.plan.alpha)

    def interval(low: float | None, high: float | None) -> str:
        return "unknown" if low is None or high is None else f"{_signed(low)} to {_signed(high)}"

    says = (
        f"{names[0]} vs {names[1]}: {_signed(found.mean)} points; {share} CI over new seeds "
        f"{interval(found.seeds_low, found.seeds_high)}, over new seeds and new images "
        f"{interval(found.low, found.high)} (n = {len(pairs)} seeds, {target.size} images)."
    )
    return ImageComparison(
        a=names[0],
        b=names[1],
        n=len(pairs),
        images=int(target.size),
        mean_diff=found.mean,
        ci_low=found.low,
        ci_high=found.high,
        df=found.df,
        seeds_only_ci_low=found.seeds_low,
        seeds_only_ci_high=found.seeds_high,
        agreement=float(np.mean([(x.prediction == y.prediction).mean() for x, y in pairs])),
        mcnemar_p=exact,
        says=says,
    )


def _signed(points: float) -> str:
    return number_text(points, 2, signed=True)
