"""Numbers of the parts of rigorkd that shape bits: raised when a change of our own code changes results.

A part whose number is 1 computes what it computed in version 0.1, and its number enters no hash. A study
keeps the numbers that it began with and goes on under them; new studies get the newest. So a change of
results never makes a record stale: who raises a number keeps the old path beside the new one, and chooses
by `number`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rigorkd.models.catalog import architecture_of
from rigorkd.protocol.cells import Cell

Numerics = Mapping[str, int]
"""A number by part, as far as it is above 1: `engine`, `method/<key>`, `model/<name>`, `view/<operation>`."""

NEWEST: dict[str, int] = {}
"""What new studies get: the numbers above 1."""


def number(numerics: Numerics, part: str) -> int:
    """The number of a part."""
    return numerics.get(part, 1)


def numbers_of(cell: Cell, numerics: Numerics) -> dict[str, int]:
    """The numbers above 1 of the parts that shape a cell's own bits. Its teacher's hash has the teacher's."""
    views = cell.views
    shown = views.train if cell.train else ()
    operations = [*shown, *views.eval, *(views.strong if cell.method.needs_strong else ())]
    parts = {
        "engine",
        f"method/{cell.method.key}",
        f"model/{architecture_of(cell.model.name)}",
        *(f"view/{operation.op}" for operation in operations),
        *(["view/mix"] if views.mix and cell.train else []),
    }
    return {part: numerics[part] for part in sorted(parts & numerics.keys()) if numerics[part] > 1}


def newer(numerics: Numerics) -> list[str]:
    """The parts whose number this version does not know yet, as `engine 3 (here: 2)`."""
    return [
        f"{part} {found} (here: {number(NEWEST, part)})"
        for part, found in sorted(numerics.items())
        if found > number(NEWEST, part)
    ]
