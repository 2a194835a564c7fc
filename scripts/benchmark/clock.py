"""Time and ratios: process time on a CPU, device events on CUDA, interleaved rounds, quartiles, deadlines."""

from __future__ import annotations

import math
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import TypeVar

import torch

from rigorkd.train.timing import Stopwatch

Key = TypeVar("Key")


class ProcessWatch(Stopwatch):
    """The engine's stopwatch in process time, which the other work of the machine does not enter."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self._seconds[name] += time.process_time() - begun


def watch_for(device: torch.device) -> Stopwatch:
    """The stopwatch of a device: process time on a CPU, the engine's own device events on CUDA."""
    return Stopwatch(device) if device.type == "cuda" else ProcessWatch(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that `work` takes: process time, or the time between two device events (gaps included)."""
    if device.type == "cuda":
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(device)
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize(device)
        return float(begin.elapsed_time(end)) / 1e3
    begun = time.process_time()
    work()
    return time.process_time() - begun


@dataclass(frozen=True)
class Rounds:
    """How often variants are repeated: `most` times, fewer where the time is up, never fewer than `fewest`.

    `until` is a time of `time.monotonic()`; infinite: there is no hurry.
    """

    most: int
    fewest: int = 1
    until: float = math.inf

    def times(self, factor: int) -> Rounds:
        """More rounds for what is short."""
        return replace(self, most=self.most * factor)

    def part(self, of: int) -> Rounds:
        """The same for the next of `of` cases that share the time which is left."""
        now = time.monotonic()
        return replace(self, until=now + max(0.0, self.until - now) / of)

    def more(self, done: int, seconds: float) -> bool:
        """Whether to make another round after `done`, the last of which took `seconds`."""
        if done < self.fewest:
            return True
        return done < self.most and time.monotonic() + seconds <= self.until


def interleave(
    variants: Mapping[Key, Callable[[], float]],
    rounds: Rounds,
    note: Callable[[str], None] = lambda text: None,
) -> dict[Key, list[float]]:
    """Run every variant once per round, starting each round with another one; seconds by variant and round.

    A drift of the machine then reaches all variants alike, and ratios are taken within a round. How many
    rounds there were is the length of the lists.
    """
    names = list(variants)
    seconds: dict[Key, list[float]] = {name: [] for name in names}
    turn, took = 0, 0.0
    while rounds.more(turn, took):
        note(f"round {turn + 1} of {rounds.most}")
        begun = time.monotonic()
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(variants[name]())
        turn, took = turn + 1, time.monotonic() - begun
    return seconds


class OutOfTime(BaseException):
    """The time of a table is used up. Like an interrupt, it passes every `except Exception`."""


AGAIN_SECONDS = 5.0
"""An alarm that went off where exceptions are swallowed (a finaliser, a callback) is repeated after these."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the block after `seconds`, in the main thread.

    Python sees the alarm between two of its own instructions: a single call that never comes back is not cut.
    """
    if math.isinf(seconds):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Quartiles:
    """Median and quartiles of `n` rounds."""

    median: float
    q25: float
    q75: float
    n: int

    def text(self, digits: int = 3) -> str:
        """`1.812 (1.790–1.830)`."""
        return f"{self.median:.{digits}f} ({self.q25:.{digits}f}–{self.q75:.{digits}f})"


def quartiles(values: Sequence[float]) -> Quartiles:
    """Quartiles of the rounds; one round is its own quartiles."""
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0], 1)
    q25, median, q75 = statistics.quantiles(values, n=4, method="inclusive")
    return Quartiles(median, q25, q75, len(values))


def ratios(above: Sequence[float], below: Sequence[float]) -> Quartiles:
    """Quartiles of the per-round ratios above/below."""
    return quartiles([a / b for a, b in zip(above, below, strict=True)])
