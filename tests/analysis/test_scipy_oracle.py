"""The vectorised core against scipy and statsmodels, comparison by comparison."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.exact import signflip, wilcoxon
from rigorkd_analysis.stats.moments import sd_interval
from rigorkd_analysis.stats.paired import Settings, noncentrality_interval, statistics
from scipy import stats

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.weightstats import ttost_paired


@pytest.mark.parametrize("n", [2, 3, 5, 10, 25])
def test_paired_statistics(n: int):
    rng = np.random.default_rng(n)
    a, b = rng.normal(80, 1, (6, n)), rng.normal(80.3, 0.7, (6, n))
    found = statistics(a - b, Settings(0.05, 6, 0.4), a, b)
    for row in range(6):
        x, y = a[row], b[row]
        oracle = stats.ttest_rel(x, y)
        ci = oracle.confidence_interval(0.95)
        wide = oracle.confidence_interval(1 - 0.05 / 6)
        narrow = oracle.confidence_interval(0.90)
        assert found["t"][row] == pytest.approx(oracle.statistic)
        assert found["p"][row] == pytest.approx(oracle.pvalue)
        assert (found["ci_low"][row], found["ci_high"][row]) == pytest.approx((ci.low, ci.high))
        assert found["ci_simultaneous_low"][row] == pytest.approx(wide.low)
        assert found["ci_simultaneous_high"][row] == pytest.approx(wide.high)
        assert (found["equivalence_ci_low"][row], found["equivalence_ci_high"][row]) == pytest.approx(
            (narrow.low, narrow.high)
        )
        assert found["p_welch"][row] == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue)
        assert found["p_equivalence"][row] == pytest.approx(ttost_paired(x, y, -0.4, 0.4)[0])
        assert found["p_wilcoxon"][row] == pytest.approx(stats.wilcoxon(x, y).pvalue)
        assert found["r"][row] == pytest.approx(np.corrcoef(x, y)[0, 1])
        expected = np.var(x - y, ddof=1) / (np.var(x, ddof=1) + np.var(y, ddof=1))
        assert found["variance_ratio"][row] == pytest.approx(expected)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 8])
def test_sign_flips_against_permutation(n: int):
    d = np.random.default_rng(n).normal(0.4, 1, (4, n)).round(1)
    for row in d:
        oracle = stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert signflip(row[None])[0] == pytest.approx(oracle.pvalue)


def test_sign_flips_of_many_seeds_meet_in_the_middle():
    d = np.random.default_rng(1).normal(0.2, 1, (2, 16))
    signs = 1.0 - 2.0 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    for row in d:
        direct = (np.abs(signs @ row) >= abs(row.sum()) - 1e-9).mean()
        assert signflip(row[None])[0] == pytest.approx(direct, abs=1e-12)
    assert np.isnan(signflip(np.ones((1, 40)))[0])


@pytest.mark.parametrize("n", [2, 4, 5, 9, 13, 14, 30, 50, 51, 70])
@pytest.mark.parametrize("decimals", [1, 6])
def test_wilcoxon_with_and_without_ties(n: int, decimals: int):
    d = np.random.default_rng(100 + n).normal(0.3, 1, (4, n)).round(decimals)
    for row in d[:1] if n == 13 else d:  # scipy enumerates the signs, so many of them for a second
        assert wilcoxon(row[None])[0] == pytest.approx(stats.wilcoxon(row).pvalue)


@pytest.mark.parametrize("df", [1, 4, 9, 40])
def test_noncentrality_interval_inverts_the_noncentral_t(df: int):
    t = np.array([-6.0, -1.3, 0.0, 0.4, 2.0, 9.0])
    low, high = noncentrality_interval(t, df, 0.05)
    for value, lower, upper in zip(
        np.abs(t), *np.sort([np.sign(t) * low, np.sign(t) * high], axis=0), strict=True
    ):
        if value == 0:
            assert (low[2], high[2]) == pytest.approx((-1.959963985, 1.959963985), abs=1e-6)
            continue
        assert stats.nct.cdf(value, df, lower) == pytest.approx(0.975, abs=1e-6)
        assert stats.nct.cdf(value, df, upper) == pytest.approx(0.025, abs=1e-6)
    assert np.all(low <= high)


def test_sd_interval():
    low, high = sd_interval(np.array([2.0]), 4, 0.05)
    assert low[0] == pytest.approx(2 * np.sqrt(4 / stats.chi2.ppf(0.975, 4)))
    assert high[0] == pytest.approx(2 * np.sqrt(4 / stats.chi2.ppf(0.025, 4)))


@pytest.mark.parametrize(
    ("ours", "theirs"), [("holm", "holm"), ("bh", "fdr_bh"), ("bonferroni", "bonferroni")]
)
def test_corrections_against_statsmodels(ours, theirs: str):
    rng = np.random.default_rng(5)
    for m in (1, 2, 7, 40):
        p = rng.uniform(0, 0.3, m).round(2)
        assert adjust(p, ours) == pytest.approx(multipletests(p, method=theirs)[1])


@pytest.mark.parametrize(
    ("ours", "theirs"), [("holm", "holm"), ("bonferroni", "bonferroni"), ("bh", "fdr_bh")]
)
def test_adjusted_p_values_are_statsmodels_to_the_last_bit(ours, theirs):
    """Ties, ones and zeros included; what is not known counts as a p of 1."""
    rng = np.random.default_rng(0)
    for size in range(1, 60):
        p = np.round(rng.random(size), rng.integers(1, 17)) ** rng.integers(1, 9)
        p[rng.random(size) < 0.1] = 1.0
        unknown = rng.random(size) < 0.1
        expected = multipletests(np.where(unknown, 1.0, p), method=theirs)[1]
        found = adjust(np.where(unknown, np.nan, p), ours)
        assert found[~unknown].tobytes() == expected[~unknown].tobytes()
        assert np.isnan(found[unknown]).all()
