"""Every part that trains, on an accelerator: it runs under deterministic algorithms and agrees with the CPU.

What is tried is read from the registries: a method, an operation of a view or a family of architectures that
is added is tried here without a word.
"""

from __future__ import annotations

import csv
import re
import shutil
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from rigorkd.data.image_data import DataShape
from rigorkd.data.operations import Mix, Op, Views
from rigorkd.data.views import build_view
from rigorkd.methods.at import AT
from rigorkd.methods.base import Method, Outputs, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.objective import Objective
from rigorkd.methods.permuted_tail import PermutedTail
from rigorkd.methods.registry import KINDS
from rigorkd.methods.sp import SP
from rigorkd.models.build import build
from rigorkd.models.model import MODELS, TORCHVISION, Model, min_size
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.schema import Clip, Optimizer
from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.events import RunDone, RunFailed
from rigorkd.train.runtime import Runtime, start_runtime
from rigorkd.train.student import build_optimizer
from rigorkd.train.task import Task

from ..methods.conftest import FEATURE, LOGIT_METHODS, SHAPES, label
from ..train.conftest import COLD, DATA, PLAIN, TEACHER, TRAINING, WARM, Train, wanted
from ..train.test_methods import CELLS
from .conftest import DEVICE, ON_CUDA, PRECISIONS, QUICK

pytestmark = pytest.mark.cuda
RGB = DataShape(3, 32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))


def on(device: str, tensor: Tensor) -> Tensor:
    return tensor.to(torch.device(device))


def normal(*shape: int, seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# -------------------------------------------------------------------------------------------- arithmetic


def test_full_precision_is_full(runtime: Runtime) -> None:
    """TF32 is off: its 10 bits would give errors of about 3e-4 of the largest value here, float32's 1e-6."""
    images, weight = normal(8, 64, 16, 16, seed=1, scale=1.0), normal(64, 64, 3, 3, seed=2, scale=1.0)
    rows, columns = normal(256, 512, seed=3, scale=1.0), normal(512, 256, seed=4, scale=1.0)
    for name, found, exact in (
        (
            "convolution",
            F.conv2d(on(DEVICE, images), on(DEVICE, weight)),
            F.conv2d(images.double(), weight.double()),
        ),
        ("product", on(DEVICE, rows) @ on(DEVICE, columns), rows.double() @ columns.double()),
    ):
        error = (found.cpu().double() - exact).abs().max() / exact.abs().max()
        assert error < 3e-5, name


def test_the_device_is_the_one_that_was_asked_for(runtime: Runtime) -> None:
    assert torch.are_deterministic_algorithms_enabled()
    assert str(runtime.device) == DEVICE
    assert runtime.memory_bytes() > 0
    assert ("CPU" in runtime.hardware()) is not ON_CUDA


# ------------------------------------------------------------------------------------------------- views


def example(operation: type[BaseModel]) -> BaseModel:
    """An operation that does something: required numbers are 4, strengths that are 0 by default 0.2."""
    values: dict[str, Any] = {}
    for name, field in operation.model_fields.items():
        if name == "op":
            values[name] = get_args(field.annotation)[0]
        elif field.is_required():
            values[name] = 4
        elif field.default == 0.0:
            values[name] = 0.2
    return operation.model_validate(values)


OPERATIONS = [example(operation) for operation in get_args(get_args(Op)[0])]
NEAREST = ("rotation", "randaugment")
"""These show the nearest pixel: a position half-way between two, or a level about to be cut off, may fall
either way."""

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.op)


@every_operation
@pytest.mark.parametrize("size", [32, 48])
def test_a_view_agrees_with_the_cpu(runtime: Runtime, operation: Any, size: int) -> None:
    """The same draws: within 1e-4 in [0, 1]; where the nearest pixel is shown, all but 2 % of the values."""
    view = build_view(Views(size=size, normalize="none", train=(operation,)), RGB, train=True)
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8, generator=generator)
    draws = torch.rand(64, view.columns, generator=generator)
    here, there = view(images, draws), view(on(DEVICE, images), on(DEVICE, draws))
    assert (there.dtype, there.shape, there.device) == (here.dtype, here.shape, runtime.device)
    away = (there.cpu() - here).abs() > 1e-4
    assert away.double().mean() <= (0.02 if operation.op in NEAREST else 0.0)
    assert torch.equal(there, view(on(DEVICE, images), on(DEVICE, draws)))  # and repeats itself


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if not QUICK or each.op in ("center_crop", "randaugment")],
    ids=lambda operation: operation.op,
)
def test_a_run_with_every_operation_trains(study: StudyFolder, runtime: Runtime, operation: Any) -> None:
    """Through the cohort's own way: draws of the epoch on the device, mixing, strong view and evaluation."""
    views = Views(
        size=16,
        normalize="imagenet",
        train=(operation,),
        strong=(operation,),
        eval=() if operation.op != "center_crop" else (operation,),
        mix=Mix(mixup=0.5, cutmix=0.5),
    )
    methods = [cell for cell in CELLS if cell.method.needs_strong or not cell.method.distils][:2]
    assert {cell.method.needs_strong for cell in methods} == {False, True}
    teacher, *cells = (one_epoch(replace(cell, views=views)) for cell in (TEACHER, *methods))
    done(cohort(study, runtime, teacher, cells), cells)


