"""From numbers to cells of tables: formatted for people, exact underneath."""

from __future__ import annotations

from rigorkd_analysis.verdicts import AT_LEAST, Verdict

from rigorkd.report.headline import Numbers
from rigorkd.report.html.view import Cell, Value

MISSING = "–"


def p_short(p: float | None) -> str:
    """A p-value for a column: four decimals, or that it is smaller."""
    if p is None:
        return MISSING
    return "<.0001" if p < 1e-4 else f"{p:.4f}"


def plain(value: float | None, digits: int = 3) -> str:
    """A number without a unit, in significant digits."""
    return MISSING if value is None else f"{value:.{digits}g}".replace("-", "−")


def name(text: str) -> Cell:
    """A row's name."""
    return Cell((text,), sort=text, heading=True)


def number(value: float | int | None, path: str, text: str) -> Cell:
    """One number; rows without one come last when sorted."""
    return Cell((Value(text, value, path),), numeric=True, sort=value)


def metric(value: float | None, path: str, say: Numbers, *, signed: bool = False) -> Cell:
    """A value of the metric, or a difference."""
    return number(value, path, say(value, signed))


def interval(
    low: float | None, high: float | None, path: str, say: Numbers, *, signed: bool = False, stem: str = "ci"
) -> Cell:
    """Two ends of an interval, whose fields are `<stem>_low` and `<stem>_high` under `path`."""
    if low is None or high is None:
        return Cell((MISSING,), numeric=True)
    return Cell(
        (
            Value(say(low, signed), low, f"{path}/{stem}_low"),
            " to ",
            Value(say(high, signed), high, f"{path}/{stem}_high"),
        ),
        numeric=True,
        sort=low,
    )


def p_value(p: float | None, path: str) -> Cell:
    return number(p, path, p_short(p))


def verdict(found: Verdict, magnitude: str | None, *, starred: bool = False) -> Cell:
    """A verdict as a badge; a star points to the warnings."""
    words = found.label + (", ≥ SESOI" if magnitude == AT_LEAST else "") + ("*" if starred else "")
    return Cell((words,), sort=float(list(Verdict).index(found)), badge=found.badge)


def count(value: int | None, path: str) -> Cell:
    return number(value, path, MISSING if value is None else f"{value:,}")
