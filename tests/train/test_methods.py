"""Every method in the cohort loop: its teacher matters, its neighbours do not, and interruptions do not."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from rigorkd.data.image_data import ImageData
from rigorkd.data.operations import Cutout, RandAugment
from rigorkd.methods.at import AT
from rigorkd.methods.base import Method, Outputs, Shapes, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.ctkd import CTKD
from rigorkd.methods.dkd import DKD
from rigorkd.methods.feature import Feature, LayerPair
from rigorkd.methods.kd import KD
from rigorkd.methods.matched_smoothing import MatchedSmoothing
from rigorkd.methods.mlkd import MLKD
from rigorkd.methods.objective import Objective
from rigorkd.methods.own import Own
from rigorkd.methods.permuted_tail import PermutedTail
from rigorkd.methods.registry import KINDS
from rigorkd.methods.rld import RLD
from rigorkd.methods.sp import SP
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.schema import SGD, Clip, EarlyStopping
from rigorkd.records.layout import StudyFolder
from rigorkd.train import checkpoint, context
from rigorkd.train.cohort import train_cohort
from rigorkd.train.events import RunDone
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Batch, Student
from rigorkd.train.task import Task
from rigorkd.train.teacher_outputs import TeacherOutputs

from .conftest import DROPPING, PLAIN, TEACHER, TRAINING, VIEWS, Train, output_bytes, student_cell, wanted

STRONG = VIEWS.model_copy(
    update={"strong": (RandAugment(op="randaugment", n=1, m=5), Cutout(op="cutout", size=3))}
)
FEATURE = Feature(layers=("pool1", LayerPair(student="relu2", teacher="hidden")))
"""Maps of one size, and a map that is averaged to a vector."""


def cell(name: str, method: Method, dropout: bool = False) -> Cell:
    model = DROPPING if dropout else PLAIN
    return replace(student_cell(name, method, model, epochs=2), views=STRONG)


OWN = Own.model_validate({"term": "own_terms:weighed", "T": {"linear": (1, 4)}, "args": {"power": 0.5}})
RAMPS = KD.model_validate({"T": {"linear": (1, 4)}, "alpha": {"cosine": (0, 1)}, "standardize": True})
BASELINE = cell("baseline", Baseline())
CHOSEN: dict[str, Method] = {
    "kd": RAMPS,
    "ctkd": CTKD(warmup=1),
    "feature": FEATURE,
    "at": AT(layers=("pool1", LayerPair(student="relu2", teacher="pool1"))),
    "sp": SP(layers=(LayerPair(student="pool2", teacher="hidden"),)),
    "matched_smoothing": MatchedSmoothing(scope="global"),
    "own": OWN,
}
"""What shows more of a method than its defaults with a short warm-up."""
CELLS = (
    *(
        cell(key, CHOSEN.get(key) or kind.model_validate({"warmup": 2} if kind.warms_up else {}))
        for key, kind in KINDS.items()
    ),
    cell("mlkd-drops", MLKD(), dropout=True),
    cell("feature-drops", FEATURE, dropout=True),
    cell("smoothing-instance", MatchedSmoothing()),
    cell("permuted-drops", PermutedTail(), dropout=True),
    cell("own-module", Own(term="own_terms:Translated", args={"bias": False})),
    cell("own-buffer", Own(term="own_terms:Centred")),
)
DISTILLED = CELLS[1:]

every_cell = pytest.mark.parametrize("each", CELLS, ids=lambda cell: cell.name.split("/")[-1])


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, runtime: Runtime) -> Iterator[StudyFolder]:
    """All cells, trained in one cohort. Do not change it."""
    folder = StudyFolder(tmp_path_factory.mktemp("together"))
    teacher = wanted(TEACHER)
    train_cohort(Task((teacher,), None), folder, runtime, lambda event: None)
    train_cohort(Task(tuple(map(wanted, CELLS)), teacher), folder, runtime, lambda event: None)
    yield folder
    AcceleratorState._reset_state(reset_partial_state=True)


def weights(folder: StudyFolder, each: Cell) -> bytes:
    return output_bytes(folder, each)["model.safetensors"]


def history(folder: StudyFolder, each: Cell) -> list[dict[str, str]]:
    text = output_bytes(folder, each)["history.csv"].decode()
    return list(csv.DictReader(io.StringIO(text)))


@every_cell
def test_a_run_has_the_same_bits_alone_and_beside_all_other_methods(
    train: Train, study: StudyFolder, together: StudyFolder, each: Cell
) -> None:
    train([each])
    assert output_bytes(study, each) == output_bytes(together, each)


def test_the_parts_of_the_loss_add_up(together: StudyFolder) -> None:
    for each in DISTILLED:
        for row in history(together, each):
            ce, kd, total = (float(row[key]) for key in ("ce_loss", "kd_loss", "train_loss"))
            method = each.method
            weights = (getattr(method, "ce_weight", None), getattr(method, "kd_weight", 1.0))
            if isinstance(method, DKD | RLD):
                weights = (1.0, float(row["epoch"]) / 2)
            elif method.key == "kd":
                weights = (float(row["alpha"]), 1 - float(row["alpha"]))
            assert total == pytest.approx(weights[0] * ce + weights[1] * kd, rel=1e-4), each.name


def test_the_record_has_every_parameter_of_the_method(together: StudyFolder) -> None:
    """The weights and T² above all: public code disagrees on what they mean."""
    for each in CELLS:
        found = json.loads((together.run(f"{each.name}/seed-0") / "record.json").read_text())
        assert found["method"] == each.method.name
        for name, value in json.loads(each.method.model_dump_json()).items():
            said = found[name]
            assert (json.loads(said) if isinstance(value, dict | list) else said) == value, (each.name, name)


def test_what_changes_over_the_epochs_is_in_the_history(together: StudyFolder) -> None:
    ramp = history(together, CELLS[1])
    assert [(row["temperature"], row["alpha"]) for row in ramp] == [("1.0", "0.0"), ("4.0", "1.0")]
    learned = [float(row["temperature"]) for row in history(together, CELLS[3])]
    assert len({*learned, 15.621171}) == 3


def test_disturbing_the_teacher_changes_every_distilled_student(
    train: Train, study: StudyFolder, together: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the teacher says of one image is said of another, and half as loud."""
    outputs, of = TeacherOutputs.outputs, TeacherOutputs.of

    def disturbed(self: TeacherOutputs, batch: Batch, *, features: bool = False) -> Outputs:
        said = outputs(self, batch, features=features)
        strong = None if said.strong is None else said.strong.roll(1, 0) / 2
        taken = {layer: value.roll(1, 0) for layer, value in said.features.items()}
        return Outputs(said.logits.roll(1, 0) / 2, strong, taken)

    monkeypatch.setattr(TeacherOutputs, "outputs", disturbed)
    monkeypatch.setattr(TeacherOutputs, "of", lambda self, *what: of(self, *what) / 2)
    train(CELLS)
    assert weights(study, BASELINE) == weights(together, BASELINE)
    for each in DISTILLED:
        assert weights(study, each) != weights(together, each), each.name


