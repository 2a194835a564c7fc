"""A row of a paper's table begins with the data set and the student, each under its own heading."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.errors import InputError

MEANS = {"scratch": 70.0, "KD": 72.0, "AT": 71.5}
COLUMNS = ("data", "student_net", "approach", "tau", "rng_seed", "acc")


def write(folder: Path, *without: str) -> Path:
    """Two data sets, two students, three methods (one at two temperatures) over four seeds."""
    rows = []
    for at, data in enumerate(("CIFAR-100", "tinyimagenet")):
        for net in ("resnet8x4", "vgg8"):
            for approach, mean in MEANS.items():
                for tau in ("2", "4") if approach == "KD" else ("",):
                    for seed in range(4):
                        noise = (seed * 7 + len(net) + len(approach) + len(tau) * seed) % 5 / 10
                        rows.append((data, net, approach, tau, str(seed), f"{mean - 20 * at + noise:.2f}"))
    kept = [at for at, name in enumerate(COLUMNS) if name not in without]
    if "student_net" in without:
        rows = [row for row in rows if row[1] == "vgg8"]
    path = folder / "runs.csv"
    lines = [COLUMNS, *rows]
    path.write_text("".join(",".join(line[at] for at in kept) + "\n" for line in lines))
    return path


def heads(path: Path, layout: str, *more: str) -> tuple[list[str], list[list[str]]]:
    words = ["table", str(path), "--metric", "acc", "--baseline", "scratch", "--layout", layout, *more]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    cells = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in (lines[0], *lines[2:])]
    return cells[0], cells[1:]


@pytest.mark.parametrize("layout", ["gains", "overall", "ablation"])
def test_a_data_set_stands_under_its_own_heading(tmp_path: Path, layout: str) -> None:
    heading, rows = heads(write(tmp_path), layout)
    assert heading[:2] == ["data set", "model" if layout == "overall" else "student"]
    assert {row[0] for row in rows} == {"CIFAR-100", "tinyimagenet"}
    assert {row[1] for row in rows} == {"resnet8x4", "vgg8"}


def test_rows_stand_below_their_baseline_and_say_each_part_once(tmp_path: Path) -> None:
    """Also where the data set comes last in a cell's name."""
    path = write(tmp_path)
    cell = ("--cell", "student_net,approach,tau,data")
    _, rows = heads(path, "overall", *cell)
    of = [row[1].rpartition("/")[2].partition("-T")[0] for row in rows]
    assert len(of) == 16
    assert [of.index(one) for one in dict.fromkeys(of)] == [0, 4]
    assert [row[-1] for row in rows].count("") == 4
    for at, row in enumerate(rows):
        assert (row[-1] == "") == (at % 4 == 0)
    heading, rows = heads(path, "gains", *cell)
    averages = [row[heading.index("method")] for row in rows if "average" in "".join(row)]
    assert averages == ["KD: average of 2 (T)"] * 4


@pytest.mark.parametrize("layout", ["gains", "overall", "ablation"])
def test_where_no_student_is_known_none_is_named(tmp_path: Path, layout: str) -> None:
    for more in ((), ("--average", "student_net")):
        path = write(tmp_path, *[] if more else ["student_net"])
        heading, rows = heads(path, layout, *more)
        assert heading[0] == "data set"
        assert not {"student", "model"} & set(heading)
        assert {row[0] for row in rows} == {"CIFAR-100", "tinyimagenet"}


def test_without_data_sets_the_student_leads(tmp_path: Path) -> None:
    heading, rows = heads(write(tmp_path), "gains", "--average", "data")
    assert heading[0] == "student"
    assert {row[0] for row in rows} == {"resnet8x4", "vgg8"}


def test_the_section_on_settings_names_the_factors_that_vary(tmp_path: Path) -> None:
    words = ["report", str(write(tmp_path)), "--metric", "acc", "--baseline", "scratch"]
    page = tmp_path / "page.html"
    done = CliRunner().invoke(cli, [*words, "--out", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "Does T matter at all?" in text
    assert ">Temperature<" in text
    assert "Temperature and α" not in text


def test_a_table_without_settings_is_told_what_columns_they_are(tmp_path: Path) -> None:
    """Not how a protocol writes a grid, of which a table has none."""
    path = write(tmp_path, "tau")
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if ",KD," not in line)
    )
    words = ["table", str(path), "--metric", "acc", "--baseline", "scratch", "--layout", "ablation"]
    with pytest.raises(InputError) as told:
        CliRunner().invoke(cli, words, catch_exceptions=False)
    assert "columns are called T, tau, temperature or alpha" in told.value.hint
    assert "kd: [" not in told.value.hint


@pytest.mark.parametrize("layout", ["gains", "overall", "ablation"])
def test_a_caption_says_where_lower_is_better(tmp_path: Path, layout: str) -> None:
    """A gain of −0.59 is better there, which a reader of the table alone cannot know."""
    path = write(tmp_path)
    for goal in ("min", "max"):
        words = ["table", str(path), "--metric", "acc", "--goal", goal, "--baseline", "scratch"]
        done = CliRunner().invoke(cli, [*words, "--layout", layout], catch_exceptions=False)
        assert ("lower is better" in done.stdout) == (goal == "min")
