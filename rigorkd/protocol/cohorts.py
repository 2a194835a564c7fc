"""Cells × seeds: the runs of a study, and the cohorts that train in lockstep."""

from __future__ import annotations

from collections.abc import Sequence

from rigorkd.protocol.cells import Cell, Cohort, Run
from rigorkd.protocol.hashes import canonical


def runs(cells: Sequence[Cell], seeds: Sequence[int]) -> tuple[Run, ...]:
    """Every run, those that all seeds share first, then seed by seed in the order of the cells."""
    fixed = [Run(cell, None) for cell in cells if not cell.per_seed]
    return (*fixed, *(Run(cell, seed) for seed in seeds for cell in cells if cell.per_seed))


def cohorts(cells: Sequence[Cell], seeds: Sequence[int]) -> tuple[Cohort, ...]:
    """The student runs that share every batch and the teacher: seed by seed, in the order of the cells.

    Cells share a cohort if data and split, views, teacher and its view, batch size and precision are equal.
    """
    by_name = {cell.name: cell for cell in cells}
    shared: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.role == "student":
            shared.setdefault(_shared(cell), []).append(cell)
    return tuple(_cohort(seed, members, by_name) for seed in seeds for members in shared.values())


def _shared(cell: Cell) -> str:
    training = cell.training
    return canonical(
        [
            cell.dataset.model_dump(),
            cell.views.model_dump(),
            cell.teacher,
            training.batch_size,
            training.precision,
            training.processes_per_run,
        ]
    )


def _cohort(seed: int, members: Sequence[Cell], by_name: dict[str, Cell]) -> Cohort:
    teacher = None
    if any(cell.method.distils for cell in members) and members[0].teacher is not None:
        cell = by_name[members[0].teacher]
        teacher = Run(cell, seed if cell.per_seed else None)
    return Cohort(seed, tuple(Run(cell, seed) for cell in members), teacher)
