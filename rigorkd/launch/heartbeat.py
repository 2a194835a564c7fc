"""Launchers on one study: each shows that it lives, and judges whether the others do.

A launcher has a folder `.launchers/<id>/` with `holder.json` (who it is), `worker-<n>.json` (its workers)
and `beat`, a counter that a thread of the launcher raises every few seconds. One that is to train has
`starting` from its first moment, and `working` once the study is open to it. A launcher of this place is
judged by its processes, for a worker outlives its launcher by a moment and may still write. One on another
host is judged by its counter: it is dead when that has stood still for EXPIRY seconds on the observer's own
clock. No file time and no wall clock decides anything, and nothing that a dead process leaves behind is
binding.

A process is known by where it runs (this boot of this machine, in this space of process numbers), its number
and its start time in ticks since the boot: a number used again is another process. The kernel is asked.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from rigorkd.files import write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import NOTE, is_plain_name, read_bytes, read_note
from rigorkd.text import seconds_in

BEAT_EVERY = 5.0
"""Seconds between two raises of the counter."""

EXPIRY = 90.0
"""Seconds for which a counter must stand still; longer than NFS clients believe their caches (60)."""


def expiry() -> float:
    """EXPIRY, or RIGORKD_LAUNCHER_EXPIRY: all launchers of a study need about the same."""
    return seconds_in("RIGORKD_LAUNCHER_EXPIRY", EXPIRY, least=0.001)


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


@dataclass(frozen=True)
class ProcessId:
    """A process: `place` is a hash that only processes which see each other share."""

    place: str
    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """A process of this place that is alive now."""
        return cls(place(), pid, _start_time(pid) or "")

    @property
    def is_here(self) -> bool:
        """Whether `lives` can tell."""
        return self.place == place()

    def lives(self) -> bool:
        """Whether a process of this place is still alive; one that only waits to be reaped is not."""
        return _start_time(self.pid) == self.started


def _start_time(pid: int) -> str | None:
    """Start time in ticks since the boot, None if there is no such process or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    state, start_time = fields[0], fields[19]
    return None if state in "ZX" else start_time


@dataclass(frozen=True)
class Holder:
    """A launcher as it presents itself; `label` is for people (`slurm job 12_3`)."""

    id: str
    process: ProcessId
    label: str

    @property
    def says(self) -> str:
        """`process 4711 (slurm job 12_3)`, with a word if it runs on another host."""
        where = "" if self.process.is_here else " on another host"
        return f"process {self.process.pid}{where}" + (f" ({self.label})" if self.label else "")


def read_holder(path: Path, study: StudyFolder) -> Holder | None:
    """A holder from its file, None if there is none or it is torn."""
    holder = read_note(path, study.path, Holder)
    return holder if holder is not None and is_plain_name(holder.id) else None  # it names a folder


