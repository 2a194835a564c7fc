"""`rigorkd figures`: every figure of a study as SVG and PDF, for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.checked import free_for_writing, own_study
from rigorkd.cli.options import PREDICTIONS_UP_TO, aside, ask, source_options, warn

if TYPE_CHECKING:
    from rigorkd.report.evidence import Evidence
    from rigorkd.report.figures.spec import Figure


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
@click.option(
    "--layout",
    metavar="NAME",
    help="A publication's figures instead: 000, one of them such as 000/figure-5, or those of a file; then "
    "several studies, such as one per data set, are drawn side by side.",
)
@source_options
def figures(
    sources: tuple[str, ...],
    results: Path,
    out: Path | None,
    form: str,
    layout: str | None,
    **asked: Any,
) -> None:
    """Write every figure for which SOURCE has the cells: a study, or results of any origin, as for analyze.

    Colours can be told apart with any colour vision; equal records give equal files.

    \b
    rigorkd figures results/digits --out paper/figures
    rigorkd figures results/compact-cnns-cifar100 --layout 000
    """
    from rigorkd.files import write_atomically
    from rigorkd.records.study import is_study
    from rigorkd.records.untrusted import is_there, refuse_links
    from rigorkd.report.figures.canvas import Form, figure_files
    from rigorkd.report.figures.catalog import figures as all_figures
    from rigorkd.report.figures.side_by_side import cores, side_by_side
    from rigorkd.report.gather import gather
    from rigorkd.report.headline import how_far, looked_in_brief
    from rigorkd.report.judging import analysis_of
    from rigorkd.report.sentences import banner_of, chosen_in_brief
    from rigorkd.text import one_line

    groups = [sources]
    if layout is not None and len(sources) > 1 and all(is_study(_folder(one, results)) for one in sources):
        groups = [(one,) for one in sources]
    read = [ask(some, results, asked) for some in groups]
    first = read[0][0]
    folder = out or (first.folder / "figures" if first.folder else Path(f"{first.name}-figures"))
    own_study(first.folder if out is None else None, "name a folder with --out DIR")
    if out is None and first.folder and is_there(folder, first.folder):
        refuse_links(folder, first.folder)
    free_for_writing(folder, folder=True)
    analyses = [analysis_of(*one, images=False, up_to=PREDICTIONS_UP_TO) for one in read]
    gathered = [
        gather(question.judged(found), analysis)
        for (found, question), analysis in zip(read, analyses, strict=True)
    ]
    drawn = all_figures(gathered[0]) if layout is None else _laid_out(layout, gathered)
    banners = [banner for one in analyses if (banner := banner_of(one.warnings))]
    # a file goes on alone, without what is said beside it
    choices = "; ".join(
        dict.fromkeys(
            filter(None, (say(one) for one in analyses for say in (chosen_in_brief, looked_in_brief)))
        )
    )
    drawn = [
        replace(figure, banner=_short(banners if figure.doubted is None else figure.doubted) or choices)
        for figure in drawn
    ]
    every: tuple[Form, ...] = ("svg", "pdf")
    forms = [kind for kind in every if form in (kind, "both")]
    for one in analyses:
        if one.progress is not None and layout is None:
            click.echo("\n".join((*how_far(one.progress, one.looks), "No figures are drawn before that.")))
    files = side_by_side([partial(figure_files, figure, forms) for figure in drawn], cores())
    for figure, contents in zip(drawn, files, strict=True):
        for kind, content in contents.items():
            target = folder / f"{figure.name}.{kind}"
            write_atomically(target, content, durable=False)
            click.echo(str(target))
        if layout is not None and (told := f"{figure.caption} {figure.omitted}".strip()):
            aside(f"{figure.name}: {told}")
    for (found, question), analysis in zip(read, analyses, strict=True):
        warn(found, question, analysis, all_of_it=False)
    for banner in dict.fromkeys(banners):
        aside(one_line(banner))


def _short(banners: Sequence[str]) -> str:
    """Above a figure in a few words that it shows no result, "" of no banner."""
    from rigorkd_analysis.sanity import AT_CHANCE, who_is_at_chance

    if not banners:
        return ""
    if any(banner.startswith("SMOKE") for banner in banners):
        return "SMOKE RUNS: no result"
    who = "; ".join(dict.fromkeys(filter(None, map(who_is_at_chance, banners))))
    return f"{AT_CHANCE}{f' ({who})' if who else ''}: no result"


def _folder(source: str, results: Path) -> Path:
    """A study's folder, by its path or its name under `results`."""
    return Path(source) if Path(source).is_dir() else results / source


def _laid_out(layout: str, studies: list[Evidence]) -> list[Figure]:
    """The figures of a layout; of a whole publication those that these studies have the cells for."""
    from rigorkd.errors import InputError
    from rigorkd.report.layouts.layout_figures import layout_figure
    from rigorkd.report.layouts.layout_spec import RowsLayout, as_asked, find_layouts

    if any(one.analysis.progress is not None for one in studies):
        raise InputError(
            "a study in progress has no figures of results yet", hint="finish it, or give --interim: a look"
        )
    wanted = {name: one for name, one in find_layouts(layout).items() if not isinstance(one, RowsLayout)}
    if not wanted:
        raise InputError(f"{layout} is a table", hint="it is printed by `rigorkd table --layout`")
    drawn, lost = [], []
    for name, one in wanted.items():
        try:
            drawn.append(layout_figure(name, one, studies))
        except InputError as error:
            if len(wanted) == 1:
                raise
            lost.append(f"{as_asked(layout, name)} is left out: {error.message}")
    for line in lost:
        aside(line)
    if not drawn:
        raise InputError(
            f"none of the figures of {layout} can be drawn of these cells",
            hint=f"name one of: {', '.join(as_asked(layout, name) for name in wanted)}",
        )
    return drawn
