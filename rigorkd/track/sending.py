"""Send finished records to a tracker: every run once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import RigorkdError, TrackingError
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, read_records
from rigorkd.text import count
from rigorkd.track.ledger import Ledger, sending
from rigorkd.track.tracker import TrackedRun, Tracker, card_of_record, config_of, history_of, summary_of


@dataclass(frozen=True)
class Published:
    """How many runs were sent now, and how many were there before."""

    sent: int
    before: int


def publish(folder: Path, tracker: Tracker, told: Callable[[str], None] = lambda run: None) -> Published:
    """Send every record of the study that the ledger does not name yet; `told` hears of each.

    Raises:
        TrackingError: the tracker failed; what was sent before stays noted.
        StoreError: a record is damaged, or another process is sending this study.
    """
    sent = before = 0
    with sending(folder, alone=True) as ledger:
        for record in read_records(StudyFolder(folder)):
            if (record.run_hash, tracker.destination) in ledger:
                before += 1
                continue
            try:
                send(record, tracker, ledger)
            except RigorkdError:
                raise
            except Exception as error:
                raise TrackingError(
                    f"{record.run}: the tracker failed ({type(error).__name__}: {error})",
                    hint=f"{count(sent, 'run was', 'runs were')} sent; the same command sends the rest",
                ) from error
            sent += 1
            told(record.run)
    return Published(sent, before)


def send(record: Record, tracker: Tracker, ledger: Ledger, opened: TrackedRun | None = None) -> None:
    """Send one record, into a run that is already open if one is given, and note it in the ledger."""
    rows = history_of(record)
    run = opened or tracker.open(card_of_record(record))
    for row in rows:
        run.log(row)
    run.finish(config_of(record), summary_of(record))
    ledger.add(record.run_hash, tracker.destination)
