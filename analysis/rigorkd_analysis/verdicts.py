"""The verdict on one comparison, from adjusted p-values or, for joint verdicts, from simultaneous intervals.

Direction is controlled at alpha over the family by Holm, equivalence at alpha over the family by
Holm-adjusted TOST: a false verdict of either kind has probability up to 2·alpha. With `joint` every verdict
is read from the interval at 1 − alpha/m and all hold together at 1 − alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rigorkd_analysis.metric_names import Goal

Verdict = Literal["better", "worse", "equivalent", "better_negligible", "worse_negligible", "inconclusive"]

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


def verdict(
    evidence: Evidence, *, goal: Goal, alpha: float, sesoi: float | None, joint: bool
) -> tuple[Verdict, str | None]:
    """The verdict and, for a direction, its magnitude against the SESOI."""
    if evidence.mean_diff is None or evidence.p_adjusted is None:
        return "inconclusive", None
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
            return "inconclusive", None
        equal = False
    if differs and equal:
        return ("better_negligible" if a_favoured else "worse_negligible"), BELOW
    if differs:
        return ("better" if a_favoured else "worse"), _magnitude(evidence, sesoi)
    return ("equivalent", BELOW) if equal else ("inconclusive", None)


def _magnitude(evidence: Evidence, sesoi: float | None) -> str:
    if sesoi is None or evidence.simultaneous is None:
        return UNDETERMINED
    low, high = evidence.simultaneous
    return AT_LEAST if low > sesoi or high < -sesoi else UNDETERMINED
