"""A teacher as the public repositories hand it on, from the command line: loaded, hashed, refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rigorkd.files import file_sha256
from rigorkd.models.build import build
from rigorkd.models.model import Model
from tests.helpers import Touches

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: public
dataset: {name: digits, split: {train: 100, val: 0, test: 200, seed: 1}}
views: {normalize: dataset}
training:
  optimizer: {name: sgd, lr: 0.05, weight_decay: 5e-4}
  schedule: {name: multistep, milestones: [1], gamma: 0.1}
  batch_size: 50
  epochs: 2
  select: last
teacher: {model: resnet14, start: {path: weights/ckpt_epoch_240.pth}, train: false}
students: {small: {model: resnet8}}
groups:
  main: {baseline: true, kd: {T: 4, alpha: 0.1}}
seeds: 2
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A teacher as mdistiller saves it, for grey images of digits."""
    (tmp_path / "public.yaml").write_text(PROTOCOL)
    (tmp_path / "weights").mkdir()
    save(tmp_path / "weights" / "ckpt_epoch_240.pth")
    return tmp_path / "weights" / "ckpt_epoch_240.pth"


def save(path: Path, *, name: str = "resnet14", seed: int = 0, **more: Any) -> None:
    network = build(Model(name=name), classes=10, channels=1, size=8, seed=seed)
    state = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
    torch.save({"epoch": 240, "model": state, "best_acc": torch.tensor(71.0), **more}, path)


def test_it_teaches_and_its_content_is_part_of_the_runs(
    rigorkd: Rigorkd, weights: Path, tmp_path: Path
) -> None:
    (row,) = [line.split() for line in rigorkd("plan", "public.yaml").stdout.splitlines() if "ckpt" in line]
    assert (row[0], row[-1]) == ("teacher", "none")
    done = rigorkd("run", "public.yaml", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "results").rglob("record.json")]
    by_cell = {record["cell"]: record for record in records}
    assert by_cell["teacher"]["start_run_hash"] == file_sha256(weights)
    assert by_cell["main/small/kd-T4-a0.1"]["metrics"]["best_val_top1"] is None
    for form in ("table", "json", "markdown", "latex"):
        said = rigorkd("analyze", "--format", form).stdout
        assert "nothing was validated: the last epoch" in " ".join(said.split()), form
    assert "nothing was validated" in rigorkd("analyze", "--format", "csv").stderr
    assert "nothing was validated" in rigorkd("table", "--layout", "gains", "--interim").stdout
    save(weights, seed=1)
    changed = rigorkd("run", "public.yaml")
    assert changed.returncode == 2
    assert "the weights that it starts from changed" in changed.stderr


def test_a_pickle_with_code_and_weights_of_another_network_are_refused_at_their_line(
    rigorkd: Rigorkd, weights: Path, tmp_path: Path
) -> None:
    save(weights, extra=Touches(tmp_path / "touched"))
    evil = rigorkd("run", "public.yaml")
    assert evil.returncode == 2
    assert "public.yaml:11:" in evil.stderr
    assert evil.stderr.count("it holds more than tensors") == 1
    assert not (tmp_path / "touched").exists()
    save(weights, name="resnet20")
    other = rigorkd("run", "public.yaml")
    assert other.returncode == 2
    assert "layer1.2.conv1.weight is 16×16×3×3 there and missing here" in other.stderr
    assert "they fit the model resnet20" in other.stderr
    assert not (tmp_path / "results").exists()
