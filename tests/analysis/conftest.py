"""Tables that the tests of the analysis share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PUBLISHED = Path(__file__).parents[2] / "analysis" / "published"

TableOf = Callable[..., pd.DataFrame]


@pytest.fixture
def published() -> Path:
    """The folder of published tables."""
    return PUBLISHED


@pytest.fixture
def table_of() -> TableOf:
    """Make a tidy table from values per cell: table_of({"base": [...], "kd-T4": [...]}, T={"kd-T4": 4}).

    A cell whose name ends in `base` has the method baseline, any other the method kd; keywords set columns.
    """

    def make(
        values: dict[str, object], metric: str = "test_top1", **columns: dict[str, object]
    ) -> pd.DataFrame:
        rows = []
        for cell, numbers in values.items():
            for seed, number in enumerate(np.asarray(numbers, dtype=np.float64)):
                row: dict[str, object] = {
                    "cell": cell,
                    "seed": seed,
                    "method": "baseline" if cell.endswith("base") else "kd",
                    metric: number,
                }
                row.update({name: by_cell.get(cell, "") for name, by_cell in columns.items()})
                rows.append(row)
        return pd.DataFrame(rows)

    return make
