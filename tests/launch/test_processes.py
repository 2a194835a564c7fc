"""The server that forks workers: what it imports, what its children are, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rigorkd.launch.processes import FIXED

from .process_program import lives

PROGRAM = Path(__file__).with_name("process_program.py")


def launched(
    case: str,
    preload: str = "json",
    cwd: Path | None = None,
    flags: tuple[str, ...] = ("-P",),
    **environment: str,
) -> list[dict[str, Any]]:
    """What the processes of a case told of themselves."""
    done = subprocess.run(
        [sys.executable, *flags, str(PROGRAM), case, preload],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def test_what_the_server_imports_starts_no_thread_and_no_cuda() -> None:
    code = (
        "import os, sys, rigorkd.launch.preload, torch;"
        "print(len(os.listdir('/proc/self/task')), torch.cuda.is_initialized(),"
        " 'rigorkd.train.cohort' in sys.modules, 'torchvision' in sys.modules)"
    )
    bare = {name: value for name, value in os.environ.items() if name not in FIXED}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**bare, **FIXED}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False", "True", "False"], done.stderr


def test_forked_processes_are_as_new_ones_would_be() -> None:
    """The environment is the launcher's of now, chance is each one's own, and one server is the parent."""
    first, second = launched("two", WORD="old", OMP_NUM_THREADS="7")
    assert first["forked"]
    assert second["forked"]
    assert first["parent"] == second["parent"]
    assert (first["WORD"], second["WORD"]) == ("old", "new")
    assert first["safe path"] is None
    assert first["OMP_NUM_THREADS"] == "1", "of what libraries have read when they were imported"
    assert first["drawn"] != second["drawn"]


def test_the_users_code_is_never_imported_by_the_server(tmp_path: Path) -> None:
    """Not even where a file in the current folder bears the name of something that the server imports."""
    (tmp_path / "json.py").write_text("raise SystemExit('the user's own')\n")
    first, _ = launched("two", preload="json", cwd=tmp_path)
    assert first["forked"]
    assert "json" in first["modules"]


def test_where_the_server_fails_processes_are_spawned(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('a library that does not fit')\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    first, second = launched("two", preload="broken", PYTHONPATH=path)
    assert not first["forked"]
    assert not second["forked"]


def test_a_spawned_process_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    """Python would: such a process begins with a line of code, which looks for modules where it is run."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "broken.py").write_text("raise RuntimeError('a library that does not fit')\n")
    for name in ("multiprocessing", "struct", "signal", "selectors"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('somebody else wrote this')\n")
    path = os.pathsep.join([str(tmp_path / "lib"), *(place for place in sys.path if place)])
    first, _ = launched("two", preload="broken", cwd=tmp_path, flags=(), PYTHONPATH=path)
    assert not first["forked"]
    assert first["safe path"] is None, "what it calls is not held to that"


def test_a_server_that_was_killed_is_replaced_and_its_children_go_on() -> None:
    first, second = launched("killed_server")
    assert first["forked"]
    assert second["forked"]
    assert first["parent"] != second["parent"]


def test_server_and_children_die_with_the_launcher() -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-P", str(PROGRAM), "killed_launcher", "json"], stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    (told,) = json.loads(launcher.stdout.readline())
    pids = [int(told["pid"]), int(told["parent"])]
    assert all(map(lives, pids))
    launcher.kill()
    launcher.communicate()
    begun = time.monotonic()
    while any(map(lives, pids)):
        assert time.monotonic() - begun < 60
        time.sleep(0.02)
