"""What an audit says in sentences: of each pair, and of what survives, each with its condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from rigorkd_analysis.published.audited import AuditComparison
from rigorkd_analysis.published.bounds import PAIRED_R, McNemarBounds
from rigorkd_analysis.published.printed_spread import Spread
from rigorkd_analysis.published.printed_table import Entry

SMALLEST_P = 1e-300
"""The smallest p that is printed; smaller ones may have become 0."""


@dataclass(frozen=True)
class Setting:
    metric: str
    n_test: int | None
    alpha: float
    whole: int
    spread: Spread | None = None
    of: str = ""
    """Behind a number of pairs: of which column, where the table has others, and which rows were chosen."""
    chosen: bool = False
    accuracy: bool = False

    @property
    def unsettled(self) -> bool:
        """Whether nothing says what the standard deviations are divided by."""
        return self.spread is not None and self.spread.ddof is None

    @property
    def options(self) -> str:
        """The values of --spread that would settle it."""
        return self.spread.kind if self.spread and self.spread.kind != "sd" else "sd or --spread population"

    def over(self, pairing: str = "") -> str:
        """Over what a claim holds: the pairing, if seeds are paired, the rounding, and an open divisor.

        Where something says the divisor, it stands behind that as what the claim rests on.
        """
        if self.unsettled:
            ranges = [pairing, "the rounding", "the divisor (n − 1 or n) of the printed standard deviations"]
            *first, last = filter(None, ranges)
            return f"{', '.join(first)} and {last}"
        paired = f"{pairing} and " if pairing else ""
        return f"{paired}the rounding, with {self.divisor}"

    @property
    def divisor(self) -> str:
        """Which standard deviations the printed ones are taken for, where that is settled."""
        kind, divisor = ("population", "n") if self.spread and self.spread.ddof == 0 else ("sample", "n − 1")
        return f"{kind} standard deviations (divided by {divisor})"

    @property
    def points(self) -> str:
        return " points" if self.whole == 100 and self.accuracy else ""


def only_if_sample(c: AuditComparison, alpha: float) -> bool:
    """Whether a claim would hold for the sample's standard deviation and not for the population's."""
    p, sample = c.p_adjusted, c.p_adjusted_if_sample
    return p is not None and sample is not None and sample < alpha <= p


def pair_sentence(
    a: Entry,
    b: Entry,
    difference: float,
    bound: McNemarBounds | None,
    differ: str | None,
    sds: tuple[float, float],
    p: tuple[float | None, float | None],
    welch: tuple[float | None, float | None, float | None, float | None],
    setting: Setting,
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
            f"{f'{p[0]:.2g} to {rounded_up(p[1])}' if p[0] else bound_of(p[1])}, depending on "
            f"{setting.over('the pairing')}"
        )
    if welch[2] is not None and welch[3] is not None:
        parts.append(
            f"{b.n} and {a.n} seeds cannot be paired: Welch's t = {welch[0]:.2f}, df {welch[1]:.1f}, "
            f"p = {welch[2]:.2g} as printed, {bound_of(welch[3])} whatever {setting.over()}"
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


def what_survives(
    comparisons: tuple[AuditComparison, ...],
    one_seed: bool,
    setting: Setting,
    caveat: str,
    alone: Sequence[str],
    *,
    assumed: bool = False,
    although: str = "",
) -> tuple[str, ...]:
    """The claims that the table supports, in words; of one seed (or one `assumed`) methods come first.

    A table asks about all of its pairs: what is claimed holds after Holm's correction over them. `alone` says
    of one without pairs why it has none.
    """
    alpha = setting.alpha
    why = f"though {although}" if although else "the table names no number"
    seeds = f"taken as one seed ({why})," if assumed else "with one seed"
    out = [f"No claim about a method survives: {seeds} its effect is not identifiable."] * one_seed
    below = [c for c in comparisons if c.p_adjusted is not None and c.p_adjusted < alpha]
    sure = [c for c in below if not c.not_valid]
    out += [f"{_claimed(c, one_seed)} survives {_why(c, len(comparisons), setting)}{caveat}." for c in sure]
    pairs = f"{len(comparisons)} pairs{setting.of}"
    corrected = f", after Holm's correction over {pairs}" if len(comparisons) > 1 else ""
    if not one_seed and not sure and comparisons:
        printed = all(c.largest_p is not None for c in comparisons)
        paired = any(c.p_high is not None for c in comparisons)
        why = "it depends on spreads or pairings that are not printed"
        if printed:
            why = "no valid test finds one"
            if paired:
                why = f"none holds whatever {setting.over('the pairing of the seeds')}"
            why += corrected
        out.append(f"No difference survives for certain: {why}.")
    for c in comparisons:
        if only_if_sample(c, alpha) and not c.not_valid:
            by = f"p by Holm over {pairs}" if len(comparisons) > 1 else "p"
            claim = _claimed(c, one_seed)
            out.append(
                "Only if the printed standard deviations are the sample's (divided by n − 1) would it "
                f"survive {claim[:1].lower()}{claim[1:]}: {by} {bound_of(c.p_adjusted_if_sample or 0.0)} so, "
                f"but {bound_of(c.p_adjusted or 0.0)} if they are divided by n, as by np.std unless told "
                f"otherwise; no claim{caveat}; --spread {setting.options} says which they are."
            )
    uncorrected = sum(c.largest_p is not None and c.largest_p < alpha for c in comparisons) - len(below)
    for why, number in Counter(c.not_valid for c in below if c.not_valid).items():
        who = (
            "The only pair has"
            if len(comparisons) == 1
            else f"{number} of {len(comparisons)} pairs {_has(number)}"
        )
        out.append(f"{who} p < {alpha:g}{corrected}, and no valid claim: {why}.")
    if uncorrected:
        out.append(
            f"{uncorrected} of {len(comparisons)} pairs {_has(uncorrected)} p < {alpha:g} alone, but "
            f"not{corrected.removeprefix(',')}: no claim."
        )
    if not comparisons:
        out += alone
    unclear = sum(c.networks_differ == "depends" for c in comparisons)
    none = sum(c.networks_differ == "never" for c in comparisons)

    def of_networks(number: int) -> str:
        if len(comparisons) == 1:
            return "The only pair of networks"
        return f"{number} of {len(comparisons)} pairs of networks"

    if unclear:
        depend = "depends" if unclear == 1 else "depend"
        out.append(f"{of_networks(unclear)} {depend} on outcomes that are not printed.")
    if none:
        out.append(f"{of_networks(none)} cannot be told apart at all.")
    return tuple(out)


def _has(pairs: int) -> str:
    return "has" if pairs == 1 else "have"


def _claimed(c: AuditComparison, one_seed: bool) -> str:
    if one_seed:
        return f"That the network of {c.b} is more accurate than that of {c.a}"
    return f"That {c.b} is above {c.a}"


def _why(c: AuditComparison, pairs: int, setting: Setting) -> str:
    """The condition of a claim: the test, the correction, and both p-values."""
    name = "McNemar p" if c.p_max is not None else "p"
    test = f"whatever {setting.over('the pairing of the seeds')}"
    if c.welch_p_high is not None:
        test = f"Welch's test of unpaired seeds, whatever {setting.over()}"
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
