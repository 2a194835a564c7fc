"""A star is explained where it stands, by the comparison that it is at, whatever cell the reason is of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study

from .conftest import PROTOCOL

TWO = PROTOCOL.replace(
    "students: {plain:", "students: {wide: {model: {name: cnn, channels: [8]}}, plain:"
).replace("sesoi: 0.5\n", "sesoi: 1.0\n")
TWO = TWO[: TWO.index("  contrasts:")]
VALUES = {
    "main/plain/baseline": (87.36, 87.59, 80.96, 82.42, 85.66),
    "main/plain/kd-T1-a0.5": (88.20, 89.98, 87.90, 85.89, 86.66),
    "main/plain/kd-T4-a0.5": (84.35, 85.20, 68.39, 81.03, 81.88),
    "main/wide/baseline": (85.50, 88.59, 89.90, 88.28, 87.51),
    "main/wide/kd-T1-a0.5": (86.66, 90.98, 88.82, 88.74, 89.44),
    "main/wide/kd-T4-a0.5": (85.20, 88.98, 87.82, 86.82, 87.59),
}
FELL = {  # the baseline is as that of a study in which the cell that fell is the one that is not judged
    **VALUES,
    "main/plain/baseline": (81.0, 82.0, 80.0, 82.0, 80.5),
    "main/plain/kd-T1-a0.5": (83.1, 84.2, 82.0, 84.1, 82.7),
    "main/plain/kd-T4-a0.5": (82.9, 83.0, 70.5, 83.4, 82.2),
}
AVERAGE, CELL = "main/plain/kd: average of 2 (T)", "main/plain/kd-T4-a0.5"
UNFIT = "is inconclusive whatever p is: a seed fell far behind: main/plain/kd-T4-a0.5 has"


@pytest.fixture(scope="module")
def results(made, tmp_path_factory) -> Path:
    """A study whose average is not judged for a run of a cell that is; and one in which that cell is not."""
    folder = tmp_path_factory.mktemp("stars")
    made(folder, VALUES, text=TWO.replace("study: made", "study: average"))
    made(folder, FELL, text=TWO.replace("study: made", "study: cell"))
    return folder / "results"


def told(*words: str | Path) -> str:
    done = CliRunner().invoke(cli, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.replace("\\_", "_").replace("\\*", "*").replace("\\%", "%")


def starred(text: str) -> list[str]:
    """What the rows with a star at their verdicts are called."""
    rows = [
        re.split(r"\s*[|&]\s*", line.strip("| ")) for line in text.splitlines() if "inconclusive*" in line
    ]
    return [f"{row[0]}/{row[1]}" for row in rows]


@pytest.mark.parametrize("form", ["markdown", "latex"])
@pytest.mark.parametrize(("study", "unfit", "doubted"), [("average", AVERAGE, CELL), ("cell", CELL, AVERAGE)])
def test_a_table_names_the_comparison_that_is_not_judged(
    results: Path, form: str, study: str, unfit: str, doubted: str
) -> None:
    text = told("table", results / study, "--layout", "gains", "--format", form)
    assert starred(text) == [CELL, AVERAGE]
    assert f" * {unfit} {UNFIT}" in text
    assert f" * {doubted}: a seed far behind: {CELL} has" in text
    assert "Inconclusive whatever" not in text, "that would be said of all rows"
    if study == "cell":
        text = told("table", results / study, "--layout", "overall", "--format", form)
        assert f" * {CELL} {UNFIT}" in text
        assert text.count("inconclusive*") == 1


@pytest.mark.parametrize(("study", "unfit"), [("average", AVERAGE), ("cell", CELL)])
@pytest.mark.parametrize("more", [[], ["--all"], ["--format", "latex"], ["--format", "markdown"]])
def test_a_page_names_it_too(results: Path, study: str, unfit: str, more: list[str]) -> None:
    text = " ".join(told("analyze", results / study, *more).split())
    assert f"{unfit} {UNFIT}" in text
    assert "Inconclusive whatever" not in text


def test_a_figure_has_the_star_that_its_caption_explains(results: Path) -> None:
    source = from_study(results / "cell")
    drawn = {one.name: one for one in figures(gather(source, analysis_of(source, Question(), images=False)))}
    figure = drawn["gains"]
    assert f" * {CELL} {UNFIT}" in figure.caption
    labels = " ".join(panel.describe for panel in figure.panels)
    assert labels.count("kd-T4-a0.5*") == 1


NONE = (None,) * 5
"""The runs at seeds 0 to 4 of a study that has others: studies that are compared share none."""


def two_studies(made, folder: Path, *, later: bool) -> list[Path]:
    """Two studies; the second one was looked at, if `later`, and then had more seeds and cells."""
    first = made(folder, VALUES, text=TWO.replace("study: made", "study: first"))
    text = TWO.replace("study: made", "study: second")
    other = {cell: (*NONE, *row) for cell, row in VALUES.items()}
    second = made(folder, other, range(5, 10), text=text)
    if later:
        told("analyze", second)
        text = text.replace("T: [1, 4]", "T: [1, 4, 8]")
        other |= {cell.replace("T1", "T8"): row for cell, row in other.items() if "T1" in cell}
        made(folder, {cell: (*row, *row[5:7]) for cell, row in other.items()}, range(5, 12), text=text)
    return [first, second]


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "json", "csv"])
def test_a_comparison_of_studies_explains_its_stars(made, tmp_path: Path, form: str) -> None:
    """They stood in tables that said nothing of them, and what holds of all numbers in LaTeX's comments."""
    studies = map(str, two_studies(made, tmp_path, later=True))
    done = CliRunner().invoke(cli, ["compare", *studies, "--format", form], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    look = "second: repeated look, not valid at alpha: analysed before at n = 5"
    added = "second: added after the first run, so exploratory: main/"
    if form == "latex":
        tables = done.stdout.split(r"\begin{table}")[1:]
        assert len(tables) == 2
        for table in tables:
            assert "* see below the table." in table
            assert rf"\raggedright * all: {look}" in table
            assert rf"\raggedright {added}" in table
    elif form in ("table", "markdown"):
        shown = " ".join(done.stdout.replace("\\*", "*").split())
        assert shown.count("* see the warnings.") == 2
        assert f"all comparisons: {look}" in shown
        assert added in shown
    else:
        assert done.stdout.count(look) >= 10, "with each comparison"
        assert f"warning: all comparisons: {look}" in done.stderr
        assert f"warning: {added}" in done.stderr


def test_a_comparison_without_warnings_has_no_star_to_explain(made, tmp_path: Path) -> None:
    text = told("compare", *two_studies(made, tmp_path, later=False), "--format", "latex")
    assert "see below" not in text
    assert "*" not in text.replace("table*", "")
