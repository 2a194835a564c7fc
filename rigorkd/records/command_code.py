"""What shapes the results of a command beside its arguments: the files of its code, and what it reads.

Files are read and hashed, never imported or run. Names are relative to the protocol's folder, which is also
the command's working directory.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.files import file_sha256, refuse_endless, sha256_of
from rigorkd.models.own_code import module_file, own_modules, program_files, read_code
from rigorkd.problems import ExpansionError, Problem
from rigorkd.problems import Path as KeyPath
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.hashes import canonical, digest
from rigorkd.protocol.trainer import CellTrainer, Trainer, program_of
from rigorkd.text import nearest_place

LARGEST = 64 * 2**20
"""Bytes that the code of a command may have in all."""
MOST = 100_000
"""Files that one entry may match."""

MOST_NAMED = 6
"""Files that a warning names."""

UNREAD = "not there yet"
"""Stands for the checksum of an input that a plan does without."""


@dataclass(frozen=True)
class CommandFiles:
    """The SHA-256 of each file, by its name."""

    code: Mapping[str, str]
    inputs: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """One for all, as it enters the hashes of runs."""
        return sha256_of(canonical({"code": dict(self.code), "inputs": dict(self.inputs)}))

    def changed(self, code: Mapping[str, str], inputs: Mapping[str, str]) -> str:
        """What differs from an earlier state, by name; empty if nothing does."""
        parts = []
        for before, now in ((code, self.code), (inputs, self.inputs)):
            for name in sorted({*before, *now}):
                if before.get(name) != now.get(name):
                    how = (
                        "changed"
                        if name in before and name in now
                        else "is new"
                        if name in now
                        else "is gone"
                    )
                    parts.append(f"{name} {how}")
        return ", ".join(parts)


def files_key(trainer: Trainer) -> str:
    """Under which name a study remembers the files of a trainer."""
    what = [trainer.text, trainer.code, [each.model_dump() for each in trainer.inputs]]
    return f"command {digest(what)[:16]}"


def read_files(cell: Cell, folder: Path, *, planning: bool = False) -> CommandFiles:
    """Hash the files of a cell's trainer; `folder` is the protocol's.

    Raises:
        ExpansionError: a file is not there or cannot be read; with `planning`, inputs may be missing.
    """
    assert cell.trainer is not None
    by = cell.trainer
    code = {
        os.path.relpath(path, folder).replace(os.sep, "/"): sha256_of(content)
        for path, content in code_files(by, folder).items()
    }
    inputs = {}
    for index, given in enumerate(by.trainer.inputs):
        if given.sha256 is not None:
            inputs[given.path] = given.sha256
            continue
        at = (*by.place, "inputs", index)
        found = _matched(given.path, folder, at)
        if not found and planning:
            inputs[given.path] = UNREAD
        elif not found:
            message = f"there is no file {given.path}"
            raise ExpansionError([Problem(at, message, f"it is looked for from {folder.absolute()}")])
        for path in found:
            try:
                inputs[os.path.relpath(path, folder).replace(os.sep, "/")] = file_sha256(path)
            except OSError as error:
                message = f"{path} cannot be read: {error.strerror}"
                raise ExpansionError([Problem(at, message)]) from None
    return CommandFiles(dict(sorted(code.items())), dict(sorted(inputs.items())))


def code_files(by: CellTrainer, folder: Path) -> dict[Path, bytes]:
    """The files of a trainer's code with their content. Raises ExpansionError."""
    trainer = by.trainer
    if trainer.code is not None:
        found: dict[Path, bytes] = {}
        for index, pattern in enumerate(trainer.code):
            at = (*by.place, "code", index)
            matching = _matched(pattern, folder, at)
            if not matching:
                message = f"no file matches {pattern}"
                raise ExpansionError([Problem(at, message, f"it is looked for from {folder.absolute()}")])
            try:
                for path in matching:
                    found[path] = read_code(path)
                    if sum(map(len, found.values())) > LARGEST:
                        raise InputError(
                            f"code of more than {LARGEST:,} bytes", hint="name what is read under inputs"
                        )
            except InputError as error:
                raise ExpansionError([Problem(at, error.message, error.hint)]) from None
        return found
    try:
        if trainer.function is not None:
            modules = own_modules(trainer.function, folder.absolute())
            return {module.file: module.source for module in modules.values()}
        named = program_of(trainer.text)
        assert named is not None, "a protocol says what code is, where it cannot be known"
        name, is_module = named
        told = trainer.env.get("PYTHONPATH", "").split(os.pathsep)
        own = [
            folder / place for place in told if place and Path(os.path.normpath(place)).parts[:1] != ("..",)
        ]
        paths = [path for path in own if path.is_relative_to(folder) and path.is_dir()]
        places = (module_file(path, name) for path in (folder, *paths)) if is_module else (folder / name,)
        file = next((path for path in places if path is not None), None)
        package = name.rpartition(".")[0] if is_module else ""
        if is_module and file is not None and file.name == "__init__.py":
            file, package = file.with_name("__main__.py"), name
        if file is None or not file.is_file():
            message = f"there is no {'module' if is_module else 'file'} {name} from the protocol's folder"
            hint = f"it is looked for in {folder.absolute()}; or say which files are the code: code: [...]"
            if close := "" if is_module else nearest_place(folder.absolute() / name, folder=False):
                hint = f"{close.removeprefix('; ')} {hint}"
            raise ExpansionError([Problem((*by.place, "command"), message, hint, near=name)])
        roots = tuple(dict.fromkeys((*([] if is_module else [file.parent]), folder, *paths)))
        return program_files(file, roots, package)
    except InputError as error:
        at = (*by.place, "function" if trainer.function else "command")
        raise ExpansionError([Problem(at, error.message, error.hint)]) from None


