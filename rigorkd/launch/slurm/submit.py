"""Handing what a study misses to Slurm: waves of job arrays, through submitit.

A wave waits for the one before it to end, however it ends: teachers come first so that no GPU waits for one,
but it is the records that decide. A job whose teacher is missing after all trains it, or waits for the job
that does.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.launch.slurm.job import Job
from rigorkd.launch.slurm.options import SlurmOptions
from rigorkd.launch.slurm.submission import Array, Submission, write_submission
from rigorkd.launch.slurm.waves import Runs

if TYPE_CHECKING:
    import submitit

LARGEST_ARRAY = 1000
"""Slurm's own default limit on the size of a job array."""

_AGAIN = 10**6
"""How often a job may be queued again after its time limit; one that comes no further is not (see `job`)."""


def arrays_of(waves: list[list[Runs]]) -> tuple[Array, ...]:
    """The waves as job arrays of a size that Slurm accepts."""
    return tuple(
        Array(wave, tuple(jobs[start : start + LARGEST_ARRAY]))
        for wave, jobs in enumerate(waves)
        for start in range(0, len(jobs), LARGEST_ARRAY)
    )


def submit(folder: Path, submission: Submission, options: SlurmOptions) -> Submission:
    """Submit every array and note each in `folder`; the submission with Slurm's ids.

    Raises InputError without submitit or Slurm, and with Slurm's own words where it refuses.
    """
    executor = slurm_executor(folder)
    write_submission(folder, submission)
    ids: dict[int, list[str]] = {}
    for number, array in enumerate(submission.arrays):
        after = ids.get(array.wave - 1, [])
        executor.update_parameters(**_parameters(submission.name, options, after))
        submitted = replace(array, id=_submit(executor, folder, number, len(array.jobs)))
        ids.setdefault(array.wave, []).append(str(submitted.id))
        arrays = tuple(submitted if each is array else each for each in submission.arrays)
        submission = replace(submission, arrays=arrays)
        write_submission(folder, submission)
    return submission


def slurm_executor(folder: Path) -> submitit.SlurmExecutor:
    """submitit's executor that keeps its scripts and logs in `folder`; InputError where it cannot work."""
    require("slurm", "--slurm")
    import submitit

    missing = [program for program in ("sbatch", "srun", "squeue") if shutil.which(program) is None]
    if missing:
        raise InputError(
            f"--slurm: there is no {' or '.join(missing)} on this machine",
            hint="submit from a login node of the cluster",
        )
    return submitit.SlurmExecutor(folder, max_num_timeout=_AGAIN)


def _submit(executor: submitit.SlurmExecutor, folder: Path, number: int, jobs: int) -> str:
    """Submit one array (a plain job where there is one only); Slurm's id of the array."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        with executor.batch():
            handed = [executor.submit(Job(str(folder), number, index)) for index in range(jobs)]
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if line.startswith("sbatch:")]
        raise InputError(
            "--slurm: the cluster refused the jobs"
            + "".join(f"\n  {line}" for line in lines or [str(error)]),
            hint="`sinfo` lists partitions; what was submitted goes on, and the same command adds the rest",
        ) from None
    return str(handed[0].job_id).split("_")[0]


def _parameters(name: str, options: SlurmOptions, after: list[str]) -> dict[str, Any]:
    """submitit's parameters; `after` are the ids of arrays that must have ended."""
    asked = {
        "partition": options.partition,
        "gpus_per_node": options.gpus,
        "cpus_per_task": options.cpus,
        "mem": options.mem,
        "account": options.account,
        "qos": options.qos,
        "constraint": options.constraint,
        "exclude": options.exclude,
        "dependency": "afterany:" + ":".join(after) if after else None,
    }
    return {
        "job_name": name,
        "nodes": 1,
        "ntasks_per_node": 1,
        "time": options.minutes,
        "signal_delay_s": options.stop_seconds,
        "array_parallelism": options.array,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True},  # where the cluster's default is not to
        **asked,
    }
