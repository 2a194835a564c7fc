"""`processes_per_run`: a study whose runs take two processes each, its interruptions, and what is refused."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from rigorkd.records.record import AVERAGED
from tests.helpers import PRODUCT

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PLAINNET = """\
from torch import nn


def build(classes, channels, size, width=8):
    half = size // 2
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(width * half * half, classes),
    )
"""

PROTOCOL = """\
rigorkd: 1
study: shared
dataset: {name: digits, split: {train: 167, val: 100, test: 200, seed: 3}}
training:
  optimizer: {name: adamw, lr: 1e-2}
  batch_size: 16
  epochs: 150
  clip_norm: 1.0
  processes_per_run: 2
teacher: {model: "plainnet:build", epochs: 4}
students: {plain: {model: {name: "plainnet:build", args: {width: 4}}}}
groups: {main: {baseline: true, kd: {T: 4, alpha: 0.5}}}
seeds: 1
"""

RUNS = ("teacher/seed-0", "main/plain/baseline/seed-0", "main/plain/kd-T4-a0.5/seed-0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network without BatchNorm, and a protocol that gives it two processes, or one."""
    (tmp_path / "plainnet.py").write_text(PLAINNET)
    (tmp_path / "two.yaml").write_text(PROTOCOL)
    (tmp_path / "one.yaml").write_text(PROTOCOL.replace("  processes_per_run: 2\n", ""))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def history(study: Path, run: str) -> list[dict[str, float]]:
    """The rows of a run's history; what a method does not have is left out."""
    with (study / run / "history.csv").open() as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def product(study: Path) -> dict[str, bytes]:
    """The bytes that must not depend on how the study was run."""
    return {f"{run}/{name}": (study / run / name).read_bytes() for run in RUNS for name in PRODUCT}


def processes_of_runs(launcher: int) -> Iterator[psutil.Process]:
    """The processes that train together, which the workers have spawned."""
    for child in psutil.Process(launcher).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                yield child


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_survive_a_death(folder: Path, rigorkd: Rigorkd) -> None:
    two = rigorkd("run", "two.yaml", "--results", "undisturbed")
    assert two.returncode == 0, two.stderr
    one = rigorkd("run", "one.yaml", "--results", "alone")
    assert one.returncode == 0, one.stderr
    undisturbed = folder / "undisturbed" / "shared"
    for run in RUNS:
        record = json.loads((undisturbed / run / "record.json").read_text())
        assert record["processes_per_run"] == 2
        assert record["status"] == "done"
        # Rounding grows over the epochs, so the first are compared.
        together, alone = history(undisturbed, run), history(folder / "alone" / "shared", run)
        for ours, theirs in zip(together[:3], alone[:3], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4), run
    log = (undisturbed / ".logs" / f"{RUNS[1]}.log").read_text()
    assert log.count("epoch 150/150 trained") == 1

    launcher = subprocess.Popen(
        [sys.executable, "-m", "rigorkd", "run", "two.yaml", "--results", "disturbed"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    disturbed = folder / "disturbed" / "shared"
    checkpoint = disturbed / ".work" / RUNS[1] / "checkpoint.pt"
    deadline = time.monotonic() + 240
    while not checkpoint.exists():
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victims = list(processes_of_runs(launcher.pid))
    assert len(victims) == 2
    victims[1].send_signal(signal.SIGKILL)
    assert launcher.wait(timeout=240) == 0
    assert "resumed after epoch" in (disturbed / ".logs" / f"{RUNS[1]}.log").read_text()
    assert product(disturbed) == product(undisturbed)


@pytest.mark.slow
def test_two_processes_average_weights_as_one_does(folder: Path, rigorkd: Rigorkd) -> None:
    """Validated and tested is the average; it is the same whether one process or two trained the run."""
    found = {}
    for name in ("one", "two"):
        path = folder / f"{name}.yaml"
        text = path.read_text().replace("epochs: 150", "epochs: 3\n  ema: 0.9")
        path.write_text(text.replace(", kd: {T: 4, alpha: 0.5}", ""))
        done = rigorkd("run", path.name, "--results", name)
        assert done.returncode == 0, done.stderr
        run = folder / name / "shared" / RUNS[1]
        assert json.loads((run / "record.json").read_text())["evaluated_weights"] == AVERAGED
        found[name] = load_file(run / "model.safetensors")
    for key, tensor in found["one"].items():
        torch.testing.assert_close(found["two"][key], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_an_exception_in_one_run_leaves_the_others(folder: Path, rigorkd: Rigorkd) -> None:
    (folder / "plainnet.py").write_text(
        PLAINNET
        + """\


class Broken(nn.Sequential):
    steps = 0

    def forward(self, images):
        self.steps += self.training
        if self.steps > 20:
            raise ValueError("out of paper")
        return super().forward(images)


def broken(classes, channels, size):
    return Broken(nn.Flatten(), nn.Linear(channels * size * size, classes))
"""
    )
    text = PROTOCOL.replace("epochs: 150", "epochs: 3").replace(", kd: {T: 4, alpha: 0.5}", "")
    text = text.replace("students: {plain:", 'students: {broken: {model: "plainnet:broken"}, plain:')
    (folder / "two.yaml").write_text(text.replace('teacher: {model: "plainnet:build", epochs: 4}\n', ""))
    done = rigorkd("run", "two.yaml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 run failed" in done.stderr
    assert "main/broken/baseline/seed-0: ValueError: out of paper" in done.stderr
    assert (folder / "results" / "shared" / "main/plain/baseline/seed-0/record.json").is_file()


def test_batchnorm_on_a_cpu_is_refused_at_its_line(folder: Path, rigorkd: Rigorkd) -> None:
    (folder / "two.yaml").write_text(PROTOCOL.replace('"plainnet:build", args: {width: 4}', "cnn"))
    done = rigorkd("run", "two.yaml", "--device", "cpu")
    assert done.returncode == 2
    assert "two.yaml:11:" in done.stderr
    assert "cnn has BatchNorm; 2 processes on a CPU cannot share statistics" in done.stderr
    assert not (folder / "results").exists()


def test_a_smoke_run_takes_one_process(folder: Path, rigorkd: Rigorkd) -> None:
    (folder / "two.yaml").write_text(PROTOCOL.replace('"plainnet:build", args: {width: 4}', "cnn"))
    done = rigorkd("run", "two.yaml", "--smoke", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "of 2 processes" not in done.stdout
