"""Which cell may be the best, and what choosing among several costs.

The set that may be best follows Hsu's idea (1981): cell i leaves it if some j beats it by a one-sided paired
t test at alpha/(m − 1); the truly best cell stays with probability ≥ 1 − alpha. Choosing by the test mean
flatters the chosen one (the winner's curse): the expected optimism is given for the case that all cells are
equal, and leave-one-seed-out selection estimates the accuracy of "the best" without it.

Where runs are compared without pairing them, so are the cells here: by Welch's test, and without
leave-one-seed-out selection, which needs seeds that all cells share. Planned looks take their nominal level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.analysis_plan import FEWEST_UNEQUAL
from rigorkd_analysis.likeness import budgets, on_what
from rigorkd_analysis.questions import Question
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.moments import NOISE, Floats, Moments
from rigorkd_analysis.stats.welch import each_against

#: With two cells the only question is their comparison.
MIN_CELLS = 3


@dataclass(frozen=True)
class Pick:
    """The cell that validation picks among the candidates of one student, with its test result.

    `over` says over which seeds the means are, where some cell has more of them: ` over the 3 of 5 seeds …`.
    """

    student: str | None
    group: str | None
    candidates: int
    chosen_by: str
    cell: str
    test_mean: float
    best_on_test: str
    says: str
    over: str = ""


@dataclass(frozen=True)
class LeaveOneSeedOut:
    """Pick on all seeds but one, score on the one left out: "the best cell" without the winner's curse.

    `over` is as of `Pick`.
    """

    student: str | None
    group: str | None
    mean: float
    naive_mean: float
    picks: tuple[str, ...]
    over: str = ""


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

    `cells` joins the cells that may be the best over all `sets`. `left_out` says what was left out by hand
    of runs and cells: what is said of the best holds among those that are left.
    """

    cells: tuple[str, ...]
    sets: tuple[Candidates, ...]
    validation_pick: tuple[Pick, ...]
    leave_one_seed_out: tuple[LeaveOneSeedOut, ...]
    optimism: tuple[Optimism, ...]
    left_out: tuple[str, ...] = field(default=(), metadata={"in_document": False})  # its warnings say it


def best_cells(
    question: Question, everything: Runs, rest_of_name: Callable[[int], str] = lambda _: ""
) -> Best | None:
    """The best of every student (within its group) that has at least three cells; None if none has.

    Args:
        question: its runs are those that verdicts use (seeds kept for choosing are blanked out).
        everything: all runs, with the seeds kept for choosing.
        rest_of_name: what a cell shares with the baseline that was named by one part of its name, "" if none.
    """
    runs, plan = question.runs, question.plan
    sign = question.sign
    unpaired = plan.test == "unpaired"
    found: list[Candidates] = []
    picks: list[Pick] = []
    left_out: list[LeaveOneSeedOut] = []
    optimism: list[Optimism] = []
    together: dict[tuple[str, str], list[int]] = {}
    for cell in range(len(runs.cells)):
        if runs.text("method", cell) != "teacher":
            group = _alike(runs, cell, rest_of_name(cell))
            together.setdefault((group, runs.text("student", cell)), []).append(cell)
    for (group, student), cells in together.items():
        if len(cells) < MIN_CELLS:
            continue
        who = (student or None, group or None)
        values = sign * runs.values[cells]
        diverged = runs.lost(cells)
        stays = may_be_best(values, plan.alpha, diverged, unpaired=unpaired, looks=plan.interim)
        if question.repeated_look or question.no_planned_look:  # nothing is excluded validly
            stays[:] = True
        kept = tuple(runs.cells[cell] for cell, may in zip(cells, stays, strict=True) if may)
        found.append(Candidates(*who, tuple(runs.cells[cell] for cell in cells), kept))
        common = values[:, ~np.isnan(values).any(axis=0)]
        pick = _pick(question, everything, cells, who)
        if pick is not None:
            picks.append(pick)
        if unpaired:
            runs_each = (~np.isnan(values)).sum(axis=1)
            if runs_each.min() >= 2 and not diverged.any():
                expected = expected_optimism_unpaired(values)
                optimism.append(Optimism(*who, len(cells), int(runs_each.min()), expected))
        elif common.shape[1] >= 2 and not diverged.any():
            mean, chosen = leave_one_seed_out(common)
            names = tuple(runs.cells[cells[position]] for position in chosen)
            naive = float(common.mean(axis=1).max())
            left_out.append(LeaveOneSeedOut(*who, sign * mean, sign * naive, names, _in_common(values)))
            expected = expected_optimism(common)
            optimism.append(Optimism(*who, len(cells), common.shape[1], expected))
    if not found:
        return None
    survivors = tuple(cell for candidates in found for cell in candidates.may_be_best)
    return Best(survivors, tuple(found), tuple(picks), tuple(left_out), tuple(optimism))


def _alike(runs: Runs, cell: int, rest_of_name: str) -> str:
    """What a cell shares with those that it may be better than: its group, its data, how much of it.

    Where a baseline was named by one part of names, each for the cells beside it, the other parts count too.
    """
    columns = on_what(runs)
    words = [runs.text(column, cell) for column in columns]
    amounts = [f"{column} {runs.text(column, cell) or 'none'}" for column in budgets(runs)]
    group = runs.text("group", cell)
    told = {*group.split("/"), *words}
    rest = "/".join(
        word for word in rest_of_name.split("/") if word not in told | {runs.text("student", cell)}
    )
    on = [word for word in words if word and word not in group.split("/")]
    return "/".join(filter(None, (group, *on, *amounts, rest)))


