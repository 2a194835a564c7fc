"""What a valid protocol can ask for that this version cannot run; `run` refuses it by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.places import home, overrides
from rigorkd.protocol.schema import Spec

if TYPE_CHECKING:
    from rigorkd.protocol.file import Protocol
    from rigorkd.protocol.problems import Path


def unbuilt(protocol: Protocol) -> tuple[tuple[Path, str], ...]:
    """What a valid protocol asks for that this version cannot run: a path into the file, and what by name."""
    asked = [item for cell in protocol.cells for item in _unbuilt(cell, protocol.spec)]
    return tuple(dict.fromkeys(asked))


def _unbuilt(cell: Cell, spec: Spec) -> Iterator[tuple[Path, str]]:
    views = cell.views
    at: Path = (*home(cell, spec), "views") if overrides(cell, spec, "views") else ("views",)
    if views.mix is not None and views.teacher == "clean":
        yield (*at, "mix"), "mixed images under a teacher that saw the clean ones"
