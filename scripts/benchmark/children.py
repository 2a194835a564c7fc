"""Worker processes that open a cohort and train epochs of it when they are asked to.

They stand for the workers of `--slots`, and compile several architectures at once. Each is started once;
a word through its pipe is one piece of work, its answer the seconds that the work took.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

from cohorts import OpenCohort, open_case
from compiled import with_graphs
from settings import Case, Planned, Settings, settings_for

from rigorkd.train.runtime import start_runtime

EPOCH, GRAPHS = "epoch", "graphs"


@dataclass(frozen=True)
class Job:
    """What a worker opens: `students` of a case, `steps` an epoch."""

    case: Case
    device: str
    mode: str
    precision: str
    students: int
    steps: int


class Worker:
    """A process with its pipe."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(job, other))
        # An interrupt is for the parent, which then ends its workers; they inherit that it is held back. One
        # that comes meanwhile reaches the parent afterwards. (The tracker's own start would let it through.)
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other.close()

    def tell(self, word: str) -> None:
        """Ask for a piece of work."""
        self.pipe.send(word)

    def answer(self) -> float:
        """Seconds of the work; waits for its end."""
        try:
            found = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"a worker process ended with exit code {self.process.exitcode}") from None
        if isinstance(found, str):
            raise RuntimeError(f"a worker process failed: {found}")
        return float(found)


@contextmanager
def workers(jobs: Sequence[Job]) -> Iterator[list[Worker]]:
    """Processes for these jobs, all starting at once; ended at the end whatever happens."""
    started: list[Worker] = []
    try:
        for job in jobs:
            started.append(Worker(job))
        yield started
    finally:
        for worker in started:
            worker.pipe.close()  # an idle one ends by itself, and cleans up
        for worker in started:
            worker.process.join(2)
            worker.process.terminate()
            worker.process.join(2)
            worker.process.kill()
            worker.process.join(2)


def job_of(case: Case, settings: Settings, students: int) -> Job:
    """A job under the settings of a table."""
    runtime = settings.runtime
    return Job(case, str(runtime.device), runtime.mode, settings.precision, students, settings.steps)


def serve(job: Job, pipe: Connection) -> None:
    """The worker itself: the seconds of its first epoch, then an answer to every word."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has opened is closed
    try:
        runtime = start_runtime(job.device, job.mode)
        settings = settings_for(Planned(""), runtime, precision=job.precision, quick=False)
        with open_case(job.case, job.students, replace(settings, steps=job.steps)) as opened:
            pipe.send(_epoch(opened))
            while True:
                if pipe.recv() == GRAPHS:
                    for student in opened.students:
                        student.step_model = with_graphs(student.model)
                    pipe.send(_epoch(opened) + _epoch(opened))  # to warm up, and to capture
                else:
                    pipe.send(_epoch(opened))
    except EOFError:  # nobody asks any more
        return
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def _epoch(opened: OpenCohort) -> float:
    begun = time.perf_counter()
    opened.epoch()
    opened.parts()
    return time.perf_counter() - begun