# ----------------------------------------------------------------------------------------------- methods


def one_epoch(cell: Cell, **training: object) -> Cell:
    return replace(cell, training=cell.training.model_copy(update={"epochs": 1, **training}))


def done(events: list[Any], cells: list[Cell]) -> None:
    """Every run came to its record; else what kept it from that."""
    failed = {event.run: event.reason for event in events if isinstance(event, RunFailed)}
    assert not failed
    statuses = {event.run: event.status for event in events if isinstance(event, RunDone)}
    assert {f"{cell.name}/seed-0": "done" for cell in cells}.items() <= statuses.items()


def cohort(study: StudyFolder, runtime: Runtime, teacher: Cell, cells: list[Cell]) -> list[Any]:
    """Train a teacher, then its students in one cohort; the events of both."""
    events: list[Any] = []
    want = wanted(teacher)
    train_cohort(Task((want,), None), study, runtime, events.append)
    done(events, [teacher])
    train_cohort(Task(tuple(map(wanted, cells)), want), study, runtime, events.append)
    return events


@pytest.mark.parametrize("per", ["layer"] if QUICK else ["global", "layer"])
@pytest.mark.parametrize("precision", PRECISIONS[:1] if QUICK else PRECISIONS)
def test_every_method_trains(train: Train, precision: str, per: Any) -> None:
    """Under deterministic algorithms, which raise where an operation has no such form on the device."""
    assert {type(cell.method) for cell in CELLS} == set(KINDS.values())
    cells = [
        one_epoch(cell, precision=precision, clip_norm=Clip(max=1.0, per=per), label_smoothing=0.1)
        for cell in CELLS
    ]
    done(train(cells), cells)


LABELS = torch.arange(64) % 10
"""Logits are those of 64 images and 10 classes."""

OF_FEATURES = (FEATURE, AT(layers=("map",)), SP(layers=FEATURE.layers))

TARGETS = {
    "plain": Targets(LABELS, seed=3),
    "mixed": Targets(LABELS, LABELS.roll(1), torch.tensor(0.3), seed=3),
}


def targets_on(device: str, kind: str) -> Targets:
    targets = TARGETS[kind]
    moved = [None if each is None else on(device, each) for each in targets[:3]]
    return Targets(moved[0], moved[1], moved[2], targets.seed)  # type: ignore[arg-type]


def value_and_gradients(method: Method, kind: str, device: str) -> dict[str, Tensor]:
    """What one step of an objective gives in fp32: its terms, and the gradients of all that is learned."""
    objective = Objective(method, label_smoothing=0.1, shapes=SHAPES).to(torch.device(device))
    objective.begin_epoch(2, 5)
    learned = {
        name: on(device, normal(64, 10, seed=seed)).requires_grad_()
        for name, seed in (("weak", 1), ("strong", 2))
    }
    taught = [on(device, normal(64, 10, seed=seed)) for seed in (3, 4)]
    shapes = {"mine": SHAPES.student, "theirs": SHAPES.teacher}
    features = {
        whose: {layer: on(device, normal(64, *shape, seed=5)) for layer, shape in sizes.items()}
        for whose, sizes in shapes.items()
    }
    terms = objective(
        Outputs(learned["weak"], learned["strong"], features["mine"]),
        targets_on(device, kind),
        Outputs(taught[0], taught[1], features["theirs"]),
    )
    terms.total.backward()
    found = {"total": terms.total, "ce": terms.ce, "kd": terms.kd}
    found |= {f"gradient of {name}": tensor.grad for name, tensor in learned.items()}
    found |= {f"gradient of {name}": parameter.grad for name, parameter in objective.named_parameters()}
    return {name: tensor.detach().cpu() for name, tensor in found.items() if tensor is not None}


