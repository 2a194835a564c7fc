"""The runs that a study needs, and the state of each: done, missing, running, failed, stale."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rigorkd.errors import DamagedError, InputError
from rigorkd.launch.failures import Failure, read_failure
from rigorkd.launch.heartbeat import Liveness
from rigorkd.launch.progress import read_progress
from rigorkd.launch.queue import missing_needs
from rigorkd.protocol.cells import Run
from rigorkd.protocol.cohorts import runs
from rigorkd.protocol.hashes import NEWEST, Numerics
from rigorkd.protocol.load import Protocol
from rigorkd.records.expected import Expected, Stale, StartFile, expected_hashes, stale_runs
from rigorkd.records.integrity import Damage
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DIVERGED, Record, find_record
from rigorkd.records.study import is_study, read_info
from rigorkd.text import count, suggest


class State(StrEnum):
    """The state of one run."""

    DONE = "done"
    MISSING = "missing"
    RUNNING = "running"
    FAILED = "failed"
    STALE = "stale"


@dataclass(frozen=True)
class RunStates:
    """Every run that was asked for, with its expected hashes, its state and its record if it has one.

    `failures` are the notes of failed runs. Runs whose record cannot be read are missing, and `damaged`.
    """

    expected: dict[str, Expected]
    state: dict[str, State]
    records: dict[str, Record]
    stale: tuple[Stale, ...]
    failures: dict[str, Failure]
    damaged: tuple[Damage, ...]

    def in_state(self, state: State) -> set[str]:
        """The runs that are in a state."""
        return {run for run, found in self.state.items() if found is state}

    def count(self, state: State) -> int:
        """How many runs are in a state."""
        return len(self.in_state(state))

    def counts(self) -> dict[str, int]:
        """How many runs there are, and how many in each state: `runs` in the JSON of plan and status."""
        return {"total": len(self.expected), **{str(state): self.count(state) for state in State}}

    def missing(self) -> list[Run]:
        """The runs that are not done, whatever the reason."""
        return [self.expected[name].run for name, state in self.state.items() if state is not State.DONE]

    def diverged(self, run: str) -> bool:
        """Whether a run has finished by diverging."""
        record = self.records.get(run)
        return record is not None and record.fields["status"] == DIVERGED


def hashes_to_train(states: RunStates) -> dict[str, str]:
    """The run hashes of what is not done, by run."""
    return {run.name: states.expected[run.name].run_hash for run in states.missing()}


def find_run_states(
    protocol: Protocol,
    seeds: tuple[int, ...],
    study: StudyFolder,
    mode: str,
    files: Mapping[str, StartFile],
    only: Sequence[str] = (),
    only_runs: Collection[str] | None = None,
    liveness: Liveness | None = None,
    numerics: Numerics = NEWEST,
) -> RunStates:
    """Compare what the protocol expands to with the records on disk. Reads no data and no weights.

    `only` are globs of cells, `only_runs` exact names of runs; what those need is taken along. A `liveness`
    that has watched for a while can tell launchers on other hosts that have died; a new one believes them.
    `numerics` are those of a study that is yet to begin.
    """
    study.refuse_links()
    if is_study(study.path):
        numerics = read_info(study.path).numerics
    expected = expected_hashes(protocol, seeds, mode, files, numerics)
    if only:
        cells = matching_cells(protocol, only)
        runs = {run for run, want in expected.items() if want.run.cell.name in cells}
        expected = with_needs(expected, runs)
    if only_runs is not None:
        expected = with_needs(expected, only_runs)
    records, damaged = {}, []
    seen: set[str] = set()
    for name in expected:
        try:
            if record := find_record(study, name, seen):
                records[name] = record
        except DamagedError as error:
            damaged.append(Damage(name, error.message))
    stale = stale_runs(records.values(), expected)
    stale_names = {entry.run for entry in stale}
    running = running_now(liveness or Liveness(study))
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
    return RunStates(expected, states, records, tuple(stale), failures, tuple(damaged))


@dataclass(frozen=True)
class Shard:
    """Part `number` of `of`, counted from 1: every so-many-th seed, with all of its runs.

    So a seed's students have one teacher, and no machine needs what another one trains.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`1/4`. InputError for anything else."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise InputError(
                f"--shard {text}: not a part of a whole",
                hint="1/4 to 4/4; where a machine counts from 0, as Kubernetes does: "
                "--shard $((JOB_COMPLETION_INDEX + 1))/4",
            )
        return cls(int(number), int(of))

    def seeds(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Its seeds of all. InputError if there are fewer than shards."""
        if self.of > len(seeds):
            raise InputError(
                f"--shard {self.number}/{self.of}: there are only {count(len(seeds), 'seed')}",
                hint=f"a seed is trained on one machine, with its teacher: take at most {len(seeds)} shards",
            )
        return tuple(seeds[self.number - 1 :: self.of])

    def runs(self, protocol: Protocol, seeds: Sequence[int], only: Sequence[str] = ()) -> frozenset[str]:
        """The names of its runs, without what all seeds share."""
        cells = matching_cells(protocol, only) if only else {cell.name for cell in protocol.cells}
        mine = runs(protocol.cells, self.seeds(seeds))
        return frozenset(run.name for run in mine if run.seed is not None and run.cell.name in cells)


def with_needs(expected: Mapping[str, Expected], names: Collection[str]) -> dict[str, Expected]:
    """The named runs with the teachers and starts that they need. InputError for a name that is none."""
    for name in names:
        if name not in expected:
            hint = suggest(name, expected, "a run is <cell>/seed-<k>")
            raise InputError(f"{name}: not a run of this protocol at these seeds", hint=hint)
    wanted: set[str] = set()
    new = set(names)
    while new:
        wanted |= new
        new = {need for name in new for need in missing_needs(expected[name].run, expected.keys())} - wanted
    return {run: want for run, want in expected.items() if run in wanted}


def matching_cells(protocol: Protocol, only: Sequence[str]) -> set[str]:
    """Names of the cells that match any of the globs. InputError for a glob that none matches."""
    names = [cell.name for cell in protocol.cells]
    wanted: set[str] = set()
    for pattern in only:
        matches = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            hint = suggest(pattern, names, "`rigorkd plan` lists the cells")
            raise InputError(f"--only {pattern}: no cell matches", hint=hint)
        wanted.update(matches)
    return wanted


def running_now(liveness: Liveness) -> set[str]:
    """The runs that launchers say they are training, as far as the liveness believes them alive."""
    return {
        run
        for holder in liveness.launchers()
        if (progress := read_progress(liveness.study, holder.id)) is not None
        for run in progress.running
    }
