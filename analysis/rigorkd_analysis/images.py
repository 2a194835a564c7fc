"""New test images as well as new seeds: intervals from per-example predictions, McNemar, agreement.

With d_si the difference of correctness at seed s on image i, both crossed, the variance of the mean is
(MS_seed + MS_image − MS_residual)/(nN), floored at MS_seed/(nN), with Satterthwaite's degrees of freedom.
The interval over seeds alone speaks of these very test images; this one speaks of new ones too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.combinations import Combination
from rigorkd_analysis.errors import TableError
from rigorkd_analysis.families import Asked
from rigorkd_analysis.results import ImageComparison
from rigorkd_analysis.wording import MINUS, percent_text

Floats = NDArray[np.float64]


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
    if ms_seed <= 1e-12 * total:  # every seed has the same mean: copies, not replicates
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


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact two-sided p: `only_a` images that only a gets right, `only_b` that only b does."""
    discordant = only_a + only_b
    if discordant == 0:
        return 1.0
    return float(min(1.0, 2 * special.bdtr(min(only_a, only_b), discordant, 0.5)))


def image_comparisons(
    asked: Asked, parts: list[list[Combination]], source: PredictionSource
) -> list[ImageComparison]:
    """Every pair of the families, once, where the predictions of both cells are there."""
    runs = asked.runs
    cache: dict[tuple[int, int], Predictions | None] = {}

    def predictions(cell: int, seed: int) -> Predictions | None:
        if (cell, seed) not in cache:
            cache[(cell, seed)] = source(runs.cells[cell], seed)
        return cache[(cell, seed)]

    out = []
    seen: set[tuple[int, int]] = set()
    for part in (part for family in parts for part in family):
        if part.a is None or part.b is None or (part.a, part.b) in seen:
            continue
        seen.add((part.a, part.b))
        there = np.asarray(~np.isnan(runs.values[[part.a, part.b]]).any(axis=0))
        pairs = []
        for seed in (seed for seed, used in zip(runs.seeds, there, strict=True) if used):
            a, b = predictions(part.a, seed), predictions(part.b, seed)
            if a is not None and b is not None:
                pairs.append((a, b))
        if pairs:
            out.append(_compare(asked, part.a, part.b, pairs))
    return out


def _compare(asked: Asked, a: int, b: int, pairs: list[tuple[Predictions, Predictions]]) -> ImageComparison:
    names = (asked.runs.cells[a], asked.runs.cells[b])
    target = pairs[0][0].target
    for run in (run for pair in pairs for run in pair):
        if run.target.shape != target.shape or (run.target != target).any():
            raise TableError(
                f"the runs of {names[0]} and {names[1]} were tested on different images",
                hint="test all runs of a comparison on the same images in the same order",
            )
    right_a = np.array([first.prediction == target for first, _ in pairs])
    right_b = np.array([second.prediction == target for _, second in pairs])
    found = crossed_interval(100.0 * (right_a.astype(np.float64) - right_b), asked.plan.alpha)
    exact = tuple(
        mcnemar(int((x & ~y).sum()), int((y & ~x).sum())) for x, y in zip(right_a, right_b, strict=True)
    )
    share = percent_text(1 - asked.plan.alpha)

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
    return f"{points:+.2f}".replace("-", MINUS)
