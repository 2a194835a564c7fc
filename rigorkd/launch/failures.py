"""Failed runs are remembered: why, and where their worker's log begins.

A run that failed by an exception would fail again, so it is not tried again unasked (`--retry-failed`). The
note belongs to what the run was: after a change of the protocol it no longer counts.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from dataclasses import asdict, dataclass

from rigorkd.files import write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import read_note


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    `behind` says that it was not at fault itself, but needed a run that failed or diverged. `log` names the
    worker's log in the study and `log_start` the byte at which the run's task began, if a worker was at work.
    """

    run: str
    run_hash: str
    reason: str
    behind: bool = False
    log: str | None = None
    log_start: int = 0


def note_failure(study: StudyFolder, failure: Failure) -> None:
    """Remember a failure; the time is for people."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = {**asdict(failure), "time": now}
    write_atomically(study.failure(failure.run), (json.dumps(document, indent=1) + "\n").encode())


def read_failure(study: StudyFolder, run: str) -> Failure | None:
    """The note of a run's failure, None if there is none; a damaged note is none."""
    return read_note(study.failure(run), study.path, Failure)


def forget_failure(study: StudyFolder, run: str) -> None:
    """The run is to be trained again."""
    with contextlib.suppress(OSError):
        study.failure(run).unlink()


def is_out_of_memory(reason: str) -> bool:
    """Whether a reason, `<exception>: <message>`, speaks of memory that could not be had."""
    return reason.startswith(("OutOfMemoryError", "MemoryError")) or any(
        text in reason for text in ("CUDA out of memory", "can't allocate memory", "not enough memory")
    )


def advice(reason: str) -> str:
    """What to change after a failure, empty if only its log can tell."""
    if is_out_of_memory(reason):
        return (
            "out of memory: give a smaller --memory (fewer students at once, the same bits), fewer --slots or"
            " --jobs, or a smaller batch_size in the protocol (another experiment: rigorkd never changes it)"
        )
    if "last with exit code -9" in reason:
        return "its worker was killed, perhaps for memory: fewer --jobs or --slots, or a smaller --memory"
    return ""
