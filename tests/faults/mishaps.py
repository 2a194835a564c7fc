"""`mishaps.py MISHAP COMMAND…` is `rigorkd COMMAND…` whose workers meet with a mishap, for tests of the pool.

The program replaces what a worker process does first; the worker is a process of its own, so it learns of the
mishap from its environment.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import rigorkd.launch.worker as worker

VICTIM = "main/plain/kd-T4-a0.5"


def before(owner: Any, method: str, act: Callable[..., None]) -> None:
    """Let `act` happen, with the same arguments, before every call of a method or function."""
    real = getattr(owner, method)

    def changed(*arguments: Any, **named: Any) -> Any:
        act(*arguments, **named)
        return real(*arguments, **named)

    setattr(owner, method, changed)


def in_a_step(act: Callable[[], object], whose: Callable[[Any], bool]) -> None:
    """Let something happen in every step of some students."""
    from rigorkd.train.student import Student

    before(Student, "step", lambda self, *_, **__: act() if whose(self.run.cell) else None)


def is_victim(cell: Any) -> bool:
    return bool(cell.name == VICTIM)


def fail(error: Exception) -> None:
    raise error


def exit_in_a_step() -> None:
    in_a_step(lambda: os._exit(9), is_victim)


def segfault_in_a_step() -> None:
    in_a_step(lambda: ctypes.string_at(0), is_victim)


def exit_while_its_record_is_written() -> None:
    import rigorkd.train.finish as finish

    before(finish, "commit", lambda folder, fields, *_, **__: fields["cell"] == VICTIM and os._exit(9))


def lose_the_device() -> None:
    def act() -> None:
        worker._usable = lambda runtime: False
        raise RuntimeError("CUDA error: device-side assert")

    in_a_step(act, is_victim)


def find_no_memory() -> None:
    in_a_step(lambda: fail(MemoryError("CUDA out of memory")), is_victim)


def raise_in_a_step() -> None:
    in_a_step(lambda: fail(ValueError("no")), is_victim)


def raise_in_a_step_of_the_teacher() -> None:
    in_a_step(lambda: fail(ValueError("no")), lambda cell: cell.role == "teacher")


def take_long() -> None:
    from rigorkd.train.student import Student

    before(Student, "end_epoch", lambda *_, **__: time.sleep(0.3))


def nothing() -> None:
    """All goes well."""


def work(connection: Connection, environment: dict[str, str] | None, settings: worker.WorkerSettings) -> None:
    globals()[(environment or os.environ)["MISHAP"]]()
    worker.work(connection, environment, settings)


if __name__ == "__main__":
    from rigorkd.cli.main import main
    from rigorkd.launch import pool

    os.environ["MISHAP"] = sys.argv.pop(1)
    pool.work = work
    main()
