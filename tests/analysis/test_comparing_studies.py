"""Comparing studies: arithmetic against scipy and statsmodels, verdicts, what is refused, error rates."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigorkd_analysis import (
    PublishedTable,
    Study,
    compare_published,
    compare_studies,
    document,
    summarize_studies,
)
from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.stats.moments import Moments, prediction_interval
from rigorkd_analysis.stats.paired import Settings
from rigorkd_analysis.stats.sample_size import detectable_noncentrality
from rigorkd_analysis.stats.welch import welch
from rigorkd_analysis.studies.synthesis import weighted_average
from rigorkd_analysis.table_error import TableError
from scipy import optimize, stats
from statsmodels.stats.oneway import anova_oneway
from statsmodels.stats.weightstats import ttost_ind

G1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
G2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


def table(gains: Sequence[float], *, base: float = 78.0, first: int = 0, **columns: object) -> pd.DataFrame:
    """A baseline that rises by a tenth per seed and a distilled cell with these gains."""
    rows = []
    for i, gain in enumerate(gains):
        level = base + 0.1 * i
        common = {"student": "s", "epochs": 40, "seed": first + i, **columns}
        rows.append({"cell": "main/s/baseline", "method": "baseline", "test_top1": level, **common})
        kd = {"cell": "main/s/kd-T4-a0.5", "method": "kd", "T": 4, "alpha": 0.5}
        rows.append({**kd, "test_top1": level + gain, **common})
    return pd.DataFrame(rows)


def noisy(rng: np.random.Generator, gain: float, n: int, sd: float = 0.2) -> list[float]:
    return list(gain + rng.normal(0, sd, n))


# ----------------------------------------------------------------------------------------------- Welch


def test_welch_is_scipys_and_tost_is_statsmodels() -> None:
    a, b = G1[:7], G2
    found = welch(Moments.of([a]), Moments.of([b]), Settings(0.05, 4, 2.5))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert found["t"] == pytest.approx(expected.statistic, rel=1e-12)
    assert found["df"] == pytest.approx(expected.df, rel=1e-12)
    assert found["p"] == pytest.approx(expected.pvalue, rel=1e-10)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(expected.confidence_interval(0.95), rel=1e-10)
    wide = expected.confidence_interval(1 - 0.05 / 4)
    assert (found["ci_simultaneous_low"], found["ci_simultaneous_high"]) == pytest.approx(wide, rel=1e-10)
    narrow = expected.confidence_interval(0.90)
    assert (found["equivalence_ci_low"], found["equivalence_ci_high"]) == pytest.approx(narrow, rel=1e-10)
    tost, _, _ = ttost_ind(a, b, -2.5, 2.5, usevar="unequal")
    assert found["p_equivalence"] == pytest.approx(tost, rel=1e-10)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=9).filter(lambda v: np.std(v) > 1e-3),
    st.lists(st.floats(-5, 5), min_size=2, max_size=9).filter(lambda v: np.std(v) > 1e-3),
)
def test_welch_agrees_with_scipy_and_is_antisymmetric(a: list[float], b: list[float]) -> None:
    one, other = Moments.of([np.array(a)]), Moments.of([np.array(b)])
    found = welch(one, other, Settings(0.05, 1, 1.0))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert found["t"] == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert found["p"] == pytest.approx(expected.pvalue, rel=1e-8, abs=1e-14)
    back = welch(other, one, Settings(0.05, 1, 1.0))
    assert back["mean_diff"] == pytest.approx(-found["mean_diff"])
    assert back["ci_low"] == pytest.approx(-found["ci_high"])
    assert back["p_equivalence"] == pytest.approx(found["p_equivalence"], rel=1e-9)


def test_the_detectable_difference_has_80_percent_power() -> None:
    df, alpha = np.array([1.4, 6.3, np.nan, 40.0]), 0.0125
    delta, critical = detectable_noncentrality(df, alpha), stats.t.ppf(1 - alpha / 2, df)
    assert np.isnan(delta[2])
    for i in (0, 1, 3):  # the other tail holds next to nothing, and scipy is unreliable there
        assert stats.nct.sf(critical[i], df[i], delta[i]) == pytest.approx(0.8, abs=1e-4)


# -------------------------------------------------------------------------------------- two studies


def test_gains_that_differ_and_gains_that_agree() -> None:
    rng = np.random.default_rng(1)
    a = Study("a", table(noisy(rng, 1.5, 5)))
    far = Study("far", table(noisy(rng, 0.0, 5), first=5))
    near = Study("near", table(noisy(rng, 1.5, 6), first=5))
    plan = Plan(sesoi=1.0)
    differ = compare_studies(a, far, plan)
    gain = differ.families[0].comparisons[0]
    assert differ.families[0].name == "gains"
    assert gain.verdict == "differ"
    assert gain.mean_diff == pytest.approx(1.5, abs=0.4)
    assert gain.inside_prediction is False
    agree = compare_studies(a, near, plan).families[0].comparisons[0]
    assert agree.verdict == "agree"
    assert agree.inside_prediction is True
    assert "agree within ±1.00 points" in agree.says
    assert (agree.n_a, agree.n_b) == (5, 6)


def test_one_significant_gain_and_one_that_is_not_need_not_differ() -> None:
    a = Study("a", table([0.5, 0.6, 0.4, 0.7, 0.5]))
    b = Study("b", table([0.9, -0.6, 1.2, 0.1, -0.2], first=5))
    assert stats.ttest_1samp([0.5, 0.6, 0.4, 0.7, 0.5], 0).pvalue < 0.001
    assert stats.ttest_1samp([0.9, -0.6, 1.2, 0.1, -0.2], 0).pvalue > 0.3
    gain = compare_studies(a, b, Plan(sesoi=0.3)).families[0].comparisons[0]
    assert gain.verdict == "inconclusive"
    assert "neither a difference nor agreement is shown" in gain.says
    assert "significant" not in gain.says


def test_without_a_sesoi_nothing_agrees() -> None:
    a, b = Study("a", table([0.5, 0.5001, 0.4999])), Study("b", table([0.5, 0.5001, 0.4999], first=3))
    found = compare_studies(a, b, Plan())
    assert found.families[0].comparisons[0].verdict == "inconclusive"
    assert any("cannot be shown" in text for text in found.warnings)


def test_families_are_corrected_together() -> None:
    rng = np.random.default_rng(3)
    tables = []
    for first in (0, 5):
        parts = [
            table(noisy(rng, 0.5, 5), first=first).assign(
                cell=lambda frame, s=s: frame["cell"].str.replace("/s/", f"/{s}/"), student=s
            )
            for s in ("u", "v", "w")
        ]
        tables.append(pd.concat(parts))
    family = compare_studies(Study("a", tables[0]), Study("b", tables[1]), Plan()).families[0]
    p = np.array([one.p for one in family.comparisons])
    assert family.size == 3
    expected = np.minimum(np.maximum.accumulate(np.sort(p) * [3, 2, 1]), 1)
    assert sorted(one.p_adjusted for one in family.comparisons) == pytest.approx(list(expected))


def test_lost_seeds_and_lone_seeds_decide_nothing() -> None:
    a = table([3.0, 3.1, 2.9, 3.2, 3.0])
    a.loc[a.index[1], "test_top1"] = np.nan
    a["status"] = "done"
    a.loc[a.index[1], "status"] = "diverged"
    b = table([0.0, 0.1, -0.1], first=5)
    lost = compare_studies(Study("a", a), Study("b", b), Plan()).families[0].comparisons[0]
    assert lost.p is not None
    assert lost.p < 0.001
    assert lost.verdict == "inconclusive"
    assert "among converged seeds" in lost.warnings[0]
    lone = compare_studies(Study("a", table([1.0])), Study("b", b), Plan()).families[0].comparisons[0]
    assert (lone.p, lone.df, lone.ci_low, lone.mde) == (None, None, None, None)
    assert lone.verdict == "inconclusive"
    assert "one seed" in lone.says
    flat = (
        compare_studies(Study("a", table([1.0, 1.0, 1.0])), Study("b", b), Plan()).families[0].comparisons[0]
    )
    assert flat.p is None
    assert "all seeds of it are equal" in " ".join(flat.warnings)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            table([1, 2.0]),
            table([1, 2.0], first=5).rename(columns={"test_top1": "top1"}),
            "different metrics",
        ),
        (table([1, 2.0]), table([1, 2.0], first=5).assign(cell="x"), "b: seed 5 of x is there twice"),
        (table([1, 2.0], smoke=True), table([1, 2.0], first=5), "smoke"),
        (table([0.01, 0.02], base=0.5), table([1, 2.0], first=5), "in percent in b and not in a"),
        (
            table([1, 2.0]).assign(weights_sha256=["a", "b", "c", "d"]),
            table([1, 2.0], first=5).assign(weights_sha256=["e", "f", "g", "a"]),
            "share 1 runs",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(first: pd.DataFrame, second: pd.DataFrame, message: str) -> None:
    with pytest.raises(TableError, match=message):
        compare_studies(Study("a", first), Study("b", second), Plan())


def test_equal_results_are_no_second_study() -> None:
    """Runs of commands have no hash of weights: their results tell that they are one set of runs."""
    first, cells = table(list(G1)), ("main/s/baseline", "main/s/kd-T4-a0.5")
    same = first[first["seed"] < 7].assign(hardware="another")
    with pytest.raises(
        TableError, match=r"equal results of main/s/baseline, main/s/kd-T4-a0\.5 at every seed"
    ):
        compare_studies(Study("a", first), Study("b", same), Plan())
    other = first.assign(
        test_top1=first["test_top1"].where(first["cell"] != cells[1], first["test_top1"] + 0.01)
    )
    warnings = compare_studies(Study("a", first), Study("b", other), Plan()).warnings
    (told,) = [text for text in warnings if "equal results" in text]
    assert "of main/s/baseline at every seed" in told
    fell = first.assign(test_top1=10.0)
    assert compare_studies(Study("a", fell), Study("b", fell.assign(seed=fell["seed"] + 10)), Plan())


def test_strangers_have_nothing_in_common() -> None:
    other = table([1, 2.0], first=5)
    other["cell"] = other["cell"].str.replace("/s/", "/t/")
    with pytest.raises(TableError, match="no cell in common") as caught:
        compare_studies(Study("a", table([1, 2.0])), Study("b", other), Plan())
    assert "--rename" in caught.value.hint


def test_common_seeds_and_modes_are_warned_about() -> None:
    a, b = Study("a", table([1, 2.0], mode="reference")), Study("b", table([1.1, 2.0], mode="fast"))
    warnings = " ".join(compare_studies(a, b, Plan()).warnings)
    assert "both use the seeds 0, 1" in warnings
    assert "may be the mode's" in warnings


def test_seeds_kept_for_choosing_are_left_out() -> None:
    a = Study("a", table([9.0, 1.0, 1.2, 1.1]), Plan(selection_seeds=(0,)))
    b = Study("b", table([1.0, 1.1, 0.9], first=4))
    gain = compare_studies(a, b, Plan()).families[0].comparisons[0]
    assert gain.n_a == 3
    assert gain.mean_a == pytest.approx(1.1)


# ------------------------------------------------------------------------------- a published table


def printed(*rows: tuple[str, str], **columns: str) -> PublishedTable:
    return PublishedTable("t.csv", [{"cell": cell, "top1": value, **columns} for cell, value in rows])


def test_the_prediction_interval_is_the_one_of_a_new_draw() -> None:
    low, high = prediction_interval(np.array([80.0]), np.array([0.3]), np.array([5.0]), np.array([1.0]), 0.05)
    half = stats.t.ppf(0.975, 4) * 0.3 * np.sqrt(1 / 5 + 1)
    assert (low[0], high[0]) == pytest.approx((80 - half, 80 + half))


def test_printed_numbers_inside_and_outside() -> None:
    study = Study("ours", table([1.0, 1.2, 0.9, 1.1, 1.3]))
    found = compare_published(study, printed(("s/baseline", "78.2"), ("main/s/kd-T4-a0.5", "85.00")), Plan())
    gains, cells = found.families
    assert (gains.name, cells.name) == ("gains", "cells")
    by_cell = {one.name: one for one in cells.comparisons}
    assert by_cell["main/s/baseline"].verdict == "inside"
    assert by_cell["main/s/baseline"].half_unit == pytest.approx(0.05)
    assert by_cell["main/s/kd-T4-a0.5"].verdict == "outside"
    (gain,) = gains.comparisons
    assert gain.printed == pytest.approx(float(Decimal("85.00") - Decimal("78.2")))
    assert gain.half_unit == pytest.approx(0.055)
    assert gain.verdict == "outside"
    values = np.array([1.0, 1.2, 0.9, 1.1, 1.3])
    t = (gain.printed - 0.055 - values.mean()) / (values.std(ddof=1) * np.sqrt(1 / 5 + 1))
    assert gain.t == pytest.approx(t)
    assert gain.p == pytest.approx(2 * stats.t.sf(t, 4))


def test_rounding_alone_puts_no_number_outside() -> None:
    """The seeds are nearly equal, and the printed value is their mean cut to one digit."""
    study = Study("ours", table([1.0, 1.0001, 0.9999], base=78.04))
    found = compare_published(study, printed(("main/s/kd-T4-a0.5", "79.1")), Plan())
    one = found.families[0].comparisons[0]
    assert one.mean == pytest.approx(79.14)
    assert one.verdict == "inside"


def test_rows_are_matched_by_what_they_say_of_themselves() -> None:
    study = Study("ours", table([1.0, 1.2, 0.9]))
    rows = [
        {
            "cell": "T=4",
            "student": "s",
            "method": "kd",
            "T": "4.0",
            "alpha": ".5",
            "epochs": "40",
            "top1": "79.2",
        },
        {
            "cell": "T=2",
            "student": "s",
            "method": "kd",
            "T": "2",
            "alpha": ".5",
            "epochs": "40",
            "top1": "79.2",
        },
        {"cell": "other", "student": "", "method": "", "T": "", "alpha": "", "epochs": "40", "top1": "1"},
        {"cell": "empty", "student": "s", "method": "kd", "T": "4", "alpha": "", "epochs": "", "top1": ""},
    ]
    found = compare_published(study, PublishedTable("t.csv", rows), Plan())
    assert [one.name for one in found.families[0].comparisons] == ["main/s/kd-T4-a0.5"]
    assert found.unmatched == ("T=2 (no cell is like it)", "other (the row does not say enough of itself)")


def test_several_seeds_behind_a_number_narrow_the_interval() -> None:
    study = Study("ours", table([1.0, 1.2, 0.9]))
    halves = []
    for table_ in (
        printed(("s/baseline", "78.2")),
        printed(("s/baseline", "78.2"), n="4"),
        dataclasses.replace(printed(("s/baseline", "78.2")), seeds=9),
    ):
        one = compare_published(study, table_, Plan()).families[0].comparisons[0]
        halves.append((one.k, one.half_width))
    assert [k for k, _ in halves] == [1, 4, 9]
    assert halves[0] > halves[1] or halves[0][1] > halves[1][1] > halves[2][1]
    assert halves[0][1] / halves[2][1] == pytest.approx(np.sqrt((1 / 3 + 1) / (1 / 3 + 1 / 9)))


@pytest.mark.parametrize(
    ("published", "message"),
    [
        (PublishedTable("t.csv", []), "has no rows"),
        (PublishedTable("t.csv", [{"cell": "s/baseline", "acc": "78"}]), "no column test_top1 or top1"),
        (printed(("s/baseline", "78 %")), "not a number"),
        (printed(("else", "78.0")), "no row of t.csv"),
        (printed(("s/baseline", "0.78")), "bring both to percent|in percent"),
        (printed(("s/baseline", "78"), n="many"), "not a number of seeds"),
        (dataclasses.replace(printed(("s/baseline", "78")), seeds=0), "seeds = 0"),
        (printed(("s/baseline", "78.1"), ("main/s/baseline", "78.3")), "both like"),
    ],
)
def test_published_tables_that_cannot_be_used(published: PublishedTable, message: str) -> None:
    with pytest.raises(TableError, match=message):
        compare_published(Study("ours", table([1.0, 1.2])), published, Plan())


# ------------------------------------------------------------------------------------- many studies


def paule_mandel(effects: np.ndarray, variances: np.ndarray) -> float:
    """The τ² at which Cochran's Q is its expectation, by bisection."""

    def excess(tau2: float) -> float:
        w = 1 / (variances + tau2)
        return float((w * (effects - (w * effects).sum() / w.sum()) ** 2).sum()) - (effects.size - 1)

    return optimize.brentq(excess, 0.0, 1e3, xtol=1e-14) if excess(0.0) > 0 else 0.0


