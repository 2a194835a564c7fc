"""The tables of an analysis, and the page that `rigorkd analyze` prints: what holds first, then one table per
family, then everything else it found.

The page that is sent (`rigorkd.report.report_page`) shows the same tables with more columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rigorkd_analysis.families import UNABLE
from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.offered_baselines import NO_GAINS
from rigorkd_analysis.paper_sentences import with_cautions
from rigorkd_analysis.results import GAINS, Analysis, Comparison, Family, Sequential
from rigorkd_analysis.stats.exact import exact_from
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import percent_text

from rigorkd.report.conditions import caption_under_conditions, tuning_in_brief, under_conditions
from rigorkd.report.headline import (
    asking,
    fixed_before,
    headline,
    sequential_answers,
    sequential_leads,
    sequential_said,
    what_fell,
    what_holds,
    what_next,
)
from rigorkd.report.images_table import images_table
from rigorkd.report.numbers import MetricNumbers, Numbers, between, beyond_sesoi, p_heading, verdict
from rigorkd.report.page import (
    DECIDED,
    STARRED,
    Cell,
    Column,
    Entry,
    Page,
    Said,
    Table,
    first_of,
    listed,
)
from rigorkd.report.row_names import common_start
from rigorkd.report.sentences import (
    CHOICES,
    QUESTIONS,
    TOGETHER,
    about,
    asked_once,
    averaged_over,
    banner_of,
    corrected_by,
    equivalent_by,
    factorial_sentences,
    grouped,
    holm_is_sharper,
    is_corrected,
    is_unpaired,
    lead_of,
    may_be_best,
    minus,
    name_of,
    numbers_of,
    of_this_call,
    overlap_said,
    own_interval,
    planned_looks,
    sentence_of,
    test_of,
    titled,
    titled_with_status,
    told_of_plan,
    warnings_of,
    why_exploratory,
)
from rigorkd.report.stars import OF_LOST_RUNS, has_lost_runs, reasons, some_not_valid, warned_of
from rigorkd.text import count, some_of

_MAX_CELLS = 60
_MOST_WARNINGS = 6
#: More rows than this are ranked by p, so that the strongest stand where a screen shows only some.
_RANKED_FROM = 40
_SIGNED = {"mean_diff", "ci", "ci_simultaneous", "equivalence_ci"}

_HEADINGS: dict[str, tuple[str, str]] = {
    "mean_diff": ("difference", "mean over seeds, in{unit}"),
    "ci": ("{share} interval{one}", "for this comparison alone"),
    "ci_simultaneous": ("{share} interval of all {size}", "holds for all {size} comparisons together"),
    "p": ("p{alone}", "two-sided {test}, for this comparison alone"),
    "p_paired": ("paired p{alone}", "two-sided paired t test, for this comparison alone"),
    "p_adjusted": ("{adjusted}", "the p that verdicts use"),
    "n": ("n", "{n}"),
    "sd_diff": ("sd of differences", ""),
    "mde": ("detects", "the difference found with 80 % power at these seeds"),
    "seeds_needed": ("needs", "seeds to find a difference of the SESOI with 80 % power"),
    "needs": ("between", "the same at the ends of the interval of the sd"),
    "mde_range": ("between", "the same at the ends of the interval of the sd"),
    "exaggeration": (
        "exaggeration",
        "a difference found is so many times too large, were the true one the SESOI",
    ),
    "sign_error": ("wrong sign", "probability that a difference found has it, were the true one the SESOI"),
    "win_rate": ("wins", "share of {won} which it was better, P(better than the other side)"),
    "win_rate_ci": ("{share} interval of wins", "{exact}no test"),
    "equivalence_ci": ("{twice} equivalence interval", ""),
    "p_equivalence_adjusted": ("TOST p adjusted", "two one-sided tests against the SESOI"),
    "dz": ("dz", "mean difference over its standard deviation"),
    "dz_ci": ("interval of dz", ""),
    "g_z": ("g_z", "dz without its bias"),
    "g_av": ("g_av", "the difference over the root mean variance, without bias"),
    "r": ("r", "correlation of the pairs over seeds"),
    "variance_ratio": ("variance ratio", "below 1: pairing by seed narrowed the interval"),
    "p_signflip": ("sign flips p", "exact, over all flips of signs"),
    "p_signflip_floor": ("its floor", "the smallest p that so many seeds can give"),
    "p_wilcoxon": ("Wilcoxon p", ""),
    "p_welch": ("Welch p", "as if the seeds were not paired"),
    "p_equivalence": ("TOST p{alone}", "equivalence, for this comparison alone"),
}
"""What each field of a comparison is called, and what it means."""
_NARROW = {
    "mean_diff": "diff",
    "ci": "{share} CI{one}",
    "ci_simultaneous": "{share} CI of all",
    "p_equivalence_adjusted": "TOST {adjusted}",
}


def short_page(analysis: Analysis, folder: Path | None = None) -> Page:
    """What a terminal shows unless all is asked for: the answer, the comparisons, and what to do next.

    `folder` is that of the study, None of tables.
    """
    say = Numbers(analysis, narrow=True)
    # what was chosen stands below the tables, too: of more than fit, what is doubted is shown
    told = sorted(warnings_of(analysis), key=lambda said: said.text.startswith(CHOICES))
    # how a baseline is named comes before all pairs, which nobody reads who has one
    first = [sentence_of(said.whole).strip() for said in told if NO_GAINS in said.text]
    warnings = tuple(said for said in told if NO_GAINS not in said.text)
    banner = banner_of(analysis.warnings)
    if analysis.progress is not None:
        so_far = under_conditions(analysis, (cells_table(analysis, say),))
        return Page(headline(analysis, say), so_far, warnings, banner, narrow=True)
    tables = []
    for at, family in asked_once(analysis):
        corrected = is_corrected(analysis, family)
        fields = ("mean_diff", "ci_simultaneous" if corrected else "ci", "p_adjusted", "verdict")
        title = titled_with_status(analysis, family)
        table = comparisons_table(
            *(analysis, family, f"families/{at}", fields, say, title, short_caption(analysis, family, say)),
        )
        tables.append(_shortened(table))
    if analysis.sequential is not None:
        at = 0 if sequential_leads(analysis) else len(tables)
        found = sequential_table(analysis, analysis.sequential, say, short=True)
        tables.insert(at, _shortened(found))
    next_steps = (
        *what_next(analysis, say, folder),
        "--all shows everything here; `rigorkd report` writes a page to send.",
    )
    # a line that one more is left out would take the place of that one
    shown = warnings if len(warnings) == _MOST_WARNINGS + 1 else warnings[:_MOST_WARNINGS]
    if len(warnings) > len(shown):
        shown += (Said(f"{count(len(warnings) - len(shown), 'more warning')}: --all"),)
    return Page(
        headline=(*what_holds(analysis), *first, *says_secondary(analysis, " --all shows their tables.")),
        blocks=(
            *under_conditions(analysis, tables),
            *listed(("What next", tuple(map(Said, next_steps)))),
        ),
        warnings=shown,
        banner=banner,
        narrow=True,
    )


def _shortened(table: Table) -> Table:
    """The folders that all names of a table begin with stand in its title instead."""
    start = common_start(str(name) for name, *_ in table.rows)
    if not start:
        return table
    rows = tuple((str(name).replace(start, ""), *rest) for name, *rest in table.rows)
    return replace(table, title=f"{table.title}: {start}…", rows=rows)


_SIDES = {
    "overall": "each minus {}, averaged{}",
    "primary": "minus {}",
    "gains": "each minus {}",
}


def _sides(family: Family) -> str:
    """What the numbers of a family of contrasts are: a name of its own need not say of which cells."""
    pairs = any(c.a is not None and not c.stands_for for c in family.comparisons)
    named = [
        f"{name_of(family, c)}: {'the ' * c.stands_for.startswith('fitted')}{c.stands_for}"
        for c in family.comparisons
        if c.stands_for
    ]
    return "; ".join(["the first minus the second"] * pairs + named) or "what each says"


def _asked_before(family: Family) -> str:
    """Why a correction is over more comparisons than a family has, "" where it is not."""
    if not family.beside:
        return ""
    more = count(family.beside, "other comparison")
    counts = "counts" if family.beside == 1 else "count"
    return f"another family asks this, too: {more} of it, seen with this, {counts} in the correction"


def _of_family(analysis: Analysis, family: Family) -> list[str]:
    """What a family's correction and intervals hold over, and on what its verdicts rest."""
    told = (planned_looks(analysis), fixed_before(analysis), of_this_call(family), _asked_before(family))
    return [note for note in (*told, holm_is_sharper(analysis, family)) if note]


