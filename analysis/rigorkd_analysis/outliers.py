"""Runs that fell out of the range of their cell: a collapse at one seed makes a t test err and an equivalence
test blind, so it is named before any test is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.runs import Floats, Runs

#: Smaller than this share of the largest value, a distance is the last bits of a float.
NOISE = 1e-12
#: A value further from its cell's median than so many robust standard deviations is outlying …
FAR_ROBUST = 5.0
#: … or than so many standard deviations, pooled over cells.
FAR_POOLED = 3.0
#: With fewer seeds a median absolute deviation says nothing: by chance alone one cell in five were outlying.
ROBUST_FROM = 5
#: A cell that fell at least half as far as another fell too: the other did not collapse alone.
FELL_TOO = 0.5
#: Cells that moved by amounts of which four fifths are common moved alike.
ALIKE = 0.8

#: So much of a difference is to be there without the runs that collapsed, if its direction is to be believed.
KEPT = 0.5

COLLAPSED, BLIND = "a seed fell far behind", "an equivalence is blind to a seed that fell"
"""How the reason begins why a comparison with such a run decides nothing; the runs follow, by semicolons."""


@dataclass(frozen=True)
class Outlying:
    """Runs that lie far from their cell's median, of shape (cells, seeds).

    Attributes:
        far: further than runs of an ordinary cell lie; each is named in a warning.
        fallen: those of them on the bad side. An equivalence that rests on one is blind: it averages over it.
        collapsed: fallen so far that in a study of ordinary runs none would be, whatever their number. A
            direction that is not there without it is none either.
    """

    far: NDArray[np.bool_]
    fallen: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]
    medians: Floats

    def collapsed_in(self, runs: Runs, cells: Sequence[int], *, equivalent: bool, paired: bool) -> str | None:
        """Why a direction or an equivalence of these cells rests on a seed that fell, None where it does not.

        A seed at which all of its cells fell alike does no harm: the difference does not show it. Nor does,
        paired, one at which some cell has no run: it is not in the difference.
        """
        which = self.fallen if equivalent else self.collapsed
        used = ~np.isnan(runs.values[list(cells)]).any(axis=0) if paired else np.ones(len(runs.seeds), bool)
        named = [
            _named(runs, cell, int(seed), float(self.medians[cell]))
            for cell in cells
            for seed in np.flatnonzero(which[cell] & used)
            if self._alone(runs, cells, cell, int(seed))
        ]
        if not named:
            return None
        if equivalent:
            return f"{BLIND}: {'; '.join(named)}"
        return f"{COLLAPSED}: {'; '.join(named)}"

    def stands_without(self, runs: Runs, weights: Sequence[tuple[int, float]]) -> bool:
        """Whether a difference is there without the seeds at which a run collapsed: as it points, and half.

        A single run that falls moves a mean and its spread together, so that t goes to one: where a test
        finds a difference all the same, it is the other seeds' as a rule, and this is seen by asking them.
        """
        cells = [cell for cell, _ in weights]
        kept = np.ones(len(runs.seeds), dtype=bool)
        for cell in cells:
            for seed in map(int, np.flatnonzero(self.collapsed[cell])):
                kept[seed] &= not self._alone(runs, cells, cell, seed)
        whole, rest = (
            sum(weight * _mean(runs.values[cell][mask]) for cell, weight in weights)
            for mask in (np.ones_like(kept), kept)
        )
        return bool(whole * rest > 0 and abs(rest) >= KEPT * abs(whole))

    def warnings(self, runs: Runs, cells: Sequence[int], d: Floats | None) -> Iterator[str]:
        """The outlying runs of these cells.

        Paired, an easy or a hard seed at which all cells moved alike is none: it is what pairing removes. Nor
        is one at which a cell alone moved, but the difference is none that the other seeds do not show: it
        widens no interval. A collapse is named all the same.

        Args:
            d: the differences that are tested, of shape (members, seeds); None where runs are not paired.
        """
        if not self.far[list(cells)].any():
            return
        apart = np.ones(len(runs.seeds), dtype=bool) if d is None else self._apart(runs, cells)
        for cell in cells:
            for seed in map(int, np.flatnonzero(self.far[cell])):
                collapsed = bool(self.collapsed[cell, seed])
                moved = apart[seed] or self._alone(runs, cells, cell, seed, share=ALIKE)
                if collapsed or (moved and (d is None or any(_stands_out(row, seed) for row in d))):
                    word = "a seed far behind" if collapsed else "an outlying seed"
                    yield f"{word}: {_named(runs, cell, seed, float(self.medians[cell]))}"

    def _apart(self, runs: Runs, cells: Sequence[int]) -> NDArray[np.bool_]:
        """At which seeds these cells are further apart than at the others, or one of them is missing."""
        values = runs.values[list(cells)]
        whole = np.asarray(~np.isnan(values).any(axis=0))
        apart = np.logical_not(whole)
        between = values[:, whole] - values[:, whole].mean(axis=0)
        apart[whole] = _far(between)[0].any(axis=0)
        return apart

    def _alone(self, runs: Runs, cells: Sequence[int], cell: int, seed: int, share: float = FELL_TOO) -> bool:
        """Whether some other cell did not move at least so large a share as far at this seed."""
        move = runs.values[cell, seed] - self.medians[cell]
        others = [other for other in cells if other != cell and np.isfinite(runs.values[other, seed])]
        return not others or any(
            abs((runs.values[other, seed] - self.medians[other]) - move) > (1 - share) * abs(move)
            for other in others
        )


def _stands_out(d: Floats, seed: int) -> bool:
    """Whether a difference is further from the mean of the others than three standard deviations of these."""
    others = np.delete(d, seed)
    others = others[~np.isnan(others)]
    far = len(others) > 1 and abs(d[seed] - others.mean()) > FAR_POOLED * others.std(ddof=1)
    return bool(far)  # not of a seed without a difference


def _mean(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else np.nan


def _named(runs: Runs, cell: int, seed: int, median: float) -> str:
    value = runs.values[cell, seed]
    return f"{runs.cells[cell]} has {value:.4g} at seed {runs.seeds[seed]}, its median is {median:.4g}"


def outlying(runs: Runs, goal: Goal, added: Sequence[str] = ()) -> Outlying:
    """Find the runs that lie outside their cell.

    The scale is the larger of what the cell itself and what all cells show, so that neither three seeds that
    happen to lie close nor one cell of a wider spread give alarm; no run is part of the scale it is held to.
    Cells that were `added` to a plan are held to the scale of the planned ones and are no part of it: what
    is decided about a planned cell would else depend on what was added after it had been seen.
    """
    values = runs.values
    medians = _medians(values)
    away = np.where(np.isnan(values), 0.0, values - medians[:, None])
    planned = np.array([cell not in added for cell in runs.cells], dtype=bool)
    far, very = _far(values, planned if planned.any() else ~planned)
    worse = away < 0 if goal == "max" else away > 0
    return Outlying(far, far & worse, very & worse, medians)


def _medians(values: Floats) -> Floats:
    there = ~np.isnan(values)
    return np.array(
        [np.median(row[mask]) if mask.any() else np.nan for row, mask in zip(values, there, strict=True)]
    )


def _far(
    values: Floats, basis: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values lie far from their row's median, and which so far that in ordinary tables none would.

    `basis`, of shape (rows,), are the rows that the scale is taken from; None: all.
    """
    there = ~np.isnan(values)
    basis = np.ones(len(values), dtype=bool) if basis is None else basis
    n = there.sum(axis=1, keepdims=True)
    filled = np.where(there, values, 0.0)
    away = np.where(there, values - _medians(values)[:, None], 0.0)
    seen = there & (np.abs(away) > NOISE * np.abs(filled).max(initial=0.0))
    outside = 1.0 - float(special.ndtr(FAR_POOLED))
    pooled = partial(_beyond_pooled, np.abs(away), filled, there, n, basis)
    far = _beyond_robust(np.abs(away), there, n, basis) | pooled(outside)
    very = pooled(outside / max(int(n[basis].sum()), 1))
    return far & seen, very & seen


