"""What a launch is asked for, and what it does to the study that all launchers share, one at a time.

Before anything is trained: sweep what the dead have left, set damaged and stale records aside, note the
protocol and its seeds. Afterwards: leave nothing behind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from rigorkd.data.arrays import Arrays
from rigorkd.data.decoded import ImageFiles
from rigorkd.errors import StoreError
from rigorkd.files import set_aside, sweep_temporary, timestamp
from rigorkd.launch.command_run import program
from rigorkd.launch.display import prepare_data
from rigorkd.launch.failures import Failure, forget_failure, read_failures
from rigorkd.launch.heartbeat import Heartbeat, Holder, Liveness, at_work
from rigorkd.launch.leases import Leases, has_record
from rigorkd.launch.run_states import RunStates, Shard, State, find_run_states, hashes_to_train
from rigorkd.problems import Problem
from rigorkd.protocol.hashes import NEWEST, Numerics
from rigorkd.protocol.load import Protocol, protocol_error
from rigorkd.protocol.requirements import comes_from_outside, needs_preflight
from rigorkd.records.changes import (
    RETRAINED,
    Change,
    is_of_student,
    met_by_look,
    note_change,
    outcome,
)
from rigorkd.records.data_note import note_examined
from rigorkd.records.expected import PROTOCOL_BACK, StartFile, expected_hashes, start_files
from rigorkd.records.integrity import Damage, Intact, weights_gone
from rigorkd.records.judged_elsewhere import note_elsewhere
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import WEIGHTS
from rigorkd.records.study import folder_name, is_registered, is_study, read_info, register
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    from rigorkd.track.tracker import MakeTracker

_log = logging.getLogger("rigorkd.launch")


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line of `rigorkd run` decides.

    `only` are globs of cells. `only_runs` are names of runs, for a launcher that does a part of a study
    beside others: it trains these and whatever they need that no one else is training. `label` names it to
    people. `slots` are the workers of each GPU, `jobs` those in all. `numerics` are for a study that begins
    with this launch. `wait` is for a backend that goes on by itself: stay until all has ended. A `shard` does
    its share of all `seeds`, on a machine of its own. `keep_going` trains on where the first
    runs all fail alike. `foresee` says the cost before it is spent, `verbose`
    tells of every run that is done.
    """

    seeds: tuple[int, ...]
    results: Path
    device: str = "auto"
    mode: str = "reference"
    jobs: int | None = None
    only: tuple[str, ...] = ()
    memory_bytes: int | None = None
    save_weights: bool = True
    replay_bytes: int = 0
    retrain_stale: bool = False
    retry_failed: bool = False
    keep_going: bool = False
    slots: int | None = None
    only_runs: frozenset[str] | None = None
    shard: Shard | None = None
    foresee: bool = False
    verbose: bool = False
    label: str = ""
    tracker: MakeTracker | None = None
    numerics: Numerics = field(default_factory=lambda: NEWEST)
    wait: bool = False
    me: Heartbeat | None = None
    """The entry of a launcher that has shown itself already; the launch ends it."""
    again: str = ""
    """The command line of the launch, for messages, without what chooses cells and parts of a study."""
    threads: int | None = None
    """Threads that a command's libraries get; None for its share of the cores."""


