"""How cohorts are cut to a memory budget, and what is left of a part when the next one begins."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from rigorkd.data.loading import load
from rigorkd.models.build import build
from rigorkd.models.sizes import parameters_millions
from rigorkd.protocol.schema import SGD, MovingAverage
from rigorkd.train.device_memory import split_for, student_bytes
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import Task

from .conftest import BASELINE, COLD, DATA, TRAINING, WARM, student_cell, wanted

CPU = torch.device("cpu")
TASK = Task(tuple(wanted(cell) for cell in (BASELINE, COLD, WARM)), None)


@dataclass(frozen=True)
class Recording(Runtime):
    """Notes when memory is given back."""

    heard: list[str] = field(default_factory=list)

    def release(self) -> None:
        self.heard.append("released")


def test_memory_is_given_back_between_the_parts_of_a_task() -> None:
    runtime = Recording(CPU, "reference", 1)
    for part in split_for(TASK, 1, runtime):
        runtime.heard.append(part.runs[0].run.cell.name)
    names = [want.run.cell.name for want in TASK.runs]
    assert runtime.heard == [names[0], "released", names[1], "released", names[2]]


def test_a_task_that_fits_stays_whole() -> None:
    assert list(split_for(TASK, None, Runtime(CPU, "reference", 1))) == [TASK]


@pytest.mark.parametrize(
    ("changes", "copies"),
    [({}, 5), ({"optimizer": SGD(name="sgd", lr=0.1)}, 4), ({"ema": MovingAverage(decay=0.9)}, 6)],
)
def test_a_student_holds_weights_gradients_the_best_an_average_and_the_optimizers_states(
    changes: dict[str, object], copies: int
) -> None:
    training = TRAINING.model_copy(update=changes)
    cell = student_cell("s", BASELINE.method, training=training)
    found = student_bytes(cell, load(DATA, 0))
    model = build(cell.model, classes=10, channels=1, size=8, seed=0)
    weights = copies * 4e6 * parameters_millions(model)
    assert weights < found < 1.1 * weights  # and BatchNorm's statistics
