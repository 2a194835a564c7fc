"""Time and ratios: process time on a CPU, device events on CUDA, quartiles over interleaved rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from rigorkd.train.stopwatch import Stopwatch

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


def interleave(
    variants: Mapping[Key, Callable[[], float]], rounds: int, note: Callable[[str], None] = lambda text: None
) -> dict[Key, list[float]]:
    """Run every variant once per round, starting each round with another one; seconds by variant and round.

    A drift of the machine then reaches all variants alike, and ratios are taken within a round.
    """
    names = list(variants)
    seconds: dict[Key, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        note(f"round {turn + 1} of {rounds}")
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(variants[name]())
    return seconds


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
