"""Tables for a paper, in the shape of those of the CIFAR-100 study (Fauzan et al. 2026, Tables 4 to 6).

    overall    one row per model: what it costs and what it reaches
    gains      one row per student: baseline, distilled, and the difference with its interval and verdict
    ablation   one row per setting of T and of alpha

Every result is mean ± standard deviation over seeds. A smoke study's tables say in their title what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from rigorkd_analysis.metric_names import is_accuracy, is_top5, label
from rigorkd_analysis.results import Comparison, Secondary
from rigorkd_analysis.stats.moments import Moments, mean_interval, or_none
from rigorkd_analysis.wording import number_text, percent_text

from rigorkd.errors import InputError
from rigorkd.metrics import BY_NAME, shown
from rigorkd.report import row_parts
from rigorkd.report.analysis_page import cells_table
from rigorkd.report.conditions import (
    banner_about,
    caption_under_conditions,
    seconds_note,
    told_of_tuning,
    under_conditions,
)
from rigorkd.report.evidence import CellFacts, Evidence, grids
from rigorkd.report.headline import headline
from rigorkd.report.latencies import latency_note, latency_text
from rigorkd.report.numbers import Numbers, between, verdict
from rigorkd.report.page import MISSING, POST_HOC, Cell, Column, Entry, Page, Table
from rigorkd.report.paper_tests import (
    corrected,
    families_of_averages,
    families_of_gains,
    intervals_said,
    p_name,
    p_said,
    pairing,
    status_said,
    tested_columns,
    tests_said,
)
from rigorkd.report.sentences import (
    corrected_by,
    equivalent_by,
    seeds_of,
    sentence_of,
    titled,
)
from rigorkd.report.stars import is_starred, stars_said
from rigorkd.text import count, some_of

Layout = Literal["overall", "gains", "ablation"]
LAYOUTS: tuple[Layout, ...] = ("overall", "gains", "ablation")

_BOLD = " Rows in bold: better than what they are compared with."
"""Bold means the best in a paper: a row that is worse never is, and what it means stands beside it."""


def paper_table(evidence: Evidence, layout: Layout, group: str | None = None) -> Page:
    """One table of a study, ready for Markdown or LaTeX.

    Args:
        group: restrict it to one group of the protocol; None takes the groups that have the shape.

    Raises:
        InputError: the study has no cells of that shape.
    """
    groups = {cell.group for cell in evidence.cells}
    if group is not None and group not in groups:
        raise InputError(f"no group {group!r} in this study", hint=f"there are: {', '.join(sorted(groups))}")
    if evidence.analysis.progress is not None:
        so_far = cells_table(evidence.analysis, Numbers(evidence.analysis))
        blocks = under_conditions(evidence.analysis, (replace(so_far, dense=True),))
        return Page(headline=headline(evidence.analysis), blocks=blocks)
    make = {"overall": _overall, "gains": _gains, "ablation": _ablation}[layout]
    table = _without_empty_columns(replace(make(evidence, group), dense=True))
    shown = None if group is None else [cell.cell for cell in evidence.cells if cell.group == group]
    title = titled(table.title, [banner_about(evidence.analysis, shown)])
    caption = caption_under_conditions(evidence.analysis, table.caption)
    return Page(blocks=(replace(table, title=title, caption=caption),))


def _without_empty_columns(table: Table) -> Table:
    """The table without columns in which nothing stands, as that of students where no column names them."""
    kept = [at for at in range(len(table.columns)) if any(row[at] != "" for row in table.rows)]
    return replace(
        table,
        columns=tuple(table.columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in table.rows),
    )


def _side_by_side(evidence: Evidence, group: str | None) -> list[tuple[CellFacts, CellFacts, Comparison]]:
    """Distilled cells with their baselines; without a group named, only where a student has just one."""
    pairs = [
        (evidence.facts(c.a), evidence.facts(c.b), c)
        for c in evidence.gains()
        if c.a is not None and c.b is not None
    ]
    if not pairs:
        hint = "name a baseline with --baseline CELL, or add `baseline: true` to the group and run it"
        if any(family.name == "contrasts" and family.planned for family in evidence.analysis.families):
            hint = (
                "the contrasts that were planned `rigorkd analyze --format latex` (or markdown) prints as a "
                "table; --baseline CELL makes gains of all cells, which are exploratory"
            )
        message = "this table needs gains, that is cells with baselines, and there are none"
        raise InputError(message, hint=hint)
    if group is not None:
        return [pair for pair in pairs if pair[0].group == group]
    blocks = [pair[0].block for pair in pairs]
    alone = [pair for pair in pairs if blocks.count(pair[0].block) == 1]
    return alone or pairs


def _overall(evidence: Evidence, group: str | None) -> Table:
    pairs = _side_by_side(evidence, group)
    models: list[CellFacts] = list(evidence.teachers)
    together = dict.fromkeys(baseline.cell for _, baseline, _ in pairs)  # rows stand below their baseline
    for first in together:
        for distilled, baseline, _ in (pair for pair in pairs if pair[1].cell == first):
            models += [cell for cell in (baseline, distilled) if cell not in models]
    gains = {distilled.cell: comparison for distilled, _, comparison in pairs}
    rows_of = set(gains)
    metric = evidence.analysis.metric
    others = [item.name for item in shown("overall")]
    there = [n for n in dict.fromkeys((*others, metric)) if any(m.values(n) for m in models)]
    measured = [name for name in there if not _is_full(evidence, name)]
    share = percent_text(1 - evidence.analysis.alpha)
    say, headings = Numbers(evidence.analysis), [heading_of(name) for name in measured]
    data = any(model.data for model in models)
    columns = [*[Column("data set")] * data, Column("model"), Column("cell"), Column("params (M)", True)]
    for name in measured:
        columns.append(Column(heading_of(name), True))
        columns += [Column(f"{share} CI", True)] if name == metric else []
    columns += [Column(p_name(evidence, gains.values()), True), Column("verdict")]
    rows = []
    called = Counter((model.student, model.label) for model in models)
    sized = any(model.mean("params_millions") is not None for model in models)
    for model in models:
        params = model.mean("params_millions")
        alone = called[model.student, model.label] == 1  # of two data sets, say, each row names its own
        name_of = model.student if alone or model.data else model.block
        row: list[Entry] = [model.data, name_of] if data else [name_of or model.cell]
        row.append(model.label)
        row.append((MISSING if params is None else _short(params)) if sized else "")
        for name in measured:
            own = name == "latency_ms" and evidence.latencies
            row.append(latency_text(model, evidence) if own else mean_std(model, name, evidence))
            row += [_mean_interval(evidence, model, say)] if name == metric else []
        comparison = gains.get(model.cell)
        row += ["", ""] if comparison is None else _tested(comparison, say, evidence, [*gains.values()])[-2:]
        rows.append(tuple(row))
    return Table(
        "Overall results",
        tuple(columns),
        tuple(rows),
        f"{spread_said(evidence, headings, models)}; {share} t interval of the mean of "
        f"{label(metric)}{_without_interval(metric, models)}. p and verdict: {evidence.treated} against "
        f"baseline, {tests_said(evidence, rows_of, of_all=False, named=True)}."
        + p_said(evidence, gains.values())
        + verdicts_said(evidence, [(distilled.cell, c) for distilled, _, c in pairs])
        + latency_note(evidence, measured, models)
        + seconds_note(measured)
        + _FULL * (len(measured) < len(there)),
    )


_FULL = " Top-5 is 100 in every run, as with few classes, and is left out."


def _is_full(evidence: Evidence, metric: str) -> bool:
    """Whether a column would be full by construction: a top-5 beside what is judged, right in every run."""
    values = {value for cell in (*evidence.teachers, *evidence.cells) for value in cell.values(metric)}
    return is_top5(metric) and metric != evidence.analysis.metric and (values in ({100.0}, {1.0}))


def _gains(evidence: Evidence, group: str | None) -> Table:
    pairs = _side_by_side(evidence, group)
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    second = next((item for item in analysis.secondary if item.metric == "test_top5"), None)
    full = second is not None and _is_full(evidence, second.metric)
    second = None if full else second
    share = percent_text(1 - analysis.alpha)
    averages = _averages(evidence, pairs)
    among = [*(c for *_, c in pairs), *averages]
    main = heading_of(analysis.metric)
    own = row_parts.columns_of([distilled for distilled, _, _ in pairs])
    led_by = row_parts.led_by([distilled for distilled, _, _ in pairs])
    columns = [
        *(
            *map(Column, led_by),
            *map(Column, own),
            Column(evidence.treated),
            Column(f"{evidence.baseline} {main}", True),
            Column(main, True),
        ),
        *tested_columns(evidence, among),
    ]
    if second is not None:
        columns += [Column(f"{evidence.baseline} top-5 (%)", True), Column("top-5 (%)", True)]
        columns += [Column("top-5 gain", True), Column(f"top-5 {share} CI", True)]
    # Runs that share one measurement of their architecture cannot differ in it.
    latency = not evidence.latencies and any(d.mean("latency_ms") is not None for d, _, _ in pairs)
    columns += [Column("latency difference (ms)", True)] if latency else []
    rows, emphasis = [], set()
    for at, (distilled, baseline, c) in enumerate(pairs):
        row: list[Entry] = [*row_parts.leads([distilled], led_by)]
        row += [*(distilled.settings[name] for name in own), row_parts.short(distilled, own)]
        row += [mean_std(cell, analysis.metric, evidence) for cell in (baseline, distilled)]
        row += _tested(c, say, evidence, among)
        if second is not None:
            row += _second(evidence, second, distilled, baseline)
        if latency:
            before, after = baseline.mean("latency_ms"), distilled.mean("latency_ms")
            row.append(number_text(None if before is None or after is None else after - before, 3, True))
        rows.append(tuple(row))
        if c.verdict.badge == "better":
            emphasis.add(at)
    rows_of = {distilled.cell for distilled, *_ in pairs}
    for c in averages:
        row = _average_row(evidence, c, len(columns), (led_by, own), among)
        if c.verdict.badge == "better":
            emphasis.add(len(rows))
        rows.append(tuple(row))
    text = (
        f"{spread_said(evidence, [main], [cell for *both, _ in pairs for cell in both])}; gain: "
        f"{evidence.treated} minus {evidence.baseline}{pairing(evidence)}, {intervals_said(evidence)}; "
        f"{tests_said(evidence, rows_of, of_all=True, named=True)}."
    ) + row_parts.fewer_seeds([*pairs, *_averaged(evidence, averages)], analysis.metric)
    text += _averages_said(evidence, averages) + p_said(evidence, among)
    shown = [(distilled.cell, c) for distilled, _, c in pairs]
    text += verdicts_said(evidence, [*shown, *((c.called or c.name, c) for c in averages)])
    if second is not None:
        text += " Top-5 is a secondary metric; its intervals are uncorrected."
    text += _FULL * full
    if latency and evidence.treated == "distilled":
        text += " Distillation leaves the architecture as it is: a latency difference is noise."
    text += _BOLD if emphasis else ""
    return Table(
        f"Gains over {evidence.the_baselines}", tuple(columns), tuple(rows), text, frozenset(emphasis)
    )


def _second(evidence: Evidence, item: Secondary, distilled: CellFacts, baseline: CellFacts) -> list[Entry]:
    found = next((c for c in item.family.comparisons if c.a == distilled.cell), None)
    say = Numbers(replace(evidence.analysis, metric=item.metric, cells=item.cells))
    cells: list[Entry] = [mean_std(cell, item.metric, evidence) for cell in (baseline, distilled)]
    return cells + ([MISSING, MISSING] if found is None else _tested(found, say, evidence, [found])[:2])


def _ablation(evidence: Evidence, group: str | None) -> Table:
    sets = [
        (title, cells)
        for title, cells in grids(evidence)
        if len(cells) > 1 and (group is None or cells[0].group == group)
    ]
    if not sets:
        raise InputError(
            "this table needs cells that differ in T or alpha, and there are none"
            + (f" in the group {group!r}" if group else ""),
            hint="a grid such as `kd: [{T: [2, 4, 6], alpha: 0.5}, {T: 4, alpha: [0.3, 0.5, 0.7]}]` has them"
            if evidence.provenance is not None
            else "of a table they are those whose columns are called T, tau, temperature or alpha, say",
        )
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    gains = {c.a: c for c in evidence.gains()}
    metric = analysis.metric
    there = [
        n for n in ("best_val_top1", "test_top5") if n != metric and any(c.values(n) for c in evidence.cells)
    ]
    others = [name for name in there if not _is_full(evidence, name)]
    measured = [name for name in ("best_val_top1", metric, "test_top5") if name in (*others, metric)]
    axes = {
        name: [{value for cell in cells if (value := getattr(cell, field)) is not None} for _, cells in sets]
        for name, field in _AXES.items()
    }
    varied = [name for name, values in axes.items() if any(len(own) > 1 for own in values)]
    axes = {name: values for name, values in axes.items() if any(values)}
    led_by = row_parts.led_by([cells[0] for _, cells in sets])
    data = led_by[:1] == ["data set"]
    named = [*led_by[data:], "cells"][0]
    columns = [*map(Column, [*led_by[:data], named, "factor"]), *(Column(name, True) for name in axes)]
    columns += [Column(heading_of(name), True) for name in measured]
    printed = [cell.cell for _, cells in sets for _, members in _factors(cells) for cell in members]
    judged = {cell: gains[cell] for cell in printed if cell in gains}
    tested = tested_columns(evidence, judged.values()) if gains else []
    columns += tested
    rows: list[tuple[Entry, ...]] = []
    emphasis = set()
    for title, cells in sets:
        for factor, members in _factors(cells):
            for cell in members:
                row: list[Entry] = [cell.data] * data
                row += [title.removeprefix(cell.data).lstrip("/, ") if cell.data else title, factor]
                row += [_short(getattr(cell, _AXES[name])) for name in axes]
                row += [mean_std(cell, name, evidence) for name in measured]
                c = gains.get(cell.cell)
                if c is not None:
                    row += _tested(c, say, evidence, [*judged.values()])
                    if c.verdict.badge == "better":
                        emphasis.add(len(rows))
                elif gains:
                    row += [MISSING] * len(tested)
                rows.append(tuple(row))
    by: dict[str, list[str]] = {}
    for title, cells in sets:
        by.setdefault(cells[0].method, []).append(title)
    of = ", ".join(one if len(by) == 1 else f"{one} ({', '.join(own)})" for one, own in by.items())
    text = (
        f"Settings of {of}. " * all(by)
        + f"{spread_said(evidence, [heading_of(metric)], map(evidence.facts, printed))}."
    )
    if gains:
        text += f" Gain: over {evidence.the_baseline}{pairing(evidence)}, {intervals_said(evidence)}; "
        text += f"{tests_said(evidence, printed, of_all=True, named=True)}."
        text += p_said(evidence, judged.values())
        text += verdicts_said(evidence, judged.items())
    if len(set(printed)) < len(printed):
        text += " A cell that lies on both arms is printed twice and was run once per seed."
    text += _FULL * (len(others) < len(there))
    text += _BOLD if emphasis else ""
    return Table(
        f"Ablation of {' and '.join(varied or _AXES)}", tuple(columns), tuple(rows), text, frozenset(emphasis)
    )


_AXES = {"T": "T", "α": "alpha"}
"""What an ablation varies, as it heads a column, and the field of a cell that holds it."""


def _factors(cells: tuple[CellFacts, ...]) -> list[tuple[str, list[CellFacts]]]:
    """The arms of a cross, each with the cells that vary on it; a full grid as one block."""
    temperatures, alphas = {c.T for c in cells}, {c.alpha for c in cells}
    ordered = sorted(cells, key=lambda c: (c.T or 0.0, c.alpha or 0.0))
    if len(temperatures) > 1 and len(alphas) > 1 and len(cells) < len(temperatures) * len(alphas):
        out = []
        for factor, other in (("temperature", "alpha"), ("alpha", "T")):
            values = [getattr(c, other) for c in ordered]
            fixed = max(dict.fromkeys(values), key=values.count)
            members = [c for c in ordered if getattr(c, other) == fixed]
            if len(members) > 1:
                out.append((factor, members))
        covered = {c.cell for _, members in out for c in members}
        rest = [c for c in ordered if c.cell not in covered]
        return out + ([("other", rest)] if rest else [])
    factor = (
        "grid" if len(temperatures) > 1 and len(alphas) > 1 else "alpha" if len(alphas) > 1 else "temperature"
    )
    return [(factor, ordered)]


def heading_of(metric: str) -> str:
    return BY_NAME[metric].paper_heading if metric in BY_NAME else label(metric)


def mean_std(cell: CellFacts, metric: str, evidence: Evidence) -> str:
    """`81.20 ± 0.31`; one run alone has no standard deviation."""
    values = cell.values(metric)
    if not values:
        return MISSING
    mean = cell.mean(metric) or 0.0
    decimals = BY_NAME[metric].decimals if metric in BY_NAME else None
    say = Numbers(evidence.analysis)
    if decimals is None or (metric == evidence.analysis.metric and is_accuracy(metric) and not say.unit):
        decimals = say.decimals  # those of the table would be of percentages, and these are fractions of 1
    if len(values) < 2:
        return number_text(mean, decimals)
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{number_text(mean, decimals)} ± {number_text(spread, decimals)}"


def _mean_interval(evidence: Evidence, model: CellFacts, say: Numbers) -> Entry:
    """The t interval of a cell's mean; of a teacher, which the analysis does not know, by the same method."""
    if model.cell in evidence.index:
        return say.show(evidence.summary(model.cell), "ci")
    metric, alpha = evidence.analysis.metric, evidence.analysis.alpha
    one = Moments.of([np.array(model.values(metric))])  # NaN of one run, or of runs that are copies
    low, high = (or_none(end[0]) for end in mean_interval(one.mean, one.sd, one.n, alpha))
    return between(say.value(low, bound=True), say.value(high, bound=True), narrow=say.narrow)


