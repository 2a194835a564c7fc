"""`rigorkd table`: a study's runs as one tidy table, or its results as a table for a paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.options import ask, question_options, results_option, study_folder, warn

if TYPE_CHECKING:
    from rigorkd.report.paper_tables import Layout


@click.command(short_help="Print the runs of a study, or its results as a table for a paper.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "markdown", "latex"]),
    help="csv or json for the runs, markdown or latex for a layout  [default: csv; markdown with --layout]",
)
@click.option(
    "--layout",
    type=click.Choice(["overall", "gains", "ablation"]),
    help="One row per model, per student, or per setting of T and alpha; mean ± sd, interval, p, verdict.",
)
@click.option("--group", help="Of a layout: this group of the protocol alone.")
@question_options
def table(
    study: Path | None,
    results: Path,
    form: str | None,
    layout: Layout | None,
    group: str | None,
    **asked: Any,
) -> None:
    """Print one row per student run of STUDY, ready for pandas, R or `rigorkd analyze`.

    With --layout, print results as a paper does, ready to paste: overall (what each model costs and
    reaches), gains (baseline, distilled, difference), ablation (T and alpha). STUDY may then be a CSV too.

    \b
    rigorkd table results/digits --format csv > digits.csv
    rigorkd table results/digits --layout gains --format latex > gains.tex
    """
    from rigorkd.errors import InputError

    wanted = form or ("markdown" if layout else "csv")
    if layout is None:
        given = [f"--{name}" for name, value in {"group": group, **asked}.items() if value]
        if wanted in ("markdown", "latex") or given:
            raise InputError(
                f"{given[0] if given else f'--format {wanted}'} needs a --layout",
                hint="give --layout overall, gains or ablation; without one, --format is csv or json",
            )
        _runs(study_folder(study, results), wanted)
        return
    if wanted in ("csv", "json"):
        raise InputError(
            f"a layout has no format {wanted}",
            hint="give --format markdown or latex; the numbers are in `rigorkd analyze --format json`",
        )
    _layout(study, results, wanted, layout, group, asked)


def _runs(folder: Path, form: str) -> None:
    from pandas.api.types import is_numeric_dtype

    from rigorkd.records.read import read_study
    from rigorkd.report.emit import no_formula
    from rigorkd.report.sources import from_study
    from rigorkd.text import unhidden

    runs = read_study(folder).runs
    if len(runs) and (images := from_study(folder).test_images()) is not None:
        runs["n_test"] = images  # so that a table read again can name its test images
    if form == "csv":
        for name in runs.columns[[not is_numeric_dtype(dtype) for dtype in runs.dtypes]]:
            runs[name] = [no_formula(value) if isinstance(value, str) else value for value in runs[name]]
        click.echo(runs.to_csv(index=False), nl=False)
    else:
        rows = runs.astype(object).where(runs.notna(), None).to_dict(orient="records")
        # Python writes the shortest text that reads back as the same number; pandas cuts at 15 digits.
        text = json.dumps(rows, indent=1, ensure_ascii=False, default=lambda value: value.item())
        click.echo(unhidden(text))


def _layout(
    study: Path | None, results: Path, form: str, layout: Layout, group: str | None, asked: dict[str, Any]
) -> None:
    from dataclasses import replace

    from rigorkd.report.gather import gather
    from rigorkd.report.paper_tables import paper_table
    from rigorkd.report.render.latex import latex
    from rigorkd.report.render.markdown import markdown
    from rigorkd.report.sources import analysis_of

    found, question = ask([] if study is None else [str(study)], results, asked)
    if "test_top5" in found.table.columns and asked["metric"] in (None, found.plan.metric):
        secondary = (*found.plan.secondary, "test_top5")
        found = replace(found, plan=replace(found.plan, secondary=tuple(dict.fromkeys(secondary))))
    analysis = analysis_of(found, question, images=False)
    page = paper_table(gather(found.only(question.seeds), analysis), layout, group)
    click.echo((latex if form == "latex" else markdown)(page), nl=False)
    warn(found, question, analysis)
