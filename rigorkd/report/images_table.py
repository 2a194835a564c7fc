"""The table of intervals over new test images: how sure a difference is of images that were not tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rigorkd_analysis.families import UNABLE
from rigorkd_analysis.results import GAINS, Analysis, Comparison, Family
from rigorkd_analysis.wording import percent_text

from rigorkd.report.numbers import MetricNumbers
from rigorkd.report.page import POST_HOC, Column, Table, Value, first_of
from rigorkd.report.sentences import why_exploratory
from rigorkd.report.stars import is_starred, stars_said


def images_table(analysis: Analysis, say: MetricNumbers, *, id: str = "", most: int | None = None) -> Table:
    """Intervals over new seeds, and over new seeds and new test images (or clusters of them)."""
    found = analysis.images[:most]
    # the comparison whose verdict is on the same cells says what holds of these intervals, too
    asked = [analysis.asking(item.a, item.b) for item in found]
    late, status = _status([own[0] for own in asked if own])
    among = [_without_power(c) for own in asked for _, c in own[:1]]
    rows, named = [], []
    for at, (item, own) in enumerate(zip(found, asked, strict=True)):
        path = f"images/{at}"
        is_gain = any(family.name in GAINS for family, _ in own)
        name = item.a if is_gain else f"{item.a} vs {item.b}"
        first_asked = [c for _, c in own[:1]]
        named += (mine := [(name, _without_power(c)) for c in first_asked])
        marks = " *" * any(is_starred(c, among) for _, c in mine) + POST_HOC * any(
            c in late for c in first_asked
        )
        agreement = Value(f"{100 * item.agreement:.1f} %", item.agreement, f"{path}/agreement")
        fields = ("mean_diff", "seeds_only_ci", "ci")
        shown = (say.show(item, field, path, signed=True) for field in fields)
        rows.append((name + marks, *shown, agreement))
    first = analysis.images[0]
    unit = first.unit
    new = f"new test {unit}" if first.clusters is None else f"new clusters of test {unit}"
    groups = "" if first.clusters is None else f" in {first.clusters:,} clusters"
    columns = (
        *(Column("comparison"), Column("diff" if say.narrow else "difference", True)),
        *(Column("new seeds", True), Column(f"new seeds and {unit}", True)),
        Column("agree", True, "predictions that the two cells share, seed by seed"),
    )
    text = (
        f"{percent_text(1 - analysis.alpha)} intervals of the difference in "
        f"{'top-1' if unit == 'images' else 'right answers, in points'}, uncorrected, over new "
        f"seeds on these {first.images:,} test {unit}{groups}, and over new seeds and {new} "
        "(never narrower); agree: predictions that the two cells share, seed by seed."
        + status
        + stars_said(named, "an interval holds")
        + first_of(most, len(analysis.images), "comparisons")
    )
    return Table(f"New test {unit}", columns, tuple(rows), text, id=id)


def _status(asked: Sequence[tuple[Family, Comparison]]) -> tuple[list[Comparison], str]:
    """The comparisons marked since they came later than others, and what a caption says of the plan."""
    families = [family for at, (family, _) in enumerate(asked) if family not in [f for f, _ in asked[:at]]]
    unplanned = [family for family in families if not family.planned]
    if not unplanned:
        return [], ""
    if len(unplanned) < len(families):
        late = [c for family, c in asked if not family.planned]
        return late, f"{POST_HOC} exploratory: {why_exploratory(*unplanned)}."
    once = any(family.demoted for family in families)
    late = [c for family, c in asked if once and (c.name in family.later or not family.demoted)]
    if late:
        return (
            late,
            f"{POST_HOC} added later than the plan; all others, planned once, are exploratory, too.",
        )
    return [], f" Exploratory: {why_exploratory(*unplanned)}."


def _without_power(c: Comparison) -> Comparison:
    """The comparison without the warning that its test can decide nothing: an interval shows that itself."""
    return replace(c, warnings=tuple(text for text in c.warnings if not text.startswith(UNABLE)))
