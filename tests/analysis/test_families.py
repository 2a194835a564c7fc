"""Families, contrasts, verdicts and what is said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import AllOf, DifferenceOfGains, Pair, Plan, Trend, Weighted, analyze
from rigorkd_analysis.results import Comparison
from rigorkd_analysis.verdicts import Evidence, verdict
from scipy import stats


def two_students(shift: tuple[float, float] = (1.0, 0.2), n: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for student, gain in zip(("mnv2", "snv2"), shift, strict=True):
        for method in ("baseline", "kd"):
            for seed in range(n):
                value = 80 + rng.normal(0, 0.1) + gain * (method == "kd")
                rows.append((f"main/{student}/{method}", student, "main", method, seed, value))
    return pd.DataFrame(rows, columns=["cell", "student", "group", "method", "seed", "test_top1"])


def contrast(table: pd.DataFrame, asked, **plan) -> Comparison:
    found = analyze(table, Plan(contrasts=(asked,), **plan)).family("contrasts")
    assert found is not None
    return found.comparisons[0]


def by_cell(table: pd.DataFrame) -> pd.DataFrame:
    return table.pivot_table(index="cell", columns="seed", values="test_top1")


def test_gains_are_a_minus_the_baseline_of_the_same_student():
    table = two_students()
    values = by_cell(table)
    gains = analyze(table).family("gains")
    assert [(c.a, c.b, c.student) for c in gains.comparisons] == [
        (f"main/{s}/kd", f"main/{s}/baseline", s) for s in ("mnv2", "snv2")
    ]
    for c in gains.comparisons:
        assert c.mean_diff == pytest.approx((values.loc[c.a] - values.loc[c.b]).mean())
        assert c.weights == {c.a: 1.0, c.b: -1.0}


def test_teachers_and_the_method_do_not_spoil_the_match():
    table = two_students().assign(teacher=lambda t: np.where(t["method"] == "kd", "r50", ""))
    table["T"] = np.where(table["method"] == "kd", 4.0, np.nan)
    extra = table[table["cell"] == "main/mnv2/kd"].assign(cell="teacher", method="teacher", student="r50")
    gains = analyze(pd.concat([table, extra])).family("gains")
    assert gains.size == 2


def test_difference_of_gains():
    table = two_students()
    values = by_cell(table)
    c = contrast(table, DifferenceOfGains("main/mnv2/kd", "main/snv2/kd"))
    gains = [values.loc[f"main/{s}/kd"] - values.loc[f"main/{s}/baseline"] for s in ("mnv2", "snv2")]
    oracle = stats.ttest_rel(*gains)
    assert (c.t, c.p) == pytest.approx((oracle.statistic, oracle.pvalue))
    assert sum(c.weights.values()) == 0
    assert (c.a, c.b, c.student, c.p_welch) == (None, None, None, None)


def test_all_of_takes_the_largest_one_sided_p_or_under_0_1_the_largest_two_sided_one():
    table = two_students()
    gains = analyze(table).family("gains").comparisons
    both = AllOf(("main/mnv2/kd", "main/snv2/kd"), name="both students gain")
    c = contrast(table, both)
    assert c.p == pytest.approx(max(gain.p for gain in gains) / 2)
    (first,) = analyze(table, Plan(contrasts=(both,), first_version=True)).family("contrasts").comparisons
    assert first.p == pytest.approx(max(gain.p for gain in gains))
    assert c.verdict == "better"
    assert "“both students gain” (all of main/mnv2/kd, main/snv2/kd gain): holds" in c.says


def test_all_of_with_opposite_signs_never_holds():
    c = contrast(two_students((1.0, -1.0)), AllOf(("main/mnv2/kd", "main/snv2/kd")))
    assert (c.p, c.verdict) == (pytest.approx(1.0, abs=1e-3), "inconclusive")


def trend_table(slope: float) -> pd.DataFrame:
    """The CIFAR-100 study's cross: T at alpha .5, alpha at T = 4."""
    rng = np.random.default_rng(8)
    rows = [("ablation/m/baseline", "baseline", "", "", s, 79 + rng.normal(0, 0.1)) for s in range(5)]
    for T, alpha in ((2, 0.5), (4, 0.5), (6, 0.5), (4, 0.3), (4, 0.7)):
        rows += [
            (f"ablation/m/kd-T{T}-a{alpha}", "kd", T, alpha, s, 80 + slope * alpha + rng.normal(0, 0.1))
            for s in range(5)
        ]
    table = pd.DataFrame(rows, columns=["cell", "method", "T", "alpha", "seed", "test_top1"])
    return table.assign(group="ablation", student="m")


