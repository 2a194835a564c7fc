"""What printed numbers imply: Wilson intervals, McNemar bounds, break-even sd, t ranges, n from t and p."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from scipy import special

from rigorkd_analysis.published.printed_rounding import Span, half_unit
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
    """What a printed paired t and its p imply.

    Attributes:
        n: the number of pairs that fits best; n_low and n_high: all that the rounding of t and p allows.
        p_at_n: of this t and n.
        sd: of the numbers as they are printed, at n; sd_low and sd_high: over all that the rounding allows.
        ci_low, ci_high: the widest ends of the interval over all that the rounding allows.
    """

    t: float
    p: float
    n: int
    p_at_n: float
    difference: float | None
    sd: float | None
    ci_low: float | None
    ci_high: float | None
    says: str
    n_low: int
    n_high: int
    sd_low: float | None = None
    sd_high: float | None = None


def counts(value: Decimal, half: Decimal, n_test: int, whole: int) -> Counts:
    """Counts that a value off by up to `half` allows; `whole` is 100 for percent, 1 for fractions."""
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


def break_even_sd(
    difference: float, k: int, alpha: float = 0.05, r: float = 0.0, other: int | None = None
) -> float:
    """The seed standard deviation above which chance alone explains a difference of means of k seeds.

    Pairs of seeds that correlate by r leave √(1 − r) of the spread in a difference. Where the `other` mean
    has another number, the seeds of the smaller are taken to be among those of the larger.
    """
    few, many = sorted((k, k if other is None else other))
    z = -float(special.ndtri(alpha / 2))
    return abs(difference) / (z * math.sqrt(1 / few + 1 / many - 2 * r / many))


def image_noise_sd(error_rate: float, n_test: int) -> float:
    """√(err/2N), the spread over seeds that Jordan (2023, arXiv 2304.01910) found in well-trained networks.

    A yardstick and no test: on small or under-trained networks the spread was 1.4 to 32 times as large.
    """
    return math.sqrt(error_rate / (2 * n_test))


def t_range(difference: Span, sd_a: Span, sd_b: Span, k: int) -> tuple[float, float]:
    """The least and the largest |t| of the paired test, whatever the pairing and the rounding.

    The correlation is −1 or 1 at the ends. `difference` is its size.
    """
    most = sd_a.high + sd_b.high
    least = max(0.0, sd_a.low - sd_b.high, sd_b.low - sd_a.high)
    root = math.sqrt(k)
    return (difference.low * root / most if most else math.inf), (
        difference.high * root / least if least else math.inf
    )


def welch_test(
    difference: float, a: tuple[float, int], b: tuple[float, int]
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Welch's t, its df and p, of two means given each as (sd, n); None where neither has a spread."""
    va, vb = a[0] ** 2 / a[1], b[0] ** 2 / b[1]
    if va + vb == 0:
        return None, None, None
    df = _welch_df(va, vb, a[1], b[1])
    t = difference / math.sqrt(va + vb)
    return t, df, two_sided_p(t, df)


def _welch_df(va: float, vb: float, n_a: int, n_b: int) -> float:
    return (va + vb) ** 2 / (va**2 / (n_a - 1) + vb**2 / (n_b - 1))


def welch_range(difference: Span, a: tuple[Span, int], b: tuple[Span, int]) -> tuple[float, float] | None:
    """Bounds of Welch's p over all that the rounding allows; None where neither has a spread.

    The degrees of freedom rise with the ratio of the variances up to that of n − 1 and fall behind it, so
    their least value is at an end. Least t and least df need not meet: the upper bound may be a little high,
    and is never too low.
    """
    n_a, n_b = a[1], b[1]
    va, vb = (Span(sd.low**2 / n, sd.high**2 / n) for sd, n in (a, b))
    if va.high + vb.high == 0:
        return None
    ends = [_welch_df(x, y, n_a, n_b) for x, y in ((va.low, vb.high), (va.high, vb.low)) if x + y > 0]
    peak = va.low * (n_b - 1) <= vb.high * (n_a - 1) and va.high * (n_b - 1) >= vb.low * (n_a - 1)
    least = va.low + vb.low
    low = (
        two_sided_p(difference.high / math.sqrt(least), n_a + n_b - 2 if peak else max(ends))
        if least
        else 0.0
    )
    return low, two_sided_p(difference.low / math.sqrt(va.high + vb.high), min(ends))


