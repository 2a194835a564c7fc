"""`rigorkd status`: how far a study is, from any terminal, also while it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from rigorkd.cli.options import results_option, study_folder
from rigorkd.text import unhidden

EVERY = 2.0
"""Seconds between two looks of --watch, at least; a large study is looked at less often."""


@click.command(short_help="Show how far a study is, also while it runs.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option("--watch", is_flag=True, help="Stay, and show it again as it changes, until nothing runs.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(study: Path | None, results: Path, watch: bool, form: str) -> None:
    """Show what of STUDY is done, running, failed, missing or stale.

    Default: the study that runs or starts now, else the newest.

    \b
    rigorkd status
    rigorkd status --watch
    rigorkd status results/digits --format json
    """
    from rigorkd.launch.study_status import study_status

    if watch and form == "json":
        raise click.UsageError("--watch is for a terminal; --format json shows the study once")
    folder = study_folder(study, results, begun=False)
    if watch:
        _watch(folder)
        return
    found = study_status(folder)
    if form == "json":
        click.echo(unhidden(json.dumps(found.document(), indent=1, ensure_ascii=False)))
    else:
        click.echo(found.text())


def _watch(folder: Path) -> None:
    """Show the status until no launcher is at work, in place on a terminal. Ctrl-C ends the watching alone.

    Liveness is judged by one observer throughout, so a launcher on another host that has died is found out.
    """
    from rich.live import Live
    from rich.text import Text

    from rigorkd.launch.display import PlainConsole
    from rigorkd.launch.heartbeat import Liveness
    from rigorkd.launch.study_status import study_status
    from rigorkd.records.layout import StudyFolder
    from rigorkd.records.study import is_study

    liveness = Liveness(StudyFolder(folder))
    console = PlainConsole()
    shown = ""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            begun = time.monotonic()
            if shown and not is_study(folder) and not liveness.launchers():
                console.print(f"{folder}: the launch has ended, and no study has begun")
                return
            status = study_status(folder, liveness)
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
