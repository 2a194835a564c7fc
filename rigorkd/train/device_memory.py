"""How many students fit on a device together. Splitting a cohort changes no bits, only shares less work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rigorkd.data.image_data import ImageData
from rigorkd.data.loading import load
from rigorkd.data.views import build_view
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.own_code import Source
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.schema import SGD
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import Task

# Weights, gradients and the kept best checkpoint; the optimiser's states and an average come on top.
# Activations are not counted per student: only one student's are alive at a time.
_COPIES = 3


_WEIGHTS: dict[tuple[object, ...], int] = {}
"""Bytes of weights by model, classes and images, in this process: to know them is to build the model."""


def student_bytes(cell: Cell, data: ImageData, source: Source | None = None) -> int:
    """Bytes that one student of this cell holds on the device throughout its training."""
    view = build_view(cell.views, data.shape, train=False)
    key = (cell.model, source, data.classes, view.channels, view.size)
    if key not in _WEIGHTS:
        model = build(
            cell.model,
            classes=data.classes,
            channels=view.channels,
            size=view.size,
            weights="random",
            seed=0,
            source=source,
        )
        _WEIGHTS[key] = sum(each.numel() * each.element_size() for each in model.state_dict().values())
    weights = _WEIGHTS[key]
    states = 1 if isinstance(cell.training.optimizer, SGD) else 2
    return weights * (_COPIES + states + (cell.training.ema is not None))


def split_by_memory(task: Task, sizes: list[int], budget: int) -> list[Task]:
    """Cut a task into tasks whose students fit into `budget` bytes together; a single one always passes.

    `sizes` are the students' bytes, in the order of `task.runs`.
    """
    parts: list[list[int]] = [[]]
    used = 0
    for index, size in enumerate(sizes):
        if parts[-1] and used + size > budget:
            parts.append([])
            used = 0
        parts[-1].append(index)
        used += size
    return [replace(task, runs=tuple(task.runs[i] for i in part)) for part in parts]


def split_for(task: Task, budget: int | None, runtime: Runtime) -> Iterator[Task]:
    """Cut a task to `budget` bytes; without one, to half of the memory that is free on the device now.

    What a part held is given back before the next one: together they would not fit.
    """
    with runtime.device_lock.busy():
        first, *others = _parts(task, budget, runtime)
    yield first
    for part in others:
        runtime.release()
        yield part


def _parts(task: Task, budget: int | None, runtime: Runtime) -> list[Task]:
    if len(task.runs) == 1:
        return [task]
    cells = [want.run.cell for want in task.runs]
    data = load(cells[0].dataset, task.runs[0].run.seed or 0)
    kinds = {_kind(want.run.cell): want for want in task.runs}
    sizes = {kind: student_bytes(want.run.cell, data, want.model_source) for kind, want in kinds.items()}
    free = runtime.memory_bytes() // 2 if budget is None else budget
    return split_by_memory(task, [sizes[_kind(cell)] for cell in cells], free)


def _kind(cell: Cell) -> tuple[Model, str, bool]:
    """What the bytes of a student depend on, of one data set."""
    return cell.model, cell.training.optimizer.name, cell.training.ema is not None
