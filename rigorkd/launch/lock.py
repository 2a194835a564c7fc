"""One launcher per study. The kernel drops the lock when its holder dies, so a dead process holds nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from rigorkd.errors import StoreError
from rigorkd.records.layout import StudyFolder


@contextmanager
def locked(study: StudyFolder) -> Iterator[None]:
    """Hold the study's lock; StoreError if another launcher has it."""
    study.path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(study.lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 64).decode(errors="replace").strip()
            raise StoreError(
                f"{study.path}: another `rigorkd run` is at work here ({holder or 'unknown process'})",
                hint="watch it with `rigorkd status`, or wait for it to end",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(study: StudyFolder) -> bool:
    """Whether a live launcher holds the study."""
    try:
        descriptor = os.open(study.lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
