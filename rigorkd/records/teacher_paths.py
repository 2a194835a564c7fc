"""Teachers that a distilled command reads past `{teacher}`: from a path of its own, one for all seeds.

A file at a fixed place is that of whichever teacher was trained last. No run waits for it and none is stale
when it changes, since only `{teacher}` says whose run it is. Commands are compared as text, none is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.trainer import OF_A_RUN
from rigorkd.text import count

OF_WEIGHTS = (
    *(".pt", ".pth", ".ckpt", ".npz", ".npy", ".safetensors", ".bin", ".pkl", ".joblib", ".h5", ".keras"),
    *(".onnx", ".tar", ".msgpack"),
)
"""Endings of files that hold a network."""
_FILLED = "\1"
"""Stands for what differs from run to run, so that a path with it is not one for all seeds."""


@dataclass(frozen=True)
class Untold:
    """Distilled cells whose command says nothing of `{teacher}`, the path that they seem to read it from.

    `place` is what the teacher's command is told of it: the path, or a folder that it lies in; empty if that
    says nothing of it. Without a `path` nothing of the command looks like one. `where` is the file and line
    of its code that names the path; then the command may be `taught`, and told of `{teacher}` all the same.
    """

    cells: tuple[str, ...]
    path: str = ""
    place: str = ""
    where: str = ""
    taught: bool = False

    @property
    def says(self) -> str:
        """What is to be known, and the mend."""
        more = f" and {count(len(self.cells) - 1, 'cell')} more" if len(self.cells) > 1 else ""
        names = "names" if self.taught else "does not name"
        who = f"{self.cells[0]}{more}: distilled by a command that {names} {{teacher}}"
        meant = "{teacher}/…"
        if self.place:
            inside = os.path.relpath(self.path, self.place)
            meant = "{teacher}" if inside == "." else f"{{teacher}}/{inside}"
            how = (
                f"; {self.path} lies where the teacher of every seed is told to write ({self.place}), so that"
                " students read what the teacher of another seed may have left"
            )
            mend = f"give the teacher {{out}} for {self.place}, and the students {meant} for {self.path}"
        elif self.where:
            meant = f"{{teacher}}/{self.path.rpartition('/')[2]}"
            file = self.where.rpartition(":")[0]
            how = (
                f"; {self.where} {'yet ' * self.taught}names {self.path}: if that is what the study's teacher"
                " leaves, it is one for all seeds, and students read what the teacher of another seed may"
                " have left"
            )
            mend = (
                f"let the teacher write below {{out}}, and {file} read what the command gives it: an option"
                f" with {meant}, in brackets for cells without a teacher ([--teacher {meant}])"
            )
        elif self.path:
            meant = f"{{teacher}}/{self.path.rpartition('/')[2]}"
            how = (
                f"; if {self.path} is what the study's teacher leaves, it is one for all seeds, and students"
                " read what the teacher of another seed may have left"
            )
            mend = f"let the teacher write below {{out}}, and give the students {meant} for {self.path}"
        else:
            how = (
                "; where it reads a teacher from a fixed path, it may be that of another seed, or of an"
                " earlier run"
            )
            mend = f"let the teacher write below {{out}}, and the students read {meant}"
        return f"{who}{how}{', and no run waits for its teacher' * (not self.taught)}: {mend}"


def untold_teachers(cells: Iterable[Cell], folder: Path) -> list[Untold]:
    """Each path that distilled cells seem to read a teacher of this study from, without `{teacher}`.

    Nothing for a teacher that all seeds share, nor for methods that need none, such as label smoothing.
    """
    cells = [cell for cell in cells if cell.trainer is not None and cell.trainer.trainer.function is None]
    teachers = [cell for cell in cells if cell.role == "teacher" and cell.per_seed]
    students = [cell for cell in cells if cell.role == "student"]
    untaught = [cell for cell in students if cell.method.distils and cell.teacher is None]
    if not teachers or not untaught:
        return []
    plain = {value for cell in students if not cell.method.distils for value in _values(cell)}
    places = {value for cell in teachers for value in _values(cell)} - plain
    found: dict[tuple[str, str], list[str]] = {}
    for cell in untaught:
        for path in _values(cell):
            if path in plain:
                continue
            place = next((one for one in sorted(places, key=len) if _is_below(path, one, folder)), "")
            if place or path.endswith(OF_WEIGHTS):
                found.setdefault((path, place), []).append(cell.name)
    untold = [Untold(tuple(names), path, place) for (path, place), names in found.items()]
    taught = any(cell.teacher is not None and cell.method.distils for cell in students)
    if not untold and not taught:
        untold = [Untold(tuple(cell.name for cell in untaught))]
    # With a teacher that others are told of, a file of weights may be anybody's: then it takes both to tell.
    return [one for one in untold if one.place or not taught]


def left_by_teachers(cells: Sequence[Cell], folder: Path) -> Iterator[str]:
    """The paths among those that runs themselves write: no input is what a run of the study leaves."""
    yield from (one.path for one in untold_teachers(cells, folder) if one.path)


def absent_weights(cells: Iterable[Cell], folder: Path) -> Iterator[str]:
    """A warning of each file of weights that students seem to be told to read, and that is not there.

    Not of what is written by its option's name, or named by the command of a teacher or start, which may
    leave it; nor where the command is called in another folder.
    """
    cells = [cell for cell in cells if cell.trainer is not None and cell.trainer.trainer.function is None]
    left = {os.path.normpath(value) for cell in cells if cell.role != "student" for value in _values(cell)}
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        words = words_of(cell) if cell.role == "student" else []
        if not {"-C", "--chdir"}.isdisjoint(words):
            continue
        for before, word in pairwise(words):
            option, _, path = word.partition("=") if "=" in word else (before, "", word)
            if (
                option.startswith("-")
                and path.endswith(OF_WEIGHTS)
                and _FILLED not in path
                and not _WRITTEN.search(option)
                and not any(Path(os.path.normpath(path)).is_relative_to(one) for one in left)
                and not (folder / path).exists()
            ):
                found.setdefault((option, path), []).append(cell.name)
    for (option, path), names in found.items():
        more = f" and {count(len(names) - 1, 'cell')} more" if len(names) > 1 else ""
        yield (
            f"warning: {names[0]}{more}: {option} {path}: no such file from {folder}: runs that read it"
            " will fail"
        )


_WRITTEN = re.compile(r"save|out|write|dump|export|log|result|dest|best|last", re.IGNORECASE)
"""Options that say where a run writes."""


def half_paths(cells: Iterable[Cell]) -> Iterator[str]:
    """A warning of each option whose value begins with a placeholder that some cells have no value for."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells:
        if cell.trainer is None or cell.trainer.trainer.command is None:
            continue
        own, template = dict(cell.trainer.values), cell.trainer.trainer.templates()["command"]
        filled = {**dict.fromkeys({*OF_A_RUN} - _lacks(cell), "…"), **{name: str(own[name]) for name in own}}
        words = template.words(filled)
        for index, name in template.halves(filled):
            before = words[index - 1] if index and words[index - 1].startswith("-") else ""
            found.setdefault((name, before, words[index]), []).append(cell.name)
    for (name, before, word), names in found.items():
        option = before or word.partition("=")[0] * ("=" in word)
        more = f" and {count(len(names) - 1, 'cell')} more" if len(names) > 1 else ""
        is_one = (
            f"{before} {{{name}}}/…" if before else f"{option}={{{name}}}/…" if option else f"{{{name}}}/…"
        )
        gets = "gets" if len(names) == 1 else "get"
        told = f"{before} {word}".strip()
        yield (
            f"warning: {names[0]}{more} {gets} {told}, for want of a {name}: in brackets, [{is_one}], it is"
            f" left out there{_HAS_ONE * (name == 'teacher')}"
        )


