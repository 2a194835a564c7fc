#!/usr/bin/env python
"""A complete study of made-up records, as large as real ones, for timing the commands that read.

    scripts/benchmark/made_up_study.py FOLDER --runs 10000      # FOLDER/scale.yaml, FOLDER/results/scale

Cells are those that the protocol has, with the hashes that their runs have; figures are drawn at random.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

import numpy as np

from rigorkd.launch.session import LaunchOptions
from rigorkd.protocol.hashes import resolved, training_key, views_key
from rigorkd.protocol.load import load_protocol
from rigorkd.records.expected import Expected, expected_hashes, start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import commit
from rigorkd.records.study import register
from rigorkd.train.evaluate import Predictions

CELLS = 1 + 2 * (1 + 24)
PROTOCOL = """\
rigorkd: 1
study: scale
dataset: {{name: digits, split: {{train: 160, val: 100, test: 200, seed: 3}}}}
training: {{optimizer: {{name: adamw, lr: 1e-2}}, batch_size: 16, epochs: 3}}
teacher: {{model: {{name: cnn, channels: [16, 16], hidden: 32}}, epochs: 5}}
students:
  plain: {{model: {{name: cnn, channels: [4, 8]}}}}
  wide: {{model: {{name: cnn, channels: [8, 8]}}}}
groups:
  main: {{baseline: true, kd: {{T: [1, 2, 3, 4, 6, 8], alpha: [0.1, 0.3, 0.5, 0.7]}}}}
seeds: {seeds}
"""
LOG = "2026-01-01T00:00:00+00:00 started\n2026-01-01T00:01:00+00:00 done\n"


def main() -> None:
    """Write the protocol and the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="an empty folder")
    parser.add_argument("--runs", type=int, default=10_000, help="runs at least (default 10000)")
    options = parser.parse_args()
    write_study(options.folder, options.runs)


def write_study(folder: Path, runs: int) -> None:
    """The study of a complete grid; nothing is flushed to the disk, which matters to no figure."""
    path = folder / "scale.yaml"
    path.write_text(PROTOCOL.format(seeds=-(-runs // CELLS)))
    protocol = load_protocol(path)
    files = start_files(protocol)
    options = LaunchOptions(seeds=protocol.seeds, results=folder / "results")
    study = StudyFolder(options.results / "scale")
    vars(os)["fsync"] = lambda descriptor: None
    register(study.path, protocol, options.seeds, options.mode, files)
    rng = random.Random(0)
    for name, want in expected_hashes(protocol, options.seeds, options.mode, files).items():
        found = predictions(rng)
        small = {"history.csv": b"epoch\n" * 4, "predictions.npz": found.to_npz()}
        if want.run.cell.role != "student":
            small["model.safetensors"] = b"made up"
        assert commit(study.run(name), fields(want, rng, found), small)
        study.run_log(name).parent.mkdir(parents=True, exist_ok=True)
        study.run_log(name).write_text(LOG)


def predictions(rng: random.Random) -> Predictions:
    """Made-up results on 50 images: the network is right more often than not."""
    draw = np.random.default_rng(rng.getrandbits(64))
    target = draw.integers(0, 10, 50, dtype=np.int32)
    right = draw.random(50) < draw.uniform(0.5, 1)
    return Predictions(
        target=target,
        prediction=np.where(right, target, (target + 1) % 10).astype(np.int32),
        loss=draw.random(50, np.float32),
        confidence=draw.random(50, np.float32),
        top5_hit=right | (draw.random(50) < 0.5),
    )


def fields(want: Expected, rng: random.Random, found: Predictions) -> dict[str, object]:
    """What a real record of this run says, with made-up figures."""
    cell = want.run.cell
    return {
        "study": "scale",
        "cell": cell.name,
        "role": cell.role,
        "group": cell.group,
        "student": cell.student,
        "seed": want.run.seed,
        **resolved(cell),
        "training_key": training_key(cell),
        "views_key": views_key(cell),
        "status": "done",
        "epochs_run": cell.training.epochs,
        "metrics": {**found.metrics(), "best_val_top1": rng.uniform(50, 100), "train_seconds": 60.0},
        "run_hash": want.run_hash,
        "teacher_run_hash": want.teacher_hash,
        "start_run_hash": want.start_hash,
        "weights_sha256": rng.randbytes(32).hex(),
        "mode": "reference",
        "smoke": False,
        "finished": "2026-01-01T00:00:00+00:00",
        "hardware": "none: a synthetic record",
        "versions": {"torch": "0", "numpy": "0", "python": "0"},
    }


if __name__ == "__main__":
    main()
