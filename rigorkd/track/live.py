"""Tracking while a launch runs, from the launcher's side: tell, never wait.

Training must neither wait for a tracker nor break with it. So the tracker lives in a process of its own
(follower.py), items pass through a bounded queue and a thread of their own, and a follower that fails, dies
or does not answer is dropped with one warning. What it did not send, `rigorkd publish` sends from records.
"""

from __future__ import annotations

import multiprocessing as mp
import queue
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from types import TracebackType

from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.text import count
from rigorkd.track.follower import Committed, EpochRow, Item, Lost, Started, Stopped, follow
from rigorkd.track.tracker import Card, MakeTracker, card_of_expected
from rigorkd.train.events import EpochDone, RunDone, RunFailed

LONGEST_QUEUE = 20_000
"""Items that may wait; a follower that far behind does not keep up."""
PATIENCE = 60.0
"""Seconds without an answer after which the follower counts as hanging."""
LONGEST_CLOSE = 120.0
"""Seconds at most that the end of a launch waits for what is still to be sent."""
LONGEST_CLOSE_INTERRUPTED = 5.0


class LiveTracking:
    """Follows a launch. Use as a context manager, and call it with every message of the pool, or None."""

    def __init__(
        self,
        make: MakeTracker,
        study: StudyFolder,
        expected: Mapping[str, Expected],
        *,
        mode: str,
        smoke: bool,
        say: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        self._make, self._study, self._expected = make, study, expected
        self._mode, self._smoke, self._say, self._patience = mode, smoke, say, patience
        self._items: queue.Queue[Item | None] = queue.Queue(LONGEST_QUEUE)
        self._introduced: set[str] = set()
        self._waiting = 0
        self._answered = time.monotonic()
        self._dropped = False
        self._destination = ""
        self.sent = 0

    def __enter__(self) -> LiveTracking:
        context = mp.get_context("spawn")
        self._connection, theirs = context.Pipe()
        log = self._study.logs / "tracker.log"
        self._process = context.Process(
            target=follow,
            args=(theirs, self._make, self._study.path, log),
            name="rigorkd-tracker",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        threading.Thread(target=_feed, args=(self._items, self._connection), daemon=True).start()
        return self

    def __call__(self, message: object) -> None:
        """Pass a message on; returns at once."""
        if self._dropped:
            return
        match message:
            case EpochDone(rows=rows):
                for run, row in rows.items():
                    if not row:  # a command's epochs are its own
                        continue
                    self._offer(EpochRow(run, row, self._card(run)))
            case RunDone(run=run):
                self._offer(Committed(run))
            case RunFailed(run=run):
                self._offer(Lost(run))
        self._hear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        limit = LONGEST_CLOSE if kind is None else LONGEST_CLOSE_INTERRUPTED
        until = time.monotonic() + limit
        if not self._dropped:
            self._offer(None)
        while not self._dropped and self._process.is_alive():
            self._hear()
            if time.monotonic() > until:
                self._drop(f"it is not done after {limit:.0f} s", kind is None)
            self._process.join(0.05)
        self._hear()
        if not self._dropped and self._process.exitcode:
            self._drop(f"its process ended with exit code {self._process.exitcode}", kind is None)
        self._end()
        if self.sent and kind is None:
            self._say(f"{count(self.sent, 'run')} sent to {self._destination}")

    def _card(self, run: str) -> Card | None:
        if run in self._introduced or run not in self._expected:
            return None
        self._introduced.add(run)
        return card_of_expected(self._expected[run], self._study.path.name, self._mode, self._smoke)

    def _offer(self, item: Item | None) -> None:
        if self._waiting == 0:
            self._answered = time.monotonic()  # its patience begins with the work
        try:
            self._items.put_nowait(item)
        except queue.Full:
            self._drop("it does not keep up")
        else:
            self._waiting += item is not None

    def _hear(self) -> None:
        """Read what the follower says; drop it if it failed, died, or says nothing for too long."""
        try:
            while not self._dropped and self._connection.poll():
                answer = self._connection.recv()
                if isinstance(answer, Stopped):
                    self._drop(answer.reason)
                    return
                if isinstance(answer, Started):
                    self._destination = answer.destination
                    continue
                self._waiting -= 1
                self._answered = time.monotonic()
                self.sent += answer.sent
        except (EOFError, OSError):
            if self._waiting:
                self._drop("its process died")
        if not self._dropped and self._waiting and time.monotonic() - self._answered > self._patience:
            self._drop(f"no answer for {self._patience:.0f} s")

    def _drop(self, reason: str, say: bool = True) -> None:
        self._dropped = True
        self._end()
        if say:
            self._say(
                f"warning: tracking stopped: {reason}. Training and records are not affected; "
                f"`rigorkd publish {self._study.path}` sends what is missing"
            )

    def _end(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


def _feed(items: queue.Queue[Item | None], connection: Connection) -> None:
    """Send items as the follower takes them; this thread may wait for it, nobody waits for this thread."""
    try:
        while True:
            item = items.get()
            connection.send(item)
            if item is None:
                return
    except OSError:  # the follower is gone
        return
