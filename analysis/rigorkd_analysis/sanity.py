"""Doubts about what was trained, before its verdicts are read: teachers that cannot teach, networks at chance
or with one answer, top-5 of five classes. They stop nothing; each names its cell. Where networks are at
chance, verdicts compare noise, and whatever shows these says that first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.baseline_matching import Matcher, distilled
from rigorkd_analysis.metric_names import Goal, is_accuracy, is_top5
from rigorkd_analysis.questions import Question
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.stats.moments import Floats, Moments, mean_interval
from rigorkd_analysis.stats.new_images import Predictions, PredictionSource
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import distils, seeds_listed

AT_CHANCE = "AT CHANCE"
"""How the warning begins that what is compared has learnt nothing."""
UNTRAINED = "no better than guessing"
"""How the warning begins of runs that have learnt nothing beside others that have."""


@dataclass(frozen=True)
class Guess:
    """What a network scores that knows nothing of images, on the scale of the accuracies.

    `by` says how, where that is more than drawing among the classes.
    """

    classes: int
    score: float
    whole: float
    by: str = ""

    @property
    def gives(self) -> str:
        """As a sentence says it: `guessing among 10 classes gives 10`."""
        return f"guessing among {self.classes} classes gives {self}"

    def __str__(self) -> str:
        return f"{self.score:.4g}{self.by}"

    def is_near(self, value: float) -> bool:
        """Less than half again as much as guessing, if that is below a tenth of the way to knowing all."""
        return value <= min(1.5 * self.score, self.score + 0.1 * (self.whole - self.score))


def _guess(classes: int | None, largest: float | None, whole: float) -> Guess | None:
    """What guessing gives: the share of the largest class of the test images, if known, else one in so many.

    The constant answer is the best guess, and what networks that do not learn give.
    """
    if classes is None:
        return None
    if largest is None or largest <= 1 / classes:
        return Guess(classes, whole / classes, whole)
    return Guess(classes, whole * largest, whole, " by always giving the largest class of the test images")


def near_chance(runs: Runs, plan: Plan, goal: Goal) -> dict[int, str]:
    """The cells whose mean is near what guessing gives, each with that; none of runs that prove nothing.

    A verdict on such networks compares noise, also where it is an equivalence or a contrast.
    """
    if goal != "max" or runs.smoke or not is_accuracy(runs.metric) or is_top5(runs.metric):
        return {}
    moments = Moments.of_rows(runs.values)
    classes = plan.classes if plan.classes is not None else classes_in(runs)
    guess = _guess(classes, plan.largest_class, whole_of(moments.mean))
    if guess is None:
        return {}
    gives = f"guessing among {guess.classes} classes, which gives {guess.score:.4g}"
    return {cell: gives for cell, mean in enumerate(moments.mean) if guess.is_near(mean)}


def doubts(question: Question, matcher: Matcher) -> Iterator[str]:
    """Warnings of a study's teachers, baselines and metric."""
    metrics = (question.runs.metric, *question.plan.secondary)
    classes = _classes(question)
    yield from _trivial_top5(question, classes, [metric for metric in metrics if is_top5(metric)])
    if question.goal != "max" or not is_accuracy(question.runs.metric) or is_top5(question.runs.metric):
        return
    means = question.runs.values.copy()
    there = ~np.isnan(means)
    mean = {
        cell: float(row[mask].mean())
        for cell, (row, mask) in enumerate(zip(means, there, strict=True))
        if mask.any()
    }
    whole = whole_of(np.array(list(mean.values())))
    guess = _guess(classes, question.plan.largest_class, whole)
    if guess is not None and not question.runs.smoke:
        yield from _networks(question, matcher, mean, guess)
    yield from _teachers(question, matcher, mean, guess)


def whole_of(values: Floats) -> float:
    """What an accuracy is at most: 100 percent, or 1 where it is written as a share."""
    return 100.0 if np.nanmax(values, initial=0.0) > 1.5 else 1.0


def _networks(question: Question, matcher: Matcher, mean: dict[int, float], guess: Guess) -> Iterator[str]:
    """That no cell is better than guessing, else that baselines are not: one warning, which goes first."""
    runs = question.runs
    students = [cell for cell in mean if runs.text("method", cell) != "teacher"]
    names = [runs.cells[cell] for cell in students]
    if told := _nothing_learnt(names, runs.values[students], guess, question.plan.alpha):
        yield told
        return
    near = [cell for cell, value in mean.items() if guess.is_near(value)]
    serving = matcher.serving()
    bare = [cell for cell in near if cell in serving]
    if bare:
        listed = ", ".join(runs.cells[cell] for cell in bare[:6]) + (", …" if len(bare) > 6 else "")
        values = ", ".join(f"{mean[cell]:.4g}" for cell in bare[:6])
        s, are, them = ("", "is", "it") if len(bare) == 1 else ("s", "are", "them")
        subject = "distillation" if distils(runs) else "a method"
        yield (
            f"{AT_CHANCE}: the baseline{s} {listed} {are} near chance ({values}; {guess.gives}): a gain "
            f"over {them} says nothing of {subject}"
        )
    yield from _untrained(runs, list(mean), guess)


