"""What one table says of verdicts, each table and figure of them says, those of one's own layouts, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis.results import GAINS, Comparison, Family
from rigorkd_analysis.verdicts import Verdict

from rigorkd.readers.raw import Reading
from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of, judging
from rigorkd.report.layouts.layout_figures import layout_figure
from rigorkd.report.layouts.layout_spec import CatalogLayout, RowsLayout
from rigorkd.report.layouts.layout_tables import layout_table
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.sources import from_frame

SHOWN = ("main/net/kd-T4", "main/other/kd-T4")
"""Cells of which each table and figure here has one, and a cell beside it."""
LOOK = "repeated look, not valid at alpha: analysed before at n = 4"
ALONE = {cell: f"repeated look, not valid at alpha: {cell} was analysed before" for cell in SHOWN}
DEMOTED = "cells were left out since"


@pytest.fixture(scope="module")
def whole() -> Evidence:
    draw = np.random.default_rng(1)
    rows = [
        {"cell": f"main/{student}/{method}" + f"-T{T}" * (T > 0), "group": "main", "student": student,
         "method": method, "T": T or None, "alpha": 0.5 if T else None, "seed": seed,
         "test_top1": 70 + gain + draw.uniform(-0.3, 0.3)}
        for student in ("net", "other")
        for method, T, gain in (("baseline", 0, 0.0), ("kd", 1, 1.5), ("kd", 4, 2.0))
        for seed in range(5)
        if (student, T) != ("other", 1)
    ]  # fmt: skip
    asked = Question(sesoi=0.5)
    found = judging(from_frame(pd.DataFrame(rows), Reading(), "test_top1", "runs"), (), asked)
    return gather(found, analysis_of(found, asked, images=False))


def of_gains(evidence: Evidence, change: Callable[[Family], Family]) -> Evidence:
    families = tuple(
        change(family) if family.name in (*GAINS, "overall") else family
        for family in evidence.analysis.families
    )
    return replace(evidence, analysis=replace(evidence.analysis, families=families))


def invalid(c: Comparison, why: str) -> Comparison:
    return replace(
        c, not_valid=why, warnings=(*c.warnings, why), verdict=Verdict.INCONCLUSIVE, magnitude=None
    )


def each(family: Family, change: Callable[[Comparison], Comparison]) -> Family:
    return replace(family, comparisons=tuple(map(change, family.comparisons)))


def as_planned(family: Family) -> Family:
    return replace(each(family, lambda c: replace(c, planned=True)), planned=True)


CONDITIONS: dict[str, tuple[Callable[[Family], Family], str]] = {
    "never planned": (lambda family: family, "xploratory: not planned before the results"),
    "not planned any more": (lambda family: replace(family, demoted=DEMOTED), f"xploratory: {DEMOTED}"),
    "added later": (
        lambda family: replace(family, demoted=DEMOTED, later=tuple(c.name for c in family.comparisons)),
        f"xploratory: {DEMOTED}; ",
    ),
    "seen before": (lambda family: each(family, lambda c: invalid(c, LOOK)), LOOK),
    "some of it seen before": (
        lambda family: each(family, lambda c: invalid(c, ALONE[c.a]) if c.a in ALONE else c),
        "was analysed before",
    ),
    "doubted": (
        lambda family: each(family, lambda c: replace(c, warnings=("its log says nothing",))),
        "its log says nothing.",
    ),
}


def own(cell: str, **columns: str) -> RowsLayout:
    shown = [{"heading": name, name: "test_top1"} for name in columns]
    return RowsLayout.model_validate(
        {"kind": "rows", "title": "Mine", "rows": ({"cells": (cell,)},),
         "columns": ({"heading": "cell", "show": "cell"}, *shown)}
    )  # fmt: skip


def captions(evidence: Evidence) -> dict[str, str]:
    """The caption of whatever shows gains with their verdicts, or leads to them."""
    found = {layout: paper_table(evidence, layout).tables[0].caption for layout in LAYOUTS}
    for columns in ({"verdict": ""}, {"gain": ""}, {"gain": "", "verdict": ""}):
        (table,) = layout_table(evidence, own(SHOWN[0], **columns)).tables
        found[f"own {' '.join(columns)}"] = table.caption
    drawn = {figure.name: figure.caption for figure in figures(evidence)}
    for name in ("gains", "overall"):
        found[f"figure {name}"] = drawn[name]
        asked = CatalogLayout.model_validate({"kind": "catalog", "title": "Mine", "figures": (name,)})
        found[f"own figure {name}"] = layout_figure("mine", asked, (evidence,)).caption
    return found


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_caption_says_what_holds_of_its_verdicts(whole: Evidence, condition: str) -> None:
    change, told = CONDITIONS[condition]
    found = captions(of_gains(whole, change))
    assert not [name for name, caption in found.items() if told not in caption]
    planned = captions(of_gains(whole, as_planned))
    assert not [name for name, caption in planned.items() if told in caption or "xploratory" in caption]


def test_a_caption_speaks_of_the_rows_that_it_has(whole: Evidence) -> None:
    change, _ = CONDITIONS["some of it seen before"]
    evidence = of_gains(whole, change)
    (table,) = layout_table(evidence, own(SHOWN[0], verdict="")).tables
    assert f"Inconclusive whatever p is: {ALONE[SHOWN[0]]}." in table.caption
    assert SHOWN[1] not in table.caption
    (table,) = layout_table(evidence, own("main/net/kd-T1", verdict="")).tables
    assert "Inconclusive" not in table.caption


def test_tables_say_that_runs_are_not_paired(whole: Evidence) -> None:
    unpaired = of_gains(whole, lambda family: each(family, lambda c: replace(c, test="unpaired")))
    found, paired = captions(unpaired), captions(whole)
    own = {name for name in found if name.startswith("own ") and "figure" not in name}
    for name in (*own, "gains", "ablation"):
        assert ", runs not paired, " in found[name], name
        assert ", paired by seed, " in paired[name], name


def test_an_interval_of_all_is_spoken_of_where_it_stands(whole: Evidence) -> None:
    def sharper(c: Comparison) -> Comparison:
        return replace(c, ci_simultaneous_low=-1.0, ci_simultaneous_high=3.0)

    found = captions(of_gains(whole, lambda family: each(family, sharper)))
    tables = [name for name in found if "figure" not in name]
    assert {name for name in tables if "an interval of all" in found[name]} == {"gains", "ablation"}


def test_settings_of_an_average_are_said_once_or_with_their_student(whole: Evidence) -> None:
    def caption(cells: tuple[str, ...]) -> str:
        rows = [
            {"cell": f"main/{student}/{method}" + f"-T{T}" * (T > 0), "group": "main", "student": student,
             "method": method, "T": T or None, "alpha": 0.5 if T else None, "seed": seed,
             "test_top1": 70 + T + 0.1 * ((seed * 7 + T) % 5)}
            for student, of in zip(("net", "other"), cells, strict=True)
            for method, T in (("baseline", 0), *(("kd", int(one)) for one in of))
            for seed in range(5)
        ]  # fmt: skip
        found = from_frame(pd.DataFrame(rows), Reading(), "test_top1", "runs")
        evidence = gather(found, analysis_of(found, Question(sesoi=0.5), images=False))
        return paper_table(evidence, "gains").tables[0].caption

    alike, other = caption(("14", "14")), caption(("14", "16"))
    assert alike.count("of these settings (kd-T1, kd-T4), a question") == 1
    assert other.count("average of 2") == 2
    assert "(main/net/kd: average of 2 (T): kd-T1" in other
    assert "; main/other/kd: average of 2 (T): kd-T1" in other
