"""The backend that trains here: one worker process per device slot, ended with the launcher.

A slot is a GPU, or a share of one, or a CPU core with one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext

from rigorkd.cores import usable_cores
from rigorkd.errors import InputError
from rigorkd.launch.backends.interface import Backend, Submitted, Work
from rigorkd.launch.devices import Workers, device_slots, gpu_name, grouped
from rigorkd.launch.display import Display
from rigorkd.launch.failures import AllAlike
from rigorkd.launch.leases import RemoteRuns, has_record
from rigorkd.launch.pool import Pool, StopRequest
from rigorkd.launch.processes import begin_server
from rigorkd.launch.progress import Progress, ProgressFile
from rigorkd.launch.run_states import RunStates, State
from rigorkd.launch.session import LaunchOptions, Session
from rigorkd.launch.worker import Message, WorkerSettings
from rigorkd.protocol.cells import Run
from rigorkd.protocol.load import protocol_error
from rigorkd.records.changes import is_of_student
from rigorkd.records.record import read_record
from rigorkd.records.study import note_summary, read_info
from rigorkd.text import count
from rigorkd.train.events import RunDone
from rigorkd.train.task import one_of_each


class Local(Backend):
    """Trains on this machine's devices."""

    detached = False

    def __init__(self, text: str | None = None) -> None:
        if text is not None:
            raise InputError(
                f"--backend local:{text}: local takes no options", hint="see --device and --jobs"
            )

    def check(self, session: Session, states: RunStates) -> None:
        missing = states.missing()
        workers = _workers(session.options, missing)
        if _by_command(missing):
            begin_server("cpu", by_command=True)
            super().check(session, states)
            return
        begin_server(workers[0][0], {run.cell.model.name for run in missing})
        super().check(session, states)
        if len(workers[0]) > 1 and workers[0][0] == "cpu":
            from rigorkd.train.preflight import batchnorm_problems

            protocol = session.protocol
            if problems := batchnorm_problems(protocol, [run.cell for run in missing]):
                raise protocol_error(problems, protocol.path, protocol.tree)
        if session.options.foresee:
            from rigorkd.launch.forecast import foresee

            foresee(session, states, len(workers))

    def submit(self, work: Work) -> Submitted:
        return Training(work, _workers(work.session.options, work.states.missing()))


