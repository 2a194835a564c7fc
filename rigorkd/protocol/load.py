"""A protocol file, checked and expanded; or one `ProtocolError` that lists all that is wrong, and where."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rigorkd.data.dataset import DatasetInfo, Split
from rigorkd.errors import InputError, ProtocolError
from rigorkd.problems import ExpansionError, Problem, from_validation, unknown
from rigorkd.problems import Path as KeyPath
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.chains import with_needs_at_all_seeds
from rigorkd.protocol.check import check_contrasts, check_spec, limited_test_problems, split_problems
from rigorkd.protocol.grids import grid_problems, points_of, read_method
from rigorkd.protocol.schema import Group, SeedsByRole, Spec
from rigorkd.protocol.trainer_cells import cells_of
from rigorkd.protocol.trainer_spec import CommandSpec, engine_keys, is_by_command
from rigorkd.protocol.tree import LONGEST_TEXT, Node, Place, TreeError, parse
from rigorkd.protocol.variant import variant
from rigorkd.text import nearest

MOST_LISTED = 20

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Protocol:
    """A protocol file, checked and expanded: teachers first, then starts, then students in file order.

    `settled` is the side of the stored images where the text leaves it open and it is known; `own_images`
    says that the files of a user's own images tell more than the text.
    """

    path: Path
    text: str
    spec: Spec
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    study: str
    smoke: bool = False
    settled: int | None = None
    own_images: bool = False
    tree: Node = field(default_factory=lambda: Node(Place(1, 1)), repr=False, compare=False)

    @cached_property
    def _by_name(self) -> dict[str, Cell]:
        return {cell.name: cell for cell in self.cells}

    def cell(self, name: str) -> Cell:
        """The cell of that name. Raises `InputError` with the nearest name."""
        if name not in self._by_name:
            message, hint = unknown("cell", name, self._by_name)
            raise InputError(message, hint=hint)
        return self._by_name[name]

    @property
    def text_hash(self) -> str:
        """sha256 hex of the file's text, as UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def place(self, path: KeyPath) -> Place:
        """Where the value at a path of keys and indices stands, or the deepest part that the text has."""
        return self.tree.find(path)


def load_as(model: type[M], path: Path) -> M:
    """Another file of YAML than a protocol, as a model. Raises `ProtocolError` with all that is wrong."""
    text = _text(path, _read(path))
    if not text.strip():
        first = next((name for name, field in model.model_fields.items() if field.is_required()), "a key")
        raise ProtocolError(
            "the file is empty", file=path, line=1, column=1, hint=f"it starts with `{first}: …`"
        )
    tree = _tree(path, text)
    if tree.entries is None:
        raise protocol_error([Problem((), "the file is no mapping of keys to values")], path, tree)
    try:
        return model.model_validate(tree.plain())
    except ValidationError as error:
        raise protocol_error(from_validation(error, model), path, tree) from None


def _tree(file: Path, text: str) -> Node:
    """The file's text with the place of every part."""
    try:
        return parse(text)
    except TreeError as error:
        place = error.place
        raise ProtocolError(
            error.message, file=file, line=place.line, column=place.column, hint=error.hint
        ) from None


def variant_of(path: Path, changes: Sequence[str], study: str) -> bytes:
    """The text of a protocol file under another study's name, with `changes` such as `training.epochs=2`."""
    text = _text(path, _read(path))
    _tree(path, text)
    return variant(text, changes, study).encode()


Settle = Callable[[Spec], int | None]
"""Finds the side of the stored images that a protocol leaves open; None if it cannot be known."""


def by_the_files(spec: Spec) -> int | None:
    """The side on which the files of the protocol's data agree."""
    return spec.dataset.agreed()


