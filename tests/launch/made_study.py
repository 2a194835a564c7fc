"""A study as `rigorkd run` leaves it, without training, for the tests of what is done to studies later."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

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
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 2}
teacher: {model: {name: cnn, channels: [8], hidden: 8}}
students:
  plain: {model: {name: cnn, channels: [4]}}
  wide: {model: {name: cnn, channels: [6]}}
groups: {main: {baseline: true, kd: {T: 4, alpha: 0.5}}}
seeds: 4
analysis: {sesoi: 1.0}
"""
RUNS = 4 * 5


def make(
    folder: Path,
    *,
    seeds: Sequence[int] = range(4),
    train: Callable[[str], bool] = lambda run: True,
    text: str = PROTOCOL,
    luck: str = "",
    hardware: str = "CPU",
) -> Path:
    """The study in `folder/results/made` after a `run` of these seeds; `train` says which runs are there.

    The numbers of a run follow from its name and from `luck`: with another one it is another draw.
    """
    folder.mkdir(exist_ok=True)
    (folder / "made.yaml").write_text(text)
    protocol = load_protocol(folder / "made.yaml")
    study = StudyFolder(folder / "results" / "made")
    files = start_files(protocol)
    register(study.path, protocol, tuple(seeds), "reference", files)
    for name, want in expected_hashes(protocol, tuple(seeds), "reference", files).items():
        if not train(name):
            continue
        cell, draw = want.run.cell, random.Random(f"{name} {luck}")
        right = np.random.default_rng(draw.getrandbits(64)).random(200) < 0.6 + 0.2 * ("kd" in name)
        arrays = io.BytesIO()
        np.savez(arrays, target=np.zeros(200, np.int32), prediction=(~right).astype(np.int32))
        commit(
            study.run(name),
            {
                "study": "made",
                "cell": cell.name,
                "role": cell.role,
                "group": cell.group,
                "student": cell.student,
                "seed": want.run.seed,
                **loss_weights(cell.method),
                **resolved(cell),
                "training_key": training_key(cell),
                "views_key": views_key(cell),
                "status": "done",
                "epochs_run": 2,
                "metrics": {"test_top1": 100 * float(right.mean()), "train_seconds": random.random()},
                "run_hash": want.run_hash,
                "teacher_run_hash": want.teacher_hash,
                "weights_sha256": draw.randbytes(32).hex(),
                "mode": "reference",
                "smoke": False,
                "finished": "2026-11-27T12:00:00+00:00",
                "hardware": hardware,
                "versions": {"torch": "2.15.0"},
            },
            {
                "history.csv": f"epoch\n{draw.random()}\n".encode(),
                "predictions.npz": arrays.getvalue(),
                "model.safetensors": draw.randbytes(1000),
            },
        )
    return study.path


def at(*seeds: int) -> Callable[[str], bool]:
    """The runs at these seeds."""
    return lambda run: int(run.rpartition("-")[2]) in seeds
