"""Which cells of a study a layout wants, in its order, and which it wants in vain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product

from rigorkd_analysis.axes import SYMBOLS
from rigorkd_analysis.columns import is_bare
from rigorkd_analysis.results import Comparison

from rigorkd.errors import InputError
from rigorkd.report.evidence import CellFacts, Evidence


@dataclass(frozen=True)
class Wanted:
    """The cells that were found, and the patterns, without alternatives, that no cell has."""

    cells: tuple[CellFacts, ...]
    missing: tuple[str, ...]


def alternatives(pattern: str) -> list[str]:
    """Every pattern that {…} stands for, in the order in which they are written."""
    parts = re.split(r"\{([^{}]*)\}", pattern)
    options = [part.split(",") if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*options)]


def wanted(evidence: Evidence, patterns: Iterable[str], *, teachers: bool = False) -> Wanted:
    """The cells that patterns name: students, or teachers too. Of one pattern they come in natural order.

    Of {a,b} each is wanted; of a|b one is enough.

    Raises:
        InputError: none of them is there; names the first of them.
    """
    known = (*evidence.teachers, *evidence.cells) if teachers else evidence.cells
    by_name = {cell.cell: cell for cell in known}
    found: dict[str, CellFacts] = {}
    missing = []
    every = [one for pattern in patterns for one in alternatives(pattern)]
    for pattern in every:
        options = pattern.split("|")
        names = sorted((name for name in by_name if any(fnmatchcase(name, o) for o in options)), key=natural)
        found |= {name: by_name[name] for name in names if name not in found}
        if not names:
            missing.append(pattern)
    if not found:
        shown = ", ".join(every[:4]) + (f", … ({len(every)} in all)" if len(every) > 4 else "")
        raise InputError(
            f"{evidence.analysis.study} has none of the cells that this layout wants: {shown}",
            hint=f"it has: {', '.join(list(by_name)[:4])}{', …' if len(by_name) > 4 else ''}",
        )
    return Wanted(tuple(found.values()), tuple(missing))


def lacking(missing: Sequence[str]) -> str:
    """That cells are wanted in vain, by name; "" if there are none."""
    if not missing:
        return ""
    more = f" and {len(missing) - 12} more" if len(missing) > 12 else ""
    return f"Not in this study: {', '.join(missing[:12])}{more}."


def natural(text: str) -> list[tuple[bool, float, str]]:
    """An order in which T4 comes before T10, and baselines first."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    key = [(True, float(part), "") if at % 2 else (False, 0.0, part) for at, part in enumerate(parts)]
    return [(False, float("baseline" not in text), ""), *key]


def setting(cell: CellFacts, column: str) -> str:
    """What describes a cell, as text: a teacher without its `teacher/`, a number as `%g`."""
    own = getattr(cell, column, None) if column in ("student", "group", "method", "teacher", "cell") else None
    text = cell.settings.get(column, "") if own is None else str(own)
    if column == "teacher":
        text = text.removeprefix("teacher/")
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def by_columns(cells: Sequence[CellFacts], columns: Sequence[str]) -> list[CellFacts]:
    """Cells by their settings in some columns, the last of which changes fastest; values in their order."""
    ranks: list[dict[str, int]] = []
    for column in columns:
        values = dict.fromkeys(setting(cell, column) for cell in cells)
        ranks.append({value: rank for rank, value in enumerate(values)})
    return sorted(
        cells,
        key=lambda cell: [rank[setting(cell, column)] for column, rank in zip(columns, ranks, strict=True)],
    )


def called(cell: CellFacts, columns: Iterable[str], words: Mapping[str, Mapping[str, str]]) -> str:
    """Some of a cell's settings in a layout's words, those that it has."""
    told = []
    for column in columns:
        value = setting(cell, column)
        told.append(words.get(column, {}).get(value, _said(column, value)))
    return ", ".join(part for part in told if part)


def _said(column: str, value: str) -> str:
    """The value of a setting, with what it is of where it says nothing alone: `α = 0.5`."""
    if not value or not (is_bare(value) or column in ("T", "epochs")):
        return value
    return f"{value} epochs" if column == "epochs" else f"{SYMBOLS.get(column, column)} = {value}"


def of_one(
    evidence: Evidence,
    shown: Collection[CellFacts],
    said: Collection[str],
    words: Mapping[str, Mapping[str, str]],
) -> str:
    """What all cells shown share of what tells cells apart, for a caption: `Of student thin, method kd.`

    Not by the columns that are `said` in what shows them; the group only where there are several.
    """
    told = []
    for column in ("group", "student", "method", "T", "alpha"):
        values = {setting(cell, column) for cell in shown}
        groups = {cell.group for cell in evidence.cells}
        if len(values) > 1 or column in said or (column == "group" and len(groups) < 2):
            continue
        text = called(next(iter(shown)), [column], words)
        named = column in ("group", "student", "method") and not is_bare(*values)
        told += [f"{column} {text}" if named else text] if text else []
    return f"Of {', '.join(told)}." if told else ""


def gain_of(evidence: Evidence, cell: str, metric: str) -> Comparison | None:
    """The gain of a distilled cell on a metric that was judged."""
    if metric == evidence.analysis.metric:
        found = list(evidence.gains())
    else:
        secondary = (one for one in evidence.analysis.secondary if one.metric == metric)
        found = [one for item in secondary for one in item.family.comparisons]
    return next((one for one in found if one.a == cell), None)


def restricted(evidence: Evidence, cells: Sequence[CellFacts]) -> Evidence:
    """The evidence of some cells alone: the families keep their corrections, and lose other comparisons."""
    names = {cell.cell for cell in cells}
    kept = tuple(cell for cell in evidence.cells if cell.cell in names)
    analysis = evidence.analysis
    families = tuple(
        replace(
            family,
            comparisons=tuple(one for one in family.comparisons if one.a in names and one.b in names),
        )
        for family in analysis.families
        if family.name in ("primary", "gains")
    )
    summaries = tuple(summary for summary in analysis.cells if summary.cell in names)
    best = analysis.best and replace(
        analysis.best, sets=tuple(one for one in analysis.best.sets if names.issuperset(one.cells))
    )
    return replace(
        evidence,
        analysis=replace(analysis, cells=summaries, families=families, best=best),
        cells=kept,
        index={cell.cell: at for at, cell in enumerate(kept)},
    )
