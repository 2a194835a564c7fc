"""One seed of the paper's grid, whole, through the engine and through the loops that people write today.

Every variant trains the teacher and the ten students of protocols/paper.yaml, validates after each epoch and
tests the best weights. The engine also writes its checkpoints, records and latencies, as in any study.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from clock import interleave, quartiles, ratios, seconds_of
from cohorts import FixedCosts, expected, raise_failure
from feeds import device_feeds, loader_feeds, pil_sets
from paper_grid import Grid, scaled_grid
from peer_loops import AccelerateLoop, PlainLoop, train_grid
from peer_torchdistill import TorchdistillLoop, why_missing
from settings import Settings
from table import Table

from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.task import Task

ENGINE = "rigorkd, one cohort"


def peers(settings: Settings) -> Table:
    """Seconds of the scaled grid by variant, and how many times longer than the engine each one takes."""
    grid = scaled_grid(settings)
    device, batch = settings.runtime.device, settings.paper_batch
    sets = pil_sets(grid)
    loaders = loader_feeds(sets, batch, device)
    loops = {
        "plain PyTorch, DataLoader with PIL, 0 workers": PlainLoop(loaders, device, settings.precision),
        "Accelerate, DataLoader with PIL, 0 workers": AccelerateLoop(loaders, device, settings.precision),
        "torchdistill, DataLoader with PIL, 0 workers": TorchdistillLoop(sets, loaders, batch, device),
        "well-fed PyTorch: the engine's pipeline, no sharing": PlainLoop(
            device_feeds(grid, batch, device), device, settings.precision
        ),
    }
    missing = why_missing()
    fixed: list[FixedCosts] = []

    def engine() -> float:
        with FixedCosts(device) as costs:
            seconds = seconds_of(lambda: _engine(grid, settings), device)
        fixed.append(costs)
        return seconds

    variants: dict[str, Callable[[], float]] = {ENGINE: engine}
    for name, loop in loops.items():
        if missing is None or not isinstance(loop, TorchdistillLoop):
            variants[name] = lambda loop=loop: seconds_of(lambda: train_grid(grid, loop.train), device)
    if settings.runtime.compiles:  # compilers warm up outside the clock
        settings.note("warming up")
        engine()
        fixed.clear()
    # One round of the whole grid takes minutes, on a GPU because of PIL: fewer rounds.
    rounds = settings.rounds if settings.quick else max(1, settings.rounds // 2)
    seconds = interleave(variants, rounds, settings.note)
    lean = [whole - costs.all for whole, costs in zip(seconds[ENGINE], fixed, strict=True)]
    rows, values = [], []
    for name in (ENGINE, *loops):
        if name not in seconds:
            rows.append((name, "", f"skipped: {missing}", "", ""))
            values.append({"variant": name, "seconds": None, "ratio": None, "skipped": missing})
            continue
        ratio = ratios(seconds[name], seconds[ENGINE])
        against_lean = ratios(lean if name == ENGINE else seconds[name], lean)
        took = quartiles(seconds[name]).median
        rows.append((name, f"{took:.1f}", ratio.text(2), against_lean.text(2), str(ratio.n)))
        values.append(
            {
                "variant": name,
                "seconds": took,
                "ratio": ratio.median,
                "q25": ratio.q25,
                "q75": ratio.q75,
                "lean_ratio": against_lean.median,
                "rounds": ratio.n,
            }
        )
    main, short = settings.epochs
    notes = (
        f"scaling: {settings.train_images} training, {settings.val_images} validation and "
        f"{settings.test_images} test images of CIFAR-100's shape (45,000, 5,000 and 10,000 there), epochs "
        f"{main} and {short} (40 and 30), batch {batch} (128), views of {settings.paper_size}² as published",
        "every variant: the teacher, then 10 students, validation after every epoch, test at the end",
        "the engine's training: without its checkpoints "
        f"({quartiles([costs.checkpoints for costs in fixed]).median:.1f} s) and latencies "
        f"({quartiles([costs.latencies for costs in fixed]).median:.1f} s), which the others do not have and "
        "which do not grow with images, so that a scaled-down grid exaggerates them",
        "torchdistill has no mixed precision without its accelerator: it runs in fp32 whatever the others do",
    )
    columns = ("variant", "seconds", "times the engine (quartiles)", "times the engine's training", "n")
    title = "one seed of the paper's grid, against the loops people write"
    return Table("peers", title, columns, tuple(rows), tuple(values), notes)


def _engine(grid: Grid, settings: Settings) -> None:
    with TemporaryDirectory(prefix="rigorkd-benchmark-") as name:
        study = StudyFolder(Path(name) / "study")
        teacher = expected(grid.teacher)
        train_cohort(Task((teacher,), None), study, settings.runtime, raise_failure)
        students = tuple(expected(cell) for cell in grid.students)
        train_cohort(Task(students, teacher), study, settings.runtime, raise_failure)
