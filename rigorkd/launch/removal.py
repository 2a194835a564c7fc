"""`rigorkd remove`: set finished runs aside, so that they count no more, and put them back.

What was removed lies under `.removed/<n>/`, n = 1, 2, …, until `rigorkd gc` deletes it. First the removal is
noted, then each record is moved in one step, then the seeds are taken from the study's list: whoever is
killed in between has lost nothing, and the same command goes on.
"""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.files import timestamp
from rigorkd.launch.leases import alone_in, has_record
from rigorkd.protocol.load import Protocol
from rigorkd.records.changes import (
    REMOVED,
    RESTORED,
    Change,
    looked_at,
    note_change,
    outcome,
    read_changes,
)
from rigorkd.records.interim import listed_seeds, says_seen
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.record import DIVERGED, Record, read_records
from rigorkd.records.study import ask_for, read_info, refuse_too_many
from rigorkd.records.untrusted import is_there
from rigorkd.text import count, some_of, suggest


@dataclass(frozen=True)
class Wanted:
    """What is to be removed: cells by globs, those of a student, seeds; what is not named is not narrowed."""

    only: tuple[str, ...] = ()
    student: str | None = None
    seeds: tuple[int, ...] | None = None

    @property
    def takes_seeds(self) -> bool:
        """Whether the study is asked for the seeds no more: all of its cells are named."""
        return self.seeds is not None and not self.only and self.student is None


@dataclass(frozen=True)
class Removed:
    """What was, or would be, removed. `again` are those of the runs that the next `run` trains again.

    `looked` and `summary` are as in `Change`.
    """

    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    looked: int | None
    place: Path
    again: int
    summary: bool = False

    @property
    def seen(self) -> str:
        """What had met any of it, empty if nothing had."""
        return "" if self.looked is None else says_seen(self.looked, summary=self.summary)


def remove(folder: Path, wanted: Wanted, reason: str = "", *, dry: bool = False) -> Removed:
    """Set aside what is wanted; `dry` only says what that would be.

    Raises:
        InputError: nothing is meant, another run needs it, or it was looked at and no reason is given.
        StoreError: a launcher is at work on the study.
    """
    study = StudyFolder(folder)
    if dry:
        return _found(study, wanted, reason, dry=True)[0]
    with alone_in(study, "rigorkd remove"):
        found, change = _found(study, wanted, reason)
        note_change(folder, change)
        for run in found.runs:
            target = found.place / run
            target.parent.mkdir(parents=True, exist_ok=True)
            study.run(run).rename(target)
        if found.seeds:
            ask_for(folder, set(read_info(folder).seeds) - set(found.seeds))
    return found


def _found(study: StudyFolder, wanted: Wanted, reason: str, *, dry: bool = False) -> tuple[Removed, Change]:
    info, protocol, records = read_info(study.path), read_protocol(study.path), read_records(study)
    chosen = _chosen(protocol, records, wanted, study.path)
    seeds = tuple(sorted(set(wanted.seeds or ()) & set(info.seeds))) if wanted.takes_seeds else ()
    if not chosen and not seeds:
        raise InputError(
            f"{study.path}: no finished run of what was named",
            hint="`rigorkd status` shows what is there; what never finished is taken out of the protocol",
        )
    if seeds and len(seeds) == len(info.seeds):
        raise InputError(
            f"{study.path}: these are all seeds of the study", hint="delete its folder, if it is to go"
        )
    _refuse_needed(protocol, records, chosen, study.path)
    met = looked_at(study.path, chosen, seeds)
    looked, summary = (None, False) if met is None else (met.n, met.summary)
    if looked is not None and not reason and not dry:
        raise InputError(
            f"{study.path}: {says_seen(looked, summary=summary)} has met what is to be removed",
            hint="say why with --because TEXT: it stands in every analysis from now on, whose verdicts are "
            "exploratory unless the runs are put back or come out the same when they are trained again",
        )
    declared = {cell.name for cell in protocol.cells}
    again = sum(
        str(record.fields["cell"]) in declared and record.fields["seed"] not in seeds
        for record in chosen.values()
    )
    number = 1 + max((int(path.name) for path in study.removed.glob("*") if path.name.isdecimal()), default=0)
    number = max([number, *(1 + int(change.place) for change in read_changes(study.path) if change.place)])
    change = Change(
        REMOVED,
        timestamp(),
        runs={run: (record.run_hash, outcome(record)) for run, record in chosen.items()},
        seeds=seeds,
        place=str(number),
        looked=looked,
        reason=reason,
        summary=summary,
        diverged=tuple(run for run, record in chosen.items() if record.fields["status"] == DIVERGED),
    )
    return Removed(tuple(chosen), seeds, looked, study.removed / str(number), again, summary), change


