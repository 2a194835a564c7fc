"""What a launcher is doing now: kept in memory for its display, and in the study for `rigorkd status`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field

from rigorkd.records.atomic import write_atomically
from rigorkd.records.layout import StudyFolder

WRITE_EVERY = 1.0
"""Seconds between two writings of progress.json."""


@dataclass
class SlotProgress:
    """What one worker is training."""

    label: str
    epoch: int = 0
    epochs: int = 0
    images_per_second: float = 0.0


@dataclass
class Progress:
    """The state of a launch. Work is counted in epochs of single runs."""

    runs: int
    work: int
    started: float = field(default_factory=time.time)
    done: int = 0
    failed: int = 0
    worked: int = 0
    running: list[str] = field(default_factory=list)
    slots: dict[int, SlotProgress] = field(default_factory=dict)
    seconds_left: float | None = None

    def advance(self, epochs: int) -> None:
        """Count finished epochs and estimate the time left from the rate so far."""
        self.worked += epochs
        elapsed = time.time() - self.started
        if 0 < self.worked < self.work:
            self.seconds_left = elapsed / self.worked * (self.work - self.worked)
        else:
            self.seconds_left = None


class ProgressFile:
    """Writes progress.json now and then."""

    def __init__(self, study: StudyFolder) -> None:
        self._path = study.progress_json
        self._written = 0.0

    def write(self, progress: Progress, *, force: bool = False) -> None:
        """Write if the last writing is old enough."""
        now = time.monotonic()
        if force or now - self._written >= WRITE_EVERY:
            self._written = now
            write_atomically(self._path, json.dumps(asdict(progress)).encode(), durable=False)

    def remove(self) -> None:
        """The launch is over."""
        self._path.unlink(missing_ok=True)


def read_progress(study: StudyFolder) -> Progress | None:
    """What the launcher last wrote, or None."""
    try:
        document = json.loads(study.progress_json.read_bytes())
        slots = {int(slot): SlotProgress(**entry) for slot, entry in document.pop("slots").items()}
        return Progress(**document, slots=slots)
    except (OSError, ValueError, TypeError, KeyError):
        return None
