"""The page of a comparison of studies: what agrees, what differs, and what stays open."""

from __future__ import annotations

from collections import Counter

from rigorkd_analysis.comparing import (
    Agreement,
    DifferenceFamily,
    Prediction,
    PrintedFamily,
    Replication,
    SummaryFamily,
    Synthesis,
)
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import adjusted_name, percent_text

from rigorkd.report.headline import CORRECTIONS, MetricNumbers
from rigorkd.report.page import Column, Page, Table
from rigorkd.text import count

_AGREEMENTS: dict[Agreement, str] = {
    "differ": "differ",
    "agree": "agree",
    "differ_negligible": "differ by a negligible amount",
    "inconclusive": "show neither",
}
_TITLES = {"gains": "Gains", "cells": "Cells", "overall": "All of them"}


def compare_page(result: Replication | Prediction | Synthesis) -> Page:
    """Render a comparison for people."""
    if isinstance(result, Replication):
        page = _replication(result)
    elif isinstance(result, Prediction):
        page = _prediction(result)
    else:
        page = _synthesis(result)
    smoke = next((text for text in result.warnings if text.startswith("SMOKE")), "")
    notes = (f"not compared: {'; '.join(result.unmatched)}",) if result.unmatched else ()
    return Page(
        headline=page.headline,
        tables=page.tables,
        sentences=page.sentences,
        notes=(*page.notes, *notes),
        warnings=tuple(text for text in result.warnings if text != smoke),
        banner=smoke,
    )


class _Numbers(MetricNumbers):
    """Values and intervals in the decimals of the studies' metric."""

    def interval(self, low: float | None, high: float | None, signed: bool = True) -> str:
        return "–" if low is None or high is None else f"{self(low, signed)} … {self(high, signed)}"


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "<.0001" if p < 1e-4 else f"{p:.4f}"


def _p_name(result: Replication | Prediction | Synthesis, size: int) -> str:
    return adjusted_name(result.correction, size).replace("-adjusted", "")


def _noted(warnings: list[tuple[str, str]], total: int) -> tuple[str, ...]:
    """Each warning once, with what it concerns."""
    by_text: dict[str, list[str]] = {}
    for name, text in warnings:
        by_text.setdefault(text, []).append(name)
    return tuple(
        f"all: {text}" if len(names) == total > 1 else f"{', '.join(dict.fromkeys(names))}: {text}"
        for text, names in by_text.items()
    )


def _correction(result: Replication | Prediction | Synthesis, size: int) -> str:
    return f"{CORRECTIONS[result.correction]} over {count(size, 'comparison')}"


# ------------------------------------------------------------------------------------------ two studies


def _replication(result: Replication) -> Page:
    first, second = (study.name for study in result.studies)
    everything = [one for family in result.families for one in family.comparisons]
    say = _Numbers(
        result.metric,
        [value for one in everything for value in (one.mean_a, one.mean_b)],
        [value for one in everything for value in (one.sd_a, one.sd_b)],
    )
    headline = tuple(
        f"{_TITLES[family.name]}: {_tally(family)} of {count(family.size, 'comparison')} of {first} "
        f"with {second}."
        for family in result.families
    )
    return Page(
        headline=(*headline, "What shows neither a difference nor agreement is open, not the same."),
        tables=tuple(_differences(result, family, say) for family in result.families),
        sentences=tuple(
            one.says for family in result.families if family.name == "gains" for one in family.comparisons
        ),
        notes=_noted([(one.name, text) for one in everything for text in one.warnings], len(everything)),
    )


def _tally(family: DifferenceFamily) -> str:
    found = Counter(one.verdict for one in family.comparisons)
    return ", ".join(f"{found[verdict]} {words}" for verdict, words in _AGREEMENTS.items() if found[verdict])


def _differences(result: Replication, family: DifferenceFamily, say: _Numbers) -> Table:
    first, second = (study.name for study in result.studies)
    gains = family.name == "gains"
    columns = [
        Column("comparison"),
        Column(first, True),
        Column(second, True),
        Column("diff", True),
        Column(f"{percent_text(1 - result.alpha)} CI", True),
        Column("p", True, detail=True),
        Column(_p_name(result, family.size), True),
    ]
    if result.sesoi is not None:
        columns.append(Column("TOST p", True))
    columns += [Column("detects", True), Column("verdict")]
    if _p_name(result, family.size) == "p":
        columns.pop(5)
    rows, emphasis = [], set()
    sizes = {(one.n_a, one.n_b) for one in family.comparisons}
    for position, one in enumerate(family.comparisons):
        shown = ("", "") if len(sizes) == 1 else (f" (n = {one.n_a})", f" (n = {one.n_b})")
        row = [
            one.name,
            say(one.mean_a, gains) + shown[0],
            say(one.mean_b, gains) + shown[1],
            say(one.mean_diff, True),
            say.interval(one.ci_low, one.ci_high),
            _p(one.p),
            _p(one.p_adjusted),
        ]
        if len(columns) < (9 if result.sesoi is None else 10):
            row.pop(5)
        if result.sesoi is not None:
            row.append(_p(one.p_equivalence_adjusted))
        rows.append((*row, say(one.mde), one.verdict.replace("_", ", ") + ("*" if one.warnings else "")))
        if one.verdict != "inconclusive":
            emphasis.add(position)
    what = "gains over the baseline" if gains else "means"
    n_a, n_b = next(iter(sizes))
    seeds = f", n = {n_a} and {n_b} seeds" if len(sizes) == 1 else ""
    caption = (
        f"{result.metric}: {what} of {first} minus those of {second}{seeds}, Welch's t test, "
        f"{_correction(result, family.size)}"
    )
    if result.sesoi is not None:
        caption += f"; agreement within ±{say(result.sesoi)}{say.unit} by two one-sided tests"
    caption += "; detects: the difference found with 80 % power."
    return Table(_TITLES[family.name], tuple(columns), tuple(rows), caption, frozenset(emphasis))


