"""The rounding of printed numbers and the divisor of printed spreads, in every bound of the audit."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from rigorkd_analysis import Printed, TableError, audit
from rigorkd_analysis.published.bounds import recover, t_range, welch_range
from rigorkd_analysis.published.printed_rounding import Span, column_decimals, half_unit
from rigorkd_analysis.published.table_audit import bound_of
from scipy import stats

Array = NDArray[np.float64]


def shown(values: Array, decimals: int, ddof: int) -> str:
    return f"{values.mean():.{decimals}f} ± {values.std(ddof=ddof):.{decimals}f}"


def judged(*rows: str, n: int, spread=None, **known):
    return audit(
        Printed(
            [{"m": f"r{at}", "score": row} for at, row in enumerate(rows)], seeds=n, spread=spread, **known
        )
    )


def test_the_example_that_was_no_claim():
    """.952 ± .002 over .898 ± .003, three seeds: of .053 and .0025 + .0035 p is .0042, not .0028."""
    (pair,) = judged("0.898 ± 0.003", "0.952 ± 0.002", n=3, spread="sd").comparisons
    assert pair.p_high == pytest.approx(2 * stats.t.sf(0.053 * 3**0.5 / 0.006, 2))
    assert 15 * (pair.p_high or 0) > 0.05 > 15 * 2 * stats.t.sf(0.054 * 3**0.5 / 0.005, 2)


@pytest.mark.parametrize("seed", range(5))
def test_paired_bounds_are_the_corners_of_the_rounding(seed: int):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        n, decimals = int(rng.integers(2, 8)), int(rng.integers(0, 3))
        half = 0.5 * 10.0**-decimals
        means, sds = np.round(rng.normal(70, 2, 2), decimals), np.round(rng.uniform(0.1, 3, 2), decimals)
        rows = [f"{m:.{decimals}f} ± {s:.{decimals}f}" for m, s in zip(means, sds, strict=True)]
        (pair,) = judged(*rows, n=n, spread="sd").comparisons
        steps = np.linspace(-half, half, 5)
        found = []
        for da, db, ea, eb, r in product(steps, steps, steps, steps, (-1.0, -0.5, 0.0, 0.5, 1.0)):
            sa, sb = max(0.0, sds[0] + ea), max(0.0, sds[1] + eb)
            variance = sa**2 + sb**2 - 2 * r * sa * sb
            size = abs(means[1] + db - means[0] - da) * n**0.5
            found.append(size / variance**0.5 if variance > 1e-15 else np.inf if size > 1e-9 else np.nan)
        assert pair.t_low is not None
        assert pair.t_low <= np.nanmin(found) + 1e-9
        if abs(means[1] - means[0]) >= 2 * half:  # else the grid passes 0 between two steps
            assert pair.t_low == pytest.approx(np.nanmin(found), abs=1e-9)
        most = np.inf if pair.t_high is None else pair.t_high
        assert most >= np.nanmax(found) - 1e-9
        if np.isfinite(most):
            assert most == pytest.approx(np.nanmax(found), rel=1e-9)
        assert pair.p_high == pytest.approx(2 * stats.t.sf(pair.t_low, n - 1), rel=1e-9)


def test_welch_bounds_hold_the_whole_box_and_little_more():
    rng = np.random.default_rng(3)
    wider = []
    for _ in range(60):
        n = [int(x) for x in rng.integers(3, 15, 2)]
        half = 10.0 ** -rng.integers(0, 3) / 2
        sds = [Span(max(0.0, s - half), s + half) for s in rng.uniform(0.2, 3, 2)]
        gap = Span(low := float(rng.uniform(0, 4)), low + 2 * half)
        found = welch_range(gap, (sds[0], n[0]), (sds[1], n[1]))
        assert found is not None
        grid = [np.linspace(one.low, one.high, 21) for one in (gap, *sds)]
        d, a, b = (one.ravel() for one in np.meshgrid(*grid))
        va, vb = a**2 / n[0], b**2 / n[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (va + vb) ** 2 / (va**2 / (n[0] - 1) + vb**2 / (n[1] - 1))
            p = 2 * stats.t.sf(d / np.sqrt(va + vb), df)
        assert found[0] <= np.nanmin(p) * (1 + 1e-9)
        assert found[1] >= np.nanmax(p) * (1 - 1e-9)
        wider.append(found[1] / np.nanmax(p))
    assert np.median(wider) < 1.1
    exact = Span(0.35, 0.35), (Span(0.3, 0.3), 8), (Span(0.15, 0.15), 13)
    oracle = stats.ttest_ind_from_stats(0.35, 0.3, 8, 0, 0.15, 13, equal_var=False).pvalue
    assert welch_range(*exact) == pytest.approx((oracle, oracle), rel=1e-9)


@pytest.mark.parametrize(("n", "ddof"), [(3, 0), (3, 1), (4, 0), (4, 1)])
def test_the_bound_is_never_below_the_p_of_the_raw_seeds(n: int, ddof: int):
    """All pairings of raw seeds, of which nothing but rounded means and spreads is printed."""
    rng = np.random.default_rng(10 * n + ddof)
    exact_is_below = 0
    for at in range(150):
        decimals = at % 3
        seeds = rng.normal([[70], [70 + rng.uniform(0, 6)]], rng.uniform(0.2, 2, (2, 1)), (2, n))
        every = np.array([seeds[1][list(order)] - seeds[0] for order in permutations(range(n))])
        t = every.mean(axis=1) * n**0.5 / every.std(axis=1, ddof=1)
        p = 2 * stats.t.sf(np.abs(t), n - 1)
        rows = [shown(own, decimals, ddof) for own in seeds]
        for spread in (None, "sd" if ddof else "population"):
            (pair,) = judged(*rows, n=n, spread=spread).comparisons
            assert pair.p_high is not None
            assert pair.p_low is not None
            assert pair.p_low - 1e-12 <= p.min() <= p.max() <= pair.p_high + 1e-12
        means, sds = zip(*(map(float, row.split(" ± ")) for row in rows), strict=True)
        as_if = t_range(*(Span(x, x) for x in (abs(means[1] - means[0]), *sds)), n)
        exact_is_below += 2 * stats.t.sf(as_if[0], n - 1) < p.max()
    assert exact_is_below >= 5  # without rounding and divisor it would not hold


@pytest.mark.parametrize(("n", "decimals", "ddof"), [(3, 0, 1), (3, 2, 0), (5, 1, 0), (5, 2, 1)])
def test_claims_about_equal_rows_err_at_alpha_at_most(n: int, decimals: int, ddof: int):
    """The worst pairing there is: what one row gains by its seed the other loses."""
    rng = np.random.default_rng(n + decimals)
    claims = naive = 0
    replicates = 2_000
    for _ in range(replicates):
        own = rng.normal(0, 1.5, n)
        rows = [shown(70 + own, decimals, ddof), shown(70 - own, decimals, ddof)]
        found = judged(*rows, n=n)
        claims += any(" survives " in line and line.startswith("That ") for line in found.survives)
        means, sds = zip(*(map(float, row.split(" ± ")) for row in rows), strict=True)
        as_if = t_range(*(Span(x, x) for x in (abs(means[1] - means[0]), *sds)), n)
        naive += 2 * stats.t.sf(as_if[0], n - 1) < 0.05
    assert claims / replicates <= 0.05 + 3 * (0.05 * 0.95 / replicates) ** 0.5
    if ddof == 0:
        assert naive / replicates > 0.06  # taken as a sample's standard deviation it errs too often


def test_a_table_of_equal_rows_errs_at_alpha_at_most():
    rng = np.random.default_rng(8)
    replicates, claims = 600, 0
    for _ in range(replicates):
        seeds = 70 + rng.normal(0, 1, (4, 5)) * np.array([[1], [1], [0.3], [2]])
        found = judged(*(shown(own, 1, 0) for own in seeds), n=5)
        claims += any(line.startswith("That ") for line in found.survives)
    assert claims / replicates <= 0.05


@pytest.mark.parametrize(
    ("more", "fewer"),
    [(("70.10 ± 0.20", "72.40 ± 0.30"), ("70.1 ± 0.2", "72.4 ± 0.3")),
     (("70.1 ± 0.2", "72.4 ± 0.30"), ("70.1 ± 0.2", "72.4 ± 0.3")),
     (("70.0 ± 1.0", "75.0 ± 1.0"), ("70 ± 1", "75 ± 1"))],
)  # fmt: skip
def test_fewer_decimals_never_bound_more_tightly(more: tuple[str, str], fewer: tuple[str, str]):
    (fine,), (coarse,) = (judged(*rows, n=5).comparisons for rows in (more, fewer))
    assert (coarse.p_high or 0) > (fine.p_high or 1)
    assert (coarse.p_low or 0) <= (fine.p_low or 0)
    assert coarse.break_even_seed_sd >= fine.break_even_seed_sd


def test_a_number_with_fewer_decimals_is_a_coarser_one():
    found = judged("70.1 ± 0.2", "72.43 ± 0.30", n=5)
    assert any("score has 1 to 2 decimals: each number" in note for note in found.notes)
    mixed = [{"cell": "a", "top1": "80"}, {"cell": "b", "top1": "80.10"}]
    (pair,) = audit(Printed(mixed, n_test=10_000)).comparisons
    assert (pair.images_min, pair.images_max) == (0, 60)
    assert column_decimals([Decimal("0.9"), Decimal("0.912345678")]) == 9  # a program's, which dropped zeros
    assert column_decimals([Decimal("0.9"), Decimal("0.91")]) is None
    assert half_unit(Decimal("0.9"), 9) == Decimal("5e-10")


def test_equal_means_are_tested_too():
    (pair,) = judged("70.1 ± 0.2", "70.1 ± 0.2", n=5).comparisons
    assert (pair.t_low, pair.p_high, pair.p_adjusted) == (0, 1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_a_printed_test_holds_what_it_was_made_of(seed: int):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        n = int(rng.integers(2, 30))
        d = rng.normal(rng.uniform(-2, 2), 1, n)
        true = stats.ttest_1samp(d, 0)
        ends = true.confidence_interval()
        digits = int(rng.integers(1, 4))
        t, p, gap = (f"{x:.{digits}f}" for x in (true.statistic, true.pvalue, d.mean()))
        if float(t) == 0 or not 0 < float(p) < 1:
            continue
        found = recover(Decimal(t), Decimal(p), Decimal(gap))
        assert found.n_low <= n <= found.n_high
        assert None not in (found.sd_low, found.sd_high, found.ci_low, found.ci_high)
        assert (found.sd_low or 0) <= d.std(ddof=1) + 1e-9
        assert (found.sd_high or 0) >= d.std(ddof=1) - 1e-9
        assert (found.ci_low or 0) <= ends.low + 1e-9
        assert (found.ci_high or 0) >= ends.high - 1e-9


def test_several_numbers_of_pairs_are_said():
    found = recover(Decimal("2.5"), Decimal("0.02"))
    assert "n = 24 (of 14 to 241, since both are rounded)" in found.says
    for n, fits in ((13, False), (14, True), (241, True), (242, False)):
        assert (2 * stats.t.sf(2.55, n - 1) <= 0.025 and 2 * stats.t.sf(2.45, n - 1) >= 0.015) == fits
    assert "to any larger number" in recover(Decimal("2.0"), Decimal("0.05")).says
    assert recover(Decimal("3.90"), Decimal("0.0175")).n_high == 5
    with pytest.raises(TableError, match="however they were rounded"):
        recover(Decimal("3.9"), Decimal("0.00001"))


def test_bounds_are_printed_rounded_up():
    assert [bound_of(p) for p in (0.0421, 0.04, 0.05, 1.0, 0.9961)] == [
        "≤ 0.043", "≤ 0.04", "≤ 0.05", "≤ 1", "≤ 1",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------ the divisor


@pytest.mark.parametrize(
    ("words", "ddof"),
    [("mean ± population std", 0), ("np.std over 3 seeds", 0), ("numpy std", 0), ("std (ddof=0)", 0),
     ("standard deviation of the population", 0), ("biased std", 0), ("std with $\\mathrm{ddof}=0$", 0),
     ("sample standard deviation", 1), ("unbiased std", 1), ("std (ddof = 1)", 1),
     ("std, divided by n - 1", 1), ("mean ± std", None), ("mean ± standard error", None),
     ("± ddof=0", 0), ("population statistics of cells", None), ("np.std or ddof=1", None)],
)  # fmt: skip
def test_words_say_what_is_divided_by(words: str, ddof: int | None):
    by_caption = judged("70.0 ± 0.5", "73.0 ± 0.5", n=3, caption=words)
    heading = {"m": "a", f"score ({words})": "70.0 ± 0.5"}, {"m": "b", f"score ({words})": "73.0 ± 0.5"}
    for found in (by_caption, audit(Printed(heading, seeds=3))):
        assert any("nothing says whether" in note for note in found.notes) == (ddof is None)
        if ddof is not None:
            assert found.cells[0].std == pytest.approx(0.5 * (1 if ddof else 1.5**0.5))
            kind = "sample" if ddof else "population"
            assert f"with {kind} standard deviations (divided by n" in found.comparisons[0].says


def test_a_claim_survives_both_divisors_or_is_none():
    rows = "70.00 ± 0.30", "72.00 ± 0.30"
    unsaid, sample, population = (judged(*rows, n=3, spread=one) for one in (None, "sd", "population"))
    p = [found.comparisons[0].p_high or 0 for found in (sample, population)]
    assert p[0] < 0.05
    assert p[1] == pytest.approx(2 * stats.t.sf(1.99 * 3**0.5 / (0.61 * 1.5**0.5), 2))
    assert (unsaid.comparisons[0].p_high, unsaid.comparisons[0].p_if_sample) == (p[1], p[0])
    assert "with sample standard deviations (divided by n − 1)" in sample.survives[0]
    alpha = (p[0] + p[1]) / 2
    between = judged(*rows, n=3, alpha=alpha)
    assert between.survives[0].startswith("No difference survives for certain")
    (only,) = [line for line in between.survives if line.startswith("Only if")]
    assert "sample's (divided by n − 1) would it survive that r1 is above r0" in only
    assert f"p {bound_of(p[0])} so, but {bound_of(p[1])}" in only
    assert "only if the printed standard deviations are the sample's" in between.comparisons[0].says
    assert judged(*rows, n=3, alpha=alpha, spread="sd").survives[0].startswith("That r1 is above r0 survives")
    assert not any(
        "Only if" in line for line in judged(*rows, n=3, alpha=alpha, spread="population").survives
    )


def test_the_divisor_of_standard_errors_and_of_columns_is_open_too():
    rows = [{"m": "a", "acc": "70.0", "acc_sem": "0.3"}, {"m": "b", "acc": "74.0", "acc_sem": "0.3"}]
    (open_,), (said,) = (audit(Printed(rows, seeds=5, spread=one)).comparisons for one in (None, "se"))
    assert (said.p_high or 0) == (open_.p_if_sample or 1) < (open_.p_high or 0)


def test_of_equal_validation_values_none_is_picked():
    rows = [
        {"cell": name, "student": "s", "top1": test, "val_top1": val}
        for name, test, val in (("a", "70.1", "71.0"), ("b", "70.9", "70.5"), ("c", "70.3", "70.2"))
    ]
    said = "validation picks a"
    assert any(said in note for note in audit(Printed(rows, n_test=1000)).notes)
    rows[2]["val_top1"] = "71.0"
    assert not any("validation picks" in note for note in audit(Printed(rows, n_test=1000)).notes)
