"""A launcher of processes that each do one thing, for tests of the server that forks them.

`process_program.py CASE PRELOAD`; PRELOAD stands for the libraries, which would take seconds to import.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from rigorkd.launch import processes

kept: list[BaseProcess] = []


def child(connection: Connection, environment: Mapping[str, str] | None, waits: bool) -> None:
    """Tell what this process is; then end, or wait to be ended."""
    processes.die_with_parent()
    processes.adopt(environment)
    connection.send(
        {
            "forked": environment is not None,
            "pid": os.getpid(),
            "parent": os.getppid(),
            "WORD": os.environ.get("WORD"),
            "safe path": os.environ.get("PYTHONSAFEPATH"),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
            "drawn": float(np.random.random()),  # noqa: NPY002  as a user's code might
            "modules": sorted(sys.modules),
        }
    )
    if waits:
        connection.recv()


def started(*, waits: bool = False) -> tuple[dict[str, object], Connection]:
    process, connection = processes.start_process(child, "cpu", waits, name="child")
    kept.append(process)  # or its end of the sentinel would be closed
    told = connection.recv()
    if not waits:
        process.join()
        assert process.exitcode == 0
    return told, connection


def show(*told: Mapping[str, object]) -> None:
    print(json.dumps(told), flush=True)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def two() -> None:
    """Two processes, with a change of the environment in between."""
    first, _ = started()
    os.environ["WORD"] = "new"
    second, _ = started()
    show(first, second)


def killed_server() -> None:
    """The server is killed beside a living child; then another child is started."""
    first, connection = started(waits=True)
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    while lives(server):
        time.sleep(0.01)
    second, _ = started()
    assert lives(int(str(first["pid"])))
    connection.send("end")
    show(first, second)


def killed_launcher() -> None:
    """The launcher is killed from outside, beside a living child."""
    first, _ = started(waits=True)
    show(first)
    time.sleep(600)


if __name__ == "__main__":
    processes._PRELOAD = sys.argv[2]
    processes.begin_server("cpu")
    globals()[sys.argv[1]]()
