"""The typed results. Their fields, in this order, are those of the JSON document `rigorkd.analysis/1`.

What cannot be computed is None. Units are the metric's own, unrounded. The parts that one method gives are
defined beside it, in `stats`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Literal

from rigorkd_analysis.analysis_plan import COMMANDS_CONDITION, TABLE_CONDITIONS, Correction, Inference
from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.stats.anova import Consistency, Factorial, FTest
from rigorkd_analysis.stats.new_images import ImageComparison
from rigorkd_analysis.stats.paired import PairedTest
from rigorkd_analysis.stats.selection import Best, Candidates, LeaveOneSeedOut, Optimism, Pick
from rigorkd_analysis.stats.sequential import Sequential, SequentialComparison
from rigorkd_analysis.verdicts import Claim, Verdict

__all__ = [
    "Analysis",
    "Best",
    "Candidates",
    "CellSummary",
    "Claim",
    "Comparison",
    "Consistency",
    "FTest",
    "Factorial",
    "Family",
    "FamilyName",
    "ImageComparison",
    "LeaveOneSeedOut",
    "Optimism",
    "PairedTest",
    "Pick",
    "Progress",
    "Secondary",
    "Sequential",
    "SequentialComparison",
    "Verdict",
    "document",
]

FamilyName = Literal["overall", "primary", "gains", "contrasts", "all_pairs"]
GAINS = ("primary", "gains")
"""Families that hold the gains of single cells."""


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
class Compared:
    """What is compared: a − b or Σ weight · cell, over these seeds."""

    name: str
    a: str | None
    b: str | None
    weights: dict[str, float]
    student: str | None
    n: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Comparison(Claim, PairedTest, Compared):
    """One comparison: what is compared, the test's numbers, and the claim that they support.

    Attributes:
        decided_at: of planned looks, the number of seeds at the first one that decided.
        stands_for: what is compared, where the name does not say it: of a contrast with a name of its own.
        settings: of an average that is not over all settings of its method that there are, over which:
            `T = 1 and 4`. A page calls it so: `called`, "" where its name is that.
    """

    decided_at: int | None
    says: str
    warnings: tuple[str, ...]
    stands_for: str = ""
    called: str = ""
    settings: str = ""


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together. `planned` families were fixed before the results were seen.

    `consistency` sums up a family of three gains or more; where they are of several methods, `by_method` does
    so for each, since a mean over methods says nothing of any. Below `exact_from` seeds no exact test could
    reject at alpha over the family, whatever the data: what is found there rests on normal differences; None
    where runs are not paired. `over` names what gains are over, where that is not called the baseline.
    `beside` is how many comparisons more the correction is over: what a family asks already keeps that
    family's. `demoted` says of a family that was planned, all of it or in part, why it is exploratory;
    `later` names those of its comparisons that came later, or a cell of theirs.
    """

    name: FamilyName
    planned: bool
    size: int
    comparisons: tuple[Comparison, ...]
    consistency: Consistency | None = None
    exact_from: int | None = None
    over: str | None = None
    beside: int = 0
    by_method: tuple[Consistency, ...] = ()
    demoted: str = ""
    later: tuple[str, ...] = ()

    @property
    def corrected_over(self) -> int:
        """How many comparisons the correction is over."""
        return self.size + self.beside

    @property
    def together(self) -> dict[str, Consistency]:
        """What may be said of gains taken together, by its place in the document of the family."""
        by = {f"by_method/{at}": one for at, one in enumerate(self.by_method)}
        found = {"consistency": self.consistency, **by}
        return {place: one for place, one in found.items() if one is not None and not one.mixed}


@dataclass(frozen=True)
class Secondary:
    """The gains on a secondary metric: a family of its own, without equivalence."""

    metric: str
    goal: Goal
    cells: tuple[CellSummary, ...]
    family: Family


@dataclass(frozen=True)
class Progress:
    """How far a study is: nothing is judged before its planned seeds are complete, unless asked for.

    `done` and `total` count runs; `seeds`, complete ones too, are without those kept for choosing.
    """

    done: int
    total: int
    seeds_complete: int
    seeds: int


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
    inference: Inference
    looks: tuple[int, ...]
    conditioned_on: tuple[str, ...]
    cells: tuple[CellSummary, ...]
    families: tuple[Family, ...]
    best: Best | None
    factorial: tuple[Factorial, ...]
    images: tuple[ImageComparison, ...]
    sequential: Sequential | None
    secondary: tuple[Secondary, ...]
    progress: Progress | None
    warnings: tuple[str, ...]

    @property
    def of_table(self) -> bool:
        """Whether the runs stand in a table alone, of which there is neither a study nor a log."""
        return self.conditioned_on == TABLE_CONDITIONS

    @property
    def is_shared_known(self) -> bool:
        """Whether it is known what runs of one seed have in common: rigorkd trained them itself."""
        return not self.of_table and COMMANDS_CONDITION not in self.conditioned_on

    @property
    def baselines(self) -> frozenset[str]:
        """The cells that serve as baselines here, whatever their method is called: those that gains are over.

        So do those of the method `baseline` that no cell stands beside, where other gains are over such.
        """
        gains = [c for f in self.families if f.name in ("overall", *GAINS) for c in f.comparisons]
        serving = frozenset(cell for c in gains for cell, weight in c.weights.items() if weight < 0)
        called = frozenset(cell.cell for cell in self.cells if cell.method == "baseline")
        if serving and not serving & called:
            return serving
        return serving | (called - {c.a for c in gains})

    def family(self, name: str) -> Family | None:
        """The first family of this name, if any."""
        return next((family for family in self.families if family.name == name), None)

    def asking(self, a: str, b: str) -> list[tuple[Family, Comparison]]:
        """The comparisons of a pair of cells, those that were planned first.

        They are found by their cells: one that has a name of its own is not called `a vs b`.
        """
        found = [(f, c) for f in self.families for c in f.comparisons if (c.a, c.b) == (a, b)]
        return sorted(found, key=lambda item: not item[0].planned)

    @property
    def lead(self) -> Family | None:
        """The one family that a headline speaks of: the primary question, else the overall one, else gains.

        The overall one where each gain is part of an average: others it leaves unanswered. None where one
        that was not planned stands beside planned gains, as in studies of 0.1.
        """
        primary, overall, gains = map(self.family, ("primary", "overall", "gains"))
        if primary is not None or overall is None or gains is None:
            return primary or overall or gains
        if not overall.planned and gains.planned:
            return None
        averaged = {cell for c in overall.comparisons for cell, weight in c.weights.items() if weight > 0}
        return overall if all(c.a in averaged for c in gains.comparisons) else gains


def document(result: Any) -> Any:
    """A result as JSON: dataclasses become dictionaries in the order of fields, tuples lists, NaN None."""
    if is_dataclass(result) and not isinstance(result, type):
        shown = (field for field in fields(result) if field.metadata.get("in_document", True))
        return {field.name: document(getattr(result, field.name)) for field in shown}
    if isinstance(result, dict):
        return {str(key): document(value) for key, value in result.items()}
    if isinstance(result, (tuple, list)):
        return [document(item) for item in result]
    if isinstance(result, float) and not math.isfinite(result):
        return None
    return result.value if isinstance(result, Enum) else result
