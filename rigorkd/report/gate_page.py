"""The verdict of a gate, and the ledger of a search, as pages and documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.results import document
from rigorkd_analysis.stats.gating import Gated, Spent, least_seeds
from rigorkd_analysis.wording import percent_text

from rigorkd.records.gate_ledger import Search
from rigorkd.records.interim import listed_seeds
from rigorkd.report.page import MISSING, Column, Page, Said, Table, listed
from rigorkd.report.sentences import banner_of
from rigorkd.text import count

_NESTED = ("differences", "more_seeds", "left_out", "search", "warnings")


def gate_page(found: Gated) -> Page:
    """The verdict, what it rests on, and what did not count."""
    rows = tuple(
        (str(seed), MISSING if value is None else f"{value:+.6g}")
        for seed, value in zip(found.seeds, found.differences, strict=True)
    )
    columns = (Column("seed"), Column("candidate − base", True))
    text = f"{found.metric} (goal: {'higher' if found.goal == 'max' else 'lower'}), in the order looked at."
    return Page(
        headline=(found.says, *beside(found)),
        blocks=(Table("Differences", columns, rows, text),),
        warnings=tuple(Said(line) for line in found.warnings if line != banner_of(found.warnings)),
        banner=banner_of(found.warnings),
    )


def beside(found: Gated) -> Iterator[str]:
    """What stands beside the verdict: its search, the seeds that do not count."""
    for one in found.left_out:
        yield f"seeds {listed_seeds(one.seeds)} do not count: {one.why}"
    if found.search is None:
        yield "one candidate alone: several of a search share one alpha in a --ledger"
    else:
        now = " now" if found.exit_code == 0 else ""
        yield f"{_standing(found.search, found.level)}; the base is{now} {found.search.base}"


def _standing(spent: Spent, level: float) -> str:
    left = f"{spent.left:.2g} is left"
    return f"{spent.ledger}: comparison {spent.comparison}, which took {level:.2g} of alpha; {left}"


def gate_row(found: Gated) -> dict[str, object]:
    """The verdict as a row of a CSV."""
    row = {key: value for key, value in document(found).items() if key not in _NESTED}
    ahead = found.more_seeds
    return row | {
        "more_seeds_low": None if ahead is None else ahead.low,
        "more_seeds_high": None if ahead is None else ahead.high,
        "chance_accepted": None if ahead is None else ahead.accepted,
        "comparison": None if found.search is None else found.search.comparison,
    }


@dataclass(frozen=True)
class Listed:
    """One comparison of a search."""

    comparison: int
    base: str
    candidate: str
    level: float
    n: int
    seeds: tuple[int, ...]
    verdict: str


@dataclass(frozen=True)
class SearchSoFar:
    """A search as its ledger has it: the document `rigorkd.gate-search/1`.

    Attributes:
        base: what the next candidate is compared with.
        next_level: at which it may be accepted, with `next_least_seeds` at least.
        torn: lines that a crash tore, each of which spent the level of a comparison.
        head: the hash of the last line.
    """

    schema: str
    ledger: str
    alpha: float
    margin: float
    metric: str
    goal: Goal
    base: str
    accepted: tuple[str, ...]
    spent: float
    left: float
    next_level: float
    next_least_seeds: int
    comparisons: tuple[Listed, ...]
    torn: tuple[int, ...]
    head: str
    says: str


def search_so_far(search: Search) -> SearchSoFar:
    """What a ledger says of its search."""
    asked, budget = search.asked, search.budget
    rows = tuple(
        Listed(one.number, one.base, one.candidate, one.level, len(one.seeds), one.seeds, one.verdict.value)
        for one in search.comparisons
    )
    says = (
        f"{count(len(rows), 'comparison')}, {len(search.accepted)} accepted; {budget.left:.2g} of "
        f"α = {asked.alpha:g} is left, and the next takes {budget.next_level:.2g}; the base is {search.base}."
    )
    return SearchSoFar(
        schema="rigorkd.gate-search/1",
        ledger=str(search.path),
        alpha=asked.alpha,
        margin=asked.margin,
        metric=asked.metric,
        goal=asked.goal,
        base=search.base,
        accepted=search.accepted,
        spent=asked.alpha - budget.left,
        left=budget.left,
        next_level=budget.next_level,
        next_least_seeds=least_seeds(budget.next_level),
        comparisons=rows,
        torn=tuple(line for line, _ in search.torn),
        head=search.head,
        says=says,
    )


def search_page(found: SearchSoFar) -> Page:
    """A search for people."""
    rows = tuple(
        (
            str(one.comparison),
            one.candidate,
            one.base,
            f"{one.level:.2g}",
            str(one.n),
            one.verdict.replace("_", " "),
        )
        for one in found.comparisons
    )
    columns = (
        *(Column("", True), Column("candidate"), Column("base"), Column("level", True)),
        *(Column("seeds", True), Column("verdict")),
    )
    more = f" by more than {found.margin:g}" if found.margin else ""
    text = (
        f"Better{more} in {found.metric}? The chance that any of these acceptances is false is "
        f"{percent_text(found.alpha)} at most."
    )
    won = frozenset(row for row, one in enumerate(found.comparisons) if one.verdict == "better")
    torn = [Said(f"line {line} is torn; it spent the level of a comparison") for line in found.torn]
    return Page(
        headline=(found.says,),
        blocks=(Table("Comparisons", columns, rows, text, won), *listed(("Notes", torn))),
    )