@pytest.mark.parametrize("kind", list(TARGETS))
@pytest.mark.parametrize("method", [Baseline(), *LOGIT_METHODS, *OF_FEATURES], ids=label)
def test_a_loss_agrees_with_the_cpu(runtime: Runtime, method: Method, kind: str) -> None:
    """Value and gradient, within 1e-4 of the largest. A permutation is the device's own: of one class."""
    if isinstance(method, PermutedTail):
        method = method.model_copy(update={"keep": 9})
    here, there = (value_and_gradients(method, kind, device) for device in ("cpu", DEVICE))
    assert here.keys() == there.keys()
    for name, expected in here.items():
        bound = 1e-4 * float(expected.abs().max()) + 1e-6
        assert float((there[name] - expected).abs().max()) <= bound, name


def test_the_registry_of_methods_is_tried() -> None:
    tried = {Baseline, *(type(method) for method in (*LOGIT_METHODS, *OF_FEATURES))}
    own = {kind for key, kind in KINDS.items() if key == "own"}
    assert tried | own == set(KINDS.values())


@pytest.mark.parametrize("method", [m for m in LOGIT_METHODS if isinstance(m, PermutedTail)], ids=label)
def test_a_permuted_teacher_repeats_itself_on_the_device(runtime: Runtime, method: Method) -> None:
    one, two = (value_and_gradients(method, "plain", DEVICE) for _ in range(2))
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name


# -------------------------------------------------------------------------------------------- optimisers


def steps(settings: Optimizer, overflows: Sequence[bool], *, clipped: bool) -> list[Tensor]:
    """The parameter and the optimiser's tensors after these steps under a scaler of their own."""
    parameter = nn.Parameter(on(DEVICE, normal(7, 5, seed=1)))
    optimizer = build_optimizer(settings, [parameter])
    scaler = torch.amp.GradScaler(parameter.device.type)  # its scales are powers of 2, so nothing is rounded
    factor = on(DEVICE, normal(7, 5, seed=2))
    for overflow in overflows:
        scaler.scale((parameter * factor).sum()).backward()
        assert parameter.grad is not None
        if overflow:
            parameter.grad[0, 0] = torch.inf
        if clipped:
            scaler.unscale_(optimizer)  # before the norm is taken
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
    kept = optimizer.state[parameter]
    return [parameter.detach(), *(kept[name] for name in sorted(kept) if kept[name] is not None)]


