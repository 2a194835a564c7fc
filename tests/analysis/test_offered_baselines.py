"""Which baselines a message offers: words that work, for all data at once, those that can be tested first."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis.analysis_plan import Pair, Plan
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.whole_analysis import analyze


def table(cells: dict[str, int], **columns: list[str]) -> pd.DataFrame:
    """A row per cell and seed; `columns` say something of each cell."""
    rows = [
        {
            "cell": cell,
            "seed": seed,
            "test_acc": 70 + at + seed % 3 / 7,
            **{name: words[at] for name, words in columns.items()},
        }
        for at, (cell, many) in enumerate(cells.items())
        for seed in range(many)
    ]
    return pd.DataFrame(rows)


def refusal(frame: pd.DataFrame, *baselines: str) -> str:
    with pytest.raises(TableError) as raised:
        analyze(frame, Plan(metric="test_acc", baselines=baselines))
    return f"{raised.value.message}; {raised.value.hint}"


LRS = {"student_baseline-lr0.1": 1, "student_baseline-lr0.05": 5, "student_baseline-lr0.01": 3, "kd": 5}


def test_the_baselines_that_can_be_tested_are_offered_first():
    told = refusal(table(LRS), "student_baseline")
    order = re.findall(r"lr0\.\d+ \([^)]*\)", told)
    assert order == ["lr0.05 (5 seeds)", "lr0.01 (3 seeds)", "lr0.1 (1 seed, so nothing is tested)"]
    warned = " ".join(analyze(table(LRS), Plan(metric="test_acc")).warnings)
    assert "name one with --baseline student_baseline-lr0.05 (5 seeds)" in warned


def test_several_baselines_of_one_cell_are_offered_with_their_seeds():
    methods = ["baseline"] * 3 + ["kd"]
    told = refusal(table(LRS, method=methods))
    assert "kd has several baselines" in told
    assert "choose one: --baseline student_baseline-lr0.05 (5 seeds)" in told


def test_a_word_for_all_data_is_offered_before_a_cell_on_one():
    cells = {f"{data}/{name}": 3 for data in ("c10", "c100") for name in ("kd-T4", "dkd-T4")}
    frame = table(cells, dataset=["c10", "c10", "c100", "c100"])
    for asked in ("c100/kd", "kd", "KD"):
        told = refusal(frame, asked)
        assert "did you mean --baseline kd-T4 (each for the cells beside it, 3 seeds)?" in told
    found = analyze(frame, Plan(metric="test_acc", baselines=("kd-T4",)))
    assert [len(family.comparisons) for family in found.families if family.name == "gains"] == [2]


@pytest.mark.parametrize(
    ("name", "offers"), [("ce-kd", False), ("ce-lr0.1", True), ("scratch", True), ("student_crd", False)]
)
def test_a_method_that_begins_as_a_baseline_does_is_none(name, offers):
    warned = " ".join(analyze(table({name: 3, "dkd": 3}), Plan(metric="test_acc")).warnings)
    assert f"name one with --baseline {name if offers else 'CELL'}" in warned


def grid(column: str, values: list[str], lost: str = "") -> pd.DataFrame:
    """Two data sets × two widths × three values, each cell at its own level: what is subtracted shows."""
    rows = []
    for at, data in enumerate(("cifar100", "tinyimagenet")):
        for wide, width in enumerate((64, 512)):
            for step, value in enumerate(values):
                name = f"{data}/{value}-width{width}"
                wobble = [0.01 * ((3 * seed + step + wide) % 4) for seed in range(4)]
                rows += [
                    (
                        name,
                        data,
                        width,
                        value,
                        seed,
                        80 - 20 * at + 3 * wide + (1 + at + wide) * step + wobble[seed],
                    )
                    for seed in range(4)
                    if name != lost
                ]
    return pd.DataFrame(rows, columns=["cell", "dataset", "width", column, "seed", "test_acc"])


def gains(frame: pd.DataFrame, *baselines: str) -> dict[str, tuple[str, float]]:
    found = analyze(frame, Plan(metric="test_acc", baselines=baselines)).family("gains")
    assert found is not None
    return {str(c.a): (str(c.b), round(c.mean_diff or 0, 1)) for c in found.comparisons}


METHODS = ["baseline", "kd", "dkd"]
ALPHAS = ["0.0", "0.5", "1.0"]


@pytest.mark.parametrize(
    ("column", "values", "asked"),
    [
        ("method", METHODS, "baseline"),
        ("method", ["scratch", "kd", "dkd"], "scratch"),
        ("method", METHODS, "method=baseline"),
        ("alpha", ALPHAS, "alpha=0"),
        ("alpha", ALPHAS, "Alpha=0.00"),
        ("alpha", ALPHAS, "0"),
    ],
)
def test_a_value_is_the_baseline_of_what_shares_the_rest(column, values, asked):
    frame = grid(column, values)
    found = gains(frame, asked)
    assert found == {
        f"{data}/{value}-width{width}": (f"{data}/{values[0]}-width{width}", (1 + at + wide) * step)
        for at, data in enumerate(("cifar100", "tinyimagenet"))
        for wide, width in enumerate((64, 512))
        for step, value in enumerate(values)
        if step
    }
    warned = " ".join(analyze(frame, Plan(metric="test_acc", baselines=(asked,))).warnings)
    assert (
        f"baseline {asked}: each cell against the one of {column} {values[0]} that shares dataset, width"
        in warned
    )


def test_a_baseline_does_not_share_what_it_has_not():
    """It has no teacher and no temperature, so that none of a cell's is said to be shared."""
    frame = grid("method", METHODS)
    distilled = frame["method"] != "baseline"
    frame["teacher"] = np.where(distilled, "r34", "")
    frame["T"] = np.where(frame["method"] == "kd", "4", "")
    frame["cell"] += np.where(distilled, "/r34", "") + np.where(frame["method"] == "kd", "-T4", "")
    assert len(gains(frame, "baseline")) == 8
    warned = " ".join(analyze(frame, Plan(metric="test_acc", baselines=("baseline",))).warnings)
    assert "the one of method baseline that shares dataset, width" in warned
    assert "teacher" not in warned


