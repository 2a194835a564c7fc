"""Error rates and coverage by seeded simulation: 20,000 replicates of what the analysis computes.

Each bound is the expected value with its Monte Carlo tolerance. The families use the same code as `analyze`:
the t and TOST of `paired`, `adjust` and `verdict`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.exact import signflip
from rigorkd_analysis.stats.paired import t_test, tost
from rigorkd_analysis.verdicts import Evidence, verdict

REPLICATES = 20_000
Floats = NDArray[np.float64]


def summaries(d: Floats) -> tuple[Floats, Floats, int]:
    """Means and standard errors over the last axis (seeds), and the degrees of freedom."""
    n = d.shape[-1]
    return d.mean(axis=-1), d.std(axis=-1, ddof=1) / np.sqrt(n), n - 1


def p_values(d: Floats) -> Floats:
    return t_test(*summaries(d))[1]


def any_rejected(p: Floats, alpha: float = 0.05) -> Floats:
    """Per family (row of p), whether Holm rejects anything."""
    return np.array([(adjust(family, "holm") < alpha).any() for family in p])


def gains_against_one_baseline(rng: np.random.Generator, m: int, n: int, r: float = 0.3) -> Floats:
    """Null differences (replicates, m, n) of m cells from one shared baseline, seed pairs correlated by r."""
    shared = rng.normal(0, np.sqrt(r), (REPLICATES, 1, n))
    cells = shared + rng.normal(0, np.sqrt(1 - r), (REPLICATES, m, n))
    baseline = shared + rng.normal(0, np.sqrt(1 - r), (REPLICATES, 1, n))
    return np.asarray(cells - baseline)


def test_paired_t_under_the_null():
    p = p_values(np.random.default_rng(1).normal(0, 1, (REPLICATES, 5)))
    assert (p < 0.05).mean() == pytest.approx(0.050, abs=0.005)


@pytest.mark.parametrize(("n", "expected", "tolerance"), [(5, 0, 0), (6, 0.031, 0.004), (7, 0.047, 0.005)])
def test_sign_flips_under_the_null(n: int, expected: float, tolerance: float):
    p = signflip(np.random.default_rng(2).normal(0, 1, (REPLICATES, n)))
    assert (p <= 0.05).mean() == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_coverage(n: int):
    d = np.random.default_rng(n).normal(0.7, 1, (REPLICATES, n))
    mean, se, df = summaries(d)
    _, p_against_truth = t_test(mean - 0.7, se, df)  # the interval covers where this p is at least .05
    assert (p_against_truth >= 0.05).mean() == pytest.approx(0.950, abs=0.005)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_family_wise_error_of_nine_gains_against_a_shared_baseline(n: int):
    p = p_values(gains_against_one_baseline(np.random.default_rng(30 + n), 9, n))
    assert any_rejected(p).mean() <= 0.055
    assert (p < 0.05).any(axis=1).mean() > 0.2  # unadjusted: about .30


def test_family_wise_error_of_all_pairs_with_one_wild_cell():
    rng = np.random.default_rng(4)
    sd = np.array([1.0] * 9 + [3.0])[:, None]
    first, second = np.triu_indices(10, 1)
    p = np.empty((REPLICATES, 45))
    for block in np.array_split(np.arange(REPLICATES), 20):
        x = rng.normal(0, 1, (block.size, 10, 5)) * sd
        p[block] = p_values(x[:, first] - x[:, second])
    assert any_rejected(p).mean() <= 0.055


def test_equivalence_at_the_boundary():
    d = np.random.default_rng(5).normal(0.3, 0.2, (REPLICATES, 5))
    assert (tost(*summaries(d), 0.3) < 0.05).mean() <= 0.055


def false_verdicts(joint: bool) -> float:
    """How often a family of four true nulls and five gains of exactly the SESOI gets any false verdict."""
    rng = np.random.default_rng(6)
    truth = np.array([0.0] * 4 + [0.3] * 5)
    replicates, m, n = 8000, truth.size, 5
    d = rng.normal(0, 0.1, (replicates, m, n)) + truth[None, :, None]
    mean, se, df = summaries(d)
    p, p_equivalence = t_test(mean, se, df)[1], tost(mean, se, df, 0.3)
    half = se * 5.436591556 if joint else se  # t(4) at 1 − .05/18
    wrong = 0
    for row in range(replicates):
        adjusted = adjust(p[row], "holm")
        equal = adjust(p_equivalence[row], "holm")
        for i in range(m):
            ends = (mean[row, i] - half[row, i], mean[row, i] + half[row, i])
            found, magnitude = verdict(
                Evidence(mean[row, i], adjusted[i], equal[i], ends),
                goal="max", alpha=0.05, sesoi=0.3, joint=joint,
            )  # fmt: skip
            null = truth[i] == 0
            directional = found not in ("inconclusive", "equivalent")
            if (null and directional) or (not null and magnitude == "below SESOI"):
                wrong += 1
                break
    return wrong / replicates


def test_false_verdicts_of_either_kind():
    assert false_verdicts(joint=False) <= 0.105


def test_joint_verdicts_hold_together():
    assert false_verdicts(joint=True) <= 0.057


def test_looking_again_with_more_seeds_inflates_the_error_and_is_labelled():
    d = np.random.default_rng(7).normal(0, 1, (REPLICATES, 10))
    first, second = p_values(d[:, :5]) < 0.05, p_values(d) < 0.05
    assert (first | second).mean() == pytest.approx(0.083, abs=0.015)
    table = pd.DataFrame(
        [
            (c, m, s, 80 + d[i, s])
            for i, (c, m) in enumerate((("b", "baseline"), ("k", "kd")))
            for s in range(10)
        ],
        columns=["cell", "method", "seed", "test_top1"],
    )
    labelled = analyze(table, Plan(looks=(5,))).family("gains").comparisons[0].warnings
    assert any("repeated look, not valid at alpha" in warning for warning in labelled)


@pytest.mark.slow
def test_whole_analyses_keep_the_family_wise_error():
    """End to end: null gains through `analyze`, with heteroscedastic cells and missing seeds; three SE."""
    rng = np.random.default_rng(8)
    cells = ["base", *(f"kd-{i}" for i in range(5))]
    sd = np.array([0.2, 0.1, 0.2, 0.2, 0.3, 0.6])
    frame = pd.DataFrame([(c, s) for c in cells for s in range(5)], columns=["cell", "seed"])
    frame["method"] = np.where(frame["cell"] == "base", "baseline", "kd")
    rejected = 0
    for _ in range(2000):
        values = rng.normal(0, 0.2, 5) + rng.normal(0, 1, (6, 5)) * sd[:, None]
        frame["test_top1"] = 80 + values.ravel()
        gains = analyze(frame.drop(index=[7, 28])).family("gains")
        rejected += any(c.verdict != "inconclusive" for c in gains.comparisons)
    assert rejected / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
