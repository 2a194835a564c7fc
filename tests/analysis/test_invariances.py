"""What must not change the answer, and what must change it in a known way."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from rigorkd_analysis import Pair, Plan, analyze
from rigorkd_analysis.results import Comparison

PLAN = Plan(sesoi=0.5, all_pairs=True)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Two students, a baseline and two distilled cells each, three to six seeds, values to two decimals."""
    n = draw(st.integers(3, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = []
    for student in ("r18", "r34"):
        shared = rng.normal(90, 0.5, n)
        for method, T in (("baseline", ""), ("kd", 2), ("kd", 4)):
            values = (shared + rng.normal(0, 0.3, n) + rng.normal(0, 0.4)).round(2)
            rows += [
                {"cell": f"{student}/{method}{T}", "student": student, "method": method, "T": T,
                 "seed": seed, "test_top1": value}
                for seed, value in enumerate(values)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def comparisons(table: pd.DataFrame, plan: Plan = PLAN) -> dict[str, Comparison]:
    """Averages are named by student and method, and so are left out where cells are renamed."""
    families = [family for family in analyze(table, plan).families if family.name != "overall"]
    return {c.name: c for family in families for c in family.comparisons}


def same(a: float | None, b: float | None, tolerance: float = 1e-7) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


NUMBERS = ("mean_diff", "ci_low", "ci_high", "t", "p", "p_adjusted", "p_signflip", "p_wilcoxon", "p_welch",
           "dz", "g_av", "r", "p_equivalence_adjusted", "mde")  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    assert analyze(table, PLAN) == analyze(table.iloc[order], PLAN)


@settings(max_examples=8, deadline=None)
@given(tables())
def test_renaming_cells_renames_them_only(table):
    renamed = table.assign(cell="x/" + table["cell"])
    before, after = comparisons(table), comparisons(renamed)
    for name, c in before.items():
        other = after[f"x/{name}".replace(" vs ", " vs x/")]
        assert all(same(getattr(c, field), getattr(other, field)) for field in NUMBERS)
        assert c.verdict == other.verdict


@settings(max_examples=8, deadline=None)
@given(tables())
def test_swapping_a_and_b_flips_signs_and_keeps_p(table):
    names = ("r18/kd2", "r18/baseline")
    there = comparisons(table, Plan(sesoi=0.5, contrasts=(Pair(*names, name="c"),)))["c"]
    back = comparisons(table, Plan(sesoi=0.5, contrasts=(Pair(*names[::-1], name="c"),)))["c"]
    for field in ("mean_diff", "t", "dz", "g_z", "g_av"):
        value = getattr(there, field)
        assert same(value, None if getattr(back, field) is None else -getattr(back, field))
    for field in ("p", "p_adjusted", "p_signflip", "p_wilcoxon", "p_welch", "p_equivalence", "mde", "r"):
        assert same(getattr(there, field), getattr(back, field))
    assert same(there.ci_low, None if back.ci_high is None else -back.ci_high)
    opposite = {"better": "worse", "worse": "better", "better_negligible": "worse_negligible",
                "worse_negligible": "better_negligible"}  # fmt: skip
    assert opposite.get(there.verdict, there.verdict) == back.verdict


@settings(max_examples=8, deadline=None)
@given(tables(), st.integers(-40, 5))
def test_adding_a_constant_changes_no_comparison(table, constant):
    shifted = table.assign(test_top1=table["test_top1"] + constant)
    before, after = comparisons(table), comparisons(shifted)
    for name, c in before.items():
        assert all(same(getattr(c, field), getattr(after[name], field)) for field in NUMBERS)
        assert c.verdict == after[name].verdict


@settings(max_examples=8, deadline=None)
@given(tables())
def test_percent_against_fraction_only_scales(table):
    fraction = table.assign(test_top1=table["test_top1"] / 100)
    before, after = comparisons(table), comparisons(fraction, Plan(sesoi=0.005, all_pairs=True))
    for name, c in before.items():
        other = after[name]
        for field in ("mean_diff", "ci_low", "sd_diff", "mde", "equivalence_ci_high"):
            value = getattr(other, field)
            assert same(getattr(c, field), None if value is None else 100 * value)
        for field in ("t", "p_adjusted", "p_signflip", "p_wilcoxon", "dz", "g_av", "p_equivalence_adjusted"):
            assert same(getattr(c, field), getattr(other, field))
        assert c.verdict == other.verdict


@settings(max_examples=8, deadline=None)
@given(tables())
def test_a_metric_to_minimise_mirrors_the_verdicts(table):
    loss = table.assign(test_loss=-table["test_top1"]).drop(columns="test_top1")
    before, after = comparisons(table), comparisons(loss)
    for name, c in before.items():
        assert c.verdict == after[name].verdict
        assert same(c.p_adjusted, after[name].p_adjusted)


@settings(max_examples=8, deadline=None)
@given(tables())
def test_text_and_numbers_are_the_same_table(table):
    assert analyze(table, PLAN) == analyze(table.astype(str), PLAN)


@settings(max_examples=8, deadline=None)
@given(tables())
def test_nothing_is_nan_and_intervals_are_ordered(table):
    for c in comparisons(table).values():
        for value in vars(c).values():
            assert not (isinstance(value, float) and not math.isfinite(value))
        if c.ci_low is not None:
            assert c.ci_simultaneous_low <= c.ci_low <= c.equivalence_ci_low <= c.mean_diff
            assert c.mean_diff <= c.equivalence_ci_high <= c.ci_high <= c.ci_simultaneous_high
            assert c.p <= c.p_adjusted <= 1
            assert c.dz_ci_low <= c.dz <= c.dz_ci_high
