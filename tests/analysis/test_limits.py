"""What changes at a limit is checked on both of its sides, and numbers against their definitions."""

from __future__ import annotations

import gc
import math

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import (
    AllOf,
    Pair,
    Plan,
    Printed,
    Study,
    TableError,
    Trend,
    Weighted,
    analyze,
    audit,
    compare_studies,
    power,
    summarize_studies,
)
from rigorkd_analysis.hypotheses import all_pairs
from rigorkd_analysis.metric_names import is_percentage, unit_of
from rigorkd_analysis.rounding import last_digit, rounding
from rigorkd_analysis.runs import choose_metric, read_runs
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.anova import repeated_measures
from rigorkd_analysis.stats.exact import signflip
from rigorkd_analysis.stats.new_images import crossed_errors, crossed_interval
from rigorkd_analysis.stats.paired import hedges_correction
from rigorkd_analysis.stats.sample_size import (
    detectable,
    detectable_dz,
    equivalence_power,
    seeds_needed,
    t_test_power,
)
from rigorkd_analysis.stats.selection import may_be_best
from rigorkd_analysis.stats.sequential import interval, log_e
from rigorkd_analysis.studies.synthesis import weighted_average
from rigorkd_analysis.verdicts import Evidence, verdict
from scipy import stats
from statsmodels.stats.anova import AnovaRM

BASE = np.array([80.0, 80.4, 79.8, 80.1, 79.9, 80.2, 80.3, 79.7, 80.05, 80.15, 79.95, 80.25])
NOISE = np.array([0.1, -0.2, 0.05, 0.15, -0.1, 0.2, -0.15, 0.0, 0.12, -0.07, 0.03, -0.11])


def pair_of(table_of, n: int, gain: float = 0.5, **columns: dict[str, object]) -> pd.DataFrame:
    return table_of({"base": BASE[:n], "kd": BASE[:n] + gain + NOISE[:n]}, **columns)


# ------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("alpha", [0.0, 0.5, -0.1, 1.0])
def test_no_error_rate(alpha: float):
    for ask in (lambda: Plan(alpha=alpha), lambda: power(5, 1.0, alpha=alpha)):
        with pytest.raises(TableError, match="is not an error rate"):
            ask()
    with pytest.raises(TableError, match="is not an error rate"):
        audit(Printed([{"cell": "a", "top1": "80.1"}], n_test=100, alpha=alpha))


def test_arguments_at_their_limits():
    assert Plan(alpha=0.499, sesoi=1e-9, c2=1e-9).alpha == 0.499
    assert power(2, 1e-9, alpha=0.499, power=0.5, comparisons=1).n == 2
    for wrong in ({"sesoi": 0.0}, {"sesoi": -1.0}, {"sesoi": math.inf}, {"c2": 0.0}, {"c2": math.inf}):
        with pytest.raises(TableError):
            Plan(**wrong)
    good = {"n": 5, "sd": 1.0, "alpha": 0.05, "power": 0.8, "comparisons": 3, "effect": 1.0, "sesoi": 1.0}
    for key, values in {
        "n": (1, 0),
        "sd": (0.0, -1.0, math.inf),
        "power": (0.05, 1.0, 1.2),
        "comparisons": (0, -1),
        "effect": (0.0, math.inf),
        "sesoi": (0.0, -0.3, math.inf),
    }.items():
        for value in values:
            with pytest.raises(TableError):
                power(**{**good, key: value})
    assert power(**{**good, "effect": -1.0}).seeds_needed == power(**good).seeds_needed


def test_all_pairs_up_to_a_limit():
    def cells(k: int) -> pd.DataFrame:
        return pd.DataFrame({"cell": [f"c{i}" for i in range(k)], "seed": 0, "test_top1": 80.0})

    assert len(all_pairs(read_runs(cells(316)))) == 316 * 315 // 2  # 49,770
    with pytest.raises(TableError, match="50,086 comparisons"):
        all_pairs(read_runs(cells(317)))
    students = cells(317).assign(student=["a", "b"] * 158 + ["a"])
    assert len(all_pairs(read_runs(students))) == 159 * 158 // 2 + 158 * 157 // 2
    teacher = cells(3).assign(method=["kd", "teacher", "baseline"])
    assert [pair.name for pair in all_pairs(read_runs(teacher))] == ["c0 vs c2"]


