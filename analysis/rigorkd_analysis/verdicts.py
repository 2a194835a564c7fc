"""Verdicts: what each one says, and how it is reached for one comparison, from adjusted p-values or, for
joint verdicts, from simultaneous intervals. A `Claim` is a verdict with everything that it depends on:
tables, sentences, captions and documents are derived from it, so that none can leave a condition behind.

Direction is controlled at alpha over the family by Holm, equivalence at alpha over the family by
Holm-adjusted TOST: a false verdict of either kind has probability up to 2·alpha. With `joint` every verdict
is read from the interval at 1 − alpha/m and all hold together at 1 − alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from rigorkd_analysis.metric_names import Goal

TestName = Literal["paired", "moderated", "unpaired", "seeds_and_images"]
Badge = Literal["better", "worse", "equivalent", "inconclusive"]


class Verdict(StrEnum):
    """What the test says of a comparison; the values are those of the JSON documents.

    Attributes:
        label: in a table.
        badge: what it looks like: its mark and its colour.
        sentence: what it means.
    """

    label: str
    badge: Badge
    sentence: str

    def __new__(cls, value: str, label: str, badge: Badge, sentence: str) -> Verdict:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.badge, member.sentence = label, badge, sentence
        return member

    BETTER = "better", "better", "better", "The corrected paired test finds it better."
    WORSE = "worse", "worse", "worse", "The corrected paired test finds it worse."
    EQUIVALENT = (
        *("equivalent", "equivalent", "equivalent"),
        "Both one-sided tests reject a difference as large as the smallest effect of interest.",
    )
    BETTER_NEGLIGIBLE = (
        *("better_negligible", "better, negligible", "better"),
        "Better, and equivalent: a real difference that is too small to matter.",
    )
    WORSE_NEGLIGIBLE = (
        *("worse_negligible", "worse, negligible", "worse"),
        "Worse, and equivalent: a real difference that is too small to matter.",
    )
    INCONCLUSIVE = (
        *("inconclusive", "inconclusive", "inconclusive"),
        "Neither a difference nor equivalence is shown. This is never “no difference”.",
    )

    @property
    def directed(self) -> bool:
        """Whether a difference was found, however small."""
        return self.badge in ("better", "worse")

    @property
    def negligible(self) -> bool:
        """Whether a difference was found that is too small to matter."""
        return self.directed and self.value != self.badge


class Counted(StrEnum):
    """Verdicts that a headline counts; the values are those of the JSON documents.

    Attributes:
        counted: what so many do, or are.
    """

    counted: str

    def __new__(cls, value: str, counted: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.counted = counted
        return member


AT_LEAST = "at least SESOI"
UNDETERMINED = "size undetermined"
BELOW = "below SESOI"


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on. `diverged_a`: whether a positively weighted cell lost a run to divergence."""

    mean_diff: float | None
    p_adjusted: float | None
    p_equivalence_adjusted: float | None
    simultaneous: tuple[float, float] | None
    diverged_a: bool = False
    diverged_b: bool = False


@dataclass(frozen=True)
class Claim:
    """What may be said of one comparison, and what that depends on.

    Attributes:
        not_valid: why no verdict is valid at alpha here, such as a repeated look; the verdict is then
            inconclusive, whatever the p-values are. None where nothing stands against one.
        conditions: what the verdict holds for, as a sentence has it: "on these 400 test images".
        planned: whether the question was fixed before the results were seen.
        test: the test that the verdict rests on.
    """

    verdict: Verdict
    magnitude: str | None
    not_valid: str | None
    conditions: tuple[str, ...]
    planned: bool
    test: TestName

    def __post_init__(self) -> None:
        if self.not_valid and (self.verdict is not Verdict.INCONCLUSIVE or self.magnitude):
            raise ValueError(f"a claim that is not valid ({self.not_valid}) says {self.verdict}")


def claim(
    found: tuple[Verdict, str | None],
    *,
    not_valid: str | None,
    conditions: tuple[str, ...],
    planned: bool,
    test: TestName,
) -> Claim:
    """A verdict and its magnitude with their conditions; what is not valid at alpha decides nothing."""
    decided, magnitude = (Verdict.INCONCLUSIVE, None) if not_valid else found
    return Claim(decided, magnitude, not_valid, conditions, planned, test)


def verdict(
    evidence: Evidence, *, goal: Goal, alpha: float, sesoi: float | None, joint: bool
) -> tuple[Verdict, str | None]:
    """The verdict and, for a direction, its magnitude against the SESOI."""
    if evidence.mean_diff is None or evidence.p_adjusted is None:
        return Verdict.INCONCLUSIVE, None
    upward = evidence.mean_diff > 0
    if joint and evidence.simultaneous is not None:
        low, high = evidence.simultaneous
        differs = low > 0 or high < 0
        equal = sesoi is not None and -sesoi < low and high < sesoi
    else:
        differs = evidence.p_adjusted < alpha
        equal = evidence.p_equivalence_adjusted is not None and evidence.p_equivalence_adjusted < alpha
    a_favoured = upward == (goal == "max")
    if evidence.diverged_a or evidence.diverged_b:
        # what survived is a selection: it may count against a cell that lost runs, never for it; nor is a
        # cell called better whose rival lost runs, since the pairs that are left are a selection too
        if not differs or a_favoured or evidence.diverged_b:
            return Verdict.INCONCLUSIVE, None
        equal = False
    if differs and equal:
        return directed(a_favoured, negligible=True), BELOW
    if differs:
        return directed(a_favoured), _magnitude(evidence, sesoi)
    return (Verdict.EQUIVALENT, BELOW) if equal else (Verdict.INCONCLUSIVE, None)


def directed(better: bool, *, negligible: bool = False) -> Verdict:
    """The verdict that a difference was found."""
    if negligible:
        return Verdict.BETTER_NEGLIGIBLE if better else Verdict.WORSE_NEGLIGIBLE
    return Verdict.BETTER if better else Verdict.WORSE


def _magnitude(evidence: Evidence, sesoi: float | None) -> str:
    if sesoi is None or evidence.simultaneous is None:
        return UNDETERMINED
    low, high = evidence.simultaneous
    return AT_LEAST if low > sesoi or high < -sesoi else UNDETERMINED
