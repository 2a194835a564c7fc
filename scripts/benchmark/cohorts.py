"""Cohorts of the engine itself, opened on synthetic CIFAR-100-shaped images, and their epochs.

This is the one file that reaches into the engine: it opens students as `train_cohort` does and times its
`_train_epoch`, so that what is measured is what `rigorkd run` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from clock import seconds_of, watch_for
from safetensors.torch import save
from settings import Case, Settings

from rigorkd.data.dataset import Split
from rigorkd.data.operations import ColorJitter, HorizontalFlip, RandomResizedCrop, Rotation, Views
from rigorkd.data.synthetic import Synthetic
from rigorkd.methods.base import Method
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.kd import KD
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.schema import AdamW, Clip, Training
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DONE, commit
from rigorkd.train import checkpoint, cohort
from rigorkd.train.context import CohortContext
from rigorkd.train.events import Event, RunFailed
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Student
from rigorkd.train.task import Task
from rigorkd.train.timing import SHARED, TEACHER

SEED = 0
CLASSES = 100
IMAGE_SIZE = 32


def dataset(train: int, val: int = 4, test: int = 4) -> Synthetic:
    """Images of CIFAR-100's shape: 32×32, three channels, 100 classes."""
    return Synthetic(
        name="synthetic",
        size=IMAGE_SIZE,
        classes=CLASSES,
        images=train + val,
        test_images=test,
        split=Split(train=train, val=val, seed=42),
    )


def paper_views(size: int) -> Views:
    """The views of the paper's protocol, at a size."""
    return Views(
        size=size,
        normalize="imagenet",
        train=(
            RandomResizedCrop(op="random_resized_crop", scale=(0.8, 1.0)),
            HorizontalFlip(op="horizontal_flip"),
            ColorJitter(op="color_jitter", brightness=0.2, contrast=0.2, saturation=0.2),
            Rotation(op="rotation", degrees=15),
        ),
    )


def paper_training(batch: int, epochs: int, precision: str) -> Training:
    """The training of the paper's protocol: AdamW, cosine, global clipping at 1."""
    return Training(
        optimizer=AdamW(name="adamw", lr=1e-3, weight_decay=1e-4),
        batch_size=batch,
        epochs=epochs,
        clip_norm=Clip(max=1.0),
        precision=precision,  # type: ignore[arg-type]
    )


def teacher_cell(model: str, views: Views, training: Training, data: Synthetic) -> Cell:
    """A teacher trained as its students are."""
    return Cell(
        name="teacher",
        role="teacher",
        group="",
        student="",
        model=Model(name=model),
        start="random",
        method=Baseline(),
        training=training,
        views=views,
        dataset=data,
    )


def student_cell(name: str, model: str, method: Method, teacher: Cell, training: Training) -> Cell:
    """A student of that teacher on the same batches."""
    return Cell(
        name=f"main/{model}/{name}",
        role="student",
        group="main",
        student=model,
        model=Model(name=model),
        start="random",
        method=method,
        training=training,
        views=teacher.views,
        dataset=teacher.dataset,
        teacher=teacher.name,
    )


def kd_cells(count: int, model: str, teacher: Cell, training: Training) -> list[Cell]:
    """Distilled cells that differ in alpha alone."""
    alphas = [round(0.1 + 0.8 * i / count, 4) for i in range(count)]
    return [
        student_cell(f"kd-T4-a{alpha:g}", model, KD(T=4.0, alpha=alpha), teacher, training)
        for alpha in alphas
    ]


def expected(cell: Cell) -> Expected:
    """The run of a cell at the benchmark's seed. Nothing is reused between benchmarks: the hash is a name."""
    return Expected(Run(cell, SEED), f"benchmark {cell.name}", cell.dataset.checksum(), None, None)


@dataclass(frozen=True)
class Parts:
    """Seconds of an epoch by part: view and order, teacher, the students' own steps."""

    view: float
    teacher: float
    students: float

    @property
    def shared(self) -> float:
        """What a cohort does once and solo runs do each."""
        return self.view + self.teacher

    @property
    def all(self) -> float:
        """Everything."""
        return self.shared + self.students


