"""Runs of a study that are those of another one beside it, whose results had been shown before.

A protocol that is copied under another name asks for the same draws again, bit by bit. Its questions may then
have been chosen by their answers, so that nothing of them was planned. It is noted when such runs are first
trained, since what lies beside a study may be moved later. Most are known by their run hash before they are;
where a comment of a script was changed, by what they came to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.errors import InputError, StoreError
from rigorkd.files import timestamp
from rigorkd.records.changes import Change, cell_of, is_of_student, note_change, outcome, read_changes
from rigorkd.records.interim import (
    SHOWN,
    InterimAnalysis,
    read_interim_analyses,
    says_seen,
)
from rigorkd.records.layout import LEAF, StudyFolder
from rigorkd.records.record import Record, find_record
from rigorkd.records.study import studies_in
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd

ELSEWHERE = "judged elsewhere"
SHOWN_BEFORE = "shown before, in "
"""How every word of it begins."""
_SECOND = len("2026-01-01T00:00:00")
_NO_CHANCE = 3
"""At so many seeds two cells do not come to the same by chance."""


@dataclass(frozen=True)
class Elsewhere:
    """Runs, by their names here, that `study` has as well, where `looked` seeds had been shown before.

    A `summary` alone may have shown them: the means at the end of a run.
    """

    study: str
    runs: tuple[str, ...]
    looked: int
    summary: bool = False

    @property
    def cells(self) -> frozenset[str]:
        return frozenset(run.rpartition("/")[0] for run in self.runs)

    @property
    def shows_differences(self) -> bool:
        """Whether who saw these has seen a difference between two cells."""
        return len(self.cells) > 1

    @property
    def says(self) -> str:
        """What every analysis of them says, and `plan` and `run` before."""
        runs = f"{count(len(self.runs), 'run')} of this study ({some_of(self.runs, 2)})"
        seen = says_seen(self.looked, summary=self.summary)
        there = f"{'are' if len(self.runs) > 1 else 'is'} there, too"
        then = "no difference between cells, as they are of one"
        if self.shows_differences:
            then = "what is asked of them may have been chosen by their answers: exploratory"
        return f"{SHOWN_BEFORE}{self.study}: {runs} {there}, and {seen} had met them; {then}{self._mend}"

    @property
    def _mend(self) -> str:
        seeds = {int(run.rpartition("-")[2]) for run in self.runs}
        fresh = f"{max(seeds) + 1}:{max(seeds) + 1 + len(seeds)}"
        return f"; other seeds are new data (--seeds {fresh})" * self.shows_differences

    def at(self, seeds: Collection[int]) -> Elsewhere:
        """The same of the runs at these seeds."""
        return self.among([run for run in self.runs if int(run.rpartition("-")[2]) in seeds])

    def among(self, runs: Collection[str]) -> Elsewhere:
        """The same of these runs alone."""
        return replace(self, runs=tuple(run for run in self.runs if run in runs))


def shown_elsewhere(folder: Path, wanted: Mapping[str, str]) -> tuple[Elsewhere, ...]:
    """What studies beside `folder` have of students' runs that are to be trained, by their run hashes.

    Of each cell of another study one run is read, and all only if it is one of these.
    """
    by_hash = {run_hash: run for run, run_hash in wanted.items() if is_of_student(run)}
    seeds = {leaf.removeprefix("seed-") for run in by_hash.values() for leaf in [run.rpartition("/")[2]]}
    found = (
        _shown_in(other, by_hash, seeds)
        for other in (studies_in(folder.parent) if by_hash else ())
        if other.name != folder.name
    )
    return tuple(filter(None, found))


def _shown_in(other: Path, by_hash: Mapping[str, str], seeds: set[str]) -> Elsewhere | None:
    if not (looks := _looks_at(other)):
        return None
    study = StudyFolder(other)
    cells: dict[str, list[str]] = {}
    for path in study.records():
        run = path.parent.relative_to(other).as_posix()
        cell, _, leaf = run.rpartition("/")
        if is_of_student(run) and LEAF.fullmatch(leaf) and leaf.removeprefix("seed-") in seeds:
            cells.setdefault(cell, []).append(run)
    runs: list[str] = []
    met: list[InterimAnalysis] = []
    for own in cells.values():
        for run in own:
            try:
                record = find_record(study, run)
            except (StoreError, InputError):  # another study's fault is told where that is read
                continue
            if record is None or record.run_hash not in by_hash:
                break
            finished, seed = _finished(record), record.fields["seed"]
            if after := [look for look in looks if seed in look.seeds and look.time[:_SECOND] >= finished]:
                runs.append(by_hash[record.run_hash])
                met += after
    if not runs:
        return None
    most = max(met, key=_most)
    return Elsewhere(other.name, tuple(sorted(runs)), most.n, most.summary)


def _looks_at(folder: Path) -> tuple[InterimAnalysis, ...]:
    return (*read_interim_analyses(folder), *read_interim_analyses(folder, SHOWN))


def _finished(record: Record) -> str:
    return str(record.fields.get("finished") or "")[:_SECOND]


def _most(look: InterimAnalysis) -> tuple[bool, int]:
    return not look.summary, look.n


def came_out_elsewhere(folder: Path) -> tuple[Elsewhere, ...]:
    """Students' runs of a study that came out as those of one beside it, which had been shown before.

    They do if a cell and one of the other study came to the same at every seed that both have, three at least
    and not all alike: one accuracy may be another's by chance.
    """
    beside = [other for other in studies_in(folder.parent) if other.name != folder.name]
    beside = [other for other in beside if any(_looks_at(other))]
    if not beside:
        return ()
    own = _outcomes(folder)
    found = (_came_out_in(other, own) for other in beside)
    return tuple(filter(None, found))


def _outcomes(folder: Path) -> dict[str, dict[int, tuple[str, Record]]]:
    """Of each student's cell what its runs came to, by seed."""
    found: dict[str, dict[int, tuple[str, Record]]] = {}
    for path in StudyFolder(folder).records():
        run = path.parent.relative_to(folder).as_posix()
        if not is_of_student(run):
            continue
        with contextlib.suppress(StoreError, InputError):  # what is damaged is told where it is judged
            record = find_record(StudyFolder(folder), run)
            if record is not None and isinstance(seed := record.fields["seed"], int):
                found.setdefault(cell_of(run), {})[seed] = (outcome(record), record)
    return found


