"""`rigorkd plan --measure`: a few steps of every kind that the missing runs need, timed in the engine itself.

Each distinct training is shrunk to a few batches of synthetic images of the data's shape, at its own view,
batch size and precision, and trained by the loop that `rigorkd run` uses; what it leaves behind is kept.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rigorkd.data.dataset import Split
from rigorkd.data.synthetic import Synthetic
from rigorkd.errors import InputError
from rigorkd.launch.cost import Images, cohort_work, work_left
from rigorkd.launch.devices import device_slots
from rigorkd.launch.run_states import RunStates
from rigorkd.methods.own import Own
from rigorkd.models.model import Model
from rigorkd.models.own_code import has_source, read_source
from rigorkd.protocol.cells import Cell, Cohort, Run
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.hashes import NEWEST, numbers_of
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.schema import Schedule
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook, Work
from rigorkd.records.record import WEIGHTS
from rigorkd.train.task import Task

EPOCHS = 3
"""The first warms up and is not counted."""


@dataclass(frozen=True)
class Amount:
    """Batches per epoch, and validation images."""

    steps: int
    val: int


@dataclass(frozen=True)
class Footprint:
    """What training took beside time: the most memory of a process, and a file of weights by model; bytes."""

    memory: int
    weights: dict[Model, int]


ON_CPU, ON_GPU = Amount(steps=2, val=32), Amount(steps=20, val=500)


def measure(
    protocol: Protocol,
    states: RunStates,
    seeds: tuple[int, ...],
    book: RateBook,
    mode: str,
    note: Callable[[str], None],
    device: str = "auto",
) -> Footprint:
    """Measure the rates of everything that is missing, on the device that `run` would choose, into `book`."""
    device = device_slots(device, 1)[0]
    runs = states.missing()
    needed = work_left(protocol, runs, seeds, mode) or {}
    amount = ON_CPU if device == "cpu" else ON_GPU
    tasks = list(_tasks(protocol, runs, seeds, set(needed), amount, mode))
    if device == "cpu" and any(task.precision == "fp16" for task in tasks):
        raise InputError(
            "--measure: this protocol trains in fp16, which a CPU cannot",
            hint="measure on a machine with a GPU, or set precision to fp32 or bf16",
        )
    with tempfile.TemporaryDirectory(prefix="rigorkd-measure-") as name, ExitStack() as stack:
        study = Path(name) / "study"
        memory, weights = 0, dict[Model, int]()
        workers: dict[str, ProcessPoolExecutor] = {}  # Accelerate allows one precision per process
        for number, task in enumerate(tasks, start=1):
            if task.precision not in workers:
                pool = ProcessPoolExecutor(1, mp_context=mp.get_context("spawn"), initializer=_quietly)
                workers[task.precision] = stack.enter_context(pool)
            note(f"measuring {number} of {len(tasks)}: {task.label}")
            try:
                used = workers[task.precision].submit(_train, task, study, device, mode).result()
            except BrokenProcessPool:
                raise InputError(
                    f"--measure: the process that trained {task.label} died, perhaps for memory",
                    hint="measure on a machine with more memory; `rigorkd run` can split what it trains",
                ) from None
            memory = max(memory, used)
            for want in task.runs:
                path = StudyFolder(study).run(want.run.name) / WEIGHTS
                weights[want.run.cell.model] = path.stat().st_size if path.exists() else 0
            book.take_over(RateBook.of(study.parent))  # after each: what comes next may be broken off
    return Footprint(memory, weights)


def _tasks(
    protocol: Protocol, runs: list[Run], seeds: tuple[int, ...], needed: set[Work], amount: Amount, mode: str
) -> Iterator[Task]:
    """Teachers before their cohorts, and of each kind of work at least one run that does it."""
    names = {run.name for run in runs}
    placed: dict[str, Expected] = {}

    def chosen(candidates: Iterable[Run], teacher: Cell | None) -> list[Run]:
        """The first runs that do each kind of work that is still needed."""
        found = []
        for run in candidates:
            does = {work for work, _ in cohort_work([run.cell], teacher, Images(1, 1, 1), mode)}
            if does & needed:
                needed.difference_update(does)
                found.append(run)
        return found

    def task(members: Iterable[Run], teacher: Expected | None = None, *, train: bool = True) -> Task:
        shrunk = [Run(_shrunk(run.cell, amount, train=train and run.cell.train), run.seed) for run in members]
        return Task(tuple(_expected(run, protocol.path.parent) for run in shrunk), teacher)

    def teaching(teacher: Run) -> Iterator[Task]:
        """What must be there before a teacher can teach: itself, untrained, and those it is the mean of."""
        if teacher.name in placed:
            return
        for member in teacher.cell.members:
            yield from teaching(run_of(member.cell, teacher.seed))
        made = task([teacher], train=False)
        members = tuple(placed[run_of(each.cell, teacher.seed).name] for each in teacher.cell.members)
        made = replace(made, runs=(replace(made.runs[0], members=members),))
        placed[teacher.name] = made.runs[0]
        yield made

    def run_of(name: str, seed: int | None) -> Run:
        cell = protocol.cell(name)
        return Run(cell, seed if cell.per_seed else None)

    for run in runs:
        cell = run.cell
        teacher = run_of(cell.teacher, run.seed) if cell.method.distils and cell.teacher else None
        if cell.role != "student" and chosen([run], None if teacher is None else teacher.cell):
            if teacher is not None:
                yield from teaching(teacher)
            alone = task([run], None if teacher is None else placed[teacher.name])
            placed[run.name] = alone.runs[0]
            yield alone
    for cohort in _one_seed_each(protocol, seeds, names):
        teacher = cohort.teacher
        members = chosen(
            [run for run in cohort.runs if run.name in names], None if teacher is None else teacher.cell
        )
        if members and teacher is not None:
            yield from teaching(teacher)
        if members:
            yield task(members, None if teacher is None else placed[teacher.name])


def _one_seed_each(protocol: Protocol, seeds: tuple[int, ...], names: set[str]) -> list[Cohort]:
    """The cohorts with a missing run; cohorts that differ in the seed alone only once."""
    found: dict[tuple[str, ...], Cohort] = {}
    for cohort in cohorts(protocol.cells, seeds):
        if any(run.name in names for run in cohort.runs):
            found.setdefault(tuple(run.cell.name for run in cohort.runs), cohort)
    return list(found.values())


def _shrunk(cell: Cell, amount: Amount, *, train: bool = True) -> Cell:
    """The cell on a few batches of synthetic images of its data's shape, from random weights."""
    known, training = cell.dataset.looked_at(), cell.training
    data = Synthetic(
        name="synthetic",
        size=cell.dataset.side,
        channels=3 if known is None or known.channels == 3 else 1,
        classes=known.classes if known else 100,
        images=amount.steps * training.batch_size + amount.val,
        test_images=8,
        split=Split(train=amount.steps * training.batch_size, val=amount.val),
    )
    short = {"epochs": EPOCHS, "schedule": Schedule(), "early_stopping": None, "processes_per_run": 1}
    return replace(
        cell,
        start="random",
        start_cell=None,
        dataset=data,
        train=train,
        training=training.model_copy(update=short),
    )


def _expected(run: Run, folder: Path) -> Expected:
    """The run in a study of its own, where nothing is ever reused: its hash is a name.

    A user's own model and term are looked up from `folder`, the protocol's.
    """
    name, method = run.cell.model.name, run.cell.method
    return Expected(
        run,
        f"measured {run.name}",
        run.cell.dataset.checksum(),
        None,
        None,
        model_source=read_source(name, folder) if has_source(name) else None,
        method_source=read_source(method.term, folder) if isinstance(method, Own) else None,
        numerics=numbers_of(run.cell, NEWEST),
    )


def _quietly() -> None:
    """Standard output is the plan's."""
    os.dup2(2, 1)


def _train(task: Task, study: Path, device: str, mode: str) -> int:
    """Train one task in the worker process; the most memory that it has had."""
    import torch

    from rigorkd.train.cohort import train_cohort
    from rigorkd.train.events import Event, RunFailed
    from rigorkd.train.runtime import start_runtime

    def raise_failure(event: Event) -> None:
        if isinstance(event, RunFailed):
            raise InputError(f"--measure: {event.run} cannot be trained: {event.reason}")

    train_cohort(task, StudyFolder(study), start_runtime(device, mode), raise_failure)
    if device != "cpu":
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
