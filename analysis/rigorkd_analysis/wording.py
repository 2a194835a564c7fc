"""Words: what a cell is called, how a number, an interval and a p-value are said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import copysign, floor, log10

from rigorkd_analysis.analysis_plan import Correction
from rigorkd_analysis.axes import SYMBOLS, are_alike, named_settings, own_settings, said_first
from rigorkd_analysis.columns import SET_TO, is_bare
from rigorkd_analysis.likeness import on_what
from rigorkd_analysis.metric_names import Goal, label, unit_of
from rigorkd_analysis.offered_baselines import is_called_baseline
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.short_names import same

_METHODS = {
    "kd": "Distillation",
    "feature": "Feature distillation",
    "logit": "Logit distillation",
    "own": "Own distillation",
}
_ADJUSTED = {
    "holm": "Holm-adjusted p",
    "bonferroni": "Bonferroni-adjusted p",
    "bh": "BH-adjusted p",
    "none": "p",
}
_NOT_DISTILLED = ("baseline", "teacher", "")
_DISTILLING = frozenset(
    {
        "kd", "dkd", "ctkd", "lskd", "mlkd", "rld", "dist", "eakd", "feature", "logit", "own", "crd",
        "fitnet", "fitnets", "at", "sp", "cc", "vid", "rkd", "pkt", "ab", "ft", "fsp", "nst", "reviewkd",
        "srrl", "mgd", "simkd", "ofa", "okddip", "dml", "takd",
    }
)  # fmt: skip


def is_distillation(
    method: str, *, teacher: str = "", temperature: float | None = None, cell: str = ""
) -> bool:
    """Whether a method distils: by its name, or since a teacher or a temperature is named beside it.

    Where no method is named, `cell` is the name that may say so: there only words that mean nothing else do,
    and a temperature may be of anything. A temperature below 1 is one of a contrastive loss.
    """
    if method == "":
        own = re.split(r"[^a-z0-9]+", cell.casefold())
        return bool(teacher) or any("distil" in word or word.endswith("kd") for word in own)
    if method in _NOT_DISTILLED or is_called_baseline(method):
        return False
    words = re.split(r"[^a-z0-9]+", method.casefold())
    by_name = any(word in _DISTILLING or "distil" in word or word.endswith("kd") for word in words)
    return by_name or bool(teacher) or (temperature is not None and temperature >= 1)


def distils(runs: Runs) -> bool:
    """Whether the table gives cause to speak of distillation: by a method, a teacher or a cell's name."""
    return any(_distils(runs, cell) for cell in range(len(runs.cells)))


def _distils(runs: Runs, cell: int) -> bool:
    return is_distillation(
        runs.text("method", cell),
        teacher=runs.text("teacher", cell),
        temperature=runs.number("T", cell),
        cell=runs.cells[cell],
    )


_SPELT = {
    "fitnet": "FitNet", "fitnets": "FitNets", "reviewkd": "ReviewKD", "simkd": "SimKD",
    **{word: word for word in ("feature", "logit", "own")},
}  # fmt: skip


def spelling(method: str) -> str:
    """A method's name: as the field spells it where that knows it in small letters, else as it is written."""
    if method in _DISTILLING:
        return _SPELT.get(method, method.upper())
    return method


MINUS = "−"

TESTS = {
    "paired": "paired t",
    "moderated": "moderated t",
    "unpaired": "Welch's t",
    "seeds_and_images": "t over seeds and images",
}
"""What the statistic of each test is called."""


def decimals_for(unit: str, spread: float, largest: float = 0.0) -> int:
    """Two for percentages, else enough to show two digits of the spread.

    Where there is no spread, two again, but four digits of a `largest` value below 1: an accuracy in
    fractions would lose what tells cells apart.
    """
    if unit != " points" and spread <= 0 and 0 < largest < 1:
        return min(12, 3 - floor(log10(largest)))
    if unit == " points" or spread <= 0:
        return 2
    return min(12, max(0, 1 - floor(log10(spread))))


_BITS = 8
"""So many decimals behind the last one that is shown are no part of a result."""


def seeds_listed(seeds: Sequence[int]) -> str:
    """`seed 3`, `seeds 3, 5`; of more than ten the first ones."""
    shown = ", ".join(map(str, seeds[:10])) + (", …" if len(seeds) > 10 else "")
    return f"seed {shown}" if len(seeds) == 1 else f"seeds {shown}"


