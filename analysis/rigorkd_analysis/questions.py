"""What all comparisons share, and a comparison before its test: weights over cells, and their sum per seed.

Every comparison is a linear contrast, Σ weight · cell per seed with weights that sum to 0; its test is a
one-sample t over seeds. A conjunction ("all of these gain") has no weights of its own: it is an
intersection–union test over its members, whose p-value is their largest (Berger 1982).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.axes import averaged_over
from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.outliers import Outlying
from rigorkd_analysis.rounding import FLOAT32, Floats, last_digit, rounding
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.wording import Names, Phrasing


@dataclass(frozen=True)
class Question:
    """What all comparisons share: the runs that verdicts use, the plan, and how things are called."""

    runs: Runs
    plan: Plan
    goal: Goal
    phrasing: Phrasing
    names: Names
    outlying: Outlying
    copied: Mapping[int, str] = field(default_factory=dict)
    distilled_baselines: Mapping[int, str] = field(default_factory=dict)
    near_chance: Mapping[int, str] = field(default_factory=dict)

    @property
    def repeated_look(self) -> str | None:
        """Why no fixed-n test of these runs is valid any more; None at the first look."""
        return self.repeated_look_at(())

    def repeated_look_at(self, cells: Sequence[int]) -> str | None:
        """The same of a comparison of these cells, some of which may have been added after a look."""
        now = len(set(self.runs.seeds) - set(self.plan.selection_seeds))
        return self.plan.repeated_look(now, [self.runs.cells[cell] for cell in cells])

    @property
    def no_planned_look(self) -> str | None:
        """Why nothing is decided at this number of seeds, where looks are planned; None at one of them."""
        return self.plan.between_looks(int((~np.isnan(self.runs.values)).any(axis=0).sum()))

    def subject(self, part: Hypothesis, *, gain: bool) -> Subject:
        """Of whom a sentence speaks: a gain, or an average of gains, by what was done; else by its name."""
        if not gain or not isinstance(part, LinearContrast):
            return Subject(part.called)
        names = self.names
        if part.pair:
            words, aside = names.cell(part.pair[0]), ""
        else:
            words = names.average(part.averaged, part.within) + (f" at {part.at}" if part.at else "")
            aside = f"averaged over {averaged_over(self.runs, part.averaged)}"
        is_baseline = names.is_baseline(part.pair[0] if part.pair else part.averaged[0])
        over = names.over(part.baselines) or ("" if is_baseline else "the baseline")
        student = self.student_of(part) or ""
        return Subject(words, student, over, aside, names.distils, is_baseline)

    def student_of(self, part: LinearContrast) -> str | None:
        """The student of all cells of a comparison; None where they have several, or are of none."""
        students = {self.runs.student(cell) for cell in part.cells}
        return students.pop() if len(students) == 1 else None

    @property
    def sign(self) -> float:
        """1 where more is better, else −1."""
        return 1.0 if self.goal == "max" else -1.0


@dataclass(frozen=True)
class Subject:
    """Of what a sentence speaks.

    Attributes:
        words: what was done, or the contrast's name.
        student: whose metric it is, "" if unknown; for a gain only.
        over: the baseline, where it is not plainly the one without the method; for a gain only.
        aside: what an average is over.
        distils: whether the table gives cause to speak of a student.
        is_baseline: whether it is a baseline, which raises and lowers nothing.
    """

    words: str
    student: str = ""
    over: str = ""
    aside: str = ""
    distils: bool = False
    is_baseline: bool = False

    @property
    def called(self) -> str:
        """With what an average is over, and on which student."""
        aside = f", {self.aside}{',' * bool(self.student)}" if self.aside else ""
        return f"{self.words}{aside}" + (f" on {self.student}" if self.student else "")

    @property
    def owner(self) -> str:
        if self.student:
            return f"{self.student}'s "
        return "the student's " if self.distils else "the "

    @property
    def compared(self) -> str:
        return f" compared with {self.over}" if self.over else ""


def quoted(name: str, stands_for: str) -> str:
    """The name of a contrast; one that a person gave is quoted, as it may read like a finding."""
    own = stands_for and not (stands_for.startswith("fitted change over ") and ": trend over " in name)
    return f"“{name}”" if own else name


@dataclass(frozen=True)
class LinearContrast:
    """A comparison before its numbers: weights of cells (by position); a − b has its `pair` as well.

    `subject` is what a name stands for that does not say it. `averaged` are the cells whose gains it is the
    average of; `within` tells it from averages of the same method elsewhere, and `at` from the method's other
    cells, such as those of another family; `title` is the name with that, where the name alone does not say
    it. `unlike` warns of what a cell and its baseline differ in beside the method.
    """

    name: str
    weights: tuple[tuple[int, float], ...]
    pair: tuple[int, int] | None = None
    subject: str = ""
    averaged: tuple[int, ...] = ()
    within: str = ""
    at: str = ""
    unlike: tuple[str, ...] = ()
    title: str = ""

    @property
    def called(self) -> str:
        """Its name, with what it stands for."""
        return f"{quoted(self.name, self.subject)} ({self.subject})" if self.subject else self.name

    @property
    def cells(self) -> list[int]:
        """Every cell that takes part, once."""
        return [cell for cell, _ in self.weights]

    @property
    def baselines(self) -> list[int]:
        """Of a gain, or of an average of gains, the cells that it is over."""
        return [cell for cell, weight in self.weights if weight < 0]


@dataclass(frozen=True)
class Conjunction:
    """Several contrasts that are to hold together; `subject` is what a name of its own stands for."""

    name: str
    members: tuple[LinearContrast, ...]
    subject: str = ""

    @property
    def called(self) -> str:
        """Its name, with what it stands for."""
        return f"{quoted(self.name, self.subject)} ({self.subject})" if self.subject else self.name

    @property
    def cells(self) -> list[int]:
        """Every cell that takes part, once."""
        return list(dict.fromkeys(cell for member in self.members for cell in member.cells))


Hypothesis = LinearContrast | Conjunction
"""One comparison of a family."""


def difference_of(a: int, b: int, name: str = "") -> LinearContrast:
    """a − b."""
    return LinearContrast(name, ((a, 1.0), (b, -1.0)), (a, b))


_ROUNDING = 1e-12
"""A sum below this share of its parts is what rounding left of them."""


def differences(runs: Runs, contrasts: Sequence[LinearContrast]) -> Floats:
    """Σ weight · cell per seed, shape (k, seeds), NaN where a cell has no finished run at that seed."""
    out = np.empty((len(contrasts), len(runs.seeds)))
    pairs, a, b = sides(contrasts)
    out[pairs] = runs.values[a] - runs.values[b]
    for row, contrast in enumerate(contrasts):
        if contrast.pair is None:
            weights = np.array([weight for _, weight in contrast.weights])
            values = runs.values[contrast.cells]
            found = weights @ values
            least = _ROUNDING * (np.abs(weights) @ np.abs(values))  # equal cells differ by nothing
            out[row] = np.where(np.abs(found) <= least, 0.0, found)
    return out


def no_spread(runs: Runs, contrasts: Sequence[LinearContrast], d: Floats) -> NDArray[np.bool_]:
    """Which of these differences (k, seeds) are one and the same at every seed but for rounding; (k,)."""
    flat = np.zeros(len(contrasts), dtype=bool)
    there = ~np.isnan(d)
    known = np.abs(runs.values[~np.isnan(runs.values)])
    if not known.size:
        return flat
    # rounding moves a weighted sum of cells as far as these weights say: of a pair, as that of either
    share = [1.0 if one.pair else sum(abs(weight) for _, weight in one.weights) / 2 for one in contrasts]
    unit = last_digit(runs.values)
    spread = np.where(there, d, -np.inf).max(axis=1) - np.where(there, d, np.inf).min(axis=1)
    far = 2 * np.array(share) * max(unit, FLOAT32 * float(known.max()))
    for row in map(int, np.flatnonzero((there.sum(axis=1) > 1) & (spread <= far))):
        own = runs.values[np.ix_(contrasts[row].cells, there[row])]
        flat[row] = spread[row] <= share[row] * rounding(own, unit)
    return flat


def sides(contrasts: Sequence[LinearContrast]) -> tuple[list[int], list[int], list[int]]:
    """Which of the contrasts are pairs, and the two cells of each of these."""
    found = [(row, *contrast.pair) for row, contrast in enumerate(contrasts) if contrast.pair is not None]
    return [row for row, _, _ in found], [a for _, a, _ in found], [b for _, _, b in found]
