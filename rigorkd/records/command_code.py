"""What shapes the results of a command beside its arguments: the files of its code, and what it reads.

Files are read and hashed, never imported or run. Names are relative to the protocol's folder, which is also
the command's working directory.
"""

from __future__ import annotations

import ast
import contextlib
import datetime
import glob
import os
import re
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
from rigorkd.records.record import Record
from rigorkd.records.settings_files import settings_files
from rigorkd.records.teacher_paths import left_by_teachers, words_of
from rigorkd.text import in_yaml, nearest_place, some_of

LARGEST = 64 * 2**20
"""Bytes that the code of a command may have in all."""
MOST = 100_000
"""Files that one entry may match."""

MOST_NAMED = 6
"""Files that a warning names."""

WRITTEN = "changed while the run was trained"
"""Stands for what a file was that a run, or one beside it, wrote itself."""

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
    code = {name_of(path, folder): sha256_of(content) for path, content in code_files(by, folder).items()}
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
            raise ExpansionError([Problem(at, _no_file(given.path), _looked_for(given.path, folder))])
        for path in found:
            try:
                inputs[name_of(path, folder)] = file_sha256(path)
            except OSError as error:
                message = f"{path} cannot be read: {error.strerror}"
                raise ExpansionError([Problem(at, message)]) from None
    return CommandFiles(dict(sorted(code.items())), dict(sorted(inputs.items())))


def _no_file(path: str) -> str:
    return f"there is no file {path}"


def _looked_for(path: str, folder: Path) -> str:
    from_here = f"it is looked for from {folder.absolute()}"
    braces = "; inputs have no placeholders: name each file, or their folder" if "{" in path else ""
    return from_here + braces


def name_of(path: Path, folder: Path) -> str:
    """How a file is called from the protocol's folder."""
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
                    found |= _with_imports(path, folder)
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


def _with_imports(path: Path, folder: Path) -> dict[Path, bytes]:
    """A file that `code` lists and, of Python, what it imports from its own folder and the protocol's.

    Of a program for another Python, which this one cannot parse, it is the file alone.
    """
    if path.suffix == ".py":
        with contextlib.suppress(InputError):
            return program_files(path, tuple(dict.fromkeys((path.parent, folder))))
    return {path: read_code(path)}


def unseen_arguments(cells: Iterable[Cell], folder: Path) -> str:
    """A warning of files that are arguments of commands, but in no hash; empty if there are none.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    cells = list(cells)
    lacking = _lacked_by(cells, folder)
    by_whose: dict[str, list[str]] = {}  # whose trainer lacks a file that another's inputs name
    for name in (name_of(path, folder) for path in _unseen(cells, folder)):
        by_whose.setdefault(lacking.get(name, ""), []).append(name)
    told = [
        f"the command reads {', '.join(found[:MOST_NAMED])}, which no hash covers{of_whom(whose)}: runs"
        f" before and after a change of it would be mixed; add inputs: [{_listed(found)}] to"
        f" {whose or 'the trainer'} before the first analysis ({_AFTER_A_LOOK})"
        for whose, found in by_whose.items()
    ]
    return f"warning: {'; '.join(told)}" if told else ""


def _unseen(cells: Iterable[Cell], folder: Path) -> dict[Path, list[str]]:
    """The files that are arguments of commands, but in no hash, and of whose trainers.

    No programs are among them, and nothing that runs leave.
    """
    cells = list(cells)
    left = {(folder / name).resolve() for name in left_by_teachers(cells, folder)}
    found: dict[Path, list[str]] = {}
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
        for name in named_by(words_of(cell)):
            path = folder / name
            if not path.is_file() or _is_interpreter(path):
                continue
            if path.resolve() not in (known[key] | left):
                found.setdefault(path, []).append(".".join(map(str, by.place)))
    return found


def named_by(words: Sequence[str]) -> Iterator[str]:
    """What of a command may name a file: its arguments, and what stands behind their =."""
    yield from filter(None, (part for word in words[1:] for part in (word, word.partition("=")[2])))


def is_argument(name: str, words: Sequence[str]) -> bool:
    """Whether a file, as `name_of` calls it, is an argument of a command, whose folder may be gone by now."""
    below = name.replace("../", "")
    for said in map(os.path.normpath, named_by(words)):
        if said == name or (said.startswith("/") and said.endswith(f"/{below}")):
            return True
    return False


def _is_interpreter(path: Path) -> bool:
    """Whether a file is what runs a script, such as the Python of an environment: `env -C {out} python …`."""
    return path.parent.name == "bin" and os.access(path, os.X_OK)


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
                f"warning: {name_of(path, folder)}:{line}: `{text}` takes seed 0 for no seed, perhaps, so "
                "that its runs are drawn by chance: let it ask whether that `is None`, or begin at 1: --seeds"
                " 1:6"
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
    covered, left = _covered(cells, folder)
    if covered:
        named = [name_of(path, folder) for path in covered]
        yield f"a change of these makes runs stale: {some_of(named, MOST_NAMED)}"
    for by in {one.place: one for cell in cells if (one := cell.trainer) is not None}.values():
        for index, given in enumerate(by.trainer.inputs):
            if given.sha256 is None and not _matched(given.path, folder, (*by.place, "inputs", index)):
                where = ".".join(map(str, (*by.place, "inputs")))
                yield (
                    f"warning: {_no_file(given.path)}, which {where} names: `run` stops at that; "
                    f"{_looked_for(given.path, folder)}"
                )
    known = {path.resolve() for path in covered}
    by_runs: dict[tuple[str, ...], list[str]] = {}  # whose runs, of a file that those of others cover
    for path, places in left.items():
        by_runs.setdefault(tuple(places) if path.resolve() in known else (), []).append(name_of(path, folder))
    for whose, names in by_runs.items():
        runs = f" for runs of {' and '.join(whose)}" if whose else ""
        under = "its" if whose else "the trainer's"
        yield (
            f"not of {some_of(names, MOST_NAMED)}{runs}: what of it shapes results belongs under {under}"
            f" inputs: [{_listed(names)}], or runs before and after a change are mixed"
        )


def changed_settings(cells: Iterable[Cell], folder: Path, records: Iterable[Record]) -> str:
    """A warning of files that no hash covers and that were others when some runs were trained; else empty.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    cells, records = list(cells), list(records)
    names = changed_since(cells, folder, records)
    if not names:
        return ""
    new, gone = _come_and_gone(cells, folder, records)
    how = dict.fromkeys(new, " (new)") | dict.fromkeys(gone, " (gone)")
    by_whose: dict[str, list[str]] = {}  # whose trainer lacks a file that another's inputs name
    lacking = _lacked_by(cells, folder)
    for name in names:
        by_whose.setdefault(lacking.get(name, ""), []).append(name)
    told = []
    for whose, some in by_whose.items():
        named = [name + how.get(name, "") for name in some]
        there = [name for name in some if name not in gone]
        mend = by_inputs(there, whose) if there else "put it back, or train them again with --retrain-stale"
        told.append(
            f"{some_of(named, MOST_NAMED)} changed after runs of this study were finished, and no hash"
            f" covers it{of_whom(whose)}: {mend}"
        )
    return f"warning: {'; '.join(told)}"


