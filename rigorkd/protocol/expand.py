"""A parsed protocol to its cells: pure, and every error is a `Problem` at a path into the file.

A group's cells are students × the group's axes × the method grids. Configurations that resolve to the same
are merged within one student of a group; between students or groups they are an error naming both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from rigorkd.data.operations import VIEW_LISTS, Views
from rigorkd.methods.base import Method
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.registry import KINDS
from rigorkd.models.model import WEIGHTS, Model, PathStart, weights_of
from rigorkd.problems import ExpansionError, Path, Problem, shown, unknown, validated
from rigorkd.protocol.cell_parts import CellParts
from rigorkd.protocol.cells import Cell, Member
from rigorkd.protocol.chains import between, lesson_of
from rigorkd.protocol.grids import MOST_CHOICES, Choice, choices, grids, read_method, too_many
from rigorkd.protocol.hashes import identity
from rigorkd.protocol.names import axis_labels, method_label, tuning_label
from rigorkd.protocol.schema import (
    TRAINING_KEYS,
    Group,
    MeanTeacher,
    Spec,
    Start,
    Teacher,
)

LONGEST_NAME = 200
"""Bytes of a cell's name: with its seed it must be the name of a file."""

RESERVED = ("teacher", "start", "study.json", "looks.jsonl", "report.html")
"""Names that no group may have: they begin the names of teachers and starts."""


def expand(spec: Spec, *, edges: bool = False) -> tuple[Cell, ...]:
    """All cells: teachers, then starts, then students in file order.

    With `edges`, only the first and the last value of every axis are kept, under the names that they have in
    the full expansion. Raises `ExpansionError` with every problem found.
    """
    return Expansion(spec, edges=edges).cells()


@dataclass(frozen=True)
class _Point:
    """One point in a group's axes, with the labels that name it."""

    chosen: Mapping[str, Choice]
    labels: tuple[str, ...]
    labels_without_teacher: tuple[str, ...]