def short_caption(analysis: Analysis, family: Family, say: MetricNumbers) -> str:
    """n, test, correction, what was planned, in two lines."""
    corrected = corrected_by(analysis, [family], str(family.corrected_over))
    over = f" over {averaged_over(family)}" * any(c.settings for c in family.comparisons)
    test = test_of(family).removesuffix(" test") + " (“all of”: one-sided)" * bool(_one_sided(family))
    parts = [
        f"{analysis.metric}{' in percent' if say.unit == ' points' else ''} ({aim(analysis.goal)})",
        _SIDES.get(family.name, "").format(minus(family), over) or _sides(family),
        f"{numbers_of(analysis, family)}, {test}, {corrected}",
        "planned" if family.planned else why_exploratory(family),
    ]
    if analysis.sesoi is not None:
        parts.append(f"equivalence margin ±{say(analysis.sesoi)}")
        parts += filter(None, [equivalent_by(analysis, family.comparisons)])
    parts += _of_family(analysis, family)
    starred = any(c.warnings for c in family.comparisons)
    return "; ".join(parts) + "." + some_not_valid([family]) + STARRED * starred


def analysis_page(analysis: Analysis, teachers: Table | None = None) -> Page:
    """Render an analysis for people, with the table of a study's teachers if there is one."""
    say = Numbers(analysis, narrow=True)
    equivalence = ("p_equivalence_adjusted", "seeds_needed") if analysis.sesoi is not None else ()
    fields = ("n", "mean_diff", "ci", "p", "p_adjusted", "mde", *equivalence, "verdict")
    tables = []
    for at, family in asked_once(analysis):
        title = titled_with_status(analysis, family)
        text = caption(analysis, family, say)
        tables.append(comparisons_table(analysis, family, f"families/{at}", fields, say, title, text))
    tables += [
        secondary_table(analysis, at, ("n", "mean_diff", "ci", "p_adjusted", "verdict"), narrow=True)
        for at in range(len(analysis.secondary))
    ]
    if analysis.sequential is not None:
        at = 0 if sequential_leads(analysis) else len(tables)
        tables.insert(at, sequential_table(analysis, analysis.sequential, say))
    if analysis.images:
        tables.append(images_table(analysis, say))
    if len(analysis.cells) <= _MAX_CELLS:
        tables.append(cells_table(analysis, say))
    tables += [teachers] if teachers is not None else []
    said: dict[str, str] = {}  # an unnamed contrast may say what a gain says
    answers = sequential_answers(analysis)
    for answer in sequential_said(analysis):
        said.setdefault(answer.says, "")  # it says itself that it is exploratory
    for _, family in asked_once(analysis):
        for one in family.comparisons:
            if asking(family, one) in answers:
                continue
            if one.verdict is not Verdict.INCONCLUSIVE or family.name in QUESTIONS:
                said.setdefault(one.says, lead_of(family))
    sentences = tuple(Said(text, lead=lead) for text, lead in said.items())
    return Page(
        headline=(*headline(analysis, say), *says_secondary(analysis)),
        blocks=(
            *under_conditions(analysis, tables),
            *listed(("In words", sentences), ("Notes", _notes(analysis, say))),
        ),
        warnings=warnings_of(analysis),
        banner=banner_of(analysis.warnings),
    )


