"""New test images as well as new seeds: the crossed interval, McNemar, agreement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import TableError, analyze
from rigorkd_analysis.stats.new_images import Predictions, crossed_interval
from scipy import stats


def test_mean_squares_against_a_direct_anova():
    d = np.random.default_rng(0).normal(1, 2, (4, 7))
    n, N = d.shape
    grand = d.mean()
    seed = N * d.mean(axis=1).var(ddof=1)
    image = n * d.mean(axis=0).var(ddof=1)
    residual = ((d - d.mean(axis=1, keepdims=True) - d.mean(axis=0) + grand) ** 2).sum() / ((n - 1) * (N - 1))
    variance = (seed + image - residual) / (n * N)
    df = (seed + image - residual) ** 2
    df /= seed**2 / (n - 1) + image**2 / (N - 1) + residual**2 / ((n - 1) * (N - 1))
    if variance <= seed / (n * N):
        variance, df = seed / (n * N), n - 1
    found = crossed_interval(d, 0.05)
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    assert (found.mean, found.df) == pytest.approx((grand, df))
    assert (found.low, found.high) == pytest.approx((grand - half, grand + half))
    plain = stats.ttest_1samp(d.mean(axis=1), 0).confidence_interval(0.95)
    assert (found.seeds_low, found.seeds_high) == pytest.approx((plain.low, plain.high))


def test_never_narrower_in_variance_than_over_seeds():
    d = np.tile(np.random.default_rng(1).normal(0, 1, (5, 1)), (1, 50))  # images add nothing
    found = crossed_interval(d, 0.05)
    assert (found.low, found.high) == pytest.approx((found.seeds_low, found.seeds_high))


def test_one_seed_has_no_interval():
    assert crossed_interval(np.ones((1, 9)), 0.05).low is None


def study(rng: np.random.Generator, n: int = 4, N: int = 300):
    target = rng.integers(0, 10, N)
    store = {}
    for cell, right in (("base", 0.7), ("kd", 0.8)):
        for seed in range(n):
            hit = rng.random(N) < right
            store[(cell, seed)] = Predictions(target, np.where(hit, target, (target + 1) % 10))
    rows = [
        (cell, "baseline" if cell == "base" else "kd", seed, 100 * (p.prediction == p.target).mean())
        for (cell, seed), p in store.items()
    ]
    return pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"]), store


def test_gains_get_intervals_from_predictions():
    table, store = study(np.random.default_rng(2))
    found = analyze(table, predictions=lambda cell, seed: store.get((cell, seed)))
    (gain,) = found.images
    assert (gain.a, gain.b, gain.n, gain.images) == ("kd", "base", 4, 300)
    assert gain.mean_diff == pytest.approx(found.family("gains").comparisons[0].mean_diff)
    assert (gain.seeds_only_ci_low, gain.seeds_only_ci_high) == pytest.approx(
        (found.family("gains").comparisons[0].ci_low, found.family("gains").comparisons[0].ci_high)
    )
    for seed, p in enumerate(gain.mcnemar_p):
        a, b = (store[(cell, seed)].prediction == store[(cell, seed)].target for cell in ("kd", "base"))
        oracle = stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum())).pvalue
        assert p == pytest.approx(oracle)
    agree = np.mean([(store[("kd", s)].prediction == store[("base", s)].prediction).mean() for s in range(4)])
    assert gain.agreement == pytest.approx(agree)
    assert "new images" in gain.says


def test_without_predictions_there_is_nothing_to_say():
    table, _ = study(np.random.default_rng(3))
    assert analyze(table).images == ()
    assert analyze(table, predictions=lambda cell, seed: None).images == ()


def test_different_test_images_are_refused():
    table, store = study(np.random.default_rng(4))
    other = store[("kd", 1)]
    store[("kd", 1)] = Predictions(other.target[::-1], other.prediction)
    with pytest.raises(TableError, match="different images"):
        analyze(table, predictions=lambda cell, seed: store[(cell, seed)])


@pytest.mark.parametrize(("n", "least", "most"), [(3, 0.91, 0.955), (5, 0.935, 0.96), (10, 0.935, 0.96)])
def test_coverage_over_new_seeds_and_images(n: int, least: float, most: float):
    rng = np.random.default_rng(13)
    N, replicates = 400, 3000
    # three-valued differences as correctness gives, with a seed effect and an image effect
    covered = seeds_only = 0
    for _ in range(replicates):
        image = rng.normal(0, 0.35, N)
        seed = rng.normal(0, 0.02, (n, 1))
        d = 0.05 + seed + image + rng.normal(0, 0.4, (n, N))
        found = crossed_interval(d, 0.05)
        covered += found.low <= 0.05 <= found.high
        seeds_only += found.seeds_low <= 0.05 <= found.seeds_high
    assert least <= covered / replicates <= most
    assert seeds_only / replicates < covered / replicates
