"""One log per run: when it started, resumed, finished an epoch, ended."""

from __future__ import annotations

import datetime

from rigorkd.protocol.cells import Run
from rigorkd.records.layout import StudyFolder


def log(study: StudyFolder, run: Run, message: str) -> None:
    """Append one line with the time (UTC) to the run's log."""
    path = study.run_log(run.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{stamp} {message}\n")