@pytest.mark.parametrize("noise", [1.0, 0.1, 1e-9], ids=["all noise", "some noise", "hardly any noise"])
def test_the_weighted_average(noise: float) -> None:
    effects = np.array([1.1, 0.2, 0.7, -0.3, 0.9])
    variances = noise**2 * np.array([1.0, 4.0, 2.0, 5.0, 3.0])
    found, tau2 = weighted_average(effects, variances, 0.05), paule_mandel(effects, variances)
    w = 1 / (variances + tau2)
    mean = (w * effects).sum() / w.sum()
    q = max(1.0, (w * (effects - mean) ** 2).sum() / 4)  # Knapp and Hartung 2003
    assert (tau2 == 0) == (noise == 1.0)
    assert found.tau2 == pytest.approx(tau2, rel=1e-5)
    assert found.mean == pytest.approx(mean, rel=1e-6)
    assert found.se == pytest.approx(np.sqrt(q / w.sum()), rel=1e-5)
    reach = stats.t.ppf(0.975, 4) * found.se
    assert (found.ci_low, found.ci_high) == pytest.approx((found.mean - reach, found.mean + reach))


def test_that_all_are_the_same_is_welchs_anova() -> None:
    samples = [
        noisy(np.random.default_rng(i), gain, n) for i, (gain, n) in enumerate([(1, 5), (1.4, 4), (0.8, 6)])
    ]
    studies = [Study(f"s{i}", table(gains, first=10 * i)) for i, gains in enumerate(samples)]
    (one,) = summarize_studies(studies, Plan()).families[0].summaries
    expected = anova_oneway([np.asarray(sample) for sample in samples], use_var="unequal").pvalue
    assert one.p_same == pytest.approx(expected, rel=1e-9)


