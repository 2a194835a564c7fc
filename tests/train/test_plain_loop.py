"""What the cohort trains is what a loop of a few lines in plain PyTorch trains, for every method.

The loop shares data, views, the order of the images and the losses with the cohort, which have tests of their
own. It has none of its shortcuts: one model, one teacher, nothing replayed, looked up, prepared or resumed.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.data.image_data import ImageData
from rigorkd.data.loading import load as load_data
from rigorkd.data.mix import mix_batch
from rigorkd.data.operations import Cutout, Mix
from rigorkd.data.random import EpochTable
from rigorkd.data.views import build_strong_view, build_view
from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.kd import KD
from rigorkd.methods.objective import Objective
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.schema import (
    SGD,
    Adam,
    Clip,
    EarlyStopping,
    MovingAverage,
    Schedule,
    StepSchedule,
    Training,
)
from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.context import CohortContext
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import Task

from .conftest import DROPPING, TEACHER, output_bytes, student_cell, wanted
from .test_methods import CELLS, OWN

SEED = 3
FAST_SGD = SGD(name="sgd", lr=0.05, momentum=0.8, nesterov=True, weight_decay=1e-2)


def changed(name: str, each: Cell, **training: object) -> Cell:
    return replace(each, name=f"main/s/{name}", training=each.training.model_copy(update=training))


MIXED = replace(
    next(each for each in CELLS if each.method.key == "mlkd"),
    name="main/s/mixed",
    views=CELLS[0].views.model_copy(update={"mix": Mix(mixup=0.5, cutmix=0.5)}),
)
CLEAN = replace(
    student_cell("clean", KD(alpha=0.2)),
    views=CELLS[0].views.model_copy(update={"teacher": "clean", "train": (Cutout(op="cutout", size=3),)}),
)
OTHERS = (
    MIXED,
    replace(MIXED, name="main/s/own-mixed", method=OWN),
    CLEAN,
    changed("kd-clip-layer", student_cell("", KD()), clip_norm=Clip(max=0.05, per="layer")),
    changed("kd-sgd", student_cell("", KD()), optimizer=FAST_SGD, schedule=Schedule(min_lr=1e-3)),
    changed("kd-adam", student_cell("", KD()), optimizer=Adam(name="adam", lr=5e-3, weight_decay=0.1)),
    changed(
        "kd-betas", student_cell("", KD(direction="reverse")), label_smoothing=0.2, select="best_val_loss"
    ),
    changed("last", student_cell("", Baseline(), DROPPING), label_smoothing=0.2, select="last"),
    changed(
        "average",
        student_cell("", KD()),
        ema=MovingAverage(decay=0.7),
        optimizer=FAST_SGD,
        schedule=StepSchedule(name="step", at=(1, 2), factor=0.2),
        select="best_val_loss",
    ),
    changed(
        "stops-early",
        student_cell("", KD(alpha=0.2), epochs=6),
        early_stopping=EarlyStopping(monitor="objective", patience=1),
        optimizer=FAST_SGD.model_copy(update={"lr": 2.0}),
    ),
)
ALL = (*CELLS, *OTHERS)


@dataclass
class Trained:
    """What the plain loop gives: the best weights, the test logits, the history's own figures."""

    weights: dict[str, Tensor]
    test_logits: Tensor
    val_top1: list[float]
    train_loss: list[float]


def heard(model: nn.Module, layers: tuple[str, ...], images: Tensor, strong: Tensor | None) -> Outputs:
    """What a network says of a batch, with the outputs of some of its layers."""
    features: dict[str, Tensor] = {}
    modules = dict(model.named_modules())
    hooks = [
        modules[layer].register_forward_hook(lambda _m, _i, out, layer=layer: features.update({layer: out}))
        for layer in layers
    ]
    logits = model(images)
    for hook in hooks:
        hook.remove()
    return Outputs(logits, None if strong is None else model(strong), features)


def plain_optimizer(training: Training, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rule = training.optimizer
    if isinstance(rule, SGD):
        return torch.optim.SGD(parameters, 1.0, rule.momentum, weight_decay=rule.weight_decay, nesterov=True)
    kind = torch.optim.Adam if isinstance(rule, Adam) else torch.optim.AdamW
    return kind(parameters, 1.0, rule.betas, weight_decay=rule.weight_decay)


def plain_clip(clip: Clip | None, parameters: list[nn.Parameter]) -> None:
    if clip is not None and clip.per == "global":
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))
        for p in parameters:
            p.grad = None if p.grad is None else p.grad * min(1.0, clip.max / norm)
    elif clip is not None:
        for p in parameters:
            p.grad = None if p.grad is None else p.grad * min(1.0, clip.max / float(p.grad.norm()))


def plain_rate(training: Training, epoch: int) -> float:
    low, high = training.schedule.min_lr, training.optimizer.lr
    if isinstance(training.schedule, StepSchedule):
        for at in training.schedule.at:
            high *= training.schedule.factor if epoch > at else 1.0
        return high
    return low + (high - low) * (1 + math.cos(math.pi * (epoch - 1) / training.epochs)) / 2


