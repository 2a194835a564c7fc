"""Cells and tasks made by hand, trained in this process on real digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from rigorkd.data.dataset import Split
from rigorkd.data.digits import DIGITS_SHA256, Digits
from rigorkd.data.operations import RandomCrop, Views
from rigorkd.methods.base import Method, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.kd import KD
from rigorkd.methods.own import Own
from rigorkd.models.model import Model
from rigorkd.models.own_code import read_source
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.schema import AdamW, Clip, MovingAverage, Training
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.events import Event
from rigorkd.train.runtime import Runtime, start_runtime
from rigorkd.train.student import Batch, Student
from rigorkd.train.task import Task

OWN_CODE = Path(__file__).parent / "own_code"
DATA = Digits(name="digits", split=Split(train=120, val=60, test=100, seed=1), label_noise=0.1)
TRAINING = Training(optimizer=AdamW(name="adamw", lr=5e-3), batch_size=32, epochs=3, clip_norm=Clip(max=1.0))
VIEWS = Views(train=(RandomCrop(op="random_crop", padding=1),))
TEACHER = Cell(
    name="teacher",
    role="teacher",
    group="",
    student="",
    model=Model(name="cnn", channels=(8, 8), hidden=16),
    start="random",
    method=Baseline(),
    training=TRAINING,
    views=VIEWS,
    dataset=DATA,
)
PLAIN = Model(name="cnn", channels=(4, 4))
DROPPING = Model(name="cnn", channels=(4, 4), hidden=8, dropout=0.5)


def student_cell(
    name: str, method: Method, model: Model = PLAIN, epochs: int = 3, training: Training = TRAINING
) -> Cell:
    """A student cell on DATA with the teacher TEACHER."""
    return Cell(
        name=f"main/s/{name}",
        role="student",
        group="main",
        student="s",
        model=model,
        start="random",
        method=method,
        training=training.model_copy(update={"epochs": epochs}),
        views=VIEWS,
        dataset=DATA,
        teacher="teacher",
    )


BASELINE = student_cell("baseline", Baseline())
COLD = student_cell("kd-T1", KD(T=1.0, alpha=0.1))
WARM = student_cell("kd-T4", KD(T=4.0, alpha=0.5))
DROPS = student_cell("drops", KD(T=2.0, alpha=0.5), DROPPING)
DROPS_BASELINE = student_cell("drops-baseline", Baseline(), DROPPING)
AVERAGED = student_cell(
    "averaged",
    KD(T=2.0, alpha=0.5),
    DROPPING,
    training=TRAINING.model_copy(update={"ema": MovingAverage(decay=0.8), "select": "best_val_objective"}),
)
SHORT = student_cell("short", KD(T=2.0, alpha=0.5), epochs=2)


def wanted(cell: Cell, seed: int = 0) -> Expected:
    """A run of a cell with a stand-in for its hash."""
    run_hash = f"hash of {cell.name} at {seed}"
    source = read_source(cell.method.term, OWN_CODE) if isinstance(cell.method, Own) else None
    return Expected(Run(cell, seed), run_hash, DIGITS_SHA256, None, None, method_source=source)


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """This process in reference mode; it has computed already, too late to fix what it computes with."""
    return start_runtime("cpu", "reference", {})


@pytest.fixture(autouse=True)
def one_precision_per_test() -> Iterator[None]:
    """Accelerate allows one precision per process; the launcher gives each its own, tests start afresh."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


Train = Callable[..., list[Event]]


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """An empty study folder."""
    return StudyFolder(tmp_path / "study")


@pytest.fixture
def train(study: StudyFolder, runtime: Runtime) -> Train:
    """Train a teacher, then cells at the same seed in one cohort; the events of the cohort."""

    def run(
        cells: Sequence[Cell], seed: int = 0, folder: StudyFolder = study, replay_bytes: int = 0
    ) -> list[Event]:
        events: list[Event] = []
        training = TEACHER.training.model_copy(
            update={"precision": cells[0].training.precision if cells else "fp32"}
        )
        teacher = wanted(replace(TEACHER, training=training), seed)
        if not (folder.run(teacher.run.name) / "record.json").exists():
            train_cohort(Task((teacher,), None), folder, runtime, lambda event: None)
        if cells:
            runs = tuple(wanted(cell, seed) for cell in cells)
            task = Task(runs, teacher, replay_bytes=replay_bytes)
            train_cohort(task, folder, runtime, events.append)
        return events

    return run


def output_bytes(folder: StudyFolder, cell: Cell, seed: int = 0) -> dict[str, bytes]:
    """What must not depend on neighbours or interruptions: every file of the record but record.json."""
    found = folder.run(f"{cell.name}/seed-{seed}")
    names = ("history.csv", "predictions.npz", "model.safetensors")
    return {name: (found / name).read_bytes() for name in names}


def feed(student: Student, epoch: int, val_logits: list[list[float]]) -> None:
    """One epoch of one step, validated on two images of class 0 with the given logits."""
    student.begin_epoch(epoch)
    images, targets = torch.ones(2, 1, 2, 2), Targets(torch.tensor([0, 1]))
    student.step(Batch(torch.arange(2), 0, images, None, targets), None)
    student.end_epoch(epoch, torch.tensor(val_logits), torch.tensor([0, 0]), None)
