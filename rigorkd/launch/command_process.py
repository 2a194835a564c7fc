"""A command while it runs: bounded in time, output and disk, and ended with everything that it has started.

Its processes are known by a variable that all of them inherit, whatever sessions they make of their own, and
by its session. A guard, a process forked from the worker, ends them when the worker dies, however it dies; if
the guard is killed too, whoever takes the run over ends them before it begins.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import BinaryIO

from rigorkd.launch.error_lines import error_line
from rigorkd.text import count, duration

MARK, OUT = "RIGORKD_WORKER", "RIGORKD_OUT"
"""Variables that every process of a command has: whose it is, and where it leaves its results."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the clock and the disk."""
RESERVE = 256 * 2**20
"""Bytes of the disk that no command may take: records must still be written."""
GREEDY = 64 * 2**20
"""Bytes below which a command is not what has filled the disk."""
GRACE = 30.0
"""Seconds that a command has to save what it can resume from, when a stop was asked for."""
LINGER = 1.0
"""Seconds after the end of a command in which its children may end by themselves."""
_LOOKS = 4
TAIL = 2**15
"""Bytes of what a command printed last, of which a line says why it failed."""
SAID = 2**20
"""Bytes of its standard output, and of its error, that are kept for its results."""


@dataclass(frozen=True)
class Limits:
    """What a command may take: seconds, bytes of output, bytes of disk; None for as much as it likes."""

    seconds: float | None
    output: int
    disk: int | None


@dataclass(frozen=True)
class Ended:
    """How a command ended: `why` it failed (empty if it did not), and how many children it left behind.

    `last_line` is of all that it printed, `error_line` the last that may say why it failed; `stdout` and
    `stderr` are the ends of its standard output and error, where these were kept apart.
    """

    why: str
    seconds: float
    children: int = 0
    stopped: bool = False
    last_line: str = ""
    error_line: str = ""
    stdout: str = ""
    stderr: str = ""


