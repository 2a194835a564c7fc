"""Checkpoints: what is written when, and that nothing is lost between two writings."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from rigorkd.errors import InputError
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.objective import Objective
from rigorkd.protocol.cells import Run
from rigorkd.protocol.hashes import canonical
from rigorkd.records.layout import StudyFolder
from rigorkd.train import checkpoint, cohort, context
from rigorkd.train.cohort import train_cohort
from rigorkd.train.events import EpochDone, Event, Resumed, RunDone, Stopping
from rigorkd.train.provenance import versions
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Student
from rigorkd.train.task import Task

from .conftest import BASELINE, DROPS, SHORT, TEACHER, WARM, Train, feed, output_bytes, student_cell, wanted

GOOD, MIXED, BAD = [[2.0, 0.0]] * 2, [[2.0, 0.0], [0.0, 2.0]], [[0.0, 2.0]] * 2
CPU = torch.device("cpu")


def a_student(runtime: Runtime) -> Student:
    cell = student_cell("x", Baseline(), epochs=20)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    return Student(Run(cell, 0), "hash", model, Objective(Baseline()), runtime)


def assert_same(one: Student, two: Student) -> None:
    for mine, theirs in ((one.raw_model.state_dict(), two.raw_model.state_dict()), (one.best, two.best)):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())
    assert (one.epoch, one.best_epoch, one.history) == (two.epoch, two.best_epoch, two.history)


@pytest.mark.parametrize("background", [False, True])
def test_the_best_weights_are_written_once_and_only_if_they_are_not_the_models(
    runtime: Runtime, tmp_path: Path, background: bool
) -> None:
    student, path = a_student(runtime), tmp_path / "checkpoint.pt"
    saver = checkpoint.Saver("here", background=background)
    seen = []
    for epoch, logits in enumerate([MIXED, BAD, BAD, GOOD, BAD], start=1):
        feed(student, epoch, logits)
        saver.save(path, student)
        saver.settle()
        seen.append({file.name: file.stat().st_ino for file in tmp_path.glob("best-*")})
        resumed = a_student(runtime)
        assert checkpoint.restore(path, resumed, "here", CPU)
        assert_same(resumed, student)
    assert [list(files) for files in seen] == [[], ["best-1.pt"], ["best-1.pt"], [], ["best-4.pt"]]
    assert seen[1] == seen[2]


def test_what_is_written_in_the_background_is_the_state_of_the_call(runtime: Runtime, tmp_path: Path) -> None:
    student, same, path = a_student(runtime), a_student(runtime), tmp_path / "checkpoint.pt"
    saver = checkpoint.Saver("here", background=True)
    for each in (student, same):
        feed(each, 1, GOOD)
    saver.save(path, student)
    feed(student, 2, BAD)
    saver.settle()
    resumed = a_student(runtime)
    assert checkpoint.restore(path, resumed, "here", CPU)
    assert_same(resumed, same)


def test_a_disk_that_fails_in_the_background_is_noticed(runtime: Runtime, tmp_path: Path) -> None:
    saver = checkpoint.Saver("here", background=True)
    (tmp_path / "file").touch()
    saver.save(tmp_path / "file" / "checkpoint.pt", a_student(runtime))
    with pytest.raises(OSError):
        saver.settle()
    saver.settle()


@pytest.mark.parametrize("damage", ["missing", "torn", "of another run"])
def test_a_checkpoint_without_its_best_weights_costs_time_only(
    runtime: Runtime, tmp_path: Path, damage: str
) -> None:
    student, path = a_student(runtime), tmp_path / "checkpoint.pt"
    feed(student, 1, GOOD)
    feed(student, 2, BAD)
    checkpoint.save(path, student, "here")
    best = tmp_path / "best-1.pt"
    if damage == "missing":
        best.unlink()
    elif damage == "torn":
        best.write_bytes(best.read_bytes()[:-7])
    else:
        checkpoint._store(best, {"1.weight": torch.zeros(2, 4)})
    assert not checkpoint.restore(path, a_student(runtime), "here", CPU)


class Killed(BaseException):
    """Stands for the death of the process: nothing in the product catches it."""


@pytest.mark.parametrize("dies_at", ["best-4.pt", "checkpoint.pt"])
def test_killed_between_two_files_the_last_checkpoint_is_whole(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """Whatever file was about to be written in the fifth epoch, the fourth can be resumed."""
    student, path = a_student(runtime), tmp_path / "checkpoint.pt"
    for epoch, logits in enumerate([MIXED, BAD, BAD, GOOD], start=1):
        feed(student, epoch, logits)
        checkpoint.save(path, student, "here")
    fourth = a_student(runtime)
    assert checkpoint.restore(path, fourth, "here", CPU)
    feed(student, 5, BAD)
    store = checkpoint._store

    def die(file: Path, content: object) -> str:
        if file.name == dies_at:
            raise Killed
        return store(file, content)

    monkeypatch.setattr(checkpoint, "_store", die)
    with pytest.raises(Killed):
        checkpoint.save(path, student, "here")
    resumed = a_student(runtime)
    assert checkpoint.restore(path, resumed, "here", CPU)
    assert_same(resumed, fourth)


def test_a_checkpoint_with_the_checksums_of_version_0_1_is_read(runtime: Runtime, tmp_path: Path) -> None:
    """It had a digest and, within the archive, a checksum of every tensor."""
    student, path = a_student(runtime), tmp_path / "checkpoint.pt"
    feed(student, 1, GOOD)
    checkpoint.save(path, student, "here")
    assert torch.serialization.get_crc32_options(), "others of this process keep theirs"
    lean = path.read_bytes()
    state = torch.load(io.BytesIO(lean[:-32]), weights_only=True)
    archive = io.BytesIO()
    torch.save(state, archive)
    full = archive.getvalue()
    path.write_bytes(full + hashlib.sha256(full).digest())
    assert path.read_bytes() != lean
    resumed = a_student(runtime)
    assert checkpoint.restore(path, resumed, "here", CPU)
    assert_same(resumed, student)


@pytest.mark.parametrize(
    ("name", "version", "goes_on"), [("rigorkd", "0.1.0", True), ("torch", "2.14.0", False)]
)
def test_another_rigorkd_goes_on_where_the_libraries_are_the_same(
    runtime: Runtime, tmp_path: Path, name: str, version: str, goes_on: bool
) -> None:
    """Its numerics are in the run's hash, so that its version says nothing of bits."""
    student, path = a_student(runtime), tmp_path / "checkpoint.pt"
    feed(student, 1, GOOD)
    here, there = (
        canonical({"hardware": "CPU", "versions": versions() | new}) for new in ({}, {name: version})
    )
    assert here != there
    checkpoint.save(path, student, there)
    assert checkpoint.restore(path, a_student(runtime), here, CPU) == goes_on


