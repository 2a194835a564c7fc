"""The words of a study as data: cell, run, cohort.

A *cell* is one configuration, a *run* is a cell at one seed, a *cohort* is the runs of one seed that share
every batch and the teacher. Teachers, and starts that are themselves trained, are cells too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rigorkd.data.dataset import Dataset
from rigorkd.data.operations import Views
from rigorkd.methods.base import Method
from rigorkd.methods.baseline import Baseline
from rigorkd.models.model import Model, StartField
from rigorkd.protocol.schema import Training
from rigorkd.protocol.trainer import CellTrainer

FIXED = "fixed"
"""The seed label of a teacher that all seeds share: its record lies in `seed-fixed`."""


@dataclass(frozen=True)
class Member:
    """One of several teachers whose logits are averaged: its cell, its share of the mean, its network."""

    cell: str
    weight: float
    model: Model
    size: int | None = None


@dataclass(frozen=True)
class Cell:
    """One resolved configuration. Everything that shapes a run's bits is here, except its seed.

    `teacher` names the teacher cell whose cohort the cell joins; a baseline has one too when its group does
    (it shares the batches), but only a distilled cell depends on it. `start_cell` names the start cell that
    must be trained first, if the start is a run. `train` is False for a teacher used as it is, and
    `per_seed` is False for a teacher that all seeds share. `seeds` are those it is run at where the protocol
    gives baselines more than distilled cells, None for all. `members` are the teachers whose logits a teacher
    averages, which has no network of its own then. `generation` counts the distillations that a teacher comes
    from: each starts from weights of its own, also where all are of one architecture. A cell that a command
    trains has a `trainer`; model, training, views and dataset are the engine's, and say nothing then.
    """

    name: str
    role: Literal["student", "teacher", "start"]
    group: str
    student: str
    model: Model
    start: StartField
    method: Method
    training: Training
    views: Views
    dataset: Dataset
    teacher: str | None = None
    start_cell: str | None = None
    size: int | None = None
    train: bool = True
    per_seed: bool = True
    seeds: frozenset[int] | None = None
    members: tuple[Member, ...] = ()
    generation: int = 0
    trainer: CellTrainer | None = None

    def runs_at(self, seed: int) -> bool:
        """Whether the cell is run at this seed."""
        return self.seeds is None or seed in self.seeds

    @property
    def stream(self) -> int:
        """Which stream of initial weights, order and augmentations the cell's runs draw from; 0 is common."""
        return self.method.stream if isinstance(self.method, Baseline) else 0

    @property
    def needs(self) -> tuple[str, ...]:
        """The cells whose runs must be done before this one's."""
        teacher = self.teacher if self.method.distils else None
        members = (member.cell for member in self.members)
        return (*(name for name in (teacher, self.start_cell) if name is not None), *members)


@dataclass(frozen=True)
class Run:
    """A cell at one seed; `seed` is None for a teacher that all seeds share."""

    cell: Cell
    seed: int | None

    @property
    def name(self) -> str:
        """`main/mobilenetv2/kd-T4-a0.5/seed-3`; also the record's folder inside the study."""
        return f"{self.cell.name}/seed-{FIXED if self.seed is None else self.seed}"


@dataclass(frozen=True)
class Cohort:
    """Student runs of one seed trained in lockstep on the same batches with one teacher forward.

    `teacher` is the run whose logits they see, or None if no cell of the cohort distils.
    """

    seed: int
    runs: tuple[Run, ...]
    teacher: Run | None
