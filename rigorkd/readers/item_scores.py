"""Evaluations that keep every item's score: a run's value is the mean over its items, and items are crossed
with seeds for intervals over new items too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from rigorkd.readers.raw import RawTable


@dataclass(frozen=True)
class Scored:
    """One metric of one run: each item's score by the item's name.

    Attributes:
        score: by the item's name.
        cluster: the group that an item comes in, as far as the log says; one that is not there is its own.
    """

    score: Mapping[str, float]
    cluster: Mapping[str, str] = field(default_factory=dict)

    def is_mean(self, value: float) -> bool:
        """Whether a run's value is the mean of these scores, as printed to six digits or more."""
        mean = sum(self.score.values()) / len(self.score)
        return abs(mean - value) <= 1e-6 * max(1.0, abs(value))


Scores = Mapping[str, Scored]
"""Of one run: by metric."""


@dataclass(frozen=True)
class Items:
    """Each row's scores of items."""

    of: tuple[Scores, ...]

    def rows(self, keep: NDArray[Any]) -> Items:
        """Those of some rows, by position or mask."""
        return Items(tuple(self.of[at] for at in np.arange(len(self.of))[keep]))

    def reader(self, table: RawTable, metric: str) -> Callable[[str, int], Any] | None:
        """What reads a run's items as right or wrong answers; None where scores are no such answers, or where
        the runs were not scored on the same items."""
        from rigorkd_analysis.runs import seed_of
        from rigorkd_analysis.stats.new_images import Predictions

        frame = table.frame
        found: dict[tuple[str, int], Scored] = {}
        for row in _there(frame):
            scored, cell, number = self.of[row].get(metric), frame["cell"][row], seed_of(frame["seed"][row])
            if scored is None or number is None:
                return None
            found[cell, number] = scored
        names = {frozenset(one.score) for one in found.values()}
        if len(names) != 1 or not all(set(one.score.values()) <= {0.0, 1.0} for one in found.values()):
            return None
        order = sorted(next(iter(names)))
        if len(order) < 2:
            return None
        cluster = _clusters([one.cluster for one in found.values()], order)

        def read(cell: str, seed: int) -> Any:
            scored = found.get((cell, seed))
            if scored is None:
                return None
            right = np.array([scored.score[name] for name in order], dtype=np.int64)
            return Predictions(np.ones(len(order), dtype=np.int64), right, cluster, "items")

        return read

    def apart(self, table: RawTable, metric: str) -> str:
        """Which runs were scored on other items than most of their task, and which items; "" if none was."""
        frame = table.frame
        tasks: defaultdict[tuple[str, ...], defaultdict[frozenset[str], list[int]]]
        tasks = defaultdict(lambda: defaultdict(list))
        columns = [name for name in _OF_A_TASK if name in frame]
        for row in _there(frame):
            if (scored := self.of[row].get(metric)) is not None:
                task = tuple(str(frame[name][row]) for name in columns)
                tasks[task][frozenset(scored.score)].append(row)
        told = []
        for by_items in tasks.values():
            usual = max(by_items, key=lambda items: len(by_items[items]))
            like = f"{frame['cell'][by_items[usual][0]]}/seed-{frame['seed'][by_items[usual][0]]}"
            for items, rows in by_items.items():
                if items == usual:
                    continue
                runs = [f"{frame['cell'][row]}/seed-{frame['seed'][row]}" for row in rows]
                parts = [
                    f"{how} {count(len(names), 'item')} ({some_of(sorted(names), _NAMED)})"
                    for how, names in (("without", usual - items), ("with another", items - usual))
                    if names
                ]
                told.append(f"{some_of(runs, _NAMED)} {' and '.join(parts)} beside {like}")
        return some_of(told, _NAMED)


_OF_A_TASK = ("task", "dataset")
"""Columns that say what runs are tested on."""
_NAMED = 3
"""Runs, and items, that a message names."""


def _there(frame: pd.DataFrame) -> list[int]:
    """The rows of runs that have ended."""
    return [row for row in range(len(frame)) if "status" not in frame or frame["status"][row] != "missing"]


def _clusters(told: Sequence[Mapping[str, str]], order: Sequence[str]) -> NDArray[np.int64] | None:
    """Each item's group by number, None where each is its own; what one run says of an item holds for all."""
    names = {item: name for own in told for item, name in own.items()}
    numbers: dict[tuple[str, str], int] = {}
    keys = [("group", names[item]) if item in names else ("item", item) for item in order]
    cluster = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
    return cluster if len(numbers) < len(order) else None
