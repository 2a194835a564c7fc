"""`rigorkd gate`: is a candidate better? An exit code for scripts, and one error budget over a search."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from rigorkd.cli.options import (
    aside,
    find_source,
    goal_option,
    parsed_seeds,
    reading_of,
    reading_options,
    results_option,
)
from rigorkd.report.page import FORMATS, Format

ledger_option = click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The search that this comparison belongs to: all of a ledger's share one alpha. Made if absent.",
)
margin_option = click.option(
    "--margin",
    type=float,
    help="Better by more than this  [default: the ledger's, else the protocol's sesoi, else 0]",
)


@click.command(short_help="Say by its exit code whether a candidate is better.")
@click.argument("base", required=False)
@click.argument("candidate", required=False)
@click.option(
    "--in", "source", metavar="SOURCE", help="Study or table with both cells  [default: newest study]"
)
@margin_option
@click.option(
    "--max-seeds", "most", type=click.IntRange(min=1), metavar="N", help="Seeds that you will run at most."
)
@ledger_option
@click.option("--metric", help="Column to judge  [default: the ledger's, the protocol's, or test_top1]")
@goal_option
@click.option("--alpha", type=float, help="Chance of accepting what is no better  [default: 0.05]")
@click.option(
    "--seeds",
    metavar="SEEDS",
    callback=lambda _context, _option, text: parsed_seeds(text),
    help="Judge these seeds alone, such as 5:8 for 5, 6, 7.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@results_option
@reading_options
def gate(
    base: str | None,
    candidate: str | None,
    source: str | None,
    margin: float | None,
    most: int | None,
    ledger: Path | None,
    metric: str | None,
    goal: Any,
    alpha: float | None,
    seeds: tuple[int, ...] | None,
    form: Format,
    results: Path,
    **reading: Any,
) -> None:
    """Say whether CANDIDATE is better than BASE: two cells of a study or a table, or two files of seeds and
    values. Looking again after every seed costs nothing, and a --ledger keeps one alpha over all candidates.

    \b
    exit code 0   better (by more than the margin)
              1   not: worse, equivalent, or no better than the margin
              3   undecided: run more seeds, or give up
              2   it cannot be compared, and why

    \b
    rigorkd gate main/cnn8/baseline main/cnn8/kd-T4-a0.5
    rigorkd gate base.csv new.csv --metric accuracy --margin 0.3
    rigorkd gate base lr-0.1 --in runs.csv --ledger search.jsonl --max-seeds 20
    rigorkd gate --ledger search.jsonl                  the search so far
    """
    from rigorkd.errors import InputError
    from rigorkd.records.gate_ledger import known_search
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.gate_page import beside, gate_page, gate_row, search_page, search_so_far
    from rigorkd.report.gated import Terms, sides_of_cells, sides_of_files
    from rigorkd.report.gated import gate as judged
    from rigorkd.text import fitted, one_line

    search = None if ledger is None else known_search(ledger)
    if base is None or candidate is None:
        if base is not None or ledger is None:
            raise InputError("a gate compares two: BASE and CANDIDATE", hint="name both, or a --ledger alone")
        if search is None:
            raise InputError(f"{ledger}: no search has begun there", hint="the first comparison makes it")
        so_far = search_so_far(search)
        emit(
            form,
            lambda: search_page(so_far),
            json=lambda: to_json(so_far),
            csv=lambda: to_csv(so_far.comparisons),
        )
        return
    if search is not None:  # what it asks need not be said again
        metric = metric or search.asked.metric
        goal = goal or (search.asked.goal if metric == search.asked.metric else None)
    terms = Terms(metric, goal, margin, alpha, most, seeds)
    how = reading_of(reading)
    files = [Path(name).is_file() for name in (base, candidate)]
    here, gone = (base, candidate) if files[0] else (candidate, base)
    if source is None and any(files) and not all(files) and Path(gone).suffix:
        raise InputError(
            f"{gone}: no such file, and {here} is one",
            hint="name two files, or two cells of a table by --in SOURCE",
        )
    if source is None and all(files):
        sides = sides_of_files(base, candidate, how, terms)
    else:
        found = find_source([] if source is None else [source], results, how, metric, every_seed=True)
        sides = sides_of_cells(found, base, candidate, terms)
    result = judged(sides, terms, ledger)
    _note_look(sides.folder, result.metric, sides.values)
    if form == "table":
        click.echo(fitted(one_line(result.says), sys.stdout))
        for line in (*beside(result), *result.warnings):
            aside(one_line(line))
    else:
        emit(
            form,
            lambda: gate_page(result),
            json=lambda: to_json(result),
            csv=lambda: to_csv([gate_row(result)]),
        )
    click.get_current_context().exit(result.exit_code)


def _note_look(study: Path | None, metric: str, seeds: Any, *, training: bool = False) -> None:
    """A study remembers that some of its results were seen: a test of fixed size is no longer the first."""
    from rigorkd.records.interim import note_interim_analysis
    from rigorkd.records.study import looks_since

    if study is None:
        return
    since = looks_since(study)
    if not note_interim_analysis(study, seeds, metric, training=training, since=since):
        aside(f"note: {study} is not yours to write, so this look is not noted there")
