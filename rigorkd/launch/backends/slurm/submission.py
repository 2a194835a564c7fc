"""What is handed to Slurm: stages of job arrays, and the note of them that jobs and later commands read.

A stage waits for the one before it to end, however it ends: teachers come first so that no GPU waits for one,
but it is the records that decide. A job whose teacher is missing after all trains it, or waits for the job
that does.

The note is `.slurm/<time>/submission.json`. A job reads its runs and settings there and writes nothing back:
how far it came is told by the study's records, leases and logs, which outlive Slurm's own memory of the job.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from rigorkd.errors import StoreError
from rigorkd.files import write_atomically
from rigorkd.launch.queue import Runs
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import to_json
from rigorkd.records.untrusted import NOTE, read_json
from rigorkd.text import first_line

SCHEMA = "rigorkd.slurm/1"
FILE = "submission.json"

LARGEST_ARRAY = 1000
"""Slurm's own default limit on the size of a job array."""

CARRIED = (
    *("seeds", "device", "mode", "jobs", "slots", "memory_bytes", "save_weights", "replay_bytes"),
    "keep_going",
)
"""What a job is told of the command line: the options of its launch, by name."""


@dataclass(frozen=True)
class Array:
    """One job array. `jobs` are the runs of each of its jobs; `id` is Slurm's, None until it is submitted."""

    stage: Annotated[int, Field(validation_alias="wave")]  # as the file has always called it
    jobs: tuple[Runs, ...]
    id: str | None = None

    def job_id(self, index: int) -> str | None:
        """Slurm's name of a job: `12_3`, or `12` where the array would have one job only."""
        return f"{self.id}_{index}" if self.id and len(self.jobs) > 1 else self.id


@dataclass(frozen=True)
class Submission:
    """What a job needs to do its share. `name` is the Slurm name of all its jobs, unique on the cluster.

    `protocol` is the file, from which relative paths in it start; `text_hash` names the text as submitted.
    What is CARRIED is the command line's. A job may run for `minutes`, and is told to stop `stop_seconds`
    earlier; `gpus` says that it was given some.
    """

    name: str
    protocol: str
    text_hash: str
    smoke: bool
    seeds: tuple[int, ...]
    device: str
    mode: str
    jobs: int | None
    slots: int | None
    memory_bytes: int | None
    save_weights: bool
    replay_bytes: int
    gpus: bool
    minutes: int
    stop_seconds: int
    arrays: tuple[Array, ...]
    keep_going: bool = False

    def runs_by_job(self) -> dict[str, tuple[str, ...]]:
        """The runs of every job that was handed to Slurm, by the job's id."""
        return {
            job_id: runs
            for array in self.arrays
            for index, runs in enumerate(array.jobs)
            if (job_id := array.job_id(index)) is not None
        }


def arrays_of(stages: list[list[Runs]]) -> tuple[Array, ...]:
    """The stages as job arrays of a size that Slurm accepts."""
    return tuple(
        Array(stage, tuple(jobs[start : start + LARGEST_ARRAY]))
        for stage, jobs in enumerate(stages)
        for start in range(0, len(jobs), LARGEST_ARRAY)
    )


def write_submission(folder: Path, submission: Submission) -> None:
    """Write `folder`/submission.json whole."""
    document = {"schema": SCHEMA, **asdict(submission)}
    document["arrays"] = [
        {"wave": array.stage, "jobs": array.jobs, "id": array.id} for array in submission.arrays
    ]
    write_atomically(folder / FILE, to_json(document))


def read_submission(folder: Path) -> Submission:
    """Read `folder`/submission.json; StoreError if it is damaged."""
    path = folder / FILE
    try:
        document = read_json(path, folder.parents[1], NOTE)
        if document.pop("schema") != SCHEMA:
            raise ValueError(f"not of schema {SCHEMA}")
        return TypeAdapter(Submission).validate_json(json.dumps(document), strict=True)
    except (OSError, ValueError, KeyError) as error:
        reason = first_line(error)
        raise StoreError(
            f"{path}: the note of a Slurm submission cannot be read ({reason})",
            hint="delete its folder: the records are untouched, and the jobs can be submitted again",
        ) from None


def submissions(study: StudyFolder) -> list[tuple[Path, Submission]]:
    """Every submission of a study with its folder, oldest first."""
    folders = sorted(path.parent for path in study.slurm.glob(f"*/{FILE}"))
    return [(folder, read_submission(folder)) for folder in folders]