def _untrained(runs: Runs, cells: Sequence[int], guess: Guess) -> Iterator[str]:
    """The runs that know no more than guessing: one warning of all, by cell.

    Also of cells whose mean is near chance: a seed that is hard for all of them is no run that failed, and
    what is said of one run does not depend on the other seeds of its cell.
    """
    at_most = {cell: np.flatnonzero(runs.values[cell] <= guess.score) for cell in cells}  # NaN is not
    found = [_guessing(runs, cell, at) for cell, at in at_most.items() if at.size]
    if found:
        left = len(found) - 6
        more = f"; and in {left} more cell{'s' * (left > 1)}" if left > 0 else ""
        one = sum(at.size for at in at_most.values()) == 1
        yield (
            f"{UNTRAINED}: {'; '.join(found[:6])}{more} ({guess.gives}): "
            f"see whether {'that run was' if one else 'these runs were'} trained "
            f"before a difference from {'it' if one else 'them'} is believed"
        )


def _guessing(runs: Runs, cell: int, at: NDArray[np.intp]) -> str:
    """Which runs of a cell know no more than guessing, at these positions of its seeds."""
    name, highest = runs.cells[cell], runs.values[cell, at].max()
    if at.size == 1:
        return f"{name} has {highest:.4g} at seed {runs.seeds[at[0]]}"
    there = np.count_nonzero(~np.isnan(runs.values[cell]))
    if at.size == there:
        return f"{name} has at most {highest:.4g} in all {there} runs"
    listed = ", ".join(str(runs.seeds[one]) for one in at)
    return f"{name} has at most {highest:.4g} in {at.size} of {there} runs (seeds {listed})"


def nothing_learnt_of(
    runs: Runs, cells: Sequence[str], classes: int | None, alpha: float, largest: float | None = None
) -> str:
    """The same of some cells of a table; "" also where nobody knows what guessing would score."""
    if not is_accuracy(runs.metric) or is_top5(runs.metric):
        return ""
    values = runs.values[[runs.index[cell] for cell in cells]]
    guess = _guess(classes or classes_in(runs), largest, whole_of(Moments.of_rows(values).mean))
    return "" if guess is None else _nothing_learnt(cells, values, guess, alpha)


def _nothing_learnt(cells: Sequence[str], values: Floats, guess: Guess, alpha: float) -> str:
    """What is said first where no cell is shown to beat guessing, "" where one is, or where there is none.

    `values` are accuracies, shape (cells, seeds). A cell may guess if its mean is near what guessing gives
    and its interval, at alpha over the number of cells, reaches that: of many that guess one is lucky. Cells
    that are each a little better show it together: the interval of their average over the seeds.
    """
    moments = Moments.of_rows(values)
    low, _ = mean_interval(moments.mean, moments.sd, moments.n, alpha / max(1, len(cells)))
    guesses = [
        guess.is_near(mean) and not bound > guess.score for mean, bound in zip(moments.mean, low, strict=True)
    ]
    if not guesses or not all(guesses) or _beat_together(values, guess, alpha):
        return ""
    best = int(np.argmax(moments.mean))
    return (
        f"{AT_CHANCE}: no cell is shown to be better than guessing among {guess.classes} classes ({guess}; "
        f"the highest mean is {moments.mean[best]:.4g}, of {cells[best]}): verdicts on networks that have "
        "learnt nothing compare noise; see first why the training shows so little"
    )


def _beat_together(values: Floats, guess: Guess, alpha: float) -> bool:
    """Whether the average of all cells, at the seeds that all of them have, is better than guessing."""
    average = Moments.of_rows(values.mean(axis=0, keepdims=True))
    if average.n[0] < 2:
        return False
    low, _ = mean_interval(average.mean, average.sd, average.n, alpha)
    return bool(low[0] > guess.score)


def _classes(question: Question) -> int | None:
    return question.plan.classes if question.plan.classes is not None else classes_in(question.runs)


