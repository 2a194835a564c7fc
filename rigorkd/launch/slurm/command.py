"""`rigorkd run --slurm`: hand what is missing to Slurm, say what was submitted, wait for it if asked to."""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rigorkd.errors import InputError
from rigorkd.launch.claims import Claims
from rigorkd.launch.elsewhere import has_record
from rigorkd.launch.failures import read_failure
from rigorkd.launch.inventory import Inventory, State
from rigorkd.launch.launch import check_runnable, refuse_foreign
from rigorkd.launch.opening import Opening
from rigorkd.launch.options import LaunchOptions, Outcome
from rigorkd.launch.preparing import prepare_images
from rigorkd.launch.presence import Presence, Witness
from rigorkd.launch.queue import missing_needs
from rigorkd.launch.slurm.cluster import jobs_in_queue
from rigorkd.launch.slurm.options import SlurmOptions, parse_options
from rigorkd.launch.slurm.submission import Array, Submission, submissions
from rigorkd.launch.slurm.submit import arrays_of, slurm_executor, submit
from rigorkd.launch.slurm.waves import waves
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import Protocol
from rigorkd.records.damage import Intact
from rigorkd.records.expected import start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import folder_name
from rigorkd.text import count

LOOK_EVERY, ASK_EVERY = 1.0, 15.0
"""Seconds between two looks at the records, and between two questions to the cluster, while waiting."""


@dataclass(frozen=True)
class Submitted:
    """What `--slurm` did to a study, whose folder is `shown` as it was given.

    `queued` maps runs that wait or run in Slurm to their jobs, new and old; `names` are those jobs' names.
    `logs` is the folder of the new ones.
    """

    study: StudyFolder
    shown: Path
    inventory: Inventory
    new: Submission | None
    logs: Path | None
    queued: dict[str, str]
    names: frozenset[str]
    failed: dict[str, str]


def launch_on_slurm(
    protocol: Protocol, options: LaunchOptions, slurm: str, console: Console, *, wait: bool
) -> Outcome | None:
    """Submit what is missing and say so; with `wait` also how it ended. `slurm` is the text of `--slurm`."""
    submitted = submit_missing(protocol, options, parse_options(slurm), console)
    show(submitted, console)
    return wait_for(submitted, console) if wait else None


def submit_missing(
    protocol: Protocol, options: LaunchOptions, slurm: SlurmOptions, console: Console
) -> Submitted:
    """Submit what is missing and not yet in the cluster's queue. Returns at once; trains nothing here.

    Raises before submitting anything if something cannot run.
    """
    slurm_executor(Path())  # is there a Slurm, and submitit?
    prepare_images(protocol.spec.dataset, console)
    files = start_files(protocol)
    # Jobs start elsewhere, perhaps from another folder: all paths are whole.
    shown = options.results / folder_name(protocol, options.mode)
    study = StudyFolder(shown.absolute())
    refuse_foreign(study, protocol, options.mode)
    opening = Opening(protocol, options, study, files, Intact(study))
    inventory = opening.inventory()
    opening.refuse_stale(inventory)
    _refuse_too_few_gpus(inventory, slurm)
    check_runnable(protocol, inventory, console)  # the data too: compute nodes often have no network
    study.path.mkdir(parents=True, exist_ok=True)
    with Presence(study, "submitting to Slurm") as me:
        claims = Claims(study, me, Witness(study))
        # What a job trained whose node was lost is to be submitted: what is not proven to live may be dead.
        claims.witness.proven(claims.witness.launchers())
        inventory = opening.open(claims, console)
        opening.intact.save()
        failed = {name: found.reason for name, found in inventory.failures.items() if not found.behind}
        queued, names = in_queue(study)
        wanted = {
            name
            for name, state in inventory.states.items()
            if state not in (State.DONE, State.RUNNING) and name not in queued and name not in failed
        }
        wanted -= _behind(inventory, failed)
        if not wanted:
            return Submitted(study, shown, inventory, None, None, queued, frozenset(names), failed)
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S") + f"-{secrets.token_hex(2)}"
        planned = waves(inventory.expected, wanted, cohorts(protocol.cells, options.seeds))
        name = f"rigorkd-{study.path.name}-{stamp}"
        submission = _submission(name, protocol, options, slurm, arrays_of(planned))
        done = submit(study.slurm / stamp, submission, slurm)
    new = {run: job for job, runs in done.runs_by_job().items() for run in runs}
    return Submitted(
        study,
        shown,
        inventory,
        done,
        shown / ".slurm" / stamp,
        queued | new,
        frozenset({*names, done.name}),
        failed,
    )


def _refuse_too_few_gpus(inventory: Inventory, slurm: SlurmOptions) -> None:
    needed = max(want.run.cell.training.processes_per_run for want in inventory.expected.values())
    if 0 < slurm.gpu_count < needed:
        raise InputError(
            f"--slurm: gpus={slurm.gpus}: a run of this protocol takes {needed} GPUs (processes_per_run)",
            hint=f"give gpus={needed}",
        )


