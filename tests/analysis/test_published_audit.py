"""Published tables: the rows that were checked by hand, rounding, means over seeds, printed tests."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from rigorkd_analysis import Printed, TableError, audit
from rigorkd_analysis.published.bounds import (
    break_even_sd,
    counts,
    mcnemar_at,
    mcnemar_bounds,
    recover,
    t_range,
    wilson,
)
from rigorkd_analysis.published.printed_rounding import Span
from rigorkd_analysis.published.table_audit import Audit, AuditComparison, bound_of
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def overall(published: Path) -> Audit:
    gains = rows(published / "fauzan2026_gains.csv")
    return audit(Printed(rows(published / "fauzan2026_overall.csv"), n_test=10_000, differences=gains))


@pytest.fixture
def ablation(published: Path) -> Audit:
    return audit(Printed(rows(published / "fauzan2026_ablation.csv"), n_test=10_000))


def pair(found: Audit, low: float, high: float) -> AuditComparison:
    value = {cell.cell: cell.value for cell in found.cells}
    (match,) = [c for c in found.comparisons if (value[c.a], value[c.b]) == (low, high)]
    return match


@pytest.mark.parametrize(
    ("table", "low", "high", "images", "most", "p_min", "p_max", "sd", "differ"),
    [
        ("overall", 79.18, 80.83, 165, 3999, 4e-50, 0.0095, 0.595, "always"),
        ("overall", 77.00, 78.36, 136, 4464, 2e-41, 0.0433, 0.491, "always"),
        ("ablation", 79.90, 80.87, 97, 3923, 1e-29, 0.125, 0.350, "depends"),
        ("ablation", 80.82, 80.87, 5, 3831, 0.0625, 0.949, 0.018, "never"),
        ("ablation", 80.87, 80.88, 1, 3825, 1, 1, 0.0036, "never"),
    ],
)
def test_the_cifar_100_study(request, table, low, high, images, most, p_min, p_max, sd, differ):
    c = pair(request.getfixturevalue(table), low, high)
    assert (c.images, c.discordant_min, c.discordant_max) == (images, images, most)
    assert (c.images_min, c.images_max) == (images, images)
    assert c.p_min == pytest.approx(p_min, rel=0.5 if p_min < 0.01 else 1e-9)
    assert c.p_max == pytest.approx(p_max, abs=6e-4)
    assert c.break_even_seed_sd == pytest.approx(sd, abs=6e-4)
    assert c.networks_differ == differ
    assert c.difference == pytest.approx(high - low, abs=1e-9)


def test_what_is_said_of_the_cifar_100_study(overall: Audit, ablation: Audit):
    assert "is 1 image of 10,000" in pair(ablation, 80.87, 80.88).says
    assert "cannot be told apart" in pair(ablation, 80.87, 80.88).says
    latency = [flag for flag in overall.efficiency if flag.column == "latency_ms"]
    assert [flag.values for flag in latency] == [("3.98", "3.44"), ("4.23", "4.29")]
    assert all("cannot come from distillation" in flag.says for flag in latency)
    assert overall.survives[0].startswith("No claim about a method survives")
    assert sum("is more accurate than" in line for line in overall.survives) == 2
    assert all("Holm's correction over 2 pairs" in line for line in overall.survives[1:3])
    assert not any("is more accurate" in line for line in ablation.survives)
    assert any("test loss rose under distillation" in note for note in overall.notes)
    assert any("validation picks T=6" in note for note in ablation.notes)


def test_a_claim_is_corrected_for_the_pairs_of_the_table():
    """Twelve rows of which the best is ahead of the worst as by chance: alone it would be a claim."""
    values = ["80.0", *[f"{80.3 + k / 100:.2f}" for k in range(10)], "81.2"]
    spreads = [{"cell": f"c{k}", "top1": v, "top1_std": "0.25", "n": "5"} for k, v in enumerate(values)]
    found = audit(Printed(spreads))
    alone = [c for c in found.comparisons if c.p_high is not None and c.p_high < 0.05]
    held = [c for c in found.comparisons if c.p_adjusted is not None and c.p_adjusted < 0.05]
    holm = multipletests([1.0 if c.p_high is None else c.p_high for c in found.comparisons], method="holm")[1]
    assert [c.p_adjusted for c in found.comparisons] == pytest.approx(
        [None if c.p_high is None else p for c, p in zip(found.comparisons, holm, strict=True)]
    )
    assert len(alone) > len(held)
    claims = [line for line in found.survives if line.startswith("That ")]
    assert len(claims) == len(held)
    assert all("Holm's correction over 66 pairs" in line for line in claims)
    assert any(f"{len(alone) - len(held)} of 66 pairs" in line for line in found.survives)
    assert all("by Holm over the table's 66 pairs" in c.says for c in alone)
    assert all(("does not support it" in c.says) == (c not in held) for c in alone)


def test_a_single_pair_needs_no_correction():
    table = [
        {"cell": "a", "top1": "76.10", "top1_std": "0.20", "n": "5"},
        {"cell": "b", "top1": "77.30", "top1_std": "0.30", "n": "5"},
    ]
    found = audit(Printed(table))
    (c,) = found.comparisons
    assert c.p_adjusted == c.p_high
    assert found.survives == (
        "That b is above a survives whatever the pairing of the seeds, the rounding and the divisor (n − 1 "
        f"or n) of the printed standard deviations (p {bound_of(c.p_high or 0)}, the only pair).",
    )


def test_one_run_in_two_rows_is_one_run(ablation: Audit):
    assert len(ablation.cells) == 5
    assert len(ablation.comparisons) == 10
    assert any("printed twice" in note for note in ablation.notes)


def test_printed_differences_are_recomputed(overall: Audit):
    wrong = [check for check in overall.differences if not check.matches]
    assert [(check.column, check.printed, check.recomputed) for check in wrong] == [
        ("latency_difference_ms", 0.05, 0.06)
    ]
    assert wrong[0].rounding_explains
    lie = [{"student": "s", "standard_top1": "70.0", "kd_top1": "71.0", "top1_gain": "1.5"}]
    (check,) = audit(Printed(lie, n_test=1000)).differences
    assert not check.rounding_explains


def test_pairs_stay_within_a_student(overall: Audit):
    assert len(overall.comparisons) == 2
    assert {cell.student for cell in overall.cells} == {"resnet50", "mobilenetv2", "shufflenetv2_x1_0"}


def test_a_wide_table_is_spread_out(published: Path):
    found = audit(Printed(rows(published / "fauzan2026_gains.csv"), n_test=10_000))
    assert pair(found, 79.18, 80.83).images == 165


def test_bounds_against_brute_force():
    N = 40
    for x_a, x_b in ((30, 33), (10, 10), (5, 25), (38, 40), (0, 7)):
        a, b = (counts(Decimal(x), 0, N, N) for x in (x_a, x_b))
        found = mcnemar_bounds(a, b, N, 0.05)
        delta = x_b - x_a
        only_a = range(min(x_a, N - x_b) + 1)
        p = [1.0 if 2 * k + delta == 0 else stats.binomtest(k, 2 * k + delta).pvalue for k in only_a]
        assert found.p_min == pytest.approx(min(p))
        assert found.p_max == pytest.approx(max(p))
        assert (found.discordant_min, found.discordant_max) == (delta, delta + 2 * max(only_a))
        rejected = [2 * k + delta for k, value in zip(only_a, p, strict=True) if value < 0.05]
        assert found.rejects_up_to_discordant == (max(rejected) if rejected else None)


def test_p_rises_with_the_images_that_only_the_worse_gets_right():
    p = [mcnemar_at(12, k) for k in range(200)]
    assert np.all(np.diff(p) > -1e-12)


def test_rounding_to_one_decimal_is_an_interval():
    table = [{"cell": "a", "top1": "80.1"}, {"cell": "b", "top1": "80.2"}]
    (c,) = audit(Printed(table, n_test=10_000)).comparisons
    assert (c.images, c.images_min, c.images_max) == (10, 0, 20)
    assert c.p_min == pytest.approx(2.0**-19)
    assert c.p_max == 1.0
    assert c.networks_differ == "depends"
    wide = audit(Printed([*table, {"cell": "c", "top1": "90.0"}], n_test=10_000)).cells
    assert wide[0].ci_low == pytest.approx(100 * wilson(8005, 10_000, 0.05)[0])
    assert wide[0].ci_high == pytest.approx(100 * wilson(8015, 10_000, 0.05)[1])


def test_precision_is_read_from_the_text():
    assert (
        audit(Printed([{"cell": "a", "top1": "80"}, {"cell": "b", "top1": "80.10"}], n_test=10_000)).decimals
        == 2
    )


def test_accuracies_that_no_count_gives_are_noted():
    found = audit(Printed([{"cell": "a", "top1": "33.33"}, {"cell": "b", "top1": "50.05"}], n_test=300))
    assert [note for note in found.notes if "no whole number of 300 images gives 50.05" in note]
    assert not any("33.33" in note for note in found.notes)


def test_fractions_are_fractions():
    found = audit(Printed([{"cell": "a", "top1": "0.7918"}, {"cell": "b", "top1": "0.8083"}], n_test=10_000))
    (c,) = found.comparisons
    assert c.images == 165
    assert c.break_even_seed_sd == pytest.approx(0.00595, abs=1e-5)


@pytest.mark.parametrize(("correct", "n"), [(7918, 10_000), (0, 50), (50, 50), (1, 7)])
def test_wilson_against_statsmodels(correct: int, n: int):
    assert wilson(correct, n, 0.05) == pytest.approx(
        proportion_confint(correct, n, 0.05, "wilson"), abs=1e-12
    )


def test_means_over_seeds_with_printed_sds():
    table = [
        {"cell": "a", "top1": "76.10", "top1_std": "0.20", "n": "5"},
        {"cell": "b", "top1": "77.30", "top1_std": "0.30", "n": "5"},
    ]
    (c,) = audit(Printed(table)).comparisons
    population = 1.25**0.5
    assert (c.t_low, c.t_high) == pytest.approx((1.19 * 5**0.5 / 0.51 / population, 1.21 * 5**0.5 / 0.09))
    assert c.p_high == pytest.approx(2 * stats.t.sf(c.t_low, 4))
    assert c.break_even_seed_sd == pytest.approx(1.21 * 5**0.5 / (1.95996398 * 2**0.5))
    assert c.break_even_seed_sd_paired == pytest.approx(c.break_even_seed_sd / 0.1**0.5)
    (strict,) = audit(Printed(table, alpha=0.01)).comparisons
    assert strict.break_even_seed_sd == pytest.approx(1.21 * 5**0.5 / (2.5758293 * 2**0.5))
    assert c.test_set_sd is None  # how many test images is not told
    assert (c.images, c.networks_differ) == (None, None)


def test_t_range_holds_for_any_pairing():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 6), rng.normal(1, 2, 6)
    low, high = t_range(*(Span(x, x) for x in (b.mean() - a.mean(), a.std(ddof=1), b.std(ddof=1))), 6)
    found = [abs(stats.ttest_rel(rng.permutation(a), b).statistic) for _ in range(200)]
    assert low <= min(found)
    assert max(found) <= high


def test_means_over_seeds_without_sds():
    table = [{"cell": "a", "top1": "76.1"}, {"cell": "b", "top1": "77.3"}]
    found = audit(Printed(table, seeds=3))
    assert found.comparisons[0].t_low is None
    assert "No difference survives for certain" in found.survives[0]


def test_a_printed_t_and_p_tell_n_sd_and_interval():
    found = recover(3.9024, 0.0175, 2.24)
    assert found.n == 5
    assert found.sd == pytest.approx(1.28, abs=0.005)
    assert (found.ci_low, found.ci_high) == pytest.approx(
        (0.65, 3.83), abs=0.013
    )  # with the rounding of 2.24
    for n in (2, 3, 8, 30):
        assert recover(2.5, float(2 * stats.t.sf(2.5, n - 1))).n == n
    with pytest.raises(TableError, match="no number of pairs"):
        recover(3.9024, 0.00001)
    with pytest.raises(TableError):
        recover(0.0, 0.5)
    columns = [{"cell": "a", "top1": "1", "t": "3.9024", "p": "0.0175", "difference": "2.24"}]
    assert audit(Printed(columns, n_test=100, seeds=5)).recovered[0].n == 5


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        ([], {}, "no rows"),
        ([{"cell": "a", "top1": "80"}], {}, "how many test images"),
        ([{"cell": "a", "top1": "180"}], {"n_test": 10}, "not an accuracy"),
        ([{"cell": "a", "top1": "eighty"}], {"n_test": 10}, "not a number"),
        ([{"cell": "a", "top1": ""}], {"n_test": 10}, "no value"),
        ([{"cell": "a", "top1": "80"}], {"n_test": 0}, "n_test = 0"),
        ([{"cell": "a", "top1": "80"}], {"n_test": 10, "metric": "top3"}, "no column 'top3'"),
        ([{"cell": "a", "acc": "80", "f1": "70"}], {"n_test": 10}, "which column is to be judged"),
        ([{"cell": "a", "top1": "80"}], {"seeds": 0}, "seeds = 0"),
        (
            [{"cell": "a", "top1": "80", "n_test": "10"}, {"cell": "b", "top1": "80", "n_test": "20"}],
            {},
            "different",
        ),
        ([{"run": "x", "top1": "80"}, {"run": "x", "top1": "81"}], {"n_test": 10}, "printed with 80 and 81"),
    ],
)
def test_refusals(table, arguments, message: str):
    with pytest.raises(TableError, match=message) as caught:
        audit(Printed(table, **arguments))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("row", "metric", "hint"),
    [
        (
            {"cell": "a", "f1": "70", "top1": "80", "top5": "95"},
            "tpo1",
            "did you mean 'top1'? there are: top1, top5, f1",
        ),
        (
            {"model": "a", "kd_top1": "81", "standard_top1": "80", "kd_top5": "95", "standard_top5": "94"},
            "tpo1",
            "did you mean 'top1'? there are: top1, kd_top1, top5, kd_top5, standard_top1, standard_top5",
        ),
        ({"cell": "a", "top5": "90", "top1": "80"}, "recall", "there are: top5, top1"),
    ],
)
def test_a_misspelt_metric_is_shown_all_that_can_be_judged_nearest_first(row, metric: str, hint: str):
    """Of a wide table also what its columns end in."""
    with pytest.raises(TableError, match=f"no column '{metric}'") as caught:
        audit(Printed([row, {**row, "cell": "b"}], n_test=1000, metric=metric))
    assert caught.value.hint == hint


def test_an_error_rate_is_no_accuracy():
    found = audit(
        Printed(
            [{"cell": "a", "top1_error": "20.1"}, {"cell": "b", "top1_error": "19.0"}], metric="top1_error"
        )
    )
    assert found.comparisons[0].images is None
    assert not any("more accurate" in line for line in found.survives)


def test_the_break_even_with_pairing_is_where_a_paired_test_stops_to_reject():
    """Differences of k pairs that correlate by r have the variance 2σ²(1 − r)."""
    rng = np.random.default_rng(9)
    sd = break_even_sd(1.2, 5, 0.05, 0.9)
    pairs = rng.multivariate_normal([0, 0], sd**2 * np.array([[1, 0.9], [0.9, 1]]), (40_000, 5))
    means = (pairs[..., 0] - pairs[..., 1]).mean(axis=1)
    assert (np.abs(means) >= 1.2).mean() == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize(("few", "many"), [(1, 5), (3, 5), (2, 3)])
def test_the_break_even_of_unequal_numbers_pairs_what_both_have(few: int, many: int):
    """The smaller number's seeds are among the larger's: σ²(1/few + 1/many − 2r/many)."""
    rng = np.random.default_rng(few + 10 * many)
    sd = break_even_sd(1.2, few, 0.05, 0.9, many)
    assert sd == break_even_sd(1.2, many, 0.05, 0.9, few)
    pairs = rng.multivariate_normal([0, 0], sd**2 * np.array([[1, 0.9], [0.9, 1]]), (40_000, many))
    means = pairs[:, :few, 0].mean(axis=1) - pairs[..., 1].mean(axis=1)
    assert (np.abs(means) >= 1.2).mean() == pytest.approx(0.05, abs=0.005)


def test_jordans_yardstick_of_cifar_100(overall):
    c = pair(overall, 79.18, 80.83)
    assert c.test_set_sd == pytest.approx(100 * (0.19995 / 20_000) ** 0.5)
    fractions = audit(
        Printed([{"cell": "a", "top1": "0.7918"}, {"cell": "b", "top1": "0.8083"}], n_test=10_000)
    )
    assert fractions.comparisons[0].test_set_sd == pytest.approx(c.test_set_sd / 100)


def test_the_column_is_found_by_its_name_as_in_tables_of_runs():
    rows = [
        {"model": name, "test_acc": value, "val_acc": "80", "f1": "79"}
        for name, value in (("a", "80.1"), ("b", "81.5"))
    ]
    found = audit(Printed(rows, n_test=10_000))
    assert any("test_acc is judged, by its name" in note for note in found.notes)
    only = [{"model": row["model"], "score": row["test_acc"], "score_sem": "0.2"} for row in rows]
    assert any("score is judged, the only column" in note for note in audit(Printed(only, seeds=3)).notes)


def test_how_exact_a_difference_is_is_no_difference():
    """A standard error of a difference is not the difference of two standard errors."""
    row = {
        "cell": "a", "base_miou": "6.23", "base_sem": "0.04", "aux_miou": "6.62", "aux_sem": "0.01",
        "delta_miou": "0.39", "delta_sem": "0.04", "delta_rel_miou": "6.2",
    }  # fmt: skip
    found = audit(Printed([row], metric="aux_miou"))
    assert [check.column for check in found.differences] == ["delta_miou"]


def test_either_column_may_say_on_what_rows_were_tested():
    rows = [
        {"Model": model, "Subset": part, "Acc": "80.1"}
        for model in ("a", "b")
        for part in ("10%", "all of it")
    ]
    with pytest.raises(TableError, match="tell rows apart") as caught:
        audit(Printed(rows, n_test=100, metric="Acc"))
    assert "--within 'model' or --within 'Subset'" in caught.value.hint
