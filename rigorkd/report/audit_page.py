"""Pages without runs: which claims of a published table survive, and what a number of seeds can detect."""

from __future__ import annotations

from rigorkd_analysis.metric_names import goal_of
from rigorkd_analysis.published.audit_sentences import bound_of, rounded_up
from rigorkd_analysis.published.audited import Audit, AuditCell, AuditComparison
from rigorkd_analysis.published.bounds import Recovered
from rigorkd_analysis.published.printed_spread import bare
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.sample_size import Power, cheapest, detectable
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import percent_text

from rigorkd.report.page import MISSING, Column, Page, Said, Table, listed
from rigorkd.text import count


def audit_page(audit: Audit) -> Page:
    """Render an audit for people."""
    notes = [f.says for f in audit.efficiency]
    notes += [check.says for check in audit.differences if not check.matches]
    right = sum(check.matches for check in audit.differences)
    if right:
        notes.append(f"{count(right, 'printed difference')} equal the difference of the printed values.")
    notes += [item.says for item in audit.recovered]
    tables = [_comparisons(audit)] if audit.comparisons else []
    return Page(
        headline=audit.survives,
        blocks=(
            *(*tables, _cells(audit)),
            *listed(
                ("In words", _words(audit)),
                ("Notes", map(Said, (*notes, *audit.notes))),
            ),
        ),
    )


MANY = 10
"""Pairs that are said in words, each; of more, the table says enough."""


def _holds(audit: Audit, c: AuditComparison) -> bool:
    return c.p_adjusted is not None and c.p_adjusted < audit.alpha and not c.not_valid


def _words(audit: Audit) -> list[Said]:
    pairs = audit.comparisons
    if len(pairs) <= MANY:
        return [Said(c.says) for c in pairs]
    told = [c for c in pairs if _holds(audit, c)][:MANY] or list(pairs[:3])
    rest = f"--format csv has a sentence of each of the other {len(pairs) - len(told)} pairs."
    return [*(Said(c.says) for c in told), Said(rest)]


def _is_less_better(audit: Audit) -> bool:
    """Whether the metric's name says so."""
    try:
        return goal_of(bare(audit.metric)) == "min"
    except TableError:
        return False


def _comparisons(audit: Audit) -> Table:
    pairs = len(audit.comparisons)
    tested = any(c.largest_p is not None for c in audit.comparisons)
    adjusted = (Column("Holm p", True),) if pairs > 1 and tested else ()
    holm = f" Holm p: the largest p, corrected for the {pairs} pairs; claims rest on it." if adjusted else ""
    holm += _chosen(audit)
    test = (Column("paired |t|", True), Column("p alone", True)) if tested else ()
    less = " Less is better: the row over another is the worse one." if _is_less_better(audit) else ""
    emphasis = frozenset(i for i, c in enumerate(audit.comparisons) if _holds(audit, c))
    bold = f"Rows in bold differ by {'Holm p' if adjusted else 'p'} below {audit.alpha:g}."
    if any(cell.n > 1 for cell in audit.cells):
        columns: tuple[Column, ...] = (
            *(Column("pair"), Column("difference", True), *test, *adjusted),
            *(Column("break-even seed sd", True), Column("at r = .9", True)),
        )
        rows: tuple[tuple[str, ...], ...] = tuple(
            (
                f"{c.b}\nover {c.a}",
                f"{c.difference:.{audit.decimals}f}",
                *(_test_of(c) if test else ()),
                *(_largest(c) for _ in adjusted),
                f"{c.break_even_seed_sd:.2g}",
                MISSING if c.break_even_seed_sd_paired is None else f"{c.break_even_seed_sd_paired:.2g}",
            )
            for c in audit.comparisons
        )
        text = (
            f"{audit.metric}, means of {_seeds(audit)} seeds as printed. {_tests_of(audit)} A seed sd above "
            "the break-even explains the difference, as large as rounding lets it be, by chance: as it is if "
            f"pairs of seeds do not correlate, and where they correlate by .9.{holm}{less}"
        )
        return Table("Pairs of rows", columns, rows, text, emphasis, bold=bold)
    if audit.n_test is None:
        rows = tuple(
            (f"{c.b}\nover {c.a}", f"{c.difference:.{audit.decimals}f}", _seed_sd(c))
            for c in audit.comparisons
        )
        columns = (Column("pair"), Column("difference", True), Column("seed sd", True))
        return Table("Pairs of rows", columns, rows, f"{audit.metric}, {_one(audit)}. {_SEED_SD}{holm}{less}")
    columns = (
        *(Column("pair"), Column("diff", True), Column("images", True)),
        *(Column("discordant", True), Column("McNemar p", True), *adjusted),
        *(Column("differ"), Column("seed sd", True), Column("√(err/2N)", True)),
    )
    rows = tuple(_row(c, audit.decimals, bool(adjusted)) for c in audit.comparisons)
    text = (
        f"{audit.metric}, {_one(audit)}, {audit.n_test:,} test images. Discordant: images that exactly one "
        "network gets right, as far as the printed values bound them; McNemar's exact p over that range, "
        f"of the pair alone.{holm} Differ: whether the two networks do, by the pair alone, on this test "
        f"distribution. {_SEED_SD} √(err/2N): the seed sd of well-trained "
        "networks (Jordan 2023), a yardstick and no test: small or under-trained ones have 1.4 to 32 times "
        f"it.{less}"
    )
    return Table("Pairs of rows", columns, rows, text, emphasis, bold=bold)


