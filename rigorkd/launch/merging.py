"""`rigorkd merge`: one study of several that machines without a common disk have trained parts of.

Sources are only read. Everything is compared before anything is written; what would make the result another
study than one machine had trained is refused. A study that is still to be made appears in one step. Into one
that is there goes first what makes its analyses more careful (looks, removals, seeds), then record by record.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rigorkd import __version__
from rigorkd.errors import InputError, StoreError
from rigorkd.files import append_line, new_folder, timestamp, write_atomically
from rigorkd.launch.heartbeat import Heartbeat, Liveness
from rigorkd.launch.leases import alone_in
from rigorkd.records.changes import MERGED, Change, note_change, outcome, read_changes
from rigorkd.records.data_note import note_examined, read_examined
from rigorkd.records.expected import StartFile, expected_hashes, stale_runs
from rigorkd.records.integrity import verify_study
from rigorkd.records.interim import FILE as LOOKS
from rigorkd.records.interim import SHOWN, InterimAnalysis, read_interim_analyses
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.record import Record, make_room, read_records, to_json
from rigorkd.records.study import StudyInfo, is_study, read_info, refuse_too_many
from rigorkd.records.untrusted import LOG, PROTOCOL, STUDY, is_there, opened, read_bytes, read_json
from rigorkd.text import count


@dataclass(frozen=True)
class Part:
    """A study that is merged: its plan, its records, and one hash of all of it."""

    study: StudyFolder
    info: StudyInfo
    records: tuple[Record, ...]
    digest: str

    @property
    def path(self) -> Path:
        return self.study.path


@dataclass(frozen=True)
class Merged:
    """What was, or would be, merged: runs that are new in the target, all that it has then, and how many of
    the protocol's are still missing. `warnings` say what its analysis will have to live with."""

    target: Path
    new: tuple[str, ...]
    records: int
    missing: int
    looks: int
    warnings: tuple[str, ...]


def merge(sources: Sequence[Path], target: Path, *, dry: bool = False) -> Merged:
    """Merge studies into `target`, which may be there already; `dry` only says what that would be.

    Raises:
        InputError: they are not parts of one study; with the reason.
        StoreError: one is damaged, or a launcher is at work on the target.
    """
    there = is_study(target)
    if not there and target.exists():
        raise InputError(f"{target}: there is something that is no study", hint="name another --into FOLDER")
    others = [path for path in dict.fromkeys(sources) if not (there and path.samefile(target))]
    if len(others) + there < 2:
        raise InputError("one study is nothing to merge", hint="name the parts that machines have trained")
    hold = alone_in(StudyFolder(target), "rigorkd merge") if there and not dry else nullcontext()
    with hold:
        parts = [_part(path) for path in ([target] if there else []) + others]
        first = parts[0]
        for part in parts[1:]:
            _refuse_other(first, part)
        chosen = _chosen(parts)
        document = _study_json(parts)
        missing = _refuse_stale(first, chosen, document)
        mine = {record.run for record in first.records} if there else set()
        new = tuple(run for run in chosen if run not in mine)
        for run in new if there else ():
            is_there(StudyFolder(target).run(run), target)  # refuses a link on the way
        looks = _looks(parts)
        heard = looks if new or set(looks) - set(_looks(parts[:there])) else []
        merged = Merged(target, new, len(chosen), missing, len(looks), tuple(_warnings(parts, heard)))
        if dry:
            return merged
        records = [chosen[run] for run in new]
        for path in unfinished(target.parent, target.name):
            shutil.rmtree(path, ignore_errors=True)
        if there:
            _write(parts, StudyFolder(target), records, document)
        else:
            try:
                with new_folder(target) as stage, Heartbeat(StudyFolder(stage), "rigorkd merge"):
                    _write(parts, StudyFolder(stage), records, document)
            except FileExistsError:
                raise StoreError(
                    f"{target}: appeared while it was merged", hint="do the same again: it merges into that"
                ) from None
            with suppress(OSError):  # a launcher may be there by now
                StudyFolder(target).launchers.rmdir()
    return merged


