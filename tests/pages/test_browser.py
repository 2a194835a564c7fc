"""The page in a real browser: offline, silent, sortable by keyboard, accessible, on phones and on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.render.html import html
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_csv, from_study

pytestmark = pytest.mark.slow

PUBLISHED = Path(__file__).parents[2] / "analysis" / "published" / "kd_capacity_gap_runs.csv"
FAULTS = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations
  .filter(fault => ["serious", "critical"].includes(fault.impact))
  .map(fault => fault.id + ": " + fault.nodes[0].html + " " + fault.nodes[0].failureSummary))"""


def write_grid(path: Path) -> None:
    """208 cells: eight students, a baseline and a 5 × 5 grid each, five seeds."""
    import random

    draw = random.Random(1)
    lines = ["cell,group,student,method,T,alpha,seed,test_top1,latency_ms,params_millions"]
    for student in range(8):
        for T, alpha in [("", ""), *((T, a) for T in (1, 2, 4, 8, 16) for a in (0.1, 0.3, 0.5, 0.7, 0.9))]:
            name, method = (f"kd-T{T}-a{alpha}", "kd") if T else ("baseline", "baseline")
            for seed in range(5):
                value = 70 + student + draw.gauss(0, 0.2) + 0.3 * bool(T)
                who = f"main/net{student}/{name},main,net{student},{method}"
                lines.append(f"{who},{T},{alpha},{seed},{value},1.5,{2 + student}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def pages(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a study, of a bare table, and of 208 cells."""
    folder = tmp_path_factory.mktemp("pages")
    write_grid(folder / "grid.csv")
    sources = {
        "study": from_study(finished / "results" / "tiny"),
        "table": from_csv(PUBLISHED),
        "grid": from_csv(folder / "grid.csv"),
    }
    out = {}
    for name, found in sources.items():
        asked = Question() if name == "study" else Question(sesoi=0.2)
        out[name] = folder / f"{name}.html"
        out[name].write_text(html(report_page(gather(found, analysis_of(found, asked)))), encoding="utf-8")
    return out


@pytest.mark.parametrize("name", ["study", "table", "grid"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_opens_offline_in_silence(
    chromium: Any, pages: dict[str, Path], name: str, dark: bool
) -> None:
    chromium.open(pages[name], dark=dark)
    assert chromium.requests == [pages[name].as_uri()]
    assert chromium.console == []
    shown = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert shown == ("rgb(20, 24, 29)" if dark else "rgb(254, 254, 254)")


@pytest.mark.parametrize("name", ["study", "table"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_no_serious_fault(
    chromium: Any, axe: str, pages: dict[str, Path], name: str, dark: bool, width: int
) -> None:
    chromium.open(pages[name], width=width, dark=dark)
    chromium.run("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    chromium.run(axe + "; 0")
    assert chromium.run(FAULTS) == []


def test_axe_sees_faults(chromium: Any, axe: str, tmp_path: Path) -> None:
    """The check itself: a page without language and with pale text has faults."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><title>x</title><p style='color:#ccc;background:#fff'>pale</p><img src=''>"
    )
    chromium.open(bad)
    chromium.run(axe + "; 0")
    assert len(chromium.run(FAULTS)) >= 3


@pytest.mark.parametrize("name", ["study", "table", "grid"])
def test_a_phone_scrolls_in_one_direction(chromium: Any, pages: dict[str, Path], name: str) -> None:
    """At 360 px only the containers of wide tables scroll sideways, and each can be reached by keyboard."""
    chromium.open(pages[name], width=360, height=740)
    assert chromium.run("document.documentElement.scrollWidth") <= 360
    wide = """[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1
      && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.clientWidth)"""
    assert chromium.run(f"{wide}.length") > 0
    named = "(e.ariaLabel || e.getAttribute('aria-labelledby'))"
    assert chromium.run(f"{wide}.every(e => e.tabIndex === 0 && {named})")
    smallest = chromium.run(
        """Math.min(...[...document.querySelectorAll('svg.panel text')].map(
        text => parseFloat(getComputedStyle(text).fontSize)
          * Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b)))"""
    )
    assert smallest >= 8, "text in figures is readable"


def test_tables_are_sorted_by_keyboard(chromium: Any, pages: dict[str, Path]) -> None:
    chromium.open(pages["table"])
    table = "document.querySelector('#gains-exploratory-verdicts')"
    cells = f"[...{table}.tBodies[0].rows].map(row => parseFloat(row.cells[2].dataset.sort))"
    original = chromium.run(cells)
    chromium.run(f"{table}.tHead.rows[0].cells[2].querySelector('button').focus()")
    outline = chromium.run("getComputedStyle(document.activeElement).outlineStyle")
    states = []
    for _ in range(3):
        chromium.press("Enter", 13, "\r")
        state = chromium.run(f"{table}.tHead.rows[0].cells[2].getAttribute('aria-sort')")
        states.append((state, chromium.run(cells)))
    up = sorted(original)
    assert states == [("ascending", up), ("descending", up[::-1]), (None, original)]
    assert outline in ("solid", "auto")


def test_two_hundred_cells_open_at_once(chromium: Any, pages: dict[str, Path]) -> None:
    """Measured against the small page in the same browser, so that a slow machine changes nothing."""
    small = min(chromium.open(pages["table"]) for _ in range(3))
    large = min(chromium.open(pages["grid"]) for _ in range(3))
    assert large < max(12 * small, 3.0)


def test_paper_gets_everything(chromium: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    """What is folded on a screen is printed too: it is some lines, so that a sheet may have room for it."""
    chromium.open(pages["study"])
    more = "for (let n = 0; n < 8; n++) fold.append(fold.lastElementChild.cloneNode(true))"
    chromium.run(f"document.querySelectorAll('details').forEach(fold => {{ {more} }})")
    chromium.pdf(tmp_path / "page.pdf")
    sheets = re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes())
    chromium.run("document.querySelectorAll('details').forEach(fold => fold.remove())")
    chromium.pdf(tmp_path / "short.pdf")
    assert len(sheets) > len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "short.pdf").read_bytes())) > 3


def test_printing_closes_again_what_it_opened(chromium: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    chromium.open(pages["study"])
    chromium.run("document.querySelector('details').open = true")
    chromium.pdf(tmp_path / "page.pdf")
    opened = chromium.run("[...document.querySelectorAll('details')].map(fold => fold.open)")
    assert opened == [True] + [False] * (len(opened) - 1)


def test_figures_open(chromium: Any, tmp_path: Path) -> None:
    """Each SVG for papers is drawn by a browser, from its own bytes alone."""
    from rigorkd.report.figures.canvas import figure_file
    from rigorkd.report.figures.catalog import figures

    found = from_csv(PUBLISHED)
    drawn = figures(gather(found, analysis_of(found, Question(sesoi=0.2))))
    assert len(drawn) >= 4
    for figure in drawn:
        path = tmp_path / f"{figure.name}.svg"
        path.write_bytes(figure_file(figure, "svg"))
        chromium.open(path)
        assert chromium.run("document.documentElement.getBBox().width") > 100
        assert chromium.requests == [path.as_uri()]
        assert chromium.console == []
