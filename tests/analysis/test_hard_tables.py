"""Tables that a referee would try: what is said of them must be true, and no number may be an artefact."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import AllOf, Pair, Plan, Study, TableError, Trend, analyze, summarize_studies
from rigorkd_analysis.published.bounds import mcnemar_at
from rigorkd_analysis.results import Analysis, Comparison
from rigorkd_analysis.stats.paired import Settings, noncentrality_interval, statistics
from rigorkd_analysis.stats.sample_size import power
from rigorkd_analysis.stats.sequential import interval
from scipy import integrate, stats

BASE = (80.1, 80.4, 79.9, 80.2, 80.3)


def runs(cells: dict[str, tuple[float, ...]], seeds: tuple[object, ...] | None = None) -> pd.DataFrame:
    """The cell `base` is the baseline; `kd-<T>` are distilled."""
    rows = [
        {
            "cell": cell,
            "method": "baseline" if cell == "base" else "kd",
            "T": cell.removeprefix("kd-") if cell != "base" else "",
            "seed": (seeds or range(len(values)))[at],
            "test_top1": value,
        }
        for cell, values in cells.items()
        for at, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def shifted(*by: float) -> tuple[float, ...]:
    return tuple(value + step for value, step in zip(BASE, by, strict=True))


def first(found: Analysis) -> Comparison:
    return found.family("gains").comparisons[0]


@pytest.mark.parametrize("as_text", [True, False])
def test_seeds_of_many_digits_are_told_apart(as_text: bool) -> None:
    seeds = (2**53, 2**53 + 1, 2**62 + 1, -3, 7)
    given = tuple(str(seed) for seed in seeds) if as_text else seeds
    found = first(analyze(runs({"base": BASE, "kd-4": shifted(1, 2, 1, 2, 1)}, given)))
    assert found.seeds == tuple(sorted(seeds))


@pytest.mark.parametrize("seed", ["12345678901234567890", "1e300", "inf", "1.5", "1_000", "two", ""])
def test_what_is_no_seed_is_refused_with_its_row(seed: str) -> None:
    with pytest.raises(TableError, match=r"is not a seed|has no seed") as caught:
        analyze(runs({"base": BASE, "kd-4": BASE}, ("0", seed, "2", "3", "4")))
    assert (caught.value.row, caught.value.column) == (1, "seed")


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_an_index_that_pandas_wrote_is_no_metric(index: str) -> None:
    table = runs({"base": BASE, "kd-4": shifted(1, 2, 1, 2, 1)}).rename(columns={"test_top1": "accuracy"})
    table.insert(0, index, range(len(table)))
    assert analyze(table).metric == "accuracy"


def test_rounding_in_the_last_bits_has_no_correlation() -> None:
    noise = tuple(80 + 1e-13 * step for step in (3, -1, 2, 0, -2))
    found = first(analyze(runs({"base": noise, "kd-4": shifted(1, 2, 1, 2, 1)})))
    assert found.r is None
    assert found.t is not None


def distribution(t: float, df: int, delta: float) -> float:
    """P(T ≤ t) of the noncentral t, by integrating the normal over the χ of its denominator."""

    def density(s: float) -> float:
        return float(stats.norm.cdf(t * s - delta) * stats.chi.pdf(s * df**0.5, df) * df**0.5)

    middle = delta / t
    width = 40 / t
    near = integrate.quad(density, max(0.0, middle - width), middle + width, epsabs=1e-13, limit=200)[0]
    return near + float(stats.chi.sf((middle + width) * df**0.5, df))


@pytest.mark.parametrize(("t", "df"), [(9_000.0, 4), (30_000.0, 4), (2e6, 2), (-50_000.0, 9)])
def test_the_interval_of_dz_reaches_any_t(t: float, df: int) -> None:
    low, high = (float(end[0]) for end in noncentrality_interval(np.array([t]), df, 0.05))
    if t < 0:
        t, low, high = -t, -high, -low
    assert distribution(t, df, low) == pytest.approx(0.975, abs=1e-5)
    assert distribution(t, df, high) == pytest.approx(0.025, abs=1e-5)


def test_no_statistic_of_a_tiny_spread_is_left_out() -> None:
    base = np.array([BASE])
    d = 0.5 + 1e-7 * np.array([[1.0, -2.0, 0.5, 1.5, -1.0]])
    found = statistics(d, Settings(0.05, 1, 0.3), base + d, base)
    assert np.isfinite([found["dz_ci_low"][0], found["dz_ci_high"][0], found["t"][0]]).all()
    assert found["dz_ci_low"][0] < found["dz"][0] < found["dz_ci_high"][0]


def test_a_cell_that_lost_runs_is_named_in_the_average_of_all_gains() -> None:
    table = runs(
        {f"kd-{T}": shifted(0.5, 0.6, 0.4, 0.7, 0.5 + T / 10) for T in (1, 2, 3)} | {"base": BASE}
    ).assign(status="done")
    together = analyze(table).family("gains").consistency
    assert together is not None
    assert "over 5 seeds" in together.says
    table.loc[(table["cell"] == "kd-2") & (table["seed"] == 4), "status"] = "diverged"
    together = analyze(table).family("gains").consistency
    assert together is not None
    assert together.n == 4
    assert "over 4 seeds at which every run converged" in together.says


def test_an_average_without_spread_has_no_interval_in_words() -> None:
    table = runs({f"kd-{T}": shifted(*[T] * 5) for T in (1, 2, -1)} | {"base": BASE})
    together = analyze(table).family("gains").consistency
    assert together is not None
    assert together.ci_low is None
    assert "the same at all 5 seeds, so without an interval" in together.says
    assert "2 of 3 point the way" in together.says


def test_one_setting_points_the_way() -> None:
    table = runs(
        {f"kd-{T}": shifted(*(np.array([0, 0.1, 0, 0.2, 0]) + T)) for T in (1, -2, -1)} | {"base": BASE}
    )
    together = analyze(table).family("gains").consistency
    assert together is not None
    assert "1 of 3 points the way" in together.says


def test_gains_of_cells_added_later_are_a_family_of_their_own() -> None:
    rng = np.random.default_rng(4)
    table = runs({f"kd-{T}": tuple(81 + rng.normal(0, 0.2, 5)) for T in (1, 2, 3)} | {"base": BASE})
    plan = Plan(
        planned=True,
        added=("kd-3",),
        contrasts=(Pair("kd-1", "kd-2", planned=True), Trend("T", name="T", planned=True)),
        secondary=("test_top1",),
    )
    found = analyze(table, plan)
    kinds = [(family.name, family.planned, [c.name for c in family.comparisons]) for family in found.families]
    assert kinds == [
        ("overall", True, ["kd: average of 2 (T)"]),
        ("gains", True, ["kd-1 vs base", "kd-2 vs base"]),
        ("gains", False, ["kd-3 vs base"]),
        ("contrasts", True, ["kd-1 vs kd-2"]),
        ("contrasts", False, ["T"]),  # its line runs through the added cell
    ]
    assert [family.size for family in found.families] == [1, 2, 1, 1, 1]
    assert not found.secondary[0].family.planned
    whole = analyze(table, Plan(planned=True)).families
    assert [(family.planned, family.size) for family in whole] == [(True, 1), (True, 3)]


def test_joint_verdicts_hold_a_conjunction_to_its_members_intervals() -> None:
    """With Holm the conjunction would be tested at alpha once the rest is decided: not so when joint."""
    rng = np.random.default_rng(2)
    clear = tuple(95 + rng.normal(0, 0.05, 5))
    table = runs({"base": BASE, "kd-1": clear, "kd-2": shifted(0.5, -0.05, 0.3, 0.25, 0.6)})
    contrasts = (Pair("kd-1", "base"), Pair("kd-1", "kd-2"), AllOf(("kd-1", "kd-2"), name="both"))
    by_holm, joint = (
        analyze(table, Plan(contrasts=contrasts, joint=joint)).family("contrasts").comparisons[2]
        for joint in (False, True)
    )
    assert by_holm.p is not None
    assert 0.05 / 3 < by_holm.p < 0.05
    assert by_holm.p_adjusted == pytest.approx(joint.p_adjusted / 2)  # intervals are two-sided
    assert (by_holm.verdict, joint.verdict) == ("better", "inconclusive")


def test_joint_equivalence_of_a_conjunction_needs_every_interval_within_the_sesoi() -> None:
    rng = np.random.default_rng(8)
    seen = set()
    for _ in range(25):
        cells = {f"kd-{T}": shifted(*rng.normal(0, 0.25, 5)) for T in (1, 2)}
        plan = Plan(sesoi=0.45, joint=True, contrasts=(AllOf(("kd-1", "kd-2")), Pair("kd-1", "kd-2")))
        found = analyze(runs({"base": BASE, **cells}), plan)
        gains, (both, _) = found.family("gains").comparisons, found.family("contrasts").comparisons
        low = min(gain.ci_simultaneous_low or 0.0 for gain in gains)
        high = max(gain.ci_simultaneous_high or 0.0 for gain in gains)
        # both families are of two, so that their simultaneous intervals are the same
        expected = low > -0.45 and high < 0.45
        assert (both.verdict in ("equivalent", "better_negligible", "worse_negligible")) == expected
        seen.add(expected)
    assert seen == {True, False}


def test_a_baseline_shared_by_a_conjunction_is_warned_of_once() -> None:
    table = runs({"base": BASE, "kd-1": BASE, "kd-2": BASE}).assign(status="done")
    table.loc[(table["cell"] == "base") & (table["seed"] == 4), "status"] = "diverged"
    found = analyze(table, Plan(contrasts=(AllOf(("kd-1", "kd-2")),))).family("contrasts").comparisons[0]
    assert found.warnings[0] == "among converged seeds only; diverged: base seed 4"


def test_cells_that_differ_in_more_than_temperature_make_no_arm() -> None:
    cells = {"base": BASE, "kd-1": shifted(1, 2, 1, 2, 1), "kd-2": shifted(0, 1, 0, 0, 1)}
    table = runs(cells)
    assert analyze(table).factorial
    table["beta"] = table["cell"].map({"kd-1": "1", "kd-2": "8"}).fillna("")
    assert not analyze(table).factorial


def test_a_confidence_sequence_far_from_zero_keeps_its_width() -> None:
    d = np.array([0.3, -0.2, 0.1, 0.4, -0.3, 0.2])
    low, high = interval(d, 0.25, 0.05)
    far_low, far_high = interval(d + 2.0**30, 0.25, 0.05)
    assert far_high[5] - far_low[5] == pytest.approx(high[5] - low[5], rel=1e-5)


def test_an_average_over_studies_that_lost_baseline_runs_is_no_verdict_against_a_method() -> None:
    studies = []
    for at, loss in enumerate((1.0, 1.1, 0.9)):
        table = runs({"base": BASE, "kd-4": shifted(*(-loss + 0.01 * np.arange(5)))}).assign(status="done")
        table["seed"] += 10 * at
        studies.append(Study(f"study-{at}", table))
    assert summarize_studies(studies, Plan()).families[0].summaries[0].verdict == "worse"
    table = studies[0].table
    table.loc[(table["cell"] == "base") & (table["seed"] == 0), "status"] = "diverged"
    assert summarize_studies(studies, Plan()).families[0].summaries[0].verdict == "inconclusive"


def test_a_negligible_gain_names_the_p_that_was_adjusted() -> None:
    table = runs({"base": BASE, "kd-1": shifted(0.1, 0.11, 0.1, 0.12, 0.1), "kd-2": shifted(1, 2, 1, 2, 1)})
    found = first(analyze(table, Plan(sesoi=0.3)))
    assert found.verdict == "better_negligible"
    assert "(TOST Holm-adjusted p " in found.says


@pytest.mark.parametrize("only_worse", [0, 1, 7, 1912])
def test_one_image_apart_is_no_evidence_at_all(only_worse: int) -> None:
    assert mcnemar_at(1, only_worse) == 1.0
    exact = stats.binomtest(only_worse, 2 * only_worse + 1).pvalue
    assert exact == pytest.approx(1.0)


@pytest.mark.parametrize("sesoi", [-0.3, 0.0, float("inf")])
def test_a_bound_of_equivalence_is_positive(sesoi: float) -> None:
    with pytest.raises(TableError, match="smallest effect of interest"):
        power(5, 0.2, sesoi=sesoi)
    assert power(5, 0.2, effect=-0.3).seeds_needed == power(5, 0.2, effect=0.3).seeds_needed


def test_a_cell_that_never_varies_is_named() -> None:
    cells = {"base": BASE, "kd-1": (80.1,) * 5, "kd-2": shifted(1, 2, 1, 2, 1)}
    found = analyze(runs(cells))
    told = [text for text in found.warnings if text.startswith("the same value at every seed")]
    assert told == ["the same value at every seed, as if one run stood there several times: kd-1"]
    assert first(found).r is None
    full = analyze(runs({**cells, "kd-3": (100.0,) * 5}))
    told = [text for text in full.warnings if "at every seed" in text]
    assert told[0].startswith("100, the best that there is, at every seed, so that nothing is left to gain")
    assert [text.rpartition(": ")[2] for text in told] == ["kd-3", "kd-1"]
    table = runs(cells)
    few = table[(table["cell"] != "kd-1") | (table["seed"] < 2)]
    assert not [text for text in analyze(few).warnings if text.startswith("the same value")]
