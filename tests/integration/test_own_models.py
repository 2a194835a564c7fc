"""Models of one's own on the command line: from another folder, stale after an edit, readable without."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: own
dataset: {name: digits, split: {train: 64, val: 60, test: 100, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 1}
teacher: {model: "nets:small", size: 12}
students: {mine: {model: "nets:small"}, plain: {model: {name: cnn, channels: [4]}}}
groups:
  main: {students: mine, baseline: true, kd: true}
  other: {students: plain, baseline: true}
seeds: 1
"""

NETS = """\
from torch import nn

from layers import activation


def small(classes, channels, size):
    first = nn.Linear(channels * size * size, 16)
    return nn.Sequential(nn.Flatten(), first, activation(), nn.Linear(16, classes))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the protocol and its code; commands run elsewhere."""
    place = tmp_path / "protocols"
    place.mkdir()
    (place / "own.yaml").write_text(PROTOCOL)
    (place / "nets.py").write_text(NETS)
    (place / "layers.py").write_text("from torch.nn import ReLU as activation\n")
    return place


def test_a_study_of_ones_own_models(folder: Path, rigorkd: Rigorkd, tmp_path: Path) -> None:
    done = rigorkd("run", folder / "own.yaml")
    assert done.returncode == 0, done.stderr
    teacher, student, plain = (
        json.loads((tmp_path / "results" / "own" / cell / "seed-0" / "record.json").read_text())
        for cell in ("teacher", "main/mine/baseline", "other/plain/baseline")
    )
    assert teacher["model_code"] == student["model_code"] != plain["model_code"] is None
    # a teacher at 12 pixels has a wider first layer than a student of its kind at the digits' 8
    assert teacher["metrics"]["params_millions"] == pytest.approx((144 * 16 + 16 + 16 * 10 + 10) / 1e6)
    assert teacher["metrics"]["macs_millions"] == pytest.approx((144 * 16 + 16 * 10) / 1e6)
    assert student["metrics"]["params_millions"] == pytest.approx((64 * 16 + 16 + 16 * 10 + 10) / 1e6)

    (folder / "layers.py").write_text("from torch.nn import Tanh as activation\n")
    stale = rigorkd("run", folder / "own.yaml")
    assert stale.returncode == 2
    assert "main/mine/baseline/seed-0: the code of its model nets:small changed" in stale.stderr
    assert "3 records no longer fit" in stale.stderr
    assert "other/plain" not in stale.stderr
    assert "4 done" in rigorkd("status").stdout

    (folder / "own.yaml").write_text(PROTOCOL.replace("epochs: 1", "epochs: 2"))
    both = rigorkd("run", folder / "own.yaml").stderr
    assert "main/mine/baseline/seed-0: epochs: 1 → 2; the code of its model nets:small changed" in both
    assert "other/plain/baseline/seed-0: epochs: 1 → 2\n" in both
    assert "change the protocol back and put the files back as they were, give the study another" in both
    (folder / "own.yaml").write_text(PROTOCOL)

    (folder / "layers.py").unlink()
    (folder / "nets.py").unlink()
    gone = rigorkd("plan", folder / "own.yaml")
    assert gone.returncode == 2
    assert "own.yaml:5:18: the model nets:small: there is no module nets" in gone.stderr
    assert rigorkd("analyze").returncode == 0


def test_a_launch_is_seen_from_its_beginning(folder: Path, rigorkd: Rigorkd, tmp_path: Path) -> None:
    """Before the study is there: the code of a model is the first to look, when torch has been imported."""
    looks = """
from pathlib import Path

from rigorkd.launch.study_status import default_study, study_status

if not Path("seen.txt").exists():
    Path("seen.txt").write_text(study_status(default_study(Path("results"), begun=False)[0]).text())
"""
    (folder / "nets.py").write_text(NETS + looks)
    done = rigorkd("run", folder / "own.yaml", "--only", "other/*", "--only", "main/mine/baseline")
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "seen.txt").read_text().splitlines()
    assert first == "results/own: no run is noted yet"
    assert second.endswith(": starting: it trains nothing yet")
    assert not [*(tmp_path / "results" / "own" / ".launchers").glob("*/holder.json")]


def test_what_is_wrong_is_said_before_anything_is_trained(
    folder: Path, rigorkd: Rigorkd, tmp_path: Path
) -> None:
    (folder / "layers.py").write_text("def activation():\n    raise KeyError('no such layer')\n")
    done = rigorkd("run", folder / "own.yaml")
    assert done.returncode == 2
    assert "own.yaml:5:18: model nets:small: called with classes=10, channels=1, size=12" in done.stderr
    assert "layers.py:2)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow  # test_plan_cost.py measures what is ours
def test_the_cost_of_ones_own_models_is_measured(folder: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd(
        "plan", folder / "own.yaml", "--only", "main/mine/baseline", "--measure", "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cost"]["seconds"] > 0
