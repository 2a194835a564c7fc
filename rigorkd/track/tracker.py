"""What a run is to a tracker: a card when it starts, rows of its history, a summary when it ends.

Cards, rows and summaries are made from what a record holds, so a run followed live and the same run published
from its record say the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rigorkd.protocol.hashes import resolved
from rigorkd.records.expected import Expected
from rigorkd.records.record import AGAIN, Record
from rigorkd.records.untrusted import unreadable

Row = Mapping[str, float | int | None]

_NOT_CONFIG = {
    "schema",
    "metrics",
    "latency_ms",
    "files",
    "status",
    "epochs_run",
    "finished",
    "record_sha256",
}


@dataclass(frozen=True)
class Card:
    """A run as a tracker shows it: `id` is the run hash, `group` the cell, `job_type` the role."""

    id: str
    name: str
    group: str
    job_type: str
    study: str
    tags: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


class TrackedRun(Protocol):
    """A run that a tracker has opened. One of `finish` and `abandon` ends it."""

    def log(self, row: Row) -> None:
        """Show the history row of one epoch; a row whose `epoch` was shown before changes nothing."""

    def finish(self, config: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """The record is committed: complete the configuration, set the summary, end the run."""

    def abandon(self) -> None:
        """The run failed or was interrupted; its record will be published another time."""


class Tracker(Protocol):
    """Where runs are shown. `destination` names the place, in the ledger and in messages."""

    @property
    def destination(self) -> str: ...

    def open(self, card: Card) -> TrackedRun: ...

    def close(self) -> None:
        """Everything was sent; let go of connections and processes."""


MakeTracker = Callable[[], Tracker]
"""Makes a tracker; picklable, since a launch is followed from another process."""


def card_of_expected(want: Expected, study: str, mode: str, smoke: bool) -> Card:
    """The card of a run that is being trained."""
    cell = want.run.cell
    return _card(
        want.run_hash,
        want.run.name,
        {
            "study": study,
            "cell": cell.name,
            "role": cell.role,
            "group": cell.group,
            "student": cell.student,
            "seed": want.run.seed,
            **resolved(cell),
            "run_hash": want.run_hash,
            "teacher_run_hash": want.teacher_hash,
            "start_run_hash": want.start_hash,
            "data_checksum": want.data_checksum,
            "mode": mode,
            "smoke": smoke,
        },
    )


def card_of_record(record: Record) -> Card:
    """The card of a finished run: everything of its record that is neither a result nor a file."""
    return _card(record.run_hash, record.run, config_of(record))


def config_of(record: Record) -> dict[str, Any]:
    """The resolved cell, its identity, and what it ran on."""
    return {key: value for key, value in record.fields.items() if key not in _NOT_CONFIG}


def summary_of(record: Record) -> dict[str, Any]:
    """The metrics that the record has, its status, its length and when it ended."""
    summary = {name: value for name, value in record.metrics.items() if value is not None}
    latency = record.fields.get("latency_ms")
    if latency:
        summary["latency_ms"] = latency.get("median")
        if latency.get("shared") is not None:
            summary["latency_shared"] = latency["shared"]
    for name in ("status", "epochs_run", "finished"):
        if record.fields.get(name) is not None:
            summary[name] = record.fields[name]
    return summary


def history_of(record: Record) -> list[dict[str, float | int | None]]:
    """The rows of `history.csv`; empty cells are None. Raises DamagedError if it is not the recorded file.

    A teacher used as it is has no epochs and no rows; a command need not leave a history.
    """
    if "history.csv" not in record.files:
        return []
    content = record.content("history.csv")
    with unreadable(record.folder / "history.csv", AGAIN):
        rows = csv.DictReader(io.StringIO(content.decode()))
        return [{name: _number(value) for name, value in row.items()} for row in rows]


def _card(run_hash: str, name: str, config: Mapping[str, Any]) -> Card:
    tags = (str(config.get("study")), *(("smoke",) if config.get("smoke") else ()))
    return Card(
        run_hash, name, str(config["cell"]), str(config.get("role")), str(config.get("study")), tags, config
    )


def _number(text: str | None) -> float | int | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
