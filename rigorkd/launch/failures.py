"""What a run leaves to read: its log, and after a failure the reason and its worker's log since the task.

A run that failed by an exception would fail again, so it is not tried again unasked (`--retry-failed`). The
note belongs to what the run was: after a change of the protocol it no longer counts.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.files import timestamp, write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import LOG, opened, read_bytes, read_note
from rigorkd.text import some_of, suggest


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    `behind` says that it was not at fault itself, but needed a run that failed or diverged. `log` names the
    worker's log in the study and `log_start` the byte at which the run's task began, if a worker was at work.
    `unread` says that its command went well, and that the number it was called for was not found.
    """

    run: str
    run_hash: str
    reason: str
    behind: bool = False
    log: str | None = None
    log_start: int = 0
    unread: bool = False


def note_failure(study: StudyFolder, failure: Failure) -> None:
    """Remember a failure; the time is for people."""
    now = timestamp()
    document = {**asdict(failure), "time": now}
    write_atomically(study.failure(failure.run), (json.dumps(document, indent=1) + "\n").encode())


def read_failure(study: StudyFolder, run: str) -> Failure | None:
    """The note of a run's failure, None if there is none; a damaged note is none."""
    return read_note(study.failure(run), study.path, Failure)


def read_failures(study: StudyFolder) -> dict[str, Failure]:
    """The notes of all runs that failed, by run."""
    runs = [path.parent.relative_to(study.failure(".").parent).as_posix() for path in study.failures()]
    return {run: failure for run in runs if (failure := read_failure(study, run)) is not None}


def forget_failure(study: StudyFolder, run: str) -> None:
    """The run is to be trained again."""
    with contextlib.suppress(OSError):
        study.failure(run).unlink()


def once_mended(of_own_code: int) -> str:
    """What to do instead of `--retry-failed`, which `run` refuses while finished runs are stale; else "".

    `of_own_code` is how many finished runs a change of the user's own code may make stale.
    """
    if not of_own_code:
        return ""
    return (
        "once their code is mended, the finished runs of it are stale: --retrain-stale trains these again,"
        " and what failed"
    )


def is_out_of_memory(reason: str) -> bool:
    """Whether a reason, `<exception>: <message>`, speaks of memory that could not be had."""
    return reason.startswith(("OutOfMemoryError", "MemoryError")) or any(
        text in reason for text in ("CUDA out of memory", "can't allocate memory", "not enough memory")
    )


def advice(reason: str) -> str:
    """What to change after a failure, empty if only its log can tell."""
    if is_out_of_memory(reason) and reason.startswith("exit code"):
        return (
            "out of memory: fewer --slots or --jobs at once, or a smaller batch in the command (another"
            " experiment)"
        )
    if is_out_of_memory(reason):
        return (
            "out of memory: give a smaller --memory (fewer students at once, the same bits), fewer --slots or"
            " --jobs, or a smaller batch_size in the protocol (another experiment: rigorkd never changes it)"
        )
    if "EOFError: EOF when reading a line" in reason:
        return "a command has no input to read from: give what it asks for in its arguments"
    if "last with exit code -9" in reason:
        return "its worker was killed, perhaps for memory: fewer --jobs or --slots, or a smaller --memory"
    return ""


PRINTED = "; it printed last: "
"""What follows in a reason is what a command printed, which may differ from run to run."""

BEFORE = " (before; not tried again)"
"""The end of a reason that an earlier launch met."""

NOT_STARTED = "not started, since"
"""How the reason of a run begins that was held back: it has no note, and the next launch starts it."""


NO_NUMBER = f"{NOT_STARTED} no number was found of the first one that ended"


def _kind(reason: str) -> str:
    """A reason without its numbers, as of seeds, but for its exit code, and without what was printed."""
    told = reason.partition(PRINTED)[0] + BEFORE * reason.endswith(BEFORE)
    return re.sub(r"(?<!exit code )(?<![\d.])\d+(?:\.\d+)?(?:e[-+]?\d+)?", "#", told)


@dataclass
class AllAlike:
    """Whether a study's first tasks all fail for one reason, so that the rest would most likely fail as well.

    `enough` tasks have to, of two cells unless no other waits: what ails one cell alone holds up no other. A
    run that has a record ends the watch, and so does a second reason. None are if `enough` is 0.

    One is enough whose command went well and whose number was not found, since the others would be trained in
    vain, until a student has a record. That is watched where `numbers` says so, else where `enough` does: of
    the jobs of a cluster each has few tasks, and its study many.
    """

    enough: int
    numbers: bool | None = None
    _reasons: dict[str, str] = field(default_factory=dict)
    _tasks: set[str] = field(default_factory=set)
    _cells: set[str] = field(default_factory=set)
    _unread: bool = False

    def __post_init__(self) -> None:
        if self.numbers is None:
            self.numbers = bool(self.enough)

    def failed(self, task: str, cell: str, reason: str, *, unread: bool = False) -> None:
        """A run of a task has failed. Numbers, as of seeds, and words of its name make no reason another."""
        words = "|".join(sorted(map(re.escape, filter(None, re.split("[/-]", cell))), key=len, reverse=True))
        self._reasons.setdefault(_kind(re.sub(rf"(?<!\w)(?:{words})(?!\w)", "#", reason)), reason)
        self._tasks.add(task)
        self._cells.add(cell)
        self._unread |= unread

    def succeeded(self, *, student: bool = True) -> None:
        """A run has its record; of a teacher's, no number may have been asked."""
        self.enough = 0
        self.numbers = self.numbers and not student

    def reason(self, waiting: Set[str]) -> str:
        """The reason for which runs of the `waiting` cells are not to be started, empty if they are."""
        if self.numbers and self._unread:
            return NO_NUMBER
        alike = len(self._reasons) == 1 and len(self._cells) + (not waiting - self._cells) >= 2
        if not (self.enough and alike and len(self._tasks) >= self.enough):
            return ""
        return f"{NOT_STARTED} the first ones failed alike"


_MOST = 6
"""Names of runs that failed for one reason, in one line."""


def by_reason(failed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each reason once, after the names of the runs that failed for it; `status --format json` has them all.

    Reasons that differ in numbers, or in what was printed, are one. What failed itself comes before what
    needed it.
    """
    runs: dict[str, dict[str, str]] = {}
    for name, reason in failed.items():
        kind = reason if reason.startswith("it needs ") else _kind(reason)
        runs.setdefault(kind, {})[name] = reason
    for kind in sorted(runs, key=lambda kind: kind.startswith(("it needs ", NOT_STARTED))):
        first, *others = dict.fromkeys(runs[kind].values())
        yield some_of([*runs[kind]], _MOST), first + " (so the first; the others alike)" * bool(others)


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
            hint = suggest(run, logged_runs(study), "a run is <cell>/seed-<k>; `rigorkd plan` lists cells")
            raise InputError(f"{run}: no log of such a run in {study.path}", hint=hint) from None
    text = content.decode(errors="replace")
    if failure is not None and failure.reason not in text:
        text += f"failed: {failure.reason}\n"
    return RunLog(path, text, len(content), worker_path, worker_text)


def shows_log(study: Path | str, run: str = "RUN") -> str:
    """The command that shows a run's log, also when it is typed once another study is the newest."""
    return f"`rigorkd logs {run if run == 'RUN' else shlex.quote(run)} --study {shlex.quote(str(study))}`"


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
