"""Local workers: one process per slot, fed from the queue until nothing is left.

A worker that dies is replaced and its task is queued again (its runs resume from their checkpoints). If it
dies again without a new epoch, its runs are trained one by one, so that the one at fault fails alone.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from rigorkd.errors import StoreError
from rigorkd.launch.progress import Progress, ProgressFile, SlotProgress
from rigorkd.launch.queue import TaskQueue
from rigorkd.launch.worker import Message, StopAll, TaskDone, TaskFailed, WorkerSettings, work
from rigorkd.records.atomic import write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.train.events import EpochDone, RunDone, RunFailed
from rigorkd.train.task import Task

DEATHS_TOGETHER, DEATHS_ALONE = 2, 3
"""Deaths of its worker, without a new epoch in between, after which a run is trained alone, or given up."""


@dataclass
class Slot:
    """One worker process and the task that it is training."""

    settings: WorkerSettings
    process: SpawnProcess
    connection: Connection
    task: Task | None = None
    precision: str | None = None


class Pool:
    """Runs a queue of tasks on local worker processes; `changed` is called after every message."""

    def __init__(
        self,
        queue: TaskQueue,
        study: StudyFolder,
        settings: list[WorkerSettings],
        progress: Progress,
        changed: Callable[[Message | None], None],
    ) -> None:
        self.queue, self.study, self.settings = queue, study, settings
        self.progress, self.changed = progress, changed
        self.file = ProgressFile(study)
        self._deaths: dict[str, int] = {}
        self._furthest: dict[str, int] = {}
        self._slots: list[Slot] = []

    def run(self) -> None:
        """Train everything in the queue. Workers are ended on every way out of here."""
        try:
            while self.queue or any(slot.task for slot in self._slots):
                self._hand_out()
                if not any(slot.task for slot in self._slots):
                    break  # what is left waits for runs that will not come
                self._listen()
        finally:
            for slot in self._slots:
                slot.process.kill()
            for slot in self._slots:
                slot.process.join()
            self.file.remove()

    def _hand_out(self) -> None:
        while slot := self._idle_slot():
            task = self.queue.next(len(self.settings))
            if task is None:
                return
            if slot.precision not in (None, task.precision):
                slot.process.kill()  # idle; Accelerate allows one precision per process
                self._restart(slot)
            slot.task, slot.precision = task, task.precision
            self.progress.slots[slot.settings.slot] = SlotProgress(task.label)
            self.progress.running += [want.run.name for want in task.runs]
            self.file.write(self.progress, force=True)
            try:
                slot.connection.send(task)
            except OSError:  # it died while it was idle
                self._replace(slot)

    def _idle_slot(self) -> Slot | None:
        """A worker without a task, or a new one if there is room; a new one starts only if work is ready."""
        for slot in self._slots:
            if slot.task is None:
                return slot
        if len(self._slots) < len(self.settings) and self.queue.ready:
            slot = self._start(self.settings[len(self._slots)])
            self._slots.append(slot)
            return slot
        return None

    def _start(self, settings: WorkerSettings) -> Slot:
        context = mp.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, settings), name=f"rigorkd-{settings.slot}")
        process.start()
        theirs.close()
        return Slot(settings, process, ours)

    def _listen(self) -> None:
        by_connection = {slot.connection: slot for slot in self._slots}
        for ready in wait(list(by_connection), timeout=0.5):
            slot = by_connection[ready]  # type: ignore[index]
            try:
                message: Message = slot.connection.recv()
            except (EOFError, OSError):  # it died, perhaps in the middle of a message
                self._replace(slot)
                continue
            self._take(slot, message)
            self.changed(message)
        self.changed(None)
        self.file.write(self.progress)

    def _take(self, slot: Slot, message: Message) -> None:
        task = slot.task
        assert task is not None or isinstance(message, StopAll)
        match message:
            case EpochDone() as epoch:
                assert task is not None
                for want in task.runs:
                    if epoch.epoch > self._furthest.get(want.run.name, 0):
                        self._furthest[want.run.name] = epoch.epoch
                        self._deaths.pop(want.run.name, None)
                shown = self.progress.slots[slot.settings.slot]
                shown.epoch, shown.epochs = epoch.epoch, epoch.epochs
                shown.images_per_second = epoch.students * epoch.images / max(epoch.seconds, 1e-9)
                self.progress.advance(epoch.students)
            case RunDone(run=run, status=status):
                self._leave(run)
                self.progress.done += 1
                self.study.failure(run).unlink(missing_ok=True)
                if status == "diverged":
                    for lost in self.queue.fail_behind(run, "which diverged"):
                        self._note_failure(lost, self.queue.failed[lost])
                self.queue.done(run)
            case RunFailed(run=run, reason=reason):
                self._fail(run, reason)
            case TaskDone():
                slot.task = None
                self.progress.slots.pop(slot.settings.slot, None)
            case TaskFailed(reason=reason):
                self._give_up(slot, reason)
            case StopAll(message=text):
                raise StoreError(text)

    def _restart(self, slot: Slot) -> None:
        """Put a new process into a slot whose old one has ended."""
        slot.process.join()
        slot.connection.close()
        fresh = self._start(slot.settings)
        slot.process, slot.connection, slot.precision = fresh.process, fresh.connection, None

    def _replace(self, slot: Slot) -> None:
        """A worker died: start another in its place and queue its task again, or give the task up."""
        slot.process.join()
        code = slot.process.exitcode
        task = slot.task
        self._restart(slot)
        if task is None:
            return
        left = []
        for want in task.runs:
            name = want.run.name
            self._leave(name)
            if name not in self.queue.failed and not (self.study.run(name) / "record.json").is_file():
                self._deaths[name] = self._deaths.get(name, 0) + 1
                left.append(want)
        deaths = max((self._deaths[want.run.name] for want in left), default=0)
        if len(left) == 1 and deaths >= DEATHS_ALONE:
            self._give_up(slot, f"its worker died {deaths} times, last with exit code {code}")
            return
        slot.task = None
        if deaths >= DEATHS_TOGETHER:
            for want in reversed(left):
                self.queue.put_back(replace(task, runs=(want,)))
        elif left:
            self.queue.put_back(replace(task, runs=tuple(left)))

    def _give_up(self, slot: Slot, reason: str) -> None:
        assert slot.task is not None
        log = self.study.worker_log(slot.settings.slot)
        for want in slot.task.runs:
            name = want.run.name
            if not (self.study.run(name) / "record.json").is_file() and name not in self.queue.failed:
                self._fail(name, f"{reason} (log: {log})")
        slot.task = None
        self.progress.slots.pop(slot.settings.slot, None)

    def _fail(self, run: str, reason: str) -> None:
        for lost in self.queue.fail(run, reason):
            self._note_failure(lost, self.queue.failed[lost])

    def _note_failure(self, run: str, reason: str) -> None:
        self._leave(run)
        self.progress.failed += 1
        note = {"run": run, "reason": reason, "time": time.time()}
        write_atomically(self.study.failure(run), json.dumps(note).encode())

    def _leave(self, run: str) -> None:
        if run in self.progress.running:
            self.progress.running.remove(run)
