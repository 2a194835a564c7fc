"""What a benchmark is given: a device, sizes, a number of rounds, and cases with a time for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clock import Rounds

from rigorkd.train.runtime import Runtime


@dataclass(frozen=True)
class Case:
    """A student under a teacher at an image size, in batches of `batch`."""

    student: str
    teacher: str
    size: int
    batch: int

    def __str__(self) -> str:
        """`mobilenet_v2 / resnet50, 64²`."""
        return f"{self.student} / {self.teacher}, {self.size}²"


@dataclass(frozen=True)
class Planned:
    """A table to be measured: its share of the time (estimated seconds on an H100), cases, other sizes."""

    table: str
    seconds: float = 10.0
    cases: tuple[Case, ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)


def nowhere(text: str) -> None:
    """Where notes go that nobody asked for."""


@dataclass(frozen=True)
class Settings:
    """What every benchmark is given. Batches and steps are per student; sizes are image sides in pixels."""

    runtime: Runtime
    precision: str
    quick: bool
    note: Callable[[str], None]
    rounds: Rounds
    batch: int
    steps: int
    """Steps timed per variant and round."""
    cases: tuple[Case, ...] = ()
    cut: Callable[[str], None] = nowhere
    """Is told of a case for which no time was left."""
    paper_size: int = 128
    paper_batch: int = 128
    """The view and the batch of the paper's protocol; the batch is smaller where a CPU would take hours."""
    memory_batch: int = 128
    sharing_sizes: tuple[int, ...] = (2, 4, 8)
    many: int = 10
    """Students of the larger cohort of `pipeline` and `idle`: the paper's ten."""
    students: tuple[str, ...] = ("mobilenet_v2", "shufflenet_v2_x1_0")
    teacher: str = "resnet50"
    loops: tuple[str, ...] = ("plain", "accelerate", "torchdistill", "well-fed")
    """The loops that `peers` runs beside the engine."""
    epochs: tuple[int, int] = (4, 3)
    """Epochs of the main group and of the ablation in `peers`: the paper's 40 and 30, scaled."""
    train_images: int = 1280
    val_images: int = 128
    test_images: int = 256

    def each_case(self) -> Iterator[tuple[Case, Settings]]:
        """Every case with the settings under which to measure it: the time that is left, divided.

        Once the time of the table is used up, the cases that have not begun are cut, but never the first.
        """
        for index, case in enumerate(self.cases):
            if index and time.monotonic() > self.rounds.until:
                self.cut(str(case))
                continue
            self.note(str(case))
            yield case, replace(self, rounds=self.rounds.part(len(self.cases) - index))


def settings_for(
    planned: Planned,
    runtime: Runtime,
    *,
    precision: str,
    quick: bool,
    rounds: int | None = None,
    note: Callable[[str], None] = nowhere,
) -> Settings:
    """The settings of a table on a device; `quick` only shows that all of it runs."""
    gpu = runtime.device.type == "cuda"
    base = Settings(
        runtime=runtime,
        precision=precision,
        quick=quick,
        note=note,
        rounds=Rounds(rounds or (3 if gpu else 5)),
        batch=128 if gpu else 32,
        steps=10 if gpu else 2,
        cases=planned.cases,
    )
    if gpu:  # the PIL loops take most of ten minutes otherwise
        base = replace(base, train_images=512, val_images=128, test_images=128)
    else:
        base = replace(base, paper_batch=16, train_images=16, val_images=8, test_images=8)
    base = replace(base, **planned.sizes)
    if quick:
        return replace(
            base,
            rounds=Rounds(rounds or 1),
            batch=4,
            steps=1,
            cases=tuple(Case("cnn", "cnn", 16, 4) for _ in planned.cases[:1]),
            paper_size=32,
            paper_batch=4,
            memory_batch=4,
            sharing_sizes=(2,),
            many=2,
            students=("cnn",),
            teacher="cnn",
            epochs=(1, 1),
            train_images=8,
            val_images=4,
            test_images=4,
        )
    return replace(base, rounds=Rounds(rounds)) if rounds else base