def many(gains: Sequence[float], n: int = 5, sd: float = 0.2) -> list[Study]:
    rng = np.random.default_rng(7)
    return [Study(f"s{i}", table(noisy(rng, gain, n, sd), first=10 * i)) for i, gain in enumerate(gains)]


def test_a_summary_counts_every_study_once() -> None:
    studies = many([0.8, 1.0, 1.2, 0.9])
    (family,) = summarize_studies(studies, Plan(sesoi=0.3)).families
    (one,) = family.summaries
    means = np.array([share.mean for share in one.studies])
    expected = stats.ttest_1samp(means, 0)
    assert one.mean == pytest.approx(means.mean())
    assert one.p == pytest.approx(expected.pvalue)
    assert (one.ci_low, one.ci_high) == pytest.approx(expected.confidence_interval(0.95))
    half = stats.t.ppf(0.975, 3) * means.std(ddof=1) * np.sqrt(1 + 1 / 4)
    assert one.prediction_high == pytest.approx(means.mean() + half)
    assert one.verdict == "better"
    assert one.favourable == 4
    shuffled = summarize_studies(studies[::-1], Plan(sesoi=0.3)).families[0].summaries[0]
    assert shuffled.mean == pytest.approx(one.mean)


def test_a_gain_that_means_the_opposite_elsewhere_is_inconclusive() -> None:
    (family,) = summarize_studies(many([1.5, -1.5, 1.2, -0.9], sd=0.05), Plan()).families
    (one,) = family.summaries
    assert one.verdict == "inconclusive"
    assert one.p_same is not None
    assert one.p_same < 1e-6
    assert "they differ from each other" in one.says
    assert all(abs(share.mean) > 0.5 for share in one.studies), "each study alone finds a clear gain or loss"


