"""What n seeds can detect, and how many seeds a difference needs. Cheap to import.

All of it is the two-sided paired t test at alpha/m, m comparisons, on scipy's noncentral t. (statsmodels'
`TTestPower.solve_power` returns 3.419 for n = 5 at .05/9 and 80 %, where the answer is 3.070.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.analysis_plan import Correction, unusable
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.moments import Floats
from rigorkd_analysis.table_error import TableError

#: No answer is given past this many seeds: nobody will train them.
MAX_SEEDS = 100_000

#: d₀, the degrees of freedom that the moderated test gives to the mean variance.
PRIOR_DF = 3.0

#: From numbers of seeds, and which of the comparisons they are for, to the test's degrees of freedom.
DegreesOfFreedom = Callable[[Floats, NDArray[np.intp]], Floats]


@dataclass(frozen=True)
class Design:
    """One way of asking whether distillation gains, and what it takes.

    Attributes:
        question: the average of all gains, one gain declared as primary, or each of them (by the paired or
            by the moderated test).
        comparisons: size of its family.
        mde: what n seeds detect. seeds_needed: for the effect; None without one, and past 100,000.
    """

    question: Literal["overall", "primary", "gains", "gains, moderated"]
    comparisons: int
    mde: float | None
    seeds_needed: int | None

    def words(self, gains: int) -> str:
        """What is asked, of so many gains."""
        return _ASKED[self.question].format(m=gains) if gains > 1 else _ASKED_OF_ONE[self.question]


_ASKED = {
    "overall": "the average gain",
    "primary": "one gain, declared primary",
    "gains": "each of {m} gains",
    "gains, moderated": "each of {m} gains, moderated test",
}
_ASKED_OF_ONE = {**_ASKED, "gains": "the one gain", "gains, moderated": "the one gain, moderated test"}


def cheapest(ways: Sequence[Design], effect: str) -> str:
    """`0.3 points in the average gain: 6 seeds; …`, the fewest seeds first."""
    known = [way for way in ways if way.seeds_needed is not None]
    known.sort(key=lambda way: way.seeds_needed or 0)
    gains = max((way.comparisons for way in ways), default=1)
    parts = []
    for way in known:
        noun = "seed" if way.seeds_needed == 1 else "seeds"
        parts.append(f"in {way.words(gains)}: {way.seeds_needed:,} {noun}")
    return f"{effect} {'; '.join(parts)}." if parts else f"{effect} takes more than 100,000 seeds either way."


def designs(
    n: int,
    sd: float,
    gains: int,
    effect: float | None,
    *,
    averages: tuple[int, ...] = (),
    alpha: float = 0.05,
    power: float = 0.8,
    corrected: bool = True,
    looks: tuple[int, ...] = (),
) -> tuple[Design, ...]:
    """The valid ways of judging these gains over one or several baselines, side by side.

    `sd` is that of one gain, paired by seed. Cells are taken to vary alike, so that an average of k gains
    over one baseline has √((1 + 1/k)/2) of it, and the moderated test its degrees of freedom under equal
    correlations; Holm is counted at its first step, α/m.

    Args:
        averages: how many gains each average is of; one average of all gains if empty.
        looks: of planned interim analyses. Each tests at its nominal level, so the numbers are those of one
            look alone, and earlier looks may find more; the moderated test has none.
    """
    averages = averages or (gains,)
    m, k = (gains, len(averages)) if corrected else (1, 1)
    average_sd = sd * math.sqrt((1 + 1 / min(averages)) / 2)
    ways: list[Design] = []
    asked: tuple[tuple[Literal["overall", "primary", "gains"], int, float, int], ...] = (
        ("overall", len(averages), average_sd, k),
        ("primary", 1, sd, 1),
        ("gains", gains, sd, m),
    )
    for question, size, spread, divisor in asked:
        level = nominal_level(looks, alpha / divisor)
        seeds = None if effect is None else seeds_needed(effect, spread, level, power)
        ways.append(Design(question, size, detectable(n, spread, level, power), seeds))
    if gains >= 3 and not looks:
        ways.append(_moderated(n, sd, gains, effect, alpha / m, power))
    return tuple(ways)


def _moderated(n: int, sd: float, gains: int, effect: float | None, level: float, power: float) -> Design:
    rho = np.asarray(gains / (1 + (gains - 1) / 4))  # gains over one baseline correlate by a half

    def df_of(seeds: Floats, rows: NDArray[np.intp]) -> Floats:
        return moderated_df(seeds, rho)

    fewest = fewest_gains(n)
    mde = None
    if fewest is not None and gains >= fewest:
        df = moderated_df(np.array([float(n)]), rho)
        mde = float(sd / math.sqrt(n) * detectable_noncentrality(df, level, power)[0])
    seeds = None
    if effect is not None:
        least = 3 if gains >= 6 else 4
        needed = seeds_needed_each(np.array([effect / sd]), level, power, df_of)[0]
        seeds = None if math.isnan(needed) else max(least, int(needed))
    return Design("gains, moderated", gains, mde, seeds)


@dataclass(frozen=True)
class Power:
    """The document `rigorkd.power/1`. `mde` is in the units of `sd`; `seeds_needed` answers `effect`."""

    schema: str
    n: int
    sd: float
    alpha: float
    power: float
    comparisons: int
    mde: float | None
    seeds_needed: int | None
    effect: float | None
    sesoi: float | None
    equivalence_power: float | None
    correction: Correction
    designs: tuple[Design, ...] = ()
    looks: tuple[int, ...] = ()


def power(
    n: int,
    sd: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    comparisons: int = 1,
    effect: float | None = None,
    sesoi: float | None = None,
    correction: Correction = "holm",
    looks: tuple[int, ...] = (),
) -> Power:
    """Answer all questions about one design.

    Args:
        n: seeds. sd: standard deviation of the paired differences, in the metric's units.
        comparisons: family size m; each test is made at alpha/m, the first step of Holm and of
            Benjamini–Hochberg, or at alpha with the correction "none".
        effect: difference to find the seeds for. sesoi: bound of an equivalence to prove.
        looks: numbers of seeds of planned interim analyses, each at its nominal level; n is one of them.

    Raises:
        TableError: an argument is impossible.
    """
    _check(n=n, sd=sd, alpha=alpha, power=power, comparisons=comparisons)
    if effect is not None and not 0 < abs(effect) < math.inf:
        raise TableError(
            f"effect = {effect:g} is not a difference to look for", hint="give one that is not 0"
        )
    if sesoi is not None and not 0 < sesoi < math.inf:
        raise TableError(
            f"sesoi = {sesoi:g} is not a smallest effect of interest", hint="give a number above 0"
        )
    if looks:
        for message, hint in unusable("paired", "seeds", looks, correction):
            raise TableError(message, hint=hint)
        if n not in looks:
            listed = ", ".join(map(str, looks))
            raise TableError(f"n = {n} is none of the looks {listed}", hint="give one of them")
    m = 1 if correction == "none" else comparisons
    level = nominal_level(looks, alpha / m)
    return Power(
        schema="rigorkd.power/1",
        n=n,
        sd=sd,
        alpha=alpha,
        power=power,
        comparisons=comparisons,
        mde=detectable(n, sd, level, power),
        seeds_needed=None if effect is None else seeds_needed(abs(effect), sd, level, power),
        effect=effect,
        sesoi=sesoi,
        equivalence_power=None if sesoi is None else equivalence_power(n, sd, sesoi, level),
        correction=correction,
        looks=looks,
        designs=designs(
            n,
            sd,
            comparisons,
            sesoi if effect is None else abs(effect),
            alpha=alpha,
            power=power,
            corrected=correction != "none",
            looks=looks,
        )
        if comparisons > 1
        else (),
    )


def detectable(
    n: int, sd: float, alpha: float = 0.05, power: float = 0.8, comparisons: int = 1
) -> float | None:
    """The smallest true mean difference that n paired seeds detect with this power; None if n < 2."""
    if n < 2:
        return None
    return sd * detectable_dz(n, alpha / comparisons, power)


@lru_cache(maxsize=4096)
def detectable_dz(n: int, alpha: float, power: float = 0.8) -> float:
    """The smallest standardised difference dz = δ/σ_d that a two-sided paired t test at alpha detects."""
    low, high = 0.0, 1.0
    while t_test_power(high, n, alpha) < power:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_test_power(middle, n, alpha) < power else (low, middle)
    return high


def t_test_power(dz: float, n: int, alpha: float) -> float:
    """Power of the two-sided one-sample t test: P(|T| > t_crit), T noncentral t with n − 1 df and dz·√n."""
    critical = float(-special.stdtrit(n - 1, alpha / 2))
    shift = np.asarray(abs(dz) * math.sqrt(n))
    return 1.0 - float(nct_cdf(n - 1, shift, critical)) + float(nct_cdf(n - 1, shift, -critical))


def nct_cdf(df: Floats | float, noncentrality: Floats, t: Floats | float) -> Floats:
    """P(T ≤ t) of the noncentral t. scipy gives NaN far out in the tails, where it is 0 or 1."""
    value = special.nctdtr(df, noncentrality, t)
    return np.asarray(np.where(np.isnan(value), np.where(noncentrality > t, 0.0, 1.0), value))


def seeds_needed(
    effect: float, sd: float, alpha: float = 0.05, power: float = 0.8, comparisons: int = 1
) -> int | None:
    """The fewest paired seeds that detect a true difference `effect`; None beyond 100,000."""
    needed = seeds_needed_each(np.array([effect / sd if sd > 0 else math.inf]), alpha / comparisons, power)[0]
    return None if math.isnan(needed) else int(needed)


def paired_df(n: Floats, rows: NDArray[np.intp]) -> Floats:
    """The degrees of freedom of the paired t test with n seeds."""
    return n - 1


def seeds_needed_each(
    dz: Floats, alpha: float, power: float = 0.8, df_of: DegreesOfFreedom = paired_df
) -> Floats:
    """The fewest seeds for each standardised difference, shape (k,); NaN beyond 100,000 or where unknown.

    A standardised difference is one of the difference to its standard error at one seed.
    """
    size = np.abs(np.asarray(dz, dtype=np.float64))

    def reached(n: Floats, at: Floats) -> NDArray[np.bool_]:
        df = df_of(n, ask)
        critical = np.asarray(-special.stdtrit(df, alpha / 2), dtype=np.float64)
        shift = np.asarray(at * np.sqrt(n), dtype=np.float64)
        missed = np.asarray(nct_cdf(df, shift, critical) - nct_cdf(df, shift, -critical))
        return np.asarray(missed <= 1 - power, dtype=np.bool_)

    out = np.full(size.shape, np.nan)
    ask = np.flatnonzero((size > 0) & ~np.isnan(size))
    if ask.size == 0:
        return out
    at = size[ask]
    low, high = np.ones(ask.size), np.full(ask.size, float(MAX_SEEDS))
    possible = reached(high, at)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        hit = reached(np.maximum(middle, 2.0), at)
        high = np.where(hit, middle, high)
        low = np.where(hit, low, middle)
    out[ask[possible]] = np.maximum(high[possible], 2.0)
    return out


def fewest_gains(n: int) -> int | None:
    """The fewest gains with which the moderated test holds its level at n seeds; None where none do."""
    return {0: None, 1: None, 2: None, 3: 6}.get(n, 3)


def refusal(n: int, m: int) -> str:
    """Why the moderated test is not valid for m gains over n seeds; empty if it is."""
    fewest = fewest_gains(n)
    if fewest is not None and m >= fewest:
        return ""
    wanted = "needs 4 seeds" if m < 6 else "needs 3 seeds"
    if m < 3:
        wanted = "needs 3 gains"
    there = f"{n} seed is" if n == 1 else f"{n} seeds are"
    return f"the moderated test of {m} gains {wanted} or more, and {there} complete"


def moderated_df(n: Floats, rho: Floats) -> Floats:
    """Degrees of freedom of the moderated test: Satterthwaite's, at most d₀ + n − 1; see `moderated`."""
    w = PRIOR_DF / (PRIOR_DF + n - 1)
    inverse = (w**2 / rho + (1 - w) ** 2 + 2 * w * (1 - w) / rho) / (n - 1)
    return np.asarray(np.minimum(1 / inverse, PRIOR_DF + n - 1))