def unfinished(place: Path, name: str | None = None) -> list[Path]:
    """What merges into new studies, of this name or any, left beside it when they were killed.

    One that may still be written is not among them; on another host it is watched until its counter moves.
    """
    found = []
    for path in sorted(place.glob(".*.tmp")) if place.is_dir() else ():
        stem = path.name[1:].rpartition(".tmp")[0].rpartition(".")[0]
        if path.is_symlink() or not path.is_dir() or name not in (None, stem):
            continue
        if any(path.iterdir()) and not StudyFolder(path).launchers.is_dir():
            continue  # no merge's: each first says who it is
        liveness = Liveness(StudyFolder(path))
        if not liveness.proven(liveness.launchers()):
            found.append(path)
    return found


def _part(path: Path) -> Part:
    """A study to merge, every file of it hashed."""
    info = read_info(path)
    if info.newer:
        raise StoreError(f"{path}: {info.newer}", hint="merge with that version")
    found = verify_study(path)
    if found.damaged or found.digest is None:
        first = found.damaged[0]
        raise StoreError(
            f"{path}: {count(len(found.damaged), 'record')} damaged, first {first.run}: {first.reason}",
            hint="copy it again from where it was trained, or let `rigorkd run` train these again there",
        )
    study = StudyFolder(path)
    return Part(study, info, tuple(read_records(study)), found.digest)


# ----------------------------------------------------------------------------------------- what is refused


def _refuse_other(first: Part, other: Part) -> None:
    """InputError if two studies are not parts of one."""
    if reason := next(_differences(first, other), None):
        raise InputError(
            f"{other.path}: not a part of the study in {first.path}: {reason}",
            hint="`rigorkd compare` compares two studies; to merge, all parts are run by one protocol",
        )


def _differences(first: Part, other: Part) -> Iterator[str]:
    one, two = first.info, other.info
    for what, here, there in (
        ("its name", one.study, two.study),
        ("smoke", one.smoke, two.smoke),
        ("the mode", one.mode, two.mode),
        ("the numerics", dict(one.numerics), dict(two.numerics)),
    ):
        if here != there:
            yield f"{what} is {there or 'all 1'}, and there {here or 'all 1'}"
    before, after = (info.planned.model_dump(mode="json") for info in (one, two))
    if changed := sorted(key for key in before if before[key] != after.get(key)):
        keys = ", ".join(f"analysis: {key}" for key in changed)
        yield f"another analysis was planned when it began ({keys})"
    if one.protocols[-1] != two.protocols[-1]:
        yield f"its newest protocol is another text: {_first_difference(first, other)}"
    for name in sorted(one.start_files.keys() & two.start_files.keys()):
        if one.start_files[name].sha256 != two.start_files[name].sha256:
            yield f"{name} had another content there"


def _first_difference(first: Part, other: Part) -> str:
    texts = [
        read_bytes(part.study.protocol(part.info.protocols[-1]), part.path, PROTOCOL)
        .decode(errors="replace")
        .splitlines()
        for part in (first, other)
    ]
    number = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    lines = [text[number].strip() if number < len(text) else "nothing" for text in texts]
    return f"line {number + 1} is {lines[1]!r}, and there {lines[0]!r}"


def _chosen(parts: Sequence[Part]) -> dict[str, Record]:
    """One record of each run; InputError where two parts trained one to different results."""
    found: dict[str, tuple[Part, Record]] = {}
    for part in parts:
        for record in part.records:
            known = found.setdefault(record.run, (part, record))
            if known[1] is record:
                continue
            if not _is_same(known[1], record):
                here, there = known[1].folder, record.folder
                raise InputError(
                    f"{record.run} was trained twice, to different results: {here} ({_made_by(known[1])}) and"
                    f" {there} ({_made_by(record)})",
                    hint=_mend(part, record),
                )
    return {run: record for run, (_, record) in sorted(found.items())}


