"""What a published table with one seed per cell, or with means over k seeds, supports.

Two claims are kept apart. *These two networks differ on this test distribution*: bounded, since the per-image
outcomes are unknown. *The method differs*: not identifiable from one seed; the break-even seed standard
deviation says how little spread would explain the difference. Printed decimals are part of the input, so
values are text.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from rigorkd_analysis.analysis_plan import FEWEST_UNEQUAL
from rigorkd_analysis.metric_names import is_metric
from rigorkd_analysis.published.audit_sentences import (
    Setting,
    bound_of,
    only_if_sample,
    pair_sentence,
    what_survives,
)
from rigorkd_analysis.published.audited import Audit, AuditCell, AuditComparison
from rigorkd_analysis.published.bounds import (
    PAIRED_R,
    Counts,
    McNemarBounds,
    Recovered,
    break_even_sd,
    counts,
    image_noise_sd,
    mcnemar_bounds,
    recover,
    t_range,
    two_sided_p,
    welch_range,
    welch_test,
    wilson,
)
from rigorkd_analysis.published.printed_arrows import noted
from rigorkd_analysis.published.printed_cells import Row, as_shown, cleaned, known_name, unmarked
from rigorkd_analysis.published.printed_checks import (
    Caveat,
    caveats_of,
    efficiency_flags,
    is_of_test_images,
    other_differences,
    other_metrics,
    other_results,
    own_differences,
    unread_spreads,
    validation_picks,
)
from rigorkd_analysis.published.printed_choice import chosen, entries_without, rows_without
from rigorkd_analysis.published.printed_elsewhere import spread_elsewhere
from rigorkd_analysis.published.printed_judged import is_accuracy, spread_out
from rigorkd_analysis.published.printed_nearly import approximate
from rigorkd_analysis.published.printed_rivals import (
    gains_left_out,
    notes_on_rivals,
    nothing_compared,
    with_numbers,
)
from rigorkd_analysis.published.printed_rounding import Span, column_decimals, decimals_of
from rigorkd_analysis.published.printed_seeds import mark_of, of_its_own, seeds_of_marked, unsettled_marks
from rigorkd_analysis.published.printed_spread import Spread, bare, meanings, population_factor, spread_of
from rigorkd_analysis.published.printed_table import (
    Entry,
    Printed,
    check_range,
    check_scale,
    decimal_of,
    entries_of,
    images_of,
    merge_runs,
    refuse_other,
    row_names,
    seeds_of,
    seeds_told,
)
from rigorkd_analysis.published.printed_turned import NAME, turned
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.moments import or_nan
from rigorkd_analysis.table_error import TableError

SCHEMA = "rigorkd.audit/1"
MOST_PAIRS = 5_000
SMALLEST_P = 1e-300
"""The smallest p that is printed; smaller ones may have become 0."""


def audit(table: Printed) -> Audit:
    """Say what the table supports.

    Raises:
        TableError: a value or an argument is unusable; row and column are named.
    """
    if not table.rows:
        raise TableError("the table has no rows", hint="one row per cell, with a column such as top1")
    if not 0 < table.alpha < 0.5:
        raise TableError(f"alpha = {table.alpha:g} is not an error rate", hint="give one between 0 and 0.5")
    of_runs: list[str] = []
    rows_called: dict[str, int] = {}
    if table.turned:
        # headings may say what ± is
        said = " | ".join([table.caption, *table.rows[0]])
        columns, of_runs, rows_called = turned(table.rows)
        table = replace(table, rows=columns, caption=said)
    texts = {text for row in table.rows for pair in row.items() for text in pair if text}
    table = replace(table, caption=of_its_own(table.caption, texts))
    printed = () if table.turned else table.rows
    of_spreads, said_far = table.caption, ""
    if table.spread is None and not meanings(table.caption):
        line, said_far = spread_elsewhere(table.elsewhere)
        of_spreads = "\n".join(filter(None, (table.caption, line)))
    raw = table.rows
    read = cleaned(raw, of_spreads)
    stay, left_out, later = rows_without(read, table.without)
    if len(stay) < len(read):  # what a row that is left out holds decides nothing for its columns
        read = cleaned([table.rows[at] for at in stay], of_spreads)
    table = replace(table, rows=read, differences=cleaned(table.differences))
    cells, metric, notes = spread_out(table)
    each = len(cells) // len(table.rows)  # cells of a row, in a wide table
    origin = [None if table.turned else stay[position // each] for position in range(len(cells))]
    with _in_rows(origin, rows_called, cells):
        every, merged = merge_runs(cells, metric)
    place = {id(row): origin[position] for position, row in enumerate(cells)}
    every = with_numbers(every, metric)
    results, gains = gains_left_out(every, metric)
    every = [every[at] for at in results]
    with _in_rows([place[id(row)] for row in every], rows_called, every):
        n_test = images_of(table, every) if is_of_test_images(metric) else None
        spread = spread_of(list(every[0]), metric, table.spread)
        refuse_other(spread, metric)
        _, told, although = seeds_told(table, every, metric)
        seeds = seeds_of(table, every, metric)
        signs = _signs(printed, every, metric, [place[id(row)] for row in every])
        settled, several = seeds_of_marked(table.caption), unsettled_marks(table.caption)
        marked = {at: (*settled[sign], sign) for at, sign in signs.items() if sign in settled}
        marked = {} if table.seeds is not None else marked
        # a ± is over seeds: a footnote's one is none of these
        marked = {
            at: one for at, one in marked.items() if one[0] > 1 or not _has_spreads([every[at]], spread)
        }
        if seeds is None and marked and not _has_spreads(every, spread, marked):
            seeds = [1] * len(every)
            told += ", and they are taken as one run each" * (len(marked) < len(every))
        if seeds is not None:
            seeds = [marked[at][0] if at in marked else n for at, n in enumerate(seeds)]
        entries = entries_of(every, metric, seeds, spread, table.within, told)
        entries, left_later = entries_without(entries, every, later)
        choice = chosen(entries, every, table.baselines, table.without, (*left_out, *left_later))
        # who names the number of test images of a column without a known name says that it is an accuracy
        accuracy = is_accuracy(metric) or (table.n_test is not None and not is_metric(bare(metric)))
        if accuracy:
            check_scale(entries, metric)
            check_range(entries, 100 if max(abs(entry.value) for entry in entries) > 1 else 1, metric)
    rows = [every[entry.row] for entry in entries]
    k = min(entry.n for entry in entries)
    one_seed = all(entry.n == 1 for entry in entries)
    largest = max(abs(entry.value) for entry in entries)
    whole = 100 if largest > 1 else 1
    decimals = max(entry.decimals for entry in entries)
    judged = accuracy and one_seed and is_of_test_images(metric)
    unread = unread_spreads(rows, metric) if spread is None else []
    if judged and n_test is None:
        raise TableError(
            "how many test images?",
            hint="give --n-test N (10000 for CIFAR), or a column n_test"
            + (f"; if {unread[0]} is its standard deviation, call it {metric}_std" if unread else ""),
            column=metric,
        )
    placed = [
        counts(entry.value, entry.half, n_test, whole) if judged and n_test else None for entry in entries
    ]
    notes += ["its columns are compared, at one row (--turned)"] if table.turned else []
    if table.n_test is not None and not judged:
        why = "a claim over several seeds rests on their spread" if accuracy else f"{metric} is no accuracy"
        why = why if is_of_test_images(metric) else f"{metric} is not of test images"
        notes.append(f"the number of test images changes no claim here: {why}")
    notes += of_runs
    notes += [*gains, *notes_on_rivals(entries, rows, choice.pairs, table)]
    notes += choice.notes() + merged + _impossible(entries, placed, n_test)
    notes += [told] if told and len(marked) < len(every) else []
    notes += _arrows([raw[at] for at in stay], metric)
    notes += [said_far] if said_far and spread is not None and not one_seed else []
    notes += [
        f"{entry.cell}: {count}, by its mark {sign} (“{said}”)"
        for entry in entries
        if entry.row in marked
        for n, said, sign in [marked[entry.row]]
        for count in [f"{n} seed{'s' * (n > 1)}"]
    ]
    notes += [
        f"{entry.cell}: its mark {sign} settles no number of seeds, as the footnote names several "
        f"({several[sign]}); it is taken as {entry.n} seed{'s' * (entry.n > 1)} (a column n says it row by "
        "row)"
        for entry in entries
        if (sign := signs.get(entry.row, "")) in several
    ]
    if accuracy and whole == 1:
        notes.append("the values are taken as fractions of 1; differences and standard deviations too")
    if unread and not one_seed:
        notes.append(
            f"no standard deviations of {metric} are read: if they are in {' or '.join(unread[:3])}, call it "
            f"{metric}_std (standard errors: {metric}_sem)"
        )
    if all(entry.std is None for entry in entries):
        spread = None
    notes += _mixed_decimals(rows, {metric: metric, **({spread.column: spread.name} if spread else {})})
    # a number behind each row says it, or a seed does
    assumed = one_seed and seeds_of(table, every, metric) is None and not any("seed" in row for row in rows)
    although = although if assumed else ""
    unsaid = [_unsaid(although)] if assumed else []
    caveats = [*caveats_of(rows, metric, spread), *_about([raw[at] for at in stay], metric), *unsaid]
    notes += [one.note for one in caveats]
    caveat = "".join(f"; {one.short}" for one in caveats if one.short)
    total = len(choice.pairs)
    if total > MOST_PAIRS:
        raise TableError(
            f"{len(entries)} rows are {total:,} pairs, each of which would count in the correction",
            hint="audit the rows of one claim, or one experiment, at a time (--baseline and --without choose)"
            + _narrower(rows, table.within),
        )
    others = other_results(table.rows, metric) if each == 1 else []
    of = (f" of {metric} alone" if others else "") + choice.of
    if others:
        notes.append(
            f"{', '.join(others[:12])}{', …' if len(others) > 12 else ''}: each column is judged with a "
            "correction of its own; claims from several columns err more often than "
            f"{table.alpha:g} together"
        )
    setting = Setting(metric, n_test, table.alpha, whole, spread, of, bool(choice.of), accuracy)
    holes = _holes(entries, whole) if accuracy else []
    notes += [f"{entry.cell}: {_hole(entry)}" for entry in holes]
    comparisons = _adjusted(
        [
            _without_hole(_compare(entries[i], entries[j], placed[i], placed[j], setting), holes)
            for i, j in choice.pairs
        ],
        setting,
        caveat,
    )
    checks = [*own_differences(table.rows), *other_differences(table.differences, table.rows)]
    return Audit(
        schema=SCHEMA,
        metric=metric,
        n_test=n_test,
        seeds=k,
        alpha=table.alpha,
        decimals=decimals,
        cells=tuple(
            _cell(entry, place, n_test, whole, table.alpha)
            for entry, place in zip(entries, placed, strict=True)
        ),
        comparisons=comparisons,
        efficiency=tuple(efficiency_flags(rows)),
        differences=tuple(checks),
        recovered=tuple(_recovered(table)),
        survives=what_survives(
            *(comparisons, one_seed, setting, caveat),
            () if comparisons else nothing_compared(rows, entries, table),
            assumed=assumed,
            although=although,
        ),
        notes=(*notes, *validation_picks(rows, metric), *other_metrics(rows, metric)),
        baselines=choice.baselines,
        without=choice.without,
        left_out=choice.left_out,
        chosen=choice.says(),
        converted=(spread.note() or "") if spread is not None and spread.is_converted else "",
        seeds_assumed=assumed,
        assumed_although=although,
        divisor=setting.divisor if spread is not None and spread.ddof is not None else "",
    )


def _signs(
    printed: Sequence[Row], rows: Sequence[Row], metric: str, origin: Sequence[int | None]
) -> dict[int, str]:
    """The marks of which a footnote may speak, by their rows: those of numbers, else of rows' names."""
    signs = map(mark_of, row_names(list(rows)))
    out = {at: sign for at, sign in enumerate(signs) if sign}
    for at, where in enumerate(origin):
        if where is None or where >= len(printed):
            continue
        own = {column: text for column, text in printed[where].items() if known_name(column) == metric}
        for text in own.values() or printed[where].values():
            if (sign := mark_of(text or "")) and unmarked(text).startswith(rows[at][metric]):
                out[at] = sign
    return out