def load_protocol(path: Path | str, content: bytes | None = None, settle: Settle = by_the_files) -> Protocol:
    """Read, check and expand a protocol file, or what was read of it. Raises `ProtocolError`."""
    file = Path(path)
    text = _text(file, _read(file) if content is None else content)
    tree = _tree(file, text)
    if tree.entries is None:
        hint = "it starts with `rigorkd: 1` and `study: <name>`"
        raise protocol_error([Problem((), "a protocol is a mapping of keys to values", hint)], file, tree)
    plain = tree.plain()
    kind: type[Spec] = CommandSpec if is_by_command(plain) else Spec
    if kind is CommandSpec and (problems := engine_keys(plain)):
        raise protocol_error(problems, file, tree)
    try:
        spec = kind.model_validate(plain)
    except ValidationError as error:
        problems = from_validation(error, kind)
        if kind is Spec:
            problems += _grid_problems(plain)
        raise protocol_error(problems, file, tree) from None
    spec, settled = _settled(spec, settle, file, tree)
    problems = check_spec(spec)
    cells: tuple[Cell, ...] = ()
    if kind is Spec:
        problems += _unread_variables(plain)
    try:
        cells = tuple(with_needs_at_all_seeds(list(_at_their_seeds(spec, cells_of(spec)))))
        problems += check_contrasts(spec, cells)
    except ExpansionError as error:
        problems += error.problems
    if problems:
        wrong = protocol_error(problems, file, tree)
        wrong.cells = tuple(cell.name for cell in cells)
        raise wrong
    return Protocol(
        path=file,
        text=text,
        spec=spec,
        cells=cells,
        seeds=spec.all_seeds,
        study=spec.study,
        settled=settled,
        own_images=spec.dataset.info is None and spec.dataset.in_files,
        tree=tree,
    )


def _settled(spec: Spec, settle: Settle, file: Path, tree: Node) -> tuple[Spec, int | None]:
    """The protocol with the side of its stored images, and that side if it was left open."""
    if not spec.dataset.is_open:
        return spec, None
    try:
        side = settle(spec)
    except InputError as error:
        raise protocol_error([_of_data(spec, error)], file, tree) from None
    if side is None:
        return spec, None
    return spec.model_copy(update={"dataset": spec.dataset.settled(side)}), side


def _of_data(spec: Spec, error: InputError) -> Problem:
    """What the files of the data set have wrong, at its place in the protocol."""
    named = error.message.removeprefix(f"{spec.dataset.name}: ")
    return Problem(("dataset",), f"{spec.dataset.name}: {named}", error.hint)


def refuse_misfit(protocol: Protocol) -> None:
    """ProtocolError if own images, where they are at hand, cannot be used, or are too few to split."""
    dataset = protocol.spec.dataset
    try:
        known = dataset.looked_at() if dataset.info is None else None
        problems = (
            []
            if known is None
            else [
                *split_problems(_own_test(dataset.split, known), known),
                *limited_test_problems(dataset.split, known),
            ]
        )
        if not problems:
            dataset.divided()  # groups that cannot be, where the sizes can
    except InputError as error:
        problem = _of_data(protocol.spec, error)
        raise protocol_error([problem], protocol.path, protocol.tree) from None
    if problems:
        raise protocol_error(problems, protocol.path, protocol.tree)


def _own_test(split: Split, known: DatasetInfo) -> Split:
    """A split as own images are checked with it: a test set of their own it may limit."""
    return split if known.test_images is None else split.model_copy(update={"test": None})


