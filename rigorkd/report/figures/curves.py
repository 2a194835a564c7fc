"""What temperature and alpha change: gains, or means, along each axis of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rigorkd_analysis.wording import percent_text

from rigorkd.report.evidence import CellFacts, Evidence, grids
from rigorkd.report.figures.marks import MAX_PANELS, axis_name, difference_name, setting_name
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import SERIES, light, series
from rigorkd.report.numbers import Numbers
from rigorkd.report.sentences import is_unpaired, overlap_said

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Axis = Literal["T", "alpha"]
_SYMBOL: dict[Axis, str] = {"T": "T", "alpha": "α"}
_MAX_LINES = 6


@dataclass(frozen=True)
class Point:
    """One cell on a curve: its setting, what is drawn there, its interval."""

    setting: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """Cells that differ in one axis alone; `fixed` is the value of the other one."""

    fixed: float | None
    points: tuple[Point, ...]


def gain_curves(evidence: Evidence, axis: Axis) -> Figure | None:
    """Gain over the baseline against T or alpha, with the intervals of its tests."""
    found = {
        c.a: Point(0.0, c.mean_diff, c.ci_low, c.ci_high)
        for c in evidence.gains()
        if c.a is not None and c.mean_diff is not None
    }
    return _figure(evidence, axis, found, gain=True)


def mean_curves(evidence: Evidence, axis: Axis) -> Figure | None:
    """The metric itself against T or alpha, with the interval of each cell's mean."""
    found = {
        cell.cell: Point(0.0, cell.mean, cell.ci_low, cell.ci_high)
        for cell in evidence.analysis.cells
        if cell.mean is not None
    }
    return _figure(evidence, axis, found, gain=False)


def _figure(evidence: Evidence, axis: Axis, found: dict[str, Point], *, gain: bool) -> Figure | None:
    parts, most = [], 0
    for name, cells in grids(evidence):
        curves = _curves(cells, axis, found)
        most = max(most, len(curves))
        if curves:
            parts.append((name, cells, curves[:_MAX_LINES]))
    if not parts:
        return None
    other: Axis = "alpha" if axis == "T" else "T"
    levels = sorted({curve.fixed for _, _, curves in parts for curve in curves if curve.fixed is not None})
    share = percent_text(1 - evidence.analysis.alpha)
    keys = [
        Key(f"{_SYMBOL[other]} = {level:g}", "line", SERIES[at % len(SERIES)], at)
        for at, level in enumerate(levels[:_MAX_LINES])
    ]
    if gain and evidence.analysis.sesoi is not None:
        keys.append(Key("too small to matter", "band", "band"))
    if not gain:
        keys.append(Key(f"{evidence.baseline}, mean and interval", "thick", "muted"))
    shown = parts[:MAX_PANELS]
    omitted = [] if len(shown) == len(parts) else [f"The first {len(shown)} of {len(parts)} are drawn."]
    if most > _MAX_LINES:
        omitted.append(
            f"Of each, the first {_MAX_LINES} of up to {most} values of {_SYMBOL[other]} are drawn."
        )
    what = "Gain" if gain else "Accuracy" if "%" in axis_name(evidence) else "Result"
    unpaired = any(map(is_unpaired, evidence.analysis.families))
    note = (
        f"{share} intervals of the {'' if unpaired else 'paired '}difference, uncorrected."
        if gain
        else f"{share} intervals of each mean. {overlap_said(evidence.analysis, 'overlap of these is')}."
    )
    return Figure(
        name=f"{'gain' if gain else 'mean'}-{'temperature' if axis == 'T' else 'alpha'}",
        title=f"{what} against {setting_name(evidence, axis)}",
        caption=note,
        panels=tuple(_panel(evidence, axis, *part, levels, gain=gain) for part in shown),
        keys=tuple(keys),
        omitted=" ".join(omitted),
    )


def _curves(cells: Sequence[CellFacts], axis: Axis, found: dict[str, Point]) -> tuple[Curve, ...]:
    """Curves of two settings or more along an axis, one per value of the other axis."""
    by: dict[float | None, list[Point]] = {}
    for cell in cells:
        setting, fixed = (cell.T, cell.alpha) if axis == "T" else (cell.alpha, cell.T)
        point = found.get(cell.cell)
        if setting is not None and point is not None:
            by.setdefault(fixed, []).append(Point(setting, point.value, point.low, point.high))
    curves = []
    for fixed, points in by.items():
        ordered = sorted(points, key=lambda point: point.setting)
        if len({point.setting for point in ordered}) == len(ordered) > 1:
            curves.append(Curve(fixed, tuple(ordered)))
    return tuple(sorted(curves, key=lambda curve: (curve.fixed is None, curve.fixed or 0.0)))


def _panel(
    evidence: Evidence,
    axis: Axis,
    name: str,
    cells: tuple[CellFacts, ...],
    curves: tuple[Curve, ...],
    levels: list[float],
    *,
    gain: bool,
) -> Panel:
    settings = sorted({point.setting for curve in curves for point in curve.points})
    place = {setting: at for at, setting in enumerate(settings)}
    analysis = evidence.analysis
    baseline = next((c for c in evidence.gains() if c.a in {cell.cell for cell in cells}), None)

    def draw(axes: Axes) -> None:
        if gain:
            if analysis.sesoi is not None:
                axes.axhspan(-analysis.sesoi, analysis.sesoi, color=light("band"), linewidth=0, zorder=0)
            axes.axhline(0, color=light("muted"), linewidth=0.8, zorder=1)
        elif baseline is not None and baseline.b is not None:
            summary = evidence.summary(baseline.b)
            if summary.ci_low is not None and summary.ci_high is not None:
                axes.axhspan(summary.ci_low, summary.ci_high, color=light("band"), linewidth=0, zorder=0)
            if summary.mean is not None:
                axes.axhline(summary.mean, color=light("muted"), linewidth=1.6, zorder=1)
        axes.grid(axis="y", zorder=0)
        for order, curve in enumerate(curves):
            at = levels.index(curve.fixed) if curve.fixed in levels else order
            role, mark, dashes = series(at)
            shift = (order - (len(curves) - 1) / 2) * min(0.12, 0.5 / max(1, len(curves)))
            x = [place[point.setting] + shift for point in curve.points]
            axes.plot(
                x,
                [point.value for point in curve.points],
                color=light(role),
                marker=mark,
                markersize=4,
                linewidth=1.4,
                linestyle=dashes,
                zorder=4,
            )
            for position, point in zip(x, curve.points, strict=True):
                if point.low is not None and point.high is not None:
                    axes.vlines(position, point.low, point.high, color=light(role), linewidth=1.0, zorder=3)
        axes.set_xticks(range(len(settings)), [f"{setting:g}" for setting in settings])
        axes.set_xlim(-0.45, len(settings) - 0.55)
        axes.set_xlabel(setting_name(evidence, axis))
        axes.set_ylabel(
            difference_name(evidence).replace("difference", "gain") if gain else axis_name(evidence)
        )

    say = Numbers(analysis)
    other = _SYMBOL["alpha" if axis == "T" else "T"]
    parts = []
    for curve in curves:
        values = ", ".join(f"{say(p.value, gain)} at {_SYMBOL[axis]} = {p.setting:g}" for p in curve.points)
        parts.append((f"{other} = {curve.fixed:g}: " if curve.fixed is not None else "") + values)
    return Panel(name, draw, 1.9, "; ".join(parts) + ".", 0.62)
