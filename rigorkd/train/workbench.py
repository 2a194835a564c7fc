"""What the runs of a cohort share: data on the device, views, the epoch table, the frozen teacher."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rigorkd.data.epochs import EpochTable
from rigorkd.data.images import ImageData, Subset
from rigorkd.data.mix import mix_batch
from rigorkd.data.random import seed_for
from rigorkd.data.sources import load
from rigorkd.data.views import View, build_view
from rigorkd.distill.objective import Targets
from rigorkd.errors import InputError
from rigorkd.models.build import build
from rigorkd.protocol.cells import FIXED, Run
from rigorkd.protocol.hashes import NUMERICS, canonical
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read, verified_weights
from rigorkd.train.evaluate import EvaluationSet
from rigorkd.train.events import Event, RunFailed
from rigorkd.train.log import log
from rigorkd.train.provenance import versions
from rigorkd.train.replay import Replay, replay_key
from rigorkd.train.runtime import Runtime
from rigorkd.train.stopwatch import SHARED, TEACHER, Stopwatch
from rigorkd.train.student import Student
from rigorkd.train.task import Task
from rigorkd.train.teaching import Teaching


class Workbench:
    """What the students of a task share: data on the device, views, the epoch table, the frozen teacher."""

    def __init__(self, task: Task, study: StudyFolder, runtime: Runtime) -> None:
        self.task, self.study, self.runtime, self.device = task, study, runtime, runtime.device
        run = task.runs[0].run
        cell = run.cell
        self.seed = 0 if run.seed is None else run.seed
        data = load(cell.dataset, self.seed)
        if data.checksum != task.runs[0].data_checksum:
            raise InputError(
                f"data set {cell.dataset.name}: its files changed since this run was planned",
                hint="run the same command again",
            )
        self.view: View = build_view(cell.views, data.shape, train=True)
        self.eval_view: View = build_view(cell.views, data.shape, train=False)
        self.data = _on_device(data, runtime.device)
        self.val = EvaluationSet(self.data.val.images, self.data.val.labels, self.eval_view)
        self.test = EvaluationSet(self.data.test.images, self.data.test.labels, self.eval_view)
        role = cell.role if run.seed is not None else "fixed teacher"
        self.table = EpochTable(self.seed, role, len(self.data.train.labels))
        self.batch_size = cell.training.batch_size
        self.watch = Stopwatch(runtime.device)
        self.machine = canonical({"hardware": runtime.hardware(), "versions": versions()})
        self.failed: set[str] = set()

    def show(self, rows: Tensor, draws: Tensor, mixing: np.ndarray | None) -> tuple[Tensor, Targets]:
        """The images of `rows` (B,) in the training view, mixed if the protocol says so, with their targets.

        draws: (n, columns) of the epoch, on the device; mixing: (4,) of the step, on the host.
        """
        images = self.view(self.data.train.images[rows], draws[rows])
        labels = self.data.train.labels[rows]
        mix = self.task.runs[0].run.cell.views.mix
        if mix is None or mixing is None:
            return self.runtime.lay_out_images(images), Targets(labels)
        mixed = mix_batch(mix, images, labels, mixing)
        return self.runtime.lay_out_images(mixed.images), Targets(
            mixed.labels, mixed.partner_labels, mixed.weight
        )

    def mix_draws(self, epoch: int, steps: int) -> np.ndarray | list[None]:
        """What decides the mixing of every step of an epoch, (steps, 4); nothing if the view does not mix."""
        mixes = self.task.runs[0].run.cell.views.mix is not None
        return self.table.mix_draws(epoch, steps) if mixes else [None] * steps

    def batches(self, epoch: int) -> list[Tensor]:
        """The rows of every batch of the epoch. A last batch of one image is dropped: BatchNorm needs two."""
        order = torch.from_numpy(self.table.order(epoch)).to(self.device)
        rows = list(order.split(self.batch_size))
        return rows[:-1] if len(rows) > 1 and len(rows[-1]) == 1 else rows

    @cached_property
    def teaching(self) -> Teaching:
        """The frozen teacher, loaded when a student first needs it."""
        want = self.task.teacher
        assert want is not None, "a distilled run always has a teacher"
        cell = next(each.run.cell for each in self.task.runs if each.run.cell.method.distils)
        model = self.runtime.lay_out(self.build_model(want, trained=True))
        model.eval().requires_grad_(False)
        model = self.runtime.accelerator(cell.training.precision).prepare_model(model, evaluation_mode=True)
        if cell.views.teacher == "clean":
            train = self.data.train
            return Teaching(model, EvaluationSet(train.images, train.labels, self.eval_view), None)
        if self.task.replay_bytes == 0:
            return Teaching(model, None, None)
        key = replay_key(
            {
                "teacher": read(self.study.run(want.run.name) / "record.json").fields["weights_sha256"],
                "seed": self.seed,
                "dataset": cell.dataset.model_dump(mode="json", exclude={"root", "download"}),
                "data": self.data.checksum,
                "views": cell.views.model_dump(mode="json"),
                "batch_size": self.batch_size,
                "precision": cell.training.precision,
                "mode": self.runtime.mode,
                "machine": self.machine,
                "numerics": NUMERICS,
            }
        )
        kept = Replay(self.study.replay, key, cell.training.precision, self.task.replay_bytes)
        return Teaching(model, None, kept)

    def val_objective(self, student: Student, val_logits: Tensor) -> float | None:
        """The training objective on the validation set, where early stopping watches it."""
        rule = student.training.early_stopping
        if rule is None or rule.monitor != "objective":
            return None
        teacher_logits = self.teaching.of("val", self.val) if student.objective.needs_teacher else None
        with torch.no_grad():
            return float(student.objective(val_logits, Targets(self.val.labels), teacher_logits).total)

    def build_model(self, want: Expected, *, trained: bool = False) -> nn.Module:
        """The model of a run at its start, or with its trained weights."""
        run, cell = want.run, want.run.cell
        weights: str | Path
        if trained:
            weights = verified_weights(self.study.run(run.name))
        elif cell.start_cell is not None:
            start_seed = FIXED if run.seed is None else run.seed
            weights = verified_weights(self.study.run(f"{cell.start_cell}/seed-{start_seed}"))
        elif want.start_file is not None:
            weights = want.start_file
        else:
            assert isinstance(cell.start, str), "a start from a file has its path in `start_file`"
            weights = cell.start
        # The same architecture starts from the same weights in every cell of a seed: what differs between
        # baseline and distilled is then the loss alone. A teacher of the student's own kind starts elsewhere.
        role = cell.role if run.seed is not None else "fixed teacher"
        # Dropout is no part of an architecture's weights, so it may vary without moving their start.
        architecture = canonical(cell.model.model_dump(exclude={"dropout"}))
        seed = seed_for(self.seed, f"init/{role}/{architecture}")
        return build(
            cell.model,
            classes=self.data.classes,
            channels=self.eval_view.channels,
            size=self.eval_view.size,
            weights=weights,
            seed=seed,
        )

    def charge(self, active: list[Student]) -> float:
        """Add the epoch's time to each student: its own steps, and the shared parts as if it were alone."""
        seconds = self.watch.read()
        for student in active:
            teacher = seconds.get(TEACHER, 0.0) if student.objective.needs_teacher else 0.0
            student.seconds += seconds.get(student.run.name, 0.0) + seconds.get(SHARED, 0.0) + teacher
        return sum(seconds.values())

    def fail(self, run: Run, error: Exception, report: Callable[[Event], None]) -> None:
        """Note that a run failed by an exception; the others go on."""
        self.failed.add(run.name)
        reason = f"{type(error).__name__}: {error}".strip()
        log(self.study, run, f"failed: {reason}\n" + "".join(traceback.format_exception(error)))
        report(RunFailed(run.name, reason))


def _on_device(data: ImageData, device: torch.device) -> ImageData:
    """The same data with images and labels on the device, still uint8."""

    def move(subset: Subset) -> Subset:
        return replace(subset, images=subset.images.to(device), labels=subset.labels.to(device))

    return replace(data, train=move(data.train), val=move(data.val), test=move(data.test))
