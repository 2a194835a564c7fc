"""Which baselines a message offers: words that work, for all data at once, those that can be tested first."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from rigorkd_analysis.analysis_plan import Plan
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
