"""Which cells a message offers as the baseline: by their words and their seeds, never by results."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

import numpy as np

from rigorkd_analysis.likeness import on_what
from rigorkd_analysis.runs import Runs, nearest, suggest, the_one_with
from rigorkd_analysis.short_names import columns_of_cells, plain, same
from rigorkd_analysis.table_error import TableError

BASELINES = frozenset(
    {"baseline", "base", "vanilla", "scratch", "student", "supervised", "ce", "none", "no_kd"}
)
"""What people call the one without the method. Only `baseline` is taken for it unasked."""

_OFF = BASELINES | {"off", "false", "no"}
"""What a setting has where it is not used, beside 0."""

_MOST = 4
"""Cells that one message offers."""

NO_GAINS = "so there are no gains: all pairs are shown"
"""What a warning says where no baseline is known; behind it stands how one is named."""


def likely(runs: Runs) -> list[int]:
    """The cells that are called as people call a baseline, whatever follows: `student_baseline-lr0.1`.

    Where none is, those in which a setting is off, `alpha` at 0, if that is so of one setting alone.
    """
    called = [cell for cell, name in enumerate(runs.cells) if is_called_baseline(name.rpartition("/")[2])]
    if called:
        return called
    off = switches(runs)
    if len(off) != 1:
        return []
    ((column, value),) = off.items()
    return [cell for cell, text in enumerate(runs.attributes[column]) if text == value]


def switches(runs: Runs) -> dict[str, str]:
    """The settings that some cells have and that are off in others, each with what stands there then."""
    out = {}
    for column in columns_of_cells(runs):
        if column == "method" or column in on_what(runs):
            continue
        off = [text for text in runs.attributes[column] if plain(text) == "0" or text.casefold() in _OFF]
        if len(set(off)) == 1:
            out[column] = off[0]
    return out


def is_called_baseline(word: str) -> bool:
    """Whether a method's word is one of a baseline, with settings behind it: `ce-kd` is none."""
    short = re.sub(r"[\s-]+", "_", word.casefold())
    first, *rest = short.split("_")
    settings = all(re.search(r"\d", part) for part in rest)
    return short in BASELINES or "baseline" in (first, *rest) or (first in BASELINES and settings)


def offered(runs: Runs, cells: Sequence[int], word_for: Callable[[int], str]) -> str:
    """The options that name these cells, those of most seeds first: `--baseline A (5 seeds) or B (3 seeds)`.

    What names the baselines of several cells at once (`word_for`) goes before the cell that is one of them,
    and before all that is the baseline of its own data alone.
    """
    counts = (~np.isnan(runs.values)).sum(axis=1)
    wide = {cell: word for cell in cells if (word := word_for(cell))}
    words: dict[str, list[int]] = {}
    for cell in cells:
        words.setdefault(wide.get(cell, runs.cells[cell]), []).append(int(counts[cell]))
    told = []

    def order(item: tuple[str, list[int]]) -> tuple[bool, int, int]:
        word, own = item
        return word not in wide.values(), -min(own), -max(own)

    for word, own in sorted(words.items(), key=order):
        each = "each for the cells beside it, " if word in wide.values() else ""
        seeds = f"{min(own)} to {max(own)} seeds" if min(own) < max(own) else f"{max(own)} seeds"
        seeds = "1 seed, so nothing is tested" if max(own) == 1 else seeds
        told.append(f"{shlex.quote(word)} ({each}{seeds})" if len(words) > 1 or each else shlex.quote(word))
    more = [f"{len(told) - _MOST} more"] if len(told) > _MOST else []
    *first, last = [*told[:_MOST], *more]
    return f"--baseline {', '.join(first)} or {last}" if first else f"--baseline {last}"


def no_such_cell(runs: Runs, name: str, word_for: Callable[[int], str]) -> TableError:
    """That no cell has the name that a baseline was given by, and which begin with its words."""
    *prefix, last = name.casefold().split("/")
    begun = [
        cell
        for cell, known in enumerate(runs.cells)
        if re.match(rf"{re.escape(last)}(?![a-z0-9])", known.rpartition("/")[2].casefold()) and last
    ]
    inside = [cell for cell in begun if set(prefix) <= set(runs.cells[cell].casefold().split("/"))]
    if begun:
        hint = f"did you mean {offered(runs, inside or begun, word_for)}?"
        return TableError(f"no cell {name!r} in this table", hint=hint)
    column, sign, _ = name.partition("=")
    told = columns_of_cells(runs)
    for known in told if sign else ():
        if same(known, column):
            values = ", ".join(dict.fromkeys(map(plain, runs.attributes[known])))
            return TableError(f"no cell has {name}", hint=f"{known} is one of: {values}", column=known)
    if sign:
        hint = f"give COLUMN=VALUE of one that tells cells apart: {', '.join(told)}"
        return TableError(f"no cell and no column is called so: {name}", hint=hint if told else "")
    some = likely(runs)
    ends = {known.rpartition("/")[2]: cell for cell, known in enumerate(runs.cells)}
    close = ends.get(nearest(name, ends), -1)
    wider = {word for cell in (close, *some[:1]) if cell >= 0 and (word := word_for(cell))}
    if near := the_one_with(name, runs.cells) or nearest(name, [*wider, *runs.cells]):
        return TableError(f"no cell {name!r} in this table", hint=f"did you mean {near!r}?")
    called = f"name one with {offered(runs, some, word_for)}; " if some else ""
    return TableError(f"no cell {name!r} in this table", hint=called + suggest(name, runs.cells))