def _is_same(one: Record, other: Record) -> bool:
    """Whether two records are of one draw; of what others are trained from, the weights decide."""
    if one.run_hash != other.run_hash:
        return False
    weights = one.fields.get("weights_sha256")
    by_weights = weights and one.fields.get("role") in ("teacher", "start")
    return (bool(by_weights) and weights == other.fields.get("weights_sha256")) or (
        outcome(one) == outcome(other)
    )


def _made_by(record: Record) -> str:
    versions = record.fields.get("versions") or {}
    torch = f", torch {versions['torch']}" if "torch" in versions else ""
    return f"{record.fields.get('hardware')}{torch}"


def _mend(part: Part, record: Record) -> str:
    cell, seed = record.fields["cell"], record.fields["seed"]
    if record.fields.get("role") != "student":
        return (
            "runs that need it were taught by different networks, which no one machine would have had: train "
            f"it once (`rigorkd run … --only {cell}`), copy the study to all machines, then train the rest"
        )
    return (
        f"decide without looking at the results which one counts; `rigorkd remove {part.path} --only {cell} "
        f"--seeds {seed}:{int(seed) + 1} --because …` sets one aside, and every analysis says so"
    )


def _refuse_stale(first: Part, chosen: Mapping[str, Record], document: Mapping[str, Any]) -> int:
    """How many runs are missing; InputError for records that the protocol would not make again."""
    info = first.info
    files = {name: StartFile(None, sha256) for name, sha256 in document["start_files"].items()}
    protocol = read_protocol(first.path)
    refuse_too_many(protocol, document["seeds"], first.path)
    expected = expected_hashes(protocol, tuple(document["seeds"]), info.mode, files, info.numerics)
    if stale := stale_runs(chosen.values(), expected):
        folder = chosen[stale[0].run].folder
        raise InputError(
            f"{folder}: not what the protocol says: {stale[0].reason} ({count(len(stale), 'record')} in all)",
            hint="train these again where they are, with --retrain-stale, and merge then",
        )
    return len(expected.keys() - chosen.keys())


# --------------------------------------------------------------------------------------------- what is said


def _warnings(parts: Sequence[Part], looks: Sequence[InterimAnalysis]) -> Iterator[str]:
    """What differs between the parts, and is no reason to refuse."""
    for what, of in (
        ("hardware", lambda record: str(record.fields.get("hardware"))),
        ("versions", _versions),
        ("the processor's instructions", lambda record: record.dispatch),
    ):
        by = {part.path: sorted({of(record) for record in part.records} - {""}) for part in parts}
        if len({tuple(values) for values in by.values() if values}) > 1:
            told = "; ".join(f"{path}: {', '.join(values)}" for path, values in by.items() if values)
            yield f"{what} differ: {told}"
    if looks:
        yield (
            f"{count(len(looks), 'analysis', 'analyses')} had met results of a part before it was merged: a "
            "fixed-n verdict of all seeds is then a repeated look, and says so"
        )


def _versions(record: Record) -> str:
    versions = record.fields.get("versions") or {}
    return " ".join(f"{name} {version}" for name, version in sorted(versions.items()))


# ---------------------------------------------------------------------------------------- what is written


def _study_json(parts: Sequence[Part]) -> dict[str, Any]:
    """The study.json of all parts: that of the first, with the texts, seeds and files of the others.

    What was planned before any look stays what was planned: seeds of a part that nobody had looked at, beside
    one that somebody had, may have been asked for because of what was seen.
    """
    documents = [read_json(part.study.study_json, part.path, STUDY) for part in parts]
    texts = {entry["sha256"]: entry for document in reversed(documents) for entry in document["protocols"]}
    newest = documents[0]["protocols"][-1]["sha256"]
    order = sorted(texts.values(), key=lambda entry: (entry["sha256"] == newest, str(entry["time"])))
    looked = [part for part in parts if read_interim_analyses(part.path)]
    return {
        **documents[0],
        "created": min(str(document["created"]) for document in documents),
        "version": __version__,
        "protocols": order,
        "seeds": sorted({seed for part in parts for seed in part.info.seeds}),
        "planned_seeds": sorted({seed for part in looked or parts for seed in part.info.planned_seeds}),
        "start_files": {
            name: sha256 for document in documents for name, sha256 in document["start_files"].items()
        },
    }