def test_the_average_over_gains_comes_first_and_uses_whole_seeds() -> None:
    def two(gains: Sequence[float], first: int) -> pd.DataFrame:
        frame = table(gains, first=first)
        other = frame[frame["method"] == "kd"].assign(
            cell="main/s/kd-T2-a0.5", T=2, test_top1=lambda f: f["test_top1"] + 1
        )
        return pd.concat([frame, other])

    studies = [Study(f"s{i}", two([0.1, 0.2, 0.3 * i], 5 * i)) for i in range(3)]
    overall, gains = summarize_studies(studies, Plan()).families
    assert overall.name == "overall"
    assert overall.summaries[0].name == "average of 2 gains"
    by_name = {one.name: one for one in gains.summaries}
    half = by_name["main/s/kd-T4-a0.5"].mean
    assert half is not None
    assert overall.summaries[0].mean == pytest.approx(half + 0.5)
    assert gains.size == 2


def test_studies_without_spread_are_left_out_by_name() -> None:
    studies = [*many([0.8, 1.0]), Study("lone", table([1.0], first=90))]
    one = summarize_studies(studies, Plan()).families[0].summaries[0]
    assert one.k == 2
    assert "lone is left out: it has fewer than 2 seeds" in one.warnings
    assert any("two studies" in text for text in one.warnings)