def test_what_is_trained_and_selected_knows_nothing_of_the_test_images(
    train: Train, study: StudyFolder, together: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Black test images change the predictions, and neither weights nor history: the best epoch included."""
    load = context.load

    def blackened(*what: object) -> ImageData:
        data = load(*what)  # type: ignore[arg-type]
        assert isinstance(data.test.images, Tensor)
        return replace(data, test=replace(data.test, images=torch.zeros_like(data.test.images)))

    cells = (BASELINE, CELLS[1])
    train([])
    monkeypatch.setattr(context, "load", blackened)
    train(cells)
    for each in cells:
        before, after = output_bytes(together, each), output_bytes(study, each)
        assert {name for name in before if before[name] != after[name]} == {"predictions.npz"}


def test_hintons_term_of_ones_own_trains_what_kd_trains(train: Train, study: StudyFolder) -> None:
    ramp = {"T": {"linear": (1, 4)}, "alpha": {"cosine": (0.1, 0.9)}}
    pairs = [
        (KD(T=4.0, alpha=0.3), Own(term="own_terms:plain", T=4.0, alpha=0.3)),
        (KD.model_validate(ramp), Own.model_validate({"term": "own_terms:plain", **ramp})),
    ]
    cells = [
        tuple(student_cell(f"{kind}{i}", method) for kind, method in zip(("kd", "own"), pair, strict=True))
        for i, pair in enumerate(pairs)
    ]
    train([each for pair in cells for each in pair])
    # a divergence is a difference of entropies of up to log 10, of which float32 keeps 1.2e-7: the seventh
    # decimal says how a processor adds these up
    lost = 8 * 1.2e-7 * math.log(10)
    for built_in, own in cells:
        for row, same in zip(history(study, built_in), history(study, own), strict=True):
            for column in ("train_loss", "ce_loss", "kd_loss", "val_loss"):
                assert float(same[column]) == pytest.approx(float(row[column]), rel=1e-5, abs=lost)


def test_watching_the_objective_teaches_a_term_nothing(train: Train, study: StudyFolder) -> None:
    """What a term gathers in its buffers comes from the training images alone."""
    watching = [
        replace(
            student_cell(monitor, Own(term="own_terms:Centred")),
            training=TRAINING.model_copy(
                update={"early_stopping": EarlyStopping.model_validate({"monitor": monitor, "patience": 9})}
            ),
        )
        for monitor in ("ce", "objective")
    ]
    train(watching)
    assert weights(study, watching[0]) == weights(study, watching[1])


class Killed(BaseException):
    """Stands for the death of the process: nothing in the product catches it."""


def test_killed_after_an_epoch_and_resumed(
    train: Train, study: StudyFolder, together: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learned temperatures, projections and learned entropies go on where they stood."""
    begin = Student.begin_epoch

    def die(self: Student, epoch: int) -> None:
        if epoch == 2:
            raise Killed
        begin(self, epoch)

    train([])
    with monkeypatch.context() as patch:
        patch.setattr(Student, "begin_epoch", die)
        with pytest.raises(Killed):
            train(CELLS)
    train(CELLS)
    for each in CELLS:
        assert "resumed after epoch 1" in study.run_log(f"{each.name}/seed-0").read_text()
        assert output_bytes(study, each) == output_bytes(together, each), each.name


def test_everything_trains_in_bf16(train: Train, study: StudyFolder) -> None:
    training = TRAINING.model_copy(update={"precision": "bf16", "epochs": 1})
    cells = [replace(each, training=training) for each in CELLS]
    done = [event for event in train(cells) if isinstance(event, RunDone)]
    assert [event.status for event in done] == ["done"] * len(cells)
    assert float(history(study, cells[3])[0]["temperature"]) != pytest.approx(15.621171, abs=1e-5)


# ------------------------------------------------------------- parameters of methods, one student at a time


def a_student(runtime: Runtime, method: Method, clip: Clip | None = None) -> Student:
    """A student on SGD with a step of 1, whose first layer is what `feature` imitates."""
    training = TRAINING.model_copy(
        update={"optimizer": SGD(name="sgd", lr=1.0, momentum=0.0), "clip_norm": clip}
    )
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))
    objective = Objective(method, shapes=Shapes({"1": (5,)}, {"1": (4,)}, seed=1))
    return Student(Run(student_cell("x", method, training=training), 0), "hash", model, objective, runtime)


