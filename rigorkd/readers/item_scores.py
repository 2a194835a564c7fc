"""Evaluations that keep every item's score: a run's value is the mean over its items, and items are crossed
with seeds for intervals over new items too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rigorkd.readers.raw import RawTable

Scores = Mapping[str, Mapping[str, float]]
"""Of one file: per metric, each item's score by the item's name."""


@dataclass(frozen=True)
class Items:
    """Each file's scores of items."""

    of: Mapping[str, Scores]

    def reader(self, table: RawTable, metric: str) -> Callable[[str, int], Any] | None:
        """What reads a run's items as right or wrong answers; None where scores are no such answers, or where
        the runs were not scored on the same items."""
        from rigorkd_analysis.runs import seed_of
        from rigorkd_analysis.stats.new_images import Predictions

        frame = table.frame
        found: dict[tuple[str, int], Mapping[str, float]] = {}
        for row, (cell, seed) in enumerate(zip(frame["cell"], frame["seed"], strict=True)):
            scores = self.of.get(table.files[int(table.file_of[row])], {}).get(metric)
            number = seed_of(seed)
            if "status" in frame and frame["status"].iloc[row] == "missing":
                continue
            if scores is None or number is None:
                return None
            found[cell, number] = scores
        names = {frozenset(scores) for scores in found.values()}
        if len(names) != 1 or not all(set(scores.values()) <= {0.0, 1.0} for scores in found.values()):
            return None
        order = sorted(next(iter(names)))
        if len(order) < 2:
            return None

        def read(cell: str, seed: int) -> Any:
            scores = found.get((cell, seed))
            if scores is None:
                return None
            right = np.array([scores[name] for name in order], dtype=np.int64)
            return Predictions(target=np.ones(len(order), dtype=np.int64), prediction=right)

        return read
