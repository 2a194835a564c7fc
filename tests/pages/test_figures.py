"""Figures: they draw the analysis' own numbers, leave out what cannot be read, and repeat to the byte."""

from __future__ import annotations

import json
import os
import random
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure as Drawing
from rigorkd_analysis import Plan, analyze

from rigorkd.cli.figures import figures as figures_command
from rigorkd.report.evidence import Evidence, History, Softness, evidence, grids
from rigorkd.report.figures import (
    candidates,
    canvas,
    catalog,
    convergence,
    curves,
    forest,
    overall,
    pairs,
    side_by_side,
    softness,
)
from rigorkd.report.figures.canvas import Form, figure_file, figure_files, panel_svg
from rigorkd.report.figures.catalog import CATALOG, drawn, figures, on_page
from rigorkd.report.figures.marks import MAX_PANELS, MAX_ROWS
from rigorkd.report.figures.spec import Figure, Panel
from rigorkd.report.figures.style import PALETTE
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.render.html import html
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_study


def table(students: int = 2, n: int = 5) -> pd.DataFrame:
    """Main and ablation groups as in the CIFAR-100 study: one distilled cell, and a cross of T and alpha."""
    draw = random.Random(3)
    cells = [("main", s, T, a) for s in range(students) for T, a in ((None, None), (4, 0.5))]
    cross = ((None, None), (2, 0.5), (4, 0.5), (6, 0.5), (4, 0.3), (4, 0.7))
    cells += [("ablation", 0, T, a) for T, a in cross]
    rows = []
    for group, student, T, alpha in cells:
        name = "baseline" if T is None else f"kd-T{T}-a{alpha}"
        for seed in range(n):
            rows.append(
                {
                    "cell": f"{group}/net{student}/{name}",
                    "group": group,
                    "student": f"net{student}",
                    "method": "baseline" if T is None else "kd",
                    "T": T,
                    "alpha": alpha,
                    "epochs": 40 if group == "main" else 30,
                    "seed": seed,
                    "test_top1": 80 - student + draw.gauss(0, 0.2) + (1.5 if T else 0),
                    "test_top5": 95 + draw.gauss(0, 0.2),
                    "best_val_top1": 81 + draw.gauss(0, 0.2),
                    "test_loss": 1 + draw.gauss(0, 0.02),
                    "latency_ms": 4.0 - student,
                    "params_millions": 2.35 - student,
                }
            )
    return pd.DataFrame(rows)


def made(frame: pd.DataFrame, plan: Plan | None = None, **extra: object) -> Evidence:
    return evidence(analyze(frame, plan or Plan(sesoi=0.3), study="s"), frame, **extra)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def study() -> Evidence:
    def history(cell: str, seed: int) -> History:
        epochs = np.arange(1.0, 31.0)
        return History(epochs, {"val_top1": 80 - 40 / epochs + seed, "train_loss": 2 / epochs + seed / 100})

    return made(
        table(),
        history=history,
        softness=(Softness("teacher", 1.0, (0.1, 0.2)), Softness("teacher", 4.0, (0.6, 0.7))),
    )


def lines(panel: Panel) -> list[tuple[list[float], list[float]]]:
    """x and y of every line that a panel draws."""
    axes = Drawing().add_axes((0.2, 0.2, 0.7, 0.7))
    panel.draw(axes)
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]  # type: ignore[arg-type]


def test_the_study_of_the_paper_has_its_figures(study: Evidence) -> None:
    names = [figure.name for figure in figures(study)]
    published = {figure.name: entry.published for entry, figure in drawn(study) if entry.published}
    assert published == {
        "overall": "Figure 2",
        "cost": "Figure 3",
        "training": "Figure 4",
        "mean-temperature": "Figure 5",
        "mean-alpha": "Figure 5",
    }
    assert {"gains", "seeds", "gain-temperature", "gain-alpha", "best", "softness"} <= set(names)
    assert "contrasts" not in names
    assert len(names) == len(set(names))


def test_the_page_asks_the_catalog_which_figures_a_section_has(study: Evidence) -> None:
    shown = on_page(study)
    names = {section: [figure.name for figure in found] for section, found in shown.items()}
    assert names["gains-exploratory"] == ["gains"], "this family was not planned"
    assert names["seeds"] == ["seeds", "overall"]
    assert names["settings"] == ["gain-temperature", "gain-alpha"], "means only where there are no gains"
    every = [name for found in names.values() for name in found]
    assert len(every) == len(set(every))
    alone = on_page(made(table().query("method == 'kd'")))
    assert [figure.name for figure in alone["settings"]] == ["mean-temperature", "mean-alpha"]


