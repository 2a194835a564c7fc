"""Who works on a device: many workers may train there, or one measures there alone.

Locks of the kernel, on two files per device in a folder of this user's, so that the workers of every launcher
and study on this host meet, and nothing is left behind by one that dies. Programs other than rigorkd, other
users and other containers are not seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
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
        folder = Path(tempfile.gettempdir()) / f"rigorkd-{os.getuid()}"
        if device.type != "cuda":
            return cls(folder, device.type)
        properties = torch.cuda.get_device_properties(device)
        return cls(folder, f"cuda-{getattr(properties, 'uuid', device.index)}")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """At work beside others; waits while somebody measures. Where no lock can be had, at once."""
        with contextlib.ExitStack() as held:
            if self._is_ours():
                with self._lock("gate", fcntl.LOCK_SH, None):
                    held.enter_context(self._lock("inside", fcntl.LOCK_SH, None))
            yield

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Nobody else at work; says after at most `patience` seconds whether that was reached."""
        until = time.monotonic() + patience
        with contextlib.ExitStack() as held:
            yield (
                self._is_ours()
                and held.enter_context(self._lock("gate", fcntl.LOCK_EX, until))
                and held.enter_context(self._lock("inside", fcntl.LOCK_EX, until))
            )

    def _is_ours(self) -> bool:
        """Whether the folder is there and nobody else can have put anything into it."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            found = self.folder.lstat()
            return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
        return False

    @contextmanager
    def _lock(self, name: str, kind: int, until: float | None) -> Iterator[bool]:
        """Hold a lock; with `until`, give up at that time of the monotonic clock and yield False."""
        path = self.folder / f"{self.device}.{name}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if until is None:
                fcntl.flock(descriptor, kind)
                yield True
                return
            while True:
                try:
                    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until:
                        yield False
                        return
                    time.sleep(POLL_SECONDS)
                else:
                    yield True
                    return
        finally:
            os.close(descriptor)
