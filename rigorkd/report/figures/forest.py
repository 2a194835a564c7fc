"""Forest plots: every difference with its interval alone, its simultaneous interval, and the band of
differences too small to matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rigorkd_analysis.results import Comparison, Family
from rigorkd_analysis.wording import percent_text

from rigorkd.report.conditions import told_of_tuning
from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.marks import (
    BADGES,
    MAX_PANELS,
    MAX_ROWS,
    difference_name,
    in_words,
    row_panel,
    verdict_point,
    zero_line,
)
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import light
from rigorkd.report.numbers import Numbers
from rigorkd.report.sentences import (
    equivalent_by,
    exploratory_said,
    name_of,
    of_shown,
    sentence_of,
)
from rigorkd.report.stars import is_starred, stars_said

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def gains(evidence: Evidence, *, added: bool = False) -> Figure | None:
    """Every gain over its baseline, one panel per student; or those of cells added to a planned family."""
    families = [family for family in evidence.analysis.families if family.name == "gains"]
    if len(families) <= added:
        return None
    family = families[added]
    primary = None if added else evidence.analysis.family("primary")
    by: dict[str, list[tuple[str, Comparison]]] = {}
    first = primary.comparisons if primary else ()
    for comparison in (*first, *family.comparisons):
        facts = evidence.facts(comparison.a or "")
        said = " (primary)" * (comparison in first)  # its interval is no part of those over all others
        by.setdefault(facts.block, []).append((facts.label + said, comparison))
    name = "gains-exploratory" if added else "gains"
    title = "Gains of cells added later, with their intervals" if added else "Gains with their intervals"
    if family.over is not None:
        title = (
            title.replace(",", f" over {family.over},")
            if added
            else title.replace("Gains", f"Gains over {family.over}")
        )
    figure = _figure(evidence, family, name, title, list(by.items()))
    if primary is None:
        return figure
    own = ", ".join(evidence.facts(c.a or "").label for c in primary.comparisons)
    told = f" The primary gain ({own}) is a question of its own, with the one interval."
    return replace(figure, caption=figure.caption + told)


def gains_section(evidence: Evidence) -> str:
    """Where the first family of gains stands on the page: among the planned ones, if it is one of them."""
    family = evidence.analysis.family("gains")
    return "gains" if family is None or family.planned else "gains-exploratory"


def contrasts(evidence: Evidence, planned: bool) -> Figure | None:
    """The named contrasts that were planned, or those added later."""
    for family in evidence.analysis.families:
        if family.name == "contrasts" and family.planned == planned:
            drawn = [(name_of(family, c), c) for c in family.comparisons if c.mean_diff is not None]
            name = "contrasts" if planned else "contrasts-exploratory"
            title = (
                "Contrasts with their intervals" if planned else "Exploratory contrasts with their intervals"
            )
            if not drawn:
                return None
            figure = _figure(evidence, family, name, title, [("", drawn)])
            named = [f"{name_of(family, c)}: {c.stands_for}" for _, c in _strongest(drawn) if c.stands_for]
            return replace(figure, caption=" ".join((*(f"{one}." for one in named), figure.caption)))
    return None


def _figure(
    evidence: Evidence,
    family: Family,
    name: str,
    title: str,
    parts: list[tuple[str, list[tuple[str, Comparison]]]],
) -> Figure:
    shown = [(part, _strongest(members)) for part, members in parts[:MAX_PANELS]]
    among = [c for _, members in shown for _, c in members]
    shown = [(part, [(one + "*" * is_starred(c, among), c) for one, c in members]) for part, members in shown]
    limits = _limits(among, evidence.analysis.sesoi)
    share = percent_text(1 - evidence.analysis.alpha)
    keys = [Key(f"{share} interval, this comparison alone", "thick", "muted")]
    if family.corrected_over > 1:
        keys.append(Key(f"simultaneous over all {family.corrected_over}", "thin", "muted"))
    if evidence.analysis.sesoi is not None:
        keys.append(Key("too small to matter", "band", "band"))
    badges = {c.verdict.badge for c in among}
    keys += [
        Key(badge, kind, "ink" if kind == "hollow" else role)
        for badge, (role, kind) in BADGES.items()
        if badge in badges
    ]
    of_kind = [one for one in evidence.analysis.families if one.name in (family.name, "primary")]
    own = of_shown(of_kind, among)
    total, drawn = sum(len(m) for _, m in parts), sum(len(m) for _, m in shown)
    return Figure(
        name=name,
        title=title,
        caption=(
            "An interval that leaves 0 does not decide by itself: the verdict is on the p-value corrected "
            "over the whole family. Arrowheads: the interval goes on beyond the axis."
            + sentence_of(equivalent_by(evidence.analysis, among))
            + exploratory_said(own)
            + sentence_of(told_of_tuning(evidence, among))
            + stars_said((name_of(family, c), c) for c in among)
        ),
        panels=tuple(_panel(evidence, part, members, limits) for part, members in shown if members),
        keys=tuple(keys),
        omitted=""
        if drawn == total
        else f"{drawn} of {total} are drawn, those with the smallest p; the table holds all.",
    )


def _strongest(members: list[tuple[str, Comparison]]) -> list[tuple[str, Comparison]]:
    """The rows with the smallest p, in their order, where there are too many to read."""
    if len(members) <= MAX_ROWS:
        return members
    ranked = sorted(range(len(members)), key=lambda at: (_p(members[at][1]), at))
    return [members[at] for at in sorted(ranked[:MAX_ROWS])]


def _p(comparison: Comparison) -> float:
    return 1.0 if comparison.p is None else comparison.p


def _limits(comparisons: Sequence[Comparison], sesoi: float | None) -> tuple[float, float]:
    """One axis for all panels: every interval, and of the simultaneous ones a third of that beyond."""
    ends = [v for c in comparisons for v in (c.mean_diff, c.ci_low, c.ci_high) if v is not None]
    ends += [0.0] + ([-sesoi, sesoi] if sesoi is not None else [])
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0
    wide_low = [c.ci_simultaneous_low for c in comparisons if c.ci_simultaneous_low is not None]
    wide_high = [c.ci_simultaneous_high for c in comparisons if c.ci_simultaneous_high is not None]
    low = max(min([low, *wide_low]), low - span / 3)
    high = min(max([high, *wide_high]), high + span / 3)
    return low - 0.03 * span, high + 0.03 * span


def _panel(
    evidence: Evidence, title: str, members: list[tuple[str, Comparison]], limits: tuple[float, float]
) -> Panel:
    def draw(axes: Axes) -> None:
        zero_line(axes, evidence.analysis.sesoi)
        axes.set_xlim(*limits)
        for at, (_, comparison) in enumerate(members):
            _row(axes, at, comparison, limits)
        axes.set_xlabel(difference_name(evidence))

    return row_panel(title, [label for label, _ in members], draw, _words(evidence, members), extra=0.12)


def _row(axes: Axes, at: int, c: Comparison, limits: tuple[float, float]) -> None:
    color = light(BADGES[c.verdict.badge][0])
    _line(axes, at, c.ci_simultaneous_low, c.ci_simultaneous_high, limits, color, 0.8)
    _line(axes, at, c.ci_low, c.ci_high, limits, color, 2.4)
    if c.mean_diff is not None:
        verdict_point(axes, c.mean_diff, at, c.verdict)


def _line(
    axes: Axes,
    at: int,
    low: float | None,
    high: float | None,
    limits: tuple[float, float],
    color: str,
    width: float,
) -> None:
    if low is None or high is None:
        return
    axes.plot(
        [max(low, limits[0]), min(high, limits[1])],
        [at, at],
        color=color,
        linewidth=width,
        solid_capstyle="butt",
        zorder=3,
    )
    for beyond, edge, mark in ((low < limits[0], limits[0], "<"), (high > limits[1], limits[1], ">")):
        if beyond:
            axes.plot([edge], [at], mark, markersize=3.5, color=color, clip_on=False)


def _words(evidence: Evidence, members: list[tuple[str, Comparison]]) -> str:
    say = Numbers(evidence.analysis)
    share = percent_text(1 - evidence.analysis.alpha)
    parts = []
    for label, c in members[:12]:
        interval = (
            ""
            if c.ci_low is None
            else f" ({share} {say(c.ci_low, True, bound=True)} to {say(c.ci_high, True, bound=True)})"
        )
        parts.append(f"{label}: {say(c.mean_diff, True)}{interval}, {c.verdict.label}")
    return f"Differences in{say.unit or ' the metric'}: " + in_words(parts, len(members), " rows")
