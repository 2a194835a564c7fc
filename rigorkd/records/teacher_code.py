"""Teachers that the code of a distilled command reads past `{teacher}`, by a path that is written down there.

What the commands themselves tell is in `teacher_paths`; here the files of their code are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.problems import ExpansionError
from rigorkd.protocol.cells import Cell
from rigorkd.records.command_code import by_inputs, code_files, files_key, name_of
from rigorkd.records.teacher_paths import Untold, untold_teachers
from rigorkd.records.weights_in_code import Named, named_weights
from rigorkd.text import count

MOST = 3
"""Paths of one command's code that are told."""


def untold_in_code(cells: Iterable[Cell], folder: Path) -> list[Untold]:
    """What `untold_teachers` finds, with file, line and path where it is the code that names one.

    Of a command that is told of `{teacher}`, only what its code calls a teacher. Code that cannot be read is
    told elsewhere.
    """
    cells = [cell for cell in cells if cell.trainer is not None and cell.trainer.trainer.function is None]
    students = {cell.name: cell for cell in cells if cell.role == "student" and cell.method.distils}
    found = []
    for one in untold_teachers(cells, folder):
        own = [students[name] for name in one.cells if name in students]
        named = _grouped(own, folder) if not one.path else []
        found += [replace(told, cells=told.cells) for told in named] or [one]
    if any(cell.role == "teacher" and cell.per_seed for cell in cells):
        taught = [cell for cell in students.values() if cell.teacher is not None]
        found += [replace(told, taught=True) for told in _grouped(taught, folder, of_teacher=True)]
    return found


def teachers_from_outside(cells: Iterable[Cell], folder: Path) -> list[str]:
    """Of a protocol without a teacher: what is to be known of the weights that distilled code names."""
    cells = [cell for cell in cells if cell.trainer is not None and cell.trainer.trainer.function is None]
    if any(cell.role == "teacher" for cell in cells):
        return []
    told = []
    for one in _grouped([cell for cell in cells if cell.method.distils], folder):
        if (folder / Path(one.path).expanduser()).is_file():
            more = f" and {count(len(one.cells) - 1, 'cell')} more" if len(one.cells) > 1 else ""
            told.append(
                f"{one.cells[0]}{more}: {one.where} names {one.path}, one file for all seeds, which no hash "
                f"covers: {by_inputs([one.path])}; for a teacher of each seed let `teacher:` train it, and "
                f"the command read {{teacher}}/{Path(one.path).name}"
            )
    return told


def _grouped(cells: Sequence[Cell], folder: Path, *, of_teacher: bool = False) -> list[Untold]:
    """The paths that the code of these cells names, each with its cells."""
    found: dict[tuple[str, str], list[str]] = {}
    known: dict[tuple[str, tuple[str, ...]], list[Named]] = {}
    for cell in cells:
        assert cell.trainer is not None
        words = tuple(cell.trainer.filled({})[0])
        options = tuple(sorted({word.partition("=")[0] for word in words if word.startswith("-")}))
        key = files_key(cell.trainer.trainer), options
        if key not in known:
            known[key] = _named(cell, words, folder)
        for named in [one for one in known[key] if (one.of_teacher and one.read) or not of_teacher][:MOST]:
            where = f"{name_of(named.file, folder)}:{named.line}"
            found.setdefault((named.path, where), []).append(cell.name)
    return [Untold(tuple(names), path, where=where) for (path, where), names in found.items()]


def _named(cell: Cell, words: Sequence[str], folder: Path) -> list[Named]:
    """What the code of a cell names, but what its trainer declares that it reads."""
    assert cell.trainer is not None
    try:
        code = code_files(cell.trainer, folder)
    except (ExpansionError, InputError, OSError):
        return []
    declared = {(folder / given.path).resolve() for given in cell.trainer.trainer.inputs}
    named = named_weights(code, words, there=folder)
    return [one for one in named if (folder / Path(one.path)).resolve() not in declared]