def step(student: Student, scale: float = 1.0) -> float:
    """One step on random images; how far all its parameters moved together."""
    generator = torch.Generator().manual_seed(3)
    images, logits, feature = (
        scale * torch.randn(shape, generator=generator) for shape in ((6, 1, 4, 4), (6, 3), (6, 4))
    )
    batch = Batch(torch.arange(6), 0, images, None, Targets(torch.arange(6) % 3))
    before = [parameter.detach().clone() for parameter in student.parameters]
    student.begin_epoch(1)
    student.step(batch, Outputs(logits, None, {"1": feature}))
    moved = [(new - old).flatten() for new, old in zip(student.parameters, before, strict=True)]
    return torch.cat(moved).norm().item()


with_parameters = pytest.mark.parametrize(
    "method", [CTKD(warmup=1), Feature(layers=("1",))], ids=lambda m: m.key
)


@with_parameters
def test_the_methods_own_parameters_are_optimised(runtime: Runtime, method: Method) -> None:
    student = a_student(runtime, method)
    own = list(student.objective.parameters())
    assert own
    optimised = {id(p) for group in student.optimizer.param_groups for p in group["params"]}
    assert {id(parameter) for parameter in own} <= optimised
    before = [parameter.detach().clone() for parameter in own]
    step(student)
    assert all(not torch.equal(new, old) for new, old in zip(own, before, strict=True))


