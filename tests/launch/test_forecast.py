"""What a launch costs is said before it is spent, and measuring never takes long."""

from __future__ import annotations

import io
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from rigorkd.launch import forecast
from rigorkd.launch.cost import work_left
from rigorkd.launch.display import Display
from rigorkd.launch.forecast import foresee
from rigorkd.launch.progress import Progress, SlotProgress
from rigorkd.launch.session import LaunchOptions, Session
from rigorkd.protocol.load import load_protocol
from rigorkd.records.rates import Machine, RateBook, hardware_here
from rigorkd.train.events import RunDone
from tests.conftest import Rigorkd
from tests.launch.made_study import PROTOCOL, make


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "made.yaml").write_text(PROTOCOL)
    options = LaunchOptions(seeds=(0, 1), results=tmp_path / "results", foresee=True)
    console = Console(file=io.StringIO(), width=200)
    return Session.of(load_protocol(tmp_path / "made.yaml"), options, console)


def said(session: Session, workers: int = 1) -> str:
    foresee(session, session.run_states(), workers)
    file = session.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_what_is_trained_in_no_time_needs_no_forecast(session: Session) -> None:
    assert said(session) == ""


def test_known_rates_tell_the_hours(session: Session) -> None:
    from importlib.metadata import version

    book = RateBook.of(session.options.results)
    here = Machine(min(hardware_here()), version("torch"))
    work = work_left(session.protocol, session.run_states().missing(), (0, 1), "reference")
    assert work
    for each in work:
        book.note(here, each, 1.0)
    seconds = sum(work.values())
    text = said(session, workers=2)
    assert text.startswith("cost: about ")
    assert f"{seconds // 3600} h" in text
    assert "at best for 2" in text
    make(session.options.results.parent, seeds=(0,))
    assert "on disk" in said(session), "records that are there tell their size"


def works(process: psutil.Process) -> bool:
    """Whether it still does something of its own; a tracker of resources lives as long as its parent."""
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # ended since it was listed
        return False


def test_measuring_ends_in_time_and_leaves_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(forecast, "LITTLE", 0)
    monkeypatch.setattr(forecast, "LIMIT", 0.3)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    text = said(session)
    assert "timing a few steps" in text
    assert "not known after" in text
    assert not [*tmp_path.glob("rigorkd-*")]
    until = time.monotonic() + 30
    while time.monotonic() < until:
        left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
        if not any(works(child) for child in left):
            break
        time.sleep(0.05)
    else:
        raise AssertionError(f"still there: {left}")


@pytest.mark.slow
def test_a_few_steps_tell_hours_disk_and_memory(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "LITTLE", 0)
    monkeypatch.setattr(forecast, "LIMIT", 120)
    text = said(session, workers=2)
    assert "cost: about" in text
    assert "on disk" in text
    assert "of memory a worker" in text


def test_verbose_tells_of_every_run() -> None:
    for verbose in (False, True):
        console = Console(file=(file := io.StringIO()), width=200)
        show = Display(console, Progress.of({"main/a/baseline/seed-0": 1}), verbose=verbose)
        show(RunDone("main/a/baseline/seed-0", "done", 91.5))
        assert ("main/a/baseline/seed-0 done, test top-1 91.50 %" in file.getvalue()) is verbose
        assert show.seen == ({0} if verbose else set())
        show(RunDone("teacher/seed-1", "done", 91.5))
        console.quiet = True
        show(RunDone("main/a/baseline/seed-2", "done", 91.5))
        assert show.seen == ({0} if verbose else set()), "only what was printed, of students"


def test_a_worker_says_what_it_loads() -> None:
    slot = SlotProgress("seed 0", stage="libraries")
    assert slot.says == "starting: libraries"
    slot.epoch, slot.epochs = 1, 4
    assert slot.says.startswith("epoch 1/4")
    assert SlotProgress("seed 0").says == "starting", "as 0.1 wrote it"


def test_quiet_is_quiet_and_verbose_tells_of_runs(tmp_path: Path, rigorkd: Rigorkd) -> None:
    make(tmp_path, seeds=(0,))
    done = rigorkd("run", "made.yaml", "--seeds", 1, "-q")
    assert (done.returncode, done.stdout) == (0, "")
    refused = rigorkd("run", "made.yaml", "-q", "-v")
    assert refused.returncode == 2
    assert "do not go together" in refused.stderr