class Heartbeat:
    """This launcher's own entry, for as long as it is entered; entering what is entered changes nothing.

    `trains` says of a launcher that training is what it is for: others only hold the study for a moment.
    """

    def __init__(self, study: StudyFolder, label: str = "", *, trains: bool = False) -> None:
        self.holder = Holder(secrets.token_hex(6), ProcessId.of(os.getpid()), label)
        self.folder = study.launcher(self.holder.id)
        self.present = False
        self._study, self._trains = study, trains
        self._made: list[Path] = []
        self._beat = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True, name="rigorkd-beat")

    @property
    def holder_json(self) -> Path:
        return self.folder / "holder.json"

    def __enter__(self) -> Heartbeat:
        if not self.present:
            if self._trains:  # it may be the first to need the study's folder, and come to nothing
                places = (self._study.launchers, self._study.path, *self._study.path.parents)
                self._made = [place for place in places if not place.exists()]
            try:
                self.appear()
            except OSError:
                self._leave()
                raise
            self._thread.start()
            self.present = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.present:
            self._ended.set()
            self._thread.join()
            self._leave()
            self.present = False

    def _leave(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self._study.study_json.exists():  # it came to nothing, and leaves nothing that it made
            for place in self._made:
                with contextlib.suppress(OSError):
                    place.rmdir()

    def appear(self) -> None:
        """Write the entry: at first, and again where another launcher has taken this one for dead."""
        if self._trains:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "starting").touch()
        write_atomically(self.holder_json, json.dumps(asdict(self.holder)).encode(), durable=False)

    def note_worker(self, slot: int, pid: int) -> None:
        """A worker has been started in a slot; a full disk is for the records to report."""
        content = json.dumps(asdict(ProcessId.of(pid))).encode()
        with contextlib.suppress(OSError):
            write_atomically(self.folder / f"worker-{slot}.json", content, durable=False)

    def begin_work(self) -> None:
        """From now on this launcher counts as at work, not as one that only looks what there is to do."""
        (self.folder / "working").touch()

    def _keep_beating(self) -> None:
        while not self._ended.wait(min(BEAT_EVERY, expiry() / 4)):
            with contextlib.suppress(OSError):  # a full disk is for the records to report
                self._raise_counter()

    def _raise_counter(self) -> None:
        if not self.holder_json.exists():
            self.appear()
        self._beat += 1
        # Written in place, not renamed: another host's cache then sees it as soon as it opens the file.
        descriptor = os.open(self.folder / "beat", os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.pwrite(descriptor, f"{self._beat:020d}\n".encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def starting(study: StudyFolder, label: str = "") -> Iterator[Heartbeat | None]:
    """Show that a launch has begun, long before it trains: libraries are imported and data are read first.

    None, and nothing is shown, where that cannot be written: what is finished is said of such a study too.
    """
    study.refuse_links()
    with contextlib.ExitStack() as stack:
        me: Heartbeat | None = None
        with contextlib.suppress(OSError):
            me = stack.enter_context(Heartbeat(study, label, trains=True))
        yield me


class Liveness:
    """Judges which launchers live, over time, on the monotonic clock `now`."""

    def __init__(
        self, study: StudyFolder, *, after: float | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.study = study
        self._after = expiry() if after is None else after
        self._now = now
        self._seen: dict[str, tuple[bytes, float]] = {}

    def alive(self, holder: Holder) -> bool:
        """Whether a launcher may still live; one on another host does until its counter has stood still."""
        folder = self.study.launcher(holder.id)
        if not (folder / "holder.json").exists():
            return False  # it has left, or was found dead
        if holder.process.is_here:
            return holder.process.lives() or any(worker.lives() for worker in _workers(self.study, folder))
        beat = self._beat(holder)
        seen = self._seen.get(holder.id)
        if seen is None or seen[0] != beat:
            self._seen[holder.id] = (beat, self._now())
            return True
        return self._now() - seen[1] < self._after

    def proven(self, holders: Iterable[Holder]) -> list[Holder]:
        """Those that live for certain: on other hosts they are watched until counters move or expire."""
        certain: list[Holder] = []
        watched: dict[Holder, bytes] = {}
        for holder in holders:
            if not holder.process.is_here:
                watched[holder] = self._beat(holder)
            elif self.alive(holder):
                certain.append(holder)
        while watched := {holder: before for holder, before in watched.items() if self.alive(holder)}:
            moved = [holder for holder, before in watched.items() if self._beat(holder) != before]
            certain += moved
            for holder in moved:
                del watched[holder]
            if watched:
                time.sleep(0.5)
        return certain

    def launchers(self) -> list[Holder]:
        """The launchers that have an entry and may be alive."""
        return [holder for holder in _present(self.study) if self.alive(holder)]

    def reap(self) -> None:
        """Remove the entries of launchers that are dead."""
        for holder in _present(self.study):
            if not self.alive(holder):
                shutil.rmtree(self.study.launcher(holder.id), ignore_errors=True)

    def _beat(self, holder: Holder) -> bytes:
        try:
            return read_bytes(self.study.launcher(holder.id) / "beat", self.study.path, NOTE)
        except OSError:
            return b""


def _workers(study: StudyFolder, folder: Path) -> list[ProcessId]:
    notes = (read_note(path, study.path, ProcessId) for path in folder.glob("worker-*.json"))
    return [process for process in notes if process is not None]


def at_work(study: StudyFolder, holder: Holder) -> bool:
    """Whether a launcher has begun to work (it may be dead)."""
    return (study.launcher(holder.id) / "working").exists()


def is_starting(study: StudyFolder, holder: Holder) -> bool:
    """Whether a launcher that is to train does not work yet."""
    return (study.launcher(holder.id) / "starting").exists() and not at_work(study, holder)


def trains(study: StudyFolder, holder: Holder) -> bool:
    """Whether a launcher trains, or is to: others only hold the study for a moment."""
    return is_starting(study, holder) or at_work(study, holder)


def _present(study: StudyFolder) -> list[Holder]:
    holders = (read_holder(path, study) for path in sorted(study.launchers.glob("*/holder.json")))
    return [holder for holder in holders if holder is not None]