def test_a_trend_follows_the_arm_of_a_cross():
    table = trend_table(-5.0)
    c = contrast(table, Trend("alpha", group="ablation", name="accuracy falls as alpha rises"))
    assert c.weights == pytest.approx({"ablation/m/kd-T4-a0.3": -1.0, "ablation/m/kd-T4-a0.7": 1.0})
    assert c.verdict == "worse"
    assert c.mean_diff == pytest.approx(-2.0, abs=0.2)
    over_T = contrast(table, Trend("T", group="ablation"))
    assert set(over_T.weights) == {"ablation/m/kd-T2-a0.5", "ablation/m/kd-T6-a0.5"}


def test_a_trend_over_unequal_steps_is_the_fitted_line():
    table = trend_table(0.0)
    table = table[table["alpha"] != 0.7]
    table.loc[table["T"] == 6, "T"] = 10
    table["cell"] = table["cell"].str.replace("T6", "T10")
    c = contrast(table, Trend("T", group="ablation"))
    values = by_cell(table).loc[[f"ablation/m/kd-T{T}-a0.5" for T in (2, 4, 10)]]
    slopes = [np.polyfit([2, 4, 10], values[seed], 1)[0] for seed in values.columns]
    assert c.mean_diff == pytest.approx(8 * np.mean(slopes))


def test_weighted_contrast():
    table = two_students()
    c = contrast(
        table, Weighted((("main/mnv2/kd", 0.5), ("main/snv2/kd", 0.5), ("main/mnv2/baseline", -1.0)))
    )
    values = by_cell(table)
    d = values.loc["main/mnv2/kd"] / 2 + values.loc["main/snv2/kd"] / 2 - values.loc["main/mnv2/baseline"]
    assert c.t == pytest.approx(stats.ttest_1samp(d, 0).statistic)