def number_text(value: float | None, decimals: int, signed: bool = False, *, bound: bool = False) -> str:
    """A value with a true minus sign, and none before 0; "–" for None.

    A signed `bound` of an interval keeps its sign where it is rounded to 0: on which side of 0 it lies is
    whether a difference was found.

    A half is rounded away from 0, also where the last bits of two sums of the same numbers differ: what two
    tables show of one result is one number.
    """
    if value is None:
        return "–"
    is_zero = abs(value) < 10.0 ** -(decimals + _BITS)
    value += copysign(10.0 ** -(decimals + _BITS), value) if value else 0.0
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if not text.strip("+-0.") and (is_zero or not (signed and bound)):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


@dataclass(frozen=True)
class Phrasing:
    """How this metric is said: its words, unit and decimals."""

    metric: str
    goal: Goal
    unit: str
    decimals: int

    @classmethod
    def of(cls, runs: Runs, goal: Goal, typical_sd: float) -> Phrasing:
        """Decimals show the spread to two digits; percentages get two decimals."""
        finite = runs.values[runs.values == runs.values]
        largest = float(abs(finite).max()) if finite.size else 0.0
        unit = unit_of(runs.metric, largest)
        return cls(runs.metric, goal, unit, decimals_for(unit, typical_sd, largest))

    @property
    def words(self) -> str:
        return label(self.metric)

    def number(self, value: float | None, signed: bool = False) -> str:
        """A value in the metric's decimals."""
        return number_text(value, self.decimals, signed)

    def bound(self, value: float | None) -> str:
        """An end of an interval, with its sign."""
        return number_text(value, self.decimals, True, bound=True)

    def interval(self, low: float | None, high: float | None) -> str:
        return f"{self.bound(low)} to {self.bound(high)}"


def p_text(p: float | None, name: str = "p") -> str:
    """`p = 0.0123`, `p < 0.0001`; three significant digits, and more where .04998 would read .05."""
    if p is None:
        return f"{name} unknown"
    if p < 1e-4:
        return f"{name} < 0.0001"
    said = (f"{p:.{digits}g}" for digits in range(3, 12))
    return f"{name} = {next((text for text in said if float(text) not in _LEVELS), f'{p:.3g}')}"


_LEVELS = (0.1, 0.05, 0.025, 0.01, 0.005, 0.001)
"""Levels on which side of which a p lies must be seen."""


def percent_text(share: float) -> str:
    """`95 %`; `97.5 %`."""
    return f"{100 * share:.4g} %"


def adjusted_name(correction: Correction, size: int) -> str:
    return "p" if size == 1 else _ADJUSTED[correction]


OWN_BASELINES = "their own baselines"
"""What gains are over that have more different baselines than a sentence names."""


def over_what(over: str | None, *, several: bool) -> str:
    """What gains are over, in a sentence about several of them or about each: their baselines, or its."""
    if over == OWN_BASELINES and not several:
        return "its own baseline"
    return over or "the baseline"


