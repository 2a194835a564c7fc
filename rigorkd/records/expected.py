"""What every run of a protocol should hash to, and which records no longer do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.data.dataset import Dataset
from rigorkd.errors import DamagedError, InputError, ProtocolError
from rigorkd.files import file_sha256
from rigorkd.methods.own import Own
from rigorkd.models.model import PathStart
from rigorkd.models.own_code import Source, has_source, read_source
from rigorkd.problems import ExpansionError, Problem
from rigorkd.problems import Path as KeyPath
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.cohorts import runs
from rigorkd.protocol.hashes import (
    NEWEST,
    Numerics,
    cell_shape,
    command_hash,
    explain_difference,
    numbers_of,
    resolved,
    run_hash,
)
from rigorkd.protocol.load import method_location, model_location
from rigorkd.protocol.schema import Spec
from rigorkd.records.command_code import UNREAD, CommandFiles, files_key, read_files
from rigorkd.records.record import Record
from rigorkd.records.untrusted import parse

if TYPE_CHECKING:
    from rigorkd.protocol.load import Protocol


@dataclass(frozen=True)
class StartFile:
    """A file of weights that runs start from: its place (None if only remembered) and its SHA-256.

    For the source of a user's own model or term, the place is the folder that it is looked up from, and so
    for the files of a command, which are told apart in `command`.
    """

    path: Path | None
    sha256: str
    command: CommandFiles | None = None


@dataclass(frozen=True)
class Expected:
    """A run and the hashes that its record must carry.

    `start_file` holds its first weights, if any; `model_code` identifies the source of a user's own model,
    and `model_source` says where that lies, unless it is only remembered. `method_code` and `method_source`
    are those of a term of the user's own. `numerics` are the numbers above 1 of the parts that it uses.
    `command` are the files of a command that trains it, in the folder `working`, unless only remembered.
    `members` are the runs of the teachers whose mean it is.
    """

    run: Run
    run_hash: str
    data_checksum: str
    teacher_hash: str | None
    start_hash: str | None
    start_file: Path | None = None
    model_code: str | None = None
    model_source: Source | None = None
    method_code: str | None = None
    method_source: Source | None = None
    numerics: Numerics = field(default_factory=dict)
    command: CommandFiles | None = None
    working: Path | None = None
    members: tuple[Expected, ...] = ()


@dataclass(frozen=True)
class Stale:
    """A record whose cell now expands to something else; `undo` has all that makes it fit again."""

    run: str
    reason: str
    undo: tuple[str, ...]


def has_own_code(protocol: Protocol) -> bool:
    """Whether code of the user's trains any of it, so that mending it makes finished runs stale."""
    return any(
        cell.trainer is not None or has_source(cell.model.name) or isinstance(cell.method, Own)
        for cell in protocol.cells
    )


ABSENT = "not there yet"
"""Stands for the SHA-256 of a file of weights that a plan does without."""


def start_files(
    protocol: Protocol, remembered: Mapping[str, StartFile] | None = None, *, planning: bool = False
) -> dict[str, StartFile]:
    """The files that the protocol's cells start from: weights by path, own code by `module:function`.

    A data set that lies in files is one of them, by `data_key`; where it is not at hand, what a study has
    `remembered` of it stands in. A relative path starts at the protocol's folder. Raises InputError for a
    file that cannot be read; with `planning`, weights that are not there yet are allowed, and what was
    remembered of them stands in.
    """
    files = {}
    for cell in protocol.cells:
        if (key := data_key(cell.dataset)) and key not in files:
            checksum = cell.dataset.checksum_at_hand()
            if checksum is None and remembered and key in remembered:
                checksum = remembered[key].sha256
            files[key] = StartFile(None, checksum or cell.dataset.checksum())
        model, method = cell.model.name, cell.method
        if cell.trainer is not None:
            if (name := files_key(cell.trainer.trainer)) not in files:
                files[name] = _command_files(protocol, cell, (remembered or {}).get(name), planning=planning)
            continue
        if has_source(model) and model not in files:
            files[model] = _source(protocol, "model", model, partial(model_location, cell))
        if isinstance(method, Own) and method.term not in files:
            place = partial(method_location, cell, rest=("term",))
            files[method.term] = _source(protocol, "term", method.term, place)
        if isinstance(cell.start, PathStart) and cell.start.path not in files:
            path = (protocol.path.parent / Path(cell.start.path).expanduser()).absolute()
            if planning and not path.exists():
                files[cell.start.path] = (remembered or {}).get(cell.start.path) or StartFile(None, ABSENT)
                continue
            try:
                digest = file_sha256(path)
            except OSError as error:
                raise InputError(
                    f"{protocol.path}: {cell.name} starts from {cell.start.path}: {error.strerror}",
                    hint=f"put the file of weights at {path}: relative paths start at the protocol's folder",
                ) from None
            files[cell.start.path] = StartFile(path, digest)
    return files


