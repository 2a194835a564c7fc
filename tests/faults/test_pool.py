"""The pool under what goes wrong: the run at fault fails alone, and everything else goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Started, run_program, start_program
from tests.helpers import wait_for

MISHAPS = Path(__file__).with_name("mishaps.py")


def changed(mishap: str, *arguments: str) -> list[str]:
    """The command line of a rigorkd whose workers meet with a mishap."""
    return [sys.executable, str(MISHAPS), mishap, *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "150"}


def run(folder: Path, mishap: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = ("run", "tiny.yaml", "--seeds", 1, "--only", "main/plain/*", "--jobs", 1, *arguments)
    return run_program(MISHAPS, mishap, *words, cwd=folder, COLUMNS="150")


def finished_cells(folder: Path) -> set[str]:
    return {
        json.loads(path.read_text())["cell"] for path in (folder / "results" / "tiny").rglob("record.json")
    }


OTHERS = {"teacher", "main/plain/baseline", "main/plain/kd-T1-a0.5"}


@pytest.mark.parametrize(
    ("mishap", "last"),
    [
        pytest.param("exit_in_a_step", "exit code 9", id="exit in a step"),
        pytest.param("segfault_in_a_step", "exit code -11", id="segfault in a step", marks=pytest.mark.slow),
        pytest.param(
            "exit_while_its_record_is_written",
            "exit code 9",
            id="exit while its record is written",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "lose_the_device",
            "RuntimeError: CUDA error: device-side assert",
            id="a device that is lost",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_that_kills_its_worker_fails_alone(protocol_file: Path, mishap: str, last: str) -> None:
    folder = protocol_file.parent
    done = run(folder, mishap)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 run failed" in done.stderr
    said = f"main/plain/kd-T4-a0.5/seed-0: its worker died 3 times, last with {last}"
    assert said in done.stderr
    assert finished_cells(folder) == OTHERS


@pytest.mark.slow
def test_a_failure_is_remembered_and_tried_again_when_asked(protocol_file: Path) -> None:
    folder = protocol_file.parent
    first = run(folder, "raise_in_a_step")
    assert first.returncode == 1
    assert "main/plain/kd-T4-a0.5/seed-0: ValueError: no" in first.stderr
    assert "--retry-failed" in first.stderr
    assert finished_cells(folder) == OTHERS

    second = run(folder, "nothing")
    assert second.returncode == 1
    assert "ValueError: no (before; not tried again)" in second.stderr
    assert finished_cells(folder) == OTHERS

    third = run(folder, "nothing", "--retry-failed")
    assert third.returncode == 0, third.stderr
    assert "1 run to train" in third.stdout
    assert finished_cells(folder) == {*OTHERS, "main/plain/kd-T4-a0.5"}
    assert list((folder / "results").rglob("failed.json")) == []


@pytest.mark.slow
def test_a_failed_teacher_takes_its_students_with_it_until_it_is_tried_again(protocol_file: Path) -> None:
    folder = protocol_file.parent
    first = run(folder, "raise_in_a_step_of_the_teacher")
    assert first.returncode == 1
    assert "teacher/seed-0: ValueError: no" in first.stderr
    (line,) = [text for text in first.stderr.splitlines() if "it needs teacher/seed-0, which failed" in text]
    assert "main/plain/kd-T4-a0.5/seed-0" in line
    assert finished_cells(folder) == {"main/plain/baseline"}
    again = run(folder, "nothing", "--retry-failed")
    assert again.returncode == 0, again.stderr
    assert finished_cells(folder) == {*OTHERS, "main/plain/kd-T4-a0.5"}


@pytest.mark.slow
def test_without_memory_beside_others_a_run_is_tried_alone_then_advice_is_given(protocol_file: Path) -> None:
    folder = protocol_file.parent
    done = run(folder, "find_no_memory")
    assert done.returncode == 1, done.stdout + done.stderr
    assert finished_cells(folder) == OTHERS
    assert "main/plain/kd-T4-a0.5/seed-0: MemoryError: CUDA out of memory" in done.stderr
    assert "--memory" in done.stderr
    assert "batch_size" in done.stderr
    log = folder / "results/tiny/.logs/main/plain/kd-T4-a0.5/seed-0.log"
    assert log.read_text().count("failed: MemoryError") == 2


def start(folder: Path, *arguments: str) -> Started:
    """Start a study of one teacher with long epochs in the background."""
    words = ("take_long", "run", "tiny.yaml", "--seeds", 1, "--only", "teacher", *arguments)
    # The stop alone writes checkpoints.
    return start_program(MISHAPS, *words, cwd=folder, RIGORKD_CHECKPOINT_EVERY="", COLUMNS="150")


def epochs(folder: Path) -> int:
    log = folder / "results" / "tiny" / ".logs" / "teacher" / "seed-0.log"
    return log.read_text().count(" trained") if log.exists() else 0


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, id="TERM", marks=pytest.mark.slow),
    ],
)
def test_stopped_once_every_epoch_that_began_is_kept(protocol_file: Path, number: int) -> None:
    folder = protocol_file.parent
    process = start(folder)
    wait_for(lambda: epochs(folder) >= 2)
    os.kill(process.pid, number)
    done = process.wait()
    output = done.stdout + done.stderr
    assert done.returncode == 130, output
    assert "stopping: every run ends at its next epoch" in output
    assert "Traceback" not in output
    stopped_at = epochs(folder)
    assert stopped_at < 20
    again = run(folder, "nothing", "--only", "teacher")
    assert again.returncode == 0, again.stderr
    log = (folder / "results" / "tiny" / ".logs" / "teacher" / "seed-0.log").read_text()
    assert f"resumed after epoch {stopped_at}" in log
    assert epochs(folder) == 20, "no epoch was trained twice"


@pytest.mark.slow
def test_stopped_twice_it_ends_now(protocol_file: Path) -> None:
    folder = protocol_file.parent
    process = start(folder)
    wait_for(lambda: epochs(folder) >= 1)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    done = process.wait()
    output = done.stdout + done.stderr
    assert done.returncode == 130, output
    assert "the same command resumes" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_end_the_training(protocol_file: Path) -> None:
    folder = protocol_file.parent
    command = changed("nothing", "run", "tiny.yaml", "--only", "*/baseline")
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert "training goes on" in said
    assert len(list((folder / "results" / "tiny").rglob("record.json"))) == 6