def test_a_weight_of_a_cell_named_twice_counts_once(table_of):
    weights = (("kd", 0.5), ("base", -1.0), ("kd", 0.5))
    (one,) = (
        analyze(pair_of(table_of, 5), Plan(contrasts=(Weighted(weights),))).family("contrasts").comparisons
    )
    (gain,) = analyze(pair_of(table_of, 5)).family("gains").comparisons
    assert one.weights == {"kd": 1.0, "base": -1.0}
    assert (one.mean_diff, one.p) == pytest.approx((gain.mean_diff, gain.p))


# -------------------------------------------------------------------------------------- what is warned


@pytest.mark.parametrize(
    ("n", "warnings"),
    [
        (1, ["n = 1: one seed has no spread, so nothing is tested; see `rigorkd audit`"]),
        (
            2,
            [
                "n = 2: fewer than 5 seeds; nearly nothing can be shown",
                "this design cannot decide: with 80 % power it detects only differences of 11.5 "
                "standard deviations (2.45 points)",
            ],
        ),
        (3, ["n = 3: fewer than 5 seeds"]),
        (4, ["n = 4: fewer than 5 seeds"]),
        (5, []),
    ],
)
def test_few_seeds(table_of, n: int, warnings: list[str]):
    (one,) = analyze(pair_of(table_of, n)).family("gains").comparisons
    assert list(one.warnings) == warnings
    if n == 1:
        assert one.says.endswith("(difference +0.60 points): one seed has no spread to test against.")


@pytest.mark.parametrize("written", ["float32", "float32 in percent", "4 decimals"])
def test_equal_differences_stay_equal_however_they_are_written(table_of, written: str):
    """A difference of the same few images at every seed has no spread, whatever rounding makes of it."""
    rng = np.random.default_rng(3)
    counts = rng.binomial(300, 0.8, size=(60, 3))
    counts[1::2] = np.where(
        rng.random((30, 1)) < 0.5, counts[::2] + rng.integers(0, 3, (30, 1)), counts[1::2]
    )
    exact = counts / 300
    same = np.ptp(counts[1::2] - counts[::2], axis=1) == 0
    assert 8 < same.sum() < 25
    rounded = np.round(exact, 4) if written == "4 decimals" else np.float64(np.float32(exact))
    rounded *= 100 if "percent" in written else 1
    for own in (exact, rounded):
        table = table_of({f"c{cell}": row for cell, row in enumerate(own)})
        plan = Plan(contrasts=tuple(Pair(f"c{cell + 1}", f"c{cell}") for cell in range(0, 60, 2)))
        found = analyze(table, plan).family("contrasts").comparisons
        assert [one.p is None for one in found] == same.tolist()
    for one, there in zip(found, same, strict=True):
        moved = one.mean_diff != 0 and there
        assert any("the same at every seed but for rounding, which" in word for word in one.warnings) <= moved


def test_what_is_printed_with_few_decimals_keeps_its_spread():
    rng = np.random.default_rng(4)
    for decimals, sd in ((1, 0.3), (2, 0.02), (2, 0.3), (3, 0.001), (15, 1e-4)):
        cells = np.round(90 + rng.normal(0, sd, size=(2, 8)), decimals)
        far = rounding(cells, last_digit(cells))
        assert far < np.ptp(cells[1] - cells[0])
    log_likelihood = -1e6 + rng.normal(0, 0.2, size=(2, 5))
    assert rounding(log_likelihood, last_digit(log_likelihood)) == 0
    assert [last_digit(np.array([values])) for values in ([1.0, 3], [0.5, np.nan, 3], [1 / 3])] == [1, 0.1, 0]


def test_what_cannot_be_tested_says_why(table_of):
    still = table_of({"base": BASE[:5], "kd": BASE[:5] + 0.5, "kd-copy": BASE[:5]})
    moved, copy = analyze(still).family("gains").comparisons
    assert moved.warnings[0].startswith("zero variance: the difference is the same at every seed")
    assert copy.warnings[0] == (
        "zero variance: test_top1 is equal at every seed, as of copied runs or on very few test images"
    )
    told = "the baseline base has the test_top1 of kd-copy at every seed: they may be the same runs"
    assert [text.startswith(told) for text in (*moved.warnings, *copy.warnings)] == [False, True, False, True]
    assert "the difference has no spread over seeds" in moved.says
    apart = pd.concat([still[still.cell == "base"], still[still.cell == "kd"].assign(seed=range(10, 15))])
    (nothing,) = analyze(apart).family("gains").comparisons
    assert nothing.n == 0
    assert "no seed has all the cells it needs" in nothing.warnings
    assert nothing.says.endswith("no seed has all the cells it needs.")