_HAS_ONE = "; a script whose baseline reads a teacher too has it as a start (`starts:`, {start})"


def _lacks(cell: Cell) -> set[str]:
    """Which of the folders of other runs a cell's command is not told."""
    lacks = {"teacher"} if cell.teacher is None or not cell.method.distils else set()
    return lacks | ({"start"} if cell.start_cell is None else set())


def _is_below(path: str, place: str, folder: Path) -> bool:
    """Whether a path is a place or lies in it, where the place is no number or flag, nor the folder."""
    if not ("/" in path or path.endswith(OF_WEIGHTS)) or place.startswith("-"):
        return False
    whole, above = (Path(os.path.normpath(folder / one)) for one in (path, place))
    return above != Path(os.path.normpath(folder)) and whole.is_relative_to(above)


def _values(cell: Cell) -> list[str]:
    """The arguments and variables of a command that are the same at every seed; of `name=value` the value."""
    words, more = _told(cell)
    told = [*(word.partition("=")[2] or word for word in words[1:]), *more.values()]
    return [*dict.fromkeys(part for part in told if part and _FILLED not in part)]


def words_of(cell: Cell) -> list[str]:
    """The words of a cell's command, with a sign that no path has for what differs from run to run."""
    return _told(cell)[0]


def _told(cell: Cell) -> tuple[list[str], dict[str, str]]:
    assert cell.trainer is not None
    lacks, own = _lacks(cell), dict(cell.trainer.values)
    return cell.trainer.filled({name: _FILLED for name in OF_A_RUN if name not in lacks and name not in own})
