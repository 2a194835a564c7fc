"""`rigorkd analyze`: which differences of a study, or of results from anywhere, are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rigorkd.cli.options import (
    PREDICTIONS_UP_TO,
    account,
    aside,
    ask,
    further_questions,
    source_options,
    tell,
    warn,
)
from rigorkd.report.page import FORMATS, Format


@click.command(short_help="Say which differences are real.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@further_questions
@click.option(
    "--images/--no-images",
    default=None,
    help=f"Intervals over new test images too, from predictions  [default: up to {PREDICTIONS_UP_TO} runs]",
)
@click.option("--all", "everything", is_flag=True, help="Show everything, not the answer alone.")
@click.option("--dry-run", is_flag=True, help="Only say what is understood of SOURCE.")
@source_options
def analyze(
    sources: tuple[str, ...],
    results: Path,
    form: Format,
    images: bool | None,
    everything: bool,
    dry_run: bool,
    **asked: Any,
) -> None:
    """Say which differences between the cells of SOURCE are real.

    SOURCE is a study folder (default: the newest study), or results of any origin: tables, globs, folders of
    tables or logs, a tracker's project (- reads a CSV from standard input). Several are read as one table.

    \b
    rigorkd analyze                                the newest study
    rigorkd analyze runs.csv --baseline resnet18/baseline --sesoi 0.3
    rigorkd analyze runs.xlsx --cell model,lr      a sheet; what a cell is
    rigorkd analyze wide.csv                       a column per seed, or method
    rigorkd analyze 'runs/*/results.csv'           the seed in a folder's name
    rigorkd analyze log.csv --select best:val_acc  a log of epochs
    rigorkd analyze wandb_export.csv               W&B's table of runs
    rigorkd analyze wandb/                         offline runs of W&B
    rigorkd analyze wandb:team/project             the project, by network
    rigorkd analyze mlruns/                        MLflow
    rigorkd analyze mlflow:URL/EXPERIMENT          … on a server
    rigorkd analyze lightning_logs/ --select last  Lightning's CSV logger
    rigorkd analyze multirun/                      Hydra
    rigorkd analyze runs/ --from tensorboard --select last
    rigorkd analyze checkpoints/ --select last     Hugging Face's trainer
    rigorkd analyze output/ --select last          mdistiller
    rigorkd analyze results/lm-eval/               lm-eval samples, Inspect logs
    """
    from rigorkd.report.analysis_page import analysis_page, says_secondary, short_page
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.judging import analysis_of
    from rigorkd.report.sentences import chosen, with_status
    from rigorkd.report.sources import refuse_unusable
    from rigorkd.report.teachers import teachers_of

    found, question = ask(sources, results, asked, told=False)
    if dry_run:
        lines = account(found.tidy) if found.tidy else [f"a study: {found.folder}"]
        click.echo("\n".join(lines))
        if found.tidy is not None:
            refuse_unusable(found)
        return
    tell(found)
    result = analysis_of(found, question, images, up_to=PREDICTIONS_UP_TO)
    warn(found, question, result, all_of_it=False)
    told = with_status(result)
    pairs = [(family, c) for family in told.families for c in family.comparisons]
    for line in says_secondary(result, " --format json has them.") if form == "csv" else ():
        aside(f"note: {line}")
    if form == "csv" and result.sequential is not None:
        aside(
            "note: these are the verdicts of a fixed number of seeds; --format json has the sequential ones"
        )
    choice = {"chosen": text} if (text := chosen(result)) else {}
    emit(
        form,
        lambda: (
            analysis_page(result, teachers_of(found.folder))
            if everything or form != "table"
            else short_page(result, found.folder)
        ),
        json=lambda: to_json(told),
        csv=lambda: to_csv(
            [comparison for _, comparison in pairs],
            [{"family": family.name, "planned": one.planned, **choice} for family, one in pairs],
        ),
    )
