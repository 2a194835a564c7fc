"""The cohort loop: all runs of one seed, trained in lockstep on the same batches.

Per batch there is one view and one teacher forward, whatever the number of students; then each student does
its own forward, backward, clip and step. Randomness is a function of (seed, purpose, epoch, index), so a run
gives the same bits alone, beside any neighbours, or resumed from its last checkpoint.

A teacher, or a start that is itself a run, is trained by the same loop as a cohort of one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rigorkd.errors import RigorkdError
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.train import checkpoint
from rigorkd.train.context import CohortContext
from rigorkd.train.events import EpochDone, Event, Resumed, RunDone, Stopping
from rigorkd.train.finish import finish
from rigorkd.train.latency import measure_latencies
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Student
from rigorkd.train.task import Task
from rigorkd.train.timing import SHARED, TEACHER, VALIDATION


def train_cohort(task: Task, study: StudyFolder, runtime: Runtime, report: Callable[[Event], None]) -> None:
    """Train every run of the task to its record. Runs fail alone; a full disk or a bug here ends the task."""
    with runtime.device_lock.busy():
        context = CohortContext(task, study, runtime)
    try:
        _train(context, report)
    except Stopping:
        with runtime.device_lock.busy():
            context.saver.save_unsaved()
        raise
    finally:
        context.saver.settle()


def _train(context: CohortContext, report: Callable[[Event], None]) -> None:
    busy = context.runtime.device_lock.busy
    if context.leads:  # a worker has measured before; whoever trains without one measures here
        enough = 0.0 if context.task.smoke else None  # nobody reads what smoke measures
        measure_latencies(
            context.task.runs, context.study, context.runtime, beside_others=True, enough=enough
        )
    with busy():
        students = [student for want in context.task.runs if (student := _open(want, context, report))]
        context.forget_built()
        for student in [s for s in students if s.finished]:
            students.remove(student)
            _finish(student, context, report)

    first = min((student.epoch for student in students), default=0) + 1
    last = max((student.training.epochs for student in students), default=0)
    for epoch in range(first, last + 1):
        # A student that was ahead when its cohort was interrupted waits until the others have caught up.
        active = [student for student in students if student.epoch == epoch - 1]
        with busy():  # left between epochs, so that another worker may measure alone
            if active:
                _train_epoch(epoch, active, context, report)
                seconds = _close_epoch(epoch, active, context, report)
                rows = {s.run.name: s.history[-1] for s in active if s.epoch == epoch}
                report(EpochDone(epoch, last, len(active), len(context.data.train.labels), seconds, rows))
            for student in [s for s in students if s.run.name in context.failed or s.finished]:
                students.remove(student)
                if student.run.name not in context.failed:
                    _finish(student, context, report)
    if context.leads:
        context.pace.leave([SHARED, TEACHER])


def _train_epoch(
    epoch: int, active: list[Student], context: CohortContext, report: Callable[[Event], None]
) -> None:
    """One pass over the training images for every active student."""
    watch = context.watch
    with watch.of(SHARED):
        batches = context.batches(epoch)
        draws = torch.from_numpy(context.table.draws(epoch, context.view.columns)).to(context.device)
        mixing = context.mix_draws(epoch, len(batches))
        strong_draws = context.strong_draws(epoch) if _any(active, "needs_strong") else None
        seeds = context.table.step_seeds(epoch, len(batches)).tolist()
    context.saver.begin_epoch()
    for student in active:
        student.begin_epoch(epoch)
    teacher = context.teacher_outputs if _any(active, "needs_teacher") else None
    features = _any(active, "teacher_layers")
    if teacher:
        teacher.begin_epoch(epoch, sum(map(len, batches)))
    shown = 0
    for rows, mixes, seed in zip(batches, mixing, seeds, strict=True):
        with watch.of(SHARED):
            batch = context.show(rows, shown, draws, strong_draws, mixes, seed)
        taught = None
        if teacher:
            with watch.of(TEACHER):
                taught = teacher.outputs(batch, features=features)
        shown += len(rows)
        for student in active:
            if student.run.name in context.failed:
                continue
            with watch.of(student.run.name):
                try:
                    student.step(batch, taught)
                except Exception as error:
                    context.fail(student.run, error, report)
    if teacher:
        with watch.of(TEACHER):
            teacher.end_epoch(epoch)


def _any(students: list[Student], need: str) -> bool:
    """Whether the objective of some student has a need."""
    return any(getattr(student.objective, need) for student in students)


def _validate(
    students: list[Student], context: CohortContext, report: Callable[[Event], None]
) -> list[tuple[Student, Tensor | None]]:
    """Every student with its validation logits; one whose evaluation raises fails alone.

    Without validation images there are none.
    """
    if not len(context.val.labels):
        return [(student, None) for student in students]
    with context.watch.of(VALIDATION):
        try:
            together = context.val.logits_of([student.evaluated for student in students])
            return list(zip(students, map(context.runtime.distributed.agree, together), strict=True))
        except Exception:
            if context.runtime.distributed.count > 1:
                raise
            validated: list[tuple[Student, Tensor | None]] = []
            for student in students:
                try:
                    validated.append((student, context.val.logits(student.evaluated)))
                except Exception as error:
                    context.fail(student.run, error, report)
            return validated


def _close_epoch(
    epoch: int, active: list[Student], context: CohortContext, report: Callable[[Event], None]
) -> float:
    """Validate every active student, write its history row, and checkpoints in time; the epoch's seconds."""
    students = [student for student in active if student.run.name not in context.failed]
    validated = _validate(students, context, report)
    students = [student for student, _ in validated]
    for student, val_logits in validated:
        student.end_epoch(epoch, val_logits, context.val.labels, context.val_objective(student, val_logits))
    seconds = context.charge(students)
    if context.leads:
        context.saver.end_epoch(
            {
                context.study.checkpoint(student.run.name): student
                for student in students
                if not student.finished  # a finished one goes straight to its record
            }
        )
    for student in students:
        context.log(student.run, f"epoch {epoch}/{student.training.epochs} trained")
    return seconds


