"""Figures drawn by several processes at once: each stands alone, and drawing is most of what `report` and
`figures` do.

The processes are forks of this one: they share its libraries, and what is to be drawn needs no copy. Whatever
one of them does not bring, since it was killed or found no memory, this process draws itself. So results and
errors are those of a loop.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from rigorkd.cores import usable_cores

Drawn = TypeVar("Drawn")

FEWEST = 4
"""Drawings for each process: fewer are not worth another one."""
MOST = 8
"""More processes would wait for what one alone must do."""


def cores() -> int:
    """How many processes can work here at once; 1 where this process should not fork."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    return usable_cores()


def side_by_side(drawings: Sequence[Callable[[], Drawn]], processes: int) -> list[Drawn]:
    """What each call gives, in order, made by at most so many processes; with one it is a loop."""
    made = [draw() for draw in drawings[:1]]  # what they share is imported, and kept, before the forks
    rest = drawings[1:]
    shares = max(1, min(processes, MOST, len(rest) // FEWEST))
    children = [_fork(rest[at::shares]) for at in range(1, shares)]
    try:
        parts = [[draw() for draw in rest[::shares]]]
        for at, child in enumerate(children, start=1):
            brought: list[Drawn] | None = child.result() if child else None
            parts.append([draw() for draw in rest[at::shares]] if brought is None else brought)
    finally:
        for child in filter(None, children):
            child.end()
    return made + [parts[at % shares][at // shares] for at in range(len(rest))]


class _Child:
    """A forked process, and our end of the line to it."""

    def __init__(self, process: int, line: int) -> None:
        self._process: int | None = process
        self._line = os.fdopen(line, "rb")

    def result(self) -> list | None:  # type: ignore[type-arg]
        """What it has made; None if it has ended without that."""
        content = self._line.read()
        assert self._process is not None
        process, self._process = self._process, None
        return pickle.loads(content) if os.waitpid(process, 0)[1] == 0 else None

    def end(self) -> None:
        """End it, if nobody has waited for it yet."""
        self._line.close()
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def _fork(drawings: Sequence[Callable[[], object]]) -> _Child | None:
    """A process that makes these and ends; None if there can be no more processes."""
    ours, theirs = os.pipe()
    try:
        with warnings.catch_warnings():
            # Python warns where libraries have threads of their own; those of numpy's are made for forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
    except OSError:
        os.close(ours)
        os.close(theirs)
        return None
    if process:
        os.close(theirs)
        return _Child(process, ours)
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(ours)
        content = pickle.dumps([draw() for draw in drawings])
        with os.fdopen(theirs, "wb") as line:
            line.write(content)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        code = 0
    finally:
        os._exit(code)  # nothing of this process may go on here, not even an error
