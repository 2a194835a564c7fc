"""Tables as labs keep them, of two data sets and two students each: what pasted captions and pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

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


def test_the_method_that_did_not_move_is_the_outlying_one(printed):
    told = printed("analyze", VANILLA, *OF_VANILLA)
    cell = "CIFAR-100/WRN-16-2/WRN-40-2/CRD"
    found = (
        f"{cell}: an outlying seed: {cell} has 74.81 at seed 3, its median is 74.8; the cells beside it "
        "moved by +0.53 there (difference +1.44, median of the others +2.01)"
    )
    assert found in told
    assert "vanilla has" not in told
    whole = printed("analyze", VANILLA, *OF_VANILLA, "--all")
    assert "caution: an outlying seed: one of its cells has 74.81 at seed 3" in whole


def test_both_are_named_where_nothing_tells_which_is_outlying(printed, tmp_path):
    table = pd.read_csv(VANILLA, dtype=str, keep_default_na=False)
    path = tmp_path / "two.csv"
    table[table["distiller"].isin(["vanilla", "CRD"])].to_csv(path, index=False)
    told = printed("analyze", path, *OF_VANILLA, "--all")
    either = "vanilla has 73.37 at seed 3, its median is 72.77, or CIFAR-100/WRN-16-2/WRN-40-2/CRD has 74.81"
    assert either in told
    assert re.search(
        r"caution: an outlying seed: .{1,20} has 73.37 at seed 3, .*, or the other has 74.81", told
    )


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
