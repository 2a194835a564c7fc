"""A tracker that keeps what it was given: the fake for tests, and a look at what would be sent.

It can misbehave on request, as a real one does on a bad day, and write what it got to a file, so that it can
be read from another process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rigorkd.track.tracker import Card, Row

Trouble = Literal[
    "", "raise on open", "raise on log", "raise on finish", "hang on open", "hang on finish", "die"
]


@dataclass
class MemoryRun:
    """A run in memory. `state` is running, finished or abandoned; `opened` counts openings of its id."""

    card: Card
    tracker: MemoryTracker = field(repr=False)
    rows: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    state: str = "running"
    opened: int = 1

    def log(self, row: Row) -> None:
        self.tracker.suffer("log")
        if not self.rows or (row["epoch"] or 0) > self.rows[-1]["epoch"]:
            self.rows.append(dict(row))

    def finish(self, config: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        self.tracker.suffer("finish")
        self.config.update(config)
        self.summary.update(summary)
        self.state = "finished"
        self.tracker.save()

    def abandon(self) -> None:
        self.state = "abandoned"
        self.tracker.save()


@dataclass
class MemoryTracker:
    """Keeps runs by id. With `path` it also writes them there as JSON whenever a run ends."""

    path: Path | None = None
    trouble: Trouble = ""
    destination: str = "memory"
    runs: dict[str, MemoryRun] = field(default_factory=dict)

    def open(self, card: Card) -> MemoryRun:
        self.suffer("open")
        if card.id in self.runs:
            again = self.runs[card.id]
            again.state, again.opened = "running", again.opened + 1
            return again
        run = MemoryRun(card, self, config=dict(card.config))
        self.runs[card.id] = run
        return run

    def close(self) -> None:
        """There is nothing to let go of."""

    def suffer(self, at: str) -> None:
        """The trouble that was asked for, if this is the place."""
        if self.trouble == f"raise on {at}":
            raise ConnectionError(f"no answer to {at}")
        if self.trouble == f"hang on {at}":
            time.sleep(3600)
        if self.trouble == "die" and at == "log":
            raise SystemExit(3)

    def save(self) -> None:
        if self.path is not None:
            documents = [
                {"card": asdict(run.card), "rows": run.rows, "config": run.config, "summary": run.summary}
                | {"state": run.state, "opened": run.opened}
                for run in self.runs.values()
            ]
            self.path.write_text(json.dumps(documents))
