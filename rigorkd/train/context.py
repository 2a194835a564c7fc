"""What the runs of a cohort share: data on the device, views, the epoch table, the frozen teacher."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rigorkd.data.dataset import LOCATION_KEYS
from rigorkd.data.image_data import ImageData, StoredImages
from rigorkd.data.loading import load
from rigorkd.data.mix import mix_batch
from rigorkd.data.random import EpochTable, seed_for
from rigorkd.data.views import View, build_strong_view, build_view
from rigorkd.errors import InputError, StoreError
from rigorkd.fields import HASHED
from rigorkd.files import append_line, timestamp
from rigorkd.methods.base import Outputs, Shapes, Targets
from rigorkd.methods.forward_hooks import feature_shapes
from rigorkd.methods.objective import Objective
from rigorkd.methods.own import Own
from rigorkd.methods.own_check import own_term
from rigorkd.models.build import build
from rigorkd.models.custom import own_line
from rigorkd.models.inputs import resize_inputs
from rigorkd.models.mean import MeanOfLogits
from rigorkd.models.model import architecture_of
from rigorkd.protocol.cells import FIXED, Run
from rigorkd.protocol.hashes import canonical
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook
from rigorkd.records.record import DONE, read_record, verified_weights
from rigorkd.train.checkpoint import Saver
from rigorkd.train.evaluate import EvaluationSet
from rigorkd.train.events import Event, RunFailed
from rigorkd.train.provenance import versions
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Batch, Student
from rigorkd.train.task import Task
from rigorkd.train.teacher_outputs import Replay, TeacherOutputs, replay_key
from rigorkd.train.timing import SHARED, TEACHER, VALIDATION, Pace, Stopwatch


class CohortContext:
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
        self.data = on_device(data, runtime)
        self.val = EvaluationSet(self.data.val.images, self.data.val.labels, self.eval_view)
        self.test = EvaluationSet(self.data.test.images, self.data.test.labels, self.eval_view)
        self.table = EpochTable(self.seed, _kind(run), len(self.data.train.labels))
        self.batch_size = cell.training.batch_size
        self._order = torch.empty(0, dtype=torch.int64)  # of the epoch under way, on the host
        self.watch = Stopwatch(runtime.device)
        self.machine = canonical({"hardware": runtime.hardware(), "versions": versions()})
        self.pace = Pace(RateBook.of(study.path.parent), runtime.hardware(), runtime.mode)
        self.saver = Saver(self.machine, background=runtime.device.type == "cuda", keeps=not task.smoke)
        self.failed: set[str] = set()
        self._built: dict[str, nn.Module] = {}

    def show(
        self,
        rows: Tensor,
        start: int,
        draws: Tensor,
        strong_draws: Tensor | None,
        mixing: np.ndarray | None,
        seed: int,
    ) -> Batch:
        """The images of `rows` (B,) in the training view and, given its draws, in the strong view.

        draws: (n, columns) of the epoch, on the device; mixing: (4,) of the step, on the host, for both views
        alike, so that they share their targets; seed: what the step's own randomness is seeded with.
        """
        source = self._source(rows, start)
        images = self.view(source, draws[rows])
        strong = None if strong_draws is None else self.strong_view(source, strong_draws[rows])
        labels = self.data.train.labels[rows]
        targets = Targets(labels, seed=seed)
        mix = self.task.runs[0].run.cell.views.mix
        if mix is not None and mixing is not None:
            mixed = mix_batch(mix, images, labels, mixing)
            images, targets = (
                mixed.images,
                Targets(mixed.labels, mixed.partner_labels, mixed.weight, seed),
            )
            strong = None if strong is None else mix_batch(mix, strong, labels, mixing).images
        lay_out = self.runtime.lay_out_images
        return Batch(rows, start, lay_out(images), None if strong is None else lay_out(strong), targets)

    def _source(self, rows: Tensor, start: int) -> Tensor:
        """The kept images (B, C, S, S) of `rows`, which begin at position `start` of the epoch."""
        images = self.data.train.images
        if isinstance(images, StoredImages):
            # Read by rows on the host: to ask the device for them would wait for all that it has yet to do.
            return images[self._order[start : start + len(rows)]]
        return images[rows]

    @cached_property
    def strong_view(self) -> View:
        """The second view of methods that compare two."""
        return build_strong_view(self.task.runs[0].run.cell.views, self.data.shape)

    def strong_draws(self, epoch: int) -> Tensor:
        """The draws (n, columns) of the strong view in an epoch, on the device."""
        draws = self.table.draws(epoch, self.strong_view.columns, view="strong")
        return torch.from_numpy(draws).to(self.device)

    def mix_draws(self, epoch: int, steps: int) -> np.ndarray | list[None]:
        """What decides the mixing of every step of an epoch, (steps, 4); nothing if the view does not mix."""
        mixes = self.task.runs[0].run.cell.views.mix is not None
        return self.table.mix_draws(epoch, steps) if mixes else [None] * steps

    def batches(self, epoch: int) -> list[Tensor]:
        """The rows of every batch of the epoch. A last batch of one image is dropped: BatchNorm needs two."""
        self._order = torch.from_numpy(self.table.order(epoch))
        rows = list(self._order.to(self.device).split(self.batch_size))
        return rows[:-1] if len(rows) > 1 and len(rows[-1]) == 1 else rows

    @cached_property
    def teacher_outputs(self) -> TeacherOutputs:
        """The frozen teacher, loaded when a student first needs it."""
        want, model = self.task.teacher, self.frozen_teacher
        assert want is not None, "a distilled run always has a teacher"
        cell = next(each.run.cell for each in self.task.runs if each.run.cell.method.distils)
        if cell.views.teacher == "clean":
            return TeacherOutputs(model, self.clean_train, None)
        distributed = self.runtime.distributed  # several must hear or fetch alike: they hear
        if self.task.replay_bytes == 0 or distributed.count > 1:
            return TeacherOutputs(model, None, None, self.layers, distributed)
        key = replay_key(
            {
                "teacher": read_record(self.study, want.run.name).fields["weights_sha256"],
                "teacher_run": want.run_hash,  # equal weights may see images at another size
                "seed": self.seed,
                "dataset": cell.dataset.model_dump(mode="json", exclude=set(LOCATION_KEYS)),
                "data": self.data.checksum,
                "views": cell.views.model_dump(mode="json"),
                "batch_size": self.batch_size,
                "precision": cell.training.precision,
                "mode": self.runtime.mode,
                "machine": self.machine,
                "numerics": dict(next(each.numerics for each in self.task.runs if each.run.cell is cell)),
                # A teacher or a start that is distilled itself sees its images in an order of its own.
                **({} if cell.role == "student" else {"kind": _kind(self.task.runs[0].run)}),
            }
        )
        kept = Replay(self.study.replay, key, cell.training.precision, self.task.replay_bytes)
        return TeacherOutputs(model, None, kept, self.layers)

    @cached_property
    def frozen_teacher(self) -> nn.Module:
        """The trained teacher in evaluation mode, at the precision of the students."""
        assert self.task.teacher is not None, "only asked for where there is a teacher"
        model = self.runtime.lay_out(self.build_model(self.task.teacher, trained=True))
        model.eval().requires_grad_(False)
        accelerator = self.runtime.accelerator(self.task.precision)
        prepared: nn.Module = accelerator.prepare_model(model, evaluation_mode=True)
        return prepared

    @cached_property
    def teacher_on_test(self) -> Tensor | None:
        """The teacher's logits (n, C) of the test set, for the fidelity of students and baselines alike.

        None without a teacher, or where baselines train before their teacher has.
        """
        want = self.task.teacher
        if want is None:
            return None
        if not any(each.run.cell.method.distils for each in self.task.runs):
            try:
                done = read_record(self.study, want.run.name)
            except StoreError:
                return None
            if (done.run_hash, done.fields["status"]) != (want.run_hash, DONE):
                return None
        return self.test.logits(self.frozen_teacher)

    @property
    def layers(self) -> tuple[str, ...]:
        """The teacher's layers that some run of the task imitates."""
        return tuple(
            dict.fromkeys(layer for want in self.task.runs for _, layer in want.run.cell.method.pairs())
        )

    def objective(self, want: Expected, model: nn.Module) -> Objective:
        """The training objective of a run, with what it must know of both networks beforehand."""
        cell = want.run.cell
        shapes = None
        if pairs := cell.method.pairs():
            image = self.eval_view(self.data.train.images[:1].to(self.device), None)
            shapes = Shapes(
                student=feature_shapes(model, [own for own, _ in pairs], image.cpu()),
                teacher=feature_shapes(self.teacher_outputs.model, [other for _, other in pairs], image),
                seed=seed_for(self.seed, "init/projections"),
            )
        term = None
        if isinstance(cell.method, Own):
            seed = seed_for(self.seed, "init/term")
            term = own_term(cell.method, want.method_source, classes=len(self.data.class_names), seed=seed)
        objective = Objective(cell.method, cell.training.label_smoothing, shapes, term)
        if objective.needs_training_logits:
            objective.learn_from(self.teacher_outputs.of("train", self.clean_train))
        return objective

    @cached_property
    def clean_train(self) -> EvaluationSet:
        """The training images in the evaluation view."""
        return EvaluationSet(self.data.train.images, self.data.train.labels, self.eval_view)

    def val_objective(self, student: Student, val_logits: Tensor | None) -> float | None:
        """The training objective on the validation set, where stopping or choosing an epoch goes by it."""
        if val_logits is None or not student.training.needs_objective:
            return None
        teacher_logits = self.teacher_outputs.of("val", self.val) if student.objective.needs_teacher else None
        with torch.no_grad():
            taught = None if teacher_logits is None else Outputs(teacher_logits)
            # A copy: what a term of the user's own learns in its buffers, it learns in training alone.
            objective = copy.deepcopy(student.objective).eval()
            return float(objective(Outputs(val_logits), Targets(self.val.labels), taught).total)

    def build_model(self, want: Expected, *, trained: bool = False) -> nn.Module:
        """The model of a run at its start, or with its trained weights."""
        run, cell = want.run, want.run.cell
        if cell.members:
            networks = [self.build_model(member, trained=True) for member in want.members]
            return MeanOfLogits(networks, [member.weight for member in cell.members])
        weights: str | Path
        if trained:
            weights = verified_weights(self.study, run.name)
        elif cell.start_cell is not None:
            start_seed = FIXED if run.seed is None else run.seed
            weights = verified_weights(self.study, f"{cell.start_cell}/seed-{start_seed}")
        elif want.start_file is not None:
            weights = want.start_file
        else:
            assert isinstance(cell.start, str), "a start from a file has its path in `start_file`"
            weights = cell.start
        # The same architecture starts from the same weights in every cell of a seed: what differs between
        # baseline and distilled is then the loss alone. A teacher of the student's own kind starts elsewhere.
        # Dropout is no part of an architecture's weights, so it may vary without moving their start.
        architecture = canonical(
            {
                **cell.model.model_dump(exclude={"dropout"}, context=HASHED),
                "name": architecture_of(cell.model.name),
            }
        )
        seed = seed_for(self.seed, f"init/{_kind(run)}/{architecture}")
        make = partial(
            build,
            cell.model,
            classes=self.data.classes,
            channels=self.eval_view.channels,
            size=cell.size or self.eval_view.size,
            weights=weights,
            seed=seed,
            source=want.model_source,
            keep_head=not cell.train,
        )
        # Many students differ in their loss alone: one is built, the others are copies. Whether what a user's
        # own code makes can be copied is not known.
        if trained or want.model_source is not None or len(self.task.runs) == 1:
            model = make()
        else:
            alike = canonical([cell.model.model_dump(mode="json"), cell.size, str(weights), seed])
            if alike not in self._built:
                self._built[alike] = make()
            model = copy.deepcopy(self._built[alike])
        return model if cell.size is None else resize_inputs(model, cell.size)

    def forget_built(self) -> None:
        """All students are there: let go of the networks that they were copied from."""
        self._built.clear()

    def charge(self, active: list[Student]) -> float:
        """Add the epoch's time to each student: its own steps, and the shared parts as if it were alone."""
        seconds = self.watch.read()
        for student in active:
            own = seconds.get(student.run.name, 0.0) + seconds.get(VALIDATION, 0.0) / len(active)
            teacher = seconds.get(TEACHER, 0.0) if student.objective.needs_teacher else 0.0
            student.seconds += own + seconds.get(SHARED, 0.0) + teacher
        if not self.task.smoke:
            self.pace.note_epoch(
                {student.run.name: student.run.cell for student in active},
                self.task.teacher.run.cell if self.task.teacher else None,
                seconds,
                images=len(self.data.train.labels),
                taught=self.teacher_outputs.computed if TEACHER in seconds else 0,
                validated=len(self.data.val.labels),
            )
        return sum(seconds.values())

    @property
    def leads(self) -> bool:
        """Whether this process writes what the runs leave behind: alone always, of several the first."""
        return self.runtime.distributed.leads

    def log(self, run: Run, message: str) -> None:
        """Write a line to the run's log, once for all processes that train it."""
        if self.leads:
            _log(self.study, run, message)

    def fail(self, run: Run, error: Exception, report: Callable[[Event], None]) -> None:
        """Note that a run failed by an exception; the others go on.

        Where several processes train a run the error is raised: the others would wait for this one for ever.
        """
        if self.runtime.distributed.count > 1:
            raise error
        self.failed.add(run.name)
        reason = f"{type(error).__name__}: {error}{own_line(error)}".strip()
        _log(self.study, run, f"failed: {reason}\n" + "".join(traceback.format_exception(error)))
        report(RunFailed(run.name, reason))


def _kind(run: Run) -> str:
    """The kind of training, whose random streams are apart from those of other kinds at the same seed."""
    role: str = run.cell.role if run.seed is not None else "fixed teacher"
    if run.cell.generation:
        role = f"{role}/generation {run.cell.generation}"
    return f"{role}/stream {run.cell.stream}" if run.cell.stream else role


def _log(study: StudyFolder, run: Run, message: str) -> None:
    """Append one line with the time (UTC) to the run's log: started, resumed, an epoch, the end."""
    path = study.run_log(run.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = timestamp()
    append_line(path, f"{stamp} {message}", durable=False)


_DATA_SHARE = 0.25
"""Of the free memory of a device, what stored images may take: the rest is for models and activations."""


def on_device(data: ImageData, runtime: Runtime) -> ImageData:
    """The same data handed out on the device, still uint8.

    Images that are stored in a file stay there, and come batch by batch, unless a GPU has room for all.
    """
    if runtime.device.type == "cpu":
        return data
    fits = data.nbytes <= runtime.memory_bytes() * _DATA_SHARE
    return data.to(runtime.device, whole=fits)
