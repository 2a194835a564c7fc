"""A command while it runs: whatever a script does, it is ended and named, and so is all that it started."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rigorkd.launch import command_process
from rigorkd.launch.command_process import MARK, OUT, Ended, Limits, belonging, call, end_those_of

MOST = 10**6


def run(
    tmp_path: Path,
    program: str,
    limits: Limits | None = None,
    *,
    stop_after: float | None = None,
    apart: bool = False,
) -> tuple[Ended, str]:
    """Call a Python program; how it ended, and what is in its log."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    ours, _theirs = mp.Pipe()
    begun = time.monotonic()
    with (tmp_path / "log").open("ab") as log:
        ended = call(
            [sys.executable, "-c", program],
            folder=tmp_path,
            environment={**os.environ, MARK: "test"},
            log=log,
            out=out,
            limits=limits or Limits(60, MOST, None),
            connection=ours,
            asked_to_stop=lambda: stop_after is not None and time.monotonic() - begun > stop_after,
            apart=apart,
        )
    return ended, (tmp_path / "log").read_text(errors="replace")


def nobody(tmp_path: Path) -> bool:
    """Whether nothing is left at work on the folder."""
    wanted = f"{OUT}={tmp_path / 'out'}".encode()
    return belonging(lambda pid, session, variables: wanted in variables) == []


def test_a_command_that_ends_well(tmp_path: Path) -> None:
    ended, log = run(tmp_path, "print('one'); print('two')")
    assert (ended.why, ended.children, ended.stopped, ended.last_line) == ("", 0, False, "two")
    assert log == "one\ntwo\n"


def test_output_apart_from_a_progress_bar(tmp_path: Path) -> None:
    program = """
import os, sys
os.write(2, b"50%|##  |")
os.write(1, b'{"accuracy": 1}')
os.write(2, b"warning: at the end")
os.write(2, b"x" * 3_000)
"""
    ended, log = run(tmp_path, program, apart=True)
    assert (ended.stdout, ended.why) == ('{"accuracy": 1}', "")
    assert all(part in log for part in ("50%|##  |", '{"accuracy": 1}', "warning: at the end"))
    ended, _ = run(tmp_path, "print('x' * 3_000_000); print('end')", Limits(60, 10 * MOST, None), apart=True)
    assert ended.stdout.endswith("x\nend\n")
    ended, _ = run(tmp_path, "import sys; print('fine'); sys.exit('no such data')", apart=True)
    assert (ended.why, ended.last_line) == ("exit code 1", "no such data")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL, perhaps for memory"),
        ("import os; os.abort()", "killed by SIGABRT"),
    ],
)
def test_how_a_command_failed(tmp_path: Path, program: str, why: str) -> None:
    assert run(tmp_path, program)[0].why == why


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    ours, _theirs = mp.Pipe()
    with (tmp_path / "log").open("ab") as log:
        ended = call(
            ["./nothing"],
            folder=tmp_path,
            environment={},
            log=log,
            out=tmp_path,
            limits=Limits(None, 1, None),
            connection=ours,
            asked_to_stop=lambda: False,
        )
    assert ended.why == "./nothing cannot be started: no such file or directory"


def test_a_script_that_hangs(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    ended, _ = run(tmp_path, program, Limits(0.5, MOST, None))
    assert ended.why == "it ran longer than 0 s (time_limit)"
    assert nobody(tmp_path)


def test_a_script_that_writes_for_ever(tmp_path: Path) -> None:
    ended, log = run(tmp_path, "while True: print('x' * 1000)", Limits(60, MOST, None))
    assert ended.why == "it printed more than 1.0 MB (output_limit)"
    assert len(log) == MOST
    assert nobody(tmp_path)


def test_a_script_that_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_process, "LOOK_EVERY", 0.05)
    program = """
import pathlib, os, time
for n in range(10**6):
    (pathlib.Path(os.environ["RIGORKD_OUT"]) / f"{n}").write_bytes(bytes(200_000))
    time.sleep(0.01)
"""
    ended, _ = run(tmp_path, program, Limits(60, MOST, 2 * MOST))
    assert ended.why.endswith("more than 2.0 MB (disk_limit); emptied")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(command_process, "RESERVE", 2**60)
    monkeypatch.setattr(command_process, "GREEDY", 10**6)
    ended, _ = run(tmp_path, program)
    assert ended.why.startswith("it has filled the disk: its folder has ")
    assert not (tmp_path / "out").exists()
    assert nobody(tmp_path)


CHILDREN = """
import subprocess, sys
for new in (False, True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=new)
"""


def test_children_that_are_left_behind_are_ended_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_process, "LINGER", 0.1)
    ended, _ = run(tmp_path, CHILDREN)
    assert (ended.why, ended.children) == ("", 2)
    assert nobody(tmp_path)


def test_children_of_a_script_that_hangs_end_with_it(tmp_path: Path) -> None:
    ended, _ = run(tmp_path, CHILDREN + "import time; time.sleep(600)", Limits(2, MOST, None))
    assert "time_limit" in ended.why
    assert nobody(tmp_path)


def test_a_script_that_forks_on_and_on(tmp_path: Path) -> None:
    program = """
import os, time
until = time.monotonic() + 30  # whatever comes of the test
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        while time.monotonic() < until:
            time.sleep(0.02)
            if os.fork():
                os._exit(0)  # a new process takes over, again and again
        os._exit(0)
time.sleep(600)
"""
    ended, _ = run(tmp_path, program, Limits(1.5, MOST, None))
    assert "time_limit" in ended.why
    assert nobody(tmp_path)


def test_a_child_that_holds_the_output_open_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_process, "LINGER", 0.1)
    program = "import os, time\nif os.fork() == 0: time.sleep(600)\nprint('done')"
    ended, log = run(tmp_path, program)
    assert (ended.why, ended.children, log) == ("", 1, "done\n")


def test_a_stop_lets_a_script_save(tmp_path: Path) -> None:
    program = """
import signal, time, os, pathlib
def save(*_):
    (pathlib.Path(os.environ["RIGORKD_OUT"]) / "saved").write_text("yes")
    raise SystemExit(1)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(600)
"""
    ended, _ = run(tmp_path, program, stop_after=1.0)
    assert (ended.stopped, ended.why) == (True, "")
    assert (tmp_path / "out" / "saved").read_text() == "yes"


def test_when_a_worker_is_killed_its_guard_ends_what_it_had_called(tmp_path: Path) -> None:
    """The child outlives the command's own session, and only the guard is left to know of it."""
    (tmp_path / "out").mkdir()
    worker = f"""
import os, subprocess, sys, time
from rigorkd.launch.command_process import start_guard
start_guard("a-test-of-guards")
environment = {{**os.environ, "{MARK}": "a-test-of-guards", "{OUT}": {str(tmp_path / "out")!r}}}
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleeper, env=environment, start_new_session=True)
print("called", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"called\n"
    until = time.monotonic() + 30
    while nobody(tmp_path) and time.monotonic() < until:  # a process that has just begun tells no variables
        time.sleep(0.05)
    assert not nobody(tmp_path)
    process.kill()
    process.communicate()
    until = time.monotonic() + 30
    while not nobody(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert nobody(tmp_path)


def test_what_nobody_ended_is_ended_by_who_takes_over(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, OUT: str(out)}
    )
    while nobody(tmp_path):
        time.sleep(0.01)
    assert end_those_of(out) == 1
    assert process.wait() == -signal.SIGKILL
