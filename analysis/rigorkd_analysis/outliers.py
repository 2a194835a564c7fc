"""Runs that fell out of the range of their cell: a collapse at one seed makes a t test err and an equivalence
test blind, so it is named before any test is believed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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

#: So much of a difference is to be there without the runs that collapsed, if its direction is to be believed.
KEPT = 0.5

COLLAPSED, BLIND = "a seed fell far behind", "an equivalence is blind to a seed that fell"
"""How the reason begins why a comparison with such a run decides nothing; the runs follow, by semicolons."""


@dataclass(frozen=True)
class Outlying:
    """Runs that lie far from their cell's median, of shape (cells, seeds).

    Attributes:
        far: further than the other runs of their own cell explain. Whether one is named in a warning, the
            cells of its comparison say.
        fallen: those on the bad side that lie further than runs of an ordinary cell of the whole table. An
            equivalence that rests on one is blind: it averages over it.
        collapsed: fallen so far that in a study of ordinary runs none would be, whatever their number. A
            direction that is not there without it is none either.
        left_out: by cell what fell so far and is not judged, in words: what is left is a selection.
    """

    far: NDArray[np.bool_]
    fallen: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]
    medians: Floats
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def fell_at(self, runs: Runs) -> Iterator[tuple[int, int]]:
        """The cells and seeds, as positions, of runs that fell so far, and not all cells alike."""
        for cell, seed in np.argwhere(self.collapsed).tolist():
            if self._alone(runs, range(len(runs.cells)), cell, seed):
                yield cell, seed

    def collapsed_in(self, runs: Runs, cells: Sequence[int], *, equivalent: bool, paired: bool) -> str | None:
        """Why a direction or an equivalence of these cells rests on a seed that fell, None where it does not.

        A seed at which all of its cells fell alike does no harm: the difference does not show it. Nor does,
        paired, one at which some cell has no run: it is not in the difference.
        """
        which = self.fallen if equivalent else self.collapsed
        used = ~np.isnan(runs.values[list(cells)]).any(axis=0) if paired else np.ones(len(runs.seeds), bool)
        named = [
            self._named(runs, cell, int(seed))
            for cell in cells
            for seed in np.flatnonzero(which[cell] & used)
            if self._alone(runs, cells, cell, int(seed))
        ]
        named += [text for cell in cells for text in self.left_out.get(runs.cells[cell], ())]
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
        if any(runs.cells[cell] in self.left_out for cell in cells):
            return False
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
        """The outlying runs of a comparison, by its own cells alone: others do not widen its interval.

        One that lies far outside its cell by the scale of these cells is named; paired, only where the
        difference at its seed stands out, too. An easy or a hard seed at which all cells moved alike is so
        none: it is what pairing removes. A collapse is named all the same.

        Args:
            d: the differences that are tested, of shape (members, seeds); None where runs are not paired.
        """
        if not (self.far[list(cells)] | self.collapsed[list(cells)]).any():
            return
        far = _far(runs.values[list(cells)])[0] & self._shows(cells, d)
        told = set[int]()
        for own, cell in zip(far, cells, strict=True):
            for seed in map(int, np.flatnonzero(own | self.collapsed[cell])):
                if self.collapsed[cell, seed]:
                    yield f"a seed far behind: {self._named(runs, cell, seed)}"
                elif d is None:
                    yield f"an outlying seed: {self._named(runs, cell, seed)}"
                elif seed not in told:
                    told.add(seed)
                    yield f"an outlying seed: {self._paired(runs, cells, cell, seed, d)}"

    def _paired(self, runs: Runs, cells: Sequence[int], cell: int, seed: int, d: Floats) -> str:
        """That the difference stands out at a seed, of a pair without saying which of the two is to blame.

        One may have fallen or the other risen, alone or with all others; their own medians tell no more.
        """
        row = next(row for row in d if _stands_out(row, seed))
        others = f"median of the others {_signed(_median(np.delete(row, seed)))}"
        difference = f"difference {_signed(row[seed])}, {others}"
        if len(cells) != 2:
            return f"{self._named(runs, cell, seed)} ({difference})"
        a, b = (f"{runs.values[one, seed]:.4g}" for one in cells)
        medians = " and ".join(f"{self.medians[one]:.4g}" for one in cells)
        return f"{a} against {b} at seed {runs.seeds[seed]} (medians {medians}): {difference}"

    def _named(self, runs: Runs, cell: int, seed: int) -> str:
        return _named(runs, cell, seed, float(self.medians[cell]))

    def _shows(self, cells: Sequence[int], d: Floats | None) -> NDArray[np.bool_]:
        """At which seeds the difference shows a run that may be far: all, where there is none."""
        shows = np.ones(self.far.shape[1], dtype=bool)
        if d is not None:
            for seed in map(int, np.flatnonzero(self.far[list(cells)].any(axis=0))):
                shows[seed] = any(_stands_out(row, seed) for row in d)
        return shows

    def _alone(self, runs: Runs, cells: Sequence[int], cell: int, seed: int) -> bool:
        """Whether some other cell did not move at least half as far at this seed."""
        move = runs.values[cell, seed] - self.medians[cell]
        others = [other for other in cells if other != cell and np.isfinite(runs.values[other, seed])]
        return not others or any(
            abs((runs.values[other, seed] - self.medians[other]) - move) > (1 - FELL_TOO) * abs(move)
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


def _median(values: Floats) -> float:
    return float(np.nanmedian(values))


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")


def fell_unjudged(
    runs: Runs, goal: Goal, judged: Collection[tuple[str, int]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The runs that fell so far and are not among the `judged` ones, by cell, in words."""
    odd, found = outlying(runs, goal), dict[str, list[str]]()
    for cell, seed in odd.fell_at(runs):
        if (runs.cells[cell], int(runs.seeds[seed])) not in judged:
            told = f"{_named(runs, cell, seed, float(odd.medians[cell]))}; it is left out"
            found.setdefault(runs.cells[cell], []).append(told)
    return tuple((cell, tuple(own)) for cell, own in found.items())


