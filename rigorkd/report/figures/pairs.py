"""Every seed as a point: the baseline's and the distilled run of one seed joined by a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rigorkd.report.evidence import CellFacts, Evidence
from rigorkd.report.figures.marks import MAX_PANELS, MAX_ROWS, axis_name, in_words, point, room, row_panel
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import Dashes, Role, light
from rigorkd.report.numbers import Numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.27


def pairs(evidence: Evidence) -> Figure | None:
    """Baseline and distilled run of every seed, one panel per student, one row per distilled cell."""
    by: dict[str, list[tuple[CellFacts, CellFacts]]] = {}
    if any(comparison.test == "unpaired" for comparison in evidence.gains()):
        return _alone(evidence)  # a line would pair what is not
    for comparison in evidence.gains():
        distilled = evidence.facts(comparison.a or "")
        by.setdefault(distilled.block, []).append((distilled, evidence.facts(comparison.b or "")))
    if not by:
        return _alone(evidence)
    treated = evidence.treated
    run = {"distilled": "distilled run", "method": "run of the method"}.get(treated, "run")
    of_engine = evidence.provenance is not None and not evidence.provenance.of_commands
    batches = "; both saw the same batches" if of_engine else ""
    shown = [(name, members[:MAX_ROWS]) for name, members in list(by.items())[:MAX_PANELS]]
    total, drawn = sum(map(len, by.values())), sum(len(members) for _, members in shown)
    return Figure(
        name="seeds",
        title=f"From {evidence.baseline} to {treated}, seed by seed",
        caption=(
            f"One line per seed, from its baseline to its {run}{batches}. A method that helps moves the "
            "seeds of a row the same way."
        ),
        panels=tuple(_pairs_panel(evidence, name, members) for name, members in shown),
        keys=(
            Key(evidence.baseline, "hollow", "ink"),
            Key(f"{treated}, ahead in this seed", "filled", "blue"),
            Key(f"{treated}, not ahead in this seed", "filled", "vermillion"),
        ),
        omitted="" if drawn == total else f"The first {drawn} of {total} cells are drawn.",
    )


def _pairs_panel(evidence: Evidence, name: str, members: list[tuple[CellFacts, CellFacts]]) -> Panel:
    metric, sign = evidence.analysis.metric, 1.0 if evidence.analysis.goal == "max" else -1.0
    labels = [distilled.label for distilled, _ in members]
    joined = [
        [
            (before, after)
            for before, after in zip(baseline.measures[metric], distilled.measures[metric], strict=True)
            if before is not None and after is not None
        ]
        for distilled, baseline in members
    ]

    def draw(axes: Axes) -> None:
        for at in range(1, len(members)):
            axes.axhline(at - 0.5, color=light("rule"), linewidth=0.6, zorder=0)
        _dumbbells(axes, joined, sign, below_label=room(labels) is None)
        axes.set_xlabel(axis_name(evidence))

    ahead = [sum(sign * (after - before) > 0 for before, after in seeds) for seeds in joined]
    counts = [
        f"{label}: ahead in {up} of {len(seeds)} seeds"
        for label, up, seeds in zip(labels, ahead, joined, strict=True)
    ]
    return row_panel(name, labels, draw, in_words(counts), heights=(_ROW, 1.7 * _ROW))


def _dumbbells(
    axes: Axes, paired: list[list[tuple[float, float]]], sign: float, *, below_label: bool
) -> None:
    """One line per seed and row; marks of one colour are drawn together, which keeps the SVG small."""
    nothing = float("nan")
    sides: tuple[tuple[Role, bool], ...] = (("blue", True), ("vermillion", False))
    for role, better in sides:
        x: list[float] = []
        y: list[float] = []
        for at, seeds in enumerate(paired):
            step = (0.46 if below_label else 0.62) / max(1, len(seeds))
            middle = at + (0.14 if below_label else 0.0) - (len(seeds) - 1) / 2 * step
            for order, (before, after) in enumerate(seeds):
                if (sign * (after - before) > 0) == better:
                    x += [before, after, nothing]
                    y += [middle + order * step] * 3
        dashes: Dashes = "-" if better else (0, (2.2, 1.2))
        axes.plot(x, y, color=light(role), linewidth=1.0, linestyle=dashes, zorder=2)
        point(axes, x[1::3], y[1::3], role, size=2.9)
        point(axes, x[::3], y[::3], "ink", size=2.7, hollow=True, above=3)


def _alone(evidence: Evidence) -> Figure | None:
    """Without baselines: the seeds of every cell."""
    groups = evidence.blocks()
    shown = [(name, cells[:MAX_ROWS]) for name, cells in groups[:MAX_PANELS]]
    total, drawn = len(evidence.cells), sum(len(cells) for _, cells in shown)
    return Figure(
        name="seeds",
        title="Seeds of every cell",
        caption="One point per seed; the bar is their mean.",
        panels=tuple(_alone_panel(evidence, name, cells) for name, cells in shown),
        keys=(Key("one seed", "hollow", "ink"), Key("mean", "thick", "blue")),
        omitted="" if drawn == total else f"The first {drawn} of {total} cells are drawn.",
    )


def _alone_panel(evidence: Evidence, name: str, cells: tuple[CellFacts, ...]) -> Panel:
    metric = evidence.analysis.metric

    def draw(axes: Axes) -> None:
        for at, cell in enumerate(cells):
            values = cell.values(metric)
            point(axes, values, [at] * len(values), "ink", size=3.4, hollow=True)
            mean = evidence.summary(cell.cell).mean
            if mean is not None:
                axes.plot([mean, mean], [at - 0.3, at + 0.3], color=light("blue"), linewidth=2.4)
        axes.set_xlabel(axis_name(evidence))

    say = Numbers(evidence.analysis)
    means = [f"{cell.label}: mean {say(evidence.summary(cell.cell).mean)}" for cell in cells[:12]]
    return row_panel(name, [cell.label for cell in cells], draw, "; ".join(means) + ".", heights=(0.2, 0.36))
