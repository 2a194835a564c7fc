"""`rigorkd publish`: send finished records to Weights & Biases, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rigorkd.cli.checked import own_study
from rigorkd.cli.options import (
    ask,
    question_options,
    reading_options,
    results_option,
    study_folder,
)
from rigorkd.cli.tracking import wandb_options, wandb_place


@click.command(short_help="Send finished records to Weights & Biases.")
@click.argument("study", required=False)
@results_option
@wandb_options
@click.option("--verdicts", is_flag=True, help="Write the verdicts beside the runs of a tracker's project.")
@question_options
@reading_options
def publish(
    study: str | None,
    results: Path,
    wandb_project: str | None,
    wandb_entity: str | None,
    verdicts: bool,
    **asked: Any,
) -> None:
    """Send what W&B does not have yet of STUDY. Default: the newest study.

    One W&B run per run: its id is the run hash, its group the cell, its job type student, teacher or start.
    Publishing again adds nothing. Without a login the runs are kept offline in the study's folder.

    With --verdicts, STUDY is a tracker's project (wandb:ENTITY/PROJECT, mlflow:URL/EXPERIMENT): it is
    analysed, and each run gets its cell's mean, sd, n, interval and verdict, under names that begin with
    rigorkd. The options of `rigorkd analyze` apply.

    \b
    rigorkd publish results/digits
    rigorkd publish results/digits --wandb-project kd --wandb-entity my-team
    """
    from rigorkd.errors import InputError
    from rigorkd.readers.kinds import remote
    from rigorkd.text import count
    from rigorkd.track.sending import publish as send_all

    if verdicts:
        if study is None or remote(study) is None:
            raise InputError(
                "--verdicts needs a tracker's project",
                hint="give wandb:ENTITY/PROJECT or mlflow:URL/EXPERIMENT",
            )
        _verdicts(study, results, asked)
        return
    given = [name for name, value in asked.items() if value]
    if given or (study is not None and remote(study)):
        raise InputError(
            f"{study}: a tracker's project" if not given else f"--{given[0]} is for --verdicts",
            hint="give --verdicts to write verdicts there; records are published from a study's folder",
        )
    folder = study_folder(None if study is None else Path(study), results)
    own_study(folder, "what was sent is noted in the study: publish a copy of your own (cp -r)")
    place = wandb_place(folder, wandb_project, wandb_entity)
    tracker = place()
    found = send_all(folder, tracker, told=lambda run: click.echo(f"sent {run}", err=True))
    if found.sent:
        tracker.close()
    before = f", {count(found.before, 'was', 'were')} there already" if found.before else ""
    click.echo(f"{folder.name}: {count(found.sent, 'run')} sent to {tracker.destination}{before}")
    if found.sent and tracker.offline:
        click.echo(f"kept offline in {place.folder}; log in (wandb login) and publish again to send them")


def _verdicts(source: str, results: Path, asked: dict[str, Any]) -> None:
    from rigorkd.report.judging import analysis_of
    from rigorkd.report.verdict_marks import write_marks
    from rigorkd.text import count

    found, question = ask([source], results, asked)
    assert found.tidy is not None
    done = write_marks(source, found.tidy, analysis_of(found, question, images=False))
    before = f", {count(done.before, 'has it', 'have it')} already" if done.before else ""
    click.echo(f"{source}: {count(done.written, 'run')} got the verdict of their cell{before}")
