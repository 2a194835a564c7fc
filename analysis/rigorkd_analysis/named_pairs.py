"""Which pairs of cells two words mean: `ours` and `kd` beside each other, wherever both are.

Where one of them has several settings, equal ones are compared. What no setting and no name pairs is asked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from rigorkd_analysis.analysis_plan import Contrast, Pair
from rigorkd_analysis.columns import sets_up
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.short_names import having, plain, same
from rigorkd_analysis.table_error import TableError

Cells = tuple[int, int]
"""Two cells, by position."""
_MOST = 200
"""Cells of a word among which a message looks for the nearest."""


def each_pair(runs: Runs, contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts, a pair of short names as the pairs that it means: `ours` and `kd` of each data set.

    Raises:
        TableError: a name means no cell, or none beside one of the other, or several without saying which.
    """
    out: list[Contrast] = []
    for contrast in contrasts:
        if not isinstance(contrast, Pair) or {contrast.a, contrast.b} <= runs.index.keys():
            out.append(contrast)
            continue
        a, b = _cells_of(runs, contrast.a), _cells_of(runs, contrast.b)
        pairs = [(one, other) for one in a for other in b if _beside(runs, contrast, one, other)]
        if not pairs:
            raise _none_beside(runs, contrast, a, b)
        pairs = [one for place in _places(pairs) for one in _one_each(runs, contrast, place)]
        out += [replace(contrast, a=runs.cells[one], b=runs.cells[other]) for one, other in pairs]
    return out


def left_over(runs: Runs, pair: Pair) -> list[int]:
    """The cells that two words mean and that no pair of them compares: nothing else is beside them."""
    if {pair.a, pair.b} <= runs.index.keys():
        return []
    paired = [one for one in each_pair(runs, [pair]) if isinstance(one, Pair)]
    met = {runs.index[cell] for one in paired for cell in (one.a, one.b)}
    meant = dict.fromkeys(cell for word in (pair.a, pair.b) for cell in _cells_of(runs, word))
    return [cell for cell in meant if cell not in met]


def _cells_of(runs: Runs, name: str) -> list[int]:
    """The cells of a name: its own, those that have a value, or those that end in it."""
    if name in runs.index:
        return [runs.index[name]]
    if found := having(runs, name):
        return list(found.cells)
    if cells := [at for cell, at in runs.index.items() if cell.endswith(f"/{name}")]:
        return cells
    end = f"/{name}".casefold()
    return [at for cell, at in runs.index.items() if cell.casefold().endswith(end)] or [runs.position(name)]


def _beside(runs: Runs, pair: Pair, a: int, b: int) -> bool:
    """Whether two cells share all but what a pair's short names say of them."""
    for name, own, other in ((pair.a, a, b), (pair.b, b, a)):
        if name in runs.index:
            continue
        if found := having(runs, name):
            if own not in found.beside(other, all_of_it=True):
                return False
        elif runs.cells[own].rpartition("/")[0] != runs.cells[other].rpartition("/")[0]:
            return False
    return a != b


def _places(pairs: Sequence[Cells]) -> list[list[Cells]]:
    """The pairs by place: those that share a cell with each other are at one."""
    found: list[list[Cells]] = []
    for pair in pairs:
        met = [place for place in found if any(pair[0] == a or pair[1] == b for a, b in place)]
        found = [place for place in found if place not in met]
        found.append([*(one for place in met for one in place), pair])
    return sorted((sorted(place) for place in found), key=lambda place: place[0])


def _one_each(runs: Runs, pair: Pair, place: list[Cells]) -> list[Cells]:
    """Of a place's pairs those that compare equal settings, each cell once.

    Equal by the columns of settings that some pair agrees in, which the cells' names need not tell, or else
    by the names, which then differ in the two words alone.

    Raises:
        TableError: some cell still has several beside it.
    """
    if _is_matched(place):
        return place

    def agree(column: str, one: Cells) -> bool:
        return plain(runs.text(column, one[0])) == plain(runs.text(column, one[1]))

    columns = [name for name in runs.attributes if sets_up(name) and any(agree(name, one) for one in place)]
    kept = [one for one in place if all(agree(name, one) for name in columns)] or place
    if not _is_matched(kept):
        apart = {one: _words_apart(runs, one) for one in kept}
        fewest = min(map(_size, apart.values()))
        kept = [one for one in kept if _size(apart[one]) == fewest]
        if not _is_matched(kept) or len({apart[one] for one in kept}) > 1:
            raise _several(runs, pair, place)
    return kept


