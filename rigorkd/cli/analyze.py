"""`rigorkd analyze`: which differences of a study, or of any CSV of runs, are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rigorkd.cli.options import PREDICTIONS_UP_TO, find_source, question_options, results_option
from rigorkd.report.model import FORMATS, Format


@click.command(short_help="Say which differences are real.")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@results_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@question_options
@click.option("--compare", nargs=2, multiple=True, metavar="A B", help="Compare two cells; repeatable.")
@click.option("--all-pairs", is_flag=True, help="Add all pairs of cells within a student (exploratory).")
@click.option(
    "--unpaired",
    is_flag=True,
    help="Compare runs without pairing them by seed (Welch): for cells without common seeds.",
)
@click.option("--sequential", is_flag=True, help="Add verdicts that stay valid while seeds are added.")
@click.option(
    "--images/--no-images",
    default=None,
    help=f"Intervals over new test images too, from predictions  [default: up to {PREDICTIONS_UP_TO} runs]",
)
def analyze(source: Path | None, results: Path, form: Format, images: bool | None, **asked: Any) -> None:
    """Say which differences between the cells of SOURCE are real.

    SOURCE is a study folder or a CSV with columns cell, seed and a metric (- reads it from standard
    input); default: the newest study.

    \b
    rigorkd analyze
    rigorkd analyze runs.csv --baseline resnet18/baseline --sesoi 0.3
    """
    from rigorkd.report.analysis_page import analysis_page, teachers_of
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.sources import Question, analysis_of, note

    found = find_source(source, results)
    result = analysis_of(found, Question(**asked), images, up_to=PREDICTIONS_UP_TO)
    if trouble := note(found, result.metric):
        click.echo(trouble, err=True)
    pairs = [(family, c) for family in result.families for c in family.comparisons]
    emit(
        form,
        lambda: analysis_page(result, teachers_of(found.folder)),
        json=lambda: to_json(result),
        csv=lambda: to_csv(
            [comparison for _, comparison in pairs],
            [{"family": family.name, "planned": family.planned} for family, _ in pairs],
        ),
    )
