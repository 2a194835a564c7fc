"""What of a study was already sent, and where to: a line per run and destination, appended once it is there.

`<study>/.tracking/sent.jsonl` holds it; `<study>/.tracking/wandb/` holds runs kept offline. Losing the ledger
loses nothing but time: what is sent again has the same id and changes nothing there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rigorkd.errors import StoreError
from rigorkd.files import append_line, timestamp
from rigorkd.records.untrusted import INTERIM, parse, read_bytes, refuse_links

FOLDER, FILE, LOCK = ".tracking", "sent.jsonl", "lock"


class Ledger:
    """Which runs (by hash) are at which destination."""

    def __init__(self, study: Path) -> None:
        self.folder = study / FOLDER
        self._path = self.folder / FILE
        self._sent = set(self._read())

    def __contains__(self, entry: tuple[str, str]) -> bool:
        """Whether `(run hash, destination)` was sent."""
        return entry in self._sent

    def add(self, run_hash: str, destination: str) -> None:
        """Note that a run is there, on the disk before this returns."""
        if (run_hash, destination) in self._sent:
            return
        now = timestamp()
        line = json.dumps({"run_hash": run_hash, "destination": destination, "time": now})
        append_line(self._path, line)
        self._sent.add((run_hash, destination))

    def _read(self) -> Iterator[tuple[str, str]]:
        try:
            lines = read_bytes(self._path, self.folder.parent, INTERIM).splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = parse(line)
                yield str(entry["run_hash"]), str(entry["destination"])
            except (ValueError, KeyError):
                continue


@contextmanager
def sending(study: Path, *, alone: bool) -> Iterator[Ledger]:
    """The study's ledger. StoreError if the study is being sent by somebody in whose way this would be.

    Launchers that share a study follow different runs, so they may send beside each other; `publish` goes
    through all runs and has to be `alone`.
    """
    folder = study / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder / LOCK if (folder / LOCK).exists() else folder, study)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{study}: another process is sending this study",
                hint="wait for it to end, then `rigorkd publish` sends what is left",
            ) from None
        yield Ledger(study)
    finally:
        os.close(descriptor)
