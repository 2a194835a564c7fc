"""New test images as well as new seeds: the crossed interval, McNemar, agreement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from rigorkd_analysis import Plan, TableError, analyze
from rigorkd_analysis.stats.exact import mcnemar, mcnemar_of_clusters
from rigorkd_analysis.stats.new_images import Predictions, by_cluster, crossed_interval
from scipy import stats

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


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


def test_seeds_with_test_images_of_their_own_need_no_interval_over_images():
    table, store = study(np.random.default_rng(4))
    for method in ("base", "kd"):
        other = store[(method, 1)]
        store[(method, 1)] = Predictions(other.target[::-1], other.prediction[::-1])
    assert analyze(table, predictions=lambda cell, seed: store[(cell, seed)]).images == ()


def test_different_test_images_are_refused():
    table, store = study(np.random.default_rng(4))
    other = store[("kd", 1)]
    store[("kd", 1)] = Predictions(other.target[::-1], other.prediction)
    with pytest.raises(TableError, match="different images"):
        analyze(table, predictions=lambda cell, seed: store[(cell, seed)])


def _other(target: np.ndarray, *places: int) -> np.ndarray:
    changed = target.copy()
    changed[list(places)] = 11
    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: _other(it, 7), "1 of 300 images (number 7, counted from 0) is of another class"),
        (
            lambda it: _other(it, 299, *range(20, 27)),
            "8 of 300 images (numbers 20, 21, 22, 23, 24 …, counted from 0) are of another class",
        ),
        (lambda it: it[:290], "290 images and 300 (the classes of the first 290 are the same)"),
        (lambda it: _other(it, 12)[:290], "290 images and 300 (the classes of the first 12 are the same)"),
        (lambda it: np.roll(it, 1), ", as many of each class: the order may be another"),
    ],
)
def test_a_refusal_says_which_images_differ(change: Callable[[np.ndarray], np.ndarray], says: str):
    table, store = study(np.random.default_rng(4))
    for seed in (1, 3):
        target = change(store["kd", seed].target)
        store["kd", seed] = Predictions(target, store["kd", seed].prediction[: target.size])
    with pytest.raises(TableError) as refused:
        analyze(table, predictions=lambda cell, seed: store[cell, seed])
    assert says in (told := refused.value.message)
    assert "the runs of kd and base were tested on different images: at seed 1, " in told
    assert told.endswith("; also at seed 3")


def test_where_new_images_decide_a_refusal_names_both_runs():
    table, store = study(np.random.default_rng(4))
    for cell in ("base", "kd"):
        run = store[cell, 2]
        store[cell, 2] = Predictions(_other(run.target, 7), run.prediction)
    with pytest.raises(TableError) as refused:
        analyze(table, Plan(inference="seeds_and_images"), predictions=lambda cell, seed: store[cell, seed])
    assert refused.value.message == (
        "the run kd/seed-2 was tested on other images than kd/seed-0: 1 of 300 images (number 7, counted from"
        " 0) is of another class"
    )


def test_a_refusal_says_which_items_are_in_other_groups():
    table, store = study(np.random.default_rng(4))
    for one, run in store.items():
        cluster = np.arange(300) // 3
        cluster[4] += one == ("kd", 1)
        store[one] = Predictions(run.target, run.prediction, cluster, "items")
    with pytest.raises(
        TableError, match=r"at seed 1, 1 of 300 items \(number 4, counted from 0\) is in another group"
    ):
        analyze(table, predictions=lambda cell, seed: store[cell, seed])


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


def clustered(
    rng: np.random.Generator, n: int, sizes: np.ndarray, share: float = 0.5
) -> tuple[Floats, Places]:
    """Differences with an effect per cluster, image and residual, of mean 0.05 over new clusters."""
    cluster = np.repeat(np.arange(sizes.size), sizes)
    image = np.sqrt(share) * rng.normal(0, 0.4, sizes.size)[cluster]
    image = image + np.sqrt(1 - share) * rng.normal(0, 0.4, cluster.size)
    return 0.05 + rng.normal(0, 0.02, (n, 1)) + image + rng.normal(0, 0.3, (n, cluster.size)), cluster


def test_the_clustered_error_is_that_of_statsmodels():
    d, cluster = clustered(np.random.default_rng(5), 3, np.array([1, 2, 3, 9, 4, 4, 30, 7]))
    columns, _ = by_cluster(d, cluster)
    mean = d.mean(axis=0)
    fit = sm.OLS(mean, np.ones(mean.size)).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    over_clusters = columns.mean(axis=0)
    assert over_clusters.mean() == pytest.approx(float(fit.params[0]))
    assert stats.sem(over_clusters) == pytest.approx(float(fit.bse[0]))
    assert columns.mean(axis=1) == pytest.approx(d.mean(axis=1))  # seeds are what they were


def test_clusters_of_one_image_change_nothing_and_names_of_clusters_neither():
    rng = np.random.default_rng(6)
    d, cluster = clustered(rng, 4, np.array([3, 3, 5, 9, 2]))
    single = crossed_interval(d, 0.05, np.arange(d.shape[1]))
    assert astuple(single) == pytest.approx(astuple(crossed_interval(d, 0.05)))
    order = rng.permutation(d.shape[1])
    renamed = crossed_interval(d[:, order], 0.05, 90 - 7 * cluster[order])
    assert astuple(renamed) == pytest.approx(astuple(crossed_interval(d, 0.05, cluster)))
    assert crossed_interval(d, 0.05, np.zeros_like(cluster)).low is None  # one cluster tells of no other


@pytest.mark.parametrize("sizes", [[4] * 9, [1, 2, 3, 50], [100, 100, 1534, 310, 265]])
def test_degrees_of_freedom_of_unequal_clusters(sizes: list[int]):
    m = np.array(sizes, dtype=float)
    centre = np.diag(m) - np.outer(m, m / m.sum())  # sums of deviations, of one effect per cluster
    form = centre.T @ centre
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    _, df = by_cluster(np.zeros((2, sum(sizes))), np.repeat(np.arange(m.size), sizes))
    assert df == pytest.approx(expected)
    assert df <= m.size - 1 + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "least"),
    [(np.full(40, 10), 0.935), (np.full(8, 25), 0.92), (np.random.default_rng(1).integers(5, 60, 40), 0.925)],
)
def test_coverage_over_new_seeds_and_clusters(sizes: np.ndarray, least: float):
    rng = np.random.default_rng(17)
    replicates = 2000
    covered = alone = 0
    for _ in range(replicates):
        d, cluster = clustered(rng, 5, sizes)
        found, plain = crossed_interval(d, 0.05, cluster), crossed_interval(d, 0.05)
        covered += found.low <= 0.05 <= found.high
        alone += plain.low <= 0.05 <= plain.high
    assert least <= covered / replicates <= 0.975
    assert alone / replicates < 0.85  # as if images were single draws


def test_mcnemar_of_clusters_against_all_signs():
    for sums in ([2, -1, 3, 1, 0], [4, 4, 4, 1], [-2, 2, 5, 5, 6, 1], [0, 0], [3]):
        signs = np.array(list(product((-1, 1), repeat=len(sums))))
        seen = abs(sum(sums))
        expected = (abs(signs @ np.abs(sums)) >= seen).mean()
        assert mcnemar_of_clusters(np.array(sums, dtype=float)) == pytest.approx(expected), sums
    for only_a, only_b in ((9, 2), (30, 12), (5, 5), (0, 0), (1, 0)):
        single = np.array([1.0] * only_a + [-1.0] * only_b + [0.0] * 7)
        assert mcnemar_of_clusters(single) == pytest.approx(mcnemar(only_a, only_b))


def test_images_in_clusters_are_judged_as_clusters():
    table, store = study(np.random.default_rng(8), N=60)
    cluster = np.repeat(np.arange(12), 5)
    store = {key: Predictions(p.target, p.prediction, cluster, "items") for key, p in store.items()}
    (gain,) = analyze(table, predictions=lambda cell, seed: store[cell, seed]).images
    assert (gain.images, gain.clusters, gain.unit) == (60, 12, "items")
    assert "over new seeds and new items" in gain.says
    assert gain.says.endswith("(n = 4 seeds, 60 items in 12 clusters).")
    hits = {key: (p.prediction == p.target).astype(float) for key, p in store.items()}
    d = np.array([100 * (hits["kd", seed] - hits["base", seed]) for seed in range(4)])
    expected = crossed_interval(d, 0.05, cluster)
    assert (gain.ci_low, gain.ci_high) == pytest.approx((expected.low, expected.high))
    sums = d.reshape(4, 12, 5).sum(axis=2) / 100
    assert gain.mcnemar_p == pytest.approx([mcnemar_of_clusters(row) for row in sums])
    plan = Plan(inference="seeds_and_images")
    declared = analyze(table, plan, predictions=lambda cell, seed: store[cell, seed]).family("gains")
    low, high = declared.comparisons[0].ci_low, declared.comparisons[0].ci_high
    assert low is not None
    assert low <= gain.ci_low + 1e-9
    assert high is not None
    assert high >= gain.ci_high - 1e-9
    store["kd", 1] = Predictions(store["kd", 1].target, store["kd", 1].prediction, np.arange(60), "items")
    with pytest.raises(TableError, match="different images"):
        analyze(table, predictions=lambda cell, seed: store[cell, seed])
