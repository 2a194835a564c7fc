"""Progress, display, devices: what a launch shows and uses."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from rigorkd.errors import InputError
from rigorkd.launch import devices, display
from rigorkd.launch.devices import device_slots, grouped
from rigorkd.launch.progress import Progress, ProgressFile, SlotProgress, read_progress
from rigorkd.records.layout import StudyFolder
from rigorkd.text import count, duration, nearest, suggest
from rigorkd.train.events import EpochDone, RunDone, RunFailed


def test_progress_is_read_back(tmp_path: Path) -> None:
    progress = Progress(
        runs=3, work=10, running=["a/seed-0"], slots={0: SlotProgress("seed 0: teacher", 1, 2)}
    )
    progress.advance(4)
    study = StudyFolder(tmp_path)
    ProgressFile(study.launcher("a")).write(progress, force=True)
    assert read_progress(study, "a") == progress
    (study.launcher("a") / "progress.json").write_text("{")
    assert read_progress(study, "a") is None


def test_progress_of_others_says_nothing_of_our_rate() -> None:
    progress = Progress(runs=3, work=100)
    progress._started -= 10  # ten seconds ago
    progress.advance(50, ours=False)
    assert progress.seconds_left is None
    progress.advance(10)
    assert progress.seconds_left == pytest.approx(40, rel=0.01)
    progress.advance(40)
    assert progress.seconds_left is None
    progress.advance(1)
    assert progress.worked == 100, "what is trained twice is no more work than there is"


def test_the_start_of_workers_is_no_part_of_the_rate() -> None:
    progress = Progress(runs=3, work=101)
    progress._started -= 20  # twenty seconds until the first worker had trained an epoch
    progress.began(2.0)
    progress.advance(1)
    assert progress.seconds_left == pytest.approx(2 * 100, rel=0.01)
    progress._started -= 8
    progress.began(2.0)  # only the first epoch tells when the work began
    progress.advance(9)
    assert progress.seconds_left == pytest.approx(10 / 10 * 91, rel=0.01)


def test_what_a_resumed_run_had_behind_it_is_done_but_says_nothing_of_our_rate() -> None:
    """Four runs of ten epochs: one resumed, one whose worker died, one that stops early, one that fails."""
    progress = Progress.of(dict.fromkeys("abcd", 10))
    progress._started -= 10  # ten seconds ago
    progress.reach("a", 7)
    assert progress.worked == 7
    assert progress.seconds_left is None
    progress.reach("a", 8, ours=True)
    for epoch in (1, 2, 3):
        progress.reach("b", epoch, ours=True)
    progress.reach("b", 2)  # resumed one epoch earlier than it had come
    progress.reach("b", 3, ours=True)
    assert progress.worked == 11
    assert progress.seconds_left == pytest.approx(10 / 4 * 29, rel=0.01)
    progress.reach("c", 4, ours=True)
    progress.finish("c")
    progress.fail("d")
    assert (progress.worked, progress.done, progress.failed) == (31, 1, 1)
    assert progress.seconds_left == pytest.approx(10 / 8 * 9, rel=0.01)
    for epoch in range(4, 11):
        progress.reach("b", epoch, ours=True)
    for run in "ab":
        progress.finish(run)
    assert (progress.worked, progress.done, progress.seconds_left) == (40, 3, None)


def test_teachers_and_students_have_a_pace_each() -> None:
    """A teacher's epoch takes 4 s; of four students that are trained at once, one of all takes 2 s."""
    students = {f"kd/seed-{seed}": 10 for seed in range(4)}
    role = dict.fromkeys(students, "student") | {"teacher": "teacher"}
    progress = Progress.of({"teacher": 10, **students}, role)
    progress._started -= 60  # as long as imports took
    for epoch in range(1, 11):
        progress._started -= 4
        progress.began(4.0, "teacher")
        progress.reach("teacher", epoch, ours=True)
    assert progress.seconds_left is None, "the students' pace is not known before one of their epochs"
    progress._started -= 2
    progress.began(2.0, "kd/seed-0")
    for run in students:
        progress.reach(run, 1, ours=True)
    assert progress.seconds_left == pytest.approx(9 * 2, rel=0.01)


