"""What rounding does to differences: how far it may move one that is the same at every seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: As far may two differences lie apart, as a share of the values' size, that are one in float32: what PyTorch
#: logs. It keeps 2^-24 of a value; here are two values on each side, and room for a factor or an average.
FLOAT32 = 4e-7

_DECIMALS = 9


def last_digit(values: Floats) -> float:
    """A unit of the last decimal that these numbers are printed with; 0 where they have more than nine."""
    known = values[np.isfinite(values)]
    for decimals in range(_DECIMALS + 1):
        scaled = known * 10.0**decimals
        if (np.abs(scaled - np.round(scaled)) <= 1e-6).all():
            return 10.0**-decimals
    return 0.0


def rounding(cells: Floats, unit: float) -> float:
    """How far rounding may move a difference of these cells, where their values come in steps well above it.

    Accuracies come in steps of one image: 0.2833, 0.2867 and 0.2900 of 300 images against 0.2867, 0.2900 and
    0.2933 is one more image at each seed, and a t test would take the printed fourth decimal for spread. 0
    where values lie closer to each other than three roundings: then what is printed may be spread.

    Args:
        cells: values, shape (cells, seeds).
        unit: of the last digit that is printed; see `last_digit`.
    """
    far = max(unit, FLOAT32 * float(np.abs(cells).max(initial=0.0))) * (1 + 1e-6)
    several = False
    for values in np.sort(cells, axis=1):
        jumps = np.flatnonzero(np.diff(values) >= 3 * far / (1 + 2e-6)) + 1
        if any(float(np.ptp(step)) > far for step in np.split(values, jumps)):
            return 0.0
        several |= jumps.size > 0
    return far if several else 0.0
