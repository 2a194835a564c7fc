"""From a question about cells to weights over cells: pairs, trends, differences of gains, conjunctions.

Every comparison is Σ weight · cell per seed, weights summing to 0; its test is a one-sample t over seeds. A
conjunction ("all of these gain") has no weights of its own: it is an intersection–union test over its
members, whose p-value is their largest (Berger 1982).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations as choose

import numpy as np

from rigorkd_analysis.baselines import Matcher
from rigorkd_analysis.errors import TableError
from rigorkd_analysis.plan import AllOf, Contrast, DifferenceOfGains, Pair, Trend, Weighted
from rigorkd_analysis.table import Runs, suggest

#: A family larger than this is not a question any more.
MAX_PAIRS = 50_000

#: Columns that can tell the cells of one method apart.
AXES = (
    "T", "alpha", "ce_weight", "kd_weight", "beta", "gamma", "epochs", "teacher", "start", "training",
    "views", "direction", "t_squared", "lr", "weight_decay", "batch_size",
)  # fmt: skip
#: The two ways to write one weight: when one of them is the axis, the others follow it.
_SAME_AXIS = dict.fromkeys(("alpha", "ce_weight", "kd_weight"), ("alpha", "ce_weight", "kd_weight"))


@dataclass(frozen=True)
class Combination:
    """A comparison before its numbers: positions and weights of cells, or members for a conjunction."""

    name: str
    a: int | None
    b: int | None
    weights: tuple[tuple[int, float], ...]
    members: tuple[tuple[int, int], ...] = ()
    subject: str = ""

    @property
    def cells(self) -> list[int]:
        """Every cell that takes part, once."""
        taking = [cell for cell, _ in self.weights] + [cell for member in self.members for cell in member]
        return list(dict.fromkeys(taking))


def pair(runs: Runs, a: int, b: int, name: str | None = None) -> Combination:
    return Combination(name or f"{runs.cells[a]} vs {runs.cells[b]}", a, b, ((a, 1.0), (b, -1.0)))


def gains(runs: Runs, matcher: Matcher) -> list[Combination]:
    """Every distilled cell against its own baseline."""
    return [pair(runs, cell, matcher.of(cell)) for cell in matcher.targets()]


def all_pairs(runs: Runs) -> list[Combination]:
    """All pairs of cells of one student; teachers are no one's rival."""
    by_student: dict[str, list[int]] = {}
    for cell in range(len(runs.cells)):
        if runs.text("method", cell) != "teacher":
            by_student.setdefault(runs.text("student", cell), []).append(cell)
    total = sum(len(cells) * (len(cells) - 1) // 2 for cells in by_student.values())
    if total > MAX_PAIRS:
        raise TableError(
            f"all pairs of these cells are {total:,} comparisons",
            hint="name what to compare: --baseline CELL or --compare A B",
        )
    return [pair(runs, a, b) for cells in by_student.values() for a, b in choose(cells, 2)]


def resolve(runs: Runs, matcher: Matcher, contrast: Contrast) -> Combination:
    """The weights of a named contrast.

    Raises:
        TableError: a cell does not exist, has no baseline, or a trend is ambiguous.
    """
    match contrast:
        case Pair(a, b, name):
            if a == b:
                raise TableError(f"{a} is compared with itself", hint="name two different cells")
            return pair(runs, runs.position(a), runs.position(b), name)
        case DifferenceOfGains(a, b, name):
            return _difference_of_gains(runs, matcher, a, b, name)
        case AllOf(cells, name):
            members = tuple((runs.position(cell), matcher.of(runs.position(cell))) for cell in cells)
            return Combination(name or f"all of {', '.join(cells)} gain", None, None, (), members)
        case Weighted(weights, name):
            return _weighted(runs, weights, name)
        case Trend():
            return _trend(runs, contrast)


def _difference_of_gains(runs: Runs, matcher: Matcher, a: str, b: str, name: str | None) -> Combination:
    first, second = runs.position(a), runs.position(b)
    weights: dict[int, float] = {}
    for cell, weight in ((first, 1.0), (matcher.of(first), -1.0), (second, -1.0), (matcher.of(second), 1.0)):
        weights[cell] = weights.get(cell, 0.0) + weight
    kept = tuple((cell, weight) for cell, weight in weights.items() if weight)
    return Combination(name or f"gain of {a} vs gain of {b}", None, None, kept)


def _weighted(runs: Runs, weights: tuple[tuple[str, float], ...], name: str | None) -> Combination:
    total = sum(weight for _, weight in weights)
    size = max((abs(weight) for _, weight in weights), default=0.0)
    if size == 0 or abs(total) > 1e-9 * size:
        raise TableError(
            f"the weights of {name or 'a contrast'} sum to {total:g}", hint="weights of a contrast sum to 0"
        )
    placed = tuple((runs.position(cell), float(weight)) for cell, weight in weights if weight)
    shown = " ".join(f"{weight:+g}·{cell}" for cell, weight in weights)
    return Combination(name or shown, None, None, placed)


def _trend(runs: Runs, trend: Trend) -> Combination:
    over = trend.over
    if over not in runs.attributes:
        raise TableError(f"no column {over!r} to follow a trend over", hint=suggest(over, runs.attributes))
    cells = [
        cell
        for cell in range(len(runs.cells))
        if runs.number(over, cell) is not None
        and (trend.group is None or runs.text("group", cell) == trend.group)
        and (trend.student is None or runs.text("student", cell) == trend.student)
        and runs.text("method", cell) not in ("baseline", "teacher")
        and all(_matches(runs, cell, column, value) for column, value in trend.where)
    ]
    what = trend.name or f"trend over {over}"
    arm = _arm(runs, cells, over, what)
    values = np.array([runs.number(over, cell) for cell in arm], dtype=np.float64)
    centred = values - values.mean()
    # the fitted line's change from the smallest to the largest value, in the metric's units
    weights = centred / (centred**2).sum() * (values.max() - values.min())
    name = trend.name or f"{runs.cells[arm[0]].rsplit('/', 1)[0]}: trend over {over}"
    placed = tuple((cell, float(weight)) for cell, weight in zip(arm, weights, strict=True) if weight)
    shown = ", ".join(f"{value:g}" for value in values)
    return Combination(name, None, None, placed, subject=f"fitted change over {over} = {shown}")


def _matches(runs: Runs, cell: int, column: str, value: float | str) -> bool:
    number = runs.number(column, cell)
    if isinstance(value, (int, float)) and number is not None:
        return number == float(value)
    return runs.text(column, cell) == str(value)


def _arm(runs: Runs, cells: list[int], over: str, what: str) -> list[int]:
    """The cells that differ in `over` alone: of a cross, the arm that shares the other axes' common value."""
    others = [
        "group",
        "student",
        "method",
        *(axis for axis in AXES if axis not in _SAME_AXIS.get(over, (over,))),
    ]
    arms: dict[tuple[str, ...], list[int]] = {}
    for cell in cells:
        arms.setdefault(tuple(runs.text(column, cell) for column in others), []).append(cell)
    several = {key: arm for key, arm in arms.items() if len({runs.number(over, cell) for cell in arm}) >= 2}
    if not several:
        raise TableError(
            f"{what}: no two cells differ in {over!r} alone", hint="check the group and student of the trend"
        )
    if len(several) > 1:
        keys = list(several)
        varying = [column for i, column in enumerate(others) if len({key[i] for key in keys}) > 1]
        listed = "; ".join(
            ", ".join(f"{column} {key[others.index(column)]}" for column in varying) for key in keys[:6]
        )
        ask = "student: …" if "student" in varying else f"where: {{{varying[-1]}: …}}"
        raise TableError(
            f"{what}: {len(several)} arms could be meant ({listed})",
            hint=f"say which in the trend, with {ask}",
        )
    arm = next(iter(several.values()))
    seen = [runs.number(over, cell) for cell in arm]
    if len(set(seen)) < len(seen):
        listed = ", ".join(runs.cells[cell] for cell in arm)
        raise TableError(
            f"{what}: two cells share a value of {over!r}: {listed}", hint="narrow it with `where`"
        )
    return sorted(arm, key=lambda cell: runs.number(over, cell) or 0.0)
