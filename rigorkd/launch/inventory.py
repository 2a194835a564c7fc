"""What a study needs, and what of it is there: done, missing, failed, stale."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rigorkd.errors import DamagedError, InputError
from rigorkd.launch.failures import Failure, read_failure
from rigorkd.launch.presence import Witness
from rigorkd.launch.progress import read_progress
from rigorkd.launch.queue import missing_needs
from rigorkd.protocol.cells import Run
from rigorkd.protocol.hashes import NEWEST, Numerics
from rigorkd.protocol.load import Protocol
from rigorkd.records.damage import Damage
from rigorkd.records.expected import Expected, Stale, StartFile, expected_hashes, stale_runs
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DIVERGED, Record, read
from rigorkd.records.study import is_study, read_info
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
    """Every run that was asked for, with its expected hashes, its state and its record if it has one.

    `failures` are the notes of failed runs. Runs whose record cannot be read are missing, and `damaged`.
    """

    expected: dict[str, Expected]
    states: dict[str, State]
    records: dict[str, Record]
    stale: tuple[Stale, ...]
    failures: dict[str, Failure]
    damaged: tuple[Damage, ...]

    def count(self, state: State) -> int:
        """How many runs are in a state."""
        return sum(found is state for found in self.states.values())

    def missing(self) -> list[Run]:
        """The runs that are not done, whatever the reason."""
        return [self.expected[name].run for name, state in self.states.items() if state is not State.DONE]

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
    only_runs: Collection[str] | None = None,
    witness: Witness | None = None,
    numerics: Numerics = NEWEST,
) -> Inventory:
    """Compare what the protocol expands to with the records on disk. Reads no data and no weights.

    `only` are globs of cells, `only_runs` exact names of runs; what those need is taken along. A `witness`
    that has watched for a while can tell launchers on other hosts that have died; a new one believes them.
    `numerics` are those of a study that is yet to begin.
    """
    if is_study(study.path):
        numerics = read_info(study.path).numerics
    expected = expected_hashes(protocol, seeds, mode, files, numerics)
    if only:
        names = wanted_cells(protocol, only)
        expected = {run: want for run, want in expected.items() if want.run.cell.name in names}
    if only_runs is not None:
        wanted = wanted_runs(expected, only_runs)
        expected = {run: want for run, want in expected.items() if run in wanted}
    records, damaged = {}, []
    for name in expected:
        path = study.run(name) / "record.json"
        try:
            if path.is_file():
                records[name] = read(path)
        except DamagedError as error:
            damaged.append(Damage(name, error.message))
    stale = stale_runs(records.values(), expected)
    stale_names = {entry.run for entry in stale}
    running = running_now(witness or Witness(study))
    states, failures = {}, {}
    for name in expected:
        if name in stale_names:
            states[name] = State.STALE
        elif name in records:
            states[name] = State.DONE
        elif name in running:
            states[name] = State.RUNNING
        elif (failure := read_failure(study, name)) and failure.run_hash == expected[name].run_hash:
            states[name] = State.FAILED
            failures[name] = failure
        else:
            states[name] = State.MISSING
    return Inventory(expected, states, records, tuple(stale), failures, tuple(damaged))


def wanted_runs(expected: Mapping[str, Expected], only: Collection[str]) -> set[str]:
    """The named runs and the teachers and starts that they need. InputError for a name that is none."""
    for name in only:
        if name not in expected:
            close = nearest(name, expected)
            raise InputError(
                f"{name}: not a run of this protocol at these seeds",
                hint=f"did you mean {close}?" if close else "a run is <cell>/seed-<k>",
            )
    wanted: set[str] = set()
    frontier = set(only)
    while frontier:
        wanted |= frontier
        frontier = {
            need for name in frontier for need in missing_needs(expected[name].run, expected.keys())
        } - wanted
    return wanted


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


def running_now(witness: Witness) -> set[str]:
    """The runs that launchers say they are training, as far as the witness believes them alive."""
    return {
        run
        for holder in witness.launchers()
        if (progress := read_progress(witness.study.launcher(holder.id))) is not None
        for run in progress.running
    }
