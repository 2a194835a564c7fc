"""The page of a comparison of studies: what agrees, what differs, and what stays open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rigorkd_analysis.metric_names import label
from rigorkd_analysis.publication import Outcome, Publication
from rigorkd_analysis.studies.prediction import PAIRED, Prediction, PrintedFamily, PrintedNumber
from rigorkd_analysis.studies.replication import Agreement, DifferenceFamily, Replication, StudyDifference
from rigorkd_analysis.studies.synthesis import Summary, SummaryFamily, Synthesis
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import percent_text

from rigorkd.report.numbers import MetricNumbers, p_heading
from rigorkd.report.page import MISSING, STARRED, Cell, Column, Page, Said, Table, listed
from rigorkd.report.sentences import CORRECTIONS, banner_of, decided_by, grouped, sentence_of
from rigorkd.text import count

_INSIDE = "Inside is no proof of agreement: ± says how far off a number may be unnoticed."
_TITLES = {"gains": "Gains", "cells": "Cells", "overall": "All of them"}


Compared = Replication | Prediction | Publication | Synthesis


def compare_page(result: Compared, alone: Sequence[str] = ()) -> Page:
    """Render a comparison for people; `alone` is what each table says where it goes on without the page."""
    if isinstance(result, Replication):
        headline, tables, sentences, pairs = _replication(result)
    elif isinstance(result, Prediction):
        headline, tables, sentences, pairs = _prediction(result)
    elif isinstance(result, Publication):
        headline, tables, sentences, pairs = _publication(result)
    else:
        headline, tables, sentences, pairs = _synthesis(result)
    doubts = grouped([(name, text) for name, texts in pairs for text in texts], len(pairs), "all comparisons")
    notes = [f"not compared: {'; '.join(result.unmatched)}"] if result.unmatched else []
    smoke = banner_of(result.warnings)
    return Page(
        headline=(*_not_valid(result), *headline),
        blocks=(
            *(replace(table, alone=tuple(alone)) for table in tables),
            *listed(("In words", map(Said, sentences)), ("Notes", map(Said, notes))),
        ),
        warnings=tuple(Said(text) for text in (*result.warnings, *doubts) if text != smoke),
        banner=smoke,
    )


def _not_valid(result: Compared) -> tuple[str, ...]:
    """First of all, why no verdict of some comparisons is valid."""
    families: Sequence[DifferenceFamily | PrintedFamily | SummaryFamily]
    if isinstance(result, Publication):
        families = [family for metric in result.metrics for family in metric.families]
    else:
        families = result.families
    everything = [
        one
        for family in families
        for one in (family.summaries if isinstance(family, SummaryFamily) else family.comparisons)
    ]
    reasons = dict.fromkeys(one.not_valid for one in everything if one.not_valid)
    unfit = sum(one.not_valid is not None for one in everything)
    which = (
        "no verdict here is" if unfit == len(everything) else f"{unfit} of {len(everything)} verdicts are not"
    )
    return tuple(f"{reason}: {which} valid." for reason in reasons)


def _with_stars(table: Table, rows: Sequence[StudyDifference | PrintedNumber | Summary]) -> Table:
    """The table of these rows with what the stars at their verdicts stand for."""
    told = grouped([(one.name, text) for one in rows for text in one.warnings], len(rows), "all")
    return replace(table, caption=table.caption + STARRED, starred=tuple(told)) if told else table


Parts = tuple[tuple[str, ...], tuple[Table, ...], tuple[str, ...], list[tuple[str, tuple[str, ...]]]]
"""Headline, tables, sentences, and the warnings of every comparison by its name."""


def _correction(result: Compared, size: int) -> str:
    return f"{CORRECTIONS[result.correction]} over {size} comparisons" if size > 1 else "one comparison"


# ------------------------------------------------------------------------------------------ two studies


def _replication(result: Replication) -> Parts:
    first, second = (study.name for study in result.studies)
    everything = [one for family in result.families for one in family.comparisons]
    say = MetricNumbers(
        result.metric,
        [value for one in everything for value in (one.mean_a, one.mean_b)],
        [value for one in everything for value in (one.sd_a, one.sd_b)],
        narrow=True,
    )
    headline = tuple(
        f"{_TITLES[family.name]}: {_tally(family)} of {count(family.size, 'comparison')} of {first} "
        f"with {second}."
        for family in result.families
    )
    return (
        (*headline, "What shows neither a difference nor agreement is open, not the same."),
        tuple(_differences(result, family, say) for family in result.families),
        tuple(one.says for family in result.families if family.name == "gains" for one in family.comparisons),
        [(one.name, one.warnings) for one in everything],
    )


_SIGNED = ("mean_diff", "ci", "ci_simultaneous")


def _alone(result: Compared, size: int) -> str:
    """What sets the interval of one comparison apart from its adjusted p."""
    return ", unadjusted" if size > 1 and result.correction != "none" else ""


def _tally(family: DifferenceFamily) -> str:
    found = Counter(one.verdict for one in family.comparisons)
    return ", ".join(f"{found[verdict]} {verdict.counted}" for verdict in Agreement if found[verdict])


def _differences(result: Replication, family: DifferenceFamily, say: MetricNumbers) -> Table:
    first, second = (study.name for study in result.studies)
    gains = family.name == "gains"
    adjusted = p_heading(result.correction, family.size)
    share, alone = percent_text(1 - result.alpha), _alone(result, family.size)
    columns = {
        "mean_diff": Column("diff", True),
        "ci": Column(f"{share} CI{alone}", True, detail=bool(alone)),
        **({"ci_simultaneous": Column(f"{share} CI of all", True)} if alone else {}),
        **({"p": Column("p", True, detail=True)} if adjusted != "p" else {}),
        "p_adjusted": Column(adjusted, True),
        **({"p_equivalence_adjusted": Column("TOST p", True)} if result.sesoi is not None else {}),
        "mde": Column("detects", True),
        "verdict": Column("verdict"),
    }
    sizes = {(one.n_a, one.n_b) for one in family.comparisons}
    rows = []
    for one in family.comparisons:
        means = [
            Cell((say.value(mean, signed=gains), "" if len(sizes) == 1 else f" (n = {n})"))
            for mean, n in ((one.mean_a, one.n_a), (one.mean_b, one.n_b))
        ]
        shown = (say.show(one, field, signed=field in _SIGNED) for field in columns)
        rows.append((one.name, *means, *shown))
    what = "gains over the baseline" if gains else "means"
    n_a, n_b = next(iter(sizes))
    seeds = f", n = {n_a} and {n_b} seeds" if len(sizes) == 1 else ""
    caption = (
        f"{result.metric}: {what} of {first} minus those of {second}{seeds}, Welch's t test, "
        f"{_correction(result, family.size)}"
    )
    if result.sesoi is not None:
        caption += f"; agreement within ±{say(result.sesoi)}{say.unit} by two one-sided tests"
        same = any(o.verdict in (Agreement.AGREE, Agreement.DIFFER_NEGLIGIBLE) for o in family.comparisons)
        caption += f"; {decided_by(['agreement'], result.alpha, corrected=bool(alone))}" * same
    table = Table(
        _TITLES[family.name],
        (Column("comparison"), Column(first, True), Column(second, True), *columns.values()),
        tuple(rows),
        caption + "; detects: the difference found with 80 % power.",
        frozenset(
            at for at, one in enumerate(family.comparisons) if one.verdict is not Agreement.INCONCLUSIVE
        ),
    )
    return _with_stars(table, family.comparisons)


# ------------------------------------------------------------------------------------- a published table


def _prediction(result: Prediction) -> Parts:
    study, table = (one.name for one in result.studies)
    everything = [one for family in result.families for one in family.comparisons]
    means, spreads = [one.mean for one in everything], [one.sd for one in everything]
    say = MetricNumbers(result.metric, means, spreads, narrow=True)
    headline = []
    for family in result.families:
        found = Counter(one.verdict for one in family.comparisons)
        unknown = f", {found['unknown']} cannot be compared" if found["unknown"] else ""
        headline.append(
            f"Printed {family.name}: of {family.size} in {table}, {_lie(found['outside'])} outside what "
            f"{study} predicts, {_inside(family.comparisons)}{unknown}."
        )
    return (
        (*headline, _INSIDE),
        tuple(_printed(result, family, say) for family in result.families),
        tuple(one.says for one in everything if one.verdict == "outside"),
        [(one.name, one.warnings) for one in everything],
    )


def _lie(number: int) -> str:
    return f"{number} lie{'s' * (number == 1)}"


def _by_correction(one: PrintedNumber) -> bool:
    """Whether a number is called inside though it lies outside its own interval."""
    return one.verdict == "inside" and not one.inside


def _inside(numbers: Sequence[PrintedNumber]) -> str:
    """How many are inside, and how many of these by the correction alone."""
    found = sum(one.verdict == "inside" for one in numbers)
    alone = sum(map(_by_correction, numbers))
    own = "its own interval" if alone == 1 else "their own intervals"
    allowed = f" ({alone} of these outside {own}, as the correction allows)"
    return f"{found} inside{allowed * bool(alone)}"


def _printed(result: Prediction, family: PrintedFamily, say: MetricNumbers) -> Table:
    against = f"{result.printed_metric} as printed ({_seeds_each(family)} each) against {result.metric}"
    return _printed_table(result, family, say, f"Printed {family.name}", against)


def _seeds_each(family: PrintedFamily) -> str:
    ks = sorted({one.k for one in family.comparisons})
    return count(ks[0], "seed") if len(ks) == 1 else f"{ks[0]} to {ks[-1]} seeds"


def _printed_table(
    result: Prediction | Publication, family: PrintedFamily, say: MetricNumbers, title: str, against: str
) -> Table:
    gains = family.name == "gains"
    columns = {
        "printed": Column("printed", True),
        "mean": Column("ours", True),
        "n": Column("n", True),
        "prediction": Column(
            f"{percent_text(1 - result.alpha)} prediction{_alone(result, family.size)}", True
        ),
        "half_width": Column("±", True),
        "p_adjusted": Column(p_heading(result.correction, family.size), True),
        "verdict": Column("verdict"),
    }
    rows = tuple(
        (one.name, *(say.show(one, field, signed=gains and field != "half_width") for field in columns))
        for one in family.comparisons
    )
    caption = (
        f"{against} of {result.studies[0].name}: mean ± t·sd·√(1/n + 1/k); printed rounding is allowed for; "
        f"{f'{PAIRED}; ' * gains}{_correction(result, family.size)}."
    )
    if any(map(_by_correction, family.comparisons)):
        caption += " A verdict is by the corrected p: inside may lie outside its own interval."
    outside = frozenset(i for i, one in enumerate(family.comparisons) if one.verdict == "outside")
    table = Table(title, (Column("cell"), *columns.values()), rows, caption, outside)
    return _with_stars(table, family.comparisons)


# ----------------------------------------------------------------------- all that a publication prints


def _publication(result: Publication) -> Parts:
    study, publication = (one.name for one in result.studies)
    families = [(one, family) for one in result.metrics for family in one.families]
    found = Counter(number.verdict for _, family in families for number in family.comparisons)
    total = sum(found.values())
    unknown = f", {found['unknown']} cannot be compared" if found["unknown"] else ""
    headline = [
        f"Printed numbers: of {total} in {publication} that {study} has cells for, {_lie(found['outside'])} "
        f"outside what it predicts, {_inside([one for _, family in families for one in family.comparisons])}"
        f"{unknown}."
    ]
    if result.claims:
        answers = Counter(one.outcome for one in result.claims)
        told = ", ".join(f"{answers[one]} {one.counted}" for one in Outcome if answers[one])
        headline.append(f"Printed claims: of {len(result.claims)}, {told}.")
    tables = []
    for one, family in families:
        means = [number.mean for number in family.comparisons]
        say = MetricNumbers(one.metric, means, [number.sd for number in family.comparisons], narrow=True)
        title = f"Printed {family.name}: {label(one.metric)}"
        tables.append(
            _printed_table(
                result, family, say, title, f"As printed ({_seeds_each(family)} each) against those"
            )
        )
    if result.claims:
        tables.append(_claims(result))
    outside = [n.says for _, family in families for n in family.comparisons if n.verdict == "outside"]
    return (
        (*headline, _INSIDE, f"Published: {result.source}"),
        tuple(tables),
        (
            *outside,
            *(f"{one.claim} ({one.place}) {one.outcome.counted}: {one.says}" for one in result.claims),
        ),
        [
            (f"{number.name}, {label(one.metric)}", number.warnings)
            for one, family in families
            for number in family.comparisons
        ],
    )


def _claims(result: Publication) -> Table:
    columns = (
        *(Column("claim"), Column("place"), Column("ours"), Column("n", True), Column("difference", True)),
        *(
            Column(f"{percent_text(1 - result.alpha)} CI{_alone(result, len(result.claims))}", True),
            Column("adjusted p", True),
            Column("claim is"),
        ),
    )
    rows = []
    for one in result.claims:
        say = MetricNumbers(one.metric, [one.mean_diff], [one.mean_diff], narrow=True)
        shown = [say.show(one, field, signed=True) for field in ("n", "mean_diff", "ci", "p_adjusted")]
        ours = f"none: {one.says}" if one.outcome is Outcome.UNTESTED else one.ours or MISSING
        rows.append((one.claim, one.place, ours, *shown, one.outcome.counted))
    told = frozenset(
        at for at, one in enumerate(result.claims) if one.outcome not in (Outcome.OPEN, Outcome.UNTESTED)
    )
    text = (
        "Each claim by the verdict of the comparison of ours that answers it, corrected in its own family. "
        "What is open is neither supported nor contradicted."
    )
    return Table("Printed claims", columns, tuple(rows), text, told)


# ------------------------------------------------------------------------------------------ many studies


def _synthesis(result: Synthesis) -> Parts:
    everything = [one for family in result.families for one in family.summaries]
    shares = [share for one in everything for share in one.studies]
    means, spreads = [share.mean for share in shares], [share.sd for share in shares]
    say = MetricNumbers(result.metric, means, spreads, narrow=True)
    headline = []
    for family in result.families:
        if family.name == "overall":
            headline += [one.says for one in family.summaries]
            continue
        found = Counter(one.verdict.label for one in family.summaries)
        told = ", ".join(f"{number} {label}" for label, number in found.items())
        headline.append(f"Gains over {count(len(result.studies), 'study', 'studies')}: {told}.")
    return (
        tuple(headline),
        (*(_summaries(result, family, say) for family in result.families), _shares(result, say)),
        tuple(one.says for family in result.families if family.name == "gains" for one in family.summaries),
        [(one.name, one.warnings) for one in everything],
    )


def _summaries(result: Synthesis, family: SummaryFamily, say: MetricNumbers) -> Table:
    share = percent_text(1 - result.alpha)
    columns = {
        "k": Column("studies", True),
        "mean": Column("mean", True),
        "ci": Column(f"{share} CI{_alone(result, family.size)}", True),
        "prediction": Column(f"{share} prediction", True),
        "p_adjusted": Column(p_heading(result.correction, family.size), True),
        **({"p_equivalence_adjusted": Column("TOST p", True)} if result.sesoi is not None else {}),
        "p_same": Column("same?", True),
        "weighted_mean": Column("weighted", True, detail=True),
        "verdict": Column("verdict"),
    }
    rows = tuple(
        (one.name, *(say.show(one, field, signed=True) for field in columns)) for one in family.summaries
    )
    caption = (
        f"{result.metric}: gains over the baseline, t over studies, {_correction(result, family.size)}; "
        "prediction: what a new such study will find; same?: p of Welch's test that the true gains are equal."
    )
    verdicts = {one.verdict for one in family.summaries}
    words = ["equivalent"] * (Verdict.EQUIVALENT in verdicts)
    words += ["negligible"] * any(verdict.negligible for verdict in verdicts)
    caption += sentence_of(decided_by(words, result.alpha, corrected=bool(_alone(result, family.size))))
    found = frozenset(i for i, o in enumerate(family.summaries) if o.verdict is not Verdict.INCONCLUSIVE)
    table = Table(_TITLES[family.name], (Column("gain"), *columns.values()), rows, caption, found)
    return _with_stars(table, family.summaries)


def _shares(result: Synthesis, say: MetricNumbers) -> Table:
    rows = tuple(
        (one.name, share.study, *(say.show(share, field, signed=True) for field in ("n", "mean", "ci")))
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