@pytest.mark.parametrize(
    ("gone", "shown"),
    [
        (1, "seed 0"),
        (2, "seeds 0, 1"),
        (10, "seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (11, "seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"),
    ],
)
def test_seeds_are_listed_up_to_ten(table_of, gone: int, shown: str):
    table = pair_of(table_of, 12)
    table = table[~((table.cell == "kd") & (table.seed < gone))]
    (one,) = analyze(table).family("gains").comparisons
    assert (
        one.warnings[0]
        == f"missing pairs: {shown} {'lacks' if gone == 1 else 'lack'} a run in some of the cells"
    )
    assert one.seeds == tuple(range(gone, 12))


@pytest.mark.parametrize(
    ("epochs", "named"), [(100, False), (96, False), (95, False), (94, True), (50, True)]
)
def test_lengths_that_differ_by_more_than_a_twentieth(table_of, epochs: int, named: bool):
    table = pair_of(table_of, 5, epochs_run={"base": 100, "kd": epochs})
    (one,) = analyze(table).family("gains").comparisons
    assert any("trained for different lengths" in text for text in one.warnings) == named
    if named:
        assert f"(epochs: kd {epochs}, base 100)" in " ".join(one.warnings)


@pytest.mark.parametrize(("n", "looks", "named"), [(5, (5,), False), (5, (6,), False), (6, (5, 4, 5), True)])
def test_earlier_looks_on_fewer_seeds(table_of, n: int, looks: tuple[int, ...], named: bool):
    found = analyze(pair_of(table_of, n), Plan(looks=looks))
    (one,) = found.family("gains").comparisons
    assert any("analysed before at n = 4, 5;" in text for text in one.warnings) == named
    assert any("analysed before at n = 4, 5" in text for text in found.warnings) == named


@pytest.mark.parametrize(
    ("n", "named"), [(0, "no seed"), (1, "one seed"), (2, "2 seeds"), (4, "4 seeds"), (5, "")]
)
def test_few_seeds_in_a_study(table_of, n: int, named: str):
    ours = pair_of(table_of, 6)
    theirs = pair_of(table_of, 6, gain=0.4).assign(seed=lambda t: t.seed + 20)
    theirs = theirs[(theirs.cell == "base") | (theirs.seed < 20 + n)]
    if n == 0:
        elsewhere = ours[ours.cell == "kd"].assign(seed=range(90, 96))
        theirs = pd.concat([theirs, elsewhere])
    (one,) = compare_studies(Study("a", ours), Study("b", theirs), Plan()).families[0].comparisons
    assert one.n_b == n
    told = [text for text in one.warnings if text.startswith("b has")]
    assert bool(told) == bool(named)
    assert all(named in text for text in told)
    assert (one.p is None) == (n < 2)


def test_percentages_are_told_from_fractions_by_their_size():
    assert [is_percentage("test_top1", largest) for largest in (1.0, 1.5, 1.51, 100.0, 100.1)] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert not is_percentage("test_loss", 50.0)
    for largest, unit in ((0.9, ""), (90.0, " points")):
        assert unit_of("test_top1", largest) == unit
    assert unit_of("latency_ms", 3.0) == " ms"


@pytest.mark.parametrize(
    ("sesoi", "scale", "asks"), [(0.1, 100, True), (0.09, 100, False), (0.005, 1, False), (0.0049, 1, True)]
)
def test_a_sesoi_of_another_unit_is_refused(table_of, sesoi: float, scale: float, asks: bool):
    table = table_of({"base": BASE[:5] / scale, "kd": (BASE[:5] + NOISE[:5]) / scale})
    if not asks:
        assert analyze(table, Plan(sesoi=sesoi)).sesoi == sesoi
        return
    with pytest.raises(TableError, match="lie between") as error:
        analyze(table, Plan(sesoi=sesoi))
    assert error.value.hint.startswith("did you mean --sesoi")


# ------------------------------------------------------------------------------------------- numbers


def test_the_sequential_numbers_are_those_of_their_definition(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + 0.1 + NOISE, "kd-2": BASE + NOISE[::-1]})
    found = analyze(table, Plan(sequential=True, sesoi=0.5)).sequential
    assert found.size == 3
    for one, d in zip(found.comparisons[1:], (0.1 + NOISE, NOISE[::-1]), strict=True):
        evidence = log_e(d, 0.25)
        low, high = interval(d, 0.25, 0.025)
        assert one.log_e == pytest.approx(evidence[-1], rel=1e-6)
        assert one.p == pytest.approx(min(1.0, math.exp(-max(evidence))), rel=1e-6)
        assert one.p_adjusted == pytest.approx(min(1.0, 2 * one.p))
        assert (one.ci_low, one.ci_high) == pytest.approx((low[-1], high[-1]), rel=1e-6)
        inside = np.flatnonzero((low > -0.5) & (high < 0.5) | (evidence >= math.log(40)))
        assert one.decided_at == (inside[0] + 1 if inside.size else None)
        assert (one.n, one.m) == (12, 2)
    _, first, second = (one.says for one in found.comparisons)
    assert "equivalent within ±0.50 points, sign undecided" in first
    assert "simultaneous over 2" in second


