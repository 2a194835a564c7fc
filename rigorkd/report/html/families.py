"""Tables of comparisons: the verdicts, their power, and every further statistic."""

from __future__ import annotations

from dataclasses import replace

from rigorkd_analysis.metric_names import label
from rigorkd_analysis.results import Analysis, Comparison, Family, Secondary, Sequential
from rigorkd_analysis.wording import adjusted_name, percent_text

from rigorkd.report.analysis_page import caption
from rigorkd.report.headline import CORRECTIONS, FAMILIES, Numbers
from rigorkd.report.html.values import (
    MISSING,
    count,
    interval,
    metric,
    name,
    number,
    p_value,
    plain,
    verdict,
)
from rigorkd.report.html.view import Cell, DataTable, Heading

#: More rows than this are not readable; the strongest are shown and the rest is left to `analyze`.
MAX_ROWS = 250


def _ranked(family: Family) -> list[tuple[int, Comparison]]:
    """Comparisons with their positions: all of them, or those with the smallest p."""
    numbered = list(enumerate(family.comparisons))
    if len(numbered) > MAX_ROWS:
        numbered.sort(key=lambda item: (item[1].p is None, item[1].p or 0.0, item[0]))
    return numbered[:MAX_ROWS]


def _cut(family: Family) -> str:
    if len(family.comparisons) <= MAX_ROWS:
        return ""
    return (
        f" The {MAX_ROWS} comparisons with the smallest p of {len(family.comparisons):,}; "
        "rigorkd analyze --format csv has them all."
    )


def _title(family: Family, comparison: Comparison) -> str:
    return comparison.a if family.name == "gains" and comparison.a is not None else comparison.name


def verdicts(analysis: Analysis, position: int) -> DataTable:
    """Difference, intervals, p-values and verdict of every comparison of a family."""
    family, say = analysis.families[position], Numbers(analysis)
    share = percent_text(1 - analysis.alpha)
    several = family.size > 1
    columns = [
        Heading("cell" if family.name == "gains" else "comparison"),
        Heading("verdict"),
        Heading("difference", True, f"mean over seeds, in{say.unit or ' units of the metric'}"),
        Heading(f"{share} interval", True, "for this comparison alone"),
    ]
    if several:
        columns.append(Heading("simultaneous", True, f"holds for all {family.size} comparisons together"))
    columns.append(Heading("p", True, "two-sided paired t test, for this comparison alone"))
    if several:
        p_name = adjusted_name(analysis.correction, family.size).replace("-adjusted", "")
        columns.append(Heading(p_name if p_name != "p" else "p adjusted", True, "the p that verdicts use"))
    columns.append(Heading("n", True, "seeds that both cells have"))
    rows = []
    for at, c in _ranked(family):
        path = f"families/{position}/comparisons/{at}"
        row = [
            name(_title(family, c)),
            verdict(c.verdict, c.magnitude, starred=bool(c.warnings)),
            metric(c.mean_diff, f"{path}/mean_diff", say, signed=True),
            interval(c.ci_low, c.ci_high, path, say, signed=True),
        ]
        if several:
            low, high = c.ci_simultaneous_low, c.ci_simultaneous_high
            row.append(interval(low, high, path, say, signed=True, stem="ci_simultaneous"))
        row.append(p_value(c.p, f"{path}/p"))
        if several:
            row.append(p_value(c.p_adjusted, f"{path}/p_adjusted"))
        rows.append((*row, count(c.n, f"{path}/n")))
    return DataTable(
        f"{_key(analysis, position)}-verdicts",
        f"{FAMILIES[family.name]}, in numbers",
        tuple(columns),
        tuple(rows),
        _without_power(caption(analysis, family, say)) + _cut(family),
    )


def _without_power(text: str) -> str:
    """A caption without the explanation of the columns that stand in the table of power."""
    text = text.replace("; needs: seeds to find the SESOI so", "")
    return text.replace("; detects: the difference found with 80 % power", "")


def _key(analysis: Analysis, position: int) -> str:
    family = analysis.families[position]
    planned = "" if family.planned else "-exploratory"
    return family.name.replace("_", "-") + planned