def _command_files(
    protocol: Protocol, cell: Cell, remembered: StartFile | None, *, planning: bool
) -> StartFile:
    """The files of a cell's command; what is wrong with them is told at the protocol's line."""
    folder = protocol.path.parent.absolute()
    try:
        found = read_files(cell, folder, planning=planning)
    except ExpansionError as error:
        raise located(error.problems, protocol) from None
    if remembered is not None and UNREAD in found.inputs.values():
        return remembered
    return StartFile(folder, found.sha256, found)


def located(problems: Iterable[Problem], protocol: Protocol) -> ProtocolError:
    """Problems that were found with a protocol's files, at their lines."""
    first = next(iter(problems))
    at = protocol.tree.find(first.path, key=first.at_key, near=first.near)
    return ProtocolError(first.message, file=protocol.path, line=at.line, column=at.column, hint=first.hint)


def data_key(dataset: Dataset) -> str | None:
    """Under which name a study remembers the checksum of a data set, if it lies in files."""
    return f"data set {dataset.name}" if dataset.in_files else None


def _source(protocol: Protocol, what: str, name: str, place: Callable[[Spec], KeyPath]) -> StartFile:
    """The source of a user's own code; what is wrong with it is told at the protocol's line."""
    try:
        source = read_source(name, protocol.path.parent)
    except InputError as error:
        at = protocol.place(place(protocol.spec))
        message = f"the {what} {name}: {error.message}"
        raise ProtocolError(
            message, file=protocol.path, line=at.line, column=at.column, hint=error.hint
        ) from None
    return StartFile(source.folder, source.sha256)


