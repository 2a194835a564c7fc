"""The cohort loop: bits depend on nothing but the run, work is done once, failures stay alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rigorkd.data.operations import Views
from rigorkd.data.random import EpochTable
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.kd import KD
from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell
from rigorkd.records.layout import StudyFolder
from rigorkd.train import checkpoint, context, finish
from rigorkd.train.cohort import train_cohort
from rigorkd.train.context import CohortContext
from rigorkd.train.events import EpochDone, RunDone, RunFailed
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Student
from rigorkd.train.task import Task
from rigorkd.train.teacher_outputs import TeacherOutputs

from .conftest import (
    AVERAGED,
    BASELINE,
    COLD,
    DATA,
    DROPS,
    DROPS_BASELINE,
    PLAIN,
    SHORT,
    TEACHER,
    TRAINING,
    WARM,
    Train,
    output_bytes,
    student_cell,
    wanted,
)

CELLS = (BASELINE, COLD, WARM, DROPS, DROPS_BASELINE, SHORT, AVERAGED)


@pytest.fixture
def other(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "other")


def test_a_run_has_the_same_bits_alone_and_in_any_cohort(
    train: Train, study: StudyFolder, other: StudyFolder
) -> None:
    train(CELLS)
    for cell in CELLS:
        train([cell], folder=other)
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


def test_the_order_of_the_cells_changes_nothing(train: Train, study: StudyFolder, other: StudyFolder) -> None:
    train(CELLS)
    train(CELLS[::-1], folder=other)
    for cell in CELLS:
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


def test_without_generators_of_their_own_the_bits_would_differ(
    train: Train, study: StudyFolder, other: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The isolation is needed: taking it away is seen by the comparison above."""

    class NoSeed:
        def manual_seed(self, seed: int) -> None:
            pass

    monkeypatch.setattr("rigorkd.train.student.generators_of", lambda device: (NoSeed(),))
    train([DROPS])
    train([DROPS_BASELINE, DROPS], folder=other)
    assert output_bytes(other, DROPS)["history.csv"] != output_bytes(study, DROPS)["history.csv"]


def test_seeds_differ(train: Train, study: StudyFolder) -> None:
    train([BASELINE], seed=0)
    train([BASELINE], seed=1)
    assert output_bytes(study, BASELINE, 0) != output_bytes(study, BASELINE, 1)


class Killed(BaseException):
    """Stands for the death of the process: nothing in the product catches it."""


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("victim", [BASELINE, DROPS, AVERAGED])
def test_killed_while_checkpoints_are_written_and_resumed(
    train: Train,
    study: StudyFolder,
    other: StudyFolder,
    monkeypatch: pytest.MonkeyPatch,
    epoch: int,
    victim: object,
) -> None:
    """Some runs of the cohort then have the epoch's checkpoint, some do not; nobody trains an epoch twice."""
    cells = (BASELINE, DROPS, COLD, AVERAGED)
    train(cells)
    save = checkpoint.save

    def die(path: Path, student: Student, machine: str) -> None:
        if student.epoch == epoch and student.run.cell == victim:
            raise Killed
        save(path, student, machine)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", die)
        with pytest.raises(Killed):
            train(cells, folder=other)
    train(cells, folder=other)
    for cell in cells:
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name
        log = other.run_log(f"{cell.name}/seed-0").read_text()
        repeated = [n for n in range(1, 4) if log.count(f"epoch {n}/3 trained") > 1]
        assert repeated == [], log
        if epoch > 1:
            assert "resumed after epoch" in log


