"""Which baseline a distilled cell is set against: the one that differs in nothing but the method."""

from __future__ import annotations

from collections.abc import Iterable

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.hashes import training_key, views_key
from rigorkd.text import count


def gain_pairs(cells: Iterable[Cell], among: Iterable[Cell]) -> list[tuple[str, str]]:
    """The names of the distilled cells that have a baseline among all cells, each with its baseline's."""
    baselines: dict[tuple[object, ...], str] = {}
    for cell in among:
        if cell.role == "student" and not cell.method.distils:
            baselines.setdefault(_shared(cell), cell.name)
    return [
        (cell.name, baselines[shared])
        for cell in cells
        if cell.method.distils and (shared := _shared(cell)) in baselines
    ]


def lone_cells(cells: Iterable[Cell]) -> str:
    """A warning of distilled cells that lack a baseline; empty if none does, or if there is no baseline."""
    cells = list(cells)
    paired = {name for name, _ in gain_pairs(cells, cells)}
    lone = [cell.name for cell in cells if cell.method.distils and cell.name not in paired]
    if not lone or all(cell.method.distils for cell in cells if cell.role == "student"):
        return ""
    return (
        f"warning: {count(len(lone), 'distilled cell')} without a baseline of the same group, student, start,"
        f" epochs, training and views, first {lone[0]}: `rigorkd analyze` will ask for one"
    )


def _shared(cell: Cell) -> tuple[object, ...]:
    """What a gain holds equal: by the columns of `rigorkd.records.tidy` that the analysis matches on."""
    training, views = training_key(cell), views_key(cell)
    return cell.group, cell.student, cell.start, cell.training.epochs, training, views
