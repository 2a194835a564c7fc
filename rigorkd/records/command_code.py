"""What shapes the results of a command beside its arguments: the files of its code, and what it reads.

Files are read and hashed, never imported or run. Names are relative to the protocol's folder, which is also
the command's working directory.
"""

from __future__ import annotations

import ast
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from rigorkd.text import in_yaml, nearest_place, some_of

LARGEST = 64 * 2**20
"""Bytes that the code of a command may have in all."""
MOST = 100_000
"""Files that one entry may match."""

MOST_NAMED = 6
"""Files that a warning names."""

SETTINGS_IN = (".yaml", ".yml", ".toml", ".ini", ".cfg")
"""Endings of files that hold settings; JSON may hold anything."""
MOST_LOOKED_AT = 2_000
"""Files of one folder among which settings are looked for."""

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
    code = {_name(path, folder): sha256_of(content) for path, content in code_files(by, folder).items()}
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
                inputs[_name(path, folder)] = file_sha256(path)
            except OSError as error:
                message = f"{path} cannot be read: {error.strerror}"
                raise ExpansionError([Problem(at, message)]) from None
    return CommandFiles(dict(sorted(code.items())), dict(sorted(inputs.items())))


def _name(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


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
                    found[_name(path, folder)] = None
    if not found:
        return ""
    names = ", ".join([*found][:MOST_NAMED])
    return (
        f"warning: the command reads {names}, which no hash covers: runs before and after a change of it"
        f" would be mixed without a word; add inputs: [{names}] to the trainer"
    )


def seed_as_a_truth(cells: Iterable[Cell], folder: Path) -> str:
    """A warning of code that asks for a seed by its truth, so that 0 is none; empty if none does.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    trainers = {files_key(cell.trainer.trainer): cell.trainer for cell in cells if cell.trainer is not None}
    code = {path: content for by in trainers.values() for path, content in code_files(by, folder).items()}
    for path, content in code.items():
        found = min(_truths_of_a_seed(content), default=None) if path.suffix == ".py" else None
        if found is not None:
            line, text = found
            return (
                f"warning: {_name(path, folder)}:{line}: `{text}` takes seed 0 for no seed, perhaps, so that"
                " its runs are drawn by chance: let it ask whether that `is None`, or begin at 1: --seeds 1:6"
            )
    return ""


def _truths_of_a_seed(source: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a program that ask for the truth of a name that ends in `seed`, with that name."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        asked: list[ast.expr] = []
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            asked = [node.test]
        elif isinstance(node, ast.BoolOp):
            asked = node.values
        for each in asked:
            bare = each.operand if isinstance(each, ast.UnaryOp) and isinstance(each.op, ast.Not) else each
            name = bare.attr if isinstance(bare, ast.Attribute) else getattr(bare, "id", "")
            if isinstance(bare, ast.Subscript) and isinstance(bare.slice, ast.Constant):
                name = str(bare.slice.value)
            if name.casefold().endswith("seed"):
                yield bare.lineno, ast.unparse(bare)


def watched(cells: Iterable[Cell], protocol: Path) -> Iterator[str]:
    """Which files the hashes of runs cover, and which settings beside them, or named in them, they do not.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    folder = protocol.parent.absolute()
    covered, left = _covered(cells, protocol)
    if covered:
        named = [_name(path, folder) for path in covered]
        yield f"a change of these makes runs stale: {some_of(named, MOST_NAMED)}"
    if left:
        names = [_name(path, folder) for path in left]
        yield (
            f"not of {some_of(names, MOST_NAMED)}: what of it shapes results belongs under the trainer's"
            f" inputs: [{_listed(names)}], or runs before and after a change are mixed without a word"
        )


def changed_settings(cells: Iterable[Cell], protocol: Path, since: float) -> str:
    """A warning of settings that no hash covers and that were written after a time; empty if none were.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    left = _covered(cells, protocol)[1]
    names = [_name(path, protocol.parent.absolute()) for path in left if path.stat().st_mtime > since]
    if not names:
        return ""
    return (
        f"warning: {some_of(names, MOST_NAMED)} changed after runs of this study were finished, and no hash"
        f" covers it: if it shapes results, add inputs: [{_listed(names)}] to the trainer, and train them"
        " again with --retrain-stale"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(in_yaml, names[:MOST_NAMED]))


def _covered(cells: Iterable[Cell], protocol: Path) -> tuple[list[Path], list[Path]]:
    """The files that hashes of runs cover, and files of settings that they do not."""
    folder = protocol.parent.absolute()
    code: dict[Path, bytes] = {}
    read: list[Path] = []
    trainers = {files_key(cell.trainer.trainer): cell.trainer for cell in cells if cell.trainer is not None}
    for by in trainers.values():
        code |= code_files(by, folder)
        for index, given in enumerate(by.trainer.inputs):
            read += _matched(given.path, folder, (*by.place, "inputs", index))
    known = {path.resolve() for path in (protocol, *code, *read)}
    left = [path for path in _settings_beside(code, folder) if path.resolve() not in known]
    return [*dict.fromkeys((*code, *read))], left


def _settings_beside(code: Mapping[Path, bytes], folder: Path) -> list[Path]:
    """Files of settings in the packages of some code, and those of its own folders that it names."""
    found: dict[Path, None] = {}
    text = b"\n".join(code.values())
    for place in sorted({folder, *(path.parent for path in code)} if code else ()):
        package = (place / "__init__.py").is_file() and place != folder
        for path in sorted(islice(_shallow(place, deep=package), MOST_LOOKED_AT)):
            of_settings = path.suffix in SETTINGS_IN and (package or path.name.encode() in text)
            if of_settings or (path.suffix == ".json" and path.name.encode() in text):
                found[path] = None
    return [*found]


def _shallow(place: Path, *, deep: bool) -> Iterator[Path]:
    """The files of a folder, if `deep` those below it too, but for hidden ones and caches."""
    for here, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if deep and not name.startswith((".", "__pycache__")))
        yield from (Path(here, name) for name in sorted(files) if not name.startswith("."))


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
