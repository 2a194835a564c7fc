"""Starts and teachers of every kind: files, runs of their own, one teacher for all seeds."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: starts
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 2}
teacher: {model: {name: cnn, channels: [4, 8]}, start: {path: weights.safetensors}, train: false}
starts: {warm: {from: random, epochs: 4}}
students: {plain: {model: {name: cnn, channels: [4, 8]}}}
groups:
  main: {start: [random, warm, {path: weights.safetensors}], baseline: true, kd: true}
seeds: 2
"""


@pytest.fixture
def starts(finished: Path, tmp_path: Path) -> Path:
    """The protocol in a folder of its own, with the weights of a finished student beside it."""
    folder = tmp_path / "protocols"
    folder.mkdir()
    weights = finished / "results/tiny/main/plain/kd-T4-a0.5/seed-0/model.safetensors"
    shutil.copy(weights, folder / "weights.safetensors")
    path = folder / "starts.yaml"
    path.write_text(PROTOCOL)
    return path


def test_files_and_runs_to_start_from(starts: Path, rigorkd: Rigorkd, finished: Path) -> None:
    done = rigorkd("run", starts)
    assert done.returncode == 0, done.stderr
    study = starts.parent.parent / "results" / "starts"
    records = {
        str(path.parent.relative_to(study)): json.loads(path.read_text())
        for path in study.rglob("record.json")
    }
    # a teacher that is used as it is, once for all seeds: the very predictions of the run it came from
    fixed = study / "teacher/seed-fixed/predictions.npz"
    source = finished / "results/tiny/main/plain/kd-T4-a0.5/seed-0"
    assert fixed.read_bytes() == (source / "predictions.npz").read_bytes()
    assert records["teacher/seed-fixed"]["epochs_run"] == 0
    # the trained start is shared by baseline and distilled cell of its seed
    start = records["start/warm/plain/seed-1"]
    for cell in ("baseline-warm", "kd-T4-a0.5-warm"):
        assert records[f"main/plain/{cell}/seed-1"]["start_run_hash"] == start["run_hash"]
    first_epochs = {
        name: float(
            (study / f"main/plain/{name}/seed-0/history.csv").read_text().splitlines()[1].split(",")[5]
        )
        for name in ("baseline-random", "baseline-warm")
    }
    assert first_epochs["baseline-warm"] > first_epochs["baseline-random"]
    assert len(records) == 1 + 2 + 2 * 6
    # the file may go: the study is still read, and says how it stands
    (starts.parent / "weights.safetensors").unlink()
    assert "15 done" in rigorkd("status").stdout
    assert rigorkd("analyze").returncode == 0


def test_a_missing_file_is_named_before_anything_is_trained(starts: Path, rigorkd: Rigorkd) -> None:
    """A plan does without it, and says so: the file may be on another machine."""
    (starts.parent / "weights.safetensors").unlink()
    planned = rigorkd("plan", starts)
    assert planned.returncode == 0
    assert "training images in all runs" in planned.stdout
    assert "note: weights.safetensors is not there yet" in planned.stderr
    done = rigorkd("run", starts)
    assert done.returncode == 2
    assert "weights.safetensors" in done.stderr
    assert "the protocol's folder" in done.stderr
    assert not (starts.parent.parent / "results").exists()


def test_other_bytes_in_the_file_make_the_records_stale(
    starts: Path, rigorkd: Rigorkd, finished: Path
) -> None:
    assert rigorkd("run", starts, "--seeds", "1").returncode == 0
    other = finished / "results/tiny/main/plain/kd-T1-a0.5/seed-0/model.safetensors"
    shutil.copy(other, starts.parent / "weights.safetensors")
    done = rigorkd("run", starts, "--seeds", "1")
    assert done.returncode == 2
    assert "the weights that it starts from changed" in done.stderr
