"""A W&B Report of a study: the verdicts in words and tables, then panels of its runs, live from W&B.

`build` makes the report as an object, without network or clock; `save` sends it. It shows the runs that
`run --wandb` or `publish` sent, found by their study and role.
"""

from __future__ import annotations

import shlex
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rigorkd_analysis.results import Analysis

from rigorkd.errors import TrackingError
from rigorkd.extras import require
from rigorkd.metrics import shown
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.page import Page, Prose, Table
from rigorkd.report.render.markdown import markdown
from rigorkd.text import one_line

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2.interface import Report

LONGEST_TITLE = 128
"""W&B refuses longer titles."""


def build(analysis: Analysis, *, project: str, entity: str, asked: str = "") -> Report:
    """The report of an analysis of a study, not saved yet.

    Args:
        project, entity: where the study's runs are, and where the report will be. Only a report with an
            entity can be saved, since W&B looks the project up.
        asked: what stands behind `rigorkd analyze` to ask the same again, "" for the study as planned.
    """
    wr = _library()
    page = analysis_page(analysis)
    blocks: list[Any] = []
    lists = {block.title: block.lines for block in page.blocks if isinstance(block, Prose)}
    lists["Warnings"] = page.warnings

    def listed(title: str) -> list[Any]:
        lines = [one_line(line.whole) for line in lists.get(title, ())]
        return [wr.H2(text=title), wr.UnorderedList(items=lines)] if lines else []

    if page.banner:
        blocks.append(wr.CalloutBlock(text=one_line(page.banner)))
    blocks += [wr.H1(text="What holds"), *(wr.P(text=one_line(line)) for line in page.headline)]
    blocks += [wr.MarkdownBlock(text=_markdown(table)) for table in page.tables]
    blocks += listed("In words")
    blocks += [wr.H1(text="Runs"), _students(wr, analysis, project, entity)]
    blocks += [wr.H2(text="Teachers and starts"), _others(wr, analysis, project, entity)]
    blocks += [*listed("Notes"), *listed("Warnings")]
    blocks += [
        wr.H2(text="Where the numbers come from"),
        wr.P(
            text="The verdicts are those of the records at the time of this report; the panels show what W&B "
            f"has now. The same tables: rigorkd analyze {asked or shlex.quote(analysis.study)}"
        ),
    ]
    title = f"{analysis.study}: which gains are real?"
    report: Report = wr.Report(
        project=project,
        entity=entity,
        title=title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…",
        description=page.headline[0],
        blocks=blocks,
    )
    return report


def save(report: Report) -> str:
    """Send a report to W&B; its address. Raises TrackingError if W&B does not take it."""
    try:
        report.save()
        return str(report.url)
    except Exception as error:
        raise TrackingError(
            f"W&B did not take the report ({type(error).__name__}: {error})",
            hint="publish the study first (rigorkd publish), and check project, entity and network",
        ) from error


def default_entity() -> str:
    """The entity that W&B uses for whoever is logged in. Raises TrackingError if it does not answer."""
    try:
        return str(_library_interface()._get_api().default_entity or "")
    except Exception as error:
        raise TrackingError(
            f"W&B did not say who is logged in ({type(error).__name__}: {error})",
            hint="log in (wandb login), or name the user or team with --wandb-entity",
        ) from error


def _students(wr: Any, analysis: Analysis, project: str, entity: str) -> Any:
    """Panels of the students, grouped by cell: curves with seed bands, then results against cost."""
    metric = wr.SummaryMetric(analysis.metric)
    runset = _runset(wr, analysis, project, entity, "students", "student")
    curves = [
        wr.LinePlot(
            title=title,
            x="epoch",
            y=[column],
            groupby="Group",
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            layout=wr.Layout(x=8 * position, y=0, w=8, h=8),
        )
        for position, (title, column) in enumerate(
            (
                ("validation top-1, mean and sd over seeds", "val_top1"),
                ("training loss", "train_loss"),
                ("distillation loss", "kd_loss"),
            )
        )
    ]
    results = [
        wr.BarPlot(
            title=f"{analysis.metric}, mean and sd over seeds",
            metrics=[metric],
            groupby="Group",
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            layout=wr.Layout(x=0, y=8, w=8, h=8),
        ),
        *(
            wr.ScatterPlot(
                title=f"{analysis.metric} against {cost}",
                x=wr.SummaryMetric(cost),
                y=metric,
                layout=wr.Layout(x=8 * position, y=8, w=8, h=8),
            )
            for position, cost in enumerate((metric.name for metric in shown("tradeoff")), start=1)
        ),
    ]
    return wr.PanelGrid(runsets=[runset], panels=[*curves, *results])


def _others(wr: Any, analysis: Analysis, project: str, entity: str) -> Any:
    runsets = [
        _runset(wr, analysis, project, entity, name, role)
        for name, role in (("teachers", "teacher"), ("starts", "start"))
    ]
    panel = wr.LinePlot(title="validation top-1", x="epoch", y=["val_top1"], layout=wr.Layout(w=12, h=8))
    return wr.PanelGrid(runsets=runsets, panels=[panel])


def _runset(wr: Any, analysis: Analysis, project: str, entity: str, name: str, role: str) -> Any:
    return wr.Runset(
        project=project,
        entity=entity,
        name=name,
        filters=f"Config('study') = '{analysis.study}' and Config('role') = '{role}'",
        groupby=["run.group"] if role == "student" else [],
    )


def _markdown(table: Table) -> str:
    return markdown(Page(blocks=(table,)))


def _library() -> Any:
    """`wandb_workspaces.reports.v2`. InputError if it is not installed."""
    return _imported("wandb_workspaces.reports.v2")


def _library_interface() -> Any:
    return _imported("wandb_workspaces.reports.v2.interface")


def _imported(name: str) -> Any:
    require("wandb-report", "a W&B Report")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations are not ours to mend
        return import_module(name)
