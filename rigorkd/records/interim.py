"""`looks.jsonl` in a study: when it was analysed on how many seeds.

A fixed-n test is valid once. The first analysis of a growing study is fair; the next on
more seeds makes it an interim one, and says so.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rigorkd.files import append_line
from rigorkd.records.untrusted import INTERIM, parse, read_bytes

FILE = "looks.jsonl"


@dataclass(frozen=True)
class InterimAnalysis:
    """One analysis: of `n` seeds, on one metric, at an ISO time."""

    n: int
    seeds: tuple[int, ...]
    metric: str
    time: str


def read_interim_analyses(folder: Path) -> tuple[InterimAnalysis, ...]:
    """The analyses noted so far; a line that cannot be read is passed over, since it only adds a warning."""
    try:
        lines = read_bytes(folder / FILE, folder, INTERIM).splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            entry = parse(line)
            n, seeds = int(entry["n"]), tuple(map(int, entry["seeds"]))
            found.append(InterimAnalysis(n, seeds, str(entry["metric"]), str(entry["time"])))
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(found)


def note_interim_analysis(folder: Path, seeds: Iterable[int], metric: str) -> bool:
    """Note an analysis if it meets more seeds than any before; whether it could be noted where it had to be.

    A folder that cannot be written stops no analysis: False is returned. StoreError if the file is a link.
    """
    seen = tuple(sorted(set(seeds)))
    if any(earlier.metric == metric and earlier.n >= len(seen) for earlier in read_interim_analyses(folder)):
        return True
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    line = json.dumps(asdict(InterimAnalysis(len(seen), seen, metric, now)))
    try:
        append_line(folder / FILE, line)
    except OSError:
        return False
    return True
