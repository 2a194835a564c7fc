"""Launchers, workers and commands are killed at random: the study comes out as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from rigorkd.launch.command_process import OUT, belonging
from rigorkd.records.integrity import verify_study
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from tests.conftest import Rigorkd, environment

SCRIPT = """
import json, pathlib, random, subprocess, sys, time
out, seed, method = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep(0.4)
draw = random.Random(f"{seed} {method}")
rows = "".join(f"1,{draw.randrange(2)}\\n" for _ in range(50))
(out / "predictions.csv").write_text("target,prediction\\n" + rows)
(out / "weights.bin").write_bytes(draw.randbytes(20_000))
(out / "metrics.json").write_text(json.dumps({"accuracy": draw.random()}))
child.kill()
"""

PROTOCOL = """\
rigorkd: 1
study: killed
trainer:
  command: python train.py {out} {seed} {method} [{teacher}]
  metrics: {accuracy: max}
  keep: weights.bin
teacher: {trainer: "python train.py {out} {seed} teacher"}
students: [small]
groups: {main: {baseline: true, kd: true}}
seeds: 6
"""


def product(study: Path) -> dict[str, Any]:
    """What a study has come to, without clocks."""
    return {
        record.run: (
            record.run_hash,
            record.files,
            {name: value for name, value in record.metrics.items() if name != "train_seconds"},
        )
        for record in read_records(StudyFolder(study))
    }


def write(folder: Path) -> Path:
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "killed.yaml").write_text(PROTOCOL)
    return folder


def victims(launcher: psutil.Process) -> list[int]:
    """The launcher, and whatever it has started, directly or not."""
    return [launcher.pid, *(process.pid for process in launcher.children(recursive=True))]


def nobody_below(folder: Path) -> bool:
    begins = f"{OUT}={folder}".encode()
    return not belonging(lambda pid, session, variables: any(each.startswith(begins) for each in variables))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ten_kills_change_nothing(tmp_path: Path, command_line: Rigorkd, seed: int) -> None:
    undisturbed, disturbed = write(tmp_path / "undisturbed"), write(tmp_path / "disturbed")
    done = command_line("run", "killed.yaml", "--jobs", 2, cwd=undisturbed)
    assert done.returncode == 0, done.stderr
    draw = random.Random(seed)
    line = [sys.executable, "-m", "rigorkd", "run", "killed.yaml", "--jobs", "2"]
    for _ in range(10):
        with subprocess.Popen(
            line, cwd=disturbed, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            launcher = psutil.Process(process.pid)
            time.sleep(draw.uniform(0.5, 4))
            try:
                victim = draw.choice(victims(launcher))
                os.kill(victim, signal.SIGKILL)
            except (psutil.NoSuchProcess, ProcessLookupError):
                pass
            else:
                if victim != process.pid:  # it goes on for a while
                    time.sleep(draw.uniform(0, 1))
            process.kill()
    until = time.monotonic() + 30
    while not nobody_below(disturbed) and time.monotonic() < until:
        time.sleep(0.1)
    assert nobody_below(disturbed), "a killed launcher has left commands at work"
    done = command_line("run", "killed.yaml", "--jobs", 2, "--retry-failed", cwd=disturbed)
    assert done.returncode == 0, done.stderr
    assert product(disturbed / "results" / "killed") == product(undisturbed / "results" / "killed")
    assert len(product(disturbed / "results" / "killed")) == 18
    assert verify_study(disturbed / "results" / "killed").damaged == ()
    assert not [*(disturbed / "results" / "killed" / ".out").rglob("*.bin")]
    (disturbed / "results").rename(disturbed / "moved")
    moved = command_line("run", "killed.yaml", "--results", "moved", cwd=disturbed)
    assert "nothing to train: all 18 runs" in moved.stdout