def comparisons_table(
    analysis: Analysis,
    family: Family,
    path: str,
    fields: Sequence[str],
    say: MetricNumbers,
    title: str,
    caption: str,
    *,
    id: str = "",
    most: int | None = None,
) -> Table:
    """Fields of the comparisons of a family that lies at `path`; `most` of them, with the smallest p."""
    numbered = list(enumerate(family.comparisons))
    if len(numbered) > (most or _RANKED_FROM):
        numbered.sort(key=lambda item: (item[1].p is None, item[1].p or 0.0, item[0]))
    if most is not None and len(numbered) > most:
        caption += (
            f" The {most} comparisons with the smallest p of {len(numbered):,}; "
            "rigorkd analyze --format csv has them all."
        )
    kept = numbered[:most]
    starred = grouped([(name_of(family, c), text) for _, c in kept for text in c.warnings], len(kept), "all")
    starred += [OF_LOST_RUNS.rstrip(".")] * any(has_lost_runs(c) for _, c in kept)
    first = "cell" if family.name in GAINS and not say.narrow else "comparison"
    return Table(
        title,
        (Column(first), *(_column(analysis, family, field, say) for field in fields)),
        tuple(
            (name_of(family, c), *(_entry(c, field, f"{path}/comparisons/{at}", say) for field in fields))
            for at, c in kept
        ),
        caption,
        frozenset(row for row, (_, c) in enumerate(kept) if c.verdict is not Verdict.INCONCLUSIVE),
        id=id,
        starred=tuple(starred),
        alone=tuple(filter(None, [tuning_in_brief(analysis)])) if family.name in GAINS else (),
        bold=DECIDED,
    )