def test_planned_and_exploratory_contrasts_are_families_of_their_own():
    plan = Plan(
        planned=True,
        contrasts=(
            Pair("main/mnv2/kd", "main/mnv2/baseline", planned=True),
            Pair("main/snv2/kd", "main/snv2/baseline"),
        ),
    )
    found = [(f.name, f.planned, f.size) for f in analyze(two_students(), plan).families]
    assert found == [("gains", True, 2), ("contrasts", True, 1), ("contrasts", False, 1)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_pair_taken_out_of_a_family_keeps_its_correction(turned: bool):
    """The strongest, that is, which alone would look stronger yet."""
    table = two_students()
    gain = min(analyze(table).family("gains").comparisons, key=lambda c: c.p)
    asked = Pair(gain.b, gain.a) if turned else Pair(gain.a, gain.b)
    found = analyze(table, Plan(planned=True, sesoi=0.3, contrasts=(asked,)))
    (gain,) = (c for c in found.family("gains").comparisons if c.a == gain.a)
    (again,) = found.family("contrasts").comparisons
    family = found.family("contrasts")
    assert (family.planned, family.size, family.corrected_over) == (False, 1, 2)
    assert again.p == pytest.approx(gain.p)
    for field in ("p_adjusted", "p_equivalence_adjusted", "mde", "seeds_needed"):
        assert getattr(again, field) == pytest.approx(getattr(gain, field))
    width = gain.ci_simultaneous_high - gain.ci_simultaneous_low
    assert again.ci_simultaneous_high - again.ci_simultaneous_low == pytest.approx(width)
    assert gain.p_adjusted > gain.p


def test_so_it_does_under_the_sequential_test():
    plan = Plan(sequential=True, contrasts=(Pair("main/mnv2/kd", "main/mnv2/baseline"),))
    gain, _, again = analyze(two_students((0.13, 0.11), n=12), plan).sequential.comparisons
    assert again.p == pytest.approx(gain.p)


def test_a_contrast_that_no_family_asks_is_corrected_with_its_own():
    table = two_students()
    pairs = (Pair("main/mnv2/kd", "main/snv2/kd"), Pair("main/mnv2/kd", "main/snv2/baseline"))
    family = analyze(table, Plan(planned=True, contrasts=pairs)).family("contrasts")
    assert (family.size, family.corrected_over) == (2, 2)
    planned = Pair("main/mnv2/kd", "main/mnv2/baseline", planned=True)
    family = analyze(table, Plan(planned=True, contrasts=(planned,))).family("contrasts")
    assert (family.planned, family.corrected_over) == (True, 1)


def test_all_pairs_only_when_asked_or_when_there_is_nothing_else():
    table = two_students()
    assert analyze(table).family("all_pairs") is None
    pairs = analyze(table, Plan(all_pairs=True)).family("all_pairs")
    assert pairs is not None
    assert (pairs.planned, pairs.size) == (False, 2)
    bare = table.drop(columns=["method", "student", "group"])
    found = analyze(bare)
    assert [f.name for f in found.families] == ["all_pairs"]
    assert found.families[0].size == 6
    assert any("no method column" in warning for warning in found.warnings)
    compared = analyze(bare, Plan(contrasts=(Pair("main/mnv2/kd", "main/snv2/kd"),)))
    assert [f.name for f in compared.families] == ["contrasts"]


def test_a_cell_called_like_a_baseline_is_offered_as_one():
    values = [("CE", 1, 70.0), ("CE", 2, 71.0), ("KD", 1, 72.0), ("KD", 2, 71.0)]
    runs = pd.DataFrame(values, columns=["cell", "seed", "test_top1"])
    assert any(warning.endswith("--baseline CE") for warning in analyze(runs).warnings)
    both = runs.replace("KD", "Vanilla")
    assert any(warning.endswith("--baseline CELL") for warning in analyze(both).warnings)


@pytest.mark.parametrize("order", ["{model}/{method}", "{method}/{model}"])
def test_one_part_of_names_is_the_baseline_of_all_that_share_the_others(order: str):
    rows = [
        (order.format(model=model, method=method), seed, model, at * 10 + jump + seed + 0.3 * jump * seed)
        for at, model in enumerate(["r18", "r34"])
        for jump, method in enumerate(["CE", "KD", "ours"])
        for seed in (0, 1, 2)
    ]
    runs = pd.DataFrame(rows, columns=["cell", "seed", "model", "test_top1"])
    found = analyze(runs, Plan(baselines=("CE",))).family("gains")
    assert found is not None
    pairs = {(c.a, c.b) for c in found.comparisons}
    assert pairs == {
        (order.format(model=model, method=method), order.format(model=model, method="CE"))
        for model in ("r18", "r34")
        for method in ("KD", "ours")
    }
    assert [round(c.mean_diff or 0, 6) for c in found.comparisons] in (
        [1.3, 2.6, 1.3, 2.6],
        [1.3, 1.3, 2.6, 2.6],
    )


def test_a_named_baseline_serves_tables_without_methods():
    bare = two_students()[["cell", "seed", "test_top1"]]
    gains = analyze(bare, Plan(baselines=("main/mnv2/baseline",))).family("gains")
    assert gains.size == 3
    assert {c.b for c in gains.comparisons} == {"main/mnv2/baseline"}


def test_correction_none_leaves_p_and_the_interval_as_they_are():
    for c in analyze(two_students(), Plan(correction="none", all_pairs=True)).family("gains").comparisons:
        assert c.p_adjusted == c.p
        assert (c.ci_simultaneous_low, c.ci_simultaneous_high) == (c.ci_low, c.ci_high)


def test_secondary_directions_of_loss():
    table = two_students().rename(columns={"test_top1": "test_loss"})
    found = analyze(table)
    assert found.goal == "min"
    assert found.family("gains").comparisons[0].verdict == "worse"
    assert found.family("gains").comparisons[0].mean_diff > 0


def evidence(mean: float, p: float, p_eq: float | None = None, interval=(-1.0, 1.0), **lost) -> Evidence:
    return Evidence(mean, p, p_eq, interval, **lost)


@pytest.mark.parametrize(
    ("given", "goal", "expected"),
    [
        (evidence(1, 0.01), "max", ("better", "size undetermined")),
        (evidence(1, 0.01), "min", ("worse", "size undetermined")),
        (evidence(1, 0.01, 0.9, (0.4, 1.6)), "max", ("better", "at least SESOI")),
        (evidence(-1, 0.01, 0.9, (-1.6, -0.4)), "max", ("worse", "at least SESOI")),
        (evidence(0.1, 0.5, 0.01), "max", ("equivalent", "below SESOI")),
        (evidence(0.1, 0.01, 0.01), "max", ("better_negligible", "below SESOI")),
        (evidence(-0.1, 0.01, 0.01), "max", ("worse_negligible", "below SESOI")),
        (evidence(1, 0.06, 0.06), "max", ("inconclusive", None)),
        (evidence(1, 0.01, diverged_a=True), "max", ("inconclusive", None)),
        (evidence(1, 0.01, diverged_b=True), "max", ("inconclusive", None)),
        (evidence(-1, 0.01, diverged_a=True), "max", ("worse", "size undetermined")),
        (evidence(-1, 0.01, diverged_b=True), "max", ("inconclusive", None)),
        (evidence(0.1, 0.5, 0.01, diverged_a=True), "max", ("inconclusive", None)),
    ],
)
def test_verdicts(given: Evidence, goal, expected):
    assert verdict(given, goal=goal, alpha=0.05, sesoi=0.3, joint=False) == expected


def test_joint_verdicts_read_the_simultaneous_interval():
    inside = evidence(0.1, 0.2, 0.2, (0.05, 0.25))
    assert verdict(inside, goal="max", alpha=0.05, sesoi=0.3, joint=True) == (
        "better_negligible",
        "below SESOI",
    )
    wide = evidence(0.1, 0.01, 0.01, (-0.05, 0.35))
    assert verdict(wide, goal="max", alpha=0.05, sesoi=0.3, joint=True) == ("inconclusive", None)


def test_diverged_runs_never_make_a_cell_better():
    table = two_students().assign(status="done")
    lost = (table["cell"] == "main/mnv2/kd") & (table["seed"] == 1)
    table.loc[lost, ["status", "test_top1"]] = ["diverged", np.nan]
    found = analyze(table)
    c = found.family("gains").comparisons[0]
    assert c.p_adjusted < 0.05
    assert c.verdict == "inconclusive"
    assert "among converged seeds" in c.says
    assert any("diverged: main/mnv2/kd seed 1" in warning for warning in c.warnings)
    summary = {cell.cell: cell for cell in found.cells}["main/mnv2/kd"]
    assert (summary.n, summary.diverged) == (4, 1)


def test_sentences_for_a_paper():
    table = two_students()
    table["T"] = np.where(table["method"] == "kd", 4.0, np.nan)
    table["alpha"] = np.where(table["method"] == "kd", 0.5, np.nan)
    first, second = analyze(table, Plan(sesoi=0.3)).family("gains").comparisons
    assert first.says.startswith("Distillation at T = 4, α = 0.5 raised mnv2's test top-1 by ")
    for part in ("points over the baseline (95 % CI ", "paired t(4) = ", "Holm-adjusted p", "n = 5 seeds)"):
        assert part in first.says
    assert "inconclusive" in second.says or "raised" in second.says


def test_equivalence_and_what_is_said_of_it():
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        [
            (cell, method, seed, 80 + rng.normal(0, 0.02))
            for cell, method in (("base", "baseline"), ("kd", "kd"))
            for seed in range(6)
        ],
        columns=["cell", "method", "seed", "test_top1"],
    )
    (c,) = analyze(table, Plan(sesoi=0.3)).family("gains").comparisons
    assert c.verdict == "equivalent"
    assert "equivalent within ±0.30 points" in c.says
    assert "90 % CI" in c.says
    (without,) = analyze(table).family("gains").comparisons
    assert (without.verdict, without.p_equivalence, without.seeds_needed) == ("inconclusive", None, None)