def test_a_conjunction_in_a_sequential_analysis_has_the_evidence_of_its_weakest(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + 1 + NOISE, "kd-2": BASE + 0.5 + NOISE[::-1]})
    plan = Plan(sequential=True, contrasts=(AllOf(("kd-1", "kd-2"), planned=True),))
    (both,) = analyze(table, plan).sequential.comparisons
    weakest = np.minimum(log_e(1 + NOISE, 0.25), log_e(0.5 + NOISE[::-1], 0.25))
    assert both.log_e == pytest.approx(weakest[-1], rel=1e-6)
    assert both.verdict == "better"
    assert both.decided_at == np.flatnonzero(weakest >= math.log(20))[0] + 1
    assert both.ci_low is None
    down = table_of({"base": BASE, "kd-1": BASE + 1 + NOISE, "kd-2": BASE - 1 + NOISE[::-1]})
    (apart,) = analyze(down, plan).sequential.comparisons
    assert (apart.verdict, apart.decided_at) == ("inconclusive", None)


def test_the_bias_of_a_standardised_mean_is_taken_out_by_gamma_functions():
    for df in (2, 3, 9):
        expected = math.gamma(df / 2) / (math.sqrt(df / 2) * math.gamma((df - 1) / 2))
        assert hedges_correction(df) == pytest.approx(expected)
    assert math.isnan(hedges_correction(1))


def test_cells_are_summed_up(table_of):
    found = analyze(pair_of(table_of, 7)).cells
    for one, values in zip(found, (BASE[:7], BASE[:7] + 0.5 + NOISE[:7]), strict=True):
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        variance = values.var(ddof=1)
        assert (one.n, one.diverged) == (7, 0)
        assert one.mean == pytest.approx(values.mean())
        assert one.std == pytest.approx(math.sqrt(variance))
        assert (one.ci_low, one.ci_high) == pytest.approx((expected.low, expected.high))
        assert one.std_ci_low == pytest.approx(math.sqrt(6 * variance / stats.chi2.ppf(0.975, 6)))
        assert one.std_ci_high == pytest.approx(math.sqrt(6 * variance / stats.chi2.ppf(0.025, 6)))


def test_new_images_by_the_textbook():
    rng = np.random.default_rng(3)
    n, images = 4, 30
    d = 1 + rng.normal(0, 1, (n, 1)) + rng.normal(0, 2, (1, images)) + rng.normal(0, 0.5, (n, images))
    mean, by_seed, by_image = d.mean(), d.mean(axis=1), d.mean(axis=0)
    ms_seed, ms_image = images * by_seed.var(ddof=1), n * by_image.var(ddof=1)
    rest = d - by_seed[:, None] - by_image + mean
    ms_rest = (rest**2).sum() / ((n - 1) * (images - 1))
    top = ms_seed + ms_image - ms_rest
    df = top**2 / (ms_seed**2 / (n - 1) + ms_image**2 / (images - 1) + ms_rest**2 / ((n - 1) * (images - 1)))
    half = stats.t.ppf(0.975, df) * math.sqrt(top / (n * images))
    errors, found = crossed_errors(d), crossed_interval(d, 0.05)
    assert errors.df == pytest.approx(df, rel=1e-10)
    assert errors.se == pytest.approx(math.sqrt(top / (n * images)))
    over_seeds = stats.t.ppf(0.975, n - 1) * by_seed.std(ddof=1) / math.sqrt(n)
    assert over_seeds > half  # few degrees of freedom: the wider of the two is taken
    assert found.df == n - 1
    assert (found.low, found.high) == pytest.approx((mean - over_seeds, mean + over_seeds))
    seeds = stats.ttest_1samp(by_seed, 0).confidence_interval(0.95)
    assert (found.seeds_low, found.seeds_high) == pytest.approx((seeds.low, seeds.high))


