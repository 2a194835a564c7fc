"""Schedules in both spellings, no validation, an average of the weights: what is meant, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rigorkd.errors import ProtocolError
from rigorkd.fields import HASHED
from rigorkd.launch.rehearsal import done_without
from rigorkd.protocol.hashes import cell_shape, resolved
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.schema import LinearSchedule, PolynomialSchedule, Schedule, StepSchedule
from rigorkd.protocol.smoke import replaced_models, smoke
from rigorkd.train.student import learning_rate

Load = Callable[..., Protocol]

SCHEDULE, LAST = "schedule: cosine", ("epochs: 4", "epochs: 4\n  select: last")
NO_VAL = ("val: 300", "val: 0")


def schedule_of(protocol: Protocol) -> Any:
    return protocol.cell("main/small/baseline").training.schedule


@pytest.mark.parametrize(
    "written",
    [
        "{name: step, at: [1, 3], factor: 0.1}",
        "{name: step, at: [1, 3]}",
        "{name: multistep, milestones: [1, 3], gamma: 0.1}",
        "{name: multistep, at: [1, 3], gamma: 0.1, warmup_epochs: 0}",
    ],
)
def test_step_and_multistep_are_one_schedule(load: Load, written: str) -> None:
    protocol = load((SCHEDULE, f"schedule: {written}"))
    assert schedule_of(protocol) == StepSchedule(name="step", at=(1, 3), factor=0.1)
    plain = load((SCHEDULE, "schedule: {name: step, at: [1, 3]}"))
    assert cell_shape(protocol.cells[0]) == cell_shape(plain.cells[0])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("linear", LinearSchedule(name="linear")),
        ("{name: linear, min_lr: 1e-5, warmup_epochs: 2}",
         LinearSchedule(name="linear", min_lr=1e-5, warmup_epochs=2)),
        ("{name: polynomial, power: 0.9}", PolynomialSchedule(name="polynomial", power=0.9)),
        ("{warmup_epochs: 1}", Schedule(warmup_epochs=1)),
        ("constant", Schedule(name="constant")),
    ],
)  # fmt: skip
def test_schedules_by_name_or_in_full(load: Load, written: str, meant: object) -> None:
    assert schedule_of(load((SCHEDULE, f"schedule: {written}"))) == meant


def test_schedules_are_axes_and_their_lists_of_epochs_are_not(load: Load) -> None:
    axis = "main:\n    schedule: [{name: step, at: [1, 3]}, {name: multistep, milestones: [2]}, linear]"
    names = [cell.name for cell in load(("main:", axis)).cells if "small/baseline" in cell.name]
    assert names == [f"main/small/baseline-{label}" for label in ("step", "multistep", "linear")]
    axis = "main:\n    schedule: {name: step, at: [[1, 3], [2]], factor: [0.1, 0.5]}"
    names = [cell.name for cell in load(("main:", axis)).cells if "small/baseline" in cell.name]
    labels = [f"at{at}-factor{factor}" for at in ("1_3", "2") for factor in ("0.1", "0.5")]
    assert names == [f"main/small/baseline-{label}" for label in labels]


def test_records_name_what_a_column_is_of(load: Load) -> None:
    flat = resolved(load((SCHEDULE, "schedule: {name: step, at: [1, 3]}")).cells[0])
    assert (flat["schedule"], flat["lr_at"], flat["lr_factor"]) == ("step", "[1,3]", 0.1)
    assert "min_lr" not in flat
    flat = resolved(load((SCHEDULE, "schedule: {name: polynomial, power: 2}")).cells[0])
    assert (flat["lr_power"], flat["min_lr"]) == (2.0, 0.0)


def test_an_average_is_a_number_or_a_mapping_and_absent_by_default(load: Load) -> None:
    short, full = (load(("epochs: 4", f"epochs: 4\n  ema: {ema}")) for ema in ("0.99", "{decay: 0.99}"))
    training = short.cells[0].training
    assert training == full.cells[0].training
    assert training.ema is not None
    assert training.ema.decay == 0.99
    assert "ema" in training.model_dump(context=HASHED)
    assert "ema" not in load().cells[0].training.model_dump(context=HASHED)
    names = [cell.name for cell in load(("main:", "main:\n    ema: [null, 0.9, 0.99]")).cells]
    assert [name for name in names if "small/baseline" in name] == [
        f"main/small/baseline-{label}" for label in ("no-ema", "ema0.9", "ema0.99")
    ]


def test_without_validation_images_the_last_epoch_is_tested(load: Load) -> None:
    protocol = load(NO_VAL, LAST)
    assert protocol.spec.dataset.split.val == 0
    assert {cell.training.select for cell in protocol.cells} == {"last"}
    small = smoke(protocol)
    assert small.spec.dataset.split.val == 0


def test_smoke_keeps_a_step_where_there_is_room_for_one(load: Load) -> None:
    protocol = smoke(load((SCHEDULE, "schedule: {name: step, at: [2, 3], warmup_epochs: 1}")))
    training = protocol.cell("main/small/baseline").training
    assert [learning_rate(training, epoch) for epoch in (1, 2)] == pytest.approx([1e-3, 1e-4])


MESSAGES = [
    ([(SCHEDULE, "schedule: {name: step, at: [3, 1]}")], "the epochs of a step schedule must rise"),
    ([(SCHEDULE, "schedule: {name: step, at: [2], warmup_epochs: 2}")], "falls into the 2 warm-up epochs"),
    ([(SCHEDULE, "schedule: {name: step, at: [2, 4]}")], "never falls at 4: 4 epochs are trained"),
    ([(SCHEDULE, "schedule: {name: step}")], "the key 'at' is missing"),
    ([(SCHEDULE, "schedule: {name: step, at: [2], factor: 1}")], "factor must be less than 1"),
    ([(SCHEDULE, "schedule: {name: multistep, milestones: [2], at: [3]}")], "milestones and at mean"),
    ([(SCHEDULE, "schedule: {name: multistep, milestones: [2], gama: 1}")], "unknown key 'gama'"),
    ([(SCHEDULE, "schedule: polynomial")], "the key 'power' is missing"),
    ([(SCHEDULE, "schedule: {name: linear, min_lr: 1}")], "min_lr 1 is above the learning rate"),
    ([(SCHEDULE, "schedule: stairs")], "unknown schedule 'stairs'"),
    ([("epochs: 4", "epochs: 4\n  ema: 1.5")], "must be less than 1, not 1.5"),
    ([NO_VAL], "nothing to choose an epoch by (select: best_val_top1)"),
    ([NO_VAL, LAST, ("main:", "main:\n    select: best_val_loss")], "by (select: best_val_loss)"),
    ([NO_VAL, LAST, ("main:", "main:\n    early_stopping: {patience: 2}")], "with val: 0 there are none"),
    ([("val: 300", "val: -1")], "val must be at least 0"),
    (
        [("epochs: 4", "epochs: 4\n  select: best_val_objective"),
         ("kd: {T: [1, 4], alpha: [0.1, 0.5]}", "feature: {layers: [pool1]}")],
        "its objective cannot be watched",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), MESSAGES, ids=[message for _, message in MESSAGES])
def test_what_cannot_be_is_one_message_with_its_line(
    load: Load, changes: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(*changes)
    assert message in str(caught.value)
    assert str(caught.value).count(message) == 1
    assert caught.value.line is not None


def test_smoke_needs_no_hub(load: Load) -> None:
    hub = "{model: hf/jialicheng/cifar100-resnet-50, start: pretrained, train: false, size: 224}"
    teacher = ("teacher: {model: {name: cnn, channels: [16, 32]}}", f"teacher: {hub}")
    protocol = load(teacher)
    assert replaced_models(protocol) == ("hf/jialicheng/cifar100-resnet-50",)
    assert smoke(protocol).cell("teacher").model.name == "cnn"
    (note,) = done_without(protocol)
    assert "the real run needs it" in note
    imitated = load(teacher, ("kd: {T: [1, 4], alpha: [0.1, 0.5]}", "feature: {layers: [pool1]}"))
    assert replaced_models(imitated) == ()
    assert replaced_models(load()) == ()


def test_smoke_says_which_weights_the_real_run_will_miss(load: Load, tmp_path: Path) -> None:
    file = "{path: weights/ckpt.pth}"
    teacher = f"teacher: {{model: resnet8, start: {file}, train: false}}"
    protocol = load(("teacher: {model: {name: cnn, channels: [16, 32]}}", teacher))
    assert done_without(protocol) == ("weights/ckpt.pth is not there yet; `rigorkd run` needs it",)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "ckpt.pth").write_bytes(b"")
    assert done_without(protocol) == ()