@pytest.mark.parametrize("part", ["predict", "commit"])
def test_killed_while_records_are_written_and_resumed(
    train: Train, study: StudyFolder, other: StudyFolder, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The last epoch, which has no checkpoint, is trained again; what was committed is not."""
    cells = (BASELINE, DROPS, COLD)
    train(cells)
    real = getattr(finish, part)
    calls = 0

    def die(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return real(*arguments, **named)

    train([], folder=other)
    with monkeypatch.context() as patch:
        patch.setattr(finish, part, die)
        with pytest.raises(Killed):
            train(cells, folder=other)
    done = [cell for cell in cells if (other.run(f"{cell.name}/seed-0") / "record.json").exists()]
    assert done == [BASELINE]
    train([cell for cell in cells if cell not in done], folder=other)
    for cell in cells:
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


def test_a_torn_or_foreign_checkpoint_costs_time_only(
    train: Train, study: StudyFolder, other: StudyFolder
) -> None:
    train([BASELINE, COLD])
    for cell, content in ((BASELINE, b"torn"), (COLD, b"")):
        path = other.checkpoint(f"{cell.name}/seed-0")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    train([BASELINE, COLD], folder=other)
    for cell in (BASELINE, COLD):
        assert output_bytes(other, cell) == output_bytes(study, cell)


def test_one_view_and_one_teacher_forward_per_batch(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"view": 0, "teach": 0}
    build_view, forward = context.build_view, TeacherOutputs.forward

    def counting_view(*arguments: object, train: bool) -> object:
        view = build_view(*arguments, train=train)  # type: ignore[arg-type]
        if not train:
            return view

        class Counting:
            columns = view.columns

            def __call__(self, images: torch.Tensor, draws: torch.Tensor | None) -> torch.Tensor:
                counts["view"] += 1
                return view(images, draws)

        return Counting()

    def counting_forward(self: TeacherOutputs, images: torch.Tensor) -> torch.Tensor:
        counts["teach"] += 1
        return forward(self, images)

    train([])  # the teacher's own training is not counted
    monkeypatch.setattr(context, "build_view", counting_view)
    monkeypatch.setattr(TeacherOutputs, "forward", counting_forward)
    batches = 3 * 4  # three epochs of 120 images in batches of 32
    train([BASELINE, COLD, WARM, DROPS])
    assert counts == {"view": batches, "teach": batches}


def test_a_cohort_of_baselines_needs_no_teacher_forward(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    train([])
    monkeypatch.setattr(TeacherOutputs, "forward", lambda self, images: pytest.fail("teacher was run"))
    train([BASELINE, DROPS_BASELINE])


def test_the_teacher_stays_as_it_was(
    train: Train, study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters and buffers (BatchNorm's moving statistics) are the same before and after."""
    seen: list[context.CohortContext] = []
    init = context.CohortContext.__init__

    def remember(self: context.CohortContext, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        seen.append(self)

    train([])
    before = (study.run("teacher/seed-0") / "model.safetensors").read_bytes()
    monkeypatch.setattr(context.CohortContext, "__init__", remember)
    train([COLD, WARM])
    teacher = seen[-1].teacher_outputs.model
    assert not teacher.training
    loaded = seen[-1].build_model(wanted(TEACHER), trained=True).state_dict()
    for name, tensor in teacher.state_dict().items():
        assert torch.equal(tensor, loaded[name]), name
    assert (study.run("teacher/seed-0") / "model.safetensors").read_bytes() == before


def test_a_student_is_in_train_mode_in_every_epoch(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []
    step = Student.step

    def watch(self: Student, *arguments: object) -> None:
        modes.append(self.raw_model.training)
        step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Student, "step", watch)
    train([BASELINE, DROPS])
    assert len(modes) > 0
    assert all(modes)


def test_a_failing_student_fails_alone(
    train: Train, study: StudyFolder, other: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    train([BASELINE, WARM])
    step = Student.step

    def fail(self: Student, *arguments: object) -> None:
        if self.run.cell == COLD and self.epoch == 1:
            raise ValueError("out of paper")
        step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Student, "step", fail)
    events = train([BASELINE, COLD, WARM], folder=other)
    assert RunFailed("main/s/kd-T1/seed-0", "ValueError: out of paper") in events
    assert {event.run for event in events if isinstance(event, RunDone)} == {
        "main/s/baseline/seed-0",
        "main/s/kd-T4/seed-0",
    }
    assert not (other.run("main/s/kd-T1/seed-0") / "record.json").exists()
    for cell in (BASELINE, WARM):
        assert output_bytes(other, cell) == output_bytes(study, cell)


def test_a_diverging_student_is_an_outcome_and_leaves_the_others_alone(
    train: Train, study: StudyFolder, other: StudyFolder
) -> None:
    wild = TRAINING.model_copy(
        update={"optimizer": TRAINING.optimizer.model_copy(update={"lr": 1e30}), "clip_norm": None}
    )
    diverging = student_cell("wild", Baseline(), training=wild)
    train([BASELINE])
    events = train([diverging, BASELINE], folder=other)
    assert RunDone("main/s/wild/seed-0", "diverged", None) in events
    record = json.loads((other.run("main/s/wild/seed-0") / "record.json").read_text())
    assert record["status"] == "diverged"
    assert "test_top1" not in record["metrics"]
    assert set(record["files"]) == {"history.csv"}
    assert output_bytes(other, BASELINE) == output_bytes(study, BASELINE)


def test_cells_of_different_length_leave_when_they_are_done(train: Train, study: StudyFolder) -> None:
    events = train([SHORT, BASELINE])
    assert [event.students for event in events if isinstance(event, EpochDone)] == [2, 2, 1]
    lines = (study.run("main/s/short/seed-0") / "history.csv").read_text().splitlines()
    assert len(lines) == 1 + 2


def test_a_record_says_which_weights_were_evaluated(train: Train, study: StudyFolder) -> None:
    train([AVERAGED, DROPS])
    for cell, weights, decay in ((AVERAGED, "moving average", 0.8), (DROPS, "trained", None)):
        record = json.loads((study.run(f"{cell.name}/seed-0") / "record.json").read_text())
        assert (record["evaluated_weights"], record["ema_decay"]) == (weights, decay)


def test_without_validation_images_nothing_is_validated(
    train: Train, study: StudyFolder, other: StudyFolder, runtime: Runtime
) -> None:
    """Alone as in a cohort, at the end of the last epoch; the teacher saw the same images."""
    data = DATA.model_copy(update={"split": DATA.split.model_copy(update={"val": 0})})

    def unvalidated(cell: Cell) -> Cell:
        training = cell.training.model_copy(update={"select": "last"})
        return replace(cell, dataset=data, training=training)

    teacher, *cells = map(unvalidated, (TEACHER, BASELINE, COLD))
    for folder, cohorts in ((study, [cells]), (other, [[cell] for cell in cells])):
        train_cohort(Task((wanted(teacher),), None), folder, runtime, lambda event: None)
        for cohort in cohorts:
            task = Task(tuple(map(wanted, cohort)), wanted(teacher))
            train_cohort(task, folder, runtime, lambda event: None)
    for cell in cells:
        assert output_bytes(other, cell) == output_bytes(study, cell)
        metrics = json.loads((study.run(f"{cell.name}/seed-0") / "record.json").read_text())["metrics"]
        assert (metrics["best_val_top1"], metrics["best_val_loss"], metrics["best_epoch"]) == (None, None, 3)
        assert 0 <= metrics["test_top1"] <= 100


def test_the_history_has_the_contract_columns(train: Train, study: StudyFolder) -> None:
    train([BASELINE, COLD])
    header = "epoch,lr,train_loss,ce_loss,kd_loss,train_top1,val_loss,val_top1,clipped_fraction"
    for cell, has_kd in ((BASELINE, False), (COLD, True)):
        lines = (study.run(f"{cell.name}/seed-0") / "history.csv").read_text().splitlines()
        assert lines[0] == header
        first = dict(zip(header.split(","), lines[1].split(","), strict=True))
        assert (first["kd_loss"] != "") is has_kd
        assert 0 <= float(first["clipped_fraction"]) <= 1
        weight = 0.1 * float(first["ce_loss"]) + 0.9 * float(first["kd_loss"] or 0)
        assert float(first["train_loss"]) == pytest.approx(
            weight if has_kd else float(first["ce_loss"]), rel=1e-5
        )


def test_permuting_the_teacher_changes_the_student(
    train: Train, study: StudyFolder, other: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    train([COLD, BASELINE])
    forward = TeacherOutputs.forward
    monkeypatch.setattr(TeacherOutputs, "forward", lambda self, images: forward(self, images).roll(1, dims=1))
    train([COLD, BASELINE], folder=other)
    assert output_bytes(other, COLD) != output_bytes(study, COLD)
    assert output_bytes(other, BASELINE) == output_bytes(study, BASELINE)


def test_baseline_and_distilled_start_from_the_same_weights(study: StudyFolder, train: Train) -> None:
    """With no epoch of difference between them, their first batch has the same cross-entropy."""
    nearly_still = TRAINING.model_copy(
        update={"optimizer": TRAINING.optimizer.model_copy(update={"lr": 1e-12}), "epochs": 1}
    )
    cells = [
        student_cell("still-baseline", Baseline(), training=nearly_still, epochs=1),
        student_cell("still-kd", KD(T=4.0, alpha=0.5), training=nearly_still, epochs=1),
    ]
    train(cells)
    rows = [
        (study.run(f"{cell.name}/seed-0") / "history.csv").read_text().splitlines()[1].split(",")
        for cell in cells
    ]
    assert float(rows[0][3]) == pytest.approx(float(rows[1][3]), rel=1e-6)


def test_mixed_and_augmented_runs_keep_their_bits(
    train: Train, study: StudyFolder, other: StudyFolder
) -> None:
    """RandAugment, cutout, MixUp and CutMix draw from the epoch table like everything else."""
    views = Views.model_validate(
        {"train": ({"randaugment": {"n": 1, "m": 9}}, {"cutout": 3}), "mix": {"mixup": 0.5, "cutmix": 0.3}}
    )
    baseline, cold = (replace(cell, views=views) for cell in (BASELINE, COLD))
    train([baseline, cold])
    train([cold], folder=other)
    train([BASELINE, COLD], folder=StudyFolder(study.path / "plain"))
    assert output_bytes(other, cold) == output_bytes(study, cold)
    assert output_bytes(StudyFolder(study.path / "plain"), COLD) != output_bytes(study, cold)


def in_stream(cell: Cell, stream: int) -> Cell:
    return replace(cell, name=f"{cell.name}-stream{stream}", method=Baseline(stream=stream))


def test_a_stream_draws_its_own_weights_order_and_augmentations(study: StudyFolder, runtime: Runtime) -> None:
    """Stream 0 draws under the names that runs of 0.1 drew under; other streams share nothing with it."""
    contexts = [
        CohortContext(Task((wanted(in_stream(BASELINE, stream)),), None), study, runtime)
        for stream in (0, 1, 2)
    ]
    before = EpochTable(0, "student", 120)
    assert contexts[0].table == before
    weights = [each.build_model(each.task.runs[0]).conv1.weight.detach().flatten() for each in contexts]
    orders = [torch.from_numpy(each.table.order(1)) for each in contexts]
    draws = [torch.from_numpy(each.table.draws(1, 2)).flatten() for each in contexts]
    steps = [each.table.step_seeds(1, 4).tolist() for each in contexts]
    assert len({tuple(each) for each in steps}) == 3
    for drawn in (weights, orders, draws):
        rows = torch.stack([each.double() for each in drawn])
        apart = torch.corrcoef(rows)[~torch.eye(3, dtype=torch.bool)]
        assert apart.abs().max() < 0.4, "36 to 240 values each: chance correlations stay below"
    labels = [each.data.train.labels for each in contexts]
    assert all(torch.equal(each, labels[0]) for each in labels), "split and label noise are the seed's"


def test_a_run_of_another_stream_has_the_same_bits_alone_and_in_its_cohort(
    train: Train, study: StudyFolder, other: StudyFolder
) -> None:
    cells = [in_stream(BASELINE, 1), in_stream(DROPS_BASELINE, 1)]
    train([BASELINE, DROPS_BASELINE])
    train(cells)
    for cell in cells:
        train([cell], folder=other)
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name
    assert output_bytes(study, cells[0]) != output_bytes(study, BASELINE)


def test_students_of_one_architecture_are_built_once(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """And copied: that each has the bits that it would have alone is tested above."""
    train([])
    built, build = [], context.build

    def counted(model: Model, **more: Any) -> torch.nn.Module:
        built.append(model)
        return build(model, **more)

    monkeypatch.setattr(context, "build", counted)
    train([BASELINE, COLD, WARM])
    assert built.count(PLAIN) == 1