@pytest.mark.parametrize("asked", ["cifar100", "dataset=cifar100", "Cifar100"])
@pytest.mark.parametrize(
    ("column", "values", "offer"), [("method", METHODS, "baseline"), ("alpha", ALPHAS, "alpha=0")]
)
def test_data_is_no_baseline_and_what_is_offered_works(asked, column, values, offer):
    frame = grid(column, values)
    told = refusal(frame, asked)
    assert "none is on other data than its cells" in told
    assert f"name one with --baseline {offer} (each for the cells beside it, 4 seeds)" in told
    assert len(gains(frame, offer)) == 8


def test_the_word_that_is_offered_for_several_baselines_shares_data_and_settings():
    told = refusal(grid("method", METHODS))
    assert "--baseline baseline takes for each the one that shares dataset, width" in told


def test_a_setting_that_is_off_is_offered():
    warned = " ".join(analyze(grid("alpha", ALPHAS), Plan(metric="test_acc")).warnings)
    assert "name one with --baseline alpha=0 (each for the cells beside it, 4 seeds)" in warned


@pytest.mark.parametrize(("column", "values"), [("method", METHODS), ("alpha", ALPHAS)])
def test_cells_without_a_baseline_beside_them_are_left_out_and_named(column, values):
    """Not judged against the baseline of the other width, nor of the other data."""
    frame = grid(column, values, lost=f"tinyimagenet/{values[0]}-width512")
    asked = f"{column}={values[0]}"
    assert len(gains(frame, asked)) == 6
    warned = " ".join(analyze(frame, Plan(metric="test_acc", baselines=(asked,))).warnings)
    lost = [f"tinyimagenet/{value}-width512" for value in sorted(values[1:])]
    assert f"left out, since no baseline shares dataset, width: {', '.join(lost)}" in warned
    assert "compared with nothing" not in warned


def test_names_without_columns_take_no_data_set_for_a_baseline():
    names = [f"{data}/{method}" for data in ("c5", "tiny") for method in ("baseline", "kd")]
    assert "no cell 'c5'" in refusal(table(dict.fromkeys(names, 3)), "c5")
    known = [f"{data}/{method}" for data in ("cifar100", "svhn") for method in ("dkd", "kd")]
    assert "cifar100 is a dataset and no baseline" in refusal(table(dict.fromkeys(known, 3)), "cifar100")


@pytest.mark.parametrize("asked", ["teacher", "c10/big/teacher"])
def test_a_teacher_of_another_network_is_no_baseline_and_the_mend_works(asked):
    frame = table(
        {"c10/big/teacher": 3, "c10/small/kd": 3, "c10/small/scratch": 3},
        dataset=["c10"] * 3,
        student=["big", "small", "small"],
        method=["teacher", "kd", "scratch"],
    )
    told = refusal(frame, asked)
    assert "small" in told.partition(";")[0]
    offer = re.search(r"--baseline (\S+?);", told)
    assert offer is not None
    assert gains(frame, offer[1]).keys() == {"c10/small/kd"}


@pytest.mark.parametrize(("a", "b"), [("dkd", "kd"), ("method=dkd", "method=kd")])
def test_short_names_are_compared_wherever_both_are(a, b):
    frame = grid("method", METHODS, lost="cifar100/kd-width64")
    plan = Plan(metric="test_acc", baselines=("baseline",), contrasts=(Pair(a, b),))
    found = analyze(frame, plan).family("contrasts")
    assert found is not None
    assert {(c.a, c.b): round(c.mean_diff or 0, 1) for c in found.comparisons} == {
        ("cifar100/dkd-width512", "cifar100/kd-width512"): 2,
        ("tinyimagenet/dkd-width64", "tinyimagenet/kd-width64"): 2,
        ("tinyimagenet/dkd-width512", "tinyimagenet/kd-width512"): 3,
    }


def test_a_list_of_cells_counts_the_cells():
    frame = table({f"c{at % 2}/n{at // 2}": 2 for at in range(14)})
    assert "(14 in all)" in refusal(frame, "zzz")
