"""Attempts at runs that failed, by the runs' logs: what a study cost beside the compute of its records."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import StoreError
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import LOG, NOTE, read_bytes, read_json

_LINE = re.compile(
    rb"^(?:(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00)|\[rigorkd\]) (?P<said>.*)$", re.MULTILINE
)
"""A line of rigorkd's own: the engine's have the time, those of a command's run do not."""
_TOOK = re.compile(rb"ended after (\d+\.\d) s$")
_AGAIN = re.compile(rb"; called again \(\d+ of \d+\)$")

ENDED = "ended after {seconds:.1f} s"
"""What is said in the log of a command's run before the reason why this attempt failed."""
CALLED_AGAIN = "{why}; called again ({attempt} of {retries})"


@dataclass(frozen=True)
class FailedAttempts:
    """How many attempts failed, and how long those took by the wall of which it is known.

    What trained beside a run in its cohort, or on its device, took part of that time.
    """

    count: int = 0
    seconds: float = 0.0
    untimed: int = 0


def failed_attempts(folder: Path) -> FailedAttempts:
    """Every attempt at a run of a study that failed, whatever became of the run later.

    An attempt whose worker died ends where the failure was noted; logs that are gone count nothing.
    """
    study = StudyFolder(folder)
    took: list[float | None] = []
    for log in sorted(study.logs.rglob("seed-*.log")):
        run = log.relative_to(study.logs).with_suffix("").as_posix()
        try:
            took += _in_log(read_bytes(log, folder, LOG), study, run)
        except OSError:
            continue
    timed = [max(0.0, one) for one in took if one is not None]
    return FailedAttempts(len(took), math.fsum(timed), len(took) - len(timed))


def _in_log(content: bytes, study: StudyFolder, run: str) -> Iterator[float | None]:
    """The seconds of each failed attempt at a run, None where they are not known."""
    began: datetime.datetime | None = None
    lasted: float | None = None
    called = False
    for line in _LINE.finditer(content):
        said, now = line["said"], _time(line["stamp"].decode()) if line["stamp"] else None
        if said.startswith((b"started", b"resumed")):
            began = now
        elif said.startswith(b"$ "):
            called, lasted = True, None
        elif found := _TOOK.match(said):
            lasted = float(found[1])
        elif said.startswith(b"failed: ") or _AGAIN.search(said):
            yield (now - began).total_seconds() if began is not None and now is not None else lasted
            began, lasted, called = None, None, False
        elif said.startswith((b"done", b"diverged")):
            began, called = None, False
    if (began is not None or called) and (ended := _noted(study, run)) is not None:
        yield None if began is None else (ended - began).total_seconds()


def _noted(study: StudyFolder, run: str) -> datetime.datetime | None:
    """When the failure of a run was noted, None for a run that has not failed."""
    try:
        return _time(str(read_json(study.failure(run), study.path, NOTE).get("time", "")))
    except (OSError, ValueError, StoreError):
        return None


def _time(text: str) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
