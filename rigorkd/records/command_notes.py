"""What is to be known of a study whose runs commands train, beside its numbers.

rigorkd's engine makes the cells of a seed share data, order and first weights. Whether a command does nobody
can tell from outside; how much the runs of a seed have in common, their numbers show.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import StatisticsError, correlation, median

from rigorkd_analysis.analysis_plan import SHARED_INPUTS
from rigorkd_analysis.metric_names import is_cost, is_peak_of_test

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.cohorts import gain_pairs
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.trainer import OF_A_RUN, CellTrainer
from rigorkd.records.command_code import WRITTEN, hashed, is_argument, noted
from rigorkd.records.mixed_files import mixed
from rigorkd.records.record import Record
from rigorkd.records.teacher_code import untold_in_code
from rigorkd.records.teacher_paths import Untold, left_by_teachers, words_of
from rigorkd.text import count, some_of

NOT_VOUCHED = (
    "trained by commands: rigorkd cannot vouch that the cells of a seed share data, their order or first "
    "weights"
)
FEWEST = 3
"""Seeds below which a correlation says nothing."""

Values = Mapping[str, Mapping[int, float]]
"""A metric by cell and seed."""


def command_notes(protocol: Protocol, records: Iterable[Record]) -> list[str]:
    """What is not vouched for, with what the finished runs show of it; nothing for a study of the engine."""
    cells = [cell for cell in protocol.cells if cell.trainer is not None]
    if not cells:
        return []
    records = list(records)
    metric = protocol.spec.analysis.metric
    return [
        NOT_VOUCHED + _correlations(cells, _by_cell(records, metric), metric),
        *_seedless(cells, records, metric),
        *_alike(cells, records),
    ]


@dataclass(frozen=True)
class Doubt:
    """Why numbers may not be what they seem; `runs` whose numbers these are, None where it may be any."""

    says: str
    runs: frozenset[str] | None = None


@dataclass(frozen=True)
class Doubts:
    """What is doubted of finished runs, to be asked of those that are judged."""

    untold: tuple[Untold, ...]
    records: tuple[Record, ...]

    def among(self, judged: Collection[str]) -> list[Doubt]:
        """The doubts of these runs and of the teachers and starts that they were trained from, of no others.

        All that there is, where a run is called otherwise than its record.
        """
        by_run = {record.run: record for record in self.records}
        if not by_run.keys() >= set(judged):
            judged = by_run.keys()
        used = {run: self._used_by(by_run[run]) for run in judged}
        found = []
        for one in self.untold:
            if concerned := [run for run in used if str(by_run[run].fields["cell"]) in one.cells]:
                found.append(Doubt(one.says, frozenset(concerned)))
        every = dict.fromkeys(record.run for records in used.values() for record in records)
        there = [record for record in self.records if record.run in every]
        for file in mixed(there, but=[one.path for one in self.untold]):
            concerned = [run for run, of in used.items() if not file.runs.isdisjoint(each.run for each in of)]
            found.append(Doubt(file.says, frozenset(concerned)))
        return found

    def _used_by(self, record: Record) -> list[Record]:
        """A record with those that it was trained from, as it names them."""
        found, left = {record.run: record}, [record]
        while left:
            one = left.pop()
            for kind in ("teacher", "start"):
                before = self._before(one, kind)
                if before is not None and before.run not in found:
                    found[before.run] = before
                    left.append(before)
        return [*found.values()]

    def _before(self, record: Record, kind: str) -> Record | None:
        """The teacher or start of a record: by its hash, else by its cell at the same seed."""
        by_hash, by_run = self._index
        if (known := by_hash.get(str(record.fields.get(f"{kind}_run_hash")))) is not None:
            return known
        cell = record.fields.get("teacher" if kind == "teacher" else "start_cell")
        runs = (f"{cell}/seed-{record.fields['seed']}", f"{cell}/seed-fixed")
        return next((by_run[run] for run in runs if cell and run in by_run), None)

    @cached_property
    def _index(self) -> tuple[dict[str, Record], dict[str, Record]]:
        return (
            {str(record.fields.get("run_hash")): record for record in self.records},
            {record.run: record for record in self.records},
        )


def command_doubts(protocol: Protocol, records: Iterable[Record]) -> Doubts:
    """What may be doubted of the finished runs of commands."""
    untold = untold_in_code(protocol.cells, protocol.path.parent.absolute())
    return Doubts(tuple(untold), tuple(records))


def _by_cell(records: Iterable[Record], metric: str) -> Values:
    values: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for record in records:
        value, seed = record.metrics.get(metric), record.fields["seed"]
        if value is not None and seed is not None:
            values[str(record.fields["cell"])][int(seed)] = value
    return values


def _correlations(cells: list[Cell], values: Values, metric: str) -> str:
    """The correlations of each distilled cell with its baseline over their seeds."""
    found, sizes = [], set()
    for cell, baseline in gain_pairs(cells, cells):
        seeds = sorted(values.get(cell, {}).keys() & values.get(baseline, {}).keys())
        if len(seeds) >= FEWEST:
            try:
                pair = ([values[name][seed] for seed in seeds] for name in (cell, baseline))
                found.append(correlation(*pair))
                sizes.add(len(seeds))
            except StatisticsError:  # one of them is constant
                continue
    if not found:
        return ""
    from rigorkd_analysis.wording import number_text

    middle, low, high = (number_text(function(found), 2) for function in (median, min, max))
    which = f"median {middle}, {low} to {high}" if len(found) > 1 else low
    finished = (
        f"{min(sizes)} to {max(sizes)} finished seeds"
        if len(sizes) > 1
        else f"all {max(sizes)} finished seeds"
    )
    return (
        f"; correlation of {metric} over {finished}, each gain with its baseline: {which} "
        f"({count(len(found), 'gain')})"
    )


def _alike(cells: list[Cell], records: list[Record]) -> Iterator[str]:
    """How many cells have equal numbers at every seed, and in what they should differ."""
    numbers: defaultdict[str, dict[int, dict[str, float | None]]] = defaultdict(dict)
    for record in records:
        if (seed := record.fields["seed"]) is not None:
            # what a run took is never the same twice, also where a script reports it
            told = {name: value for name, value in record.metrics.items() if not is_cost(name)}
            numbers[str(record.fields["cell"])][int(seed)] = told
    groups: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        found = numbers.get(cell.name, {})
        if (
            cell.role == "student"
            and len(found) >= FEWEST
            and len({str(each) for each in found.values()}) > 1
        ):
            groups[str(sorted((seed, sorted(told.items())) for seed, told in found.items()))].append(cell)
    alike, first, axes, by_default = 0, "", dict[str, None](), ""
    for members in groups.values():
        told_apart = list(_told_apart(members))
        if told_apart:
            alike, first = alike + len(members), first or f"{members[0].name}, {members[1].name}"
            axes |= dict.fromkeys(told_apart)
            if len({cell.method.distils for cell in members}) > 1:
                by_default = " or the script's defaults distil a baseline, too,"
    if alike:
        yield (
            f"{alike} cells have the same numbers as another at every seed (first {first}): "
            f"{', '.join(axes)} may not reach the training,{by_default} unless the metric is so coarse"
        )


def _told_apart(members: list[Cell]) -> Iterator[str]:
    """What a command is told of these cells that is not the same in all."""
    values = [_told(cell, cell.trainer) for cell in members if cell.trainer is not None]
    for name in dict.fromkeys(name for each in values for name in each):
        if any(each.get(name) != values[0].get(name) for each in values):
            yield name


def _told(cell: Cell, by: CellTrainer) -> dict[str, object]:
    """The placeholders that are left of a cell's command, with what stands for them; a function gets all."""
    values: dict[str, object] = {**dict(by.values), "start": cell.start, "teacher": cell.teacher}
    if by.trainer.function is not None:
        return values
    known = {*dict(by.values), *OF_A_RUN}
    asked = {name for template in by.trainer.templates().values() for name in template.asks(known)}
    return {name: value for name, value in values.items() if name in asked}