def _beyond_robust(
    away: Floats, there: NDArray[np.bool_], n: NDArray[np.intp], basis: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    spread = np.array(
        [1.4826 * np.median(row[mask]) if mask.any() else 0.0 for row, mask in zip(away, there, strict=True)]
    )
    several = basis & (n[:, 0] >= 2)
    usual = np.median(spread[several]) if several.any() else 0.0
    scale = np.maximum(spread, usual)[:, None]
    return np.asarray((n >= ROBUST_FROM) & (scale > 0) & (away > FAR_ROBUST * scale))


def _beyond_pooled(
    away: Floats,
    filled: Floats,
    there: NDArray[np.bool_],
    n: NDArray[np.intp],
    basis: NDArray[np.bool_],
    outside: float,
) -> NDArray[np.bool_]:
    """Beyond three standard deviations of all other runs, and of the other runs of its own cell.

    Of few runs the pooled one is itself uncertain: three is then the quantile of Student's t with as much
    `outside` it.
    """
    count = np.maximum(n, 1)
    centred = np.where(there, filled - filled.sum(axis=1, keepdims=True) / count, 0.0)
    squares = (centred**2).sum(axis=1, keepdims=True)
    own = np.where(n > 1, n / np.maximum(n - 1, 1) * centred**2, 0.0)  # what a run adds to its cell's squares
    rest = np.maximum(squares - own, 0.0)
    within = rest / np.maximum(n - 2, 1)
    # A row outside the basis adds nothing to the pooled squares, so that nothing of it is to be taken away.
    mine = basis[:, None].astype(float)
    freedom = float(np.maximum(n - 1, 0)[basis].sum()) - mine
    if freedom.min() < 1:
        return np.zeros(away.shape, dtype=bool)
    pooled = np.maximum(squares[basis].sum() - mine * own, 0.0) / freedom
    far = -special.stdtrit(freedom, outside)
    scale = np.maximum(FAR_POOLED * np.sqrt(within), far * np.sqrt(pooled))
    return np.asarray((n >= 3) & (scale > 0) & (away > scale))
