"""The anytime-valid analysis: decisions, freezing, conjunctions, error rate when looked at every seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import AllOf, Plan, analyze, until_decided
from rigorkd_analysis.stats.sequential import interval, log_e, seeds_to_decide
from rigorkd_analysis.wording import p_text


def table(gains: dict[str, np.ndarray]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = max(map(len, gains.values()))
    base = 80 + rng.normal(0, 1, n)
    rows = [("base", "baseline", seed, base[seed]) for seed in range(n)]
    for cell, gain in gains.items():
        rows += [(cell, "kd", seed, base[seed] + value) for seed, value in enumerate(gain)]
    return pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"])


def test_large_gains_are_decided_and_the_rest_waits():
    rng = np.random.default_rng(1)
    found = until_decided(
        table({"kd-big": rng.normal(3, 0.3, 10), "kd-none": rng.normal(0, 1, 10)}), Plan(sesoi=0.1)
    )
    _, big, none = found.comparisons  # after their average
    assert (big.verdict, none.verdict) == ("better", "inconclusive")
    assert 3 <= big.decided_at <= 8
    assert none.decided_at is None
    assert not found.decided
    assert "undecided after 10 seeds" in none.says
    assert until_decided(table({"kd-big": rng.normal(3, 0.3, 10)}), Plan()).decided


@pytest.mark.parametrize(("dz", "level"), [(2.67, 0.05 / 20), (1.14, 0.05 / 20), (1.0, 0.05), (0.5, 0.05)])
def test_as_many_seeds_decide_as_is_said(dz: float, level: float):
    """Simulated: the power is held, and with a tenth fewer seeds it is missed at the last of them alone."""
    n = seeds_to_decide(dz, level, 0.25)
    assert n is not None
    evidence = log_e(np.random.default_rng(7).normal(dz, 1, (4000, n)), 0.25) >= -np.log(level)
    assert 0.79 < evidence.any(axis=1).mean() < 0.94
    assert evidence[:, -1].mean() > 0.78
    assert evidence[:, int(0.9 * n) - 1].mean() < 0.81
    assert seeds_to_decide(0.004, level, 0.25) is None


def test_e_value_and_interval_agree():
    rng = np.random.default_rng(2)
    d = rng.normal(0.5, 1, (300, 15))
    low, high = interval(d, 0.25, 0.05)
    excludes = (low > 0) | (high < 0)
    assert np.array_equal(excludes, log_e(d, 0.25) >= np.log(20))


def test_a_verdict_is_frozen_at_its_first_crossing():
    d = np.concatenate([np.array([3.0, 3.1, 2.9, 3.05, 3.0, 2.95, 3.02]), -np.full(6, 9.0)])
    (c,) = until_decided(table({"kd": d}), Plan()).comparisons
    assert c.verdict == "better"
    assert c.decided_at <= 7
    assert c.ci_low < 0 < c.ci_high
    assert f"decided at {c.decided_at} seeds" in c.says


def test_numbers_of_the_deciding_seed_are_told_from_those_of_the_last():
    """The verdict is of the first crossing; p and interval of the last seed are not those of then."""
    d = np.array([1.0, 1.4, 0.9, 1.21, 1.1, 1.3, 1.0, 1.2, 1.1])
    (c,) = until_decided(table({"kd": d}), Plan(planned=True)).comparisons
    then = c.decided_at
    assert 2 < then < len(d) == c.n
    (first,) = until_decided(table({"kd": d[:then]}), Plan(planned=True)).comparisons
    assert (first.decided_at, first.n) == (then, then)
    assert first.p > c.p
    assert c.mean_diff == pytest.approx(d.mean())

    def numbers(one, last=False):
        p = p_text(one.p, "anytime-valid p") + " (the smallest so far)" * last
        return f"{p}, 95 % interval +{one.ci_low:.2f} to +{one.ci_high:.2f}"

    assert c.says == (
        f"Distillation: better, decided at {then} seeds ({numbers(first)}); test top-1 differed by "
        f"+{d.mean():.2f} points compared with the baseline ({numbers(c, True)}, n = {c.n} seeds)."
    )
    assert first.says == (
        f"Distillation: better, decided at {then} seeds; test top-1 differed by "
        f"+{d[:then].mean():.2f} points compared with the baseline ({numbers(first, True)}, "
        f"n = {then} seeds)."
    )


def test_the_sentence_of_an_average_names_its_baseline_and_its_images():
    rng = np.random.default_rng(6)
    data = table({"kd-a": rng.normal(2, 0.2, 8), "kd-b": rng.normal(1, 0.2, 8)}).assign(n_test=300)
    average, *_ = until_decided(data, Plan()).comparisons
    assert "points compared with the baseline on these 300 test images (" in average.says


def test_equivalence_leaves_the_sign_undecided():
    rng = np.random.default_rng(3)
    (c,) = until_decided(table({"kd": rng.normal(0, 0.05, 20)}), Plan(sesoi=0.5)).comparisons
    assert c.verdict == "equivalent"
    assert "sign undecided" in c.says


def test_planned_families_alone_are_judged_when_there_are_any():
    rng = np.random.default_rng(4)
    data = table({"kd-a": rng.normal(2, 0.2, 8), "kd-b": rng.normal(2, 0.2, 8)})
    planned = (AllOf(("kd-a", "kd-b"), name="both", planned=True),)
    found = until_decided(data, Plan(contrasts=planned, all_pairs=True))
    assert [(c.name, c.family) for c in found.comparisons] == [("both", "contrasts")]
    assert found.comparisons[0].verdict == "better"
    assert found.decided


def test_divergence_zero_variance_and_one_seed_stay_undecided():
    data = table({"kd": np.full(9, 2.0) + np.linspace(0, 0.1, 9)}).assign(status="done")
    data.loc[(data["cell"] == "kd") & (data["seed"] == 4), ["status", "test_top1"]] = ["diverged", np.nan]
    (c,) = until_decided(data, Plan()).comparisons
    assert (c.verdict, c.decided_at) == ("inconclusive", None)
    (same,) = until_decided(table({"kd": np.full(9, 2.0)}), Plan()).comparisons
    assert (same.log_e, same.decided_at) == (None, None)
    (one,) = until_decided(table({"kd": np.array([2.0])}), Plan()).comparisons
    assert one.n == 1
    assert one.decided_at is None


def test_family_size_raises_the_threshold():
    rng = np.random.default_rng(5)
    d = rng.normal(2, 1, 9)
    (alone,) = until_decided(table({"kd": d}), Plan()).comparisons
    four = until_decided(table({f"kd-{i}": d + i for i in range(4)}), Plan()).comparisons[1]
    assert four.m == 4
    assert four.p == pytest.approx(alone.p)
    assert four.p_adjusted == pytest.approx(min(1, 4 * alone.p))
    assert four.ci_low is None or four.ci_low < alone.ci_low


def test_only_on_request():
    assert analyze(table({"kd": np.arange(5.0)})).sequential is None


def test_looking_after_every_seed_keeps_the_level():
    rng = np.random.default_rng(14)
    crossed = (log_e(rng.normal(0, 1, (20_000, 20)), 0.25) >= np.log(20)).any(axis=1)
    assert crossed.mean() <= 0.05
    assert crossed.mean() == pytest.approx(0.024, abs=0.006)


def test_looking_a_hundred_times_keeps_the_level():
    rng = np.random.default_rng(15)
    crossed = (log_e(rng.normal(0, 1, (20_000, 100)), 0.25) >= np.log(20)).any(axis=1)
    assert crossed.mean() <= 0.05
    assert crossed.mean() == pytest.approx(0.030, abs=0.006)


def test_false_equivalence_at_the_boundary():
    rng = np.random.default_rng(16)
    low, high = interval(rng.normal(0.5, 0.3, (20_000, 20)), 0.25, 0.05)
    assert ((low > -0.5) & (high < 0.5)).any(axis=1).mean() <= 0.05