@dataclass(frozen=True)
class Session:
    """One launch of a protocol into its study; `intact` knows which files were found whole."""

    protocol: Protocol
    options: LaunchOptions
    study: StudyFolder
    files: Mapping[str, StartFile]
    intact: Intact
    console: Console

    @classmethod
    def of(cls, protocol: Protocol, options: LaunchOptions, console: Console) -> Session:
        """Find the study. Raises if its folder holds another one, or if what runs start from is gone."""
        if isinstance(protocol.spec.dataset, ImageFiles | Arrays):
            # Until its images are there and decoded, nobody knows what the runs are trained on.
            prepare_data(protocol.spec.dataset, console)
        files = start_files(protocol)
        study = StudyFolder(options.results / folder_name(protocol, options.mode))
        _refuse_foreign(study, protocol, options.mode)
        return cls(protocol, options, study, files, Intact(study), console)

    def run_states(self, liveness: Liveness | None = None) -> RunStates:
        """What is there of what was asked for; `liveness` says who still trains."""
        options, only_runs = self.options, self.options.only_runs
        if options.shard is not None:
            only_runs = options.shard.runs(self.protocol, options.seeds, options.only)
        return find_run_states(
            self.protocol,
            options.seeds,
            self.study,
            options.mode,
            self.files,
            options.only,
            only_runs,
            liveness,
            options.numerics,
        )

    def is_complete(self, states: RunStates) -> bool:
        """Whether every run has a record that can be believed."""
        return states.count(State.DONE) == len(states.expected) and not self._damaged(states)

    def is_settled(self, me: Heartbeat | None) -> bool:
        """Whether no launcher but `me` is here or has left anything, and `open` would note nothing new."""
        left = {path.name for path in self.study.launchers.glob("*")}
        return not left - {me.holder.id if me else ""} and is_registered(
            self.study.path, self.protocol, self.options.seeds, self.options.mode, self.files
        )

    def refuse_stale(self, states: RunStates) -> None:
        """StoreError if there are stale records and they are not to be retrained."""
        if states.stale and not self.options.retrain_stale:
            raise StoreError(_stale_message(self.study, states))

    def warn_of_looks(self, states: RunStates) -> None:
        """Say beforehand what it means to train again what an analysis has met."""
        if (looked := self._looked_at_stale(states)) is not None:
            _log.warning("%s: %s", self.study.path, _after_a_look(looked))

    def _looked_at_stale(self, states: RunStates) -> int | None:
        """At how many seeds an analysis has met records that are stale now, None if none has."""
        return met_by_look(self.study.path, (states.records[entry.run] for entry in states.stale))

    def refuse_shared(self, states: RunStates) -> None:
        """StoreError if a shard were to train what all seeds share: each machine would have another one."""
        shared = [run for run in states.missing() if run.seed is None and run.cell.train]
        if self.options.shard is not None and shared:
            cell = shared[0].cell.name
            again = self.options.again or f"rigorkd run {self.protocol.path}"
            raise StoreError(
                f"{self.study.path}: {shared[0].name} is shared by all seeds, so a shard cannot train it",
                hint=f"train it once: {again} --only {cell}; then copy the folder "
                f"{self.study.path} to every machine, and start the shards",
            )

    def unread(self) -> Failure | None:
        """A run whose command went well and whose number was not found, of any launcher, as it would be now.

        Until a student has its record, or whoever runs this says otherwise, no other is worth its training.
        """
        if self.options.keep_going or not any(cell.trainer is not None for cell in self.protocol.cells):
            return None
        found = {run: one for run, one in read_failures(self.study).items() if one.unread}
        groups = (path.name for path in self.study.path.iterdir() if path.is_dir())
        students = (name for name in groups if not name.startswith(".") and is_of_student(name))
        if not found or any(next(self.study.records(name), None) for name in students):
            return None
        options = self.options
        expected = expected_hashes(
            self.protocol, options.seeds, options.mode, self.files, read_info(self.study.path).numerics
        )
        now = (
            one for run, one in found.items() if run in expected and one.run_hash == expected[run].run_hash
        )
        return next(now, None)

    def check_runnable(self, states: RunStates) -> None:
        """Have the data at hand; try what a protocol alone cannot tell: models and layers from outside."""
        wanted = [run.cell for run in states.missing()]
        if any(cell.trainer is not None for cell in wanted):
            _refuse_absent_programs(self.protocol, states)
            return
        if any(comes_from_outside(cell) for cell in wanted):
            from rigorkd.train.model_check import check_models

            for doubt in check_models(self.protocol, wanted):
                self.say(f"warning: {doubt}")
        prepare_data(self.protocol.spec.dataset, self.console)
        if any(map(needs_preflight, wanted)):
            from rigorkd.train.preflight import preflight

            if problems := preflight(self.protocol, wanted):
                raise protocol_error(problems, self.protocol.path, self.protocol.tree)

    def say(self, text: str) -> None:
        """Print a line with names of the user's own."""
        self.console.print(text, highlight=False, markup=False)

    def open(self, leases: Leases) -> RunStates:
        """Make the study ready to train into; what is there afterwards."""
        with leases.whole_study():
            others = self._sweep(leases)
            states = self.run_states(leases.liveness)
            self.refuse_stale(states)
            changed = self._set_damaged_aside(states)
            changed |= self._set_stale_aside(states, others, leases)
            changed |= self._forget_served(states)
            if self.options.retry_failed:
                for name in states.failures:
                    forget_failure(self.study, name)
                changed |= bool(states.failures)
            if changed:
                states = self.run_states(leases.liveness)
            self._drop_leftovers(leases, states.records)
            if not self._is_known_part():
                register(
                    self.study.path,
                    self.protocol,
                    self.options.seeds,
                    self.options.mode,
                    self.files,
                    self.options.numerics,
                )
                for one in note_elsewhere(self.study.path, hashes_to_train(states)):
                    _log.warning("%s: %s", self.study.path, one.says)
                self._note_examined()
            leases.me.begin_work()
        if gone := weights_gone(states.records.values()):
            self.say(
                f"the weights of {count(len(gone), 'student')} are not there, first {gone[0]};"
                " their records stand without"
            )
        return states

    def _note_examined(self) -> None:
        """Keep and say what of the images a verdict may hang on, such as test images that are trained on."""
        if self.protocol.smoke or any(cell.trainer is not None for cell in self.protocol.cells):
            return
        dataset = self.protocol.spec.dataset
        found = dataset.examined(min(self.options.seeds, default=0))
        note_examined(self.study.path, found)
        for told in () if found is None else found.says():
            _log.warning("%s: %s", dataset.name, told)

    def close(self, leases: Leases, runs: Iterable[str]) -> None:
        """Leave nothing of these runs behind; nor, if this launcher is the last one here, of the dead."""
        self.intact.save()
        self._drop_leftovers(leases, [name for name in runs if has_record(self.study, name)])
        if self.protocol.smoke and self.options.only_runs is None:
            alone = all(one.id == leases.me.holder.id for one in leases.liveness.launchers())
            if alone:
                shutil.rmtree(self.study.passing, ignore_errors=True)
                shutil.rmtree(self.study.replay, ignore_errors=True)
        if len(list(self.study.launchers.glob("*"))) > 1:
            with contextlib.suppress(OSError), leases.whole_study():  # what ended the launch is told instead
                self._sweep(leases)

    def refuse_removed(self, done: Iterable[str], failed: Iterable[str]) -> None:
        """StoreError if somebody has removed records of finished runs, or what the study is, meanwhile.

        That may be why others have `failed`: these are trained again, too.
        """
        gone = [run for run in sorted(done) if not has_record(self.study, run)]
        own = (self.study.study_json, self.study.protocol(self.protocol.text_hash))
        gone[:0] = [path.relative_to(self.study.path).as_posix() for path in own if not path.is_file()]
        if gone:
            for run in failed:
                forget_failure(self.study, run)
            raise StoreError(
                f"{self.study.path}: removed while it was trained: {some_of(gone, 5)}",
                hint="run the same command again: what is missing is trained again, what is there stands",
            )

    def _is_known_part(self) -> bool:
        """Whether this does a part of what the study knows: an older text is not to become the newest."""
        path = self.study.path
        part = self.options.only_runs is not None  # a shard is asked for all seeds, as its study says
        return part and is_study(path) and self.protocol.text_hash in read_info(path).protocols

    def _drop_leftovers(self, leases: Leases, done: Collection[str]) -> None:
        """Remove leases and checkpoints of runs that have their record: a worker may have died in between."""
        leases.drop(done)
        for name in done:
            shutil.rmtree(self.study.checkpoint(name).parent, ignore_errors=True)
            shutil.rmtree(self.study.out(name), ignore_errors=True)

    def _sweep(self, leases: Leases) -> list[Holder]:
        """Remove what the dead have left, unless somebody else is here; the others that are."""
        others = [one for one in leases.liveness.launchers() if one.id != leases.me.holder.id]
        if not others:
            # A launcher that is just starting, or a report, may be writing other things than these.
            for folder in self.study.path.iterdir():
                if folder.is_dir() and not folder.name.startswith("."):
                    sweep_temporary(folder, "seed-")
            for path in self.study.path.glob(f".{self.study.study_json.name}.*.tmp"):
                path.unlink()
            sweep_temporary(self.study.path / ".work")
            sweep_temporary(self.study.protocols)
            self.study.unswept.unlink(missing_ok=True)
            leases.liveness.reap()
        return others

    def _damaged(self, states: RunStates) -> list[Damage]:
        """The records that cannot be believed. A stale one is stale, whatever else is wrong with it."""
        stale = {entry.run for entry in states.stale}
        found = [
            damage
            for name, record in states.records.items()
            if name not in stale and (damage := self.intact.damage(record))
        ]
        return [*states.damaged, *found]

    def _set_damaged_aside(self, states: RunStates) -> bool:
        damaged = self._damaged(states)
        for entry in damaged:
            place = set_aside(self.study.run(entry.run), self.study.damaged, entry.run)
            self.say(f"damaged {entry.run}: {entry.reason}; set aside in {place}, to be trained again")
        return bool(damaged)

    def _set_stale_aside(self, states: RunStates, others: Sequence[Holder], leases: Leases) -> bool:
        if not states.stale:
            return False
        if living := leases.liveness.proven(other for other in others if at_work(self.study, other)):
            raise StoreError(
                f"{self.study.path}: --retrain-stale while another launcher is at work ({living[0].says})",
                hint="wait until it has ended (`rigorkd status --watch`), then run this again",
            )
        if (looked := self._looked_at_stale(states)) is not None:  # noted first, as a removal is
            stale = [states.records[entry.run] for entry in states.stale]
            runs = {record.run: (record.run_hash, outcome(record)) for record in stale}
            note_change(self.study.path, Change(RETRAINED, timestamp(), runs=runs, looked=looked))
        for entry in states.stale:
            set_aside(self.study.run(entry.run), self.study.stale, entry.run)
        return True

    def _forget_served(self, states: RunStates) -> bool:
        """Remove the records of a smoke study whose weights are gone and would be needed: trained again."""
        if not self.protocol.smoke:
            return False
        seeds = {run.seed for run in states.missing()}
        gone = [
            name
            for name, state in states.state.items()
            if state is State.DONE
            and (run := states.expected[name].run).cell.role != "student"
            and (run.seed in seeds or (run.seed is None and seeds))
            and run.cell.trainer is None
            and not (run.cell.members or states.diverged(name))
            and WEIGHTS not in states.records[name].files
            and not self.study.passing_weights(name).exists()
        ]
        for name in gone:
            shutil.rmtree(self.study.run(name))
        return bool(gone)


