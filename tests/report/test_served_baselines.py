"""What serves as a baseline, whatever it is called: how pages speak of it, and its mark in figures."""

from __future__ import annotations

import pandas as pd
import pytest

from rigorkd.readers.raw import Reading
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.paper_tables import paper_table
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_frame

NOISE = (0.0, 0.4, -0.3, 0.2, -0.1)


def judged(cells: dict[str, tuple[str, str]], *baselines: str) -> Evidence:
    """Of cells with their students and methods."""
    frame = pd.DataFrame(
        {
            "cell": cell,
            "student": student,
            "method": method,
            "T": cell.partition("T")[2],
            "seed": seed,
            "acc": 70 + at + NOISE[(seed + at) % 5],
            "loss": 1 + at / 9 + NOISE[(seed + at) % 5] / 9,
        }
        for at, (cell, (student, method)) in enumerate(cells.items())
        for seed in range(5)
    )
    found = from_frame(frame.astype(str), Reading(), "acc", "table")
    return gather(found, analysis_of(found, Question(baselines=baselines, metric="acc"), images=False))


def of_many_students(count: int) -> Evidence:
    """Each student has a baseline of another name, and two temperatures beside it."""
    names = "abcdefg"[:count]
    cells = {f"{name}/plain{name}": (name, f"plain{name}") for name in names}
    cells |= {f"{name}/kd-T{T}": (name, "kd") for name in names for T in (2, 4)}
    return judged(cells, *(f"{name}/plain{name}" for name in names))


def everything(evidence: Evidence) -> str:
    analysis = evidence.analysis
    pages = [short_page(analysis), analysis_page(analysis), report_page(evidence)]
    pages += [paper_table(evidence, layout) for layout in ("gains", "overall", "ablation")]
    return " ".join("\n".join(map(markdown, pages)).split())


def test_each_is_over_its_own_baseline_and_all_over_theirs():
    evidence = of_many_students(5)
    assert evidence.analysis.family("gains").over == "their own baselines"
    text = everything(evidence)
    assert "each minus its own baseline" in text
    assert "each cell minus its own baseline" in text
    assert "Average gain over its own baseline" in text
    assert "Gains over their own baselines" in text
    assert "each against its own baseline" in text
    for wrong in ("minus their", "gain over their", "Gain: over their", "From their", "its own baselines"):
        assert wrong not in text.replace("Gain over", "gain over"), wrong
    assert "From baseline to method, seed by seed" in [figure.title for figure in figures(evidence)]


def test_a_few_are_named():
    text = everything(of_many_students(2))
    assert "each minus its baseline (plaina or plainb)" in text


CELLS = {f"net/{word}": ("net", word) for word in ("baseline", "scratch", "kd", "dkd")}


@pytest.mark.parametrize(
    ("named", "serves"), [("scratch", "net/scratch"), ("kd", "net/kd"), ("net/dkd", "net/dkd")]
)
def test_the_cell_that_gains_are_over_is_marked_as_the_baseline(named, serves):
    cells = {name: own for name, own in CELLS.items() if name != "net/baseline"}
    evidence = judged(cells, named)
    assert [cell.cell for cell in evidence.cells if cell.is_baseline] == [serves]


def test_without_a_name_it_is_that_of_the_method_baseline():
    assert [cell.cell for cell in judged(CELLS).cells if cell.is_baseline] == ["net/baseline"]


def test_a_cell_called_baseline_that_is_judged_against_another_is_none():
    evidence = judged(CELLS, "method=kd")
    assert [cell.cell for cell in evidence.cells if cell.is_baseline] == ["net/kd"]
