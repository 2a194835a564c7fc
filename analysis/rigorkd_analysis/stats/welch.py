"""Two independent samples: the difference of their means, Welch's test, interval and two one-sided tests.

Two studies share no randomness, so their samples are independent, and their variances need not be equal.

Sources: Welch (1947) for the test; Satterthwaite (1946) for its degrees of freedom; Schuirmann (1987) for the
two one-sided tests. scipy.stats.ttest_ind and statsmodels' ttost_ind are the oracles in the tests.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from rigorkd_analysis.stats.moments import Floats, Moments
from rigorkd_analysis.stats.paired import Settings, t_test, tost
from rigorkd_analysis.stats.sample_size import nct_cdf


def welch(a: Moments, b: Moments, settings: Settings) -> dict[str, Floats]:
    """Compare k pairs of samples, a − b: one array of shape (k,) per statistic, by its name in the results.

    NaN where a side has no spread to estimate an error from. `settings.m` is the family's size as the
    correction counts it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        va, vb = a.sd**2 / a.n, b.sd**2 / b.n
        se = np.sqrt(va + vb)
        df = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1))
        diff = a.mean - b.mean
        t, p = t_test(diff, se, df)
        half = -special.stdtrit(df, settings.alpha / 2) * se
        wide = -special.stdtrit(df, settings.alpha / settings.m / 2) * se
        narrow = -special.stdtrit(df, settings.alpha) * se
        equivalence = np.full(diff.shape, np.nan)
        if settings.sesoi is not None:
            equivalence = tost(diff, se, df, settings.sesoi)
    return {
        "mean_diff": diff,
        "se": se,
        "df": df,
        "t": t,
        "p": p,
        "ci_low": diff - half,
        "ci_high": diff + half,
        "ci_simultaneous_low": diff - wide,
        "ci_simultaneous_high": diff + wide,
        "p_equivalence": equivalence,
        "equivalence_ci_low": diff - narrow,
        "equivalence_ci_high": diff + narrow,
        "mde": se * detectable_noncentrality(df, settings.alpha / settings.m),
    }


def detectable_noncentrality(df: Floats, alpha: float, power: float = 0.8) -> Floats:
    """The noncentrality at which a two-sided t test with `df` degrees of freedom has this power; (k,)."""
    known = np.isfinite(df)
    at = np.where(known, df, 1.0)
    critical = np.asarray(-special.stdtrit(at, alpha / 2), dtype=np.float64)
    low, high = np.zeros(at.shape), 2 * critical + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        missed = np.subtract(nct_cdf(at, middle, critical), nct_cdf(at, middle, -critical))
        enough = missed <= 1 - power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.where(known, high, np.nan))
