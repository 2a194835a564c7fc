"""A comparison's warnings go with its verdict: in tables that go on alone, in captions and in sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis.paper_sentences import in_brief, with_cautions

from rigorkd.readers.raw import Reading
from rigorkd.records.command_notes import Doubts
from rigorkd.records.record import Record
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of, judging
from rigorkd.report.layouts.layout_spec import RowsLayout
from rigorkd.report.layouts.layout_tables import layout_table
from rigorkd.report.page import Prose, flat
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sentences import warnings_of
from rigorkd.report.sources import Source, from_frame

BRIEF = "out.txt is written by several runs: one may read another's number"
DOUBT = f"{BRIEF}; let the script write into {{out}}"


def source(doubts: tuple[str, ...] = (DOUBT,)) -> Source:
    draw = np.random.default_rng(1)
    rows = []
    for T, gain in ((None, 0.0), (1, 1.5), (4, 2.0)):
        method = "baseline" if T is None else "kd"
        for seed in range(5):
            own = {"cell": f"main/net/{method}" + (f"-T{T}" if T else ""), "group": "main", "student": "net"}
            value = {
                "test_top1": 70 + gain + draw.uniform(-0.3, 0.3),
                "test_top5": 90 + gain + draw.uniform(-0.3, 0.3),
            }
            rows.append({**own, "method": method, "T": T, "alpha": 0.5 if T else None, "seed": seed, **value})
    found = from_frame(pd.DataFrame(rows), Reading(), "test_top1", "runs")
    return replace(judging(found, ("test_top5",), Question(sesoi=0.5)), doubts=doubts)


def evidence(doubts: tuple[str, ...] = (DOUBT,)):
    found, asked = source(doubts), Question(sesoi=0.5)
    return gather(found, analysis_of(found, asked, images=False))


def test_a_doubt_of_certain_runs_is_said_of_what_uses_them_alone():
    def record(seed: int, T: int) -> Record:
        now = "old" if (T, seed) == (1, 0) else "new"
        cell = f"main/net/kd-T{T}" if T else "main/net/baseline"
        return Record(Path(), {"cell": cell, "seed": seed, "uncovered_files": {"conf/x.yaml": now}})

    of_runs = Doubts((), tuple(record(seed, T) for seed in range(5) for T in (0, 1, 4)))
    found = replace(source(()), of_runs=of_runs)

    def told(seeds: tuple[int, ...]) -> dict[str, bool]:
        asked = Question(sesoi=0.5, seeds=seeds)
        families = analysis_of(found, asked, images=False).families
        every = [c for family in families for c in family.comparisons]
        for c in every:
            warned = any("conf/x.yaml" in text for text in c.warnings)
            assert warned == ("conf/x.yaml" in c.says), c.says
        return {c.a or "average": any("conf/x.yaml" in text for text in c.warnings) for c in every}

    assert told((0, 1, 2)) == {"main/net/kd-T1": True, "main/net/kd-T4": False, "average": True}
    assert not any(told((1, 2, 3)).values())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("render", [latex, markdown])
def test_a_layout_stars_a_verdict_and_says_why(layout, render):
    star = r"SESOI\*" if render is markdown else "SESOI*"
    text = render(paper_table(evidence(), layout))
    assert text.count(star) == (3 if layout == "gains" else 2), "that has a row for the average of the two"
    text = text.replace("\\", "")
    assert f"* all: {BRIEF}." in text
    assert "let the script" not in text
    clean = render(paper_table(evidence(()), layout))
    assert star not in clean
    assert "several runs" not in clean


@pytest.mark.parametrize("column", [{"verdict": "test_top1"}, {"gain": "test_top1"}])
def test_so_does_a_layout_of_a_file(column):
    asked = {
        "kind": "rows",
        "title": "Mine",
        "rows": ({"cells": ("main/net/kd-T4",)},),
        "columns": ({"heading": "cell", "show": "cell"}, {"heading": "found", **column}),
    }
    (table,) = layout_table(evidence(), RowsLayout.model_validate(asked)).tables
    assert table.texts()[0][1].endswith("*")
    assert table.caption.count(f"* main/net/kd-T4: {BRIEF}.") == 1


def test_sentences_say_it_in_words():
    analysis = evidence().analysis
    said = [c.says for family in analysis.families for c in family.comparisons]
    said += [one.says for family in analysis.families for one in family.together.values()]
    said += [c.says for item in analysis.secondary for c in item.family.comparisons]
    assert said
    assert all(text.endswith(f"; caution: {BRIEF}.") for text in said)
    page = report_page(evidence())
    lists = [block for block in flat(page.everything) if isinstance(block, Prose)]
    told = [line.text for block in lists for line in block.lines if " raised " in line.text]
    assert len(told) >= 4
    assert all(BRIEF in text for text in told)


def test_figures_star_a_row_and_say_why_in_the_caption():
    drawn = {figure.name: figure for figure in figures(evidence())}
    assert "kd-T1*" in drawn["gains"].panels[0].describe
    assert f" * all: {BRIEF}." in drawn["gains"].caption
    assert "*" not in {figure.name: figure for figure in figures(evidence(()))}["gains"].caption


def test_a_star_on_a_secondary_metric_stands_for_a_warning_that_is_printed():
    analysis = evidence().analysis
    (item,) = analysis.secondary
    assert all(c.warnings == (DOUBT,) for c in item.family.comparisons)
    secondary = next(table for table in analysis_page(analysis).tables if table.title.startswith("Secondary"))
    assert secondary.caption.endswith(" * see the warnings.")
    apart = replace(item.family.comparisons[0], warnings=("an outlying seed: of top-5",))
    family = replace(item.family, comparisons=(apart, *item.family.comparisons[1:]))
    told = warnings_of(replace(analysis, secondary=(replace(item, family=family),)))
    assert any(one.whole == "test_top5 of main/net/kd-T1: an outlying seed: of top-5" for one in told)


def test_a_caution_is_what_is_wrong_and_not_what_to_do_nor_what_the_sentence_says():
    assert in_brief("c: a command that names no {teacher}; it reads t.pt: let the teacher write") == (
        "c: a command that names no {teacher}; it reads t.pt"
    )
    says = "KD raised the accuracy by 1 (n = 4 seeds)."
    assert with_cautions(says, ("n = 4: fewer than 5 seeds",)) == says
    seed = "an outlying seed: main/net/kd has 3 at seed 2, its median is 5"
    assert with_cautions(says, (seed,)) == (
        "KD raised the accuracy by 1 (n = 4 seeds); caution: an outlying seed: one of its cells has 3 at "
        "seed 2, its median is 5."
    )
    bare = "an outlying seed: main/net/baseline-e3 has 3 at seed 2, its median is 5"
    assert "an outlying seed: the baseline has 3 at seed 2" in with_cautions(says, (bare,))
    assert (
        with_cautions("Nothing can be said of KD: no seed.", (seed,)) == "Nothing can be said of KD: no seed."
    )
    fell = "KD: inconclusive (a seed fell far behind: c has 1 at seed 0, its median is 5)."
    assert with_cautions(fell, ("a seed far behind: c has 1 at seed 0, its median is 5",)) == fell


def test_a_comparison_of_studies_says_what_is_doubted_of_one():
    from rigorkd_analysis import Plan

    from rigorkd.cli.compare import _compared
    from rigorkd.report.compared import Runs

    plan = Plan(metric="test_top1", goal="max", sesoi=0.5)
    made = [
        Runs(replace(source(doubts), name=name), Path(name))
        for name, doubts in (("one", ()), ("two", (DOUBT,)))
    ]
    table = made[1].source.table  # other runs: equal results are no second study
    others = table.assign(test_top1=table["test_top1"].map(float) + table["seed"].map(int) % 3 / 100)
    made[1] = Runs(replace(made[1].source, table=others), made[1].path)
    found, alone = _compared(made, plan, (), None, None)
    assert f"two: {DOUBT}" in found.warnings
    assert not any(text.startswith("one: out.txt") for text in found.warnings)
    assert f"two: {DOUBT}" in alone, "a table that leaves its page says it, too"


def test_a_cell_added_after_a_look_says_it_at_its_verdict_and_in_its_sentence():
    """It had no look of its own, and is judged beside planned ones that are not: the reader must know."""
    from rigorkd_analysis import Plan, analyze

    draw = np.random.default_rng(3)
    rows = [
        {"cell": cell, "method": method, "seed": seed, "test_top1": 70 + gain + draw.normal(0, 0.2)}
        for cell, method, gain in (("base", "baseline", 0), ("kd", "kd", 1.5), ("hot", "hot", 2.0))
        for seed in range(6)
    ]
    later_cell = {"looks_at_added": (("hot", ()),), "looks_before_added": (("hot", (5,)),)}
    plan = Plan(sesoi=0.5, planned=True, added=("hot",), looks=(5,), **later_cell)
    found = analyze(pd.DataFrame(rows), plan)
    planned, later = (f.comparisons[0] for f in found.families if f.name == "gains")
    assert planned.not_valid.startswith("repeated look")
    assert not any("added after" in text for text in planned.warnings)
    assert later.verdict.directed
    told = "added after a look at n = 5: results were known when it was asked for"
    assert told in later.warnings
    assert later.says.endswith(f"; caution: {told}.")
