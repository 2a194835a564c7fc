"""How workers come to be: on a CPU forked from a server that has imported the libraries, else spawned.

Torch takes longer to import than small networks to train. So on a CPU the launcher starts a server, early,
that imports once what every worker needs (`rigorkd.launch.preload`); workers then begin in no time, and share
its memory. It ends with the launcher and its workers, however they end, and is replaced if it is killed. CUDA
cannot be used in a forked process: there, and wherever the server fails, every worker is spawned and imports
for itself.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import forkserver, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from rigorkd.launch.heartbeat import ProcessId
from rigorkd.models.model import CIFAR_RESNETS, STEM_RESNETS, TORCHVISION

FIXED = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""What libraries read when they are imported, so that the server sets it: forks must have no other thread."""

_PRELOAD = "rigorkd.launch.preload"
_PRELOAD_FOR_COMMANDS = "rigorkd.launch.command_run"
_ON_TORCHVISION = frozenset((*TORCHVISION, *STEM_RESNETS, *CIFAR_RESNETS))
_ATTEMPTS = 3
_SAFE, _BEFORE = "PYTHONSAFEPATH", "RIGORKD_SAFEPATH_BEFORE"
"""A new process imports nothing from the working folder, which may be anybody's; what it was before."""


def begin_server(device: str, models: Iterable[str] = (), *, by_command: bool = False) -> None:
    """Have the server import what workers on `device` will need, beside what the launcher does meanwhile.

    `models` are the names of the models that will be built; torchvision and timm are imported for those that
    need them.
    Workers that only call commands need no torch, wherever the commands train.
    """
    if by_command:
        mp.get_context("forkserver").set_forkserver_preload([_PRELOAD_FOR_COMMANDS])
        with suppress(OSError):
            _ensure_server()
        return
    if device == "cpu":
        names = set(models)
        more = [] if _ON_TORCHVISION.isdisjoint(names) else ["rigorkd.models.torchvision_models"]
        if any(name.startswith("timm/") for name in names):
            more.append("timm")
        mp.get_context("forkserver").set_forkserver_preload([_PRELOAD, *more])
        with suppress(OSError):  # such as a temporary folder whose name is too long for a socket
            _ensure_server()


def _ensure_server() -> None:
    """Start the server unless it is there. It imports from where the launcher does, and from nowhere else."""
    places = os.pathsep.join(dict.fromkeys(place for place in sys.path if place))
    resource_tracker.ensure_running()  # it lets interrupts in again, so it has to be there before
    with _environment({**FIXED, "PYTHONPATH": places, _SAFE: "1"}), _without_interrupts():
        forkserver.ensure_running()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started inside meets no Ctrl-C, not even while it imports; ours comes afterwards.

    The server ignores it, but only once all is imported; before, it would tell where it was.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """What a process that is started inside finds in its environment."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start_process(
    target: Callable[..., None], device: str, *arguments: Any, name: str
) -> tuple[BaseProcess, Connection]:
    """Start `target(connection, environment, *arguments)` for a device; the process, and our end of the line.

    `environment` is what `adopt` needs in a forked process, None in a spawned one.
    """
    for attempt in range(_ATTEMPTS):
        forks = device == "cpu" and attempt + 1 < _ATTEMPTS
        context = mp.get_context("forkserver") if forks else mp.get_context("spawn")
        ours, theirs = context.Pipe()
        environment = dict(os.environ) if forks else None
        process = context.Process(target=target, args=(theirs, environment, *arguments), name=name)
        try:
            if forks:
                _ensure_server()
            with nullcontext() if forks else _environment({_SAFE: "1", _BEFORE: os.environ.get(_SAFE, "")}):
                process.start()
            return process, ours
        except (EOFError, OSError):  # the server was killed, or cannot import something
            ours.close()
            if not forks:
                raise
        finally:
            theirs.close()
    raise AssertionError("the last attempt returns or raises")


def adopt(environment: Mapping[str, str] | None) -> None:
    """Make a forked process what a new one would be: with the launcher's environment, and its own chance."""
    if environment is None:
        if not os.environ.pop(_BEFORE, "1"):
            os.environ.pop(_SAFE, None)  # the commands that it calls find what lies beside them
        return
    import numpy as np

    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see `_without_interrupts`
    for name in os.environ.keys() - environment.keys() - FIXED.keys():
        del os.environ[name]
    os.environ.update({**environment, **FIXED})
    np.random.seed()  # noqa: NPY002  forked siblings would draw alike wherever a user's code draws unseeded


def die_with_parent() -> None:
    """From now on, end this process as soon as the launcher has died, however it died."""
    parent = parent_process()
    assert parent is not None
    assert parent.pid is not None
    launcher = ProcessId.of(parent.pid)

    def watch() -> None:
        # The sentinel tells at once. It tells nothing where another process holds a copy of it; then the
        # kernel does. Not by this process's own parent: that of a forked one is the server.
        while not wait([parent.sentinel], timeout=1.0) and launcher.lives():
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
