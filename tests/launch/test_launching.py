"""Locks, progress, display, devices: what a launch shows and holds."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from rigorkd.errors import InputError, StoreError
from rigorkd.launch import display
from rigorkd.launch.devices import device_slots
from rigorkd.launch.lock import is_locked, locked
from rigorkd.launch.progress import Progress, ProgressFile, SlotProgress, read_progress
from rigorkd.records.layout import StudyFolder
from rigorkd.text import count, duration, nearest
from rigorkd.train.events import EpochDone, RunDone, RunFailed


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "study")


def test_a_study_has_one_launcher_at_a_time(study: StudyFolder) -> None:
    assert not is_locked(study)
    with locked(study):
        assert is_locked(study)
        with pytest.raises(StoreError, match="another `rigorkd run`"), locked(study):
            pass
    assert not is_locked(study)


def test_a_dead_launcher_holds_nothing(study: StudyFolder) -> None:
    code = (
        "import os, pathlib\n"
        "from rigorkd.launch.lock import locked\n"
        "from rigorkd.records.layout import StudyFolder\n"
        f"with locked(StudyFolder(pathlib.Path({str(study.path)!r}))):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert study.lock.exists()
    with locked(study):
        assert is_locked(study)


def test_progress_is_read_back(study: StudyFolder) -> None:
    progress = Progress(
        runs=3, work=10, running=["a/seed-0"], slots={0: SlotProgress("seed 0: teacher", 1, 2)}
    )
    progress.advance(4)
    ProgressFile(study).write(progress, force=True)
    assert read_progress(study) == progress
    ProgressFile(study).remove()
    assert read_progress(study) is None


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "LINE_EVERY", 0.0)
    out = io.StringIO()
    progress = Progress(runs=2, work=10)
    progress.slots[0] = SlotProgress("seed 0: 2 students", 3, 5, 1234.5)
    progress.advance(6)
    with display.Display(Console(file=out, width=40), progress) as show:
        show(EpochDone(3, 5, 2, 100, 1.0))
        show(RunFailed("main/x/seed-0", "ValueError: [no]"))
        show(RunDone("main/y/seed-0", "diverged", None))
        show(RunDone("teacher/seed-0", "done", 91.5))
    text = out.getvalue()
    assert "seed 0: 2 students, epoch 3/5, 1,234 images/s" in text or "1,235 images/s" in text
    assert "failed main/x/seed-0" in text
    assert "[no]" in text
    assert "teacher/seed-0 done, test top-1 91.50 %" in text
    assert "\x1b" not in text


def test_a_live_panel_on_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress(runs=2, work=10)
    progress.slots[0] = SlotProgress("seed 0: 2 students", 3, 5, 1234.5)
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with display.Display(console, progress) as show:
        show(EpochDone(3, 5, 2, 100, 1.0))
    assert "epoch 3/5" in out.getvalue()
    assert "0/2 runs" in out.getvalue()


def test_devices() -> None:
    assert device_slots("cpu", 3) == ["cpu"] * 3
    assert set(device_slots("cpu", None)) == {"cpu"}
    with pytest.raises(InputError, match="--device quantum"):
        device_slots("quantum", None)


def test_words() -> None:
    assert [count(1, "run"), count(2, "run"), count(2000, "study", "studies")] == [
        "1 run",
        "2 runs",
        "2,000 studies",
    ]
    assert [duration(8), duration(200), duration(19000)] == ["8 s", "3 min 20 s", "5 h 16 min"]
    assert nearest("epoch", ["epochs", "seeds"]) == "epochs"
    assert nearest("zzz", ["epochs"]) is None
