"""Convergence: the mean curve over seeds and the band between the lowest and the highest seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rigorkd.report.evidence import CellFacts, Evidence, Floats
from rigorkd.report.figures.marks import MAX_PANELS
from rigorkd.report.figures.spec import Figure, Panel
from rigorkd.report.figures.style import light, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = (
    ("val_top1", "validation top-1 (%)", "Validation"),
    ("train_loss", "training loss", "Training"),
)
_DISTILLED = 3
_POINTS = 120


@dataclass(frozen=True)
class Curves:
    """One cell by epochs, over its seeds: each array of shape (epochs,)."""

    label: str
    epochs: Floats
    mean: Floats
    low: Floats
    high: Floats


def convergence(evidence: Evidence) -> Figure | None:
    """Validation and training curves per student: baseline and up to three of its distilled cells."""
    if evidence.history is None:
        return None
    panels = []
    groups = evidence.blocks()
    most = 1
    for name, cells in groups[: MAX_PANELS // 2]:
        shown = shown_cells(evidence, cells)
        most = max(most, len(shown))
        for column, axis, title in _COLUMNS:
            curves = [found for cell in shown if (found := over_seeds(evidence, cell, column)) is not None]
            if curves:
                panels.append(epoch_panel(f"{name}: {title.lower()}" if name else title, curves, axis))
    if not panels:
        return None
    best = evidence.analysis.best
    picked = ", the cell that validation picks" if best and best.validation_pick else ""
    return Figure(
        name="training",
        title="Convergence",
        caption=(
            "Lines are means over seeds, bands reach from the lowest to the highest seed. Shown are the "
            f"baseline{picked} and the ends of the grid. Training losses of different objectives are not "
            "comparable with each other."
        ),
        panels=tuple(panels),
        omitted=""
        if len(groups) <= MAX_PANELS // 2
        else f"The first {MAX_PANELS // 2} of {len(groups)} students are drawn.",
    )


def shown_cells(evidence: Evidence, cells: tuple[CellFacts, ...]) -> list[CellFacts]:
    """The baseline, the cell that validation picks, and the first and last distilled cell."""
    best = evidence.analysis.best
    picked = {pick.cell for pick in best.validation_pick} if best else set()
    baselines = [cell for cell in cells if cell.is_baseline][:1]
    others = [cell for cell in cells if not cell.is_baseline]
    wanted = [cell for cell in others if cell.cell in picked] + others[:1] + others[-1:]
    unique = list({cell.cell: cell for cell in wanted}.values())[:_DISTILLED]
    return baselines + sorted(unique, key=lambda cell: others.index(cell))


def over_seeds(evidence: Evidence, cell: CellFacts, column: str, name: str | None = None) -> Curves | None:
    """A column of the history over the seeds of a cell, under its label or a name; None without a value."""
    if evidence.history is None:
        return None
    found = [
        history
        for seed in cell.seeds
        if seed is not None and (history := evidence.history(cell.cell, seed)) is not None
    ]
    values = [history.columns[column] for history in found if column in history.columns]
    if not values:
        return None
    longest = max(map(len, values))
    grid = np.full((len(values), longest), np.nan)
    for row, one in enumerate(values):
        grid[row, : len(one)] = one
    keep = ~np.isnan(grid).all(axis=0)
    keep &= np.isin(np.arange(longest), np.unique(np.linspace(0, longest - 1, _POINTS).round()))
    if not keep.any():
        return None
    part = grid[:, keep]
    epochs = np.arange(1.0, longest + 1)[keep]
    return Curves(
        name or cell.label, epochs, np.nanmean(part, axis=0), np.nanmin(part, axis=0), np.nanmax(part, axis=0)
    )


def epoch_panel(title: str, curves: list[Curves], axis: str) -> Panel:
    """Curves with their bands and a legend of their own."""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.grid(axis="y", zorder=0)
        for at, curve in enumerate(curves):
            role, _, dashes = series(at)
            axes.fill_between(
                curve.epochs, curve.low, curve.high, color=light(role), alpha=0.16, linewidth=0, zorder=1
            )
            axes.plot(
                curve.epochs,
                curve.mean,
                color=light(role),
                linewidth=1.4,
                linestyle=dashes,
                label=curve.label,
                zorder=3,
            )
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel(axis)
        axes.margins(x=0.01)
        axes.legend(loc=clear_corner(curves), fontsize=6.5, handlelength=2.4)

    parts = [f"{c.label}: from {c.mean[0]:.3g} to {c.mean[-1]:.3g} at epoch {c.epochs[-1]:g}" for c in curves]
    return Panel(title, draw, 1.9, "; ".join(parts) + ".", 0.62)


Corner = Literal[
    "upper right", "center right", "lower right", "upper left", "center left", "lower left"
]  # fmt: skip
_RISING: tuple[Corner, ...] = (
    "lower right", "upper right", "center right", "lower left", "upper left", "center left",
)  # fmt: skip
_FALLING: tuple[Corner, ...] = (
    "upper right", "lower right", "center right", "upper left", "lower left", "center left",
)  # fmt: skip


def clear_corner(curves: list[Curves]) -> Corner:
    """Where the legend hides least of the curves: upper right of falling ones, else lower right if it can."""
    first = min(curve.epochs[0] for curve in curves)
    last = max(curve.epochs[-1] for curve in curves)
    xs = np.linspace(0, 1, 60)
    edges = np.array(
        [
            np.interp(first + xs * (last - first), curve.epochs, one, np.nan, np.nan)
            for curve in curves
            for one in (curve.low, curve.mean, curve.high)
        ]
    )
    bottom, top = np.nanmin(edges), np.nanmax(edges)
    ys = (edges - bottom) / (top - bottom or 1.0)
    width = min(0.9, 0.2 + 0.024 * max(len(curve.label) for curve in curves))
    height = 0.08 + 0.08 * len(curves)
    below = {"upper": 1 - height, "center": 0.5 - height / 2, "lower": 0.0}

    def hidden(corner: Corner) -> int:
        vertical, side = corner.split()
        beside = xs > 1 - width if side == "right" else xs < width
        return int(((ys >= below[vertical]) & (ys <= below[vertical] + height) & beside).sum())

    falling = curves[0].mean[-1] < curves[0].mean[0]
    return min(_FALLING if falling else _RISING, key=hidden)
