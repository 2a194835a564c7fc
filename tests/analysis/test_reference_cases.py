"""Worked examples with answers computed elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Pair, Plan, analyze
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.exact import mcnemar
from rigorkd_analysis.stats.sample_size import (
    detectable,
    detectable_dz,
    equivalence_power,
    power,
    seeds_needed,
    seeds_needed_each,
    t_test_power,
)
from rigorkd_analysis.stats.sequential import interval, log_e

G1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
G2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


def sleep_comparison(sesoi: float = 0.5):
    table = pd.DataFrame(
        {"cell": ["g1"] * 10 + ["g2"] * 10, "seed": [*range(10)] * 2, "score": np.concatenate([G1, G2])}
    )
    found = analyze(table, Plan(goal="max", sesoi=sesoi, contrasts=(Pair("g1", "g2"),)))
    return found.families[0].comparisons[0]


def test_student_sleep_data():
    c = sleep_comparison()
    assert c.t == pytest.approx(-4.062127683, abs=1e-9)
    assert (c.df, c.n) == (9, 10)
    assert c.p == pytest.approx(0.002832890197, abs=1e-12)
    assert (c.ci_low, c.ci_high) == pytest.approx((-2.4598857633, -0.7001142367), abs=1e-9)
    assert c.dz == pytest.approx(-1.2845575626, abs=1e-9)
    assert c.g_z == pytest.approx(-1.1739249035, abs=1e-9)
    assert c.p_equivalence == pytest.approx(0.98924076, abs=1e-8)
    assert c.p_signflip == pytest.approx(4 / 1024, abs=1e-15)
    assert c.p_signflip_floor == 2 / 1024


def test_one_sided_t_of_the_equivalence_test():
    # upper t −5.3476111 and lower t −2.7766442 at ±0.5
    c = sleep_comparison()
    se = c.sd_diff / np.sqrt(10)
    assert (c.mean_diff - 0.5) / se == pytest.approx(-5.3476111, abs=1e-7)
    assert (c.mean_diff + 0.5) / se == pytest.approx(-2.7766442, abs=1e-7)


def test_adjusted_p_values():
    p = np.array([0.52, 0.12, 0.0001, 0.03, 0.14])
    assert adjust(p, "holm") == pytest.approx([0.52, 0.36, 0.0005, 0.12, 0.36])
    assert adjust(p, "bh") == pytest.approx([0.52, 0.175, 0.0005, 0.075, 0.175])
    assert adjust(p, "bonferroni") == pytest.approx([1, 0.6, 0.0005, 0.15, 0.7])
    assert adjust(p, "none") == pytest.approx(p)


def test_a_comparison_without_p_still_counts_in_the_family():
    adjusted = adjust(np.array([0.01, np.nan, 0.04]), "holm")
    assert adjusted[[0, 2]] == pytest.approx([0.03, 0.08])
    assert np.isnan(adjusted[1])


def test_power_of_the_one_sample_t():
    assert t_test_power(0.2, 20, 0.05) == pytest.approx(0.1359562888, abs=1e-9)
    assert seeds_needed(0.5, 1.0) == 34  # 33.36713 rounded up


@pytest.mark.parametrize(
    ("n", "alpha", "dz"),
    [(5, 0.05, 1.682), (5, 0.05 / 9, 3.070), (5, 0.05 / 45, 4.647), (4, 0.05 / 9, 4.541)],
)
def test_detectable_effects(n: int, alpha: float, dz: float):
    assert detectable_dz(n, alpha) == pytest.approx(dz, abs=5e-4)


def test_power_reports_in_the_units_of_the_sd():
    answer = power(5, 0.2, comparisons=9, effect=0.3, sesoi=0.3)
    assert answer.mde == pytest.approx(0.2 * 3.0697, abs=1e-4)
    assert answer.seeds_needed == 10
    assert power(5, 0.2, comparisons=9, correction="none").mde == pytest.approx(0.2 * 1.682, abs=1e-4)
    assert detectable(1, 0.2) is None


def test_seeds_needed_is_the_first_n_with_the_power():
    for dz in (0.3, 0.77, 1.5, 4.0, 30.0):
        n = seeds_needed(dz, 1.0, 0.01)
        assert n is not None
        assert t_test_power(dz, n, 0.01) >= 0.8
        assert n == 2 or t_test_power(dz, n - 1, 0.01) < 0.8
    assert seeds_needed(1e-4, 1.0) is None
    assert np.isnan(seeds_needed_each(np.array([0.0, np.nan]), 0.05)).all()


def test_equivalence_power_against_simulation():
    rng = np.random.default_rng(20)
    d = rng.normal(0, 0.2, (100_000, 5))
    half = 3.7469474 * d.std(axis=1, ddof=1) / np.sqrt(5)  # t(4) at 1 − .05/5
    simulated = (np.abs(d.mean(axis=1)) + half < 0.4).mean()
    assert equivalence_power(5, 0.2, 0.4, 0.05, 5) == pytest.approx(simulated, abs=0.006)


def test_mcnemar_exact():
    assert mcnemar(121, 59) == pytest.approx(4.434449e-6, rel=1e-6)
    assert mcnemar(0, 0) == 1.0


def test_anytime_t_on_the_sleep_differences():
    d = G1 - G2
    e = np.exp(log_e(d, 1.0))
    assert e[[1, 4, 9]] == pytest.approx([1.4433757, 4.1776385, 25.4751379], abs=1e-6)
    low, high = interval(d, 1.0, 0.05)
    assert (low[-1], high[-1]) == pytest.approx((-3.0851873, -0.0748127), abs=1e-6)


def test_capacity_study_has_eight_gains_and_none_survives(published):
    table = pd.read_csv(published / "kd_capacity_gap_runs.csv")
    found = analyze(table, Plan(sesoi=0.2))
    gains = found.family("gains")
    assert gains.name == "gains"
    assert gains.size == 8
    assert not gains.planned
    below = [c.a for c in gains.comparisons if c.p < 0.05]
    assert below == ["resnet50_to_resnet34_feature"]
    assert all(c.p_adjusted > 0.3 for c in gains.comparisons)
    assert {c.verdict for c in gains.comparisons} == {"inconclusive"}
    assert all(c.seeds_needed is not None for c in gains.comparisons)
