"""What printed numbers imply: Wilson intervals, McNemar bounds, break-even sd, t ranges, n from t and p."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from scipy import special

from rigorkd_analysis.stats.exact import mcnemar
from rigorkd_analysis.table_error import TableError

PAIRED_R = 0.9
"""About the largest correlation of seed pairs seen in real studies (−.19 to .99 between cells)."""


@dataclass(frozen=True)
class Counts:
    """The numbers of correct test images that a printed accuracy allows, and the nearest one.

    `exists` is False if no whole number of images rounds to what is printed.
    """

    low: int
    high: int
    nearest: int
    exists: bool


@dataclass(frozen=True)
class McNemarBounds:
    """Bounds over all per-image outcomes that two accuracies allow.

    Attributes:
        images: the difference in images; discordant_min and _max: images that exactly one network gets right.
        p_min, p_max: of McNemar's exact test.
        rejects_up_to_discordant: the most discordant images at which it still rejects; None if it never does.
    """

    images: int
    discordant_min: int
    discordant_max: int
    p_min: float
    p_max: float
    rejects_up_to_discordant: int | None


@dataclass(frozen=True)
class Recovered:
    """What a printed paired t and its p imply."""

    t: float
    p: float
    n: int
    p_at_n: float
    difference: float | None
    sd: float | None
    ci_low: float | None
    ci_high: float | None
    says: str


def counts(value: Decimal, decimals: int, n_test: int, whole: int) -> Counts:
    """Counts that round to `value` at this many decimals; `whole` is 100 for percent, 1 for fractions."""
    half = Decimal(1).scaleb(-decimals) / 2
    low = math.ceil((value - half) * n_test / whole)
    high = math.floor((value + half) * n_test / whole)
    nearest = min(n_test, max(0, round(value * n_test / whole)))
    low, high = max(0, low), min(n_test, high)
    return Counts(low, high, nearest, True) if low <= high else Counts(nearest, nearest, nearest, False)


def wilson(correct: int, n: int, alpha: float) -> tuple[float, float]:
    """The 1 − alpha interval of a proportion (Wilson 1927), as shares."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(correct, n, alpha, method="wilson")
    return max(0.0, float(low)), min(1.0, float(high))


def mcnemar_at(delta: int, only_worse: int) -> float:
    """Exact p where `only_worse` images are right in the worse network only, delta more in the other."""
    return mcnemar(only_worse + delta, only_worse)


def mcnemar_bounds(a: Counts, b: Counts, n_test: int, alpha: float) -> McNemarBounds:
    """Bounds for the lower accuracy a and the higher one b, over the counts that their rounding allows.

    p(b) = min(1, 2·P(Bin(Δ + 2b, ½) ≤ b)) rises with b, the images that only the worse network gets right.
    """
    images = abs(b.nearest - a.nearest)
    widest = max(abs(b.high - a.low), abs(a.high - b.low))
    smallest = max(0, b.low - a.high, a.low - b.high)
    most = min(a.high, n_test - b.low) if smallest else min(a.high, b.high, n_test - max(a.low, b.low))
    sums = (a.low + b.low, a.high + b.high)
    discordant_max = n_test if sums[0] <= n_test <= sums[1] else max(min(s, 2 * n_test - s) for s in sums)
    p_min = min(1.0, math.ldexp(1.0, 1 - widest)) if widest < 1075 else 0.0
    p_max = mcnemar_at(smallest, max(0, most))
    rejects_up_to = None
    if mcnemar_at(smallest, 0) < alpha:
        low, high = 0, max(0, most)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if mcnemar_at(smallest, middle) < alpha else (low, middle - 1)
        rejects_up_to = smallest + 2 * low
    return McNemarBounds(images, smallest, discordant_max, p_min, p_max, rejects_up_to)


def break_even_sd(difference: float, k: float, alpha: float = 0.05, r: float = 0.0) -> float:
    """The seed standard deviation above which chance alone explains a difference of means of k seeds.

    Where the two have different numbers, k is their harmonic mean. Pairs of seeds that correlate by r leave
    √(1 − r) of the spread in a difference.
    """
    z = -float(special.ndtri(alpha / 2))
    return abs(difference) * math.sqrt(k) / (z * math.sqrt(2 * (1 - r)))


def image_noise_sd(error_rate: float, n_test: int) -> float:
    """√(err/2N), the spread over seeds that Jordan (2023, arXiv 2304.01910) found in well-trained networks.

    A yardstick and no test: on small or under-trained networks the spread was 1.4 to 32 times as large.
    """
    return math.sqrt(error_rate / (2 * n_test))


def t_range(difference: float, sd_a: float, sd_b: float, k: int) -> tuple[float, float]:
    """The least and the largest |t| of the paired test, whatever the pairing: the correlation is −1 or 1."""
    size = abs(difference) * math.sqrt(k)
    most = sd_a + sd_b
    least = abs(sd_a - sd_b)
    return (size / most if most else math.inf), (size / least if least else math.inf)


def welch_test(
    difference: float, a: tuple[float, int], b: tuple[float, int]
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Welch's t, its df and p, of two means given each as (sd, n); None where neither has a spread."""
    va, vb = a[0] ** 2 / a[1], b[0] ** 2 / b[1]
    if va + vb == 0:
        return None, None, None
    df = (va + vb) ** 2 / (va**2 / (a[1] - 1) + vb**2 / (b[1] - 1))
    t = difference / math.sqrt(va + vb)
    return t, df, two_sided_p(t, df)


def two_sided_p(t: float, df: float) -> float:
    """Of Student's t."""
    return 0.0 if math.isinf(t) else 2 * float(special.stdtr(df, -abs(t)))


def recover(t: float, p: float, difference: float | None = None, alpha: float = 0.05) -> Recovered:
    """The number of pairs behind a printed t and two-sided p; with the difference, its sd and interval.

    Raises:
        TableError: the numbers are impossible, or no number of pairs gives them.
    """
    if not 0 < p < 1 or t == 0 or not math.isfinite(t):
        raise TableError(f"t = {t:g} with p = {p:g} is no test result", hint="give t ≠ 0 and 0 < p < 1")
    tail = [two_sided_p(t, df) for df in range(1, 1000)]
    df = min(range(1, 1000), key=lambda candidate: abs(math.log(max(tail[candidate - 1], 1e-300) / p)))
    found = tail[df - 1]
    if abs(found - p) > 0.05 * p + 1e-12:
        raise TableError(
            f"no number of pairs gives t = {t:g} and p = {p:g}; at n = {df + 1} p is {found:.3g}",
            hint="the test may be one-sided or unpaired, or a number is misprinted",
        )
    n = df + 1
    says = f"t = {t:g} with p = {p:g} is a paired test of n = {n}"
    if difference is None:
        return Recovered(t, p, n, found, None, None, None, None, says + ".")
    sd = abs(difference) * math.sqrt(n) / abs(t)
    half = -float(special.stdtrit(df, alpha / 2)) * sd / math.sqrt(n)
    says += (
        f": the differences have sd {sd:.2f}, and the {100 * (1 - alpha):g} % interval of {difference:g} "
        f"is {difference - half:.2f} to {difference + half:.2f}."
    )
    return Recovered(t, p, n, found, difference, sd, difference - half, difference + half, says)
