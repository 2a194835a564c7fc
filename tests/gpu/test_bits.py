"""In `reference` a run's bits depend on nothing but the run, on an accelerator too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rigorkd.data.image_data import ImageData, StoredImages, Subset
from rigorkd.methods.kd import KD
from rigorkd.records.layout import StudyFolder
from rigorkd.train import context
from rigorkd.train.student import Student

from ..conftest import environment
from ..train.conftest import BASELINE, TRAINING, WARM, Train, output_bytes, student_cell
from .conftest import DEVICE, PATIENCE, PRECISIONS, QUICK, cuda_only

pytestmark = pytest.mark.cuda
HERE = Path(__file__).parent
FILES = {"history.csv", "predictions.npz", "model.safetensors"}


@pytest.mark.cuda(seconds=25)
@pytest.mark.parametrize("precision", PRECISIONS[1:] if QUICK else PRECISIONS)
def test_alone_in_a_cohort_killed_and_replayed_are_the_same_bytes(precision: str, tmp_path: Path) -> None:
    """In a process of its own, since Accelerate allows one precision per process."""
    path = os.pathsep.join(filter(None, [str(HERE.parent / "train"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "bits_program.py"), DEVICE, precision, str(tmp_path)]
        + ["--quick"] * QUICK,
        env={**environment(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    together = found["digests"]["together"]
    assert all(files.keys() == FILES for files in together.values())
    for situation in ("alone", "resumed", "replayed"):
        for cell, files in found["digests"][situation].items():
            differing = [file for file in files if files[file] != together[cell][file]]
            assert not differing, f"{precision}, {cell}, {situation}"
    assert found["resumed"] == found["cells"]
    assert found["heard"]["replayed"] == 0
    assert min(found["heard"][name] for name in ("together", "alone", "resumed", "kept")) > 0


def test_the_digests_above_can_differ(train: Train, study: StudyFolder) -> None:
    """Another temperature, and another seed, give other bytes on this device."""
    other = replace(WARM, name="main/s/cooler", method=KD(T=3.0, alpha=0.5))
    train([WARM, other])
    train([WARM], seed=1)
    one = output_bytes(study, WARM)
    assert one["model.safetensors"] != output_bytes(study, other)["model.safetensors"]
    assert one["model.safetensors"] != output_bytes(study, WARM, 1)["model.safetensors"]


def test_images_that_stay_on_the_host_give_the_same_bytes(
    train: Train, study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are staged through pinned memory batch by batch, while the device still works on the last one."""
    train([BASELINE, WARM])
    load = context.load
    asked: list[int] = []

    class Stored(StoredImages):
        def __getitem__(self, rows: Tensor | slice) -> Tensor:
            images = super().__getitem__(rows)
            asked.append(len(images))
            return images

    def stored(*what: object) -> ImageData:
        data = load(*what)  # type: ignore[arg-type]

        def kept(subset: Subset) -> Subset:
            assert isinstance(subset.images, Tensor)
            return replace(subset, images=Stored(subset.images, torch.arange(len(subset.images))))

        return replace(data, train=kept(data.train), val=kept(data.val), test=kept(data.test))

    monkeypatch.setattr(context, "load", stored)
    monkeypatch.setattr(context, "_DATA_SHARE", 0.0)
    other = StudyFolder(tmp_path / "stored")
    train([BASELINE, WARM], folder=other)
    assert asked
    for cell in (BASELINE, WARM):
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


@cuda_only
def test_an_overflow_of_one_student_touches_nobody(
    train: Train, study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scaler skips steps and halves its scale; its neighbours keep theirs, and their bits."""
    fp16 = TRAINING.model_copy(update={"precision": "fp16"})
    calm = [student_cell(name, KD(T=4.0, alpha=0.5), training=fp16) for name in ("one", "two")]
    wild = student_cell("wild", KD(T=4.0, ce_weight=0.5, kd_weight=1e6), training=fp16)
    scales: dict[str, float] = {}
    end_epoch = Student.end_epoch

    def watch(self: Student, *arguments: Any) -> None:
        assert self.accelerator.scaler is not None
        scales[self.run.cell.name] = self.accelerator.scaler.get_scale()
        end_epoch(self, *arguments)

    monkeypatch.setattr(Student, "end_epoch", watch)
    train([calm[0], wild, calm[1]])
    assert scales[wild.name] < min(scales[cell.name] for cell in calm) / 2
    other = StudyFolder(tmp_path / "alone")
    for cell in (wild, *calm):
        train([cell], folder=other)
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name
