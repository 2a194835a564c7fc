"""From what is asked of cells to weights over them: gains, their averages, pairs, trends, conjunctions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from rigorkd_analysis.analysis_plan import AllOf, Contrast, DifferenceOfGains, Pair, Trend, Weighted
from rigorkd_analysis.axes import (
    Kept,
    are_alike,
    kept_to,
    mean_over_unknown,
    own_settings,
    varying,
)
from rigorkd_analysis.axis_names import SAME_AXIS, others_of
from rigorkd_analysis.baseline_matching import Matcher
from rigorkd_analysis.likeness import on_what, place, unlike_training
from rigorkd_analysis.questions import Conjunction, Hypothesis, LinearContrast, difference_of
from rigorkd_analysis.runs import Runs, suggest
from rigorkd_analysis.table_error import TableError

#: A family larger than this is not a question any more.
MAX_PAIRS = 50_000


def _pair(runs: Runs, a: int, b: int, name: str | None = None) -> LinearContrast:
    plain = difference_of(a, b, f"{runs.cells[a]} vs {runs.cells[b]}" if name is None else name)
    return replace(plain, unlike=tuple(unlike_training(runs, a, b)))


def all_gains(runs: Runs, matcher: Matcher) -> list[LinearContrast]:
    """Every distilled cell against its own baseline."""
    return [_gain(runs, matcher, cell) for cell in matcher.targets()]


def _gain(runs: Runs, matcher: Matcher, cell: int, name: str | None = None) -> LinearContrast:
    return replace(_pair(runs, cell, matcher.of(cell), name), unlike=matcher.unlike(cell))


def averages(runs: Runs, gains: Sequence[LinearContrast]) -> list[LinearContrast]:
    """The average gain per group, data, student and method: does the method help over these settings?

    Never over what was measured on different data: whether it helps over data sets is another question, and
    a few of them are no sample to answer it by. One gain alone is no average; nor is one of cells without a
    method of which nothing but their names tells anything: each may be a method of its own.
    """
    sets: dict[tuple[str, ...], list[LinearContrast]] = {}
    parts = on_what(runs)

    def key_of(cell: int) -> tuple[str, ...]:
        return place(runs, cell, parts), runs.text("student", cell), runs.text("method", cell)

    for gain in gains:
        assert gain.pair is not None
        sets.setdefault(key_of(gain.pair[0]), []).append(gain)
    bases = {base for gain in gains for base in gain.baselines}
    alike: dict[tuple[str, ...], list[int]] = {}
    for cell in range(len(runs.cells)):
        if cell not in bases:  # it may be a setting of the method: of it there is no gain to average
            alike.setdefault(key_of(cell), []).append(cell)
    places: dict[tuple[str, ...], int] = {}
    for _, *whose in sets:
        places[tuple(whose)] = places.get(tuple(whose), 0) + 1
    # of several data sets the one is said, also of a method that was run on no other
    several = len({tuple(runs.text(part, a) for part in parts) for a in bases}) > 1
    out = []
    for key, some in sets.items():
        if len(some) < 2 or not _of_one_method(runs, key[-1], [gain.pair[0] for gain in some if gain.pair]):
            continue
        share = 1 / len(some)
        weights = _summed((cell, weight * share) for gain in some for cell, weight in gain.weights)
        cells = tuple(gain.pair[0] for gain in some if gain.pair is not None)
        name = "/".join(filter(None, key)) or "all settings"
        own = own_settings(runs, cells)
        if own and are_alike(runs, cells):
            ends = {runs.cells[cell].rpartition("/")[2] for cell in cells}
            called = ends.pop() if len(ends) == 1 else f"{key[-1]} {own}".strip()
            name = "/".join(filter(None, (*key[:-1], called)))
        kept = kept_to(runs, cells, alike[key])
        over, mixed = varying(runs, cells), "" if are_alike(runs, cells) else own
        if kept.name:
            name += f" at {kept.name}"
        name += f": average of {len(some)}"
        title = name + _in_brackets(_over_which(over, kept), mixed) if kept.said else ""
        name += _in_brackets(", ".join(over), mixed)
        within = key[0] if places[key[1:]] > 1 or several else ""
        unlike = (*_unlike_within(runs, some), *filter(None, [mean_over_unknown(runs, cells)]))
        out.append(
            LinearContrast(
                name,
                weights,
                averaged=cells,
                within=within,
                at=kept.said,
                unlike=unlike,
                title="" if title == name else title,
            )
        )
    return out


def _of_one_method(runs: Runs, method: str, cells: Sequence[int]) -> bool:
    """Whether these cells are settings of one method: a column says which, or others what all are set to."""
    names = {runs.cells[cell] for cell in cells}
    told = (dict.fromkeys(runs.text(column, cell) for cell in cells) for column in varying(runs, cells))
    return bool(method) or any("" not in words and not names.issuperset(words) for words in told)


def _in_brackets(*parts: str) -> str:
    text = "; ".join(filter(None, parts))
    return f" ({text})" if text else ""


def _over_which(over: Sequence[str], kept: Kept) -> str:
    """What an average is over that is not over all of its method's settings: `T = 1 and 4, alpha`."""
    if not kept.columns:
        return ": ".join(filter(None, (", ".join(over), kept.said)))
    more = [text for column, text in kept.columns.items() if column not in over and text not in kept.name]
    return ", ".join([*(kept.columns.get(column, column) for column in over), *more])


