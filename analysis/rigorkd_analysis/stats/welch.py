"""Independent samples: the difference of their means, Welch's test, interval and two one-sided tests.

Two studies share no randomness, nor do runs without common seeds, so their samples are independent, and their
variances need not be equal.

Sources: Welch (1947) for the test; Satterthwaite (1946) for its degrees of freedom; Schuirmann (1987) for the
two one-sided tests. scipy.stats.ttest_ind and statsmodels' ttost_ind are the oracles in the tests.
"""

from __future__ import annotations

import numpy as np

from rigorkd_analysis.stats.moments import Floats, Moments
from rigorkd_analysis.stats.paired import Settings, needed, t_columns

#: A cell with more than this share of a difference's variance lends it its own degrees of freedom: those of
#: Satterthwaite are too many in the tails there, and nine gains at once erred at .064 (20,000 replicates).
DOMINANT = 0.8


def welch(a: Moments, b: Moments, settings: Settings) -> dict[str, Floats]:
    """Compare k pairs of samples, a − b: one array of shape (k,) per statistic, by its name in the results.

    NaN where a side has no spread to estimate an error from. `settings.m` is the family's size as the
    correction counts it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        va, vb = a.sd**2 / a.n, b.sd**2 / b.n
        se = np.sqrt(va + vb)
        df = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1))
    return {"se": se, **t_columns(a.mean - b.mean, se, df, settings)}


def each_against(cells: Moments, i: int) -> tuple[Floats, Floats, Floats]:
    """Every cell minus cell i: the mean, its standard error and degrees of freedom, as `unpaired_columns`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.where(cells.sd > 0, cells.sd, np.nan) ** 2 / cells.n
        total = own + own[i]
        df = total**2 / (own**2 / (cells.n - 1) + own[i] ** 2 / (cells.n[i] - 1))
        df = np.where(own > DOMINANT * total, np.minimum(df, cells.n - 1), df)
        df = np.where(own[i] > DOMINANT * total, np.minimum(df, cells.n[i] - 1), df)
    return cells.mean - cells.mean[i], np.sqrt(total), df


def unpaired_columns(cells: Moments, weights: Floats, settings: Settings) -> dict[str, Floats]:
    """Σ weight · cell for k contrasts of independent cells; Welch's test where the contrast is a difference.

    The variance is Σ w²s²/n with Satterthwaite's degrees of freedom, but no more than n − 1 of a cell that
    has nearly all of it. NaN where a cell with a weight has no spread to estimate an error from.

    Args:
        cells: of all cells, by position.
        weights: shape (k, cells), 0 where a cell takes no part.
    """
    used = weights != 0
    parts = np.where(used, weights**2 * np.where(cells.sd > 0, cells.sd, np.nan) ** 2, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(used, parts / cells.n, 0.0)
        errors = np.where(used, variance**2 / (cells.n - 1), 0.0)
        se = np.sqrt(variance.sum(axis=1))
        df = variance.sum(axis=1) ** 2 / errors.sum(axis=1)
        dominates = variance > DOMINANT * variance.sum(axis=1, keepdims=True)
        df = np.minimum(df, np.where(dominates, cells.n - 1, np.inf).min(axis=1))
        mean = np.where(used, weights * cells.mean, 0.0).sum(axis=1)
        out = t_columns(mean, se, df, settings)
        # with n seeds in every cell the degrees of freedom are this many times n − 1
        each = np.where(dominates.any(axis=1), 1.0, parts.sum(axis=1) ** 2 / (parts**2).sum(axis=1))
    if settings.sesoi is not None:
        out |= needed(np.sqrt(parts.sum(axis=1)), df, settings, lambda n, rows: each[rows] * (n - 1))
    return out
