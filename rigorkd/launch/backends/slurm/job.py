"""What runs inside a Slurm job: a launcher of its own for the job's runs, stopped and resumed with the job.

The job's own process only watches. The launcher is its child (this file as a program), so that a signal from
Slurm never meets the middle of the launcher's work: it becomes a Ctrl-C, after which the launcher stops
at the end of the epoch.

    the time limit nears, or the job is preempted   SIGUSR2: stop, then back into the queue
    the job is cancelled, or preempted              SIGTERM: stop, then wait to be ended
    the node fails                                  Slurm queues the job again by itself

Whatever happens, a job that starts again reads the records and checkpoints and goes on from there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.errors import RigorkdError
from rigorkd.launch.backends.slurm.submission import CARRIED, Submission, read_submission
from rigorkd.launch.failures import NO_NUMBER
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.protocol.smoke import smoke
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import read_info, settled_in
from rigorkd.text import count

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

_LOOK_EVERY = 0.2
_HANDING_BACK = 0.4
"""Part of the warning time that is kept for queueing the job again, 15 s at most."""
_IN_VAIN = 3
"""Times in a row that a job may reach its time limit without one finished epoch."""


class Job:
    """One job of an array, as submitit pickles it: a folder and numbers. The state is on disk.

    `in_vain` counts the last starts that reached the time limit without one finished epoch.
    """

    def __init__(self, folder: str, array: int, index: int, in_vain: int = 0) -> None:
        self.folder, self.array, self.index, self.in_vain = folder, array, index, in_vain
        self._child: subprocess.Popen[bytes] | None = None  # a signal may come before there is one
        self._stopping = False

    def __call__(self) -> None:
        """Train the job's runs. Exits as the launcher does: Slurm shows a job with failures as failed."""
        self._began = time.monotonic()
        self._marks = self._progress()
        self._child = subprocess.Popen(self.command(), preexec_fn=_leave_signals_to_the_parent)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        while self._child.poll() is None:  # not wait(): a signal's handler must be able to wait as well
            time.sleep(_LOOK_EVERY)
        while self._stopping:
            signal.pause()  # a job that ends by itself counts as done: only Slurm knows what is to follow
        if self._child.returncode:
            sys.exit(self._child.returncode)

    def command(self) -> list[str]:
        """The launcher of the job's runs."""
        return [sys.executable, "-m", __name__, self.folder, str(self.array), str(self.index)]

    def checkpoint(self) -> DelayedSubmission | None:
        """Stop the launcher; what submitit is to queue again. None, saying why, if that is in vain."""
        from submitit.helpers import DelayedSubmission

        submission = read_submission(Path(self.folder))
        self._stop()
        try:
            warning = submission.stop_seconds
            deadline = time.monotonic() + warning - min(15, _HANDING_BACK * warning)
            while self._child and self._child.poll() is None and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY)
        finally:
            if self._child:
                self._child.kill()  # its workers end with it; the last checkpoint counts
        in_vain = self.in_vain + 1 if self._was_in_vain(submission) else 0
        if in_vain == _IN_VAIN:
            print(_vain(submission), file=sys.stderr, flush=True)
            return None
        return DelayedSubmission(Job(self.folder, self.array, self.index, in_vain))

    def __reduce__(self) -> tuple[type[Job], tuple[str, int, int, int]]:
        return Job, (self.folder, self.array, self.index, self.in_vain)

    def _stop(self) -> None:
        """Ask the launcher to stop at the end of the epoch, once: a second time means at once."""
        if not self._stopping:
            self._stopping = True
            if self._child and self._child.poll() is None:
                self._child.send_signal(signal.SIGINT)

    def _was_in_vain(self, submission: Submission) -> bool:
        """Whether the time limit was reached, and no epoch was finished: so it may go the next time."""
        if self._child is None:
            return False
        spent = time.monotonic() - self._began
        limit = 60 * submission.minutes - submission.stop_seconds - 60  # Slurm warns up to 60 s early
        return spent >= limit and self._progress() == self._marks

    def _progress(self) -> dict[str, int]:
        """What changes whenever an epoch or a run is finished: times of files, compared with themselves."""
        study = StudyFolder(Path(self.folder).parents[1])
        marks = {}
        for run in read_submission(Path(self.folder)).arrays[self.array].jobs[self.index]:
            for path in (study.checkpoint(run), study.run(run) / "record.json"):
                if path.is_file():
                    marks[str(path)] = path.stat().st_mtime_ns
        return marks


def _vain(submission: Submission) -> str:
    return (
        f"error: {_IN_VAIN} times no epoch was finished within the limit of {submission.minutes} min; the job"
        " is not queued again\n  give --slurm a longer time="
    )


def _leave_signals_to_the_parent() -> None:
    """Slurm signals every process of a job; what its signals mean is for the parent to say."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main(folder: Path, array: int, index: int) -> int:
    """Train the runs of one job; 1 if some failed, 2 if nothing could be trained, 130 if it was stopped.

    The protocol is the text that was submitted, whatever its file says by now.
    """
    from rigorkd.launch.display import PlainConsole
    from rigorkd.launch.launch import LaunchOptions, launch

    console = PlainConsole()
    submission = read_submission(folder)
    study = StudyFolder(folder.parents[1])
    job = submission.arrays[array].job_id(index) or os.environ.get("SLURM_JOB_ID", "")
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
    console.print(f"slurm job {job} on {os.environ.get('SLURMD_NODENAME', 'an unnamed node')}, GPUs: {gpus}")
    carried = {key: getattr(submission, key) for key in CARRIED}
    try:
        jobs, warning = _workers(submission)
        if warning:
            console.print(warning)
        options = LaunchOptions(
            results=study.path.parent,
            only_runs=frozenset(submission.arrays[array].jobs[index]),
            label=f"slurm job {job}",
            **{**carried, "jobs": jobs},
        )
        outcome = launch(_submitted_protocol(study, submission), options, console)
    except RigorkdError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; the checkpoints are written", file=sys.stderr)
        return 130
    console.print(f"{count(outcome.trained, 'run')} trained, {count(len(outcome.failed), 'run')} failed")
    for run, reason in outcome.failed.items():
        print(f"failed {run}: {reason}", file=sys.stderr)
    if NO_NUMBER in outcome.failed.values():  # what waits for the jobs reads the last error
        print(f"error: {NO_NUMBER}", file=sys.stderr)
    return 1 if outcome.failed else 0


def _submitted_protocol(study: StudyFolder, submission: Submission) -> Protocol:
    """The protocol as it was submitted; relative paths in it start where its file was."""
    loaded = load_protocol(study.protocol(submission.text_hash), settle=settled_in(study.path))
    protocol = replace(loaded, path=Path(submission.protocol))
    if not submission.smoke:
        return protocol
    return smoke(protocol, shape=read_info(study.path).shape)


def _workers(submission: Submission) -> tuple[int | None, str]:
    """How many workers to start: on a CPU one for each that Slurm gave, not one for each of the node."""
    from rigorkd.launch.devices import device_slots

    if device_slots(submission.device, submission.jobs, submission.slots)[0] != "cpu":
        return submission.jobs, ""
    blind = submission.gpus and submission.device == "auto"
    warning = "warning: Slurm gave this job a GPU, but PyTorch sees none: training on the CPU" * blind
    return submission.jobs or int(os.environ.get("SLURM_CPUS_PER_TASK") or 1), warning


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