def power(analysis: Analysis, position: int) -> DataTable:
    """What these seeds can detect, what the SESOI would need, and the tests of equivalence."""
    family, say = analysis.families[position], Numbers(analysis)
    columns = [
        Heading("cell" if family.name == "gains" else "comparison"),
        Heading("sd of differences", True),
        Heading("detects", True, "the difference found with 80 % power at these seeds"),
    ]
    sesoi = analysis.sesoi is not None
    if sesoi:
        share = percent_text(1 - 2 * analysis.alpha)
        columns += [
            Heading("needs", True, "seeds to find a difference of the SESOI with 80 % power"),
            Heading("between", True, "the same at the ends of the interval of the sd"),
            Heading(f"{share} equivalence interval", True),
            Heading("TOST p adjusted", True, "two one-sided tests against the SESOI"),
        ]
    rows = []
    for at, c in _ranked(family):
        path = f"families/{position}/comparisons/{at}"
        row = [
            name(_title(family, c)),
            metric(c.sd_diff, f"{path}/sd_diff", say),
            metric(c.mde, f"{path}/mde", say),
        ]
        if sesoi:
            low, high = c.equivalence_ci_low, c.equivalence_ci_high
            needs = [count(c.seeds_needed_low, f"{path}/seeds_needed_low")]
            needs.append(count(c.seeds_needed_high, f"{path}/seeds_needed_high"))
            between = (*needs[0].parts, " to ", *needs[1].parts)
            row += [
                count(c.seeds_needed, f"{path}/seeds_needed"),
                Cell(between, True, c.seeds_needed_low),
                interval(low, high, path, say, signed=True, stem="equivalence_ci"),
                p_value(c.p_equivalence_adjusted, f"{path}/p_equivalence_adjusted"),
            ]
        rows.append(tuple(row))
    m = f"at α/{family.size}" if family.size > 1 else "at α"
    note = f"Two-sided paired t test {m}, given the standard deviation of these seeds' differences."
    if sesoi:
        note += " Seeds are added only by the sequential analysis (rigorkd analyze --sequential)."
    return DataTable(
        f"{_key(analysis, position)}-power", f"Power: {FAMILIES[family.name].lower()}", tuple(columns),
        tuple(rows), note + _cut(family),
    )  # fmt: skip


def statistics(analysis: Analysis, position: int) -> DataTable:
    """Test statistics, effect sizes and sensitivity checks."""
    family = analysis.families[position]
    columns = (
        Heading("cell" if family.name == "gains" else "comparison"),
        Heading("t", True),
        Heading("df", True),
        Heading("dz", True, "mean difference over its standard deviation"),
        Heading("interval of dz", True),
        Heading("g_z", True, "dz without its bias"),
        Heading("g_av", True, "the difference over the root mean variance, without bias"),
        Heading("r", True, "correlation of the pairs over seeds"),
        Heading("variance ratio", True, "below 1: pairing by seed narrowed the interval"),
        Heading("sign flips p", True, "exact, over all flips of signs"),
        Heading("its floor", True, "the smallest p that so many seeds can give"),
        Heading("Wilcoxon p", True),
        Heading("Welch p", True, "as if the seeds were not paired"),
        Heading("TOST p", True, "equivalence, for this comparison alone"),
    )
    rows = []
    for at, c in _ranked(family):
        path = f"families/{position}/comparisons/{at}"
        dz = Cell((MISSING,), True)
        if c.dz_ci_low is not None and c.dz_ci_high is not None:
            low = number(c.dz_ci_low, f"{path}/dz_ci_low", plain(c.dz_ci_low))
            high = number(c.dz_ci_high, f"{path}/dz_ci_high", plain(c.dz_ci_high))
            dz = Cell((*low.parts, " to ", *high.parts), True, c.dz_ci_low)
        rows.append(
            (
                name(_title(family, c)),
                number(c.t, f"{path}/t", plain(c.t)),
                count(c.df, f"{path}/df"),
                number(c.dz, f"{path}/dz", plain(c.dz)),
                dz,
                *(
                    number(v, f"{path}/{k}", plain(v))
                    for k, v in (("g_z", c.g_z), ("g_av", c.g_av), ("r", c.r))
                ),
                number(c.variance_ratio, f"{path}/variance_ratio", plain(c.variance_ratio)),
                p_value(c.p_signflip, f"{path}/p_signflip"),
                p_value(c.p_signflip_floor, f"{path}/p_signflip_floor"),
                p_value(c.p_wilcoxon, f"{path}/p_wilcoxon"),
                p_value(c.p_welch, f"{path}/p_welch"),
                p_value(c.p_equivalence, f"{path}/p_equivalence"),
            )
        )
    note = (
        "The verdict uses the paired t test alone. Sign flips, Wilcoxon and Welch are sensitivity checks; "
        "the floor of the first two is a limit of the design, never evidence against an effect."
    )
    return DataTable(
        f"{_key(analysis, position)}-statistics",
        f"All statistics: {FAMILIES[family.name].lower()}",
        columns,
        tuple(rows),
        note + _cut(family),
    )


