"""Time spent per part of a cohort, without making the host wait for the device."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch

SHARED, TEACHER, VALIDATION = "shared", "teacher", "validation"


class Stopwatch:
    """Seconds by name: the wall clock on a CPU, device events on CUDA (summed when an epoch is read)."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count the block's time under `name`."""
        if self._cuda:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            yield
            end.record()
            self._events.append((name, begin, end))
        else:
            begun = time.perf_counter()
            yield
            self._seconds[name] += time.perf_counter() - begun

    def read(self) -> dict[str, float]:
        """Seconds by name since the last reading; waits for the device, so call it once an epoch."""
        if self._events:
            torch.cuda.synchronize()
            for name, begin, end in self._events:
                self._seconds[name] += begin.elapsed_time(end) / 1e3
            self._events.clear()
        seconds = dict(self._seconds)
        self._seconds.clear()
        return seconds
