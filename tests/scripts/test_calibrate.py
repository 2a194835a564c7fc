"""The calibration: its answers are those of `analyze`, its errors are right, its page is the table's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.stats.adjust import adjust

from tests.helpers import script

ROOT = Path(__file__).parents[2]


calibrate = script("calibrate")


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    found: np.ndarray = calibrate.values_of(calibrate.KEPT / "runs.csv")
    return found


@pytest.fixture(scope="module")
def rates() -> dict:
    found: dict = json.loads((calibrate.KEPT / "rates.json").read_text())
    return found


def test_the_table_is_one_of_ten_cells(values: np.ndarray, rates: dict) -> None:
    assert values.shape == (10, rates["seeds"])
    assert rates["seeds"] >= 100
    assert not np.isnan(values).any()


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("reference", [0, 7])
def test_every_study_is_answered_as_analyze_answers_it(values: np.ndarray, n: int, reference: int) -> None:
    """The three studies with the smallest p among the first twenty, and the first three."""
    studies = calibrate.Studies(np.arange(20 * n).reshape(20, n) % 100, values)
    gains = list(studies.over_each())[reference]
    of_interest = [*np.argsort(gains.p.min(axis=1))[:3], 0, 1, 2]
    for at in of_interest:
        rows = [
            {
                "cell": f"c{cell}",
                "seed": seed,
                "method": "kd" if cell != reference else "baseline",
                "test_top1": x,
            }
            for cell, of_cell in enumerate(studies.of_cells[at])
            for seed, x in enumerate(of_cell)
        ]
        found = analyze(pd.DataFrame(rows), Plan(sesoi=1.0))
        family = found.family("gains")
        assert family is not None
        shown = sorted(family.comparisons, key=lambda c: str(c.a))
        assert gains.p[at] == pytest.approx([c.p for c in shown])
        assert bool(calibrate.holm(gains)[at]) == any(c.p_adjusted < 0.05 for c in shown)
        inside = [c.ci_low <= 0 <= c.ci_high for c in shown]
        assert calibrate.interval_of_a_gain(gains)[at] == pytest.approx(np.mean(inside))
        assert calibrate.primary(gains)[at] == pytest.approx(1 - np.mean(inside))
        assert calibrate.announced(gains)[at] == any(c.p < 0.05 and c.mean_diff > 0 for c in shown)
        average = found.family("overall")
        assert average is not None
        assert bool(calibrate.overall(gains)[at]) == (average.comparisons[0].p < 0.05)
        declared = analyze(pd.DataFrame(rows), Plan(test="moderated")).family("gains")
        assert declared is not None
        rejected = any(c.p_adjusted < 0.05 for c in declared.comparisons)
        assert bool(calibrate.moderated_holm(gains)[at]) == rejected
        assert calibrate.largest(gains)[at] == pytest.approx(max(c.mean_diff for c in shown))


def test_an_equivalence_at_the_sesoi_is_an_error() -> None:
    """A gain of exactly the SESOI, with little spread: half of such tests lie on either side."""
    rng = np.random.default_rng(1)
    gains = calibrate.Gains(rng.normal(0, 0.1, (4000, 1, 5)))
    assert calibrate.one_equivalent(gains).mean() == pytest.approx(0.05, abs=0.012)
    assert calibrate.equivalent(gains) == pytest.approx(calibrate.one_equivalent(gains))


def test_a_family_finds_something_if_holm_does() -> None:
    p = np.random.default_rng(0).uniform(0, 0.1, (200, 9))
    adjusted = np.array([(adjust(row, "holm") < 0.05).any() for row in p])
    assert 20 < adjusted.sum() < 180
    assert (calibrate.any_after_holm(p) == adjusted).all()


def test_a_deal_uses_every_seed_once() -> None:
    values = np.zeros((3, 23))
    studies = calibrate.Studies.deal(values, 5, 7, np.random.default_rng(0))
    assert studies.members.shape == (7 * 4, 5)
    for deal in studies.members.reshape(7, 20):
        assert len(set(deal)) == 20


def test_with_studies_of_one_seed_the_error_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=(1, 400))
    studies = calibrate.Studies.deal(values, 1, 1, np.random.default_rng(0))
    outcome = {"x": values[0][studies.members[:, 0]]}
    found = calibrate.estimates(studies, outcome, np.random.default_rng(0))["x"]
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std() / 20, rel=0.06)


def test_the_same_table_gives_the_same_bytes(values: np.ndarray) -> None:
    once, again = (calibrate.judge(values[:, :60], deals=3) for _ in range(2))
    assert json.dumps(once) == json.dumps(again)
    assert calibrate.figure(once) == calibrate.figure(again)


def test_the_page_shows_what_the_rates_say(values: np.ndarray, rates: dict) -> None:
    """Page and figure from the rates; and of the rates, from the table, what needs no dealing."""
    for path, content in calibrate.outputs(rates).items():
        assert path.read_bytes() == content, path.name
    best = np.array([(np.delete(values, at, axis=0) - values[at]).max(axis=0) for at in range(10)])
    table = rates["tables"][0]
    assert table["largest"]["value"] == pytest.approx(best.mean(), abs=1e-5)
    assert table["beyond_sesoi"]["value"] == pytest.approx((best >= 1).mean(), abs=1e-5)
    assert rates["sd"] == pytest.approx(np.sqrt(values.var(axis=1, ddof=1).mean()), abs=1e-5)


@pytest.mark.slow
def test_the_page_is_what_the_table_gives(values: np.ndarray, rates: dict) -> None:
    assert calibrate.judge(values) == rates


@pytest.mark.slow
def test_errors_are_not_too_small() -> None:
    """Over 150 simulated tables, a rate varies by no more than its error says."""
    found = []
    for seed in range(150):
        values = np.random.default_rng(seed).normal(size=(4, 60))
        found.append([of["holm"] for of in calibrate.judge(values, deals=20)["rates"]])
    for size in range(2):
        spread = np.std([row[size]["value"] for row in found])
        said = np.sqrt(np.mean([row[size]["error"] ** 2 for row in found]))
        assert spread < 1.15 * said
        assert said < 3 * spread
