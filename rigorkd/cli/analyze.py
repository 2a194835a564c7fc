"""`rigorkd analyze`: which differences of a study, or of any CSV of runs, are real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.options import results_option
from rigorkd.report.page import FORMATS, Format

if TYPE_CHECKING:
    from rigorkd.report.sources import Source

#: Beyond this many runs, predictions are read only when asked for: each is a file.
PREDICTIONS_UP_TO = 200


@click.command(short_help="Say which differences are real.")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@results_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--metric", help="Column to judge  [default: the protocol's, or test_top1]")
@click.option(
    "--goal", type=click.Choice(["max", "min"]), help="Whether more is better, if the name does not say."
)
@click.option("--baseline", "baselines", multiple=True, metavar="CELL", help="Judge cells against this one.")
@click.option("--compare", nargs=2, multiple=True, metavar="A B", help="Compare two cells; repeatable.")
@click.option("--all-pairs", is_flag=True, help="Add all pairs of cells within a student (exploratory).")
@click.option("--sesoi", type=float, help="Smallest effect size of interest, in units of the metric.")
@click.option("--alpha", type=float, help="Error rate over a family  [default: 0.05]")
@click.option(
    "--correction",
    type=click.Choice(["holm", "bonferroni", "bh", "none"]),
    help="How a family is corrected  [default: holm]",
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
    from rigorkd_analysis import analyze as judge

    from rigorkd.report.analysis_page import analysis_page
    from rigorkd.report.data import to_csv, to_json
    from rigorkd.report.emit import emit
    from rigorkd.report.sources import Overrides, located

    found = _source(source, results)
    with located(found.where):
        plan = found.with_looks(Overrides(**asked).onto(found.plan))
        wanted = images if images is not None else len(found.table) <= PREDICTIONS_UP_TO
        top1 = plan.metric in (None, "test_top1")
        predictions = found.predictions() if wanted and top1 else None
        result = judge(found.table, plan, study=found.name, predictions=predictions)
    notes = _other_metrics(found, result.metric)
    result = replace(result, warnings=(*result.warnings, *found.warnings, *notes))
    if found.folder is not None:
        from rigorkd.records.looks import note_look

        if not note_look(found.folder, found.table["seed"], result.metric):
            click.echo(f"note: {found.folder} cannot be written, so this look is not noted there", err=True)
    pairs = [(family, c) for family in result.families for c in family.comparisons]
    emit(
        form,
        lambda: analysis_page(result),
        json=lambda: to_json(result),
        csv=lambda: to_csv(
            [comparison for _, comparison in pairs],
            [{"family": family.name, "planned": family.planned} for family, _ in pairs],
        ),
    )


def _other_metrics(found: Source, metric: str) -> tuple[str, ...]:
    """That a metric is not the one that the protocol named first."""
    primary = found.plan.metric
    if found.folder is None or primary is None or metric == primary:
        return ()
    role = "a secondary metric" if metric in found.plan.secondary else "no metric of the protocol"
    return (f"{metric} is {role}; {primary} is the primary one, and its verdicts are those of the study",)


def _source(source: Path | None, results: Path) -> Source:
    from rigorkd.report.sources import from_csv, from_study

    if source is not None and str(source) == "-":
        return from_csv(Path("/dev/stdin"))
    if source is not None and source.is_file():
        return from_csv(source)
    if source is None or source.is_dir() or (results / source).is_dir():
        from rigorkd.cli.options import study_folder

        return from_study(study_folder(source, results))
    return from_csv(source)  # says that there is no such file or study
