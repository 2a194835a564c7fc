"""Layouts of publications: each draws from the cells of a smoke run of its study, and says what it lacks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.results import Analysis

from rigorkd.errors import InputError
from rigorkd.protocol.hashes import resolved, training_key, views_key
from rigorkd.protocol.smoke import smoke
from rigorkd.protocol.trainer_cells import cells_of
from rigorkd.report.evidence import CellFacts, Evidence, History, Softness, SoftOutput, evidence
from rigorkd.report.figures.canvas import figure_file
from rigorkd.report.layouts.layout_figures import layout_figure, smoothed
from rigorkd.report.layouts.layout_spec import (
    HeatLayout,
    RowsLayout,
    SoftenedLayout,
    SortedLayout,
    find_layouts,
    known_publications,
)
from rigorkd.report.layouts.layout_tables import layout_table
from rigorkd.report.layouts.wanted_cells import alternatives, natural, wanted
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from tests.conftest import SHIPPED, shipped

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

#: The study that each layout is drawn from.
STUDIES = {
    "000": "paper",
    "001-figure-1": "temperature/methods_pets",
    "001-figure-2": "temperature/training_cifar100",
    "001-figure-3": "temperature/training_pets",
    "001-figure-3-t2": "temperature/training_pets",
    "001-figure-4": "temperature/methods_cifar100",
    "001-figure-5": "temperature/controls_pets",
    "001-figure-6": "temperature/granularity_tiny",
    "001-figure-7": "temperature/granularity_birds_fine",
    "001-table-1": "temperature/teachers_pets",
    "001-table-2": "temperature/starts_cifar100",
    "002-table-pairs": "capacity_cifar10",
    "002-table-clip": "capacity_clip_cifar10",
    "002-table-stem": "capacity_stem_cifar10",
    "004": "notebook/cifar10",
}
LAYOUTS = {name: layout for one in known_publications() for name, layout in find_layouts(one).items()}


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else "" if value is None else str(value)


@cache
def study(name: str, part: Literal["smoke", "edges", "whole"] = "smoke") -> Evidence:
    """What a smoke run of a protocol would leave, numbers drawn at random; or all edges of grids, or all."""
    protocol = shipped(SHIPPED / f"{name}.yaml")
    members = {
        "smoke": lambda: smoke(protocol).cells,
        "edges": lambda: cells_of(protocol.spec, edges=True),
        "whole": lambda: protocol.cells,
    }
    kept = {cell.name for cell in members[part]()}
    cells = [cell for cell in protocol.cells if cell.name in kept]
    draw = np.random.default_rng(5)
    rows, settings = [], {}
    for cell in (cell for cell in cells if cell.role == "student"):
        told = resolved(cell)
        settings[cell.name] = {key: as_text(value) for key, value in told.items()}
        for seed in range(2):
            rows.append(
                {
                    **{key: told.get(key) for key in ("method", "T", "alpha", "epochs")},
                    "cell": cell.name,
                    "group": cell.group,
                    "student": cell.student,
                    "seed": seed,
                    "teacher": told["teacher"] or "",
                    "start": as_text(told["start"]),
                    "training": training_key(cell),
                    "views": views_key(cell),
                    "smoke": True,
                    "params_millions": 2.35,
                    **{key: draw.normal(80, 1) for key in ("test_top1", "test_top5", "best_val_top1")},
                    **{key: draw.normal(2, 0.1) for key in ("test_loss", "latency_ms", "train_seconds")},
                }
            )
    frame = pd.DataFrame(rows)
    teachers = tuple(
        CellFacts(
            cell=cell.name, group="", student=cell.student, method="teacher", teacher="", T=None, alpha=None,
            epochs=cell.training.epochs, seeds=(0,),
            measures={"test_top1": (82.0,), "params_millions": (23.7,)},
        )
        for cell in cells
        if cell.role == "teacher"
    )  # fmt: skip
    softness = tuple(
        Softness(cell.cell, T, (0.3 + T / 100,), (0.9,)) for cell in teachers for T in (1.0, 4.0)
    )
    return evidence(
        _judged(frame, name), frame, teachers=teachers, softness=softness, settings=settings,
        history=lambda cell, seed: HISTORY, soft_outputs=lambda cell, images: (SOFT,),
    )  # fmt: skip


def _judged(frame: pd.DataFrame, name: str) -> Analysis:
    secondary = ("test_top5",)
    return analyze(frame, Plan(sesoi=0.3, planned=True, secondary=secondary), study=name.split("/")[-1])


EPOCHS = np.arange(1.0, 4.0)
HISTORY = History(EPOCHS, dict.fromkeys(("val_loss", "val_objective", "val_top1", "train_loss"), 1 / EPOCHS))
TEMPERATURES = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 40.0])


def _soft_output() -> SoftOutput:
    logits = np.random.default_rng(1).normal(0, 3, (8, 10))
    softened = np.stack(
        [np.exp(logits / T) / np.exp(logits / T).sum(axis=1, keepdims=True) for T in TEMPERATURES], 1
    )
    profile = -np.sort(-softened, axis=2).mean(axis=0)
    entropy, rest = np.linspace(0.2, 1, 9), np.linspace(0.9, 1, 9)
    return SoftOutput(TEMPERATURES, entropy, rest, profile, np.arange(8), np.arange(8), softened)


SOFT = _soft_output()


def study_of(layout: str) -> str:
    return STUDIES.get(layout) or STUDIES[layout.split("-", maxsplit=1)[0]]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_draws_from_smoke_records(name: str) -> None:
    layout, found = LAYOUTS[name], study(study_of(name))
    if isinstance(layout, RowsLayout | HeatLayout):
        page = layout_table(found, layout)
        (table,) = page.tables
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert "SMOKE RUNS, no result" in markdown(page)
        assert r"\begin{table}" in latex(page)
    if not isinstance(layout, RowsLayout):
        figure = layout_figure(name, layout, [found])
        assert figure.panels
        assert "SMOKE RUNS" in figure.title
        assert all(panel.describe.strip(".; ") for panel in figure.panels)
        assert figure_file(figure, "svg").startswith(b"<?xml")


def test_the_tables_of_000_have_their_rows_and_columns() -> None:
    found = study("paper", "whole")
    wanted_rows = {"table-4": 5, "table-5": 2, "table-6": 6}
    for name, rows in wanted_rows.items():
        (table,) = layout_table(found, LAYOUTS[f"000-{name}"]).tables  # type: ignore[arg-type]
        assert len(table.rows) == rows
        assert "Not in this study" not in table.caption
    (six,) = layout_table(found, LAYOUTS["000-table-6"]).tables  # type: ignore[arg-type]
    assert [row[:3] for row in six.texts()] == [
        ("Temperature", "2", "0.5"), ("Temperature", "4", "0.5"), ("Temperature", "6", "0.5"),
        ("Loss balancing", "4", "0.3"), ("Loss balancing", "4", "0.5"), ("Loss balancing", "4", "0.7"),
    ]  # fmt: skip
    (four,) = layout_table(found, LAYOUTS["000-table-4"]).tables  # type: ignore[arg-type]
    assert four.texts()[0][:3] == ("ResNet-50", "Teacher", "23.70")
    cell = found.facts("main/mobilenetv2/kd-T4-a0.5")
    values = cell.values("test_top5")
    assert four.texts()[2][6] == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    (five,) = layout_table(found, LAYOUTS["000-table-5"]).tables  # type: ignore[arg-type]
    gain = next(one for one in found.gains() if one.a == cell.cell)
    assert five.texts()[0][3].startswith(f"{gain.mean_diff:+.2f} (".replace("-", "−"))


def test_table_2_of_001_is_whole() -> None:
    """Sixteen rows; two teachers at nine temperatures each, in the order of the source."""
    (table,) = layout_table(study("temperature/starts_pets", "whole"), LAYOUTS["001-table-2"]).tables  # type: ignore[arg-type]
    assert [row[0] for row in table.texts()][:5] == [
        "RN18, Rand",
        "RN18, TT",
        "RN18, IN1K",
        "RN18, FT",
        "MNv4, Rand",
    ]
    assert len(table.rows) == 16
    assert {len(row) for row in table.rows} == {1 + 2 * 9}
    assert table.columns[1].heading == "RN50, T = 1"


def test_entropies_are_of_training_images_where_they_were_kept() -> None:
    """Table 1 of 001: of training images; of test images, and said so, with records that kept no others."""
    layout, found = LAYOUTS["001-table-1"], study("temperature/teachers_pets")
    assert isinstance(layout, HeatLayout)
    (table,) = layout_table(found, layout).tables
    assert {row[1:3] for row in table.texts()} == {(f"{SOFT.entropy[0]:.3f}", f"{SOFT.rest[0]:.3f}")}
    assert "on training images" in table.caption
    old = replace(found, soft_outputs=lambda cell, images: (SOFT,) if images == "test" else ())
    (table,) = layout_table(old, layout).tables
    assert {row[1:3] for row in table.texts()} == {("0.310", "0.900")}
    assert "keep nothing of training images" in table.caption
    other = replace(study("temperature/methods_cifar100"), soft_outputs=old.soft_outputs)
    figure = layout_figure("x", LAYOUTS["001-figure-4"], [other])  # type: ignore[arg-type]
    assert "keep nothing of training images" in figure.caption


def test_wanted_cells_that_are_missing_are_named() -> None:
    page = layout_table(study("paper"), LAYOUTS["000-table-6"])  # type: ignore[arg-type]
    assert "Not in this study: ablation/mobilenetv2/kd-T4-a0.5" in page.tables[0].caption
    with pytest.raises(InputError, match="none of the cells that this layout wants: small/resnet18"):
        wanted(study("paper"), ["small/resnet18/{baseline,kd}"])
    with pytest.raises(InputError, match="capacity_cifar10 has none of the cells"):
        layout_figure("x", LAYOUTS["000-figure-2"], [study("capacity_cifar10")])  # type: ignore[arg-type]


def test_the_origins_of_table_1_stand_in_the_order_of_the_source() -> None:
    (table,) = layout_table(study("temperature/teachers_pets", "whole"), LAYOUTS["001-table-1"]).tables  # type: ignore[arg-type]
    rows = [row[0] for row in table.texts()]
    assert len(rows) == 19
    assert rows[:6] == [*(f"RN50, {n}" for n in (20, 50, 200, 400)), "RN50, 400 (random)", "ViT-S, 20"]
    assert "Not in this study" not in table.caption


def test_of_two_names_one_is_enough() -> None:
    found = wanted(study("notebook/cifar10"), ["teacher|teacher/r56"], teachers=True)
    assert ([cell.cell for cell in found.cells], found.missing) == (["teacher/r56"], ())
    with pytest.raises(InputError, match="none of the cells that this layout wants: a"):
        wanted(study("notebook/cifar10"), ["a|b"])


def test_alternatives_and_order() -> None:
    assert alternatives("a/{b,c}-T{1,2}") == ["a/b-T1", "a/b-T2", "a/c-T1", "a/c-T2"]
    assert sorted(["kd-T10", "kd-T4", "kd-T4-b", "baseline"], key=natural) == [
        "baseline",
        "kd-T4",
        "kd-T4-b",
        "kd-T10",
    ]


def test_a_line_is_the_cells_mean_and_the_grey_ones_have_no_colour() -> None:
    from matplotlib.figure import Figure as Drawing

    found = study("temperature/training_pets", "edges")
    figure = layout_figure("x", LAYOUTS["001-figure-3"], [found])  # type: ignore[arg-type]
    assert len(figure.panels) == 2 * 2 * 2 * 2
    axes = Drawing().add_subplot()
    figure.panels[0].draw(axes)
    lines = axes.get_lines()
    assert len(lines) == 2, "the shortest and the longest length"
    longest = found.facts("training/r18/kd-T40-a0-no-t2-r50-adamw-bs64-e1024")
    assert lines[-1].get_ydata()[-1] == pytest.approx(longest.mean("test_top1"))
    assert lines[0].get_color() != lines[-1].get_color()


def test_several_studies_stand_side_by_side() -> None:
    both = [study("temperature/methods_pets"), study("temperature/methods_cifar100")]
    figure = layout_figure("x", LAYOUTS["001-figure-1"], both)  # type: ignore[arg-type]
    assert len(figure.panels) == 8
    assert {panel.title.split(":")[0] for panel in figure.panels} == {"methods_pets", "methods_cifar100"}
    assert [key.text for key in figure.keys][:3] == ["KD", "DKD", "EA-KD"]
    assert len(figure.keys) == 8


def test_panels_are_a_grid_of_their_settings() -> None:
    """As in the source: a row for each optimiser and batch size, a column for each teacher and student."""
    found = study("temperature/training_cifar100", "edges")
    figure = layout_figure("x", LAYOUTS["001-figure-2"], [found])  # type: ignore[arg-type]
    titles = [panel.title for panel in figure.panels]
    assert figure.columns == 4
    assert titles[:5] == [
        "AdamW, batch 64, RN50, RN18",
        "AdamW, batch 64, RN50, MNv4",
        "AdamW, batch 64, ViT-S, RN18",
        "AdamW, batch 64, ViT-S, MNv4",
        "AdamW, batch 256, RN50, RN18",
    ]
    assert titles[-1] == "SGD, batch 256, ViT-S, MNv4"
    assert [key.text for key in figure.keys] == ["32 epochs", "512 epochs"]


def test_two_cells_of_one_name_are_told_apart() -> None:
    figure = layout_figure("x", LAYOUTS["004-curves"], [study("notebook/cifar100_resnet18")])  # type: ignore[arg-type]
    told = figure.panels[0].describe
    assert "Student (Distilled)" not in told
    assert "kd-T10-a0.2-clean: " in told
    assert "kd-T10-a0.2-same: " in told


def test_entropies_are_spoken_of_where_there_are_any() -> None:
    layout = LAYOUTS["001-table-1"]
    found = replace(study("temperature/teachers_pets"), softness=(), soft_outputs=None)
    assert isinstance(layout, HeatLayout)
    assert "relative" not in layout_figure("x", layout, [found]).caption
    (table,) = layout_table(found, layout).tables
    assert "Ĥ" not in f"{table.caption} {[column.heading for column in table.columns]}"


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_label_smoothing_of_a_given_entropy(classes: int) -> None:
    for entropy in (0.05, 0.5, 0.99):
        p = smoothed(entropy, classes)
        assert p.sum() == pytest.approx(1)
        assert -(p * np.log(p)).sum() / np.log(classes) == pytest.approx(entropy, abs=1e-6)
        assert p[0] >= p[-1]


def test_softened_outputs_are_those_of_the_records() -> None:
    from matplotlib.figure import Figure as Drawing

    layout = LAYOUTS["004-softened"]
    assert isinstance(layout, SoftenedLayout)
    figure = layout_figure("x", layout, [study("notebook/cifar10")])
    axes = Drawing().add_subplot()
    figure.panels[2].draw(axes)
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(SOFT.softened[3, 6].tolist())
    sorted_layout = LAYOUTS["001-figure-4"]
    assert isinstance(sorted_layout, SortedLayout)
    bare = evidence(analyze(pd.DataFrame(ROWS)), pd.DataFrame(ROWS))
    with pytest.raises(InputError, match="has none of the cells"):
        layout_figure("x", sorted_layout, [bare])


ROWS = [
    {
        "cell": f"main/s/{name}",
        "method": "kd" if distils else "baseline",
        "seed": seed,
        "test_top1": 70 + distils + seed / 7,
        "student": "s",
        "group": "main",
    }
    for distils, name in enumerate(("baseline", "kd-T4-a0.5"))
    for seed in range(3)
]

OWN = """\
publication: mine
source: a test
layouts:
  curves: {kind: curves, title: Over T, cells: "main/{plain,dropping}/kd-T{1,4}-a0.5", panels: student}
  soft: {kind: softened, title: Softened, T: [1, 40], target: 2}
  sorted: {kind: sorted_softmax, title: Sorted, T: [4]}
  training: {kind: epochs, title: Epochs, cells: main/*, columns: [val_loss]}
  table:
    kind: rows
    title: Mine
    rows: [{cells: [teacher, main/*]}]
    columns:
      - {heading: cell, show: cell}
      - {heading: batch, show: batch_size}
      - {heading: gain, gain: test_top1}
"""


def test_layouts_of_a_file_from_real_records(finished: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    results = str(finished / "results" / "tiny")
    done = rigorkd("table", results, "--layout", "own.yaml", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    assert "| main/plain/kd-T4-a0.5 | 16 |" in done.stdout
    assert "| teacher |" in done.stdout
    drawn = rigorkd("figures", results, "--layout", "own.yaml", "--out", "figs", "--format", "svg")
    assert drawn.returncode == 0, drawn.stderr
    names = {path.name for path in (tmp_path / "figs").iterdir()}
    assert names == {f"own-{name}.svg" for name in ("curves", "soft", "sorted", "training")}
    one = rigorkd("figures", results, "--layout", "own.yaml/curves", "--out", "one", "--format", "svg")
    assert one.returncode == 0, one.stderr
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["own-curves.svg"]
    assert (tmp_path / "one" / "own-curves.svg").read_bytes() == (
        tmp_path / "figs" / "own-curves.svg"
    ).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table", "--layout", "gain"], "did you mean 'gains'"),
        (["table", "--layout", "000"], "has 3 tables"),
        (["table", "--layout", "000/table-7"], "did you mean '000/table-6'"),
        (["table", "--layout", "000/figure-2"], "has 0 tables"),
        (["table", "--layout", "000/table-4", "--group", "main"], "--group is for"),
        (["table", "--layout", "000/table-4", "--format", "csv"], "no format csv"),
        (["table", "--layout", "wrong.yaml"], "wrong.yaml:5:11"),
        (["figures", "--layout", "005"], "unknown layout '005'"),
        (["figures", "--layout", "000/table-4"], "is a table"),
        (["figures", "--layout", "none.yaml"], "no such file"),
        (["figures", "--layout", "002/table-clip"], "is a table"),
        (["figures", "--layout", "001/figure-2"], "none of the cells"),
        (["figures", "--layout", "001"], "none of the figures"),
    ],
)
def test_bad_input_is_one_message(tmp_path: Path, rigorkd: Rigorkd, words: list[str], message: str) -> None:
    pd.DataFrame(ROWS).to_csv(tmp_path / "runs.csv", index=False)
    (tmp_path / "wrong.yaml").write_text(
        "publication: x\nsource: x\nlayouts:\n  a:\n    kind: row\n    title: x\n    cells: x\n"
    )
    done = rigorkd(words[0], "runs.csv", *words[1:])
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
