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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal
from itertools import combinations
from typing import Literal

from rigorkd_analysis.analysis_plan import FEWEST_UNEQUAL
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
from rigorkd_analysis.published.printed_cells import Row, cleaned
from rigorkd_analysis.published.printed_checks import (
    DifferenceCheck,
    EfficiencyFlag,
    caveats_of,
    efficiency_flags,
    is_of_test_images,
    other_differences,
    other_metrics,
    other_results,
    own_differences,
    validation_picks,
)
from rigorkd_analysis.published.printed_rounding import Span, column_decimals, decimals_of
from rigorkd_analysis.published.printed_spread import Spread, population_factor, spread_of
from rigorkd_analysis.published.printed_table import (
    Entry,
    Printed,
    check_range,
    check_scale,
    decimal_of,
    entries_of,
    images_of,
    is_accuracy,
    merge_runs,
    seeds_of,
    seeds_told,
    spread_out,
    task_column,
)
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.moments import or_nan
from rigorkd_analysis.table_error import TableError

SCHEMA = "rigorkd.audit/1"
MOST_PAIRS = 5_000
SMALLEST_P = 1e-300
"""The smallest p that is printed; smaller ones may have become 0."""


@dataclass(frozen=True)
class AuditCell:
    """A printed value with its Wilson interval, in the units printed; a mean over k > 1 seeds has none."""

    cell: str
    student: str | None
    value: float
    ci_low: float | None
    ci_high: float | None
    std: float | None
    n: int


@dataclass(frozen=True)
class AuditComparison:
    """Two rows, the lower one as a: difference = b − a ≥ 0.

    Attributes:
        images: the difference in test images as printed; images_min and _max allow for rounding.
        rejects_up_to_discordant: most discordant images at which McNemar's exact test still rejects.
        break_even_seed_sd: a seed sd above it explains the largest difference that the print allows by
            chance, if pairs of seeds do not correlate; break_even_seed_sd_paired is the same where they
            correlate by .9.
        test_set_sd: Jordan's yardstick √(err/2N), the seed sd of well-trained networks on so many images.
        t_low, t_high, p_low, p_high: for means with printed sds, the paired test whatever the pairing, the
            rounding of means and sds and, where nothing says it, the divisor of the sds (n − 1 or n).
        welch_t, welch_df, welch_p: for means of different numbers of seeds with printed sds, Welch's test of
            the numbers as they are printed; welch_p_low and welch_p_high bound it as p_low and p_high are.
        p_adjusted: the largest p that the print allows (p_max, p_high or welch_p_high), by Holm over all
            pairs of the table: what a claim rests on. The other p-values and networks_differ are of the pair
            alone.
        p_if_sample, p_adjusted_if_sample: the largest p and that by Holm if the printed sds are the sample's
            (n − 1); None where something says which they are.
        not_valid: why the test holds no error rate here, such as unequal numbers of few seeds; then nothing
            is claimed, whatever the p-values are.
    """

    a: str
    b: str
    difference: float
    images: int | None
    discordant_min: int | None
    discordant_max: int | None
    p_min: float | None
    p_max: float | None
    networks_differ: Literal["always", "never", "depends"] | None
    rejects_up_to_discordant: int | None
    break_even_seed_sd: float
    images_min: int | None
    images_max: int | None
    t_low: float | None
    t_high: float | None
    p_low: float | None
    p_high: float | None
    says: str
    welch_t: float | None = None
    welch_df: float | None = None
    welch_p: float | None = None
    break_even_seed_sd_paired: float | None = None
    test_set_sd: float | None = None
    p_adjusted: float | None = None
    not_valid: str | None = None
    welch_p_low: float | None = None
    welch_p_high: float | None = None
    p_if_sample: float | None = None
    p_adjusted_if_sample: float | None = None

    @property
    def largest_p(self) -> float | None:
        """The largest p that the print allows, of this pair alone; None where nothing is known of it."""
        known = (self.p_max, self.p_high, self.welch_p_high)
        return next((p for p in known if p is not None), None)