def _open(want: Expected, context: CohortContext, report: Callable[[Event], None]) -> Student | None:
    """A student at its start, or at its last checkpoint. None if it cannot be built: then it has failed."""
    run = want.run
    try:
        model = context.build_model(want)
        student = Student(run, want.run_hash, model, context.objective(want, model), context.runtime)
    except RigorkdError:
        raise  # the user's to mend (weights not found, images too small for the model): stop and say so
    except Exception as error:
        context.fail(run, error, report)
        return None
    if checkpoint.restore(context.study.checkpoint(run.name), student, context.machine, context.device):
        context.log(run, f"resumed after epoch {student.epoch}")
        report(Resumed(run.name, student.epoch))
    else:
        context.log(run, "started")
    return student


def _finish(student: Student, context: CohortContext, report: Callable[[Event], None]) -> None:
    """Evaluate the selected checkpoint and commit the record; of several processes the first does."""
    if not context.leads:
        return
    run = student.run
    context.saver.settle()
    try:
        top1 = finish(
            student,
            want=next(want for want in context.task.runs if want.run == run),
            data=context.data,
            test=context.test,
            teacher_logits=None if student.diverged else context.teacher_on_test,
            study=context.study,
            runtime=context.runtime,
            keep_logits=context.task.keep_logits,
            save_weights=context.task.save_weights,
            smoke=context.task.smoke,
        )
    except (OSError, RigorkdError):
        raise  # the results folder cannot be written: no other run could be either
    except Exception as error:
        context.fail(run, error, report)
        return
    status = "diverged" if student.diverged else "done"
    context.log(run, status)
    context.pace.leave([run.name])
    report(RunDone(run.name, status, top1))
