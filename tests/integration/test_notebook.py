"""The notebook's comparisons, as shipped, on files of the published formats with few images."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from rigorkd.models.build import build
from rigorkd.models.model import Model

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

NOTEBOOK = Path(__file__).parents[2] / "protocols" / "notebook"


@pytest.mark.slow
def test_cifar10(rigorkd: Rigorkd, write_cifar: Callable[..., None], tmp_path: Path) -> None:
    """A ResNet-56 from a file, early stopping on the objective, annealed alpha and features, at 2 seeds."""
    write_cifar("cifar10", tmp_path / "data", per_file=30)
    teacher = build(Model(name="cifar_resnet56"), classes=10, channels=3, size=32, seed=0)
    (tmp_path / "weights").mkdir()
    save_file(teacher.state_dict(), tmp_path / "weights" / "cifar10_resnet56.safetensors")
    text = (NOTEBOOK / "cifar10.yaml").read_text()
    for old, new in (
        ("{train: 45000, val: 5000, seed: 0}", "{val: 40, seed: 0}"),
        ("epochs: 20", "epochs: 3"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "notebook.yaml").write_text(text)
    done = rigorkd("run", "notebook.yaml", "--seeds", 2)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "results" / "notebook-cifar10"
    records = [json.loads(path.read_text()) for path in study.rglob("record.json")]
    assert len(records) == 1 + 2 * (2 + 12)
    (fixed,) = [record for record in records if record["cell"] == "teacher/r56"]
    assert fixed["epochs_run"] == 0
    assert all(record["start"] == "random" for record in records if record is not fixed)
    analysis = json.loads(rigorkd("analyze", "--format", "json").stdout)
    gains = next(family for family in analysis["families"] if family["name"] == "gains")
    assert gains["size"] == 7
