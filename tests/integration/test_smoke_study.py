"""A smoke study is small: weights go when they have served, and what needs them again is trained again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: small
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
views: {normalize: dataset}
training: {optimizer: {name: adamw, lr: 1e-2}, epochs: 2}
teacher: {model: {name: cnn, channels: [8, 8]}, per_seed: false}
students: {one: {model: {name: cnn, channels: [4, 4]}}}
starts: {warm: {epochs: 1}}
groups:
  main: {start: warm, baseline: true, kd: {T: 1}}
"""


def study_of(folder: Path) -> Path:
    return folder / "results" / "small.smoke"


def weights(folder: Path) -> list[Path]:
    found = study_of(folder).rglob("*")
    return [path for path in found if path.suffix in (".safetensors", ".pt")]


def hashes(folder: Path) -> dict[str, str]:
    records = [json.loads(path.read_text()) for path in study_of(folder).rglob("record.json")]
    return {f"{one['cell']} {one['seed']}": one["weights_sha256"] for one in records}


@pytest.fixture
def smoked(tmp_path: Path, rigorkd: Rigorkd) -> Path:
    (tmp_path / "small.yaml").write_text(PROTOCOL)
    done = rigorkd("run", "small.yaml", "--smoke", "--seeds", 1)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_nothing_but_records_is_left(smoked: Path, rigorkd: Rigorkd) -> None:
    assert weights(smoked) == []
    assert len(hashes(smoked)) == 4
    assert rigorkd("verify").returncode == 0
    again = rigorkd("run", "small.yaml", "--smoke", "--seeds", 1)
    assert "nothing to train" in again.stdout
    repeated = rigorkd("verify", "--rerun", 4)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr


def test_more_seeds_and_cells_train_their_teacher_again(smoked: Path, rigorkd: Rigorkd) -> None:
    before = hashes(smoked)
    (smoked / "small.yaml").write_text(PROTOCOL.replace("T: 1", "T: [1, 4]"))
    done = rigorkd("run", "small.yaml", "--smoke", "--seeds", 2)
    assert done.returncode == 0, done.stderr
    after = hashes(smoked)
    assert len(after) == 1 + 2 * 4
    assert {name: after[name] for name in before} == before
    assert weights(smoked) == []
    assert rigorkd("verify").returncode == 0
