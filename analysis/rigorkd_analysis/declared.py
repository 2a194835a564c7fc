"""The declared test of the comparisons of a family: paired by seed, moderated, unpaired, or to new images.

Each of them gives a mean, its standard error and degrees of freedom; what follows from these (`t_columns`) is
the same for all. With planned looks, p is that of the smallest one over the looks so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.analysis_plan import FEWEST_UNEQUAL
from rigorkd_analysis.questions import LinearContrast, Question, differences, no_spread, sides
from rigorkd_analysis.stats.exact import superiority
from rigorkd_analysis.stats.group_sequential import p_over_looks
from rigorkd_analysis.stats.moderated import moderated_columns
from rigorkd_analysis.stats.moments import Floats, Moments, or_none
from rigorkd_analysis.stats.new_images import PredictionSource, crossed_columns
from rigorkd_analysis.stats.paired import PairedTest, Settings, Statistics, statistics, t_test, tost
from rigorkd_analysis.stats.sample_size import refusal
from rigorkd_analysis.stats.welch import unpaired_columns
from rigorkd_analysis.verdicts import TestName

#: With fewer runs per cell Satterthwaite's degrees of freedom of an average are too many: .073 at 3.
FEWEST_AVERAGED = 5


@dataclass(frozen=True)
class OneTested:
    """One comparison: its numbers, and the p-values over all planned looks before any adjustment.

    `refused` is why it has no verdict, empty if it has one; `there` marks the seeds that it uses.
    """

    test: PairedTest
    kind: TestName
    p: float | None
    p_equivalence: float | None
    there: NDArray[np.bool_]
    refused: str
    decided_at: int | None

    def adjusted(self, p: float | None, p_equivalence: float | None) -> OneTested:
        """With the p-values that the family's correction gives."""
        return replace(self, test=replace(self.test, p_adjusted=p, p_equivalence_adjusted=p_equivalence))


@dataclass(frozen=True)
class Tested:
    """The comparisons of a family; `refused` and `decided_at` by position."""

    stats: Statistics
    kind: TestName
    p: Floats
    p_equivalence: Floats
    there: NDArray[np.bool_]
    refused: dict[int, str]
    decided_at: dict[int, int]

    def one(self, row: int) -> OneTested:
        return OneTested(
            self.stats.row(row),
            self.kind,
            or_none(self.p[row]),
            or_none(self.p_equivalence[row]),
            self.there[row],
            self.refused.get(row, ""),
            self.decided_at.get(row),
        )


def apply_declared(
    question: Question,
    contrasts: Sequence[LinearContrast],
    settings: Settings,
    predictions: PredictionSource | None,
    *,
    gains: bool = False,
) -> Tested:
    """Test these comparisons as the plan declares; `gains` says that they are a whole family of gains."""
    plan, runs = question.plan, question.runs
    d = differences(runs, contrasts)
    refused: dict[int, str] = {}
    kind: TestName = "paired"
    if plan.inference != "seeds":
        kind = "seeds_and_images"
    elif plan.test == "unpaired" or (plan.test == "moderated" and gains):
        kind = plan.test
    if kind == "moderated":  # on complete seeds only
        d = np.where(np.isnan(d).any(axis=0), np.nan, d)
    stats = _paired(question, contrasts, d, settings)
    there = ~np.isnan(d)
    rows = list(range(len(contrasts)))
    if kind == "moderated":
        used = np.flatnonzero(stats["sd_diff"] != 0)  # copies have no variance to lend
        complete = d[used][:, there.all(axis=0)]
        if why := refusal(complete.shape[1], len(used)):
            refused = dict.fromkeys(rows, why)
            blank = {name: np.full(len(rows), np.nan) for name in ("t", "df", "p", "p_equivalence")}
            stats = stats.replaced(rows, blank)
        else:
            stats = stats.replaced(list(used), moderated_columns(complete, settings))
    elif kind == "unpaired":
        stats, there, refused = _unpaired(question, contrasts, stats, settings)
    elif kind == "seeds_and_images":
        columns, refused = crossed_columns(question, contrasts, settings, predictions)
        stats = stats.replaced(rows, columns)
    p, equal = stats["p"], stats["p_equivalence"]
    decided_at: dict[int, int] = {}
    if plan.interim:
        p, equal, decided_at, why = _over_looks(question, d, stats, settings)
        refused = dict.fromkeys(rows, why) if why else refused
    return Tested(stats, kind, p, equal, there, refused, decided_at)


