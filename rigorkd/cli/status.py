"""`rigorkd status`: how far a study is, from any terminal, also while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rigorkd.cli.options import results_option, study_folder


@click.command(short_help="Show how far a study is, also while it runs.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option("--watch", is_flag=True, help="Stay, and show it again as it changes, until nothing runs.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(study: Path | None, results: Path, watch: bool, form: str) -> None:
    """Show what of STUDY is done, running, failed, missing or stale. Default: the newest study.

    \b
    rigorkd status
    rigorkd status --watch
    rigorkd status results/digits --format json
    """
    from rigorkd.launch.status import study_status

    if watch and form == "json":
        raise click.UsageError("--watch is for a terminal; --format json shows the study once")
    folder = study_folder(study, results)
    if watch:
        from rigorkd.cli.watch import watch_status

        watch_status(folder)
        return
    found = study_status(folder)
    if form == "json":
        click.echo(json.dumps(found.document(), indent=1, ensure_ascii=False))
    else:
        click.echo(found.text())
