"""The page of an analysis: what holds first, then one table per family, then everything else it found."""

from __future__ import annotations

from dataclasses import replace

from rigorkd_analysis.results import (
    Analysis,
    Candidates,
    Comparison,
    Family,
    LeaveOneSeedOut,
    Optimism,
    Secondary,
    Sequential,
)
from rigorkd_analysis.verdicts import AT_LEAST, Verdict
from rigorkd_analysis.wording import adjusted_name, percent_text

from rigorkd.report.headline import CORRECTIONS, FAMILIES, Numbers, headline
from rigorkd.report.page import Column, Page, Table
from rigorkd.text import count

_MAX_CELLS = 60


def analysis_page(analysis: Analysis) -> Page:
    """Render an analysis for people."""
    say = Numbers(analysis)
    tables = [_family(analysis, family, say) for family in analysis.families]
    tables += [_secondary(analysis, item) for item in analysis.secondary]
    if analysis.sequential is not None:
        tables.append(_sequential(analysis, analysis.sequential, say))
    if analysis.images:
        tables.append(_images(analysis, say))
    if len(analysis.cells) <= _MAX_CELLS:
        tables.append(_cells(analysis, say))
    sentences = [
        comparison.says
        for family in analysis.families
        for comparison in family.comparisons
        if comparison.verdict is not Verdict.INCONCLUSIVE or family.name == "contrasts"
    ]
    smoke = next((text for text in analysis.warnings if text.startswith("SMOKE")), "")
    return Page(
        headline=headline(analysis, say),
        tables=tuple(tables),
        sentences=tuple(sentences),
        notes=tuple(_notes(analysis, say)),
        warnings=tuple(text for text in _warnings(analysis) if text != smoke),
        banner=smoke,
    )


def _family(analysis: Analysis, family: Family, say: Numbers) -> Table:
    p_name = adjusted_name(analysis.correction, family.size).replace("-adjusted", "")
    columns = [
        Column("comparison"),
        Column("n", True),
        Column("diff", True),
        Column(f"{percent_text(1 - analysis.alpha)} CI", True),
        Column("p", True, detail=True),
        Column(p_name if p_name != "p" else "p adj.", True),
        Column("detects", True),
    ]
    if analysis.sesoi is not None:
        columns += [Column("TOST p", True), Column("needs", True)]
    columns.append(Column("verdict"))
    ranked = list(enumerate(family.comparisons))
    if len(ranked) > 40:  # the strongest first, where a terminal shows only some
        ranked.sort(key=lambda item: (item[1].p is None, item[1].p or 0.0, item[0]))
    rows, emphasis = [], set()
    for position, (_, comparison) in enumerate(ranked):
        rows.append(_row(analysis, family, comparison, say))
        if comparison.verdict is not Verdict.INCONCLUSIVE:
            emphasis.add(position)
    return Table(
        title=FAMILIES[family.name] + ("" if family.planned else " (exploratory)"),
        columns=tuple(columns),
        rows=tuple(rows),
        caption=caption(analysis, family, say),
        emphasis=frozenset(emphasis),
    )


def _row(analysis: Analysis, family: Family, c: Comparison, say: Numbers) -> tuple[str, ...]:
    name = c.a if family.name == "gains" and c.a is not None else c.name
    interval = "–" if c.ci_low is None else f"{say(c.ci_low, True)} … {say(c.ci_high, True)}"
    row = [name, str(c.n), say(c.mean_diff, True), interval, _p(c.p), _p(c.p_adjusted), say(c.mde)]
    if analysis.sesoi is not None:
        row += [_p(c.p_equivalence_adjusted), "–" if c.seeds_needed is None else f"{c.seeds_needed:,}"]
    verdict = c.verdict.label
    if c.magnitude == AT_LEAST:
        verdict += " ≥ SESOI"
    marks = "*" if c.warnings else ""
    return (*row, verdict + marks)


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "<.0001" if p < 1e-4 else f"{p:.4f}"