def test_families_of_a_plan_and_of_later_questions(table_of):
    table = table_of({"base": BASE[:5], "kd-1": BASE[:5] + NOISE[:5], "kd-2": BASE[:5] + NOISE[5:10]})
    pairs = (Pair("kd-1", "kd-2", planned=True), Pair("kd-2", "kd-1"), Pair("kd-2", "base", planned=True))
    found = analyze(table, Plan(planned=True, added=("kd-2",), contrasts=pairs, all_pairs=True)).families
    assert [(family.name, family.planned, family.size) for family in found] == [
        ("gains", True, 1), ("gains", False, 1),
        ("contrasts", False, 3), ("all_pairs", False, 3),
    ]  # fmt: skip
    found = analyze(table, Plan(planned=True, contrasts=pairs)).families
    assert [(family.name, family.planned, family.size) for family in found] == [
        ("overall", True, 1), ("gains", True, 2), ("contrasts", True, 2), ("contrasts", False, 1),
    ]  # fmt: skip


def test_g_av_is_the_difference_over_the_root_mean_variance(table_of):
    (one,) = analyze(pair_of(table_of, 7)).family("gains").comparisons
    a, b = BASE[:7] + 0.5 + NOISE[:7], BASE[:7]
    sd = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert one.g_av == pytest.approx(hedges_correction(6) * (a - b).mean() / sd)
    assert one.g_z == pytest.approx(hedges_correction(6) * one.dz)


def test_gains_taken_together_are_a_two_way_analysis_of_variance(table_of):
    gains = np.random.default_rng(3).normal([[0.2], [0.9], [-0.4], [0.5]], 0.2, (4, 6))
    table = table_of({"base": BASE[:6]} | {f"kd-{i}": BASE[:6] + gain for i, gain in enumerate(gains)})
    found = analyze(table).family("gains").consistency
    long = pd.DataFrame([{"setting": i, "seed": j, "gain": gains[i, j]} for i in range(4) for j in range(6)])
    by_hand = AnovaRM(long, "gain", "seed", within=["setting"]).fit().anova_table
    ms_setting = 6 * gains.mean(axis=1).var(ddof=1)
    ms_residual = ms_setting / float(by_hand["F Value"].iloc[0])
    assert found.between_sd == pytest.approx(math.sqrt((ms_setting - ms_residual) / 6))
    assert found.p_equal > float(by_hand["Pr > F"].iloc[0])  # the degrees of freedom are corrected
    assert found.p_equal < 0.01


@pytest.mark.parametrize(("n", "k"), [(5, 3), (4, 2)])
def test_a_summary_over_studies_is_a_t_over_their_means(table_of, n: int, k: int):
    rng = np.random.default_rng(8)
    gains = [rng.normal(0.5, 0.3, n) for _ in range(k)]
    studies = [
        Study(
            str(i),
            table_of({"base": BASE[:n], "kd": BASE[:n] + gain}).assign(seed=[*range(9 * i, 9 * i + n)] * 2),
        )
        for i, gain in enumerate(gains)
    ]
    (one,) = summarize_studies(studies, Plan(sesoi=1.0)).families[0].summaries
    means, variances = np.array([g.mean() for g in gains]), np.array([g.var(ddof=1) for g in gains]) / n
    spread, reach = means.std(ddof=1), stats.t.ppf(0.975, k - 1)
    assert one.t == pytest.approx(means.mean() / (spread / math.sqrt(k)))
    assert one.df == k - 1
    ahead = reach * spread * math.sqrt(1 + 1 / k)
    assert (one.prediction_low, one.prediction_high) == pytest.approx(
        (means.mean() - ahead, means.mean() + ahead)
    )
    assert one.tau == pytest.approx(math.sqrt(max(0.0, spread**2 - variances.mean())))
    weighted = weighted_average(means, variances, 0.05)
    assert (one.weighted_mean, one.weighted_ci_low) == pytest.approx((weighted.mean, weighted.ci_low))
    for share, gain in zip(one.studies, gains, strict=True):
        expected = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
        assert (share.ci_low, share.ci_high) == pytest.approx((expected.low, expected.high))


