"""`rigorkd table`: the tidy table of a study's runs, the one that `analyze` reads."""

from __future__ import annotations

from pathlib import Path

import click

from rigorkd.cli.options import results_option, study_folder


@click.command(short_help="Print the tidy table of a study's runs.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
def table(study: Path | None, results: Path, form: str) -> None:
    """Print one row per student run of STUDY, ready for pandas, R or `rigorkd analyze`.

    \b
    rigorkd table results/digits --format csv > digits.csv
    """
    from rigorkd.records.read import read_study

    runs = read_study(study_folder(study, results)).runs
    if form == "csv":
        click.echo(runs.to_csv(index=False), nl=False)
    else:
        click.echo(runs.to_json(orient="records", indent=1, double_precision=15))
