"""Adjusted p-values of one family.

Holm (1979) controls the family-wise error without assumptions; Bonferroni likewise, bluntly; Benjamini and
Hochberg (1995) controls the false discovery rate. A comparison without a p-value (None upstream, NaN here)
still counts in the family's size: it was asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.plan import Correction

Floats = NDArray[np.float64]


def adjust(p: Floats, method: Correction) -> Floats:
    """Adjusted p-values, shape (m,), NaN where `p` is NaN."""
    if method == "none" or p.size == 0:
        return p.copy()
    m = p.size
    known = np.flatnonzero(~np.isnan(p))
    adjusted = np.full(m, np.nan)
    order = known[np.argsort(p[known], kind="stable")]
    if method == "bonferroni":
        adjusted[order] = m * p[order]
    elif method == "holm":  # the j-th smallest times m − j, made monotone from below
        adjusted[order] = np.maximum.accumulate((m - np.arange(order.size)) * p[order])
    else:  # bh: the j-th smallest times m / j, made monotone from above
        ranked = m / np.arange(1, order.size + 1) * p[order]
        adjusted[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.asarray(np.minimum(adjusted, 1.0), dtype=np.float64)