def test_luck_is_called_luck() -> None:
    studies = [
        Study(f"s{i}", table([0.5 + d for d in (-1, 0.0, 1)], first=5 * i, base=78 + i)) for i in range(3)
    ]
    studies[0] = Study("s0", table([-0.5, 0.51, 1.5]))
    one = summarize_studies(studies, Plan()).families[0].summaries[0]
    assert any("lucky" in text for text in one.warnings)


def test_studies_with_nothing_in_common_are_not_summed_up() -> None:
    other = [table([1, 2.0], first=5 * i).replace("s", f"t{i}") for i in range(3)]
    for i, frame in enumerate(other):
        frame["cell"] = frame["cell"].str.replace("/s/", f"/t{i}/")
    with pytest.raises(TableError, match="no gain is in two"):
        summarize_studies([Study(str(i), frame) for i, frame in enumerate(other)], Plan())


# ----------------------------------------------------------------------- what no fixed-n test may judge


def test_a_repeated_look_at_either_study_leaves_nothing_to_claim() -> None:
    rng = np.random.default_rng(31)
    once, other = (Study(name, table(noisy(rng, gain, 6))) for name, gain in (("a", 1.0), ("b", 0.1)))
    again = dataclasses.replace(once, plan=Plan(looks=(5,)))
    why = "a: repeated look, not valid at alpha: analysed before at n = 5"
    fair = compare_studies(once, other, Plan(sesoi=0.3))
    for pair in ((again, other), (other, again)):
        found = compare_studies(*pair, Plan(sesoi=0.3))
        for family, expected in zip(found.families, fair.families, strict=True):
            for one, same in zip(family.comparisons, expected.comparisons, strict=True):
                assert (one.verdict, one.not_valid, same.not_valid) == ("inconclusive", why, None)
                assert one.p == pytest.approx(same.p)  # as a number it may stand
                assert f"can be claimed ({why})" in one.says
    assert fair.families[0].comparisons[0].verdict == "differ"
    paper = printed(("main/s/kd-T4-a0.5", "99.0"), ("main/s/baseline", "78.0"))
    for study, expected, reason in ((once, "outside", None), (again, "unknown", why)):
        numbers = [c for f in compare_published(study, paper, Plan()).families for c in f.comparisons]
        assert {one.not_valid for one in numbers} == {reason}
        assert numbers[0].verdict == expected
    summed = summarize_studies([again, other, Study("c", table(noisy(rng, 1.0, 6)))], Plan())
    for summary in (one for family in summed.families for one in family.summaries):
        assert (summary.verdict, summary.not_valid) == ("inconclusive", why)
        assert "not judged" in summary.says


