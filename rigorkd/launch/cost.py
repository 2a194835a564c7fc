"""What the runs of a study cost: images of every kind of work, and the time that measured machines take.

Nothing is guessed. First choice: rates that finished runs of any study, or `rigorkd plan --measure`, left in
the results folder. They know what a cohort shares. Else this study's own records, one run at a time. Else
nothing, with why.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from rigorkd.data.dataset import Dataset
from rigorkd.launch.run_states import RunStates
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import Protocol
from rigorkd.records.rates import Machine, RateBook, Work, evaluate, step, teach, view
from rigorkd.records.record import Record
from rigorkd.text import count


@dataclass(frozen=True)
class Images:
    """How many images a run trains on per epoch, validates on per epoch, and is tested on."""

    train: int
    val: int
    test: int


@dataclass(frozen=True)
class Cost:
    """Seconds of one worker's training that the missing runs would take; None where nothing was measured."""

    seconds: float | None
    gpu_hours: float | None
    disk_bytes: int | None
    basis: str


def cost(protocol: Protocol, states: RunStates, seeds: tuple[int, ...], book: RateBook, mode: str) -> Cost:
    """The cost of every run that is not done, in one mode."""
    left = states.missing()
    if not left:
        return Cost(0.0, 0.0, 0, "nothing is missing")
    disk = _disk_bytes(states, left)
    if all(run.cell.trainer is not None for run in left):
        return _from_own_runs(states, left, disk, "how long a command takes, its finished runs tell")
    amounts = work_left(protocol, left, seeds, mode)
    if amounts is None:
        return _from_own_runs(states, left, disk, "how many images there are is not known yet")
    machines = book.machines()
    for machine in machines:
        known = {work: rate for work in amounts if (rate := book.rate(machine, work))}
        if len(known) == len(amounts):
            seconds = sum(known[work].seconds * images for work, images in amounts.items())
            runs = [rate.n for rate in known.values()]
            return Cost(
                seconds=seconds,
                gpu_hours=None if machine.hardware.startswith("CPU") else seconds / 3600,
                disk_bytes=disk,
                basis=f"rates measured on {machine.hardware} with torch {machine.torch}, each the median of "
                + f"{_from_to(min(runs), max(runs))}; one worker, "
                + "cohorts as planned; without start-up, checkpoints and records",
            )
    return _from_own_runs(states, left, disk, _unknown(amounts, machines, book))


def work_left(
    protocol: Protocol, left: Iterable[Run], seeds: tuple[int, ...], mode: str
) -> dict[Work, int] | None:
    """Images of every kind of work that these runs need, by cohort; None if their number is not known.

    Early stopping and kept teacher logits, which only finished trainings could tell, are not counted on. Nor
    are single passes of a frozen teacher: over clean images, or over the test set where it is not trained.
    """
    amounts: defaultdict[Work, int] = defaultdict(int)
    wanted = {run.name: run for run in left}
    done: set[str] = set()
    groups = [
        (list(cohort.runs), cohort.teacher.cell if cohort.teacher else None)
        for cohort in cohorts(protocol.cells, seeds)
    ]
    by_name = {cell.name: cell for cell in protocol.cells}
    sizes = functools.cache(images_of)
    alone = [
        ([run], by_name[run.cell.teacher] if run.cell.teacher else None)
        for run in wanted.values()
        if run.cell.role != "student"
    ]
    for members, teacher in [*alone, *groups]:
        cells = [run.cell for run in members if run.name in wanted and run.name not in done]
        done |= {run.name for run in members}
        if not cells:
            continue
        images = sizes(cells[0].dataset)
        if images is None:
            return None
        for work, number in cohort_work(cells, teacher, images, mode):
            amounts[work] += number
    return dict(amounts)


def cohort_work(
    cells: Sequence[Cell], teacher: Cell | None, images: Images, mode: str
) -> Iterator[tuple[Work, int]]:
    """Every kind of work of cells that train in one cohort, with its number of images."""
    trained = [cell for cell in cells if cell.train]
    if trained:
        yield view(trained[0], mode), images.train * max(cell.training.epochs for cell in trained)
    taught = [cell for cell in trained if cell.method.distils]
    if teacher is not None and taught and taught[0].views.teacher == "same":
        work = teach(teacher, taught[0], mode)
        yield work, images.train * max(cell.training.epochs for cell in taught)
    for cell in trained:
        yield step(cell, mode), images.train * cell.training.epochs
        yield evaluate(cell, mode), images.val * cell.training.epochs + images.test


