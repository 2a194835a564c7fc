"""Which figures a study has, each with the section of the page that it belongs to.

A new figure is a function of the evidence, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from rigorkd.report.conditions import caption_under_conditions
from rigorkd.report.evidence import Evidence
from rigorkd.report.figures import (
    candidates,
    convergence,
    curves,
    forest,
    overall,
    pairs,
    softness,
    tradeoff,
)
from rigorkd.report.figures.spec import Figure


@dataclass(frozen=True)
class Entry:
    """A figure that a study may have.

    Attributes:
        name: of its files, and in `Analysis.plot`.
        shows: what is to be seen, as `rigorkd figures --help` says it.
        make: None where the evidence lacks the cells for it.
        section: where it stands on the page, or how that follows from the evidence.
        published: the figure of the CIFAR-100 study (Fauzan et al. 2026) that it is, with seed intervals.
        substitute: on the page it stands only where its section has no other figure.
        in_progress: it shows how training goes, not results, so that it is no look at a study in progress.
    """

    name: str
    shows: str
    make: Callable[[Evidence], Figure | None]
    section: str | Callable[[Evidence], str]
    published: str = ""
    substitute: bool = False
    in_progress: bool = False


_FOREST = "forest plots: intervals alone and simultaneous, the band too small to matter"
_LATER = "the same of what is exploratory: added later, or no more as it was planned"
_SETTING = "gain against {}, with paired intervals"
_MEAN = "the metric itself against {}"

CATALOG: tuple[Entry, ...] = (
    Entry("gains", _FOREST, forest.gains, forest.gains_section),
    Entry("gains-exploratory", _LATER, partial(forest.gains, added=True), "gains-exploratory"),
    Entry("contrasts", _FOREST, partial(forest.contrasts, planned=True), "contrasts"),
    Entry("contrasts-exploratory", _LATER, partial(forest.contrasts, planned=False), "contrasts-exploratory"),
    Entry("seeds", "every seed, its baseline joined with its run of the method", pairs.pairs, "seeds"),
    Entry(
        "overall",
        "teacher, baseline and method; the gain of each student",
        overall.overall,
        "seeds",
        "Figure 2",
    ),
    Entry("gain-temperature", _SETTING.format("T"), partial(curves.gain_curves, axis="T"), "settings"),
    Entry("gain-alpha", _SETTING.format("alpha"), partial(curves.gain_curves, axis="alpha"), "settings"),
    Entry(
        "mean-temperature",
        _MEAN.format("T"),
        partial(curves.mean_curves, axis="T"),
        "settings",
        "Figure 5",
        substitute=True,
    ),
    Entry(
        "mean-alpha",
        _MEAN.format("alpha"),
        partial(curves.mean_curves, axis="alpha"),
        "settings",
        "Figure 5",
        substitute=True,
    ),
    Entry("best", "which cell may be the best", candidates.candidates, "best"),
    Entry("cost", "the metric against latency and against parameters", tradeoff.tradeoff, "cost", "Figure 3"),
    Entry(
        "training",
        "training and validation curves with bands over seeds",
        convergence.convergence,
        "training",
        "Figure 4",
        in_progress=True,
    ),
    Entry(
        "softness",
        "entropy of the teacher's softened output",
        softness.softness,
        "teacher",
        in_progress=True,
    ),
)
"""In the order in which a page shows them."""


def drawn(evidence: Evidence) -> tuple[tuple[Entry, Figure], ...]:
    """Every figure for which the evidence has the cells."""
    judged = evidence.analysis.progress is None
    made = ((entry, entry.make(evidence)) for entry in CATALOG if judged or entry.in_progress)
    return tuple(
        (entry, replace(figure, caption=caption_under_conditions(evidence.analysis, figure.caption)))
        for entry, figure in made
        if figure is not None and figure.panels
    )


def figures(evidence: Evidence) -> tuple[Figure, ...]:
    """The same without where they belong."""
    return tuple(figure for _, figure in drawn(evidence))


def on_page(evidence: Evidence) -> dict[str, tuple[Figure, ...]]:
    """The figures of each section of the page."""
    found: dict[str, list[tuple[Entry, Figure]]] = {}
    for entry, figure in drawn(evidence):
        section = entry.section if isinstance(entry.section, str) else entry.section(evidence)
        found.setdefault(section, []).append((entry, figure))
    return {
        section: tuple(figure for entry, figure in members if not entry.substitute)
        or tuple(figure for _, figure in members)
        for section, members in found.items()
    }