def test_a_cell_leaves_the_best_at_alpha_over_its_rivals():
    """Three cells, so two rivals: a one-sided p below .05/2 puts a cell out."""
    d = np.array([1.0, -1.0, 0.5, -0.5, 0.2])
    for p, stays in ((0.02, False), (0.03, True)):
        t = -stats.t.ppf(p, 4)
        shift = t * d.std(ddof=1) / math.sqrt(5) - d.mean()
        values = np.array([80 + 0 * d, 80 + shift + d, 70 + d])
        assert may_be_best(values, 0.05).tolist() == [stays, True, False]


def test_copies_beat_nobody():
    values = np.array([[80.0, 81.0, 79.0], [80.5, 81.5, 79.5], [79.0, 80.0, 78.0]])
    assert may_be_best(values, 0.05).all()
    assert may_be_best(values + 1e-11 * np.array([[1, 0, 2], [0, 1, 0], [2, 1, 0]]), 0.05).all()


def test_the_best_are_named_by_student_and_group(table_of):
    few = table_of({"a-base": BASE[:5], "a-kd": BASE[:5] + NOISE[:5]}).assign(student="a", group="x")
    many = {"b-base": BASE[:5], "b-1": BASE[:5] + NOISE[:5], "b-2": BASE[:5] + NOISE[5:10]}
    found = analyze(pd.concat([few, table_of(many).assign(student="b", group="y")])).best
    assert [(one.student, one.group) for one in found.sets] == [("b", "y")]
    assert [(one.student, one.group, one.cells, one.n) for one in found.optimism] == [("b", "y", 3, 5)]


def test_two_seeds_and_two_images_are_enough_for_an_interval_one_is_not():
    d = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 4.0]])
    assert crossed_interval(d, 0.05).low is not None
    assert crossed_interval(d[:, :2] + np.array([[0.0], [1.0]]), 0.05).low is not None
    assert crossed_interval(d[:1], 0.05).low is None
    assert crossed_interval(d[:, :1], 0.05).low is None


def test_sign_flips_up_to_36_seeds():
    d = np.random.default_rng(0).normal(0.3, 1, (1, 37))
    assert 0 < signflip(d[:, :36])[0] < 1
    assert np.isnan(signflip(d)[0])


def test_weights_that_nearly_sum_to_0(table_of):
    table = pair_of(table_of, 5)
    for off, size, good in (
        (1e-7, 1000.0, True),
        (1e-5, 1000.0, False),
        (1e-10, 1.0, True),
        (1e-8, 1.0, False),
    ):
        plan = Plan(contrasts=(Weighted((("kd", size), ("base", off - size))),))
        if good:
            assert analyze(table, plan).family("contrasts").size == 1
        else:
            with pytest.raises(TableError, match="sum to"):
                analyze(table, plan)


def test_a_trend_is_of_its_student(table_of):
    cells = {f"{s}-{T}": BASE[:5] + T * (1 if s == "u" else -1) + NOISE[:5] for s in "uv" for T in (1, 4)}
    of = {cell: cell[0] for cell in cells}
    table = table_of(cells, student=of, T={cell: int(cell[2:]) for cell in cells})
    for student, change in (("u", 3.0), ("v", -3.0)):
        (one,) = (
            analyze(table, Plan(contrasts=(Trend("T", student=student),), baselines=()))
            .family("contrasts")
            .comparisons
        )
        assert one.mean_diff == pytest.approx(change)
        assert one.student == student


def test_joint_equivalence_ends_where_the_interval_touches_the_sesoi():
    def found(low: float, high: float) -> str:
        evidence = Evidence((low + high) / 2, 0.2, 0.9, (low, high))
        return verdict(evidence, goal="max", alpha=0.05, sesoi=0.5, joint=True)[0]

    assert found(-0.49, 0.49) == "equivalent"
    assert {found(-0.5, 0.4), found(-0.4, 0.5), found(-0.6, 0.1)} == {"inconclusive"}


def test_cells_name_their_method_and_a_fraction_of_1_is_one(table_of):
    table = table_of({"base": [1.0, 0.9, 0.95], "kd": [0.99, 0.97, 0.98]})
    assert [one.method for one in analyze(table).cells] == ["baseline", "kd"]
    with pytest.raises(TableError, match=r"sesoi .* is 10 points"):
        analyze(table, Plan(sesoi=0.1))


