"""Gains that lend one another some of their variance: the moderated t test, declared, never a default.

With s²_i the variance of gain i over n seeds, V the covariance of all m gains, d₀ = 3, w = d₀/(d₀ + n − 1),

    s̃²_i = w·mean(s²) + (1 − w)·s²_i,   t = mean/√(s̃²/n)
    ρ = clip((tr V)²/u, 1, m),   u = ((n−1)²/((n+1)(n−2)))·(tr V² − (tr V)²/(n−1))
    1/df = w²/((n−1)ρ) + (1−w)²/(n−1) + 2w(1−w)/((n−1)ρ),   df ≤ d₀ + n − 1

ρ is how many independent variances the mean one is worth (u estimates tr Σ² without bias), and df is
Satterthwaite's (1946). d₀ is fixed: estimated from so few gains, as limma does (Smyth 2004), the test rejects
up to .106 of true nulls where variances differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.stats.moments import Floats
from rigorkd_analysis.stats.paired import Settings, needed, t_columns
from rigorkd_analysis.stats.sample_size import PRIOR_DF, moderated_df


def moderated(d: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Means, standard errors, degrees of freedom and ρ of gains d (…, m, n) without gaps; (…, m) and (…).

    All m gains of a replicate are one family; the degrees of freedom are common to it.
    """
    m, n = d.shape[-2:]
    mean = d.mean(axis=-1)
    centred = d - mean[..., None]
    V = centred @ np.swapaxes(centred, -1, -2) / (n - 1)
    variance = np.diagonal(V, axis1=-2, axis2=-1)
    trace = variance.sum(axis=-1)
    squares = (V * V).sum(axis=(-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (n - 1) ** 2 / ((n + 1) * (n - 2)) * (squares - trace**2 / (n - 1))
        rho = np.where(u > 0, np.clip(trace**2 / u, 1.0, m), float(m))
    w = PRIOR_DF / (PRIOR_DF + n - 1)
    pooled = w * variance.mean(axis=-1)[..., None] + (1 - w) * variance
    return mean, np.sqrt(pooled / n), moderated_df(np.asarray(float(n)), rho), np.asarray(rho)


def moderated_columns(d: Floats, settings: Settings) -> dict[str, Floats]:
    """The declared test's numbers of m gains over the seeds that all of them have; d is (m, n)."""
    mean, se, df, rho = moderated(d)
    n = d.shape[1]

    def df_of(seeds: Floats, rows: NDArray[np.intp]) -> Floats:
        return moderated_df(seeds, rho)

    all_df = np.full(mean.shape, float(df))
    out = t_columns(mean, se, all_df, settings)
    if settings.sesoi is not None:
        out |= needed(se * np.sqrt(n), all_df, settings, df_of)
    return out
