"""`rigorkd publish`: send finished records to Weights & Biases, each once."""

from __future__ import annotations

from pathlib import Path

import click

from rigorkd.cli.options import results_option, study_folder
from rigorkd.cli.tracking import wandb_options, wandb_place


@click.command(short_help="Send finished records to Weights & Biases.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@wandb_options
def publish(study: Path | None, results: Path, wandb_project: str | None, wandb_entity: str | None) -> None:
    """Send what W&B does not have yet of STUDY. Default: the newest study.

    One W&B run per run: its id is the run hash, its group the cell, its job type student, teacher or start.
    Publishing again adds nothing. Without a login the runs are kept offline in the study's folder.

    \b
    rigorkd publish results/digits
    rigorkd publish results/digits --wandb-project kd --wandb-entity my-team
    """
    from rigorkd.text import count
    from rigorkd.track.publish import publish as send_all

    folder = study_folder(study, results)
    place = wandb_place(folder, wandb_project, wandb_entity)
    tracker = place()
    found = send_all(folder, tracker, told=lambda run: click.echo(f"sent {run}", err=True))
    if found.sent:
        tracker.close()
    before = f", {count(found.before, 'was', 'were')} there already" if found.before else ""
    click.echo(f"{folder.name}: {count(found.sent, 'run')} sent to {tracker.destination}{before}")
    if found.sent and tracker.offline:
        click.echo(f"kept offline in {place.folder}; log in (wandb login) and publish again to send them")
