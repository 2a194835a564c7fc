"""Every error that rigorkd raises on purpose, and the exit code that the command line gives it.

    RigorkdError            2   one message: where, what, how to mend
    ├── InputError          2   the user's input was wrong
    │   └── ProtocolError   2   … in a protocol file; knows file, line and column
    ├── StoreError          2   the results folder cannot be used (full, read-only, foreign, stale)
    │   └── DamagedError    2   … because a file in it is not what was written
    ├── TrackingError       2   a tracker (Weights & Biases) could not take what was published
    └── RunsFailedError     1   some runs failed; the others finished

`KeyboardInterrupt` ends a command with 130; finished work stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class RigorkdError(Exception):
    """Base of all errors with a message for the user. `hint` says how to mend it."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class InputError(RigorkdError):
    """What the user gave cannot be used.

    `cells` are the names of a protocol's cells, where it is wrong but could be expanded all the same.
    `offers` are options of the command line that would decide what is open, each with a likely value.
    """

    cells: tuple[str, ...] = ()
    offers: Mapping[str, str] = {}


class ProtocolError(InputError):
    """A protocol file is wrong at a known place (line and column count from 1)."""

    def __init__(
        self, message: str, *, file: Path, line: int | None = None, column: int | None = None, hint: str = ""
    ) -> None:
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{place}: {message}", hint=hint)
        self.file, self.line, self.column = file, line, column


class StoreError(RigorkdError):
    """The results folder cannot be read or written as asked."""


class DamagedError(StoreError):
    """A file of the results folder is torn, edited or gone."""


class TrackingError(RigorkdError):
    """A tracker failed; records are untouched, and the same command goes on where it stopped."""


class RunsFailedError(RigorkdError):
    """Some runs failed; each is named in the message and the others finished."""

    exit_code = 1