def test_planned_looks_of_a_study_enter_the_p_values_of_a_comparison() -> None:
    rng = np.random.default_rng(32)
    a, b = (Study(name, table(noisy(rng, gain, 5, sd=0.4))) for name, gain in (("a", 1.0), ("b", 0.5)))
    alone = compare_studies(a, b, Plan(sesoi=0.3)).families[0].comparisons[0]
    planned = dataclasses.replace(a, plan=Plan(interim=(5, 8, 12), looks=(5,)))
    found = compare_studies(planned, b, Plan(sesoi=0.3)).families[0].comparisons[0]
    assert found.p_adjusted == pytest.approx(min(1.0, 3 * alone.p_adjusted))
    assert found.p_equivalence_adjusted == pytest.approx(min(1.0, 3 * alone.p_equivalence_adjusted))
    assert any("3 planned looks" in text for text in found.warnings)
    between = dataclasses.replace(a, plan=Plan(interim=(4, 8)))
    (other, *_) = compare_studies(between, b, Plan()).families[0].comparisons
    assert other.not_valid == "a: 5 seeds are no planned look (looks: 4, 8)"


def test_documents_are_json_without_nan() -> None:
    results = (
        compare_studies(Study("a", table([1.0])), Study("b", table([1, 2.0], first=5)), Plan()),
        compare_published(Study("a", table([1.0])), printed(("s/baseline", "78.0")), Plan()),
        summarize_studies([*many([0.8, 1.0]), Study("lone", table([1.0], first=90))], Plan()),
    )
    for result in results:
        text = json.dumps(document(result), allow_nan=False)
        assert json.loads(text)["schema"] == "rigorkd.compare/1"


