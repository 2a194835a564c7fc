"""`rigorkd figures`: every figure of a study as SVG and PDF, for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rigorkd.cli.checked import free_for_writing
from rigorkd.cli.options import PREDICTIONS_UP_TO, ask, source_options, warn


class _ListsFigures(click.Command):
    """Its help ends with the catalog, which takes too long to import where no help is asked for."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from rigorkd.report.figures.catalog import CATALOG

        with formatter.section("Figures"):
            formatter.write_dl([(entry.name, entry.shows) for entry in CATALOG])


@click.command(cls=_ListsFigures, short_help="Write the figures of a study as SVG and PDF.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to write into  [default: figures in the study]"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["both", "svg", "pdf"]),
    default="both",
    show_default=True,
    help="SVG has its text as outlines, PDF has its fonts embedded.",
)
@source_options
def figures(sources: tuple[str, ...], results: Path, out: Path | None, form: str, **asked: Any) -> None:
    """Write every figure for which SOURCE has the cells: a study, or results of any origin, as for analyze.

    Colours can be told apart with any colour vision; equal records give equal files.

    \b
    rigorkd figures results/digits --out paper/figures
    """
    from rigorkd.files import write_atomically
    from rigorkd.records.untrusted import is_there, refuse_links
    from rigorkd.report.figures.canvas import Form, figure_files
    from rigorkd.report.figures.catalog import figures as all_figures
    from rigorkd.report.gather import gather
    from rigorkd.report.sources import analysis_of

    found, question = ask(sources, results, asked)
    folder = out or (found.folder / "figures" if found.folder else Path(f"{found.name}-figures"))
    if out is None and found.folder and is_there(folder, found.folder):
        refuse_links(folder, found.folder)
    free_for_writing(folder, folder=True)
    analysis = analysis_of(found, question, images=False, up_to=PREDICTIONS_UP_TO)
    evidence = gather(found.only(question.seeds), analysis)
    every: tuple[Form, ...] = ("svg", "pdf")
    forms = [kind for kind in every if form in (kind, "both")]
    for figure in all_figures(evidence):
        for kind, content in figure_files(figure, forms).items():
            target = folder / f"{figure.name}.{kind}"
            write_atomically(target, content, durable=False)
            click.echo(str(target))
    warn(found, question, analysis, all_of_it=False)
    if evidence.is_smoke:
        click.echo("SMOKE RUNS: these figures say nothing about any method", err=True)
