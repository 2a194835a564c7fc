"""`changes.jsonl` in a study: what was taken out of it, put back, trained otherwise, or brought in.

It says, too, which of its runs met in one file, and which failed before the protocol lost their cells.

Whoever takes results away may have seen them. So a removal is noted before anything is moved, with the
outcome of every run, and says whether an analysis had met them; what is still in effect of it is told by
comparing the study as it is now. A run that is trained again to the same bits, or put back, leaves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rigorkd.errors import StoreError
from rigorkd.files import append_line, sha256_of, timestamp
from rigorkd.records.interim import (
    InterimAnalysis,
    all_shown,
    listed_seeds,
    most_shown,
    read_interim_analyses,
    says_seen,
)
from rigorkd.records.layout import LEAF, StudyFolder
from rigorkd.records.record import Record
from rigorkd.records.teacher_paths import OF_WEIGHTS
from rigorkd.records.untrusted import INTERIM, NOTE, is_number, is_plain_path, parse, read_bytes, read_json
from rigorkd.text import count, some_of

REMOVED, RESTORED, MERGED, RETRAINED = "removed", "restored", "merged", "retrained"
FEWER = "fewer"
MET, IN_VAIN = "met", "in vain"


@dataclass(frozen=True)
class Change:
    """One line: `what` happened at an ISO time.

    `runs` are finished runs with their run hash and outcome, `seeds` those that the study asked for no more
    (or again), or that its latest `run` did not ask for after results were seen. `place` is the folder below
    `.removed` that has them. `looked` is at how many seeds an analysis had met any of it, or had shown it in
    progress, or only a `summary` had, None if none had. `diverged` are those of the runs that had. `sources`
    are the digests of the studies that were merged. Of runs that met, `runs` are finished ones without an
    outcome, and `reason` names the file; of cells that were tried in vain, those that failed.
    """

    what: str
    time: str
    runs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    place: str = ""
    looked: int | None = None
    reason: str = ""
    sources: tuple[str, ...] = ()
    summary: bool = False
    diverged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """What is still in effect: finished `runs` that are gone, or another draw (`otherwise`), and `seeds`.

    `retrained` is how often runs were set aside for another protocol after an analysis had met them; `fewer`
    says that the seeds were not removed: a later `run` asked for fewer. `diverged` are those of the runs that
    had: what is left of their cells is a selection, whatever the reason.
    """

    time: str
    runs: tuple[str, ...]
    otherwise: tuple[str, ...]
    seeds: tuple[int, ...]
    looked: int | None
    reason: str
    retrained: int = 0
    fewer: bool = False
    summary: bool = False
    diverged: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """What every analysis says of it."""
        if self.retrained:
            often = "" if self.retrained == 1 else f" {self.retrained} times, the last"
            runs = f"{count(len(self.otherwise), 'run')} ({some_of(self.otherwise, 3)})"
            return (
                f"trained again by another protocol{often} on {self.time[:10]}, after an analysis of "
                f"{count(self.looked or 0, 'seed')} had met the results before, so that every verdict is "
                f"exploratory: {runs}"
            )
        if self.fewer:
            return (
                f"fewer seeds than were planned since {self.time[:10]}, after {self._seen}, so that every "
                f"verdict is exploratory: seeds {listed_seeds(self.seeds)} are not judged; `rigorkd run` "
                "with all of them mends it"
            )
        parts = [f"seeds {listed_seeds(self.seeds)}"] if self.seeds else []
        if self.runs:
            parts.append(f"{count(len(self.runs), 'finished run')} ({some_of(self.runs, 3)})")
        if self.otherwise:
            parts.append(
                f"{count(len(self.otherwise), 'run')}, trained again since to other results "
                f"({some_of(self.otherwise, 3)})"
            )
        when = "before any analysis had met them"
        if self.looked is not None:
            when = f"after {self._seen}, so that every verdict is exploratory"
        why = f" (reason given: {self.reason})" if self.reason else ""
        fell = f"; of these diverged: {some_of(self.diverged, 3)}" if self.diverged else ""
        return f"removed on {self.time[:10]}, {when}{why}: {', '.join(parts)}{fell}"

    @property
    def _seen(self) -> str:
        return says_seen(self.looked or 0, summary=self.summary)


def outcome(record: Record) -> str:
    """A hash of what a run came to, without clocks: equal outcomes are the same draw."""
    told = {
        "status": record.fields["status"],
        "metrics": {name: value for name, value in record.metrics.items() if name != "train_seconds"},
        "predictions": record.files.get("predictions.npz"),
    }
    if not record.is_by_command:  # what else a command leaves, such as logs, may have clocks
        told |= {"history": record.files.get("history.csv"), "weights": record.fields.get("weights_sha256")}
    return sha256_of(json.dumps(told, sort_keys=True))


def read_changes(folder: Path) -> tuple[Change, ...]:
    """The changes noted so far; a line that a crash tore was noted before anything was done, and is none."""
    path = StudyFolder(folder).changes_jsonl
    try:
        lines = read_bytes(path, folder, INTERIM).splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(_change(parse(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return tuple(found)


def _change(entry: Mapping[str, Any]) -> Change:
    """A line as written; ValueError or TypeError for what nobody could have written."""
    runs = {name: (str(run_hash), str(found)) for name, (run_hash, found) in entry["runs"].items()}
    seeds = tuple(entry["seeds"])
    looked = entry["looked"]
    if not all(map(is_plain_path, runs)) or not all(map(_is_count, seeds)):
        raise ValueError("runs or seeds are none")
    if looked is not None and not _is_count(looked):
        raise ValueError("looked is no number of seeds")
    place = str(entry["place"])
    if place and not (place.isascii() and place.isdecimal() and len(place) < 10):
        raise ValueError("place is no number")
    return Change(
        what=str(entry["what"]),
        time=str(entry["time"]),
        runs=runs,
        seeds=seeds,
        place=place,
        looked=looked,
        reason=str(entry["reason"]),
        sources=tuple(map(str, entry["sources"])),
        summary=entry.get("summary") is True,
        diverged=tuple(run for run in entry.get("diverged", ()) if run in runs),
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 0


def note_change(folder: Path, change: Change) -> None:
    """Note a change, on the disk before this returns. StoreError or OSError if it cannot be."""
    append_line(StudyFolder(folder).changes_jsonl, json.dumps(asdict(change), ensure_ascii=False))


def looked_at(folder: Path, runs: Iterable[str], seeds: Collection[int]) -> InterimAnalysis | None:
    """The analysis, or else the summary, of most seeds that has met any of these runs or seeds."""
    labels = {run.rpartition("/")[2].removeprefix("seed-") for run in runs}
    meant = {*seeds, *(int(label) for label in labels if label.isdecimal())}
    return most_shown(look for look in all_shown(folder) if "fixed" in labels or meant & set(look.seeds))


def note_fewer(folder: Path, seeds: Collection[int]) -> None:
    """Note that these planned seeds are asked for no more, if anything has been shown by now."""
    if seeds and (met := looked_at(folder, (), seeds)) is not None:
        left = tuple(sorted(seeds))
        note_change(folder, Change(FEWER, timestamp(), seeds=left, looked=met.n, summary=met.summary))


def says_giving_up(folder: Path, seeds: Collection[int], planned: Collection[int]) -> str:
    """What it means to ask for these seeds where more were `planned` and something was shown; "" if nothing.

    After a look the others stay planned, and every analysis waits for them; before, they are given up.
    """
    left = set(planned) - set(seeds)
    if not left or (met := looked_at(folder, (), left)) is None:
        return ""
    seen = f"after {says_seen(met.n, summary=met.summary)}"
    if read_interim_analyses(folder):
        stay = f"seeds {listed_seeds(left)} were planned and stay so {seen}"
        return f"{stay}: `rigorkd analyze` judges them, too, and waits for those that are not there"
    return f"seeds {listed_seeds(left)} are given up {seen}: every verdict will be exploratory"


def met_by_look(folder: Path, records: Iterable[Record]) -> int | None:
    """At how many seeds an analysis has met any of these very records, None if none has."""
    looks = read_interim_analyses(folder)
    found = []
    for record in records:
        seed, finished = record.fields["seed"], to_the_second(str(record.fields.get("finished") or ""))
        found += [
            look.n
            for look in looks
            if (seed is None or seed in look.seeds) and to_the_second(look.time) >= finished
        ]
    return max(found, default=None)


def to_the_second(time: str) -> str:
    return time[:19]


def last_retrained(folder: Path) -> str:
    """When runs were last set aside for another protocol, "" if they never were: then new results came."""
    return max((change.time for change in read_changes(folder) if change.what == RETRAINED), default="")


def removals(
    folder: Path,
    records: Iterable[Record],
    hashes: Mapping[str, str],
    seeds: Collection[int],
    planned: Collection[int],
) -> tuple[Removal, ...]:
    """What is still in effect of all that was removed.

    `hashes` are those of the runs that the newest protocol has, `seeds` what the study asks for now, and
    `planned` what it planned before any look. A run
    of another configuration than the protocol's is no draw of this one. Of several draws of a run the first
    counts.
    """
    noted = read_changes(folder)
    changes = [change for change in noted if change.what == REMOVED]
    retrained = [change for change in noted if change.what == RETRAINED]
    fewer = [change for change in noted if change.what == FEWER]
    if not changes and not retrained and not fewer:
        return ()
    there = {record.run: outcome(record) for record in records}
    known: set[str] = set()
    found = []
    for change in changes:
        first = {run: told for run, told in change.runs.items() if run not in known}
        known |= first.keys()
        counted = [run for run, (run_hash, _) in first.items() if hashes.get(run, run_hash) == run_hash]
        gone = tuple(run for run in counted if run not in there)
        otherwise = tuple(run for run in counted if there.get(run, first[run][1]) != first[run][1])
        removal = Removal(
            change.time,
            gone,
            otherwise,
            tuple(seed for seed in change.seeds if seed not in seeds),
            change.looked,
            change.reason,
            summary=change.summary,
            diverged=tuple(run for run in (*gone, *otherwise) if run in change.diverged),
        )
        # Seeds that nothing was trained of, and that nobody had looked at, were only asked for too early.
        if removal.runs or removal.otherwise or (removal.seeds and change.looked is not None):
            found.append(removal)
    return (*found, *_retrained(retrained, there), *_given_up(fewer, there, hashes, planned))


def _given_up(
    changes: Iterable[Change], there: Collection[str], hashes: Collection[str], planned: Collection[int]
) -> Iterator[Removal]:
    """Seeds of a larger plan that are neither planned again nor complete, told at once."""
    open_ = {run.rpartition("/seed-")[2] for run in hashes if run not in there}
    known = {run.rpartition("/seed-")[2] for run in hashes}
    left = {
        seed: change
        for change in changes
        for seed in change.seeds
        if seed not in planned and (str(seed) in open_ or str(seed) not in known)
    }
    if left:
        first = min(left.values(), key=lambda change: change.time)
        seeds = tuple(sorted(left))
        yield Removal(first.time, (), (), seeds, first.looked, "", fewer=True, summary=first.summary)


def _retrained(changes: Iterable[Change], there: Mapping[str, str]) -> Iterator[Removal]:
    """What is in effect of all that was trained again by another protocol, told at once: it may be often."""
    left = [
        (change, runs)
        for change in changes
        if (runs := [run for run, (_, told) in change.runs.items() if there.get(run, told) != told])
    ]
    if left:
        last = max(change.time for change, _ in left)
        met = tuple(dict.fromkeys(run for _, runs in left for run in runs))
        looked = max(change.looked or 0 for change, _ in left)
        yield Removal(last, (), met, (), looked, "", retrained=len(left))


def note_met(folder: Path, file: str, run: str, run_hash: str) -> None:
    """Note that several runs, a finished one among them, wrote one file while others were at work."""
    note_change(folder, Change(MET, timestamp(), {run: (run_hash, "")}, reason=file))


def says_met(file: str, study: Path) -> str:
    """What is to be known where several runs wrote one file, with the mends that help there.

    One by one each reads its own number, but may still go on from weights that another has left; and jobs of
    a cluster go side by side, whatever the workers of each.
    """
    told = f"{file} is written by several runs, in the folder that all share: "
    out = (
        "let the script write into {out} (env -C {out} and the script's whole path call it there;"
        " --retrain-stale then trains again what is done)"
    )
    if file.endswith(OF_WEIGHTS):
        return f"{told}a run may go on from what another has left, side by side or one by one; {out}"
    told += f"side by side one may read another's number; {out}"
    if StudyFolder(study).slurm.is_dir():
        return told
    return told + ", or train all again one by one: rigorkd run PROTOCOL --jobs 1 --study NAME"


def says_beside(file: str) -> str:
    """What is to be known where a file changed under several runs of which no code names it."""
    return (
        f"{file} changed while runs were at work, in the folder that all share; nothing that they are called "
        "with names it, so that it is taken for another's; if they write it, let them write into {out}: side "
        "by side one may read another's number"
    )


def met(folder: Path, records: Iterable[Record]) -> list[str]:
    """A note of each file in which runs met whose records are still those of then, and not trained again."""
    changes = [change for change in read_changes(folder) if change.what == MET]
    there = {record.run: record for record in records} if changes else {}

    def still(run: str, run_hash: str, time: str) -> bool:
        record = there.get(run)
        finished = "" if record is None else str(record.fields.get("finished") or "")
        second = len("2026-01-01T00:00:00")
        return record is not None and record.run_hash == run_hash and finished[:second] <= time[:second]

    files = (
        change.reason
        for change in changes
        if any(still(run, run_hash, change.time) for run, (run_hash, _) in change.runs.items())
    )
    return [says_met(file, folder) for file in dict.fromkeys(files)]


def note_in_vain(folder: Path, cells: Collection[str]) -> None:
    """Note the runs that failed of cells that the protocol, which has these, has no more."""
    failed = _failed(folder)
    lost = {run: (run_hash, "") for run, run_hash in failed.items() if cell_of(run) not in cells}
    known = {run for change in read_changes(folder) if change.what == IN_VAIN for run in change.runs}
    if lost.keys() - known:
        note_change(folder, Change(IN_VAIN, timestamp(), lost))


def tried_in_vain(folder: Path) -> set[str]:
    """The cells of students of which a run has failed, now or before the protocol lost them."""
    noted = (change for change in read_changes(folder) if change.what == IN_VAIN)
    return {cell_of(run) for run in (*_failed(folder), *(run for change in noted for run in change.runs))}


def _failed(folder: Path) -> dict[str, str]:
    """The run hashes of the students' runs that failed themselves, by run."""
    found = {}
    for path in StudyFolder(folder).failures():
        try:
            note = read_json(path, folder, NOTE)
            run, run_hash, behind = str(note["run"]), str(note["run_hash"]), bool(note.get("behind"))
        except (OSError, ValueError, KeyError, StoreError):
            continue
        if not behind and is_plain_path(run) and is_of_student(run):
            found[run] = run_hash
    return found


def is_of_student(run: str) -> bool:
    """Whether a run, or a cell, is a student's by its name: what others are trained from is not."""
    return run.split("/")[0] not in ("teacher", "start")


def cell_of(run: str) -> str:
    """The cell of a run by its name."""
    cell, _, leaf = run.rpartition("/")
    return cell if LEAF.fullmatch(leaf) else run
