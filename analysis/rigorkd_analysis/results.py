"""The typed results. Their fields, in this order, are those of the JSON document `rigorkd.analysis/1`.

What cannot be computed is None. Units are the metric's own, unrounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rigorkd_analysis.metrics import Goal
from rigorkd_analysis.plan import Correction
from rigorkd_analysis.verdicts import Verdict

FamilyName = Literal["gains", "contrasts", "all_pairs"]


@dataclass(frozen=True)
class CellSummary:
    """One cell over its seeds. Intervals are 1 − alpha: t for the mean, χ² for the standard deviation."""

    cell: str
    student: str | None
    method: str | None
    n: int
    diverged: int
    mean: float | None
    std: float | None
    ci_low: float | None
    ci_high: float | None
    std_ci_low: float | None
    std_ci_high: float | None


@dataclass(frozen=True)
class Comparison:
    """One comparison, a − b or Σ weight · cell, paired by seed.

    Attributes:
        ci_low, ci_high: 1 − alpha, for this comparison alone.
        ci_simultaneous_low, ci_simultaneous_high: 1 − alpha/m, m the family's size.
        p_signflip: exact over all sign flips; None past 36 seeds, where they are not enumerated.
        p_signflip_floor: the smallest p-value that n sign flips can give, 2/2^n.
        g_z, g_av: None at n = 2, where no unbiased estimate exists.
        r: None where one of the two cells does not vary over seeds.
        variance_ratio: var(a − b) / (var a + var b); below 1 pairing by seed narrowed the interval.
        mde: difference that this design detects with 80 % power at alpha/m, given the sd seen.
        seeds_needed: seeds at which the SESOI would be detected so; low and high at the ends of the sd's
            χ² interval. None without a SESOI, and past 100,000.
    """

    name: str
    a: str | None
    b: str | None
    weights: dict[str, float]
    student: str | None
    n: int
    seeds: tuple[int, ...]
    mean_diff: float | None
    sd_diff: float | None
    ci_low: float | None
    ci_high: float | None
    ci_simultaneous_low: float | None
    ci_simultaneous_high: float | None
    t: float | None
    df: int | None
    p: float | None
    p_adjusted: float | None
    p_signflip: float | None
    p_signflip_floor: float | None
    p_wilcoxon: float | None
    p_welch: float | None
    dz: float | None
    dz_ci_low: float | None
    dz_ci_high: float | None
    g_z: float | None
    g_av: float | None
    r: float | None
    variance_ratio: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    equivalence_ci_low: float | None
    equivalence_ci_high: float | None
    mde: float | None
    seeds_needed: int | None
    seeds_needed_low: int | None
    seeds_needed_high: int | None
    verdict: Verdict
    magnitude: str | None
    says: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Consistency:
    """All gains of a family taken together, instead of a count of stars. The settings are these very ones.

    Attributes:
        mean, ci_low, ci_high: of the gain averaged over the settings, a t interval over seeds.
        favourable: settings whose mean difference points the way of the goal.
        between_sd: standard deviation of the true gains between settings, beyond the noise of seeds.
        p_equal: Greenhouse–Geisser F test that all settings gain the same; None for more than 100.
    """

    settings: int
    n: int
    mean: float
    ci_low: float | None
    ci_high: float | None
    favourable: int
    between_sd: float | None
    p_equal: float | None
    says: str


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together. `planned` families were fixed before the results were seen.

    `consistency` sums up a family of three gains or more.
    """

    name: FamilyName
    planned: bool
    size: int
    comparisons: tuple[Comparison, ...]
    consistency: Consistency | None = None


@dataclass(frozen=True)
class Pick:
    """The cell that validation picks among the candidates of one student, with its test result."""

    student: str | None
    group: str | None
    candidates: int
    chosen_by: str
    cell: str
    test_mean: float
    best_on_test: str
    says: str


