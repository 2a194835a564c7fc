"""What `analyze` is given: CSV files with their lines, and overrides of a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Pair, Plan, TableError, Trend, analyze

from rigorkd.errors import InputError
from rigorkd.readers.raw import Reading
from rigorkd.records.read import read_protocol
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.rows import at, located, read_rows
from rigorkd.report.sources import _with_columns_of_trends, from_csv, from_frame, from_study


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_count_blank_lines_and_quoted_newlines(tmp_path):
    rows = read_rows(write(tmp_path, 'cell,seed\n\na,0\n"b\nc",1\nd,2\n'))
    assert rows.rows == (("a", "0"), ("b\nc", "1"), ("d", "2"))
    assert rows.lines == (3, 5, 6)


def test_a_byte_order_mark_and_spaces_do_no_harm(tmp_path):
    rows = read_rows(write(tmp_path, "\ufeffcell , seed\n a , 0\n"))
    assert rows.columns == ("cell", "seed")
    assert rows.rows == (("a", "0"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("cell,seed\na,0,9\n", ":2: 3 fields"),
        ('cell,seed\n"a,0\n', "not a CSV"),
    ],
)
def test_bad_files(tmp_path, text: str, message: str):
    with pytest.raises(InputError, match=message) as caught:
        read_rows(write(tmp_path, text))
    assert caught.value.hint


def test_missing_file_folder_and_encoding(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(InputError, match="folder"):
        read_rows(tmp_path)
    (tmp_path / "latin.csv").write_bytes("cell,seed\nä,0\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_rows(tmp_path / "latin.csv")


def test_errors_name_file_line_and_column(tmp_path):
    path = write(tmp_path, "cell,seed,test_top1\na,0,80\n\na,1,x\n")
    source = from_csv(path)
    with pytest.raises(InputError, match=r"runs\.csv:4: column 'test_top1': no"), located(source.where):
        raise TableError("no", row=1, column="test_top1", hint="h")
    assert at(read_rows(path), TableError("x")) == str(path)


def test_overrides_that_change_the_question_make_it_exploratory():
    plan = Plan(metric="test_top1", sesoi=0.3, planned=True, contrasts=(Pair("a", "b", planned=True),))
    assert Question().onto(plan) == plan
    assert Question(metric="test_top1", sesoi=0.3).onto(plan).planned
    changed = Question(alpha=0.01).onto(plan)
    assert not changed.planned
    assert not changed.contrasts[0].planned
    added = Question(compare=(("c", "d"),)).onto(plan)
    assert added.planned
    assert [contrast.planned for contrast in added.contrasts] == [True, False]


def test_a_sesoi_does_not_carry_over_to_another_metric():
    plan = Plan(metric="test_top1", goal="max", sesoi=0.3, planned=True)
    other = Question(metric="test_loss").onto(plan)
    assert (other.sesoi, other.goal, other.planned) == (None, None, False)


def test_a_trend_may_name_any_setting_of_the_cells(finished: Path) -> None:
    """The tidy table has no batch size and no T²; a plan that names them is judged all the same."""
    folder = finished / "results" / "tiny"
    found = from_study(folder)
    assert not {"batch_size", "t_squared"} & set(found.table)
    where = (("batch_size", 16), ("t_squared", True), ("optimizer", "adamw"))
    plan = replace(found.plan, contrasts=(Trend("T", "main", "plain", where),))
    cells = read_protocol(folder).cells
    analysis = analyze(_with_columns_of_trends(cells, found.table, plan), plan)
    (contrast,) = next(family for family in analysis.families if family.name == "contrasts").comparisons
    assert contrast.weights == {"main/plain/kd-T1-a0.5": -1, "main/plain/kd-T4-a0.5": 1}


def test_semicolons_and_tabs_are_read_with_their_decimal_commas(tmp_path):
    for sign in (";", "\t"):
        rows = read_rows(write(tmp_path, f"name{sign}top1\na{sign}70,1 ± 0,2\nb{sign}72\nc, d{sign}71,9 %\n"))
        assert rows.columns == ("name", "top1")
        assert rows.rows == (("a", "70.1 ± 0.2"), ("b", "72"), ("c, d", "71.9 %"))
    assert read_rows(write(tmp_path, "name;images\na;1,000\nb;1,000.5\n")).rows[0] == ("a", "1,000")


def test_the_methods_of_an_unpaired_page_are_those_of_its_tests():
    """Degrees of freedom that lean on one cell are that cell's, and no paired test leaves cells out."""
    from rigorkd.report.gather import gather
    from rigorkd.report.page import Prose, flat
    from rigorkd.report.report_page import report_page

    draw = np.random.default_rng(1)
    rows = [
        {"cell": cell, "method": method, "seed": seed, "test_acc": 70 + at + draw.normal(0, 0.3)}
        for at, (cell, method) in enumerate((("base", "baseline"), ("kd", "kd"), ("dkd", "dkd")))
        for seed in range(5)
    ]
    said = {}
    for unpaired in (False, True):
        asked = Question(unpaired=unpaired)
        found = from_frame(pd.DataFrame(rows), Reading(), "test_acc", "runs")
        page = report_page(gather(found, analysis_of(found, asked, images=False)))
        said[unpaired] = " ".join(
            line.text for block in flat(page.everything) if isinstance(block, Prose) for line in block.lines
        )
    assert "lends it its own n − 1 instead" in said[True]
    assert "by a one-sided Welch test at α/(cells − 1)" in said[True]
    assert "by a one-sided paired test at α/(cells − 1)" in said[False]
    assert "Satterthwaite's are too many" not in said[False]
