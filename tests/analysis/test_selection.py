"""The set that may be best, validation's pick, leave-one-seed-out, and the optimism of picking on test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, TableError, analyze
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.selection import (
    expected_maximum,
    expected_optimism,
    expected_optimism_unpaired,
    leave_one_seed_out,
    may_be_best,
)
from scipy import stats


def table(values: np.ndarray, validation: np.ndarray | None = None) -> pd.DataFrame:
    rows = [
        {
            "cell": f"kd-{cell}" if cell else "base",
            "method": "kd" if cell else "baseline",
            "seed": seed,
            "test_top1": values[cell, seed],
            **({} if validation is None else {"best_val_top1": validation[cell, seed]}),
        }
        for cell in range(values.shape[0])
        for seed in range(values.shape[1])
    ]
    return pd.DataFrame(rows)


def test_a_clear_loser_leaves_the_set_and_the_winner_stays():
    rng = np.random.default_rng(0)
    values = np.array([80.0, 85.0, 84.95, 82.0])[:, None] + rng.normal(0, 0.1, (4, 5))
    stays = may_be_best(values, 0.05)
    assert stays.tolist() == [False, True, True, False]
    best = analyze(table(values)).best
    assert best is not None
    assert best.cells == ("kd-1", "kd-2")


def test_for_a_loss_the_lowest_may_be_best():
    rng = np.random.default_rng(0)
    values = np.array([1.0, 0.5, 2.0])[:, None] + rng.normal(0, 0.01, (3, 5))
    found = analyze(table(values).rename(columns={"test_top1": "test_loss"})).best
    assert found is not None
    assert found.cells == ("kd-1",)
    assert found.leave_one_seed_out[0].mean == pytest.approx(values[1].mean())


def test_a_cell_that_diverged_beats_nobody():
    values = np.array([[1.0, 1.1, 0.9], [9.0, 9.1, 9.2], [1.0, 0.9, 1.2]])
    assert may_be_best(values, 0.05, np.array([False, True, False])).tolist() == [True, True, True]


def test_validation_picks_without_looking_at_test():
    values = np.array([[80, 80.1], [81, 81.2], [80.5, 80.6]])
    validation = np.array([[80, 80], [81, 81], [82, 82.0]])
    (pick,) = analyze(table(values, validation)).best.validation_pick
    assert (pick.cell, pick.best_on_test) == ("kd-2", "kd-1")
    assert pick.test_mean == pytest.approx(80.55)
    assert "choosing on test" in pick.says


def test_selection_seeds_choose_and_the_others_confirm():
    values = np.array([[80, 80, 80, 80.5], [90, 90, 70, 71], [85, 85, 85, 86.0]])
    (pick,) = analyze(table(values), Plan(selection_seeds=(0, 1))).best.validation_pick
    assert pick.cell == "kd-1"
    assert pick.test_mean == pytest.approx(70.5)
    assert "seeds 0, 1" in pick.chosen_by


def test_leave_one_seed_out_by_hand():
    values = np.array([[3.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    # without seed 0: cell 1 (2 > 0) scores 1; without 1 or 2: cell 0 (3 > 2) scores 0
    mean, picks = leave_one_seed_out(values)
    assert picks == (1, 0, 0)
    assert mean == pytest.approx(1 / 3)


def test_expected_maximum_of_normals():
    assert expected_maximum(2) == pytest.approx(1 / np.sqrt(np.pi), abs=1e-6)
    assert expected_maximum(10) == pytest.approx(1.538753, abs=1e-5)


def test_two_cells_have_no_best_set():
    assert analyze(table(np.array([[1.0, 2.0, 3.0], [2.0, 3.5, 4.0]]))).best is None


def correlated(rng: np.random.Generator, means: np.ndarray, n: int, r: float) -> np.ndarray:
    shared = rng.normal(0, np.sqrt(r), n)
    return means[:, None] + shared + rng.normal(0, np.sqrt(1 - r), (means.size, n))


@pytest.mark.parametrize("n", [3, 5])
def test_the_set_covers_the_best_cell(n: int):
    rng = np.random.default_rng(11)
    means = np.array([0.3, 0.3, 0.2, 0.0, -0.5, 0.1])  # two are tied: the hard case
    kept = np.array([may_be_best(correlated(rng, means, n, 0.4), 0.05)[0] for _ in range(4000)])
    assert kept.mean() >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 4000)


def test_optimism_and_leave_one_out_of_ten_equal_cells():
    rng = np.random.default_rng(12)
    naive, honest, expected = [], [], []
    for _ in range(1500):
        values = correlated(rng, np.zeros(10), 5, 0.4)
        naive.append(values.mean(axis=1).max())
        honest.append(leave_one_seed_out(values)[0])
        expected.append(expected_optimism(values))
    theory = 1.5388 * np.sqrt(0.6) / np.sqrt(5)
    assert np.mean(naive) == pytest.approx(theory, abs=0.04)
    assert np.mean(expected) == pytest.approx(theory, abs=0.02)
    assert np.mean(honest) == pytest.approx(0, abs=0.04)


# ------------------------------------------------------------------------- the declared test decides here too


def grid(shift: int) -> pd.DataFrame:
    """A baseline and a 2 × 2 grid of eight seeds, whose numbers begin `shift` later in every further cell."""
    rng = np.random.default_rng(21)
    cells = [("baseline", None, None), *[("kd", T, alpha) for T in (1, 4) for alpha in (0.1, 0.9)]]
    return pd.DataFrame(
        [
            {"cell": f"c{i}", "student": "s", "method": method, "T": T, "alpha": alpha}
            | {"seed": seed + shift * i, "test_top1": 80 + 0.3 * i + rng.normal(0, 0.3)}
            for i, (method, T, alpha) in enumerate(cells)
            for seed in range(8)
        ]
    )


def test_unpaired_runs_are_not_paired_by_number_anywhere():
    plan = Plan(test="unpaired")
    disjoint, numbered_alike = analyze(grid(100), plan), analyze(grid(0), plan)
    assert disjoint.best is not None
    assert disjoint.best == numbered_alike.best
    assert (disjoint.best.leave_one_seed_out, disjoint.factorial, numbered_alike.factorial) == ((), (), ())
    assert any("what pairs them is left out" in text for text in disjoint.warnings)
    paired = analyze(grid(0))
    assert len(paired.factorial) == 1
    assert not any("what pairs them is left out" in text for text in paired.warnings)
    values = grid(0)["test_top1"].to_numpy().reshape(5, 8)
    beaten = {
        f"c{i}"
        for i, own in enumerate(values)
        if any(
            stats.ttest_ind(rival, own, equal_var=False, alternative="greater").pvalue < 0.05 / 4
            for rival in values
        )
    }
    assert set(disjoint.best.sets[0].cells) - set(disjoint.best.cells) == beaten
    assert 0 < len(beaten) < 4
    (flattery,) = disjoint.best.optimism
    assert flattery.expected == pytest.approx(expected_maximum(5) * np.sqrt(values.var(1, ddof=1).mean() / 8))


def test_unequal_numbers_of_few_unpaired_runs_exclude_nobody():
    values = np.array([[1.0, 1.1, 0.9, np.nan], [9.0, 9.1, 9.2, 9.1], [1.0, 0.9, 1.2, 1.1]])
    assert may_be_best(values, 0.05, unpaired=True).tolist() == [True, True, False]
    assert may_be_best(values, 0.05).tolist() == [False, True, False]


def test_runs_that_are_not_paired_have_no_anytime_analysis():
    with pytest.raises(TableError, match="pairs runs by seed"):
        Plan(test="unpaired", sequential=True)


def test_the_best_set_and_the_grid_keep_their_level_over_planned_looks():
    frame = grid(0)
    alone, first = analyze(frame), analyze(frame, Plan(interim=(8, 12)))
    assert first.best is not None
    assert alone.best is not None
    assert set(alone.best.cells) <= set(first.best.cells)
    for one, other in zip(alone.factorial[0].tests, first.factorial[0].tests, strict=True):
        assert other.p_adjusted == pytest.approx(min(1.0, 2 * one.p_adjusted))
    assert "over 2 looks" in first.factorial[0].says
    between = analyze(frame, Plan(interim=(5, 12)))
    assert between.best is not None
    assert set(between.best.cells) == set(frame["cell"])
    assert "not judged between planned looks" in between.factorial[0].says
    values = frame["test_top1"].to_numpy().reshape(5, 8)
    level = nominal_level((8, 12), 2 * 0.05 / 4) / 2
    p = [
        min(stats.ttest_rel(x, own, alternative="greater").pvalue for x in values if x is not own)
        for own in values
    ]
    assert may_be_best(values, 0.05, looks=(8, 12)).tolist() == [one >= level for one in p]


UNEQUAL = {
    "equal": np.ones(6),
    "the best × 3": np.array([3.0, 1, 1, 1, 1, 1]),
    "a rival × 3": np.array([1.0, 3, 1, 1, 1, 1]),
    "all unequal": np.geomspace(0.5, 2, 6),
}


@pytest.mark.slow
@pytest.mark.parametrize("structure", UNEQUAL)
@pytest.mark.parametrize(
    "runs", [(3,) * 6, (5,) * 6, (10,) * 6, (17, 7, 7, 7, 7, 7), (7, 20, 20, 20, 20, 20)]
)
def test_the_unpaired_set_covers_the_best_cell(runs: tuple[int, ...], structure: str):
    """Six equal cells, the hard case: each is the best, and the first must stay."""
    rng = np.random.default_rng([13, *runs])
    values = np.full((6, max(runs)), np.nan)
    kept = []
    for _ in range(5_000):
        for cell, n in enumerate(runs):
            values[cell, :n] = rng.normal(size=n) * UNEQUAL[structure][cell]
        kept.append(may_be_best(values, 0.05, unpaired=True)[0])
    assert np.mean(kept) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / len(kept))


@pytest.mark.slow
def test_the_set_covers_the_best_cell_over_all_planned_looks():
    rng = np.random.default_rng(14)
    looks = (5, 8, 12)
    kept = []
    for _ in range(5_000):
        values = correlated(rng, np.zeros(6), 12, 0.4)
        kept.append(all(may_be_best(values[:, :n], 0.05, looks=looks)[0] for n in looks))
    assert np.mean(kept) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / len(kept))


def test_the_optimism_of_unpaired_cells():
    rng = np.random.default_rng(15)
    draws = [rng.normal(0, 1, (10, 5)) for _ in range(1500)]
    assert np.mean([x.mean(axis=1).max() for x in draws]) == pytest.approx(1.5388 / np.sqrt(5), abs=0.03)
    assert np.mean([expected_optimism_unpaired(x) for x in draws]) == pytest.approx(
        1.5388 / np.sqrt(5), abs=0.02
    )


def test_means_over_fewer_seeds_than_a_cell_has_say_so():
    values = np.array([[70.0, 71, 72, 73, 74], [75, 76, 77, 78, 79.5], [60, np.nan, 61, 62, 63]])
    frame = table(values, np.nan_to_num(values))
    best = analyze(frame[frame["test_top1"].notna()]).best
    over = " over the 4 of 5 seeds that all of the cells have"
    assert best.validation_pick[0].says.endswith(f"77.38{over}.")
    assert best.leave_one_seed_out[0].over == over
    values[2, 1] = 60.5
    whole = analyze(table(values, values)).best
    assert whole.validation_pick[0].over == ""
