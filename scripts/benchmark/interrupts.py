"""Ctrl-C and TERM, at which a measurement ends at once and is kept."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """Ctrl-C, or TERM. Like the interrupt that it is, it passes every `except Exception`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the block, in the main thread, on INT and on TERM.

    The first ends the block at once, and what it has opened is closed; another one, a second or more later,
    ends the process. What the process was started to ignore, as one in the background may be, stays ignored.
    """
    first: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not first:
            first.append(time.monotonic())
            raise Interrupted(number)
        # The first one of Ctrl-C comes twice where `timeout` passes it on.
        if time.monotonic() - first[0] > 1:
            os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