def _entry(c: Comparison, field: str, path: str, say: MetricNumbers) -> Entry:
    if field == "mde_range":
        return between(*(say.field(c, f"mde_{end}", path) for end in ("low", "high")), narrow=say.narrow)
    if field == "win_rate_ci":
        return between(*(say.field(c, f"win_rate_{end}", path) for end in ("low", "high")), narrow=say.narrow)
    if field == "needs":
        low, high = (say.field(c, f"seeds_needed_{end}", path) for end in ("low", "high"))
        return Cell((low, " to ", high))
    return say.show(c, field, path, signed=field in _SIGNED)


def _column(analysis: Analysis, family: Family, field: str, say: MetricNumbers) -> Column:
    corrected, m = is_corrected(analysis, family), family.corrected_over
    words = {
        "share": percent_text(1 - analysis.alpha),
        "twice": percent_text(1 - 2 * analysis.alpha),
        "adjusted": p_heading(analysis.correction, m, "p adj." if say.narrow else "p adjusted"),
        "size": m,
        "alone": ", unadjusted" if corrected or analysis.looks else "",
        "one": own_interval(analysis) if corrected else "",
        "test": test_of(family),
        "unit": say.unit or " units of the metric",
        "n": "runs of the cell that has fewer" if is_unpaired(family) else "seeds that both cells have",
        "won": "all pairs of their runs in" if is_unpaired(family) else "seeds at",
        "exact": "" if is_unpaired(family) else "exact; ",
    }
    heading, help = _HEADINGS.get(field, (field, ""))
    if say.narrow:
        heading, help = _NARROW.get(field, heading), ""
    detail = field == "p" and say.narrow
    return Column(heading.format(**words), field != "verdict", help.format(**words), detail)


