"""A study folder as `rigorkd run` leaves it, without training: its records hold the numbers of a test."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from rigorkd.methods.base import loss_weights
from rigorkd.protocol.hashes import resolved, training_key, views_key
from rigorkd.protocol.load import load_protocol
from rigorkd.records.expected import expected_hashes, start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import commit
from rigorkd.records.study import register

PROTOCOL = """\
rigorkd: 1
study: made
dataset: {name: digits, split: {train: 160, val: 100, test: 400, seed: 3}}
views: {normalize: dataset}
training: {optimizer: {name: adamw, lr: 5e-3}, batch_size: 32, epochs: 1}
teacher: {model: {name: cnn, channels: [8], hidden: 8}}
students: {plain: {model: {name: cnn, channels: [4]}}}
groups: {main: {baseline: true, kd: {T: [1, 4], alpha: 0.5}}}
seeds: 5
analysis:
  sesoi: 0.5
  contrasts: [[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]]
"""

#: Those of `PROTOCOL`.
CELLS = ("main/plain/baseline", "main/plain/kd-T1-a0.5", "main/plain/kd-T4-a0.5")


def made(
    folder: Path,
    values: Mapping[str, Sequence[float]],
    seeds: Sequence[int] | None = None,
    *,
    text: str = PROTOCOL,
    teacher: float | Sequence[float] | None = None,
    predictions: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """The study in `folder/results` after a `run` of these seeds; called again, it grows.

    Args:
        values: test top-1 of each cell's runs, by seed, NaN where one diverged; runs without a value were not
            trained yet.
        seeds: what `run` asked for; None takes as many as the longest row of values.
        teacher: the teacher's test top-1, at every seed or by seed; None leaves it untrained.
        predictions: of each run, by its name, (seeds, images): 0 where right, else how far off in 10 classes.
    """
    file = folder / "made.yaml"
    file.write_text(text)
    protocol = load_protocol(file)
    asked = tuple(seeds) if seeds is not None else tuple(range(max(map(len, values.values()))))
    study = StudyFolder(folder / "results" / protocol.study)
    files = start_files(protocol, planning=True)
    register(study.path, protocol, asked, "reference", files)
    for name, want in expected_hashes(protocol, asked, "reference", files).items():
        cell, seed = want.run.cell, want.run.seed
        row = values.get(cell.name, ())
        if cell.role == "teacher" and not isinstance(teacher, Sequence):
            top1 = teacher
        else:
            row = teacher or () if cell.role == "teacher" else row
            top1 = row[seed] if seed is not None and seed < len(row) else None
        if top1 is None:
            continue
        written = {"history.csv": b"epoch\n", "predictions.npz": b"not kept"}
        if cell.role == "teacher":
            written["model.safetensors"] = b"not kept"
        if predictions is not None and cell.name in predictions:
            arrays = io.BytesIO()
            off = predictions[cell.name][seed].astype(np.int32)
            target = np.arange(off.size, dtype=np.int32) % 10
            np.savez(arrays, target=target, prediction=(target + off) % 10)
            written["predictions.npz"] = arrays.getvalue()
        commit(
            study.run(name),
            {
                "study": protocol.study,
                "cell": cell.name,
                "role": cell.role,
                "group": cell.group,
                "student": cell.student,
                "seed": seed,
                **loss_weights(cell.method),
                **resolved(cell),
                "training_key": training_key(cell),
                "views_key": views_key(cell),
                "status": "diverged" if np.isnan(top1) else "done",
                "epochs_run": cell.training.epochs,
                "metrics": {} if np.isnan(top1) else {"test_top1": top1},
                "latency_ms": None,
                "run_hash": want.run_hash,
                "teacher_run_hash": want.teacher_hash,
                "smoke": False,
                "weights_sha256": hashlib.sha256(name.encode()).hexdigest(),
                "mode": "reference",
                "hardware": "CPU",
                "versions": {},
                "finished": f"2026-11-27T12:00:{seed or 0:02d}",
            },
            written,
        )
    return study.path


@pytest.fixture(name="made", scope="session")
def made_fixture() -> Callable[..., Path]:
    """`made`, above, for tests."""
    return made
