"""Adjusted p-values of one family: to the last bit those of statsmodels, which a test compares.

Holm (1979) controls the family-wise error without assumptions; Bonferroni likewise, bluntly; Benjamini and
Hochberg (1995) controls the false discovery rate. A comparison without a p-value (None upstream, NaN here)
still counts in the family's size: it was asked. Written out, since importing statsmodels' loads scipy.stats,
which takes longer than a whole analysis.
"""

from __future__ import annotations

import numpy as np

from rigorkd_analysis.analysis_plan import Correction
from rigorkd_analysis.stats.moments import Floats


def adjust(p: Floats, method: Correction) -> Floats:
    """Adjusted p-values, shape (m,), NaN where `p` is NaN."""
    if method == "none" or p.size == 0:
        return p.copy()
    unknown = np.isnan(p)
    known = np.where(unknown, 1.0, p)  # a p of 1 takes the last ranks, so it counts and changes no other
    order = np.argsort(known)
    rising = known[order]
    m = len(p)
    if method == "holm":
        rising = np.maximum.accumulate(rising * np.arange(m, 0, -1))
    elif method == "bonferroni":
        rising = rising * float(m)
    else:
        rising = np.minimum.accumulate((rising / (np.arange(1, m + 1) / float(m)))[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(rising, 1.0)
    return np.where(unknown, np.nan, adjusted)