def _unsaid(although: str) -> Caveat:
    """That each number is taken as one run's, which nothing says, or `although` something else is said."""
    if not although:
        return Caveat(
            "the table names no number of seeds: each number is taken as that of one run (--seeds K: as a "
            "mean of K)",
            "all of it if each number is of one run, which the table does not say",
        )
    return Caveat(
        f"each number is taken as that of one run, though {although}",
        f"all of it if each number is of one run, though {although}",
    )


def _has_spreads(rows: Sequence[Row], spread: Spread | None, settled: Container[int] = ()) -> bool:
    """Whether rows of which no number of seeds is settled have a spread, which is one over seeds."""
    return spread is not None and any(
        decimal_of(row.get(spread.column) or "") is not None
        for at, row in enumerate(rows)
        if at not in settled
    )


def _about(rows: Sequence[Row], metric: str) -> list[Caveat]:
    """What is taken for granted of numbers that a table says are about right."""
    found = [text for column in rows[0] if known_name(column) == metric for text in approximate(rows, column)]
    if not found:
        return []
    shown = f"{', '.join(found[:3])}{', …' if len(found) > 3 else ''}"
    are, they = ("is", "it is") if len(found) == 1 else ("are", "they are")
    return [
        Caveat(
            f"{shown} {are} printed as approximate: {they} taken as "
            "right to the last digit, which the table does not say; print what was measured",
            f"all of it if {shown} {are} right to the last digit",
        )
    ]


