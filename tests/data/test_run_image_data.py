"""`rigorkd run` on every data set of image files, from files as published to records."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rigorkd.data.datasets import DATASETS
from rigorkd.data.decoded import ImageFiles
from rigorkd.data.loading import load
from rigorkd.data.synthetic import Synthetic
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.smoke import smoke

Make = Callable[..., ImageFiles]
Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: small
dataset: {dataset}
views: {{size: 16, train: [random_resized_crop, horizontal_flip, {{cutout: 4}}]}}
training: {{optimizer: {{name: sgd, lr: 0.05}}, batch_size: 5, epochs: 1}}
{teacher}
students: {{net: {{model: {{name: cnn, channels: [4]}}}}}}
groups: {{main: {{baseline: true{methods}}}}}
seeds: 1
"""


def write_protocol(folder: Path, dataset: ImageFiles, *, distils: bool = False) -> Path:
    keys = dataset.model_dump(mode="json", exclude_defaults=True)
    text = PROTOCOL.format(
        dataset=json.dumps(keys),
        teacher="teacher: {model: {name: cnn, channels: [8]}}" if distils else "",
        methods=", kd: {T: 4}" if distils else "",
    )
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def records(folder: Path) -> list[dict[str, Any]]:
    found = sorted((folder / "results" / "small").rglob("record.json"))
    return [json.loads(path.read_text()) for path in found]


@pytest.mark.parametrize("name", ["stanford_cars", "tiny_imagenet", "image_folder"])
def test_a_study_trains_from_image_files(make: Make, rigorkd: Rigorkd, tmp_path: Path, name: str) -> None:
    path = write_protocol(tmp_path, make(name))
    done = rigorkd("run", path, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert f"{name}: decoding 30 images" in done.stdout
    (record,) = records(tmp_path)
    assert record["status"] == "done"
    with np.load(tmp_path / "results/small/main/net/baseline/seed-0/predictions.npz") as arrays:
        assert np.bincount(arrays["target"]).tolist() == [4, 4, 4]


def test_a_study_of_pets_from_plan_to_changed_files(make: Make, rigorkd: Rigorkd, tmp_path: Path) -> None:
    """Plan without data; run; read back without data; run again; and run after an image has changed."""
    dataset = make("oxford_pets")
    path = write_protocol(tmp_path, dataset, distils=True)
    data, away = tmp_path / "data", tmp_path / "away"
    data.rename(away)

    def runs_in_plan() -> dict[str, int]:
        plan = rigorkd("plan", path, "--format", "json")
        assert plan.returncode == 0, plan.stderr
        runs: dict[str, int] = json.loads(plan.stdout)["runs"]
        return runs

    assert runs_in_plan()["missing"] == 3
    absent = rigorkd("run", path)
    assert absent.returncode == 2
    assert "oxford-iiit-pet/images is missing" in absent.stderr
    assert "Traceback" not in absent.stderr
    assert not (tmp_path / "results").exists()
    away.rename(data)

    done = rigorkd("run", path, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "decoding 30 images" in done.stdout
    assert "18 + 12 images instead of 3680 + 3669" in done.stderr
    assert len({record["data_checksum"] for record in records(tmp_path)}) == 1
    assert runs_in_plan()["done"] == 3
    again = rigorkd("run", path)
    assert "nothing to train" in again.stdout
    assert "decoding" not in again.stdout

    data.rename(away)
    assert runs_in_plan()["done"] == 3, "the study remembers what it was trained on"
    table = rigorkd("table", "--format", "csv")
    assert table.returncode == 0, table.stderr
    assert table.stdout.count("\n") == 3
    shutil.copytree(away, data, copy_function=shutil.copyfile)
    shutil.rmtree(away)
    copied = rigorkd("run", path)
    assert "nothing to train" in copied.stdout, copied.stderr

    image = data / "oxford-iiit-pet" / "images" / "Bengal_1.jpg"
    shutil.copyfile(data / "oxford-iiit-pet" / "images" / "Bengal_2.jpg", image)
    os.utime(image, (1, 1))
    changed = rigorkd("run", path)
    assert changed.returncode == 2
    assert re.search(r": the data changed: \w{12} → \w{12}\n", changed.stderr)


@pytest.mark.parametrize(
    ("name", "classes"),
    [("oxford_pets", 37), ("stanford_cars", 196), ("tiny_imagenet", 200), ("image_folder", 10)],
)
def test_smoke_needs_no_data(make: Make, tmp_path: Path, name: str, classes: int) -> None:
    """The classes are those of the real data, and ten where only the data could tell."""
    (tmp_path / "nothing").mkdir()
    shrunk = smoke(load_protocol(write_protocol(tmp_path, make(name, folder="nothing"))))
    assert all(isinstance(cell.dataset, Synthetic) for cell in shrunk.cells)
    data = load(shrunk.spec.dataset, 0)
    assert (data.classes, data.channels) == (classes, 3)


def test_the_docs_name_every_data_set_and_a_valid_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    snippet = text.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "small.yaml"
    path.write_text(PROTOCOL.format(dataset="{}", teacher="", methods="").replace("dataset: {}\n", snippet))
    assert load_protocol(path).spec.dataset.name == "oxford_pets"
    rows = [line for line in text.split("## Where")[0].splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows[1:]} == set(DATASETS)
