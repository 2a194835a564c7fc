"""Planned interim analyses: the nominal level at which each look tests, so that all of them hold alpha.

The level is the same at every look (Pocock 1977, for the t test of n observations at every look): the
alpha-quantile of the smallest two-sided p over the looks under the null hypothesis. A p-value over the looks
is the probability of a smallest p as small as the one seen.

No simulation is needed. With x_n = S_n/√(n·Σd²), t_n = √(n−1)·x_n/√(1−x_n²), and under the null the direction
of (d_1 … d_n) is uniform on the sphere, whatever its length. So for k further seeds

    x_{n+k} = √(n/(n+k))·cos φ·x_n + √(k/(n+k))·sin φ·q,   cos²φ ~ Beta(n/2, k/2),   q like x_k,

all three independent: the probability of a rejection at any later look, given x_n, is a double integral of
smooth functions, taken backwards from the last look.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import Chebyshev
from scipy import special

from rigorkd_analysis.stats.moments import Floats

_PHI, _PHI_WEIGHTS = np.polynomial.legendre.leggauss(48)
_THETA, _THETA_WEIGHTS = np.polynomial.legendre.leggauss(24)
_POINTS = 21
#: Levels between which the probability is interpolated, as it is nearly a power of the level.
_LEVELS = np.concatenate([np.geomspace(1e-6, 1e-2, 13), np.geomspace(0.015, 1.0, 19)])


def nominal_level(looks: tuple[int, ...], alpha: float) -> float:
    """The level of each look at which the smallest p of all of them lies with probability alpha."""
    if len(looks) < 2:
        return alpha
    levels, reached = _law(looks)
    return float(np.exp(np.interp(np.log(alpha), np.log(reached), np.log(levels))))


def p_over_looks(p: Floats, looks: tuple[int, ...]) -> Floats:
    """The p-value over all planned looks of the smallest p seen so far; NaN stays NaN."""
    if len(looks) < 2:
        return p
    levels, reached = _law(looks)
    at = np.log(np.clip(p, levels[0], 1.0))
    # below the table it is a multiple of the level
    return np.asarray(np.exp(np.interp(at, np.log(levels), np.log(reached))) * np.minimum(1.0, p / levels[0]))


@lru_cache(maxsize=64)
def _law(looks: tuple[int, ...]) -> tuple[Floats, Floats]:
    return _LEVELS, np.array([*(probability(looks, float(level)) for level in _LEVELS[:-1]), 1.0])


def probability(looks: tuple[int, ...], level: float) -> float:
    """The probability that the smallest p of paired t tests at these numbers of seeds is at most `level`."""
    bounds = [_bound(n, level) for n in looks]
    later: _Curve | None = None
    for place in range(len(looks) - 2, -1, -1):
        n, k = looks[place], looks[place + 1] - looks[place]
        later = _Curve.of(n, k, bounds[place], bounds[place + 1], later)
    if later is None:
        return level
    half = np.arcsin(bounds[0]) / 2  # x = sin θ has the density cos^(n−2) θ
    theta = half * (_PHI + 1)
    weight = half * _PHI_WEIGHTS * np.cos(theta) ** (looks[0] - 2)
    return float(level + (weight * later(np.sin(theta))).sum() / (special.beta(0.5, (looks[0] - 1) / 2) / 2))


def _bound(n: int, level: float) -> float:
    """The |x_n| beyond which p is at most `level`."""
    t = -float(special.stdtrit(n - 1, level / 2))
    return t / float(np.sqrt(n - 1 + t * t))


@dataclass(frozen=True)
class _Curve:
    """The probability of a later rejection as a function of x_n, 0 ≤ x_n ≤ high.

    Below `corner` the next look cannot reject, and above it the curve starts like a power of the distance: it
    is two polynomials, the upper one in the root of the distance.
    """

    corner: float
    high: float
    lower: Chebyshev | None
    upper: Chebyshev

    @classmethod
    def of(cls, n: int, k: int, high: float, bound: float, later: _Curve | None) -> _Curve:
        """From the look at n, which accepts up to `high`, to that at n + k, which accepts up to `bound`."""
        reach = bound**2 * (n + k) - k  # where the largest x_{n+k} is the bound
        corner = min(float(np.sqrt(max(reach, 0.0) / n)), high * (1 - 1e-9))
        points = (1 + np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)) / 2

        def fit(x: Floats) -> Chebyshev:
            values = _later(x, n, k, bound, later)
            return Chebyshev.fit(points, values, _POINTS - 1, domain=[0, 1])

        lower = fit(points * corner) if corner > 0 and later is not None else None
        return cls(corner, high, lower, fit(corner + points**2 * (high - corner)))

    def __call__(self, x: Floats) -> Floats:
        x = np.minimum(x, self.high)
        above = np.sqrt(np.maximum(x - self.corner, 0.0) / (self.high - self.corner))
        below = 0.0 if self.lower is None else self.lower(np.minimum(x / max(self.corner, 1e-300), 1.0))
        return np.asarray(np.where(x > self.corner, self.upper(above), below))


def _later(x: Floats, n: int, k: int, bound: float, later: _Curve | None) -> Floats:
    """For each x_n ≥ 0 the probability of a rejection at n + k, or after it, as `later` gives it."""
    a, b = np.sqrt(n / (n + k)) * x, np.sqrt(k / (n + k))  # x_{n+k} = a·cos φ + b·sin φ·q
    largest, shift = np.hypot(a, b), np.arctan2(a, b)  # at q = 1 it is largest·sin(φ + shift)
    angle = np.arcsin(np.minimum(bound / largest, 1.0))
    out = np.zeros(x.shape)
    for side in (1.0, -1.0):  # where x_{n+k} can lie beyond the bound, and beyond −bound
        low = np.clip(angle - side * shift, 0, np.pi / 2)
        high = np.clip(np.pi - angle - side * shift, 0, np.pi / 2)
        phi, weight = _between(low, high, n, k)
        least = (bound - side * a[:, None] * np.cos(phi)) / (b * np.sin(phi))
        share = np.where(least <= 1, 0.5, 0.0) if k == 1 else _beyond(np.minimum(least, 1.0), k)
        out += (weight * share).sum(axis=1)
        if later is not None and k == 1:
            for start, end in ((np.zeros(x.shape), low), (high, np.full(x.shape, np.pi / 2))):
                phi, weight = _between(start, end, n, k)
                out += (weight / 2 * later(np.abs(a[:, None] * np.cos(phi) + side * b * np.sin(phi)))).sum(
                    axis=1
                )
    if later is not None and k > 1:
        phi, weight = _between(np.zeros(x.shape), np.full(x.shape, np.pi / 2), n, k)
        centre, scale = a[:, None] * np.cos(phi), b * np.sin(phi)
        low = np.arcsin(np.clip((-bound - centre) / scale, -1, 1))
        high = np.arcsin(np.clip((bound - centre) / scale, -1, 1))
        half = (high - low)[..., None] / 2
        theta = low[..., None] + half * (_THETA + 1)
        law = half * _THETA_WEIGHTS * np.cos(theta) ** (k - 2) / special.beta(0.5, (k - 1) / 2)
        inside = law * later(np.abs(centre[..., None] + scale[..., None] * np.sin(theta)))
        out += (weight * inside.sum(axis=-1)).sum(axis=1)
    return out


def _between(low: Floats, high: Floats, n: int, k: int) -> tuple[Floats, Floats]:
    """Nodes between two angles for each x, and their weights under the law of φ."""
    half = np.maximum(high - low, 0.0)[:, None] / 2
    phi = low[:, None] + half * (_PHI + 1)
    density = 2 * np.cos(phi) ** (n - 1) * np.sin(phi) ** (k - 1) / special.beta(n / 2, k / 2)
    return phi, half * _PHI_WEIGHTS * density


def _beyond(q: Floats, k: int) -> Floats:
    """P(x_k ≥ q)."""
    tail = special.betainc((k - 1) / 2, 0.5, np.maximum(1 - q * q, 0.0)) / 2
    return np.asarray(np.where(q >= 0, tail, 1 - tail))
