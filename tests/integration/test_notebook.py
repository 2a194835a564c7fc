"""The notebook's comparisons, as shipped, on files of the published formats with few images."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.weights import seeded
from tests.conftest import environment

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

NOTEBOOK = Path(__file__).parents[2] / "protocols" / "notebook"


def shortened(protocol: str, folder: Path, *changes: tuple[str, str]) -> None:
    """Write a protocol of the notebook as notebook.yaml, changed."""
    text = (NOTEBOOK / protocol).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "notebook.yaml").write_text(text)


def records_of(study: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in study.rglob("record.json")]


@pytest.mark.slow
def test_cifar10(rigorkd: Rigorkd, write_cifar: Callable[..., None], tmp_path: Path) -> None:
    """The public ResNet-56 from its file, stops by the objective, annealed alpha, features, at 2 seeds."""
    write_cifar("cifar10", tmp_path / "data", per_file=30)
    teacher = build(Model(name="resnet56"), classes=10, channels=3, size=32, seed=0)
    assert sum(parameter.numel() for parameter in teacher.parameters()) == 855_770
    (tmp_path / "weights").mkdir()
    torch.save(teacher.state_dict(), tmp_path / "weights" / "cifar10_resnet56-187c023a.pt")
    shortened(
        "cifar10.yaml",
        tmp_path,
        ("{train: 45000, val: 5000, seed: 0}", "{val: 40, seed: 0}"),
        ("epochs: 20", "epochs: 3"),
    )
    done = rigorkd("run", "notebook.yaml", "--seeds", 2)
    assert done.returncode == 0, done.stderr
    records = records_of(tmp_path / "results" / "notebook-cifar10")
    assert len(records) == 1 + 2 * (2 + 12)
    (fixed,) = [record for record in records if record["cell"] == "teacher/r56"]
    assert fixed["epochs_run"] == 0
    assert all(record["start"] == "random" for record in records if record is not fixed)
    own = {record["select"] for record in records if record["group"] == "main"}
    assert own == {"best_val_objective"}
    analysis = json.loads(rigorkd("analyze", "--format", "json").stdout)
    gains = next(family for family in analysis["families"] if family["name"] == "gains")
    assert gains["size"] == 7


@pytest.mark.slow
def test_cifar100(write_cifar: Callable[..., None], tmp_path: Path) -> None:
    """The hub's ResNet-50, in its layout with fewer channels, teaches from its own head at 224 pixels."""
    transformers = pytest.importorskip("transformers", reason="needs the extra rigorkd[hf]")
    write_cifar("cifar100", tmp_path / "data", per_file=200)
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[16, 24, 32, 40],
        num_labels=100,
        architectures=["ResNetForImageClassification"],
    )
    with seeded(3):
        teacher = transformers.ResNetForImageClassification(config)
    folder = tmp_path / "hub" / "models--jialicheng--cifar100-resnet-50"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd")
    teacher.save_pretrained(folder / "snapshots" / "0123abcd")
    shortened(
        "cifar100_cnn.yaml",
        tmp_path,
        ("{train: 45000, val: 5000, seed: 80}", "{train: 100, val: 40, seed: 80}"),
        ("epochs: 30", "epochs: 2"),
    )
    done = subprocess.run(  # started anew: where the hub's copies lie is read as its package is imported
        [sys.executable, "-m", "rigorkd", "run", "notebook.yaml", "--seeds", "1", "--jobs", "1"],
        cwd=tmp_path,
        env=environment() | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = records_of(tmp_path / "results" / "notebook-cifar100-cnn")
    assert len(records) == 1 + 7
    (fixed,) = [record for record in records if record["cell"] == "teacher"]
    assert (fixed["epochs_run"], fixed["start"], fixed["size"]) == (0, "pretrained", 224)
    path = next((tmp_path / "results").rglob("teacher/seed-*/model.safetensors"))
    found = load_file(path)["classifier.1.weight"]
    assert torch.equal(found, teacher.state_dict()["classifier.1.weight"])