def plainly_trained(
    each: Cell, data: ImageData, model: nn.Module, teacher: nn.Module, objective: Objective
) -> Trained:
    """The textbook's loop."""
    training, views = each.training, each.views
    view, look = build_view(views, data.shape, train=True), build_view(views, data.shape, train=False)
    strong_view = build_strong_view(views, data.shape) if objective.needs_strong else None
    table = EpochTable(SEED, "student", len(data.train.labels))
    teacher.eval()
    average = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parameters = [*model.parameters(), *objective.parameters()]
    optimizer = plain_optimizer(training, parameters)
    history: list[tuple[float, float, float]] = []  # validation top-1, its loss, what early stopping watches
    losses: list[float] = []
    snapshots: list[dict[str, Tensor]] = []
    for epoch in range(1, training.epochs + 1):
        for group in optimizer.param_groups:
            group["lr"] = plain_rate(training, epoch)
        objective.begin_epoch(epoch, training.epochs)
        order = torch.from_numpy(table.order(epoch)).split(training.batch_size)
        draws = torch.from_numpy(table.draws(epoch, view.columns))
        mixing, seeds = table.mix_draws(epoch, len(order)), table.step_seeds(epoch, len(order))
        model.train()
        total = 0.0
        for step, rows in enumerate(order):
            raw, labels = data.train.images[rows], data.train.labels[rows]
            images, strong = view(raw, draws[rows]), None
            if strong_view is not None:
                others = torch.from_numpy(table.draws(epoch, strong_view.columns, view="strong"))
                strong = strong_view(raw, others[rows])
            targets = Targets(labels, seed=int(seeds[step]))
            if views.mix is not None:
                mixed = mix_batch(views.mix, images, labels, mixing[step])
                strong = None if strong is None else mix_batch(views.mix, strong, labels, mixing[step]).images
                images, targets = (
                    mixed.images,
                    Targets(labels, mixed.partner_labels, mixed.weight, targets.seed),
                )
            with torch.no_grad():
                seen = look(raw, None) if views.teacher == "clean" else images
                taught = heard(teacher, objective.teacher_layers, seen, strong)
            torch.manual_seed(targets.seed)  # of dropout
            loss = objective(heard(model, objective.student_layers, images, strong), targets, taught).total
            optimizer.zero_grad()
            loss.backward()
            plain_clip(training.clip_norm, parameters)
            optimizer.step()
            total += loss.item() * len(rows)
            for name, tensor in model.state_dict().items():
                if training.ema is None or not tensor.is_floating_point():
                    average[name] = tensor.clone()
                else:
                    average[name] = training.ema.decay * average[name] + (1 - training.ema.decay) * tensor
        losses.append(total / len(data.train.labels))
        now = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(average)
        model.eval()
        with torch.no_grad():
            shown, labels = look(data.val.images, None), data.val.labels
            logits = model(shown)
            top1 = 100 * float((logits.argmax(dim=1) == labels).double().mean())
            watched = float("nan")
            if training.early_stopping is not None:
                watched = float(objective(Outputs(logits), Targets(labels), Outputs(teacher(shown))).total)
            history.append((top1, float(F.cross_entropy(logits, labels)), watched))
        snapshots.append({name: tensor.clone() for name, tensor in average.items()})
        model.load_state_dict(now)
        if (
            training.early_stopping is not None
            and epoch > 1
            and watched >= min(row[2] for row in history[:-1])
        ):
            break  # a patience of one epoch
    best = {
        "best_val_top1": int(np.argmax([row[0] for row in history])),
        "best_val_loss": int(np.argmin([row[1] for row in history])),
        "last": len(history) - 1,
    }[training.select]
    model.load_state_dict(snapshots[best])
    with torch.no_grad():
        test_logits = model(look(data.test.images, None))
    return Trained(snapshots[best], test_logits, [row[0] for row in history], losses)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, runtime: Runtime) -> StudyFolder:
    """Every cell, trained by rigorkd; those that share their views in one cohort."""
    folder, teacher = StudyFolder(tmp_path_factory.mktemp("trained")), wanted(TEACHER, SEED)
    train_cohort(Task((teacher,), None), folder, runtime, lambda event: None)
    for cells in {id(each.views): [c for c in ALL if c.views == each.views] for each in ALL}.values():
        missing = [c for c in cells if not (folder.run(f"{c.name}/seed-{SEED}") / "record.json").exists()]
        if missing:
            runs = tuple(wanted(each, SEED) for each in missing)
            train_cohort(Task(runs, teacher), folder, runtime, lambda event: None)
    AcceleratorState._reset_state(reset_partial_state=True)
    return folder


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name.split("/")[-1])
def test_the_cohort_trains_what_a_plain_loop_trains(
    trained: StudyFolder, runtime: Runtime, each: Cell
) -> None:
    want, teacher_run = wanted(each, SEED), wanted(TEACHER, SEED)
    context = CohortContext(Task((want,), teacher_run), trained, runtime)
    model, teacher = context.build_model(want), context.build_model(teacher_run, trained=True)
    objective = context.objective(want, model)
    plain = plainly_trained(each, load_data(each.dataset, SEED), model, teacher, objective)

    files = output_bytes(trained, each, SEED)
    rows = list(csv.DictReader(io.StringIO(files["history.csv"].decode())))
    assert [float(row["val_top1"]) for row in rows] == pytest.approx(plain.val_top1)
    assert [float(row["train_loss"]) for row in rows] == pytest.approx(plain.train_loss, rel=1e-4)
    for name, tensor in load(files["model.safetensors"]).items():
        assert torch.allclose(tensor.double(), plain.weights[name].double(), rtol=1e-3, atol=2e-4), name
    predictions = np.load(io.BytesIO(files["predictions.npz"]))
    assert np.mean(predictions["prediction"] == plain.test_logits.argmax(dim=1).numpy()) > 0.98