def _without_interval(metric: str, models: Iterable[CellFacts]) -> str:
    """Why some means have no interval beside them, "" where all that are there have one."""
    few = [model.cell for model in models if len(set(model.values(metric))) == 1]
    return f", which one run, or equal ones, cannot have ({some_of(few, 4)})" if few else ""


def _tested(c: Comparison, say: Numbers, evidence: Evidence, among: Sequence[Comparison]) -> list[Entry]:
    """Gain, intervals, p and verdict, under the headings of `tested_columns`, `among` those of all rows."""
    fields = ("mean_diff", "ci", *["ci_simultaneous"] * corrected(evidence), "p_adjusted")
    shown = [say.show(c, field, signed=True) for field in fields]
    return [*shown, marked(evidence, c, verdict(c.verdict, c.magnitude, starred=is_starred(c, among)))]


def marked(evidence: Evidence, c: Comparison, entry: Cell) -> Cell:
    """The entry of a gain with the sign that it came after the plan, where others of the study did not."""
    return replace(entry, parts=(*entry.parts, POST_HOC)) if _is_post_hoc(evidence, c) else entry


def what_is_marked(evidence: Evidence, shown: Iterable[Comparison]) -> str:
    """What a caption says of the sign, "" where no row of these gains has it."""
    if not any(_is_post_hoc(evidence, c) for c in shown):
        return ""
    if any(family.planned for family in families_of_gains(evidence)):
        return f"{POST_HOC} exploratory: not planned before the results."
    return f"{POST_HOC} added later than the plan; all other gains are exploratory, too, though planned once."


