"""Runs of a study that are those of another one beside it, whose results had been shown before.

A protocol that is copied under another name asks for the same draws again, bit by bit. Its questions may then
have been chosen by their answers, so that nothing of them was planned. It is noted when such runs are first
trained, since what lies beside a study may be moved later. Most are known by their run hash before they are;
where a comment of a script was changed, by what they came to.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.errors import InputError, StoreError
from rigorkd.files import timestamp
from rigorkd.records.changes import (
    Change,
    cell_of,
    is_of_student,
    note_change,
    outcome,
    read_changes,
    to_the_second,
)
from rigorkd.records.interim import InterimAnalysis, all_shown, most_shown, says_seen
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, find_record
from rigorkd.records.study import studies_in
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd

ELSEWHERE = "judged elsewhere"
SHOWN_BEFORE = "shown before, in "
"""How every word of it begins."""
_SEED = re.compile(r"/seed-\d+$", re.ASCII)
"""How a run ends that is of one seed."""
_NO_CHANCE = 3
"""At so many seeds two cells do not come to the same by chance."""

Looks = Sequence[InterimAnalysis]
Outcomes = dict[str, dict[int, tuple[str, Record]]]


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
        return frozenset(map(cell_of, self.runs))

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
        seeds = {*map(_seed, self.runs)}
        fresh = f"{max(seeds) + 1}:{max(seeds) + 1 + len(seeds)}"
        return f"; other seeds are new data (--seeds {fresh})" * self.shows_differences

    def at(self, seeds: Collection[int]) -> Elsewhere:
        """The same of the runs at these seeds."""
        return self.among([run for run in self.runs if _seed(run) in seeds])

    def among(self, runs: Collection[str]) -> Elsewhere:
        """The same of these runs alone."""
        return replace(self, runs=tuple(run for run in self.runs if run in runs))


def shown_elsewhere(folder: Path, wanted: Mapping[str, str]) -> tuple[Elsewhere, ...]:
    """What studies beside `folder` have of students' runs that are to be trained, by their run hashes.

    Of each cell of another study one run is read, and all only if it is one of these.
    """
    by_hash = {run_hash: run for run, run_hash in wanted.items() if is_of_student(run) and _SEED.search(run)}
    return _beside(folder, partial(_shown_in, by_hash=by_hash)) if by_hash else ()


def came_out_elsewhere(folder: Path) -> tuple[Elsewhere, ...]:
    """Students' runs of a study that came out as those of one beside it, which had been shown before.

    They do if a cell and one of the other study came to the same at every seed that both have, three at least
    and not all alike: one accuracy may be another's by chance.
    """
    own = cache(partial(_outcomes, folder))
    return _beside(folder, lambda other, looks: _came_out_in(other, looks, own()))


def _beside(
    folder: Path, found_in: Callable[[Path, Looks], Mapping[str, InterimAnalysis]]
) -> tuple[Elsewhere, ...]:
    """What is found in the studies beside a folder that were looked at: our runs, and the look that met each.

    What cannot be read of another study is its own fault, told where it is judged.
    """
    found = []
    for other in studies_in(folder.parent):
        if other.name == folder.name or not (looks := all_shown(other)):
            continue
        with contextlib.suppress(StoreError, InputError, OSError):
            met = found_in(other, looks)
            if (most := most_shown(met.values())) is not None:
                found.append(Elsewhere(other.name, tuple(sorted(met)), most.n, most.summary))
    return tuple(found)


def _shown_in(other: Path, looks: Looks, by_hash: Mapping[str, str]) -> dict[str, InterimAnalysis]:
    seeds = {_seed(run) for run in by_hash.values()}
    found: dict[str, InterimAnalysis] = {}
    strange: set[str] = set()
    for run in _runs_of_students(other):
        if _seed(run) not in seeds or (cell := cell_of(run)) in strange:
            continue
        record = find_record(StudyFolder(other), run)
        if record is None or record.run_hash not in by_hash:
            strange.add(cell)
        elif met := _met(looks, record):
            found[by_hash[record.run_hash]] = met
    return found


def _came_out_in(other: Path, looks: Looks, own: Outcomes) -> dict[str, InterimAnalysis]:
    found: dict[str, InterimAnalysis] = {}
    for theirs, mine in itertools.product(_outcomes(other).values(), own.values()):
        common = mine.keys() & theirs.keys()
        if len(common) < _NO_CHANCE or len({theirs[seed][0] for seed in common}) < 2:
            continue
        if all(mine[seed][0] == theirs[seed][0] for seed in common):
            for seed in common:
                here, there = mine[seed][1], theirs[seed][1]
                if met := _met(looks, there, until=_finished(here)):
                    found[here.run] = met
    return found


def _runs_of_students(folder: Path) -> Iterator[str]:
    runs = (path.parent.relative_to(folder).as_posix() for path in StudyFolder(folder).records())
    return (run for run in runs if is_of_student(run) and _SEED.search(run))


def _outcomes(folder: Path) -> Outcomes:
    """Of each student's cell what its runs came to, by seed."""
    found: Outcomes = {}
    for run in _runs_of_students(folder):
        if (record := find_record(StudyFolder(folder), run)) is not None:
            found.setdefault(cell_of(run), {})[_seed(run)] = (outcome(record), record)
    return found


def _met(looks: Looks, record: Record, until: str = "9") -> InterimAnalysis | None:
    """The look that met a record, no later than a time."""
    finished = _finished(record)
    return most_shown(
        look
        for look in looks
        if record.fields["seed"] in look.seeds and finished <= to_the_second(look.time) <= until
    )


def _finished(record: Record) -> str:
    return to_the_second(str(record.fields.get("finished") or ""))


def _seed(run: str) -> int:
    return int(run.rpartition("-")[2])


def note_elsewhere(folder: Path, wanted: Mapping[str, str]) -> tuple[Elsewhere, ...]:
    """Note which of the runs that are to be trained were shown in another study, once each; what is new."""
    return _note(folder, shown_elsewhere(folder, _unknown(folder, wanted)), wanted)


def note_outcomes_elsewhere(folder: Path) -> tuple[Elsewhere, ...]:
    """The same of runs that are there and whose run hashes did not tell."""
    found = came_out_elsewhere(folder)
    runs = {run for one in found for run in one.runs}
    hashes = {run: record.run_hash for run in runs if (record := find_record(StudyFolder(folder), run))}
    return _note(folder, [one.among(_unknown(folder, hashes)) for one in found], hashes)


def _unknown(folder: Path, hashes: Mapping[str, str]) -> dict[str, str]:
    noted = {run for change in _noted(folder) for run in change.runs.items()}
    return {run: run_hash for run, run_hash in hashes.items() if (run, (run_hash, "")) not in noted}


def _note(folder: Path, found: Iterable[Elsewhere], hashes: Mapping[str, str]) -> tuple[Elsewhere, ...]:
    new = tuple(one for one in found if one.runs)
    for one in new:
        runs = {run: (hashes[run], "") for run in one.runs}
        note = Change(ELSEWHERE, timestamp(), runs, looked=one.looked, reason=one.study, summary=one.summary)
        note_change(folder, note)
    return new


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
    changes = (change for change in read_changes(folder) if change.what == ELSEWHERE)
    return [change for change in changes if all(map(_SEED.search, change.runs))]
