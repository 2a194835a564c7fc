"""The typed results of comparing studies: the document `rigorkd.compare/1`, of one of three kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rigorkd_analysis.metrics import Goal
from rigorkd_analysis.plan import Correction
from rigorkd_analysis.verdicts import Verdict

SCHEMA = "rigorkd.compare/1"

Agreement = Literal["differ", "agree", "differ_negligible", "inconclusive"]
Compatibility = Literal["inside", "outside", "unknown"]


@dataclass(frozen=True)
class StudyFacts:
    """A study that takes part. `cells` and `seeds` are counts; a published table has no runs of its own."""

    name: str
    cells: int
    seeds: int


@dataclass(frozen=True)
class StudyDifference:
    """One gain (or one cell) in two studies: mean_diff = mean_a − mean_b, Welch.

    Attributes:
        prediction_low, prediction_high: where the mean of b was to be expected from a alone, were they equal.
        mde: the difference that these seeds detect with 80 % power.
    """

    name: str
    n_a: int
    n_b: int
    mean_a: float | None
    mean_b: float | None
    sd_a: float | None
    sd_b: float | None
    mean_diff: float | None
    se: float | None
    df: float | None
    t: float | None
    p: float | None
    p_adjusted: float | None
    ci_low: float | None
    ci_high: float | None
    ci_simultaneous_low: float | None
    ci_simultaneous_high: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    equivalence_ci_low: float | None
    equivalence_ci_high: float | None
    prediction_low: float | None
    prediction_high: float | None
    inside_prediction: bool | None
    mde: float | None
    verdict: Agreement
    says: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class DifferenceFamily:
    """Gains, or cells, of two studies, corrected together."""

    name: Literal["gains", "cells"]
    size: int
    comparisons: tuple[StudyDifference, ...]


@dataclass(frozen=True)
class Replication:
    """Two studies of the same question. `unmatched` names gains and cells that only one of them has."""

    schema: str
    kind: Literal["replication"]
    metric: str
    goal: Goal
    alpha: float
    correction: Correction
    sesoi: float | None
    studies: tuple[StudyFacts, ...]
    families: tuple[DifferenceFamily, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PrintedNumber:
    """A printed number of k seeds against the prediction interval m ± t·s·√(1/n + 1/k) of our n seeds.

    Attributes:
        printed: as it stands in the table. half_unit: half a unit of its last digit, which is rounding.
        p: two-sided, of the part of the distance that rounding does not explain.
        verdict: outside if the adjusted p is below alpha. Inside is no proof of agreement: `half_width` says
            how far a number may be off and still be inside.
    """

    name: str
    printed_name: str
    printed: float
    half_unit: float
    k: int
    n: int
    mean: float | None
    sd: float | None
    prediction_low: float | None
    prediction_high: float | None
    half_width: float | None
    t: float | None
    df: int | None
    p: float | None
    p_adjusted: float | None
    inside: bool | None
    verdict: Compatibility
    says: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PrintedFamily:
    """Printed cells, or printed gains, corrected together."""

    name: Literal["gains", "cells"]
    size: int
    comparisons: tuple[PrintedNumber, ...]


@dataclass(frozen=True)
class Prediction:
    """A study against a published table. `unmatched` names printed rows that no cell of the study is like."""

    schema: str
    kind: Literal["published"]
    metric: str
    printed_metric: str
    goal: Goal
    alpha: float
    correction: Correction
    studies: tuple[StudyFacts, ...]
    families: tuple[PrintedFamily, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StudyShare:
    """What one study says of a question: its mean over n seeds with a t interval."""

    study: str
    n: int
    mean: float
    sd: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Summary:
    """One question over k studies, each of which counts once: the study is the unit here.

    Attributes:
        mean, ci_low, ci_high: the average true effect over such studies, t with k − 1 degrees of freedom.
        prediction_low, prediction_high: where a new such study, of about as many seeds, will find its mean.
        tau: the standard deviation of true effects between studies beyond the noise of seeds, by moments.
        p_same: Welch's analysis of variance, that all true effects are equal.
        weighted_*: the same average by inverse-variance weights (Paule–Mandel, Hartung–Knapp–Sidik–Jonkman),
            a sensitivity check.
        favourable: studies whose mean points the way of the goal.
    """

    name: str
    k: int
    studies: tuple[StudyShare, ...]
    mean: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    t: float | None
    df: int | None
    p: float | None
    p_adjusted: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    prediction_low: float | None
    prediction_high: float | None
    tau: float | None
    p_same: float | None
    weighted_mean: float | None
    weighted_ci_low: float | None
    weighted_ci_high: float | None
    favourable: int
    verdict: Verdict
    says: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class SummaryFamily:
    """`gains`: every gain that several studies have. `overall`: the average of those that all have."""

    name: Literal["overall", "gains"]
    size: int
    summaries: tuple[Summary, ...]


@dataclass(frozen=True)
class Synthesis:
    """One question over many studies. `unmatched` names gains that fewer than two studies have."""

    schema: str
    kind: Literal["summary"]
    metric: str
    goal: Goal
    alpha: float
    correction: Correction
    sesoi: float | None
    studies: tuple[StudyFacts, ...]
    families: tuple[SummaryFamily, ...]
    unmatched: tuple[str, ...]
    warnings: tuple[str, ...]
