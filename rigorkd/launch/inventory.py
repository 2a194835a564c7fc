"""What a study needs, and what of it is there: done, missing, failed, stale."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rigorkd.errors import InputError
from rigorkd.protocol.load import Protocol
from rigorkd.records.expected import Expected, Stale, StartFile, expected_hashes, stale_runs
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DIVERGED, Record, read
from rigorkd.text import nearest


class State(StrEnum):
    """The state of one run."""

    DONE = "done"
    MISSING = "missing"
    RUNNING = "running"
    FAILED = "failed"
    STALE = "stale"


@dataclass(frozen=True)
class Inventory:
    """Every run that was asked for, with its expected hashes, its state and its record if it has one."""

    expected: dict[str, Expected]
    states: dict[str, State]
    records: dict[str, Record]
    stale: tuple[Stale, ...]

    def count(self, state: State) -> int:
        """How many runs are in a state."""
        return sum(found is state for found in self.states.values())

    def diverged(self, run: str) -> bool:
        """Whether a run has finished by diverging."""
        record = self.records.get(run)
        return record is not None and record.fields["status"] == DIVERGED


def take_inventory(
    protocol: Protocol,
    seeds: tuple[int, ...],
    study: StudyFolder,
    mode: str,
    files: Mapping[str, StartFile],
    only: Sequence[str] = (),
) -> Inventory:
    """Compare what the protocol expands to with the records on disk. Reads no data and no weights."""
    expected = expected_hashes(protocol, seeds, mode, files)
    if only:
        names = wanted_cells(protocol, only)
        expected = {run: want for run, want in expected.items() if want.run.cell.name in names}
    records = {}
    for name in expected:
        path = study.run(name) / "record.json"
        if path.is_file():
            records[name] = read(path)
    stale = stale_runs(records.values(), expected)
    stale_names = {entry.run for entry in stale}
    running = running_now(study)
    states = {}
    for name in expected:
        if name in stale_names:
            states[name] = State.STALE
        elif name in records:
            states[name] = State.DONE
        elif name in running:
            states[name] = State.RUNNING
        elif study.failure(name).is_file():
            states[name] = State.FAILED
        else:
            states[name] = State.MISSING
    return Inventory(expected, states, records, tuple(stale))


def wanted_cells(protocol: Protocol, only: Sequence[str]) -> set[str]:
    """Names of the cells that match any of the globs, with the teachers and starts that they need."""
    names = [cell.name for cell in protocol.cells]
    wanted: set[str] = set()
    for pattern in only:
        matches = {name for name in names if fnmatch.fnmatchcase(name, pattern)}
        if not matches:
            close = nearest(pattern, names)
            raise InputError(
                f"--only {pattern}: no cell matches",
                hint=f"did you mean {close}?" if close else "`rigorkd plan` lists the cells",
            )
        wanted |= matches
    grown = True
    while grown:
        needs = {need for name in wanted for need in protocol.cell(name).needs}
        grown = not needs <= wanted
        wanted |= needs
    return wanted


def running_now(study: StudyFolder) -> set[str]:
    """The runs that a live launcher says it is training."""
    from rigorkd.launch.lock import is_locked
    from rigorkd.launch.progress import read_progress

    progress = read_progress(study)
    return set(progress.running) if progress is not None and is_locked(study) else set()


def failure_reason(study: StudyFolder, run: str) -> str:
    """Why a run failed, as its note says."""
    try:
        return str(json.loads(study.failure(run).read_bytes())["reason"])
    except (OSError, ValueError, KeyError):
        return "unknown"
