"""What the tables of a paper say of the tests behind their rows: the columns of these, p's name, captions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rigorkd_analysis.results import GAINS, Comparison, Family
from rigorkd_analysis.verdicts import AT_LEAST
from rigorkd_analysis.wording import percent_text

from rigorkd.report.evidence import Evidence
from rigorkd.report.numbers import Numbers, beyond_sesoi, p_heading
from rigorkd.report.page import Column
from rigorkd.report.sentences import (
    CORRECTIONS,
    corrected_by,
    holm_is_sharper,
    is_unpaired,
    of_shown,
    own_interval,
    planned_looks,
    test_of,
    why_exploratory,
)
from rigorkd.text import count, some_of

_ADJUSTED = "p, adjusted"
"""The heading over p where a correction adjusts it in some of the rows, and others are judged alone."""


def families_of_gains(evidence: Evidence) -> list[Family]:
    """The gains that were planned, then those of cells added later, as far as there are such."""
    return [family for family in evidence.analysis.families if family.name in GAINS]


def families_of_averages(evidence: Evidence) -> list[Family]:
    return [family for family in evidence.analysis.families if family.name == "overall"]


def corrected(evidence: Evidence) -> bool:
    several = any(family.corrected_over > 1 for family in families_of_gains(evidence))
    return several and evidence.analysis.correction != "none"


def tested_columns(evidence: Evidence, among: Iterable[Comparison]) -> list[Column]:
    share = percent_text(1 - evidence.analysis.alpha)
    intervals = [f"{share} CI"]
    if corrected(evidence):  # the adjusted p has the interval beside it that goes with it
        intervals = [f"{share} CI{own_interval(evidence.analysis)}", f"{share} CI of all"]
    numbers = ("gain", *intervals, p_name(evidence, among))
    return [*(Column(heading, True) for heading in numbers), Column("verdict")]


def intervals_said(evidence: Evidence) -> str:
    """The intervals of `tested_columns`, for a caption."""
    share = percent_text(1 - evidence.analysis.alpha)
    together = (
        "for all together" if len(families_of_gains(evidence)) < 2 else "for all that it is corrected with"
    )
    return f"with its {share} interval{f' alone and that {together}' * corrected(evidence)}"


def pairing(evidence: Evidence) -> str:
    unpaired = any(is_unpaired(family) for family in families_of_gains(evidence))
    return ", runs not paired" if unpaired else ", paired by seed"


def p_name(evidence: Evidence, shown: Iterable[Comparison]) -> str:
    """The heading over the adjusted p of the rows shown: of a correction where it corrects them all."""
    if _partly_alone(evidence, shown := [*shown]):
        return _ADJUSTED
    size = max((family.corrected_over for family in _judging(evidence, shown)), default=1)
    return p_heading(evidence.analysis.correction, size)


def p_said(evidence: Evidence, shown: Iterable[Comparison]) -> str:
    """How p is adjusted where the heading cannot say it, "" where it does."""
    if not _partly_alone(evidence, shown := [*shown]):
        return ""
    alone = [
        c.called or c.a or c.name
        for family in _judging(evidence, shown)
        for c in family.comparisons
        if family.corrected_over == 1
    ]
    by = CORRECTIONS[evidence.analysis.correction]
    are = "is" if len(alone) == 1 else "are"
    return f" {_ADJUSTED}: by {by}; {some_of(alone, 4)} {are} judged alone."


def _partly_alone(evidence: Evidence, shown: Iterable[Comparison]) -> bool:
    """Whether a correction changes p in some of the rows shown and not in others, judged alone."""
    alone = {family.corrected_over == 1 for family in _judging(evidence, shown)}
    return len(alone) > 1 and evidence.analysis.correction != "none"


def _judging(evidence: Evidence, shown: Iterable[Comparison]) -> list[Family]:
    """The families that judge these gains and average gains, with those that are shown."""
    return of_shown([*families_of_gains(evidence), *families_of_averages(evidence)], shown)


def tests_said(evidence: Evidence, cells: Collection[str], *, of_all: bool, named: bool) -> str:
    """The test, its correction, and whether it was planned, of the families of `cells`, the rows of a table;
    of intervals `of_all` where these stand. Gains of them that have no row are `named`, or counted.
    """
    analysis = evidence.analysis
    families = [f for f in families_of_gains(evidence) if any(c.a in cells for c in f.comparisons)]
    if not families:
        return "no test"
    over = " and over ".join(
        f"{count(family.size, 'gain')} ({_which(evidence, family)})" for family in families
    )
    tests = " and ".join(dict.fromkeys(map(test_of, families)))
    text = f"two-sided {tests}, {corrected_by(analysis, families, over)}"
    if analysis.sesoi is not None:  # before what stands apart: a note may be a sentence of its own
        say = Numbers(analysis)
        text += f", equivalence within ±{say(analysis.sesoi)}{say.unit} by two one-sided tests"
        beyond = any(c.magnitude == AT_LEAST for family in families for c in family.comparisons)
        text += f"; {beyond_sesoi(corrected=corrected(evidence))}" * beyond
    sharper = (holm_is_sharper(analysis, one) for one in families if of_all and corrected(evidence))
    notes = dict.fromkeys((_elsewhere(families, cells, named), planned_looks(analysis), *sharper))
    return text + "".join(f"; {note}" for note in notes if note)


def _which(evidence: Evidence, family: Family) -> str:
    """Which gains a family holds, where a table shows several of them in one."""
    status = status_said(evidence, family)
    if family.name != "primary":
        return status
    return f"{status}, the primary one: {', '.join(c.a or c.name for c in family.comparisons)}"


def _elsewhere(families: Iterable[Family], cells: Collection[str], named: bool) -> str:
    """Which gains, or how many, corrections are over that have no row among those of `cells`; "" for none."""
    left = [c.a or c.name for family in families for c in family.comparisons if c.a not in cells]
    if not left:
        return ""
    has = "has" if len(left) == 1 else "have"
    return f"{len(left)} of these gains {has} no row here" + f": {some_of(left, 4)}" * named


def status_said(evidence: Evidence, family: Family) -> str:
    """Whether a family was planned, else why not; beside planned ones a sign says of what never was."""
    if family.planned:
        return "planned"
    never = not (family.demoted or family.later)
    if never and any(one.planned or one.demoted for one in evidence.analysis.families):
        return "exploratory"
    return f"exploratory: {why_exploratory(family)}"