@pytest.mark.parametrize("clipped", [True, False], ids=["unscaled before", "unscaled in the step"])
@pytest.mark.parametrize("kind", get_args(get_args(Optimizer)[0]), ids=lambda kind: kind.__name__)
def test_a_skipped_step_leaves_the_optimiser_as_it_was(
    runtime: Runtime, kind: type[Any], clipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fused step gets to see the overflow and must skip by itself, the very first one included.

    New memory that is never written is filled with NaN here, so that reading it is seen.
    """
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    settings = kind(name=kind.__name__.lower(), lr=0.1)
    calm = steps(settings, (False, False), clipped=clipped)
    skipping = steps(settings, (True, False, True, True, False), clipped=clipped)
    assert len(calm) == len(skipping) > 1
    for expected, found in zip(calm, skipping, strict=True):
        assert torch.equal(found, expected)


# ----------------------------------------------------------------------------------------- architectures


def families() -> dict[str, str]:
    """The smallest member of every family: of names that agree in their letters and their version."""
    found: dict[str, list[str]] = {}
    for name in MODELS:
        letters = re.match(r"cifar_[a-z]+|[A-Za-z]+", name)
        assert letters is not None
        version = "".join(re.findall(r"_v\d|_cifar$", name))
        found.setdefault(f"{letters[0]}{version}", []).append(name)

    def parameters(name: str) -> int:
        if name not in TORCHVISION:
            return int("".join(re.findall(r"\d", name)) or 0)  # depth
        return int(models.get_model_weights(name).DEFAULT.meta["num_params"])

    return {family: min(members, key=parameters) for family, members in found.items()}


FAMILIES = families()
TRIED = {family: FAMILIES[family] for family in ("cnn", "shufflenet_v2")} if QUICK else FAMILIES


def gradients(network: nn.Module, images: Tensor, precision: str) -> list[Tensor]:
    """Of one step from the network as it is; dropout draws what the seed says."""
    torch.manual_seed(1)
    network.zero_grad()
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    with torch.autocast(images.device.type, dtype=half, enabled=precision != "fp32"):
        logits = network(images)
    F.cross_entropy(logits.float(), torch.arange(len(images), device=images.device) % 10).backward()
    return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", TRIED.values())
def test_every_family_of_architectures_has_gradients_that_repeat(runtime: Runtime, name: str) -> None:
    """Deterministic algorithms raise where torch knows that an operation is not; bytes tell of the others."""
    side = max(64, min_size(name))
    network = runtime.lay_out(build(Model(name=name), classes=10, channels=3, size=side, seed=0))
    images = on(DEVICE, normal(4, 3, side, side, seed=1, scale=1.0))
    for precision in ("fp32",) if QUICK else ("fp32", "bf16", *(["fp16"] if ON_CUDA else [])):
        one, two = (gradients(network, images, precision) for _ in range(2))
        assert len(one) == sum(1 for _ in network.parameters())
        for index, (first, second) in enumerate(zip(one, two, strict=True)):
            assert first.isfinite().all() or precision == "fp16", f"{precision}, gradient {index}"
            assert torch.equal(first.nan_to_num(), second.nan_to_num()), f"{precision}, gradient {index}"


# -------------------------------------------------------------------------------------------------- fast


FAST_TEACHER = replace(TEACHER, model=PLAIN)
"""The students' own architecture, so that one graph is compiled for all."""


def losses(study: StudyFolder, runtime: Runtime, precision: str) -> list[float]:
    """The training and validation losses of a teacher and two students, in batches of one size."""
    data = DATA.model_copy(update={"split": DATA.split.model_copy(update={"train": 96})})
    training = TRAINING.model_copy(update={"precision": precision})
    cells = [replace(cell, training=training, dataset=data) for cell in (FAST_TEACHER, COLD, WARM)]
    done(cohort(study, runtime, cells[0], cells[1:]), cells)
    found = []
    for cell in cells:
        with (study.run(wanted(cell).run.name) / "history.csv").open() as file:
            found += [float(row[key]) for row in csv.DictReader(file) for key in ("train_loss", "val_loss")]
    return found


@pytest.fixture
def fast() -> Iterator[Callable[[bool], Runtime]]:
    """This process in fast mode, compiling or not; no graph is left behind."""
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()

    def start(compiles: bool) -> Runtime:
        runtime = start_runtime(DEVICE, "fast")
        assert runtime.compiles is ON_CUDA  # on a CPU nothing is compiled
        return replace(runtime, compiles=compiles)

    yield start
    torch._dynamo.reset()
    torch._dynamo.config.recompile_limit = limit
    torch.use_deterministic_algorithms(True)


def lacking() -> str:
    """What compiling would need and this machine lacks: Triton builds its launchers as modules of Python."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    parts = {
        "a C compiler (gcc or clang)": any(map(shutil.which, ("gcc", "clang"))),
        f"Python's headers ({header})": header.exists(),
    }
    return " and ".join(name for name, found in parts.items() if not found)


@pytest.mark.cuda(seconds=40)
@pytest.mark.skipif(ON_CUDA and bool(lacking()), reason=f"to compile, torch needs {lacking()}: not here")
@pytest.mark.parametrize("precision", PRECISIONS[:1] if QUICK else PRECISIONS)
def test_fast_steps_train_as_eager_ones_do(
    study: StudyFolder, fast: Callable[[bool], Runtime], precision: str
) -> None:
    """Compiled where `fast` compiles: losses of three epochs within 1 % in fp32 and 10 % in bf16.

    In fp16 within 25 %: near the largest number a step may be skipped by one of them alone.
    """
    found = losses(StudyFolder(study.path / "fast"), fast(ON_CUDA), precision)
    assert (torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0) is ON_CUDA
    eager = losses(StudyFolder(study.path / "eager"), fast(False), precision)
    assert found == pytest.approx(eager, rel={"fp32": 0.01, "bf16": 0.1, "fp16": 0.25}[precision])


def test_fast_trains_as_reference_does(
    study: StudyFolder, fast: Callable[[bool], Runtime], runtime: Runtime
) -> None:
    """Another memory format and cuDNN's own choice of algorithm: within 1 % after three epochs."""
    reference = losses(StudyFolder(study.path / "reference"), start_runtime(DEVICE, "reference"), "fp32")
    assert losses(StudyFolder(study.path / "fast"), fast(False), "fp32") == pytest.approx(reference, rel=0.01)