def _came_out_in(other: Path, own: Mapping[str, Mapping[int, tuple[str, Record]]]) -> Elsewhere | None:
    looks = _looks_at(other)
    runs: dict[str, InterimAnalysis] = {}
    for theirs in _outcomes(other).values():
        for mine in own.values():
            common = mine.keys() & theirs.keys()
            if len(common) < _NO_CHANCE or len({theirs[seed][0] for seed in common}) < 2:
                continue
            if any(mine[seed][0] != theirs[seed][0] for seed in common):
                continue
            for seed in common:
                there, here = _finished(theirs[seed][1]), _finished(mine[seed][1])
                met = [look for look in looks if seed in look.seeds and there <= look.time[:_SECOND] <= here]
                if met:
                    runs[mine[seed][1].run] = max(met, key=_most)
    if not runs:
        return None
    most = max(runs.values(), key=_most)
    return Elsewhere(other.name, tuple(sorted(runs)), most.n, most.summary)


def note_elsewhere(folder: Path, wanted: Mapping[str, str]) -> None:
    """Note which of the runs that are to be trained were shown in another study, once each."""
    _note(folder, shown_elsewhere(folder, _unknown(folder, wanted)), wanted)


def note_outcomes_elsewhere(folder: Path) -> None:
    """The same of runs that are there and whose run hashes did not tell."""
    found = came_out_elsewhere(folder)
    runs = {run for one in found for run in one.runs}
    hashes = {run: record.run_hash for run in runs if (record := find_record(StudyFolder(folder), run))}
    new = _unknown(folder, hashes)
    _note(folder, [one.among(new) for one in found], hashes)


def _unknown(folder: Path, hashes: Mapping[str, str]) -> dict[str, str]:
    noted = {run for change in _noted(folder) for run in change.runs.items()}
    return {run: run_hash for run, run_hash in hashes.items() if (run, (run_hash, "")) not in noted}


def _note(folder: Path, found: Iterable[Elsewhere], hashes: Mapping[str, str]) -> None:
    for one in found:
        runs = {run: (hashes[run], "") for run in one.runs}
        if runs:
            note = Change(ELSEWHERE, timestamp(), runs, looked=one.looked, reason=one.study)
            note_change(folder, replace(note, summary=one.summary))


def elsewhere_of(folder: Path, runs: pd.DataFrame) -> tuple[Elsewhere, ...]:
    """What was noted of a study's runs that are still those of then, by study; `runs` as `tidy` makes."""
    if not (changes := _noted(folder)):
        return ()
    there = {
        f"{cell}/seed-{seed}": str(run_hash)
        for cell, seed, run_hash in zip(runs["cell"], runs["seed"], runs["run_hash"], strict=True)
    }
    found: dict[str, Elsewhere] = {}
    for change in changes:
        kept = [run for run, (run_hash, _) in change.runs.items() if there.get(run) == run_hash]
        if kept:
            known = found.get(change.reason)
            every = {*kept, *(known.runs if known else ())}
            looked = max(change.looked or 0, known.looked if known else 0)
            summary = change.summary and (known is None or known.summary)
            found[change.reason] = Elsewhere(change.reason, tuple(sorted(every)), looked, summary)
    return tuple(found.values())


def _noted(folder: Path) -> list[Change]:
    return [
        change
        for change in read_changes(folder)
        if change.what == ELSEWHERE
        and all(LEAF.fullmatch(run.rpartition("/")[2]) for run in change.runs)
        and all(run.rpartition("-")[2].isdecimal() for run in change.runs)
    ]
