"""What a job does when it is told to stop: queue again what came further, give up what never does."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigorkd.launch.backends.slurm.job import Job
from rigorkd.launch.backends.slurm.submission import Array, Submission, write_submission
from rigorkd.records.layout import StudyFolder

RUN = "main/plain/baseline/seed-0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission of one run whose protocol is lost: its launcher ends at once, with exit code 2."""
    folder = StudyFolder(tmp_path / "study").slurm / "20260101T000000-abcd"
    write_submission(
        folder,
        Submission(
            name="rigorkd-study-20260101T000000-abcd",
            protocol=str(tmp_path / "gone.yaml"),
            text_hash="0" * 64,
            smoke=False,
            seeds=(0,),
            device="cpu",
            mode="reference",
            jobs=None,
            slots=None,
            memory_bytes=None,
            save_weights=True,
            replay_bytes=0,
            gpus=False,
            minutes=1,
            stop_seconds=10,
            arrays=(Array(0, ((RUN,),), "12"),),
        ),
    )
    return folder


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A job listens to TERM; afterwards this process does as before."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def ended(folder: Path, in_vain: int = 0) -> Job:
    """A job whose launcher has ended."""
    job = Job(str(folder), 0, 0, in_vain)
    with pytest.raises(SystemExit) as left:
        job()
    assert left.value.code == 2
    return job


def test_a_job_is_pickled_as_a_place_on_disk(folder: Path) -> None:
    job = ended(folder)
    copy = pickle.loads(pickle.dumps(job))
    assert (copy.folder, copy.array, copy.index, copy.in_vain) == (str(folder), 0, 0, 0)
    assert len(pickle.dumps(job)) < 500


def test_a_signal_before_the_launcher_has_started_queues_the_job_again(folder: Path) -> None:
    again = Job(str(folder), 0, 0, 2).checkpoint()
    assert again is not None
    assert again.function.in_vain == 0


def test_time_limits_without_an_epoch_end_the_job(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for before in (0, 1):
        again = ended(folder, before).checkpoint()
        assert again is not None
        assert again.function.in_vain == before + 1
    assert ended(folder, 2).checkpoint() is None
    said = capfd.readouterr().err
    assert "3 times no epoch was finished within the limit of 1 min" in said
    assert "longer time=" in said


def test_a_finished_epoch_starts_the_count_again(folder: Path) -> None:
    job = ended(folder, 2)
    checkpoint = StudyFolder(folder.parents[1]).checkpoint(RUN)
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"an epoch")
    again = job.checkpoint()
    assert again is not None
    assert again.function.in_vain == 0


def test_a_cancelled_job_waits_to_be_ended(folder: Path) -> None:
    """Ending by itself it would count as done, and a preempted job would not be queued again."""
    program = Path(__file__).with_name("patient_job.py")
    process = subprocess.Popen([sys.executable, program, folder], stdout=subprocess.PIPE, env=os.environ)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"began\n"
        time.sleep(0.5)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        assert len(children.read_text().split()) == 1
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while children.read_text().split():
            assert time.monotonic() < deadline, "its launcher was not stopped"
            time.sleep(0.1)
        time.sleep(0.5)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
