"""What a terminal shows unless all is asked for: the answer, the comparisons, what to do next; one page."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.protocol.load import load_protocol
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.render.terminal import show
from rigorkd.report.row_names import common_start
from rigorkd.report.sources import from_csv, from_study

from .conftest import PROTOCOL

DIGITS = Path(__file__).parents[2] / "protocols" / "digits.yaml"


@pytest.fixture(scope="module")
def study(made, tmp_path_factory) -> Path:
    """The digits study with made-up accuracies of 400 images: 18 gains, 4 contrasts."""
    draw = np.random.default_rng(0)
    shared = draw.normal(0, 0.4, 5)
    cells = [cell.name for cell in load_protocol(DIGITS).cells if cell.role == "student"]
    values = {cell: (np.round(4 * (95 + shared + draw.normal(0, 0.5, 5))) / 4).tolist() for cell in cells}
    folder = tmp_path_factory.mktemp("digits")
    return made(folder, values, text=DIGITS.read_text(), teacher=97.0)


def lines(study: Path, **asked: object) -> list[str]:
    stream = io.StringIO()
    show(short_page(analysis_of(from_study(study), Question(**asked), images=False)), stream)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_digits_fit_on_a_page_of_80_columns(study):
    shown = lines(study)
    assert len(shown) <= 78
    assert max(map(len, shown)) <= 80
    assert shown[0].startswith("Average gain over the baseline (planned): ")
    titles = ("Gains over the baseline: main/…", "Contrasts", "What next")
    assert [line for line in shown if line in titles] == [*titles]
    text = "\n".join(shown)
    for word in ("cnn16/kd-T4-a0.5", "inconclusive", "“a cool teacher beats a warm one”"):
        assert word in text  # no word is broken
    assert "95 % CI of all" in text
    assert "Holm p" in text
    assert "rigorkd report" in text


def test_all_shows_the_rest(study):
    short, whole = (
        CliRunner().invoke(cli, ["analyze", *more, str(study)]).stdout for more in ([], ["--all"])
    )
    assert len(short.splitlines()) < 83 < len(whole.splitlines())
    for title in ("Cells", "Teachers", "Notes", "In words"):
        assert f"\n{title}\n" in whole or title == "Teachers"
        assert f"\n{title}\n" not in short


def test_a_study_in_progress_fits_too(made, tmp_path):
    study = made(tmp_path, {"main/plain/baseline": (70.0, 71.0)}, seeds=range(5))
    shown = lines(study)
    assert shown[0] == "In progress: 2 of 15 runs are finished, 0 of 5 seeds complete."
    assert max(map(len, shown)) <= 80


def test_figures_of_a_study_in_progress_say_how_far_it_is(made, tmp_path):
    study = made(tmp_path, {"main/plain/baseline": (70.0, 71.0)}, seeds=range(5))
    done = CliRunner().invoke(cli, ["figures", str(study)])
    assert done.exit_code == 0
    assert "In progress: 2 of 15 runs are finished, 0 of 5 seeds complete." in done.stdout
    assert "No figures are drawn before that." in done.stdout
    assert not (study / "figures").exists()


def test_what_next_after_a_second_look(made, tmp_path):
    values = {"main/plain/baseline": (70.0, 71.0, 70.5), "main/plain/kd-T1-a0.5": (70.5, 71.2, 71.0)}
    values["main/plain/kd-T4-a0.5"] = values["main/plain/kd-T1-a0.5"]
    study = made(tmp_path, values)
    (study / "looks.jsonl").write_text('{"n": 2, "seeds": [0, 1], "metric": "test_top1", "time": ""}\n')
    text = " ".join(lines(study))
    assert "--sequential does, or seeds that no look has seen" in text
    assert "--seeds FIRST:END" in text
    assert "seeds detect, with 80 % power" not in text


def test_folders_that_all_cells_share_are_dropped():
    assert common_start(["main/a/kd-1", "main/a/kd-2"]) == "main/a/"
    assert common_start(["main/a/kd-1 vs main/a/kd-2", "“both gain”"]) == "main/a/"
    assert common_start(["main/a/kd-1", "main/b/kd-1"]) == "main/"
    assert common_start(["kd-1", "kd-2"]) == ""
    heading = "Table 1 - Pool (100 epochs)/"
    assert common_start([f"{heading}No Aug", "Table 2 - Pool (100 epochs)/Tiered ETS"]) == ""
    assert common_start([f"{heading}No Aug vs {heading}Tiered ETS"]) == heading
    assert common_start(["Pool (a/b)", "Pool (a/c)"]) == ""
    assert common_start(["main/kd: average of 2 (T/a)", "main/dkd"]) == "main/"
    assert common_start(["x/kd-1", "y/kd-2"]) == ""
    assert common_start(["DTD/ResNet-18, S1 vs DTD/ResNet-18, probe"]) == "", "a stranger's value is whole"
    assert common_start(["main/kd (T, alpha)", "main/dkd"]) == "main/"


def csv(path: Path, methods: tuple[str, ...]) -> Path:
    """A baseline and these methods on one student, five seeds."""
    rows = ["student,method,seed,test_top1"]
    for at, method in enumerate(("baseline", *methods)):
        rows += [f"r8,{method},{seed},{70 + 0.1 * seed + 0.05 * (seed * at % 3) + at}" for seed in range(5)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_lone_gain_is_said_and_shown_once(tmp_path):
    found = analysis_of(from_csv(csv(tmp_path / "runs.csv", ("kd",))), Question())
    assert [family.name for family in found.families] == ["gains"]
    page = short_page(found)
    assert [table.title.split(" (")[0] for table in page.tables] == ["Gains over the baseline"]
    assert [line.split(" (")[0] for line in page.headline] == ["Gains over the baseline"]


def test_the_question_that_leads_stands_first_in_headline_and_tables(made, tmp_path):
    text = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.5\n  primary: main/plain/kd-T4-a0.5")
    values = {
        "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75),
        "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5),
        "main/plain/kd-T4-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75),
    }
    found = analysis_of(from_study(made(tmp_path, values, text=text)), Question())
    for page in (short_page(found), analysis_page(found)):
        assert page.headline[0].startswith("Primary gain")
        assert page.tables[0].title.startswith("Primary gain")


def test_a_primary_question_is_answered_in_words_even_if_open(made, tmp_path):
    text = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.5\n  primary: main/plain/kd-T4-a0.5")
    values = {
        "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75),
        "main/plain/kd-T1-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75),
        "main/plain/kd-T4-a0.5": (71.5, 70.0, 71.0, 69.25, 70.5),
    }
    found = analysis_of(from_study(made(tmp_path, values, text=text)), Question())
    primary = found.family("primary").comparisons[0]
    assert primary.verdict == "inconclusive"
    assert primary.says in repr(analysis_page(found))


@pytest.mark.parametrize(("many", "left"), [(6, 0), (7, 0), (8, 2)])
def test_one_warning_more_than_are_shown_is_shown_itself(study, many, left):
    found = analysis_of(from_study(study), Question(), images=False)
    quiet = tuple(
        replace(f, comparisons=tuple(replace(c, warnings=()) for c in f.comparisons)) for f in found.families
    )
    page = short_page(replace(found, families=quiet, warnings=tuple(f"w{at}" for at in range(many))))
    texts = [one.whole for one in page.warnings]
    assert texts == [f"w{at}" for at in range(many - left)] + [f"{left} more warnings: --all"] * bool(left)


def test_what_is_doubted_is_shown_before_what_was_chosen(study):
    found = analysis_of(from_study(study), Question(), images=False)
    quiet = tuple(
        replace(f, comparisons=tuple(replace(c, warnings=()) for c in f.comparisons)) for f in found.families
    )
    told = ("chosen seeds: 3 of 5 finished ones are judged", *(f"w{at}" for at in range(7)))
    page = short_page(replace(found, families=quiet, warnings=told))
    assert [one.whole for one in page.warnings] == [f"w{at}" for at in range(6)] + ["2 more warnings: --all"]
    assert all("Note: chosen seeds: 3 of 5" in table.caption for table in page.tables)
