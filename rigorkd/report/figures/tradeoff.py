"""Accuracy against what a model costs when it is used: latency and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rigorkd.metrics import shown
from rigorkd.report.evidence import CellFacts, Evidence
from rigorkd.report.figures.marks import axis_name, point
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import SERIES, light, series
from rigorkd.report.numbers import Numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_STUDENTS = 6


def tradeoff(evidence: Evidence) -> Figure | None:
    """The metric against latency and against parameters; teachers too."""
    panels = [
        panel
        for cost in shown("tradeoff")
        if (panel := _panel(evidence, cost.name, cost.heading)) is not None
    ]
    if not panels or evidence.analysis.metric == "latency_ms":
        return None
    students = _students(evidence)
    keys = [Key(student, "filled", SERIES[at]) for at, student in enumerate(students)]
    keys += [Key(f"hollow: baseline, filled: {evidence.treated}", "hollow", "ink")]
    if evidence.teachers:
        keys.append(Key("teacher", "star", "ink"))
    same = ""
    if evidence.treated == "distilled":
        same = (
            " Distillation leaves the architecture as it is, so latencies of one student differ by noise of "
            "the measurement alone."
        )
    total = len({cell.student for cell in evidence.cells})
    return Figure(
        name="cost",
        title="Accuracy against cost" if "%" in axis_name(evidence) else "Result against cost",
        caption=(
            "Means over seeds; a vertical line is the interval of a mean, of the baselines alone where a "
            f"student has many cells.{same}"
        ),
        panels=tuple(panels),
        keys=tuple(keys),
        omitted="" if total <= _MAX_STUDENTS else f"The first {_MAX_STUDENTS} of {total} students are drawn.",
    )


def _students(evidence: Evidence) -> list[str]:
    return list(dict.fromkeys(cell.student for cell in evidence.cells))[:_MAX_STUDENTS]


def _panel(evidence: Evidence, name: str, axis: str) -> Panel | None:
    students = _students(evidence)
    cells = [cell for cell in evidence.cells if cell.student in students and cell.mean(name) is not None]
    cells = [cell for cell in cells if evidence.summary(cell.cell).mean is not None]
    if not cells:
        return None
    metric = evidence.analysis.metric
    teachers = [
        cell for cell in evidence.teachers if cell.mean(name) is not None and cell.mean(metric) is not None
    ]

    def draw(axes: Axes) -> None:
        axes.grid(zorder=0)
        for cell in cells:
            many = sum(other.student == cell.student for other in cells) > 4
            _point(axes, evidence, cell, name, students.index(cell.student), many)
        for teacher in teachers:
            point(axes, teacher.mean(name), teacher.mean(metric), "ink", mark="*", size=9, above=5)
        axes.set_xlabel(axis)
        axes.set_ylabel(axis_name(evidence))
        axes.margins(x=0.1)
        if name == "params_millions":
            axes.set_xlim(left=0)

    say = Numbers(evidence.analysis)
    parts = [
        f"{cell.cell}: {say(cell.mean(metric))} at {cell.mean(name):.3g}" for cell in (*teachers, *cells[:12])
    ]
    more = f"; and {len(cells) - 12} more" if len(cells) > 12 else ""
    return Panel("", draw, 2.1, f"{axis}: " + "; ".join(parts) + more + ".", 0.62)


def _point(axes: Axes, evidence: Evidence, cell: CellFacts, name: str, student: int, many: bool) -> None:
    role, mark, _ = series(student)
    summary, x = evidence.summary(cell.cell), cell.mean(name)
    low, high = summary.ci_low, summary.ci_high
    if x is not None and low is not None and high is not None and (cell.is_baseline or not many):
        axes.vlines(x, low, high, color=light(role), linewidth=0.9, zorder=2)
    size = 5.5 if cell.is_baseline else 3.2 if many else 5.0
    point(
        axes,
        x,
        summary.mean,
        role,
        mark=mark,
        size=size,
        hollow=cell.is_baseline,
        above=3 if cell.is_baseline else 4,
    )