def unseen_arguments(cells: Iterable[Cell], folder: Path) -> str:
    """A warning of files that are arguments of commands, but in no hash; empty if there are none.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    found: dict[str, None] = {}
    known: dict[str, set[Path]] = {}
    for cell in cells:
        by = cell.trainer
        if by is None or by.trainer.function is not None or by.trainer.code == ():
            continue
        if (key := files_key(by.trainer)) not in known:
            read = [
                path
                for index, given in enumerate(by.trainer.inputs)
                for path in _matched(given.path, folder, (*by.place, "inputs", index))
            ]
            known[key] = {path.resolve() for path in (*code_files(by, folder), *read)}
        for word in by.filled({})[0][1:]:
            for name in (word, word.partition("=")[2]):
                path = folder / name
                if name and path.is_file() and path.resolve() not in known[key]:
                    found[os.path.relpath(path, folder).replace(os.sep, "/")] = None
    if not found:
        return ""
    names = ", ".join([*found][:MOST_NAMED])
    return (
        f"warning: the command reads {names}, which no hash covers: runs before and after a change of it"
        f" would be mixed without a word; add inputs: [{names}] to the trainer"
    )


def _matched(pattern: str, folder: Path, at: KeyPath) -> list[Path]:
    """The files that a glob matches. ExpansionError for too many, or links that lead back to themselves."""
    try:
        found = list(islice(_matching(pattern, folder), MOST + 1))
    except OSError as error:
        message = f"{pattern}: {error.strerror}: {error.filename}"
        raise ExpansionError([Problem(at, message, "name files, or folders without such a link")]) from None
    if len(found) > MOST:
        raise ExpansionError([Problem(at, f"{pattern} matches more than {MOST:,} files", "name fewer")])
    return found


def _matching(pattern: str, folder: Path) -> Iterator[Path]:
    """The files that a glob matches, those below a folder that it names among them, by name."""
    if (folder / pattern).is_dir():
        pattern = f"{pattern.rstrip('/')}/**"
    if "**" in pattern:
        parts = Path(pattern).parts
        fixed = takewhile(lambda part: not glob.has_magic(part), parts)
        refuse_endless(folder.joinpath(*fixed))
    for name in sorted(glob.glob(pattern, root_dir=folder, recursive=True)):  # noqa: PTH207  it knows ..
        path = folder / name
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
