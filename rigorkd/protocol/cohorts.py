"""Which cells belong together: the runs of a study, the cohorts in lockstep, the baseline of each gain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rigorkd.protocol.cells import Cell, Cohort, Run
from rigorkd.protocol.hashes import canonical, training_key, views_key
from rigorkd.protocol.schema import COHORT_KEYS
from rigorkd.text import count

#: A warning writes so many pairs out.
MOST_PAIRS = 6


def runs(cells: Sequence[Cell], seeds: Sequence[int]) -> tuple[Run, ...]:
    """Every run, those that all seeds share first, then seed by seed in the order of the cells."""
    fixed = [Run(cell, None) for cell in cells if not cell.per_seed]
    own = (Run(cell, seed) for seed in seeds for cell in cells if cell.per_seed and cell.runs_at(seed))
    return (*fixed, *own)


def cohorts(cells: Sequence[Cell], seeds: Sequence[int]) -> tuple[Cohort, ...]:
    """The student runs that share every batch and the teacher: seed by seed, in the order of the cells.

    Cells share a cohort if data and split, views, teacher and its view, stream, batch size and precision are
    equal. A run that a command trains is alone.
    """
    by_name = {cell.name: cell for cell in cells}
    shared: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.role == "student":
            shared.setdefault(_shared(cell), []).append(cell)
    return tuple(
        _cohort(seed, there, by_name)
        for seed in seeds
        for members in shared.values()
        if (there := [cell for cell in members if cell.runs_at(seed)])
    )


def _shared(cell: Cell) -> str:
    if cell.trainer is not None:
        return cell.name
    return canonical(
        [
            cell.dataset.model_dump(),
            cell.views.model_dump(),
            cell.teacher,
            cell.stream,
            *(getattr(cell.training, key) for key in COHORT_KEYS),
        ]
    )


def _cohort(seed: int, members: Sequence[Cell], by_name: dict[str, Cell]) -> Cohort:
    teacher = None
    if any(cell.method.distils for cell in members) and members[0].teacher is not None:
        cell = by_name[members[0].teacher]
        teacher = Run(cell, seed if cell.per_seed else None)
    return Cohort(seed, tuple(Run(cell, seed) for cell in members), teacher)


# ---------------------------------------------------------------------------------------------- baselines


def gain_pairs(cells: Iterable[Cell], among: Iterable[Cell]) -> list[tuple[str, str]]:
    """The names of the distilled cells that have a baseline among all cells, each with its baseline's."""
    baselines: dict[tuple[object, ...], str] = {}
    for cell in among:
        if cell.role == "student" and not cell.method.distils:
            baselines.setdefault(_held_equal(cell), cell.name)
    return [
        (cell.name, baselines[shared])
        for cell in cells
        if cell.role == "student" and cell.method.distils and (shared := _held_equal(cell)) in baselines
    ]


def lone_cells(cells: Iterable[Cell], asked: Iterable[tuple[str, str]] = (), *, planned: bool = False) -> str:
    """A warning of distilled cells that lack a baseline; empty if none does, or if there is no baseline.

    Those that a declared pair compares, of `asked`, need none. Commands of baselines alone, or of none, are
    compared by nothing, unless contrasts are `planned`.
    """
    cells = [cell for cell in cells if cell.role == "student"]
    paired = {name for name, _ in gain_pairs(cells, cells)} | {name for pair in asked for name in pair}
    lone = [cell for cell in cells if cell.method.distils and cell.name not in paired]
    alike = len({cell.method.distils for cell in cells}) == 1
    if len(cells) > 1 and not planned and alike and all(cell.trainer for cell in cells):
        pairs = [f"[{cell.name}, {cells[0].name}]" for cell in cells[1:]]
        which = "none of the" if cells[0].method.distils else "each of the"
        return (
            f"warning: {which} {len(cells)} cells is a baseline, so no comparison is planned; name what is"
            f" compared before it is trained: contrasts: [{', '.join(pairs[:MOST_PAIRS])}] under analysis"
        )
    if not lone or all(cell.method.distils for cell in cells):
        return ""
    bases = [cell for cell in cells if not cell.method.distils]
    pairs = []
    for cell in lone[:MOST_PAIRS]:
        of_its_own = [c for c in bases if (c.group, c.student) == (cell.group, cell.student)]
        pairs.append(f"[{cell.name}, {(of_its_own or bases)[0].name}]")
    more = f" (and so on, for {len(lone)} cells)" if len(lone) > MOST_PAIRS else ""
    return (
        f"warning: {count(len(lone), 'distilled cell')} without a baseline of the same group, student, start,"
        f" epochs, training and views, first {lone[0].name}: what a baseline sets is its tuning, and a gain"
        " is over the baseline that shares it; to compare them all the same, add contrasts: "
        f"[{', '.join(pairs)}] to analysis{more}"
    )


def _held_equal(cell: Cell) -> tuple[object, ...]:
    """What a gain holds equal: by the columns of `rigorkd.records.table` that the analysis matches on."""
    training, views = training_key(cell), views_key(cell)
    return cell.group, cell.student, cell.start, cell.training.epochs, training, views