def _seedless(cells: list[Cell], records: list[Record], metric: str) -> Iterator[str]:
    """Cells in which no number changes with the seed, and cells in which only their metric does not.

    That of a teacher or start with metrics of its own is the first of them.
    """
    own = {cell.name: cell.trainer.trainer.metrics for cell in cells if cell.trainer is not None}
    by_cell: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.fields["seed"] is not None:
            by_cell[str(record.fields["cell"])].append(record)
    still: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for cell, members in by_cell.items():
        names = own.get(cell) or {metric: "max"}
        mine = metric if metric in names or metric in members[0].metrics else next(iter(names))
        found = {record.metrics.get(mine) for record in members}
        if len(members) > 1 and len(found) == 1 and None not in found:
            others = {name for record in members for name in record.metrics} - {"train_seconds"}
            all_still = all(len({record.metrics.get(name) for record in members}) == 1 for name in others)
            still[all_still, mine].append(cell)
    for (all_still, mine), found_in in sorted(still.items(), key=lambda each: not each[0][0]):
        named = f"{mine} is the same at every seed in {count(len(found_in), 'cell')} (first {found_in[0]})"
        yield f"{named}: your seed does not reach the training" if all_still else named


def shared_inputs(protocol: Protocol, records: Iterable[Record]) -> tuple[str, ...]:
    """The condition that names the files of students which were the same at all seeds, none without any.

    These are inputs, and arguments of commands that are not among them: no hash covers those. One of them may
    be a teacher: then no interval has the variation between teachers in it.
    """
    words = {cell.name: words_of(cell) for cell in protocol.cells if cell.trainer is not None}
    left = set(map(os.path.normpath, left_by_teachers(protocol.cells, protocol.path.parent.absolute())))
    contents: defaultdict[str, set[str]] = defaultdict(set)
    seeds: defaultdict[str, set[object]] = defaultdict(set)
    unseen: set[str] = set()
    for record in records:
        if record.fields.get("role") != "student":
            continue
        own = words.get(str(record.fields.get("cell")), [])
        beside = {
            file: content
            for file, content in noted(record).items()
            if file not in left and is_argument(file, own)
        }
        unseen |= beside.keys()
        for file, content in (*hashed(record).items(), *beside.items()):
            contents[file].add(content)
            seeds[file].add(record.fields.get("seed"))
    same = sorted(
        file
        for file, found in contents.items()
        if len(found) == 1 and WRITTEN not in found and len(seeds[file]) > 1
    )
    if not same:
        return ()
    bare = [file for file in same if file in unseen]
    which = ("it" if len(same) == 1 else "them") if bare == same else some_of(bare, 4)
    told = f"{some_of(same, 4)}; no hash covers {which}" if bare else some_of(same, 4)
    return (f"{SHARED_INPUTS}{told.replace(', ', '; ')})",)


def best_of_epochs(cells: Iterable[Cell]) -> dict[str, str]:
    """The metrics that are the best of many epochs on test data by the names that they are read by.

    `acc` is one that is read as `results.best_acc`, where nothing that is read names validation data.
    """
    found: dict[str, str] = {}
    for by in {cell.trainer.trainer: None for cell in cells if cell.trainer and cell.role == "student"}:
        read = {metric: metric for metric in by.metrics} | by.result.keys
        found |= {metric: key for metric, key in read.items() if is_peak_of_test(key, read.values())}
    return found
