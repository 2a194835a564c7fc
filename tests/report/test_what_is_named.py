"""A table or a sentence that is taken out of its page: it says whether it was planned, and of which cells."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Analysis, Plan, analyze
from rigorkd_analysis.analysis_plan import AllOf, DifferenceOfGains, Pair, Trend, Weighted

from rigorkd.cli.run import _say_why
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.emit import to_json
from rigorkd.report.evidence import evidence
from rigorkd.report.figures.catalog import figures
from rigorkd.report.layouts.layout_spec import RowsLayout
from rigorkd.report.layouts.layout_tables import layout_table
from rigorkd.report.page import Section, flat, lines_of
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show
from rigorkd.report.report_page import report_page

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


@pytest.mark.parametrize("planned", [True, False])
def test_sequential_verdicts_say_whether_they_were_planned_in_every_format(planned):
    found = judged(planned=planned, sequential=True)
    title = "Sequential verdicts" + ("" if planned else " (exploratory)")
    words = (
        "planned before the results were seen" if planned else "exploratory: not planned before the results"
    )
    page, report = analysis_page(found), report_page(evidence(found, table()))
    for made in (short_page(found), page, report):
        (own,) = (one for one in made.tables if one.title.startswith("Sequential verdicts"))
        assert own.title.startswith(title)
        assert words in own.caption
        for part in ("test_top1 in percent (goal: higher)", "each gain minus its baseline"):
            assert part in own.caption
    assert f"\\caption{{{title}. test\\_top1 in percent" in latex(page)
    (section,) = (b for b in report.blocks if isinstance(b, Section) and b.id == "sequential")
    assert section.mark == ("planned" if planned else "exploratory")
    assert section.mark in html(report).partition('id="sequential"')[2][:600]
    for text in (terminal(found), markdown(page), latex(page)):
        assert (
            f"Sequential ({'planned' if planned else 'exploratory'}): all 3 comparisons are decided"
            in unbroken(text)
        )
    assert f'"planned": {str(planned).lower()}' in to_json(found).partition('"sequential"')[2]
    assert all(one.says.endswith(f"; {words}.") is not planned for one in found.sequential.comparisons)


def test_a_cell_added_after_a_look_is_none_of_the_planned_sequential_verdicts():
    found = judged(planned=True, sequential=True, added=("main/s/kd-T4",))
    assert {one.name for one in found.sequential.comparisons} == {"main/s/kd-T1 vs main/s/base"}
    (own,) = (one for one in analysis_page(found).tables if one.title.startswith("Sequential"))
    assert "; 1 exploratory comparison not judged so" in own.caption


@pytest.mark.parametrize("planned", [True, False])
def test_seeds_are_added_until_planned_comparisons_are_decided_only_where_there_are_such(planned):
    found = judged(planned=planned, sequential=True).sequential
    told: list[str] = []
    console = SimpleNamespace(print=told.append)
    _say_why(console, found, [], 8)
    _say_why(console, replace(found, decided=False), ["one"], 8)
    kind = "planned" if planned else "exploratory"
    assert told[3] == f"stopped after 8 seeds: every {kind} comparison is decided"
    assert told[7] == f"stopped at --max-seeds 8: 1 {kind} comparison still undecided"


@pytest.mark.parametrize("name", NAMED)
def test_a_named_contrast_says_of_which_cells_it_is(name):
    contrast, told = NAMED[name]
    plain = type(contrast)(**vars(contrast))
    named = type(contrast)(**{**vars(contrast), "name": name, "planned": True})
    found = judged(planned=True, sequential=True, contrasts=(named,))
    (one,) = found.family("contrasts").comparisons
    assert one.says.startswith(f"“{name}” ({told}): ")
    assert one.stands_for == told
    (own,) = (c for c in found.sequential.comparisons if c.family == "contrasts")
    assert own.says.startswith(f"“{name}” ({told}): ")
    report = report_page(evidence(found, table()))
    for page in (short_page(found), analysis_page(found), report):
        (of,) = (t for t in page.tables if t.title.startswith("Contrasts"))
        (seq,) = (t for t in page.tables if t.title.startswith("Sequential"))
        assert all(told in t.caption for t in (of, seq))
        assert f"“{name}”" in of.caption
        assert (
            [row[0].text for row in of.cells()] == [row[0].text for row in seq.cells()][-1:] == [f"“{name}”"]
        )
    assert max(map(len, terminal(found).splitlines())) <= 80
    drawn = [f.caption for f in figures(evidence(found, table())) if f.name == "contrasts"]
    assert [f"“{name}”: {told}." in text for text in drawn] == [True] * (not isinstance(contrast, AllOf))
    (plan,) = (b for b in report.blocks if isinstance(b, Section) and b.id == "planned")
    assert any(f"“{name}” ({told})" in line for b in flat(plan.blocks) for line in lines_of(b))
    (same,) = judged(contrasts=(plain,)).family("contrasts").comparisons
    assert (same.mean_diff, same.p) == (one.mean_diff, one.p)
    assert not same.stands_for or isinstance(contrast, Trend)


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


@pytest.mark.parametrize("planned", [True, False])
def test_pairs_of_one_call_say_that_other_calls_are_not_counted(planned):
    told = "corrected for this call's comparisons alone: other calls are not counted"
    pairs = [("main/s/kd-T1", "main/s/base"), ("main/s/kd-T4", "main/s/kd-T1")]
    found = judged(contrasts=tuple(Pair(a, b, planned=planned) for a, b in pairs), planned=planned)
    (family,) = (one for one in found.families if one.name == "contrasts")
    assert family.size == 2, "of one call they are one family"
    for page in (short_page(found), analysis_page(found), report_page(evidence(found, table()))):
        (of,) = (one for one in page.tables if one.title.startswith("Contrasts"))
        assert (told in of.caption) != planned
        assert not any(told in one.caption for one in page.tables if "Gains" in one.title)
