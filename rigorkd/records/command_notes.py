"""What is to be known of a study whose runs commands train, beside its numbers.

rigorkd's engine makes the cells of a seed share data, order and first weights. Whether a command does nobody
can tell from outside; how much the runs of a seed have in common, their numbers show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import StatisticsError, correlation, median

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.cohorts import gain_pairs
from rigorkd.protocol.load import Protocol
from rigorkd.records.record import Record
from rigorkd.text import count

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
        *_seedless(records, metric),
        *_alike(cells, records),
    ]


def _by_cell(records: Iterable[Record], metric: str) -> Values:
    values: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for record in records:
        value, seed = record.metrics.get(metric), record.fields["seed"]
        if value is not None and seed is not None:
            values[str(record.fields["cell"])][int(seed)] = value
    return values


def _correlations(cells: list[Cell], values: Values, metric: str) -> str:
    """The correlations of each distilled cell with its baseline over their seeds."""
    found = []
    for cell, baseline in gain_pairs(cells, cells):
        seeds = sorted(values.get(cell, {}).keys() & values.get(baseline, {}).keys())
        if len(seeds) >= FEWEST:
            try:
                pair = ([values[name][seed] for seed in seeds] for name in (cell, baseline))
                found.append(correlation(*pair))
            except StatisticsError:  # one of them is constant
                continue
    if not found:
        return ""
    over = f" to {max(found):.2f}" if len(found) > 1 else ""
    which = f"median {median(found):.2f}, {min(found):.2f}{over}" if over else f"{found[0]:.2f}"
    gains = count(len(found), "gain")
    return f"; correlation of {metric} by seed, each gain with its baseline: {which} ({gains})"


def _alike(cells: list[Cell], records: list[Record]) -> Iterator[str]:
    """How many cells of one student have equal numbers at every seed, and in what they should differ."""
    numbers: defaultdict[str, dict[int, dict[str, float | None]]] = defaultdict(dict)
    for record in records:
        if (seed := record.fields["seed"]) is not None:
            told = {name: value for name, value in record.metrics.items() if name != "train_seconds"}
            numbers[str(record.fields["cell"])][int(seed)] = told
    groups: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        found = numbers.get(cell.name, {})
        if (
            cell.role == "student"
            and len(found) >= FEWEST
            and len({str(each) for each in found.values()}) > 1
        ):
            key = sorted((seed, sorted(told.items())) for seed, told in found.items())
            groups[f"{cell.student} {key}"].append(cell)
    alike, first, axes = 0, "", dict[str, None]()
    for members in groups.values():
        told_apart = list(_told_apart(members))
        if told_apart:
            alike, first = alike + len(members), first or f"{members[0].name}, {members[1].name}"
            axes |= dict.fromkeys(told_apart)
    if alike:
        yield (
            f"{alike} cells have the same numbers as another at every seed (first {first}): "
            f"{', '.join(axes)} may not reach the training, unless the metric is so coarse"
        )


def _told_apart(members: list[Cell]) -> Iterator[str]:
    """What a command is told of these cells that is not the same in all."""
    values: list[dict[str, object]] = [
        {**dict(cell.trainer.values), "start": cell.start, "teacher": cell.teacher}
        for cell in members
        if cell.trainer is not None
    ]
    for name in dict.fromkeys(name for each in values for name in each):
        if any(each.get(name) != values[0].get(name) for each in values):
            yield name


def _seedless(records: list[Record], metric: str) -> Iterator[str]:
    """Cells in which no number changes with the seed, and cells in which only the metric does not."""
    by_cell: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.fields["seed"] is not None:
            by_cell[str(record.fields["cell"])].append(record)
    still: dict[bool, list[str]] = {True: [], False: []}
    for cell, members in by_cell.items():
        if len(members) > 1 and len({record.metrics.get(metric) for record in members}) == 1:
            others = {name for record in members for name in record.metrics} - {"train_seconds"}
            all_still = all(len({record.metrics.get(name) for record in members}) == 1 for name in others)
            still[all_still].append(cell)
    for all_still, cells in still.items():
        if cells:
            named = f"{metric} is the same at every seed in {count(len(cells), 'cell')} (first {cells[0]})"
            yield f"{named}: your seed does not reach the training" if all_still else named
