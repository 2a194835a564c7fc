"""Tables and figures of a person's own layouts, as the command line prints them: stamped where what they show
is at chance, with axes that say what they are of, and with advice that works as it is typed."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.report.render.latex import prose
from tests.report.conftest import PROTOCOL

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

TWO = PROTOCOL.replace(
    "students: {plain: {model: {name: cnn, channels: [4]}}}",
    "students: {thin: {model: {name: cnn, channels: [4]}}, wide: {model: {name: cnn, channels: [8]}}}",
).replace("alpha: 0.5}", "alpha: [0.1, 0.5]}")
TWO = TWO.partition("  contrasts:")[0]

LAYOUTS = """\
publication: mine
source: a test
layouts:
  rows-wide: {kind: rows, title: Rows, rows: [{cells: "main/wide/*"}], columns: &columns [
    {heading: cell, show: cell}, {heading: Top-1, metric: test_top1}, {heading: gain, gain: test_top1}]}
  rows-thin: {kind: rows, title: Rows, rows: [{cells: "main/thin/kd-*"}], columns: *columns}
  rows-teacher: {kind: rows, title: Rows, rows: [{cells: teacher}], columns: *columns}
  grid-wide: {kind: heat, title: Grid, cells: "main/wide/kd-*", down: T, across: alpha}
  grid-thin: {kind: heat, title: Grid, cells: "main/thin/kd-*", down: alpha, across: T}
  lines-wide: {kind: curves, title: Lines, cells: "main/wide/kd-*", panels: student, lines: alpha}
  lines-both: {kind: curves, title: Lines, cells: "main/*/kd-*", panels: student, lines: T, x: alpha}
  best-wide: {kind: catalog, title: Best, cells: "main/wide/*", figures: [best, gains]}