def two_sided_p(t: float, df: float) -> float:
    """Of Student's t."""
    return 0.0 if math.isinf(t) else 2 * float(special.stdtr(df, -abs(t)))


MOST_PAIRS_BEHIND = 1_000
"""The largest number of pairs that a printed test is searched for."""


def recover(
    t: Decimal | float, p: Decimal | float, difference: Decimal | float | None = None, alpha: float = 0.05
) -> Recovered:
    """The number of pairs behind a printed t and two-sided p; with the difference, its sd and interval.

    Each number may be off by half of its last digit; a float has the digits that Python prints of it.

    Raises:
        TableError: the numbers are impossible, or no number of pairs gives them.
    """
    said_t, said_p = (Decimal(repr(x)) if isinstance(x, float) else Decimal(x) for x in (t, p))
    if not 0 < said_p < 1 or said_t == 0 or not said_t.is_finite():
        raise TableError(f"t = {said_t} with p = {said_p} is no test result", hint="give t ≠ 0 and 0 < p < 1")
    t, p = float(said_t), float(said_p)
    size = Span.of_size(said_t, half_unit(said_t))
    tails = Span.of_size(said_p, half_unit(said_p))
    slack = 1 + 1e-9  # of floats that were computed and not rounded
    numbers = range(2, MOST_PAIRS_BEHIND + 1)
    fits = [
        n
        for n in numbers
        if two_sided_p(size.high, n - 1) <= tails.high * slack
        and two_sided_p(size.low, n - 1) * slack >= tails.low
    ]
    n = min(fits or numbers, key=lambda n: abs(math.log(max(two_sided_p(t, n - 1), 1e-300) / p)))
    found = two_sided_p(t, n - 1)
    if not fits:
        raise TableError(
            f"no number of pairs gives t = {said_t} and p = {said_p}, however they were rounded; at n = {n} "
            f"p is {found:.3g}",
            hint="the test may be one-sided or unpaired, or a number is misprinted",
        )
    least, most = fits[0], fits[-1]
    says = f"t = {said_t} with p = {said_p} is a paired test of n = {n}"
    if least < most:
        end = f"{most}" if most < MOST_PAIRS_BEHIND else "any larger number"
        says += f" (of {least} to {end}, since both are rounded)"
    if difference is None:
        return Recovered(t, p, n, found, None, None, None, None, says + ".", least, most)
    said = Decimal(repr(difference)) if isinstance(difference, float) else Decimal(difference)
    value, half = float(said), half_unit(said)
    gap = Span.of_size(said, half)
    sd = abs(value) * math.sqrt(n) / abs(t)
    low = gap.low * math.sqrt(least) / size.high
    high = gap.high * math.sqrt(most) / size.low if size.low else math.inf
    # d ± d·quantile/|t| rises or falls with each of the three alone, so that its ends are at corners
    halves = [
        (d, math.inf if not one else -float(special.stdtrit(pairs - 1, alpha / 2)) * abs(d) / one)
        for d, one, pairs in product(
            (float(said - half), float(said + half)), (size.low, size.high), (least, most)
        )
    ]
    ends = min(d - h for d, h in halves), max(d + h for d, h in halves)
    digits = max(0, -int(half.adjusted()))
    says += (
        f": the differences have sd {sd:.2f} ({low:.3g} to {high:.3g} by rounding), and the "
        f"{100 * (1 - alpha):g} % interval of {said} is {ends[0]:.{digits}f} to {ends[1]:.{digits}f}, "
        "rounding included."
    )
    return Recovered(t, p, n, found, value, sd, *ends, says, least, most, low, high)