def _refuse_absent_programs(protocol: Protocol, states: RunStates) -> None:
    """ProtocolError for a command whose program is not there, before anything is trained."""
    for want in states.expected.values():
        by = want.run.cell.trainer
        if by is None or by.trainer.function is not None or want.working is None:
            continue
        words, more = by.filled({})
        if program(words[0], want.working, more.get("PATH", os.environ.get("PATH", ""))) is None:
            message = f"there is no program {words[0]}"
            hint = "it is looked for on the PATH, or from the protocol's folder where its name has a /"
            if (want.working / words[0]).is_file():
                own = words[0] if "/" in words[0] else f"./{words[0]}"
                allowed = os.access(want.working / words[0], os.X_OK)
                message = f"{words[0]} is a file beside the protocol, " + (
                    "where no program is looked for without a ./" if allowed else "and not executable"
                )
                hint = f"name what runs it (bash {words[0]}, python {words[0]}), or write {own}" + (
                    "" if allowed else f" after chmod +x {words[0]}"
                )
            problem = Problem((*by.place, "command"), message, hint, near=words[0])
            raise protocol_error([problem], protocol.path, protocol.tree)


def _refuse_foreign(study: StudyFolder, protocol: Protocol, mode: str) -> None:
    """A results folder holds one study of one mode; anything else there is left alone."""
    if not is_study(study.path):
        return
    info = read_info(study.path)
    if (info.study, info.smoke, info.mode) != (folder_name(protocol, mode), protocol.smoke, mode):
        raise StoreError(
            f"{study.path}: the folder holds another study ({info.study}, mode {info.mode})",
            hint="choose another folder with --results, or another name under `study:`",
        )