def test_a_checkpoint_that_lacks_what_resuming_needs_is_not_begun_from(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another version may have left it."""
    student, path = a_student(runtime), tmp_path / "checkpoint.pt"
    feed(student, 1, GOOD)
    less = {key: value for key, value in student.state().items() if key != "seconds"}
    monkeypatch.setattr(student, "state", lambda: less)
    checkpoint.save(path, student, "here")
    fresh = a_student(runtime)
    assert not checkpoint.restore(path, fresh, "here", CPU)
    assert fresh.epoch == 0


# ------------------------------------------------------------------------- when they are written


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize(
    ("every", "seconds", "written"),
    [
        pytest.param("", [10.0] * 13, [6, 12], id="no more than a minute is at stake"),
        pytest.param("", [70.0] * 3, [1, 2, 3], id="long epochs, each"),
        pytest.param("", [31.0] * 3, [1, 2, 3], id="two epochs would be more than a minute"),
        pytest.param("0", [0.0] * 3, [1, 2, 3], id="each, if asked for"),
        pytest.param("25", [10.0] * 6, [2, 4, 6], id="other seconds"),
    ],
)
def test_they_are_written_by_time(
    runtime: Runtime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every: str,
    seconds: list[float],
    written: list[int],
) -> None:
    monkeypatch.setenv("RIGORKD_CHECKPOINT_EVERY", every)
    clock, path, student = Clock(), tmp_path / "checkpoint.pt", a_student(runtime)
    saver = checkpoint.Saver("here", background=False, now=clock)
    found = []
    for epoch, spent in enumerate(seconds, start=1):
        saver.begin_epoch()
        feed(student, epoch, BAD)
        clock.time += spent
        saver.end_epoch({path: student})
        if path.exists():
            found.append(epoch)
            path.unlink()
    assert found == written


@pytest.mark.parametrize("wrong", ["-1", "often", "nan"])
def test_impossible_seconds_are_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("RIGORKD_CHECKPOINT_EVERY", wrong)
    with pytest.raises(InputError, match="RIGORKD_CHECKPOINT_EVERY"):
        checkpoint.Saver("here", background=False)


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_stop_writes_checkpoints_and_a_kill_may_find_none(
    runtime: Runtime, study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    """With short epochs, nothing is written unless somebody asks to stop; then every run is."""
    monkeypatch.delenv("RIGORKD_CHECKPOINT_EVERY")
    cells = (BASELINE, SHORT)
    task = Task(tuple(map(wanted, cells)), wanted(TEACHER))
    events: list[Event] = []

    def leave(how: type[BaseException]) -> Callable[[Event], None]:
        def report(event: Event) -> None:
            events.append(event)
            ends = RunDone if epoch == SHORT.training.epochs else EpochDone
            if isinstance(event, ends):
                raise how

        return report

    other = StudyFolder(tmp_path / "other")
    for folder in (study, other):
        train_cohort(Task((wanted(TEACHER),), None), folder, runtime, events.append)
    train_cohort(task, study, runtime, events.append)
    with pytest.raises(Killed):
        train_cohort(task, other, runtime, leave(Killed))
    assert not list(other.path.rglob("checkpoint.pt"))
    shutil.rmtree(other.run(f"{SHORT.name}/seed-0"), ignore_errors=True)
    with pytest.raises(Stopping):
        train_cohort(task, other, runtime, leave(Stopping))
    kept = {
        path.parent.relative_to(other.path / ".work").as_posix() for path in other.path.rglob("checkpoint.pt")
    }
    left = (BASELINE,) if epoch == SHORT.training.epochs else cells
    assert kept == {f"{cell.name}/seed-0" for cell in left}
    events.clear()
    train_cohort(replace(task, runs=tuple(map(wanted, left))), other, runtime, events.append)
    assert [event.epoch for event in events if isinstance(event, Resumed)] == [epoch] * len(left)
    for cell in cells:
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


# ------------------------------------------------------------------------- what a kill costs

STEPS = 4
"""Batches of an epoch: 120 images in batches of 32."""
BEHIND = {"student": 2, "between epochs": 1, "evaluation": 2}
"""Epochs that the students have behind them when they go on; of the last one there is no checkpoint."""


@pytest.mark.parametrize("stage", ["teacher", "student", "between epochs", "evaluation"])
def test_a_kill_at_any_stage_loses_at_most_one_epoch(
    train: Train, study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Counted in optimiser steps of every run: those planned, and at most one epoch's again."""
    cells = (BASELINE, WARM, DROPS)
    train(cells)
    taken: dict[str, int] = {}
    step, finish, end_epoch = Student.step, cohort.finish, Student.end_epoch
    armed = True

    def counted(self: Student, *arguments: object) -> None:
        nonlocal armed
        name = self.run.cell.name
        victim = {"teacher": TEACHER.name, "student": WARM.name}.get(stage)
        if armed and name == victim and taken.get(name, 0) == 2 * STEPS + 2:  # within the third epoch
            armed = False
            raise Killed
        taken[name] = taken.get(name, 0) + 1
        step(self, *arguments)  # type: ignore[arg-type]

    def validated(self: Student, *arguments: object) -> None:
        nonlocal armed
        if armed and stage == "between epochs" and self.run.cell == WARM and self.epoch == 1:
            armed = False
            raise Killed
        end_epoch(self, *arguments)  # type: ignore[arg-type]

    def finished(student: Student, **named: object) -> float | None:
        nonlocal armed
        if armed and stage == "evaluation" and student.run.cell == WARM:
            armed = False
            raise Killed
        return finish(student, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Student, "step", counted)
    monkeypatch.setattr(Student, "end_epoch", validated)
    monkeypatch.setattr(cohort, "finish", finished)
    other = StudyFolder(tmp_path / "other")
    with pytest.raises(Killed):
        train(cells, folder=other)
    left = [cell for cell in cells if not (other.run(f"{cell.name}/seed-0") / "record.json").exists()]
    events = train(left, folder=other)
    resumed = {event.run: event.epoch for event in events if isinstance(event, Resumed)}
    assert resumed == ({} if stage == "teacher" else {f"{cell.name}/seed-0": BEHIND[stage] for cell in left})
    planned = {cell.name: cell.training.epochs * STEPS for cell in (TEACHER, *cells)}
    assert taken.keys() == planned.keys()
    for name, steps in taken.items():
        assert planned[name] <= steps <= planned[name] + STEPS, taken
    assert sum(taken.values()) > sum(planned.values())
    for cell in cells:
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


def test_nothing_is_written_while_a_run_is_measured(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency is one figure for the whole study, and a thread that writes beside it would slow it down."""
    savers = []

    def in_background(machine: str, *, background: bool, keeps: bool) -> checkpoint.Saver:
        savers.append(checkpoint.Saver(machine, background=True, keeps=keeps))
        return savers[-1]

    left = []
    finish = cohort.finish

    def finishing(student: Student, **rest: object) -> object:
        left.append(len(savers[-1]._underway))
        return finish(student, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(context, "Saver", in_background)
    monkeypatch.setattr(cohort, "finish", finishing)
    train([SHORT, WARM])  # the short one ends while the other's checkpoint is on its way
    assert left == [0] * 3