def _one(audit: Audit) -> str:
    if not audit.seeds_assumed:
        return "one seed"
    although = audit.assumed_although
    why = f"though {although}" if although else "as the table names no number"
    return f"taken as one seed, {why}"


def _test_of(c: AuditComparison) -> tuple[str, str]:
    """t and p of a pair alone."""
    if c.welch_t is None:
        return _range(c.t_low, c.t_high), _p_range(c.p_low, c.p_high)
    return f"{c.welch_t:.3g} (Welch)", _p_range(c.welch_p_low, c.welch_p_high)


def _chosen(audit: Audit) -> str:
    """What a reader chose, behind a table: it makes another family."""
    return f" {audit.chosen}." if audit.chosen else ""


def _tests_of(audit: Audit) -> str:
    """What the columns of t and p hold, by what is there to make them of."""
    tested = sum(c.largest_p is not None for c in audit.comparisons)
    if not tested:
        return "No standard deviations are printed, and without them there is no t test."
    unsettled = any(c.p_if_sample is not None for c in audit.comparisons)
    divisor = " and both divisors (n − 1, n) of the printed standard deviations" if unsettled else ""
    parts = []
    if any(c.t_low is not None for c in audit.comparisons):
        seeds = f"all pairings of the seeds{',' if unsettled else ' and'} the rounding{divisor}"
        parts.append(f"|t| and p of the paired test range over {seeds}")
    if any(c.welch_p is not None for c in audit.comparisons):
        parts.append(f"p of Welch's test, where numbers of seeds differ, ranges over the rounding{divisor}")
    text = "; ".join(parts) + (f", with {audit.divisor}" if audit.divisor else "")
    left = len(audit.comparisons) - tested
    return f"{text[:1].upper()}{text[1:]}" + (
        f"; {count(left, 'pair')} without printed standard deviations {'has' if left == 1 else 'have'} none."
        if left
        else "."
    )


_SEED_SD = (
    "Seed sd: the standard deviation over seeds that would explain the difference by chance, from pairs that "
    "do not correlate to pairs that correlate by .9; one below it is necessary, not sufficient, for the "
    "method to differ."
)


def _seed_sd(c: AuditComparison) -> str:
    return _range(c.break_even_seed_sd, c.break_even_seed_sd_paired)


def _largest(c: AuditComparison) -> str:
    return MISSING if c.p_adjusted is None else bound_of(c.p_adjusted).removeprefix("≤ ")


def _row(c: AuditComparison, decimals: int, adjusted: bool) -> tuple[str, ...]:
    images = MISSING if c.images is None else f"{c.images:,}"
    if c.images_min is not None and c.images_min != c.images_max:
        images = f"{c.images_min:,}–{c.images_max:,}"
    discordant = MISSING if c.discordant_min is None else f"{c.discordant_min:,}–{c.discordant_max:,}"
    p = _p_range(c.p_min, c.p_max)
    return (
        f"{c.b}\nover {c.a}",
        f"{c.difference:.{decimals}f}",
        images,
        discordant,
        p,
        *((_largest(c),) if adjusted else ()),
        c.networks_differ or MISSING,
        _seed_sd(c),
        MISSING if c.test_set_sd is None else f"{c.test_set_sd:.2g}",
    )


def _p_range(low: float | None, high: float | None) -> str:
    """Of p-values, of which none is 0."""
    if low is None or high is None:
        return MISSING
    return bound_of(high) if not low else _joined(f"{low:.2g}", rounded_up(high))


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return MISSING
    return _joined(
        *("∞" if end is None else f"{end:.2g}" if end < 100 else f"{end:.0f}" for end in (low, high))
    )


def _joined(low: str, high: str) -> str:
    return low if low == high else f"{low}–{high}" if "e-" not in low else f"{low} … {high}"