def detectable_noncentrality(df: Floats, alpha: float, power: float = 0.8) -> Floats:
    """The noncentrality at which a two-sided t test with `df` degrees of freedom has this power; (k,)."""
    known = np.isfinite(df)
    at, place = np.unique(np.where(known, df, 1.0), return_inverse=True)  # mostly one for a whole family
    critical = np.asarray(-special.stdtrit(at, alpha / 2), dtype=np.float64)
    low, high = np.zeros(at.shape), 2 * critical + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        missed = np.subtract(nct_cdf(at, middle, critical), nct_cdf(at, middle, -critical))
        enough = missed <= 1 - power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.where(known, high[place], np.nan))


def errors_of_what_is_found(shift: Floats, df: Floats, alpha: float) -> tuple[Floats, Floats]:
    """How wrong a difference is that a two-sided t test at alpha found, on average (Gelman and Carlin 2014).

    Given s/σ the mean is normal and so is what lies beyond the critical value; both are integrated over the
    χ² law of s, so that a small s, which finds more, counts. (Gelman and Carlin hold s fixed; with many
    degrees of freedom it is the same.)

    Args:
        shift: the true difference in its standard errors, above 0; (k,).

    Returns:
        How many times too large it is, and how probably of the wrong sign.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    at = np.where(np.isfinite(df), df, 1.0)[:, None]
    bound = -special.stdtrit(at, alpha / 2) * np.sqrt(special.chdtri(at, (1 - nodes) / 2) / at)
    delta = np.asarray(shift, dtype=np.float64)[:, None]
    above, below = special.ndtr(delta - bound), special.ndtr(-delta - bound)
    density = (np.exp(-((bound - delta) ** 2) / 2) + np.exp(-((bound + delta) ** 2) / 2)) / np.sqrt(2 * np.pi)
    size = (delta * (above - below) + density) @ (weights / 2)
    power = (above + below) @ (weights / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return size / power / delta[:, 0], below @ (weights / 2) / power


def equivalence_power(n: int, sd: float, sesoi: float, alpha: float = 0.05, comparisons: int = 1) -> float:
    """Probability that n seeds show equivalence within ±sesoi at alpha/m when the true difference is 0.

    TOST declares it when |mean| < sesoi − t·s/√n. Given s that is a normal probability; it is integrated over
    the χ² law of s.
    """
    if n < 2:
        return 0.0
    if sd == 0:
        return 1.0
    df = n - 1
    critical = -special.stdtrit(df, alpha / comparisons)
    largest = sesoi * math.sqrt(n) / (sd * critical)  # the s/σ at which the margin vanishes
    q = np.linspace(0.0, 1.0, 4001)
    # substitute the χ² distribution function, so that equal steps have equal probability
    u = (q[:-1] + q[1:]) / 2 * special.chdtr(df, df * largest**2)
    s = np.sqrt(special.chdtri(df, 1 - u) / df)
    margin = sesoi * math.sqrt(n) / sd - critical * s
    inside = 2 * special.ndtr(np.maximum(margin, 0.0)) - 1
    return float(inside.mean() * special.chdtr(df, df * largest**2))


def _check(*, n: int, sd: float, alpha: float, power: float, comparisons: int) -> None:
    if n < 2:
        raise TableError(
            f"n = {n}: one seed has no spread", hint="a comparison needs 2 seeds; `rigorkd audit` judges one"
        )
    if not 0 < sd < math.inf:
        raise TableError(f"sd = {sd:g} is not a standard deviation", hint="give a number above 0")
    if not 0 < alpha < 0.5:
        raise TableError(f"alpha = {alpha:g} is not an error rate", hint="give one between 0 and 0.5")
    if not alpha < power < 1:
        raise TableError(f"power = {power:g} is impossible", hint="give a probability, such as 0.8")
    if comparisons < 1:
        raise TableError(f"comparisons = {comparisons}: a family has at least one", hint="give 1 or more")
