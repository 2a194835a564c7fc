"""The gate: its error budget, its decisions, what it says, and by simulation that any search keeps alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis.runs import read_runs
from rigorkd_analysis.stats.gating import (
    Budget,
    Forecast,
    Gate,
    Gated,
    GateVerdict,
    Pairs,
    crossings,
    first,
    forecast,
    judge,
    least_seeds,
    share,
)
from rigorkd_analysis.stats.sequential import interval, log_e
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import Phrasing

from tests.helpers import script

ROOT = Path(__file__).parents[2]


costs = script("gate_costs")

BASE = (80.1, 79.4, 80.6, 79.9, 80.3, 79.7, 80.0, 80.4, 79.8, 80.2)


def judged(
    gains: list[float] | np.ndarray,
    *,
    margin: float = 0.0,
    level: float = 0.025,
    most: int | None = None,
    goal: str = "max",
) -> Gated:
    base = np.resize(np.array(BASE), len(gains))
    candidate = base + np.array(gains)
    seeds = range(len(gains))
    rows = [("base", seed, 80.0 + seed) for seed in (0, 1)]
    runs = read_runs(pd.DataFrame(rows, columns=["cell", "seed", "test_top1"]))
    gate = Gate(goal, margin, level, 0.05, most)  # type: ignore[arg-type]
    pairs = Pairs("base", "kd", tuple(seeds), tuple(base), tuple(candidate))
    return judge(gate, pairs, "test_top1", Phrasing.of(runs, "max", 0.5))


# ------------------------------------------------------------------------------------------------ the budget


def test_all_shares_are_alpha():
    assert sum(share(k) for k in range(1, 10_001)) == pytest.approx(1 - 1 / 10_001)
    budget = Budget(0.05)
    spent = []
    for _ in range(100):
        spent.append(budget.next_level)
        budget = budget.begin()
    assert sum(spent) + budget.left == pytest.approx(0.05)


def test_the_level_of_an_accepted_candidate_passes_to_the_next_alone():
    budget = Budget(0.05).begin().accept(0.025)
    assert budget.next_level == pytest.approx(0.05 * share(2) + 0.025)
    assert budget.left == pytest.approx(0.05)  # nothing was spent on a candidate that is no better
    after = budget.begin()
    assert after.next_level == pytest.approx(0.05 * share(3))
    assert after.left == pytest.approx(0.05 / 3)


@pytest.mark.parametrize("seed", range(20))
def test_candidates_that_are_no_better_never_hold_more_than_alpha(seed: int):
    """Whatever the true improvements, in whatever order they are accepted, before any false acceptance."""
    rng = np.random.default_rng(seed)
    budget, held = Budget(0.05), 0.0
    for _ in range(60):
        level, better = budget.next_level, rng.random() < 0.4
        budget = budget.begin()
        if better and rng.random() < 0.8:
            budget = budget.accept(level)
        elif not better:
            held += level
        assert held + budget.left <= 0.05 + 1e-12


@pytest.mark.parametrize("level", [0.025, 0.004, 1e-4, 1e-7])
def test_the_least_seeds_are_those_of_differences_that_all_but_agree(level: float):
    n = least_seeds(level)
    clear = 1 + 1e-9 * np.arange(40)
    accepts, _ = crossings(clear, level, 0.05)
    assert int(first(accepts)) == n
    low, _ = interval(clear, 0.25, 2 * level)
    assert np.isfinite(low[n - 1])
    assert not np.isfinite(low[n - 2])


# --------------------------------------------------------------------------------------------- the decision


def test_crossings_are_those_of_the_intervals():
    rng = np.random.default_rng(2)
    x = rng.normal(0.6, 1, (400, 15)) * rng.choice([-1, 1], (400, 1))
    accepts, refuses = crossings(x, 0.01, 0.05)
    assert np.array_equal(accepts, interval(x, 0.25, 0.02)[0] > 0)
    assert np.array_equal(refuses, interval(x, 0.25, 0.1)[1] < 0)


def test_a_mixture_over_effects_is_the_evidence():
    """E_n is the likelihood ratio of t averaged over effects with variance 1/c²: by numerical integration."""
    from scipy import stats

    d, c2 = np.array([0.7, 1.9, -0.3, 1.2, 0.8]), 0.25
    t, n = d.mean() / (d.std(ddof=1) / np.sqrt(d.size)), d.size
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    likelihoods = stats.nct.pdf(t, n - 1, nodes / np.sqrt(c2) * np.sqrt(n))
    mixed = (likelihoods * weights).sum() / np.sqrt(2 * np.pi)
    mixed /= stats.t.pdf(t, n - 1)
    assert log_e(d, c2)[-1] == pytest.approx(np.log(mixed), abs=1e-5)


def test_the_first_crossing_is_for_good():
    up = [3.0, 3.1, 2.9, 3.05, 3.0, 2.95]
    found = judged([*up, -9.0, -9.0, -9.0])
    assert (found.verdict, found.decided_at) == ("better", 4)
    assert found.n == len(found.seeds) == 4
    assert any("5 more seeds are there" in text for text in found.warnings)
    assert judged([*(-np.array(up)), 9.0, 9.0, 9.0]).verdict == "worse"


@pytest.mark.parametrize(
    ("gains", "margin", "verdict", "code"),
    [
        ([1.0, 1.2, 0.9, 1.1, 1.0, 1.05], 0.3, "better", 0),
        ([-1.0, -1.2, -0.9, -1.1, -1.0], 0.3, "worse", 1),
        ([0.01, -0.02, 0.02, 0.0, -0.01, 0.01], 0.3, "equivalent", 1),
        ([-0.7, 0.2, -0.6, 0.1, -0.5, 0.0, -0.4, 0.1], 0.3, "no_better", 1),
        ([0.3, -0.4, 0.9, 0.1], 0.3, "undecided", 3),
    ],
)
def test_verdicts_and_exit_codes(gains: list[float], margin: float, verdict: str, code: int):
    found = judged(gains, margin=margin)
    assert (found.verdict, found.exit_code) == (verdict, code)
    assert found.verdict.exit_code == code
    flipped = judged([-gain for gain in gains], margin=margin, goal="min")
    assert (flipped.verdict, flipped.decided_at) == (found.verdict, found.decided_at)
    assert flipped.improvement == pytest.approx(found.improvement)
    assert flipped.mean_diff == pytest.approx(-found.mean_diff)
    assert flipped.improvement_low == pytest.approx(found.improvement_low)


def test_an_acceptance_needs_the_level_and_a_refusal_only_alpha():
    gains = np.array([1.0, 1.3, 0.7, 1.1, 0.9, 1.2])
    assert judged(gains, level=0.025).verdict == "better"
    assert judged(gains, level=1e-7).verdict == "undecided"
    assert judged(-gains, level=1e-7).verdict == "worse"


def test_units_do_not_matter():
    rng = np.random.default_rng(5)
    x = rng.normal(0.8, 1, (50, 12))
    for scale in (1e-6, 1e6):
        for one, other in zip(crossings(x, 0.02, 0.05), crossings(scale * x, 0.02, 0.05), strict=True):
            assert np.array_equal(one, other)


def test_without_spread_or_with_a_diverged_run_nothing_is_decided():
    same = judged([1.0] * 12, most=20)
    assert (same.verdict, same.exit_code, same.improvement_low) == ("undecided", 3, None)
    assert any("seed may not reach the training" in text for text in same.warnings)
    lost = judged([1.0, 1.2, 0.9, float("nan"), 1.1, 1.0, 1.05], most=20)
    assert (lost.verdict, lost.futile, lost.n) == ("undecided", True, 6)
    assert lost.differences[3] is None
    assert any("diverged at seed 3" in text for text in lost.warnings)


def test_equal_first_differences_wait_for_spread():
    """Accuracies on few images tie: a run of ties is no evidence."""
    accepts, _ = crossings(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.9]), 0.025, 0.05, least_spread=1e-12)
    assert not accepts[:5].any()


# --------------------------------------------------------------------------------------------- what is ahead


def test_too_few_seeds_are_refused_at_once():
    with pytest.raises(TableError, match="at most 3 seeds can accept nothing"):
        Gate("max", 0.0, 0.025, 0.05, most=3).refuse_hopeless()
    Gate("max", 0.0, 0.025, 0.05, most=4).refuse_hopeless()
    assert "2 seeds can accept nothing here, 4 at least are needed" in judged([1.0, 1.3]).says


def test_a_forecast_is_the_same_each_time_and_narrows():
    x = np.array([1.0, 0.2, 1.9, 0.6, 1.1])
    one = forecast(x, 0.01, 0.05, 60)
    assert one == forecast(x, 0.01, 0.05, 60)
    assert isinstance(one, Forecast)
    assert one.low is not None
    assert one.low >= 1
    clear = forecast(np.array([3.0, 2.9, 3.1]), 0.025, 0.05, 60)
    assert clear is not None
    assert clear.accepted > 0.9
    hopeless = judged([-0.5, 0.2, -0.4, 0.1, -0.6, 0.3, -0.2, -0.3], margin=0.4, most=10, level=1e-4)
    assert hopeless.verdict in ("undecided", "no_better")
    assert forecast(np.array([1.0]), 0.01, 0.05, 60) is None
    assert forecast(x, 0.01, 0.05, 5) is None


def test_a_loser_is_known_before_it_is_decided():
    losing = judged([0.1, -0.6, 0.3, -0.9, 0.2, -0.4, 0.0, -0.5], most=10, level=1e-3)
    assert (losing.verdict, losing.futile) == ("undecided", True)
    ended = judged([0.1, -0.6, 0.9, -0.1], most=4)
    assert ended.futile
    assert "stopped at 4 seeds" in ended.says


@pytest.mark.parametrize(
    ("alpha", "margin", "hint"), [(0.0, 0.0, "between 0 and 0.5"), (0.5, 0.0, "0.5"), (0.05, -1.0, "give 0")]
)
def test_impossible_questions_are_refused(alpha: float, margin: float, hint: str):
    with pytest.raises(TableError) as refused:
        Gate("max", margin, 0.01, alpha)
    assert hint in refused.value.hint


def test_every_verdict_has_an_exit_code_and_words():
    assert {verdict: verdict.exit_code for verdict in GateVerdict} == {
        "better": 0,
        "worse": 1,
        "equivalent": 1,
        "no_better": 1,
        "undecided": 3,
    }
    assert GateVerdict.NO_BETTER.words == "no better"


# -------------------------------------------------------------------------------------------- by simulation


def most(searches: int) -> float:
    return 0.05 + 2 * float(np.sqrt(0.05 * 0.95 / searches))


def test_a_few_searches_keep_alpha():
    found = costs.gated(np.random.default_rng(1), 300)
    assert found.any <= most(300)
    assert costs.best_number(np.random.default_rng(1), 300).any > 0.9


@pytest.mark.slow
def test_searches_of_fifty_candidates_keep_alpha():
    found = costs.gated(np.random.default_rng(2), 5_000)
    assert found.any <= most(5_000)
    assert found.accepted.max() <= 2


@pytest.mark.slow
def test_a_search_that_has_found_something_keeps_alpha():
    """Every third candidate is better by three sds of a run: its level passes on, its fresh seeds count."""
    rng, searches = np.random.default_rng(3), 5_000
    base, pool, wrong = rng.normal(size=(searches, 20)), np.zeros(searches), np.zeros(searches, dtype=bool)
    for number in range(1, 31):
        level = 0.05 * share(number) + pool
        gain = 3.0 if number % 3 == 0 else 0.0
        sd = costs.sds(rng, (searches,))[:, None]
        x = gain + sd * rng.normal(size=(searches, 20)) - base
        up, down = map(first, crossings(x, level[:, None], 0.05))
        won = up < down
        wrong |= won & (gain == 0)
        pool = np.where(won, level, 0.0)
        base[won] = (sd * rng.normal(size=(searches, 20)))[won]
    assert wrong.mean() <= most(searches)


@pytest.mark.slow
def test_spreads_that_an_adversary_chooses_keep_alpha():
    assert costs.gated(np.random.default_rng(4), 100, costs.sharpest).any <= most(100)


@pytest.mark.slow
@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 17), (2.0, 7), (3.0, 5)])
def test_power(effect: float, seeds: int):
    found = costs.power(np.random.default_rng(5), 5_000, effect, 1)
    assert found.median <= seeds
