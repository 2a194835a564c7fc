"""The worker process: takes tasks, trains them, sends events. The only part of launching with torch."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.errors import RigorkdError
from rigorkd.files import send_output_to
from rigorkd.launch.processes import adopt, die_with_parent
from rigorkd.protocol.hashes import NEWEST, Numerics
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.train.events import EpochDone, Event, RunDone, RunFailed, Stopping
from rigorkd.train.processor import fix_dispatch
from rigorkd.train.task import Task

if TYPE_CHECKING:
    from rigorkd.train.runtime import Runtime

PATIENCE = 60.0
"""Seconds for which a new worker waits to measure alone where other launchers' workers are in an epoch."""


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker must know once.

    `memory_bytes` is what the students of a cohort may hold together; without it, half of what is free on the
    device, divided by the `sharing` workers that use it. Output goes to `log`. `devices`, `device` first, are
    those of a run that takes several processes; the worker then only starts them and listens. `measured` has
    a run of every architecture: before it trains, the worker measures what latencies are not noted yet.
    `numerics` are the study's. `by_command` says that commands train, with so many `threads` each, on so many
    `workers` at once.
    """

    study: Path
    slot: int
    device: str
    mode: str
    memory_bytes: int | None
    sharing: int
    log: Path
    devices: tuple[str, ...] = ()
    measured: tuple[Expected, ...] = ()
    numerics: Numerics = field(default_factory=lambda: NEWEST)
    by_command: bool = False
    threads: int = 1
    workers: int = 1


@dataclass(frozen=True)
class Stop:
    """To a worker: end at the next epoch boundary."""


@dataclass(frozen=True)
class Ready:
    """The worker has started, and listens."""


@dataclass(frozen=True)
class TaskEnded:
    """The task ended, or stopped at an epoch boundary as it was asked to; its runs have told their own fates.

    With a `failure` it broke off as a whole.
    """

    failure: str | None = None


@dataclass(frozen=True)
class DeviceLost:
    """A run left the device unusable for this process, which ends now; another one can go on."""

    reason: str


@dataclass(frozen=True)
class StopAll:
    """Nothing can go on: the message is for the user, who must mend it (a full disk, missing weights)."""

    message: str


Message = Event | Ready | TaskEnded | DeviceLost | StopAll


def work(connection: Connection, environment: Mapping[str, str] | None, settings: WorkerSettings) -> None:
    """Process entry point: train tasks as they come until the launcher closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's: it ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent()
    adopt(environment)
    study = StudyFolder(settings.study)
    send_output_to(settings.log)
    fix_dispatch(settings.device, settings.mode, settings.numerics)  # before torch computes

    try:
        import rigorkd.train.cohort  # noqa: F401  what cannot be imported stops here, not in every task
        from rigorkd.train.latency import measure_latencies
        from rigorkd.train.runtime import start_runtime

        runtime = start_runtime(settings.device, settings.mode, settings.numerics)
        with contextlib.suppress(OSError):  # a full disk is for the records to report
            measure_latencies(settings.measured, study, runtime, patience=PATIENCE)
    except RigorkdError as error:
        connection.send(StopAll(str(error)))
        return
    except Exception as error:
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"
        connection.send(StopAll(f"a worker could not start ({why}); its log is {settings.log}"))
        return
    # Every task ends with a collection, which would go through all that the libraries made when imported.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # extension modules report what is still there at the end as leaks
    serve(connection, lambda task: _train(task, study, settings, runtime, connection))


def serve(connection: Connection, train: Callable[[Task], Message]) -> None:
    """Say that the worker is ready, then train tasks as they come, until the launcher closes the line."""
    connection.send(Ready())
    while True:
        try:
            task: Task | Stop = connection.recv()
        except EOFError:
            return
        if isinstance(task, Task):
            connection.send(train(task))


def _train(
    task: Task, study: StudyFolder, settings: WorkerSettings, runtime: Runtime, connection: Connection
) -> Message:
    """Train one task, cut to the memory budget; how it ended as a whole."""
    from rigorkd.train.cohort import train_cohort
    from rigorkd.train.device_memory import split_for
    from rigorkd.train.distributed import ProcessDiedError, train_in_processes

    budget = settings.memory_bytes
    if budget is None and settings.sharing > 1:
        budget = runtime.memory_bytes() // (2 * settings.sharing)
    reporter = _Reporter(task, connection, runtime)
    try:
        for part in split_for(task, budget, runtime):
            if part.processes > 1:
                devices = settings.devices[: part.processes]
                train_in_processes(part, study, devices, settings.mode, reporter)
            else:
                train_cohort(part, study, runtime, reporter)
    except Stopping:
        return TaskEnded()
    except _Lost as lost:
        traceback.print_exc()
        sys.stderr.flush()
        connection.send(DeviceLost(str(lost)))
        os._exit(1)
    except ProcessDiedError:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # to the launcher a dead process of a run is a dead worker
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
        return TaskEnded(f"{type(error).__name__}: {error}")
    finally:
        runtime.release()
    return TaskEnded()


class _Lost(BaseException):
    """Leaves the cohort loop because the device is lost to this process."""


class _Reporter:
    """Sends a cohort's events, and breaks the cohort off where that loses nothing or cannot be helped.

    When a stop was asked for, the cohort ends after an epoch: the runs that end with that epoch get their
    records first, the others their checkpoints.
    """

    def __init__(self, task: Task, connection: Connection, runtime: Runtime) -> None:
        self._task, self._connection, self._runtime = task, connection, runtime
        self._finishing = 0
        self._stop = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunFailed) and not _usable(self._runtime):
            raise _Lost(event.reason)
        self._connection.send(event)
        if isinstance(event, EpochDone):
            lengths = [want.run.cell.training.epochs for want in self._task.runs]
            self._finishing = lengths.count(event.epoch)
        elif isinstance(event, RunDone):
            self._finishing -= 1
        if not isinstance(event, RunFailed) and self._finishing <= 0 and self._asked_to_stop():
            raise Stopping

    def _asked_to_stop(self) -> bool:
        while self._connection.poll():
            self._stop |= isinstance(self._connection.recv(), Stop)
        return self._stop


def _usable(runtime: Runtime) -> bool:
    """Whether the device still computes: after some CUDA errors every later call in the process fails."""
    if runtime.device.type != "cuda":
        return True
    import torch

    try:
        torch.cuda.synchronize(runtime.device)
    except RuntimeError:
        return False
    return True
