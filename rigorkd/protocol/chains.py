"""Teachers and starts that come from others: distilled by one method, or the mean of several teachers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rigorkd.methods.base import Method
from rigorkd.methods.feature import Layered
from rigorkd.models.model import Model
from rigorkd.problems import ExpansionError, Path, Problem
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.grids import Choice, points_of
from rigorkd.protocol.schema import Start, Teacher


@dataclass(frozen=True)
class Lesson:
    """The method by which something is distilled, by its key and as written, and the name of its teacher."""

    key: str
    choice: Choice
    teacher: str


def lesson_of(declared: Teacher | Start, path: Path, teachers: Iterable[str]) -> Lesson | None:
    """What is written at `path`, None if it is trained on the labels alone; `teachers` might be named.

    Raises `ExpansionError`.
    """
    written = declared.methods()
    key = next(iter(written), None)
    if key is None:
        if declared.teacher is None:
            return None
        hint = "add one: kd: {T: 4, alpha: 0.5}, say"
        raise ExpansionError([Problem((*path, "teacher"), "there is a teacher and no method", hint)])
    at = (*path, key)
    if len(written) > 1:
        message = f"a network is distilled by one method, not by {' and '.join(written)}"
        raise ExpansionError([Problem((*path, list(written)[1]), message, at_key=True)])
    if declared.teacher is None:
        other = next((name for name in teachers if name != path[-1]), None)
        hint = "declare one under teachers:" if other is None else f"add teacher: {other}"
        raise ExpansionError([Problem(at, f"{key} needs a teacher, and none is named", hint, at_key=True)])
    points = points_of(key, written[key], at)
    if len(points) != 1:
        message = f"this is one network, and its grid has {len(points)} points"
        raise ExpansionError([Problem(at, message, "give one value of each key", at_key=True)])
    if "teacher" in points[0].value:
        place = points[0].place(("teacher",))
        raise ExpansionError([Problem(place, f"teacher stands beside {key}, not in it", at_key=True)])
    return Lesson(key, points[0], declared.teacher)


def between(method: Method, student: Model | None, teacher: Cell | None, choice: Choice) -> Method:
    """The method, with stages that it names as layers of these networks. Raises `ExpansionError`."""
    if not isinstance(method, Layered) or student is None or teacher is None or teacher.members:
        return method
    try:
        return method.between(student.name, teacher.model.name)
    except ValueError as error:
        raise ExpansionError([Problem(choice.place(("layers",)), str(error))]) from None


def comes_from(configuration: Mapping[str, Any]) -> str:
    """What a teacher or a start comes from, by its resolved configuration; "" if from its labels alone."""
    if shares := configuration.get("mean_of"):
        return "mean of " + ", ".join(f"{name} ({share:.2g})" for name, share in json.loads(shares).items())
    teacher = configuration.get("teacher")
    return f"distilled from {teacher} ({configuration['method']})" if teacher else ""


def with_needs_at_all_seeds(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, in which whatever teaches a cell that is run at all seeds is run at all of them too."""
    by_name = {cell.name: cell for cell in cells}
    wanted: set[str] = set()
    new = {name for cell in cells if cell.seeds is None for name in cell.needs}
    while new:
        wanted |= new
        new = {need for name in new for need in by_name[name].needs} - wanted
    return [replace(cell, seeds=None) if cell.name in wanted else cell for cell in cells]