def caption(analysis: Analysis, family: Family, say: MetricNumbers, *, power: bool = True) -> str:
    """n, test, correction, size, what was planned, what is held fixed; `power` explains its columns."""
    seeds = numbers_of(analysis, family) + ("" if is_unpaired(family) else " paired by seed")
    over = corrected_by(analysis, [family], f"{family.corrected_over} comparisons")
    versus = (
        f"each cell minus {minus(family)}, averaged over {averaged_over(family)}"
        if family.name == "overall"
        else f"each cell minus {minus(family)}"
        if family.name in GAINS
        else f"the verdict is on {_sides(family)}"
    )
    percent = " in percent" if say.unit == " points" else ""
    parts = [
        f"{analysis.metric}{percent} ({aim(analysis.goal)}), {versus}, {seeds}",
        f"two-sided {test_of(family)}{_one_sided(family)}, {over}"
        + (", joint verdicts" if analysis.joint else ""),
        "planned before the results were seen"
        if family.planned
        else f"exploratory: {why_exploratory(family)}",
        *_of_family(analysis, family),
    ]
    if analysis.sesoi is not None:
        parts.append(f"equivalence within ±{say(analysis.sesoi)}{say.unit} by two one-sided tests")
        parts += filter(None, [equivalent_by(analysis, family.comparisons)])
    if power:
        parts.append("detects: the difference found with 80 % power")
        parts += ["needs: seeds to find the SESOI so"] if analysis.sesoi else []
    parts += [beyond_sesoi(corrected=is_corrected(analysis, family))] if analysis.sesoi else []
    text = "; ".join(parts) + "."
    paired = () if is_unpaired(family) else family.comparisons  # sign flips are of pairs
    low = [c.n for c in paired if c.n >= 2 and 2.0 / 2.0**c.n >= analysis.alpha]
    if low:
        floor = 2.0 / 2.0 ** min(low)
        text += f" Sign flips cannot go below p = {floor:g} at n = {min(low)}: a limit of the design"
        text += f" (below {analysis.alpha:g} from n = {exact_from(analysis.alpha)} on, uncorrected)."
    if family.exact_from is not None and any(2 <= c.n < family.exact_from for c in family.comparisons):
        after = " after the correction" if is_corrected(analysis, family) else ""
        text += (
            f" With fewer than {family.exact_from} seeds no exact test could reject{after}: the verdicts "
            "assume normal differences."
        )
    if analysis.conditioned_on:
        text += f" Conditioned on: {', '.join(analysis.conditioned_on)}."
    text += some_not_valid([family])
    if any(c.warnings for c in family.comparisons):
        text += STARRED
    return text


def _one_sided(family: Family) -> str:
    """That a conjunction is none of the two-sided tests, "" where there is none."""
    if all(c.weights for c in family.comparisons):  # a conjunction has no cells of its own
        return ""
    return " (of “all of” the largest one-sided p of its members)"


def aim(goal: Goal) -> str:
    return f"goal: {'higher' if goal == 'max' else 'lower'}"


def says_secondary(analysis: Analysis, where: str = "") -> tuple[str, ...]:
    """A line on the secondary metrics of a plan, with what was found on each; `where` its tables are."""
    found = []
    for item in analysis.secondary:
        alone = replace(analysis, goal=item.goal, families=(item.family,), sequential=None, secondary=())
        status = "planned" if item.family.planned else "exploratory"
        found.append(f" {item.metric} ({status}): {what_holds(alone)[0].partition('): ')[2]}")
    if not found:
        return ()
    metrics = "Secondary metrics, each" if len(found) > 1 else "Secondary metric,"
    return (f"{metrics} judged apart from {analysis.metric}:{''.join(found)}{where}",)