def _cells(audit: Audit) -> Table:
    share = percent_text(1 - audit.alpha)
    # standard errors and intervals are no standard deviations: what they make stands beside them
    converted = any(cell.std is not None for cell in audit.cells) and audit.converted
    made = (Column("sd of the seeds", True),) if converted else ()
    one_seed = any(cell.ci_low is not None for cell in audit.cells)
    wilson = (Column(f"Wilson {share} CI", True),) if one_seed else ()
    columns = (Column("row"), Column(audit.metric, True), *made, *wilson)
    rows = tuple(
        (
            cell.cell,
            cell.printed,
            *((MISSING if cell.std is None else f"{cell.std:.3g}",) if converted else ()),
            *((_interval(cell),) if wilson else ()),
        )
        for cell in audit.cells
    )
    text = "As printed." + (f" {audit.converted}." if converted else "")
    if wilson:
        text = "Of each network alone, over new test images; printed rounding is included."
    left = f" Left out: {', '.join(dict.fromkeys(audit.left_out))}." if audit.left_out else ""
    return Table("Rows", columns, rows, text + left)


def _interval(cell: AuditCell) -> str:
    return (
        MISSING if cell.ci_low is None or cell.ci_high is None else f"{cell.ci_low:.4g} … {cell.ci_high:.4g}"
    )


def _seeds(audit: Audit) -> str:
    numbers = sorted({cell.n for cell in audit.cells})
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def recovered_page(answer: Recovered) -> Page:
    """Render what a printed t and p imply."""
    return Page(headline=(answer.says,))


def power_page(answer: Power) -> Page:
    """Render a power calculation, with the detectable effect at neighbouring numbers of seeds."""
    share = percent_text(answer.power)
    m = 1 if answer.correction == "none" else answer.comparisons
    family = f"{count(answer.comparisons, 'comparison')} at α = {answer.alpha:g}"
    looks = ""
    if answer.looks:
        family += f", looks at {', '.join(map(str, answer.looks))} seeds"
        looks = ", at the nominal level of each look; earlier looks may find more"
    lines = []
    if answer.mde is not None:
        lines.append(
            f"{answer.n} seeds detect a difference of {answer.mde:.3g} with {share} power "
            f"(sd of the paired differences {answer.sd:g}, {family})."
        )
    if answer.effect is not None:
        lines.append(
            f"A difference of {abs(answer.effect):g} takes {count(answer.seeds_needed, 'seed')}."
            if answer.seeds_needed is not None
            else f"A difference of {abs(answer.effect):g} takes more than 100,000 seeds."
        )
    if answer.sesoi is not None and answer.equivalence_power is not None:
        lines.append(
            f"If the methods are equal, {answer.n} seeds show equivalence within ±{answer.sesoi:g} with "
            f"probability {answer.equivalence_power:.2g}."
        )
    level = nominal_level(answer.looks, answer.alpha / m)
    sizes = sorted({3, 4, 5, 7, 10, 15, 20, answer.n})
    rows = []
    for n in sizes:
        mde = detectable(n, answer.sd, level, answer.power)
        rows.append(
            (
                str(n),
                MISSING if mde is None else f"{mde:.3g}",
                MISSING if mde is None else f"{mde / answer.sd:.2f}",
            )
        )
    table = Table(
        "Detectable differences",
        (Column("seeds", True), Column("difference", True), Column("in sd", True)),
        tuple(rows),
        f"Two-sided paired t test at {'α' if m == 1 else 'α/m'}, {family}, {share} power{looks}.",
        frozenset({sizes.index(answer.n)}),
    )
    if not answer.designs:
        return Page(headline=tuple(lines), blocks=(table,))
    effect = answer.sesoi if answer.effect is None else abs(answer.effect)
    if effect is not None:
        lines.append(cheapest(answer.designs, f"{effect:g}"))
    return Page(headline=tuple(lines), blocks=(table, _designs(answer, share)))


def _designs(answer: Power, share: str) -> Table:
    rows = tuple(
        (
            design.words(answer.comparisons),
            MISSING if design.mde is None else f"{design.mde:.3g}",
            MISSING if design.seeds_needed is None else f"{design.seeds_needed:,}",
        )
        for design in answer.designs
    )
    text = (
        f"{share} power; the sd is that of one gain, paired by seed, and cells are taken to vary alike. Each "
        "question is tested at α by itself. A primary gain and the moderated test are declared in the "
        "protocol before the first run."
    )
    columns = (Column("question"), Column(f"{answer.n} seeds detect", True), Column("seeds needed", True))
    return Table("The same gains, asked in other ways", columns, rows, text)