def call(
    words: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: BinaryIO,
    out: Path,
    limits: Limits,
    connection: Connection,
    asked_to_stop: Callable[[], bool],
    apart: bool = False,
) -> Ended:
    """Run a command to its end. `connection` wakes whoever waits when there may be a reason to stop.

    Standard output and error go to the log through one pipe, in their order, or `apart` where the output is
    the result: a progress bar may stand on any line of the error.
    """
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            list(words),
            cwd=folder,
            env={**environment, OUT: str(out)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(f"{words[0]} cannot be started: {(error.strerror or str(error)).lower()}", 0.0)
    running = _Running(process, log, limits, out)
    try:
        why, stopped = running.watch(begun, connection, asked_to_stop)
        if not why and not stopped:
            why = _said(process.returncode)
        children = _linger(running.belongs) if process.returncode is not None else 0
        if why or stopped or children:
            end_all(running.belongs)
    except BaseException:
        end_all(running.belongs)
        raise
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        running.drain()
        running.close()
    if running.full:  # what a failed run left is to be looked at, but not at the price of all other runs
        shutil.rmtree(out, ignore_errors=True)
    seconds = time.monotonic() - begun
    left = 0 if why or stopped else children
    return Ended(why, seconds, left, stopped, running.last_line(), running.error_line(), *running.said())


class _Running:
    """A process that was started, what it has printed so far, and what belongs to it."""

    def __init__(self, process: subprocess.Popen[bytes], log: BinaryIO, limits: Limits, out: Path) -> None:
        assert process.stdout is not None
        self.process, self.log, self.limits, self.out = process, log, limits, out
        self.printed, self.full = 0, False
        self._tail = b""
        self._pipes = [pipe.fileno() for pipe in (process.stdout, process.stderr) if pipe is not None]
        self._said = {pipe: bytearray() for pipe in self._pipes} if len(self._pipes) > 1 else {}
        for pipe in self._pipes:
            os.set_blocking(pipe, False)
        self._end: int | None = None
        with contextlib.suppress(OSError, AttributeError):  # an old kernel: then the process is polled
            self._end = os.pidfd_open(process.pid)

    def belongs(self, pid: int, session: int, variables: frozenset[bytes]) -> bool:
        return session == self.process.pid or f"{OUT}={self.out}".encode() in variables

    def watch(
        self, begun: float, connection: Connection, asked_to_stop: Callable[[], bool]
    ) -> tuple[str, bool]:
        """Wait until it ends, or is to be ended: why, and whether a stop was asked for."""
        looked = begun
        while self.process.poll() is None:
            left = LOOK_EVERY if self._end is not None else 0.02
            if self.limits.seconds is not None:
                left = min(left, max(0.0, begun + self.limits.seconds - time.monotonic()))
            wait([*self._pipes, *([] if self._end is None else [self._end]), connection], left)
            self.drain()
            if self.printed > self.limits.output:
                return f"it printed more than {_size(self.limits.output)} (output_limit)", False
            now = time.monotonic()
            if self.limits.seconds is not None and now - begun >= self.limits.seconds:
                return f"it ran longer than {duration(self.limits.seconds)} (time_limit)", False
            if now - looked >= LOOK_EVERY:
                looked = now
                if why := self._disk():
                    self.full = True
                    return f"{why}; emptied", False
            if asked_to_stop():
                self._let_it_save()
                return "", True
        return "", False

    def _let_it_save(self) -> None:
        """Ask the command to end; it has a while to write what it can go on from."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE
        while self.process.poll() is None and time.monotonic() < until:
            wait([*self._pipes, *([] if self._end is None else [self._end])], 0.2)
            self.drain()

    def _disk(self) -> str:
        """Why it takes too much of the disk; empty if it does not."""
        try:
            free = shutil.disk_usage(self.out).free
        except OSError:
            return ""
        if self.limits.disk is None and free >= RESERVE:
            return ""
        taken = _bytes_below(self.out)
        if self.limits.disk is not None and taken > self.limits.disk:
            return f"its folder has {_size(taken)}, more than {_size(self.limits.disk)} (disk_limit)"
        if free < RESERVE and taken > GREEDY:
            return f"it has filled the disk: its folder has {_size(taken)}, and {_size(free)} are left"
        return ""

    def drain(self) -> None:
        """Take what it has printed, as much as there is now."""
        for pipe in tuple(self._pipes):
            self._drain(pipe)

    def _drain(self, pipe: int) -> None:
        while self.printed <= self.limits.output:
            try:
                content = os.read(pipe, 2**16)
            except BlockingIOError:
                return
            if not content:
                self._pipes.remove(pipe)
                return
            self._tail = (self._tail + content)[-TAIL:]
            if (said := self._said.get(pipe)) is not None:
                said += content
                if len(said) > 2 * SAID:
                    del said[:-SAID]
            room = max(0, self.limits.output - self.printed)
            self.printed += len(content)
            with contextlib.suppress(OSError):  # a full disk is for the records to report
                self.log.write(content[:room])
                self.log.flush()

    def last_line(self) -> str:
        return last_line(self._tail.decode(errors="replace"))

    def error_line(self) -> str:
        return error_line(self._tail.decode(errors="replace"))

    def said(self) -> list[str]:
        """The ends of its standard output and error, where they are kept apart."""
        return [said[-SAID:].decode(errors="replace") for said in self._said.values()]

    def close(self) -> None:
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        if self._end is not None:
            os.close(self._end)


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = text.replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _said(code: int) -> str:
    if code == 0:
        return ""
    if code > 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}" + (", perhaps for memory" if name == "SIGKILL" else "")


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"


def _bytes_below(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{place}/{name}").st_blocks * 512
    return total


# -------------------------------------------------------------------------------------- ending processes

Belongs = Callable[[int, int, frozenset[bytes]], bool]
"""Whether a process belongs: by its number, its session, and its variables."""


def belonging(belongs: Belongs) -> list[int]:
    """The living processes of this user, other than this one, that belong."""
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError, ValueError, IndexError):
            variables = frozenset(_told("/proc/", pid, "environ").split(b"\0"))
            if not belongs(pid, os.getsid(pid), variables) or pid == os.getpid():
                continue
            state = _told("/proc/", pid, "stat").rpartition(b")")[2].split()[0]
            if state not in (b"Z", b"X"):
                found.append(pid)
    return found


def is_held_outside(file: Path) -> bool:
    """Whether a process that no worker has started holds a file open, as far as this user may see."""
    for pid in _processes():
        with contextlib.suppress(OSError):
            variables = _told("/proc/", pid, "environ").split(b"\0")
            if any(each.startswith(f"{MARK}=".encode()) for each in variables):
                continue
            with os.scandir(f"/proc/{pid}/fd") as entries:
                if any(_is_one(entry.path, file) for entry in entries):
                    return True
    return False


def _is_one(one: str, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samefile(one, other)  # noqa: PTH121  a link of the kernel's, not a place
    return False


def _processes() -> list[int]:
    """All of them, the newest first: those that hand over to others are gone soonest."""
    try:
        with os.scandir("/proc") as entries:
            return sorted((int(entry.name) for entry in entries if entry.name.isdecimal()), reverse=True)
    except OSError:  # a system that does not tell
        return []


def _told(root: str, pid: int, what: str) -> bytes:
    """What the kernel says of a process."""
    descriptor = os.open(f"{root}{pid}/{what}", os.O_RDONLY)
    try:
        content = more = os.read(descriptor, 2**18)
        while len(more) == 2**18:
            content += (more := os.read(descriptor, 2**18))
        return content
    finally:
        os.close(descriptor)


def end_all(belongs: Belongs, patience: float = 10.0) -> int:
    """Kill every process that belongs, and what they start meanwhile; how many there were."""
    until = time.monotonic() + patience
    seen: set[int] = set()
    own, nobody = os.getsid(0), 0
    # One look can miss a process that hands over to the next one just then; several in a row do not.
    while nobody < _LOOKS and time.monotonic() < until:
        found = belonging(belongs)
        nobody = 0 if found else nobody + 1
        # By groups as well: the kernel signals all of a group at once, and lets none of it fork meanwhile, so
        # that a process which hands over to the next one faster than this can look is met too.
        groups = set()
        for pid in found:
            with contextlib.suppress(OSError):
                if os.getsid(pid) != own:  # what is in another session was started by what belongs
                    groups.add(os.getpgid(pid))
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: what is stopped starts nothing
            for group in groups:
                with contextlib.suppress(OSError):
                    os.killpg(group, number)
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        seen |= {*found}
        time.sleep(0.01)
    return len(seen)


def end_those_of(out: Path) -> int:
    """Kill what an earlier launcher's command has left at work on a folder; how many there were."""
    wanted = f"{OUT}={out}".encode()
    return end_all(lambda pid, session, variables: wanted in variables)


def _linger(belongs: Belongs) -> int:
    """How many children a command that has ended leaves, after a moment in which they may end too."""
    until = time.monotonic() + LINGER
    while (left := len(belonging(belongs))) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def start_guard(mark: str) -> None:
    """Fork the process that ends all that this one marks once this one is dead; before there are threads."""
    ours, _theirs = os.pipe()
    if os.fork():
        os.close(ours)  # the other end stays open for as long as this process lives
        return
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(ours, 0)
        os.closerange(1, 65536)
        os.read(0, 1)
        wanted = f"{MARK}={mark}".encode()
        end_all(lambda pid, session, variables: wanted in variables)
    finally:
        os._exit(0)


def says_children(number: int) -> str:
    """What is said of a run whose command left processes behind."""
    return f"its command left {count(number, 'process', 'processes')} behind; ended"