def expected_hashes(
    protocol: Protocol,
    seeds: tuple[int, ...],
    mode: str,
    files: Mapping[str, StartFile],
    numerics: Numerics = NEWEST,
) -> dict[str, Expected]:
    """Every run of the protocol at these seeds, by name, with its hash. Teachers and starts come first.

    `files` are those of `start_files`, or what a study remembers of them; `numerics` are the study's.
    """
    by_name: dict[str, Expected] = {}
    checksums: dict[str, str] = {}
    shapes = {cell.name: cell_shape(cell) for cell in protocol.cells}

    def found(cell: str, seed: int | None) -> Expected:
        run = Run(protocol.cell(cell), seed if protocol.cell(cell).per_seed else None)
        return by_name[run.name]

    def of(cell: str | None, seed: int | None) -> str | None:
        return None if cell is None else found(cell, seed).run_hash

    for run in runs(protocol.cells, seeds):
        if run.cell.trainer is not None:
            taught = of(run.cell.teacher, run.seed) if run.cell.method.distils else None
            begun = of(run.cell.start_cell, run.seed)
            code = _noted(files, files_key(run.cell.trainer.trainer))
            shape = shapes[run.cell.name]
            name = command_hash(run, code=code.sha256, teacher_hash=taught, start_hash=begun, shape=shape)
            by_name[run.name] = Expected(
                run, name, "", taught, begun, command=code.command, working=code.path
            )
            continue
        dataset = run.cell.dataset
        key = dataset.model_dump_json()
        if key not in checksums:
            known = files.get(data_key(dataset) or "")
            checksums[key] = known.sha256 if known else dataset.checksum()
        teacher_hash = of(run.cell.teacher, run.seed) if run.cell.method.distils else None
        start = run.cell.start
        file = _noted(files, start.path) if isinstance(start, PathStart) else None
        start_hash = file.sha256 if file else of(run.cell.start_cell, run.seed)
        method = run.cell.method
        source = _noted(files, run.cell.model.name) if has_source(run.cell.model.name) else None
        term = _noted(files, method.term) if isinstance(method, Own) else None
        members = tuple(found(member.cell, run.seed) for member in run.cell.members)
        by_name[run.name] = Expected(
            run=run,
            run_hash=run_hash(
                run,
                data_checksum=checksums[key],
                teacher_hash=teacher_hash,
                start_hash=start_hash,
                mode=mode,
                precision=run.cell.training.precision,
                model_code=source.sha256 if source else None,
                method_code=term.sha256 if term else None,
                shape=shapes[run.cell.name],
                members=[
                    (want.run_hash, member.weight)
                    for want, member in zip(members, run.cell.members, strict=True)
                ],
                numerics=numerics,
            ),
            data_checksum=checksums[key],
            teacher_hash=teacher_hash,
            start_hash=start_hash,
            start_file=file.path if file else None,
            model_code=source.sha256 if source else None,
            model_source=Source(source.path, source.sha256) if source and source.path else None,
            method_code=term.sha256 if term else None,
            method_source=Source(term.path, term.sha256) if term and term.path else None,
            numerics=numbers_of(run.cell, numerics),
            members=members,
        )
    return by_name


def _noted(files: Mapping[str, StartFile], name: str) -> StartFile:
    """What a study notes of a file. DamagedError if it notes nothing, which `run` never leaves so."""
    if name not in files:
        raise DamagedError(
            f"study.json: start_files says nothing of {name}", hint="restore study.json from a copy"
        )
    return files[name]


def stale_runs(records: Iterable[Record], expected: Mapping[str, Expected]) -> list[Stale]:
    """The records whose hash is not the expected one, with what changed."""
    stale = []
    for record in records:
        name = record.run
        want = expected.get(name)
        if want is not None and want.run_hash != record.run_hash:
            stale.append(Stale(name, *_what_changed(record, want)))
    return stale


def _said(value: object) -> str:
    """A checksum in its first digits, numbers of parts in words."""
    if isinstance(value, dict):
        return ", ".join(f"{part} {number}" for part, number in sorted(value.items())) or "all 1"
    return f"{value}"[:12]


PROTOCOL_BACK = "change the protocol back"
FILES_BACK = "put the files back as they were"
NEW_OUT = "take the new files out of `code` and `inputs`, or out of their folders"


def _what_changed(record: Record, want: Expected) -> tuple[str, tuple[str, ...]]:
    """All of it, and what would undo each: nothing where that stands with another run, or nothing would.

    What may only follow from something else (a teacher that is another by its settings, other parts of
    other settings) is told where nothing else is.
    """
    settings = explain_difference(record.fields, want.run.cell)
    found = [(settings, PROTOCOL_BACK)] if settings else []
    by_command = want.run.cell.trainer is not None
    found += (_files_of_command if by_command else _own_files)(record, want, settings=bool(settings))
    found = found or [_what_follows(record, want)]
    told = "; ".join(says for says, _ in found)
    return told, tuple(dict.fromkeys(undo for _, undo in found if undo))


