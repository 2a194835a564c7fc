"""The tutorial's rule of an outlying seed is the one that is coded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.outliers import FAR_POOLED, FAR_ROBUST, ROBUST_FROM
from scipy import stats

TUTORIAL = " ".join(
    (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8").split()
).partition("### When a seed is outlying")[2]

#: Six seeds of a script's study: the baseline's run at the last fell, and both partners with it.
BASE = (77.17, 84.5, 75.33, 82.83, 73.0, 51.5)
PARTNERS = {
    "kd-T4-w0.9": (84.33, 90.67, 85.17, 88.33, 86.0, 73.33),
    "kd-T4-w0.5": (84.17, 87.83, 84.83, 87.67, 83.0, 68.5),
}


def quantile(df: int) -> float:
    return float(stats.t.isf(stats.norm.sf(3.0), df))


def told(values: np.ndarray) -> set[int]:
    """The seeds that the analysis calls outlying, or far behind, of a cell and its baseline."""
    names = (("kd", "kd"), ("base", "baseline"))
    rows = [
        {"cell": cell, "method": method, "seed": seed, "test_top1": value}
        for (cell, method), own in zip(names, values, strict=True)
        for seed, value in enumerate(own)
    ]
    (one,) = analyze(pd.DataFrame(rows), Plan()).family("gains").comparisons
    said = [text for text in one.warnings if text.startswith(("an outlying seed", "a seed far behind"))]
    return {int(seed) for text in said for seed in re.findall(r"at seed (\d+)", text)}


def as_written(values: np.ndarray) -> set[int]:
    """The same by the tutorial's words."""
    cells, n = values.shape
    away = np.abs(values - np.median(values, axis=1, keepdims=True))
    robust = 1.4826 * np.median(away, axis=1)
    d = values[0] - values[1]
    found = set()
    for cell, seed in np.ndindex(cells, n):
        own = np.delete(values[cell], seed)
        others = [own if other == cell else values[other] for other in range(cells)]
        df = sum(len(one) - 1 for one in others)
        pooled = np.sqrt(sum(((one - one.mean()) ** 2).sum() for one in others) / df)
        far = n >= 5 and away[cell, seed] > 5 * max(robust[cell], np.median(robust))
        far |= n >= 3 and away[cell, seed] > max(3 * own.std(ddof=1), quantile(df) * pooled)
        rest = np.delete(d, seed)
        if far and abs(d[seed] - rest.mean()) > 3 * rest.std(ddof=1):
            found.add(seed)
    return found


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_rule_as_written_is_the_rule_as_coded(n: int) -> None:
    draw = np.random.default_rng(n)
    seen = 0
    for turn in range(25):
        values = 80 + draw.normal(size=n) + 0.5 * draw.normal(size=(2, n))
        values[turn % 2, 0] -= 8 * draw.random()
        seen += len(as_written(values))
        assert told(values) >= as_written(values)  # a collapse is told whatever its difference is
        assert {seed for seed in told(values) - as_written(values) if seed} == set()
    assert seen


def test_of_two_like_pairs_that_with_the_partner_that_fell_less_is_told() -> None:
    found = {name: told(np.array([own, BASE])) for name, own in PARTNERS.items()}
    assert found == {"kd-T4-w0.9": {5}, "kd-T4-w0.5": set()}
    assert found == {name: as_written(np.array([own, BASE])) for name, own in PARTNERS.items()}
    assert "only that may be starred whose partner fell less" in TUTORIAL


def test_its_numbers_are_those_of_the_code() -> None:
    assert (FAR_ROBUST, FAR_POOLED, ROBUST_FROM) == (5.0, 3.0, 5)
    assert "of five runs or more, 5 robust standard deviations (1.4826 ×" in TUTORIAL
    assert f"{quantile(9):.1f} for two cells of six runs, {quantile(37):.1f} for two of 20" in TUTORIAL