def _is_matched(pairs: Sequence[Cells]) -> bool:
    return all(len(set(side)) == len(pairs) for side in zip(*pairs, strict=True))


def _words_apart(runs: Runs, pair: Cells) -> tuple[frozenset[str], frozenset[str]]:
    """The words of each name that the other has not."""
    a, b = (frozenset(re.split(r"[-_/]", runs.cells[cell])) for cell in pair)
    return a - b, b - a


def _size(apart: tuple[frozenset[str], frozenset[str]]) -> int:
    return len(apart[0]) + len(apart[1])


def _several(runs: Runs, pair: Pair, place: Sequence[Cells]) -> TableError:
    a, b = (list(dict.fromkeys(side)) for side in zip(*place, strict=True))
    left, right = (
        ", ".join(runs.cells[cell] for cell in cells[:4]) + ", …" * (len(cells) > 4) for cells in (a, b)
    )
    one = " ".join(shlex.quote(runs.cells[cell]) for cell in (a[0], b[0]))
    return TableError(
        f"{pair.a!r} and {pair.b!r} are several in one place, and nothing says which belong together: {left} "
        f"beside {right}",
        hint=f"give each pair by its full names: --compare {one} (repeatable); where a column holds their "
        "settings, equal ones are compared",
    )


def _none_beside(runs: Runs, pair: Pair, a: Sequence[int], b: Sequence[int]) -> TableError:
    """That no cells of two words share the rest, with the nearest that could be compared all the same."""
    some = [(one, other) for one in a[:_MOST] for other in b[:_MOST] if one != other]
    nearest = min(some, key=lambda one: _size(_words_apart(runs, one)), default=None)
    if nearest is None:
        return TableError(f"{pair.a!r} and {pair.b!r} are one cell", hint="name two different ones")
    told: dict[str, str] = {}
    for name, cell in ((pair.b, nearest[0]), (pair.a, nearest[1])):
        found = having(runs, name)
        for column, mine, its in found.differs(cell) if found else ():
            told.setdefault(column, f"{runs.cells[cell]} has {column} {mine or '–'} instead of {its or '–'}")
    such = f" ({'; '.join(told.values())})" if told else ""
    full = " ".join(shlex.quote(runs.cells[cell]) for cell in nearest)
    average = next((column for column in told if sets_up(column) and "training" not in runs.attributes), "")
    mend = ""
    if average:
        mend = f"; --average {shlex.quote(average)} makes one of several"
    ends = _paired_ends(runs, pair, a, b)
    offered = f"{ends} compares them wherever both are; " if ends else ""
    return TableError(
        f"no cell {pair.a!r} shares the rest with a cell {pair.b!r}{such}",
        hint=f"{offered}--compare {full} shows their difference all the same (repeatable){mend}",
    )


def _paired_ends(runs: Runs, pair: Pair, a: Sequence[int], b: Sequence[int]) -> str:
    """`--compare DKD-T4 CRD` for cells such as `r20/DKD-T4` and `r20/CRD`, each way that pairs some of them.

    So of `DKD/r20-T4` and `CRD/r20`, too. "" where names that share the rest are of neither kind.
    """
    one, other = ({cell: runs.cells[cell].split("/") for cell in cells} for cells in (a, b))
    found: dict[tuple[str, str], int] = {}
    for parts in one.values():
        for its in other.values():
            if ends := _words_of(pair, parts, its):
                found[ends] = found.get(ends, 0) + 1
    most = sorted(found, key=lambda ends: -found[ends])[:3]
    return " or ".join(f"--compare {shlex.quote(end)} {shlex.quote(its)}" for end, its in most)


def _words_of(pair: Pair, parts: Sequence[str], its: Sequence[str]) -> tuple[str, str] | None:
    """By which words two names, split into their parts, are each other's, if they share the rest."""
    if len(parts) < 2 or len(parts) != len(its):
        return None
    if parts[:-1] == its[:-1]:
        return (parts[-1], its[-1]) if parts[-1] != its[-1] else None
    apart = [at for at, (mine, other) in enumerate(zip(parts[:-1], its[:-1], strict=True)) if mine != other]
    if [(same(parts[at], pair.a), same(its[at], pair.b)) for at in apart] != [(True, True)]:
        return None
    (network, *mine), (its_network, *other) = parts[-1].split("-"), its[-1].split("-")
    while mine and other and mine[0] == other[0]:  # of the network's name, or a setting that both have
        del mine[0], other[0]
    if network != its_network:
        return None
    return "-".join((parts[apart[0]], *mine)), "-".join((its[apart[0]], *other))