# ------------------------------------------------------------------------- operating characteristics

REPLICATES = 20_000


@pytest.mark.slow
def test_true_replications_are_accepted_and_false_agreement_is_rare() -> None:
    rng = np.random.default_rng(20261121)
    for n, k in ((5, 5), (3, 10), (5, 1)):
        a, b = rng.normal(0, 0.3, (REPLICATES, n)), rng.normal(0, 0.3, (REPLICATES, k))
        low, high = prediction_interval(
            a.mean(axis=1), a.std(axis=1, ddof=1), np.full(REPLICATES, n), np.full(REPLICATES, k), 0.05
        )
        inside = (low <= b.mean(axis=1)) & (b.mean(axis=1) <= high)
        assert inside.mean() == pytest.approx(0.95, abs=0.006)
    for n, k, ratio in ((5, 5, 1.0), (5, 5, 3.0), (5, 10, 0.5)):
        a, b = rng.normal(0, 1, (REPLICATES, n)), rng.normal(0, ratio, (REPLICATES, k))
        settings_ = Settings(0.05, 1, 1.0)
        null = welch(Moments.of(list(a)), Moments.of(list(b)), settings_)
        assert (null["p"] < 0.05).mean() <= 0.056
        boundary = welch(Moments.of(list(a + 1)), Moments.of(list(b)), settings_)
        assert (boundary["p_equivalence"] < 0.05).mean() <= 0.056


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("k", [3, 5, 10])
def test_summaries_cover_the_average_and_the_next_study(k: int, tau: float) -> None:
    """Unequal spreads and numbers of seeds: the t over studies keeps its level."""
    rng = np.random.default_rng(1)
    total, covered, predicted = 6_000, 0, 0
    for _ in range(total):
        n, sd = rng.integers(3, 11, k + 1), np.exp(rng.uniform(-0.7, 0.7, k + 1))
        means = rng.normal(0, tau, k + 1) + rng.normal(0, sd / np.sqrt(n))
        seen, new = means[:k], means[k]
        se = seen.std(ddof=1) / np.sqrt(k)
        reach = stats.t.ppf(0.975, k - 1)
        covered += abs(seen.mean()) <= reach * se
        predicted += abs(new - seen.mean()) <= reach * seen.std(ddof=1) * np.sqrt(1 + 1 / k)
    assert covered / total == pytest.approx(0.955, abs=0.015)
    assert predicted / total == pytest.approx(0.95, abs=0.02)
