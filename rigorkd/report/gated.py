"""What a gate is given, and the one way from there to its verdict: `rigorkd gate` and `rigorkd run --gate`.

Two cells of a study or of a table, or two files with one configuration each. With a ledger the comparison is
one of a search: it is noted there, under a lock, before anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.metric_names import Goal, goal_of, is_accuracy
from rigorkd_analysis.runs import Runs, read_runs
from rigorkd_analysis.sanity import nothing_learnt_of
from rigorkd_analysis.stats.gating import Budget, Gate, Gated, GateVerdict, LeftOut, Pairs, judge
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.whole_analysis import SMOKE
from rigorkd_analysis.wording import Phrasing

from rigorkd.errors import InputError
from rigorkd.metrics import BY_NAME
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.records.gate_ledger import (
    Asked,
    Comparison,
    Ledger,
    Search,
    known_search,
    opened_ledger,
    refuse_unwritable,
    with_search,
)
from rigorkd.records.interim import listed_seeds
from rigorkd.report.rows import located
from rigorkd.report.sources import Source
from rigorkd.text import count, suggest

if TYPE_CHECKING:
    import pandas as pd

Values = Mapping[int, tuple[float, float]]
"""By seed what base and candidate have there; NaN for a diverged run."""


@dataclass(frozen=True)
class Terms:
    """What the command line asks; None takes the ledger's, or else the study's, or else the default."""

    metric: str | None = None
    goal: Goal | None = None
    margin: float | None = None
    alpha: float | None = None
    most: int | None = None
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Sides:
    """Base and candidate as found, and what is asked of them unless the command line or a ledger says it.

    `alone` are the seeds that only one of them has, by its name. `folder` is the study's.
    """

    base: str
    candidate: str
    values: Values
    runs: Runs
    asked: Asked
    alone: Mapping[str, tuple[int, ...]]
    for_choosing: tuple[int, ...] = ()
    folder: Path | None = None
    classes: int | None = None
    largest_class: float | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        known = self.classes, self.asked.alpha, self.largest_class
        learnt = nothing_learnt_of(self.runs, [self.base, self.candidate], *known)
        alone = [
            f"{count(len(seeds), 'seed')} of {name} alone: {listed_seeds(seeds)}; only pairs count"
            for name, seeds in self.alone.items()
            if seeds
        ]
        worthless = SMOKE if self.runs.smoke else learnt
        return (*filter(None, [worthless]), *self.runs.warnings, *alone)


def sides_of_cells(found: Source, base: str, candidate: str, terms: Terms) -> Sides:
    """Two cells of a study or of a table.

    Raises:
        InputError: there is no such cell; the table or the question is unusable, with file and line.
    """
    _refuse_same(base, candidate)
    table = found.table
    names = sorted(set(map(str, table["cell"])))
    for cell in (base, candidate):
        if cell not in names:
            shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
            raise InputError(
                f"{found.name}: no cell {cell}" + (" has finished a run" if found.folder else ""),
                hint=suggest(cell, names, f"there are {shown}"),
            )
    if found.folder is not None:
        table = table[table["cell"].isin([base, candidate])].reset_index(drop=True)
    own = terms.metric in (None, found.plan.metric) or (
        found.plan.metric is None and terms.metric == "test_top1"
    )
    metric = terms.metric or found.plan.metric
    goal = terms.goal or (found.plan.goal if own else None)
    margin = (found.plan.sesoi or 0.0) if own else 0.0
    with located(found.where):
        sides = _sides(table, metric, goal, base, candidate, margin, found.plan.alpha, terms.seeds)
    chosen = found.plan.selection_seeds
    tested = found.tested_on()
    return replace(
        sides,
        folder=found.folder,
        for_choosing=chosen,
        classes=found.classes(tested),
        largest_class=tested.largest_class if tested else None,
    )


def sides_of_files(base: str, candidate: str, reading: Reading, terms: Terms) -> Sides:
    """Two files, one configuration in each: a table with columns seed and a metric is enough.

    They are called as they are on the command line.

    Raises:
        InputError: one cannot be read, or holds several configurations.
    """
    import pandas as pd

    _refuse_same(base, candidate)
    sources = [_one_configuration(name, reading, terms.metric) for name in (base, candidate)]
    metrics = [source.plan.metric or "test_top1" for source in sources]
    if metrics[0] != metrics[1]:
        raise InputError(
            f"{base} is judged by {metrics[0]}, {candidate} by {metrics[1]}", hint="name one by --metric"
        )
    table = pd.concat([source.table for source in sources], ignore_index=True)
    first = len(sources[0].table)

    def where(error: TableError) -> str:
        if error.row is None:
            return f"{base} and {candidate}"
        source, row = (sources[0], error.row) if error.row < first else (sources[1], error.row - first)
        return source.where(TableError(error.message, row=row, column=error.column))

    with located(where):
        return _sides(table, metrics[0], terms.goal, base, candidate, 0.0, 0.05, terms.seeds)


def _one_configuration(name: str, reading: Reading, metric: str | None) -> Source:
    from rigorkd.readers.kinds import read_sources
    from rigorkd.report.sources import understood

    tables = [_named(table, name, reading) for table in read_sources([name], reading)]
    found = understood(tables, reading, metric, Path(name).stem)
    if len(cells := sorted(set(map(str, found.table["cell"])))) > 1:
        raise InputError(
            f"{name}: {len(cells)} cells: {', '.join(cells[:4])}{' …' if len(cells) > 4 else ''}",
            hint=f"name two cells of it: rigorkd gate '{cells[0]}' '{cells[1]}' --in {name}",
        )
    return replace(found, table=found.table.assign(cell=name))


def _named(table: RawTable, name: str, reading: Reading) -> RawTable:
    """A table that does not say what its configuration is called is called by its name."""
    if reading.cell or reading.wide or table.settings or "cell" in map(str.casefold, map(str, table.frame)):
        return table
    return replace(table, frame=table.frame.assign(cell=name))


def _refuse_same(base: str, candidate: str) -> None:
    if base == candidate:
        raise InputError(f"{base} is compared with itself", hint="name a base and another candidate")


def _sides(
    table: pd.DataFrame,
    metric: str | None,
    goal: Goal | None,
    base: str,
    candidate: str,
    margin: float,
    alpha: float,
    asked_for: tuple[int, ...] | None,
) -> Sides:
    runs = read_runs(table, metric)
    known = BY_NAME.get(runs.metric)
    goal = goal_of(runs.metric, goal or (known.goal if known else None))
    there: dict[str, dict[int, float]] = {}
    for name in (base, candidate):
        row = runs.position(name)
        ended = ~np.isnan(runs.values[row]) | runs.diverged[row]
        there[name] = {
            seed: float(value)
            for seed, value, here in zip(runs.seeds, runs.values[row], ended, strict=True)
            if here
        }
    both = sorted(there[base].keys() & there[candidate].keys())
    return Sides(
        base=base,
        candidate=candidate,
        values={seed: (there[base][seed], there[candidate][seed]) for seed in both},
        runs=runs,
        asked=Asked(alpha, margin, runs.metric, goal),
        alone={name: _alone(one.keys() - set(both), asked_for) for name, one in there.items()},
    )


def _alone(seeds: set[int], asked_for: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(sorted(seed for seed in seeds if asked_for is None or seed in asked_for))


# ---------------------------------------------------------------------------------------------- the verdict


def gate(sides: Sides, terms: Terms, ledger: Path | None = None) -> Gated:
    """The verdict on the candidate; with a ledger, as one comparison of its search.

    Raises:
        InputError: it cannot be compared, or never be decided; says what to do instead.
        StoreError: the ledger was edited.
    """
    asked = _settled(sides.asked, terms)
    if ledger is None:
        found = _gate(asked, asked.alpha, terms)
        values, left_out = _usable(sides, terms, {})
        return _judged(found, sides, _pairs(sides, (), values), left_out)
    if sides.runs.smoke:
        raise InputError(
            "smoke runs are no results: no ledger takes them", hint="leave --ledger out, or --smoke"
        )
    if known_search(ledger) is None:  # what is refused now leaves no empty file behind
        _gate(asked, Budget(asked.alpha).next_level, terms)
        _usable(sides, terms, {})
    with opened_ledger(ledger) as book:
        return _in_search(book, sides, terms, asked)


def _settled(own: Asked, terms: Terms) -> Asked:
    margin = own.margin if terms.margin is None else terms.margin
    alpha = own.alpha if terms.alpha is None else terms.alpha
    return replace(own, margin=margin, alpha=alpha)


def _gate(asked: Asked, level: float, terms: Terms) -> Gate:
    with located(lambda _: "rigorkd gate"):
        found = Gate(asked.goal, asked.margin, level, asked.alpha, terms.most)
    with located(lambda _: f"--max-seeds {terms.most}"):
        found.refuse_hopeless()
    return found


def _judged(found: Gate, sides: Sides, pairs: Pairs, left_out: Sequence[LeftOut]) -> Gated:
    differences = np.array(pairs.candidate_values) - np.array(pairs.base_values)
    differences = differences[~np.isnan(differences)]
    spread = float(differences.std(ddof=1)) if differences.size > 1 else 0.0
    phrasing = Phrasing.of(sides.runs, found.goal, spread)
    warnings = (*sides.warnings, *_large_margin(sides, found.margin))
    result = judge(found, pairs, sides.asked.metric, phrasing, left_out=left_out, warnings=warnings)
    if not sides.runs.smoke:
        return result
    undecided = GateVerdict.UNDECIDED
    return replace(
        result,
        verdict=undecided,
        exit_code=undecided.exit_code,
        decided_at=None,
        futile=True,
        says=f"undecided: {sides.candidate} against {sides.base}, smoke runs decide nothing.",
    )


def _large_margin(sides: Sides, margin: float) -> Iterator[str]:
    """A margin in points, where accuracies are fractions, would let nothing through."""
    metric, largest = sides.asked.metric, max((max(pair) for pair in sides.values.values()), default=0.0)
    if margin >= 0.05 and is_accuracy(metric) and largest <= 1:
        yield f"a margin of {margin:g} is {100 * margin:g} points here: {metric} is in fractions of 1"


def _usable(
    sides: Sides, terms: Terms, used_up: Mapping[str, Sequence[int]]
) -> tuple[Values, tuple[LeftOut, ...]]:
    """The pairs that may count, and why others may not. InputError where there is none."""
    reasons: list[tuple[Sequence[int], str]] = [(seeds, why) for why, seeds in used_up.items()]
    reasons.append((sides.for_choosing, "the protocol keeps them for choosing"))
    values, left_out = dict(sides.values), []
    if terms.seeds is not None:
        values = {seed: pair for seed, pair in values.items() if seed in terms.seeds}
        if others := tuple(sorted(sides.values.keys() - values.keys())):  # else one could choose them unseen
            left_out.append(LeftOut(others, "--seeds leaves them out"))
    for seeds, why in reasons:
        if gone := tuple(sorted(set(seeds) & values.keys())):
            left_out.append(LeftOut(gone, why))
            values = {seed: pair for seed, pair in values.items() if seed not in gone}
    if not values:
        reason = [f"{listed_seeds(one.seeds)} do not count: {one.why}" for one in left_out]
        free = max((seed for one in left_out for seed in one.seeds), default=-1) + 1
        raise InputError(
            f"{sides.candidate} and {sides.base} have no pair of runs to compare"
            + (f" (seeds {'; '.join(reason)})" if reason else ""),
            hint="run both at the same fresh seeds" + (f", from {free} on" if free else ", such as 0:5"),
        )
    return values, tuple(left_out)


def _pairs(sides: Sides, noted: Sequence[int], values: Values) -> Pairs:
    """The pairs in their order: those that were noted before, then the new ones by seed."""
    seeds = (*noted, *sorted(values.keys() - set(noted)))
    both = [values[seed] for seed in seeds]
    return Pairs(sides.base, sides.candidate, seeds, tuple(a for a, _ in both), tuple(b for _, b in both))


def _in_search(book: Ledger, sides: Sides, terms: Terms, asked: Asked) -> Gated:
    search = book.search
    one = None
    if search is not None:
        asked = _as_begun(search, sides.asked, terms)
        one = search.find(sides.base, sides.candidate)
        if one is None and sides.base != search.base:
            raise _other_base(search, sides.base)
    budget = Budget(asked.alpha) if search is None else search.budget
    found = _gate(asked, budget.next_level if one is None else one.level, _open(terms, one))
    noted = () if one is None else one.seeds
    values: dict[int, tuple[float, float]] = {}
    if one is not None:
        values = {seed: _noted(book.path, one, sides, seed) for seed in noted}
    left_out: tuple[LeftOut, ...] = ()
    if one is None or not one.decided:
        used_up = {} if search is None else search.used_up(sides.base, sides.candidate)
        more, left_out = _usable(sides, terms, used_up)
        values.update(more)
    if search is None:
        search = book.start(asked, sides.base)
    if one is None:
        one = book.begin(sides.base, sides.candidate)
    pairs = _pairs(sides, one.seeds, values)
    result = _judged(found, sides, pairs, left_out)
    if not one.decided:
        one = book.look(one, pairs, result.verdict)
    assert book.search is not None
    warnings = (*result.warnings, *_torn(book.search))
    return with_search(replace(result, warnings=warnings), book.search, one)


def _open(terms: Terms, one: Comparison | None) -> Terms:
    """What was decided needs no seeds."""
    return replace(terms, most=None) if one is not None and one.decided else terms


def _as_begun(search: Search, own: Asked, terms: Terms) -> Asked:
    """What the search asks; InputError where something else is asked now."""
    begun = search.asked
    now = {"metric": own.metric, "goal": own.goal, "margin": terms.margin, "alpha": terms.alpha}
    for name, value in now.items():
        if value is not None and value != getattr(begun, name):
            raise InputError(
                f"{search.path}: this search asks with {name} {getattr(begun, name)}, not {value}",
                hint=f"give --{name} {getattr(begun, name)}, or another ledger: another question is another "
                "search, with an alpha of its own",
            )
    return begun


def _other_base(search: Search, base: str) -> InputError:
    since = ", which was accepted in its place" if base in _bases(search) else ""
    return InputError(
        f"{search.path}: the base is {search.base}{since}, not {base}",
        hint=f"compare with {search.base}, on fresh seeds; another search needs another ledger",
    )


def _bases(search: Search) -> set[str]:
    return {one.base for one in search.comparisons}


def _noted(path: Path, one: Comparison, sides: Sides, seed: int) -> tuple[float, float]:
    """A pair that the ledger has seen: it must be there as it was."""
    at = one.seeds.index(seed)
    before = tuple(
        float("nan") if value is None else value for value in (one.base_values[at], one.candidate_values[at])
    )
    now = sides.values.get(seed)
    if now is None:
        raise InputError(
            f"{path}: it has seen {sides.candidate} and {sides.base} at seed {seed}, which is gone",
            hint="bring these runs back: seeds cannot be taken away again",
        )
    for name, old, new in zip((sides.base, sides.candidate), before, now, strict=True):
        if old != new and not (old != old and new != new):
            raise InputError(
                f"{path}: {name} had {old:g} at seed {seed}, and now has {new:g}",
                hint="bring the run back that was judged; a changed candidate is a new one, with a new name",
            )
    return now


def _torn(search: Search) -> tuple[str, ...]:
    return tuple(
        f"{search.path}:{line}: the line was torn; it spends {level:.2g} of alpha, as a comparison would"
        for line, level in search.torn
    )


# ------------------------------------------------------------------------------------- before anything is run


@dataclass(frozen=True)
class Before:
    """What is known of a comparison before its runs: what it asks, and the seeds that may not be used for it.

    `noted` are those that the ledger has seen, if it began before.
    """

    gate: Gate
    used: frozenset[int]
    noted: tuple[int, ...] = ()


def asked_of(metric: str, goal: Goal | None, sesoi: float | None, alpha: float) -> Asked:
    """What a protocol asks of two of its cells."""
    known = BY_NAME.get(metric)
    with located(lambda _: "the protocol's analysis"):
        return Asked(alpha, sesoi or 0.0, metric, goal_of(metric, goal or (known.goal if known else None)))


def before(asked: Asked, base: str, candidate: str, terms: Terms, ledger: Path | None) -> Before:
    """Refuse what `gate` would refuse, before anything is trained for it; nothing is spent.

    Raises:
        InputError: the base is another one by now, or so few seeds can never decide.
    """
    _refuse_same(base, candidate)
    asked = _settled(asked, terms)
    search = None
    if ledger is not None:
        search = known_search(ledger)
        refuse_unwritable(ledger)
    if search is None:
        level = asked.alpha if ledger is None else Budget(asked.alpha).next_level
        return Before(_gate(asked, level, terms), frozenset())
    asked = _as_begun(search, asked, terms)
    one = search.find(base, candidate)
    if one is None and base != search.base:
        raise _other_base(search, base)
    found = _gate(asked, search.budget.next_level if one is None else one.level, _open(terms, one))
    used = {seed for seeds in search.used_up(base, candidate).values() for seed in seeds}
    noted = () if one is None else one.seeds
    return Before(found, frozenset(used - set(noted)), noted)
