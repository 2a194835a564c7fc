"""Teacher, baseline and distilled student side by side, and the gain of each student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rigorkd_analysis.results import GAINS, Comparison
from rigorkd_analysis.wording import percent_text

from rigorkd.report.evidence import CellFacts, Evidence
from rigorkd.report.figures.marks import axis_name, difference_name, point, verdict_point
from rigorkd.report.figures.spec import Figure, Key, Panel
from rigorkd.report.figures.style import Role, light
from rigorkd.report.numbers import Numbers
from rigorkd.report.sentences import (
    equivalent_by,
    exploratory_said,
    is_unpaired,
    of_shown,
    sentence_of,
)
from rigorkd.report.stars import is_starred, stars_said

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_STUDENTS, _MAX_TEACHERS = 6, 2


@dataclass(frozen=True)
class Pairing:
    """A student's baseline and the one distilled cell that is set beside it."""

    student: str
    baseline: CellFacts
    distilled: CellFacts
    gain: Comparison


def pairings(evidence: Evidence) -> tuple[Pairing, ...]:
    """One distilled cell per student and group: the only one, or the one that validation picks.

    A student with several distilled cells and no pick (or a pick that is the baseline) is left out: to choose
    by test results would flatter.
    """
    best = evidence.analysis.best
    picked = {pick.cell for pick in best.validation_pick} if best else set()
    by: dict[str, list[Comparison]] = {}
    for comparison in evidence.gains():
        by.setdefault(evidence.facts(comparison.a or "").block, []).append(comparison)
    out = []
    for block, members in by.items():
        chosen = members if len(members) == 1 else [c for c in members if c.a in picked]
        if len(chosen) == 1 and chosen[0].a is not None and chosen[0].b is not None:
            distilled = evidence.facts(chosen[0].a)
            name = block or distilled.student or distilled.cell
            out.append(Pairing(name, evidence.facts(chosen[0].b), distilled, chosen[0]))
    return tuple(out)


def overall(evidence: Evidence) -> Figure | None:
    """Means of teacher, baseline and distilled student with seed intervals; beside them the gains."""
    every = pairings(evidence)
    if not every:
        return None
    found, teachers = every[:_MAX_STUDENTS], _teachers(evidence)
    omitted = []
    if len(every) > len(found):
        omitted.append(f"The first {len(found)} of {len(every)} students are drawn.")
    if len(teachers) > _MAX_TEACHERS:
        omitted.append(f"The first {_MAX_TEACHERS} of {len(teachers)} teachers are drawn.")
    share = percent_text(1 - evidence.analysis.alpha)
    families = of_shown(evidence.analysis.families, [pairing.gain for pairing in found])
    families = [family for family in families if family.name in GAINS]
    keys = [Key(evidence.baseline, "hollow", "blue"), Key(evidence.treated, "filled", "vermillion")]
    if teachers:
        keys.insert(0, Key("teacher", "star", "ink"))
    cells, title = f"{evidence.treated} cells", "Teacher, baseline and distilled student"
    if evidence.treated != "distilled":
        cells = "cells of methods" if evidence.treated == "method" else "cells"
        title = (
            f"{evidence.baseline if evidence.baseline != 'baseline' else 'Baseline'} and {evidence.treated}"
        )
    paired = "" if any(map(is_unpaired, families)) else "paired "
    return Figure(
        name="overall",
        title=title,
        caption=(
            f"Left: every seed, the mean and its {share} interval. Right: the {paired}gain with its {share} "
            "interval; a diamond is equivalent, a filled circle holds after correction, a hollow one is "
            f"inconclusive. Where a student has several {cells}, validation chose the one shown."
            + sentence_of(equivalent_by(evidence.analysis, [pairing.gain for pairing in found]))
            + exploratory_said(families)
            + stars_said((pairing.distilled.cell, pairing.gain) for pairing in found)
        ),
        panels=(_means(evidence, found), _gains(evidence, found)),
        keys=tuple(keys),
        omitted=" ".join(omitted),
    )


