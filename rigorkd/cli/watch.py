"""`rigorkd status --watch`: the status again and again, in place on a terminal, as plain blocks elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

from rich.live import Live
from rich.text import Text

from rigorkd.launch.console import PlainConsole
from rigorkd.launch.presence import Witness
from rigorkd.launch.status import study_status
from rigorkd.records.layout import StudyFolder

EVERY = 2.0
"""Seconds between two looks, at least; a large study is looked at less often."""


def watch_status(folder: Path) -> None:
    """Show the status of a study until no launcher is at work on it. Ctrl-C ends the watching alone.

    One witness watches throughout, so a launcher on another host that has died is found out.
    """
    witness = Witness(StudyFolder(folder))
    console = PlainConsole()
    shown = ""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            begun = time.monotonic()
            status = study_status(folder, witness)
            text = status.text()
            if console.is_terminal:
                live.update(Text(text), refresh=True)
            elif text != shown:
                console.print(text)
            shown = text
            if not status.launchers:
                return
            spent = time.monotonic() - begun
            time.sleep(max(EVERY, 4 * spent))