def training_images(runs: Iterable[Run]) -> int | None:
    """How many images these runs train on, every epoch counted; None where it is not known."""
    total = 0
    sizes = functools.cache(images_of)
    for run in runs:
        images = sizes(run.cell.dataset)
        if images is None:
            return None
        total += images.train * run.cell.training.epochs * run.cell.train
    return total


def images_of(dataset: Dataset) -> Images | None:
    """The sizes of the parts, as the split gives them; None for a user's own images that are not there.

    Whole groups make what they make: under `split.seed: per_seed` that of one seed stands for all.
    """
    known, split = dataset.looked_at(), dataset.split
    if known is None:
        return None
    if (divided := dataset.divided()) is not None:
        return Images(divided.train.images, divided.val.images, divided.test.images)
    each = known.classes if split.per_class else 1
    val, given = each * split.val, each * (split.test or 0)
    held_out = given if known.test_images is None else 0
    test = given if split.test is not None or known.test_images is None else known.test_images
    return Images(each * split.train if split.train else known.images - val - held_out, val, test)


def _from_to(low: int, high: int) -> str:
    return count(low, "measurement") if low == high else f"{low} to {count(high, 'measurement')}"


def _unknown(amounts: Mapping[Work, int], machines: tuple[Machine, ...], book: RateBook) -> str:
    """Which rate is missing, on the machine that lacks the fewest."""
    lacking = [[work for work in amounts if book.rate(machine, work) is None] for machine in machines]
    if not lacking:
        return "no rates of any machine here"
    index = min(range(len(lacking)), key=lambda i: len(lacking[i]))
    first, *others = lacking[index]
    more = f" and {len(others)} more" if others else ""
    return f"no rate of {first.says()}{more} on {machines[index].hardware}"


def _from_own_runs(states: RunStates, left: list[Run], disk: int | None, why: str) -> Cost:
    """Extrapolate from the seconds per epoch of this study's finished runs, by student and method."""
    rates: defaultdict[tuple[str, bool], list[float]] = defaultdict(list)
    devices = set()
    for name, record in states.records.items():
        seconds, epochs = record.metrics.get("train_seconds"), record.fields.get("epochs_run")
        if states.expected[name].run.cell.trainer is not None:
            epochs = 1  # one piece of work
        if seconds and epochs:
            rates[_kind(states.expected[name].run)].append(seconds / epochs)
        devices.add(str(record.fields.get("hardware")))
    if not {_kind(run) for run in left} <= rates.keys():
        hint = "; finished runs leave rates behind, and `rigorkd plan --measure` measures them"
        hint = "" if any(run.cell.trainer is not None for run in left) else hint
        return Cost(None, None, disk, f"unknown: {why}{hint}")
    seconds = sum(fmean(rates[_kind(run)]) * run.cell.training.epochs for run in left)
    runs = count(len(states.records), "finished run")
    by_command = all(run.cell.trainer is not None for run in left)
    faster = (
        "more workers make it faster" if by_command else "sharing batches and more workers make it faster"
    )
    on_gpu = not any(device.startswith("CPU") for device in devices)
    return Cost(
        seconds=seconds,
        gpu_hours=seconds / 3600 if on_gpu else None,
        disk_bytes=disk,
        basis=f"{runs} of this study on {', '.join(sorted(devices))}; one run at a time: {faster}",
    )


def _disk_bytes(states: RunStates, left: list[Run]) -> int | None:
    """The size of the missing records, from this study's own; None if a kind of run has none yet."""
    sizes: defaultdict[tuple[str, bool], list[int]] = defaultdict(list)
    for name, record in states.records.items():
        sizes[_kind(states.expected[name].run)].append(_folder_bytes(record))
    if not {_kind(run) for run in left} <= sizes.keys():
        return None
    return round(sum(fmean(sizes[_kind(run)]) for run in left))


def _kind(run: Run) -> tuple[str, bool]:
    return run.cell.student or run.cell.name, run.cell.method.distils


def _folder_bytes(record: Record) -> int:
    return sum(path.stat().st_size for path in record.folder.iterdir() if path.is_file())
