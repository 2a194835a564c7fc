"""The arithmetic of a family: rows of paired differences in, one array per statistic out.

Vectorised over comparisons, since a call of scipy.stats per comparison takes milliseconds; scipy.stats is the
oracle in the tests. A row that cannot be tested (n < 2, or no variance) holds NaN throughout.

Sources: Student (1908); Hedges (1981) for the bias correction; Steiger and Fouladi (1997) for the interval of
dz; Schuirmann (1987) for the two one-sided tests; Welch (1947).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.exact import signflip, signflip_floor, wilcoxon
from rigorkd_analysis.power import detectable_dz, nct_cdf, seeds_needed_each

Floats = NDArray[np.float64]

#: Spread below this share of the values' size is rounding in the last bits, not spread.
_NOISE = 1e-12
#: Beyond this |t| the noncentral t is no longer inverted by its distribution function.
_FAR = 1e4


@dataclass(frozen=True)
class Settings:
    """alpha, the family's size m as the correction counts it (1 without correction), and the SESOI."""

    alpha: float
    m: int
    sesoi: float | None


@dataclass(frozen=True)
class Statistics:
    """One array of shape (k,) per statistic; the names are those of `results.Comparison`."""

    n: NDArray[np.int64]
    mean_diff: Floats
    sd_diff: Floats
    ci_low: Floats
    ci_high: Floats
    ci_simultaneous_low: Floats
    ci_simultaneous_high: Floats
    t: Floats
    p: Floats
    p_signflip: Floats
    p_signflip_floor: Floats
    p_wilcoxon: Floats
    p_welch: Floats
    dz: Floats
    dz_ci_low: Floats
    dz_ci_high: Floats
    g_z: Floats
    g_av: Floats
    r: Floats
    variance_ratio: Floats
    p_equivalence: Floats
    equivalence_ci_low: Floats
    equivalence_ci_high: Floats
    mde: Floats
    mde_dz: Floats
    seeds_needed: Floats
    seeds_needed_low: Floats
    seeds_needed_high: Floats
    constant: NDArray[np.bool_]


def statistics(d: Floats, settings: Settings, a: Floats | None = None, b: Floats | None = None) -> Statistics:
    """All statistics of k comparisons.

    Args:
        d: differences per seed, shape (k, seeds), NaN where a seed has no pair.
        a, b: the two sides of each difference, same shape, for comparisons that are pairs.
    """
    k = d.shape[0]
    there = ~np.isnan(d)
    n = there.sum(axis=1)
    out = {field.name: np.full(k, np.nan) for field in fields(Statistics)}
    constant = np.zeros(k, dtype=bool)
    order = np.argsort(~there, axis=1, kind="stable")  # the seeds that are there, first
    d = np.take_along_axis(d, order, axis=1)
    if a is not None and b is not None:
        a = np.take_along_axis(np.where(there, a, np.nan), order, axis=1)
        b = np.take_along_axis(np.where(there, b, np.nan), order, axis=1)
    for size in np.unique(n):
        size = int(size)
        if size == 0:
            continue
        rows = np.flatnonzero(n == size)
        sides = None if a is None or b is None else (a[rows, :size], b[rows, :size])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            part, still = _one_size(d[rows, :size], sides, settings)
        constant[rows] = still
        for name, values in part.items():
            out[name][rows] = values
    known = {name: values for name, values in out.items() if name not in ("n", "constant")}
    return Statistics(n=n.astype(np.int64), constant=constant, **known)


def _one_size(
    d: Floats, sides: tuple[Floats, Floats] | None, settings: Settings
) -> tuple[dict[str, Floats], NDArray[np.bool_]]:
    n = d.shape[1]
    mean = d.mean(axis=1)
    if n < 2:
        return {"mean_diff": mean}, np.zeros(d.shape[0], dtype=bool)
    scale = np.abs(d).max(axis=1)
    if sides is not None:
        scale = np.maximum(scale, np.maximum(np.abs(sides[0]).max(axis=1), np.abs(sides[1]).max(axis=1)))
    sd = d.std(axis=1, ddof=1)
    constant = sd <= _NOISE * scale
    sd = np.where(constant, np.nan, sd)
    df = n - 1
    se = sd / np.sqrt(n)
    t, p = t_test(mean, se, df)
    alpha, m = settings.alpha, settings.m
    half = -special.stdtrit(df, alpha / 2) * se
    wide = -special.stdtrit(df, alpha / m / 2) * se
    narrow = -special.stdtrit(df, alpha) * se
    mde_dz = detectable_dz(n, alpha / m)
    # last bits away, so that equal differences tie: 80.1 − 80.0 and 81.1 − 81.0
    grain = 10.0 ** np.floor(np.log10(np.where(scale > 0, scale, 1.0)) - 11)
    clean = np.round(d / grain[:, None]) * grain[:, None]
    dz = t / np.sqrt(n)
    low, high = noncentrality_interval(t, df, alpha)
    bias = hedges_correction(df)
    out = {
        "mean_diff": mean,
        "sd_diff": np.where(constant, 0.0, sd),
        "ci_low": mean - half,
        "ci_high": mean + half,
        "ci_simultaneous_low": mean - wide,
        "ci_simultaneous_high": mean + wide,
        "t": t,
        "p": p,
        "p_signflip": np.where(constant, np.nan, signflip(clean)),
        "p_signflip_floor": np.full(d.shape[0], signflip_floor(n)),
        "p_wilcoxon": np.where(constant, np.nan, wilcoxon(clean)),
        "dz": dz,
        "dz_ci_low": low / np.sqrt(n),
        "dz_ci_high": high / np.sqrt(n),
        "g_z": bias * dz,
        "equivalence_ci_low": mean - narrow,
        "equivalence_ci_high": mean + narrow,
        "mde": mde_dz * sd,
        "mde_dz": np.full(d.shape[0], mde_dz),
    }
    if sides is not None:
        out |= _two_sides(*sides, mean, sd, bias, constant)
    if settings.sesoi is not None:
        out["p_equivalence"] = tost(mean, se, df, settings.sesoi)
        # more spread needs more seeds: the upper end of the sd's χ² interval gives the high end here
        sd_low, sd_high = sd_interval(sd, df, alpha)
        for name, at in (("", sd), ("_low", sd_low), ("_high", sd_high)):
            out["seeds_needed" + name] = seeds_needed_each(settings.sesoi / at, alpha / m)
    return out, constant


