"""What a worker tells the launcher. Imports no torch: the launcher reads these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Resumed:
    """A run goes on from a checkpoint, with `epoch` epochs behind it."""

    run: str
    epoch: int


@dataclass(frozen=True)
class EpochDone:
    """The task finished `epoch` of `epochs` with `students` models after `images` training images each.

    `rows` holds the new row of each run's history, by run; an empty one of a command, which is one epoch.
    """

    epoch: int
    epochs: int
    students: int
    images: int
    seconds: float
    rows: Mapping[str, Mapping[str, float | int | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunDone:
    """A run's record was committed; `top1` is its test accuracy in percent, None if it diverged."""

    run: str
    status: str
    top1: float | None


@dataclass(frozen=True)
class RunFailed:
    """A run failed by an exception; the others of its cohort went on.

    `unread` says that its command went well, and that the number it was called for was not found: the same
    `result` would not find those of the other runs either.
    """

    run: str
    reason: str
    unread: bool = False


@dataclass(frozen=True)
class Noted:
    """Something that the user should know of a run, which goes on all the same.

    What is likely to hold of every run is told `once`, of the first.
    """

    run: str
    text: str
    once: bool = False


class Stopping(BaseException):
    """Raised by whoever is told of an event between epochs: nothing more is wanted.

    The cohort writes its checkpoints and lets it pass; no `except Exception` may swallow it.
    """


Event = Resumed | EpochDone | RunDone | RunFailed | Noted
