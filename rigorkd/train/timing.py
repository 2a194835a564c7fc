"""Time spent per part of a cohort, without making the host wait for the device; rates left for `plan`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from statistics import median

import torch

from rigorkd.protocol.cells import Cell
from rigorkd.records.rates import Machine, RateBook, Work, evaluate, step, teach, view

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


class Pace:
    """Seconds per image of every part, epoch by epoch, of the runs of one cohort on one machine."""

    def __init__(self, book: RateBook, hardware: str, mode: str) -> None:
        self.book, self.mode = book, mode
        self.machine = Machine(hardware, metadata.version("torch"))
        self._epochs: defaultdict[tuple[str, Work], list[float]] = defaultdict(list)

    def note_epoch(
        self,
        cells: Mapping[str, Cell],
        teacher: Cell | None,
        seconds: Mapping[str, float],
        *,
        images: int,
        taught: int,
        validated: int,
    ) -> None:
        """Note one epoch of the runs in `cells`, by name, that trained on `images` images.

        `taught` counts the images of which the teacher's forward was really computed. Validation is timed for
        all runs together: each run's part is taken to be in proportion to its steps.
        """
        first = next(iter(cells.values()), None)
        if first is None:
            return
        self._note(SHARED, view(first, self.mode), seconds.get(SHARED, 0.0), images)
        if teacher is not None and taught:
            self._note(TEACHER, teach(teacher, first, self.mode), seconds.get(TEACHER, 0.0), taught)
        steps = sum(seconds.get(name, 0.0) for name in cells)
        for name, cell in cells.items():
            own = seconds.get(name, 0.0)
            self._note(name, step(cell, self.mode), own, images)
            if steps:
                share = seconds.get(VALIDATION, 0.0) * own / steps
                self._note(name, evaluate(cell, self.mode), share, validated)

    def _note(self, owner: str, work: Work, seconds: float, images: int) -> None:
        if images:
            self._epochs[owner, work].append(seconds / images)

    def leave(self, owners: Sequence[str]) -> None:
        """Write the rates of runs that are done, or of `SHARED` and `TEACHER`, into the book.

        The first epoch counts only if it is the only one: it warms up caches and compilers.
        """
        for owner, work in list(self._epochs):
            if owner in owners:
                rates = self._epochs.pop((owner, work))
                self.book.note(self.machine, work, median(rates[1:] or rates))