def _two_sides(
    a: Floats, b: Floats, mean: Floats, sd: Floats, bias: float, constant: NDArray[np.bool_]
) -> dict[str, Floats]:
    n = a.shape[1]
    var_a, var_b = a.var(axis=1, ddof=1), b.var(axis=1, ddof=1)
    total = var_a + var_b
    scale = np.maximum(np.abs(a).max(axis=1), np.abs(b).max(axis=1))
    both_vary = np.sqrt(np.minimum(var_a, var_b)) > _NOISE * scale
    centred = (a - a.mean(axis=1, keepdims=True)) * (b - b.mean(axis=1, keepdims=True))
    r = np.where(both_vary, centred.sum(axis=1) / (n - 1) / np.sqrt(var_a * var_b), np.nan)
    df = total**2 / ((var_a**2 + var_b**2) / (n - 1))
    p = 2 * special.stdtr(df, -np.abs(mean) / np.sqrt(total / n))
    return {
        "p_welch": np.where(constant, np.nan, p),
        "g_av": np.where(constant, np.nan, bias * mean / np.sqrt(total / 2)),
        "r": np.clip(r, -1.0, 1.0),
        "variance_ratio": np.where(total > 0, sd**2 / total, np.nan),
    }


def t_test(mean: Floats, se: Floats, df: int) -> tuple[Floats, Floats]:
    """Student's t of means with standard errors `se`, and the two-sided p."""
    t = mean / se
    return t, np.asarray(2 * special.stdtr(df, -np.abs(t)))


def tost(mean: Floats, se: Floats, df: int, sesoi: float) -> Floats:
    """The larger p of the two one-sided tests that the true mean lies within ±sesoi."""
    upper = special.stdtr(df, (mean - sesoi) / se)
    lower = special.stdtr(df, -(mean + sesoi) / se)
    return np.asarray(np.maximum(upper, lower))


def hedges_correction(df: int) -> float:
    """J(df) = Γ(df/2) / (√(df/2) · Γ((df − 1)/2)), the factor that takes the bias out of a standardised mean.

    It is 0 at df = 1, where no unbiased estimate exists; NaN is returned there.
    """
    if df < 2:
        return float("nan")
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def mean_interval(mean: Floats, sd: Floats, n: Floats, alpha: float) -> tuple[Floats, Floats]:
    """The 1 − alpha t interval of a mean of n."""
    half = -special.stdtrit(n - 1, alpha / 2) * sd / np.sqrt(n)
    return mean - half, mean + half


def sd_interval(sd: Floats, df: Floats | int, alpha: float) -> tuple[Floats, Floats]:
    """The 1 − alpha χ² interval of a standard deviation with df degrees of freedom."""
    low = sd * np.sqrt(df / special.chdtri(df, alpha / 2))
    high = sd * np.sqrt(df / special.chdtri(df, 1 - alpha / 2))
    return low, high


def noncentrality_interval(t: Floats, df: int, alpha: float) -> tuple[Floats, Floats]:
    """The 1 − alpha interval of the noncentrality behind each t, by inverting the noncentral t; (k,) each."""
    low = _noncentrality(t, df, 1 - alpha / 2)
    high = _noncentrality(t, df, alpha / 2)
    return low, high


def _noncentrality(t: Floats, df: int, probability: float) -> Floats:
    """The noncentrality at which P(T ≤ t) = probability. It falls as the noncentrality rises: bisection."""
    # work at |t|: the distribution function far in the left tail is unreliable
    size = np.abs(t)
    target = np.where(t >= 0, probability, 1 - probability)
    low, high = -10.0 - 0 * size, 10.0 + 4 * size
    known = np.isfinite(size) & (size < _FAR)
    at = np.where(known, size, 0.0)
    low, high = np.where(known, low, 0.0), np.where(known, high, 0.0)
    for _ in range(60):
        middle = (low + high) / 2
        above = nct_cdf(df, middle, at) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    # so far out, the normal part of T is nothing beside its χ² part: P(T ≤ t) = P(χ² ≥ df·δ²/t²)
    far = size * np.sqrt(special.chdtri(df, target) / df)
    return np.asarray(np.sign(np.where(t == 0, 1.0, t)) * np.where(known, (low + high) / 2, far))