def secondary_table(
    analysis: Analysis,
    position: int,
    fields: Sequence[str],
    *,
    narrow: bool = False,
    id: str = "",
    most: int | None = None,
) -> Table:
    """The gains on a secondary metric, in its own decimals and judged by its own goal."""
    item = analysis.secondary[position]
    say = Numbers(replace(analysis, metric=item.metric, cells=item.cells), narrow=narrow)
    title, path = f"Secondary: {item.metric}", f"secondary/{position}/family"
    text = (
        f"{item.metric} ({aim(item.goal)}), a secondary metric: each cell minus {minus(item.family)}, "
        f"{test_of(item.family)}, {corrected_by(analysis, [item.family], f'{item.family.size} comparisons')} "
        "of it alone." + some_not_valid([item.family])
    )
    text += STARRED * any(c.warnings for c in item.family.comparisons)
    return comparisons_table(analysis, item.family, path, fields, say, title, text, id=id, most=most)


def sequential_table(
    analysis: Analysis,
    found: Sequential,
    say: MetricNumbers,
    *,
    id: str = "",
    most: int | None = None,
    short: bool = False,
) -> Table:
    """Verdicts that stay valid while seeds are added, and whether they were planned."""
    rows = []
    named = {asking(f, c): name_of(f, c) for f in analysis.families for c in f.comparisons}
    doubted = _doubted_in_sequence(analysis, found)
    for at, item in enumerate(found.comparisons[:most]):
        star = bool(warned_of(doubted[at]))
        path = f"sequential/comparisons/{at}"
        rows.append(
            (
                named[item.family, item.planned, item.name],
                say.show(item, "n", path),
                *(say.show(item, field, path, signed=True) for field in ("mean_diff", "ci")),
                *(say.show(item, field, path) for field in ("p_adjusted", "decided_at")),
                Cell(("undecided" + "*" * star,), "inconclusive", 99.0)
                if item.decided_at is None
                else verdict(item.verdict, starred=star),
            )
        )
    columns = (
        *(Column("comparison"), Column("n", True)),
        Column("diff" if say.narrow else "difference", True, detail=True),  # the interval is around it
        Column(f"{percent_text(1 - analysis.alpha)} interval", True),
        *(Column("anytime p", True), Column("decided at", True, "seeds"), Column("verdict")),
    )
    text = _sequential_caption(analysis, found, say, short)
    text += reasons([(str(row[0]), c) for row, c in zip(rows, doubted, strict=False)])
    text += first_of(most, len(found.comparisons), "comparisons")
    decided = frozenset(i for i, item in enumerate(found.comparisons) if item.decided_at is not None)
    title = "Sequential verdicts" + ("" if found.planned else " (exploratory)")
    return Table(title, columns, tuple(rows), text, decided, id=id, bold=DECIDED)


def sequential_page(analysis: Analysis, found: Sequential) -> Page:
    """The sequential verdicts alone, as a table for a paper: after a look they are what holds."""
    table = sequential_table(analysis, found, Numbers(analysis))
    methods = {cell.cell: cell.method for cell in analysis.cells}
    judged = {item.name for item in found.comparisons}
    gains = (c for f in analysis.families if f.name in GAINS for c in f.comparisons if c.name in judged)
    tuned = sentence_of(tuning_in_brief(analysis, {methods.get(c.a or "") or "" for c in gains}))
    caption = caption_under_conditions(analysis, table.caption + tuned)
    return Page(
        blocks=(replace(table, title=titled(table.title, analysis.warnings), caption=caption, dense=True),)
    )


def _doubted_in_sequence(analysis: Analysis, found: Sequential) -> list[Comparison]:
    """The comparisons in the order of their sequential verdicts, with the warnings that hold of these, too.

    That a design cannot decide is said of its test at a fixed number of seeds.
    """
    of = {asking(f, c): c for f in analysis.families for c in f.comparisons}
    members = [of[item.family, item.planned, item.name] for item in found.comparisons]
    return [replace(c, warnings=tuple(w for w in c.warnings if not w.startswith(UNABLE))) for c in members]