def _own_files(record: Record, want: Expected, *, settings: bool) -> Iterator[tuple[str, str]]:
    """What of the files that the engine reads for a run changed; those that other settings name did not."""
    then, now = record.fields, resolved(want.run.cell)
    for part, key, code in (
        ("model", "model_code", want.model_code),
        ("term", "method_code", want.method_code),
    ):
        if then.get(key) != code and (then.get(part) == now.get(part) or not settings):
            yield f"the code of its {part} {now[part]} changed", FILES_BACK
    before, data = then.get("data_checksum"), want.data_checksum
    if before != data:  # before its teacher, which other images have changed as well
        dataset = want.run.cell.dataset
        differs = f"{_said(before)} → {_said(data)}"
        if _same_images_named(then.get("dataset"), now["dataset"]):
            yield f"the data changed: {differs}", _images_back(dataset)
        elif dataset.in_files:
            undo = f"{_images_back(dataset)} if they are not so by that alone"
            yield f"the data are others, by these settings or by their files: {differs}", undo
    file = isinstance(want.run.cell.start, PathStart)
    if file and then.get("start") == now["start"] and then.get("start_run_hash") != want.start_hash:
        yield "the weights that it starts from changed", FILES_BACK if want.start_file else ""


_NOT_OF_THE_IMAGES = ("label_noise", "resolution", "split")
"""Keys of a data set that its checksum does not hang on; by a split only if that groups images."""


def _same_images_named(before: object, now: str) -> bool:
    """Whether two settings of a data set, canonical JSON, are of one checksum if the files are the same."""
    try:
        old, new = (parse(str(text).encode()) for text in (before, now))
        grouped = [(each.get("split") or {}).get("group_by") for each in (old, new)]
    except (ValueError, AttributeError):  # not as a record has it: `explain_difference` tells that
        return True
    shared = (old.keys() & new.keys()) - {*_NOT_OF_THE_IMAGES}
    return grouped[0] == grouped[1] and all(old[key] == new[key] for key in shared)


def _what_follows(record: Record, want: Expected) -> tuple[str, str]:
    """What changed of a run whose own settings and files did not."""
    if record.fields.get("teacher_run_hash") != want.teacher_hash:
        return "its teacher changed", ""
    by_command = want.run.cell.trainer is not None
    if (record.fields.get("member_run_hashes") or []) != [member.run_hash for member in want.members]:
        return "a teacher of its mean changed", ""
    if record.fields.get("start_run_hash") != want.start_hash:
        return f"the {'run' if by_command else 'weights'} that it starts from changed", ""
    if by_command:
        if want.command is None:
            return "files of its command changed", FILES_BACK
        return "its trainer's result (where its numbers are found) or devices changed", PROTOCOL_BACK
    parts, now_parts = record.fields.get("numerics_of_parts") or {}, dict(want.numerics)
    if parts != now_parts:
        return f"rigorkd's numerics changed: {_said(parts)} → {_said(now_parts)}", ""
    return "its hash is not that of what its record says", ""


def _images_back(dataset: Dataset) -> str:
    """How the images are again those that runs were trained on: nothing else differs."""
    lies = next((place for key in ("root", "file", "path") if (place := getattr(dataset, key, None))), None)
    where = f"in {lies}" if lies else f"of {dataset.name}"
    return (
        f"have the images {where} as they were (files, their classes and content: take out what was added, "
        "put back what is gone)"
    )


def _files_of_command(record: Record, want: Expected, *, settings: bool) -> Iterator[tuple[str, str]]:
    """What of the files of a command changed; of another command, only those that both name."""
    if want.command is None:
        return
    code, inputs = (dict(record.fields.get(key) or {}) for key in ("code", "inputs"))
    now = want.command
    if settings and record.fields.get("command") != resolved(want.run.cell)["command"]:
        code, inputs = _those_of(code, now.code), _those_of(inputs, now.inputs)
        now = CommandFiles(_those_of(now.code, code), _those_of(now.inputs, inputs))
    if changed := now.changed(code, inputs):
        others = any(
            there.get(name) != content
            for then, there in ((code, now.code), (inputs, now.inputs))
            for name, content in then.items()
        )
        yield changed, FILES_BACK if others else NEW_OUT


def _those_of(files: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    return {name: content for name, content in files.items() if name in others}
