"""A chain of teachers, from its protocol to its last record: what each link learns from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rigorkd.launch.queue import build_queue
from rigorkd.methods.base import Outputs
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.hashes import NEWEST
from rigorkd.protocol.load import load_protocol
from rigorkd.records.expected import expected_hashes
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import AVERAGED, DONE, TRAINED, read_record
from rigorkd.train import cohort
from rigorkd.train.context import CohortContext
from rigorkd.train.events import Event, RunDone
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Batch, Student
from rigorkd.train.task import Task

ASSISTANT = """\
rigorkd: 1
study: ta
dataset: {name: digits, split: {train: 120, val: 60, test: 100, seed: 1}}
training: {optimizer: {name: adamw, lr: 5e-3}, batch_size: 32, epochs: 2, select: last, ema: 0.8}
teachers:
  big: {model: {name: cnn, channels: [8, 8], hidden: 16}}
  ta: {model: {name: cnn, channels: [4, 8]}, teacher: big, kd: {T: 4, alpha: 0.5}}
students: {small: {model: {name: cnn, channels: [4, 4]}}}
groups:
  main: {teacher: [big, ta], baseline: true, kd: {T: 4, alpha: 0.5}}
seeds: 1
"""

Weights = dict[str, Tensor]


@pytest.mark.parametrize("averages", [True, False], ids=["moving average", "trained"])
def test_every_link_learns_from_the_weights_that_its_teachers_record_names(
    tmp_path: Path, study: StudyFolder, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, averages: bool
) -> None:
    """The average of every step's weights is taken once more here, in double precision."""
    trained: dict[str, Weights] = {}
    averaged: dict[str, Weights] = {}
    heard: dict[str, tuple[str, Weights]] = {}
    take_step, train_epoch = Student.step, cohort._train_epoch

    def step(student: Student, batch: Batch, teacher: Outputs | None) -> None:
        name, parameters = student.run.cell.name, dict(student.raw_model.named_parameters())
        mean = averaged.setdefault(name, {key: value.detach().double() for key, value in parameters.items()})
        take_step(student, batch, teacher)
        for key, value in parameters.items():
            mean[key] = 0.8 * mean[key] + 0.2 * value.detach().double()
        trained[name] = {key: value.detach().clone() for key, value in parameters.items()}

    def epoch(
        number: int, active: list[Student], context: CohortContext, report: Callable[[Event], None]
    ) -> None:
        train_epoch(number, active, context, report)
        for student in active:
            if student.run.cell.method.distils and (teacher := context.task.teacher):
                weights = dict(context.frozen_teacher.named_parameters())
                heard[student.run.cell.name] = (teacher.run.cell.name, weights)

    monkeypatch.setattr(Student, "step", step)
    monkeypatch.setattr(cohort, "_train_epoch", epoch)
    monkeypatch.setattr(cohort, "measure_latencies", lambda *given, **more: None)  # which takes longer
    file = tmp_path / "ta.yaml"
    file.write_text(ASSISTANT if averages else ASSISTANT.replace(", ema: 0.8", ""))
    protocol = load_protocol(file)
    expected = expected_hashes(protocol, (0,), "reference", {}, NEWEST)
    queue = build_queue(expected, expected.keys(), cohorts(protocol.cells, (0,)), Task((), None))
    while task := queue.next(1):
        events: list[Event] = []
        cohort.train_cohort(task, study, runtime, events.append)
        for event in events:
            if isinstance(event, RunDone):
                queue.done(event.run)

    records = {name: read_record(study, name).fields for name in expected}
    assert {record["status"] for record in records.values()} == {DONE}
    assert {name: teacher for name, (teacher, _) in heard.items()} == {
        "teacher/ta": "teacher/big",
        "main/small/kd-T4-a0.5-big": "teacher/big",
        "main/small/kd-T4-a0.5-ta": "teacher/ta",
    }
    for teacher, weights in heard.values():
        said = records[f"{teacher}/seed-0"]["evaluated_weights"]
        assert said == (AVERAGED if averages else TRAINED)
        meant, other = (averaged, trained) if averages else (trained, averaged)
        for key, value in weights.items():
            torch.testing.assert_close(value.double(), meant[teacher][key].double(), rtol=1e-5, atol=1e-6)
        assert not all(
            torch.allclose(value.double(), other[teacher][key].double(), rtol=1e-5, atol=1e-6)
            for key, value in weights.items()
        )
