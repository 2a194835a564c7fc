"""One precision in one process: the same runs in a cohort, alone, killed and resumed, and replayed.

python -P bits_program.py DEVICE PRECISION FOLDER [--quick], with tests/train on the path. Prints one JSON
object: the bytes' digests of every run in every situation, and what shows that the situation was really met.

The process that is killed is forked from this one before anything has touched the device, so that it need not
import PyTorch anew; it trains the teacher, which this one then finds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from conftest import BASELINE, DROPS, TEACHER, WARM, output_bytes, student_cell, wanted

from rigorkd.data.operations import ColorJitter, HorizontalFlip, RandomResizedCrop, Rotation, Views
from rigorkd.methods.kd import KD
from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell
from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.events import RunFailed
from rigorkd.train.runtime import start_runtime
from rigorkd.train.student import Batch, Student
from rigorkd.train.task import Task
from rigorkd.train.teacher_outputs import Outputs, TeacherOutputs

ROOM = 2**30
NETWORKS = ("cifar_resnet20", "shufflenet_v2_x1_0", "mobilenet_v2")
"""BatchNorm in all of them, depthwise convolutions in two, dropout in the last."""

AUGMENTED = Views(
    size=64,
    normalize="imagenet",
    train=(
        RandomResizedCrop(op="random_resized_crop", scale=(0.8, 1.0)),
        HorizontalFlip(op="horizontal_flip"),
        ColorJitter(op="color_jitter", brightness=0.2, contrast=0.2, saturation=0.2),
        Rotation(op="rotation", degrees=15),
    ),
)


class Bench:
    """Trains cells into one folder after another."""

    def __init__(self, device: str, precision: str, folder: Path, *, quick: bool) -> None:
        self.runtime = start_runtime(device, "reference")
        self.precision, self.folder = precision, folder
        networks = NETWORKS[:1] if quick else NETWORKS
        kd = KD(T=4.0, alpha=0.5)
        own = (student_cell(name.replace("_", "-"), kd, Model(name=name)) for name in networks)
        small = (WARM, DROPS) if quick else (WARM, DROPS, BASELINE)
        self.views = None if quick else AUGMENTED
        self.epochs = 2 if quick else 3
        self.split = {"train": 64, "val": 40, "test": 40} if quick else {"train": 120}
        self.cells = tuple(map(self._adapted, (*small, *own)))
        self.teacher = wanted(self._adapted(TEACHER))
        self.first = StudyFolder(folder / "together")
        if not self.first.run(self.teacher.run.name).exists():
            train_cohort(Task((self.teacher,), None), self.first, self.runtime, _raise_failure)

    def _adapted(self, cell: Cell) -> Cell:
        training = cell.training.model_copy(update={"precision": self.precision, "epochs": self.epochs})
        split = cell.dataset.split.model_copy(update=self.split)
        dataset = cell.dataset.model_copy(update={"split": split})
        return replace(cell, training=training, dataset=dataset, views=self.views or cell.views)

    def study(self, name: str) -> StudyFolder:
        """A folder with the one trained teacher."""
        study = StudyFolder(self.folder / name)
        teacher = self.teacher.run.name
        shutil.copytree(self.first.run(teacher), study.run(teacher), dirs_exist_ok=True)
        return study

    def train(self, cells: Sequence[Cell], study: StudyFolder, replay_bytes: int = 0) -> None:
        task = Task(tuple(map(wanted, cells)), self.teacher, replay_bytes=replay_bytes)
        train_cohort(task, study, self.runtime, _raise_failure)

    def die(self, study: StudyFolder) -> None:
        """Train the cohort until the second student has taken a step of the second epoch; be killed."""
        step, victim = Student.step, self.cells[1].name
        saved = [study.checkpoint(f"{cell.name}/seed-0") for cell in self.cells]
        os.environ["RIGORKD_CHECKPOINT_EVERY"] = "0"

        def until(student: Student, batch: Batch, taught: Outputs | None) -> None:
            if (student.run.cell.name, student.epoch, student._steps) == (victim, 1, 1):
                # On CUDA a thread still writes what the first epoch ended with.
                while not all(path.exists() for path in saved):
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGKILL)
            step(student, batch, taught)

        Student.step = until  # type: ignore[method-assign]
        self.train(self.cells, study)


def _raise_failure(event: object) -> None:
    if isinstance(event, RunFailed):
        raise RuntimeError(f"{event.run}: {event.reason}")


def main(device: str, precision: str, folder: Path, *, quick: bool) -> dict[str, object]:
    """Digests by situation, by cell, by file; and the teacher's forwards and resumed runs."""
    bench = Bench(device, precision, folder, quick=quick)
    heard: list[str] = []
    forward = TeacherOutputs.forward

    def counting(self: TeacherOutputs, images: object) -> object:
        heard.append(situation)
        return forward(self, images)  # type: ignore[arg-type]

    TeacherOutputs.forward = counting  # type: ignore[assignment, method-assign]

    situation = "together"
    bench.train(bench.cells, bench.first)
    situation = "alone"
    for cell in bench.cells:
        bench.train([cell], bench.study(situation))
    situation = "resumed"
    bench.train(bench.cells, StudyFolder(folder / situation))
    situation = "kept"
    bench.train(bench.cells[:1], bench.study("replayed"), ROOM)
    situation = "replayed"
    bench.train(bench.cells[1:], bench.study("replayed"), ROOM)

    situations = ("together", "alone", "resumed", "replayed")
    studies = {name: StudyFolder(folder / name) for name in situations}
    resumed = [
        cell.name
        for cell in bench.cells
        if "resumed after epoch 1" in studies["resumed"].run_log(f"{cell.name}/seed-0").read_text()
    ]
    digests = {
        name: {
            cell.name: {
                file: hashlib.sha256(content).hexdigest()
                for file, content in output_bytes(study, cell).items()
            }
            for cell in bench.cells
        }
        for name, study in studies.items()
    }
    return {
        "cells": [cell.name for cell in bench.cells],
        "digests": digests,
        "resumed": resumed,
        "heard": {name: heard.count(name) for name in (*situations, "kept")},
    }


def killed(device: str, precision: str, folder: Path, *, quick: bool) -> int:
    """The exit code of a process that trains a cohort until it is killed: -9, or what went wrong."""
    child = os.fork()
    if child == 0:
        try:
            bench = Bench(device, precision, folder, quick=quick)
            bench.die(bench.study("resumed"))
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    where, asked, root, *options = sys.argv[1:]
    code = killed(where, asked, Path(root), quick="--quick" in options)
    if code != -signal.SIGKILL:
        sys.exit(f"the cohort was not killed in its second epoch: exit code {code}")
    print(json.dumps(main(where, asked, Path(root), quick="--quick" in options)))
