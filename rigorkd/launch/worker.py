"""The worker process: takes tasks, trains them, sends events. The only part of launching with torch."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from rigorkd.errors import RigorkdError
from rigorkd.records.layout import StudyFolder
from rigorkd.train.events import Event
from rigorkd.train.task import Task


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker must know once. `memory_bytes` is what the students of a cohort may hold together."""

    study: Path
    slot: int
    device: str
    mode: str
    memory_bytes: int | None


@dataclass(frozen=True)
class TaskDone:
    """The task ended; its runs have told their own fates."""


@dataclass(frozen=True)
class TaskFailed:
    """The task broke off as a whole, with a message for its log."""

    reason: str


@dataclass(frozen=True)
class StopAll:
    """Nothing can go on: the message is for the user, who must mend it (a full disk, missing weights)."""

    message: str


Message = Event | TaskDone | TaskFailed | StopAll


def work(connection: Connection, settings: WorkerSettings) -> None:
    """Process entry point: train tasks as they come until the launcher closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's: it ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()
    study = StudyFolder(settings.study)
    _send_output_to(study.worker_log(settings.slot))

    from rigorkd.train.runtime import start_runtime

    try:
        runtime = start_runtime(settings.device, settings.mode)
    except RigorkdError as error:
        connection.send(StopAll(str(error)))
        return
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        connection.send(_train(task, study, settings, runtime, connection))


def _train(
    task: Task, study: StudyFolder, settings: WorkerSettings, runtime: object, connection: Connection
) -> Message:
    """Train one task, cut to the memory budget; how it ended as a whole."""
    from rigorkd.train.cohort import train_cohort
    from rigorkd.train.memory import split_for
    from rigorkd.train.runtime import Runtime

    assert isinstance(runtime, Runtime)
    try:
        for part in split_for(task, settings.memory_bytes, runtime):
            train_cohort(part, study, runtime, connection.send)
    except RigorkdError as error:
        return StopAll(str(error))
    except OSError as error:
        traceback.print_exc()
        place = error.filename or study.path
        return StopAll(
            f"{place}: {error.strerror or error}; nothing half-written is left, and the same command resumes"
        )
    except Exception as error:
        traceback.print_exc()
        return TaskFailed(f"{type(error).__name__}: {error}")
    finally:
        runtime.release()
    return TaskDone()


def _die_with_parent() -> None:
    """End this process when the launcher has died, however it died."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _send_output_to(path: Path) -> None:
    """Append stdout and stderr of this process to its log, so that the launcher's display stays clean."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        if stream is not None:
            stream.flush()
        os.dup2(log, descriptor)
    os.close(log)