def verdicts_said(evidence: Evidence, shown: Iterable[tuple[str, Comparison]]) -> str:
    """What every caption says of the named gains that its rows show: signs, which interval decides that one
    is equivalent, what is not valid, and stars.

    Those of secondary metrics are among them, where a table shows their verdicts.
    """
    rows = list(shown)
    judged = [c for _, c in rows]
    decides = sentence_of(equivalent_by(evidence.analysis, judged))
    tuned = sentence_of(told_of_tuning(evidence, judged))
    return what_is_marked(evidence, judged) + decides + tuned + stars_said(rows)


def _is_post_hoc(evidence: Evidence, c: Comparison) -> bool:
    """Whether it is exploratory among planned ones, or, where none is planned any more, never was."""
    families = families_of_gains(evidence)
    if not any(c in family.comparisons for family in families):  # an average of gains
        families = [*families, *families_of_averages(evidence)]
    if any(family.planned for family in families):
        return not c.planned
    demoted = [family for family in families if family.demoted]
    return any(c.name in family.later for family in families) or (
        bool(demoted) and not any(c in family.comparisons for family in demoted)
    )


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def _averages(evidence: Evidence, pairs: list[tuple[CellFacts, CellFacts, Comparison]]) -> list[Comparison]:
    """The average gains of what a table shows: those over cells that all have a row in it."""
    rows = {distilled.cell for distilled, _, _ in pairs}
    return [
        c
        for family in families_of_averages(evidence)
        for c in family.comparisons
        if rows.issuperset(cell for cell, weight in c.weights.items() if weight > 0)
    ]


