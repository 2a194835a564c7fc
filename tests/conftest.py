"""Fixtures that several packages' tests share: a small real protocol, and the command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROTOCOL = """\
rigorkd: 1
study: tiny
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}, label_noise: 0.1}
views: {normalize: dataset, train: [{random_crop: {padding: 1}}]}
training:
  optimizer: {name: adamw, lr: 5e-3}
  batch_size: 32
  epochs: 3
  clip_norm: 1.0
teacher: {model: {name: cnn, channels: [12, 12], hidden: 16}, epochs: 4}
students:
  plain: {model: {name: cnn, channels: [4, 4]}}
  dropping: {model: {name: cnn, channels: [4, 4], hidden: 8, dropout: 0.3}}
groups:
  main: {baseline: true, kd: {T: [1, 4], alpha: [0.1, 0.5]}}
  short: {students: [plain], epochs: 2, baseline: true, kd: {T: 2}}
seeds: 2
analysis: {sesoi: 2.0}
"""

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def protocol_file(tmp_path: Path) -> Path:
    """A protocol on 160 real digits that trains in seconds: two students (one with dropout), two lengths."""
    path = tmp_path / "tiny.yaml"
    path.write_text(PROTOCOL)
    return path


@pytest.fixture
def rigorkd(tmp_path: Path) -> Rigorkd:
    """Run the command line in a process of its own, in `tmp_path`, and return what it printed."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rigorkd", *(str(argument) for argument in arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
        return subprocess.run(
            command,
            cwd=cwd or tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
