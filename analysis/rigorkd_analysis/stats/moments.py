"""Sizes, means and standard deviations, and the intervals that need no more than these.

Sources: Student (1908) for the mean; the χ² law for the standard deviation; the prediction interval of a mean
of k new values from n is m ± t·s·√(1/n + 1/k), n − 1 degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

#: Spread below this share of the values' size is rounding in the last bits, not spread.
NOISE = 1e-12


def or_none(value: np.float64 | float) -> float | None:
    """A number for a typed result; None where it cannot be computed."""
    number = float(value)
    return number if np.isfinite(number) else None


def or_nan(values: Iterable[float | None]) -> Floats:
    """Numbers of typed results as an array again."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


@dataclass(frozen=True)
class Moments:
    """Size, mean and standard deviation (ddof 1) of k samples, each of shape (k,).

    The mean of an empty sample, the deviation of fewer than two values, and that of equal values are NaN.
    """

    n: Floats
    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, samples: Sequence[Floats]) -> Moments:
        n = np.array([sample.size for sample in samples], dtype=np.float64)
        mean = np.array([sample.mean() if sample.size else np.nan for sample in samples], dtype=np.float64)
        sd = np.array([_sd(sample) for sample in samples], dtype=np.float64)
        return cls(n, mean, sd)

    @classmethod
    def of_rows(cls, values: Floats) -> Moments:
        """Of the rows of an array, NaN where a value is missing; equal values keep the deviation 0."""
        there = ~np.isnan(values)
        n = there.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(there, values, 0.0).sum(axis=1) / n
            sd = np.sqrt((np.where(there, values - mean[:, None], 0.0) ** 2).sum(axis=1) / (n - 1))
        return cls(n.astype(np.float64), mean, np.where(n > 1, sd, np.nan))


def _sd(sample: Floats) -> float:
    if sample.size < 2:
        return float("nan")
    sd = float(sample.std(ddof=1))
    return float("nan") if sd <= NOISE * float(np.abs(sample).max()) else sd


def mean_interval(mean: Floats, sd: Floats, n: Floats, alpha: float) -> tuple[Floats, Floats]:
    """The 1 − alpha t interval of a mean of n."""
    with np.errstate(invalid="ignore", divide="ignore"):
        half = -special.stdtrit(n - 1, alpha / 2) * sd / np.sqrt(n)
    return mean - half, mean + half


def sd_interval(sd: Floats, df: Floats | int, alpha: float) -> tuple[Floats, Floats]:
    """The 1 − alpha χ² interval of a standard deviation with df degrees of freedom."""
    with np.errstate(invalid="ignore", divide="ignore"):
        low = sd * np.sqrt(df / special.chdtri(df, alpha / 2))
        high = sd * np.sqrt(df / special.chdtri(df, 1 - alpha / 2))
    return low, high


def prediction_interval(
    mean: Floats, sd: Floats, n: Floats, k: Floats, alpha: float
) -> tuple[Floats, Floats]:
    """Where the mean of k new values lies with probability 1 − alpha."""
    with np.errstate(invalid="ignore", divide="ignore"):
        half = -special.stdtrit(n - 1, alpha / 2) * sd * np.sqrt(1 / n + 1 / k)
    return mean - half, mean + half
