"""Which rows have a star, and what captions say of it: what is doubted of a comparison, and why none may be
claimed from its p."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rigorkd_analysis.paper_sentences import CONVERGED, beside
from rigorkd_analysis.results import Comparison, Family

from rigorkd.report.sentences import grouped, name_of
from rigorkd.text import some_of

MOST_REASONS = 6
"""So many warnings stand in a caption; `analyze` has all."""
_MOST_UNFIT = 3
"""For so many reasons a caption says which comparisons are not valid."""
_STAR = "* "


def is_starred(c: Comparison, among: Sequence[Comparison]) -> bool:
    """Whether a row has a star: it is warned of, or it is not valid where others of the same table are."""
    return bool(warned_of(c)) or (c.not_valid is not None and not _all_unfit(among))


def warned_of(comparison: Comparison) -> tuple[str, ...]:
    """The warnings of a comparison in brief, but for why it is not valid: `not_valid_said` says that."""
    return beside(comparison.not_valid, comparison.warnings)


def some_not_valid(families: Iterable[Family]) -> str:
    """What a caption says of verdicts that are not valid at alpha, "" where all are."""
    return not_valid_said([(name_of(family, c), c) for family in families for c in family.comparisons])


def stars_said(named: Iterable[tuple[str, Comparison]], whatever: str = "p is") -> str:
    """What a caption says of the stars of `is_starred`: a table or figure goes on without its page."""
    rows = list(named)
    return not_valid_said(rows, whatever, star=_STAR) + reasons(rows)


def not_valid_said(every: Sequence[tuple[str, Comparison]], whatever: str = "p is", star: str = "") -> str:
    """That named comparisons are not valid, `whatever` a table shows beside them, and why.

    Where that holds of some alone it says of which: the run that fell may be one of a cell that is itself
    judged, as an average with it is not. These have a `star`.
    """
    of: dict[str, dict[str, None]] = {}
    for name, c in every:
        if c.not_valid:
            of.setdefault(c.not_valid, {})[name] = None
    if not of:
        return ""
    if _all_unfit([c for _, c in every]):
        return f" Inconclusive whatever {whatever}: {next(iter(of))}."

    def are(names: Iterable[str]) -> str:
        told = list(dict.fromkeys(names))
        are = "is" if len(told) == 1 else "are"
        return f" {star}{some_of(told, 4)} {are} inconclusive whatever {whatever}"

    told = [f"{are(names)}: {why}." for why, names in list(of.items())[:_MOST_UNFIT]]
    if left := [name for names in list(of.values())[_MOST_UNFIT:] for name in names]:
        told.append(f"{are(left)}, too: `rigorkd analyze` says why.")
    return "".join(told)


def reasons(named: Iterable[tuple[str, Comparison]]) -> str:
    """What a caption says of the stars at comparisons that are warned of."""
    rows = list(named)
    told = grouped([(name, text) for name, c in rows for text in warned_of(c)], len(rows), "all")
    if not told:
        return ""
    more = f"; and {len(told) - MOST_REASONS} more: `rigorkd analyze`" if len(told) > MOST_REASONS else ""
    lost = any(map(has_lost_runs, (c for _, c in rows)))
    return f" {_STAR}{'; '.join(told[:MOST_REASONS])}{more}." + f" {OF_LOST_RUNS}" * lost


OF_LOST_RUNS = "Where a run diverged, no row can be better or equivalent, whatever p is."
"""A caption says it where a p that looks like a finding stands beside such a row."""


def has_lost_runs(c: Comparison) -> bool:
    """Whether it is of the seeds alone at which no run diverged."""
    return any(text.startswith(CONVERGED) for text in c.conditions)


def _all_unfit(among: Sequence[Comparison]) -> bool:
    """Whether none of them is valid, for one reason: then no row needs to be told from others."""
    return len({c.not_valid for c in among}) == 1