def secondary(analysis: Analysis, position: int) -> DataTable:
    """The gains on a secondary metric, in its own decimals and judged by its own goal."""
    item: Secondary = analysis.secondary[position]
    say = Numbers(replace(analysis, metric=item.metric, cells=item.cells))
    columns = (
        *(Heading("cell"), Heading("verdict"), Heading("difference", True)),
        *(Heading(f"{percent_text(1 - analysis.alpha)} interval", True), Heading("p", True)),
        *(Heading("p adjusted", True), Heading("n", True)),
    )
    rows = []
    for at, c in _ranked(item.family):
        path = f"secondary/{position}/family/comparisons/{at}"
        rows.append(
            (
                name(c.a or c.name),
                verdict(c.verdict, None),
                metric(c.mean_diff, f"{path}/mean_diff", say, signed=True),
                interval(c.ci_low, c.ci_high, path, say, signed=True),
                p_value(c.p, f"{path}/p"),
                p_value(c.p_adjusted, f"{path}/p_adjusted"),
                count(c.n, f"{path}/n"),
            )
        )
    aim = "higher is better" if item.goal == "max" else "lower is better"
    note = (
        f"{aim.capitalize()}. A secondary metric: paired t test, {CORRECTIONS[analysis.correction]} over the "
        f"{item.family.size} gains on it alone, no test of equivalence."
    )
    return DataTable(
        f"secondary-{position}", label(item.metric), columns, tuple(rows), note + _cut(item.family)
    )


def images(analysis: Analysis) -> DataTable:
    """Intervals over new seeds, and over new seeds and new test images."""
    say = Numbers(analysis)
    gains = {c.name for family in analysis.families if family.name == "gains" for c in family.comparisons}
    columns = (
        *(Heading("comparison"), Heading("difference", True)),
        *(Heading("over new seeds", True), Heading("over new seeds and images", True)),
        Heading("agreement", True, "share of predictions that the two cells have in common, seed by seed"),
    )
    rows = tuple(
        (
            name(item.a if f"{item.a} vs {item.b}" in gains else f"{item.a} vs {item.b}"),
            metric(item.mean_diff, f"images/{at}/mean_diff", say, signed=True),
            interval(
                *(item.seeds_only_ci_low, item.seeds_only_ci_high, f"images/{at}", say),
                signed=True,
                stem="seeds_only_ci",
            ),
            interval(item.ci_low, item.ci_high, f"images/{at}", say, signed=True),
            number(item.agreement, f"images/{at}/agreement", f"{100 * item.agreement:.1f} %"),
        )
        for at, item in enumerate(analysis.images[:MAX_ROWS])
    )
    note = (
        f"{percent_text(1 - analysis.alpha)} intervals, uncorrected, from the predictions for the "
        f"{analysis.images[0].images:,} test images. The first is for these images; the second also covers "
        "other images of the same kind."
    )
    return DataTable("images-table", "Gains over new seeds, and over new images as well", columns, rows, note)


def sequential(analysis: Analysis, found: Sequential) -> DataTable:
    """Verdicts that stay valid while seeds are added."""
    say = Numbers(analysis)
    columns = (
        *(Heading("comparison"), Heading("n", True), Heading("interval", True)),
        *(Heading("anytime p", True), Heading("decided at", True, "seeds"), Heading("verdict")),
    )
    rows = tuple(
        (
            name(item.name.split(" vs ")[0] if item.family == "gains" else item.name),
            count(item.n, f"sequential/comparisons/{at}/n"),
            interval(item.ci_low, item.ci_high, f"sequential/comparisons/{at}", say, signed=True),
            p_value(item.p_adjusted, f"sequential/comparisons/{at}/p_adjusted"),
            count(item.decided_at, f"sequential/comparisons/{at}/decided_at"),
            verdict(item.verdict, None)
            if item.decided_at is not None
            else Cell(("undecided",), sort=99.0, badge="inconclusive"),
        )
        for at, item in enumerate(found.comparisons[:MAX_ROWS])
    )
    note = f"Anytime-valid t (mixture c² = {found.c2:g}), at α over each family's size; frozen once decided."
    return DataTable("sequential-table", "Verdicts that hold while seeds are added", columns, rows, note)
