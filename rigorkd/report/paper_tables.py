"""Tables for a paper, in the shape of those of the CIFAR-100 study (Fauzan et al. 2026, Tables 4 to 6).

    overall    one row per model: what it costs and what it reaches
    gains      one row per student: baseline, distilled, and the difference with its interval and verdict
    ablation   one row per setting of T and of alpha

Every result is mean ± standard deviation over seeds. A smoke study's tables say in their title what they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from rigorkd_analysis.metrics import label
from rigorkd_analysis.results import Comparison, Family, Secondary
from rigorkd_analysis.verdicts import AT_LEAST, Verdict
from rigorkd_analysis.wording import adjusted_name, percent_text

from rigorkd.errors import InputError
from rigorkd.metrics import BY_NAME, shown
from rigorkd.report.evidence import CellFacts, Evidence, Latency
from rigorkd.report.figures.settings import grids
from rigorkd.report.headline import CORRECTIONS, Numbers
from rigorkd.report.page import Column, Page, Table
from rigorkd.text import count

Layout = Literal["overall", "gains", "ablation"]
LAYOUTS: tuple[Layout, ...] = ("overall", "gains", "ablation")


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
    make = {"overall": _overall, "gains": _gains, "ablation": _ablation}[layout]
    table = replace(make(evidence, group), dense=True)
    if evidence.is_smoke:
        table = replace(table, title=f"SMOKE RUNS, no result: {table.title}")
    return Page(headline=(), tables=(table,))


def _side_by_side(evidence: Evidence, group: str | None) -> list[tuple[CellFacts, CellFacts, Comparison]]:
    """Distilled cells with their baselines; without a group named, only where a student has just one."""
    pairs = [
        (evidence.facts(c.a), evidence.facts(c.b), c)
        for c in evidence.gains()
        if c.a is not None and c.b is not None
    ]
    if not pairs:
        raise InputError(
            "this table needs distilled cells with their baselines, and there are none",
            hint="name a baseline with --baseline CELL, or add `baseline: true` to the group and run it",
        )
    if group is not None:
        return [pair for pair in pairs if pair[0].group == group]
    families = [pair[0].family for pair in pairs]
    alone = [pair for pair in pairs if families.count(pair[0].family) == 1]
    return alone or pairs


def _overall(evidence: Evidence, group: str | None) -> Table:
    pairs = _side_by_side(evidence, group)
    models: list[CellFacts] = list(evidence.teachers)
    for distilled, baseline, _ in pairs:
        models += [cell for cell in (baseline, distilled) if cell not in models]
    gains = {distilled.cell: comparison for distilled, _, comparison in pairs}
    metric = evidence.analysis.metric
    others = [item.name for item in shown("overall")]
    measured = [n for n in dict.fromkeys((*others, metric)) if any(m.values(n) for m in models)]
    share = percent_text(1 - evidence.analysis.alpha)
    say = Numbers(evidence.analysis)
    columns = [Column("model"), Column("cell"), Column("params (M)", True)]
    for name in measured:
        columns.append(Column(_heading(name), True))
        columns += [Column(f"{share} CI", True)] if name == metric else []
    columns += [Column(_p_name(evidence), True), Column("verdict")]
    rows = []
    for model in models:
        params = model.mean("params_millions")
        row = [model.student or model.cell, model.label, "–" if params is None else _short(params)]
        for name in measured:
            own = name == "latency_ms" and evidence.latencies
            row.append(_latency(model, evidence) if own else _mean_std(model, name, evidence))
            row += [_mean_interval(evidence, model, say)] if name == metric else []
        comparison = gains.get(model.cell)
        row += ["", ""] if comparison is None else [_p(comparison.p_adjusted), _verdict(comparison)]
        rows.append(tuple(row))
    return Table(
        "Overall results",
        tuple(columns),
        tuple(rows),
        f"Mean ± standard deviation over {_seeds(evidence)}; {share} t interval of the mean of "
        f"{label(metric)}. p and verdict: distilled against baseline, {_test(evidence)}."
        + _latency_note(evidence, measured, models),
    )


def _latency(model: CellFacts, evidence: Evidence) -> str:
    """`4.012 (3.980 to 4.100)`: quartiles of the measurement that all runs share, of each if several."""
    found = _counted(evidence, model)
    decimals = BY_NAME["latency_ms"].decimals
    texts = (f"{one.median:.{decimals}f} ({one.q25:.{decimals}f} to {one.q75:.{decimals}f})" for one in found)
    return "; ".join(texts) or "–"


def _counted(evidence: Evidence, model: CellFacts) -> list[Latency]:
    """The measurements that count: those taken alone on the device, else those that do not know."""
    found = [latency for latency in evidence.latencies.get(model.cell, ()) if not latency.shared]
    return [latency for latency in found if latency.shared is False] or found


def _latency_note(evidence: Evidence, measured: list[str], models: list[CellFacts]) -> str:
    """What the column of latencies rests on, and what it leaves out."""
    if "latency_ms" not in measured:
        return ""
    found = [latency for model in models for latency in evidence.latencies.get(model.cell, ())]
    if not found:
        return " Latency as given, per run."
    counted = [latency for model in models for latency in _counted(evidence, model)]
    if not counted:
        return " Latencies were measured beside other work and are left out."
    forwards = sorted({latency.n for latency in counted})
    times = f"{forwards[0]}" if len(forwards) < 2 else f"{forwards[0]} to {forwards[-1]}"
    text = (
        f" Latency: median (quartiles) of {times} forward passes of one image, measured once per "
        "architecture and device and shared by all runs; it depends on the architecture alone."
    )
    if any(latency.shared is None for latency in counted):
        text += " Whether other work was on the device meanwhile was not noted."
    if any(latency.shared for latency in found):
        text += " Latencies measured beside other work are left out."
    return text


def _gains(evidence: Evidence, group: str | None) -> Table:
    pairs = _side_by_side(evidence, group)
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    second = next((item for item in analysis.secondary if item.metric == "test_top5"), None)
    share = percent_text(1 - analysis.alpha)
    main = _heading(analysis.metric)
    columns = [
        *(Column("student"), Column("distilled"), Column(f"baseline {main}", True), Column(main, True)),
        *(
            Column("gain", True),
            Column(f"{share} CI", True),
            Column(_p_name(evidence), True),
            Column("verdict"),
        ),
    ]
    if second is not None:
        columns += [Column("baseline top-5 (%)", True), Column("top-5 (%)", True)]
        columns += [Column("top-5 gain", True), Column(f"top-5 {share} CI", True)]
    # Runs that share one measurement of their architecture cannot differ in it.
    latency = not evidence.latencies and any(d.mean("latency_ms") is not None for d, _, _ in pairs)
    columns += [Column("latency difference (ms)", True)] if latency else []
    rows, emphasis = [], set()
    for at, (distilled, baseline, c) in enumerate(pairs):
        row = [
            *(distilled.family or distilled.student, distilled.label),
            *(
                _mean_std(baseline, analysis.metric, evidence),
                _mean_std(distilled, analysis.metric, evidence),
            ),
            *(say(c.mean_diff, True), _interval(c, say), _p(c.p_adjusted), _verdict(c)),
        ]
        if second is not None:
            row += _second(evidence, second, distilled, baseline)
        if latency:
            before, after = baseline.mean("latency_ms"), distilled.mean("latency_ms")
            row.append("–" if before is None or after is None else _signed(after - before, 3))
        rows.append(tuple(row))
        if c.verdict is not Verdict.INCONCLUSIVE:
            emphasis.add(at)
    text = (
        f"Mean ± standard deviation over {_seeds(evidence)}; gain: distilled minus baseline, paired by "
        f"seed, with its {share} interval; {_test(evidence)}."
    )
    if second is not None:
        text += " Top-5 is a secondary metric; its intervals are uncorrected."
    if latency:
        text += " Distillation leaves the architecture as it is: a latency difference is noise."
    return Table("Gains over the baseline", tuple(columns), tuple(rows), text, frozenset(emphasis))


def _second(evidence: Evidence, item: Secondary, distilled: CellFacts, baseline: CellFacts) -> list[str]:
    found = next((c for c in item.family.comparisons if c.a == distilled.cell), None)
    say = Numbers(replace(evidence.analysis, metric=item.metric, cells=item.cells))
    cells = [_mean_std(baseline, item.metric, evidence), _mean_std(distilled, item.metric, evidence)]
    return cells + (["–", "–"] if found is None else [say(found.mean_diff, True), _interval(found, say)])


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
            hint="a grid such as `kd: [{T: [2, 4, 6], alpha: 0.5}, {T: 4, alpha: [0.3, 0.5, 0.7]}]` has them",
        )
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    gains = {c.a: c for c in evidence.gains()}
    share = percent_text(1 - analysis.alpha)
    metric = analysis.metric
    others = [
        n for n in ("best_val_top1", "test_top5") if n != metric and any(c.values(n) for c in evidence.cells)
    ]
    columns = [Column("student"), Column("factor"), Column("T", True), Column("α", True)]
    columns += [Column(_heading(name), True) for name in (*others[:1], metric, *others[1:])]
    if gains:
        columns += [Column("gain", True), Column(f"{share} CI", True), Column(_p_name(evidence), True)]
        columns += [Column("verdict")]
    rows: list[tuple[str, ...]] = []
    emphasis = set()
    for title, cells in sets:
        for factor, members in _factors(cells):
            for cell in members:
                row = [title, factor, _short(cell.T), _short(cell.alpha)]
                row += [_mean_std(cell, name, evidence) for name in (*others[:1], metric, *others[1:])]
                c = gains.get(cell.cell)
                if c is not None:
                    row += [say(c.mean_diff, True), _interval(c, say), _p(c.p_adjusted), _verdict(c)]
                    if c.verdict is not Verdict.INCONCLUSIVE:
                        emphasis.add(len(rows))
                elif gains:
                    row += ["–"] * 4
                rows.append(tuple(row))
    text = f"Mean ± standard deviation over {_seeds(evidence)}."
    if gains:
        text += f" Gain: over the baseline, paired by seed, with its {share} interval; {_test(evidence)}."
    text += " A cell that lies on both arms is printed twice and was run once per seed."
    return Table("Ablation of T and α", tuple(columns), tuple(rows), text, frozenset(emphasis))


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


def _heading(metric: str) -> str:
    return BY_NAME[metric].paper_heading if metric in BY_NAME else label(metric)


def _mean_std(cell: CellFacts, metric: str, evidence: Evidence) -> str:
    """`81.20 ± 0.31`; one run alone has no standard deviation."""
    values = cell.values(metric)
    if not values:
        return "–"
    mean = cell.mean(metric) or 0.0
    decimals = BY_NAME[metric].decimals if metric in BY_NAME else None
    decimals = Numbers(evidence.analysis).decimals if decimals is None else decimals
    if len(values) < 2:
        return f"{mean:.{decimals}f}"
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{mean:.{decimals}f} ± {spread:.{decimals}f}"


def _mean_interval(evidence: Evidence, model: CellFacts, say: Numbers) -> str:
    if model.cell not in evidence.index:
        return ""
    found = evidence.summary(model.cell)
    return "–" if found.ci_low is None else f"{say(found.ci_low)} to {say(found.ci_high)}"


def _interval(c: Comparison, say: Numbers) -> str:
    return "–" if c.ci_low is None else f"{say(c.ci_low, True)} to {say(c.ci_high, True)}"


def _p(p: float | None) -> str:
    return "–" if p is None else "<.0001" if p < 1e-4 else f"{p:.4f}"


def _verdict(c: Comparison) -> str:
    return c.verdict.label + (" ≥ SESOI" if c.magnitude == AT_LEAST else "")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")


def _families(evidence: Evidence) -> list[Family]:
    """The gains that were planned, then those of cells added later, as far as there are such."""
    return [family for family in evidence.analysis.families if family.name == "gains"]


def _p_name(evidence: Evidence) -> str:
    size = max((family.size for family in _families(evidence)), default=1)
    return adjusted_name(evidence.analysis.correction, size).replace("-adjusted", "")


def _seeds(evidence: Evidence) -> str:
    ns = sorted({cell.n for cell in evidence.analysis.cells})
    return count(ns[0], "seed") if len(ns) == 1 else f"{ns[0]} to {ns[-1]} seeds"


def _test(evidence: Evidence) -> str:
    """The test and its correction, and whether it was planned."""
    analysis = evidence.analysis
    if not (families := _families(evidence)):
        return "no test"
    over = " and over ".join(
        f"{count(family.size, 'gain')} ({'planned' if family.planned else 'exploratory'})"
        for family in families
    )
    text = f"two-sided paired t test, {CORRECTIONS[analysis.correction]} over {over}"
    if analysis.sesoi is not None:
        say = Numbers(analysis)
        text += f", equivalence within ±{say(analysis.sesoi)}{say.unit} by two one-sided tests"
    return text
