"""Studies on a real Slurm: every byte as on one machine, whatever becomes of the jobs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rigorkd.launch.backends.slurm.submission import submissions
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from tests.helpers import PRODUCT

pytestmark = pytest.mark.slow

Command = Callable[..., subprocess.CompletedProcess[str]]

RUN = (sys.executable, "-m", "rigorkd", "run")

SHORT = """\
rigorkd: 1
study: short
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 3}
teacher: {model: {name: cnn, channels: [8, 8]}, epochs: 4}
students: {plain: {model: {name: cnn, channels: [4, 8]}}}
groups: {main: {baseline: true, kd: {T: [1, 4], alpha: 0.5}}}
seeds: 6
"""

LONG = """\
rigorkd: 1
study: long
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-3}, batch_size: 16, epochs: 80}
students: {plain: {model: "slow:build"}}
groups:
  hour: {epochs: 130, baseline: true}
  minute: {baseline: true}
seeds: 1
"""

SLOW = """\
import time

from torch import nn


class Slow(nn.Sequential):
    def forward(self, images):
        time.sleep(0.05 * self.training)  # half a second for an epoch, on any machine
        return super().forward(images)


def build(classes, channels, size):
    return Slow(nn.Flatten(), nn.Linear(size * size, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, classes))
"""

FAILING = """\
rigorkd: 1
study: failing
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 3}
teacher: {model: {name: cnn, channels: [8, 8]}, epochs: 2}
students:
  plain: {model: {name: cnn, channels: [4, 8]}}
  broken: {model: "broken:build"}
groups: {main: {baseline: true, kd: {T: 4, alpha: 0.5}}}
seeds: 2
"""

COMMAND = """\
rigorkd: 1
study: command
trainer:
  command: python train.py {out} {seed} {method} [{teacher}]
  metrics: {accuracy: max}
  keep: "*.txt"
teacher: {trainer: "python train.py {out} {seed} teacher"}
students: [small]
groups: {main: {baseline: true, kd: true}}
seeds: 4
"""

TRAIN = """\
import json, pathlib, random, sys
out, seed, method, *teacher = sys.argv[1:]
drawn = random.Random(f"{seed} {method}").random()
if teacher:
    drawn += float((pathlib.Path(teacher[0]) / "weights.txt").read_text())
(pathlib.Path(out) / "weights.txt").write_text(str(drawn))
(pathlib.Path(out) / "metrics.json").write_text(json.dumps({"accuracy": drawn}))
"""

BROKEN = """\
import torch


