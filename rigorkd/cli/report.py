"""`rigorkd report`: one HTML page for people who did not run the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rigorkd.cli.checked import free_for_writing, own_study
from rigorkd.cli.options import (
    ask,
    asked_so,
    further_questions,
    judged_for_a_page,
    source_options,
    warn,
)
from rigorkd.cli.tracking import saved_report, wandb_options


@click.command(short_help="Write one HTML page for people who did not run the study.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write  [default: report.html in the study]"
)
@click.option("--wandb", is_flag=True, help="Make a W&B Report of the study instead of a page.")
@wandb_options
@further_questions
@source_options
def report(
    sources: tuple[str, ...],
    results: Path,
    out: Path | None,
    wandb: bool,
    wandb_project: str | None,
    wandb_entity: str | None,
    **asked: Any,
) -> None:
    """Write what SOURCE shows as one HTML page: open it, send it, print it.

    SOURCE is a study folder (default: the newest) or results of any origin, as for analyze. The page
    says first what holds and what must not be read into it, then shows every comparison, seed and setting,
    the plan, the methods and where the records come from. It needs no network and no other file; light,
    dark, phone and paper are all meant. Its numbers are those of `rigorkd analyze --format json`.

    \b
    rigorkd report                           the newest study, into its folder
    rigorkd report results/digits --out digits.html
    rigorkd report runs.csv --sesoi 0.3      any table of runs, into runs.html
    rigorkd report --sequential              and verdicts valid as seeds are added
                                             (after a look unasked)
    rigorkd report results/digits --wandb    a W&B Report beside its runs there
    """
    from rigorkd.files import write_atomically
    from rigorkd.report.figures.side_by_side import cores
    from rigorkd.report.gather import gather
    from rigorkd.report.render.html import html
    from rigorkd.report.report_page import report_page

    found, question = ask(sources, results, asked)
    file = out or (found.folder / "report.html" if found.folder else Path(f"{found.name}.html"))
    if not wandb:
        own_study(found.folder if out is None else None, "name the page with --out FILE")
        free_for_writing(file)
    analysis, judged = judged_for_a_page(found, question)
    again = asked_so(found, sources) + " --sequential" * (judged.sequential and not question.sequential)
    question = judged
    if wandb:
        target = saved_report(found.folder, analysis, wandb_project, wandb_entity, again)
    else:
        page = report_page(gather(question.judged(found), analysis, again))
        write_atomically(file, html(page, cores()).encode())
        target = str(file)
    warn(found, question, analysis)
    click.echo(target)