def _sequential_caption(analysis: Analysis, found: Sequential, say: MetricNumbers, short: bool) -> str:
    judged = {item.family for item in found.comparisons}
    families = [f for f in analysis.families if f.name in judged and f.planned == found.planned]
    over = dict.fromkeys(minus(f) for f in families if f.name in ("overall", *GAINS))
    others = [_sides(f) for f in families if f.name not in ("overall", *GAINS)]
    left = [name_of(f, c) for f in analysis.families if f.planned != found.planned for c in f.comparisons]
    which = f" ({some_of(list(dict.fromkeys(left)), 4)})"
    parts = [
        f"{analysis.metric}{' in percent' if say.unit == ' points' else ''} ({aim(analysis.goal)})",
        *([f"each gain minus {' or '.join(over)}"] if over else ()),
        *[f"averaged over {averaged_over(f)}" for f in families if any(c.settings for c in f.comparisons)],
        *dict.fromkeys(others),
        f"anytime-valid t (mixture of precision c² = {found.c2:g}), at α over each family's size, "
        f"valid while seeds are added one by one, {found.in_order}, and frozen when first decided",
        "planned before the results were seen"
        if found.planned
        else f"exploratory: {why_exploratory(*families)}",
        *told_of_plan(analysis.warnings),
        *([f"{count(len(left), 'exploratory comparison')} not judged so{which}"] if left else ()),
    ]
    if analysis.sesoi is not None:
        parts.append(f"equivalence within ±{say(analysis.sesoi)}{say.unit} by the interval")
    text = (
        "; ".join(parts)
        + ". Intervals are around the difference at the last seed, p is the smallest so far; "
    )
    text += "– is an infinite interval, or not decided."
    if analysis.conditioned_on and not short:
        text += f" Conditioned on: {', '.join(analysis.conditioned_on)}."
    return text


def cells_table(analysis: Analysis, say: MetricNumbers, *, id: str = "", most: int | None = None) -> Table:
    """Mean and spread of every cell."""
    share = percent_text(1 - analysis.alpha)
    interval = f"{share} CI" if say.narrow else f"{share} interval"
    headings = {"n": "n", "diverged": "diverged", "mean": "mean", "ci": interval, "std": "sd"}
    headings["std_ci"] = f"sd {share} CI" if say.narrow else f"{share} interval of the sd"
    if not any(cell.diverged for cell in analysis.cells):
        del headings["diverged"]
    text = f"{analysis.metric} over seeds: t interval of the mean, χ² interval of the standard deviation."
    if analysis.progress is not None:
        del headings["ci"], headings["std_ci"]
        text = f"{analysis.metric} over the runs that are finished."
    elif not say.narrow:
        text += (
            f" {overlap_said(analysis, 'overlapping intervals of means are')}: the verdicts are above."
            + first_of(most, len(analysis.cells), "cells")
        )
    return Table(
        "Cells",
        (Column("cell"), *(Column(heading, True) for heading in headings.values())),
        tuple(
            (cell.cell, *(say.show(cell, field, f"cells/{at}") for field in headings))
            for at, cell in enumerate(analysis.cells[:most])
        ),
        text,
        id=id,
    )


def _notes(analysis: Analysis, say: MetricNumbers) -> list[Said]:
    notes = [*map(Said, what_fell(analysis))]
    notes += [
        Said(one.says, lead=TOGETHER) for family in analysis.families for one in family.together.values()
    ]
    if (best := analysis.best) is not None:
        notes += [may_be_best(item, analysis) for item in best.sets]
        notes += [Said(pick.says) for pick in best.validation_pick]
        for left in best.leave_one_seed_out:
            text = (
                f"picking the best cell on the other seeds scores {say(left.mean)} on the one left out; "
                f"its own mean would claim {say(left.naive_mean)}{left.over}."
            )
            notes.append(about(left.student, left.group, with_cautions(text, best.left_out)))
        for flattery in best.optimism:
            text = (
                f"the best of {flattery.cells} equal cells would look too good by "
                f"{say(flattery.expected)}{say.unit} (n = {flattery.n})."
            )
            notes.append(about(flattery.student, flattery.group, with_cautions(text, best.left_out)))
    return [*notes, *factorial_sentences(analysis)]
