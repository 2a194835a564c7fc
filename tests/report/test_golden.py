"""The capacity study and the CIFAR-100 tables as they are printed, against stored pages.

After a change that is meant: `python tests/report/test_golden.py` writes them anew; read the difference.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rigorkd_analysis import Plan, Printed, analyze, audit

from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.audit_page import audit_page
from rigorkd.report.page import Page
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show
from rigorkd.report.rows import read_rows

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED = Path(__file__).parents[2] / "analysis" / "published"


def capacity() -> Page:
    table = pd.read_csv(PUBLISHED / "kd_capacity_gap_runs.csv")
    return analysis_page(analyze(table, Plan(sesoi=0.2, sequential=True), study="kd_capacity_gap_runs"))


def ablation() -> Page:
    return audit_page(
        audit(Printed(read_rows(PUBLISHED / "fauzan2026_ablation.csv").mappings(), n_test=10_000))
    )


def terminal(page: Page) -> str:
    stream = io.StringIO()
    show(page, stream)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


CASES: dict[str, tuple[Callable[[], Page], Callable[[Page], str]]] = {
    "capacity.txt": (capacity, terminal),
    "capacity.md": (capacity, markdown),
    "capacity.tex": (capacity, latex),
    "ablation.txt": (ablation, terminal),
}


@pytest.mark.parametrize("name", CASES)
def test_pages_are_as_stored(name: str):
    page, render = CASES[name]
    assert render(page()) == (GOLDEN / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for file, (make, rendered) in CASES.items():
        (GOLDEN / file).write_text(rendered(make()), encoding="utf-8")