def _submission(
    name: str, protocol: Protocol, options: LaunchOptions, slurm: SlurmOptions, arrays: tuple[Array, ...]
) -> Submission:
    return Submission(
        name=name,
        protocol=str(protocol.path.absolute()),
        text_hash=protocol.text_hash,
        smoke=protocol.smoke,
        seeds=options.seeds,
        device=options.device,
        mode=options.mode,
        jobs=options.jobs,
        slots=options.slots,
        memory_bytes=options.memory_bytes,
        save_weights=options.save_weights,
        replay_bytes=options.replay_bytes,
        gpus=slurm.gpus is not None,
        minutes=slurm.minutes,
        stop_seconds=slurm.stop_seconds,
        arrays=arrays,
    )


def in_queue(study: StudyFolder) -> tuple[dict[str, str], set[str]]:
    """The runs of earlier submissions whose jobs still wait or run, with the job; and those jobs' names."""
    found: dict[str, str] = {}
    names = set()
    earlier = [submission for _, submission in submissions(study)]
    alive = jobs_in_queue({submission.name for submission in earlier})
    for submission in earlier:
        for job, runs in submission.runs_by_job().items():
            if job in alive:
                names.add(submission.name)
                found |= dict.fromkeys(runs, job)
    return found, names


def show(submitted: Submitted, console: Console) -> None:
    """Say what was submitted, what was in the queue before, and how to watch it."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    new, name = submitted.new, submitted.study.path.name
    runs = [] if new is None else [run for array in new.arrays for job in array.jobs for run in job]
    states = submitted.inventory.states
    before = sum(states.get(run) is State.MISSING for run in submitted.queued.keys() - set(runs))
    if before:
        say(f"{name}: {count(before, 'run')} in the cluster's queue already, not submitted again")
    if running := submitted.inventory.count(State.RUNNING):
        say(f"{name}: {count(running, 'run')} being trained now, not submitted")
    if submitted.failed:
        say(f"{name}: {count(len(submitted.failed), 'run')} failed before; --retry-failed submits them again")
    if new is None:
        say(f"{name}: nothing to submit")
        return
    jobs = sum(len(array.jobs) for array in new.arrays)
    done = submitted.inventory.count(State.DONE)
    say(
        f"{name}: {count(len(runs), 'run')} in {count(jobs, 'job')} submitted to Slurm"
        + (f", {done} already done" if done else "")
    )
    for array in new.arrays:
        after = [str(other.id) for other in new.arrays if other.wave == array.wave - 1]
        say(
            f"  job {array.id}: {count(len(array.jobs), 'task')}"
            + (f", after job {', '.join(after)}" if after else "")
        )
    say(f"logs: {submitted.logs}")
    say(f"watch: rigorkd status {submitted.shown} (or squeue --name={new.name})")


def wait_for(submitted: Submitted, console: Console) -> Outcome:
    """Wait until every queued run has its record, has failed, or has lost its job."""
    study, expected = submitted.study, submitted.inventory.expected
    left = {run for run in submitted.queued if run in expected}
    failed = dict(submitted.failed)
    total, asked = len(left), time.monotonic()
    if left:
        console.print("waiting for the jobs; Ctrl-C leaves them to go on", highlight=False)
    while left:
        for run in sorted(left):
            failure = read_failure(study, run)
            if failure is not None and failure.run_hash == expected[run].run_hash:
                failed[run] = failure.reason
                console.print(f"failed {run}: {failure.reason}", highlight=False, markup=False)
        done = {run for run in left if has_record(study, run)}
        left -= done | failed.keys()
        if left and time.monotonic() - asked >= ASK_EVERY:
            asked = time.monotonic()
            gone = _gone(submitted, left)
            failed |= {run: _lost(submitted, run) for run in gone}
            left -= gone
        if left:
            time.sleep(LOOK_EVERY)
    trained = total - len(failed.keys() & submitted.queued.keys())
    return Outcome(study, trained, submitted.inventory.count(State.DONE), failed, frozenset(submitted.failed))


def _gone(submitted: Submitted, left: Collection[str]) -> set[str]:
    """The runs whose job has ended without their record; none are known while the cluster is silent."""
    try:
        alive = jobs_in_queue(submitted.names)
    except InputError:
        return set()
    return {
        run for run in left if submitted.queued[run] not in alive and not has_record(submitted.study, run)
    }


def _lost(submitted: Submitted, run: str) -> str:
    """Why a run has no record though its job has ended: the last error in the job's log, if there is one."""
    job = submitted.queued[run]
    for log in sorted(submitted.study.slurm.glob(f"*/{job}_0_log.out"), reverse=True):
        errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("error: ")]
        said = f": {errors[-1].removeprefix('error: ')}" if errors else ""
        return f"its Slurm job {job} ended without it{said} (log: {log})"
    return f"its Slurm job {job} ended without it, before it began"


def _behind(inventory: Inventory, failed: Collection[str]) -> set[str]:
    """The runs that need one that failed or diverged: there is nothing for a job to do."""
    lost = {*failed, *(name for name in inventory.records if inventory.diverged(name))}
    behind: set[str] = set()
    while more := {
        name
        for name, want in inventory.expected.items()
        if name not in lost and missing_needs(want.run, lost)
    }:
        lost |= more
        behind |= more
    return behind
