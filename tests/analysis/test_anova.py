"""The repeated-measures tests against statsmodels, and ε against Box's formula."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.results import Factorial
from rigorkd_analysis.stats.anova import repeated_measures
from scipy import stats

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.stats.anova import AnovaRM
    from statsmodels.stats.multitest import multipletests


def cells(points: list[tuple[float, float]], n: int, seed: int, effect: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = rng.normal(80, 1, n)
    rows = []
    for T, alpha in points:
        spread = 0.2 + 0.3 * alpha
        rows += [
            (f"kd-T{T:g}-a{alpha:g}", "kd", T, alpha, s, level[s] + effect * T + rng.normal(0, spread))
            for s in range(n)
        ]
    return pd.DataFrame(rows, columns=["cell", "method", "T", "alpha", "seed", "test_top1"])


GRID = [(T, a) for T in (2.0, 4.0, 8.0) for a in (0.3, 0.5, 0.7)]
CROSS = [(2.0, 0.5), (4.0, 0.5), (6.0, 0.5), (4.0, 0.3), (4.0, 0.7)]


def factorials_of(table: pd.DataFrame) -> list[Factorial]:
    """Those of an analysis that compares nothing else: the first cell is its baseline."""
    return list(analyze(table, Plan(baselines=(str(table["cell"].iloc[0]),))).factorial)


def factorial(table: pd.DataFrame) -> Factorial:
    (found,) = analyze(table).factorial
    return found


@pytest.mark.parametrize("n", [3, 5, 12])
def test_grid_against_statsmodels(n: int):
    table = cells(GRID, n, seed=n, effect=0.1)
    found = factorial(table)
    assert found.design == "grid"
    oracle = AnovaRM(table, "test_top1", "seed", within=["T", "alpha"]).fit().anova_table
    for test, name in zip(found.tests, ("T", "alpha", "T:alpha"), strict=True):
        assert pytest.approx(oracle.loc[name, "F Value"]) == test.F
        assert test.p_uncorrected == pytest.approx(oracle.loc[name, "Pr > F"], abs=1e-12)
        assert test.p is not None
    assert [test.effect for test in found.tests] == ["T", "α", "T × α"]


def test_epsilon_is_boxs_formula_and_corrects_the_degrees_of_freedom():
    table = cells([(T, 0.5) for T in (1.0, 2.0, 4.0, 8.0)], 6, seed=1)
    data = table.pivot_table(index="seed", columns="T", values="test_top1").to_numpy()
    S = np.cov(data, rowvar=False)
    k = 4
    rows = S.mean(axis=1)
    expected = (k * (np.trace(S) / k - S.mean())) ** 2
    expected /= (k - 1) * ((S**2).sum() - 2 * k * (rows**2).sum() + k**2 * S.mean() ** 2)
    (test,) = factorial(table).tests
    assert test.epsilon == pytest.approx(expected)
    assert 1 / 3 <= test.epsilon <= 1
    assert (test.df_effect, test.df_error) == pytest.approx((3 * expected, 15 * expected))
    assert test.p == pytest.approx(stats.f.sf(test.F, test.df_effect, test.df_error))


def test_two_levels_are_a_paired_t():
    table = cells([(2.0, 0.5), (4.0, 0.5)], 5, seed=2)
    x, y = (table[table["T"] == T]["test_top1"].to_numpy() for T in (2.0, 4.0))
    (test,) = factorial(table).tests
    assert test.p == pytest.approx(stats.ttest_rel(x, y).pvalue)
    assert test.epsilon == pytest.approx(1.0)
    assert "conservative" not in factorial(table).says


def test_how_seldom_equal_settings_differ_is_as_the_page_says():
    rng = np.random.default_rng(0)
    for settings, low, high in ((3, 0.02, 0.04), (12, 0.0, 0.006)):
        basis = np.linalg.qr(np.column_stack([np.ones(settings), np.eye(settings)[:, 1:]]))[0][:, 1:]
        found = [repeated_measures(rng.standard_normal((5, settings)), basis).p or 1.0 for _ in range(1500)]
        assert low < np.mean(np.array(found) < 0.05) < high


def test_a_cross_gets_an_arm_each_and_says_what_is_not_identifiable():
    found = factorial(cells(CROSS, 5, seed=3, effect=1.0))
    assert found.design == "arms"
    assert [test.effect for test in found.tests] == ["T at α = 0.5", "α at T = 4"]
    assert found.tests[0].cells == ("kd-T2-a0.5", "kd-T4-a0.5", "kd-T6-a0.5")
    assert "interaction of T and α is not identifiable" in found.says
    assert "conservative" in found.says
    p = [test.p for test in found.tests]
    assert found.tests[0].p_adjusted == pytest.approx(2 * min(p))
    assert "T at α = 0.5: an effect" in found.says


def test_an_incomplete_grid_is_no_cross():
    """A grid and one cell more: the interaction is there to be tested, and is not."""
    points = [(1, 0.1), (1, 0.5), (4, 0.1), (4, 0.5), (2, 0.5)]
    found = factorial(cells(points, 5, seed=3, effect=1.0))
    assert found.design == "arms"
    assert "The grid of T and α is not complete: their interaction is not tested." in found.says
    assert "not identifiable" not in found.says
    staircase = factorial(cells([(1, 0.1), (2, 0.1), (2, 0.5), (4, 0.5)], 5, seed=3, effect=1.0))
    assert "not identifiable" in staircase.says


def several(seed: int, sets: int = 8) -> pd.DataFrame:
    """As many methods of two temperatures each, on seeds of their own level; no temperature does anything."""
    parts = [cells([(2.0, 0.5), (4.0, 0.5)], 5, seed=1000 * seed + at) for at in range(sets)]
    for at, part in enumerate(parts):
        part["method"] = f"m{at}"
        part["cell"] = f"m{at}/" + part["cell"]
    return pd.concat(parts)


def test_the_tests_of_several_sets_are_corrected_together():
    sets = analyze(several(7)).factorial
    tests = [test for one in sets for test in one.tests]
    oracle = multipletests([test.p for test in tests], method="holm")[1]
    assert [test.p_together for test in tests] == pytest.approx(list(oracle))
    assert len(tests) == 8
    assert all("Holm-adjusted p over 8 tests = " in one.says or "no effect shown" in one.says for one in sets)
    assert len({one.says.partition(":")[0] for one in sets}) == 8, "each says whose temperature it is"


def test_of_eight_sets_without_effects_one_seldom_shows_any():
    """At least one of them in .34 of tables, where each was tested alone."""
    tables = [[test for one in factorials_of(several(seed)) for test in one.tests] for seed in range(100)]
    assert np.mean([min(test.p_together for test in tests) < 0.05 for tests in tables]) < 0.05 + 3 * 0.0218
    assert (
        0.34 - 3 * 0.047
        < np.mean([min(test.p for test in tests) < 0.05 for tests in tables])
        < 0.34 + 3 * 0.047
    )


def test_linear_and_quadratic_contrasts():
    table = cells(CROSS, 5, seed=4, effect=1.0)
    found = {test.effect: test for test in factorial(table).contrasts}
    data = table[table["alpha"] == 0.5].pivot_table(index="seed", columns="T", values="test_top1").to_numpy()
    linear = stats.ttest_1samp(data @ [-1, 0, 1], 0)
    quadratic = stats.ttest_1samp(data @ [1, -2, 1], 0)
    assert found["T at α = 0.5: linear"].p == pytest.approx(linear.pvalue)
    assert found["T at α = 0.5: quadratic"].p == pytest.approx(quadratic.pvalue)
    assert pytest.approx(linear.statistic**2) == found["T at α = 0.5: linear"].F


def test_identical_cells_are_not_testable():
    test = repeated_measures(np.tile([[80.0, 80.0, 80.0]], (5, 1)), np.linalg.qr(np.eye(3))[0][:, :2])
    assert (test.F, test.p) == (None, None)


def test_no_factorial_without_temperatures(table_of):
    assert analyze(table_of({"base": [1, 2, 3], "kd": [2, 3, 5]})).factorial == ()


def test_the_corrected_test_holds_its_level_without_sphericity():
    rng = np.random.default_rng(9)
    basis = np.linalg.qr(np.column_stack([np.ones(5), np.eye(5)[:, 1:]]))[0][:, 1:]
    scale = np.array([0.2, 0.4, 0.8, 1.6, 3.0])
    found = [repeated_measures(rng.normal(0, scale, (5, 5)), basis) for _ in range(8000)]
    corrected = np.mean([test.p < 0.05 for test in found if test.p is not None])
    plain = np.mean([test.p_uncorrected < 0.05 for test in found if test.p_uncorrected is not None])
    assert corrected <= 0.06
    assert plain > corrected
