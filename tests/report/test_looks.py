"""Accidental looks: before the planned seeds are complete a study shows how far it is, and notes nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rigorkd_analysis.analysis_plan import POOL, Plan
from rigorkd_analysis.results import Analysis, Comparison
from rigorkd_analysis.stats.sequential import error_of_looks

from rigorkd.cli.main import cli
from rigorkd.errors import InputError
from rigorkd.launch.growth import cost_of_growing, growth_of, is_repeated
from rigorkd.protocol.load import load_protocol
from rigorkd.records.interim import FILE, InterimAnalysis, listed_seeds, read_interim_analyses, seen_before
from rigorkd.records.study import read_info
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.emit import to_json
from rigorkd.report.figures.catalog import figures
from rigorkd.report.gather import gather
from rigorkd.report.headline import headline
from rigorkd.report.judging import Question, analysis_of, note
from rigorkd.report.page import Prose, flat
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import Source, from_csv, from_study

from .conftest import PROTOCOL

FIVE = {
    "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25, 69.75),
    "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5, 70.5, 70.25, 70.0),
    "main/plain/kd-T4-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75, 72.0, 72.25, 71.5),
}


def first(n: int, last: int | None = None) -> dict[str, tuple[float, ...]]:
    """The values of the first n seeds; the last cell has those of `last` alone."""
    rows = {cell: row[:n] for cell, row in FIVE.items()}
    return rows if last is None else {**rows, "main/plain/kd-T4-a0.5": FIVE["main/plain/kd-T4-a0.5"][:last]}


def look(study: Path, **asked: object) -> Analysis:
    """What `rigorkd analyze` shows, and notes."""
    source, question = from_study(study), Question(**asked)
    found = analysis_of(source, question)
    note(source, found, question)
    return found


def gains(found: Analysis) -> tuple[Comparison, ...]:
    family = found.family("gains")
    assert family is not None
    return family.comparisons


def verdicts(found: Analysis) -> set[str]:
    return {str(c.verdict) for c in gains(found)}


def test_before_the_planned_seeds_are_complete_nothing_is_judged_or_noted(made, tmp_path):
    study = made(tmp_path, first(4, last=3), seeds=range(5))
    found = look(study)
    assert (found.families, found.best, found.images, found.factorial) == ((), None, (), ())
    assert [(cell.n, cell.ci_low, cell.std_ci_low) for cell in found.cells] == [(4, None, None)] * 2 + [
        (3, None, None)
    ]
    assert found.progress is not None
    assert (found.progress.done, found.progress.total) == (11, 15)
    assert (found.progress.seeds_complete, found.progress.seeds) == (3, 5)
    assert not (study / FILE).exists()
    whole = look(made(tmp_path, first(5), seeds=range(5)))
    assert whole.progress is None
    assert verdicts(whole) == {"better"}
    assert [one.n for one in read_interim_analyses(study)] == [5]


COMMANDS = (
    ["analyze"],
    ["analyze", "--format", "json"],
    ["analyze", "--format", "csv"],
    ["report"],
    ["table", "--layout", "gains"],
    ["table", "--layout", "overall", "--format", "latex"],
    ["figures", "--format", "svg"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_looks_by_accident(made, tmp_path, monkeypatch, command):
    study = made(tmp_path, first(4, last=3), seeds=range(5))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [*command, str(study)])
    assert done.exit_code == 0, done.output
    shown = done.stdout + "".join(path.read_text() for path in study.glob("report.html"))
    for word in ("inconclusive", "better", "Holm p", "95 % CI", "p_adjusted"):
        assert word not in shown.split("<style")[0], word
    assert not list(study.glob("figures/gains*"))
    assert not (study / FILE).exists()


def test_an_interim_look_is_asked_for_and_counts(made, tmp_path):
    study = made(tmp_path, first(4, last=3), seeds=range(5))
    found = look(study, interim=True)
    assert found.progress is None
    assert verdicts(found) == {"inconclusive", "better"}
    (told,) = (
        text for text in found.warnings if text.startswith("interim look: 3 of 5 seeds are complete, ")
    )
    assert told.endswith(
        "; 4 of 15 runs are not there yet, so that no fixed-n verdict of all of them will be valid"
    )
    assert [(one.n, one.seeds) for one in read_interim_analyses(study)] == [(3, (0, 1, 2, 3, 4))]
    assert verdicts(look(study, interim=True)) == {"inconclusive", "better"}  # the same data: no second look
    whole = look(made(tmp_path, first(5), seeds=range(5)))
    assert verdicts(whole) == {"inconclusive"}
    assert "analysed before at n = 3" in (gains(whole)[0].not_valid or "")


def test_the_planned_seeds_are_those_of_the_latest_run_before_any_look(made, tmp_path):
    study = made(tmp_path, first(6, last=5), seeds=range(8))
    assert read_info(study).planned_seeds == tuple(range(8))
    made(tmp_path, first(6, last=5), seeds=range(5))
    assert (read_info(study).planned_seeds, read_info(study).seeds) == (tuple(range(5)), tuple(range(8)))
    found = look(study)
    assert {c.n for c in gains(found)} == {5}
    assert any("left out: 3 seeds (5:8)" in text for text in found.warnings)
    made(tmp_path, first(8), seeds=range(8))  # after the look the plan stays
    assert read_info(study).planned_seeds == tuple(range(5))


def test_seeds_asked_for_in_two_runs_before_any_look_are_all_judged(made, tmp_path):
    made(tmp_path, first(5), seeds=range(5))
    found = look(made(tmp_path, first(8), seeds=range(5, 8)))
    assert {c.n for c in gains(found)} == {8}
    assert verdicts(found) == {"better"}


def test_fresh_seeds_alone_stay_valid(made, tmp_path):
    look(made(tmp_path, first(5)))
    study = made(tmp_path, first(8))
    fresh = look(study, seeds=(5, 6, 7))
    assert {(c.n, c.not_valid) for c in gains(fresh)} == {(3, None)}
    assert fresh.families[0].planned
    assert {c.not_valid for c in gains(look(study, seeds=(0, 1, 2, 3, 4)))} == {None}
    assert verdicts(look(study)) == {"inconclusive"}
    mixed = gains(look(study, seeds=(4, 5, 6, 7)))[0]
    seen = "repeated look, not valid at alpha: analysed before at n = 1, 8, and 3 (seeds 5:8)"
    assert mixed.not_valid == seen
    with pytest.raises(InputError, match="1 seed asked for: 9:10"):
        look(study, seeds=(7, 9))


def test_which_earlier_looks_count():
    looks = [InterimAnalysis(len(seeds), seeds, "acc", "") for seeds in ((0, 1, 2), (0, 1, 2, 3, 4), (5, 6))]
    assert seen_before(looks, (0, 1, 2), "acc", 3) == ()
    assert seen_before(looks, (0, 1, 2, 3, 4), "acc", 5) == (3,)
    assert seen_before(looks, (0, 1), "acc", 2) == (3, 5)
    assert seen_before(looks, (4, 5), "acc", 2) == (1, 1)
    assert seen_before(looks, (0, 1, 2, 3, 4), "loss", 5) == (3,), "of the same runs"
    assert seen_before(looks, (0, 1, 2, 3, 4), "train_seconds", 5) == (), "what a run cost tells nothing"


def test_seeds_are_written_as_they_are_asked_for():
    assert [listed_seeds(seeds) for seeds in ((5, 6, 7), (3,), (7, 3, 11))] == ["5:8", "3:4", "3,7,11"]


def test_what_more_seeds_cost_is_said_beforehand(made, tmp_path):
    study = made(tmp_path, first(5))
    assert cost_of_growing(study, range(8)) == ""
    look(study)
    assert cost_of_growing(study, range(5)) == ""
    text = cost_of_growing(study, range(8))
    assert "analysed at n = 5. Analysed again at n = 8, a test at .05 rejects a true null about 0.08 " in text
    assert "rigorkd analyze --sequential" in text
    assert "rigorkd analyze --seeds 5:8" in text
    assert "it or a look before it rejects a true null in up to 0.098 of studies" in " ".join(text.split())
    grown = growth_of(study, range(8))
    assert grown is not None
    assert [is_repeated(study, range(n)) for n in (4, 5, 8)] == [False, False, True]
    assert not is_repeated(study, range(8), planned=(5, 8))
    alone, sequential = grown.ways("results/made").split("; or ")
    assert (
        alone == "the new seeds alone, `rigorkd analyze results/made --seeds 5:8`, as the first look at them"
    )
    assert sequential == "`rigorkd analyze results/made --sequential`, at any time"
    assert "a plain `rigorkd analyze`, or any other that has the new seeds, is their first look" in text
    assert replace(grown, fresh=(5,)).spends() == ""
    assert replace(grown, fresh=(5,)).ways() == "`rigorkd analyze --sequential`, at any time"
    alone = replace(grown, unpaired=True).ways()
    assert alone == "the new seeds alone, `rigorkd analyze --seeds 5:8`"
    arguments = ["plan", str(tmp_path / "made.yaml"), "--results", str(tmp_path / "results"), "--seeds"]
    assert "note:" in CliRunner().invoke(cli, [*arguments, "8"]).stderr
    assert "note:" not in CliRunner().invoke(cli, [*arguments, "5"]).stderr


def test_two_looks_reject_more_often_than_one():
    assert error_of_looks((5,)) == pytest.approx(0.05, abs=0.005)
    assert error_of_looks((5, 10)) == pytest.approx(0.083, abs=0.006)
    assert error_of_looks((5, 10)) == error_of_looks((10, 5, 5))


def test_a_study_of_0_1_planned_all_its_seeds(made, tmp_path):
    study = made(tmp_path, first(4, last=3), seeds=range(5))
    file = study / "study.json"
    document = json.loads(file.read_text())
    del document["planned_seeds"]
    file.write_text(json.dumps(document))
    assert read_info(study).planned_seeds == (0, 1, 2, 3, 4)
    assert look(study).progress is not None


def test_seeds_kept_for_choosing_are_no_look(made, tmp_path):
    text = PROTOCOL.replace("sesoi: 0.5", 'sesoi: 0.5\n  selection: {seeds: "5:8"}')
    study = made(tmp_path, first(8), text=text)
    look(study, seeds=(5, 6, 7))
    assert read_interim_analyses(study) == ()
    found = look(study)
    assert {c.not_valid for c in gains(found)} == {None}
    assert {(c.n, c.verdict) for c in gains(look(study))} == {(5, c.verdict) for c in gains(found)}
    assert [entry.seeds for entry in read_interim_analyses(study)] == [(0, 1, 2, 3, 4)]
    (study / FILE).write_text(
        '{"n": 8, "seeds": [0, 1, 2, 3, 4, 5, 6, 7], "metric": "test_top1", "time": ""}\n'
    )
    assert {c.not_valid for c in gains(look(study))} == {None}, "a look noted with them is the same look"
    asked = load_protocol(tmp_path / "made.yaml").spec.analysis
    assert cost_of_growing(study, range(8), asked) == ""
    assert "analysed at n = 5. Analysed again at n = 6" in cost_of_growing(study, range(9), asked)


def test_every_number_of_a_page_is_of_the_judged_seeds(made, tmp_path):
    text = PROTOCOL.replace("sesoi: 0.5", 'sesoi: 0.5\n  selection: {seeds: "5:8"}')
    study = made(tmp_path, first(8), text=text)
    found = look(study)
    assert {cell.n for cell in found.cells} == {5}
    assert found.cells[0].mean == pytest.approx(sum(FIVE["main/plain/baseline"][:5]) / 5)
    shown = gather(from_study(study), found)
    assert {(cell.seeds, len(cell.values("test_top1"))) for cell in shown.cells} == {((0, 1, 2, 3, 4), 5)}
    assert any("5, 6, 7 were kept for choosing" in text for text in found.warnings)


CHOOSING = PROTOCOL.replace("sesoi: 0.5", 'sesoi: 0.5\n  selection: {seeds: "0:3"}')


def test_progress_shows_means_of_the_judged_seeds(made, tmp_path):
    found = look(made(tmp_path, first(5), seeds=range(8), text=CHOOSING))
    assert found.progress is not None
    assert (found.progress.done, found.progress.total) == (15, 24)
    assert (found.progress.seeds_complete, found.progress.seeds) == (2, 5)
    assert {cell.n for cell in found.cells} == {2}
    assert found.cells[0].mean == pytest.approx(sum(FIVE["main/plain/baseline"][3:5]) / 2)
    assert any("0, 1, 2 were kept for choosing" in text for text in found.warnings)


def test_progress_before_any_judged_seed_shows_those_for_choosing(made, tmp_path):
    found = look(made(tmp_path, first(3), seeds=range(8), text=CHOOSING))
    assert found.progress is not None
    assert (found.progress.seeds_complete, found.progress.seeds) == (0, 5)
    assert {cell.n for cell in found.cells} == {3}
    assert any("means are of those kept for choosing" in text for text in found.warnings)


def test_a_planned_look_says_that_it_is_one(made, tmp_path):
    text = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.5\n  looks: [5, 8]")
    study = made(tmp_path, first(5), seeds=range(8), text=text)
    assert "5 complete seeds are a planned look: --interim takes it" in " ".join(headline(look(study)))
    found = look(study, interim=True)
    assert not any("will be valid" in text for text in found.warnings)
    assert {c.not_valid for c in gains(found)} == {None}
    for page in (short_page(found), analysis_page(found)):
        assert "hold over all planned looks (at 5, 8 seeds)" in markdown(page)
    overall = found.families[0].comparisons[0]
    assert overall.p < overall.p_adjusted
    assert "look-adjusted p = " in overall.says
    page = report_page(gather(from_study(study), found))
    numbers = next(
        table for table in page.tables if table.title == "Average gain over the baseline, in numbers"
    )
    assert [column.heading for column in numbers.columns if column.heading.startswith("p")] == ["p adjusted"]
    gained = next(table for table in page.tables if table.title == "Gains over the baseline, in numbers")
    assert "95 % interval, unadjusted" not in {column.heading for column in gained.columns}


@pytest.mark.parametrize(("n", "ahead"), [(4, "The next one is at 5 seeds. "), (6, "at 8 seeds. ")])
def test_between_planned_looks_nothing_is_judged_by_accident(made, tmp_path, n, ahead):
    text = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.5\n  looks: [5, 8]")
    study = made(tmp_path, first(n), seeds=range(n), text=text)
    found = look(study)
    assert (found.families, found.progress is not None) == ((), True)
    assert headline(found)[0] == f"Between looks: {n} complete seeds, planned looks at 5, 8."
    assert ahead in headline(found)[1]
    other = tmp_path / "other.csv"
    other.write_text("cell,student,method,seed,test_top1\nb,x,baseline,1,70\nk,x,kd,1,71\n")
    told = CliRunner().invoke(cli, ["compare", str(study), str(other)])
    assert isinstance(told.exception, InputError)
    assert f"is between looks: {n} seeds are no planned look" in str(told.exception)
    assert not (study / FILE).exists()
    whole = look(made(tmp_path, first(8), seeds=range(8), text=text))
    assert verdicts(whole) == {"better"}


def test_comparing_is_a_look_and_never_one_by_accident(made, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("cell,student,method,seed,test_top1\n")
    with other.open("a") as stream:
        for cell, values in FIVE.items():
            method = "baseline" if cell.endswith("baseline") else "kd"
            stream.writelines(f"{cell},plain,{method},{20 + at},{value}\n" for at, value in enumerate(values))
    study = made(tmp_path, first(4, last=3), seeds=range(5))
    refused = CliRunner().invoke(cli, ["compare", str(study), str(other)])
    assert isinstance(refused.exception, InputError)
    assert "4 of 15 planned runs are missing" in str(refused.exception)
    assert read_interim_analyses(study) == ()
    assert CliRunner().invoke(cli, ["compare", str(study), str(other), "--interim"]).exit_code == 0
    assert [entry.n for entry in read_interim_analyses(study)] == [3]
    study = made(tmp_path, first(5), seeds=range(5))
    assert verdicts(look(study)) == {"inconclusive"}


def test_a_comparison_leaves_cells_of_a_study_out_and_says_so(made, tmp_path):
    study = made(tmp_path, first(5), seeds=range(5))
    other = tmp_path / "other.csv"
    other.write_text("cell,student,method,T,alpha,seed,test_top1\n")
    with other.open("a") as stream:
        for cell, values in FIVE.items():
            own = "baseline,," if cell.endswith("baseline") else f"kd,{cell[-6]},0.5"
            stream.writelines(f"{cell},plain,{own},{20 + at},{value}\n" for at, value in enumerate(values))
    asked = ["compare", str(study), str(other), "--format", "json"]
    whole = json.loads(CliRunner().invoke(cli, asked).stdout)
    part = json.loads(CliRunner().invoke(cli, [*asked, "--without", "main/plain/kd-T4-a0.5"]).stdout)
    names = [[one["name"] for one in found["families"][0]["comparisons"]] for found in (whole, part)]
    assert [name for name in names[0] if "kd-T4" not in name] == names[1] != names[0]
    assert any("without main/plain/kd-T4-a0.5, as --without asks" in text for text in part["warnings"])
    none = CliRunner().invoke(cli, [*asked, "--without", "main/plain/kd-T8-a0.5"])
    assert "--without main/plain/kd-T8-a0.5" in str(none.exception)


def test_a_table_read_again_names_its_test_images(made, tmp_path):
    images = {cell: np.array([np.arange(400) >= 4 * top1 for top1 in row[:5]]) for cell, row in FIVE.items()}
    study = made(tmp_path, first(5), predictions=images)
    printed = CliRunner().invoke(cli, ["table", str(study), "--format", "csv"]).stdout
    (tmp_path / "again.csv").write_text(printed)
    found = analysis_of(from_csv(tmp_path / "again.csv"), Question())
    assert "on these 400 test images" in gains(found)[1].says


def test_seeds_that_were_left_out_are_told_in_every_format(made, tmp_path):
    study = made(tmp_path, first(8))
    fresh = analysis_of(from_study(study), Question(seeds=(5, 6, 7)))
    told = "chosen seeds: 3 of 8 finished ones are judged (5:8), as --seeds asks; the others (0:5) "
    assert fresh.warnings[0] == told + "are left out; no look had met them"
    look(study, seeds=(0, 1, 2, 3, 4))
    text = "are left out, and 0:5 of them had been looked at before"
    assert analysis_of(from_study(study), Question(seeds=(6, 7))).warnings[0].endswith(text)
    more = "(5:8), a further test after that of others, each at its own alpha, as"
    told = told.replace("(5:8), as", more)
    for words in (
        *(["analyze", "--format", form] for form in ("table", "json", "markdown", "latex")),
        *(["table", "--layout", "gains", "--format", form] for form in ("markdown", "latex")),
    ):
        done = CliRunner().invoke(cli, [*words, str(study), "--seeds", "5:8"])
        said = " ".join(done.stdout.replace("-{}-", "--").split())  # no dash in LaTeX
        assert told + "had been looked at before" in said, words
        if words[0] == "table":
            within = ", equivalence within ±0.50 points by two one-sided tests"
            assert "Note: chosen seeds: " in done.stdout
            assert within in " ".join(done.stdout.split()).replace("$\\pm$", "±"), words
    CliRunner().invoke(cli, ["report", str(study), "--seeds", "5:8", "--out", str(tmp_path / "page.html")])
    assert told + "had been looked at before" in (tmp_path / "page.html").read_text()
    assert not any("chosen" in one for one in analysis_of(from_study(study), Question()).warnings)
    every = analysis_of(from_study(study), Question(seeds=tuple(range(8))))
    assert not any("chosen" in one for one in every.warnings)
    names = ("main/plain/baseline", "main/plain/kd-T4-a0.5")
    gate = CliRunner().invoke(cli, ["gate", *names, "--in", str(study), "--seeds", "5:8", "--format", "json"])
    assert json.loads(gate.stdout)["left_out"] == [
        {"seeds": [0, 1, 2, 3, 4], "why": "--seeds leaves them out"}
    ]


@pytest.mark.parametrize("split", ["per_seed", "3"])
def test_images_that_each_seed_draws_anew_are_not_called_these(made, tmp_path, split):
    text = PROTOCOL.replace("seed: 3}", f"seed: {split}}}").replace(
        "teacher: {", "teacher: {per_seed: true, "
    )
    images = {cell: np.array([np.arange(400) >= 4 * top1 for top1 in row[:5]]) for cell, row in FIVE.items()}
    study = made(tmp_path, first(5), text=text, predictions=images)
    found = look(study)
    own, these = "on 400 test images drawn anew at each seed", "on these 400 test images"
    expected, other = (own, these) if split == "per_seed" else (these, own)
    told = [
        json.dumps(to_json(found)),
        *(markdown(page) for page in (short_page(found), analysis_page(found))),
    ]
    told += [html(report_page(gather(from_study(study), found))), latex(analysis_page(found))]
    for at, document in enumerate(told):
        assert (expected in document) or at == 1, "a terminal has no sentences, but the conditions"
        assert other not in document
    condition = "a new split per seed, other test images at each"
    assert (condition in found.conditioned_on, "these test images" in found.conditioned_on) == (
        split == "per_seed",
        split != "per_seed",
    )
    assert (POOL in found.conditioned_on) == (split == "per_seed")
    assert (f"given {POOL}: the sets of two seeds overlap" in told[-2]) == (split == "per_seed")
    assert bool(found.images) == (split != "per_seed"), "seeds are over new images there already"


def test_only_what_was_in_a_look_was_analysed_before(made, tmp_path):
    narrow = PROTOCOL.replace("T: [1, 4]", "T: [1]").replace(
        "  contrasts: [[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]]\n", ""
    )
    assert narrow.count("kd-T4") == 0
    old = {cell: row for cell, row in first(5).items() if "T4" not in cell}
    study = made(tmp_path, old, text=narrow)
    look(study)
    noted = study / FILE
    (then,) = noted.read_text().splitlines()
    noted.write_text(re.sub(r'"time": "[^"]+"', '"time": "2026-01-01T00:00:00+00:00"', then) + "\n")
    study = made(tmp_path, first(8))
    found = look(study)
    unfit = {c.name: c.not_valid for family in found.families for c in family.comparisons}
    again = "repeated look, not valid at alpha: analysed before at n = 5"
    assert unfit["main/plain/kd-T1-a0.5 vs main/plain/baseline"] == again
    assert unfit["main/plain/kd-T4-a0.5 vs main/plain/baseline"] is None
    assert f"{again}; added after a look: main/plain/kd-T4-a0.5" in found.warnings
    assert {c.verdict for family in found.families for c in family.comparisons if not c.not_valid} == {
        "better"
    }
    assert not any(family.planned for family in found.families for c in family.comparisons if not c.not_valid)


def test_a_look_at_added_cells_is_noted_though_their_seeds_were_met(made, tmp_path):
    text = PROTOCOL.replace("T: [1, 4]", "T: [1]").split("  contrasts")[0]
    study = made(tmp_path, {cell: row for cell, row in first(5).items() if "T4" not in cell}, text=text)
    look(study)
    noted = study / FILE
    noted.write_text(re.sub(r'"time": "[^"]+"', '"time": "2026-01-01T00:00:00+00:00"', noted.read_text()))
    study = made(tmp_path, first(5))
    look(study)
    assert [one.n for one in read_interim_analyses(study)] == [5, 5]
    grown = look(made(tmp_path, first(8)))
    assert {c.not_valid for family in grown.families for c in family.comparisons} == {
        "repeated look, not valid at alpha: analysed before at n = 5"
    }


def test_chosen_seeds_say_which_looks_met_those_that_are_judged(made, tmp_path):
    study = made(tmp_path, first(5))

    def said(*seeds: int) -> str:
        (text,) = [text for text in look(study, seeds=seeds).warnings if text.startswith("chosen seeds")]
        return text.partition("asks; ")[2]

    assert said(0, 1, 2) == "the others (3:5) are left out; no look had met them"
    assert said(0, 1, 2) == "the others (3:5) are left out; no look had met them"  # this very one
    assert said(2, 3) == (
        "the others (0,1,4) are left out, and 0:2 of them had been looked at before; of those that are "
        "judged, 2:3 had been looked at, too"
    )
    look(study)
    assert said(3, 4) == (
        "the others (0:3) had been looked at before; those that are judged had been looked at, too"
    )


def test_an_earlier_look_at_other_seeds_than_the_first_ones_says_at_which(made, tmp_path):
    look(made(tmp_path, first(5)))
    study = made(tmp_path, first(8))
    look(study, seeds=(5, 6, 7))
    whole = gains(look(study))[0]
    assert whole.not_valid == "repeated look, not valid at alpha: analysed before at n = 5, and 3 (seeds 5:8)"


def test_what_is_open_after_a_look_is_bounded_by_intervals_that_are_valid(made, tmp_path):
    """Those of a fixed number of seeds are too short after a look, and say so; sequential ones bound it."""
    study = made(tmp_path, first(8))
    look(study, seeds=(0, 1, 2, 3, 4))
    said = []
    for sequential in (False, True):
        asked = Question(sequential=sequential)
        source = from_study(study)
        found = analysis_of(source, asked)
        page = report_page(gather(source, found))
        (text,) = (line.text for block in flat(page.everything) if isinstance(block, Prose)
                   for line in block.lines if "is not “no difference”" in line.text)  # fmt: skip
        said.append(text)
        if sequential:
            ends = [abs(end) for c in found.sequential.comparisons if c.decided_at is None
                    for end in (c.ci_low, c.ci_high)]  # fmt: skip
            assert f"as large as {max(ends):.2f}" in text
    assert said[0].endswith(" points, by its intervals, which are too short after a look (--sequential).")
    assert said[1].endswith(" points, by its intervals.")


def test_a_later_look_at_as_many_seeds_hides_no_earlier_one() -> None:
    rows = [
        {"cell": cell, "seed": seed, "test_top1": 70 + seed % 3, "method": "kd"}
        for cell in ("base", "first", "later")
        for seed in range(12)
    ]
    found = [
        InterimAnalysis(5, tuple(seeds), "test_top1", f"2026-11-2{day}T10:00:00+00:00")
        for day, seeds in ((1, range(5)), (3, range(7, 12)))
    ]
    source = Source("runs", pd.DataFrame(rows), Plan(), where=str, looks=tuple(found))
    source = replace(source, appeared=(("later", "2026-11-22T10:00:00+00:00"),))
    plan = source.with_looks(Plan())
    assert plan.repeated_look(12) is not None
    assert "analysed before at n = 5 (seeds 0:5; 7:12)" in str(plan.repeated_look(12))
    assert plan.later_than_a_look("later").startswith("added after a look at n = 5: results were known")
    assert plan.later_than_a_look("first") == ""


def test_the_figure_of_the_best_claims_no_set_that_is_not_judged(made, tmp_path):
    """After a look the cells that may be the best are not judged: all of them are no finding."""
    look(made(tmp_path, first(5)))
    source = from_study(made(tmp_path, first(8)))
    found = analysis_of(source, Question())
    evidence = gather(source, found)
    best = next(figure for figure in figures(evidence) if figure.name == "best")
    told = "not judged (repeated look, not valid at alpha: analysed before at n = 5)"
    assert told in best.caption
    assert "any filled one" not in best.caption
    assert not [key for key in best.keys if "may be the best" in key.text]
    assert "may be the best" not in best.panels[0].describe
    fresh = figures(gather(source, analysis_of(source, Question(seeds=(5, 6, 7)))))
    best = next(figure for figure in fresh if figure.name == "best")
    assert "any filled one may be it" in best.caption


def test_studies_whose_cells_are_defined_otherwise_say_in_which_settings(made, tmp_path):
    """Their gains may differ for that alone, whatever the cells are called."""
    folders = {}
    for name, old, new, seeds in (("a", "", "", 0), ("b", "epochs: 1", "epochs: 2", 3), ("c", "", "", 3)):
        (tmp_path / name).mkdir()
        rows = {cell: (0.0,) * seeds + tuple(v + seeds / 9 for v in row[:3]) for cell, row in FIVE.items()}
        text = PROTOCOL.replace("epochs: 1", new) if old else PROTOCOL
        folders[name] = str(made(tmp_path / name, rows, seeds=range(seeds, seeds + 3), text=text))
    told = {
        name: " ".join(CliRunner().invoke(cli, ["compare", folders["a"], folders[name]]).stdout.split())
        for name in ("b", "c")
    }
    assert "not defined alike (epochs of teacher, main/plain/baseline, main/plain/kd-T1-a0.5 and" in told["b"]
    assert "Gains:" in told["c"]
    assert "defined alike" not in told["c"]


def test_a_margin_that_both_protocols_have_is_no_choice_of_the_command_line(made, tmp_path):
    values = {cell: (*row, *(top1 + 0.25 for top1 in row)) for cell, row in first(5).items()}
    paths = []
    for name, seeds in (("one", range(5)), ("other", range(5, 10))):
        (tmp_path / name).mkdir()
        paths.append(made(tmp_path / name, values, seeds=seeds))
    for given, told in (("0.5", False), ("0.4", True)):
        words = ["compare", *map(str, paths), "--sesoi", given, "--format", "json"]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (done.output, done.exception)
        found = json.loads(done.stdout)
        assert any("given on the command line" in text for text in found["warnings"]) == told