class OpenCohort:
    """Students of one cohort, ready to train epochs together or alone.

    `replay_bytes` lets the engine keep the teacher's logits of an epoch, so that the same epoch trained again
    pays no teacher.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        teacher: Cell | None,
        folder: Path,
        runtime: Runtime,
        replay_bytes: int = 0,
    ) -> None:
        runs = tuple(expected(cell) for cell in cells)
        task = Task(runs, expected(teacher) if teacher else None, replay_bytes=replay_bytes)
        self.context = CohortContext(task, StudyFolder(folder), runtime)
        self.context.watch = watch_for(runtime.device)
        opened = [cohort._open(want, self.context, raise_failure) for want in runs]
        self.students: list[Student] = [student for student in opened if student is not None]
        self._epoch = 0

    def epoch(self, students: Sequence[Student] | None = None, number: int | None = None) -> float:
        """Seconds of one epoch of these students (default: all) in lockstep; training only.

        Each call is a new epoch unless `number` says which.
        """
        active = list(self.students if students is None else students)
        if number is None:
            self._epoch = number = self._epoch + 1
        return seconds_of(
            lambda: cohort._train_epoch(number, active, self.context, raise_failure), self.context.device
        )

    def parts(self) -> Parts:
        """Where the time went since the last reading."""
        seconds = self.context.watch.read()
        own = sum(value for name, value in seconds.items() if name not in (SHARED, TEACHER))
        return Parts(seconds.get(SHARED, 0.0), seconds.get(TEACHER, 0.0), own)


@contextmanager
def study_with(teacher: Cell) -> Iterator[Path]:
    """A temporary study folder in which the teacher is done; it had random weights, which cost the same."""
    with TemporaryDirectory(prefix="rigorkd-benchmark-") as name:
        folder = Path(name) / "study"  # rates are kept beside it
        model = build(
            teacher.model, classes=CLASSES, channels=3, size=teacher.views.size or IMAGE_SIZE, seed=SEED
        )
        weights = save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
        commit(
            StudyFolder(folder).run(Run(teacher, SEED).name),
            {
                "cell": teacher.name,
                "seed": SEED,
                "run_hash": expected(teacher).run_hash,
                "weights_sha256": hashlib.sha256(weights).hexdigest(),
                "metrics": {},
                "status": DONE,
            },
            {"model.safetensors": weights},
        )
        yield folder


@contextmanager
def open_case(
    case: Case, count: int, settings: Settings, *, baseline: bool = False, replay_bytes: int = 0
) -> Iterator[OpenCohort]:
    """`count` distilled students of a case, which differ in alpha; with `baseline` one without before."""
    training = paper_training(case.batch, 1000, settings.precision)
    images = dataset(case.batch * settings.steps)
    teacher = teacher_cell(case.teacher, paper_views(case.size), training, images)
    cells = kd_cells(count, case.student, teacher, training)
    if baseline:
        cells.insert(0, student_cell("baseline", case.student, Baseline(), teacher, training))
    with study_with(teacher) as folder:
        yield OpenCohort(cells, teacher, folder, settings.runtime, replay_bytes)


class EngineCosts:
    """Where the engine's seconds go while it is entered: epochs with validation, checkpoints, latencies.

    The peers have neither checkpoints nor latencies; those, records, and the building of models cost the same
    whatever the number of images, so a scaled-down grid exaggerates them.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.checkpoints, self.latencies = device, 0.0, 0.0
        self.epochs = 0.0
        self._watch = watch_for(device)

    def __enter__(self) -> EngineCosts:
        saver = checkpoint.Saver
        self._save, self._settle, self._measure = saver.save, saver.settle, cohort.measure_latencies

        def save(*arguments: Any) -> None:
            self.checkpoints += seconds_of(lambda: self._save(*arguments), self.device)

        def settle(*arguments: Any) -> None:
            self.checkpoints += seconds_of(lambda: self._settle(*arguments), self.device)

        def latencies(*arguments: Any, **options: Any) -> None:
            self.latencies += seconds_of(lambda: self._measure(*arguments, **options), self.device)

        self._epoch, self._validate = cohort._train_epoch, cohort._validate

        def train_epoch(epoch: int, active: list[Student], context: CohortContext, *rest: Any) -> None:
            if any(student.objective.needs_teacher for student in active):
                _ = context.teacher_outputs  # is loaded when first asked for: outside this clock
            with self._watch.of("epochs"):
                self._epoch(epoch, active, context, *rest)

        def validate(*arguments: Any) -> Any:
            with self._watch.of("epochs"):
                return self._validate(*arguments)

        cohort._train_epoch, cohort._validate = train_epoch, validate  # type: ignore[assignment]
        saver.save, saver.settle = save, settle  # type: ignore[method-assign, assignment]
        cohort.measure_latencies = latencies  # type: ignore[attr-defined]
        return self

    def __exit__(self, *error: object) -> None:
        saver = checkpoint.Saver
        saver.save, saver.settle = self._save, self._settle  # type: ignore[method-assign]
        cohort.measure_latencies = self._measure  # type: ignore[attr-defined]
        cohort._train_epoch, cohort._validate = self._epoch, self._validate
        self.epochs = self._watch.read().get("epochs", 0.0)


def raise_failure(event: Event) -> None:
    """A benchmark of a failed run would time nothing: stop."""
    if isinstance(event, RunFailed):
        raise RuntimeError(f"{event.run}: {event.reason}")