def test_never_no_difference():
    table = two_students((0.05, 0.0))
    says = " ".join(c.says for c in analyze(table, Plan(sesoi=0.01)).family("gains").comparisons)
    assert "no difference" not in says
    assert "inconclusive" in says


def test_a_design_that_cannot_decide_says_so():
    table = two_students(n=3)
    comparisons = analyze(table, Plan(all_pairs=True)).family("gains").comparisons
    assert any("cannot decide" in warning for c in comparisons for warning in c.warnings)


def test_a_design_that_decides_some_cannot_decide_effects_such_as_the_others():
    noise = (0.0, 0.3, 0.1)
    rows = [
        (name, method, seed, 70 + seed + gain + noise[(seed + shift) % 3] / 10)
        for name, method, gain, shift in (("ce", "baseline", 0, 0), ("kd", "kd", 9, 1), ("at", "at", 0, 2))
        for seed in range(3)
    ]
    table = pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"])
    by = {c.a: c for c in analyze(table, Plan()).family("gains").comparisons}
    assert (by["kd"].verdict, by["at"].verdict) == ("better", "inconclusive")
    (told,) = (text for text in by["at"].warnings if "cannot decide" in text)
    assert told.startswith(
        "this design cannot decide effects such as these: with 80 % power it detects only "
    )


