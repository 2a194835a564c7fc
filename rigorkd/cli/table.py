"""`rigorkd table`: a study's runs as one tidy table, or its results as a table for a paper."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.options import (
    aside,
    ask,
    question_options,
    reading_options,
    results_option,
    study_folder,
    warn,
)

if TYPE_CHECKING:
    from rigorkd_analysis.results import Analysis

    from rigorkd.report.judging import Question
    from rigorkd.report.page import Page
    from rigorkd.report.sources import Source


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
    metavar="NAME",
    help="overall, gains, ablation (one row per model, student, setting; mean ± sd, interval, p, verdict), "
    "sequential (what holds after a look), a publication's table such as 000/table-4, or one of a file: "
    "layouts.yaml/NAME.",
)
@click.option("--group", help="Of a layout: this group of the protocol alone.")
@question_options
@reading_options
def table(
    study: Path | None,
    results: Path,
    form: str | None,
    layout: str | None,
    group: str | None,
    **asked: Any,
) -> None:
    """Print one row per student run of STUDY, ready for pandas, R or `rigorkd analyze`.

    With --layout, print results as a paper does, ready to paste: overall (what each model costs and
    reaches), gains (baseline, method, difference), ablation (T and alpha), sequential (the verdicts
    of `analyze --sequential`, for seeds that were added after a look), or in the shape of a publication's
    table. STUDY may then be a table or folder from elsewhere too, read as by `rigorkd analyze`.

    \b
    rigorkd table results/digits --format csv > digits.csv
    rigorkd table results/digits --layout gains --format latex > gains.tex
    rigorkd table results/compact-cnns-cifar100 --layout 000/table-6
    rigorkd table folds.csv --layout gains --average fold
    """
    from rigorkd.errors import InputError

    wanted = form or ("markdown" if layout else "csv")
    if layout is None:
        options = {str(one.name): one.opts[0] for one in click.get_current_context().command.params}
        given = [options[name] for name, value in {"group": group, **asked}.items() if value]
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

    from rigorkd.records.interim import note_shown
    from rigorkd.records.read import read_study
    from rigorkd.report.emit import no_formula
    from rigorkd.report.sources import from_study
    from rigorkd.text import unhidden

    read = read_study(folder)
    runs = read.runs
    found = from_study(folder, read=read) if len(runs) else None
    if found is not None and (tested := found.tested_on()) is not None:
        runs["n_test"] = int(tested.target.size)  # so that a table read again can name its test images
    if form == "csv":
        for name in runs.columns[[not is_numeric_dtype(dtype) for dtype in runs.dtypes]]:
            runs[name] = [no_formula(value) if isinstance(value, str) else value for value in runs[name]]
        click.echo(runs.to_csv(index=False, header=[no_formula(str(name)) for name in runs]), nl=False)
    else:
        rows = runs.astype(object).where(runs.notna(), None).to_dict(orient="records")
        # Python writes the shortest text that reads back as the same number; pandas cuts at 15 digits.
        text = json.dumps(rows, indent=1, ensure_ascii=False, default=lambda value: value.item())
        click.echo(unhidden(text))
    if found is not None and (seen := found.judged_seeds & set(map(int, runs["seed"]))):
        metric = found.plan.metric or "test_top1"
        note_shown(folder, found.judged_seeds, metric, len(seen), summary=True)


def _layout(
    study: Path | None, results: Path, form: str, layout: str, group: str | None, asked: dict[str, Any]
) -> None:
    from rigorkd.report.headline import waits_for_sequential
    from rigorkd.report.render.latex import latex
    from rigorkd.report.render.markdown import markdown

    found, question = ask([] if study is None else [str(study)], results, asked)
    page, analysis = _page(found, layout, group, question)
    click.echo((latex if form == "latex" else markdown)(page), nl=False)
    warn(found, question, analysis)
    if layout != SEQUENTIAL and waits_for_sequential(analysis):
        aside(
            "note: after a look no fixed-n verdict of all seeds is valid; those that are stand in "
            f"`rigorkd table {shlex.quote(str(study or found.name))} --layout {SEQUENTIAL}`"
        )


def _page(found: Source, layout: str, group: str | None, question: Question) -> tuple[Page, Analysis]:
    """The page of a layout of ours, or of a publication's, and the analysis behind it."""
    from rigorkd.errors import InputError
    from rigorkd.report.gather import gather
    from rigorkd.report.judging import analysis_of, judging
    from rigorkd.report.layouts.layout_spec import (
        HeatLayout,
        RowsLayout,
        as_asked,
        find_layouts,
        known_publications,
    )
    from rigorkd.report.layouts.layout_tables import layout_table
    from rigorkd.report.paper_tables import LAYOUTS, paper_table
    from rigorkd.text import nearest

    if layout == SEQUENTIAL:
        return _sequential(found, group, question)
    if own := next((name for name in LAYOUTS if name == layout), None):
        found = judging(found, ("test_top5",), question)
        analysis = analysis_of(found, question, images=False)
        return paper_table(gather(question.judged(found), analysis), own, group), analysis
    if "/" not in layout and not layout.endswith((".yaml", ".yml")) and layout not in known_publications():
        close = nearest(layout, (*LAYOUTS, SEQUENTIAL))
        raise InputError(
            f"unknown layout {layout!r}",
            hint=(f"did you mean {close!r}? " if close else "")
            + f"there are {', '.join((*LAYOUTS, SEQUENTIAL))}, those of "
            f"{', '.join(known_publications())}, or a file's",
        )
    if group is not None:
        raise InputError("--group is for overall, gains and ablation", hint="this layout names its cells")
    tables = {
        name: one for name, one in find_layouts(layout).items() if isinstance(one, RowsLayout | HeatLayout)
    }
    if len(tables) != 1:
        listed = ", ".join(as_asked(layout, name) for name in tables)
        raise InputError(
            f"{layout} has {len(tables)} tables",
            hint=f"name one: {listed}" if tables else "its figures are drawn by `rigorkd figures --layout`",
        )
    (wanted,) = tables.values()
    found = judging(found, wanted.judged if isinstance(wanted, RowsLayout) else (), question)
    analysis = analysis_of(found, question, images=False)
    evidence = gather(question.judged(found), analysis)
    if analysis.progress is not None:
        return paper_table(evidence, "overall"), analysis
    return layout_table(evidence, wanted), analysis


SEQUENTIAL = "sequential"
"""The layout of the verdicts that stay valid while seeds are added."""


def _sequential(found: Source, group: str | None, question: Question) -> tuple[Page, Analysis]:
    from dataclasses import replace

    from rigorkd.errors import InputError
    from rigorkd.report.analysis_page import sequential_page
    from rigorkd.report.gather import gather
    from rigorkd.report.judging import analysis_of
    from rigorkd.report.paper_tables import paper_table

    if group is not None:
        raise InputError(
            "--group is for overall, gains and ablation",
            hint="the sequential verdicts are of one family, whatever groups there are",
        )
    analysis = analysis_of(found, replace(question, sequential=True), images=False)
    if analysis.progress is not None:
        return paper_table(gather(found, analysis), "overall"), analysis
    if analysis.sequential is None:
        raise InputError(
            "nothing here is judged while seeds are added",
            hint="that test is of runs that are paired by seed: cells that have seeds in common, and a "
            "baseline or contrasts",
        )
    return sequential_page(analysis, analysis.sequential), analysis
