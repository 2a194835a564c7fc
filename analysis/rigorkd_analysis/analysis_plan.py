"""The question put to a table: metric, error rate, correction, smallest effect of interest, contrasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.table_error import TableError

Correction = Literal["holm", "bonferroni", "bh", "none"]
Test = Literal["paired", "moderated", "unpaired"]
Inference = Literal["seeds", "seeds_and_images"]

#: What may be said, from Python as from a protocol: another word would be taken for the last of them.
_WORDS = {
    "goal": get_args(Goal),
    "correction": get_args(Correction),
    "test": get_args(Test),
    "inference": get_args(Inference),
}

#: With unequal numbers of runs, fewer in a cell than this let Welch's test reject .074 to .084 of true nulls.
FEWEST_UNEQUAL = 7

#: Fewer seeds than this are warned of wherever they are judged, or planned.
FEW_SEEDS = 5


def few_seeds(n: int) -> str:
    """What is said of so few seeds, "" of enough."""
    if n >= FEW_SEEDS:
        return ""
    return f"n = {n}: fewer than {FEW_SEEDS} seeds" + ("; nearly nothing can be shown" if n == 2 else "")


#: Why runs that are not paired have no anytime-valid analysis, and the way on.
NO_ANYTIME = (
    "the anytime-valid test pairs runs by seed, and the plan compares them without pairing (test: unpaired)",
    "judge a number of seeds that was fixed beforehand",
)


TABLE_CONDITIONS = ("the test images", "whatever the table's runs share and its columns do not tell")
"""What verdicts on a table hold fixed: nobody says what its runs have in common."""

COMMANDS_CONDITION = "the data and split of its commands"
"""The same of runs that a user's own commands trained."""

SHARED_INPUTS = "inputs that all seeds share ("
"""How the condition begins that names the files which a user's own commands read at every seed."""

FIXED_TEACHER = "one fixed teacher for all seeds"
"""The condition of a teacher that is not trained anew at each: intervals lack what teachers differ by."""

LABEL_NOISE = " of the training labels replaced by wrong ones"
"""How the condition ends that says how large a share of the labels was made wrong on purpose."""


def is_told_of_each(condition: str) -> bool:
    """Whether a condition is said with every claim, and among the warnings: it changes what a claim is of."""
    return (
        condition == FIXED_TEACHER or condition.startswith(SHARED_INPUTS) or condition.endswith(LABEL_NOISE)
    )


POOL = "the images that splits are drawn from"
"""What a new split at each seed holds fixed: the sets of two seeds overlap."""


@dataclass(frozen=True)
class Pair:
    """a − b, cell by cell."""

    a: str
    b: str
    name: str | None = None
    planned: bool = False
    demoted: str = ""


@dataclass(frozen=True)
class Trend:
    """The fitted straight-line change of the metric from the smallest to the largest value of column `over`.

    It runs over the cells of one group, student and method that differ in `over` alone; `where` fixes other
    columns when that is ambiguous.
    """

    over: str
    group: str | None = None
    student: str | None = None
    where: tuple[tuple[str, float | str], ...] = ()
    name: str | None = None
    planned: bool = False
    demoted: str = ""


@dataclass(frozen=True)
class DifferenceOfGains:
    """(a − baseline of a) − (b − baseline of b): does one gain more than the other?"""

    a: str
    b: str
    name: str | None = None
    planned: bool = False
    demoted: str = ""


@dataclass(frozen=True)
class AllOf:
    """Every one of these cells gains over its baseline. p is the largest of their one-sided ones."""

    cells: tuple[str, ...]
    name: str | None = None
    planned: bool = False
    demoted: str = ""


@dataclass(frozen=True)
class Weighted:
    """Any weights over cells that sum to 0."""

    weights: tuple[tuple[str, float], ...]
    name: str | None = None
    planned: bool = False
    demoted: str = ""


Contrast = Pair | Trend | DifferenceOfGains | AllOf | Weighted


def named_by(contrast: Contrast) -> frozenset[str]:
    """The cells that a contrast names; a trend takes whatever agrees with it."""
    match contrast:
        case Pair() | DifferenceOfGains():
            return frozenset((contrast.a, contrast.b))
        case AllOf():
            return frozenset(contrast.cells)
        case Weighted():
            return frozenset(cell for cell, _ in contrast.weights)
    return frozenset()


