"""All gains of a family taken together: their average, their spread, and whether they are the same.

A study of many teacher × student × data settings is summed up over its settings, not by a count of stars: ten
gains of which two are significant may all be equal, and ten that are not significant may together be clear.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.factorial import repeated_measures
from rigorkd_analysis.metrics import Goal
from rigorkd_analysis.paired import mean_interval
from rigorkd_analysis.results import Consistency
from rigorkd_analysis.wording import Phrasing, p_text, percent_text

Floats = NDArray[np.float64]

MIN_SETTINGS = 3
_MAX_TESTED = 100


def consistency(
    d: Floats, goal: Goal, alpha: float, say: Phrasing, *, converged_only: bool = False
) -> Consistency | None:
    """Sum up gains (settings, seeds) over the seeds that all settings have; None for fewer than 3 of them.

    Args:
        converged_only: runs of these settings diverged, so that the seeds that are left are a selection.
    """
    m = d.shape[0]
    d = d[:, ~np.isnan(d).any(axis=0)]
    n = d.shape[1]
    if m < MIN_SETTINGS or n < 2:
        return None
    per_seed, per_setting = d.mean(axis=0), d.mean(axis=1)
    mean, sd = float(per_seed.mean()), float(per_seed.std(ddof=1))
    low = high = None
    if sd > 1e-12 * float(np.abs(d).max()):
        ends = mean_interval(np.array([mean]), np.array([sd]), np.array([float(n)]), alpha)
        low, high = float(ends[0][0]), float(ends[1][0])
    residual = d - per_setting[:, None] - per_seed + mean
    ms_residual = float((residual**2).sum()) / ((m - 1) * (n - 1))
    ms_setting = n * float(((per_setting - mean) ** 2).sum()) / (m - 1)
    between = float(np.sqrt(max(0.0, (ms_setting - ms_residual) / n)))
    p = None
    if m <= _MAX_TESTED:
        basis = np.asarray(np.linalg.qr(np.column_stack([np.ones(m), np.eye(m)[:, 1:]]))[0][:, 1:])
        p = repeated_measures(np.asarray(d.T), basis).p
    sign = 1.0 if goal == "max" else -1.0
    favourable = int((sign * per_setting > 0).sum())
    seeds = f"{n} seeds at which every run converged" if converged_only else f"{n} seeds"
    interval = f"{percent_text(1 - alpha)} CI {say.interval(low, high)} over {seeds}, for these very settings"
    if low is None:
        interval = f"the same at all {seeds}, so without an interval"
    says = (
        f"Over the {m} settings the gain averages {say.number(mean, True)}{say.unit} ({interval}); "
        f"{favourable} of {m} {'points' if favourable == 1 else 'point'} the way of the goal"
    )
    if p is not None:
        same = "they differ from each other" if p < alpha else "that they differ from each other is not shown"
        says += f", and {same} ({p_text(p)}, sd between settings {say.number(between)})"
    return Consistency(m, n, mean, low, high, favourable, between, p, says + ".")
