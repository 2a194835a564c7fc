"""Which figures a study has, in the order in which a report shows them."""

from __future__ import annotations

from rigorkd.report.evidence import Evidence
from rigorkd.report.figures import best, cost, forest, overall, seeds, settings, softness, training
from rigorkd.report.figures.spec import Figure

#: Where the figures of the CIFAR-100 study (Fauzan et al. 2026) are found again, with seed intervals.
PUBLISHED = {
    "overall": "Figure 2",
    "cost": "Figure 3",
    "training": "Figure 4",
    "mean-temperature": "Figure 5",
    "mean-alpha": "Figure 5",
}


def figures(evidence: Evidence) -> tuple[Figure, ...]:
    """Every figure for which the evidence has the cells."""
    found = (
        overall.overall(evidence),
        forest.gains(evidence),
        forest.gains(evidence, added=True),
        forest.contrasts(evidence, planned=True),
        forest.contrasts(evidence, planned=False),
        seeds.pairs(evidence),
        settings.gain_curves(evidence, "T"),
        settings.gain_curves(evidence, "alpha"),
        settings.mean_curves(evidence, "T"),
        settings.mean_curves(evidence, "alpha"),
        best.candidates(evidence),
        cost.tradeoff(evidence),
        training.convergence(evidence),
        softness.softness(evidence),
    )
    return tuple(figure for figure in found if figure is not None)