@dataclass(frozen=True)
class Plan:
    """What to ask of a table. Everything has a default that is safe for a table from anywhere.

    Attributes:
        metric: column to judge; None takes `test_top1`, else the only metric column.
        goal: whether more is better; None takes it from the metric's name.
        sesoi: smallest effect size of interest, in units of the metric; None gives no equivalence verdict.
        alpha: error rate over a family, for direction and for equivalence each.
        joint: read every verdict from the simultaneous interval, so that all hold together at 1 − alpha.
        baselines: cells named as baselines instead of the matching rule, each for its own student, or values
            (`alpha=0`) whose cells are the baselines of what shares the rest.
        planned: the families of gains were fixed before the results were seen.
        demoted: why they are exploratory although they were, as "cells were left out since"; contrasts have
            their own.
        primary: a distilled cell whose gain is tested alone, the other gains being a family of their own.
        test: paired by seed (the default), moderated (gains lend one another variance; families of gains
            alone), or unpaired (Welch, for runs without common seeds).
        inference: to new seeds on these test images, or to new test images too, from predictions.
        interim: numbers of seeds of planned interim analyses, the last one included; each tests at the
            nominal level that keeps alpha over all of them.
        first_version: planned under version 0.1, which knew no overall question and tested conjunctions
            with two-sided members.
        added: cells that were not in that plan: their gains, and contrasts that use them, are exploratory.
        looks: numbers of seeds at which this study was analysed before.
        looks_at_added: those of the looks that met a cell which was added since the first, by its name, in
            the order in which they were added; `looks_before_added` are those that came before that.
        seeds_of_looks: which seeds looks at so many were at, where these are not the first ones;
            `metrics_of_looks` by which other metrics they were.
        order: seeds in the order in which looks met them first, which is that of the anytime-valid test; all
            others come after these in the order of their numbers.
        sequential: judge with the anytime-valid test as well.
        c2: mixture constant of the anytime-valid test.
        selection_seeds: seeds kept for choosing a cell; verdicts then use the other seeds alone.
        diverged_unjudged: cells that diverged at seeds which are not judged, and at which: nothing makes a
            gain of what is left of them, since whoever left the seeds out could see how runs ended.
        fell_unjudged: runs that fell far behind and are not judged, by cell, in words: as little of a gain.
        conditioned_on: what was held fixed, stated with every verdict.
        test_images: how many images the runs were tested on; None takes the column `n_test`, if any.
        images_per_seed: every seed was tested on images of its own, so that seeds alone are over new images.
        classes: how many classes the data have, for what is near chance; None takes the column `classes`.
        largest_class: the share of the largest class of the test images, which a constant answer gets right.
        teachers: test accuracies of teachers that are no rows of the table, by name; `teacher_seeds` are
            the seeds of these, in their order, of teachers that were trained anew at each.
        secondary: further metrics, whose gains are reported as secondary and corrected by themselves.
        doubted: what is wrong with the data of every comparison, a warning of each.
    """

    metric: str | None = None
    goal: Goal | None = None
    sesoi: float | None = None
    alpha: float = 0.05
    correction: Correction = "holm"
    joint: bool = False
    contrasts: tuple[Contrast, ...] = ()
    baselines: tuple[str, ...] = ()
    all_pairs: bool = False
    planned: bool = False
    primary: str | None = None
    test: Test = "paired"
    inference: Inference = "seeds"
    interim: tuple[int, ...] = ()
    first_version: bool = False
    added: tuple[str, ...] = ()
    looks: tuple[int, ...] = ()
    sequential: bool = False
    c2: float = 0.25
    selection_seeds: tuple[int, ...] = ()
    conditioned_on: tuple[str, ...] = ()
    test_images: int | None = None
    classes: int | None = None
    teachers: tuple[tuple[str, tuple[float, ...]], ...] = ()
    teacher_seeds: tuple[tuple[str, tuple[int, ...]], ...] = ()
    secondary: tuple[str, ...] = ()
    doubted: str = ""
    images_per_seed: bool = False
    looks_at_added: tuple[tuple[str, tuple[int, ...]], ...] = ()
    demoted: str = ""
    largest_class: float | None = None
    looks_before_added: tuple[tuple[str, tuple[int, ...]], ...] = ()
    seeds_of_looks: tuple[tuple[int, str], ...] = ()
    metrics_of_looks: tuple[tuple[int, str], ...] = ()
    order: tuple[int, ...] = ()
    diverged_unjudged: tuple[tuple[str, tuple[int, ...]], ...] = ()
    fell_unjudged: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if (said := getattr(self, name)) not in words and not (name == "goal" and said is None):
                raise TableError(f"{name} = {said!r} has no meaning", hint=f"give one of: {', '.join(words)}")
        for name in ("alpha", "sesoi", "c2"):
            number = getattr(self, name)
            if number is not None and (isinstance(number, bool) or not isinstance(number, Real)):
                raise TableError(f"{name} = {number!r} is not a number", hint="give one, such as 0.05")
        for called in (self.metric, self.primary, *self.baselines, *self.secondary):
            if called is not None and not isinstance(called, str):
                raise TableError(f"{called!r} is not the name of a column or cell", hint="give it as text")
        if not 0 < self.alpha < 0.5:
            raise TableError(
                f"alpha = {self.alpha:g} is not an error rate", hint="give one between 0 and 0.5"
            )
        if self.sesoi is not None and not 0 < self.sesoi < float("inf"):
            raise TableError(
                f"sesoi = {self.sesoi:g} is not a smallest effect of interest",
                hint="give a positive number in units of the metric, for instance 0.3 for 0.3 points",
            )
        if not 0 < self.c2 < float("inf"):
            raise TableError(f"c2 = {self.c2:g} is not a mixture constant", hint="give a positive number")
        if self.sequential and self.test == "unpaired":
            raise TableError(NO_ANYTIME[0], hint=NO_ANYTIME[1])
        for message, hint in unusable(self.test, self.inference, self.interim, self.correction):
            raise TableError(message, hint=hint)

    def repeated_look(self, now: int, cells: Sequence[str] = ()) -> str | None:
        """Why no fixed-n test of `now` seeds is valid any more; None where no unplanned look came before.

        Of a comparison of `cells` a look is one if it met two of them or more: it showed a difference.
        """
        looks = self.looks
        if self.looks_at_added and len(cells) > 1:
            # by time, not number of looks: one at just these seeds hides what came later but from added cells
            since = [cell for cell, _ in self.looks_at_added]
            second = sorted(cells, key=lambda cell: since.index(cell) if cell in since else -1)[1]
            looks = dict(self.looks_at_added).get(second, self.looks)
        earlier = [look for look in sorted(set(looks) - set(self.interim)) if look != now]
        if not earlier:
            return None
        which = dict(self.seeds_of_looks)
        by = {look: f" by {metrics}" for look, metrics in self.metrics_of_looks}
        named = [f"{look}{by.get(look, '')} (seeds {which[look]})" for look in earlier if look in which]
        # last: a number behind brackets reads as if it went on with what is in them
        plain = ", ".join(f"{look}{by.get(look, '')}" for look in earlier if look not in which)
        told = ", and ".join(filter(None, (plain, ", ".join(named))))
        return f"repeated look, not valid at alpha: analysed before at n = {told}"

    def later_than_a_look(self, cell: str) -> str:
        """That a cell was added when others had been looked at, "" of any other."""
        if not (before := dict(self.looks_before_added).get(cell, ())):
            return ""
        seen = ", ".join(map(str, sorted(set(before))))
        return f"added after a look at n = {seen}: results were known when it was asked for"

    def between_looks(self, now: int) -> str | None:
        """Why `now` seeds decide nothing where looks are planned; None at a planned look, or without any."""
        if not self.interim or now in self.interim:
            return None
        return f"{now} seeds are no planned look (looks: {', '.join(map(str, self.interim))})"

    @property
    def correction_of_looks(self) -> Correction:
        """The correction over a family: Bonferroni's where there are planned looks."""
        return "bonferroni" if len(self.interim) > 1 and self.correction == "holm" else self.correction


def unusable(
    test: Test, inference: Inference, looks: tuple[int, ...], correction: Correction
) -> Iterator[tuple[str, str]]:
    """What was declared that has no valid analysis, and how to mend it."""
    if looks and (list(looks) != sorted(set(looks)) or looks[0] < 3 or len(looks) < 2):
        yield (
            f"looks: {', '.join(map(str, looks))} are no planned interim analyses",
            "give rising numbers of seeds from 3 on, the last one of them the end: [5, 8, 12]",
        )
    elif looks and test != "paired":
        yield f"looks are for the paired test, not the {test} one", "leave out looks, or test: paired"
    elif looks and correction == "bh":
        yield "planned looks have no false discovery rate", "take correction: bonferroni, or leave out looks"
    if test != "paired" and inference != "seeds":
        yield (
            f"inference to new test images pairs runs by seed, and the {test} test does not decide then",
            "leave out inference, or test",
        )