def _paired(
    question: Question, contrasts: Sequence[LinearContrast], d: Floats, settings: Settings
) -> Statistics:
    runs = question.runs
    a, b = np.full(d.shape, np.nan), np.full(d.shape, np.nan)
    pairs, left, right = sides(contrasts)
    a[pairs], b[pairs] = runs.values[left], runs.values[right]
    return statistics(d, settings, a, b, no_spread(runs, contrasts, d))


def _unpaired(
    question: Question, contrasts: Sequence[LinearContrast], stats: Statistics, settings: Settings
) -> tuple[Statistics, NDArray[np.bool_], dict[int, str]]:
    runs = question.runs
    cells = Moments.of_rows(runs.values)
    weights = np.zeros((len(contrasts), len(runs.cells)))
    for row, contrast in enumerate(contrasts):
        weights[row, contrast.cells] = [weight for _, weight in contrast.weights]
    columns = {name: np.full(len(contrasts), np.nan) for name in stats.columns}  # what needs pairs is gone
    columns |= unpaired_columns(cells, weights, settings)
    columns["p_welch"] = columns["p"]
    refused = {}
    for row, contrast in enumerate(contrasts):
        numbers = cells.n[contrast.cells]
        if numbers.min() < min(numbers.max(), FEWEST_UNEQUAL):
            refused[row] = (
                f"unequal numbers of runs ({numbers.min():.0f} to {numbers.max():.0f}) are compared without "
                f"pairing from {FEWEST_UNEQUAL} per cell on: with fewer the error rate is not held"
            )
        elif contrast.pair is None and numbers.min() < FEWEST_AVERAGED:
            refused[row] = (
                f"{numbers.min():.0f} runs per cell: what is compared of more than two cells without pairing "
                f"takes {FEWEST_AVERAGED} or more"
            )
        if contrast.pair is not None:
            sides_of = [settings.sign * runs.values[cell] for cell in contrast.pair]
            a, b = (side[~np.isnan(side)] for side in sides_of)
            wins = superiority(a, b, settings.alpha)
            for name, value in zip(("win_rate", "win_rate_low", "win_rate_high"), wins, strict=True):
                columns[name][row] = value
    finished = ~np.isnan(runs.values)
    there = np.array([finished[contrast.cells].any(axis=0) for contrast in contrasts], dtype=bool)
    there = there.reshape(len(contrasts), len(runs.seeds))
    return stats.replaced(range(len(contrasts)), columns), there, refused


def _over_looks(
    question: Question, d: Floats, stats: Statistics, settings: Settings
) -> tuple[Floats, Floats, dict[int, int], str]:
    """p over the planned looks so far, for direction and equivalence, and the look that decided first.

    A look takes the first seeds in ascending order. What an earlier look decided stays decided, unless the
    difference has changed its sign since. An inference to new images has the last look alone.
    """
    plan, runs = question.plan, question.runs
    seeds = np.flatnonzero((~np.isnan(runs.values)).any(axis=0))
    p, equal = stats["p"].copy(), stats["p_equivalence"].copy()
    decided_at: dict[int, int] = {}
    if why := question.no_planned_look:
        return p, equal, decided_at, why
    for look in plan.interim:
        if look > seeds.size:
            break
        own_p, own_equal = stats["p"], stats["p_equivalence"]
        if look < seeds.size:
            if plan.inference != "seeds":
                continue
            some = Moments.of_rows(d[:, seeds[:look]])
            se = np.where(stats["sd_diff"] > 0, some.sd, np.nan) / np.sqrt(some.n)
            with np.errstate(invalid="ignore", divide="ignore"):
                own_p = t_test(some.mean, se, some.n - 1)[1]
                same = np.sign(some.mean) == np.sign(stats["mean_diff"])
                own_p = np.where(same, own_p, np.nan)
                if plan.sesoi is not None:
                    own_equal = tost(some.mean, se, some.n - 1, plan.sesoi)
        p, equal = np.fmin(p, own_p), np.fmin(equal, own_equal)
        for row in np.flatnonzero((p < settings.family_level) | (equal < settings.family_level)):
            decided_at.setdefault(int(row), look)
    p = np.where(np.isnan(stats["p"]), np.nan, p_over_looks(p, plan.interim))
    equal = np.where(np.isnan(stats["p_equivalence"]), np.nan, p_over_looks(equal, plan.interim))
    return p, equal, decided_at, ""
