"""What an analysis says first: what holds, what the correction took, what is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from rigorkd_analysis.metrics import unit_of
from rigorkd_analysis.power import MAX_SEEDS
from rigorkd_analysis.results import Analysis, Comparison, Family
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import decimals_for, number_text, p_text

from rigorkd.text import count

CORRECTIONS = {
    "holm": "Holm",
    "bonferroni": "Bonferroni",
    "bh": "Benjamini–Hochberg",
    "none": "no correction",
}
FAMILIES = {"gains": "Gains over the baseline", "contrasts": "Contrasts", "all_pairs": "All pairs"}
_NOUN = {"gains": "gain", "contrasts": "contrast", "all_pairs": "pair"}


class MetricNumbers:
    """Values in a metric's decimals: two for percentages, else enough to show the spread."""

    def __init__(self, metric: str, values: Iterable[float | None], spreads: Iterable[float | None]) -> None:
        known = [abs(value) for value in values if value is not None]
        self.unit = unit_of(metric, max(known, default=0.0))
        self.decimals = decimals_for(self.unit, median([spread for spread in spreads if spread] or [0.0]))

    def __call__(self, value: float | None, signed: bool = False) -> str:
        return number_text(value, self.decimals, signed)


class Numbers(MetricNumbers):
    """Values in the decimals of the metric that was analysed."""

    def __init__(self, analysis: Analysis) -> None:
        cells = analysis.cells
        super().__init__(analysis.metric, (cell.mean for cell in cells), (cell.std for cell in cells))


def headline(analysis: Analysis, say: Numbers | None = None) -> tuple[str, ...]:
    """What holds, in a few plain sentences."""
    say = say or Numbers(analysis)
    lines = [line for family in analysis.families for line in _what_holds(analysis, family)]
    lines += [line for family in analysis.families[:1] for line in _still_missing(analysis, family, say)]
    if analysis.sequential is not None:
        open_ = [c for c in analysis.sequential.comparisons if c.decided_at is None]
        total = len(analysis.sequential.comparisons)
        lines.append(
            f"Sequential: all {total} comparisons are decided."
            if not open_
            else f"Sequential: {total - len(open_)} of {total} are decided; more seeds may decide the rest."
        )
    return tuple(lines) or ("Nothing was compared.",)


def _what_holds(analysis: Analysis, family: Family) -> list[str]:
    noun = _NOUN[family.name]
    pairs = family.name == "all_pairs"  # no side of such a pair is the one to judge
    by: dict[str, int] = {}
    for verdict in sorted((c.verdict for c in family.comparisons), key=list(Verdict).index):
        words = "differ" if pairs and verdict.directed else str(verdict.badge)
        words += " by a negligible amount" if verdict.negligible else ""
        by[words] = by.get(words, 0) + 1
    undecided = by.pop(Verdict.INCONCLUSIVE.label, 0)
    total = count(family.size, noun)
    found = [f"{number} {words}" for words, number in by.items()]
    status = "planned" if family.planned else "exploratory"
    if not found:
        of = f"none of {total} holds" if family.size > 1 else f"the one {noun} is undecided"
        line = f"{FAMILIES[family.name]} ({status}): {of}; "
        line += "inconclusive does not mean that there is no difference."
    else:
        line = f"{FAMILIES[family.name]} ({status}): of {total}, {', '.join(found)}"
        line += f"; {undecided} inconclusive." if undecided else "."
    lines = [line]
    naive = [c for c in family.comparisons if c.p is not None and c.p < analysis.alpha]
    kept = [c for c in family.comparisons if _holds(analysis, c)]
    if analysis.correction != "none" and family.size > 1 and len(naive) != len(kept):
        named = ""
        if len(naive) <= 2:
            named = " (" + ", ".join(f"{c.a or c.name}, {p_text(c.p)}" for c in naive) + ")"
        left = f"leaves {len(kept)}" if kept else "leaves none"
        lines.append(
            f"Unadjusted paired t tests find {len(naive)} of {family.size} below {analysis.alpha:g}{named}; "
            f"{'simultaneous inference' if analysis.joint else CORRECTIONS[analysis.correction]} over "
            f"{family.size} {left}."
        )
    return lines


def _holds(analysis: Analysis, c: Comparison) -> bool:
    """Whether a difference is left after the correction, or beyond the simultaneous interval if joint."""
    if not analysis.joint:
        return c.p_adjusted is not None and c.p_adjusted < analysis.alpha
    if c.ci_simultaneous_low is None or c.ci_simultaneous_high is None:
        return c.verdict.directed
    return c.ci_simultaneous_low > 0 or c.ci_simultaneous_high < 0


def _still_missing(analysis: Analysis, family: Family, say: Numbers) -> list[str]:
    undecided = [c for c in family.comparisons if c.verdict is Verdict.INCONCLUSIVE]
    if not undecided:
        return []
    lines = []
    mdes = sorted(c.mde for c in undecided if c.mde is not None)
    if mdes:
        lines.append(
            "These seeds detect, with 80 % power, differences of "
            f"{_range(say(mdes[0]), say(mdes[-1]))}{say.unit} or more."
        )
    if analysis.sesoi is None:
        lines.append(
            "Name a smallest effect of interest (--sesoi) to learn what is equivalent and which n it takes."
        )
        return lines
    tested = [c for c in undecided if c.mde is not None]
    if tested:
        seeds = _range(*(_seeds(end(_or_most(c.seeds_needed) for c in tested)) for end in (min, max)))
        text = f"A difference of {say(analysis.sesoi)}{say.unit} would take {seeds} seeds"
        most = max(_or_most(c.seeds_needed_high) for c in tested)
        if max(_or_most(c.seeds_needed) for c in tested) <= MAX_SEEDS:
            text += f" (up to {_seeds(most)} if the spread is as large as these seeds allow)"
        lines.append(text + "; seeds may only be added with --sequential.")
    return lines


def _or_most(seeds: int | None) -> int:
    """None stands for more seeds than anybody will train."""
    return MAX_SEEDS + 1 if seeds is None else seeds


def _seeds(n: int) -> str:
    return f"{n:,}" if n <= MAX_SEEDS else f"more than {MAX_SEEDS:,}"


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
