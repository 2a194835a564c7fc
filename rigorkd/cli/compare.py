"""`rigorkd compare`: does a replication, or a published table, agree? What do many studies say together?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rigorkd.cli.options import (
    aside,
    baselines_option,
    goal_option,
    interim_option,
    reading_of,
    reading_options,
    results_option,
    tell,
)
from rigorkd.report.page import FORMATS, Format

if TYPE_CHECKING:
    from rigorkd_analysis.analysis_plan import Plan
    from rigorkd_analysis.studies.prediction import Prediction
    from rigorkd_analysis.studies.replication import Replication
    from rigorkd_analysis.studies.synthesis import Synthesis

    from rigorkd.report.compared import Names, Printed, Runs
    from rigorkd.report.sources import Source


@click.command(short_help="Say whether studies, or a published table, agree.")
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path), metavar="STUDY_A STUDY_B ...")
@results_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--metric", help="Column to judge  [default: the protocols', or test_top1]")
@goal_option
@baselines_option
@click.option("--sesoi", type=float, help="Smallest difference of interest  [default: the protocols']")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Error rate over a family.")
@click.option(
    "--correction",
    type=click.Choice(["holm", "bonferroni", "bh", "none"]),
    default="holm",
    show_default=True,
    help="How a family is corrected.",
)
@click.option(
    "--rename",
    nargs=2,
    multiple=True,
    metavar="OLD NEW",
    help="A name, or part of one, in all but the first source; repeatable.",
)
@click.option("--printed-metric", metavar="COLUMN", help="The published column  [default: as --metric]")
@click.option(
    "--seeds", type=int, metavar="K", help="Seeds behind each printed number  [default: a column n, else 1]"
)
@click.option(
    "--published",
    metavar="NAME",
    help="Hold one study against all that a publication prints: its name, such as 000, or a mapping file.",
)
@interim_option
@reading_options
def compare(
    sources: tuple[Path, ...],
    results: Path,
    form: Format,
    rename: Names,
    printed_metric: str | None,
    seeds: int | None,
    published: str | None,
    interim: bool,
    **asked: Any,
) -> None:
    """Say whether STUDY_B agrees with STUDY_A, gain by gain, by the difference of their gains.

    A source is a study folder, or results of any origin, read as `rigorkd analyze` reads them. The second may
    be a published table, a CSV in which every cell stands once: then its numbers are held against the
    prediction intervals of the first. More than two studies are summed up. Comparing a study is a look at
    it: before its planned runs are there it takes --interim.

    \b
    rigorkd compare results/digits results/digits-again
    rigorkd compare results/paper printed.csv --rename shuffle_x1_0 shuffle
    rigorkd compare results/cifar10 results/cifar100 results/pets
    rigorkd compare results/compact-cnns-cifar100 --published 000
    """
    from rigorkd_analysis import document
    from rigorkd_analysis.analysis_plan import Plan

    from rigorkd.report.compare_page import compare_page
    from rigorkd.report.compared import Runs, open_sources
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.judging import note_look
    from rigorkd.report.rows import located

    reading = reading_of(asked)
    if published is not None:
        if len(sources) != 1:
            raise click.UsageError(
                "--published compares one study with its publication: give that study alone"
            )
        _with_publication(sources[0], results, published, form, interim, rename, printed_metric, seeds, asked)
        return
    if len(sources) < 2:
        raise click.UsageError("give two sources or more: studies, CSVs of runs, or a published table last")
    opened = open_sources(sources, results, reading, asked["metric"])
    studies = [one.source for one in opened if isinstance(one, Runs)]
    for study in studies:
        tell(study)
    if not interim:
        for study in studies:
            _refuse_unfinished(study)
    with located(lambda _: "compare"):
        plan = Plan(**asked)
    result, alone = _compared(opened, plan, rename, printed_metric, seeds)
    rows = [
        {"family": family.name, **_flat(document(one))}
        for family in result.families
        for one in (family.summaries if hasattr(family, "summaries") else family.comparisons)
    ]
    emit(form, lambda: compare_page(result, alone), json=lambda: to_json(result), csv=lambda: to_csv(rows))
    for study in studies:
        if trouble := note_look(study, result.metric):
            aside(trouble)


def _with_publication(
    source: Path,
    results: Path,
    published: str,
    form: Format,
    interim: bool,
    rename: Names,
    printed_metric: str | None,
    seeds: int | None,
    asked: dict[str, Any],
) -> None:
    """Print one study against its publication."""
    from dataclasses import replace

    from rigorkd_analysis import document
    from rigorkd_analysis.analysis_plan import Plan

    from rigorkd.errors import InputError
    from rigorkd.report.compare_page import compare_page
    from rigorkd.report.compared import Runs, open_source, told_by
    from rigorkd.report.emit import emit, to_csv, to_json
    from rigorkd.report.judging import Question, note_look
    from rigorkd.report.publications import compare_with
    from rigorkd.report.rows import located

    if rename or printed_metric or seeds is not None:
        raise InputError(
            "--rename, --printed-metric and --seeds are for a table as it is",
            hint="a publication's mapping says whose its numbers are, and how many seeds are behind each",
        )
    opened = open_source(source, results, reading_of(asked), asked["metric"])
    if not isinstance(opened, Runs):
        raise InputError(
            f"{source} is read as a published table, as nothing says that its cells have several seeds",
            hint=f"give the study whose publication it is; {_OF_RUNS}",
        )
    found = opened.source
    tell(found)
    if not interim:
        _refuse_unfinished(found)
    with located(lambda _: "compare"):
        plan = Plan(**asked)
    given = {key: value for key, value in asked.items() if key in ("goal", "sesoi") and value is not None}
    default = Plan()
    changed = {key: asked[key] for key in ("alpha", "correction") if asked[key] != getattr(default, key)}
    question = Question(**given, **changed, baselines=asked["baselines"], interim=interim)
    result = compare_with(found, published, question, plan, asked["metric"])
    own = [*_at_chance([opened], plan), *told_by([opened])]
    known = {*result.warnings, *(f"{found.name}: {text}" for text in result.warnings)}
    result = replace(result, warnings=(*result.warnings, *(text for text in own if text not in known)))
    rows: list[dict[str, Any]] = [
        {"part": f"{one.metric} {family.name}", **document(number)}
        for one in result.metrics
        for family in one.families
        for number in family.comparisons
    ]
    claims = [{"part": "claim", "name": one.ours, **document(one)} for one in result.claims]
    columns = dict.fromkeys(key for row in (*rows, *claims) for key in row)
    rows = [{key: row.get(key) for key in columns} for row in (*rows, *claims)]
    alone = told_by([opened], alone=True)
    emit(form, lambda: compare_page(result, alone), json=lambda: to_json(result), csv=lambda: to_csv(rows))
    for metric in dict.fromkeys((found.plan.metric or "test_top1", *(one.metric for one in result.metrics))):
        if trouble := note_look(found, metric):
            aside(trouble)


_OF_RUNS = "of a table of runs --seed COLUMN and --cell COLUMNS say how it is read, as for `rigorkd analyze`"


def _refuse_unfinished(study: Source) -> None:
    """Before its planned runs are there a study is not judged by accident."""
    from rigorkd.errors import InputError

    if study.missing:
        raise InputError(
            f"{study.name} is in progress: {study.missing} of {len(study.table)} planned runs are missing",
            hint="finish it (`rigorkd run`), or give --interim; that is a look, and a later fixed-n analysis "
            "of all seeds is then not valid at alpha",
        )
    if study.folder is not None and (between := study.plan.between_looks(study.complete_seeds)):
        raise InputError(
            f"{study.name} is between looks: {between}",
            hint="go on to the next one (`rigorkd run --seeds N`), or give --interim; that is a look, and "
            "later planned ones are then not valid at alpha",
        )


def _compared(
    opened: list[Runs | Printed], plan: Plan, rename: Names, printed_metric: str | None, seeds: int | None
) -> tuple[Replication | Prediction | Synthesis, list[str]]:
    """The comparison that these sources ask for, with the sources' warnings behind its own; and what of all
    these each table says that goes on alone."""
    from dataclasses import replace

    from rigorkd_analysis.studies.prediction import PublishedTable, compare_published
    from rigorkd_analysis.studies.replication import compare_studies
    from rigorkd_analysis.studies.synthesis import summarize_studies
    from rigorkd_analysis.table_error import TableError

    from rigorkd.errors import InputError
    from rigorkd.report.compared import Printed, Runs, common_plan, named, told_by
    from rigorkd.report.rows import at, located

    studies = [one for one in opened if isinstance(one, Runs)]
    tables = [one for one in opened if isinstance(one, Printed)]
    if tables and (len(opened) != 2 or isinstance(opened[0], Printed)):
        raise InputError(
            f"{tables[0].rows.file} is read as a published table, as nothing says that its cells have "
            "several seeds",
            hint=f"compare one study with one table, the study first; {_OF_RUNS}",
        )
    if not tables and (printed_metric or seeds is not None):
        raise InputError(
            "--printed-metric and --seeds are for a published table", hint="the second source is one of runs"
        )
    plan, notes = common_plan(studies, plan)
    own = [*_at_chance(studies, plan), *told_by(studies)]
    result: Replication | Prediction | Synthesis
    if tables:
        rows = tables[0].rows
        table = PublishedTable(rows.file.name, tables[0].mappings(rename), printed_metric, seeds)

        def where(error: TableError) -> str:
            return at(rows, error) if error.row is not None else str(rows.file)

        with located(where):
            result = compare_published(named(studies, (), plan)[0], table, plan)
    else:
        with located(lambda _: "compare"):
            found = named(studies, rename, plan)
            result = (
                compare_studies(found[0], found[1], plan)
                if len(found) == 2
                else summarize_studies(found, plan)
            )
    return replace(result, warnings=(*result.warnings, *own, *notes)), [*told_by(studies, alone=True), *notes]


def _at_chance(studies: Sequence[Runs], plan: Plan) -> Iterator[str]:
    """The studies in which nothing learnt: whether others agree with them is no question."""
    from rigorkd_analysis.runs import read_runs
    from rigorkd_analysis.sanity import AT_CHANCE, nothing_learnt_of

    from rigorkd.report.rows import located

    for one in studies:
        with located(one.source.where):
            runs = read_runs(one.source.judged(), plan.metric)
        tested = one.source.tested_on()
        known = one.source.classes(tested), plan.alpha, tested.largest_class if tested else None
        if not runs.smoke and (told := nothing_learnt_of(runs, runs.cells, *known)):
            yield told.replace(AT_CHANCE, f"{AT_CHANCE} in {one.source.name}", 1)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A summary's studies as name=mean, in one field."""
    if "studies" in row:
        row = {**row, "studies": {share["study"]: share["mean"] for share in row["studies"]}}
    return row