def _teachers(evidence: Evidence) -> list[CellFacts]:
    return [cell for cell in evidence.teachers if cell.values(evidence.analysis.metric)]


def _means(evidence: Evidence, found: tuple[Pairing, ...]) -> Panel:
    metric = evidence.analysis.metric
    teachers = _teachers(evidence)[:_MAX_TEACHERS]

    def draw(axes: Axes) -> None:
        axes.grid(axis="y", zorder=0)
        labels = []
        for at, teacher in enumerate(teachers):
            values = teacher.values(metric)
            axes.plot([at] * len(values), values, ".", markersize=3, color=light("muted"), zorder=2)
            point(axes, at, teacher.mean(metric), "ink", mark="*", size=9)
            labels.append(teacher.cell)
        for at, pairing in enumerate(found, start=len(teachers)):
            labels.append(_wrapped(pairing.student))
            _cell(axes, evidence, pairing.baseline, at - 0.14, "blue")
            _cell(axes, evidence, pairing.distilled, at + 0.14, "vermillion")
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylabel(axis_name(evidence))

    say = Numbers(evidence.analysis)
    parts = [f"{teacher.cell}: {say(teacher.mean(metric))}" for teacher in teachers]
    parts += [
        f"{p.student}: {evidence.baseline} {say(evidence.summary(p.baseline.cell).mean)}, "
        f"{p.distilled.label} {say(evidence.summary(p.distilled.cell).mean)}"
        for p in found
    ]
    return Panel("Means", draw, 2.1, "; ".join(parts) + ".", 0.62)


def _cell(axes: Axes, evidence: Evidence, cell: CellFacts, x: float, role: Role) -> None:
    values, summary = cell.values(evidence.analysis.metric), evidence.summary(cell.cell)
    axes.plot([x + 0.07] * len(values), values, ".", markersize=2.5, color=light("muted"), zorder=2)
    if summary.ci_low is not None and summary.ci_high is not None:
        axes.plot([x, x], [summary.ci_low, summary.ci_high], color=light(role), linewidth=1.6, zorder=3)
    point(axes, x, summary.mean, role, hollow=cell.is_baseline)


def _gains(evidence: Evidence, found: tuple[Pairing, ...]) -> Panel:
    sesoi, among = evidence.analysis.sesoi, [pairing.gain for pairing in found]

    def draw(axes: Axes) -> None:
        if sesoi is not None:
            axes.axhspan(-sesoi, sesoi, color=light("band"), linewidth=0, zorder=0)
        axes.axhline(0, color=light("muted"), linewidth=0.8, zorder=1)
        for at, pairing in enumerate(found):
            c = pairing.gain
            if c.ci_low is not None and c.ci_high is not None:
                axes.plot([at, at], [c.ci_low, c.ci_high], color=light("muted"), linewidth=2.2, zorder=3)
            if c.mean_diff is not None:
                verdict_point(axes, at, c.mean_diff, c.verdict)
        fits = all(len(p.distilled.label) * len(found) < 44 for p in found)
        labels = [
            _wrapped(p.student) + (f"\n{p.distilled.label}" if fits else "") + "*" * is_starred(p.gain, among)
            for p in found
        ]
        axes.set_xticks(range(len(found)), labels)
        axes.set_xlim(-0.5, len(found) - 0.5)
        axes.set_ylabel(difference_name(evidence).replace("difference", "gain"))

    say = Numbers(evidence.analysis)
    parts = [
        f"{p.student}, {p.distilled.label}: {say(p.gain.mean_diff, True)}, {p.gain.verdict.label}"
        + "*" * is_starred(p.gain, among)
        for p in found
    ]
    return Panel(f"Gain over {evidence.the_baseline}", draw, 2.1, "; ".join(parts) + ".", 0.62)


def _wrapped(name: str) -> str:
    return name.replace("/", "/\n", 1) if len(name) > 12 else name