def _lacked_by(cells: Sequence[Cell], folder: Path) -> dict[str, str]:
    """Whose trainer leaves a file uncovered that another's inputs name, by the name of the file."""
    covered, left = _covered(cells, folder)
    known = {path.resolve() for path in covered}
    found = {}
    for path, places in (*left.items(), *_unseen(cells, folder).items()):
        if path.resolve() in known:
            whose = {("teacher", "trainer"): TEACHERS_OWN, ("trainer",): STUDENTS_OWN}
            names = [whose.get(tuple(place.split(".")), place) for place in places]
            found[name_of(path, folder)] = " and ".join(dict.fromkeys(names))
    return found


def changed_since(cells: Iterable[Cell], folder: Path, records: Iterable[Record]) -> list[str]:
    """The files that no hash covers and that are not what they were for all of these records, by name.

    A record that has not noted them, of an earlier version, knows only whether they are newer than it. Each
    is asked of what its own trainer leaves uncovered.
    """
    records, cells = list(records), list(cells)
    every = set(uncovered(cells, folder))  # none that a teacher leaves, which its students alone do not tell
    written = {name for record in records for name, told in noted(record).items() if told == WRITTEN}
    found: dict[str, None] = {}
    for several in _by_trainer(cells):
        names = {cell.name for cell in several}
        own = [record for record in records if record.fields.get("cell") in names]
        for path in (path for path in uncovered(several, folder) if path in every):
            name, now = name_of(path, folder), content_of(path)
            then = [noted(record).get(name) for record in own]
            if name not in written and any(
                before != now if before else not noted(record) and path.stat().st_mtime > _finished(record)
                for record, before in zip(own, then, strict=True)
            ):
                found[name] = None
    new, gone = _come_and_gone(cells, folder, records)
    return [*dict.fromkeys((*found, *new, *gone))]


def _come_and_gone(
    cells: Sequence[Cell], folder: Path, records: Sequence[Record]
) -> tuple[list[str], list[str]]:
    """The files that no hash covers and that came after runs, or that runs noted and that are gone, by name.

    A new one is read by the very cell whose runs did not note it: a run notes what its own command may read.
    """
    written = {name for record in records for name, told in noted(record).items() if told == WRITTEN}
    new: dict[str, None] = {}
    gone: dict[str, None] = {}
    by_cell: dict[object, list[Record]] = {}
    for record in records:
        by_cell.setdefault(record.fields.get("cell"), []).append(record)
    for cell in cells:
        own = [record for record in by_cell.get(cell.name, ()) if notes(record)]
        if not own or cell.trainer is None:
            continue
        for record in own:
            gone |= dict.fromkeys(name for name in noted(record) if not (folder / name).exists())
        for path in uncovered([cell], folder):
            name = name_of(path, folder)
            if any(
                name not in noted(record)
                and name not in hashed(record)
                and path.stat().st_mtime > _finished(record)
                for record in own
            ):
                new[name] = None
    return [name for name in new if name not in written], [name for name in gone if name not in written]


