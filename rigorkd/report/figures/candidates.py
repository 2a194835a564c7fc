"""Which cells may be the best of their student: the set that the data cannot narrow further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rigorkd_analysis.results import Candidates
from rigorkd_analysis.wording import percent_text

from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.marks import MAX_PANELS, MAX_ROWS, axis_name, point, row_panel
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import Role, light
from rigorkd.report.numbers import Numbers
from rigorkd.report.sentences import cells_are_left, not_judged_after, who

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def candidates(evidence: Evidence) -> Figure | None:
    """Mean of every cell with its interval; filled if the cell may be the best one."""
    best = evidence.analysis.best
    sets = [item for item in best.sets if len(item.cells) > 1] if best else []
    if best is None or not sets:
        return None
    picked = {pick.cell for pick in best.validation_pick}
    shown = sets[:MAX_PANELS]
    share = percent_text(1 - evidence.analysis.alpha)
    omitted = []
    if len(shown) < len(sets):
        omitted.append(f"The first {len(shown)} of {len(sets)} sets are drawn.")
    if any(len(item.cells) > MAX_ROWS for item in shown):
        omitted.append(f"Of each set the {MAX_ROWS} cells with the best means are drawn.")
    left = ", of the cells that are left" * cells_are_left(best.left_out)
    looks = dict.fromkeys(filter(None, (not_judged_after(item, evidence.analysis) for item in shown)))
    keys = []
    told = f"any filled one may be it{left}"
    if looks:
        told = f"which of the cells may be it is not judged ({'; '.join(looks)})"
    if not looks or any(len(item.may_be_best) < len(item.cells) for item in shown):
        keys = [
            Key(f"may be the best ({share} confidence)", "filled", "blue"),
            Key("excluded: some cell beats it", "hollow", "muted"),
        ]
    if picked:
        keys.append(Key("the one that validation picks", "star", "orange"))
    return Figure(
        name="best",
        title="Means, best first",
        caption=(
            f"Means over seeds with {share} intervals, best first. The highest mean is the highest of these "
            f"seeds, not the best cell: {told}."
        ),
        panels=tuple(_panel(evidence, item, picked) for item in shown),
        keys=tuple(keys),
        omitted=" ".join(omitted),
    )


def _panel(evidence: Evidence, item: Candidates, picked: set[str]) -> Panel:
    sign = -1.0 if evidence.analysis.goal == "max" else 1.0
    known = [evidence.summary(cell) for cell in item.cells]
    ranked = sorted((s for s in known if s.mean is not None), key=lambda s: sign * (s.mean or 0.0))[:MAX_ROWS]
    labels = [evidence.facts(summary.cell).label for summary in ranked]
    judged = not not_judged_after(item, evidence.analysis)
    may = set(item.may_be_best) if judged else set()

    def draw(axes: Axes) -> None:
        for at, summary in enumerate(ranked):
            inside = summary.cell in may
            role: Role = "blue" if inside else "muted"
            if summary.ci_low is not None and summary.ci_high is not None:
                axes.hlines(at, summary.ci_low, summary.ci_high, color=light(role), linewidth=1.4, zorder=2)
            point(axes, summary.mean, at, role, hollow=judged and not inside, above=3)
            if summary.cell in picked:
                point(axes, summary.mean, at, "orange", mark="*", size=10, edge="ink")
        axes.set_xlabel(axis_name(evidence))

    say = Numbers(evidence.analysis)
    parts = [
        f"{label}: {say(summary.mean)}{', may be the best' if summary.cell in may else ''}"
        for label, summary in zip(labels[:12], ranked, strict=False)
    ]
    return row_panel(who(item.student, item.group), labels, draw, "; ".join(parts) + ".")