def test_a_figure_has_the_name_that_the_catalog_lists(study: Evidence) -> None:
    for seen in (study, made(table().query("method == 'kd'"))):
        assert all(entry.name == figure.name for entry, figure in drawn(seen))
    listed = CliRunner().invoke(figures_command, ["--help"]).output
    assert all(entry.name in listed and entry.shows[:30] in listed for entry in CATALOG)


def test_a_new_figure_is_one_line_of_the_catalog(study: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    def scratch(evidence: Evidence) -> Figure:
        return Figure("scratch", "Scratch", "", (Panel("", lambda axes: None, 1.0, "nothing"),))

    monkeypatch.setattr(
        catalog, "CATALOG", (*CATALOG, catalog.Entry("scratch", "nothing", scratch, "training"))
    )
    assert figures(study)[-1].name == "scratch"
    assert '<figure id="figure-scratch">' in html(report_page(study))


def test_a_drawing_has_the_same_bytes_from_another_process(
    study: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And beside others that came before it: nothing of a process enters it."""
    ours = os.getpid()
    monkeypatch.setattr(side_by_side, "FEWEST", 1)

    def drawn_by(position: int) -> tuple[bool, str, dict[Form, bytes]]:
        figure = figures(study)[position]
        return os.getpid() == ours, panel_svg(figure, 0, "k"), figure_files(figure, ("svg", "pdf"))

    _, here, there = side_by_side.side_by_side([partial(drawn_by, position) for position in (0, 1, 1)], 2)
    assert (here[0], there[0]) == (True, False)
    assert here[1:] == there[1:]


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("plain", [0.5, 1]),
        ("gjpq", [1e-9, 3e-9]),
        ("of\ntwo lines", [0, 1]),
        ("a long one above a factor", [9e7, 9e7 + 1]),
    ],
)
def test_titles_stand_where_matplotlib_would_put_them(
    title: str, values: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = Figure("lines", "Lines", "", (Panel(title, lambda axes: axes.plot(values) and None, 1.0, ""),))
    ours = figure_files(figure, ("svg", "pdf"))
    monkeypatch.setattr(canvas, "_may_rise", lambda axes: True)
    assert ours == figure_files(figure, ("svg", "pdf"))


def test_a_forest_draws_the_intervals_of_the_analysis(study: Evidence) -> None:
    figure = forest.gains(study)
    assert figure is not None
    drawn = [line for panel in figure.panels for line in lines(panel)]
    for comparison in study.gains():
        assert any(x == [comparison.ci_low, comparison.ci_high] for x, _ in drawn)
        assert any(x == [comparison.mean_diff] for x, _ in drawn)
        assert comparison.verdict == "better"
    assert "better" in [key.text for key in figure.keys]


def test_intervals_beyond_the_axis_get_arrowheads() -> None:
    frame = table(students=1)
    wild = (frame["cell"] == "main/net0/kd-T4-a0.5") & (frame["seed"] < 2)
    frame.loc[wild, "test_top1"] += 12
    figure = forest.gains(made(frame))
    assert figure is not None
    axes = Drawing().add_axes((0.2, 0.2, 0.7, 0.7))
    figure.panels[-1].draw(axes)
    low, high = axes.get_xlim()
    assert {line.get_marker() for line in axes.get_lines()} & {"<", ">"}
    for line in axes.get_lines():
        x = np.asarray(line.get_xdata(), dtype=float)
        assert ((x >= low - 1e-9) & (x <= high + 1e-9)).all()


def test_every_seed_is_joined_with_its_baseline(study: Evidence) -> None:
    figure = pairs.pairs(study)
    assert figure is not None
    joined = set()
    for panel in figure.panels:
        for x, y in lines(panel):
            if len(x) % 3 == 0 and len(x) and np.isnan(x[2]):
                joined |= {(x[i], x[i + 1]) for i in range(0, len(x), 3)}
                assert all(y[i] == y[i + 1] for i in range(0, len(y), 3))
    frame = table().set_index(["cell", "seed"])["test_top1"]
    wanted = {(frame[c.b, seed], frame[c.a, seed]) for c in study.gains() for seed in range(5)}
    assert joined == wanted


def test_curves_run_over_one_axis_at_a_time(study: Evidence) -> None:
    figure = curves.mean_curves(study, "T")
    assert figure is not None
    assert [panel.title for panel in figure.panels] == ["ablation/net0"]
    means = {cell.cell: cell.mean for cell in study.analysis.cells}
    (panel,) = figure.panels
    wanted = [means[f"ablation/net0/kd-T{T}-a0.5"] for T in (2, 4, 6)]
    assert wanted in [y for _, y in lines(panel)]
    assert "α = 0.5" in [key.text for key in figure.keys]
    assert "α = 0.3" not in [key.text for key in figure.keys], "one setting is no curve"


def test_other_parameters_make_another_grid() -> None:
    frame = table(students=1)
    reverse = frame[frame["group"].eq("ablation") & frame["method"].eq("kd")].copy()
    reverse["cell"] += "-reverse"
    both = grids(made(pd.concat([frame, reverse])))
    assert sorted(len(cells) for _, cells in both) == [1, 5, 5]
    assert len({title for title, _ in both}) == 3


def test_the_distilled_cell_beside_a_baseline_is_not_chosen_on_test(study: Evidence) -> None:
    found = {pairing.student: pairing.distilled.cell for pairing in overall.pairings(study)}
    assert found["main/net0"] == "main/net0/kd-T4-a0.5"
    picked = {pick.cell for pick in study.analysis.best.validation_pick} if study.analysis.best else set()
    assert set(found) - {"main/net0", "main/net1"} <= {"ablation/net0"}
    assert found.get("ablation/net0", next(iter(picked))) in picked | {"main/net0/kd-T4-a0.5"}


def test_the_set_that_may_be_best_is_filled(study: Evidence) -> None:
    figure = candidates.candidates(study)
    assert figure is not None
    assert study.analysis.best is not None
    for panel, item in zip(figure.panels, study.analysis.best.sets, strict=True):
        assert panel.describe.count("may be the best") == len(item.may_be_best)


def test_bands_reach_from_the_lowest_to_the_highest_seed(study: Evidence) -> None:
    figure = convergence.convergence(study)
    assert figure is not None
    drawn = lines(figure.panels[0])
    epochs = np.arange(1.0, 31.0)
    for x, y in drawn:
        assert x == list(epochs)
        assert y == pytest.approx(80 - 40 / epochs + 2)
    assert len(drawn) >= 2


@pytest.mark.parametrize(
    ("means", "corner"),
    [
        ([[3, 2, 1]], "upper right"),
        ([[1, 2, 3]], "lower right"),
        ([[1, 2, 3], [0, 0, 0]], "upper left"),  # the second runs through both lower corners
        ([[150, 130, 100], [1, 1, 1]], "center right"),
    ],
)
def test_a_legend_stands_where_no_curve_is(means: list[list[float]], corner: str) -> None:
    drawn = [
        convergence.Curves("a label of some length", np.arange(1.0, 4.0), *[np.array(row, dtype=float)] * 3)
        for row in means
    ]
    assert convergence.clear_corner(drawn) == corner


def test_a_file_of_smoke_runs_says_so(tmp_path: Path) -> None:
    """It is passed on without what was said beside it."""
    heights = []
    for smoke in (False, True):
        table().assign(smoke=smoke).to_csv(tmp_path / f"{smoke}.csv", index=False)
        said = CliRunner().invoke(
            figures_command,
            [
                str(tmp_path / f"{smoke}.csv"),
                "--sesoi",
                "0.3",
                "--out",
                str(tmp_path / str(smoke)),
                "--format",
                "svg",
            ],
        )
        assert said.exit_code == 0, said.output
        svg = (tmp_path / str(smoke) / "overall.svg").read_text()
        heights.append(float(re.search(r'height="([\d.]+)pt"', svg)[1]))  # type: ignore[index]
        assert ("SMOKE RUNS: no result" in svg) == smoke
    assert heights[1] > heights[0]


def test_curves_of_different_lengths_and_without_files() -> None:
    def history(cell: str, seed: int) -> History | None:
        epochs = np.arange(1.0, 4.0 + seed)
        return None if seed == 4 else History(epochs, {"val_top1": epochs * 10})

    figure = convergence.convergence(made(table(), history=history))
    assert figure is not None
    assert all("validation" in panel.title for panel in figure.panels)
    assert lines(figure.panels[0])[0][0] == [1, 2, 3, 4, 5, 6]
    assert convergence.convergence(made(table(), history=lambda cell, seed: None)) is None
    assert convergence.convergence(made(table())) is None


def test_softness_is_shown_where_it_was_measured(study: Evidence) -> None:
    figure = softness.softness(study)
    assert figure is not None
    assert lines(figure.panels[0])[0][1] == pytest.approx([0.15, 0.65])
    assert softness.softness(made(table())) is None


def test_softness_is_read_from_the_records_of_teachers(finished: Path) -> None:
    study = from_study(finished / "results" / "tiny")
    read = gather(study, analysis_of(study, Question(), images=False))
    teachers = (finished / "results" / "tiny" / "teacher").glob("*/record.json")
    records = [json.loads(path.read_bytes()) for path in sorted(teachers)]
    wanted = {
        float(name.removeprefix("softness_T")): tuple(record["metrics"][name] for record in records)
        for name in records[0]["metrics"]
        if name.startswith("softness_T")
    }
    assert {item.T: item.entropy for item in read.softness} == wanted
    assert all(len(item.entropy_rest) == len(records) for item in read.softness)
    assert len(wanted) >= 5
    assert read.provenance is not None
    assert read.provenance.records == sum(1 for _ in (finished / "results" / "tiny").rglob("record.json"))


def test_large_studies_are_cut_and_it_is_said() -> None:
    draw = random.Random(1)
    rows = [
        (
            f"main/s{s}/{'baseline' if k < 0 else f'kd-T{k}'}",
            "main",
            f"s{s}",
            "baseline" if k < 0 else "kd",
            k,
            seed,
        )
        for s in range(7)
        for k in range(-1, 31)
        for seed in range(2)
    ]
    frame = pd.DataFrame(rows, columns=["cell", "group", "student", "method", "T", "seed"])
    frame["T"] = frame["T"].where(frame["T"] >= 0)
    frame["test_top1"] = [draw.gauss(80, 1) for _ in rows]
    for figure in figures(made(frame)):
        assert len(figure.panels) <= MAX_PANELS
        if figure.name in ("gains", "seeds", "best"):
            assert figure.omitted
            for panel in figure.panels:
                axes = Drawing().add_axes((0.2, 0.2, 0.7, 0.7))
                panel.draw(axes)
                assert 5 < len(axes.get_yticklabels()) <= MAX_ROWS


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_files_repeat_to_the_byte_and_carry_their_fonts(study: Evidence, form: str) -> None:
    figure = overall.overall(study)
    assert figure is not None
    first, again = (figure_file(figure, form) for _ in range(2))  # type: ignore[arg-type]
    assert first == again
    assert not re.search(rb"CreationDate|dc:date|20\d\d-\d\d-\d\d", first)
    if form == "pdf":
        assert b"/FontFile2" in first
        assert b"/Type3" not in first
    else:
        assert b"<text" not in first, "text is outlines"
        assert b"DejaVuSans" in first


def test_colours_are_those_of_okabe_and_ito(study: Evidence) -> None:
    """On paper, and of sufficient contrast for graphics in light and dark where no other mark helps."""
    assert [PALETTE[role].light for role in ("blue", "vermillion", "green", "purple")] == [
        *("#0072b2", "#d55e00", "#009e73", "#cc79a7")
    ]

    def luminance(color: str) -> float:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for theme in ("light", "dark"):
        paper = getattr(PALETTE["paper"], theme)
        for role in ("ink", "muted"):
            assert contrast(getattr(PALETTE[role], theme), paper) >= 4.5
        for role in ("blue", "vermillion", "green", "purple"):
            assert contrast(getattr(PALETTE[role], theme), paper) >= 2.9


def test_dollar_signs_and_marks_in_names_are_text() -> None:
    frame = table(students=1)
    frame["cell"] = frame["cell"].str.replace("net0", r"n$x_{1$<&>\t")
    frame["student"] = r"n$x_{1$<&>\t"
    frame["group"] = "深い"
    figure = forest.gains(made(frame))
    assert figure is not None
    svg = panel_svg(figure, 0, "k")
    assert "$x_{1$&lt;&amp;&gt;" in svg
    assert "深い" in svg, "a script that the drawing's font lacks stays text"


def test_a_cell_of_one_seed_is_drawn_without_interval() -> None:
    lone = made(table(n=1))
    for figure in figures(lone):
        for position in range(len(figure.panels)):
            assert panel_svg(figure, position, "k").startswith("<svg")
    assert replace(lone, teachers=()).facts("main/net0/baseline").is_baseline


def test_no_decimals_of_a_text_are_cut() -> None:
    """Coordinates lose theirs on a page; a tick of 0.005 is not 0.00."""

    def draw(axes: Any) -> None:
        axes.plot([0.0, 0.02], [0, 1])
        axes.set_xticks([0.0, 0.005, 0.0125], ["0.000", "kd-T4-a0.005", "0.0125"])

    drawn = panel_svg(Figure("f", "t", "c", (Panel("", draw, 1.0, "d"),)), 0, "f")
    for text in ("0.000", "kd-T4-a0.005", "0.0125"):
        assert f">{text}</text>" in drawn
    assert not re.search(r' (?:x|y|d)="[^"]*\d\.\d{3}', drawn)
