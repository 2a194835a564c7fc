"""What a launcher is doing now: kept in memory for its display, and beside its entry for `rigorkd status`."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from rigorkd.files import write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import read_note
from rigorkd.text import count

WRITE_EVERY = 1.0
"""Seconds between two writings of progress.json."""


@dataclass
class SlotProgress:
    """What one worker is training."""

    label: str
    epoch: int = 0
    epochs: int = 0
    images_per_second: float = 0.0
    by_command: bool = False
    stage: str = ""

    @property
    def says(self) -> str:
        """`epoch 3/40, 5,120 images/s`, or what it does before it has come to the end of an epoch."""
        if self.by_command:
            return "running"
        if not self.epoch:
            return f"starting: {self.stage}" if self.stage else "starting"
        return f"epoch {self.epoch}/{self.epochs}, {self.images_per_second:,.0f} images/s"


@dataclass
class _Pace:
    """How many epochs that take alike are left, how many were trained here, and how long workers took."""

    left: int = 0
    own: int = 0
    seconds: float = 0.0


@dataclass
class Progress:
    """The state of a launch. Work is counted in epochs of single runs.

    An epoch counts once, whoever trained it and when; what a resumed run had behind it, and what an early
    stop or a failure leaves undone, is work that is over. The rate is that of epochs trained here and now,
    of teachers and of students by itself: teachers come first, and an epoch of theirs tells none of students.
    `remote` counts runs that this launch needs and that other launchers are training now; the time left is
    that of the work this launcher does itself, at its own rate.
    """

    runs: int
    work: int
    done: int = 0
    failed: int = 0
    worked: int = 0
    remote: Annotated[int, Field(validation_alias="elsewhere")] = 0
    elapsed: float = 0.0
    running: list[str] = field(default_factory=list)
    slots: dict[int, SlotProgress] = field(default_factory=dict)
    seconds_left: float | None = None
    _planned: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    _reached: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    _pace_of: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    _paces: dict[str, _Pace] = field(default_factory=dict, repr=False, compare=False)
    _own: int = field(default=0, repr=False, compare=False)
    _began: float | None = field(default=None, repr=False, compare=False)
    _started: float = field(default_factory=time.monotonic, repr=False, compare=False)

    @classmethod
    def of(cls, epochs: Mapping[str, int], pace_of: Mapping[str, str] | None = None) -> Progress:
        """The beginning of a launch of these runs: the epochs of each, and whose pace they have."""
        begun = cls(runs=len(epochs), work=sum(epochs.values()), _planned=epochs, _pace_of=pace_of or {})
        for run, pace in begun._pace_of.items():
            begun._paces.setdefault(pace, _Pace()).left += epochs[run]
        return begun

    @property
    def says_remote(self) -> str:
        """`2 runs that other launchers train`, with a word if there is nothing to do but wait for them."""
        waiting = "" if self.slots else "waiting for "
        return f"{waiting}{count(self.remote, 'run')} that other launchers train"

    def reach(self, run: str, epoch: int, *, ours: bool = False) -> None:
        """A run has `epoch` epochs behind it; `ours` if it was trained here and now."""
        new = epoch - self._reached.get(run, 0)
        if new > 0:
            self._reached[run] = epoch
            if (pace := self._pace(run)) is not None:
                pace.left = max(0, pace.left - new)
                pace.own += new if ours else 0
            self.advance(new, ours=ours)

    def finish(self, run: str) -> None:
        """A run has its record."""
        self.done += 1
        self.reach(run, self._planned.get(run, 0))

    def fail(self, run: str) -> None:
        """A run will have no record."""
        self.failed += 1
        self.reach(run, self._planned.get(run, 0))

    def advance(self, epochs: int, *, ours: bool = True) -> None:
        """Count finished epochs and estimate the time left from our own rate so far."""
        self.worked = min(self.work, self.worked + epochs)
        self._own += epochs if ours else 0
        self.tick()
        left = self.work - self.worked
        spent = self.elapsed - (self._began or 0.0)
        self.seconds_left = spent / self._own * left if self._own and left else None
        if self.seconds_left is not None and len(self._paces) > 1:
            self.seconds_left = self._at_their_paces(spent)

    def _at_their_paces(self, spent: float) -> float | None:
        """The time left by what workers spent on epochs of each pace; None while one of them is not known."""
        paces = list(self._paces.values())
        if any(pace.left and not pace.own for pace in paces):
            return None
        at_work = sum(pace.seconds for pace in paces)  # of all workers: over `spent`, how many at once
        to_come = sum(pace.seconds / pace.own * pace.left for pace in paces if pace.own)
        return to_come * spent / at_work if at_work else None

    def _pace(self, run: str) -> _Pace | None:
        return self._paces.get(self._pace_of.get(run, ""))

    def began(self, seconds: float, run: str = "") -> None:
        """An epoch here took `seconds`, of `run` among those trained at once.

        What came before the first, such as workers that start, is no rate.
        """
        if (pace := self._pace(run)) is not None:
            pace.seconds += seconds
        if self._began is None:
            self.tick()
            self._began = max(0.0, self.elapsed - seconds)

    def tick(self) -> None:
        """Let the clock of this launch go on; it is monotonic, whatever the machine's clock does."""
        self.elapsed = time.monotonic() - self._started


class ProgressFile:
    """Writes a launcher's progress.json now and then, into the folder of its entry."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "progress.json"
        self._written = 0.0

    def write(self, progress: Progress, *, force: bool = False) -> None:
        """Write if the last writing is old enough; a disk that is full is for the records to report."""
        now = time.monotonic()
        if force or now - self._written >= WRITE_EVERY:
            self._written = now
            shown = {key: value for key, value in vars(progress).items() if not key.startswith("_")}
            shown["elsewhere"] = shown.pop("remote")  # as the file has always called it
            with contextlib.suppress(OSError):
                write_atomically(self._path, json.dumps(shown, default=asdict).encode(), durable=False)


def read_progress(study: StudyFolder, launcher: str) -> Progress | None:
    """What the launcher with this id last wrote, or None."""
    return read_note(study.launcher(launcher) / "progress.json", study.path, Progress)