class Names:
    """What each cell is called in a sentence: by its parameters where they tell cells apart, else by name."""

    def __init__(self, runs: Runs, named: Sequence[str] = ()) -> None:
        """`named` are the baselines as they were given: cells, or one part of the names of several."""
        self._runs = runs
        self._named = named
        self.distils = distils(runs)
        methods = {runs.text("method", cell) for cell in range(len(runs.cells))}
        self._among_others = any(is_distillation(method) for method in methods - {"kd", ""})
        self._seen: dict[tuple[str | None, str], set[str]] = {}
        for cell in range(len(runs.cells)):
            if runs.text("method", cell) not in _NOT_DISTILLED:
                for column in ("teacher", "start", "epochs"):
                    self._seen.setdefault((runs.student(cell), column), set()).add(runs.text(column, cell))
        counts: dict[tuple[str | None, str], int] = {}
        self._plain: list[str] = []
        for cell in range(len(runs.cells)):
            text = self._describe(cell)
            self._plain.append(text)
            key = (runs.student(cell), text)
            counts[key] = counts.get(key, 0) + 1
        where = [", ".join(filter(None, self._data(cell))) for cell in range(len(runs.cells))]
        apart = Counter((runs.student(cell), text, where[cell]) for cell, text in enumerate(self._plain))
        self._unique = []
        for cell, text in enumerate(self._plain):
            if counts[(runs.student(cell), text)] > 1:
                is_told = where[cell] and apart[(runs.student(cell), text, where[cell])] == 1
                own = own_settings(runs, [cell])
                if own and not is_told:  # its name says what it is averaged over, or set to
                    text = text.removesuffix(f" {own}")
                text += f" ({where[cell] if is_told else runs.cells[cell]})"
            elif where[cell]:  # on one data set alone it may be the only one of its setting
                text += f" ({where[cell]})"
            self._unique.append(text)

    def _data(self, cell: int) -> list[str]:
        """On what a cell was measured, where cells differ in it."""
        runs = self._runs
        return [runs.text(name, cell) for name in on_what(runs) if len(set(runs.attributes[name])) > 1]

    def _varies(self, cell: int, column: str) -> bool:
        """Whether the distilled cells of this cell's student differ in a column, so that it must be said."""
        return len(self._seen.get((self._runs.student(cell), column), set()) - {""}) > 1

    def _describe(self, cell: int) -> str:
        runs = self._runs
        if runs.text("method", cell) in ("teacher", ""):
            return runs.cells[cell]
        words = self._method(cell)
        if self._varies(cell, "teacher") and runs.text("teacher", cell):
            words += f" from {runs.text('teacher', cell)}"
        settings = [
            f"{SYMBOLS.get(column, column)} = {runs.number(column, cell):g}"
            for column in said_first(runs, cell)
        ]
        settings += named_settings(runs, cell)
        own = own_settings(runs, [cell])
        settings += [own.removeprefix(SET_TO)] if own.startswith(SET_TO) else []
        if settings:
            words += " at " + ", ".join(settings)
        if own and not own.startswith(SET_TO):
            words += f" {own}"
        if self._varies(cell, "start") and runs.text("start", cell):
            words += f", started from {runs.text('start', cell)}"
        if self._varies(cell, "epochs") and runs.text("epochs", cell):
            words += f" over {_plain(runs.text('epochs', cell))} epochs"
        return words

    def _method(self, cell: int) -> str:
        """A method in words; one that is not known to distil by its name is called by that alone."""
        method = self._runs.text("method", cell)
        if method == "kd" and self._among_others:
            return "KD distillation"  # or what it did would be read of all of them
        if method in _METHODS:
            return _METHODS[method]
        if is_bare(method):
            return f"Method {method}"
        if is_called_baseline(method):
            undistilled = "undistilled " if self.distils else ""
            called = "" if self._is_plain(method) else f" {method}"
            return f"The {undistilled}baseline{called}"
        return f"{spelling(method)} distillation" if method.casefold() in _DISTILLING else method

    def is_baseline(self, cell: int) -> bool:
        """Whether a cell is called a baseline, whatever it is compared with."""
        return is_called_baseline(self._runs.text("method", cell))

    def cell(self, cell: int) -> str:
        return self._unique[cell]

    def average(self, cells: Sequence[int], within: str) -> str:
        """What is averaged: these cells' method, of the part that it is `within` where that must be told."""
        words = self._method(cells[0]) if self._runs.text("method", cells[0]) else "The cells"
        own = own_settings(self._runs, cells)
        if not are_alike(self._runs, cells):  # which is said of some of them, and so beside the word for all
            own, within = "", "; ".join(filter(None, (within, own)))
        return " ".join(filter(None, (words, own, within and f"({within})")))

    def in_a_sentence(self, cells: Sequence[int]) -> str:
        """These cells' method amid a sentence, with what it is averaged over or set to."""
        words = self.average(cells, "")
        known = words.startswith((*_METHODS.values(), "The "))
        return words[:1].lower() + words[1:] if known else words

    def over(self, baselines: Iterable[int]) -> str:
        """What gains over these cells are over; "" where they are called baselines."""
        found = dict.fromkeys(self._reference(cell) for cell in baselines)
        if all(self._is_plain(word) and not own for word, own in found):
            return ""
        words = {
            f"the baseline {own}" if own and self._is_plain(word) else f"{word} {own}".strip(): None
            for word, own in found
        }
        first, *more = words
        return first if not more else " or ".join(words) if len(more) < 3 else OWN_BASELINES

    def _is_plain(self, word: str) -> bool:
        """Whether it is called the baseline; `scratch` or `vanilla` says more, and is told."""
        return is_called_baseline(word) and "base" in word.casefold()

    def _reference(self, cell: int) -> tuple[str, str]:
        """A baseline in a word: its method where that is one cell, else as it was given, else its name.

        Beside a word stands what is averaged in it; a name says that itself.
        """
        runs = self._runs
        method, own = runs.text("method", cell), own_settings(runs, [cell])
        whose = [column for column in ("group", "student", *on_what(runs)) if column in runs.attributes]
        rivals = [
            other
            for other in range(len(runs.cells))
            if runs.text("method", other) == method
            and all(runs.text(column, other) == runs.text(column, cell) for column in whose)
        ]
        if method and len(rivals) == 1 and not is_bare(method):
            return spelling(method), own
        parts = runs.cells[cell].split("/")
        for word in self._named:
            if word in parts or same(method, word.removeprefix("method=")):
                averaged = own if own.startswith("averaged ") else ""
                return (word, averaged) if word in parts else (spelling(method), own)
        return (method, own) if method == "baseline" else (runs.cells[cell], "")


def _plain(text: str) -> str:
    """40.0 is 40."""
    return text.removesuffix(".0")