_AFTER_A_LOOK = "after one, runs that are trained again to other results make every verdict exploratory"
TEACHERS_OWN, STUDENTS_OWN = "the teacher's own trainer", "the students' trainer"
"""Whose trainer lacks a file that others' inputs name."""


def of_whom(whose: str) -> str:
    """The same behind `no hash covers it`."""
    if not whose:
        return ""
    runs = whose.removeprefix("the trainer of ")
    told = {TEACHERS_OWN: "the teacher's runs", STUDENTS_OWN: "the students' runs"}
    return f" for {told.get(whose, f'runs of {runs}')}"


def by_inputs(names: Sequence[str], whose: str = "") -> str:
    """The mend of files that no hash covers; `whose` trainer lacks them, where others' name them."""
    more = "" if whose else " (a teacher's own trainer has inputs of its own)"
    return (
        f"if it shapes results, add inputs: [{_listed(names)}] to {whose or 'the trainer'}, and train them"
        f" again with --retrain-stale, best before an analysis: {_AFTER_A_LOOK}{more}"
    )


def noted(record: Record) -> Mapping[str, str]:
    """What a record says of files that no hash covers; nothing for one of an earlier version."""
    return {str(name): str(told) for name, told in (record.fields.get("uncovered_files") or {}).items()}


def notes(record: Record) -> bool:
    """Whether a record noted such files, be there none; one of an earlier version did not."""
    return isinstance(record.fields.get("uncovered_files"), dict)


def hashed(record: Record) -> Mapping[str, str]:
    """What a record says of the files that its hash covers as inputs."""
    told = record.fields.get("inputs") or {}
    return {str(name): str(content) for name, content in told.items()} if isinstance(told, dict) else {}


def _finished(record: Record) -> float:
    """When a run was finished, in seconds; far ahead if that cannot be read, so that nothing is newer."""
    try:
        return datetime.datetime.fromisoformat(str(record.fields.get("finished"))).timestamp()
    except ValueError:
        return float("inf")


def uncovered(cells: Iterable[Cell], folder: Path) -> list[Path]:
    """The files that no hash of runs covers: arguments of commands, and settings beside or in their code.

    Raises:
        ExpansionError: the files of a trainer are not there or cannot be read.
    """
    cells = list(cells)
    return [*dict.fromkeys((*_unseen(cells, folder), *_covered(cells, folder)[1]))]


def content_of(path: Path) -> str:
    """What tells whether a file is the same later: its SHA-256, of a large one its size alone."""
    size = path.stat().st_size
    return file_sha256(path) if size <= LARGEST else f"{size} bytes"


def as_they_are(paths: Iterable[Path], folder: Path) -> dict[str, str]:
    """What these files are now, by name; one that cannot be read is left out of the note."""
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):
            found[name_of(path, folder)] = content_of(path)
    return found


def as_they_stayed(before: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same after the run: a file that changed meanwhile is one that runs write, and no setting."""
    now = as_they_are((folder / name for name in before), folder)
    return {name: content if now.get(name) == content else WRITTEN for name, content in before.items()}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(in_yaml, names[:MOST_NAMED]))


def _by_trainer(cells: Iterable[Cell]) -> Iterable[list[Cell]]:
    """The cells that commands train, those together whose trainers name the same files."""
    alike: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.trainer is not None:
            alike.setdefault(files_key(cell.trainer.trainer), []).append(cell)
    return alike.values()


def _covered(cells: Iterable[Cell], folder: Path) -> tuple[list[Path], dict[Path, list[str]]]:
    """The files that hashes of runs cover, and files of settings that some trainer's do not, with whose.

    What a student's trainer has among its inputs is not among those of its teacher's, which may read it too.
    """
    covered: dict[Path, None] = {}
    left: dict[Path, list[str]] = {}
    for own in _by_trainer(cells):
        several = [cell.trainer for cell in own if cell.trainer is not None]
        by = several[0]
        code = code_files(by, folder)
        read: list[Path] = []
        for index, given in enumerate(by.trainer.inputs):
            read += _matched(given.path, folder, (*by.place, "inputs", index))
        known = {path.resolve() for path in (*code, *read)}
        commands = [tuple(one.filled({})[0]) for one in several if one.trainer.function is None]
        chosen = [*read, *_arguments(commands, folder)]
        for path in settings_files(code, folder, [*dict.fromkeys(commands)], chosen):
            if path.resolve() not in known and not _is_protocol(path):
                left.setdefault(path, []).append(".".join(map(str, by.place)))
        covered |= dict.fromkeys((*code, *read))
    return [*covered], left


def _arguments(commands: Iterable[Sequence[str]], folder: Path) -> Iterator[Path]:
    """The files that arguments of commands name."""
    for name in dict.fromkeys(name for command in commands for name in named_by(command)):
        if (folder / name).is_file():
            yield folder / name


def _is_protocol(path: Path) -> bool:
    """Whether a file of settings is a protocol, whose own text runs are hashed by."""
    if path.suffix not in (".yaml", ".yml"):
        return False
    try:
        return re.search(rb"^rigorkd:", read_code(path), re.MULTILINE) is not None
    except InputError:
        return False


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
