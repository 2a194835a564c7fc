"""No step waits for the device: on one without contents, asking for a value would raise an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from rigorkd.data.dataset import Dataset
from rigorkd.data.image_data import ImageData, StoredImages, Subset
from rigorkd.data.loading import load
from rigorkd.methods.base import Outputs
from rigorkd.methods.kd import KD
from rigorkd.protocol.schema import Clip
from rigorkd.records.layout import StudyFolder
from rigorkd.train import context
from rigorkd.train import student as student_module
from rigorkd.train.context import CohortContext
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Student
from rigorkd.train.task import Task

from .conftest import BASELINE, DROPPING, TRAINING, student_cell, wanted

NOWHERE = Runtime(torch.device("meta"), "reference", 1)


def _stored(dataset: Dataset, seed: int) -> ImageData:
    """The data set with images that stay on the host."""

    def part(subset: Subset) -> Subset:
        assert isinstance(subset.images, torch.Tensor)
        return replace(subset, images=StoredImages(subset.images, torch.arange(len(subset))))

    data = load(dataset, seed)
    return replace(data, train=part(data.train), val=part(data.val), test=part(data.test))


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a cohort loads stays on the host, however much room the device has."""
    monkeypatch.setattr(context, "load", _stored)
    monkeypatch.setattr(context, "_DATA_SHARE", 0)


def _shown(shared: CohortContext, epoch: int) -> list[torch.Tensor]:
    """The images of every batch of an epoch."""
    draws = torch.from_numpy(shared.table.draws(epoch, shared.view.columns)).to(shared.device)
    images, start = [], 0
    for rows in shared.batches(epoch):
        images.append(shared.show(rows, start, draws, None, None, seed=0).images)
        start += len(rows)
    return images


@pytest.mark.usefixtures("stored")
def test_images_on_the_host_are_shown_without_waiting_for_the_device(study: StudyFolder) -> None:
    batches = _shown(CohortContext(Task((wanted(BASELINE),), None), study, NOWHERE), epoch=1)
    assert [len(batch) for batch in batches] == [32, 32, 32, 24]
    assert all(batch.device.type == "meta" for batch in batches)


def test_images_on_the_host_are_shown_as_those_on_the_device(
    study: StudyFolder, runtime: Runtime, request: pytest.FixtureRequest
) -> None:
    task = Task((wanted(BASELINE),), None)
    on_device = CohortContext(task, study, runtime)
    request.getfixturevalue("stored")
    on_host = CohortContext(task, study, runtime)
    assert isinstance(on_host.data.train.images, StoredImages)
    for epoch in (1, 2):
        for one, other in zip(_shown(on_device, epoch), _shown(on_host, epoch), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("clip", [None, Clip(max=1.0), Clip(max=1.0, per="layer")])
def test_a_step_does_not_wait_for_the_device(
    clip: Clip | None, study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain(_: object, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)  # fused kernels need a real device

    monkeypatch.setattr(student_module, "build_optimizer", plain)
    training = TRAINING.model_copy(update={"clip_norm": clip})
    want = wanted(student_cell("kd", KD(T=4.0, alpha=0.5), DROPPING, training=training))
    shared = CohortContext(Task((want,), None), study, NOWHERE)
    model = shared.build_model(want)
    student = Student(want.run, want.run_hash, model, shared.objective(want, model), NOWHERE)
    student.begin_epoch(1)
    draws = torch.from_numpy(shared.table.draws(1, shared.view.columns)).to(shared.device)
    batch = shared.show(shared.batches(1)[0], 0, draws, None, None, seed=0)
    student.step(batch, Outputs(torch.zeros(32, 10, device="meta")))
    assert student.history == []
    with pytest.raises(RuntimeError, match="meta"):  # the end of an epoch does wait
        student.end_epoch(1, torch.zeros(1, 10, device="meta"), shared.val.labels[:1], None)
