"""A table or a sentence that is taken out of its page: it says whether it was planned, and of which cells."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Analysis, Plan, analyze
from rigorkd_analysis.analysis_plan import AllOf, DifferenceOfGains, Pair, Trend, Weighted

from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.evidence import evidence
from rigorkd.report.layouts.layout_spec import RowsLayout
from rigorkd.report.layouts.layout_tables import layout_table
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show

NAMED = {
    "warm beats cold": (Pair("main/s/kd-T4", "main/s/kd-T1"), "main/s/kd-T4 minus main/s/kd-T1"),
    "more at T = 4": (
        DifferenceOfGains("main/s/kd-T4", "main/s/kd-T1"),
        "gain of main/s/kd-T4 minus gain of main/s/kd-T1",
    ),
    "both gain": (AllOf(("main/s/kd-T4", "main/s/kd-T1")), "all of main/s/kd-T4, main/s/kd-T1 gain"),
    "by hand": (
        Weighted((("main/s/kd-T4", 1.0), ("main/s/base", -1.0))),
        "+1·main/s/kd-T4 -1·main/s/base",
    ),
    "it rises": (Trend("T"), "fitted change over T = 1, 4, from main/s/kd-T1 to main/s/kd-T4"),
}


def table(late: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, 8)
    rows = [
        (f"main/s/{name}", "main", "s", method, T, seed, 80 + shared[seed] + shift + rng.normal(0, 0.2))
        for name, method, T, shift in (
            ("base", "baseline", np.nan, 0.0),
            ("kd-T1", "kd", 1, 1.0),
            ("kd-T4", "kd", 4, 2.0),
        )
        for seed in range(8)
    ]
    frame = pd.DataFrame(rows, columns=["cell", "group", "student", "method", "T", "seed", "test_top1"])
    return frame if late else frame[frame["cell"] != "main/s/kd-T4"]


def judged(**plan: object) -> Analysis:
    return analyze(table(), Plan(sesoi=0.3, **plan))


def terminal(found: Analysis) -> str:
    stream = io.StringIO()
    show(short_page(found), stream)
    return stream.getvalue()


def unbroken(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_row_that_is_post_hoc_is_marked_among_planned_ones(layout):
    found = judged(planned=True, added=("main/s/kd-T4",))
    page = paper_table(evidence(found, table()), layout)
    (own,) = page.tables
    marks = ["†" in " ".join(row) for row in own.texts()]
    assert marks == [any(part in ("kd-T4", "4") for part in row) for row in own.texts()]
    assert sum(marks) == 1
    assert ". † exploratory: not planned before the results." in own.caption
    assert r"\dag{}" in latex(page)
    for alike in (judged(planned=True), judged(planned=False)):
        assert "†" not in markdown(paper_table(evidence(alike, table()), layout))


@pytest.mark.parametrize("verdict", [True, False])
def test_so_it_is_in_the_layout_of_a_published_table(verdict):
    columns = [{"heading": "T", "show": "T"}, {"heading": "gain", "gain": "test_top1"}]
    columns += [{"heading": "verdict", "verdict": "test_top1"}] if verdict else []
    rows = ({"cells": ("main/s/kd-*",)},)
    layout = RowsLayout.model_validate({"kind": "rows", "title": "t", "rows": rows, "columns": (*columns,)})
    found = judged(planned=True, added=("main/s/kd-T4",))
    (own,) = layout_table(evidence(found, table()), layout).tables
    assert [sum("†" in part for part in row) for row in own.texts()] == [0, 1]
    assert "† exploratory: not planned before the results." in own.caption


def test_every_sentence_about_t_and_alpha_names_its_student():
    frame = pd.concat(
        [table(), table().assign(student="b", cell=lambda t: t["cell"].str.replace("/s/", "/b/"))]
    )
    found = analyze(frame)
    assert {one.says.partition(": T: ")[0] for one in found.factorial} == {"main/s", "main/b"}
    page = analysis_page(found)
    assert not any("main/s: main/s" in text for text in (markdown(page), latex(page)))


def test_a_float_has_the_word_of_the_banner_in_its_caption():
    frame = table()
    frame.loc[frame["method"] == "baseline", "test_top1"] -= 70
    page = analysis_page(analyze(frame, Plan(planned=True, classes=10)))
    text = latex(page)
    assert text.count(r"\caption{") == text.count(r"\caption{AT CHANCE (baseline main/s/base): ")
    assert r"\label{tab:gains-over-the-baseline}" in text
    smoke = latex(analysis_page(analyze(table().assign(smoke=True))))
    assert r"\caption{SMOKE RUNS, no result: Gains" in smoke
