"""One seed of the paper's grid, whole, through the engine and through the loops that people write today.

Every variant trains the teacher and the ten students of protocols/paper.yaml, validates after each epoch and
tests the best weights. The engine also writes its checkpoints, records and latencies, as in any study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from clock import interleave, quartiles, ratios, seconds_of
from cohorts import EngineCosts, expected, raise_failure
from feeds import device_feeds, loader_feeds, pil_sets
from paper_grid import Grid, scaled_grid
from peer_loops import AccelerateLoop, PlainLoop, train_grid
from peer_torchdistill import TorchdistillLoop, why_missing
from settings import Settings
from table import Table

from rigorkd.protocol.cells import Cell
from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.task import Task

ENGINE = "rigorkd, one cohort"
NAMES = {
    "plain": "plain PyTorch, DataLoader with PIL, 0 workers",
    "accelerate": "Accelerate, DataLoader with PIL, 0 workers",
    "torchdistill": "torchdistill, DataLoader with PIL, 0 workers",
    "well-fed": "well-fed PyTorch: the engine's pipeline, no sharing",
}


def peers(settings: Settings) -> Iterator[Table]:
    """Seconds of the scaled grid by variant, and how many times longer than the engine each one takes."""
    grid = scaled_grid(settings)
    device = settings.runtime.device
    loops = _loops(settings, grid)
    missing = why_missing() if "torchdistill" in settings.loops else None
    costs: list[EngineCosts] = []
    trained: dict[str, list[float]] = {name: [] for name in (ENGINE, *loops)}

    def engine(grid: Grid = grid) -> float:
        with EngineCosts(device) as spent:
            seconds = seconds_of(lambda: _engine(grid, settings), device)
        costs.append(spent)
        trained[ENGINE].append(spent.epochs)
        return seconds

    def loop(name: str, grid: Grid = grid) -> float:
        seconds = seconds_of(lambda: train_grid(grid, loops[name].train), device)
        trained[name].append(loops[name].trained_seconds())
        return seconds

    variants: dict[str, Callable[[], float]] = {ENGINE: engine}
    for name in loops:
        if missing is None or name != NAMES["torchdistill"]:
            variants[name] = lambda name=name: loop(name)
    # Kernels are chosen, and compiled, outside the clock: every architecture once, for everyone.
    short = _once_each(grid)
    for name in variants:
        settings.note(f"warming up {name}")
        _ = engine(short) if name == ENGINE else loop(name, short)
    costs.clear()
    for seconds_ in trained.values():
        seconds_.clear()
    seconds = interleave(variants, settings.rounds, settings.note)
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    for name in (ENGINE, *loops):
        if name not in seconds:
            rows.append((name, "", f"skipped: {missing}", "", "", ""))
            values.append({"variant": name, "seconds": None, "ratio": None, "skipped": missing})
            continue
        whole, training = (ratios(of[name], of[ENGINE]) for of in (seconds, trained))
        took = quartiles(seconds[name]).median
        epochs = quartiles(trained[name]).median
        rows.append((name, f"{took:.1f}", whole.text(2), f"{epochs:.2f}", training.text(2), str(whole.n)))
        values.append(
            {
                "variant": name,
                "seconds": took,
                "ratio": whole.median,
                "q25": whole.q25,
                "q75": whole.q75,
                "training_seconds": epochs,
                "training_ratio": training.median,
                "rounds": whole.n,
            }
        )
    main, short_epochs = settings.epochs
    checkpoints, latencies = (
        quartiles([getattr(spent, name) for spent in costs]).median for name in ("checkpoints", "latencies")
    )
    notes = [
        f"scaling: {settings.train_images} training, {settings.val_images} validation and "
        f"{settings.test_images} test images of CIFAR-100's shape (45,000, 5,000 and 10,000 there), epochs "
        f"{main} and {short_epochs} (40 and 30), batch {settings.paper_batch} (128), views of "
        f"{settings.paper_size}² (128)",
        f"every variant: the teacher, then {len(grid.students)} students, validation after every epoch, "
        "test at the end",
        "training: epochs with their validation, which grow with images; not the building of models, test "
        f"and records, nor the engine's checkpoints ({checkpoints:.1f} s) and latencies ({latencies:.1f} s), "
        "which a scaled-down grid exaggerates",
    ]
    if "torchdistill" in settings.loops:
        notes.append(
            "torchdistill has no mixed precision without its accelerator: it runs in fp32 whatever others do"
        )
    columns = ("variant", "seconds", "times the engine (quartiles)", "training s", "times the engine's", "n")
    title = "one seed of the paper's grid, against the loops people write"
    yield Table("peers", title, columns, tuple(rows), tuple(values), tuple(notes))


def _loops(settings: Settings, grid: Grid) -> dict[str, PlainLoop]:
    """The loops that are asked for, by the name of their row."""
    device, batch, precision = settings.runtime.device, settings.paper_batch, settings.precision
    sets = pil_sets(grid)
    loaders = loader_feeds(sets, batch, device)
    make: dict[str, Callable[[], PlainLoop]] = {
        "plain": lambda: PlainLoop(loaders, device, precision),
        "accelerate": lambda: AccelerateLoop(loaders, device, precision),
        "torchdistill": lambda: TorchdistillLoop(sets, loaders, batch, device),
        "well-fed": lambda: PlainLoop(device_feeds(grid, batch, device), device, precision),
    }
    return {NAMES[key]: make[key]() for key in settings.loops}


def _once_each(grid: Grid) -> Grid:
    """The teacher and one distilled student of every architecture, for one epoch."""

    def short(cell: Cell) -> Cell:
        return replace(cell, training=cell.training.model_copy(update={"epochs": 1}))

    first = {cell.model.name: cell for cell in reversed(grid.students) if cell.method.distils}
    return Grid(short(grid.teacher), tuple(map(short, first.values())))


def _engine(grid: Grid, settings: Settings) -> None:
    with TemporaryDirectory(prefix="rigorkd-benchmark-") as name:
        study = StudyFolder(Path(name) / "study")
        teacher = expected(grid.teacher)
        train_cohort(Task((teacher,), None), study, settings.runtime, raise_failure)
        students = tuple(expected(cell) for cell in grid.students)
        train_cohort(Task(students, teacher), study, settings.runtime, raise_failure)
