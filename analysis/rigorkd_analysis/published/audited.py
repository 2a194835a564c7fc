"""What an audit answers: the document `rigorkd.audit/1`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rigorkd_analysis.published.bounds import Recovered
from rigorkd_analysis.published.printed_checks import DifferenceCheck, EfficiencyFlag


@dataclass(frozen=True)
class AuditCell:
    """A printed value with its Wilson interval, in the units printed; a mean over k > 1 seeds has none.

    `printed` is the text of value and spread as it was printed, zeros included; `std` what the spread makes
    as a standard deviation.
    """

    cell: str
    student: str | None
    value: float
    ci_low: float | None
    ci_high: float | None
    std: float | None
    n: int
    printed: str = ""


@dataclass(frozen=True)
class AuditComparison:
    """Two rows, the lower one as a: difference = b − a ≥ 0.

    Attributes:
        images: the difference in test images as printed; images_min and _max allow for rounding.
        rejects_up_to_discordant: most discordant images at which McNemar's exact test still rejects.
        break_even_seed_sd: a seed sd above it explains the largest difference that the print allows by
            chance, if pairs of seeds do not correlate; break_even_seed_sd_paired is the same where they
            correlate by .9.
        test_set_sd: Jordan's yardstick √(err/2N), the seed sd of well-trained networks on so many images.
        t_low, t_high, p_low, p_high: for means with printed sds, the paired test whatever the pairing, the
            rounding of means and sds and, where nothing says it, the divisor of the sds (n − 1 or n).
        welch_t, welch_df, welch_p: for means of different numbers of seeds with printed sds, Welch's test of
            the numbers as they are printed; welch_p_low and welch_p_high bound it as p_low and p_high are.
        p_adjusted: the largest p that the print allows (p_max, p_high or welch_p_high), by Holm over all
            pairs of the table: what a claim rests on. The other p-values and networks_differ are of the pair
            alone.
        p_if_sample, p_adjusted_if_sample: the largest p and that by Holm if the printed sds are the sample's
            (n − 1); None where something says which they are.
        not_valid: why the test holds no error rate here, such as unequal numbers of few seeds; then nothing
            is claimed, whatever the p-values are.
    """

    a: str
    b: str
    difference: float
    images: int | None
    discordant_min: int | None
    discordant_max: int | None
    p_min: float | None
    p_max: float | None
    networks_differ: Literal["always", "never", "depends"] | None
    rejects_up_to_discordant: int | None
    break_even_seed_sd: float
    images_min: int | None
    images_max: int | None
    t_low: float | None
    t_high: float | None
    p_low: float | None
    p_high: float | None
    says: str
    welch_t: float | None = None
    welch_df: float | None = None
    welch_p: float | None = None
    break_even_seed_sd_paired: float | None = None
    test_set_sd: float | None = None
    p_adjusted: float | None = None
    not_valid: str | None = None
    welch_p_low: float | None = None
    welch_p_high: float | None = None
    p_if_sample: float | None = None
    p_adjusted_if_sample: float | None = None

    @property
    def largest_p(self) -> float | None:
        """The largest p that the print allows, of this pair alone; None where nothing is known of it."""
        known = (self.p_max, self.p_high, self.welch_p_high)
        return next((p for p in known if p is not None), None)


@dataclass(frozen=True)
class Audit:
    """The document `rigorkd.audit/1`.

    `decimals` is the precision to which the column is printed, `seeds` the smallest number behind a row.
    `baselines` and `without` are what the reader chose, `left_out` the rows that this named, and `chosen`
    says it in words; "" for all pairs of the table. `converted` says how standard deviations were made of
    what is printed behind ±; "" where these are printed. `seeds_assumed`: nothing names a number of seeds,
    so that each number is taken as one run's; `assumed_although` is what is said all the same of seeds.
    `divisor` says for which ones printed standard deviations are taken, "" where both are.
    """

    schema: str
    metric: str
    n_test: int | None
    seeds: int
    alpha: float
    decimals: int
    cells: tuple[AuditCell, ...]
    comparisons: tuple[AuditComparison, ...]
    efficiency: tuple[EfficiencyFlag, ...]
    differences: tuple[DifferenceCheck, ...]
    recovered: tuple[Recovered, ...]
    survives: tuple[str, ...]
    notes: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    chosen: str = ""
    converted: str = ""
    seeds_assumed: bool = False
    assumed_although: str = ""
    divisor: str = ""