def _after_a_look(looked: int) -> str:
    return (
        f"an analysis of {count(looked, 'seed')} has met results that --retrain-stale sets aside: every "
        "later analysis says so, and its verdicts are exploratory, unless they come out with the same bits"
    )


def _stale_message(study: StudyFolder, states: RunStates) -> str:
    verb = "fits" if len(states.stale) == 1 else "fit"
    first = {entry.reason: entry for entry in reversed(states.stale)}  # of each reason, before its others
    entries = sorted(states.stale, key=lambda entry: first[entry.reason] is not entry)
    shown = [f"  {entry.run}: {entry.reason}" for entry in entries[: max(5, min(len(first), 10))]]
    if (more := len(entries) - len(shown)) > 0:
        shown.append(f"  … and {more} more")
    undone = list(dict.fromkeys(each for entry in states.stale for each in entry.undo))
    undone.sort(key=lambda each: each != PROTOCOL_BACK)
    named = "" if undone == [PROTOCOL_BACK] else " and what it names"
    undo = " and ".join(undone)
    looked = met_by_look(study.path, (states.records[entry.run] for entry in states.stale))
    renamed = "give the study another name" + ", and seeds that no analysis has met" * (looked is not None)
    return (
        f"{study.path}: {count(len(states.stale), 'record')} no longer {verb} the protocol{named}:\n"
        + "\n".join(shown)
        + f"\n  {undo}{', ' * bool(undo)}{renamed}, or set these records aside and train again with"
        + " --retrain-stale"
        + ("" if looked is None else f"\n  ({_after_a_look(looked)})")
    )