def classes_in(runs: Runs) -> int | None:
    """How many classes a table says that there are; None where it does not, or says several numbers."""
    for column in ("classes", "n_classes", "num_classes"):
        known = {runs.number(column, cell) for cell in range(len(runs.cells))} - {None}
        if len(known) == 1:
            return int(known.pop() or 0) or None
    return None


_NAMED = re.compile(rf"{AT_CHANCE}: the (baselines? .+?) (?:is|are) near chance")


def who_is_at_chance(warning: str) -> str:
    """The baselines that a warning says it of, `baseline plain`; "" for all networks."""
    found = _NAMED.match(warning)
    return found[1] if found else ""


def _teachers(
    question: Question, matcher: Matcher, mean: dict[int, float], guess: Guess | None
) -> Iterator[str]:
    runs = question.runs
    known = {name: float(np.mean(values)) for name, values in question.plan.teachers if values}
    known |= {
        runs.cells[cell]: value for cell, value in mean.items() if runs.text("method", cell) == "teacher"
    }
    if not known:
        return
    called = {name: "the " + (name if name == "teacher" else f"teacher {name}") for name in known}
    for name, value in known.items():
        if guess is not None and guess.is_near(value):
            yield f"{called[name]} is near chance ({value:.4g}): it has nothing to teach"
    weaker: dict[tuple[str, str], str] = {}
    at_seed = _by_seed(question, known)
    for cell in distilled(runs):
        named = runs.text("teacher", cell)
        # one on other data tells nothing of it; those of a study's plan are no cells, and known by name
        own = [
            name for name in known if name not in runs.index or matcher.in_one_place(runs.index[name], cell)
        ]
        teacher = named if named in own else own[0] if len(own) == 1 else None
        try:
            baseline = matcher.of(cell)
        except TableError:
            continue
        if teacher is None or baseline not in mean:
            continue
        below = [
            seed
            for seed, value in at_seed.get(teacher, {}).items()
            if seed in runs.seeds and value <= runs.values[baseline, runs.seeds.index(seed)]
        ]
        if known[teacher] <= mean[baseline]:
            weaker[teacher, runs.cells[baseline]] = ""
        elif below:
            weaker[teacher, runs.cells[baseline]] = f" at {seeds_listed(below)}"
    for (teacher, student), where in weaker.items():
        average, bare = f"{known[teacher]:.4g}", f"{mean[runs.position(student)]:.4g}"
        than = "is no better than its student without it, "
        if where:
            yield f"{called[teacher]} {than}{student},{where} (on average {average} against {bare})"
        else:
            yield f"{called[teacher]} ({average}) {than}{student} ({bare})"


def _by_seed(question: Question, teachers: Iterable[str]) -> dict[str, dict[int, float]]:
    """The accuracy at each seed of those teachers that were trained anew at each."""
    runs, plan = question.runs, question.plan
    values, seeds = dict(plan.teachers), dict(plan.teacher_seeds)
    out = {name: dict(zip(seeds[name], values[name], strict=True)) for name in seeds if name in values}
    for name in teachers:
        if name in runs.index:
            row = runs.values[runs.index[name]]
            if np.unique(row[~np.isnan(row)]).size > 1:  # one fixed teacher has one value at all seeds
                out[name] = {s: float(v) for s, v in zip(runs.seeds, row, strict=True) if not np.isnan(v)}
    return out


def _trivial_top5(question: Question, classes: int | None, metrics: list[str]) -> Iterator[str]:
    for metric in metrics:
        full = metric == question.runs.metric and bool(
            np.all(question.runs.values[~np.isnan(question.runs.values)] == 100)
        )
        if classes is not None and classes <= 5:
            always = f"with {classes} classes the right one is always among the first five"
            yield f"{metric} tells no cells apart: {always}"
        elif full:
            yield f"{metric} tells no cells apart: it is 100 in every run, as with few classes"


class OneClass:
    """Reads predictions for others, and remembers the runs that gave every image the same class."""

    def __init__(self, source: PredictionSource) -> None:
        self._source = source
        self._found: dict[str, list[int]] = {}

    def __call__(self, cell: str, seed: int) -> Predictions | None:
        one = self._source(cell, seed)
        if (
            one is not None
            and one.unit == "images"  # of items it is only known whether they are right
            and one.prediction.size > 1
            and (one.prediction == one.prediction[0]).all()
        ):
            self._found.setdefault(cell, []).append(seed)
        return one

    def warnings(self) -> Iterator[str]:
        for cell, seeds in self._found.items():
            listed = ", ".join(map(str, seeds))
            yield f"{cell} predicts one class for every image at seed {listed}: it did not learn"
