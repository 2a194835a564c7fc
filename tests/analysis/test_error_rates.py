"""Error rates of the overall and primary questions and of the declared tests, by seeded simulation.

Twelve structures of null gains over one shared baseline, 20,000 replicates each; at most .055 and two Monte
Carlo errors. Under a complete null Holm rejects anything where the smallest of m p-values is below α/m.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.moderated import moderated
from rigorkd_analysis.stats.moments import Moments
from rigorkd_analysis.stats.paired import Settings, t_test, tost
from rigorkd_analysis.stats.sample_size import refusal
from rigorkd_analysis.stats.welch import DOMINANT, unpaired_columns

pytestmark = pytest.mark.slow

REPLICATES = 20_000
BLOCK = 2_000
MOST = 0.055 + 2 * np.sqrt(0.055 * 0.945 / REPLICATES)
Floats = NDArray[np.float64]

STRUCTURES = (
    *("equal", "unequal", "one cell × 3", "baseline × 3", "t3 tails", "autoregressive", "shared teacher"),
    *("400 images", "10,000 images", "missing seeds", "seed pairs at .9", "two groups of variances"),
)


def cells(rng: np.random.Generator, structure: str, m: int, n: int) -> Floats:
    """Null accuracies (BLOCK, 1 + m, n): the baseline first; seed pairs correlate by .3 unless said."""
    r = 0.9 if structure == "seed pairs at .9" else 0.3
    shape = (BLOCK, 1 + m, n)
    own = rng.standard_t(3, shape) / np.sqrt(3) if structure == "t3 tails" else rng.normal(size=shape)
    if structure == "autoregressive":
        for cell in range(1, 1 + m):
            own[:, cell] = 0.8 * own[:, cell - 1] + 0.6 * own[:, cell]
    sd = np.ones(1 + m)
    if structure == "unequal":
        sd = np.geomspace(0.5, 2, 1 + m)
    elif structure == "one cell × 3":
        sd[1] = 3
    elif structure == "baseline × 3":
        sd[0] = 3
    elif structure == "two groups of variances":
        sd[1 : 1 + m // 2] = 4
    x = np.sqrt(r) * rng.normal(size=(BLOCK, 1, n)) + np.sqrt(1 - r) * own * sd[:, None]
    if structure == "shared teacher":
        x[:, 1:] += rng.normal(size=(BLOCK, 1, n))
    if structure.endswith("images"):
        images = int(structure.split()[0].replace(",", ""))
        rate = np.clip(0.8 + 0.005 * x, 0, 1)
        x = rng.binomial(images, rate) / images
    return np.asarray(x)


def rates(structure: str, m: int, n: int, seed: int) -> dict[str, float]:
    """How often each question rejects a true null; NaN where it is not allowed."""
    rng = np.random.default_rng([seed, m, n, STRUCTURES.index(structure)])
    counts: dict[str, list[float]] = {"overall": [], "primary": [], "moderated": []}
    for _ in range(REPLICATES // BLOCK):
        x = cells(rng, structure, m, n)
        d = x[:, 1:] - x[:, :1]
        if structure == "missing seeds" and n > 4:
            d = d[..., : n - 1]  # the seeds that every gain has
        size = d.shape[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            average = d.mean(axis=1)
            for name, values in (("overall", average), ("primary", d[:, 0])):
                p = t_test(values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(size), size - 1)[1]
                counts[name].append(float((p < 0.05).mean()))
            if not refusal(size, m):
                mean, se, df, _ = moderated(d)
                p = t_test(mean, se, df[:, None])[1]
                counts["moderated"].append(float((np.nanmin(p, axis=1) < 0.05 / m).mean()))
    return {name: float(np.mean(some)) if some else float("nan") for name, some in counts.items()}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_overall_primary_and_moderated_hold_their_level(structure: str):
    for n, m in ((3, 6), (3, 9), (3, 45), (4, 3), (5, 3), (5, 9), (8, 9), (10, 18), (20, 9), (20, 45)):
        for name, rate in rates(structure, m, n, 1).items():
            assert not rate > MOST, f"{name}, {structure}, n = {n}, m = {m}: {rate:.4f}"


def test_the_overall_question_holds_over_several_averages():
    """Four averages with Holm: any rejected."""
    rng = np.random.default_rng(2)
    d = rng.normal(size=(REPLICATES, 4, 5))
    p = t_test(d.mean(axis=2), d.std(axis=2, ddof=1) / np.sqrt(5), 4)[1]
    assert (p.min(axis=1) < 0.05 / 4).mean() <= MOST


@pytest.mark.parametrize("looks", [(5, 8, 12), (3, 5), (4, 5, 6, 7)])
@pytest.mark.parametrize("m", [1, 9])
def test_planned_looks_hold_their_level(looks: tuple[int, ...], m: int):
    rng = np.random.default_rng([3, m, *looks])
    level = nominal_level(looks, 0.05 / m)
    shared = rng.normal(size=(REPLICATES, 1, looks[-1]))
    d = rng.normal(size=(REPLICATES, m, looks[-1])) - shared
    found, equal = np.zeros(REPLICATES, dtype=bool), np.zeros(REPLICATES, dtype=bool)
    for n in looks:
        some = d[..., :n]
        mean, se = some.mean(axis=2), some.std(axis=2, ddof=1) / np.sqrt(n)
        found |= (t_test(mean, se, n - 1)[1] < level).any(axis=1)
        equal |= (tost(mean + 1.0, se, n - 1, 1.0) < level).any(axis=1)  # the truth is the SESOI
    assert found.mean() <= MOST
    assert equal.mean() <= MOST


SPREADS = {
    "equal": np.ones(10),
    "baseline × 3": np.array([3.0] + [1.0] * 9),
    "one cell × 3": np.array([1.0, 3.0] + [1.0] * 8),
    "unequal": np.geomspace(0.5, 2, 10),
    "baseline × 1/3": np.array([1 / 3] + [1.0] * 9),
}


@pytest.mark.parametrize("structure", SPREADS)
@pytest.mark.parametrize(("base", "kd"), [(5, 5), (7, 7), (10, 10), (17, 7), (20, 8), (7, 20)])
def test_unpaired_gains_hold_their_level(base: int, kd: int, structure: str):
    """Nine gains over one baseline, each by Welch's test with Holm; their average; equivalence."""
    rng = np.random.default_rng([4, base, kd])
    m, sd = 9, SPREADS[structure]
    x = rng.normal(size=(REPLICATES, m, kd)) * sd[1:, None]
    y = rng.normal(size=(REPLICATES, base)) * sd[0]
    cells, baseline = x.var(axis=2, ddof=1) / kd, y.var(axis=1, ddof=1)[:, None] / base
    mean = x.mean(axis=2) - y.mean(axis=1)[:, None]
    se = np.sqrt(cells + baseline)
    df = se**4 / (cells**2 / (kd - 1) + baseline**2 / (base - 1))
    df = np.where(cells > DOMINANT * se**2, np.minimum(df, kd - 1), df)
    df = np.where(baseline > DOMINANT * se**2, np.minimum(df, base - 1), df)
    p = t_test(mean, se, df)[1]
    assert (p.min(axis=1) < 0.05 / m).mean() <= MOST
    assert (tost(mean[:, 0] + 1.0, se[:, 0], df[:, 0], 1.0) < 0.05).mean() <= MOST
    error = cells.sum(axis=1) / m**2 + baseline[:, 0]
    all_df = error**2 / ((cells**2).sum(axis=1) / m**4 / (kd - 1) + baseline[:, 0] ** 2 / (base - 1))
    all_df = np.where(baseline[:, 0] > DOMINANT * error, np.minimum(all_df, base - 1), all_df)
    average = t_test(mean.mean(axis=1), np.sqrt(error), all_df)[1]
    assert (average < 0.05).mean() <= MOST
    # these are the numbers of the product
    weights = np.zeros((m + 1, m + 1))
    weights[:, 0], weights[range(m), range(1, m + 1)], weights[m, 1:] = -1, 1, 1 / m
    table = np.full((m + 1, max(base, kd)), np.nan)
    table[0, :base], table[1:, :kd] = y[0], x[0]
    found = unpaired_columns(Moments.of_rows(table), weights, Settings(0.05, m, None))
    assert found["p"] == pytest.approx([*p[0], average[0]])
