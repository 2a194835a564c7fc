"""Whatever table of runs the analysis accepts, its page, figures and paper tables can be made, and agree."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rigorkd.errors import InputError
from rigorkd.report.emit import to_json
from rigorkd.report.evidence import Evidence
from rigorkd.report.figures.canvas import figure_file
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_csv

OPTIONAL = (
    "group",
    "student",
    "method",
    "T",
    "alpha",
    "best_val_top1",
    "latency_ms",
    "params_millions",
    "epochs",
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Small tables with holes: missing runs, diverged runs, equal values, few seeds, columns left out."""
    n = draw(st.integers(1, 4))
    values = st.floats(60, 90).map(lambda x: round(x, 2))
    constant = draw(st.booleans())
    rows = []
    for student in range(draw(st.integers(1, 2))):
        settings_ = draw(
            st.lists(
                st.tuples(st.sampled_from([1, 2, 4.5]), st.sampled_from([0.1, 0.5])), max_size=4, unique=True
            )
        )
        for T, alpha in [(None, None), *settings_]:
            name = "baseline" if T is None else f"kd-T{T:g}-a{alpha}"
            for seed in range(n):
                value = 75.0 if constant else draw(values)
                status = draw(st.sampled_from(["done"] * 12 + ["diverged", "missing"]))
                rows.append(
                    {
                        "cell": f"g/net{student}/{name}",
                        "seed": seed,
                        "group": "g",
                        "student": f"net{student}",
                        "method": "baseline" if T is None else "kd",
                        "T": T,
                        "alpha": alpha,
                        "best_val_top1": draw(values),
                        "latency_ms": 1.5,
                        "params_millions": 2.0,
                        "epochs": 3,
                        "status": status,
                        "test_top1": value if status == "done" else None,
                    }
                )
    frame = pd.DataFrame(rows)
    return frame.drop(columns=draw(st.lists(st.sampled_from(OPTIONAL), max_size=4, unique=True)))


def everything(evidence: Evidence) -> str:
    """Make all that can be made of the evidence; the page."""
    for figure in figures(evidence):
        assert figure_file(figure, "svg").startswith(b"<?xml")
    for layout in LAYOUTS:
        with contextlib.suppress(InputError):  # it has no cells of that shape
            latex(paper_table(evidence, layout))
    return html(report_page(evidence))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=tables(), sesoi=st.sampled_from([None, 0.5]), sequential=st.booleans())
def test_any_accepted_table_can_be_shown(
    table: pd.DataFrame, sesoi: float | None, sequential: bool, tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    table.to_csv(path, index=False)
    try:
        found = from_csv(path)
        analysis = analysis_of(found, Question(sesoi=sesoi, sequential=sequential))
    except InputError:
        return
    text = everything(gather(found, analysis))
    document = json.loads(to_json(analysis))
    assert f"<h1>{'Does' if analysis.family('gains') else 'Which'}" in text
    for cell in document["cells"]:
        assert cell["cell"] in text
    assert ">nan<" not in text.casefold()
    assert '="nan"' not in text.casefold()


def test_pages_tables_and_figures_speak_of_distillation_only_where_a_method_distils(tmp_path: Path) -> None:
    for method, distils in (("mixup", False), ("dkd", True)):
        file = tmp_path / f"{method}.csv"
        rows = ["student,method,seed,test_acc,latency_ms"]
        for at, name in enumerate(("baseline", method)):
            rows += [
                f"r8,{name},{seed},{70 + at + 0.1 * (seed * (at + 2) % 5)},3.{seed}" for seed in range(5)
            ]
        file.write_text("\n".join(rows) + "\n")
        source = from_csv(file)
        shown = gather(source, analysis_of(source, Question()))
        said = [html(report_page(shown)).split("</style>")[-1]]
        said += [latex(paper_table(shown, layout)) for layout in ("gains", "overall")]
        said += [f"{one.title} {one.caption} {one.keys}" for one in figures(shown)]
        for text in said[:3]:
            assert ("distill" in text.casefold()) == distils
        assert any("distilled" in text for text in said[3:]) == distils