def test_same_input_same_result():
    table = two_students()
    assert analyze(table, Plan(sesoi=0.3)) == analyze(table.copy(), Plan(sesoi=0.3))


def test_selection_seeds_are_kept_apart():
    table = two_students(n=8)
    found = analyze(table, Plan(selection_seeds=(0, 1, 2)))
    assert found.family("gains").comparisons[0].seeds == (3, 4, 5, 6, 7)
    assert any("kept for choosing" in warning for warning in found.warnings)


def test_secondary_metrics_have_a_family_each_and_stop_nothing():
    table = two_students().assign(test_loss=lambda t: 100 - t["test_top1"], odd="x", score=1.0)
    found = analyze(table, Plan(sesoi=0.3, planned=True, secondary=("test_loss", "odd", "score", "gone")))
    (loss,) = found.secondary
    assert (loss.metric, loss.goal, loss.family.planned) == ("test_loss", "min", True)
    for ours, theirs in zip(loss.family.comparisons, found.family("gains").comparisons, strict=True):
        assert ours.mean_diff == pytest.approx(-theirs.mean_diff)
        assert ours.p_equivalence is None
    assert loss.family.comparisons[0].verdict == "better"
    left_out = [warning for warning in found.warnings if "is left out" in warning]
    assert [name for name in ("odd", "score", "gone") if any(name in w for w in left_out)] == [
        "odd",
        "score",
        "gone",
    ]


def test_an_average_of_some_settings_says_which():
    """Cells added later at T = 2 are averaged apart from the planned ones, which have the same α."""
    draw = np.random.default_rng(4)
    cells = [("base", "baseline", None, None)] + [
        (f"kd-T{T}-a{alpha}", "kd", T, alpha) for T in (1, 2, 4) for alpha in (0.1, 0.5)
    ]
    rows = [
        {"cell": cell, "student": "s", "method": method, "T": T, "alpha": alpha, "seed": seed,
         "test_top1": 70 + draw.normal()}
        for cell, method, T, alpha in cells
        for seed in range(5)
    ]  # fmt: skip
    added = ("kd-T2-a0.1", "kd-T2-a0.5")
    found = analyze(pd.DataFrame(rows), Plan(planned=True, added=added))
    planned, later = [family.comparisons[0] for family in found.families if family.name == "overall"]
    assert planned.name == "s/kd: average of 4 (T, alpha)"
    assert planned.says.startswith("Distillation at T = 1 and 4, averaged over 4 settings of T and α, on s:")
    assert later.name == "s/kd at T = 2: average of 2 (alpha)"
    assert later.says.startswith("Distillation at T = 2, averaged over 2 settings of α, on s:")
    (whole,) = analyze(pd.DataFrame(rows), Plan(planned=True)).family("overall").comparisons
    assert whole.says.startswith("Distillation, averaged over 6 settings of T and α, on s:")