@dataclass(frozen=True)
class LeaveOneSeedOut:
    """Pick on all seeds but one, score on the one left out: "the best cell" without the winner's curse."""

    student: str | None
    group: str | None
    mean: float
    naive_mean: float
    picks: tuple[str, ...]


@dataclass(frozen=True)
class Optimism:
    """By how much the best test mean of these cells flatters, were all cells equal."""

    student: str | None
    group: str | None
    cells: int
    n: int
    expected: float


@dataclass(frozen=True)
class Candidates:
    """The cells of one student and group, and those among them that may be the best."""

    student: str | None
    group: str | None
    cells: tuple[str, ...]
    may_be_best: tuple[str, ...]


@dataclass(frozen=True)
class Best:
    """Which cells may be the best of their student (and group), and what choosing among them costs.

    `cells` joins the cells that may be the best over all `sets`.
    """

    cells: tuple[str, ...]
    sets: tuple[Candidates, ...]
    validation_pick: tuple[Pick, ...]
    leave_one_seed_out: tuple[LeaveOneSeedOut, ...]
    optimism: tuple[Optimism, ...]


@dataclass(frozen=True)
class FTest:
    """A repeated-measures F test with Greenhouse–Geisser ε, or a single-df contrast (then ε is 1)."""

    effect: str
    cells: tuple[str, ...]
    n: int
    F: float | None
    df_effect: float
    df_error: float
    epsilon: float | None
    p_uncorrected: float | None
    p: float | None
    p_adjusted: float | None


@dataclass(frozen=True)
class Factorial:
    """The T × alpha structure of one student's cells: a complete grid, or the arms of a cross."""

    student: str | None
    group: str | None
    method: str | None
    design: Literal["grid", "arms"]
    tests: tuple[FTest, ...]
    contrasts: tuple[FTest, ...]
    says: str


@dataclass(frozen=True)
class ImageComparison:
    """A difference of top-1 over new seeds and new test images, in points, from per-example predictions."""

    a: str
    b: str
    n: int
    images: int
    mean_diff: float
    ci_low: float | None
    ci_high: float | None
    df: float | None
    seeds_only_ci_low: float | None
    seeds_only_ci_high: float | None
    agreement: float
    mcnemar_p: tuple[float, ...]
    says: str


@dataclass(frozen=True)
class SequentialComparison:
    """One comparison by the anytime-valid t test; `decided_at` is the number of seeds at the first crossing.

    `m` is the size of its family: p_adjusted is min(1, m·p) and the interval is at 1 − alpha/m.
    """

    name: str
    family: str
    m: int
    n: int
    log_e: float | None
    p: float
    p_adjusted: float
    ci_low: float | None
    ci_high: float | None
    verdict: Verdict
    decided_at: int | None
    says: str


@dataclass(frozen=True)
class Sequential:
    """The anytime-valid analysis of every planned comparison, or of all where none is planned."""

    c2: float
    size: int
    decided: bool
    comparisons: tuple[SequentialComparison, ...]


@dataclass(frozen=True)
class Secondary:
    """The gains on a secondary metric: a family of its own, without equivalence."""

    metric: str
    goal: Goal
    cells: tuple[CellSummary, ...]
    family: Family


@dataclass(frozen=True)
class Analysis:
    """All that was found, in the order of the JSON document."""

    schema: str
    study: str
    metric: str
    goal: Goal
    alpha: float
    correction: Correction
    sesoi: float | None
    joint: bool
    conditioned_on: tuple[str, ...]
    cells: tuple[CellSummary, ...]
    families: tuple[Family, ...]
    best: Best | None
    factorial: tuple[Factorial, ...]
    images: tuple[ImageComparison, ...]
    sequential: Sequential | None
    secondary: tuple[Secondary, ...]
    warnings: tuple[str, ...]

    def family(self, name: str) -> Family | None:
        """The first family of this name, if any."""
        return next((family for family in self.families if family.name == name), None)
