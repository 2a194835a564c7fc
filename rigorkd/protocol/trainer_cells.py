"""The cells of a protocol whose runs commands train, and of any protocol.

Groups, axes, grids, names, seeds and twins are those of `expand`; here is what a command changes. Keys of a
group that the schema does not know are axes where they hold a value or a list of values, and methods where
they hold a mapping, a list of mappings, or `true`. Everything that is written must reach a command.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rigorkd.data.operations import Views
from rigorkd.methods.by_command import BaselineByCommand, ByCommand
from rigorkd.methods.registry import KINDS
from rigorkd.models.model import Model
from rigorkd.problems import ExpansionError, Path, Problem, shown, unknown
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.expand import Expansion, _Point, expand
from rigorkd.protocol.grids import MOST_CHOICES, Choice, choices, too_many
from rigorkd.protocol.hashes import identity
from rigorkd.protocol.names import by_command_label
from rigorkd.protocol.schema import TUNING_KEYS, Spec
from rigorkd.protocol.trainer import (
    OF_A_RUN,
    STDOUT,
    CellTrainer,
    Scalar,
    Template,
    TemplateError,
    Trainer,
    program_of,
    scalar,
)
from rigorkd.protocol.trainer_spec import (
    UNSAID,
    CommandGroup,
    CommandSpec,
    CommandStart,
    CommandStudent,
    CommandTeacher,
    NoData,
    own_key_problem,
)
from rigorkd.text import in_yaml, nearest

BASELINE = "baseline"
NO_START = "random"
"""The start of whatever is not trained before."""
MODEL = Model(name="by_command")
_SHELLS = ("bash", "sh", "zsh")
_OPERATORS = ("&&", "||", ";", "|", ">", ">>", "<", "2>&1", "&")
_FOR_OTHERS = ("teacher", "teachers", "starts")
"""Whose runs need leave no number: others read their files."""
_FILE = re.compile(r"(?:\./)?\w[\w./-]*\.[A-Za-z]\w*")
"""A word of a command that looks like the name of a file below the folder."""


def _for_a_shell(command: str) -> tuple[str, str] | None:
    """The message and hint for what only a shell would understand."""
    words = Template.of(command).words({})
    shell = "no shell reads the command"
    if words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        name = words[0].partition("=")[0]
        return f"{shell}, and {name}=… is no program", f'variables stand beside it: env: {{{name}: "…"}}'
    if own := re.search(r"(?<!\w)\$(\w+)", " ".join(words)) if words and words[0] not in _SHELLS else None:
        return f"{shell}, so ${own[1]} stays as it is", f"a value of the protocol is {{{own[1]}}}"
    if found := next((word for word in words if word in _OPERATORS), None):
        hint = "write these lines into a script: bash go.sh {seed}, with code: [go.sh]"
        return f"{shell}, so {found} would be an argument", hint
    return None


def _files(command: str) -> list[str]:
    """What looks like a file below the folder in a command."""
    words = Template.of(command).words({})
    return [word.removeprefix("./") for word in words if _FILE.fullmatch(word)]


def cells_of(spec: Spec, *, edges: bool = False) -> tuple[Cell, ...]:
    """All cells of a protocol, as `expand` gives them."""
    if isinstance(spec, CommandSpec):
        return CommandExpansion(spec, edges=edges).cells()
    return expand(spec, edges=edges)


@dataclass(frozen=True)
class _Placed:
    """A trainer and where it is written."""

    trainer: Trainer
    place: Path

    def names(self) -> frozenset[str] | None:
        """The placeholders that it uses; None for a function, which gets everything."""
        if self.trainer.function is not None:
            return None
        return frozenset(name for found in self.trainer.templates().values() for name in found.names)

    def asks_for_teacher(self, known: Collection[str]) -> bool:
        """Whether a cell that has values of these names is told of its teacher; a function always is."""
        known = {*known, *OF_A_RUN}
        told = self.trainer.templates().values()
        return self.trainer.function is not None or any("teacher" in one.asks(known) for one in told)


class CommandExpansion(Expansion):
    """One expansion of a protocol whose runs commands train."""

    spec: CommandSpec

    def __init__(self, spec: CommandSpec, *, edges: bool) -> None:
        super().__init__(spec, edges=edges)
        self._used: dict[Path, set[str]] = {}
        """By what was written, the placeholders of the commands that see it."""
        self._known: dict[Path, set[str]] = {}
        """By trainer, the names that its cells have values for."""
        self._twins = 0

    def cells(self) -> tuple[Cell, ...]:
        for placed in self._trainers():
            self.collect(partial(self._check_trainer, placed))
        if self.problems:
            raise ExpansionError(self.problems)
        try:
            cells = super().cells()
        except ExpansionError:
            if len(self.problems) == self._twins:  # perhaps for a placeholder that is misspelt
                twins, self.problems = self.problems, []
                self._check_names()
                self.problems = self.problems or twins
            raise ExpansionError(self.problems) from None
        self._check_names()
        if self.problems:
            raise ExpansionError(self.problems)
        return cells

    # ------------------------------------------------------------------------------------------- trainers

    def _trainers(self) -> Iterator[_Placed]:
        spec = self.spec
        owners: list[tuple[Path, Any]] = [((), spec), (("teacher",), spec.teacher)]
        for section in ("teachers", "starts", "groups"):
            owners += [((section, name), owner) for name, owner in (getattr(spec, section) or {}).items()]
        for path, owner in owners:
            if owner is not None and owner.trainer is not None:
                yield _Placed(owner.trainer, (*path, "trainer"))

    def _trainer(self, own: Trainer | None, path: Path) -> _Placed:
        if own is not None:
            return _Placed(own, (*path, "trainer"))
        if self.spec.trainer is None:
            hint = "add trainer: {command: ...} here, or at the top for all"
            raise ExpansionError([Problem(path, "nothing says how this is trained", hint, at_key=True)])
        return _Placed(self.spec.trainer, ("trainer",))

    def _check_trainer(self, placed: _Placed) -> None:
        """What is wrong with a trainer, whatever its cells are."""
        trainer, place = placed.trainer, placed.place
        texts: dict[Path, str] = {} if trainer.command is None else {("command",): trainer.command}
        texts |= {("env", name): text for name, text in trainer.env.items()}
        if trainer.smoke is not None and trainer.command is not None:
            texts["smoke",] = trainer.smoke
        for inside, text in texts.items():
            self._check_text((*place, *inside), text)
        if trainer.function is not None and trainer.smoke is not None:
            module, colon, function = trainer.smoke.partition(":")
            if not (colon and module and function.isidentifier()):
                message = "a trainer that is a function is smoked by one: module:function"
                self.problem((*place, "smoke"), message)
        if any(problem.path[: len(place)] == place for problem in self.problems) or trainer.command is None:
            return
        keys = trainer.result.keys
        for metric in trainer.metrics:
            if keys and metric not in keys:
                close = nearest(metric, keys) or next(iter(keys))
                own, theirs, its = in_yaml(metric), in_yaml(close), in_yaml(keys[close])
                hint = f"write keys: {{{own}: {its}}}, or metrics: {{{theirs}: max}}"
                self.problem(
                    (*place, "result", "keys"), f"metrics asks for {metric}, which is not in keys", hint
                )
        names = placed.names() or frozenset()
        at = (*place, "command")
        if "seed" not in names and not self._only_fixed(place):
            hint = "add it, such as --seed {seed}; a variable of env: does as well"
            if re.search(r"(?:\{\{|<|%|\$\{?)\s*seed\b", trainer.command):
                hint = "a placeholder stands in one pair of braces: {seed}"
            self.problem(at, "the command has no {seed}: all runs of a cell would be one run", hint)
        if trainer.result.file != STDOUT and "out" not in names:
            script = next(iter(_files(trainer.command)), "train.py")
            python = "python " * script.endswith(".py")
            metric = next(iter(trainer.metrics), "accuracy")
            hint = (
                "add it where the script is told where to write, such as --out {out}; or result: {file:"
                f" stdout, keys: {{{metric}: WORDS}}}}, if it prints WORDS before its number; a script that"
                f" writes where it is called: env -C {{out}} {python}/whole/path/to/{script} …, and"
                f" code: [{script}]"
            )
            left = trainer.result.file
            if place[0] in _FOR_OTHERS and not trainer.metrics and "result" not in trainer.model_fields_set:
                left = "what its students start from" if place[0] == "starts" else "what its students read"
                read = "start" if place[0] == "starts" else "teacher"
                hint = (
                    f"add it where the script is told where to save, such as --save {{out}}/{read}.pt, which "
                    f"the students read as {{{read}}}/{read}.pt"
                )
            self.problem(at, f"the command has no {{out}}, where it is to leave {left}", hint)
        for key in ("command", "smoke"):
            text = getattr(trainer, key)
            if text is not None and (shell := _for_a_shell(text)):
                message, hint = shell
                self.problem((*place, key), message, hint)
                continue
            words = [] if text is None else Template.of(text).words({})
            if text is not None and not (words and words[0]):
                self.problem((*place, key), "the command names no program")
            elif text is not None and trainer.code is None and program_of(text) is None:
                message = "what this runs is not known, as it is of `python FILE` and `python -m MODULE`"
                named = ", ".join(_files(text) or ["train.py", "'lib/*.py'"])
                hint = (
                    f"say which files shape its results: code: [{named}], with what they call, or code: []"
                    " for none"
                )
                meant = nearest(words[0], ("python", "python3"))
                if meant and not re.match(r"(?:.*/)?python[\d.]*$", words[0]):
                    hint = f"did you mean {meant!r}? otherwise {hint}"
                self.problem((*place, key), message, hint)

    def _only_fixed(self, place: Path) -> bool:
        """Whether a trainer is that of a teacher for all seeds alone."""
        owner = self.spec.teacher if place[0] == "teacher" else None
        if place[0] == "teachers":
            owner = (self.spec.teachers or {})[str(place[1])]
        return owner is not None and not owner.per_seed

    def _check_text(self, at: Path, text: str) -> None:
        try:
            Template.of(text)
        except TemplateError as error:
            self.problems.append(Problem(at, error.message, error.hint, near=error.near))

    def _note(self, placed: _Placed, values: Mapping[str, Scalar], written: Mapping[str, Path]) -> None:
        """Remember which placeholders meet what is written, and which values meet a command."""
        self._known.setdefault(placed.place, set()).update(values)
        names = placed.names()
        for key, path in written.items():
            self._used.setdefault(path, set()).update({key} if names is None else names)

    def _check_names(self) -> None:
        """Placeholders that no cell has a value for, and values that no command asks for."""
        has_teacher, has_start = bool(self.teachers), bool(self.spec.starts)
        for placed in self._trainers():
            trainer = placed.trainer
            known = {*OF_A_RUN, *self._known.get(placed.place, ())}
            known -= {"teacher"} if not has_teacher else set()
            known -= {"start"} if not has_start else set()
            texts: dict[Path, str] = {("command",): trainer.command or ""}
            texts |= {("env", name): text for name, text in trainer.env.items()}
            if trainer.command is not None and trainer.smoke is not None:
                texts["smoke",] = trainer.smoke
            for inside, text in texts.items():
                template = Template.of(text)
                for name in template.names:
                    if name not in known and placed.place in self._known:
                        message, hint = unknown("placeholder", name, sorted(known))
                        if name not in template.asks(known):
                            hint += (
                                "; if no cell sets it any more, take its part in brackets out of the "
                                "command, which makes no run stale"
                            )
                        path = (*placed.place, *inside)
                        self.problems.append(Problem(path, message, hint, near=f"{{{name}}}"))
        for path, names in self._used.items():
            if path[-1] not in names:
                message = f"{path[-1]} reaches no command: nothing says {{{path[-1]}}}"
                self.problem(path, message, "use it in the command, or remove it", at_key=True)

    # -------------------------------------------------------------------------------- teachers and starts

    def one_teacher(self, name: str, teacher: CommandTeacher, path: Path) -> Cell:  # type: ignore[override]
        placed = self._trainer(teacher.trainer, path)
        own = self._own(teacher, path)
        short = name.split("/")[-1]
        values = {"student": short, "method": BASELINE, **own}
        self._note(placed, values, {key: (*path, key) for key in own})
        cell = self._cell(placed, values, name=name, role="teacher", group="teacher", student=short)
        return replace(cell, per_seed=teacher.per_seed)

    def check_start(self, name: str) -> None:
        declared, chain = self.spec.starts[name], [name]
        self._trainer(declared.trainer, ("starts", name))
        while declared.start in self.spec.starts:
            chain.append(declared.start)
            if chain.count(declared.start) > 1:
                if declared.start == name:
                    message = f"the start comes from itself: {' → '.join(chain)}"
                    raise ExpansionError([Problem(("starts", name, "from"), message)])
                return
            declared = self.spec.starts[declared.start]
        if declared.start != NO_START and len(chain) == 1:
            message, hint = unknown("start", declared.start, [NO_START, *self.spec.starts])
            raise ExpansionError([Problem(("starts", name, "from"), message, hint)])

    def _start_of(self, name: Any, student: str, at: Choice) -> str | None:
        """The cell of a declared start for a student, made on first use, parents first.

        Where its command is told nothing of the student it is one cell for all, with the name of the first.
        """
        if name == NO_START:
            return None
        if not isinstance(name, str) or name not in self.spec.starts:
            message, hint = unknown("start", str(name), [NO_START, *self.spec.starts])
            raise ExpansionError([Problem(at.path, message, hint)])
        cell_name = f"start/{name}/{student}"
        if cell_name in self.starts:
            return cell_name
        if name in self.open_starts:
            raise ExpansionError([])  # a circle, already reported by `check_start`
        declared: CommandStart = self.spec.starts[name]
        path: Path = ("starts", name)
        placed = self._trainer(declared.trainer, path)
        self.open_starts.append(name)
        try:
            parent = self._start_of(declared.start, student, Choice(None, (*path, "from")))
        finally:
            self.open_starts.pop()
        mine, own = self._student(student), self._own(declared, path)
        written = {key: ("students", student, key) for key in mine} | {key: (*path, key) for key in own}
        values = {"student": student, "method": BASELINE, **mine, **own}
        self._note(placed, values, written)
        cell = self._cell(placed, values, name=cell_name, role="start", group="start", student=student)
        cell = replace(cell, start=declared.start, start_cell=parent)
        if (twin := self.by_identity.get(identity(cell))) and twin.name.startswith(f"start/{name}/"):
            return twin.name
        self.starts[cell_name] = cell
        self.add(cell, path)
        return cell_name

    def _own(self, section: Any, path: Path) -> dict[str, Scalar]:
        """The values that a section gives under keys of the user's own."""
        found: dict[str, Scalar] = {}
        for key, value in section.own.items():
            if problem := own_key_problem(path, key, tuple(type(section).model_fields)):
                raise ExpansionError([problem])
            found[key] = self._scalar(value, (*path, key))
        return found

    def _student(self, name: str) -> dict[str, Scalar]:
        student: CommandStudent = self.spec.students[name]
        return self._own(student, ("students", name))

    def _scalar(self, value: Any, path: Path) -> Scalar:
        try:
            found = scalar(value)
        except ValueError as error:
            raise ExpansionError([Problem(path, str(error))]) from None
        words = [part for part in path if isinstance(part, str)]
        if words[-1] == "epochs" and isinstance(found, str | bool):
            raise ExpansionError([Problem(path, f"epochs is a number, not {shown(value)}")])
        if words[-1] == "model" and not isinstance(found, str):
            raise ExpansionError([Problem(path, f"model is a name, not {shown(value)}")])
        return found

    # --------------------------------------------------------------------------------------------- groups

    def group(self, name: str, group: CommandGroup) -> None:  # type: ignore[override]
        path: Path = ("groups", name)
        placed = self._trainer(group.trainer, path)
        methods, axes = self._methods_and_axes(group, path, placed)
        if not methods:
            hint = "give baseline: true or a method such as kd: {T: 4}"
            if BASELINE in self.spec.groups:
                hint = "cells stand in a group: groups: {main: {baseline: {…}, other: {…}}}"
            self.problem(path, "the group has no cells", hint, at_key=True)
        students = group.students or tuple(self.spec.students)
        own = {name for one in students if one in self.spec.students for name in self._student(one)}
        distils = next(
            (
                key
                for key, grid in methods.items()
                if key != BASELINE
                and any(placed.asks_for_teacher({*own, *axes, *choice.value}) for choice in grid)
            ),
            None,
        )
        named: dict[str, tuple[Choice, ...]] = {}
        if "start" in group.model_fields_set:
            named["start"] = choices(group.start, (*path, "start"))
        named["teacher"] = self.teacher_axis(group, path, distils if self.teachers else None)  # type: ignore[arg-type]
        axes = named | axes
        for index, student in enumerate(students):
            if student not in self.spec.students:
                message, hint = unknown("student", student, self.spec.students)
                self.problem((*path, "students", index), message, hint)
        size = math.prod(len(options) for options in axes.values())
        if size * len(students) * sum(len(grid) for grid in methods.values()) > MOST_CHOICES:
            raise too_many(path)
        tuned = _tuned(methods)
        for student in dict.fromkeys(students):
            if student in self.spec.students:
                for point in self.points(axes):
                    self.collect(partial(self._grid, path, student, point, methods, placed, tuned))

    def _methods_and_axes(
        self, group: CommandGroup, path: Path, placed: _Placed
    ) -> tuple[dict[str, tuple[Choice, ...]], dict[str, tuple[Choice, ...]]]:
        methods: dict[str, tuple[Choice, ...]] = {}
        axes: dict[str, tuple[Choice, ...]] = {}
        names = placed.names() or frozenset()
        for key, value in group.own.items():
            at = (*path, key)
            grid = isinstance(value, tuple) and any(isinstance(item, dict) for item in value)
            switch = isinstance(value, bool) and key not in names
            called = key in (BASELINE, *KINDS) and key not in names
            if called or isinstance(value, dict) or grid or switch:
                if value is not False:
                    methods[key] = self._method_grid(key, value, at)
                continue
            if problem := own_key_problem(path, key, (*CommandGroup.model_fields, BASELINE, *KINDS)):
                raise ExpansionError([problem])
            axes[key] = choices(value, at)
            for choice in axes[key]:
                self._scalar(choice.value, choice.path if isinstance(value, tuple) else at)
        return dict(sorted(methods.items(), key=lambda item: item[0] != BASELINE)), axes

    def _method_grid(self, key: str, value: Any, path: Path) -> tuple[Choice, ...]:
        parts = [(value, path)]
        if isinstance(value, tuple) and value:
            parts = [(item, (*path, index)) for index, item in enumerate(value)]
        points = [point for item, at in parts for point in choices(item, at)]
        found = []
        for point in points:
            if point.value is True:
                point = replace(point, value={})
            if not isinstance(point.value, dict):
                message = f"{key} must be true, a mapping or a list of mappings, not {shown(point.value)}"
                raise ExpansionError([Problem(point.path, message)])
            for name, each in point.value.items():
                if name == "teacher":
                    continue
                if problem := own_key_problem(point.path, name, ()):
                    raise ExpansionError([problem])
                self._scalar(each, point.place((name,)))
            found.append(point)
        return tuple(found)

    def _grid(
        self,
        path: Path,
        student: str,
        point: _Point,
        methods: Mapping[str, tuple[Choice, ...]],
        placed: _Placed,
        tuned: frozenset[str],
    ) -> None:
        """The cells of one student at one point of the group's axes."""
        chosen = point.chosen
        own = Choice(self.spec.students[student].start, ("students", student, "start"))
        at = chosen.get("start", own)
        start_cell = self._start_of(at.value, student, at)
        teacher = chosen["teacher"]
        mine = self._student(student)
        axes = {key: choice.value for key, choice in chosen.items() if key not in ("start", "teacher")}
        for key, grid in methods.items():
            for choice in grid:
                if (self.edges and not choice.edge) or not self.is_for(choice, teacher):
                    continue
                args = {name: value for name, value in choice.value.items() if name != "teacher"}
                held = {**axes, **{name: value for name, value in args.items() if name in tuned}}
                kind = BaselineByCommand if key == BASELINE else ByCommand
                method = kind(called=key, args=args)
                values: dict[str, Scalar] = {"student": student, "method": key, **mine, **axes, **args}
                written: dict[str, Path] = {name: ("students", student, name) for name in mine}
                written |= {name: (*path, name) for name in axes}
                written |= {name: (*choice.path, name) for name in args}
                self._note(placed, values, written)
                taught = key == BASELINE or placed.asks_for_teacher(values)
                labels = point.labels if method.distils and taught else point.labels_without_teacher
                cell = self._cell(
                    placed,
                    values,
                    name=f"{path[1]}/{student}/{'-'.join([by_command_label(method), *labels])}",
                    role="student",
                    group=str(path[1]),
                    student=student,
                    method=method,
                    axes=held,
                )
                cell = replace(
                    cell,
                    start=at.value,
                    start_cell=start_cell,
                    teacher=self.teacher_name(teacher.value) if taught else None,
                )
                if self.add(cell, choice.path):
                    self.students.append(cell)

    def _cell(
        self,
        placed: _Placed,
        values: Mapping[str, Scalar],
        *,
        name: str,
        role: Any,
        group: str,
        student: str,
        method: ByCommand | None = None,
        axes: Mapping[str, Scalar] | None = None,
    ) -> Cell:
        own = {key: value for key, value in values.items() if key not in ("student", "method")}
        return Cell(
            name=name,
            role=role,
            group=group,
            student=student,
            model=MODEL,
            start=NO_START,
            method=method or BaselineByCommand(called=BASELINE),
            training=UNSAID.model_copy(update={"processes_per_run": placed.trainer.devices}),
            views=Views(),
            dataset=NoData(),
            trainer=CellTrainer(
                placed.trainer,
                tuple(values.items()),
                tuple((own if axes is None else dict(axes)).items()),
                placed.place,
            ),
        )

    def same(self, cell: Cell, twin: Cell, path: Path) -> None:
        key = (cell.group, cell.student, twin.group, twin.student)
        if key not in self.reported_twins:
            self.reported_twins.add(key)
            self._twins += 1
            hint = "does the command use {student}, {method} and their values? else leave one of them out"
            self.problem(path, f"{cell.name} and {twin.name} have the same command", hint)


def _tuned(methods: Mapping[str, tuple[Choice, ...]]) -> frozenset[str]:
    """The keys of methods that a gain holds equal: what the baseline sets is its tuning.

    Except where it is the group's only baseline and no method shares what it sets: it is then everyone's.
    """
    base = [choice.value for choice in methods.get(BASELINE, ())]
    own = {key for value in base for key in value}
    others = [choice.value for key, grid in methods.items() if key != BASELINE for choice in grid]
    shared = any(
        all(key in other and other[key] == value[key] for key in own) for value in base for other in others
    )
    return frozenset({*TUNING_KEYS} - own if len(base) == 1 and not shared else {*TUNING_KEYS} | own)