class Expansion:
    """One expansion: collects cells and problems. Methods go from the whole to the parts."""

    def __init__(self, spec: Spec, *, edges: bool) -> None:
        self.spec, self.edges = spec, edges
        self.problems: list[Problem] = []
        self.teachers: dict[str, Cell] = {}
        self.starts: dict[str, Cell] = {}
        self.students: list[Cell] = []
        self.by_identity: dict[str, Cell] = {}
        self.by_name: dict[str, Cell] = {}
        self.open_starts: list[str] = []
        self.open_teachers: list[str] = []
        self.refused: set[str] = set()  # teachers whose problems are told already
        self.parts = CellParts(spec)
        self.reported_twins: set[tuple[str, str, str, str]] = set()

    def cells(self) -> tuple[Cell, ...]:
        for name in self.spec.named_teachers():
            self.collect(partial(self.teacher, name))
        for name in self.spec.starts:
            if name in WEIGHTS:
                self.problem(
                    ("starts", name), f"{name!r} is the name of built-in weights", "rename it", at_key=True
                )
            self.collect(partial(self.check_start, name))
        for name, group in self.spec.groups.items():
            if name in RESERVED:
                self.problem(("groups", name), f"a group cannot be named {name!r}", "rename it", at_key=True)
            self.collect(partial(self.group, name, group))
        if self.problems:
            raise ExpansionError(self.problems)
        return (*self.teachers.values(), *self.starts.values(), *self.students)

    def problem(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        self.problems.append(Problem(path, message, hint, at_key))

    def collect(self, part: Callable[[], object]) -> None:
        """Run one part; its problems are kept and the next part goes on."""
        try:
            part()
        except ExpansionError as error:
            self.problems += error.problems

    # ------------------------------------------------------------------------------ teachers and starts

    def teacher(self, name: str) -> Cell:
        """The cell of a declared teacher; those that it comes from are made first."""
        if name in self.teachers:
            return self.teachers[name]
        if name in self.refused:
            raise ExpansionError([])
        path: Path = ("teacher",) if self.spec.teacher is not None else ("teachers", name.split("/")[1])
        declared = self.spec.named_teachers()[name]
        if name in self.open_teachers:
            circle = [*self.open_teachers[self.open_teachers.index(name) :], name]
            said = " → ".join(each.removeprefix("teacher/") for each in circle)
            raise ExpansionError([Problem(path, f"the teacher comes from itself: {said}", at_key=True)])
        self.open_teachers.append(name)
        try:
            if isinstance(declared, MeanTeacher):
                cell = self.mean(name, declared, path)
            else:
                cell = self.one_teacher(name, declared, path)
        except ExpansionError:
            self.refused.add(name)
            raise
        finally:
            self.open_teachers.pop()
        self.teachers[name] = cell
        self.add(cell, path)
        return cell

    def mean(self, name: str, declared: MeanTeacher, path: Path) -> Cell:
        """Several teachers at once: a teacher without a network of its own, which is not trained."""
        at = (*path, "mean_of")
        members = [self.named_teacher(short, (*at, short), at_key=True) for short in declared.mean_of]
        total = sum(declared.mean_of.values())
        shares = [weight / total for weight in declared.mean_of.values()]
        return Cell(
            name=name,
            role="teacher",
            group="teacher",
            student=name.split("/")[-1],
            model=Model(name="mean_of"),
            start="random",
            method=Baseline(),
            training=self.spec.training.model_copy(update={"processes_per_run": 1}),
            views=self.spec.views,
            dataset=self.spec.dataset,
            train=False,
            per_seed=any(cell.per_seed for cell in members),
            members=tuple(
                Member(cell.name, share, cell.model, cell.size)
                for cell, share in zip(members, shares, strict=True)
            ),
            generation=max(cell.generation for cell in members),
        )

    def named_teacher(self, short: str, path: Path, *, at_key: bool = False) -> Cell:
        """The cell of the teacher that is named at `path`."""
        names = {name.split("/")[-1]: name for name in self.spec.named_teachers()}
        if short not in names or self.spec.teacher is not None:
            message, hint = unknown("teacher", short, [] if self.spec.teacher is not None else names)
            raise ExpansionError([Problem(path, message, hint or "declare it under teachers:", at_key)])
        return self.teacher(names[short])

    def learned(
        self, declared: Teacher | Start, model: Model | None, path: Path
    ) -> tuple[Method, Cell | None, dict[str, Choice]]:
        """How a teacher or a start is taught: the method, the teacher, the training keys that it tunes."""
        names = () if self.spec.teacher is not None else self.spec.named_teachers()
        lesson = lesson_of(declared, path, [name.split("/")[-1] for name in names])
        if lesson is None:
            return Baseline(), None, {}
        teacher = self.named_teacher(lesson.teacher, (*path, "teacher"))
        written, tuning = read_method(lesson.key, lesson.choice)
        method = between(written, model, teacher, lesson.choice)
        training = self.parts.training(_written(declared.overrides(), path), tuning)
        self.parts.check_method(method, self.spec.views, training, lesson.choice, teacher)
        return method, teacher, tuning

    def one_teacher(self, name: str, teacher: Teacher, path: Path) -> Cell:
        """The cell of one network that teaches."""
        fixed_file = not teacher.train and isinstance(teacher.start, PathStart)
        per_seed = teacher.per_seed
        if fixed_file:
            if teacher.per_seed and "per_seed" in teacher.model_fields_set:
                self.problem(
                    (*path, "per_seed"), "a teacher used as its file has it is the same for every seed"
                )
            per_seed = False
        if teacher.train and not per_seed and self.spec.dataset.split.seed == "per_seed":
            self.problem(
                ("dataset", "split", "seed"),
                f"the split changes with the seed, but {name} is trained once for all seeds",
                "its training images would be validation images elsewhere; fix the split, or per_seed: true",
            )
        if isinstance(teacher.start, str):
            self.weights(teacher.start, teacher.model, (*path, "start"), starts=())
        method, parent, tuning = self.learned(teacher, teacher.model, path)
        if parent is not None and parent.per_seed and not per_seed:
            message = f"{name} is trained once for all seeds, and its teacher {parent.name} for each"
            hint = f"per_seed: false for {parent.student} as well, or per_seed: true here"
            self.problem((*path, "per_seed"), message, hint)
        return Cell(
            name=name,
            role="teacher",
            group="teacher",
            student=name.split("/")[-1],
            model=teacher.model,
            start=teacher.start,
            method=method,
            training=self.parts.training(_written(teacher.overrides(), path), tuning),
            views=self.spec.views,
            dataset=self.spec.dataset,
            teacher=None if parent is None else parent.name,
            size=teacher.size,
            train=teacher.train,
            per_seed=per_seed,
            generation=0 if parent is None else parent.generation + 1,
        )

    def check_start(self, name: str) -> None:
        """What is wrong with a declared start, whether or not a student uses it."""
        declared, chain = self.spec.starts[name], [name]
        while isinstance(declared.start, str) and declared.start in self.spec.starts:
            chain.append(declared.start)
            if declared.start == name:
                message = f"the start comes from itself: {' → '.join(chain)}"
                raise ExpansionError([Problem(("starts", name, "from"), message)])
            if len(chain) > len(self.spec.starts):
                return  # it leads into a circle of others, which is reported there
            declared = self.spec.starts[declared.start]
        origin = self.spec.starts[name].start
        if isinstance(origin, str) and origin not in (*WEIGHTS, *self.spec.starts):
            raise _unknown_start(origin, ("starts", name, "from"), self.spec.starts)
        self.parts.training(_written(self.spec.starts[name].overrides(), ("starts", name)))
        self.learned(self.spec.starts[name], None, ("starts", name))

    def start(self, name: str, model: Model, path: Path) -> str:
        """The name of the start cell of a declared start for a model; made on first use, parents first."""
        owner = next(key for key, student in self.spec.students.items() if student.model == model)
        cell_name = f"start/{name}/{owner}"
        if cell_name in self.starts:
            return cell_name
        if name in self.open_starts:
            raise ExpansionError([])  # a circle, already reported by `check_start`
        declared = self.spec.starts[name]
        self.open_starts.append(name)
        try:
            start, parent = self.resolve_start(declared.start, model, Choice(None, ("starts", name, "from")))
        finally:
            self.open_starts.pop()
        method, teacher, tuning = self.learned(declared, model, ("starts", name))
        cell = Cell(
            name=cell_name,
            role="start",
            group="start",
            student=owner,
            model=model,
            start=start,
            method=method,
            training=self.parts.training(_written(declared.overrides(), ("starts", name)), tuning),
            views=self.spec.views,
            dataset=self.spec.dataset,
            teacher=None if teacher is None else teacher.name,
            start_cell=parent,
        )
        self.starts[cell_name] = cell
        self.add(cell, ("starts", name))
        return cell_name

    def resolve_start(self, value: Any, model: Model, at: Choice) -> tuple[PathStart | str, str | None]:
        """A start as written, checked against the model: the start, and the cell to train first, if any."""
        if isinstance(value, dict):
            value = validated(PathStart, value, at.place)
        if isinstance(value, PathStart):
            return value, None
        if not isinstance(value, str):
            message = f"start must be a name or a mapping with the key 'path', not {shown(value)}"
            raise ExpansionError([Problem(at.path, message)])
        self.weights(value, model, at.path, starts=tuple(self.spec.starts))
        return value, self.start(value, model, at.path) if value in self.spec.starts else None

    def weights(self, name: str, model: Model, path: Path, *, starts: tuple[str, ...]) -> None:
        """Check that a start is a declared one, or weights that the model has."""
        if name in starts:
            return
        if name not in WEIGHTS:
            raise _unknown_start(name, path, starts)
        available = weights_of(model.name)
        if name not in available:
            hint = f"it has: {', '.join(available)}; or give a file: {{path: ...}}"
            raise ExpansionError([Problem(path, f"the model {model.name!r} has no weights {name!r}", hint)])

    # --------------------------------------------------------------------------------------------- groups

    def group(self, name: str, group: Group) -> None:
        path: Path = ("groups", name)
        methods = grids(group, path)
        if not methods:
            self.problem(
                path, "the group has no cells", "give baseline: true or a method such as kd", at_key=True
            )
        distils = next((key for key in methods if KINDS[key].distils), None)
        axes = self.axes(group, path, distils)
        students = group.students or tuple(self.spec.students)
        for index, student in enumerate(students):
            if student not in self.spec.students:
                message, hint = unknown("student", student, self.spec.students)
                self.problem((*path, "students", index), message, hint)
            elif student in students[:index]:
                self.problem((*path, "students", index), f"the student {student!r} is listed twice")
        size = math.prod(len(options) for options in axes.values())
        if size * len(students) * sum(len(grid) for grid in methods.values()) > MOST_CHOICES:
            raise too_many(path)
        of_group = [choice.value for choice in axes["teacher"]]
        for grid in methods.values():
            for choice in grid:
                if "teacher" in choice.value and choice.value["teacher"] not in of_group:
                    message, hint = unknown(
                        "teacher of this group", str(choice.value["teacher"]), filter(None, of_group)
                    )
                    self.problem(choice.place(("teacher",)), message, hint)
        points = self.points(axes)
        for student in dict.fromkeys(students):
            if student in self.spec.students:
                for point in points:
                    self.collect(partial(self.grid, path, student, point, methods))

    def axes(self, group: Group, path: Path, distils: str | None) -> dict[str, tuple[Choice, ...]]:
        """A group's axes in name order: start, teacher, views, training keys."""
        axes: dict[str, tuple[Choice, ...]] = {}
        if "start" in group.model_fields_set:
            axes["start"] = choices(group.start, (*path, "start"))
        axes["teacher"] = self.teacher_axis(group, path, distils)
        if "views" in group.model_fields_set:
            self.check_view_keys(group.views, (*path, "views"))
            axes["views"] = choices(group.views, (*path, "views"), lists=VIEW_LISTS)
            for choice in axes["views"]:
                if not isinstance(choice.value, dict):
                    message = f"views must be a mapping, not {shown(choice.value)}"
                    raise ExpansionError([Problem(choice.path, message)])
        for key, value in group.overrides().items():
            axes[key] = choices(value, (*path, key), lists=("betas", "at", "milestones"))
        return axes

    def check_view_keys(self, value: Any, path: Path) -> None:
        """Misspelt keys first: an axis over one of them would be reported as many wrong views."""
        several = isinstance(value, tuple)
        for index, item in enumerate(value if several else (value,)):
            at = (*path, index) if several else path
            names = (
                [name for name in item if name not in Views.model_fields] if isinstance(item, dict) else []
            )
            if names:
                raise ExpansionError(
                    Problem((*at, name), *unknown("key", name, Views.model_fields), at_key=True)
                    for name in names
                )

    def teacher_axis(self, group: Group, path: Path, distils: str | None) -> tuple[Choice, ...]:
        """Choices of teacher cells (None: no teacher); several declared teachers must be told apart."""
        short = {name.split("/")[-1]: name for name in self.spec.named_teachers()}
        if group.teacher is not None:
            found = []
            for index, name in enumerate(group.teacher):
                if name not in short:
                    message, hint = unknown("teacher", name, short)
                    self.problem((*path, "teacher", index), message, hint or "declare it under teachers:")
                else:
                    found.append(
                        Choice(name, (*path, "teacher", index), edge=index in (0, len(group.teacher) - 1))
                    )
            return tuple(found)
        named = None if "teacher" in group.model_fields_set else next(iter(short), None)
        if distils is not None and not short:
            hint = "declare one: teacher: {model: ..., start: ...}"
            self.problem(
                (*path, distils), f"{distils} needs a teacher and the protocol has none", hint, at_key=True
            )
        elif distils is not None and named is None:
            self.problem((*path, distils), f"{distils} needs a teacher and the group has none", at_key=True)
        elif distils is not None and len(short) > 1:
            self.problem(
                (*path, distils),
                f"{distils} needs one of the {len(short)} teachers and the group names none",
                f"add teacher: {named}, or a list of: {', '.join(short)}",
                at_key=True,
            )
        return (Choice(named if len(short) == 1 else None, path),)

    def points(self, axes: Mapping[str, tuple[Choice, ...]]) -> list[_Point]:
        full = {key: axis_labels(key, options) for key, options in axes.items()}
        plain = {
            key: ("",) * len(options) if key == "teacher" else axis_labels(key, options, distils=False)
            for key, options in axes.items()
        }
        kept = {
            key: [index for index, choice in enumerate(options) if choice.edge or not self.edges]
            for key, options in axes.items()
        }
        return [
            _Point(
                {key: axes[key][index] for key, index in zip(axes, indices, strict=True)},
                tuple(filter(None, (full[key][index] for key, index in zip(axes, indices, strict=True)))),
                tuple(filter(None, (plain[key][index] for key, index in zip(axes, indices, strict=True)))),
            )
            for indices in product(*kept.values())
        ]

    # ---------------------------------------------------------------------------------------------- cells

    def grid(
        self, path: Path, student: str, point: _Point, methods: Mapping[str, tuple[Choice, ...]]
    ) -> None:
        """The cells of one student at one point of the group's axes."""
        chosen, declared = point.chosen, self.spec.students[student]
        own = Choice(declared.start, ("students", student, "start"))
        at = chosen.get("start", own)
        start, start_cell = self.resolve_start(at.value, declared.model, at)
        views = self.parts.views(chosen.get("views"))
        overrides = {key: choice for key, choice in chosen.items() if key in TRAINING_KEYS}
        base = self.parts.training(overrides)
        teacher = chosen["teacher"]
        for key, grid in methods.items():
            for choice in grid:
                if self.edges and not choice.edge:
                    continue
                if not self.is_for(choice, teacher):
                    continue
                written, tuning = read_method(key, choice)
                method = between(written, declared.model, self.teacher_of(teacher.value), choice)
                training = self.parts.training(overrides, tuning) if tuning else base
                self.parts.check_method(method, views, training, choice, self.teacher_of(teacher.value))
                labels = point.labels if method.distils else point.labels_without_teacher
                parts = [method_label(written), *tuning_label(training, base), *labels]
                cell = Cell(
                    name=f"{path[1]}/{student}/{'-'.join(parts)}",
                    role="student",
                    group=str(path[1]),
                    student=student,
                    model=declared.model,
                    start=start,
                    method=method,
                    training=training,
                    views=views,
                    dataset=self.spec.dataset,
                    teacher=self.teacher_name(teacher.value),
                    start_cell=start_cell,
                )
                if self.add(cell, choice.path):
                    self.students.append(cell)

    def is_for(self, choice: Choice, teacher: Choice) -> bool:
        """Whether a grid holds for the teacher: its own key `teacher` picks among those of the group."""
        return "teacher" not in choice.value or choice.value["teacher"] == teacher.value

    def teacher_name(self, short: str | None) -> str | None:
        if short is None or self.spec.teacher is not None:
            return short
        return f"teacher/{short}"

    def teacher_of(self, short: str | None) -> Cell | None:
        """The cell of a teacher as a group names it; None where it has none, or one that was refused."""
        name = self.teacher_name(short)
        return None if name is None else self.teachers.get(name)

    def add(self, cell: Cell, path: Path) -> bool:
        """Register a cell; False if it merges with an equal one, or may not be there at all (a problem)."""
        key = identity(cell)
        twin = self.by_identity.setdefault(key, cell)
        if twin is not cell:
            if (twin.group, twin.student) == (cell.group, cell.student) and cell.role == "student":
                # A command's cells differ in what it is told; of two that it is told alike, one would vanish.
                if cell.trainer is not None and cell.name != twin.name:
                    self.same(cell, twin, path)
                return False
            self.same(cell, twin, path)
            return False
        if (length := len(cell.name.encode())) > LONGEST_NAME:
            message = (
                f"the name of a cell has {length} characters, more than {LONGEST_NAME}: {cell.name[:60]}…"
            )
            self.problem(path, message, "names are names of files too: shorten names, or vary less at once")
            return False
        other = self.by_name.setdefault(cell.name, cell)
        if other is not cell:
            hint = (
                "make their values differ more: a name has their lower-case letters, digits, '.', '_' and '-'"
            )
            self.problem(path, f"two different cells would be named {cell.name}", hint)
            return False
        return True

    def same(self, cell: Cell, twin: Cell, path: Path) -> None:
        """Report two equal cells, once for two students or groups however many of their cells are equal."""
        key = (cell.group, cell.student, twin.group, twin.student)
        if key in self.reported_twins:
            return
        self.reported_twins.add(key)
        hint = "one run would be counted twice: leave one out, or put both into one group with an axis"
        if cell.role == "student" and cell.group == twin.group:
            hint = f"the students {twin.student} and {cell.student} have the same model and start: remove one"
        self.problem(path, f"{cell.name} and {twin.name} are the same configuration", hint)


def _unknown_start(name: str, path: Path, starts: Iterable[str]) -> ExpansionError:
    message, hint = unknown("start", name, [*WEIGHTS, *starts])
    if "/" in name or name.endswith((".pth", ".pt", ".ckpt", ".tar", ".bin", ".safetensors")):
        hint = f"weights of a file are given as start: {{path: {name}}}"
    return ExpansionError([Problem(path, message, hint)])


def _written(overrides: Mapping[str, Any], path: Path) -> dict[str, Choice]:
    return {key: Choice(value, (*path, key)) for key, value in overrides.items()}
