"""A claim and its conditions are one object: what is not valid is inconclusive, and every sentence says on
which images, and whether new ones may turn it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, TableError, analyze
from rigorkd_analysis.results import Comparison
from rigorkd_analysis.stats.new_images import Predictions
from rigorkd_analysis.verdicts import Claim, Verdict

BASE = (80.1, 80.4, 79.9, 80.2, 80.3)


def table(**columns: object) -> pd.DataFrame:
    """A baseline and cells given by their values; other columns hold one value for every row."""
    cells = {name: row for name, row in columns.items() if isinstance(row, tuple)}
    same = {name: value for name, value in columns.items() if name not in cells}
    return pd.DataFrame(
        [
            {"cell": cell, "method": "baseline" if cell == "base" else "kd", "seed": seed, "test_top1": value}
            | same
            for cell, row in {"base": BASE, **cells}.items()
            for seed, value in enumerate(row)
        ]
    )


def only(frame: pd.DataFrame, plan: Plan | None = None) -> Comparison:
    return analyze(frame, plan).family("gains").comparisons[0]


def shifted(*by: float) -> tuple[float, ...]:
    return tuple(value + step for value, step in zip(BASE, by, strict=True))


CLEAR = shifted(1.0, 1.1, 0.9, 1.2, 1.0)


def test_a_claim_that_is_not_valid_cannot_have_a_direction():
    with pytest.raises(ValueError, match="repeated look"):
        Claim(Verdict.BETTER, None, "repeated look", (), True, "paired t")
    assert Claim(Verdict.INCONCLUSIVE, None, "repeated look", (), True, "paired t").not_valid


def test_a_claim_carries_its_plan_and_its_test():
    assert (only(table(kd=CLEAR)).planned, only(table(kd=CLEAR)).test) == (False, "paired")
    assert only(table(kd=CLEAR), Plan(planned=True)).planned


@pytest.mark.parametrize("sesoi", [None, 5.0])
def test_a_collapsed_seed_decides_nothing(sesoi):
    whole = only(table(kd=CLEAR), Plan(sesoi=sesoi))
    assert whole.verdict == ("better" if sesoi is None else "better_negligible")
    fallen = only(table(kd=(*CLEAR[:4], 76.0)), Plan(sesoi=sesoi))
    assert fallen.verdict == "inconclusive"
    assert fallen.not_valid == "a seed fell far behind: kd has 76 at seed 4, its median is 81.1"
    assert fallen.not_valid in fallen.says
    assert any(text.startswith("a seed far behind: kd has 76") for text in fallen.warnings)
    assert fallen.p_equivalence == only(table(kd=(*CLEAR[:4], 76.0)), Plan(sesoi=sesoi)).p_equivalence


def test_a_direction_that_is_there_without_the_seed_that_fell_stands():
    """A published table: a seed of the baseline lies 0.9 points below its others, and the gain is 3.9."""
    rows = [("base", "baseline", seed, value) for seed, value in enumerate((77.79, 76.82, 77.69))]
    rows += [("kd", "kd", seed, value) for seed, value in enumerate((81.35, 81.25, 81.35))]
    rows += [("dkd", "dkd", seed, value) for seed, value in enumerate((77.80, 77.90, 77.85))]
    frame = pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"]).assign(student="wrn")
    found = {c.a: c for c in analyze(frame, Plan(sesoi=0.3)).family("gains").comparisons}
    assert (found["kd"].verdict, found["kd"].not_valid) == ("better", None)
    assert any(text.startswith("a seed far behind: base has 76.82") for text in found["kd"].warnings)
    lone = frame[(frame["cell"] != "dkd") | (frame["seed"] == 0)]
    alone = {c.a: c for c in analyze(lone).family("gains").comparisons}["dkd"]
    assert alone.not_valid is None  # it has no pair at the seed that fell
    # the seed that fell is most of this one
    assert found["dkd"].verdict == "inconclusive"
    assert found["dkd"].not_valid.startswith("a seed fell far behind: base has 76.82")


def test_a_seed_that_fell_takes_equivalence_from_a_verdict_and_leaves_its_direction():
    """One run fell further than cells scatter: no collapse, and nothing to call equal."""
    rng = np.random.default_rng(1)
    rows = [("base", "baseline", seed, 80 + 0.1 * x) for seed, x in enumerate(rng.standard_normal(8))]
    for cell, gain in enumerate((0.9, *[0.0] * 7)):
        drawn = rng.standard_normal(8)
        drawn[3] = -3.6 if cell == 0 else drawn[3]
        rows += [(f"kd{cell}", f"kd{cell}", seed, 80 + gain + 0.1 * x) for seed, x in enumerate(drawn)]
    frame = pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"]).assign(student="r8")
    found = {one.a: one for one in analyze(frame, Plan(sesoi=3.0)).family("gains").comparisons}
    assert (found["kd0"].verdict, found["kd0"].magnitude, found["kd0"].not_valid) == (
        "better",
        "size undetermined",
        None,
    )
    assert found["kd0"].p_equivalence_adjusted < 0.05
    frame.loc[frame["cell"] == "kd0", "test_top1"] -= 0.9
    equal = {one.a: one for one in analyze(frame, Plan(sesoi=3.0)).family("gains").comparisons}["kd0"]
    assert equal.verdict == "inconclusive"
    assert equal.not_valid.startswith("an equivalence is blind to a seed that fell: kd0 has")
    assert {found[f"kd{cell}"].verdict for cell in range(1, 8)} == {"equivalent"}


def test_a_margin_as_wide_as_the_metric_is_told():
    frame = table(kd=CLEAR).rename(columns={"test_top1": "test_f1"})
    frame["test_f1"] = frame["test_f1"] / 100
    with pytest.raises(TableError, match=r"sesoi 0\.3 is 30 points on this scale"):
        analyze(frame, Plan(sesoi=0.3))
    assert not any("margin" in text for text in analyze(frame, Plan(sesoi=0.01)).warnings)
    other = frame.rename(columns={"test_f1": "test_kl"})
    told = analyze(other, Plan(sesoi=0.3)).warnings
    assert any("the margin of 0.3 is wider than the whole range of test_kl" in text for text in told)


def test_top_1_above_top_5_is_an_error_rate():
    frame = table(kd=CLEAR).rename(columns={"test_top1": "clean_top1"})
    frame["clean_top5"] = frame["clean_top1"] / 4
    with pytest.raises(TableError, match="above clean_top5 in every row") as caught:
        only(frame, Plan(metric="clean_top1"))
    assert "--goal min" in str(caught.value.hint)
    assert only(frame, Plan(metric="clean_top1", goal="min")).verdict == "worse"
    frame["clean_top5"] = frame["clean_top1"] + 10
    assert only(frame, Plan(metric="clean_top1")).verdict == "better"


def test_a_collapse_is_a_high_loss():
    frame = table(kd=tuple(-value for value in CLEAR)).rename(columns={"test_top1": "test_loss"})
    frame["test_loss"] = frame["test_loss"].abs() / 100
    frame.loc[frame.index[-1], "test_loss"] = 1.2
    assert "fell far behind: kd has 1.2 at seed 4" in (only(frame).not_valid or "")
    frame.loc[frame.index[-1], "test_loss"] = 0.4
    assert only(frame).not_valid is None


def test_a_seed_far_above_its_cell_is_named_and_judged():
    found = only(table(kd=(*CLEAR[:4], 86.0)))
    assert found.not_valid is None
    assert found.warnings == (
        "an outlying seed: 86 against 80.3 at seed 4 (medians 81.4 and 80.2): difference +5.7, median of the "
        "others +1.05",
    )


def test_a_seed_that_fell_where_a_direction_stands_is_no_collapse():
    base = (0.8299, 0.8280, 0.8295, 0.8311, 0.8146)
    rows = [("base", "baseline", seed, value) for seed, value in enumerate(base)]
    rows += [("kd", "kd", seed, value) for seed, value in enumerate((0.8451, 0.8429, 0.8376, 0.8423, 0.8479))]
    found = only(pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"]).assign(student="r8"))
    assert (found.verdict, found.not_valid) == ("better", None)
    assert [text.split(":")[0] for text in found.warnings] == ["an outlying seed"]


def test_a_seed_at_which_all_cells_fell_alike_does_no_harm():
    base, kd = (*BASE[:4], 76.0), (*CLEAR[:4], 77.0)
    frame = table(kd=kd)
    frame.loc[frame["cell"] == "base", "test_top1"] = base
    found = only(frame)
    assert found.not_valid is None
    assert found.verdict == "better"
    assert not [text for text in found.warnings if "outlying" in text]
    frame.loc[frame.index[-1], "test_top1"] = 79.0  # half as far is not alike
    assert len([text for text in only(frame).warnings if text.startswith("an outlying seed")]) == 1
    frame.loc[frame.index[-1], "test_top1"] = 77.0
    apart = only(frame, Plan(test="unpaired"))
    assert len([text for text in apart.warnings if text.startswith("an outlying seed")]) == 2


def test_every_sentence_names_the_test_images():
    found = only(table(kd=CLEAR, n_test=400))
    assert found.conditions == ("on these 400 test images",)
    assert (
        "raised the student's test top-1 by 1.04 points over the baseline on these 400 test images ("
        in found.says
    )
    undecided = only(table(kd=shifted(0.1, -0.1, 0.2, -0.2, 0.0), n_test=10_000))
    assert (
        "differed by 0.00 points compared with the baseline on these 10,000 test images (" in undecided.says
    )
    assert only(table(kd=CLEAR)).conditions == ()
    assert only(table(kd=CLEAR), Plan(test_images=397)).conditions == ("on these 397 test images",)


def predicted(helped: int, hurt: int, images: int) -> tuple[pd.DataFrame, dict[tuple[str, int], Predictions]]:
    """Distillation helps and hurts the same images at every seed; one image or two differ by seed."""
    found, rows = {}, []
    at = np.arange(images)
    for cell in ("base", "kd"):
        for seed in range(5):
            right = at >= helped if cell == "base" else (at < helped) | (at >= helped + hurt)
            right = right & (at != images - 1 - (seed if cell == "kd" else 0)) | (at == 5) & (seed == 2)
            found[cell, seed] = Predictions(np.zeros(images, int), (~right).astype(int))
            rows.append((cell, "baseline" if cell == "base" else "kd", seed, 100 * right.mean()))
    return pd.DataFrame(rows, columns=["cell", "method", "seed", "test_top1"]), found


def test_a_direction_that_new_images_may_turn_says_so_in_its_sentence():
    frame, found = predicted(20, 12, 60)
    (one,) = analyze(frame, predictions=lambda *run: found[run]).family("gains").comparisons
    assert one.verdict == "better"
    assert (
        "on these 60 test images, though not shown for new ones (95 % CI over new seeds and images −"
        in one.says
    )
    frame, found = predicted(80, 4, 400)
    (one,) = analyze(frame, predictions=lambda *run: found[run]).family("gains").comparisons
    assert "on these 400 test images (" in one.says


def test_interval_and_p_over_the_family_stand_beside_those_alone():
    found = only(table(kd=CLEAR, kd2=shifted(0.4, 0.1, 0.2, 0.5, 0.3)))
    assert "over all 2 +" in found.says
    assert "Holm-adjusted p" in found.says
    assert "over all" not in only(table(kd=CLEAR)).says


def test_a_run_that_fell_is_no_reason_where_p_decides():
    """The direction is there without its seed, so it is the correction that leaves the average open."""
    rng = np.random.default_rng(4)
    rows = []
    for at, method in enumerate(("baseline", "m", "s")):
        for budget in (10, 20, 100):
            for seed in range(3):
                value = 80 + budget / 20 + 7.0 * (at > 0) + rng.normal(0, 0.8)
                fell = method == "baseline" and budget == 20 and seed == 2
                rows.append((f"{method}-{budget}", method, budget, seed, value - 14 * fell))
    table = pd.DataFrame(rows, columns=["cell", "method", "n_train", "seed", "test_acc"])
    plain = Plan(baselines=("method=baseline",))
    for correction, verdict in (("holm", Verdict.INCONCLUSIVE), ("none", Verdict.BETTER)):
        family = analyze(table, replace(plain, correction=correction)).family("overall")
        for c in family.comparisons:
            assert (c.verdict, c.not_valid) == (verdict, None), (c.p, c.p_adjusted)
            assert "inconclusive (a seed fell" not in c.says
            assert any(text.startswith("a seed far behind") for text in c.warnings)
