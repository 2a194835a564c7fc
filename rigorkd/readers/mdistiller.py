"""mdistiller's logs (`output/<project>/<name>/worklog.txt`): blocks of an epoch's numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, table_of

_LINE = re.compile(r"\s*([A-Za-z_][\w/ -]*?)\s*:\s*(\S+)\s*")

_LONGEST = 500
"""Characters of a line that can be a number and its name."""


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per epoch; a log without its last line is of a run that did not finish."""
    rows: list[dict[str, object]] = []
    places, lines, finished = [], [], []
    for path in files:
        text = found.read(path).decode(errors="replace")
        name = path.parent.relative_to(found.root).as_posix()
        head: dict[str, object] = {"run": name if name != "." else path.parent.name}
        head["status"] = "finished" if re.search(r"^best_acc\s", text, re.MULTILINE) else "running"
        if head["status"] == "finished":
            finished.append(path)
        began = len(rows)
        for number, line in enumerate(text.splitlines(), start=1):
            match = _LINE.fullmatch(line) if len(line) <= _LONGEST else None
            if match is None:
                continue
            if match[1] == "epoch":
                rows.append({**head, "epoch": match[2]})
                places.append(str(path))
                lines.append(number)
            elif len(rows) > began:
                rows[-1][match[1]] = match[2]
        if len(rows) == began:
            raise InputError(f"{path}: no epoch in it", hint="leave the run out")
    dropped = []
    if finished:
        more = f" and {len(finished) - 1} more" * (len(finished) > 1)
        dropped = [
            f"{finished[0]}{more}: best_acc, the best epoch on the test data (--select last, or best:COLUMN)"
        ]
    return [table_of(rows, places, "mdistiller logs", lines=lines, dropped=dropped)]
