"""Planned comparisons dropped after results were shown leave a family that is not the planned one."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.protocol.load import load_protocol
from rigorkd.records.interim import note_shown
from rigorkd.records.read import foreseen
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import Prose, Table, Tally
from rigorkd.report.render.latex import latex
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import _failures_among, from_study

from .conftest import PROTOCOL
from .test_mended_margin import FIRST_RUN, LAST, MEND, run_at, seen

FIRST = PROTOCOL.replace("T: [1, 4]", "T: [1, 4, 8]").replace(
    "contrasts: [[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]]",
    "contrasts: [[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5],"
    " [main/plain/kd-T4-a0.5, main/plain/baseline]]",
)
ONE_CELL_LESS = FIRST.replace("T: [1, 4, 8]", "T: [1, 4]")
ONE_CONTRAST_LESS = FIRST.replace(", [main/plain/kd-T4-a0.5, main/plain/baseline]", "")
VALUES = {
    "main/plain/baseline": (70.0, 71.0, 70.5, 70.75, 71.25),
    "main/plain/kd-T1-a0.5": (70.5, 71.25, 71.0, 71.5, 71.5),
    "main/plain/kd-T4-a0.5": (71.5, 72.25, 72.0, 72.75, 72.5),
}
EVERY = {**VALUES, "main/plain/kd-T8-a0.5": (70.5, 71.5, 71.0, 71.25, 71.25)}
PART = {cell: row[:2] for cell, row in VALUES.items()}


def judged(study: Path) -> tuple[dict[str, bool], tuple[str, ...]]:
    found = analysis_of(from_study(study), Question(), images=False)
    return {family.name: family.planned for family in found.families}, found.warnings


@pytest.mark.parametrize("file", ["looks.jsonl", "shown.jsonl"])
def test_a_cell_without_a_run_that_is_dropped_after_others_were_seen(made, tmp_path, file: str) -> None:
    made(tmp_path, PART, seeds=range(5), text=FIRST)
    study = made(tmp_path, VALUES, text=ONE_CELL_LESS)
    run_at(study, FIRST_RUN, LAST)
    seen(study, MEND, file)
    planned, warnings = judged(study)
    assert planned == {"overall": False, "gains": False, "contrasts": True}  # contrasts are as they were
    assert (
        "left out, since the newest protocol has them no more: main/plain/kd-T8-a0.5 (dropped before it had "
        "a run, after other results were shown); the gains that are left are not the family that was "
        "planned, so they are exploratory"
    ) in warnings


def test_a_cell_that_is_dropped_before_anything_was_shown(made, tmp_path) -> None:
    """Though the runs of all other cells have ended by then, as after an interrupted `run`."""
    made(tmp_path, VALUES, text=FIRST)
    study = made(tmp_path, VALUES, text=ONE_CELL_LESS)
    run_at(study, FIRST_RUN, LAST)
    planned, warnings = judged(study)
    assert set(planned.values()) == {True}
    assert not any("dropped" in text for text in warnings)


def test_what_is_shown_after_a_cell_was_dropped_does_not_count(made, tmp_path) -> None:
    made(tmp_path, PART, seeds=range(5), text=FIRST)
    study = made(tmp_path, VALUES, text=ONE_CELL_LESS)
    run_at(study, FIRST_RUN, MEND)
    seen(study, LAST)
    assert set(judged(study)[0].values()) == {True}


def test_a_cell_that_comes_back_is_planned_again(made, tmp_path) -> None:
    made(tmp_path, PART, seeds=range(5), text=FIRST)
    made(tmp_path, PART, seeds=range(5), text=ONE_CELL_LESS)
    study = made(tmp_path, EVERY, text=FIRST)
    run_at(study, FIRST_RUN, MEND, LAST)
    seen(study, "2026-11-27T10:30:00+00:00", "shown.jsonl")
    assert judged(study)[0]["gains"]


def test_a_contrast_that_is_dropped_after_results_were_shown(made, tmp_path) -> None:
    made(tmp_path, EVERY, text=FIRST)
    study = made(tmp_path, EVERY, text=ONE_CONTRAST_LESS)
    run_at(study, FIRST_RUN, LAST)
    planned, warnings = judged(study)
    assert planned == {"overall": True, "gains": True, "contrasts": False}
    assert (
        "contrasts dropped after results were shown: main/plain/kd-T4-a0.5 vs main/plain/baseline; those "
        "that are left are not the family that was planned, so they are exploratory"
    ) in warnings


def test_a_contrast_that_is_dropped_before_or_named_since(made, tmp_path) -> None:
    made(tmp_path, {cell: row[:2] for cell, row in EVERY.items()}, seeds=range(5), text=FIRST)
    study = made(tmp_path, EVERY, text=ONE_CONTRAST_LESS)
    run_at(study, FIRST_RUN, MEND)
    assert judged(study)[0]["contrasts"]
    named = FIRST.replace(
        "[main/plain/kd-T4-a0.5, main/plain/baseline]",
        "{pair: [main/plain/kd-T4-a0.5, main/plain/baseline], name: it gains}",
    )
    (tmp_path / "named").mkdir()
    study = made(tmp_path / "named", EVERY, text=FIRST)
    made(tmp_path / "named", EVERY, text=named)
    run_at(study, FIRST_RUN, LAST)
    assert not any("dropped" in text for text in judged(study)[1])


LESS_AND_MORE = FIRST.replace("T: [1, 4, 8]", "T: [1, 2, 4]")


def told_by_plan(folder: Path, text: str) -> tuple[str, dict[str, int]]:
    """What `plan` notes of a protocol that is not run into the study yet, and the sizes of its families."""
    (folder / "asked.yaml").write_text(text)
    asked = ["plan", str(folder / "asked.yaml"), "--results", str(folder / "results"), "--format", "json"]
    made = json.loads(CliRunner().invoke(cli, asked, catch_exceptions=False).stdout)
    sizes = {entry["family"]: entry["comparisons"] for entry in made["detectable"]}
    assert {one["comparisons"] for one in made["designs"] if one["question"] == "gains"} == {
        max(size for family, size in sizes.items() if family.endswith("gains"))
    }, "asked otherwise, they are as many"
    return " | ".join(made.get("notes", [])), sizes


def test_contrasts_that_were_added_are_counted_apart_by_plan(made, tmp_path: Path) -> None:
    """As `analyze` judges them: the planned ones keep their correction."""
    made(tmp_path, EVERY, text=FIRST)
    _, before = told_by_plan(tmp_path, FIRST)
    cells = [cell for cell in EVERY if "/kd" in cell]
    pair = f"{{pair: [{cells[-1]}, {cells[0]}], name: asked later}}"
    text = FIRST.rstrip()
    text = text.replace("contrasts: [", f"contrasts: [{pair}, ") if "contrasts: [" in text else text
    text = text if pair in text else text + f"\n  contrasts: [{pair}]\n"
    told, sizes = told_by_plan(tmp_path, text)
    assert sizes["exploratory contrasts"] == 1
    assert sizes.get("contrasts") == before.get("contrasts")
    assert "contrasts added after the first run, so exploratory: asked later" in told


def test_what_a_planned_cell_that_is_taken_out_does_is_told_before_it_is_run(made, tmp_path: Path) -> None:
    """Of cells that are added meanwhile, too: they are judged with those that were planned."""
    study = made(tmp_path, EVERY, text=FIRST)
    note_shown(study, range(5), "test_top1", 5)
    as_it_was, sizes = told_by_plan(tmp_path, FIRST)
    assert (as_it_was, sizes["gains"]) == ("", 3)
    told, sizes = told_by_plan(tmp_path, LESS_AND_MORE)
    assert "exploratory: main/plain/kd-T2-a0.5; judged with the other gains, which are exploratory" in told
    assert "family stays as it is" not in told
    assert (
        "left out, since the newest protocol has them no more: main/plain/kd-T8-a0.5; the gains that are left"
        " are not the family that was planned, so they are exploratory; to keep them planned, leave these"
    ) in told
    assert (sizes.get("gains"), sizes["exploratory gains"]) == (None, 3)
    done = CliRunner().invoke(
        cli,
        ["run", str(tmp_path / "asked.yaml"), "--results", str(tmp_path / "results"), "--only", "none"],
    )
    assert "to keep them planned, leave these cells" in " ".join(done.stderr.split())
    made(tmp_path, {**VALUES, "main/plain/kd-T2-a0.5": VALUES["main/plain/baseline"]}, text=LESS_AND_MORE)
    (gains,) = [
        family
        for family in analysis_of(from_study(study), Question(), images=False).families
        if family.name == "gains"
    ]
    assert (gains.planned, gains.size) == (False, 3), "as it was told"
    assert "leave these cells in the protocol" in told_by_plan(tmp_path, LESS_AND_MORE)[0], "still"


def test_what_a_removed_cell_that_is_taken_out_does_is_told_before_it_is_run(made, tmp_path: Path) -> None:
    study = made(tmp_path, EVERY, text=FIRST)
    asked = ["remove", str(study), "--only", "*/kd-T8-*"]
    said = " ".join(CliRunner().invoke(cli, asked, catch_exceptions=False).stdout.split())
    assert "taken out of it first, and then the gains that are left are exploratory" in said
    assert told_by_plan(tmp_path, FIRST)[0] == ""
    assert "to keep them planned, leave these cells" in told_by_plan(tmp_path, ONE_CELL_LESS)[0]


def test_a_contrast_that_is_dropped_is_told_before_it_is_run(made, tmp_path: Path) -> None:
    study = made(tmp_path, EVERY, text=FIRST)
    note_shown(study, range(5), "test_top1", 5)
    told, sizes = told_by_plan(tmp_path, ONE_CONTRAST_LESS)
    assert "contrasts dropped after results were shown: main/plain/kd-T4-a0.5 vs main/plain/baseline" in told
    assert sizes["gains"] == 3


def test_a_cell_that_never_had_a_run_goes_without_a_word_before_anything_is_shown(made, tmp_path) -> None:
    made(tmp_path, {cell: row[:1] for cell, row in VALUES.items()}, seeds=range(5), text=FIRST)
    assert told_by_plan(tmp_path, ONE_CELL_LESS)[0] == ""


WHYS = {
    "a cell": (LESS_AND_MORE, "overall", "planned, but cells were left out since"),
    "a cell, another added": (LESS_AND_MORE, "gains", "planned, but cells were left out since"),
    "a contrast": (ONE_CONTRAST_LESS, "contrasts", "planned, but contrasts were dropped after results were"),
    "a key": (FIRST.replace("sesoi", "alpha: 0.1\n  sesoi"), "gains", "planned, but alpha changed after the"),
}


@pytest.mark.parametrize("case", WHYS)
def test_captions_say_why_what_was_planned_is_exploratory(made, tmp_path: Path, case: str) -> None:
    text, name, why = WHYS[case]
    study = made(tmp_path, EVERY, text=FIRST)
    note_shown(study, range(5), "test_top1", 5)
    made(tmp_path, {**EVERY, "main/plain/kd-T2-a0.5": VALUES["main/plain/baseline"]}, text=text)
    found = analysis_of(from_study(study), Question(), images=False)
    family = found.family(name)
    assert family is not None
    assert (family.planned, family.demoted.startswith(why)) == (False, True)
    for form in (["--format", "json"], ["--all"], [], ["--format", "markdown"], ["--format", "latex"]):
        done = CliRunner().invoke(cli, ["analyze", str(study), *form], catch_exceptions=False)
        said = " ".join(done.stdout.split())
        assert why in said, form
        assert "not planned before the results" not in said, form
    CliRunner().invoke(cli, ["report", str(study), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert f"Exploratory. {why[0].upper()}{why[1:]}" in page
    assert "Asked later" not in page
    assert "nothing shows that this was planned" not in page


LATER = "main/plain/kd-T2-a0.5"


def test_among_what_is_no_longer_planned_what_came_later_is_marked_and_named(made, tmp_path: Path) -> None:
    study = made(tmp_path, EVERY, text=FIRST)
    note_shown(study, range(5), "test_top1", 5)
    made(tmp_path, {**EVERY, LATER: VALUES["main/plain/baseline"]}, text=LESS_AND_MORE)
    found = analysis_of(from_study(study), Question(), images=False)
    gains = found.family("gains")
    assert gains.later == (f"{LATER} vs main/plain/baseline",)
    for form in (["--format", "json"], ["--all"], [], ["--format", "markdown"], ["--format", "latex"]):
        done = CliRunner().invoke(cli, ["analyze", str(study), *form], catch_exceptions=False)
        said = " ".join(done.stdout.split())
        named = f'"later": [ "{gains.later[0]}" ]' if "json" in form else f"; {LATER} was added later"
        assert named in said
    for layout in ("gains", "ablation"):
        asked = ["table", str(study), "--layout", layout]
        rows = CliRunner().invoke(cli, asked, catch_exceptions=False).stdout.splitlines()
        marked = [row for row in rows if row.startswith("|") and "†" in row]
        assert len(marked) == 1, layout
        assert "| 2 |" in marked[0] if layout == "ablation" else "kd-T2-a0.5" in marked[0]
        assert "† added later than the plan; all other gains are exploratory, too" in " ".join(rows)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_sentences_of_a_document_say_what_is_exploratory(made, tmp_path: Path, form: str) -> None:
    study = made(tmp_path, EVERY, text=FIRST)
    made(tmp_path, {**EVERY, LATER: VALUES["main/plain/baseline"]}, text=FIRST.replace("8]", "8, 2]"))
    done = CliRunner().invoke(cli, ["analyze", str(study), "--format", form], catch_exceptions=False)
    if form == "csv":
        rows = [(row["planned"] == "true", row["says"]) for row in csv.DictReader(done.stdout.splitlines())]
    else:
        document = json.loads(done.stdout)
        families = document["families"]
        rows = [(f["planned"], c["says"]) for f in families for c in f["comparisons"]]
        # no plan asks what is said of all gains together
        rows += [(False, one["says"]) for f in families if (one := f["consistency"])]
        rows += [(False, one["says"]) for one in document["factorial"]]
        assert document["factorial"]
    assert {planned for planned, _ in rows} == {True, False}
    for planned, says in rows:
        assert says.startswith("exploratory: ") is not planned


def test_what_was_never_planned_says_so_and_a_question_put_otherwise_too(made, tmp_path: Path) -> None:
    study = made(tmp_path, EVERY, text=FIRST)
    made(tmp_path, {"main/plain/kd-T2-a0.5": VALUES["main/plain/baseline"]}, text=LESS_AND_MORE)

    def whys(**asked) -> dict[tuple[str, bool], str]:
        families = analysis_of(from_study(study), Question(**asked), images=False).families
        return {(family.name, family.planned): family.demoted for family in families}

    made(tmp_path, EVERY, text=FIRST.replace("T: [1, 4, 8]", "T: [1, 4, 8, 2]"))
    later = whys()
    assert (later["gains", True], later["gains", False]) == ("", "")
    assert whys(alpha=0.1)["contrasts", False] == "planned, but it is asked otherwise here"
    left = whys(without=("main/plain/kd-T8-a0.5",))
    assert left["contrasts", False] == "planned, but cells are left out here"


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "json", "csv"])
def test_a_pair_of_a_planned_family_is_shown_with_its_correction(made, tmp_path, form: str) -> None:
    study = made(tmp_path, EVERY, text=FIRST)
    asked = ["analyze", str(study), "--format", form]
    asked += ["--compare", "main/plain/kd-T8-a0.5", "main/plain/baseline"]
    done = CliRunner().invoke(cli, asked, catch_exceptions=False)
    said = " ".join(done.stdout.split())
    if form == "json":
        families = json.loads(done.stdout)["families"]
        gains, again = families[1], families[-1]
        assert (again["planned"], again["size"], again["beside"]) == (False, 1, 2)
        assert again["comparisons"][0]["p_adjusted"] == gains["comparisons"][2]["p_adjusted"]
    elif form == "csv":
        assert "Holm-adjusted" in said
    else:
        told = "another family asks this, too: 2 other comparisons of it, seen with this, count in the"
        assert told in said


ADDED = "main/plain/kd-T8-a0.5"


def test_a_cell_that_was_added_and_is_taken_out_again_leaves_the_planned_family(made, tmp_path) -> None:
    made(tmp_path, VALUES, text=ONE_CELL_LESS)
    study = made(tmp_path, EVERY, text=FIRST)
    seen(study, MEND)
    planned, warnings = judged(study)
    assert f"added after the first run, so exploratory: {ADDED}" in warnings
    study = made(tmp_path, EVERY, text=ONE_CELL_LESS)
    planned, warnings = judged(study)
    assert planned == {"overall": True, "gains": True, "contrasts": True}
    told = f"left out, since the newest protocol has them no more: {ADDED} (added after the first run)"
    assert told in warnings
    less = ONE_CELL_LESS.replace("T: [1, 4]", "T: [4]").replace(
        "[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5], ", ""
    )
    planned, warnings = judged(made(tmp_path, EVERY, text=less))  # one that was planned goes, too
    assert not planned["gains"]
    assert any(f"main/plain/kd-T1-a0.5, {ADDED} (added after" in text for text in warnings)


@pytest.mark.parametrize(
    ("added", "then"),
    [
        ((), "as exploratory, since they are not the family that was planned"),
        (("m/a", "m/b"), "as planned as before, since these were added after the first run"),
        (("m/b",), "the family that was planned (but for m/b, added after the first run)"),
    ],
)
def test_what_is_advised_where_runs_failed_depends_on_what_was_planned(monkeypatch, added, then) -> None:
    failed = {"m/a/seed-0": "boom", "m/b/seed-1": "boom"}
    monkeypatch.setattr("rigorkd.report.sources._failed", lambda folder: failed)
    missing = pd.DataFrame({"cell": ["m/a", "m/b"], "seed": [0, 1]})
    (said,) = _failures_among(Path("results/made"), missing, added)
    assert said.endswith(then)


def test_a_page_says_how_many_gains_are_planned_and_sentences_which_are_not(made, tmp_path) -> None:
    made(tmp_path, VALUES, text=ONE_CELL_LESS)
    source = from_study(made(tmp_path, EVERY, text=FIRST))
    found = analysis_of(source, Question(), images=False)
    page = report_page(gather(source, found))
    assert (
        "; 2 planned before the results were seen, 1 exploratory (added after the first run)." in page.setting
    )
    later = next(family for family in found.families if family.name == "gains" and not family.planned)
    (says,) = [c.says for c in later.comparisons]
    (words,) = [
        section.blocks[0].lines
        for top in page.blocks
        if top.id == "gains-exploratory"
        for section in top.blocks
        if getattr(section, "title", "") == "In words, for a paper"
    ]
    assert [line.whole for line in words] == [f"exploratory: {says}"]
    lists = (block for block in analysis_page(found).blocks if isinstance(block, Prose))
    told = [line.whole for block in lists for line in block.lines]
    assert any(text.startswith("exploratory: ") for text in told)
    assert not any(text == says for text in told)
    whole = from_study(made(tmp_path, VALUES, text=ONE_CELL_LESS))
    setting = report_page(gather(whole, analysis_of(whole, Question(), images=False))).setting
    assert setting.endswith("; planned before the results were seen.")


def test_what_stays_open_of_added_cells_is_called_exploratory(made, tmp_path) -> None:
    made(tmp_path, VALUES, text=ONE_CELL_LESS)
    open_ = {**EVERY, ADDED: (70.5, 70.5, 71.0, 71.0, 72.25)}
    source = from_study(made(tmp_path, open_, text=FIRST))
    page = report_page(gather(source, analysis_of(source, Question(), images=False)))
    (text,) = [
        line.text
        for block in page.answer
        if isinstance(block, Prose) and block.title == "What stays open"
        for line in block.lines
    ]
    assert text.startswith("Gains over the baseline (exploratory): 1 of 1 inconclusive")


def test_a_layout_tells_what_became_of_the_plan(made, tmp_path) -> None:
    """A table goes into a paper without the warnings: what was left out and why stands in its caption."""
    made(tmp_path, VALUES, text=ONE_CELL_LESS)
    study = made(tmp_path, EVERY, text=FIRST)
    seen(study, MEND)
    asked = ["table", str(study), "--layout", "gains", "--format"]
    for form in ("latex", "markdown"):
        assert "added after the first run, so exploratory: main/plain/kd-T8-a0.5" in _printed(asked, form)
    done = CliRunner().invoke(
        cli,
        ["remove", str(study), "--only", "*kd-T1*", "--because", "it lost", "--results", str(study.parent)],
    )
    assert done.exit_code == 0, done.output
    less = FIRST.replace("T: [1, 4, 8]", "T: [4, 8]").replace(
        "[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5],", ""
    )
    made(tmp_path, {cell: row for cell, row in EVERY.items() if "T1" not in cell}, text=less)
    for form in ("latex", "markdown"):
        text = _printed(asked, form)
        assert "(reason given: it lost): 5 finished runs; " in text
        assert "left out, since the newest protocol has them no more: main/plain/kd-T1-a0.5" in text
        assert "main/plain/kd-T1-a0.5/seed-0" not in text, "the runs are not listed"


def _printed(asked: list[str], form: str) -> str:
    done = CliRunner().invoke(cli, [*asked, form])
    assert done.exit_code == 0, done.output
    return done.stdout.replace("\\_", "_")


def test_seeds_that_were_chosen_are_said_in_captions_and_sentences(made, tmp_path) -> None:
    source = from_study(made(tmp_path, EVERY, text=FIRST))
    found = analysis_of(source, Question(seeds=(2, 3, 4)), images=False)
    told = "chosen seeds: 3 of 5 finished ones are judged (2:5)"
    said = [c.says for family in found.families for c in family.comparisons if c.p is not None]
    assert said
    assert all(text.endswith(f"caution: {told}.") or f"; {told}" in text for text in said)
    captions = [block.caption for block in analysis_page(found).blocks if isinstance(block, Table)]
    assert told in captions[0]
    assert told not in " ".join(
        c.says for f in analysis_of(source, Question(), images=False).families for c in f.comparisons
    )


def test_averages_of_added_cells_have_a_title_and_a_label_of_their_own(made, tmp_path) -> None:
    two = (
        FIRST.replace("alpha: 0.5", "alpha: [0.5, 0.7]").partition("analysis:")[0]
        + "analysis: {sesoi: 0.5}\n"
    )
    cells = {
        f"main/plain/kd-T{T}-a{a}": EVERY[f"main/plain/kd-T{T}-a0.5"] for T in (1, 4, 8) for a in (0.5, 0.7)
    }
    rows = {"main/plain/baseline": EVERY["main/plain/baseline"], **cells}
    first = two.replace("T: [1, 4, 8]", "T: [1, 4]")
    made(tmp_path, {cell: row for cell, row in rows.items() if "T8" not in cell}, text=first)
    seen(study := made(tmp_path, rows, text=two), MEND)
    less = two.replace("T: [1, 4, 8]", "T: [4, 8]")
    study = made(tmp_path, {cell: row for cell, row in rows.items() if "T1" not in cell}, text=less)
    found = analysis_of(from_study(study), Question(), images=False)
    page = latex(analysis_page(found))
    labels = re.findall(r"\\label\{([^}]*)\}", page)
    assert len(labels) == len(set(labels))
    report = report_page(gather(from_study(study), found))
    tallies = [block.title for block in report.answer if isinstance(block, Tally)]
    assert "Average gain over the baseline, exploratory, added later" in tallies
    (said,) = (block for block in report.answer if getattr(block, "title", "") == "What may be said")
    assert {line.lead for line in said.lines} == {"exploratory"}, "what was planned once is marked, too"
    assert "Average gain over the baseline (exploratory). " in page
    assert "Average gain over the baseline (exploratory, added later). " in page


def test_a_study_with_damage_is_foreseen_as_far_as_it_can_be(made, tmp_path) -> None:
    """What is damaged the run itself names, and mends: no note of what an analysis will say stops it."""
    study = made(tmp_path, EVERY, text=FIRST)
    (tmp_path / "less.yaml").write_text(ONE_CONTRAST_LESS)
    less = load_protocol(tmp_path / "less.yaml")
    assert foreseen(study, less).apart is not None
    (study / "main/plain/baseline/seed-0/record.json").write_text("{")
    assert foreseen(study, less).apart is None
    shutil.rmtree(study / ".protocols")
    assert foreseen(study, load_protocol(tmp_path / "made.yaml")).notes == ()


def test_a_pair_that_went_out_is_told_though_another_took_its_name(made, tmp_path) -> None:
    """The name alone would be that of a contrast that is judged."""
    old = PROTOCOL.replace(
        "[[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]]",
        "[{pair: [main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5], name: warm beats cool}]",
    )
    new = old.replace(
        "pair: [main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]",
        "pair: [main/plain/kd-T4-a0.5, main/plain/baseline]",
    )
    made(tmp_path, VALUES, text=old)
    analyze(tmp_path)
    study = made(tmp_path, VALUES, text=new)
    done = CliRunner().invoke(cli, ["analyze", str(study)], catch_exceptions=False)
    assert (
        "contrasts dropped after results were shown: warm beats cool, as it was (main/plain/kd-T4-a0.5 vs "
        "main/plain/kd-T1-a0.5)"
    ) in " ".join(done.stdout.split())
    assert "“warm beats cool”: main/plain/kd-T4-a0.5 minus main/plain/baseline" in " ".join(
        done.stdout.split()
    )


def analyze(folder: Path) -> None:
    CliRunner().invoke(cli, ["analyze", str(folder / "results" / "made")], catch_exceptions=False)