def _arrows(rows: Sequence[Row], metric: str) -> list[str]:
    columns = [column for column in rows[0] if known_name(column) == metric]
    shown = {text: as_shown(text) for row in rows for column in columns if (text := row.get(column) or "")}
    note = noted(rows, columns, shown)
    return [note] if note else []


def _mixed_decimals(rows: Sequence[Row], columns: Mapping[str, str]) -> list[str]:
    """Where numbers of one column have different numbers of decimals, what each is taken for."""
    notes = []
    for column, name in columns.items():
        values = [value for row in rows if (value := decimal_of(row.get(column) or "")) is not None]
        found = sorted({decimals_of(value) for value in values})
        if len(found) > 1 and column_decimals(values) is None:
            notes.append(
                f"{name} has {found[0]} to {found[-1]} decimals: each number is taken as rounded at its own "
                "last one; if a program dropped zeros at the end, print them"
            )
    return notes


def _narrower(rows: Sequence[Row], within: str | None) -> str:
    """The option that would part the rows into few enough pairs, where a column does."""
    for column in rows[0] if within is None else ():
        words = Counter((row.get(column) or "").strip() for row in rows)
        pairs = sum(n * (n - 1) // 2 for n in words.values())
        if 0 < pairs <= MOST_PAIRS and all(word and decimal_of(word) is None for word in words):
            return (
                f"; --within {shlex.quote(column)} compares the rows that agree in it alone ({pairs:,} pairs)"
            )
    return ""


@contextmanager
def _in_rows(origin: Sequence[int | None], called: Mapping[str, int], rows: Sequence[Row]) -> Iterator[None]:
    """Errors name rows of the table as it is printed, whatever was spread out or merged.

    In a table that was turned round a row is a column as it is printed; `called` says which row a column was.
    """
    try:
        yield
    except TableError as error:
        if error.column in called:
            column = "" if error.row is None else rows[error.row].get(NAME) or ""
            error.row, error.column = called[error.column], column
        elif error.row is not None:
            error.row = origin[error.row]
        raise


def _impossible(entries: list[Entry], placed: list[Counts | None], n_test: int | None) -> list[str]:
    return [
        f"{entry.cell}: no whole number of {n_test:,} images gives {entry.text}; the nearest is used"
        for entry, place in zip(entries, placed, strict=True)
        if place is not None and not place.exists
    ]


_FAR = 0.05
"""Where all others are above this accuracy, a zero is no result of a network that was trained."""


def _holes(entries: list[Entry], whole: int) -> list[Entry]:
    """The rows whose number is 0 where all others are far above: it stands for a run that is missing."""
    zeros = [entry for entry in entries if entry.value == 0]
    others = [float(entry.value) for entry in entries if entry.value != 0]
    return zeros if others and min(others) > _FAR * whole else []


def _hole(entry: Entry) -> str:
    leave = f"--without {shlex.quote(entry.cell)} leaves it out"
    return f"{entry.text} seems to stand for a missing number ({leave})"


def _without_hole(c: AuditComparison, holes: list[Entry]) -> AuditComparison:
    """A comparison with such a row claims nothing."""
    found = next((entry for entry in holes if entry.cell in (c.a, c.b)), None)
    return c if found is None else replace(c, not_valid=f"{found.cell}'s {_hole(found)}")


def _cell(entry: Entry, place: Counts | None, n_test: int | None, whole: int, alpha: float) -> AuditCell:
    low = high = None
    if place is not None and n_test:
        low = whole * wilson(place.low, n_test, alpha)[0]
        high = whole * wilson(place.high, n_test, alpha)[1]
    printed = entry.text + (f" ± {entry.spread}" if entry.spread else "")
    return AuditCell(entry.cell, entry.student, float(entry.value), low, high, entry.std, entry.n, printed)


def _compare(
    first: Entry, second: Entry, place_1: Counts | None, place_2: Counts | None, setting: Setting
) -> AuditComparison:
    a, b, x_a, x_b = first, second, place_1, place_2
    if second.value < first.value:
        a, b, x_a, x_b = second, first, place_2, place_1
    difference = float(b.value - a.value)
    bound: McNemarBounds | None = None
    low = high = None
    differ: Literal["always", "never", "depends"] | None = None
    if x_a is not None and x_b is not None and setting.n_test:
        bound = mcnemar_bounds(x_a, x_b, setting.n_test, setting.alpha)
        low, high = max(0, x_b.low - x_a.high), max(x_b.high - x_a.low, 0)
        differ = "depends"
        if bound.p_max < setting.alpha:
            differ = "always"
        elif bound.p_min >= setting.alpha:
            differ = "never"
    gap = Span.of_size(b.value - a.value, a.half + b.half)
    if x_a and x_b and x_a.exists and x_b.exists and low is not None and high is not None and setting.n_test:
        # whole images may be nearer than decimals
        gap = Span(low, high).times(setting.whole / setting.n_test)
    t_low = t_high = p_low = p_high = welch_low = welch_high = if_sample = None
    t, df, p, not_valid = None, None, None, None
    if a.sd is not None and b.sd is not None and a.std is not None and b.std is not None:
        readings = [(a.sd, b.sd)]  # the sample's first
        if setting.unsettled:
            readings.append((a.sd.times(population_factor(a.n)), b.sd.times(population_factor(b.n))))
        if a.n == b.n:
            ranges = [t_range(gap, *sds, a.n) for sds in readings]
            t_low, t_high = min(least for least, _ in ranges), max(most for _, most in ranges)
            p_low, p_high = two_sided_p(t_high, a.n - 1), two_sided_p(t_low, a.n - 1)
            if_sample = two_sided_p(ranges[0][0], a.n - 1)
        else:
            t, df, p = welch_test(difference, (a.std, a.n), (b.std, b.n))
            tails = [one for x, y in readings if (one := welch_range(gap, (x, a.n), (y, b.n))) is not None]
            if len(tails) == len(readings):
                welch_low, welch_high = min(least for least, _ in tails), max(most for _, most in tails)
                if_sample = tails[0][1]
            if min(a.n, b.n) < FEWEST_UNEQUAL:
                not_valid = (
                    f"with unequal numbers of seeds ({b.n} and {a.n}) Welch's test holds its error rate from "
                    f"{FEWEST_UNEQUAL} each on"
                )
    sd = break_even_sd(gap.high, a.n, setting.alpha, other=b.n)
    paired = break_even_sd(gap.high, a.n, setting.alpha, PAIRED_R, b.n)
    yardstick = None
    if setting.n_test and setting.accuracy:
        error = 1 - float(a.value + b.value) / 2 / setting.whole
        yardstick = setting.whole * image_noise_sd(error, setting.n_test)
    welch = (t, df, p, welch_high)
    says = pair_sentence(a, b, difference, bound, differ, (sd, paired), (p_low, p_high), welch, setting)
    of_networks = vars(bound) if bound else dict.fromkeys(McNemarBounds.__dataclass_fields__)
    return AuditComparison(
        **of_networks,
        a=a.cell,
        b=b.cell,
        difference=difference,
        networks_differ=differ,
        break_even_seed_sd=sd,
        images_min=low,
        images_max=high,
        t_low=t_low,
        t_high=t_high if t_high is not None and math.isfinite(t_high) else None,
        p_low=p_low,
        p_high=p_high,
        says=says,
        welch_t=t,
        welch_df=df,
        welch_p=p,
        break_even_seed_sd_paired=paired,
        test_set_sd=yardstick,
        not_valid=not_valid,
        welch_p_low=welch_low,
        welch_p_high=welch_high,
        p_if_sample=if_sample if setting.unsettled else None,
    )


def _adjusted(alone: list[AuditComparison], setting: Setting, caveat: str) -> tuple[AuditComparison, ...]:
    """Every pair with its p by Holm over all of them, in its sentence too: people paste single sentences."""
    if not alone:
        return ()
    out = []
    alpha = setting.alpha
    as_sample = adjust(or_nan(c.p_if_sample for c in alone), "holm")
    every = adjust(or_nan(c.largest_p for c in alone), "holm")
    for c, p, sample in zip(alone, every, as_sample, strict=True):
        if math.isnan(p) or c.largest_p is None:
            out.append(c)
            continue
        text = ""
        if len(alone) > 1:
            name = "p" if c.p_max is None else "McNemar's p"
            text = f"; {name} by Holm over the table's {len(alone)} pairs{setting.of} {bound_of(p)}"
            text += ", so this table does not support it" if c.largest_p < alpha <= p else ""
        elif setting.chosen:
            text = f"; the only pair{setting.of}"
        c = replace(
            c, p_adjusted=float(p), p_adjusted_if_sample=None if math.isnan(sample) else float(sample)
        )
        if only_if_sample(c, alpha):
            text += (
                f"; below {alpha:g} ({bound_of(float(sample))}) only if the printed standard deviations are "
                "the sample's (n − 1)"
            )
        text += f"; no claim: {c.not_valid}" if c.not_valid else ""
        out.append(replace(c, says=c.says.removesuffix(".") + text + caveat + "."))
    return tuple(out)


def _recovered(table: Printed) -> list[Recovered]:
    out = [recover(*table.test, alpha=table.alpha)] if table.test else []
    for row in table.rows:
        t, p = decimal_of(row.get("t") or row.get("T") or ""), decimal_of(row.get("p") or "")
        difference = next(
            (
                d
                for c in ("difference", "mean_diff", "gain")
                if (d := decimal_of(row.get(c) or "")) is not None
            ),
            None,
        )
        if t is not None and p is not None:
            out.append(recover(t, p, difference, table.alpha))
    return out
