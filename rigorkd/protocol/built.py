"""What a valid protocol can ask for that this version cannot run; `run` refuses it by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.methods import KD, Ramp
from rigorkd.protocol.places import home, overrides
from rigorkd.protocol.schema import Spec

if TYPE_CHECKING:
    from rigorkd.protocol.file import Protocol
    from rigorkd.protocol.problems import Path

_BUILT_DATA = ("digits", "cifar10", "cifar100", "synthetic")
_BUILT_METHODS = ("baseline", "kd")


def unbuilt(protocol: Protocol) -> tuple[tuple[Path, str], ...]:
    """What a valid protocol asks for that this version cannot run: a path into the file, and what by name."""
    found = [
        (("dataset", "name"), f"the data set {cell.dataset.name}")
        for cell in protocol.cells
        if _foreign(cell)
    ]
    asked = [*found, *(item for cell in protocol.cells for item in _unbuilt(cell, protocol.spec))]
    return tuple(dict.fromkeys(asked))


def _foreign(cell: Cell) -> bool:
    return cell.dataset.name not in _BUILT_DATA


def _unbuilt(cell: Cell, spec: Spec) -> Iterator[tuple[Path, str]]:
    at_home = home(cell, spec)
    method = cell.method
    if method.key not in _BUILT_METHODS:
        yield (*at_home, method.key), f"the method {method.key}"
    elif isinstance(method, KD):
        if method.standardize:
            yield (*at_home, "kd", "standardize"), "standardize"
        for key in ("T", "alpha"):
            if isinstance(getattr(method, key), Ramp):
                yield (*at_home, "kd", key), f"{key} that changes over the epochs"
    if cell.training.processes_per_run > 1:
        owner: Path = at_home if overrides(cell, spec, "processes_per_run") else ("training",)
        yield (*owner, "processes_per_run"), "more than one process per run"
    views = cell.views
    at: Path = (*at_home, "views") if overrides(cell, spec, "views") else ("views",)
    if views.mix is not None and views.teacher == "clean":
        yield (*at, "mix"), "mixed images under a teacher that saw the clean ones"
    if views.strong:
        yield (*at, "strong"), "a strong view"
