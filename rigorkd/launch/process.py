"""Which process is this, and does that one still live? Asked of the kernel, never of a clock.

A process is known by where it runs (this boot of this machine, in this space of process numbers), its number
and its start time in ticks since the boot: a number used again is another process.
"""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A process: `place` is a hash that only processes which see each other share."""

    place: str
    pid: int
    started: str


@functools.cache
def place() -> str:
    """A hash of this boot and of the space of process numbers that this process lives in.

    Two containers on one machine cannot see each other's processes, and so are two places. Where the kernel
    does not tell, every process is a place of its own, and is judged from outside by its counter alone.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = Path("/proc/self/ns/pid").readlink().as_posix()
    except OSError:
        return secrets.token_hex(8)
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:16]


def this_process() -> ProcessId:
    """The process that asks."""
    return process_of(os.getpid())


def process_of(pid: int) -> ProcessId:
    """A process of this place that is alive now."""
    return ProcessId(place(), pid, _start_time(pid) or "")


def is_here(process: ProcessId) -> bool:
    """Whether `lives` can tell."""
    return process.place == place()


def lives(process: ProcessId) -> bool:
    """Whether a process of this place is still alive; one that only waits to be reaped is not."""
    return _start_time(process.pid) == process.started


def _start_time(pid: int) -> str | None:
    """Start time in ticks since the boot, None if there is no such process or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    state, start_time = fields[0], fields[19]
    return None if state in "ZX" else start_time