_LISTED = 4
"""So many cells of an average are named in a warning."""


def _unlike_within(runs: Runs, gains: Sequence[LinearContrast]) -> tuple[str, ...]:
    """In what the cells of an average differ from their baselines; of which cells, where it is not all."""
    every = dict.fromkeys(text for gain in gains for text in gain.unlike)
    out = []
    for text in every:
        own = [runs.cells[gain.pair[0]] for gain in gains if gain.pair is not None and text in gain.unlike]
        more = f" and {len(own) - _LISTED} more" if len(own) > _LISTED else ""
        named = ", ".join(own[:_LISTED]) + more
        out.append(text if len(own) == len(gains) else f"{text} (of its cells: {named})")
    return tuple(out)


def all_pairs(runs: Runs) -> list[LinearContrast]:
    """All pairs of cells of one student on one task; teachers are no one's rival.

    Nor are, in a table, cells of different groups: these are often tables of their own, as under titles. In a
    study a protocol has made them, to be compared.
    """
    rivals = [cell for cell in range(len(runs.cells)) if runs.text("method", cell) != "teacher"]
    groups = Counter(runs.text("group", cell) for cell in rivals)
    apart = "training" not in runs.attributes and min(groups.values(), default=0) > 1
    columns = ("student", *on_what(runs), *(("group",) if apart else ()))
    alike: dict[tuple[str, ...], list[int]] = {}
    for cell in rivals:
        alike.setdefault(tuple(runs.text(column, cell) for column in columns), []).append(cell)
    total = sum(len(cells) * (len(cells) - 1) // 2 for cells in alike.values())
    if total > MAX_PAIRS:
        raise TableError(
            f"all pairs of these cells are {total:,} comparisons",
            hint="name what to compare: --baseline CELL or --compare A B",
        )
    return [_pair(runs, a, b) for cells in alike.values() for a, b in combinations(cells, 2)]


def resolve(runs: Runs, matcher: Matcher, contrast: Contrast) -> Hypothesis:
    """The weights of a named contrast.

    Raises:
        TableError: a cell does not exist, has no baseline, or a trend is ambiguous.
    """
    match contrast:
        case Pair(a, b, name):
            if a == b:
                raise TableError(f"{a} is compared with itself", hint="name two different cells")
            pair = _pair(runs, runs.position(a), runs.position(b))
            return _named(pair, name, f"{a} minus {b}")
        case DifferenceOfGains(a, b, name):
            return _difference_of_gains(runs, matcher, a, b, name)
        case AllOf(cells, name):
            places = [runs.position(cell) for cell in cells]
            members = tuple(_gain(runs, matcher, cell, "") for cell in places)
            plain = f"all of {', '.join(cells)} gain"
            return Conjunction(name or plain, members, plain if name not in (None, "", plain) else "")
        case Weighted(weights, name):
            return _weighted(runs, weights, name)
        case Trend():
            return _trend(runs, contrast)


def _named(contrast: LinearContrast, name: str | None, subject: str) -> LinearContrast:
    """A contrast under a name of its own, beside which stands what it is: it need not say which cells."""
    if not name or name == contrast.name:
        return contrast
    return replace(contrast, name=name, subject=subject)


def _difference_of_gains(runs: Runs, matcher: Matcher, a: str, b: str, name: str | None) -> LinearContrast:
    first, second = runs.position(a), runs.position(b)
    placed = ((first, 1.0), (matcher.of(first), -1.0), (second, -1.0), (matcher.of(second), 1.0))
    unlike = tuple(dict.fromkeys((*matcher.unlike(first), *matcher.unlike(second))))
    plain = LinearContrast(f"gain of {a} vs gain of {b}", _summed(placed), unlike=unlike)
    return _named(plain, name, f"gain of {a} minus gain of {b}")


def _summed(weights: Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Every cell once, without those whose weights cancel."""
    total: dict[int, float] = {}
    for cell, weight in weights:
        total[cell] = total.get(cell, 0.0) + weight
    return tuple((cell, weight) for cell, weight in total.items() if weight)


def _weighted(runs: Runs, weights: tuple[tuple[str, float], ...], name: str | None) -> LinearContrast:
    total = sum(weight for _, weight in weights)
    size = max((abs(weight) for _, weight in weights), default=0.0)
    if size == 0 or abs(total) > 1e-9 * size:
        raise TableError(
            f"the weights of {name or 'a contrast'} sum to {total:g}", hint="weights of a contrast sum to 0"
        )
    placed = _summed((runs.position(cell), float(weight)) for cell, weight in weights)
    shown = " ".join(f"{weight:+g}·{cell}" for cell, weight in weights)
    return _named(LinearContrast(shown, placed), name, shown)


def _trend(runs: Runs, trend: Trend) -> LinearContrast:
    over = trend.over
    if over not in runs.attributes:
        raise TableError(f"no column {over!r} to follow a trend over", hint=suggest(over, runs.attributes))
    cells = [
        cell
        for cell in range(len(runs.cells))
        if runs.number(over, cell) is not None
        and (trend.group is None or runs.text("group", cell) == trend.group)
        and (trend.student is None or runs.text("student", cell) == trend.student)
        and runs.text("method", cell) not in ("baseline", "teacher")
        and all(_matches(runs, cell, column, value) for column, value in trend.where)
    ]
    what = trend.name or f"trend over {over}"
    arm = _arm(runs, cells, over, what)
    values = np.array([runs.number(over, cell) for cell in arm], dtype=np.float64)
    centred = values - values.mean()
    # the fitted line's change from the smallest to the largest value, in the metric's units
    weights = centred / (centred**2).sum() * (values.max() - values.min())
    ends = [runs.cells[arm[at]] for at in (0, -1)]
    name = f"{ends[0].rsplit('/', 1)[0]}: trend over {over}"
    placed = tuple((cell, float(weight)) for cell, weight in zip(arm, weights, strict=True) if weight)
    shown = ", ".join(f"{value:g}" for value in values)
    subject = f"fitted change over {over} = {shown}"
    plain = LinearContrast(name, placed, subject=subject)
    return _named(plain, trend.name, f"{subject}, from {ends[0]} to {ends[1]}")


def _matches(runs: Runs, cell: int, column: str, value: float | str) -> bool:
    number = runs.number(column, cell)
    if isinstance(value, (int, float)) and number is not None:
        return number == float(value)
    return runs.text(column, cell) == str(value)


def _arm(runs: Runs, cells: list[int], over: str, what: str) -> list[int]:
    """The cells that differ in `over` alone: of a cross, the arm that shares the other axes' common value."""
    others = ["group", "student", "method", *others_of(over)]
    arms: dict[tuple[str, ...], list[int]] = {}
    for cell in cells:
        arms.setdefault(tuple(runs.text(column, cell) for column in others), []).append(cell)
    several = {key: arm for key, arm in arms.items() if len({runs.number(over, cell) for cell in arm}) >= 2}
    if not several:
        raise TableError(
            f"{what}: no two cells differ in {over!r} alone", hint="check the group and student of the trend"
        )
    if len(several) > 1:
        keys = list(several)
        varying = [column for i, column in enumerate(others) if len({key[i] for key in keys}) > 1]
        varying = [c for c in varying if c == SAME_AXIS.get(c, (c,))[0] or SAME_AXIS[c][0] not in varying]
        listed = "; ".join(
            ", ".join(f"{column} {key[others.index(column)]}" for column in varying) for key in keys[:6]
        )
        ask = "student: …" if "student" in varying else f"where: {{{varying[0]}: …}}"
        raise TableError(
            f"{what}: {len(several)} arms could be meant ({listed})",
            hint=f"say which in the trend, with {ask}",
        )
    arm = next(iter(several.values()))
    seen = [runs.number(over, cell) for cell in arm]
    if len(set(seen)) < len(seen):
        listed = ", ".join(runs.cells[cell] for cell in arm)
        raise TableError(
            f"{what}: two cells share a value of {over!r}: {listed}", hint="narrow it with `where`"
        )
    return sorted(arm, key=lambda cell: runs.number(over, cell) or 0.0)