def _named(runs: Runs, cell: int, seed: int, median: float) -> str:
    value = runs.values[cell, seed]
    return f"{runs.cells[cell]} has {value:.4g} at seed {runs.seeds[seed]}, its median is {median:.4g}"


def outlying(runs: Runs, goal: Goal, added: Sequence[str] = ()) -> Outlying:
    """Find the runs that lie outside their cell, for verdicts by the scale of the whole table.

    That is the larger of what the cell itself and what all cells show, so that neither three seeds that
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
    return Outlying(_Runs.of(values).far_alone(), far & worse, very & worse, medians)


def _medians(values: Floats) -> Floats:
    there = ~np.isnan(values)
    return np.array(
        [np.median(row[mask]) if mask.any() else np.nan for row, mask in zip(values, there, strict=True)]
    )


@dataclass(frozen=True)
class _Runs:
    """Values, of shape (rows, seeds), beside what the other runs of their own row show.

    Attributes:
        away: how far they lie from the median of their row; 0 where there is none.
        seen: where that is no rounding.
        spread: the robust standard deviation of each row.
        squares: of deviations from the mean, of each row; a run added its `own` to them.
        within: the variance of the other runs of its row.
    """

    away: Floats
    seen: NDArray[np.bool_]
    n: NDArray[np.intp]
    spread: Floats
    squares: Floats
    own: Floats
    within: Floats

    @classmethod
    def of(cls, values: Floats) -> _Runs:
        there = ~np.isnan(values)
        n = there.sum(axis=1, keepdims=True)
        filled = np.where(there, values, 0.0)
        away = np.abs(np.where(there, values - _medians(values)[:, None], 0.0))
        seen = there & (away > NOISE * np.abs(filled).max(initial=0.0))
        rows = zip(away, there, strict=True)
        spread = np.array([1.4826 * np.median(row[mask]) if mask.any() else 0.0 for row, mask in rows])
        centred = np.where(there, filled - filled.sum(axis=1, keepdims=True) / np.maximum(n, 1), 0.0)
        squares = (centred**2).sum(axis=1, keepdims=True)
        own = np.where(n > 1, n / np.maximum(n - 1, 1) * centred**2, 0.0)
        within = np.maximum(squares - own, 0.0) / np.maximum(n - 2, 1)
        return cls(away, seen, n, spread, squares, own, within)

    def far_alone(self) -> NDArray[np.bool_]:
        """Which are far by their own row; those that are by whatever other rows beside it are among them."""
        robust = (self.n >= ROBUST_FROM) & (self.away > FAR_ROBUST * self.spread[:, None])
        return np.asarray(
            self.seen & (robust | ((self.n >= 3) & (self.away > FAR_POOLED * np.sqrt(self.within))))
        )


def _far(
    values: Floats, basis: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values lie far from their row's median, and which so far that in ordinary tables none would.

    `basis`, of shape (rows,), are the rows that the scale is taken from; None: all.
    """
    runs = _Runs.of(values)
    basis = np.ones(len(values), dtype=bool) if basis is None else basis
    outside = 1.0 - float(special.ndtr(FAR_POOLED))
    far = _beyond_robust(runs, basis) | _beyond_pooled(runs, basis, outside)
    very = _beyond_pooled(runs, basis, outside / max(int(runs.n[basis].sum()), 1))
    return far & runs.seen, very & runs.seen


def _beyond_robust(runs: _Runs, basis: NDArray[np.bool_]) -> NDArray[np.bool_]:
    several = basis & (runs.n[:, 0] >= 2)
    usual = np.median(runs.spread[several]) if several.any() else 0.0
    scale = np.maximum(runs.spread, usual)[:, None]
    return np.asarray((runs.n >= ROBUST_FROM) & (scale > 0) & (runs.away > FAR_ROBUST * scale))


def _beyond_pooled(runs: _Runs, basis: NDArray[np.bool_], outside: float) -> NDArray[np.bool_]:
    """Beyond three standard deviations of all other runs, and of the other runs of its own cell.

    Of few runs the pooled one is itself uncertain: three is then the quantile of Student's t with as much
    `outside` it.
    """
    # A row outside the basis adds nothing to the pooled squares, so that nothing of it is to be taken away.
    mine = basis[:, None].astype(float)
    freedom = float(np.maximum(runs.n - 1, 0)[basis].sum()) - mine
    if freedom.min() < 1:
        return np.zeros(runs.away.shape, dtype=bool)
    pooled = np.maximum(runs.squares[basis].sum() - mine * runs.own, 0.0) / freedom
    far = -special.stdtrit(freedom, outside)
    scale = np.maximum(FAR_POOLED * np.sqrt(runs.within), far * np.sqrt(pooled))
    return np.asarray((runs.n >= 3) & (scale > 0) & (runs.away > scale))
