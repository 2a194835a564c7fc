"""The page of a power calculation."""

from __future__ import annotations

from rigorkd_analysis.stats.sample_size import Power, detectable
from rigorkd_analysis.wording import percent_text

from rigorkd.report.page import Column, Page, Table
from rigorkd.text import count


def power_page(answer: Power) -> Page:
    """Render a power calculation, with the detectable effect at neighbouring numbers of seeds."""
    share = percent_text(answer.power)
    m = 1 if answer.correction == "none" else answer.comparisons
    family = f"{count(answer.comparisons, 'comparison')} at α = {answer.alpha:g}"
    lines = []
    if answer.mde is not None:
        lines.append(
            f"{answer.n} seeds detect a difference of {answer.mde:.3g} with {share} power "
            f"(sd of the paired differences {answer.sd:g}, {family})."
        )
    if answer.effect is not None:
        lines.append(
            f"A difference of {abs(answer.effect):g} takes {count(answer.seeds_needed, 'seed')}."
            if answer.seeds_needed is not None
            else f"A difference of {abs(answer.effect):g} takes more than 100,000 seeds."
        )
    if answer.sesoi is not None and answer.equivalence_power is not None:
        lines.append(
            f"If the methods are equal, {answer.n} seeds show equivalence within ±{answer.sesoi:g} with "
            f"probability {answer.equivalence_power:.2g}."
        )
    sizes = sorted({3, 4, 5, 7, 10, 15, 20, answer.n})
    rows = []
    for n in sizes:
        mde = detectable(n, answer.sd, answer.alpha, answer.power, m)
        rows.append(
            (str(n), "–" if mde is None else f"{mde:.3g}", "–" if mde is None else f"{mde / answer.sd:.2f}")
        )
    table = Table(
        "Detectable differences",
        (Column("seeds", True), Column("difference", True), Column("in sd", True)),
        tuple(rows),
        f"Two-sided paired t test at {'α' if m == 1 else 'α/m'}, {family}, {share} power.",
        frozenset({sizes.index(answer.n)}),
    )
    return Page(headline=tuple(lines), tables=(table,))