def test_the_time_left_knows_how_many_workers_there_are() -> None:
    """Two workers train a student of ten epochs each, an epoch in 3 s; one teacher is left to each."""
    runs = {"a": "student", "b": "student", "t": "teacher", "u": "teacher"}
    progress = Progress.of(dict.fromkeys(runs, 10), runs)
    for epoch in range(1, 6):
        progress._started -= 3
        for run in "ab":
            progress.began(3.0, run)
            progress.reach(run, epoch, ours=True)
    progress._started -= 6
    for run in "tu":
        progress.began(6.0, run)
        progress.reach(run, 1, ours=True)
    assert progress.seconds_left == pytest.approx(5 * 3 + 9 * 6, rel=0.01)


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


@pytest.mark.parametrize(
    ("commands", "said"), [(False, "its next epoch"), (True, "a TERM signal, and 30 seconds")]
)
def test_a_stop_says_what_becomes_of_the_runs(commands: bool, said: str) -> None:
    out = io.StringIO()
    with display.Display(Console(file=out, width=200), Progress(runs=2, work=10), commands=commands) as show:
        show.stopping()
    assert said in out.getvalue()


@pytest.mark.parametrize("both", [False, True])
def test_who_reads_the_output_may_go(both: bool) -> None:
    """`rigorkd run … | head` and `… 2>&1 | head`: what is shown goes nowhere, and training goes on."""
    program = (
        "from rigorkd.launch.display import SteadyConsole\n"
        "import os, sys\n"
        "show = SteadyConsole()\n"
        "input()\n"  # until nobody reads
        "for line in range(3): show.print(f'line {line}')\n"
        "print('still there', file=sys.stderr)\n"
        "open(sys.argv[1], 'w').write('trained')\n"
    )
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        end = Path(folder) / "end"
        started = subprocess.Popen(
            [sys.executable, "-c", program, str(end)],
            stdin=subprocess.PIPE,
            stdout=writer,
            stderr=writer if both else subprocess.PIPE,
            text=True,
        )
        os.close(writer)
        os.close(reader)
        _, told = started.communicate("go\n", timeout=120)
        assert (started.returncode, end.read_text()) == (0, "trained")
    if not both:
        assert told.startswith("standard output was closed; training goes on")
        assert "still there" in told


def test_devices() -> None:
    assert device_slots("cpu", 3) == ["cpu"] * 3
    with pytest.raises(InputError, match="--slots"):
        device_slots("cpu", None, 2)
    assert set(device_slots("cpu", None)) == {"cpu"}
    with pytest.raises(InputError, match="--device quantum"):
        device_slots("quantum", None)


def test_several_workers_on_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_gpus", lambda: 2)
    assert device_slots("cuda", None) == ["cuda:0", "cuda:1"]
    assert device_slots("cuda", None, 2) == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert device_slots("cuda:1", None, 2) == ["cuda:1", "cuda:1"]
    assert device_slots("cuda", 3) == ["cuda:0", "cuda:1", "cuda:0"]


def test_runs_of_several_processes_take_several_devices() -> None:
    gpus = ["cuda:0", "cuda:1", "cuda:2"]
    assert grouped(gpus, 1) == [("cuda:0",), ("cuda:1",), ("cuda:2",)]
    assert grouped(gpus, 2) == [("cuda:0", "cuda:1")]
    assert grouped(gpus * 2, 2) == [("cuda:0", "cuda:1"), ("cuda:2", "cuda:0"), ("cuda:1", "cuda:2")]
    assert grouped(["cpu"] * 5, 2) == [("cpu", "cpu")] * 2
    assert grouped(["cpu"], 4) == [("cpu",) * 4]
    with pytest.raises(InputError, match="processes_per_run: 4 needs 4 GPUs, and there are 3 here"):
        grouped(gpus * 4, 4)


def test_words() -> None:
    assert [count(1, "run"), count(2, "run"), count(2000, "study", "studies")] == [
        "1 run",
        "2 runs",
        "2,000 studies",
    ]
    assert [duration(8), duration(200), duration(19000)] == ["8 s", "3 min 20 s", "5 h 16 min"]
    assert nearest("epoch", ["epochs", "seeds"]) == "epochs"
    assert nearest("zzz", ["epochs"]) is None
    assert suggest("epoch", ["epochs"], "see --help") == "did you mean epochs?"
    assert suggest("zzz", ["epochs"], "see --help") == "see --help"