def caption(analysis: Analysis, family: Family, say: Numbers) -> str:
    """n, test, correction, family size, what was planned and what is held fixed."""
    ns = sorted({c.n for c in family.comparisons})
    seeds = count(ns[0], "seed") if len(ns) == 1 else f"{ns[0]}–{ns[-1]} seeds"
    aim = "higher is better" if analysis.goal == "max" else "lower is better"
    over = f"{CORRECTIONS[analysis.correction]} over {count(family.size, 'comparison')}"
    if analysis.correction == "none":
        over = f"no correction over {count(family.size, 'comparison')}"
    versus = (
        "each cell minus its baseline"
        if family.name == "gains"
        else "the verdict is on the first minus the second"
    )
    percent = " in percent" if say.unit == " points" else ""
    parts = [
        f"{analysis.metric}{percent} ({aim}), {versus}, {seeds} paired by seed",
        f"two-sided paired t test, {over}" + (", joint verdicts" if analysis.joint else ""),
        "planned before the results were seen"
        if family.planned
        else "exploratory: not planned before the results",
    ]
    if analysis.sesoi is not None:
        parts.append(f"equivalence within ±{say(analysis.sesoi)}{say.unit} by two one-sided tests")
    parts.append(
        "detects: the difference found with 80 % power"
        + ("; needs: seeds to find the SESOI so; ≥ SESOI: by more than that" if analysis.sesoi else "")
    )
    text = "; ".join(parts) + "."
    low = [c.n for c in family.comparisons if c.n >= 2 and 2.0 / 2.0**c.n >= analysis.alpha]
    if low:
        floor = 2.0 / 2.0 ** min(low)
        text += f" Sign flips cannot go below p = {floor:g} at n = {min(low)}: a limit of the design."
    if analysis.conditioned_on:
        text += f" Conditioned on: {', '.join(analysis.conditioned_on)}."
    if any(c.warnings for c in family.comparisons):
        text += " * see the warnings."
    return text


def _cells(analysis: Analysis, say: Numbers) -> Table:
    share = percent_text(1 - analysis.alpha)
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            cell.cell,
            str(cell.n),
            str(cell.diverged) if cell.diverged else "",
            say(cell.mean),
            "–" if cell.ci_low is None else f"{say(cell.ci_low)} … {say(cell.ci_high)}",
            say(cell.std),
            "–" if cell.std_ci_low is None else f"{say(cell.std_ci_low)} … {say(cell.std_ci_high)}",
        )
        for cell in analysis.cells
    )
    columns: tuple[Column, ...] = (
        *(Column("cell"), Column("n", True), Column("diverged", True), Column("mean", True)),
        *(Column(f"{share} CI", True), Column("sd", True), Column(f"sd {share} CI", True)),
    )
    if not any(cell.diverged for cell in analysis.cells):
        columns = columns[:2] + columns[3:]
        rows = tuple(row[:2] + row[3:] for row in rows)
    text = f"{analysis.metric} over seeds: t interval of the mean, χ² interval of the standard deviation."
    return Table("Cells", columns, rows, text)


def _notes(analysis: Analysis, say: Numbers) -> list[str]:
    notes = [family.consistency.says for family in analysis.families if family.consistency is not None]
    if analysis.best is not None:
        best = analysis.best
        notes += [_may_be_best(item, percent_text(1 - analysis.alpha)) for item in best.sets[:6]]
        notes += [pick.says for pick in best.validation_pick[:6]]
        notes += [
            _of(
                item,
                f"picking the best cell on the other seeds scores {say(item.mean)} on the one left out; "
                f"its own mean would claim {say(item.naive_mean)}.",
            )
            for item in best.leave_one_seed_out[:6]
        ]
        notes += [
            _of(
                item,
                f"the best of {item.cells} equal cells would look {say(item.expected)}{say.unit} better than "
                f"it is (n = {item.n}).",
            )
            for item in best.optimism[:6]
        ]
    notes += [_who(item.student, item.group) + item.says for item in analysis.factorial[:8]]
    return notes


def _may_be_best(item: Candidates, share: str) -> str:
    if len(item.may_be_best) == len(item.cells):
        return _of(item, f"any of the {len(item.cells)} cells may be the best one ({share} confidence).")
    names = ", ".join(item.may_be_best)
    is_among = "is" if len(item.may_be_best) == 1 else "is among"
    return _of(item, f"the best one of {len(item.cells)} cells {is_among} {names} ({share} confidence).")


