"""A task whose runs take several processes each: they are started together, heard, and ended together.

A process that fails or dies takes its peers with it, since they would wait for it for ever. After a failure
the runs of a task are trained one by one, each from its last checkpoint, so that the one at fault fails
alone; after a death the launcher sees to that.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from rigorkd.errors import RigorkdError
from rigorkd.records.layout import StudyFolder
from rigorkd.train.events import Event, RunFailed
from rigorkd.train.task import Task


@dataclass(frozen=True)
class Place:
    """Where one process of a run computes: on the device of its rank; all meet at a file."""

    rank: int
    devices: tuple[str, ...]
    mode: str
    meeting: str


@dataclass(frozen=True)
class _Ended:
    """A process has trained the task, or broke off with an error."""

    error: Exception | None = None


class ProcessDiedError(Exception):
    """A process of a run died without a word."""


def train_in_processes(
    task: Task, study: StudyFolder, devices: tuple[str, ...], mode: str, report: Callable[[Event], None]
) -> None:
    """Train the task with one process per device. A run that raises an exception is reported as failed.

    Raises RigorkdError and OSError as `train_cohort` does, ProcessDiedError for a death without a word.
    Whatever `report` raises ends the processes.
    """
    try:
        _train_together(task, study, devices, mode, report)
    except (RigorkdError, OSError, ProcessDiedError):
        raise
    except Exception as error:
        if len(task.runs) == 1:
            report(RunFailed(task.runs[0].run.name, f"{type(error).__name__}: {error}"))
            return
        for want in task.runs:
            if not (study.run(want.run.name) / "record.json").is_file():
                train_in_processes(replace(task, runs=(want,)), study, devices, mode, report)


def _train_together(
    task: Task, study: StudyFolder, devices: tuple[str, ...], mode: str, report: Callable[[Event], None]
) -> None:
    context = mp.get_context("spawn")
    folder = tempfile.mkdtemp(prefix="rigorkd-")
    processes = []
    lines: dict[Connection, int] = {}
    try:
        for rank in range(len(devices)):
            place = Place(rank, devices, mode, f"{folder}/meeting")
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_train_share, args=(place, task, study.path, theirs))
            process.start()
            theirs.close()
            processes.append(process)
            lines[ours] = rank
        while lines:
            for line in wait(list(lines)):
                assert isinstance(line, Connection)
                try:
                    message: Event | _Ended = line.recv()
                except EOFError:
                    process = processes[lines[line]]
                    process.join()
                    who = f"process {lines[line] + 1} of {len(devices)}"
                    raise ProcessDiedError(f"{who} ended with exit code {process.exitcode}") from None
                if not isinstance(message, _Ended):
                    report(message)
                elif message.error is not None:
                    raise message.error
                else:
                    del lines[line]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        shutil.rmtree(folder, ignore_errors=True)


def _train_share(place: Place, task: Task, study: Path, line: Connection) -> None:
    """Process entry point: join the peers and train. Only the first process tells what happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        from accelerate import PartialState

        from rigorkd.train.cohort import train_cohort
        from rigorkd.train.peers import join
        from rigorkd.train.runtime import start_runtime

        alone = start_runtime(place.devices[place.rank], place.mode)
        runtime = replace(alone, peers=join(place.rank, place.devices, place.meeting))
        train_cohort(task, StudyFolder(study), runtime, line.send if place.rank == 0 else _ignore)
        PartialState().destroy_process_group()
        line.send(_Ended())
    except Exception as error:
        traceback.print_exc()
        line.send(_Ended(_as_sent(error)))
        os._exit(1)  # without waiting for peers that wait for this one


def _ignore(event: Event) -> None:
    """What every process finds out is told once."""


def _as_sent(error: Exception) -> Exception:
    """The error itself if it survives the way to another process, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _die_with_parent() -> None:
    """End this process when the one that started it has died, however it died."""
    parent = mp.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
