"""Where a protocol file declares what a cell is made of, as paths of keys into the file."""

from __future__ import annotations

from rigorkd.problems import Path
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.grids import grids, read_method
from rigorkd.protocol.schema import Spec


def home(cell: Cell, spec: Spec) -> Path:
    """The section that declares the cell: its group, its start, or its teacher."""
    if cell.role == "student":
        return ("groups", cell.group)
    if cell.role == "start":
        return ("starts", cell.name.split("/")[1])
    return ("teacher",) if spec.teacher is not None else ("teachers", cell.student)


def overrides(cell: Cell, spec: Spec, key: str) -> bool:
    """Whether the cell's own section, rather than the whole protocol's, sets the key."""
    if cell.role == "student":
        return key in spec.groups[cell.group].model_fields_set
    if cell.role == "start":
        return key in spec.starts[cell.name.split("/")[1]].model_fields_set
    return key in spec.named_teachers()[cell.name].model_fields_set


def model_place(cell: Cell, spec: Spec) -> Path:
    """The model of a teacher, or of the student that the cell trains."""
    owner = home(cell, spec) if cell.role == "teacher" else ("students", cell.student)
    return (*owner, "model", "name")


def start_place(cell: Cell, spec: Spec) -> Path:
    """What says that the cell starts from its weights."""
    if cell.role == "student" and not overrides(cell, spec, "start"):
        return ("students", cell.student, "start")
    return (*home(cell, spec), "from" if cell.role == "start" else "start")


def method_place(cell: Cell, spec: Spec, rest: Path = ()) -> Path:
    """Where a student's group declares (a part of) its method: the point of the grid that it stands for."""
    group, key = home(cell, spec), cell.method.key
    for point in grids(spec.groups[cell.group], group)[key]:
        if read_method(key, point)[0] == cell.method:
            return point.place(rest)
    return (*group, key)
