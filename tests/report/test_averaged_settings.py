"""An average that is not over all settings of its method says over which, wherever it is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from rigorkd_analysis.results import Analysis

from rigorkd.cli.main import cli
from rigorkd.cli.run import _look
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study

from .conftest import PROTOCOL
from .test_looks import FIVE, first, look

MORE = PROTOCOL.replace("T: [1, 4]", "T: [1, 2, 4]")
T2 = "main/plain/kd-T2-a0.5"
SHOWN = "main/plain/kd: average of 2 (T = 1 and 4)"


@pytest.fixture
def grown(made, tmp_path: Path) -> Path:
    """Planned at T = 1 and 4, looked at with five seeds; then T = 2 was added, and three seeds."""
    look(made(tmp_path, first(5)))
    return made(tmp_path, {**first(8), T2: FIVE["main/plain/kd-T1-a0.5"][:8]}, text=MORE)


def told(*asked: object) -> str:
    done = CliRunner().invoke(cli, list(map(str, asked)), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def judged(study: Path, **asked: object) -> Analysis:
    return analysis_of(from_study(study), Question(**asked), images=False)


@pytest.mark.parametrize("more", [(), ("--sequential",)])
@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_tables_captions_and_sentences_name_them(grown: Path, form: str, more: tuple[str, ...]) -> None:
    text = told("analyze", grown, "--all", "--format", form, *more)
    text = re.sub(r" +", " ", re.sub(r"\\\\|\\begin{tabular}\[t\]{@{}l@{}}|\\end{tabular}|[\n•]", " ", text))
    assert "average of 2 (T)" not in text
    assert text.count("average of 2 (T = 1 and 4)") >= 1 + bool(more) - (
        form == "table"
    )  # one is in two lines
    captions = 1 + bool(more)
    assert len(re.findall("averaged over cells at T = 1 and 4", text)) == captions
    if more:  # the answer after a look
        assert "Distillation at T = 1 and 4, averaged over 2 settings of T, on plain: " in text
        assert re.search("Distillation at T = 4, .{1,10} = 0.5 on plain: ", text)
        assert "main/plain/kd-T4-a0.5 vs main/plain/baseline: " not in text


def test_the_short_page_names_them(grown: Path) -> None:
    text = " ".join(told("analyze", grown).split())
    assert "average of 2 (T = 1 and 4)" in text
    assert "each minus its baseline, averaged over cells at T = 1 and 4" in text


def test_the_report_and_tables_for_papers_name_them(grown: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told("report", grown, "--sequential", "--out", page)
    text = re.sub(r"<(style|script).*?</\1>|<[^>]*>", "", page.read_text(), flags=re.S)
    assert "average of 2 (T)" not in text
    assert SHOWN in text
    table = told("table", grown, "--layout", "gains")
    assert "kd: average of 2 (T = 1 and 4)" in table.replace("\\", "")
    assert "average of 2 (T)" not in table


def test_a_document_keeps_the_name_and_says_them_beside_it(grown: Path) -> None:
    families = json.loads(told("analyze", grown, "--format", "json"))["families"]
    (one,) = next(family for family in families if family["name"] == "overall")["comparisons"]
    assert (one["name"], one["called"]) == ("main/plain/kd: average of 2 (T)", SHOWN)
    assert one["settings"] == "T = 1 and 4"


def test_what_falls_away_with_a_cell_is_named_so(grown: Path) -> None:
    found = judged(grown, without=("main/plain/kd-T1-a0.5",), interim=True)
    assert any(f"the average gain {SHOWN}" in text for text in found.warnings)


def test_an_average_of_all_settings_is_called_as_ever(made, tmp_path: Path) -> None:
    found = judged(made(tmp_path, first(8)))
    (one,) = found.family("overall").comparisons
    assert (one.called, one.settings) == ("", "")
    assert "averaged over cells," in told("analyze", tmp_path / "results" / "made", "--all").replace(
        "\n", " "
    )


@pytest.mark.parametrize(
    ("before", "after", "settings", "brackets"),
    [
        (
            "[{T: [1, 4], alpha: 0.5}, {T: 4, alpha: 0.9}]",
            "{T: [1, 4], alpha: [0.5, 0.9]}",
            "all settings but T = 1, α = 0.9",
            "T, alpha: all settings but T = 1, α = 0.9",
        ),
        (
            "{T: [1, 2, 3, 4, 6], alpha: 0.5}",
            "{T: [1, 2, 3, 4, 6, 8], alpha: 0.5}",
            "T = 1, 2, 3, 4 and 6",
            "T = 1, 2, 3, 4 and 6",
        ),
        (
            "{T: [1, 4], alpha: [0.5, 0.9]}",
            "{T: [1, 2, 4], alpha: [0.5, 0.9]}",
            "T = 1 and 4",
            "T = 1 and 4, alpha",
        ),
    ],
)
def test_of_a_grid_what_is_left_out_is_told(
    made, tmp_path: Path, before: str, after: str, settings: str, brackets: str
) -> None:
    def text(grid: str) -> str:
        return PROTOCOL.replace("{T: [1, 4], alpha: 0.5}", grid)

    draw = np.random.default_rng(1)
    grid = [f"main/plain/kd-T{T}-a{a}" for T in (1, 2, 3, 4, 6, 8) for a in (0.5, 0.9)]
    rows = {cell: tuple(draw.normal(70, 1, size=5).round(2)) for cell in ("main/plain/baseline", *grid)}
    made(tmp_path, rows, seeds=range(5), text=text(before))
    found = judged(made(tmp_path, rows, seeds=range(5), text=text(after)))
    one = next(c for f in found.families if f.name == "overall" and f.planned for c in f.comparisons)
    assert one.settings == settings
    assert one.called.partition(" (")[2] == f"{brackets})"
    assert f"Distillation at {settings}, averaged over" in one.says


def test_sentences_of_a_run_until_all_is_decided_name_the_test_images(made, tmp_path: Path) -> None:
    wrong = {cell: 400 - np.array(row) * 4 for cell, row in first(5).items()}
    answers = {cell: np.arange(400) < some[:, None] for cell, some in wrong.items()}
    study = made(tmp_path, first(5), predictions=answers)
    found = _look(SimpleNamespace(study=SimpleNamespace(path=study)))
    assert all(" on these 400 test images (" in one.says for one in found.comparisons)


def test_rows_in_bold_are_explained(made, tmp_path: Path) -> None:
    rows = first(8)
    rows["main/plain/kd-T4-a0.5"] = tuple(value - 9 for value in rows["main/plain/kd-T4-a0.5"])
    study = made(tmp_path, rows)
    for form, mark in (("latex", r"\textbf{worse"), ("markdown", "**worse")):
        text = told("analyze", study, "--format", form)
        assert mark in text
        for table in re.split(r"\\end{table}|\n### ", text)[form == "markdown" :]:  # behind the headline
            bold = r"\textbf{" in table or "**" in table
            assert ("Rows in bold are decided: better, worse or equivalent." in table) == bold
