"""The conditions of all numbers go with each table and figure, whichever page or file it is taken from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rigorkd.readers.raw import Reading
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.conditions import caption_under_conditions, under_conditions
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of, judging
from rigorkd.report.layouts.layout_figures import layout_figure
from rigorkd.report.layouts.layout_spec import CatalogLayout, RowsLayout
from rigorkd.report.layouts.layout_tables import layout_table
from rigorkd.report.page import STARRED, Prose, Said, Section, Table, flat
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.latex import latex
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_frame

CHOSEN = {
    "chosen seeds: 5 of 8 finished ones are judged (0:5)": ", as --seeds asks; the others (5:8) are left out",
    "without main/net/kd-T2": ", as --without asks; results may be why, so all is exploratory",
    "left out by choice: kd-T3 (5 rows)": ", as --without asks: corrections are over what is left",
    "judged epoch: the last of each run (12)": "",
    "every result is a mean over fold (5)": ", as --average asks",
    "best_acc is chosen on test data (the best of many epochs, by its name)": ": its values are optimistic, "
    "and so may be every gain here",
}
KINDS = ("", "chosen cells: ", "", "", "averaged within a run: ", "")
"""How the warnings of these begin where a caption leaves that out."""
UNVALIDATED = "nothing was validated: the last epoch was tested"
OF_THE_PLAN = (
    "added after the first run, so exploratory: main/net/kd-T1",
    "removed on 2026-11-29: main/net/kd-T9 (it failed)",
)


@pytest.fixture(scope="module")
def evidence():
    draw = np.random.default_rng(1)
    rows = [
        {"cell": f"main/net/{method}" + f"-T{T}" * (T > 0), "group": "main", "student": "net",
         "method": method, "T": T or None, "alpha": 0.5 if T else None, "seed": seed,
         "test_top1": 70 + gain + draw.uniform(-0.3, 0.3), "test_top5": 90 + gain + draw.uniform(-0.3, 0.3)}
        for method, T, gain in (("baseline", 0, 0.0), ("kd", 1, 1.5), ("kd", 4, 2.0))
        for seed in range(5)
    ]  # fmt: skip
    asked = Question(sesoi=0.5, sequential=True)
    found = judging(from_frame(pd.DataFrame(rows), Reading(), "test_top1", "runs"), ("test_top5",), asked)
    analysis = analysis_of(found, asked, images=False)
    told = [f"{kind}{text}{rest}" for kind, (text, rest) in zip(KINDS, CHOSEN.items(), strict=True)]
    analysis = replace(
        analysis,
        warnings=(*analysis.warnings, *told, *OF_THE_PLAN),
        conditioned_on=(*analysis.conditioned_on, UNVALIDATED),
    )
    return replace(gather(found, analysis), analysis=analysis)


def tables(page):
    return [block for block in flat(page.everything) if isinstance(block, Table)]


@pytest.mark.parametrize("said", [*CHOSEN, UNVALIDATED])
def test_every_table_of_every_page_says_a_condition(evidence, said):
    made = {
        "short": tables(short_page(evidence.analysis)),
        "all": tables(analysis_page(evidence.analysis)),
        "report": tables(report_page(evidence)),
        **{layout: tables(paper_table(evidence, layout)) for layout in LAYOUTS},
    }
    assert {name: len(found) for name, found in made.items()} == {
        "short": 3, "all": 5, "report": 12, "overall": 1, "gains": 1, "ablation": 1
    }  # fmt: skip
    without = [
        f"{page}: {one.title}" for page, found in made.items() for one in found if said not in one.caption
    ]
    assert not without
    twice = [one.title for found in made.values() for one in found if one.caption.count(said) > 1]
    assert not twice


@pytest.mark.parametrize("said", [*CHOSEN, UNVALIDATED, *OF_THE_PLAN])
def test_so_does_every_figure_and_every_layout_of_a_file(evidence, said):
    drawn = figures(evidence)
    assert len(drawn) >= 5
    rows = {
        "kind": "rows",
        "title": "Mine",
        "rows": ({"cells": ("main/net/kd-T4",)},),
        "columns": ({"heading": "cell", "show": "cell"}, {"heading": "found", "verdict": "test_top1"}),
    }
    (table,) = layout_table(evidence, RowsLayout.model_validate(rows)).tables
    asked = CatalogLayout.model_validate({"kind": "catalog", "title": "Mine", "figures": ("gains",)})
    one = layout_figure("mine", asked, (evidence,))
    for caption in (*(figure.caption for figure in drawn), table.caption, one.caption):
        assert caption.count(said) == 1, caption


@pytest.mark.parametrize("said", OF_THE_PLAN)
def test_what_became_of_the_plan_goes_with_a_latex_table_that_leaves_its_page(evidence, said):
    page = analysis_page(evidence.analysis)
    made = latex(page)
    floats = made.split(r"\begin{table}")[1:]
    assert len(floats) == len(tables(page))
    assert all(text.count(said) == 1 for text in floats)
    layouts = [latex(paper_table(evidence, layout)) for layout in LAYOUTS]
    assert all(text.count(said) == 1 for text in layouts)


def test_a_caption_says_a_condition_once_and_what_its_stars_are_last(evidence):
    starred = caption_under_conditions(evidence.analysis, f"A {UNVALIDATED}.{STARRED}")
    assert starred.count(UNVALIDATED) == 1
    assert starred.endswith(STARRED)
    clean = replace(evidence.analysis, warnings=(), conditioned_on=())
    assert caption_under_conditions(clean, "A.") == "A."


def test_blocks_within_sections_have_them_too_and_sentences_are_as_they_were(evidence):
    prose, table = Prose((Said("a"),)), Table("t", (), (), "A.")
    section = Section("s", (Section("inner", (table, prose)),))
    (found,) = under_conditions(evidence.analysis, (section,))
    inner = found.blocks[0].blocks
    assert inner[1] == prose
    assert inner[0].caption.startswith("A. Note: chosen seeds: ")
    assert inner[0].alone == OF_THE_PLAN
