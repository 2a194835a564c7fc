"""The paired test: what it says of one comparison (`PairedTest`), and the arithmetic of a family of them.

Where the plan declares another test (moderated, unpaired, over seeds and images), `t_columns` gives the
numbers that a verdict rests on from that test's mean, standard error and degrees of freedom; the paired p
stays beside them.

A statistic is a field of `PairedTest` and a row of the same name in `_one_size` (or `_two_sides`, where it
needs both cells of a pair): comparison, JSON document, CSV and reference page follow from the field.

Vectorised over comparisons, since a call of scipy.stats per comparison takes milliseconds; scipy.stats is the
oracle in the tests. What cannot be tested (n < 2, or no variance) is NaN here and None in a `PairedTest`.

Sources: Student (1908); Hedges (1981) for the bias correction; Steiger and Fouladi (1997) for the interval of
dz; Schuirmann (1987) for the two one-sided tests; Welch (1947).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.stats.exact import binomial_interval, signflip, signflip_floor, wilcoxon
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.moments import NOISE, Floats, or_none, sd_interval
from rigorkd_analysis.stats.sample_size import (
    DegreesOfFreedom,
    detectable_noncentrality,
    errors_of_what_is_found,
    nct_cdf,
    paired_df,
    seeds_needed_each,
)

#: Beyond this |t| the noncentral t is no longer inverted by its distribution function.
_FAR = 1e4


@dataclass(frozen=True)
class Settings:
    """What all comparisons of a family share.

    Attributes:
        m: the family's size as the correction counts it, 1 without correction.
        looks: numbers of seeds of the planned interim analyses; each tests at the nominal level that keeps
            alpha over all of them.
        sign: 1 where more is better, else −1.
    """

    alpha: float
    m: int
    sesoi: float | None
    looks: tuple[int, ...] = ()
    sign: float = 1.0

    @property
    def level(self) -> float:
        """The level of one test alone."""
        return nominal_level(self.looks, self.alpha)

    @property
    def family_level(self) -> float:
        """The level of one test of the family, at the first step of its correction."""
        return nominal_level(self.looks, self.alpha / self.m)


@dataclass(frozen=True)
class PairedTest:
    """The numbers of one comparison, paired by seed. `sd_diff` is 0 where the difference has no spread.

    Attributes:
        ci_low, ci_high: 1 − alpha, for this comparison alone.
        ci_simultaneous_low, ci_simultaneous_high: 1 − alpha/m, m the family's size.
        t, df, p: of the declared test; whole degrees of freedom are those of a paired one.
        p_paired: of the paired t test, whatever was declared; None where the runs cannot be paired.
        p_signflip: exact over all sign flips; None past 36 seeds, where they are not enumerated.
        p_signflip_floor: the smallest p-value that n sign flips can give, 2/2^n.
        g_z, g_av: None at n = 2, where no unbiased estimate exists.
        r: None where one of the two cells does not vary over seeds.
        variance_ratio: var(a − b) / (var a + var b); below 1 pairing by seed narrowed the interval.
        win_rate: how probably a run of the first side is better than one of the second at the same seed, the
            share of seeds at which it was, ties counting half, with its exact binomial 1 − alpha interval.
            Bouthillier et al. (2021) ask for it; it is no test.
        mde: difference that this design detects with 80 % power at alpha/m, if the sd were the one seen;
            low and high at the ends of the sd's χ² interval.
        exaggeration, sign_error: were the true difference the SESOI, how many times too large a difference
            found at alpha/m would be on average, and how probably of the wrong sign (Gelman and Carlin 2014).
        seeds_needed: seeds at which the SESOI would be detected so; low and high at the ends of the sd's
            χ² interval. None without a SESOI, and past 100,000.
    """

    mean_diff: float | None
    sd_diff: float | None
    ci_low: float | None
    ci_high: float | None
    ci_simultaneous_low: float | None
    ci_simultaneous_high: float | None
    t: float | None
    df: int | float | None
    p: float | None
    p_adjusted: float | None
    p_paired: float | None
    p_signflip: float | None
    p_signflip_floor: float | None
    p_wilcoxon: float | None
    p_welch: float | None
    dz: float | None
    dz_ci_low: float | None
    dz_ci_high: float | None
    g_z: float | None
    g_av: float | None
    r: float | None
    variance_ratio: float | None
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    equivalence_ci_low: float | None
    equivalence_ci_high: float | None
    mde: float | None
    mde_low: float | None
    mde_high: float | None
    exaggeration: float | None
    sign_error: float | None
    seeds_needed: int | None
    seeds_needed_low: int | None
    seeds_needed_high: int | None


#: The fields, and whether each is a whole number.
_FIELDS = {field.name: "int" in str(field.type) for field in fields(PairedTest)}


@dataclass(frozen=True)
class Statistics:
    """The numbers of k comparisons: one array of shape (k,) per field of `PairedTest`, by its name."""

    columns: Mapping[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]

    def row(self, position: int) -> PairedTest:
        """One of the comparisons."""
        values = {name: or_none(self.columns[name][position]) for name in _FIELDS}
        whole = {
            name: int(value)
            for name, value in values.items()
            if _FIELDS[name] and value is not None and value.is_integer()
        }
        return PairedTest(**{**values, **whole})  # type: ignore[arg-type]

    def replaced(self, rows: Sequence[int], columns: Mapping[str, Floats]) -> Statistics:
        """With these columns in these rows."""
        new = {name: values.copy() for name, values in self.columns.items()}
        for name, values in columns.items():
            new[name][list(rows)] = values
        return Statistics(new)


#: What a comparison shows that cannot be computed.
NO_TEST = PairedTest(**dict.fromkeys(_FIELDS))


def statistics(
    d: Floats,
    settings: Settings,
    a: Floats | None = None,
    b: Floats | None = None,
    flat: NDArray[np.bool_] | None = None,
) -> Statistics:
    """All statistics of k comparisons.

    Args:
        d: differences per seed, shape (k, seeds), NaN where a seed has no pair.
        a, b: the two sides of each difference, same shape; rows of NaN for comparisons that are no pairs.
        flat: shape (k,), True where what spread there is is known to be rounding, as if there were none.
    """
    k = d.shape[0]
    there = ~np.isnan(d)
    n = there.sum(axis=1)
    columns = {name: np.full(k, np.nan) for name in _FIELDS}
    order = np.argsort(~there, axis=1, kind="stable")  # the seeds that are there, first
    d = np.take_along_axis(d, order, axis=1)
    flat = np.zeros(k, dtype=bool) if flat is None else flat
    sides = None
    if a is not None and b is not None:
        sides = np.take_along_axis(a, order, axis=1), np.take_along_axis(b, order, axis=1)
    for size in map(int, np.unique(n[n > 0])):
        rows = np.flatnonzero(n == size)
        own = None if sides is None else (sides[0][rows, :size], sides[1][rows, :size])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            part = _one_size(d[rows, :size], own, flat[rows], settings)
        for name, values in part.items():
            columns[name][rows] = values
    return Statistics(columns)


def _one_size(
    d: Floats, sides: tuple[Floats, Floats] | None, flat: NDArray[np.bool_], settings: Settings
) -> dict[str, Floats]:
    n = d.shape[1]
    mean = d.mean(axis=1)
    if n < 2:
        return {"mean_diff": mean}
    scale = np.abs(d).max(axis=1)
    if sides is not None:
        size = np.maximum(np.abs(sides[0]).max(axis=1), np.abs(sides[1]).max(axis=1))
        scale = np.fmax(scale, size)  # a contrast of several cells has no two sides: its own size counts
    sd = d.std(axis=1, ddof=1)
    constant = flat | (sd <= NOISE * scale)
    sd = np.where(constant, np.nan, sd)
    df = n - 1
    se = sd / np.sqrt(n)
    alpha = settings.alpha
    # last bits away, so that equal differences tie: 80.1 − 80.0 and 81.1 − 81.0
    grain = 10.0 ** np.floor(np.log10(np.where(scale > 0, scale, 1.0)) - 11)
    clean = np.round(d / grain[:, None]) * grain[:, None]
    out = t_columns(mean, se, np.full(mean.shape, float(df)), settings)
    t = out["t"]
    dz = t / np.sqrt(n)
    low, high = noncentrality_interval(t, df, alpha)
    bias = hedges_correction(df)
    out |= {
        "sd_diff": np.where(constant, 0.0, sd),
        "p_paired": out["p"],
        "p_signflip": np.where(constant, np.nan, signflip(clean)),
        "p_signflip_floor": np.full(d.shape[0], signflip_floor(n)),
        "p_wilcoxon": np.where(constant, np.nan, wilcoxon(clean)),
        "dz": dz,
        "dz_ci_low": low / np.sqrt(n),
        "dz_ci_high": high / np.sqrt(n),
        "g_z": bias * dz,
    }
    if sides is not None:
        out |= _two_sides(*sides, mean, sd, bias, constant)
        wins = ((settings.sign * clean > 0) + (clean == 0) / 2).sum(axis=1)
        out["win_rate"] = wins / n
        out["win_rate_low"], out["win_rate_high"] = binomial_interval(wins, n, alpha)
    if settings.sesoi is not None:
        out |= needed(sd, np.full(sd.shape, float(df)), settings)
    return out


def t_columns(mean: Floats, se: Floats, df: Floats, settings: Settings) -> dict[str, Floats]:
    """What verdicts rest on, from means with standard errors and degrees of freedom; (k,) each."""
    t, p = t_test(mean, se, df)
    half = -special.stdtrit(df, settings.level / 2) * se
    wide = -special.stdtrit(df, settings.family_level / 2) * se
    narrow = -special.stdtrit(df, settings.level) * se
    mde = detectable_noncentrality(df, settings.family_level) * se
    mde_low, mde_high = sd_interval(mde, df, settings.alpha)
    out = {
        "mean_diff": mean,
        "ci_low": mean - half,
        "ci_high": mean + half,
        "ci_simultaneous_low": mean - wide,
        "ci_simultaneous_high": mean + wide,
        "t": t,
        "df": np.where(np.isfinite(t), df, np.nan),
        "p": p,
        "equivalence_ci_low": mean - narrow,
        "equivalence_ci_high": mean + narrow,
        "mde": mde,
        "mde_low": mde_low,
        "mde_high": mde_high,
        "p_equivalence": np.full(mean.shape, np.nan),
        "exaggeration": np.full(mean.shape, np.nan),
        "sign_error": np.full(mean.shape, np.nan),
    }
    if settings.sesoi is not None:
        out["p_equivalence"] = tost(mean, se, df, settings.sesoi)
        found = errors_of_what_is_found(settings.sesoi / se, df, settings.family_level)
        out["exaggeration"], out["sign_error"] = found
    return out


def needed(
    sd: Floats, df: Floats, settings: Settings, df_of: DegreesOfFreedom = paired_df
) -> dict[str, Floats]:
    """Seeds at which the SESOI would be detected; `sd` is the standard error at one seed."""
    assert settings.sesoi is not None
    # more spread needs more seeds: the upper end of the sd's χ² interval gives the high end here
    sd_low, sd_high = sd_interval(sd, df, settings.alpha)
    return {
        "seeds_needed" + name: seeds_needed_each(settings.sesoi / at, settings.family_level, df_of=df_of)
        for name, at in (("", sd), ("_low", sd_low), ("_high", sd_high))
    }


def _two_sides(
    a: Floats, b: Floats, mean: Floats, sd: Floats, bias: float, constant: NDArray[np.bool_]
) -> dict[str, Floats]:
    n = a.shape[1]
    var_a, var_b = a.var(axis=1, ddof=1), b.var(axis=1, ddof=1)
    total = var_a + var_b
    scale = np.maximum(np.abs(a).max(axis=1), np.abs(b).max(axis=1))
    both_vary = np.sqrt(np.minimum(var_a, var_b)) > NOISE * scale
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


def t_test(mean: Floats, se: Floats, df: Floats | int) -> tuple[Floats, Floats]:
    """Student's t of means with standard errors `se`, and the two-sided p."""
    t = mean / se
    return t, np.asarray(2 * special.stdtr(df, -np.abs(t)))


def tost(mean: Floats, se: Floats, df: Floats | int, sesoi: float) -> Floats:
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
