"""What several figures share: labels beside rows, intervals as lines, points that show a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rigorkd_analysis.axes import SYMBOLS
from rigorkd_analysis.metric_names import label as metric_label
from rigorkd_analysis.metric_names import unit_of as unit_by_name

from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.spec import KeyKind, Panel
from rigorkd.report.figures.style import SMALL, Role, light
from rigorkd.report.numbers import Numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rigorkd_analysis.verdicts import Badge, Verdict

#: More rows than this in one panel cannot be read; the tables hold them all.
MAX_ROWS = 30
#: More panels than this make no figure.
MAX_PANELS = 6
_CHARACTER = 0.057
_LONGEST = 25

BADGES: dict[Badge, tuple[Role, KeyKind]] = {
    "better": ("blue", "filled"),
    "worse": ("vermillion", "filled"),
    "equivalent": ("green", "diamond"),
    "inconclusive": ("muted", "hollow"),
}
"""Colour and mark of each kind of verdict; the mark of an inconclusive one is drawn in ink."""


def axis_name(evidence: Evidence, metric: str | None = None) -> str:
    """The metric in words with its unit, for an axis that shows its values."""
    name = metric or evidence.analysis.metric
    unit = unit_of(evidence, name)
    return metric_label(name) + {" points": " (%)"}.get(unit, f" ({unit.strip()})" if unit else "")


def setting_name(evidence: Evidence, column: str) -> str:
    """A setting in words, for an axis. What α weighs is known of rigorkd's own losses: others may weigh the
    teacher by it.
    """
    if column == "T":
        return "temperature T"
    of_engine = evidence.provenance is not None and not evidence.provenance.of_commands
    return "α, the weight of the labels" if column == "alpha" and of_engine else SYMBOLS.get(column, column)


def difference_name(evidence: Evidence) -> str:
    """The same for an axis that shows differences."""
    unit = Numbers(evidence.analysis).unit.strip()
    return f"difference in {metric_label(evidence.analysis.metric)}" + (f" ({unit})" if unit else "")


def unit_of(evidence: Evidence, metric: str) -> str:
    """The unit of any metric of the evidence, by its name and values."""
    if metric == evidence.analysis.metric:
        return Numbers(evidence.analysis).unit
    values = [abs(value) for cell in evidence.cells for value in cell.values(metric)]
    return unit_by_name(metric, max(values, default=0.0))


def row_panel(
    title: str,
    labels: Sequence[str],
    draw: Callable[[Axes], None],
    describe: str,
    *,
    heights: tuple[float, float] = (0.19, 0.36),
    extra: float = 0.1,
) -> Panel:
    """A panel of labelled rows on which `draw` puts the marks.

    Args:
        heights: of a row in inches, with its label at the left and with its label above it.
        extra: inches for all rows together.
    """
    left = room(labels)

    def whole(axes: Axes) -> None:
        rows(axes, labels, above=left is None)
        draw(axes)

    height = len(labels) * heights[left is None] + extra
    return Panel(title, whole, height, describe, 0.14 if left is None else left)


def in_words(parts: Sequence[str], total: int | None = None, what: str = "") -> str:
    """What a panel shows, for readers who cannot see it: the first dozen of its marks."""
    more = (len(parts) if total is None else total) - 12
    return "; ".join(parts[:12]) + (f"; and {more} more{what}" if more > 0 else "") + "."


def room(labels: Iterable[str]) -> float | None:
    """Inches that labels need left of the axes; None if they are too long to stand there."""
    longest = max((len(text) for text in labels), default=0)
    return None if longest > _LONGEST else 0.2 + _CHARACTER * max(4, longest)


def rows(axes: Axes, labels: Sequence[str], *, above: bool) -> None:
    """Rows from top to bottom, labelled at the left or, where labels are long, above their row."""
    n = len(labels)
    axes.set_ylim(n - 0.4, -0.75 if above else -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if not above:
        axes.set_yticks(range(n), labels)
        return
    axes.set_yticks([])
    for at, text in enumerate(labels):
        axes.text(
            0.0,
            at - 0.3,
            text,
            transform=axes.get_yaxis_transform(),
            fontsize=SMALL,
            va="bottom",
            ha="left",
            color=light("ink"),
        )


def zero_line(axes: Axes, sesoi: float | None) -> None:
    """The line of no difference, and the band of differences that would not matter."""
    if sesoi is not None:
        axes.axvspan(-sesoi, sesoi, color=light("band"), linewidth=0, zorder=0)
    axes.axvline(0, color=light("muted"), linewidth=0.8, zorder=1)


def point(
    axes: Axes,
    x: float | Sequence[float] | None,
    y: float | Sequence[float] | None,
    role: Role,
    *,
    mark: str = "o",
    size: float = 5.0,
    hollow: bool = False,
    edge: Role | None = None,
    above: float = 4.0,
    clip: bool = True,
) -> None:
    """Points without a line; a hollow one has the colour of the paper inside. Unknown places draw nothing."""
    if x is None or y is None:
        return
    xs, ys = ([x] if isinstance(x, int | float) else x), ([y] if isinstance(y, int | float) else y)
    axes.plot(
        xs,
        ys,
        linestyle="none",
        marker=mark,
        markersize=size,
        markerfacecolor=light("paper" if hollow else role),
        markeredgecolor=light(edge or role),
        markeredgewidth=0.9 if size > 4 else 0.7,
        zorder=above,
        clip_on=clip,
    )


def verdict_point(axes: Axes, x: float, y: float, verdict: Verdict) -> None:
    """A filled circle for a direction, a diamond for equivalence, a hollow circle for inconclusive."""
    role, mark = BADGES[verdict.badge]
    if mark == "hollow":
        point(axes, x, y, "ink", hollow=True, above=5, clip=False)
    else:
        diamond = mark == "diamond"
        point(axes, x, y, role, mark="D" if diamond else "o", size=4.2 if diamond else 5, above=5, clip=False)
