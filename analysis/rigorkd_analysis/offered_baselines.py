"""Which cells a message offers as the baseline: by their words and their seeds, never by results."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

import numpy as np

from rigorkd_analysis.runs import Runs, suggest
from rigorkd_analysis.table_error import TableError

BASELINES = frozenset(
    {"baseline", "base", "vanilla", "scratch", "student", "supervised", "ce", "none", "no_kd"}
)
"""What people call the one without the method. Only `baseline` is taken for it unasked."""

_MOST = 4
"""Cells that one message offers."""


def likely(runs: Runs) -> list[int]:
    """The cells that are called as people call a baseline, whatever follows: `student_baseline-lr0.1`."""
    return [cell for cell, name in enumerate(runs.cells) if is_called_baseline(name.rpartition("/")[2])]


def is_called_baseline(word: str) -> bool:
    """Whether a method's word is one of a baseline, with settings behind it: `ce-kd` is none."""
    short = re.sub(r"[\s-]+", "_", word.casefold())
    first, *rest = short.split("_")
    settings = all(re.search(r"\d", part) for part in rest)
    return short in BASELINES or "baseline" in (first, *rest) or (first in BASELINES and settings)


def offered(runs: Runs, cells: Sequence[int], works: Callable[[str], bool]) -> str:
    """The options that name these cells, those of most seeds first: `--baseline A (5 seeds) or B (3 seeds)`.

    A word that is the baseline on all data at once (`works`) goes before the cell that is it on one.
    """
    names = {cell: runs.cells[cell].rpartition("/")[2] for cell in cells}
    counts = (~np.isnan(runs.values)).sum(axis=1)
    wide = {cell: word for cell, word in names.items() if word != runs.cells[cell] and works(word)}
    words: dict[str, list[int]] = {}
    for cell in cells:
        words.setdefault(wide.get(cell, runs.cells[cell]), []).append(int(counts[cell]))
    told = []
    for word, own in sorted(words.items(), key=lambda item: (-min(item[1]), -max(item[1]))):
        each = "each for the cells beside it, " if word in wide.values() else ""
        seeds = f"{min(own)} to {max(own)} seeds" if min(own) < max(own) else f"{max(own)} seeds"
        seeds = "1 seed, so nothing is tested" if max(own) == 1 else seeds
        told.append(f"{shlex.quote(word)} ({each}{seeds})" if len(words) > 1 or each else shlex.quote(word))
    more = [f"{len(told) - _MOST} more"] if len(told) > _MOST else []
    *first, last = [*told[:_MOST], *more]
    return f"--baseline {', '.join(first)} or {last}" if first else f"--baseline {last}"


def no_such_cell(runs: Runs, name: str, works: Callable[[str], bool]) -> TableError:
    """That no cell has the name that a baseline was given by, and which begin with its words."""
    *prefix, last = name.casefold().split("/")
    begun = [
        cell
        for cell, known in enumerate(runs.cells)
        if re.match(rf"{re.escape(last)}(?![a-z0-9])", known.rpartition("/")[2].casefold()) and last
    ]
    inside = [cell for cell in begun if set(prefix) <= set(runs.cells[cell].casefold().split("/"))]
    if not begun:
        wider = {word for known in runs.cells if works(word := known.rpartition("/")[2])}
        return TableError(f"no cell {name!r} in this table", hint=suggest(name, [*wider, *runs.cells]))
    return TableError(
        f"no cell {name!r} in this table", hint=f"did you mean {offered(runs, inside or begun, works)}?"
    )