class Training(Submitted):
    """A queue of tasks and the workers that train them while somebody waits."""

    def __init__(self, work: Work, workers: Workers) -> None:
        super().__init__(work, work.todo)
        session, expected = work.session, work.states.expected
        study, me = session.study, work.leases.me
        self._queue = work.queue()
        hopeful = work.todo - self._queue.failed.keys()  # what needs a run that failed before never starts
        cells = {run: expected[run].run.cell for run in hopeful}
        self._progress = Progress.of(
            {run: 1 if cell.trainer else cell.training.epochs for run, cell in cells.items()},
            {run: cell.role for run, cell in cells.items()},
        )
        for attempt in study.latency_attempts():  # what failed in an earlier launch may go well now
            attempt.unlink(missing_ok=True)
        by_command = _by_command(work.states.missing())
        # Smoke runs wait for nobody: what they measure, their tasks measure beside whatever else goes on.
        waits = not (by_command or session.protocol.smoke)
        measured = one_of_each(expected[name] for name in sorted(work.todo)) if waits else ()
        settings = [
            WorkerSettings(
                study=study.path,
                slot=slot,
                device=devices[0],
                mode=session.options.mode,
                memory_bytes=session.options.memory_bytes,
                sharing=sum(devices[0] in other for other in workers) if devices[0] != "cpu" else 1,
                log=study.worker_log(f"{me.holder.id}-{slot}"),
                devices=tuple(map(_visible, devices)) if by_command else devices,
                measured=measured,
                numerics=read_info(study.path).numerics,
                by_command=by_command,
                threads=session.options.threads or max(1, usable_cores() // len(workers)),
                workers=len(workers),
            )
            for slot, devices in enumerate(workers)
        ]
        remote, file = RemoteRuns(study, work.leases), ProgressFile(me.folder)
        done = work.states.count(State.DONE)
        options = session.options
        watched = not (done or options.keep_going or options.only_runs is not None)
        read = any(map(is_of_student, work.states.in_state(State.DONE)))
        numbers = by_command and not (options.keep_going or read)
        alike = AllAlike(max(2, len(workers)) if watched else 0, numbers)
        self._pool = Pool(
            *(self._queue, study, settings, self._progress, file, remote, me.note_worker, alike),
            session.unread,
        )
        left = len(work.states.missing()) - len(hopeful)
        session.say(
            f"{study.path.name}: {count(len(hopeful), 'run')} to train on "
            + _describe(workers, by_command=by_command)
            + (f", {done} already done" if done else "")
            + (f", {left} left out that failed before, or need one that did or diverged" if left else "")
        )

    def alive(self) -> AbstractSet[str]:
        study = self.work.session.study
        return {run for run in self.runs - self._queue.failed.keys() if not has_record(study, run)}

    def cancel(self) -> None:
        self._pool.close()

    def wait(self) -> dict[str, str]:
        session = self.work.session
        by_command = any(cell.trainer is not None for cell in session.protocol.cells)
        verbose = session.options.verbose
        with (
            self._tracking() as track,
            Display(session.console, self._progress, verbose=verbose, commands=by_command) as show,
        ):

            def changed(message: Message | None) -> None:
                if isinstance(message, RunDone):
                    session.intact.committed(read_record(session.study, message.run))
                track(message)
                show(message)

            with StopRequest() as stop:
                try:
                    self._pool.run(stop, changed, show.stopping)
                finally:
                    self.cancel()
                    note_summary(session.study.path, session.protocol, "test_top1", show.seen)
        return self._queue.failed

    def _tracking(self) -> AbstractContextManager[Callable[[Message | None], None]]:
        """What follows the launch for the tracker that was asked for, or nothing."""
        session = self.work.session
        options = session.options
        if options.tracker is None:
            return nullcontext(lambda message: None)
        from rigorkd.track.live import LiveTracking

        return LiveTracking(
            options.tracker,
            session.study,
            self.work.states.expected,
            mode=options.mode,
            smoke=session.protocol.smoke,
            say=session.say,
        )


def _by_command(missing: Sequence[Run]) -> bool:
    """Whether commands train these runs: then all of a study's."""
    return any(run.cell.trainer is not None for run in missing)


def _workers(options: LaunchOptions, missing: Sequence[Run]) -> Workers:
    """The workers that train these runs. InputError if this machine's devices cannot."""
    by_command = _by_command(missing)
    devices = device_slots(options.device, options.jobs, options.slots, by_command=by_command)
    half = sorted(run.name for run in missing if run.cell.training.precision == "fp16")
    if half and devices[0] == "cpu":
        raise InputError(
            f"{half[0]}: precision fp16 cannot be trained on a CPU",
            hint="run on a GPU, set precision: bf16 or fp32 in the protocol, or try it with --smoke",
        )
    return grouped(devices, max((run.cell.training.processes_per_run for run in missing), default=1))


def _visible(device: str) -> str:
    """A device as a command is given it: `cuda:` and what CUDA_VISIBLE_DEVICES is to say."""
    return device if device == "cpu" else f"cuda:{gpu_name(int(device.partition(':')[2] or 0))}"


def _describe(workers: Workers, *, by_command: bool) -> str:
    said = count(len(workers), "worker")
    if by_command and workers[0][0] == "cpu":
        return f"{said} (CPU)"
    if len(workers[0]) > 1:
        said += f" of {len(workers[0])} processes"
    on_cpu = workers[0][0] == "cpu"
    return said + (" (CPU, one thread each)" if on_cpu else f" on {', '.join(map('+'.join, workers))}")
