"""How soft the teacher's output becomes with temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rigorkd.report.evidence import Evidence, Softness
from rigorkd.report.figures.marks import MAX_PANELS
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import light, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def softness(evidence: Evidence) -> Figure | None:
    """Relative entropy of the softened output against T, with and without the most probable class."""
    if not evidence.softness:
        return None
    every = list(dict.fromkeys(item.teacher for item in evidence.softness))
    teachers = every[:MAX_PANELS]
    by = {
        name: sorted((s for s in evidence.softness if s.teacher == name), key=lambda s: s.T)
        for name in teachers
    }
    rest = any(item.entropy_rest for item in evidence.softness)
    keys = [Key("entropy of the whole output", "line", "blue", 0)]
    if rest:
        keys.append(Key("without the most probable class", "line", "vermillion", 1))
    return Figure(
        name="softness",
        title="Softness of the teacher by temperature",
        caption=(
            "Entropy of the softened output relative to log C: 0 is one-hot, 1 is uniform. Lines are means "
            "over the teachers of the seeds, bars reach from the lowest to the highest."
        ),
        panels=tuple(_panel(name, members) for name, members in by.items()),
        keys=tuple(keys),
        omitted="" if teachers == every else f"The first {MAX_PANELS} of {len(every)} teachers are drawn.",
    )


def _panel(name: str, members: list[Softness]) -> Panel:
    def draw(axes: Axes) -> None:
        axes.grid(axis="y", zorder=0)
        for at, values in enumerate(([s.entropy for s in members], [s.entropy_rest for s in members])):
            if not all(values):
                continue
            role, mark, dashes = series(at)
            x = range(len(members))
            axes.plot(
                x,
                [float(np.mean(v)) for v in values],
                color=light(role),
                marker=mark,
                markersize=4,
                linestyle=dashes,
            )
            for position, seeds in zip(x, values, strict=True):
                axes.vlines(position, min(seeds), max(seeds), color=light(role), linewidth=1.0)
        axes.set_xticks(range(len(members)), [f"{item.T:g}" for item in members])
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("temperature T")
        axes.set_ylabel("normalised entropy")

    parts = [f"{float(np.mean(item.entropy)):.2f} at T = {item.T:g}" for item in members]
    return Panel(name, draw, 1.9, "Relative entropy: " + ", ".join(parts) + ".", 0.62)
