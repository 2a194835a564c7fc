"""Unusable tables are refused with the row and column at fault; usable ones with flaws are warned about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Pair, Plan, TableError, Trend, Weighted, analyze
from rigorkd_analysis.analysis_plan import AllOf

BASE = [80.1, 80.4, 79.9, 80.3, 80.2]
KD = [80.6, 80.7, 80.9, 80.5, 80.8]


def refusal(table: pd.DataFrame, plan: Plan | None = None) -> TableError:
    with pytest.raises(TableError) as caught:
        analyze(table, plan)
    assert caught.value.hint
    return caught.value


def test_missing_columns_and_rows(table_of):
    table = table_of({"base": BASE, "kd": KD})
    assert "'seed'" in refusal(table.drop(columns="seed")).message
    assert "no rows" in refusal(table.iloc[:0]).message
    assert "no metric column" in refusal(table[["cell", "seed", "method"]]).message


def test_duplicate_seed(table_of):
    table = pd.concat([table_of({"base": BASE, "kd": KD})] * 2, ignore_index=True)
    error = refusal(table)
    assert "seed 0 of base is there twice" in error.message
    assert (error.row, error.column) == (10, "seed")


def test_images_are_no_replicates(table_of):
    table = pd.concat(
        [table_of({"base": BASE, "kd": KD}).assign(image=i) for i in range(3)], ignore_index=True
    )
    assert "'image'" in refusal(table).hint


def test_duplicate_checkpoints(table_of):
    table = table_of({"base": BASE, "kd": KD})
    table["weights_sha256"] = [f"{i:064x}" for i in range(9)] + [f"{7:064x}"]
    error = refusal(table)
    assert "same weights" in error.message
    assert (error.row, error.column) == (9, "weights_sha256")


@pytest.mark.parametrize(
    ("bad", "shown"), [("n/a", "'n/a'"), (np.nan, "no value"), ("81.2%", "81.2"), ("inf", "inf")]
)
def test_text_and_nan_in_the_metric(table_of, bad, shown: str):
    table = table_of({"base": BASE, "kd": KD}).astype({"test_top1": object})
    table.loc[3, "test_top1"] = bad
    error = refusal(table)
    assert shown in error.message + error.hint
    assert (error.row, error.column) == (3, "test_top1")


@pytest.mark.parametrize("seed", ["seed-1", 0.5, None])
def test_seeds_are_integers(table_of, seed):
    table = table_of({"base": BASE, "kd": KD}).astype({"seed": object})
    table.loc[2, "seed"] = seed
    error = refusal(table)
    assert "not a seed" in error.message
    assert error.row == 2


def test_unknown_metric_offers_the_nearest(table_of):
    table = table_of({"base": BASE, "kd": KD})
    assert "'test_top1'" in refusal(table, Plan(metric="test_top")).hint


def test_several_metrics_without_the_default_are_listed(table_of):
    table = table_of({"base": BASE, "kd": KD}, metric="val_top1")
    table["val_loss"] = table["val_top1"] / 100
    error = refusal(table)
    assert "which metric" in error.message
    assert "val_top1, val_loss" in error.hint


def test_the_only_metric_is_taken_and_parameters_are_none(table_of):
    table = table_of({"base": BASE, "kd": KD}, metric="val_top1", lr={"base": 0.1, "kd": 0.1})
    assert analyze(table).metric == "val_top1"


def test_unknown_goal_is_refused_and_can_be_given(table_of):
    table = table_of({"base": BASE, "kd": KD}, metric="score")
    assert "--goal" in refusal(table).hint
    assert analyze(table, Plan(goal="min")).family("gains").comparisons[0].verdict == "worse"


def test_unknown_cell_offers_the_nearest(table_of):
    table = table_of({"base": BASE, "kd-T4": KD})
    assert "'kd-T4'" in refusal(table, Plan(contrasts=(Pair("kd-T40", "base"),))).hint
    assert "'base'" in refusal(table, Plan(baselines=("bas",))).hint


def test_mixed_modes_and_smoke(table_of):
    table = table_of({"base": BASE, "kd": KD})
    assert "fast, reference" in refusal(table.assign(mode=["fast"] + ["reference"] * 9)).message
    error = refusal(table.assign(smoke=[False] * 4 + [True] + [False] * 5))
    assert "smoke" in error.message
    assert error.row == 4
    only = analyze(table.assign(smoke="true"))
    assert only.warnings[0].startswith("SMOKE")


def test_a_cell_is_one_configuration(table_of):
    table = table_of({"base": BASE, "kd": KD}).assign(T=[""] * 5 + [2, 2, 4, 2, 2])
    error = refusal(table)
    assert (error.row, error.column) == (7, "T")


def test_status_is_done_or_diverged(table_of):
    table = table_of({"base": BASE, "kd": KD}).assign(status="done")
    table.loc[6, "status"] = "running"
    assert refusal(table).row == 6


def test_baseline_none_or_several(table_of):
    values = {"base": BASE, "kd": KD}
    none = table_of(values, epochs={"base": 40, "kd": 30})
    error = refusal(none)
    assert "kd has no baseline" in error.message
    assert "base has epochs 40 instead of 30" in error.hint
    several = refusal(table_of({"a/base": BASE, "b/base": BASE, "kd": KD}))
    assert "a/base, b/base" in several.message
    named = analyze(table_of({"a/base": BASE, "b/base": KD, "kd": KD}), Plan(baselines=("a/base",)))
    assert [c.name for c in named.family("gains").comparisons] == ["kd vs a/base"]


def test_two_baselines_named_for_one_student(table_of):
    table = table_of({"a/base": BASE, "b/base": BASE, "kd": KD})
    assert "two baselines" in refusal(table, Plan(baselines=("a/base", "b/base"))).message


def test_weights_must_cancel(table_of):
    table = table_of({"base": BASE, "kd": KD})
    assert "sum to 0" in refusal(table, Plan(contrasts=(Weighted((("kd", 1.0), ("base", -0.5))),))).hint


def test_impossible_plans():
    for arguments in ({"alpha": 0.0}, {"alpha": 1.0}, {"sesoi": 0.0}, {"sesoi": -1.0}, {"c2": 0.0}):
        with pytest.raises(TableError):
            Plan(**arguments)


def test_ambiguous_trend_asks_which_arm(table_of):
    cells = {f"kd-T{T}-a{a}": (T, a) for T in (2, 4) for a in (0.3, 0.5)}
    table = table_of(
        {"base": BASE, **dict.fromkeys(cells, KD)},
        T={c: T for c, (T, _) in cells.items()},
        alpha={c: a for c, (_, a) in cells.items()},
    )
    error = refusal(table, Plan(contrasts=(Trend("alpha"),)))
    assert "2 arms could be meant (T 2; T 4)" in error.message
    assert "where" in error.hint
    fixed = analyze(table, Plan(contrasts=(Trend("alpha", where=(("T", 4),)),)))
    weights = fixed.family("contrasts").comparisons[0].weights
    assert weights == pytest.approx({"kd-T4-a0.3": -1.0, "kd-T4-a0.5": 1.0})


def test_one_seed_and_zero_variance_stop_nothing(table_of):
    table = table_of(
        {"base": BASE, "kd-one": KD[:1], "kd-copy": BASE, "kd-shift": np.add(BASE, 1), "kd-fine": KD}
    )
    gains = {c.a: c for c in analyze(table, Plan(sesoi=0.3)).family("gains").comparisons}
    for name, reason in (
        ("kd-one", "n = 1"),
        ("kd-copy", "equal at every seed"),
        ("kd-shift", "same at every seed"),
    ):
        c = gains[name]
        assert c.verdict == "inconclusive"
        assert reason in " ".join(c.warnings)
        assert all(value is None for value in (c.t, c.p, c.p_adjusted, c.dz, c.ci_low, c.mde, c.seeds_needed))
        assert "Nothing can be said" in c.says
    assert gains["kd-fine"].p is not None
    assert gains["kd-one"].df is None


def test_two_seeds_few_seeds_and_missing_pairs(table_of):
    table = table_of({"base": BASE, "kd-a": KD[:2], "kd-b": KD[:4]})
    a, b = analyze(table).family("gains").comparisons
    assert any("n = 2" in warning for warning in a.warnings)
    assert any("fewer than 5" in warning for warning in b.warnings)
    assert any("missing pairs: seed 4" in warning for warning in b.warnings)
    assert b.seeds == (0, 1, 2, 3)


def test_no_shared_seed_at_all(table_of):
    table = table_of({"base": BASE, "kd": KD})
    table.loc[5:, "seed"] += 100
    (c,) = analyze(table).family("gains").comparisons
    assert (c.n, c.mean_diff, c.verdict) == (0, None, "inconclusive")


def test_metrics_chosen_on_test_data(table_of):
    table = table_of({"base": BASE, "kd": KD}, metric="best_test_top1")
    assert any("chosen on test" in warning for warning in analyze(table).warnings)
    selected = table_of({"base": BASE, "kd": KD}).assign(selected_on="test")
    assert any("selected on test" in warning for warning in analyze(selected).warnings)


def test_lengths_hardware_and_tuning_are_warned_about(table_of):
    values = {"base": BASE, "kd-a": KD, "kd-b": KD}
    table = table_of(values, epochs_run={"base": 26, "kd-a": 137, "kd-b": 26}).assign(
        hardware=["x"] * 7 + ["y"] * 8
    )
    found = analyze(table)
    assert any("different hardware" in warning for warning in found.warnings)
    mixed = analyze(table.assign(dispatch=["AVX2"] * 7 + ["AVX512, not fixed"] * 8)).warnings
    assert "runs of different dispatch are compared: AVX2; AVX512, not fixed" in mixed
    assert any("tuning was unequal: kd of this table at 2 settings" in warning for warning in found.warnings)
    a, b = found.family("gains").comparisons
    assert any("different lengths" in warning and "137" in warning for warning in a.warnings)
    assert not any("different lengths" in warning for warning in b.warnings)


def test_a_repeated_look_is_labelled(table_of):
    table = table_of({"base": BASE, "kd": KD})
    found = analyze(table, Plan(looks=(3,)))
    assert any("repeated look, not valid at alpha" in warning for warning in found.warnings)
    (gain,) = found.family("gains").comparisons
    assert any("repeated look, not valid at alpha" in warning for warning in gain.warnings)
    first = analyze(table, Plan(looks=(5,)))
    assert not any("repeated" in warning for warning in first.warnings)


def test_a_fixed_teacher_is_stated(table_of):
    plan = Plan(conditioned_on=("one fixed teacher for all seeds", "these test images"))
    found = analyze(table_of({"base": BASE, "kd": KD}), plan)
    assert found.conditioned_on == plan.conditioned_on
    assert any("one fixed teacher" in warning for warning in found.warnings)


def test_a_conjunction_needs_baselines(table_of):
    table = table_of({"base": BASE, "kd": KD}, epochs={"base": 1, "kd": 2})
    assert "no baseline" in refusal(table, Plan(contrasts=(AllOf(("kd",)),))).message


def test_one_fixed_teacher_is_seen_in_its_hash(table_of):
    table = table_of({"base": BASE, "kd": KD})
    fixed = np.where(table["method"] == "kd", "abc", "")
    assert any("one fixed teacher" in w for w in analyze(table.assign(teacher_run_hash=fixed)).warnings)
    per_seed = [f"{hash_}{seed}" if hash_ else "" for hash_, seed in zip(fixed, table["seed"], strict=True)]
    assert not any("teacher" in w for w in analyze(table.assign(teacher_run_hash=per_seed)).warnings)


def test_an_unusual_goal_and_a_sesoi_in_other_units_are_asked_about(table_of):
    table = table_of({"base": BASE, "kd": KD})
    assert any("by its name it would be max" in w for w in analyze(table, Plan(goal="min")).warnings)
    assert "--sesoi 0.3" in refusal(table, Plan(sesoi=0.003)).hint
    fraction = table.assign(test_top1=table["test_top1"] / 100)
    assert "--sesoi 0.003" in refusal(fraction, Plan(sesoi=0.3)).hint
    assert analyze(fraction, Plan(sesoi=0.003)).warnings == ()


def test_a_pair_of_the_plan_needs_no_baseline(table_of):
    """Two settings of one script: what the baseline sets is its tuning, and a contrast compares the two."""
    table = table_of({"base": BASE, "slow": KD}, training={"base": "lr1", "slow": "lr0.3"})
    assert "slow has no baseline" in refusal(table).message
    found = analyze(table, Plan(contrasts=(Pair("slow", "base", planned=True),)))
    assert [family.name for family in found.families] == ["contrasts"]
    assert any(
        warning.startswith("slow has no baseline with the same ") and "and so no gain" in warning
        for warning in found.warnings
    )
    paired = table_of({"base": BASE, "kd": KD})
    both = analyze(paired, Plan(contrasts=(Pair("kd", "base"),)))
    assert {"gains", "contrasts"} & {family.name for family in both.families} >= {"gains"}
