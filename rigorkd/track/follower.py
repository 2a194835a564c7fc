"""The process that follows a launch: takes what the launcher tells, and gives it to a tracker.

Whatever happens here stays here. It answers every item with a `Taken`, so that the launcher can tell a slow
follower from one that hangs, and its last word is `Stopped` if the tracker failed.
"""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from rigorkd.errors import RigorkdError
from rigorkd.files import send_output_to
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_record
from rigorkd.track.ledger import Ledger, sending
from rigorkd.track.sending import send
from rigorkd.track.tracker import Card, MakeTracker, Row, TrackedRun, Tracker


@dataclass(frozen=True)
class EpochRow:
    """A run finished an epoch; the card comes with the first row that this launch has of it."""

    run: str
    row: Row
    card: Card | None = None


@dataclass(frozen=True)
class Committed:
    """A run's record was committed."""

    run: str


@dataclass(frozen=True)
class Lost:
    """A run failed: it will have no record in this launch."""

    run: str


Item = EpochRow | Committed | Lost


@dataclass(frozen=True)
class Started:
    """The tracker is there; runs go to `destination`."""

    destination: str


@dataclass(frozen=True)
class Taken:
    """One item was dealt with; `sent` if a run is now whole at the destination."""

    sent: bool = False


@dataclass(frozen=True)
class Stopped:
    """The tracker failed, and the follower ends."""

    reason: str


def follow(connection: Connection, make: MakeTracker, study: Path, log: Path) -> None:
    """Process entry point: follow until the launcher says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's: it closes the connection
    os.nice(10)  # training comes first
    send_output_to(log)
    try:
        with sending(study, alone=False) as ledger:
            tracker = make()
            connection.send(Started(tracker.destination))
            _take_all(connection, tracker, study, ledger)
            tracker.close()
    except (RigorkdError, Exception) as error:
        traceback.print_exc()
        first = (str(error) or repr(error)).splitlines()[0]
        reason = first if isinstance(error, RigorkdError) else f"{type(error).__name__}: {first}"
        try:
            connection.send(Stopped(reason))
        except OSError:  # the launcher is gone
            return


def _take_all(connection: Connection, tracker: Tracker, study: Path, ledger: Ledger) -> None:
    running: dict[str, TrackedRun] = {}
    try:
        while True:
            try:
                item: Item | None = connection.recv()
            except (EOFError, OSError):
                return
            if item is None:
                return
            connection.send(Taken(_take(item, tracker, study, ledger, running)))
    finally:
        for run in running.values():  # interrupted: they go on another time
            run.abandon()


def _take(item: Item, tracker: Tracker, study: Path, ledger: Ledger, running: dict[str, TrackedRun]) -> bool:
    match item:
        case EpochRow(run=name, row=row, card=card):
            # A run that was interrupted begins in the middle. It is sent whole when its record is there:
            # an offline run cannot be taken up again.
            if name not in running and card is not None and row["epoch"] == 1:
                running[name] = tracker.open(card)
            if name in running:
                running[name].log(row)
        case Committed(run=name):
            record = read_record(StudyFolder(study), name)
            send(record, tracker, ledger, running.pop(name, None))
            return True
        case Lost(run=name):
            if name in running:
                running.pop(name).abandon()
    return False