class Broken(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.head = torch.nn.Linear(64, classes)
        self.steps = 0

    def forward(self, images):
        self.steps += self.training
        if self.steps > 12:
            raise ValueError("the thirteenth step")
        return self.head(images.flatten(1))


def build(classes, channels, size):
    return Broken(classes)
"""


def product(study: Path) -> dict[str, bytes]:
    """Every file of every record whose bytes must not depend on how the study was run."""
    records = StudyFolder(study).records()
    return {
        str(path.relative_to(study)): path.read_bytes()
        for record in records
        for name in PRODUCT
        if (path := record.parent / name).is_file()
    }


def job_logs(study: Path) -> str:
    """What all jobs of a study printed."""
    return "\n".join(path.read_text() for path in sorted(study.glob(".slurm/*/*_log.out")))


def until(condition: Callable[[], bool], what: str, seconds: float = 240) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.3)


def test_a_study_over_two_nodes_equals_the_local_one(slurm: Command, tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    asked = "partition=low,gpus=1,time=10"
    done = slurm(*RUN, "short.yaml", "--slurm", asked, "--wait", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr + job_logs(tmp_path / "results" / "short")
    assert "24 runs in 12 jobs submitted to Slurm" in done.stdout
    local = slurm(*RUN, "short.yaml", "--results", "local", cwd=tmp_path)
    assert local.returncode == 0, local.stderr
    study = tmp_path / "results" / "short"
    found = product(study)
    assert len(found) == 24 * len(PRODUCT)
    assert found == product(tmp_path / "local" / "short")
    said = re.findall(r"slurm job \d+_\d on (n\d), GPUs: ([01])\n", job_logs(study))
    assert len(said) == 12
    assert {node for node, _ in said} == {"n1", "n2"}
    again = slurm(*RUN, "short.yaml", "--slurm", asked, cwd=tmp_path)
    assert "nothing to submit" in again.stdout


def test_a_study_of_a_command_equals_the_local_one(slurm: Command, tmp_path: Path) -> None:
    (tmp_path / "command.yaml").write_text(COMMAND)
    (tmp_path / "train.py").write_text(TRAIN)
    done = slurm(*RUN, "command.yaml", "--slurm", "partition=low,time=10", "--wait", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr + job_logs(tmp_path / "results" / "command")
    local = slurm(*RUN, "command.yaml", "--results", "local", cwd=tmp_path)
    assert local.returncode == 0, local.stderr
    found, expected = (
        {record.run: (record.run_hash, record.files) for record in read_records(StudyFolder(study))}
        for study in (tmp_path / "results" / "command", tmp_path / "local" / "command")
    )
    assert len(found) == 12
    assert found == expected
    assert len(re.findall(r"slurm job \d+_\d on (n\d)", job_logs(tmp_path / "results" / "command"))) == 12


@dataclass
class Interrupted:
    """A study of one run on the cluster whose job will not end as it began."""

    name: str
    slurm: str
    cell: str
    study: Path
    job: str = ""

    @property
    def run(self) -> str:
        return f"{self.cell}/seed-0"

    def run_log(self) -> str:
        path = StudyFolder(self.study).run_log(self.run)
        return path.read_text() if path.is_file() else ""

    def done(self) -> bool:
        return (self.study / self.run / "record.json").is_file()


def test_jobs_resume_whatever_ended_them(slurm: Command, tmp_path: Path) -> None:
    """One reaches its time limit, one is put back for a more important job, one is requeued unwarned."""
    cases = {
        name: Interrupted(name, asked, cell, tmp_path / name / "long")
        for name, asked, cell in (
            ("timed-out", "partition=low,gpus=1,time=1", "hour/plain/baseline"),
            ("preempted", "partition=low,gpus=1,time=60", "minute/plain/baseline"),
            ("requeued", "partition=low,gpus=1,time=60", "minute/plain/baseline"),
        )
    }
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "slow.py").write_text(SLOW)
    command = ("env", f"PYTHONPATH={tmp_path}", *RUN, "long.yaml")
    for case in cases.values():
        only = ("--only", case.cell, "--results", case.name)
        sent = slurm(*command, *only, "--slurm", case.slurm, cwd=tmp_path)
        assert sent.returncode == 0, sent.stderr
        ((_, submission),) = submissions(StudyFolder(case.study))
        (case.job,) = submission.runs_by_job()
    for name in ("preempted", "requeued"):
        until(lambda case=cases[name]: "epoch 3/" in case.run_log(), f"{name} trains")  # type: ignore[misc]
    assert slurm("scontrol", "requeue", cases["requeued"].job).returncode == 0
    important = slurm(
        "sbatch", "--partition=high", "--exclusive", "--nodes=2", "--output=/dev/null", "--wrap=sleep 5"
    )
    assert important.returncode == 0, important.stderr

    local = slurm(*command, "--results", "local", cwd=tmp_path)
    assert local.returncode == 0, local.stderr
    expected = product(tmp_path / "local" / "long")
    for name, case in cases.items():
        until(case.done, f"{name} ends", 400)
        log = case.run_log()
        assert "resumed after epoch" in log, f"{name}\n{log}\n{job_logs(case.study)}"
        found = product(case.study)
        assert len(found) == len(PRODUCT)
        assert found.items() <= expected.items(), name
        epochs = re.findall(r"epoch (\d+)/", log)
        assert len(epochs) - len(set(epochs)) <= (1 if name == "requeued" else 0), f"{name}: epochs again"
    assert "this job is timed-out" in job_logs(cases["timed-out"].study)
    assert "this job is preempted" in job_logs(cases["preempted"].study)
    for name in ("timed-out", "preempted"):
        logs = job_logs(cases[name].study)
        assert "the checkpoints are written" in logs, name
        # who queues it again ends it: the job may not live to say so, so its starts are counted
        assert logs.count("Starting with JobEnvironment") >= 2, f"{name}\n{logs}"


def test_a_failing_cell_is_named_and_the_rest_finishes(slurm: Command, tmp_path: Path) -> None:
    (tmp_path / "failing.yaml").write_text(FAILING)
    (tmp_path / "broken.py").write_text(BROKEN)
    command = (*RUN, "failing.yaml", "--slurm", "partition=low,time=10", "--wait")
    done = slurm("env", f"PYTHONPATH={tmp_path}", *command, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    study = tmp_path / "results" / "failing"
    lost = [f"main/broken/{method}/seed-{seed}" for method in ("baseline", "kd-T4-a0.5") for seed in (0, 1)]
    (told,) = (line for line in done.stderr.splitlines() if ": ValueError: the thirteenth step" in line)
    assert sorted(told.partition(":")[0].strip().split(", ")) == sorted(lost)
    records = {path.parent.relative_to(study).as_posix() for path in StudyFolder(study).records()}
    assert len(records) == 2 * (1 + 2)
    assert not records & set(lost)
    status = slurm(sys.executable, "-m", "rigorkd", "status", study, cwd=tmp_path)
    assert "4 failed" in status.stdout
    assert "Traceback" not in done.stderr