def _chosen(protocol: Protocol, records: Sequence[Record], wanted: Wanted, folder: Path) -> dict[str, Record]:
    """The finished runs that are meant, by name. InputError for a name that means none."""
    students = {cell.name: cell.student for cell in protocol.cells}
    students |= {str(record.fields["cell"]): str(record.fields.get("student")) for record in records}
    cells = set(students)
    if wanted.only:
        for pattern in wanted.only:
            if not fnmatch.filter(students, pattern):
                raise InputError(
                    f"{folder}: --only {pattern}: no cell matches",
                    hint=suggest(pattern, students, "`rigorkd plan` lists the cells"),
                )
        cells = {name for name in students if any(fnmatch.fnmatchcase(name, each) for each in wanted.only)}
    if wanted.student is not None:
        known = {student for name, student in students.items() if student and name.count("/") >= 2}
        if wanted.student not in known:
            raise InputError(
                f"{folder}: --student {wanted.student}: there is no such student",
                hint=suggest(wanted.student, known, f"there are {', '.join(sorted(known))}"),
            )
        cells = {name for name in cells if students[name] == wanted.student}
    return {
        record.run: record
        for record in records
        if record.fields["cell"] in cells and (wanted.seeds is None or record.fields["seed"] in wanted.seeds)
    }


def _refuse_needed(
    protocol: Protocol, records: Sequence[Record], chosen: Mapping[str, Record], folder: Path
) -> None:
    """InputError if a run that stays was trained from one that goes: it might come out otherwise again."""
    needs = {cell.name: cell.needs for cell in protocol.cells}
    for record in records:
        if record.run in chosen:
            continue
        seed = record.fields["seed"]
        for need in needs.get(str(record.fields["cell"]), ()):
            for run in (f"{need}/seed-{seed}", f"{need}/seed-fixed"):
                if run in chosen:
                    raise InputError(
                        f"{folder}: {record.run} was trained from {run}, and would stay",
                        hint=f"remove both: add --only '{record.fields['cell']}', or name the seed alone",
                    )


def restore(folder: Path, number: int | None = None) -> tuple[list[str], list[str]]:
    """Put back what was removed last, or as number so-and-so; the runs that are back, and those that are not.

    A run that was trained again in the meantime stays as it is. InputError if nothing is there.
    """
    study = StudyFolder(folder)
    with alone_in(study, "rigorkd remove --restore"):
        places = set_aside_in(study)
        if not places or number not in (None, *places):
            there = ", ".join(map(str, sorted(places))) or "nothing"
            raise InputError(
                f"{folder}: nothing was set aside" + ("" if number is None else f" as number {number}"),
                hint=f"there is {there} under {study.removed.name}; `rigorkd gc` may have deleted it",
            )
        place = str(max(places) if number is None else number)
        aside = StudyFolder(study.removed / place)
        runs = [record.run for record in read_records(aside)]
        for run in runs:
            is_there(study.run(run), folder)  # refuses a link on the way
        back = [run for run in runs if not has_record(study, run)]
        seeds, known = seeds_of(folder, place), set(read_info(folder).seeds)
        refuse_too_many(read_protocol(folder), known | seeds, study.changes_jsonl)
        note_change(folder, Change(RESTORED, timestamp(), seeds=tuple(sorted(seeds)), place=place))
        for run in back:
            study.run(run).parent.mkdir(parents=True, exist_ok=True)
            aside.run(run).rename(study.run(run))
        if seeds - known:
            ask_for(folder, known | seeds)
        if len(back) == len(runs):  # what is left is empty folders
            shutil.rmtree(aside.path, ignore_errors=True)
    return back, [run for run in runs if run not in back]