def test_what_is_missing_is_not_a_value(table_of):
    table = table_of({"base": BASE[:6], "kd": BASE[:6] + NOISE[:6], "kd-2": BASE[:6] + 3 + NOISE[6:12]})
    table = table[~((table.cell == "kd") & (table.seed == 2))]
    one = analyze(table).cells[1]
    values = np.delete(BASE[:6] + NOISE[:6], 2)
    assert (one.n, one.mean, one.std) == pytest.approx((5, values.mean(), values.std(ddof=1)))
    grid = np.array([BASE[:6], BASE[:6] + 1e-3 * NOISE[:6], BASE[:6] + 0.02 + 0.001 * NOISE[6:12]])
    grid[1, 2] = np.nan
    assert may_be_best(grid, 0.05).tolist() == [False, False, True]


def test_seeds_needed_are_those_of_the_family(table_of):
    table = table_of({"base": BASE[:5], "kd-1": BASE[:5] + NOISE[:5], "kd-2": BASE[:5] + 2 * NOISE[5:10]})
    for one in analyze(table, Plan(sesoi=0.2)).family("gains").comparisons:
        low, high = (one.sd_diff * math.sqrt(4 / stats.chi2.ppf(p, 4)) for p in (0.975, 0.025))
        for found, sd in (
            (one.seeds_needed, one.sd_diff),
            (one.seeds_needed_low, low),
            (one.seeds_needed_high, high),
        ):
            assert found == seeds_needed(0.2, sd, 0.05, comparisons=2)
    assert seeds_needed(100.0, 1.0) == 2
    assert seeds_needed(1.0, 0.0) == 2


def test_untested_effects_keep_their_degrees_of_freedom():
    lone = repeated_measures(np.zeros((1, 3)), np.zeros((3, 2)))
    assert (lone.n, lone.F, lone.df_effect, lone.df_error) == (1, None, 2.0, 0.0)
    still = repeated_measures(np.ones((4, 3)), np.zeros((3, 2)))
    assert (still.n, still.F, still.df_effect, still.df_error) == (4, None, 2.0, 6.0)


@pytest.mark.parametrize(("n", "said"), [(6, True), (7, False)])
def test_a_test_of_few_seeds_is_called_conservative(table_of, n: int, said: bool):
    table = table_of(
        {
            "base": BASE[:n],
            "kd-1": BASE[:n] + NOISE[:n],
            "kd-4": BASE[:n] + NOISE[:n][::-1],
            "kd-9": BASE[:n] + np.roll(NOISE[:n], 2),
        },
        T={"kd-1": 1, "kd-4": 4, "kd-9": 9},
    )
    (found,) = analyze(table).factorial
    assert ("conservative" in found.says) == said


def test_opposite_gains_that_are_both_negligible_are_equivalent(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + 0.1 + NOISE / 5, "kd-2": BASE - 0.1 + NOISE / 5})
    plan = Plan(sesoi=1.0, contrasts=(AllOf(("kd-1", "kd-2")),))
    (both,) = analyze(table, plan).family("contrasts").comparisons
    assert both.verdict == "equivalent"
    assert both.p == pytest.approx(1.0, abs=1e-3)


def test_a_sequential_interval_is_there_once_it_is_finite(table_of):
    table = table_of({"base": BASE[:2], "kd": BASE[:2] + NOISE[:2]})
    (one,) = analyze(table, Plan(sequential=True)).sequential.comparisons
    assert (one.n, one.ci_low, one.ci_high) == (2, None, None)
    still = table_of({"base": BASE[:2], "kd": BASE[:2] + 1})
    (one,) = analyze(still, Plan(sequential=True)).sequential.comparisons
    assert one.says == "Distillation: undecided (no spread over seeds)."
    (one,) = analyze(still[still.seed < 1], Plan(sequential=True)).sequential.comparisons
    assert one.says == "Distillation: undecided (fewer than 2 seeds)."


def test_equivalence_over_studies_has_a_degree_of_freedom_less_than_studies(table_of):
    shifts = (0.1, -0.2, 0.15)
    studies = [
        Study(
            str(i),
            table_of({"base": BASE[:5], "kd": BASE[:5] + x + NOISE[:5]}).eval(f"seed = seed + {9 * i}"),
        )
        for i, x in enumerate(shifts)
    ]
    (one,) = summarize_studies(studies, Plan(sesoi=0.6)).families[0].summaries
    ends = [stats.t.sf((0.6 + sign * one.mean) / one.se, 2) for sign in (1, -1)]
    assert one.p_equivalence == pytest.approx(max(ends))


def test_two_values_of_a_cell_make_a_column_a_metric():
    frame = pd.DataFrame({"cell": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "width": [8, 8, 16, 16]})
    assert choose_metric(frame.assign(score=[1.0, 2.0, 3.0, 4.0]), None) == "score"
    assert choose_metric(frame, None) == "width"