def _average_row(
    evidence: Evidence,
    c: Comparison,
    width: int,
    names: tuple[Sequence[str], Sequence[str]],
    among: Sequence[Comparison],
) -> list[Entry]:
    """An average gain, with the mean of its baseline where that is one cell."""
    over = _over(evidence, c)
    under = [evidence.facts(cell) for cell, weight in c.weights.items() if weight < 0]
    baseline = mean_std(under[0], evidence.analysis.metric, evidence) if len(under) == 1 else MISSING
    led_by, own = names
    told = [*row_parts.leads(over, led_by), *(row_parts.shared(over, name) or MISSING for name in own)]
    row: list[Entry] = [*told, row_parts.beside(_label(c, over), told), baseline, MISSING]
    row += _tested(c, Numbers(evidence.analysis), evidence, among)
    return [*row, *[MISSING] * (width - len(row))]


def _averaged(evidence: Evidence, averages: Iterable[Comparison]) -> list[tuple[str, CellFacts, Comparison]]:
    """Average gains by their names, with the baselines whose means stand beside them."""
    under = [(c, [cell for cell, weight in c.weights.items() if weight < 0]) for c in averages]
    return [(_label(c, _over(evidence, c)), evidence.facts(b[0]), c) for c, b in under if len(b) == 1]