@dataclass(frozen=True)
class Audit:
    """The document `rigorkd.audit/1`.

    `decimals` is the precision to which the column is printed, `seeds` the smallest number behind a row.
    """

    schema: str
    metric: str
    n_test: int | None
    seeds: int
    alpha: float
    decimals: int
    cells: tuple[AuditCell, ...]
    comparisons: tuple[AuditComparison, ...]
    efficiency: tuple[EfficiencyFlag, ...]
    differences: tuple[DifferenceCheck, ...]
    recovered: tuple[Recovered, ...]
    survives: tuple[str, ...]
    notes: tuple[str, ...]


def audit(table: Printed) -> Audit:
    """Say what the table supports.

    Raises:
        TableError: a value or an argument is unusable; row and column are named.
    """
    if not table.rows:
        raise TableError("the table has no rows", hint="one row per cell, with a column such as top1")
    if not 0 < table.alpha < 0.5:
        raise TableError(f"alpha = {table.alpha:g} is not an error rate", hint="give one between 0 and 0.5")
    table = replace(table, rows=cleaned(table.rows, table.caption), differences=cleaned(table.differences))
    cells, metric, notes = spread_out(table)
    each = len(cells) // len(table.rows)  # cells of a row, in a wide table
    with _in_rows([position // each for position in range(len(cells))]):
        rows, merged = merge_runs(cells, metric)
    place = {id(row): position // each for position, row in enumerate(cells)}
    with _in_rows([place[id(row)] for row in rows]):
        n_test = images_of(table, rows) if is_of_test_images(metric) else None
        spread = spread_of(list(rows[0]), metric, table.spread)
        told = seeds_told(table, rows, metric)[1]
        entries = entries_of(rows, metric, seeds_of(table, rows, metric), spread, table.within, told)
        if is_accuracy(metric):
            check_scale(entries, metric)
            check_range(entries, 100 if max(abs(entry.value) for entry in entries) > 1 else 1, metric)
    k = min(entry.n for entry in entries)
    one_seed = all(entry.n == 1 for entry in entries)
    largest = max(abs(entry.value) for entry in entries)
    accuracy = is_accuracy(metric)
    whole = 100 if largest > 1 else 1
    decimals = max(entry.decimals for entry in entries)
    judged = accuracy and one_seed and is_of_test_images(metric)
    if judged and n_test is None:
        raise TableError(
            "how many test images?",
            hint="give --n-test N (10000 for CIFAR), or a column n_test",
            column=metric,
        )
    placed = [
        counts(entry.value, entry.half, n_test, whole) if judged and n_test else None for entry in entries
    ]
    notes += merged + _impossible(entries, placed, n_test)
    notes += [told] if told else []
    if accuracy and whole == 1:
        notes.append("the values are taken as fractions of 1; differences and standard deviations too")
    if all(entry.std is None for entry in entries):
        spread = None
    notes += _mixed_decimals(rows, {metric: metric, **({spread.column: spread.name} if spread else {})})
    caveats = caveats_of(rows, metric, spread)
    notes += [one.note for one in caveats]
    caveat = "".join(f"; {one.short}" for one in caveats if one.short)
    alike = Counter((entry.student, entry.task) for entry in entries)
    total = sum(n * (n - 1) // 2 for n in alike.values())
    if total > MOST_PAIRS:
        raise TableError(
            f"{len(entries)} rows are {total:,} pairs, each of which would count in the correction",
            hint="audit the rows of one claim, or one experiment, at a time" + _narrower(rows, table.within),
        )
    others = other_results(table.rows, metric) if each == 1 else []
    of = f" of {metric} alone" if others else ""
    if others:
        notes.append(
            f"{', '.join(others[:12])}{', …' if len(others) > 12 else ''}: each column is judged with a "
            "correction of its own; claims from several columns err more often than "
            f"{table.alpha:g} together"
        )
    setting = _Setting(metric, n_test, table.alpha, whole, spread, of)
    comparisons = _adjusted(
        [
            _compare(entries[i], entries[j], placed[i], placed[j], setting)
            for i, j in combinations(range(len(entries)), 2)
            if entries[i].may_meet(entries[j])
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
        survives=_survives(
            comparisons, one_seed, len(entries), setting, caveat, _shared(rows, entries, table)
        ),
        notes=(*notes, *validation_picks(rows, metric), *other_metrics(rows, metric)),
    )


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


def _shared(rows: Sequence[Row], entries: Sequence[Entry], table: Printed) -> str:
    """What rows must share to be compared, in words."""
    column = task_column(rows, table.within)
    both = ["a student"] if len({entry.student for entry in entries}) > 1 else []
    both += [repr(column)] if column is not None and len({entry.task for entry in entries}) > 1 else []
    return " and ".join(both)


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
def _in_rows(origin: Sequence[int]) -> Iterator[None]:
    """Errors name rows of the table as it is printed, whatever was spread out or merged."""
    try:
        yield
    except TableError as error:
        if error.row is not None:
            error.row = origin[error.row]
        raise


@dataclass(frozen=True)
class _Setting:
    metric: str
    n_test: int | None
    alpha: float
    whole: int
    spread: Spread | None = None
    of: str = ""
    """Behind a number of pairs: of which column, where the table has others."""

    @property
    def unsettled(self) -> bool:
        """Whether nothing says what the standard deviations are divided by."""
        return self.spread is not None and self.spread.ddof is None

    @property
    def options(self) -> str:
        """The values of --spread that would settle it."""
        return self.spread.kind if self.spread and self.spread.kind != "sd" else "sd or --spread population"

    @property
    def whatever(self) -> str:
        """What else than the pairing a claim holds over, and on what it rests."""
        if self.unsettled:
            return "the rounding and the divisor (n − 1 or n) of the printed standard deviations"
        kind, divisor = ("population", "n") if self.spread and self.spread.ddof == 0 else ("sample", "n − 1")
        return f"the rounding, by {kind} standard deviations (divided by {divisor})"

    @property
    def points(self) -> str:
        return " points" if self.whole == 100 and is_accuracy(self.metric) else ""


def _impossible(entries: list[Entry], placed: list[Counts | None], n_test: int | None) -> list[str]:
    return [
        f"{entry.cell}: no whole number of {n_test:,} images gives {entry.text}; the nearest is used"
        for entry, place in zip(entries, placed, strict=True)
        if place is not None and not place.exists
    ]


def _cell(entry: Entry, place: Counts | None, n_test: int | None, whole: int, alpha: float) -> AuditCell:
    low = high = None
    if place is not None and n_test:
        low = whole * wilson(place.low, n_test, alpha)[0]
        high = whole * wilson(place.high, n_test, alpha)[1]
    return AuditCell(entry.cell, entry.student, float(entry.value), low, high, entry.std, entry.n)


def _compare(
    first: Entry, second: Entry, place_1: Counts | None, place_2: Counts | None, setting: _Setting
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
    k = 2 / (1 / a.n + 1 / b.n)
    sd = break_even_sd(gap.high, k, setting.alpha)
    paired = break_even_sd(gap.high, k, setting.alpha, PAIRED_R)
    yardstick = None
    if setting.n_test and is_accuracy(setting.metric):
        error = 1 - float(a.value + b.value) / 2 / setting.whole
        yardstick = setting.whole * image_noise_sd(error, setting.n_test)
    welch = (t, df, p, welch_high)
    says = _says(a, b, difference, bound, differ, (sd, paired), (p_low, p_high), welch, setting)
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


def _adjusted(alone: list[AuditComparison], setting: _Setting, caveat: str) -> tuple[AuditComparison, ...]:
    """Every pair with its p by Holm over the table, in its sentence too: people paste single sentences."""
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
            text += ", so this table does not claim it" if c.largest_p < alpha <= p else ""
        c = replace(
            c, p_adjusted=float(p), p_adjusted_if_sample=None if math.isnan(sample) else float(sample)
        )
        if _only_if_sample(c, alpha):
            text += (
                f"; below {alpha:g} ({bound_of(float(sample))}) only if the printed standard deviations are "
                "the sample's (n − 1)"
            )
        text += f"; no claim: {c.not_valid}" if c.not_valid else ""
        out.append(replace(c, says=c.says.removesuffix(".") + text + caveat + "."))
    return tuple(out)


def _only_if_sample(c: AuditComparison, alpha: float) -> bool:
    """Whether a claim would hold for the sample's standard deviation and not for the population's."""
    p, sample = c.p_adjusted, c.p_adjusted_if_sample
    return p is not None and sample is not None and sample < alpha <= p


def _says(
    a: Entry,
    b: Entry,
    difference: float,
    bound: McNemarBounds | None,
    differ: str | None,
    sds: tuple[float, float],
    p: tuple[float | None, float | None],
    welch: tuple[float | None, float | None, float | None, float | None],
    setting: _Setting,
) -> str:
    who = f"{b.text} ({b.cell}) against {a.text} ({a.cell})"
    gap = f"{b.value - a.value}{setting.points}"
    parts = []
    if bound is not None and differ is not None and setting.n_test:
        images = f"{bound.images:,} image{'' if bound.images == 1 else 's'} of {setting.n_test:,}"
        parts.append(f"{who} is {images}: {_networks(bound, differ)}")
    else:
        parts.append(f"{who} is {gap}")
    if p[0] is not None and p[1] is not None:
        parts.append(
            f"a paired test over {a.n} seeds has p "
            f"{f'{p[0]:.2g} to {rounded_up(p[1])}' if p[0] else bound_of(p[1])}, depending on the pairing, "
            f"{setting.whatever}"
        )
    if welch[2] is not None and welch[3] is not None:
        parts.append(
            f"{b.n} and {a.n} seeds cannot be paired: Welch's t = {welch[0]:.2f}, df {welch[1]:.1f}, "
            f"p = {welch[2]:.2g} as printed, {bound_of(welch[3])} whatever {setting.whatever}"
        )
    if difference > 0 and p[1] is None and welch[2] is None:
        several = f"{a.n}" if a.n == b.n else f"{b.n} and {a.n}"
        seeds = "one seed" if several == "1" else f"means of {several} seeds"
        parts.append(
            f"{seeds} cannot tell the methods apart if the seed sd is above {sds[0]:.2g}{setting.points} "
            f"({sds[1]:.2g} if pairs of seeds correlate by {PAIRED_R:g})"
            if several != "1"
            else "that the method differs cannot be read from one seed: a seed sd of "
            f"{sds[0]:.2g}{setting.points} or more explains it by chance ({sds[1]:.2g} if pairs of seeds "
            f"correlate by {PAIRED_R:g})"
        )
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."


def _networks(bound: McNemarBounds, differ: str) -> str:
    if differ == "always":
        return (
            f"these two networks differ, whatever the per-image outcomes (McNemar p {bound_of(bound.p_max)})"
        )
    if differ == "never":
        least = "p = 1" if bound.p_min == 1 else f"p ≥ {bound.p_min:.2g}"
        return f"these two networks cannot be told apart (McNemar {least})"
    text = "whether these two networks differ depends on per-image outcomes that are not printed"
    text += f" (McNemar p from {bound.p_min:.1g} to {rounded_up(bound.p_max)}"
    if bound.rejects_up_to_discordant is not None:
        text += f"; it rejects up to {bound.rejects_up_to_discordant:,} discordant images"
    return text + ")"


def _survives(
    comparisons: tuple[AuditComparison, ...],
    one_seed: bool,
    rows: int,
    setting: _Setting,
    caveat: str,
    shared: str,
) -> tuple[str, ...]:
    """The claims that the table supports, in words; of one seed the first line is about methods.

    A table asks about all of its pairs: what is claimed holds after Holm's correction over them.
    """
    alpha = setting.alpha
    out = ["No claim about a method survives: with one seed its effect is not identifiable."] * one_seed
    below = [c for c in comparisons if c.p_adjusted is not None and c.p_adjusted < alpha]
    sure = [c for c in below if not c.not_valid]
    out += [f"{_claimed(c, one_seed)} survives {_why(c, len(comparisons), setting)}{caveat}." for c in sure]
    pairs = f"{len(comparisons)} pairs{setting.of}"
    corrected = f", after Holm's correction over {pairs}" if len(comparisons) > 1 else ""
    if not one_seed and not sure:
        printed = comparisons and all(c.largest_p is not None for c in comparisons)
        paired = any(c.p_high is not None for c in comparisons)
        why = "it depends on spreads or pairings that are not printed"
        if printed:
            why = "none holds whatever the pairing of the seeds, " if paired else "no valid test finds one"
            why += f"{setting.whatever if paired else ''}{corrected}"
        out.append(f"No difference survives for certain: {why}.")
    for c in comparisons:
        if _only_if_sample(c, alpha) and not c.not_valid:
            by = f"p by Holm over {pairs}" if len(comparisons) > 1 else "p"
            claim = _claimed(c, one_seed)
            out.append(
                "Only if the printed standard deviations are the sample's (divided by n − 1) would it "
                f"survive {claim[:1].lower()}{claim[1:]}: {by} {bound_of(c.p_adjusted_if_sample or 0.0)} so, "
                f"but {bound_of(c.p_adjusted or 0.0)} if they are divided by n, as by np.std unless told "
                f"otherwise; no claim{caveat}; --spread {setting.options} says which they are."
            )
    alone = sum(c.largest_p is not None and c.largest_p < alpha for c in comparisons) - len(below)
    for why, number in Counter(c.not_valid for c in below if c.not_valid).items():
        who = "The only pair has" if len(comparisons) == 1 else f"{number} of {len(comparisons)} pairs have"
        out.append(f"{who} p < {alpha:g}{corrected}, and no valid claim: {why}.")
    if alone:
        out.append(
            f"{alone} of {len(comparisons)} pairs {'has' if alone == 1 else 'have'} p < {alpha:g} alone, but "
            f"not{corrected.removeprefix(',')}: no claim."
        )
    if not comparisons:
        out.append(f"No two of the {rows} rows share {shared}, so nothing is compared.")
    unclear = sum(c.networks_differ == "depends" for c in comparisons)
    none = sum(c.networks_differ == "never" for c in comparisons)
    if unclear:
        out.append(
            f"{unclear} of {len(comparisons)} pairs of networks depend on outcomes that are not printed."
        )
    if none:
        out.append(f"{none} of {len(comparisons)} pairs of networks cannot be told apart at all.")
    return tuple(out)


def _claimed(c: AuditComparison, one_seed: bool) -> str:
    if one_seed:
        return f"That the network of {c.b} is more accurate than that of {c.a}"
    return f"That {c.b} is above {c.a}"


def _why(c: AuditComparison, pairs: int, setting: _Setting) -> str:
    """The condition of a claim: the test, the correction, and both p-values."""
    name = "McNemar p" if c.p_max is not None else "p"
    test = f"whatever the pairing of the seeds, {setting.whatever}"
    if c.welch_p_high is not None:
        test = f"Welch's test of unpaired seeds, whatever {setting.whatever}"
    if c.p_max is not None:
        test = ""
    if pairs == 1:
        return f"{test} ({name} {bound_of(c.largest_p or 0.0)}, the only pair{setting.of})".lstrip()
    over = f"Holm's correction over {pairs} pairs{setting.of}"
    alone = bound_of(c.largest_p or 0.0).removeprefix("≤ ")
    both = f"{name} {bound_of(c.p_adjusted or 0.0)}; of this pair alone {alone}"
    if c.p_max is not None:
        return f"{over} ({both})"
    return f"{over}, {'by ' if c.welch_p_high is not None else ''}{test} ({both})"


def bound_of(p: float) -> str:
    """A largest p with its sign; no p is 0, but it may be too small for a computer."""
    return f"≤ {rounded_up(p)}" if p > SMALLEST_P else f"< {SMALLEST_P:g}"


def rounded_up(p: float) -> str:
    """Two digits of a bound, which rounding may not bring below it."""
    return f"{float(Context(prec=2, rounding=ROUND_CEILING).create_decimal(Decimal(f'{p:.12g}'))):.2g}"


def _recovered(table: Printed) -> list[Recovered]:
    out = [recover(*table.test, alpha=table.alpha)] if table.test else []
    for row in table.rows:
        t, p = decimal_of(row.get("t") or ""), decimal_of(row.get("p") or "")
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
