"""The overall and primary questions, and the tests that a plan declares: moderated, unpaired, looks."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import AllOf, Plan, TableError, analyze
from rigorkd_analysis.stats.exact import binomial_interval, exact_from, signflip_floor, superiority
from rigorkd_analysis.stats.group_sequential import nominal_level, p_over_looks, probability
from rigorkd_analysis.stats.moderated import moderated
from rigorkd_analysis.stats.moments import sd_interval
from rigorkd_analysis.stats.new_images import Predictions, PredictionSource, crossed_interval
from rigorkd_analysis.stats.paired import PairedTest, Settings, t_test
from rigorkd_analysis.stats.sample_size import errors_of_what_is_found, refusal
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_ind

GAINS = np.array([(1.2, 0.4, 2.1, 0.9, 1.6), (0.3, -0.5, 0.8, 0.1, 0.6), (1.9, 0.2, 2.5, 1.1, 1.4)])
BASE = np.array([80.1, 79.7, 80.4, 80.0, 79.8])


def table(cells: dict[str, np.ndarray], **columns: object) -> pd.DataFrame:
    """Cells over seeds 0, 1, …; those whose name ends in `base` are baselines; `group/student/rest`."""
    rows = []
    for cell, values in cells.items():
        group, student, _ = cell.split("/")
        method = "baseline" if cell.endswith("base") else "kd"
        rows += [
            {"cell": cell, "seed": seed, "group": group, "student": student, "method": method, "test_top1": x}
            for seed, x in enumerate(values)
        ]
    return pd.DataFrame(rows).assign(**columns)


def three_gains() -> pd.DataFrame:
    return table({"g/s/base": BASE} | {f"g/s/kd-{i}": BASE + d for i, d in enumerate(GAINS)})


# ---------------------------------------------------------------------------------- overall and primary


def test_the_average_gain_comes_first_and_is_tested_alone():
    found = analyze(three_gains(), Plan(planned=True, sesoi=0.3))
    assert [(family.name, family.planned, family.size) for family in found.families] == [
        ("overall", True, 1),
        ("gains", True, 3),
    ]
    (average,) = found.family("overall").comparisons
    assert average.mean_diff == pytest.approx(0.9733333, abs=1e-6)
    assert average.t == pytest.approx(3.3203263, abs=1e-6)
    assert average.p == average.p_adjusted == pytest.approx(0.0293696, abs=1e-6)
    oracle = stats.ttest_1samp(GAINS.mean(axis=0), 0)
    assert (average.t, average.p) == pytest.approx((oracle.statistic, oracle.pvalue))
    assert average.name == "g/s/kd: average of 3"
    assert average.says.startswith(
        "Distillation, averaged over 3 settings, raised s's test top-1 by 0.97 points"
    )
    assert found.lead is found.family("overall")


def test_averages_are_per_group_student_and_method_with_holm_over_them():
    rng = np.random.default_rng(1)
    cells = {}
    for place in ("g/a", "g/b", "h/a"):
        cells[f"{place}/base"] = BASE + rng.normal(0, 0.1, 5)
        cells |= {f"{place}/kd-{i}": BASE + 0.4 + rng.normal(0, 0.3, 5) for i in range(2)}
    found = analyze(table(cells)).family("overall")
    assert [c.name.split(":")[0] for c in found.comparisons] == ["g/a/kd", "g/b/kd", "h/a/kd"]
    p = sorted(c.p for c in found.comparisons)
    assert sorted(c.p_adjusted for c in found.comparisons)[0] == pytest.approx(min(1.0, 3 * p[0]))
    one = found.comparisons[0]
    expected = (cells["g/a/kd-0"] + cells["g/a/kd-1"]) / 2 - cells["g/a/base"]
    assert one.t == pytest.approx(stats.ttest_1samp(expected, 0).statistic)


def test_under_0_1_the_average_was_not_planned_and_comes_last():
    found = analyze(three_gains(), Plan(planned=True, first_version=True))
    assert [(family.name, family.planned) for family in found.families] == [
        ("gains", True),
        ("overall", False),
    ]
    assert found.lead is None


def test_the_primary_gain_is_tested_alone_and_the_others_are_their_own_family():
    found = analyze(three_gains(), Plan(planned=True, primary="g/s/kd-1", sesoi=0.3))
    assert [(family.name, family.planned, family.size) for family in found.families] == [
        ("overall", True, 1),
        ("primary", True, 1),
        ("gains", True, 2),
    ]
    (alone,) = found.family("primary").comparisons
    assert alone.a == "g/s/kd-1"
    assert alone.p_adjusted == alone.p == pytest.approx(stats.ttest_1samp(GAINS[1], 0).pvalue)
    assert [c.a for c in found.family("gains").comparisons] == ["g/s/kd-0", "g/s/kd-2"]
    assert found.lead is found.family("primary")
    with pytest.raises(TableError, match="the primary cell g/s/base has no gain"):
        analyze(three_gains(), Plan(primary="g/s/base"))
    with pytest.raises(TableError, match="no cell 'g/s/kd'"):
        analyze(three_gains(), Plan(primary="g/s/kd"))


def test_a_conjunction_of_losses_is_not_shown():
    cells = {"g/s/base": BASE} | {f"g/s/kd-{i}": BASE - 2 - GAINS[i] / 9 for i in range(2)}
    plan = Plan(contrasts=(AllOf(("g/s/kd-0", "g/s/kd-1"), name="both"),))
    (both,) = analyze(table(cells), plan).family("contrasts").comparisons
    assert (both.verdict, both.p) == ("inconclusive", pytest.approx(1.0, abs=1e-4))
    loss = analyze(table(cells).assign(test_loss=lambda frame: frame.pop("test_top1")), plan)
    (both,) = loss.family("contrasts").comparisons  # where less is better, both gain
    assert both.verdict == "better"


# --------------------------------------------------------------------------------------------- moderated


def test_the_moderated_test_of_the_worked_example():
    _, _, df, rho = moderated(GAINS)
    assert (rho, df) == pytest.approx((1.7170481, 5.5651731), abs=1e-6)
    found = analyze(three_gains(), Plan(test="moderated", sesoi=0.3))
    gains = found.family("gains").comparisons
    assert [c.t for c in gains] == pytest.approx([4.1564894, 0.9857298, 3.9999433], abs=1e-6)
    assert [c.p for c in gains] == pytest.approx([0.0070280, 0.3651612, 0.0083034], abs=1e-6)
    assert [c.p_adjusted for c in gains] == pytest.approx([0.0210840, 0.3651612, 0.0210840], abs=1e-6)
    assert [c.p_paired for c in gains] == pytest.approx([0.0130203, 0.3120836, 0.0213202], abs=1e-6)
    assert [c.df for c in gains] == pytest.approx([5.5651731] * 3, abs=1e-6)
    assert "moderated t(5.57) = 4.16, Holm-adjusted p = 0.0211" in gains[0].says
    (average,) = found.family("overall").comparisons  # tested alone, so by the paired test
    assert (average.test, gains[0].test) == ("paired", "moderated")
    assert average.t == pytest.approx(3.3203263, abs=1e-6)


def test_an_interval_of_a_moderated_test_excludes_0_where_p_is_below_alpha():
    for gain in analyze(three_gains(), Plan(test="moderated")).family("gains").comparisons:
        assert (gain.ci_low > 0 or gain.ci_high < 0) == (gain.p < 0.05)
        assert (gain.ci_simultaneous_low > 0) == (3 * gain.p < 0.05)


@pytest.mark.parametrize(
    ("n", "m", "valid"),
    [(2, 9, False), (3, 5, False), (3, 6, True), (4, 2, False), (4, 3, True), (20, 45, True)],
)
def test_the_moderated_test_is_refused_where_it_does_not_hold_its_level(n: int, m: int, valid: bool):
    assert (refusal(n, m) == "") == valid


def test_a_refused_moderated_test_gives_no_verdict_and_says_why():
    found = analyze(three_gains().query("seed < 3"), Plan(test="moderated", sesoi=0.3))
    for gain in found.family("gains").comparisons:
        assert (gain.p, gain.p_adjusted, gain.verdict) == (None, None, "inconclusive")
        assert gain.warnings[0].endswith("of 3 gains needs 4 seeds or more, and 3 seeds are complete")
        assert gain.p_paired is not None


def test_the_moderated_test_uses_complete_seeds_alone():
    whole, part = three_gains(), three_gains()
    part = part[(part.cell != "g/s/kd-1") | (part.seed != 4)]
    expected = analyze(whole.query("seed < 4"), Plan(test="moderated")).family("gains").comparisons
    found = analyze(part, Plan(test="moderated")).family("gains").comparisons
    assert [(c.n, c.p) for c in found] == [(4, pytest.approx(c.p)) for c in expected]


# ---------------------------------------------------------------------------------------------- unpaired


def disjoint() -> pd.DataFrame:
    """Baseline seeds 0 to 4, distilled seeds 10 to 14."""
    frame = table({"g/r8/base": [72.5, 72.9, 72.3, 72.7, 72.6], "g/r8/kd": [75.2, 75.0, 75.6, 75.1, 75.4]})
    return frame.assign(seed=frame["seed"] + np.where(frame["method"] == "kd", 10, 0))


def test_runs_without_common_seeds_are_offered_the_unpaired_test():
    (gain,) = analyze(disjoint()).family("gains").comparisons
    assert (gain.n, gain.verdict) == (0, "inconclusive")
    assert any("--unpaired compares the runs" in text for text in gain.warnings)
    (gain,) = analyze(disjoint(), Plan(test="unpaired", sesoi=3.0)).family("gains").comparisons
    a, b = (frame["test_top1"] for _, frame in disjoint().groupby("method", sort=False))
    oracle = stats.ttest_ind(b, a, equal_var=False)
    low, high = oracle.confidence_interval(0.95)
    assert (gain.mean_diff, gain.t, gain.df) == pytest.approx((2.66, 18.0990, 7.9563), abs=1e-4)
    assert (gain.t, gain.df, gain.p) == pytest.approx((oracle.statistic, oracle.df, oracle.pvalue))
    assert (gain.ci_low, gain.ci_high) == pytest.approx((low, high))
    assert (gain.ci_low, gain.ci_high) == pytest.approx((2.32, 3.00), abs=5e-3)
    assert gain.p_equivalence == pytest.approx(ttost_ind(b, a, -3.0, 3.0, usevar="unequal")[0])
    assert (gain.test, gain.verdict) == ("unpaired", "better_negligible")
    assert "Welch's t(7.96) = 18.10, p < 0.0001, n = 5 runs per cell" in gain.says
    assert (gain.win_rate, gain.p_signflip, gain.r, gain.p_paired) == (1.0, None, None, None)


def test_runs_that_are_not_paired_show_nothing_of_pairs():
    """Nor does a statistic that is added later: it is no field of what the unpaired test gives."""
    frame = table({"g/s/base": BASE, "g/s/kd": BASE + GAINS[0]})
    (gain,) = analyze(frame, Plan(test="unpaired", sesoi=1.0)).family("gains").comparisons
    shown = {field.name for field in fields(PairedTest) if getattr(gain, field.name) is not None}
    ranges = ("ci", "ci_simultaneous", "equivalence_ci", "mde", "win_rate", "seeds_needed")
    intervals = {f"{name}_{end}" for name in ranges for end in ("low", "high")}
    assert shown == intervals | {
        *("mean_diff", "t", "df", "p", "p_adjusted", "p_welch", "p_equivalence", "p_equivalence_adjusted"),
        *("mde", "exaggeration", "sign_error", "win_rate", "seeds_needed"),
    }


def test_accuracies_that_are_all_0_have_no_scale():
    """As of a smoke study whose few test images are all wrong: its SESOI is not on another scale."""
    frame = table({"g/s/base": np.zeros(3), "g/s/kd": np.zeros(3)})
    (gain,) = analyze(frame, Plan(sesoi=1.0)).family("gains").comparisons
    assert (gain.mean_diff, gain.verdict) == (0, "inconclusive")
    with pytest.raises(TableError, match="is 100 points on this scale"):
        analyze(frame.assign(test_top1=[0.5, 0.6, 0.7, 0.5, 0.6, 0.8]), Plan(sesoi=1.0))


def test_an_unpaired_average_has_satterthwaites_degrees_of_freedom():
    rng = np.random.default_rng(2)
    cells = {
        "g/s/base": rng.normal(80, 1, 12),
        "g/s/kd-0": rng.normal(81, 2, 8),
        "g/s/kd-1": rng.normal(80, 1, 9),
    }
    (average,) = analyze(table(cells), Plan(test="unpaired")).family("overall").comparisons
    parts = [w**2 * x.var(ddof=1) / x.size for w, x in zip((-1, 0.5, 0.5), cells.values(), strict=True)]
    df = sum(parts) ** 2 / sum(v**2 / (x.size - 1) for v, x in zip(parts, cells.values(), strict=True))
    assert average.df == pytest.approx(df)
    assert average.t == pytest.approx(average.mean_diff / np.sqrt(sum(parts)))
    assert "n = 8 to 12 runs per cell" in average.says


@pytest.mark.parametrize(("few", "many", "held"), [(6, 6, True), (6, 20, False), (7, 20, True)])
def test_unequal_numbers_of_runs_need_seven_in_each_cell(few: int, many: int, held: bool):
    rng = np.random.default_rng(3)
    cells = {"g/s/base": rng.normal(80, 0.1, many), "g/s/kd": rng.normal(85, 0.1, few)}
    (gain,) = analyze(table(cells), Plan(test="unpaired")).family("gains").comparisons
    assert gain.verdict == ("better" if held else "inconclusive")
    assert any("from 7 per cell on" in text for text in gain.warnings) != held


@pytest.mark.parametrize(("n", "held"), [(4, False), (5, True)])
def test_an_unpaired_average_needs_five_runs_per_cell(n: int, held: bool):
    rng = np.random.default_rng(4)
    cells = {"g/s/base": rng.normal(80, 0.1, n)} | {f"g/s/kd-{i}": rng.normal(85, 0.1, n) for i in range(2)}
    found = analyze(table(cells), Plan(test="unpaired"))
    assert found.family("overall").comparisons[0].verdict == ("better" if held else "inconclusive")
    assert {c.verdict for c in found.family("gains").comparisons} == {"better"}


def test_superiority_is_newcombes_fifth_interval():
    share, low, high = superiority(np.arange(10.0) + 2.5, np.arange(10.0), 0.05)
    assert share == pytest.approx(stats.mannwhitneyu(np.arange(10.0) + 2.5, np.arange(10.0)).statistic / 100)
    for bound in (low, high):  # the bound is where the score statistic is z
        spread = 1 + 9 * ((1 - bound) / (2 - bound) + bound / (1 + bound))
        z = abs(share - bound) / np.sqrt(bound * (1 - bound) * spread / 100)
        assert z == pytest.approx(1.959964, abs=1e-4)
    assert superiority(np.ones(5), np.zeros(5), 0.05)[2] == 1.0
    assert np.isnan(superiority(np.ones(0), np.ones(3), 0.05)[0])


# ---------------------------------------------------------------------------------------- planned looks


@pytest.mark.parametrize(("alpha", "level"), [(0.05, 0.02133), (0.05 / 9, 0.00211), (0.05 / 18, 0.00102)])
def test_nominal_levels_of_three_looks(alpha: float, level: float):
    assert nominal_level((5, 8, 12), alpha) == pytest.approx(level, rel=0.02)
    assert probability((5, 8, 12), nominal_level((5, 8, 12), alpha)) == pytest.approx(alpha, rel=0.01)


@pytest.mark.parametrize("looks", [(3, 5), (4, 5, 6), (5, 7, 20)])
def test_the_law_of_the_smallest_p_is_that_of_a_simulation(looks: tuple[int, ...]):
    d = np.random.default_rng(4).normal(size=(40_000, looks[-1]))
    smallest = np.ones(d.shape[0])
    for n in looks:
        some = d[:, :n]
        _, p = t_test(some.mean(axis=1), some.std(axis=1, ddof=1) / np.sqrt(n), n - 1)
        smallest = np.minimum(smallest, p)
    for level in (0.3, 0.05, 0.01):
        rate = (smallest <= level).mean()
        assert probability(looks, level) == pytest.approx(rate, abs=4 * np.sqrt(rate / 40_000))
        assert p_over_looks(np.array([level]), looks)[0] == pytest.approx(probability(looks, level), rel=0.01)


def test_one_look_changes_nothing():
    assert nominal_level((), 0.01) == 0.01
    assert p_over_looks(np.array([0.2, np.nan]), ())[0] == 0.2


def looked_at(n: int, shift: float = 2.0) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    base = rng.normal(80, 0.3, n)
    return table(
        {"g/s/base": base, "g/s/kd-0": base + shift + rng.normal(0, 0.3, n), "g/s/kd-1": base + 0.01}
    )


def test_a_planned_look_is_no_repeated_look_and_tests_at_its_own_level():
    plan = Plan(planned=True, interim=(5, 8, 12), looks=(5,), sesoi=0.3)
    found = analyze(looked_at(8), plan)
    gain = found.family("gains").comparisons[0]
    assert (gain.verdict, gain.decided_at) == ("better", 5)
    assert not any("repeated look" in text for text in (*found.warnings, *gain.warnings))
    level = nominal_level((5, 8, 12), 0.05)
    half = -stats.t.ppf(level / 2, 7) * gain.sd_diff / np.sqrt(8)
    assert gain.ci_high - gain.mean_diff == pytest.approx(half)
    early = looked_at(8).query("seed < 5").pivot(index="cell", columns="seed", values="test_top1")
    first = stats.ttest_rel(early.loc["g/s/kd-0"], early.loc["g/s/base"]).pvalue
    smallest = min(first, gain.p)
    assert gain.p_adjusted == pytest.approx(2 * p_over_looks(np.array([smallest]), (5, 8, 12))[0])
    assert found.correction == "bonferroni"


@pytest.mark.parametrize("n", [4, 6, 13])
def test_an_unplanned_number_of_seeds_decides_nothing(n: int):
    found = analyze(looked_at(n), Plan(planned=True, interim=(5, 8, 12)))
    for gain in found.family("gains").comparisons:
        assert (gain.verdict, gain.decided_at) == ("inconclusive", None)
        assert f"{n} seeds are no planned look (looks: 5, 8, 12)" in gain.warnings


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"interim": (8, 5)}, "no planned interim analyses"),
        ({"interim": (2, 5)}, "no planned interim analyses"),
        ({"interim": (5,)}, "no planned interim analyses"),
        ({"interim": (5, 8), "test": "moderated"}, "looks are for the paired test"),
        ({"interim": (5, 8), "correction": "bh"}, "no false discovery rate"),
        ({"inference": "seeds_and_images", "test": "unpaired"}, "pairs runs by seed"),
    ],
)
def test_what_has_no_valid_analysis_is_refused(asked: dict[str, object], message: str):
    with pytest.raises(TableError, match=message):
        Plan(**asked)


# ------------------------------------------------------------------------------- inference to new images


def with_predictions(n: int = 10, images: int = 100) -> tuple[pd.DataFrame, PredictionSource]:
    """A baseline and two cells that gain on the images that are hard, where images differ strongly."""
    rng = np.random.default_rng(7)
    hard = rng.random(images)
    target = np.zeros(images, dtype=np.int64)
    right: dict[tuple[str, int], np.ndarray] = {}
    for cell, gain in (("g/s/base", 0.0), ("g/s/kd-0", 0.12), ("g/s/kd-1", 0.1)):
        for seed in range(n):
            reached = (hard < 0.7) | ((hard < 0.7 + gain) & (rng.random(images) < 0.95))
            right[cell, seed] = reached & (rng.random(images) < 0.99)
    cells: dict[str, list[float]] = {}
    for (cell, _), hits in right.items():
        cells.setdefault(cell, []).append(100 * hits.mean())

    def read(cell: str, seed: int) -> Predictions:
        return Predictions(target, np.where(right[cell, seed], 0, 1))

    return table({cell: np.array(values) for cell, values in cells.items()}), read


def test_an_inference_to_new_images_decides_by_the_wider_interval():
    frame, read = with_predictions()
    plan = Plan(planned=True, sesoi=1.0, contrasts=(AllOf(("g/s/kd-0", "g/s/kd-1"), name="both"),))
    seeds = analyze(frame, plan, predictions=read)
    both = analyze(frame, replace(plan, inference="seeds_and_images"), predictions=read)
    assert (seeds.inference, both.inference) == ("seeds", "seeds_and_images")
    for one, wide in zip(
        [c for family in seeds.families for c in family.comparisons],
        [c for family in both.families for c in family.comparisons],
        strict=True,
    ):
        assert wide.test == "seeds_and_images"
        assert wide.p > one.p
        if one.a is None:  # an average or a conjunction
            continue
        image = next(item for item in both.images if item.a == one.a)
        assert (wide.ci_low, wide.ci_high) == pytest.approx((image.ci_low, image.ci_high))
        assert wide.mean_diff == pytest.approx(one.mean_diff)
        assert wide.ci_low < one.ci_low
        assert wide.ci_high > one.ci_high
        assert wide.p_paired == one.p
        assert (wide.p < 0.05) == (wide.ci_low > 0 or wide.ci_high < 0)
        assert wide.seeds_needed is None  # more seeds make no more images
        assert "t over seeds and images" in wide.says
    (average,) = both.family("overall").comparisons
    d = np.array(
        [
            100.0 * (read("g/s/kd-0", seed).prediction == 0) / 2
            + 100.0 * (read("g/s/kd-1", seed).prediction == 0) / 2
            - 100.0 * (read("g/s/base", seed).prediction == 0)
            for seed in range(10)
        ]
    )
    found = crossed_interval(d, 0.05)
    assert (average.ci_low, average.ci_high) == pytest.approx((found.low, found.high))


def test_without_predictions_there_is_no_inference_to_new_images():
    frame, read = with_predictions()
    plan = Plan(inference="seeds_and_images")
    for gain in analyze(frame, plan).family("gains").comparisons:
        assert gain.verdict == "inconclusive"
        assert any("needs the predictions" in text for text in gain.warnings)

    def lost(cell: str, seed: int) -> Predictions | None:
        return None if (cell, seed) == ("g/s/kd-0", 2) else read(cell, seed)

    first, second = analyze(frame, plan, predictions=lost).family("gains").comparisons
    assert any("predictions of some of its runs are gone" in text for text in first.warnings)
    assert (first.verdict, second.verdict) == ("inconclusive", "better")


def test_the_crossed_interval_is_never_narrower():
    rng = np.random.default_rng(8)
    for _ in range(200):
        n, images = rng.integers(2, 6), rng.integers(10, 60)
        d = (
            rng.normal(0, rng.gamma(1), (n, 1))
            + rng.normal(0, rng.gamma(1), images)
            + rng.normal(0, 1, (n, images))
        )
        found = crossed_interval(d, 0.05)
        assert found.low <= found.seeds_low
        assert found.high >= found.seeds_high


# -------------------------------------------------------------------------------- beside every comparison


def test_wins_have_clopper_and_pearsons_interval():
    (gain,) = analyze(table({"g/s/base": BASE, "g/s/kd": BASE + GAINS[1]})).family("gains").comparisons
    assert gain.win_rate == 0.8
    assert (gain.win_rate_low, gain.win_rate_high) == pytest.approx(
        proportion_confint(4, 5, 0.05, method="beta")
    )
    for wins in (0.0, 5.0):
        low, high = binomial_interval(np.array([wins]), 5, 0.05)
        assert (low[0], high[0]) == pytest.approx(proportion_confint(wins, 5, 0.05, method="beta"))
    loss = table({"g/s/base": BASE, "g/s/kd": BASE + GAINS[1]}).rename(columns={"test_top1": "test_loss"})
    assert analyze(loss).family("gains").comparisons[0].win_rate == pytest.approx(0.2)


def test_what_is_detected_has_the_range_of_the_sd():
    (gain,) = analyze(table({"g/s/base": BASE, "g/s/kd": BASE + GAINS[0]})).family("gains").comparisons
    low, high = sd_interval(np.array([gain.mde]), 4, 0.05)
    assert (gain.mde_low, gain.mde_high) == pytest.approx((low[0], high[0]))
    assert (low[0] / gain.mde, high[0] / gain.mde) == pytest.approx((0.599, 2.874), abs=1e-3)


def test_exaggeration_and_sign_error_are_gelman_and_carlins():
    # their example of beautiful parents: a true 0.3 with a standard error of 3.3, "0.1, 0.3 and 1.0"
    size, sign = errors_of_what_is_found(np.array([0.1, 0.3, 1.0]) / 3.28, np.full(3, 1e7), 0.05)
    assert sign == pytest.approx([0.465, 0.396, 0.195], abs=2e-3)
    assert size == pytest.approx([77, 26, 7.8], rel=0.02)
    rng = np.random.default_rng(6)
    d = rng.normal(0.5, 1, (200_000, 5))
    mean, se = d.mean(axis=1), d.std(axis=1, ddof=1) / np.sqrt(5)
    found = t_test(mean, se, 4)[1] < 0.05
    size, sign = errors_of_what_is_found(np.array([0.5 * np.sqrt(5)]), np.array([4.0]), 0.05)
    assert size[0] == pytest.approx(np.abs(mean[found]).mean() / 0.5, rel=0.01)
    assert sign[0] == pytest.approx((mean[found] < 0).mean(), abs=2e-3)


def test_no_exact_test_rejects_below_its_number_of_seeds():
    for level in (0.05, 0.05 / 9, 0.05 / 45, 0.0625):
        n = exact_from(level)
        assert signflip_floor(n) < level <= signflip_floor(n - 1)
    assert analyze(three_gains()).family("gains").exact_from == exact_from(0.05 / 3)
    step_up = analyze(three_gains(), Plan(correction="bh")).family("gains")
    assert step_up.exact_from == exact_from(0.05)  # three that are all at the floor all reject


def test_settings_give_the_levels_of_looks():
    settings = Settings(0.05, 9, None, (5, 8, 12))
    assert settings.family_level == nominal_level((5, 8, 12), 0.05 / 9)
    assert Settings(0.05, 9, None).family_level == pytest.approx(0.05 / 9)
