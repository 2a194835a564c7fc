"""A teacher at its own image size, in a cohort: what it is built for, and what its logits depend on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell
from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.context import CohortContext
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import Task
from rigorkd.train.teacher_outputs import TeacherOutputs

from .conftest import COLD, TEACHER, wanted

RESNET = replace(TEACHER, model=Model(name="cifar_resnet20"))


def context_of(cell: Cell, study: StudyFolder, runtime: Runtime) -> CohortContext:
    return CohortContext(Task((wanted(cell),), None), study, runtime)


def test_the_model_is_built_for_its_size_and_shown_it(study: StudyFolder, runtime: Runtime) -> None:
    cell = replace(TEACHER, size=12)
    context = context_of(cell, study, runtime)
    model = context.build_model(wanted(cell))
    plain = context.build_model(wanted(TEACHER))
    assert context.eval_view.size == 8
    sides = [sum(p.numel() for p in each.parameters()) for each in (model, plain)]
    assert sides[0] > sides[1]
    seen: list[torch.Size] = []
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].shape))
    model(torch.zeros(2, 1, 8, 8))
    assert seen == [torch.Size([2, 1, 12, 12])]


@pytest.mark.parametrize("change", ["size", "nothing"])
def test_kept_logits_are_not_those_of_another_size(
    study: StudyFolder, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The same weights see other images at another size: their logits may not be replayed."""
    forwards: list[int] = []
    forward = TeacherOutputs.forward
    monkeypatch.setattr(
        TeacherOutputs, "forward", lambda self, images: (forwards.append(1), forward(self, images))[1]
    )
    teacher = wanted(RESNET)
    train_cohort(Task((teacher,), None), study, runtime, lambda event: None)
    for index in range(2):
        shown = wanted(replace(RESNET, size=16 if index and change == "size" else None))
        shown = replace(shown, run_hash=f"{shown.run_hash} at {shown.run.cell.size}")
        student = wanted(replace(COLD, name=f"main/s/kd-{index}"))
        train_cohort(Task((student,), shown, replay_bytes=10**9), study, runtime, lambda event: None)
    assert len(forwards) == (2 if change == "size" else 1) * 3 * 4
