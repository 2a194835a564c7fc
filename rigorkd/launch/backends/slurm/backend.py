"""The backend `slurm`: hand what is missing to a cluster, say what was submitted, ask what still lives."""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.launch.backends.interface import Backend, Submitted, Work
from rigorkd.launch.backends.slurm.cluster import (
    SlurmOptions,
    cancel_jobs,
    jobs_in_queue,
    parse_options,
    slurm_executor,
    submit_array,
)
from rigorkd.launch.backends.slurm.job import Job
from rigorkd.launch.backends.slurm.submission import (
    CARRIED,
    Submission,
    arrays_of,
    submissions,
    write_submission,
)
from rigorkd.launch.failures import NO_NUMBER, once_mended
from rigorkd.launch.run_states import RunStates, State
from rigorkd.launch.session import Session
from rigorkd.records.expected import has_own_code
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import LOG, read_bytes
from rigorkd.text import count


class Slurm(Backend):
    """Hands the runs that nobody trains and that do not wait in the cluster's queue to Slurm."""

    label = "submitting to Slurm"

    def __init__(self, text: str | None = None) -> None:
        self._asked = SlurmOptions() if text is None else parse_options(text)
        slurm_executor(Path())  # is there a Slurm, and submitit?

    def check(self, session: Session, states: RunStates) -> None:
        needed = max(want.run.cell.training.processes_per_run for want in states.expected.values())
        if 0 < self._asked.gpu_count < needed:
            raise InputError(
                f"--slurm: gpus={self._asked.gpus}: a run of this protocol takes {needed} GPUs"
                " (processes_per_run)",
                hint=f"give gpus={needed}",
            )
        super().check(session, states)  # the data too: compute nodes often have no network

    def submit(self, work: Work) -> Submitted:
        study, running = work.session.study, work.states.in_state(State.RUNNING)
        queued, names = _in_queue(study)
        wanted = work.queue().runs() - running - queued.keys()
        new = folder = None
        if wanted and (unread := work.session.unread()) is not None:
            work.session.say(
                f"{study.path.name}: {count(len(wanted), 'run')} {NO_NUMBER}: {unread.run}: {unread.reason}\n"
                "  mend it and give the same command again, with --retry-failed unless the protocol or script"
                " was changed; --keep-going submits the others all the same"
            )
        elif wanted:
            now = datetime.datetime.now(datetime.UTC)
            # Sorted by name they are sorted by age, also within a second.
            stamp = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
            folder = study.slurm / stamp
            # Jobs start elsewhere, perhaps from another folder: all paths in the note are whole.
            new = self._submit(folder.absolute(), self._submission(work, wanted, stamp))
            queued |= {run: job for job, runs in new.runs_by_job().items() for run in runs}
            names.add(new.name)
        _say(work, queued, new, folder)
        return Jobs(work, queued, names, new)

    def _submission(self, work: Work, wanted: AbstractSet[str], stamp: str) -> Submission:
        protocol, options = work.session.protocol, work.session.options
        return Submission(
            name=f"rigorkd-{work.session.study.path.name}-{stamp}",
            protocol=str(protocol.path.absolute()),
            text_hash=protocol.text_hash,
            smoke=protocol.smoke,
            gpus=self._asked.gpus is not None,
            minutes=self._asked.minutes,
            stop_seconds=self._asked.stop_seconds,
            arrays=arrays_of(work.queue(wanted).stages()),
            **{key: getattr(options, key) for key in CARRIED},
        )

    def _submit(self, folder: Path, submission: Submission) -> Submission:
        """Submit every array and note each in `folder`; the submission with Slurm's ids."""
        executor = slurm_executor(folder)
        write_submission(folder, submission)
        ids: dict[int, list[str]] = {}
        for number, array in enumerate(submission.arrays):
            jobs = [Job(str(folder), number, index) for index in range(len(array.jobs))]
            after = ids.get(array.stage - 1, [])
            submitted = replace(array, id=submit_array(executor, self._asked, submission.name, jobs, after))
            ids.setdefault(array.stage, []).append(str(submitted.id))
            arrays = tuple(submitted if each is array else each for each in submission.arrays)
            submission = replace(submission, arrays=arrays)
            try:
                write_submission(folder, submission)
            except OSError:
                with contextlib.suppress(InputError):
                    cancel_jobs(submission.name)  # of a job without a note no later command would know
                raise
        return submission


class Jobs(Submitted):
    """Jobs of the cluster, by run (`queued`): what is `new`, and what waited there before.

    `names` are the names of the jobs, by which the cluster is asked.
    """

    def __init__(
        self, work: Work, queued: Mapping[str, str], names: Iterable[str], new: Submission | None
    ) -> None:
        super().__init__(work, queued.keys() & work.todo)
        self._jobs, self._names, self._new = queued, frozenset(names), new

    def alive(self) -> AbstractSet[str]:
        living = jobs_in_queue(self._names)
        return {run for run in self.runs if self._jobs[run] in living}

    def cancel(self) -> None:
        if self._new is not None:
            cancel_jobs(self._new.name)

    def why_lost(self, run: str) -> str:
        """The last error in the job's log, if there is one."""
        job = self._jobs[run]
        for log in sorted(self.work.session.study.slurm.glob(f"*/{job}_0_log.out"), reverse=True):
            text = read_bytes(log, self.work.session.study.path, LOG).decode(errors="replace")
            errors = [line for line in text.splitlines() if line.startswith("error: ")]
            if errors[-1:] == [f"error: {NO_NUMBER}"]:
                return NO_NUMBER
            said = f": {errors[-1].removeprefix('error: ')}" if errors else ""
            return f"its Slurm job {job} ended without it{said} (log: {log})"
        return f"its Slurm job {job} ended without it, before it began"


def _in_queue(study: StudyFolder) -> tuple[dict[str, str], set[str]]:
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


def _say(work: Work, queued: Mapping[str, str], new: Submission | None, folder: Path | None) -> None:
    """Say what was submitted, what was in the queue before, and how to watch it."""
    say, states, study = work.session.say, work.states, work.session.study
    name = study.path.name
    runs = [] if new is None else [run for array in new.arrays for job in array.jobs for run in job]
    before = sum(states.state.get(run) is State.MISSING for run in queued.keys() - set(runs))
    failed = sum(not failure.behind for failure in states.failures.values())
    if before:
        say(f"{name}: {count(before, 'run')} in the cluster's queue already, not submitted again")
    if running := states.count(State.RUNNING):
        say(f"{name}: {count(running, 'run')} being trained now, not submitted")
    if failed:
        mended = once_mended(states.count(State.DONE) if has_own_code(work.session.protocol) else 0)
        again = "--retry-failed submits them again" + (f"; {mended}" if mended else "")
        say(f"{name}: {count(failed, 'run')} failed before; {again}")
    if new is None:
        say(f"{name}: nothing to submit")
        return
    jobs = sum(len(array.jobs) for array in new.arrays)
    done = states.count(State.DONE)
    say(
        f"{name}: {count(len(runs), 'run')} in {count(jobs, 'job')} submitted to Slurm"
        + (f", {done} already done" if done else "")
    )
    for array in new.arrays:
        after = [str(other.id) for other in new.arrays if other.stage == array.stage - 1]
        say(
            f"  job {array.id}: {count(len(array.jobs), 'task')}"
            + (f", after job {', '.join(after)}" if after else "")
        )
    say(f"logs: {folder}")
    say(f"watch: rigorkd status {study.path} (or squeue --name={new.name})")
