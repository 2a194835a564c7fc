"""Tables as labs keep them, of two data sets and two students each: what pasted captions and pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.analysis_plan import AllOf
from scipy import stats

CASES = Path(__file__).parent / "cases"
VANILLA, CE = CASES / "lab-vanilla.csv", CASES / "lab-ce.csv"
OF_VANILLA, OF_CE = ("--baseline", "vanilla", "--sesoi", 0.5), ("--baseline", "CE", "--sesoi", 0.5)
LOST = "Where a run diverged, no row can be better or equivalent, whatever p is."
TUNED = (
    "uning was unequal (KD was tried at several settings, the baseline at one): claim the average gain, not "
    "that of the best setting"
)


@pytest.fixture
def printed(rigorkd):
    """What a command prints, in one line."""
    return lambda *command: " ".join(rigorkd(*command).stdout.split())


def test_an_outlying_seed_of_a_pair_blames_neither_run(printed):
    """The baseline moved as other cells did, and the method did not: its own runs alone do not tell that."""
    told = printed("analyze", VANILLA, *OF_VANILLA, "--all")
    found = (
        "an outlying seed: 74.81 against 73.37 at seed 3 (medians 74.8 and 72.77): difference +1.44, median "
        "of the others +2.01"
    )
    assert f"CIFAR-100/WRN-16-2/WRN-40-2/CRD: {found}" in told
    assert f"caution: {found}." in told
    assert "has 74.81" not in told
    assert "has 73.37" not in told


@pytest.mark.parametrize("layout", ["gains", "overall"])
def test_captions_of_layouts_say_what_pasted_verdicts_rest_on(printed, layout):
    told = printed("table", CE, *OF_CE, "--layout", layout)
    assert told.count(LOST) == 1
    assert f"T{TUNED}." in told
    assert "≥ SESOI: by more than that, by the interval of all (1 − α/m)" in told


def test_a_layout_without_such_rows_says_nothing_of_them(printed, tmp_path):
    table = pd.read_csv(CE, dtype=str, keep_default_na=False)
    path = tmp_path / "plain.csv"
    table[table["Approach"].isin(["CE", "AT"])].to_csv(path, index=False)
    told = printed("table", path, *OF_CE, "--layout", "gains")
    assert "diverged" not in told
    assert "uning was" not in told
    assert "by more than that" not in told


def test_tables_in_latex_say_so_below(printed):
    told = printed("analyze", CE, *OF_CE, "--format", "latex")
    assert told.count(TUNED) == 1  # below the gains; the averages are what may be claimed
    assert LOST.rstrip(".") in told
    assert "p = 0.125 at n = 4: a limit of the design (below 0.05 from n = 6 on, uncorrected)" in told
    assert "by Greenhouse--Geisser, sd between settings" in told
    assert r"Greenhouse--Geisser $\varepsilon$ = 0.86" in told


def test_a_mean_over_more_seeds_than_an_average_gain_is_told(printed):
    told = printed("table", CE, *OF_CE, "--layout", "gains")
    cell = "of cifar100/wrn16-2/wrn40-2/CE over 5 seeds"
    assert (
        f"{cell} beside the gain of wrn40-2/KD-T8 over 4 and the gain of KD: average of 3 (T) over 4" in told
    )


def test_a_baseline_is_asked_for_before_all_pairs_and_what_is_detected_is_in_points(printed):
    told = printed("analyze", CE)
    hint = "name one with --baseline CE"
    assert told.count(hint) == 1
    assert told.index(hint) < told.index("All pairs (exploratory) ")
    only = "with 80 % power it detects only differences of 5.0 standard deviations (0.32 to 2.06 points)"
    assert f"this design cannot decide effects such as these: {only}" in told


def test_a_report_asks_of_its_data_sets_and_does_not_deny_an_equivalence(rigorkd, tmp_path):
    page = tmp_path / "page.html"
    table = pd.read_csv(CE, dtype=str, keep_default_na=False)
    path = tmp_path / "at.csv"
    table[table["Approach"].isin(["CE", "AT"])].to_csv(path, index=False)
    rigorkd("report", path, *OF_CE, "--out", page)
    text = " ".join(page.read_text().split())
    assert "Does AT raise the top-1 accuracy of resnet20 and wrn16-2 on cifar100 and stl10 over CE?" in text
    assert "Not shown for any of" not in text
    assert "shown to be equivalent" in text.lower()


@pytest.mark.parametrize("layout", ["gains", "overall", "ablation"])
def test_a_column_of_methods_of_any_name_makes_the_tables_of_a_known_one(printed, tmp_path, layout):
    """It is known by its words alone once `--baseline` names one of them; layouts had not followed."""
    known = tmp_path / "known.csv"
    known.write_text(CE.read_text().replace("Approach", "method", 1))
    other = tmp_path / "other.csv"
    other.write_text(CE.read_text().replace("Approach", "Loss", 1))
    cell = ("--cell", "Benchmark,Student net,Teacher,tau,Loss")
    told = [
        printed("table", path, *OF_CE, *more, "--layout", layout)
        for path, more in ((known, ()), (other, cell))
    ]
    assert told[0] == told[1]
    assert f"T{TUNED}." in told[1]


def test_a_table_says_over_how_many_seeds_its_own_rows_are(printed):
    """A cell of 4 seeds that has no row there had made 4 to 5 of them."""
    whole = printed("table", CE, *OF_CE, "--layout", "ablation", "--without", "dataset=cifar100")
    assert "deviation over 5 seeds" in whole, "of STL-10 only a run of DKD diverged"
    assert "deviation over 4 to 5 seeds" in printed("table", CE, *OF_CE, "--layout", "gains")


def test_compare_asks_of_a_printed_table_nothing_of_how_runs_are_read(printed, rigorkd, tmp_path):
    paper = tmp_path / "paper.csv"
    paper.write_text(
        "dataset,teacher,student,method,T,top1,std,n\n"
        "cifar100,wrn40-2,wrn16-2,CE,,73.26,0.2,3\n"
        "cifar100,wrn40-2,wrn16-2,KD,4,74.92,0.3,3\n"
    )
    other = tmp_path / "other.csv"
    other.write_text(CE.read_text().replace("Approach", "Loss", 1))
    cell = ("--cell", "Benchmark,Student net,Teacher,tau,Loss")
    told = printed("compare", other, paper, "--baseline", "CE", "--printed-metric", "top1", *cell)
    assert "Printed gains" in told
    assert "cifar100/wrn16-2/wrn40-2/KD-T4" in told
    broken = rigorkd("compare", other, CE, *cell)
    assert broken.returncode == 2
    assert "Loss" in broken.stderr, "a table of runs that cannot be read so is no printed one"


def test_an_equivalent_conjunction_has_the_p_of_its_equivalence(printed, tmp_path):
    """Its p of “all gain” is near 1 there, and had stood beside “equivalent”."""
    rows = ["cell,student,method,T,seed,test_top1"]
    for seed in range(8):
        luck, noise = (seed * 7) % 5 / 5, ((seed * 5) % 7 - 3) / 4
        rows.append(f"baseline,s,baseline,,{seed},{70 + luck:.2f}")
        rows += [f"kd-T{T},s,kd,{T},{seed},{70 + luck + noise * at:.3f}" for at, T in ((1, 1), (-1, 4))]
    (tmp_path / "runs.csv").write_text("\n".join(rows) + "\n")
    frame = pd.read_csv(tmp_path / "runs.csv")
    gains = frame.pivot(index="seed", columns="cell", values="test_top1")
    both = AllOf(("kd-T1", "kd-T4"), name="both gain")
    (c,) = analyze(frame, Plan(sesoi=1.0, contrasts=(both,))).family("contrasts").comparisons
    assert c.verdict.value == "equivalent"

    def tost(cell: str) -> float:
        d = gains[cell] - gains["baseline"]
        sides = ((1.0, "less"), (-1.0, "greater"))
        return max(stats.ttest_1samp(d, to, alternative=which).pvalue for to, which in sides)

    largest = max(map(tost, ("kd-T1", "kd-T4")))
    assert c.p_equivalence_adjusted == pytest.approx(largest)
    found = re.search(
        r"each is equivalent within ±1\.00 points in test top-1 \(largest TOST p = (\S+),", c.says
    )
    assert found, c.says
    assert float(found[1]) == pytest.approx(largest, rel=5e-3)


def test_a_verdict_on_networks_near_chance_says_so_whatever_it_is(rigorkd, tmp_path):
    """An equivalence of two networks that guess is no finding; only gains over the baseline had said it."""
    rows = ["cell,student,method,T,seed,test_top1,classes"]
    for seed in range(8):
        luck, noise = (seed * 7) % 5 / 5, ((seed * 5) % 7 - 3) / 50
        rows.append(f"baseline,s,baseline,,{seed},{11 + luck:.2f},10")
        rows += [f"kd-T{T},s,kd,{T},{seed},{11 + luck + noise * at:.3f},10" for at, T in ((1, 1), (-1, 4))]
        rows.append(f"crd,s,crd,,{seed},{60 + luck - noise:.2f},10")
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(rows) + "\n")
    told = rigorkd("analyze", path, "--sesoi", 1, "--compare", "kd-T1", "kd-T4", "--all").stdout
    told = " ".join(told.split())
    chance = "little more than guessing among 10 classes, which gives 10"
    pair = re.search(r"• (?:exploratory: )?kd-T1 vs kd-T4: equivalent [^•]*", told)
    assert pair
    assert f"caution: near chance: its cells know {chance}" in pair[0]
    assert f"crd: near chance: one of its cells knows {chance}" in told
    short = " ".join(rigorkd("analyze", path, "--sesoi", 1).stdout.split())
    assert "more seeds only measure their noise" in short
    best = re.search(r"• [^•]*may be the best one[^•]*|• [^•]*the best one of[^•]*", told)
    assert best
    assert "AT CHANCE: the baseline baseline is near chance" in best[0]


@pytest.mark.parametrize("spread", ["", " ± 0.24", r" $\pm$ 0.24", " +- 0.2"])
def test_a_printed_number_outside_its_own_interval_is_told_where_the_correction_allows_it(
    printed, tmp_path, spread
):
    """Beside an interval that did not say that it is unadjusted, "inside" had read as false."""
    rows = ["method,seed,acc"]
    noise = (0.31, -0.12, 0.22, -0.4, -0.01)
    for seed, one in enumerate(noise):
        rows += [f"none,{seed},{70 + seed / 10:.2f}", f"KD,{seed},{71 + seed / 10 + one:.2f}"]
        rows += [f"{name},{seed},{71 + seed / 10 - one / at:.2f}" for at, name in enumerate("ABC", 1)]
    (tmp_path / "runs.csv").write_text("\n".join(rows) + "\n")
    gains = {"KD": 2.05, "A": 1.0, "B": 1.0, "C": 1.0}
    paper = [f"none,70.20{spread}", *(f"{name},{70.2 + gain:.2f}{spread}" for name, gain in gains.items())]
    (tmp_path / "paper.csv").write_text("\n".join(["method,acc", *paper]) + "\n")
    told = printed("compare", "runs.csv", "paper.csv", "--baseline", "none", "--printed-metric", "acc")
    assert "95 % prediction, unadjusted" in told
    assert "Printed gains: of 4 in paper.csv, 0 lie outside what runs predicts, 4 inside (1 of these" in told
    assert "outside its own interval, as the correction allows)" in told
    assert "A verdict is by the corrected p: inside may lie outside its own interval." in told