@with_parameters
def test_the_methods_own_parameters_are_inside_the_global_clip(runtime: Runtime, method: Method) -> None:
    """With a step of 1, network and method together move exactly by the largest norm allowed."""
    assert step(a_student(runtime, method), scale=4.0) > 0.02
    assert step(a_student(runtime, method, Clip(max=0.01)), scale=4.0) == pytest.approx(0.01, rel=1e-2)


@with_parameters
def test_the_methods_own_parameters_are_clipped_per_layer(runtime: Runtime, method: Method) -> None:
    student = a_student(runtime, method, Clip(max=1e-4, per="layer"))
    before = [parameter.detach().clone() for parameter in student.objective.parameters()]
    step(student, scale=4.0)
    for new, old in zip(student.objective.parameters(), before, strict=True):
        assert (new - old).norm().item() == pytest.approx(1e-4, rel=2e-2)


@pytest.mark.parametrize("per", ["global", "layer"])
def test_projections_can_be_left_out_of_the_clip(runtime: Runtime, per: Literal["global", "layer"]) -> None:
    """The network moves by what the clip allows, without the projections in it, and they move freely."""
    free = a_student(runtime, Feature(layers=("1",)))
    outside = a_student(runtime, Feature(layers=("1",), clip=False), Clip(max=0.01, per=per))
    for student in (free, outside):
        before = [parameter.detach().clone() for parameter in student.raw_model.parameters()]
        own = [parameter.detach().clone() for parameter in student.objective.parameters()]
        step(student, scale=4.0)
        moved = [new - old for new, old in zip(student.raw_model.parameters(), before, strict=True)]
        moved_own = [new - old for new, old in zip(student.objective.parameters(), own, strict=True)]
        if student is free:
            projections = moved_own
            continue
        norms = torch.stack([one.norm() for one in moved])
        clipped = norms.norm() if per == "global" else norms.max()
        assert clipped.item() == pytest.approx(0.01, rel=1e-2)
        assert all(torch.equal(a, b) for a, b in zip(moved_own, projections, strict=True))


@with_parameters
def test_the_methods_own_parameters_are_restored(runtime: Runtime, method: Method, tmp_path: Path) -> None:
    one, two = a_student(runtime, method), a_student(runtime, method)
    step(one)
    val_logits, val_labels = torch.zeros(2, 3), torch.tensor([0, 1])
    one.end_epoch(1, val_logits, val_labels, None)
    checkpoint.save(tmp_path / "checkpoint.pt", one, "machine")
    assert checkpoint.restore(tmp_path / "checkpoint.pt", two, "machine", runtime.device)
    for a, b in zip(one.parameters, two.parameters, strict=True):
        assert torch.equal(a, b)


def test_a_layer_that_is_overwritten_is_refused(runtime: Runtime) -> None:
    """An in-place activation after the layer would silently be what the student imitates."""
    student = a_student(runtime, Feature(layers=("1",)))
    relu = student.raw_model[2]  # type: ignore[index]
    assert isinstance(relu, nn.ReLU)
    relu.inplace = True
    with pytest.raises(Exception, match="'1' gives is overwritten by a later layer"):
        step(student)


def test_a_learned_temperature_moves_under_a_gradient_scaler() -> None:
    """The gradient of θ is scaled and unscaled like any other: the step is that without a scaler."""
    logits, teacher = Tensor([[2.0, 0.5, -1.0]]), Tensor([[0.1, 3.0, -2.0]])
    moved = []
    for enabled in (True, False):
        objective = Objective(CTKD(warmup=1))
        optimizer = torch.optim.SGD(objective.parameters(), lr=1.0)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12, enabled=enabled)
        total = objective(Outputs(logits), Targets(torch.tensor([0])), Outputs(teacher)).total
        scaler.scale(total).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        moved.append(objective.columns()["temperature"])
    assert moved[0] == pytest.approx(moved[1], rel=1e-6)
    assert moved[0] != pytest.approx(15.621171, abs=1e-6)
