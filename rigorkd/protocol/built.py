"""What a valid protocol can ask for that this version cannot run; `run` refuses it by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rigorkd.protocol.catalog import is_foreign_model
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.methods import KD, Ramp
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
    home = _home(cell, spec)
    method = cell.method
    if method.key not in _BUILT_METHODS:
        yield (*home, method.key), f"the method {method.key}"
    elif isinstance(method, KD):
        if method.standardize:
            yield (*home, "kd", "standardize"), "standardize"
        for key in ("T", "alpha"):
            if isinstance(getattr(method, key), Ramp):
                yield (*home, "kd", key), f"{key} that changes over the epochs"
    if is_foreign_model(cell.model.name):
        owner: Path = home if cell.role == "teacher" else ("students", cell.student)
        yield (*owner, "model", "name"), f"the model {cell.model.name}"
    if cell.start == "pretrained":
        yield _start_place(cell, spec, home), "the start pretrained"
    if cell.size is not None:
        yield (*home, "size"), "a teacher's own image size"
    if cell.training.processes_per_run > 1:
        owner = home if _overrides(cell, spec, "processes_per_run") else ("training",)
        yield (*owner, "processes_per_run"), "more than one process per run"
    views = cell.views
    at: Path = (*home, "views") if _overrides(cell, spec, "views") else ("views",)
    if views.mix is not None and views.teacher == "clean":
        yield (*at, "mix"), "mixed images under a teacher that saw the clean ones"
    if views.strong:
        yield (*at, "strong"), "a strong view"


def _home(cell: Cell, spec: Spec) -> Path:
    """Where the protocol file declares the cell."""
    if cell.role == "student":
        return ("groups", cell.group)
    if cell.role == "start":
        return ("starts", cell.name.split("/")[1])
    return ("teacher",) if spec.teacher is not None else ("teachers", cell.student)


def _overrides(cell: Cell, spec: Spec, key: str) -> bool:
    """Whether the cell's own section, rather than the whole protocol's, sets the key."""
    if cell.role == "student":
        return key in spec.groups[cell.group].model_fields_set
    if cell.role == "start":
        return key in spec.starts[cell.name.split("/")[1]].model_fields_set
    return key in spec.named_teachers()[cell.name].model_fields_set


def _start_place(cell: Cell, spec: Spec, home: Path) -> Path:
    if cell.role == "student" and not _overrides(cell, spec, "start"):
        return ("students", cell.student, "start")
    return (*home, "from" if cell.role == "start" else "start")
