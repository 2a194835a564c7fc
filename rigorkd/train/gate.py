"""Who works on a device: many workers may train there, or one measures there alone.

Locks of the kernel, on two files per device in a folder of this user's under /tmp (RIGORKD_GATES names
another), so that the workers of every launcher and study on this host meet, and nothing is left behind by one
that dies. Programs other than rigorkd, other users, and containers or jobs with a /tmp of their own are not
seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Gate:
    """The gate of one device. Whoever wants to be alone closes it first, so that nobody new comes in."""

    folder: Path
    device: str

    @classmethod
    def of(cls, device: torch.device) -> Gate:
        """The gate of a device of this process; a GPU is known by what it is, not by its number here."""
        chosen = os.environ.get("RIGORKD_GATES")  # not TMPDIR, of which every job may have its own
        folder = Path(chosen) if chosen else Path("/tmp") / f"rigorkd-{os.getuid()}"
        if device.type != "cuda":
            return cls(folder, device.type)
        properties = torch.cuda.get_device_properties(device)
        return cls(folder, f"cuda-{getattr(properties, 'uuid', device.index)}")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """At work beside others; waits while somebody measures. Where no lock can be had, at once."""
        with contextlib.ExitStack() as held:
            with self._lock("gate", fcntl.LOCK_SH, None):
                held.enter_context(self._lock("inside", fcntl.LOCK_SH, None))
            yield

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Nobody else at work; says after at most `patience` seconds whether that was reached."""
        until = time.monotonic() + patience
        with contextlib.ExitStack() as held:
            yield all(
                held.enter_context(self._lock(name, fcntl.LOCK_EX, until)) for name in ("gate", "inside")
            )

    def _open(self, name: str) -> int | None:
        """The file of a lock; None where somebody else could have put it there, or there can be none."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            found = self.folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
                path = self.folder / f"{self.device}.{name}"
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        return None

    @contextmanager
    def _lock(self, name: str, kind: int, until: float | None) -> Iterator[bool]:
        """Hold a lock and yield True; False where there is none, or not by `until` on the monotonic clock."""
        descriptor = self._open(name)
        if descriptor is None:
            yield False
            return
        try:
            yield _locked(descriptor, kind, until)
        finally:
            os.close(descriptor)


def _locked(descriptor: int, kind: int, until: float | None) -> bool:
    """Whether the lock could be had; without a time to give up at, it is waited for."""
    while True:
        try:
            fcntl.flock(descriptor, kind if until is None else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if until is None or time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        except OSError:  # a file system without locks
            return False
        else:
            return True
