"""From a result's fields to what a table shows: formatted for people, exact underneath.

The one place where numbers, intervals, p-values and verdicts of an analysis become text.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from rigorkd_analysis.analysis_plan import Correction
from rigorkd_analysis.metric_names import unit_of
from rigorkd_analysis.results import Analysis
from rigorkd_analysis.verdicts import AT_LEAST, Verdict
from rigorkd_analysis.wording import adjusted_name, decimals_for, number_text

from rigorkd.report.page import MISSING, Cell, Entry, Value

_COUNTS = {"n", "k", "diverged", "seeds_needed", "seeds_needed_low", "seeds_needed_high", "decided_at"}
_PLAIN = {
    "t",
    "exaggeration",
    "sign_error",
    "win_rate",
    "dz",
    "dz_ci",
    "g_z",
    "g_av",
    "r",
    "variance_ratio",
    "F",
    "df_effect",
    "df_error",
    "epsilon",
}


class MetricNumbers:
    """Values in a metric's decimals: two for percentages, else enough to show the spread.

    `narrow` is for tables that must do with 100 columns: short headings, … between the ends of an interval.
    """

    def __init__(
        self,
        metric: str,
        values: Iterable[float | None],
        spreads: Iterable[float | None],
        *,
        narrow: bool = False,
    ) -> None:
        largest = max((abs(value) for value in values if value is not None), default=0.0)
        spread = median([spread for spread in spreads if spread] or [0.0])
        self.unit = unit_of(metric, largest)
        self.decimals = decimals_for(self.unit, spread, largest)
        self.narrow = narrow

    def __call__(self, value: float | None, signed: bool = False, *, bound: bool = False) -> str:
        return number_text(value, self.decimals, signed, bound=bound)

    def value(
        self, value: float | None, path: str = "", *, signed: bool = False, bound: bool = False
    ) -> Value:
        return Value(self(value, signed, bound=bound), value, path)

    def show(self, item: Any, field: str, path: str = "", *, signed: bool = False) -> Entry:
        """A field of a result; `ci` stands for ci_low and ci_high, and so with other intervals.

        Args:
            path: of the result in the document, "" if there is none.
        """
        if field == "verdict":
            starred = bool(getattr(item, "warnings", ()))
            return verdict(item.verdict, getattr(item, "magnitude", None), starred=starred)
        if not hasattr(item, field):
            low, high = (self.field(item, f"{field}_{end}", path, signed) for end in ("low", "high"))
            return between(low, high, narrow=self.narrow)
        return self.field(item, field, path, signed)

    def field(self, item: Any, field: str, path: str = "", signed: bool = False) -> Value:
        """A field that is one number."""
        value = getattr(item, field)
        at = f"{path}/{field}" if path else ""
        stem = field.removesuffix("_low").removesuffix("_high")
        if field == "p" or field.startswith("p_"):
            return Value(p_short(value), value, at)
        if field in _COUNTS or (field == "df" and isinstance(value, int)):
            return count(value, at)
        if stem in _PLAIN:
            return Value(plain(value), value, at)
        return self.value(value, at, signed=signed, bound=stem != field)


class Numbers(MetricNumbers):
    """Values in the decimals of the metric that was analysed."""

    def __init__(self, analysis: Analysis, *, narrow: bool = False) -> None:
        cells = analysis.cells
        means, spreads = (cell.mean for cell in cells), (cell.std for cell in cells)
        super().__init__(analysis.metric, means, spreads, narrow=narrow)


def between(low: Value, high: Value, *, narrow: bool = False) -> Entry:
    """An interval; one with an end that is not known is not shown."""
    if low.number is None or high.number is None:
        return MISSING
    return Cell((low, " … " if narrow else " to ", high))


def count(value: int | None, path: str = "") -> Value:
    return Value(MISSING if value is None else f"{value:,}", value, path)


def p_short(p: float | None) -> str:
    """A p-value for a column: four decimals, or that it is smaller."""
    if p is None:
        return MISSING
    return "<.0001" if p < 1e-4 else f"{p:.4f}"


def p_heading(correction: Correction, size: int, alone: str = "p") -> str:
    """The heading of the column of adjusted p-values; `alone` where nothing is adjusted."""
    name = adjusted_name(correction, size).replace("-adjusted", "")
    return alone if name == "p" else name


def plain(value: float | None, digits: int = 3) -> str:
    """A number without a unit, in significant digits."""
    return MISSING if value is None else f"{value:.{digits}g}".replace("-", "−")


def range_of(sizes: Iterable[str]) -> str:
    """Sizes of one unit as a range in brackets: ` (0.32 to 3.81 points)`; "" of none."""
    ordered = sorted(sizes, key=lambda size: float(size.partition(" ")[0].replace(",", "")))
    if not ordered:
        return ""
    low, high = ordered[0], ordered[-1]
    return f" ({high})" if low == high else f" ({low.partition(' ')[0]} to {high})"


def beyond_sesoi(*, corrected: bool) -> str:
    """What `≥ SESOI` says of a verdict, and by which interval: that of one comparison alone is shorter."""
    return (
        f"≥ SESOI: by more than that, by the {'interval of all (1 − α/m)' if corrected else 'whole interval'}"
    )


def verdict(found: Verdict | str, magnitude: str | None = None, *, starred: bool = False) -> Cell:
    """A verdict, by its badge; a star points to the warnings. Words of another kind stand as they are."""
    star = "*" if starred else ""
    if not isinstance(found, Verdict):
        return Cell((found.replace("_", ", ") + star,))
    beyond = " ≥ SESOI" if magnitude == AT_LEAST else ""
    return Cell((f"{found.label}{beyond}{star}",), found.badge, float(list(Verdict).index(found)))