def _at_their_seeds(spec: Spec, cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells with the seeds that the protocol gives their role; teachers teach where cells distil."""
    if not isinstance(spec.seeds, SeedsByRole):
        yield from cells
        return
    baseline, distilled = frozenset(spec.seeds.baseline), frozenset(spec.seeds.distilled)
    for cell in cells:
        plain = cell.role == "student" and not cell.method.distils
        yield cell if cell.role == "start" else replace(cell, seeds=baseline if plain else distilled)


def _grid_problems(plain: Any) -> list[Problem]:
    """What is wrong in the method grids of a protocol whose other parts do not parse."""
    problems: list[Problem] = []
    groups = plain.get("groups")
    for name, written in groups.items() if isinstance(groups, dict) else ():
        with contextlib.suppress(ValidationError):
            problems += grid_problems(Group.model_validate(written), ("groups", name))
    return problems


_VARIABLE = re.compile(r"\$\{?[A-Za-z_]|%[A-Za-z_]+%")
_PLACES = ("root", "cache", "path")


def _unread_variables(value: Any, path: KeyPath = ()) -> Iterator[Problem]:
    """Places that name an environment variable: none is read, so that a protocol means one thing for all."""
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _unread_variables(item, (*path, index))
    for key, item in value.items() if isinstance(value, dict) else ():
        at = (*path, key)
        if key in _PLACES and isinstance(item, str) and _VARIABLE.search(item) and not Path(item).exists():
            message = f"{key}: {item!r} names an environment variable, and a protocol reads none"
            yield Problem(at, message, "write the place itself; ~ is your home folder")
        else:
            yield from _unread_variables(item, at)


def _read(file: Path) -> bytes:
    try:
        if file.is_dir():
            found = sorted(entry.name for entry in file.iterdir() if entry.suffix in (".yaml", ".yml"))[:8]
            hint = f"name one of its files: {', '.join(found)}" if found else "name a protocol file"
            raise ProtocolError("this is a folder", file=file, hint=hint)
        with file.open("rb") as stream:
            return stream.read(4 * LONGEST_TEXT + 1)
    except FileNotFoundError:
        raise ProtocolError("there is no such file", file=file, hint=_similar(file)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ProtocolError(f"cannot be read: {reason.lower()}", file=file) from None


def _text(file: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        raise ProtocolError(
            "this is not UTF-8 text; is it a binary file?",
            file=file,
            line=before.count(b"\n") + 1,
            column=len(before) - (before.rfind(b"\n") + 1) + 1,
            hint="save the file as UTF-8",
        ) from None


def _similar(file: Path) -> str:
    try:
        found = {entry.stem: entry for entry in file.parent.iterdir() if entry.suffix in (".yaml", ".yml")}
    except OSError:
        return ""
    close = nearest(file.stem, found)
    return (
        f"did you mean {found[close]}?" if close else "name a protocol's file, such as protocols/digits.yaml"
    )


def protocol_error(problems: Sequence[Problem], file: Path, tree: Node) -> ProtocolError:
    """One error for all problems, in the order of the file; the first gives the error its place."""
    placed = [
        (tree.find(problem.path, key=problem.at_key, near=problem.near), problem)
        for problem in dict.fromkeys(problems)
    ]
    placed.sort(key=lambda pair: (pair[0].line, pair[0].column))
    first, only = placed[0]
    if len(placed) == 1:
        return ProtocolError(only.message, file=file, line=first.line, column=first.column, hint=only.hint)
    lines: list[str] = []
    for place, problem in placed[:MOST_LISTED]:
        told = problem.message + (f"\n  {problem.hint}" if problem.hint else "")
        lines.append(f"{file}:{place.line}:{place.column}: {told}" if lines else told)
    if len(placed) > MOST_LISTED:
        lines.append(f"... and {len(placed) - MOST_LISTED} more")
    return ProtocolError("\n".join(lines), file=file, line=first.line, column=first.column)


# ----------------------------------------------------------- locations: where a file declares parts of a cell


def section_of(cell: Cell, spec: Spec) -> KeyPath:
    """The section that declares the cell: its group, its start, or its teacher."""
    if cell.role == "student":
        return ("groups", cell.group)
    if cell.role == "start":
        return ("starts", cell.name.split("/")[1])
    return ("teacher",) if spec.teacher is not None else ("teachers", cell.student)


def is_overridden(cell: Cell, spec: Spec, key: str) -> bool:
    """Whether the cell's own section, rather than the whole protocol's, sets the key."""
    if cell.role == "student":
        return key in spec.groups[cell.group].model_fields_set
    if cell.role == "start":
        return key in spec.starts[cell.name.split("/")[1]].model_fields_set
    return key in spec.named_teachers()[cell.name].model_fields_set


def model_location(cell: Cell, spec: Spec) -> KeyPath:
    """The model of a teacher, or of the student that the cell trains."""
    owner = section_of(cell, spec) if cell.role == "teacher" else ("students", cell.student)
    return (*owner, "model", "name")


def start_location(cell: Cell, spec: Spec) -> KeyPath:
    """What says that the cell starts from its weights."""
    if cell.role == "student" and not is_overridden(cell, spec, "start"):
        return ("students", cell.student, "start")
    return (*section_of(cell, spec), "from" if cell.role == "start" else "start")


def method_location(cell: Cell, spec: Spec, rest: KeyPath = ()) -> KeyPath:
    """Where a cell's section declares (a part of) its method: the point of the grid that it stands for."""
    section, key = section_of(cell, spec), cell.method.key
    if cell.role == "student":
        written = getattr(spec.groups[cell.group], key)
    elif cell.role == "start":
        written = getattr(spec.starts[cell.name.split("/")[1]], key)
    else:
        written = getattr(spec.named_teachers()[cell.name], key)
    for point in points_of(key, written, (*section, key)):
        if read_method(key, point)[0] == cell.method:
            return point.place(rest)
    return (*section, key)
