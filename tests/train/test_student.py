"""One student's own parts: optimiser, schedule, clipping, early stopping, selection, history."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from rigorkd.methods.base import Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.objective import Objective
from rigorkd.protocol.cells import Run
from rigorkd.protocol.schema import (
    SGD,
    Adam,
    AdamW,
    AnySchedule,
    Clip,
    EarlyStopping,
    LinearSchedule,
    MovingAverage,
    Optimizer,
    PolynomialSchedule,
    Schedule,
    StepSchedule,
    Training,
)
from rigorkd.train import checkpoint
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Batch, Student, build_optimizer, clip_per_layer, history_csv, learning_rate

from .conftest import TRAINING, feed, student_cell


@given(st.integers(1, 60), st.floats(1e-5, 1.0))
def test_cosine_agrees_with_torch(epochs: int, lr: float) -> None:
    training = TRAINING.model_copy(
        update={"epochs": epochs, "optimizer": SGD(name="sgd", lr=lr), "schedule": Schedule(min_lr=lr / 100)}
    )
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs, eta_min=lr / 100)
    for epoch in range(1, epochs + 1):
        assert learning_rate(training, epoch) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        scheduler.step()


def test_warm_up_rises_linearly_to_the_full_rate() -> None:
    training = TRAINING.model_copy(
        update={
            "epochs": 10,
            "optimizer": SGD(name="sgd", lr=1.0),
            "schedule": Schedule(name="constant", warmup_epochs=4),
        }
    )
    rates = [learning_rate(training, epoch) for epoch in range(1, 7)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def rates(schedule: AnySchedule, epochs: int = 12) -> list[float]:
    training = TRAINING.model_copy(
        update={"epochs": epochs, "optimizer": SGD(name="sgd", lr=0.05), "schedule": schedule}
    )
    return [learning_rate(training, epoch) for epoch in range(1, epochs + 1)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            StepSchedule(name="step", at=(3, 7, 8), factor=0.2),
            partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[3, 7, 8], gamma=0.2),
        ),
        (
            LinearSchedule(name="linear", min_lr=0.01),
            partial(torch.optim.lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.2, total_iters=12),
        ),
        (
            PolynomialSchedule(name="polynomial", power=2.0),
            partial(torch.optim.lr_scheduler.PolynomialLR, total_iters=12, power=2.0),
        ),
    ],
)
def test_schedules_agree_with_torch(
    ours: AnySchedule, theirs: Callable[..., torch.optim.lr_scheduler.LRScheduler]
) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.05)
    scheduler = theirs(optimizer)
    for rate in rates(ours):
        assert rate == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ("schedule", "after"),
    [
        (StepSchedule(name="step", at=(6,), warmup_epochs=4), [0.05, 0.05, 0.005]),
        (LinearSchedule(name="linear", warmup_epochs=4), [0.05, 0.05 * 7 / 8, 0.05 * 6 / 8]),
        (PolynomialSchedule(name="polynomial", power=2, warmup_epochs=4), [0.05, 0.05 * 49 / 64]),
        (Schedule(name="constant", warmup_epochs=4), [0.05, 0.05, 0.05]),
    ],
)
def test_every_schedule_begins_after_its_warm_up(schedule: AnySchedule, after: list[float]) -> None:
    assert rates(schedule)[: 4 + len(after)] == pytest.approx([0.01, 0.02, 0.03, 0.04, *after])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (AdamW(name="adamw", lr=0.01, weight_decay=0.1), torch.optim.AdamW),
        (Adam(name="adam", lr=0.01, weight_decay=0.1), torch.optim.Adam),
        (SGD(name="sgd", lr=0.01, weight_decay=0.1, momentum=0.9, nesterov=True), torch.optim.SGD),
    ],
)
def test_the_fused_optimisers_agree_with_the_plain_ones(
    ours: Optimizer, theirs: type[torch.optim.Optimizer]
) -> None:
    settings = ours.model_dump(exclude={"name"})
    a, b = (nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    one, two = build_optimizer(ours, [a]), theirs([b], **settings, fused=False, foreach=False)
    for step in range(5):
        for parameter, optimizer in ((a, one), (b, two)):
            parameter.grad = torch.cos(torch.arange(7.0) * (step + 1))
            optimizer.step()
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.floats(0.1, 5))
def test_per_layer_clipping_bounds_every_tensor(values: list[float], limit: float) -> None:
    parameters = [nn.Parameter(torch.zeros(len(values))), nn.Parameter(torch.zeros(2))]
    parameters[0].grad = torch.tensor(values)
    parameters[1].grad = torch.tensor([limit / 2, 0.0])
    norm = float(torch.tensor(values).norm())
    assume(abs(norm - limit) > 1e-4)
    clipped = clip_per_layer(parameters, limit)
    assert bool(clipped) is (norm > limit)
    assert float(parameters[0].grad.norm()) <= limit * 1.001
    assert parameters[1].grad.tolist() == pytest.approx([limit / 2, 0.0])


def a_student(runtime: Runtime, **training: object) -> Student:
    cell = student_cell("x", Baseline(), training=TRAINING.model_copy(update=training), epochs=20)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    return Student(Run(cell, 0), "hash", model, Objective(Baseline()), runtime)


GOOD, MIXED, BAD = [[2.0, 0.0]] * 2, [[2.0, 0.0], [0.0, 2.0]], [[0.0, 2.0]] * 2


def test_the_earliest_of_equally_good_epochs_is_kept(runtime: Runtime) -> None:
    student = a_student(runtime)
    kept = []
    for epoch, logits in enumerate([BAD, MIXED, MIXED, GOOD, GOOD], start=1):
        feed(student, epoch, logits)
        kept.append(student.best_epoch)
    assert kept == [1, 2, 2, 4, 4]


def test_select_last_keeps_the_last(runtime: Runtime) -> None:
    student = a_student(runtime, select="last")
    for epoch, logits in enumerate([GOOD, BAD], start=1):
        feed(student, epoch, logits)
    assert student.best_epoch == 2


def test_the_lowest_objective_chooses_its_epoch(runtime: Runtime) -> None:
    student = a_student(runtime, select="best_val_objective")
    kept = []
    for epoch, objective in enumerate([3.0, 1.0, 2.0, 1.0], start=1):
        student.begin_epoch(epoch)
        student.step(
            Batch(torch.arange(2), 0, torch.ones(2, 1, 2, 2), None, Targets(torch.tensor([0, 1]))), None
        )
        student.end_epoch(epoch, torch.tensor(GOOD), torch.tensor([0, 0]), objective)
        kept.append(student.best_epoch)
    assert kept == [1, 2, 2, 2]


def test_without_validation_images_the_last_epoch_is_kept_and_divergence_is_noticed(runtime: Runtime) -> None:
    student = a_student(runtime, select="last")
    batch = Batch(torch.arange(2), 0, torch.ones(2, 1, 2, 2), None, Targets(torch.tensor([0, 1])))
    for epoch in (1, 2):
        student.begin_epoch(epoch)
        student.step(batch, None)
        student.end_epoch(epoch, None, torch.tensor([], dtype=torch.int64), None)
        assert (student.best_epoch, student.diverged) == (epoch, False)
    assert [(row["val_loss"], row["val_top1"]) for row in student.history] == [(None, None)] * 2
    student.begin_epoch(3)
    student.step(batch._replace(images=batch.images * math.inf), None)
    student.end_epoch(3, None, torch.tensor([], dtype=torch.int64), None)
    assert student.diverged
    assert student.best_epoch == 2


def test_the_average_is_evaluated_and_the_trained_weights_go_on(runtime: Runtime) -> None:
    plain, averaged = a_student(runtime), a_student(runtime, ema=MovingAverage(decay=0.75))
    averaged.raw_model.load_state_dict(plain.raw_model.state_dict())
    assert averaged.average is not None
    averaged.average.network.load_state_dict(plain.raw_model.state_dict())
    wanted = plain.raw_model.state_dict()["1.weight"].clone()
    for epoch in (1, 2, 3):
        for student in (plain, averaged):
            feed(student, epoch, GOOD if epoch == 2 else BAD)
        now = plain.raw_model.state_dict()["1.weight"]
        assert torch.equal(averaged.raw_model.state_dict()["1.weight"], now)
        wanted = 0.75 * wanted + 0.25 * now
        kept = averaged.evaluated.state_dict()["1.weight"]
        torch.testing.assert_close(kept, wanted)
        if epoch == 2:
            best = kept.clone()
    averaged.load_best()
    assert torch.equal(averaged.raw_model.state_dict()["1.weight"], best)


def test_the_best_weights_are_those_of_their_epoch(runtime: Runtime) -> None:
    student = a_student(runtime)
    feed(student, 1, GOOD)
    kept = {name: tensor.clone() for name, tensor in student.raw_model.state_dict().items()}
    feed(student, 2, BAD)
    assert not torch.equal(student.raw_model.state_dict()["1.weight"], kept["1.weight"])
    student.load_best()
    assert torch.equal(student.raw_model.state_dict()["1.weight"], kept["1.weight"])


@pytest.mark.parametrize("monitor", ["ce", "top1"])
def test_early_stopping_counts_epochs_without_improvement(runtime: Runtime, monitor: str) -> None:
    student = a_student(runtime, early_stopping=EarlyStopping(monitor=monitor, patience=2))  # type: ignore[arg-type]
    stopped = []
    for epoch, logits in enumerate([BAD, GOOD, MIXED, MIXED], start=1):
        feed(student, epoch, logits)
        stopped.append(student.stopped)
    assert stopped == [False, False, False, True]
    assert student.finished


def test_a_loss_that_is_not_finite_is_divergence(runtime: Runtime) -> None:
    student = a_student(runtime)
    feed(student, 1, [[math.nan, 0.0]] * 2)
    assert student.diverged
    assert student.finished


def scaled(runtime: Runtime, scale: float, **training: object) -> Student:
    """A student with the loss scaler that half precision would give it; its arithmetic stays fp32."""
    AcceleratorState._reset_state()
    student = a_student(runtime, **training)
    accelerator = student.accelerator
    accelerator.native_amp, accelerator.state._mixed_precision = True, "fp16"
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    student.optimizer = AcceleratedOptimizer(
        student.optimizer.optimizer, device_placement=False, scaler=accelerator.scaler
    )
    accelerator._optimizers = [student.optimizer]
    return student


def steps(student: Student, epoch: int, *images: float) -> dict[str, float | int | None]:
    """One epoch of a step per value, on two images of that value each; the row of its history."""
    student.begin_epoch(epoch)
    for value in images:
        shown, targets = torch.full((2, 1, 2, 2), value), Targets(torch.tensor([0, 1]))
        student.step(Batch(torch.arange(2), 0, shown, None, targets), None)
    student.end_epoch(epoch, torch.tensor(GOOD), torch.tensor([0, 0]), None)
    return student.history[-1]


@pytest.mark.parametrize("clip", [None, Clip(max=1e-3), Clip(max=1e-3, per="layer")])
def test_an_overflow_skips_its_step_and_is_neither_clipped_nor_divergence(
    runtime: Runtime, clip: Clip | None
) -> None:
    """The loss overflows in the second step, and only the gradient in the fourth."""
    calm, student = (scaled(runtime, 4.0, clip_norm=clip) for _ in range(2))
    student.raw_model.load_state_dict(calm.raw_model.state_dict())
    expected = steps(calm, 1, 1.0, 1.0)
    row = steps(student, 1, 1.0, math.inf, 1.0)
    for name, tensor in calm.raw_model.state_dict().items():
        assert torch.equal(tensor, student.raw_model.state_dict()[name])
    assert row["train_loss"] == expected["train_loss"]
    assert row["train_top1"] == expected["train_top1"]
    assert row["clipped_fraction"] == pytest.approx(0 if clip is None else 2 / 3)
    assert student.accelerator.scaler.get_scale() == 2.0
    assert not student.diverged

    student.accelerator.scaler.update(1e38)
    before = student.raw_model.state_dict()["1.weight"].clone()
    row = steps(student, 2, 20.0)
    assert torch.equal(student.raw_model.state_dict()["1.weight"], before)
    assert row["clipped_fraction"] == 0
    assert not student.diverged


def test_one_overflow_changes_no_other_students_scale(runtime: Runtime) -> None:
    one, other = (scaled(runtime, 4.0) for _ in range(2))
    steps(one, 1, math.inf)
    steps(other, 1, 1.0)
    assert [s.accelerator.scaler.get_scale() for s in (one, other)] == [2.0, 4.0]


def test_overflows_that_persist_are_divergence(runtime: Runtime) -> None:
    """Whether no loss of an epoch is finite, or the scale is halved away while losses are."""
    lost = scaled(runtime, 4.0)
    assert math.isnan(float(steps(lost, 1, math.inf, math.inf)["train_loss"]))  # type: ignore[arg-type]
    assert lost.diverged
    collapsed = scaled(runtime, 3e-4)
    steps(collapsed, 1, 1.0, math.inf)
    assert not collapsed.diverged
    steps(collapsed, 2, 1.0, math.inf)
    assert collapsed.diverged


def test_without_a_scaler_a_loss_that_is_not_finite_is_divergence_at_once(runtime: Runtime) -> None:
    student = a_student(runtime)
    steps(student, 1, 1.0, math.inf)
    assert student.diverged


def test_history_has_the_shortest_exact_decimals_and_blanks_for_nothing() -> None:
    row = {"epoch": 1, "lr": 0.1, "train_loss": 1 / 3, "kd_loss": None, "own": 2.0}
    text = history_csv([{**row, "ce_loss": 0.5}]).decode().splitlines()
    assert text[0].endswith(",clipped_fraction,own")
    assert text[1] == "1,0.1,0.3333333333333333,0.5,,,,,,2.0"


def test_training_defaults_need_no_clipping(runtime: Runtime) -> None:
    student = a_student(runtime, clip_norm=None)
    feed(student, 1, GOOD)
    assert student.history[0]["clipped_fraction"] == 0


def test_resuming_restores_everything(runtime: Runtime, tmp_path: Path) -> None:
    one = a_student(runtime)
    feed(one, 1, GOOD)
    two = a_student(runtime)
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, one, "this machine")
    assert not checkpoint.restore(path, two, "another machine", runtime.device)
    assert checkpoint.restore(path, two, "this machine", runtime.device)
    for student in (one, two):
        feed(student, 2, MIXED)
    assert history_csv(one.history) == history_csv(two.history)
    for name, tensor in one.raw_model.state_dict().items():
        assert torch.equal(tensor, two.raw_model.state_dict()[name])


def test_training_is_hashable() -> None:
    assert isinstance(TRAINING, Training)
    assert hash(TRAINING) == hash(TRAINING.model_copy())
