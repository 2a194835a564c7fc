"""The cluster: what `--slurm partition=gpu,gpus=1,time=4:00:00` asks of it, and the commands that reach it.

Only submitting, waiting and cancelling ask the cluster; status never does.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.launch.backends.slurm.job import Job
from rigorkd.text import suggest

if TYPE_CHECKING:
    import submitit

_AGAIN = 10**6
"""How often a job may be queued again after its time limit; one that comes no further is not (see `job`)."""

GRAMMAR = "give key=value pairs with commas between, such as partition=gpu,gpus=1,time=4:00:00,mem=16G,cpus=4"
_TIME = "time is minutes, hours:minutes:seconds or days-hours:minutes:seconds"


@dataclass(frozen=True)
class SlurmOptions:
    """One job's resources. `minutes` is its time limit; `array` is how many jobs may run at once.

    `gpus` is a count or `type:count`; `mem` is as Slurm writes it (`16G`). None leaves a choice to Slurm.
    """

    partition: str | None = None
    gpus: str | None = None
    minutes: int = 60
    mem: str | None = None
    cpus: int | None = None
    array: int = 256
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None

    @property
    def gpu_count(self) -> int:
        """GPUs of one job."""
        return int(self.gpus.rpartition(":")[2]) if self.gpus else 0

    @property
    def stop_seconds(self) -> int:
        """How long before its time limit a job is told to stop: a tenth of the limit, from 10 s to 5 minutes.

        Slurm may tell it up to a minute earlier.
        """
        return min(300, max(10, self.minutes * 60 // 10))


KEYS = tuple("time" if field.name == "minutes" else field.name for field in fields(SlurmOptions))


def parse_options(text: str) -> SlurmOptions:
    """The options in a text of `key=value` pairs. Raises InputError, naming the pair and the nearest key."""
    values: dict[str, str] = {}
    for pair in text.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            raise InputError(f"--slurm: {pair.strip() or 'an empty pair'!r} is not key=value", hint=GRAMMAR)
        if key not in KEYS:
            hint = suggest(key, KEYS, f"the keys are {', '.join(KEYS)}")
            raise InputError(f"--slurm: no key {key!r}", hint=hint)
        if key in values:
            raise InputError(f"--slurm: {key} is given twice", hint=GRAMMAR)
        values[key] = value
    read: dict[str, Callable[[str, str], Any]] = {"gpus": _gpus, "time": _minutes, "mem": _memory}
    read |= {"cpus": _count, "array": _count}
    found: dict[str, Any] = {
        key: read[key](key, value) if key in read else value for key, value in values.items()
    }
    return SlurmOptions(**{"minutes" if key == "time" else key: value for key, value in found.items()})


def _count(key: str, value: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", value, re.ASCII):
        raise InputError(f"--slurm: {key}={value}: not a whole number from 1 on", hint=GRAMMAR)
    return int(value)


def _gpus(key: str, value: str) -> str | None:
    if not re.fullmatch(r"([A-Za-z][\w.-]*:)?(0|[1-9]\d{0,2})", value, re.ASCII):
        raise InputError(
            f"--slurm: {key}={value}: not a number of GPUs", hint="give a number, or type:number as in a100:1"
        )
    return None if value == "0" else value


def _memory(key: str, value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*[KMGT]", value, re.ASCII | re.IGNORECASE):
        raise InputError(f"--slurm: {key}={value}: not a size", hint="give a number and a unit, such as 16G")
    return value.upper()


def _minutes(key: str, value: str) -> int:
    """Minutes of a time limit in Slurm's own notation, seconds rounded up."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", value, re.ASCII)
    if not found:
        raise InputError(f"--slurm: {key}={value}: not a time limit", hint=_TIME)
    days, first, second, third = (None if part is None else int(part) for part in found.groups())
    if days is not None:  # days-hours, days-hours:minutes, days-hours:minutes:seconds
        seconds = ((days * 24 + (first or 0)) * 60 + (second or 0)) * 60 + (third or 0)
    elif third is not None:  # hours:minutes:seconds
        seconds = ((first or 0) * 60 + (second or 0)) * 60 + third
    else:  # minutes, minutes:seconds
        seconds = (first or 0) * 60 + (second or 0)
    if seconds == 0:
        raise InputError(f"--slurm: {key}={value}: a job needs some time", hint=_TIME)
    return math.ceil(seconds / 60)


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


def submit_array(
    executor: submitit.SlurmExecutor, options: SlurmOptions, name: str, jobs: list[Job], after: list[str]
) -> str:
    """Submit an array (a plain job where there is one only) that waits for others to end; Slurm's id of it.

    Raises InputError with Slurm's own words where it refuses.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor.update_parameters(
        job_name=name,
        partition=options.partition,
        gpus_per_node=options.gpus,
        cpus_per_task=options.cpus,
        mem=options.mem,
        account=options.account,
        qos=options.qos,
        constraint=options.constraint,
        exclude=options.exclude,
        nodes=1,
        ntasks_per_node=1,
        time=options.minutes,
        signal_delay_s=options.stop_seconds,
        array_parallelism=options.array,
        dependency="afterany:" + ":".join(after) if after else None,
        stderr_to_stdout=True,
        additional_parameters={"requeue": True},  # where the cluster's default is not to
    )
    try:
        with executor.batch():
            handed = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if line.startswith("sbatch:")]
        raise InputError(
            "--slurm: the cluster refused the jobs"
            + "".join(f"\n  {line}" for line in lines or [str(error)]),
            hint="`sinfo` lists partitions; what was submitted goes on, and the same command adds the rest",
        ) from None
    return str(handed[0].job_id).split("_")[0]


def jobs_in_queue(names: Collection[str]) -> set[str]:
    """Ids (`12_3`, `12`) of the jobs with these names that wait or run. Raises InputError without Slurm.

    Names and not ids are asked for: after a reset of the cluster an old id can belong to somebody else.
    """
    if not names:
        return set()
    answer = _ask("squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%i")
    return set(answer.split())


def cancel_jobs(name: str) -> None:
    """End the jobs of this name, waiting or running. Raises InputError without Slurm."""
    _ask("scancel", f"--name={name}")


def _ask(*command: str) -> str:
    """What a command of Slurm answers."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except FileNotFoundError:
        raise InputError(
            f"--slurm: there is no {command[0]} on this machine",
            hint="submit from a login node of the cluster",
        ) from None
    except (subprocess.SubprocessError, OSError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else ""
        raise InputError(
            f"--slurm: the cluster does not answer ({(said or str(error)).splitlines()[-1]})",
            hint="try `squeue`; nothing was submitted, and jobs that run go on",
        ) from None
