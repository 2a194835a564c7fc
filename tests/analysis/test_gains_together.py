"""All gains of a family taken together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from scipy import stats


def table(table_of, gains: np.ndarray):
    base = np.random.default_rng(0).normal(80, 0.3, gains.shape[1])
    return table_of({"base": base, **{f"kd-{i}": base + row for i, row in enumerate(gains)}})


def test_the_average_gain_has_a_t_interval_over_seeds(table_of):
    gains = np.random.default_rng(1).normal(0.2, 0.3, (6, 5))
    found = analyze(table(table_of, gains)).family("gains").consistency
    oracle = stats.ttest_1samp(gains.mean(axis=0), 0).confidence_interval(0.95)
    assert (found.settings, found.n) == (6, 5)
    assert found.mean == pytest.approx(gains.mean())
    assert (found.ci_low, found.ci_high) == pytest.approx((oracle.low, oracle.high))
    assert found.favourable == (gains.mean(axis=1) > 0).sum()


def test_weak_gains_can_be_clear_together(table_of):
    rng = np.random.default_rng(2)
    gains = 0.12 + rng.normal(0, 0.2, (20, 5))
    family = analyze(table(table_of, gains)).family("gains")
    assert all(c.verdict == "inconclusive" for c in family.comparisons)
    assert family.consistency.ci_low > 0
    assert family.consistency.p_equal > 0.05


def test_settings_that_differ_are_found_to_differ(table_of):
    rng = np.random.default_rng(3)
    gains = np.array([-1.0, 0.0, 1.0, 2.0])[:, None] + rng.normal(0, 0.1, (4, 6))
    found = analyze(table(table_of, gains)).family("gains").consistency
    assert found.p_equal < 0.01
    assert found.between_sd == pytest.approx(np.std([-1, 0, 1, 2], ddof=1), abs=0.15)
    assert "the settings differ from each other" in found.says


def test_for_a_loss_favourable_means_lower(table_of):
    gains = np.array([-0.1, -0.2, 0.1])[:, None] + np.random.default_rng(4).normal(0, 0.001, (3, 4))
    loss = table(table_of, gains).rename(columns={"test_top1": "test_loss"})
    assert analyze(loss).family("gains").consistency.favourable == 2


def test_two_settings_one_seed_and_other_families_have_none(table_of):
    two = np.random.default_rng(5).normal(0, 1, (2, 5))
    assert analyze(table(table_of, two)).family("gains").consistency is None
    one = np.random.default_rng(5).normal(0, 1, (4, 1))
    assert analyze(table(table_of, one)).family("gains").consistency is None
    gains = table(table_of, np.random.default_rng(5).normal(0, 1, (3, 5)))
    assert analyze(gains).family("gains").consistency.alike
    mixed = gains.assign(method=gains["method"].where(gains["cell"] != "kd-0", "dkd"))
    over_methods = analyze(mixed).family("gains")
    assert not over_methods.consistency.alike
    assert over_methods.consistency.says.endswith("; a mean over 2 methods, and so no finding about any.")
    assert not over_methods.together
    plain = gains.drop(columns=["method", "T"], errors="ignore")
    untold = analyze(plain, Plan(baselines=("base",))).family("gains")
    assert untold.consistency is not None
    assert not untold.together, "nothing says what the cells are"
    pairs = analyze(table(table_of, np.random.default_rng(5).normal(0, 1, (4, 5))), Plan(all_pairs=True))
    assert pairs.family("all_pairs").consistency is None


def test_gains_are_summed_up_for_each_method_and_never_over_methods_or_baselines():
    """Here over KD, beside which the undistilled baseline stands as a rival."""
    rng = np.random.default_rng(6)
    rows = [
        {"cell": f"{data}/{method}", "dataset": data, "student": "r8", "method": method, "seed": seed,
         "test_acc": 80 + {"baseline": -1, "kd": 0, "dkd": 1, "ls": 0.5}[method] + rng.normal(0, 0.2)}
        for data in ("a", "b", "c")
        for method in ("baseline", "kd", "dkd", "ls")
        for seed in range(5)
    ]  # fmt: skip
    family = analyze(pd.DataFrame(rows), Plan(baselines=("kd",))).family("gains")
    assert family.consistency.settings == 9
    assert list(family.together) == ["by_method/0", "by_method/1"]
    assert [(one.method, one.settings, one.alike) for one in family.by_method] == [
        ("dkd", 3, False),
        ("ls", 3, False),
    ]
    start = "Over the 3 settings of dataset the gain of {} over KD in test accuracy averages +"
    assert family.by_method[0].says.startswith(start.format("DKD distillation"))
    assert family.by_method[1].says.startswith(start.format("ls"))
    for one in family.by_method:  # the p that is printed is the one that is judged by
        assert f"Bonferroni-adjusted p over all 2 methods = {min(1.0, 2 * one.p_equal):.3g}" in one.says
    dkd = [c for c in family.comparisons if c.a.endswith("/dkd")]
    assert family.by_method[0].mean == pytest.approx(np.mean([c.mean_diff for c in dkd]))
    oracle = stats.ttest_1samp(
        np.mean([_gain(rows, f"{data}/dkd", f"{data}/kd") for data in "abc"], axis=0), 0
    )
    ends = oracle.confidence_interval(1 - 0.05 / 2)
    assert (family.by_method[0].ci_low, family.by_method[0].ci_high) == pytest.approx((ends.low, ends.high))
    base = next(c.says for c in family.comparisons if c.a == "a/baseline")
    assert base.startswith("r8's undistilled baseline (a) was ")
    assert " below KD in test accuracy (95 % CI " in base


def test_a_mean_of_gains_says_which_it_is_beside_and_which_came_later():
    """Who averages the printed table finds another mean: the primary gain and later ones are none of its."""
    rng = np.random.default_rng(7)
    rows = [
        {"cell": f"kd-T{T}" if T else "base", "method": "kd" if T else "baseline", "T": T or None,
         "seed": seed, "test_acc": 80 + (T > 0) + rng.normal(0, 0.2)}
        for T in (0, 1, 2, 3, 4, 5, 6, 7, 8)
        for seed in range(5)
    ]  # fmt: skip
    plan = Plan(planned=True, primary="kd-T1", added=("kd-T6", "kd-T7", "kd-T8"))
    families = [f for f in analyze(pd.DataFrame(rows), plan).families if f.name == "gains"]
    said = [family.consistency.says for family in families]
    assert said[0].startswith(
        "Over the 4 settings of T beside the primary one and those added later the gain in test accuracy "
    )
    assert said[1].startswith("Over the 3 settings of T that were added later the gain in test accuracy ")


def _gain(rows, cell, baseline):
    own = {
        name: np.array([row["test_acc"] for row in rows if row["cell"] == name]) for name in (cell, baseline)
    }
    return own[cell] - own[baseline]
