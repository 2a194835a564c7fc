"""The end of a run: evaluate the selected checkpoint on the test set and commit the record."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_safetensors
from torch import Tensor

from rigorkd.data.image_data import ImageData
from rigorkd.files import sha256_of, write_atomically
from rigorkd.methods.base import loss_weights
from rigorkd.models.sizes import macs_millions, parameters_millions
from rigorkd.protocol.hashes import resolved, training_key, views_key
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import AVERAGED, DIVERGED, DONE, TRAINED, WEIGHTS, commit
from rigorkd.train.evaluate import SOFT_TRAIN_IMAGES, EvaluationSet, fidelity, predict, softness
from rigorkd.train.latency import noted_latency
from rigorkd.train.processor import AVX2, SEEN_EQUAL
from rigorkd.train.provenance import git_state, settings, versions
from rigorkd.train.runtime import Runtime
from rigorkd.train.student import Student, history_csv
from rigorkd.train.task import architecture_key

_MACS: dict[str, float] = {}
"""By architecture, in this process: to count them takes a forward pass through Python."""


def _macs(student: Student, want: Expected, image: Tensor, runtime: Runtime) -> float:
    if want.run.cell.members:
        return macs_millions(student.raw_model, image)
    key = architecture_key(want, runtime.hardware())
    if key not in _MACS:
        _MACS[key] = macs_millions(student.raw_model, image)
    return _MACS[key]


def finish(
    student: Student,
    *,
    want: Expected,
    data: ImageData,
    test: EvaluationSet,
    teacher_logits: Tensor | None,
    study: StudyFolder,
    runtime: Runtime,
    keep_logits: bool,
    save_weights: bool,
    smoke: bool,
) -> float | None:
    """Commit the record of a finished student and drop its checkpoint; its test top-1, None if it diverged.

    `teacher_logits` (n_test, C) give the fidelity to the teacher; a teacher's own softness is measured here,
    on test images, and on training images in the evaluation view.
    Teachers and starts always keep their weights, students unless `save_weights` is False. Of a smoke run
    nothing keeps any: those of teachers and starts lie beside the records until they have served.
    """
    run = student.run
    files = {"history.csv": history_csv(student.history)}
    metrics: dict[str, Any] = {}
    student.load_best()
    weights = to_safetensors(
        {name: tensor.contiguous() for name, tensor in student.raw_model.state_dict().items()}
    )
    if not student.diverged:
        logits = test.logits(student.model)
        predictions = predict(logits, test.labels)
        metrics |= predictions.metrics()
        metrics |= _selected(student)
        if teacher_logits is not None:
            metrics |= fidelity(logits, teacher_logits)
        if run.cell.role == "teacher":
            soft = softness(logits, test.labels)
            metrics |= soft.metrics()
            files["softness.npz"] = soft.to_npz()
            some = data.train.at_most(SOFT_TRAIN_IMAGES)
            seen = EvaluationSet(some.images, some.labels, test.view).logits(student.model)
            files["softness_train.npz"] = softness(seen, some.labels).to_npz()
        files["predictions.npz"] = predictions.to_npz(logits.cpu().numpy() if keep_logits else None)
        # The weights of a mean lie with its teachers.
        if not run.cell.members and (save_weights or run.cell.role != "student"):
            if not smoke:
                files[WEIGHTS] = weights
            elif run.cell.role != "student":
                write_atomically(study.passing_weights(run.name), weights, durable=False)
    image = test.view(data.test.images[:1], None)
    latency = noted_latency(want, study, runtime)
    metrics["params_millions"] = parameters_millions(student.raw_model)
    metrics["macs_millions"] = _macs(student, want, image, runtime)
    metrics["train_seconds"] = student.seconds
    commit(
        study.run(run.name),
        {
            "study": study.path.name,
            "cell": run.cell.name,
            "role": run.cell.role,
            "group": run.cell.group,
            "student": run.cell.student,
            "seed": run.seed,
            **loss_weights(run.cell.method),
            **resolved(run.cell),
            "training_key": training_key(run.cell),
            "views_key": views_key(run.cell),
            "status": DIVERGED if student.diverged else DONE,
            "epochs_run": student.epoch,
            "metrics": metrics,
            "latency_ms": None if latency is None else asdict(latency),
            "run_hash": want.run_hash,
            "teacher_run_hash": want.teacher_hash,
            "start_run_hash": want.start_hash,
            **({"member_run_hashes": [member.run_hash for member in want.members]} if want.members else {}),
            "model_code": want.model_code,
            "method_code": want.method_code,
            "weights_sha256": sha256_of(weights),
            "evaluated_weights": AVERAGED if student.average is not None else TRAINED,
            "data_checksum": data.checksum,
            "numerics": 1,
            "numerics_of_parts": dict(want.numerics),
            "mode": runtime.mode,
            "precision_used": student.training.precision,
            "smoke": smoke,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(),
            "hardware": runtime.hardware(),
            "device": runtime.device.type,
            "versions": versions(),
            "dispatch": runtime.dispatch,
            "equal_bits_seen_on": list(SEEN_EQUAL) if runtime.dispatch == AVX2 else None,
            **settings(),
            **{f"git_{key}": value for key, value in asdict(git_state(Path.cwd())).items()},
        },
        files,
    )
    shutil.rmtree(study.checkpoint(run.name).parent, ignore_errors=True)
    return metrics.get("test_top1")


def _selected(student: Student) -> dict[str, float | int | None]:
    """Validation figures of the selected epoch (a teacher used as it is has none)."""
    if not student.history:
        return {}
    row = student.history[student.best_epoch - 1]
    return {
        "best_val_top1": row["val_top1"],
        "best_val_loss": row["val_loss"],
        "best_epoch": student.best_epoch,
    }