# ------------------------------------------------------------------------------------- a published table


def _prediction(result: Prediction) -> Page:
    study, table = (one.name for one in result.studies)
    everything = [one for family in result.families for one in family.comparisons]
    say = _Numbers(result.metric, [one.mean for one in everything], [one.sd for one in everything])
    headline = []
    for family in result.families:
        found = Counter(one.verdict for one in family.comparisons)
        unknown = f", {found['unknown']} cannot be compared" if found["unknown"] else ""
        headline.append(
            f"Printed {family.name}: of {family.size} in {table}, {found['outside']} lie outside what "
            f"{study} predicts, {found['inside']} inside{unknown}."
        )
    return Page(
        headline=(
            *headline,
            "Inside is no proof of agreement: ± says how far off a number may be unnoticed.",
        ),
        tables=tuple(_printed(result, family, say) for family in result.families),
        sentences=tuple(one.says for one in everything if one.verdict == "outside"),
        notes=_noted([(one.name, text) for one in everything for text in one.warnings], len(everything)),
    )


def _printed(result: Prediction, family: PrintedFamily, say: _Numbers) -> Table:
    gains = family.name == "gains"
    columns = (
        *(Column("cell"), Column("printed", True), Column("ours", True), Column("n", True)),
        *(Column(f"{percent_text(1 - result.alpha)} prediction", True), Column("±", True)),
        *(Column(_p_name(result, family.size), True), Column("verdict")),
    )
    rows = tuple(
        (
            *(one.name, say(one.printed, gains), say(one.mean, gains), str(one.n)),
            *(say.interval(one.prediction_low, one.prediction_high, gains), say(one.half_width)),
            *(_p(one.p_adjusted), one.verdict + ("*" if one.warnings else "")),
        )
        for one in family.comparisons
    )
    ks = sorted({one.k for one in family.comparisons})
    k = count(ks[0], "seed") if len(ks) == 1 else f"{ks[0]} to {ks[-1]} seeds"
    caption = (
        f"{result.printed_metric} as printed ({k} each) against {result.metric} of {result.studies[0].name}: "
        f"mean ± t·sd·√(1/n + 1/k); printed rounding is allowed for; {_correction(result, family.size)}."
    )
    emphasis = frozenset(i for i, one in enumerate(family.comparisons) if one.verdict == "outside")
    return Table(f"Printed {family.name}", columns, rows, caption, emphasis)


# ------------------------------------------------------------------------------------------ many studies


def _synthesis(result: Synthesis) -> Page:
    everything = [one for family in result.families for one in family.summaries]
    shares = [share for one in everything for share in one.studies]
    say = _Numbers(result.metric, [share.mean for share in shares], [share.sd for share in shares])
    headline = []
    for family in result.families:
        if family.name == "overall":
            headline += [one.says for one in family.summaries]
            continue
        found = Counter(one.verdict.label for one in family.summaries)
        told = ", ".join(f"{number} {verdict}" for verdict, number in found.items())
        headline.append(f"Gains over {count(len(result.studies), 'study', 'studies')}: {told}.")
    return Page(
        headline=tuple(headline),
        tables=(
            *(_summaries(result, family, say) for family in result.families),
            _shares(result, say),
        ),
        sentences=tuple(
            one.says for family in result.families if family.name == "gains" for one in family.summaries
        ),
        notes=_noted([(one.name, text) for one in everything for text in one.warnings], len(everything)),
    )


def _summaries(result: Synthesis, family: SummaryFamily, say: _Numbers) -> Table:
    share = percent_text(1 - result.alpha)
    columns = [
        *(Column("gain"), Column("studies", True), Column("mean", True), Column(f"{share} CI", True)),
        *(Column(f"{share} prediction", True), Column(_p_name(result, family.size), True)),
    ]
    if result.sesoi is not None:
        columns.append(Column("TOST p", True))
    columns += [Column("same?", True), Column("weighted", True, detail=True), Column("verdict")]
    rows = []
    for one in family.summaries:
        row = [
            *(one.name, str(one.k), say(one.mean, True), say.interval(one.ci_low, one.ci_high)),
            *(say.interval(one.prediction_low, one.prediction_high), _p(one.p_adjusted)),
        ]
        if result.sesoi is not None:
            row.append(_p(one.p_equivalence_adjusted))
        verdict = one.verdict.label + ("*" if one.warnings else "")
        rows.append((*row, _p(one.p_same), say(one.weighted_mean, True), verdict))
    emphasis = frozenset(
        i for i, one in enumerate(family.summaries) if one.verdict is not Verdict.INCONCLUSIVE
    )
    caption = (
        f"{result.metric}: gains over the baseline, t over studies, {_correction(result, family.size)}; "
        "prediction: what a new such study will find; same?: p of Welch's test that the true gains are equal."
    )
    return Table(_TITLES[family.name], tuple(columns), tuple(rows), caption, emphasis)


def _shares(result: Synthesis, say: _Numbers) -> Table:
    rows = tuple(
        (
            one.name,
            share.study,
            str(share.n),
            say(share.mean, True),
            say.interval(share.ci_low, share.ci_high),
        )
        for family in result.families
        for one in family.summaries
        for share in one.studies
    )
    columns = (
        *(Column("gain"), Column("study"), Column("n", True), Column("mean", True)),
        Column(f"{percent_text(1 - result.alpha)} CI", True),
    )
    text = "Each study by itself: the t interval of its mean gain over its seeds. Each counts once above."
    return Table("By study", columns, rows, text)
