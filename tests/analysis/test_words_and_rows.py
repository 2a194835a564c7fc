"""What is said and which rows are read, where a small slip would go unnoticed.

Sentences lie in golden/sentences.txt. After a change that is meant,
`python tests/analysis/test_words_and_rows.py` writes them anew; read the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import (
    AllOf,
    Pair,
    Plan,
    Printed,
    PublishedTable,
    Study,
    TableError,
    Trend,
    Weighted,
    analyze,
    audit,
    compare_published,
    compare_studies,
    summarize_studies,
)
from rigorkd_analysis.metric_names import label
from rigorkd_analysis.runs import seed_of
from rigorkd_analysis.stats.new_images import Predictions
from rigorkd_analysis.stats.sample_size import equivalence_power
from rigorkd_analysis.stats.selection import expected_maximum, expected_optimism
from scipy import integrate, stats

BASE = np.array([80.0, 80.4, 79.8, 80.1, 79.9, 80.2])
NOISE = np.array([0.1, -0.2, 0.05, 0.15, -0.1, 0.2])


def printed(*rows: dict[str, str], **known: object) -> Printed:
    return Printed([{"cell": f"r{i}", **row} for i, row in enumerate(rows)], **{"n_test": 1000, **known})


# ----------------------------------------------------------------------------------- published tables


def test_only_fractions_are_said_to_be_fractions():
    for values, said in ((("0.81", "0.79"), True), (("81.0", "79.0"), False), (("1.0", "0.5"), True)):
        notes = audit(printed(*({"top1": value} for value in values))).notes
        assert any("taken as fractions" in note for note in notes) == said
    loss = audit(printed({"test_loss": "0.8"}, {"test_loss": "0.7"}, metric="test_loss"))
    assert not any("taken as fractions" in note for note in loss.notes)
    assert loss.comparisons[0].networks_differ is None


def test_a_count_of_parameters_that_differs_is_a_mistake_and_a_latency_noise():
    rows = [
        {"student": "s", "top1": "80.1", "params": "3.4", "flops_g": "1.0", "latency_ms": "2.0"},
        {"student": "s", "top1": "80.4", "params": "3.5", "flops_g": "1.2", "latency_ms": "2.1"},
    ]
    said = {flag.column: flag.says for flag in audit(printed(*rows)).efficiency}
    assert said["params"].endswith("it is a mistake.")
    assert said["flops_g"].endswith("it is a mistake.")
    assert said["latency_ms"].endswith("it is measurement noise.")
    same = [{**rows[0], "latency_ms": "2.00"}, rows[0]]
    assert not audit(printed(*same)).efficiency


def test_validation_needs_both_numbers_and_three_rows():
    rows = [
        {"top1": "80.1", "val_top1": "79.0"},
        {"top1": "80.5", "val_top1": "78.0"},
        {"top1": "80.3", "val_top1": "79.5"},
    ]
    (note,) = [note for note in audit(printed(*rows)).notes if "validation picks" in note]
    assert "r1 is the best on test (80.5), but validation picks r2 (validation 79.5, test 80.3)" in note
    for fewer in (rows[:2], [*rows[:2], {"top1": "80.3", "val_top1": ""}]):
        assert not any("validation picks" in note for note in audit(printed(*fewer)).notes)


def test_rows_of_one_name_are_told_apart_by_their_place():
    found = audit(Printed([{"cell": name, "top1": "80.1"} for name in ("a", "b", "a")], n_test=1000))
    assert [cell.cell for cell in found.cells] == ["a (row 1)", "b", "a (row 3)"]


def test_a_pair_of_networks_at_every_bound():
    """98 against 100 of 100 images: two discordant images alone, so p is 1/2 whatever they are."""
    (one,) = audit(printed({"top1": "98"}, {"top1": "100"}, n_test=100)).comparisons
    assert (one.p_min, one.p_max, one.networks_differ) == (0.5, 0.5, "never")
    (one,) = audit(printed({"top1": "98"}, {"top1": "100"}, n_test=100, alpha=0.49)).comparisons
    assert one.networks_differ == "never"
    (six,) = audit(printed({"top1": "94"}, {"top1": "100"}, n_test=100)).comparisons
    assert (six.p_max, six.networks_differ, six.rejects_up_to_discordant) == (2 / 64, "always", 6)


# --------------------------------------------------------------------- a study beside printed numbers


def table(gains: np.ndarray, first: int = 0, **columns: object) -> pd.DataFrame:
    rows = []
    for cell, values in (("main/s/baseline", BASE), ("main/s/kd", BASE + gains)):
        method = cell.rsplit("/", 1)[-1]
        rows += [
            {"cell": cell, "method": method, "student": "s", "seed": first + i, "test_top1": value, **columns}
            for i, value in enumerate(values)
        ]
    return pd.DataFrame(rows)


def test_rows_without_a_number_are_passed_over_wherever_they_stand():
    rows = [
        {"cell": "main/s/kd", "top1": ""},
        {"cell": "else", "top1": "1"},
        {"cell": "s/kd", "top1": "80.9"},
    ]
    found = compare_published(Study("ours", table(0.5 + NOISE)), PublishedTable("t", rows), Plan())
    assert [one.printed_name for one in found.families[0].comparisons] == ["s/kd"]
    assert len(found.unmatched) == 1


def test_two_words_are_enough_to_know_a_cell():
    rows = [{"cell": "x", "student": "s", "method": "kd", "top1": "80.9"}]
    found = compare_published(Study("ours", table(0.5 + NOISE)), PublishedTable("t", rows), Plan())
    assert found.families[0].comparisons[0].name == "main/s/kd"
    rows = [{"cell": "x", "method": "kd", "top1": "80.9"}]
    with pytest.raises(TableError, match="does not say enough of itself"):
        compare_published(Study("ours", table(0.5 + NOISE)), PublishedTable("t", rows), Plan())


def test_why_a_number_cannot_be_compared():
    rows = [{"cell": "main/s/kd", "top1": "80.9"}]
    two = table(0.5 + NOISE)
    still = two.assign(test_top1=80.0)[two.seed < 2]
    (one,) = (
        compare_published(Study("ours", still), PublishedTable("t", rows), Plan()).families[0].comparisons
    )
    assert one.warnings == ("our seeds are all equal",)
    lone = PublishedTable("t", rows)
    (one,) = compare_published(Study("ours", two[two.seed < 1]), lone, Plan()).families[0].comparisons
    assert one.warnings == ("fewer than 2 seeds of ours",)
    assert one.says.endswith("cannot be compared: fewer than 2 seeds of ours.")


def test_studies_without_a_common_cell_name_three_of_their_own():
    def cells(*names: str) -> pd.DataFrame:
        frame = {"cell": names, "seed": 0, "test_top1": 80.0}
        return pd.DataFrame(frame)

    with pytest.raises(TableError) as caught:
        compare_studies(Study("a", cells("1", "2", "3")), Study("b", cells("4", "5", "6", "7")), Plan())
    assert "a has 1, 2, 3; b has 4, 5, 6, …;" in caught.value.hint


def test_gains_of_one_study_alone_are_named_and_cells_alone_are_compared():
    other = table(0.3 + NOISE, first=10).replace({"main/s/kd": "main/s/kd-2"})
    three = [
        Study("a", table(0.5 + NOISE)),
        Study("b", pd.concat([table(0.4 + NOISE, first=10), other]).drop_duplicates()),
        Study("c", table(NOISE, first=20)),
    ]
    assert summarize_studies(three, Plan()).unmatched == ("main/s/kd-2 (only in b)",)
    levels = compare_studies(Study("a", table(0.5 + NOISE)), Study("b", other), Plan())
    assert [family.name for family in levels.families] == ["cells"]
    assert "no gain is in both studies, so only the levels of cells are compared" in levels.warnings
    assert levels.unmatched == ("main/s/kd (only in a)", "main/s/kd-2 (only in b)")


def test_one_diverged_run_leaves_a_summary_inconclusive():
    studies = [table(1.0 + 0.1 * i + NOISE, first=10 * i).assign(status="done") for i in range(4)]
    clear = summarize_studies([Study(str(i), frame) for i, frame in enumerate(studies)], Plan())
    assert clear.families[0].summaries[0].verdict == "better"
    studies[1].loc[studies[1].index[-1], ["status", "test_top1"]] = ["diverged", np.nan]
    lost = summarize_studies([Study(str(i), frame) for i, frame in enumerate(studies)], Plan())
    assert lost.families[0].summaries[0].verdict == "inconclusive"
    assert "1 runs of it diverged: among converged seeds only" in lost.families[0].summaries[0].warnings


# -------------------------------------------------------------------------------------------- cells


def grid(temperatures: tuple[float, ...], alphas: tuple[float, ...], **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [
        {"cell": "base", "method": "baseline", "seed": seed, "test_top1": BASE[seed]} for seed in range(5)
    ]
    for T in temperatures:
        for alpha in alphas:
            cell = {"cell": f"kd-{T}-{alpha}", "method": "kd", "T": T, "alpha": alpha}
            rows += [{**cell, "seed": s, "test_top1": BASE[s] + rng.normal(0, 0.2)} for s in range(5)]
    return pd.DataFrame([{"student": "s", "group": "main", **row, **columns} for row in rows])


def test_two_by_two_is_a_grid_and_names_its_cells():
    (two,) = analyze(grid((1, 4), (0.1, 0.9))).factorial
    assert (two.design, two.student, two.group, two.method) == ("grid", "s", "main", "kd")
    assert [test.effect for test in two.tests] == ["T", "α", "T × α"]
    assert [test.effect for test in two.contrasts] == ["T: linear", "α: linear"]
    (line,) = analyze(grid((1, 4), (0.1,))).factorial
    assert line.design == "arms"
    assert [test.effect for test in line.tests] == ["T at α = 0.1"]
    assert "cross" not in line.says


def test_a_trend_is_narrowed_by_numbers_and_by_text():
    table = grid((1, 4), (0.1, 0.9))
    for where, cells in (((("alpha", 0.9),), "0.9"), ((("alpha", "0.1"),), "0.1")):
        (one,) = analyze(table, Plan(contrasts=(Trend("T", where=where),))).family("contrasts").comparisons
        assert one.weights == {f"kd-1-{cells}": -1.0, f"kd-4-{cells}": 1.0}


def test_what_tells_cells_apart_is_said_and_nothing_else(table_of):
    values = {"base": BASE, "kd-a": BASE + NOISE, "kd-b": BASE + 0.5 + NOISE}
    one = {"kd-a": "r50", "kd-b": "r50"}
    says = [c.says for c in analyze(table_of(values, teacher=one)).family("gains").comparisons]
    assert not any("from r50" in text for text in says)
    two = {"kd-a": "r50", "kd-b": "vit"}
    says = [c.says for c in analyze(table_of(values, teacher=two)).family("gains").comparisons]
    assert "distillation from r50" in says[0].lower()
    assert "distillation from vit" in says[1].lower()


def test_baselines_at_one_setting_are_told_of_only_where_cells_have_several(table_of):
    def told(table: pd.DataFrame) -> list[str]:
        return [text for text in analyze(table).warnings if "tuning was unequal" in text]

    several = table_of({"base": BASE, "kd-1": BASE + NOISE + 0.1, "kd-2": BASE - NOISE})
    (one,) = told(several)
    assert one.startswith(
        "tuning was unequal: kd of this table at 2 settings, its baseline at one; no average gain is shown"
    )
    named = analyze(several, Plan(planned=True, primary="kd-1")).warnings
    assert not any("tuning" in text for text in named), (
        "one was named before the results, as the warning says"
    )
    (advice,) = [text for text in analyze(several, Plan(primary="kd-1")).warnings if "tuning" in text]
    assert advice.endswith("; no average gain is shown to claim, nor that of the best setting")
    later = analyze(several, Plan(primary="kd-1", added=("kd-2",)))
    assert later.family("overall") is None, "one planned gain and one added later are no average"
    (advice,) = [text for text in later.warnings if "tuning" in text]
    assert advice.endswith("; the gain of the best of them would be flattered")
    assert not told(table_of({"base": BASE, "kd-1": BASE + NOISE}))
    assert not told(several.drop(columns="method"))


def test_tuning_is_not_unequal_where_the_settings_are_the_question(table_of):
    values = {"base": BASE, "kd-1": BASE + NOISE, "kd-2": BASE - NOISE, "kd-4": BASE + 1 - NOISE}
    table = table_of(values, T={"kd-1": 1, "kd-2": 2, "kd-4": 4})
    assert any("tuning was unequal" in text for text in analyze(table).warnings)
    asked = analyze(table, Plan(baselines=("T=1",)))
    assert [(c.a, c.b) for c in asked.family("gains").comparisons] == [("kd-2", "kd-1"), ("kd-4", "kd-1")]
    assert not any("tuning" in text for text in asked.warnings)
    assert "baseline T=1: each cell against the one of T 1 that shares method" in asked.warnings


def test_baselines_of_several_students_are_each_at_one_setting(table_of):
    values = {
        f"{s}/{name}": BASE + NOISE * k for s in "ab" for k, name in enumerate(("base", "kd-1", "kd-2"))
    }
    table = table_of(values, student={cell: cell[0] for cell in values})
    (told,) = [text for text in analyze(table).warnings if "tuning" in text]
    assert "kd of a at 2 settings; kd of b at 2 settings, baselines at one; no average gain" in told
    left = analyze(table[table["cell"] != "a/kd-2"])
    (told,) = [text for text in left.warnings if "tuning" in text]
    assert told.startswith("tuning was unequal: kd of b at 2 settings, its baseline at one; no average gain")


def test_tuning_is_unequal_against_a_baseline_of_any_name(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + NOISE, "kd-2": BASE - NOISE})
    table.loc[table["cell"] == "base", "method"] = "scratch"
    (told,) = [text for text in analyze(table, Plan(baselines=("scratch",))).warnings if "tuning" in text]
    assert told.startswith("tuning was unequal: kd of this table at 2 settings, its baseline at one")


def test_an_average_over_a_switch_does_not_name_its_values(table_of):
    values = {"base": BASE, "kd-a": BASE + NOISE, "kd-b": BASE + 0.5 + NOISE}
    table = table_of(values, pretrained={"kd-a": "True", "kd-b": "False"})
    (average,) = analyze(table).family("overall").comparisons
    assert "True" not in average.says


def test_a_conjunction_that_lost_runs_is_not_shown(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + 1 + NOISE, "kd-2": BASE + 1 - NOISE}).assign(status="done")
    plan = Plan(contrasts=(AllOf(("kd-1", "kd-2"), name="both"),))
    assert analyze(table, plan).family("contrasts").comparisons[0].verdict == "better"
    table.loc[table.index[-1], ["status", "test_top1"]] = ["diverged", np.nan]
    (both,) = analyze(table, plan).family("contrasts").comparisons
    assert both.verdict == "inconclusive"
    assert both.warnings[0] == "among converged seeds only; diverged: kd-2 seed 5"


def test_a_pick_is_one_sentence(table_of):
    table = table_of({"base": BASE, "kd-1": BASE + 1, "kd-2": BASE + 0.5})
    table["best_val_top1"] = [1.0] * 6 + [2.0] * 6 + [3.0] * 6
    (pick,) = analyze(table).best.validation_pick
    assert pick.says == (
        "Validation picks kd-2 among 3 cells: test top-1 80.57; kd-1 has the best test top-1 (81.07), "
        "but choosing it for that would be choosing on test."
    )


# ------------------------------------------------------------------------------------------ numbers


def test_the_optimism_of_a_pick_is_the_residual_spread_times_the_expected_maximum():
    values = np.random.default_rng(2).normal(0, 1, (4, 6))
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    sd = math.sqrt((residual**2).sum() / (3 * 5))
    assert expected_optimism(values) == pytest.approx(expected_maximum(4) * sd / math.sqrt(6))
    largest = integrate.quad(lambda z: z * 4 * stats.norm.pdf(z) * stats.norm.cdf(z) ** 3, -10, 10)[0]
    assert expected_maximum(4) == pytest.approx(largest, abs=1e-6)


def test_equivalence_is_certain_without_spread_and_impossible_with_one_seed():
    assert equivalence_power(5, 0.0, 0.3) == 1.0
    assert equivalence_power(1, 0.2, 0.3) == 0.0
    assert 0 < equivalence_power(2, 1.0, 3.0) < equivalence_power(5, 1.0, 3.0) < 1


def test_what_stands_in_a_cell_of_the_table_is_corrected_in_words():
    def hint(**columns: object) -> str:
        frame = pd.DataFrame({"cell": ["a", "b"], "seed": [0, 0], "test_top1": ["80.1", "80.2"]})
        with pytest.raises(TableError) as caught:
            analyze(frame.assign(**columns))
        return caught.value.hint

    assert hint(test_top1=["80.1", "80.2%"]) == "write 81.2, not 81.2%"
    assert hint(test_top1=["80.1", "80,2"]) == "use a decimal point"
    left_out = "leave the run out, or set its status to diverged if training diverged"
    assert hint(test_top1=["80.1", "eighty"]) == hint(test_top1=["80.1", "8,0,2"]) == left_out
    with pytest.raises(TableError) as caught:
        analyze(pd.DataFrame({"cell": ["a"], "test_top1": [80.0]}))
    assert caught.value.hint == (
        "one row per run, with columns cell, seed and a metric; there are: cell, test_top1"
    )


def test_a_misspelt_cell_is_offered_the_nearest_or_a_dozen(table_of):
    def hint(cells: int, name: str) -> str:
        table = table_of({f"kd-{i:02}": BASE for i in range(cells)} | {"base": BASE})
        with pytest.raises(TableError) as caught:
            analyze(table, Plan(contrasts=(Pair(name, "base"),)))
        return caught.value.hint

    assert hint(3, "KD-01x") == "did you mean 'kd-01'?"
    assert hint(11, "?").endswith("kd-09, kd-10")
    assert hint(12, "?").endswith("kd-09, kd-10, … (13 in all)")


def test_seeds_to_the_last_digit():
    big = 2**53
    assert seed_of(str(big + 1)) == big + 1
    assert seed_of(float(big)) == big
    assert seed_of("9007199254740994.0") is None
    assert seed_of(str(2**63 - 1)) == 2**63 - 1
    assert (seed_of(str(2**63)), seed_of(str(-(2**63))), seed_of("1_000")) == (None, -(2**63), None)
    assert (seed_of("1.5"), seed_of("x"), seed_of("3.0")) == (None, None, 3)


def test_a_contrast_is_called_by_its_name(table_of):
    table = table_of({"base": BASE, "kd": BASE + 0.5 + NOISE})
    plan = Plan(contrasts=(Pair("kd", "base", name="my question"), Pair("kd", "base")))
    says = [one.says for one in analyze(table, plan).family("contrasts").comparisons]
    assert says[0].startswith("“my question” (kd minus base): test top-1 higher by 0.53 points")
    assert says[1].startswith("kd vs base: test top-1 higher by 0.53 points")


def test_contrasts_without_a_name_say_what_they_are():
    frame = grid((1, 4), (0.1,))
    weights = (("kd-1-0.1", 1.0), ("kd-4-0.1", -0.5), ("base", -0.5))
    for name, first, second in (
        (None, "+1·kd-1-0.1 -0.5·kd-4-0.1 -0.5·base", "kd-1-0.1: trend over T"),
        ("mine", "mine", "mine"),
    ):
        plan = Plan(contrasts=(Weighted(weights, name=name), Trend("T", name=name)))
        assert [one.name for one in analyze(frame, plan).family("contrasts").comparisons] == [first, second]


def test_an_error_says_how_to_mend_it():
    assert str(TableError("what", hint="how")) == "what\n  how"
    assert str(TableError("what")) == "what"


def test_metrics_in_words():
    names = {
        "test_top1": "test top-1",
        "mean_latency_ms": "mean latency",
        "ms": "ms",
        "train_nll": "training NLL",
        "acc_test": "test accuracy",
        "best_val": "best val",
    }
    assert {name: label(name) for name in names} == names


def test_smoke_beside_smoke_is_smoke():
    first, second = (table(0.5 + NOISE, first=i).assign(smoke=True) for i in (0, 10))
    found = compare_studies(Study("a", first), Study("b", second), Plan())
    assert found.warnings[0].startswith("SMOKE RUNS")
    with pytest.raises(TableError, match="b holds smoke runs, the other real ones"):
        compare_studies(Study("a", first.assign(smoke=False)), Study("b", second), Plan())


def test_two_studies_of_a_loss_show_two_digits_of_its_spread():
    def loss(gains: np.ndarray, first: int) -> pd.DataFrame:
        frame = table(gains, first).rename(columns={"test_top1": "test_loss"})
        return frame.assign(test_loss=lambda of: (of.test_loss - 79) / 100)

    (one, *_) = compare_studies(
        Study("a", loss(NOISE, 0)), Study("b", loss(0.5 + NOISE, 10)), Plan()
    ).families
    assert "is +0.0003 in a (n = 6) and +0.0053 in b (n = 6)" in one.comparisons[0].says


def test_printed_rows_at_their_limits():
    nameless = audit(Printed([{"top1": "80.1"}, {"top1": "80.2"}], n_test=1000, seeds=1))
    assert [cell.cell for cell in nameless.cells] == ["row 1", "row 2"]
    loss = audit(printed({"test_loss": "1.8"}, {"test_loss": "1.7"}, metric="test_loss"))
    assert "points" not in loss.comparisons[0].says
    turned = [{"student": "s", "kd_top1": "71.0", "standard_top1": "70.0", "top1_gain": "1.0"}]
    for gain, says in (
        ("1.0", "71.0 − 70.0 = +1.0."),
        ("1.1", "71.0 − 70.0 = +1.0; rounding of unprinted digits can explain it."),
        ("1.2", "71.0 − 70.0 = +1.0; rounding cannot explain it."),
    ):
        (check,) = audit(Printed([turned[0] | {"top1_gain": gain}], n_test=1000)).differences
        assert check.says == f"s: top1_gain is printed as +{gain}, and {says}"
    for after, told in (("0.6", False), ("0.7", False), ("0.8", True), ("", False)):
        rows = [
            {"student": "s", "method": "baseline", "top1": "80.1", "test_loss": "0.7"},
            {"student": "s", "method": "kd", "top1": "80.2", "test_loss": after},
        ]
        assert any("rose under distillation" in note for note in audit(printed(*rows)).notes) == told
    kd = {"cell": "main/s/kd", "top1": "80.9", "n": "1"}
    found = compare_published(Study("ours", table(0.5 + NOISE)), PublishedTable("t", [kd]), Plan())
    assert found.families[0].comparisons[0].k == 1


def test_a_number_is_a_number_however_it_is_written():
    frame = grid((1, 4), (0.1, 0.9))
    frame["alpha"] = frame["alpha"].map(lambda alpha: "" if np.isnan(alpha) else f"{alpha:.2f}")
    plan = Plan(contrasts=(Trend("T", where=(("alpha", 0.9),)),))
    (one,) = analyze(frame, plan).family("contrasts").comparisons
    assert one.weights == {"kd-1-0.9": -1.0, "kd-4-0.9": 1.0}


def test_new_images_in_words(table_of):
    rng = np.random.default_rng(1)
    target = rng.integers(0, 3, 40)

    def predictions(cell: str, seed: int) -> Predictions:
        wrong = np.random.default_rng(seed + 10 * (cell == "kd")).random(40) < 0.3
        return Predictions(target, np.where(wrong, target + 1, target))

    frame = table_of({"base": BASE[:3], "kd": BASE[:3] + NOISE[:3]})
    (one,) = analyze(frame, predictions=predictions).images
    numbers = (one.mean_diff, one.seeds_only_ci_low, one.seeds_only_ci_high, one.ci_low, one.ci_high)
    mean, *ends = (f"{number:+.2f}".replace("-", "−") for number in numbers)
    assert one.says == (
        f"kd vs base: {mean} points; uncorrected 95 % CI over new seeds {ends[0]} to {ends[1]}, over new "
        f"seeds and new images {ends[2]} to {ends[3]} (n = 3 seeds, 40 images)."
    )
    (lone,) = analyze(frame[frame.seed < 1], predictions=predictions).images
    assert "CI over new seeds unknown, over new seeds and new images unknown (n = 1 seeds" in lone.says


# ---------------------------------------------------------------------------------------- sentences

GOLDEN = Path(__file__).parent / "golden" / "sentences.txt"


def of_one_seed() -> Iterator[str]:
    found = audit(printed(*({"top1": value} for value in ("80.10", "80.15", "80.20", "81.00", "90.00"))))
    yield from (comparison.says for comparison in found.comparisons)
    yield from found.survives
    yield from audit(printed({"top1": "80.1", "student": "a"}, {"top1": "81.1", "student": "b"})).survives


def of_several_seeds() -> Iterator[str]:
    rows = [{"top1": "80.1", "std": "0.2"}, {"top1": "80.9", "std": "0.1"}, {"top1": "80.9"}]
    found = audit(printed(*rows, seeds=5))
    yield from (comparison.says for comparison in found.comparisons)
    yield from found.survives
    yield from audit(printed(*({"top1": row["top1"]} for row in rows), seeds=5)).survives
    yield from (
        one.says for one in audit(printed({"top1": "80", "t": "2.9", "p": "0.044", "gain": "0.8"})).recovered
    )


def of_grids() -> Iterator[str]:
    for table in (grid((1, 4), (0.1, 0.9)), grid((1, 4), (0.1,)), grid((1, 2, 4), (0.1, 0.5))):
        found = analyze(table)
        yield from (one.says for one in found.factorial)
        together = found.family("gains").consistency
        yield together.says if together else "too few gains to be summed up"
    cross = grid((1, 2, 4), (0.1, 0.5))
    yield from (
        one.says
        for one in analyze(cross[(cross["T"] != 4) & ((cross["T"] != 2) | (cross.alpha == 0.5))]).factorial
    )
    yield from (one.says for one in analyze(cross[(cross["T"] != 4) | (cross.alpha == 0.5)]).factorial)


def of_printed_numbers() -> Iterator[str]:
    kd = {"cell": "main/s/kd", "top1": "80.9"}
    for rows in (
        [kd, {"cell": "main/s/baseline", "top1": "80.3", "n": "2"}],
        [kd | {"top1": "84.9"}, {"cell": "main/s/baseline", "top1": "80.3"}],
        [kd | {"top1": "81.39", "n": "5"}, {"cell": "main/s/baseline", "top1": "80.07", "n": "5"}],
        [kd | {"n": "2"}, {"cell": "main/s/baseline", "top1": "80.3", "n": "2"}],
    ):
        found = compare_published(Study("ours", table(0.5 + NOISE)), PublishedTable("t", rows), Plan())
        yield from (one.says for family in found.families for one in family.comparisons)
        yield from found.warnings


def of_two_studies() -> Iterator[str]:
    for gains, sesoi in (
        (-0.5 - NOISE[::-1], 0.3),
        (0.52 + NOISE[::-1], 0.5),
        (0.7 + NOISE[::-1], 0.5),
        (0.9 - NOISE, 9),
    ):
        first, second = Study("a", table(0.5 + NOISE)), Study("b", table(gains, first=10))
        found = compare_studies(first, second, Plan(sesoi=sesoi))
        for one in (one for family in found.families for one in family.comparisons):
            yield one.says
            yield f"  inside {one.inside_prediction}: {one.prediction_low:.4f} to {one.prediction_high:.4f}"
    few = table(0.5 + NOISE, first=10)
    few = few[few.seed < 12].assign(test_top1=lambda frame: frame.test_top1.round())
    found = compare_studies(Study("a", table(0.5 + NOISE)), Study("b", few), Plan())
    yield from (text for one in found.families[0].comparisons for text in (one.says, *one.warnings))


def of_many_studies() -> Iterator[str]:
    for shift, spread in ((0.5, 0.1), (0.0, 0.05), (0.0, 2.0), (-0.3, 0.02)):
        studies = [Study(str(i), table(shift + spread * i + NOISE, first=10 * i)) for i in range(3)]
        found = summarize_studies(studies, Plan(sesoi=0.6))
        yield from (text for one in found.families[0].summaries for text in (one.says, *one.warnings))
    lone = [Study("a", table(NOISE)), Study("b", table(NOISE, first=10).query("seed < 11"))]
    yield from (one.says for one in summarize_studies(lone, Plan()).families[0].summaries)


def of_one_study() -> Iterator[str]:
    for gains, sesoi in (
        (0.5 + NOISE, 0.3),
        (0.5 + NOISE, 0.45),
        (0.5 + NOISE, 5),
        (NOISE, 0.5),
        (3 * NOISE, None),
    ):
        for metric, scale in (("test_top1", 1), ("test_loss", 100), ("latency_ms", 10)):
            frame = table(gains).rename(columns={"test_top1": metric})
            frame[metric] /= scale
            plan = Plan(sesoi=sesoi and sesoi / scale, metric=metric)
            yield from (one.says for one in analyze(frame, plan).family("gains").comparisons)
            yield from (
                analyze(frame.drop(columns="student"), plan).family("gains").comparisons[0].says.splitlines()
            )


def of_what_is_warned() -> Iterator[str]:
    cells = {f"kd-{i}": BASE for i in range(7)}
    frame = pd.DataFrame(
        [
            {"cell": cell, "method": "kd" if cell != "base" else "baseline", "seed": i, "test_top1": value}
            for cell, values in (cells | {"base": BASE}).items()
            for i, value in enumerate(values)
        ]
    ).assign(status="done")
    for lost in (1, 2, 6, 7):
        gone = frame.copy()
        which = (gone.cell.isin(list(cells)[:lost])) & (gone.seed == 5)
        gone.loc[which, ["status", "test_top1"]] = ["diverged", np.nan]
        yield from analyze(gone).warnings
    for still in (6, 7):
        same = frame.copy()
        same.loc[same.cell.isin(list(cells)[:still]), "test_top1"] = 80.0
        yield from analyze(same).warnings
        yield from analyze(same[same.seed < 3]).warnings
        yield from analyze(same[same.seed < 2]).warnings
    for kind, values in (
        ("hardware", ("cpu", "cpu")),
        ("hardware", ("cpu", "gpu")),
        ("teacher_run_hash", ("x", "x")),
        ("teacher_run_hash", ("x", "y")),
        ("select", ("best_val_top1", "best_val_top1")),
        ("select", ("best_test_top1", "best_test_top1")),
        ("select", ("test", "test")),
    ):
        some = frame[frame.cell.isin(["base", "kd-0"])]
        for of in (some, some[some.seed < 2]):
            marked = of.assign(**{kind: [values[seed % 2] for seed in of.seed]})
            yield f"{kind} {values}, {len(of) // 2} seeds: {analyze(marked).warnings}"


SENTENCES: tuple[Callable[[], Iterator[str]], ...] = (
    of_one_seed,
    of_several_seeds,
    of_grids,
    of_printed_numbers,
    of_two_studies,
    of_many_studies,
    of_one_study,
    of_what_is_warned,
)


def sentences() -> dict[str, str]:
    return {make.__name__: "".join(f"{line}\n" for line in make()) for make in SENTENCES}


def stored() -> dict[str, str]:
    parts = GOLDEN.read_text(encoding="utf-8").split("== ")[1:]
    return dict(part.split("\n", 1) for part in parts)


@pytest.mark.parametrize("make", SENTENCES, ids=lambda make: make.__name__)
def test_sentences_are_as_stored(make: Callable[[], Iterator[str]]):
    assert "".join(f"{line}\n" for line in make()) == stored()[make.__name__]


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("".join(f"== {name}\n{text}" for name, text in sentences().items()), encoding="utf-8")
