"""Training and views that a group sets otherwise than the protocol: they hold for all its cells, the baseline
too, and no name of a cell says them. Whoever shows cells or judges them says them by these words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.hashes import laid_flat
from rigorkd.protocol.schema import Spec


@dataclass(frozen=True)
class OwnTraining:
    """What the cells of a group share, or vary among themselves, and the protocol has otherwise."""

    group: str
    changes: tuple[str, ...]
    with_baseline: bool

    @property
    def says(self) -> str:
        """`group main with label_smoothing 0.1 instead of 0, its baseline too`."""
        too = ", its baseline too" if self.with_baseline else ""
        return f"group {self.group} with {'; '.join(self.changes)}{too}"


def own_training(spec: Spec, cells: Iterable[Cell]) -> tuple[OwnTraining, ...]:
    """Of every group that departs from `training:` or `views:`, in the order of the cells."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.role == "student" and cell.trainer is None:
            groups.setdefault(cell.group, []).append(cell)
    found = []
    for group, members in groups.items():
        sides = [
            (laid_flat(replace(cell, training=spec.training, views=spec.views)), laid_flat(cell))
            for cell in members
        ]
        keys = dict.fromkeys(key for side in sides for both in reversed(side) for key in both)
        changes = []
        for key in keys:
            if key == "views.teacher":  # `teacher_view` says it, and of cells that distil alone
                continue
            pairs = [(usual.get(key), own.get(key)) for usual, own in sides]
            if any(usual != own for usual, own in pairs):
                asked = [pair for pair in pairs if pair != (None, None)]
                usual, own = (
                    " or ".join(dict.fromkeys(map(_said, side))) for side in zip(*asked, strict=True)
                )
                changes.append(f"{key} {own} instead of {usual}")
        if changes:
            found.append(OwnTraining(group, tuple(changes), any(not cell.method.distils for cell in members)))
    return tuple(found)


def _said(value: object) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, dict | list | bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