def _over(evidence: Evidence, c: Comparison) -> list[CellFacts]:
    return [evidence.facts(cell) for cell, weight in c.weights.items() if weight > 0]


def _label(c: Comparison, over: Sequence[CellFacts]) -> str:
    """What an average is called within its block."""
    name = c.called or c.name
    return name.removeprefix(f"{over[0].block}/") if over[0].block else name


def _averages_said(evidence: Evidence, averages: list[Comparison]) -> str:
    """What a caption says of rows of averages: over what they are, and how they are judged.

    What all of them are over is said once; else whose each is.
    """
    if not averages:
        return ""
    over = [_over(evidence, c) for c in averages]
    told = [some_of(row_parts.differing(cells), 12) for cells in over]
    labels = [_label(c, cells) for c, cells in zip(averages, over, strict=True)]
    if len({cells[0].block for cells in over}) > 1:
        labels = [c.called or c.name for c in averages]
    each = [f"{label}: {text}" for label, text in zip(labels, told, strict=True)]
    settings = told[0] if len(set(told)) == 1 < len(told) else "; ".join(each)
    analysis = evidence.analysis
    judged = [
        family for family in families_of_averages(evidence) if any(c in family.comparisons for c in averages)
    ]
    sizes = " and over ".join(
        f"{count(family.size, 'average gain')} ({status_said(evidence, family)})" for family in judged
    )
    how = corrected_by(analysis, judged, sizes)
    return (
        f" Average gain: the mean of the gains of these settings ({settings}), a question of its own, "
        f"{how}, and p and intervals are of that."
    )


def spread_said(evidence: Evidence, headings: Iterable[str], shown: Iterable[CellFacts]) -> str:
    """What ± is and over how many seeds of the cells that are shown.

    Where none of its headings says so, that the metric is in percent; and whether lower is better.
    """
    metric = evidence.analysis.metric
    unsaid = Numbers(evidence.analysis).unit == " points" and not any("%" in one for one in headings)
    over = seeds_of([n for cell in shown if (n := len(cell.values(metric)))] or [0])
    lower = f" ({'' if unsaid else f'{label(metric)}: '}lower is better)" * (evidence.analysis.goal == "min")
    return f"Mean ± standard deviation over {over}" + f", {label(metric)} in percent" * unsaid + lower
