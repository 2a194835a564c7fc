"""Exact tests: over the 2^n signs of n paired differences (the mean's, and Wilcoxon's ranks), and McNemar's.

Those over signs are sensitivity checks beside the t test. At n = 5 neither can go below 2/2^5 = .0625,
whatever the data: that is the design's limit, not evidence against an effect.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from rigorkd_analysis.stats.moments import Floats

#: Past this many seeds 2^n sums are not enumerated, even in halves.
MAX_EXACT = 36
_DIRECT = 13


@lru_cache(maxsize=32)
def _signs(n: int) -> Floats:
    """All 2^n rows of ±1, shape (2^n, n)."""
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


def signflip_floor(n: int) -> float:
    """The smallest two-sided p-value that n sign flips can give."""
    return min(1.0, 2.0 / 2.0**n)


def exact_from(level: float) -> int:
    """The fewest seeds at which an exact test over signs can reject at this two-sided level."""
    return int(np.floor(np.log2(2 / level))) + 1


def binomial_interval(successes: Floats, n: int, alpha: float) -> tuple[Floats, Floats]:
    """Clopper and Pearson's (1934) 1 − alpha interval of a probability; successes may count halves."""
    low = special.betaincinv(np.maximum(successes, 0.5), n - successes + 1, alpha / 2)
    high = special.betaincinv(successes + 1, np.maximum(n - successes, 0.5), 1 - alpha / 2)
    return np.where(successes > 0, low, 0.0), np.where(successes < n, high, 1.0)


def superiority(a: Floats, b: Floats, alpha: float) -> tuple[float, float, float]:
    """P(a run of a > a run of b) from two independent samples, ties counting half, with its interval.

    The interval is Newcombe's (2006) fifth: Hanley and McNeil's variance at the bound itself, so that it
    is one also where all of a lies above all of b. NaN where a sample is empty.
    """
    if not (a.size and b.size):
        return (float("nan"),) * 3
    share = float(((a[:, None] > b).mean() + (a[:, None] >= b).mean()) / 2)
    z = -float(special.ndtri(alpha / 2))
    effective = (a.size + b.size) / 2 - 1

    def excess(theta: float) -> float:
        spread = 1 + effective * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(share - theta) - z * float(np.sqrt(theta * (1 - theta) * spread / (a.size * b.size)))

    ends = []
    for end in (0.0, 1.0):
        inside, outside = share, end
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if excess(middle) > 0 else (middle, outside)
        ends.append(inside)
    return share, ends[0], ends[1]


def signflip(d: Floats) -> Floats:
    """Two-sided exact sign-flip p-value of the mean of each row of `d` (k, n); NaN for n > 36.

    p is the share of the 2^n sign patterns whose |sum| reaches the observed one (Fisher 1935).
    """
    k, n = d.shape
    if n > MAX_EXACT:
        return np.full(k, np.nan)
    observed = np.abs(d.sum(axis=1))
    slack = 1e-9 * np.abs(d).sum(axis=1)  # equal sums must tie in floating point too
    out = np.empty(k)
    if n <= _DIRECT:
        half = _signs(n)[: 2 ** (n - 1)]  # the other half are the negatives
        step = max(1, 4_000_000 // half.shape[0])
        for start in range(0, k, step):
            block = slice(start, start + step)
            sums = np.abs(d[block] @ half.T)
            out[block] = (sums >= (observed - slack)[block, None]).mean(axis=1)
        return out
    left = n // 2
    for row in range(k):  # meet in the middle: |l + r| ≥ T counted by sorted search
        low = observed[row] - slack[row]
        sums_left = _signs(left) @ d[row, :left]
        sums_right = np.sort(_signs(n - left) @ d[row, left:])
        above = sums_right.size - np.searchsorted(sums_right, low - sums_left, side="left")
        below = np.searchsorted(sums_right, -low - sums_left, side="right")
        out[row] = min(1.0, (above.sum() + below.sum()) / 2.0**n) if low > 0 else 1.0
    return out


def wilcoxon(d: Floats) -> Floats:
    """Wilcoxon's signed-rank p-value of each row of `d` (k, n), two-sided, as scipy's default gives it.

    Exact without ties and zeros up to n = 50; by enumeration with them up to n = 13; else the normal
    approximation with tie correction. Zeros are dropped (Wilcoxon 1945). NaN if all differences are 0.
    """
    out = np.full(d.shape[0], np.nan)
    for row, values in enumerate(d):
        out[row] = _wilcoxon_row(values)
    return out


def _wilcoxon_row(d: Floats) -> float:
    used = d[d != 0]
    if used.size == 0:
        return float("nan")
    _, where, counts = np.unique(np.abs(used), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[where]
    plus = float(ranks[used > 0].sum())
    tied = used.size < d.size or counts.size < used.size
    n = used.size
    if not tied and d.size <= 50:
        cdf = _rank_sum_cdf(n)
        return float(min(1.0, 2 * min(cdf[int(plus)], cdf[int(n * (n + 1) / 2 - plus)])))
    if tied and d.size <= 13:
        sums = (_signs(n) > 0) @ ranks
        lower, upper = (sums <= plus + 1e-9).mean(), (sums >= plus - 1e-9).mean()
        return float(min(1.0, 2 * min(lower, upper)))
    variance = (n * (n + 1) * (2 * n + 1) - float((counts**3 - counts).sum()) / 2) / 24
    z = (plus - n * (n + 1) / 4) / variance**0.5
    return float(2 * special.ndtr(-abs(z)))


@lru_cache(maxsize=64)
def _rank_sum_cdf(n: int) -> Floats:
    """P(W+ ≤ w) for w = 0 … n(n + 1)/2 without ties, by the usual recursion over ranks."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] = (ways + np.concatenate([np.zeros(rank), ways[:-rank]]))[rank:]
    return np.asarray(np.cumsum(ways) / 2.0**n, dtype=np.float64)


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact two-sided p: `only_a` images that only a gets right, `only_b` that only b does."""
    if abs(only_a - only_b) <= 1:  # half of the discordant images or more lie in either tail
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def mcnemar_of_clusters(differences: Floats) -> float:
    """McNemar's exact two-sided p for images in clusters, whose differences have their signs by a fair coin.

    `differences`, (clusters,): the images of a cluster that only a gets right, less those that only b does.
    With clusters of one image it is McNemar's test.
    """
    steps = np.abs(np.rint(differences)).astype(np.int64)
    total, seen = int(steps.sum()), abs(int(np.rint(differences).sum()))
    if seen == 0:
        return 1.0
    # the characteristic function of the sum, a product of cosines, at as many places as it has values
    angle = 2 * np.pi * np.arange(2 * total + 1) / (2 * total + 1)
    product = np.ones(angle.size)
    for step, times in zip(*np.unique(steps[steps > 0], return_counts=True), strict=True):
        product *= np.cos(step * angle) ** int(times)
    ways = np.fft.ifft(product).real  # of the sums 0, 1, …, total, −total, …, −1
    return float(min(1.0, max(0.0, 2 * ways[seen : total + 1].sum())))