def may_be_best(
    values: Floats,
    alpha: float,
    diverged: NDArray[np.bool_] | None = None,
    *,
    unpaired: bool = False,
    looks: tuple[int, ...] = (),
) -> NDArray[np.bool_]:
    """Which cells may have the highest mean, from values (cells, seeds) where more is better; shape (cells,).

    A cell that lost runs to divergence beats nobody: what is left of it is a selection. Without pairs,
    unequal numbers of runs count from as many on as the test of a difference asks for.
    """
    m = values.shape[0]
    stays = np.ones(m, dtype=bool)
    size = np.abs(values[~np.isnan(values)]).max(initial=0.0)
    level = nominal_level(looks, min(1.0, 2 * alpha / (m - 1))) / 2 if looks else alpha / (m - 1)
    cells = Moments.of_rows(values)
    for i in range(m):
        if unpaired:
            mean, se, df = each_against(cells, i)
            fewest, most = np.minimum(cells.n, cells.n[i]), np.maximum(cells.n, cells.n[i])
            usable = (se > NOISE * size) & ((fewest == most) | (fewest >= FEWEST_UNEQUAL))
        else:
            moments = Moments.of_rows(values - values[i])
            mean, df = moments.mean, moments.n - 1
            with np.errstate(divide="ignore", invalid="ignore"):
                se = moments.sd / np.sqrt(moments.n)
            usable = moments.sd > NOISE * size
        with np.errstate(divide="ignore", invalid="ignore"):
            p = special.stdtr(df, -mean / se)  # small when j is above i
        beats = usable & (p < level)
        if diverged is not None:
            beats &= ~diverged
        stays[i] = not beats.any()
    return stays


def leave_one_seed_out(values: Floats) -> tuple[float, tuple[int, ...]]:
    """Pick the best cell on all seeds but one, score it on that one; the mean score and the picks.

    `values` (cells, seeds), more is better, no NaN. The bias against the true mean of what is picked is 0.
    """
    total = values.sum(axis=1)
    picks = tuple(int(np.argmax(total - values[:, seed])) for seed in range(values.shape[1]))
    return float(np.mean([values[pick, seed] for seed, pick in enumerate(picks)])), picks


def expected_optimism(values: Floats) -> float:
    """E[max of the cells' means] were all equal: E_max(m)·σ·√(1 − r)/√n, σ²(1 − r) from the residuals."""
    m, n = values.shape
    residual = (
        values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    )
    variance = float((residual**2).sum()) / ((m - 1) * (n - 1))
    return expected_maximum(m) * float(np.sqrt(variance / n))


def expected_optimism_unpaired(values: Floats) -> float:
    """The same of cells whose runs are not paired: nothing in common is lost, E_max(m)·√(mean of σ²/n)."""
    cells = Moments.of_rows(values)
    return expected_maximum(values.shape[0]) * float(np.sqrt((cells.sd**2 / cells.n).mean()))


def expected_maximum(m: int) -> float:
    """The expected largest of m standard normals: ∫ z · m·φ(z)·Φ(z)^(m−1) dz; 1.539 for ten."""
    z = np.linspace(-12.0, 12.0, 24_001)
    density = m * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * special.ndtr(z) ** (m - 1)
    return float((z * density).sum() * (z[1] - z[0]))


def _pick(
    question: Question, everything: Runs, cells: list[int], who: tuple[str | None, str | None]
) -> Pick | None:
    """The cell chosen without the seeds (or the data) that judge it."""
    runs, chosen_on, sign = question.runs, question.plan.selection_seeds, question.sign
    kept = np.isin(everything.seeds, chosen_on) if chosen_on else np.ones(len(everything.seeds), dtype=bool)
    if everything.validation is not None and not np.isnan(everything.validation[cells][:, kept]).all():
        scores, by = everything.validation[cells][:, kept], "validation"
    elif chosen_on:
        scores, by = sign * everything.values[cells][:, kept], everything.metric
    else:
        return None
    if chosen_on:
        by += f" on seeds {', '.join(map(str, chosen_on))}"
    by_score, test = (
        _means(some, paired=question.plan.test != "unpaired") for some in (scores, runs.values[cells])
    )
    if by_score is None or test is None:
        return None
    chosen = cells[int(np.argmax(by_score))]
    top = cells[int(np.argmax(sign * test))]
    mean = float(test[cells.index(chosen)])
    say = question.phrasing
    over = _in_common(runs.values[cells]) if question.plan.test != "unpaired" else ""
    says = f"{by} picks {runs.cells[chosen]} {among(len(cells))}: {say.words} {say.number(mean)}{over}"
    if top != chosen:
        says += f"; {runs.cells[top]} has the best {say.words} ({say.number(float(test[cells.index(top)]))})"
        says += ", but choosing it for that would be choosing on test"
    return Pick(
        *(*who, len(cells), by, runs.cells[chosen], mean, runs.cells[top]),
        says[:1].upper() + says[1:] + ".",
        over,
    )


def _in_common(values: Floats) -> str:
    """That means are over fewer seeds than some cell has, as all are to have them; "" if they are not."""
    there = ~np.isnan(values)
    shared, most = int(there.all(axis=0).sum()), int(there.sum(axis=1).max(initial=0))
    return "" if shared == most else f" over the {shared} of {most} seeds that all of the cells have"


def among(cells: int, *, left: bool = False) -> str:
    """`among 3 cells`, or of those that are left where cells were left out by hand."""
    return f"among the {cells} cells that are left" if left else f"among {cells} cells"


def _means(values: Floats, *, paired: bool) -> Floats | None:
    """The mean of every cell, over the seeds that all have where runs are paired; None where one has none."""
    if paired:
        shared = values[:, ~np.isnan(values).any(axis=0)]
        return shared.mean(axis=1) if shared.shape[1] else None
    mean = Moments.of_rows(values).mean
    return None if np.isnan(mean).any() else mean