def _images(analysis: Analysis, say: Numbers) -> Table:
    gains = {c.name for family in analysis.families if family.name == "gains" for c in family.comparisons}
    share = percent_text(1 - analysis.alpha)
    rows = tuple(
        (
            item.a if f"{item.a} vs {item.b}" in gains else f"{item.a} vs {item.b}",
            say(item.mean_diff, True),
            _interval(item.seeds_only_ci_low, item.seeds_only_ci_high, say),
            _interval(item.ci_low, item.ci_high, say),
            f"{100 * item.agreement:.1f}",
        )
        for item in analysis.images
    )
    columns = (
        *(Column("comparison"), Column("diff", True), Column("new seeds", True)),
        *(Column("new seeds and images", True), Column("agree %", True)),
    )
    images = analysis.images[0].images
    text = (
        f"{share} intervals of the difference in top-1, over new seeds on these {images:,} test images, and "
        "over new seeds and new test images; agree: predictions that the two cells share, seed by seed."
    )
    return Table("New test images", columns, rows, text)


def _secondary(analysis: Analysis, item: Secondary) -> Table:
    """The gains on a secondary metric, in its own decimals and judged by its own goal."""
    comparisons = item.family.comparisons
    say = Numbers(replace(analysis, metric=item.metric, cells=item.cells))
    rows = tuple(
        (
            *(c.a or c.name, str(c.n), say(c.mean_diff, True), _interval(c.ci_low, c.ci_high, say)),
            *(_p(c.p_adjusted), c.verdict.label),
        )
        for c in comparisons
    )
    columns = (
        *(Column("comparison"), Column("n", True), Column("diff", True)),
        *(Column(f"{percent_text(1 - analysis.alpha)} CI", True), Column("p adj.", True), Column("verdict")),
    )
    aim = "higher is better" if item.goal == "max" else "lower is better"
    text = (
        f"{item.metric} ({aim}), a secondary metric: each cell minus its baseline, paired t test, "
        f"{CORRECTIONS[analysis.correction]} over {count(item.family.size, 'comparison')} of it alone."
    )
    emphasis = frozenset(i for i, c in enumerate(comparisons) if c.verdict is not Verdict.INCONCLUSIVE)
    return Table(f"Secondary: {item.metric}", columns, rows, text, emphasis)


def _sequential(analysis: Analysis, found: Sequential, say: Numbers) -> Table:
    share = percent_text(1 - analysis.alpha)
    rows = tuple(
        (
            item.name.split(" vs ")[0] if item.family == "gains" else item.name,
            str(item.n),
            _interval(item.ci_low, item.ci_high, say),
            _p(item.p_adjusted),
            "–" if item.decided_at is None else str(item.decided_at),
            item.verdict.label if item.decided_at is not None else "undecided",
        )
        for item in found.comparisons
    )
    columns = (
        *(Column("comparison"), Column("n", True), Column(f"{share} interval", True)),
        *(Column("anytime p", True), Column("decided at", True), Column("verdict")),
    )
    text = (
        f"Anytime-valid t (mixture c² = {found.c2:g}), at α over each family's size; valid while seeds are "
        "added one by one, and frozen when first decided. The interval is at the last seed; – is an "
        "infinite one."
    )
    emphasis = frozenset(i for i, item in enumerate(found.comparisons) if item.decided_at is not None)
    return Table("Sequential verdicts", columns, rows, text, emphasis)


def _interval(low: float | None, high: float | None, say: Numbers) -> str:
    return "–" if low is None else f"{say(low, True)} … {say(high, True)}"


def _of(item: Candidates | LeaveOneSeedOut | Optimism, text: str) -> str:
    """A sentence about the cells of one student, where there are several students or groups to tell apart."""
    who = _who(item.student, item.group)
    return who + text if who else text[:1].upper() + text[1:]


def _who(student: str | None, group: str | None) -> str:
    name = "/".join(part for part in (group, student) if part)
    return f"{name}: " if name else ""


def _warnings(analysis: Analysis) -> list[str]:
    """The study's warnings, then those of comparisons, each once with the comparisons it concerns."""
    by_text: dict[str, list[str]] = {}
    for family in analysis.families:
        for comparison in family.comparisons:
            for text in comparison.warnings:
                by_text.setdefault(text, []).append(comparison.a or comparison.name)
    total = sum(len(family.comparisons) for family in analysis.families)
    out = list(analysis.warnings)
    for text, names in by_text.items():
        unique = list(dict.fromkeys(names))
        if len(names) == total and total > 1:
            out.append(f"all comparisons: {text}")
        elif len(unique) > 3:
            out.append(f"{len(names)} comparisons ({', '.join(unique[:3])}, …): {text}")
        else:
            out.append(f"{', '.join(unique)}: {text}")
    return out