"""
STAMP = "AT CHANCE (baseline main/thin/baseline): "


@pytest.fixture
def study(made: Callable[..., Path], tmp_path: Path) -> Path:
    """Two students, of which the baseline of one has learnt nothing."""
    values = {}
    for student, start in (("thin", 10.0), ("wide", 60.0)):
        values[f"main/{student}/baseline"] = tuple(start + step / 4 for step in (0, 1, -1, 2, -2))
        for at, name in enumerate(f"kd-T{T}-a{alpha}" for T in (1, 4) for alpha in (0.1, 0.5)):
            values[f"main/{student}/{name}"] = tuple(start + 8 + at + step / 5 for step in (0, 2, -1, 1, -2))
    (tmp_path / "mine.yaml").write_text(LAYOUTS)
    return made(tmp_path, values, text=TWO, teacher=70.0)


def words_in(figure: Path) -> list[str]:
    """What stands in a figure: its text is outlines, each with a comment that says it."""
    return re.findall(r"<!-- (.*?) -->", figure.read_text())


def test_a_stamp_stands_where_what_is_at_chance_is_shown_or_compared_with(
    study: Path, tmp_path: Path, rigorkd: Rigorkd
) -> None:
    stamped = {}
    for name in ("rows-wide", "rows-thin", "rows-teacher", "grid-wide", "grid-thin"):
        done = rigorkd("table", study, "--layout", f"mine.yaml/{name}")
        assert done.returncode == 0, done.stderr
        stamped[name] = done.stdout.startswith(f"### {STAMP}")
        assert ("CHANCE" in done.stdout) == stamped[name]
        assert "AT CHANCE: the baseline main/thin/baseline is near chance" in done.stderr
    assert [name for name, is_so in stamped.items() if is_so] == ["rows-thin", "grid-thin"]
    done = rigorkd("figures", study, "--layout", "mine.yaml", "--out", "figs", "--format", "svg")
    assert done.returncode == 0, done.stderr
    drawn = {file.stem: " ".join(words_in(file)) for file in (tmp_path / "figs").iterdir()}
    assert len(drawn) == 5
    assert {name for name, text in drawn.items() if "CHANCE" in text} == {"mine-grid-thin", "mine-lines-both"}
    done = rigorkd("figures", study, "--out", "all", "--format", "svg")
    assert done.returncode == 0, done.stderr
    assert all("AT CHANCE" in " ".join(words_in(file)) for file in (tmp_path / "all").iterdir())


def test_what_is_not_certain_keeps_its_stamp(tmp_path: Path, rigorkd: Rigorkd) -> None:
    """More baselines at chance than a warning names; and no cell that is better than guessing."""
    layout = "{kind: rows, title: T, rows: [{cells: good*}], columns: [{heading: c, show: cell}]}"
    (tmp_path / "one.yaml").write_text(f"publication: one\nsource: a test\nlayouts:\n  table: {layout}\n")
    for students, low, stamp in ((2, 60, ""), (8, 60, "AT CHANCE (baselines "), (2, 10, "AT CHANCE: T")):
        lines = ["cell,student,method,seed,classes,test_top1"]
        for student in ("good", *(f"s{at}" for at in range(students - 1))):
            start = low if student == "good" else 10
            for method in ("baseline", "kd"):
                end = start + 20 * (method == "kd" and low > 10)
                lines += [f"{student}-{method},{student},{method},{s},10,{end + s % 2 / 4}" for s in range(4)]
        (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
        done = rigorkd("table", "runs.csv", "--layout", "one.yaml")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"### {stamp or 'T'}"), done.stdout


def test_a_table_of_one_group_has_the_stamp_of_that_group(tmp_path: Path, rigorkd: Rigorkd) -> None:
    lines = ["cell,group,student,method,seed,classes,test_top1"]
    for group, low in (("bad", 10), ("good", 60)):
        for method, more in (("baseline", 0), ("kd", 20)):
            lines += [f"{group}/s/{method},{group},s,{method},{s},10,{low + more + s % 2}" for s in range(4)]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    shown = {}
    for group in ((), ("--group", "bad"), ("--group", "good")):
        done = rigorkd("table", "runs.csv", "--layout", "gains", *group)
        assert done.returncode == 0, done.stderr
        shown[group[-1:]] = done.stdout.startswith("### AT CHANCE (baseline bad/s/baseline): ")
    assert shown == {(): True, ("bad",): True, ("good",): False}


def test_the_names_of_tables_are_such_as_can_be_typed(study: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    (tmp_path / "own folder").mkdir()
    (tmp_path / "own folder" / "a-b.yaml").write_text(LAYOUTS)
    for layout in ("mine.yaml", tmp_path / "mine.yaml", "own folder/a-b.yaml", "000"):
        done = rigorkd("table", study, "--layout", layout)
        assert done.returncode == 2
        names = shlex.split(done.stderr.partition("name one: ")[2].replace(", ", " "))
        assert len(names) == (3 if layout == "000" else 5), done.stderr
        for name in names[:1] if layout == "000" else names[-2:]:
            assert rigorkd("table", study, "--layout", name).returncode == 0, name
    wrong = rigorkd("table", study, "--layout", "mine.yaml/grid-wid")
    assert "did you mean 'mine.yaml/grid-wide'?" in " ".join(wrong.stderr.split())


def test_the_names_of_figures_are_such_as_can_be_typed(study: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    (tmp_path / "none.yaml").write_text(LAYOUTS.replace("main/", "other/"))
    none = rigorkd("figures", study, "--layout", "none.yaml", "--out", "figs")
    assert none.returncode == 2
    assert "name one of: none.yaml/grid-wide, none.yaml/grid-thin, none.yaml/lines-wide" in none.stderr
    assert "none.yaml/grid-wide is left out: " in none.stderr
    (tmp_path / "some.yaml").write_text(LAYOUTS.replace("main/wide", "other/wide"))
    some = rigorkd("figures", study, "--layout", "some.yaml", "--out", "figs", "--format", "svg")
    assert some.returncode == 0
    left = re.findall(r"(\S+) is left out: ", some.stderr)
    assert "some.yaml/best-wide" in left
    alone = rigorkd("figures", study, "--layout", left[0], "--out", "figs")
    assert "none of the cells" in alone.stderr


def test_an_axis_says_what_it_is_of(study: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    wide = rigorkd("table", study, "--layout", "mine.yaml/grid-wide").stdout
    assert "| T | α = 0.1 | α = 0.5 |" in wide
    assert "*Of student wide, method kd. test top-1: means over 5 seeds" in wide
    thin = rigorkd("table", study, "--layout", "mine.yaml/grid-thin").stdout
    assert "| α | T = 1 | T = 4 |" in thin
    assert "| α = 0.1 |" in thin
    done = rigorkd("figures", study, "--layout", "mine.yaml", "--out", "figs", "--format", "svg")
    told = {name: set(words_in(tmp_path / "figs" / f"mine-{name}.svg")) for name in NAMED}
    assert [(name, left) for name in NAMED if (left := NAMED[name] - told[name])] == []
    assert "mine-lines-both: Of method kd. 95 % intervals" in done.stderr
    assert "mine-grid-wide: Of student wide, method kd. Means" in done.stderr


NAMED = {
    "lines-wide": {"temperature T", "α = 0.1", "α = 0.5"},
    "lines-both": {"α, the weight of the labels", "T = 1", "T = 4"},
    "grid-wide": {"α, the weight of the labels", "T = 1", "T = 4"},
    "grid-thin": {"temperature T", "α = 0.1", "α = 0.5"},
}


def test_settings_of_ones_own_say_what_they_are_of(tmp_path: Path, rigorkd: Rigorkd) -> None:
    """As of the user's commands, with names that rigorkd has no words for."""
    (tmp_path / "train.py").write_text(
        "import json, sys\nprint(json.dumps({'accuracy': len(str(sys.argv))}))\n"
    )
    (tmp_path / "own.yaml").write_text(
        "rigorkd: 1\nstudy: own\nstudents: [s]\nseeds: 2\n"
        "trainer: {command: \"python train.py {method} '{w}' '{alpha}' {seed}\", metrics: {accuracy: max}, "
        "result: stdout}\n"
        "groups: {main: {baseline: {w: 0, alpha: 0}, crd: {w: [0.25, 0.75], alpha: [0.5, 1]}}}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "publication: mine\nsource: a test\nlayouts:\n"
        "  grid: {kind: heat, title: G, cells: '*crd*', down: alpha, across: w, metric: accuracy}\n"
        "  lines: {kind: curves, title: L, cells: '*crd*', x: alpha, lines: w, metric: accuracy}\n"
    )
    done = rigorkd("run", "own.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    done = rigorkd("table", "results/own", "--layout", "mine.yaml/grid")
    assert "| α | w = 0.25 | w = 0.75 |" in done.stdout, done.stderr
    assert "Of student s, method crd. accuracy" in done.stdout
    rigorkd("figures", "results/own", "--layout", "mine.yaml", "--out", "figs", "--format", "svg")
    assert {"w", "α = 0.5", "α = 1"} <= set(words_in(tmp_path / "figs" / "mine-grid.svg"))
    assert {"α", "w = 0.25", "w = 0.75"} <= set(words_in(tmp_path / "figs" / "mine-lines.svg"))


def test_a_command_in_a_caption_is_code_in_latex(study: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("table", study, "--layout", "mine.yaml/grid-wide", "--format", "latex")
    (caption,) = re.findall(r"\\caption\{(.*)\}", done.stdout)
    assert r"\texttt{rigorkd analyze} says which cells may be" in caption
    assert "`" not in done.stdout
    assert prose("50 %: `rigorkd logs --study a_b`") == r"50 \%: \texttt{rigorkd logs -{}-study a\_b}"


def test_two_cells_in_one_place_of_a_table_are_refused(study: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    (tmp_path / "both.yaml").write_text(
        LAYOUTS.replace('Grid, cells: "main/wide/kd-*"', "Grid, cells: 'main/*/kd-*'")
    )
    done = rigorkd("table", study, "--layout", "both.yaml/grid-wide")
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert "main/thin/kd-T1-a0.1 and main/wide/kd-T1-a0.1 have one place in this table: T = 1" in told
