"""The log of a run, and of the worker that failed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.launch.failures import read_failure
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import LOG, opened, read_bytes
from rigorkd.text import nearest

POLL = 0.5
"""Seconds between two looks at a log that is followed."""


@dataclass(frozen=True)
class RunLog:
    """What is known of a run: the text of its own log, and of its worker's since the task that failed.

    `size` is how many bytes of the log were read: whatever is added later begins there.
    """

    path: Path
    text: str
    size: int
    worker_path: Path | None
    worker_text: str


def read_log(study: StudyFolder, run: str) -> RunLog:
    """Read a run's log. InputError, offering the nearest name, if nothing of that run was ever logged."""
    path = study.run_log(run)
    failure = read_failure(study, run)
    worker_path = study.path / failure.log if failure is not None and failure.log else None
    worker_text = ""
    if failure is not None and worker_path is not None:
        try:
            content = read_bytes(worker_path, study.logs, LOG)
            worker_text = content[max(failure.log_start, 0) :].decode(errors="replace")
        except OSError:
            worker_path = None
    try:
        content = read_bytes(path, study.path, LOG)
    except OSError:
        content = b""
        if failure is None:
            close = nearest(run, logged_runs(study))
            raise InputError(
                f"{run}: no log of such a run in {study.path}",
                hint=f"did you mean {close}?"
                if close
                else "a run is <cell>/seed-<k>; `rigorkd plan` lists cells",
            ) from None
    text = content.decode(errors="replace")
    if failure is not None and failure.reason not in text:
        text += f"failed: {failure.reason}\n"
    return RunLog(path, text, len(content), worker_path, worker_text)


def logged_runs(study: StudyFolder) -> list[str]:
    """The runs that have a log."""
    found = study.logs.rglob("seed-*.log")
    return sorted(path.relative_to(study.logs).with_suffix("").as_posix() for path in found)


def follow(path: Path, start: int, ended: Callable[[], bool]) -> Iterator[str]:
    """What is appended to a log after byte `start`, until `ended` says that nothing more will come."""
    while True:
        last = ended()
        try:
            with opened(path, path.parent) as file:
                file.seek(start)
                new = file.read()
        except OSError:
            new = b""
        whole = new[: new.rfind(b"\n") + 1]
        if whole:
            start += len(whole)
            yield whole.decode(errors="replace")
        if last:
            return
        time.sleep(POLL)
