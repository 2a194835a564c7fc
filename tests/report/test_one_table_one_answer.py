"""What one table says of one thing in several places agrees, or says there why it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from .conftest import PROTOCOL
from .table_of_methods import ASKED, document, done, runs, said
from .test_looks import first

RATES = Path(__file__).parents[2] / "analysis" / "calibration" / "rates.json"
TAKEN = ("--average", "data", "--average", "student_net,teacher_net", "--average", "tau")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs(tmp_path_factory.mktemp("methods"))


def by_method(found: dict) -> dict[str, dict]:
    (family,) = (one for one in found["families"] if one["name"] == "gains")
    return {one["method"]: one for one in family["by_method"]}


def gains(found: dict) -> dict[str, dict]:
    (family,) = (one for one in found["families"] if one["name"] == "gains")
    return {one["a"]: one for one in family["comparisons"]}


# --- a mean over the settings


@pytest.mark.parametrize("correction", ["holm", "bonferroni", "bh"])
def test_a_mean_of_gains_is_decided_as_the_verdict_on_that_mean(table: Path, correction: str) -> None:
    asked = (*ASKED, "--correction", correction)
    note = by_method(document("analyze", table, *asked))["FitNet"]
    asked_for = gains(document("analyze", table, *asked, *TAKEN))["FitNet"]
    assert note["mean"] == pytest.approx(asked_for["mean_diff"])
    assert note["ci_low"] == pytest.approx(asked_for["ci_simultaneous_low"]), (
        "the interval stays Bonferroni's"
    )
    assert note["ci_low"] < 0 < note["ci_high"]
    rejects = asked_for["p_adjusted"] < 0.05
    assert rejects == (correction != "bonferroni")
    assert ("so that a gain on average is not shown" in note["says"]) == (not rejects)
    assert ("a gain on average by the paired t test (" in note["says"]) == rejects
    if rejects:
        assert f"adjusted p over all 3 methods = {asked_for['p_adjusted']:.3g}: " in note["says"]


def test_directions_are_counted_at_the_seeds_that_all_settings_have(table: Path, tmp_path: Path) -> None:
    """Rows beside the note are over more seeds, at which one may point the other way."""
    says = {method: one["says"] for method, one in by_method(document("analyze", table, *ASKED)).items()}
    assert "over 4 seeds at which all have a run, for these very settings)" in says["FitNet"]
    assert "over 4 seeds at which every run converged, for these very settings)" in says["AttnAlign"]
    for method in ("FitNet", "AttnAlign"):
        assert re.search("; at these seeds [0-4] of 4 points? the way of the goal", says[method])
    whole = by_method(document("analyze", runs(tmp_path, whole=True), *ASKED))["FitNet"]["says"]
    assert "over 5 seeds, for these very settings)" in whole
    assert "at these seeds" not in whole


def test_the_sequential_layout_says_that_tuning_was_unequal(table: Path) -> None:
    for layout in ("gains", "sequential"):
        caption = said("table", table, *ASKED, "--layout", layout, "--format", "latex")
        told = "Tuning was unequal (KD was tried at several settings, the baseline at one): claim the average"
        assert caption.count(told) == 1, layout
    pairs = said("table", table, *ASKED, "--layout", "sequential", "--without", "KD")
    assert "Tuning was unequal" not in pairs


@pytest.mark.parametrize("form", [("--all",), ("--format", "markdown"), ("--format", "latex")])
def test_every_page_says_by_what_it_is_decided(table: Path, form: tuple[str, ...]) -> None:
    text = said("analyze", table, *ASKED, *form)
    assert "a gain on average by the paired t test (Holm-adjusted p over all 3 methods = 0.0421" in text
    assert "not claimed as a gain since runs diverged" in text


# --- two counts


def test_a_count_of_what_the_correction_leaves_says_what_verdicts_do_not_count(table: Path) -> None:
    text = said("analyze", table, *ASKED)
    assert "of 20 gains, 14 better; " in text
    assert "Holm over 20 leaves 15, 1 of which lost a run to divergence and is inconclusive." in text
    text = said("analyze", table, "--metric", "top1_acc", "--all-pairs")
    differ = re.search(r"of 60 pairs, (\d+) differ; ", text)
    left = re.search(r"Holm over 60 leaves (\d+), (\d+) of which lost a run to divergence and are inc", text)
    assert differ is not None
    assert left is not None
    assert int(left[1]) == int(differ[1]) + int(left[2])


def test_nothing_is_said_of_diverged_runs_where_none_is(tmp_path: Path) -> None:
    text = said("analyze", runs(tmp_path, whole=True), *ASKED)
    assert "leaves" in text
    assert "diverged" not in text


# --- what must not be read


@pytest.fixture(scope="module")
def page(table: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "page.html"
    done("report", table, *ASKED, "--out", file)
    text = re.sub(r"<(style|script|svg).*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split()).replace(" :", ":")


def test_a_best_cell_that_is_known_is_no_caution(page: str) -> None:
    _, _, rest = page.partition("What must not be read into it")
    cautions, _, sections = rest.partition(" Warnings ")
    known = "C100/shufflenetV2: the best one of 6 cells is C100/shufflenetV2/resnet32x4/AttnAlign-T4 (95 %"
    assert known not in cautions
    assert known in sections.partition("Which cell may be the best")[2]
    assert "tinyimagenet/shufflenetV2: the best one of 6 cells is among " in cautions
    assert "“Which cell may be the best” says it of the other 3 sets." in cautions


def test_how_often_equal_cells_are_left_out_is_what_was_measured(page: str) -> None:
    rates = {one["n"]: one["best_narrowed"]["value"] for one in json.loads(RATES.read_text())["rates"]}
    five, ten = (f"{rates[n]:.2f}".removeprefix("0") for n in (5, 10))
    assert (
        f"of ten equal cells, for example, at least one was left out in {five} of studies of 5 seeds and "
        f"{ten} of 10 (measured on real trainings)" in page
    )


# --- the heading of p


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_column_that_holds_an_uncorrected_p_is_not_called_holms(tmp_path: Path, form: str) -> None:
    file = runs(tmp_path, whole=True, settings=1)
    told = said("table", file, "--layout", "gains", *ASKED, "--format", form)
    assert "p, adjusted" in told
    assert "Holm p" not in told
    assert "p, adjusted: by Holm; C100/wrn" in told
    assert "KD: average of 3 (T) is judged alone." in told
    only = said("table", file, "--layout", "overall", *ASKED, "--format", form)
    assert "Holm p" in only, "which has no row of the average"
    assert "p, adjusted" not in only
    several = said("table", runs(tmp_path, whole=True), "--layout", "gains", *ASKED, "--format", form)
    assert "Holm p" in several
    assert "p, adjusted" not in several


def test_a_primary_gain_is_judged_alone_in_every_layout(made, tmp_path: Path) -> None:
    grid = PROTOCOL.replace("T: [1, 4]", "T: [1, 2, 4]")
    text = grid.replace("sesoi: 0.5", "sesoi: 0.5\n  primary: main/plain/kd-T4-a0.5")
    rows = first(5)
    rows["main/plain/kd-T2-a0.5"] = tuple(value + 0.25 for value in rows["main/plain/kd-T1-a0.5"])
    study = made(tmp_path, rows, text=text)
    for layout in ("gains", "overall", "ablation"):
        told = said("table", study, "--layout", layout)
        assert "| p, adjusted |" in told
        assert "p, adjusted: by Holm; main/plain/kd-T4-a0.5" in told
        assert "| Holm p |" not in told


# --- a teacher's interval


def test_a_teacher_has_the_interval_that_the_caption_announces(made, tmp_path: Path) -> None:
    values = (90.0, 91.5, 90.75, 92.0, 89.5)
    text = PROTOCOL.replace("hidden: 8}}", "hidden: 8}, per_seed: true}")
    told = done("table", made(tmp_path, first(5), teacher=values, text=text), "--layout", "overall").stdout
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    (row,) = (line for line in told.splitlines() if "| teacher |" in line)
    assert f"| {low:.2f} to {high:.2f} |" in row
    assert "cannot have" not in told


def test_one_run_or_copies_of_it_have_none_and_the_caption_says_so(made, tmp_path: Path) -> None:
    told = done("table", made(tmp_path, first(5), teacher=90.0), "--layout", "overall").stdout
    (row,) = (line for line in told.splitlines() if "| teacher |" in line)
    assert " | – | " in row
    assert "test top-1, which one run, or equal ones, cannot have (teacher). p and verdict: " in told


# --- the sd between settings


def test_the_sd_between_settings_is_said_to_be_without_noise(table: Path) -> None:
    found = document("analyze", table, *ASKED)
    for method, one in by_method(found).items():
        printed = [c["mean_diff"] for c in gains(found).values() if f"/{method}" in c["a"]]
        assert one["between_sd"] < np.std(printed, ddof=1)
        assert f"sd between settings beyond the noise of seeds {one['between_sd']:.2f})" in one["says"]