def test_one_seed_does_not_tell_a_fixed_teacher(table_of):
    table = pair_of(table_of, 2).assign(teacher_run_hash="x")
    for seeds, told in ((2, True), (1, False)):
        warnings = analyze(table[table.seed < seeds]).warnings
        assert any("one fixed teacher" in text for text in warnings) == told


@pytest.mark.parametrize(("lost", "verdict_of_a_loss"), [("kd", "worse"), ("base", "inconclusive")])
def test_lost_runs_count_against_the_cell_that_lost_them(table_of, lost: str, verdict_of_a_loss: str):
    for gain, expected in ((-2.0, verdict_of_a_loss), (2.0, "inconclusive")):
        table = pair_of(table_of, 6, gain).assign(status="done")
        table.loc[(table.cell == lost) & (table.seed == 5), ["status", "test_top1"]] = ["diverged", np.nan]
        (one,) = analyze(table).family("gains").comparisons
        assert (one.n, one.verdict) == (5, expected)


def test_the_collector_is_left_as_it_was_found():
    p = np.array([0.01, np.nan, 0.04])
    gc.unfreeze()
    try:
        adjust(p, "holm")
        assert gc.get_freeze_count() == 0
        gc.freeze()
        adjust(p, "holm")
        assert gc.get_freeze_count() > 0
    finally:
        gc.freeze()  # as tests/conftest.py has it


def test_a_comparison_of_one_seed_keeps_a_study_undecided(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + 2 + NOISE, "kd-2": BASE + 2 - NOISE[::-1]})
    plan = Plan(sequential=True)
    assert analyze(table, plan).sequential.decided
    assert not analyze(table[(table.cell != "kd-2") | (table.seed < 1)], plan).sequential.decided
    nothing = pd.concat([table[table.cell != "kd-2"], table[table.cell == "kd-2"].eval("seed = seed + 50")])
    assert analyze(nothing, plan).sequential.decided  # no seed has both cells: left out of a run


@pytest.mark.parametrize(("n", "shown"), [(5, "0, 1, 2, 3, 4:"), (6, "0, 1, 2, 3, 4, …:")])
def test_common_seeds_are_listed_up_to_five(table_of, n: int, shown: str):
    found = compare_studies(Study("a", pair_of(table_of, n)), Study("b", pair_of(table_of, n, 0.4)), Plan())
    assert found.warnings[0].startswith(f"a and b both use the seeds {shown}")


def test_networks_thousands_of_images_apart_have_p_0():
    rows = [{"cell": "a", "top1": "60.00"}, {"cell": "b", "top1": "90.00"}]
    (one,) = audit(Printed(rows, n_test=10_000)).comparisons
    assert (one.images, one.p_min, one.networks_differ) == (3000, 0.0, "always")


def test_a_table_without_the_column_offers_its_numbers():
    with pytest.raises(TableError) as caught:
        audit(Printed([{"cell": "a", "score": "80.1", "other": "3", "note": "best"}], n_test=100))
    assert caught.value.hint == (
        "give --metric, one of: score, other; each is corrected for its own pairs alone. If these are "
        "methods, and rows what they were tested on, --turned compares them"
    )


@pytest.mark.parametrize(
    ("low", "high", "magnitude"),
    [
        (0.1, 0.25, "size undetermined"),
        (0.1, 0.9, "size undetermined"),
        (0.31, 0.9, "at least SESOI"),
        (-0.9, -0.31, "at least SESOI"),
        (-0.9, -0.1, "size undetermined"),
    ],
)
def test_a_magnitude_is_read_from_the_simultaneous_interval(low: float, high: float, magnitude: str):
    evidence = Evidence((low + high) / 2, 0.001, 0.9, (low, high))
    found = verdict(evidence, goal="max", alpha=0.05, sesoi=0.3, joint=False)
    assert found == ("better" if low > 0 else "worse", magnitude)


@pytest.mark.parametrize("n", [3, 5, 50, 400])
def test_a_detectable_difference_has_the_power_that_it_is_said_to_have(n: int):
    dz = detectable_dz(n, 0.01)
    assert t_test_power(dz, n, 0.01) == pytest.approx(0.8, abs=1e-9)
    assert detectable(n, 2.0, 0.05, comparisons=5) == pytest.approx(2 * dz)
    assert equivalence_power(n, 1.0, 1.0) == equivalence_power(n, 1.0, 1.0, comparisons=1)
