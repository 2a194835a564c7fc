"""Local workers: one process per slot, fed from the queue until nothing is left.

A lease of every run is taken before it is handed out; what other launchers hold is watched instead, and taken
over if they die. A worker that dies is replaced and its task is queued again: its runs resume from their
checkpoints. If it dies again without a new epoch, its runs are trained one by one, so that the one at fault
fails alone.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType

from rigorkd.errors import StoreError
from rigorkd.launch.command_run import work_by_command
from rigorkd.launch.failures import AllAlike, Failure, forget_failure, is_out_of_memory, note_failure
from rigorkd.launch.leases import RemoteRuns, has_record
from rigorkd.launch.processes import start_process
from rigorkd.launch.progress import Progress, ProgressFile, SlotProgress
from rigorkd.launch.queue import TaskQueue
from rigorkd.launch.worker import (
    DeviceLost,
    Message,
    Ready,
    Stop,
    StopAll,
    TaskEnded,
    WorkerSettings,
    work,
)
from rigorkd.records.changes import cell_of, is_of_student
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DIVERGED, read_record
from rigorkd.train.events import EpochDone, Resumed, RunDone, RunFailed
from rigorkd.train.task import Task

DEATHS_TOGETHER, DEATHS_ALONE = 2, 3
"""Deaths of its worker, without a new epoch in between, after which a run is trained alone, or given up."""

STILLBORN = 5
"""Workers that may die one after the other before they have started."""

LOOK_EVERY = 1.0
"""Seconds between two looks at what other launchers hold; more where looking takes long."""


class StopRequest:
    """Ctrl-C: once ends every run at its next epoch boundary, twice ends now. So does a TERM signal.

    Listens for the signals for as long as it is entered; `asked` says that one came.

    The second raises KeyboardInterrupt wherever the main thread is. Only the main thread may listen; entered
    in another, nothing is ever asked.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup`, a shell's background job
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@dataclass
class Slot:
    """One worker process and the task that it is training; `log_start` is where the task's output begins."""

    settings: WorkerSettings
    process: BaseProcess
    connection: Connection
    task: Task | None = None
    precision: str | None = None
    log_start: int = 0
    ready: bool = False
    lost: str | None = None


class Pool:
    """Runs a queue of tasks on local worker processes.

    `started` is called with the slot and process number of every new worker. `alike` says when the runs that
    wait are not to be started any more; `unread` is a run for which they are not, whoever trained it.
    """

    def __init__(
        self,
        queue: TaskQueue,
        study: StudyFolder,
        settings: list[WorkerSettings],
        progress: Progress,
        file: ProgressFile,
        remote: RemoteRuns,
        started: Callable[[int, int], None] = lambda slot, pid: None,
        alike: AllAlike | None = None,
        unread: Callable[[], Failure | None] = lambda: None,
    ) -> None:
        self.queue, self.study, self.settings = queue, study, settings
        self.progress, self.file, self.remote = progress, file, remote
        self.started, self.alike, self.unread = started, alike or AllAlike(0), unread
        self._next_reading = 0.0
        self._deaths: dict[str, int] = {}
        self._furthest: dict[str, int] = {}
        self._alone: set[str] = set()
        self._slots: list[Slot] = []
        self._next_look = 0.0
        self._stillborn = 0

    @property
    def busy(self) -> bool:
        return any(slot.task for slot in self._slots)

    def run(
        self,
        stop: StopRequest,
        changed: Callable[[Message | None], None] = lambda message: None,
        stopping: Callable[[], None] = lambda: None,
    ) -> None:
        """Train everything in the queue; whoever calls this ends the workers, by `close`.

        `changed` is called after every message, `stopping` once when a stop was asked for and is waited for.
        One Ctrl-C ends it at the next epoch boundary, two at once: KeyboardInterrupt either way.
        """
        told = False
        while self.queue or self.busy or self.remote:
            if stop.asked:
                if not self.busy:
                    break
                if not told:
                    self._ask_to_stop()
                    stopping()
                    told = True
            else:
                self._look_at_remote()
                self._hand_out()
                if not self.busy and not self.remote:
                    break  # what is left waits for runs that will not come
            self._listen(changed)
        if stop.asked:
            raise KeyboardInterrupt

    def close(self) -> None:
        """End the workers, in the middle of their tasks if they have any."""
        if self.busy:
            self._mark_unswept()
        for slot in self._slots:
            slot.process.kill()
        for slot in self._slots:
            slot.process.join()
        self._slots = []

    def _ask_to_stop(self) -> None:
        # Nothing is lost with a worker that is still starting; left alone it would train what it was sent.
        starting = [slot for slot in self._slots if not slot.ready]
        if starting:
            self._mark_unswept()
        self._slots = [slot for slot in self._slots if slot.ready]
        for slot in starting:
            slot.process.kill()
            slot.process.join()
            slot.connection.close()
        for slot in self._slots:
            if slot.task:
                with contextlib.suppress(OSError):
                    slot.connection.send(Stop())

    def _hand_out(self) -> None:
        self._heed_unread()
        while self._has_room() and (task := self._next_task()):
            slot = self._idle_slot()
            if slot.precision not in (None, task.precision):
                slot.process.kill()  # idle; Accelerate allows one precision per process
                self._restart(slot)
            slot.task, slot.precision = task, task.precision
            slot.log_start = _size(slot.settings)
            self.progress.slots[slot.settings.slot] = SlotProgress(
                task.label, by_command=slot.settings.by_command, stage=_stage(slot)
            )
            self.progress.running += [want.run.name for want in task.runs]
            self.file.write(self.progress, force=True)
            try:
                slot.connection.send(task)
            except OSError:  # it died while it was idle
                self._replace(slot)

    def _heed_unread(self) -> None:
        """Start nothing where another launcher, or an earlier one, has found no number of the first run."""
        now = time.monotonic()
        if not (self.queue and self.alike.numbers and self._has_room() and now >= self._next_reading):
            return
        if (failure := self.unread()) is not None:
            self._hold_if_alike(failure.run, cell_of(failure.run), failure.reason, unread=True)
        self._next_reading = now + LOOK_EVERY

    def _has_room(self) -> bool:
        return len(self._slots) < len(self.settings) or any(slot.task is None for slot in self._slots)

    def _next_task(self) -> Task | None:
        """The next task of which something is ours to train. What others hold is watched from now on."""
        while task := self.queue.next(len(self.settings)):
            ours, done = self.remote.lease(task)
            for name in done:
                self._done_remotely(name)
            if ours:
                return ours
        return None

    def _idle_slot(self) -> Slot:
        """A worker without a task, or a new one."""
        for slot in self._slots:
            if slot.task is None:
                return slot
        slot = self._start(self.settings[len(self._slots)])
        self._slots.append(slot)
        return slot

    def _look_at_remote(self) -> None:
        """Learn what became of the runs that other launchers hold."""
        begun = time.monotonic()
        if not self.remote or begun < self._next_look:
            return
        news = self.remote.look()
        for name in news.done:
            self._done_remotely(name)
        for failure in news.failed:
            self._lose(failure.run, failure.reason)
            if not failure.behind:  # of a task of another launcher, whose runs share its log
                began = f"{failure.log} from {failure.log_start}"
                cell, reason = cell_of(failure.run), failure.reason
                self._hold_if_alike(began, cell, reason, unread=failure.unread)
        for task in news.free:
            self.queue.put_back(task, part=False)
        self.progress.remote = len(self.remote)
        now = time.monotonic()
        self._next_look = now + max(LOOK_EVERY, 10 * (now - begun))

    def _done_remotely(self, run: str) -> None:
        """A run has a record that was not told of by a worker of ours."""
        record = read_record(self.study, run)
        self._done(run, str(record.fields["status"]))

    def _done(self, run: str, status: str) -> None:
        self.alike.succeeded(student=is_of_student(run))
        self._leave(run)
        self.progress.finish(run)
        forget_failure(self.study, run)
        if status == DIVERGED:
            self._lose_behind(self.queue.fail_behind(run, "which diverged"))
        self.queue.done(run)

    def _start(self, settings: WorkerSettings) -> Slot:
        # What only calls commands imports no CUDA, whatever they do, so that it can be forked.
        target, where = (work_by_command, "cpu") if settings.by_command else (work, settings.device)
        process, ours = start_process(target, where, settings, name=f"rigorkd-{settings.slot}")
        assert process.pid is not None
        self.started(settings.slot, process.pid)
        return Slot(settings, process, ours)

    def _listen(self, changed: Callable[[Message | None], None]) -> None:
        by_connection = {slot.connection: slot for slot in self._slots}
        for ready in wait(list(by_connection), timeout=0.5):
            slot = by_connection[ready]  # type: ignore[index]
            try:
                message: Message = slot.connection.recv()
            except (EOFError, OSError):  # it died, perhaps in the middle of a message
                self._replace(slot)
                continue
            self._take(slot, message)
            changed(message)
        self.progress.tick()
        changed(None)
        self.file.write(self.progress)

    def _take(self, slot: Slot, message: Message) -> None:
        task = slot.task
        assert task is not None or isinstance(message, StopAll | Ready)
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
                self.progress.began(epoch.seconds, next(iter(epoch.rows), ""))
                for run in epoch.rows:
                    self.progress.reach(run, epoch.epoch, ours=True)
            case Resumed(run=run, epoch=behind):
                self.progress.reach(run, behind)
            case RunDone(run=run, status=status):
                self._done(run, status)
            case RunFailed(run=run, reason=reason, unread=unread):
                assert task is not None
                want = next(want for want in task.runs if want.run.name == run)
                if not self._try_alone(task, (want,), reason):
                    self._fail(want, reason, slot, unread=unread)
            case TaskEnded(failure=None):
                self._free(slot)
            case TaskEnded(failure=str(reason)):
                assert task is not None
                if self._try_alone(task, self._unfinished(task), reason):
                    self._free(slot)
                else:
                    self._give_up(slot, reason)
            case Ready():
                slot.ready = True
                if (at_work := self.progress.slots.get(slot.settings.slot)) is not None:
                    at_work.stage = _stage(slot)
            case DeviceLost(reason=reason):
                slot.lost = reason
            case StopAll(message=text):
                raise StoreError(text)

    def _restart(self, slot: Slot) -> None:
        """Put a new process into a slot whose old one has ended."""
        slot.process.join()
        slot.connection.close()
        fresh = self._start(slot.settings)
        slot.process, slot.connection, slot.precision = fresh.process, fresh.connection, None
        slot.ready = False

    def _replace(self, slot: Slot) -> None:
        """A worker died: start another in its place and queue its task again, or give the task up."""
        slot.process.join()
        self._mark_unswept()
        code, task, lost, ready = slot.process.exitcode, slot.task, slot.lost, slot.ready
        self._stillborn = 0 if ready else self._stillborn + 1
        if self._stillborn > STILLBORN:
            raise StoreError(
                f"{self._stillborn} workers died while they were starting, the last with exit code {code}",
                hint=f"its log is {slot.settings.log}; with fewer --jobs there is more memory for each",
            )
        self._restart(slot)
        slot.lost = None
        if task is None:
            return
        if not ready:  # that was no fault of its runs
            self._free(slot)
            for want in task.runs:
                self._leave(want.run.name)
            self.queue.put_back(task)
            return
        left = self._unfinished(task)
        for want in task.runs:
            name = want.run.name
            if want in left:
                self._leave(name)
                self._deaths[name] = self._deaths.get(name, 0) + 1
            elif name in self.progress.running:  # it died between the record and the word of it
                self._done_remotely(name)
        deaths = max((self._deaths[want.run.name] for want in left), default=0)
        if len(left) == 1 and deaths >= DEATHS_ALONE:
            last = f"exit code {code}" if lost is None else lost
            self._give_up(slot, f"its worker died {deaths} times, last with {last}")
            return
        self._free(slot)
        if deaths >= DEATHS_TOGETHER:
            for want in reversed(left):
                self.queue.put_back(replace(task, runs=(want,)))
        elif left:
            self.queue.put_back(replace(task, runs=left))

    def _try_alone(self, task: Task, wants: tuple[Expected, ...], reason: str) -> bool:
        """Queue runs that found no memory beside others once more, each alone; False if that was tried."""
        names = {want.run.name for want in wants}
        if not is_out_of_memory(reason) or len(task.runs) == 1 or names & self._alone:
            return False
        self._alone |= names
        for want in wants:
            self._leave(want.run.name)
            self.queue.put_back(replace(task, runs=(want,)))
        return True

    def _give_up(self, slot: Slot, reason: str) -> None:
        assert slot.task is not None
        for want in self._unfinished(slot.task):
            self._fail(want, f"{reason} (log: {slot.settings.log})", slot)
        self._free(slot)

    def _unfinished(self, task: Task) -> tuple[Expected, ...]:
        """The runs of a task in hand that have neither a record nor a failure, and are not queued again."""
        return tuple(
            want
            for want in task.runs
            if want.run.name not in self.queue.failed
            and not self.queue.has(want.run.name)
            and not has_record(self.study, want.run.name)
        )

    def _fail(self, want: Expected, reason: str, slot: Slot, *, unread: bool = False) -> None:
        run = want.run.name
        log = slot.settings.log.relative_to(self.study.path).as_posix()
        failure = Failure(run, want.run_hash, reason, log=log, log_start=slot.log_start, unread=unread)
        note_failure(self.study, failure)
        self._leave(run)
        self._lose(run, reason)
        task = slot.task.runs[0].run.name if slot.task else run
        unread = unread and self.unread() is not None  # that of another student may have been found meanwhile
        self._hold_if_alike(task, want.run.cell.name, reason, unread=unread)

    def _hold_if_alike(self, task: str, cell: str, reason: str, *, unread: bool = False) -> None:
        """Start nothing more once the first tasks, of all launchers, have failed for one reason."""
        self.alike.failed(task, cell, reason.partition(" (log: ")[0], unread=unread)
        if held := self.alike.reason(self.queue.cells()):
            for name in self.queue.hold(held):
                self.progress.fail(name)

    def _lose(self, run: str, reason: str) -> None:
        """A run has failed, and whatever needs it will never start."""
        self.progress.fail(run)
        self._lose_behind(self.queue.fail(run, reason))

    def _lose_behind(self, lost: Iterable[str]) -> None:
        """Note the runs that will never start, since one that they need failed or diverged."""
        for run in lost:
            self.progress.fail(run)
            reason = self.queue.failed[run]
            note_failure(self.study, Failure(run, self.queue.hash_of(run), reason, behind=True))

    def _mark_unswept(self) -> None:
        """Whoever is the last launcher here shall remove what a dead worker has left unfinished."""
        with contextlib.suppress(OSError):
            self.study.unswept.touch()

    def _free(self, slot: Slot) -> None:
        """The worker in a slot has no task any more."""
        slot.task = None
        self.progress.slots.pop(slot.settings.slot, None)

    def _leave(self, run: str) -> None:
        """Nobody here trains a run any more."""
        if run in self.progress.running:
            self.progress.running.remove(run)


def _stage(slot: Slot) -> str:
    """What a worker does before its first epoch ends."""
    if not slot.ready:
        return "libraries"
    compiles = slot.settings.mode == "fast" and slot.settings.device != "cpu"
    return "data, networks, first epoch" + (" (compiling)" if compiles else "")


def _size(settings: WorkerSettings) -> int:
    try:
        return settings.log.stat().st_size
    except OSError:
        return 0