def set_aside_in(study: StudyFolder) -> dict[int, int]:
    """How many records each number under `.removed` has; those without any, which killed moves leave, not.

    A removal of seeds alone has no records; it can be undone by its note.
    """
    found = {
        int(path.name): sum(1 for _ in StudyFolder(path).records())
        for path in study.removed.glob("*")
        if path.name.isdecimal()
    }
    asked, gone = set(read_info(study.path).seeds), set[int]()
    for change in read_changes(study.path):
        if change.what == REMOVED and change.place and not asked.issuperset(change.seeds):
            gone.add(int(change.place))
            if not change.runs:
                found.setdefault(int(change.place), 0)
    return {number: n for number, n in found.items() if n or number in gone}


def seeds_of(folder: Path, place: str) -> set[int]:
    """The seeds that the study was asked for no more with the removal of a number."""
    changes = [change for change in read_changes(folder) if change.what == REMOVED and change.place == place]
    return {seed for change in changes for seed in change.seeds}


@dataclass(frozen=True)
class Taken:
    """One removal of which something is not back: `runs` that have no record now, `seeds` not asked for.

    `aside` are the records of it that can be put back.
    """

    number: str
    time: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    aside: int
    reason: str

    @property
    def says(self) -> str:
        kept = f"{self.aside} set aside" if self.aside else "nothing of it is kept"
        parts = [f"seeds {listed_seeds(self.seeds)}"] if self.seeds else []
        parts += [f"{count(len(self.runs), 'run')} ({some_of(self.runs, 3)})"] if self.runs else []
        why = f"; {self.reason}" if self.reason else ""
        kept = f"; {kept}" if self.runs else ""
        number = f", number {self.number}" if self.number else ""
        return f"removed on {self.time[:10]}{number}: {', '.join(parts)}{kept}{why}"

    def entry(self) -> dict[str, Any]:
        """Its part of the JSON of `status`."""
        return {**asdict(self), "runs": list(self.runs), "seeds": list(self.seeds)}


def taken(folder: Path) -> tuple[Taken, ...]:
    """What was removed and is not back, trained again or asked for again, whoever did that."""
    changes = [change for change in read_changes(folder) if change.what == REMOVED]
    if not changes:
        return ()
    study = StudyFolder(folder)
    there, asked = set_aside_in(study), set(read_info(folder).seeds)
    found = []
    for change in changes:
        runs = tuple(run for run in change.runs if not has_record(study, run))
        seeds = tuple(seed for seed in change.seeds if seed not in asked)
        if runs or seeds:
            aside = there.get(int(change.place), 0) if change.place else 0
            found.append(Taken(change.place, change.time, runs, seeds, aside, change.reason))
    return tuple(found)


def listed(folder: Path) -> list[str]:
    """What was removed and put back, and what of it is still set aside, a line each."""
    study = StudyFolder(folder)
    there = set_aside_in(study)
    lines = []
    for change in read_changes(folder):
        if change.what == RESTORED:
            lines.append(f"{change.place}: put back {change.time}")
        if change.what != REMOVED:
            continue
        parts = [f"seeds {listed_seeds(change.seeds)}"] if change.seeds else []
        parts += (
            [f"{count(len(change.runs), 'run')} ({some_of(list(change.runs), 3)})"] if change.runs else []
        )
        kept = f"; {count(there[int(change.place)], 'record')} set aside" if _has(there, change) else ""
        why = f"; {change.reason}" if change.reason else ""
        lines.append(f"{change.place}: {change.what} {change.time}: {', '.join(parts)}{kept}{why}")
    return lines


def _has(there: Mapping[int, int], change: Change) -> bool:
    return change.what == REMOVED and change.place.isdecimal() and bool(there.get(int(change.place)))
