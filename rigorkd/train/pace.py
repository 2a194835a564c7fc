"""How fast the parts of an epoch are: noted while a cohort trains, left behind for `rigorkd plan`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import metadata
from statistics import median

from rigorkd.protocol.cells import Cell
from rigorkd.records.rates import Machine, RateBook, Work, evaluate, step, teach, view
from rigorkd.train.stopwatch import SHARED, TEACHER, VALIDATION


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