def _looks(parts: Sequence[Part], file: str = LOOKS) -> list[InterimAnalysis]:
    looks = {look for part in parts for look in read_interim_analyses(part.path, file)}
    return sorted(looks, key=lambda look: (look.time, look.seeds, look.metric, look.n))


def _write(
    parts: Sequence[Part], target: StudyFolder, records: Sequence[Record], document: Mapping[str, Any]
) -> None:
    """Write into `target`, a study or an empty folder; every step may be the last one."""
    others = [part for part in parts if part.path != target.path]
    for file in (LOOKS, SHOWN):
        known = set(read_interim_analyses(target.path, file))
        for look in _looks(others, file):
            if look not in known:
                append_line(target.path / file, look.line)
    _note(others, target, new=bool(records))
    for part in others:  # all were trained on the same data, or their records would be stale
        if not target.data_json.exists() and (found := read_examined(part.path)) is not None:
            note_examined(target.path, found)
    for part in others:
        _copy_texts(part, target)
    before = read_json(target.study_json, target.path, STUDY) if is_study(target.path) else {}
    if {**before, "version": ""} != {**document, "version": ""}:
        write_atomically(target.study_json, to_json(document))
    for record in records:
        _copy_record(record, target.run(record.run))
        _copy_log(record, target)


def _note(others: Iterable[Part], target: StudyFolder, *, new: bool) -> None:
    """The changes of the others, whose places lie elsewhere; and that they were merged."""
    noted = {_told(change) for change in read_changes(target.path)}
    for part in others:
        for change in read_changes(part.path):
            if (told := _told(change)) not in noted:
                noted.add(told)
                note_change(target.path, replace(change, place=""))
    if new:
        note_change(target.path, Change(MERGED, timestamp(), sources=tuple(part.digest for part in others)))


def _told(change: Change) -> str:
    """A change wherever it was noted."""
    return json.dumps(asdict(replace(change, place="")), sort_keys=True)


def _copy_texts(part: Part, target: StudyFolder) -> None:
    """The protocol texts, and the code that runs were made with."""
    for path in sorted(part.study.protocols.rglob("*")):
        name = path.relative_to(part.study.protocols)
        if path.is_dir() or "__pycache__" in name.parts:
            continue
        content, place = read_bytes(path, part.path, PROTOCOL), target.protocols / name
        if not place.exists():
            write_atomically(place, content)
        elif read_bytes(place, target.path, PROTOCOL) != content:
            raise InputError(
                f"{path}: other code than {place}", hint="merge parts that were run from the same files"
            )


def _copy_record(record: Record, place: Path) -> None:
    """Copy a record whole, `record.json` last; a killed command's leftovers make room."""
    for _ in range(2):
        try:
            with new_folder(place) as stage:
                for name in (*record.files, "record.json"):
                    path = record.folder / name
                    if not is_there(path, record.folder):  # a student's weights may have been deleted
                        continue
                    (stage / name).parent.mkdir(parents=True, exist_ok=True)
                    with opened(path, record.folder) as source, (stage / name).open("xb") as copy:
                        shutil.copyfileobj(source, copy)
                        copy.flush()
                        os.fsync(copy.fileno())
        except FileExistsError:
            make_room(place)
        else:
            return


def _copy_log(record: Record, target: StudyFolder) -> None:
    """The run's log, which counts failed attempts; without one nothing is lost but that."""
    root = Path(*record.folder.parts[: len(record.folder.parts) - record.run.count("/") - 1])
    path, place = StudyFolder(root).run_log(record.run), target.run_log(record.run)
    if is_there(path, root) and not place.exists():
        write_atomically(place, read_bytes(path, root, LOG), durable=False)
