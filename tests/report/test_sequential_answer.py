"""After a look the sequential verdicts are the answer: their sentences are said, on every page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rigorkd_analysis.results import Analysis

from rigorkd.cli.main import cli
from rigorkd.errors import InputError
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.gather import gather
from rigorkd.report.headline import sequential_leads, ways_to_add, what_next
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.numbers import Numbers
from rigorkd.report.page import Prose, flat
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_study

from .conftest import PROTOCOL
from .test_looks import first, look


def under(page, title: str) -> list[str]:
    """The sentences below a title, or behind the fold that it has."""
    return [
        line.whole
        for block in flat(page.everything)
        if isinstance(block, Prose) and block.title == title
        for line in block.lines
    ]


@pytest.fixture
def looked(made, tmp_path: Path) -> Path:
    look(made(tmp_path, first(5)))
    return made(tmp_path, first(8))


def judged(study: Path, **asked: object) -> Analysis:
    return analysis_of(from_study(study), Question(**asked), images=False)


def test_what_is_decided_is_said_and_is_not_open(looked: Path) -> None:
    found = judged(looked, sequential=True)
    assert sequential_leads(found)
    decided = [one for one in found.sequential.comparisons if one.decided_at is not None]
    open_ = [one for one in found.sequential.comparisons if one.decided_at is None]
    assert decided
    page = report_page(gather(from_study(looked), found))
    said, left = under(page, "What may be said"), " ".join(under(page, "What stays open"))
    assert {one.says for one in decided} <= set(said)
    for one in decided:
        name = one.name.split(" vs ")[0]
        assert one.name not in left
        assert f"({name}" not in left
    for one in open_:
        assert one.name.split(" vs ")[0] in left
    for text in (markdown(analysis_page(found)), latex(analysis_page(found))):
        words = text.lower().partition("in words")[2]
        assert words.count("decided at ") >= len(decided)
    (contrast,) = [one for one in found.sequential.comparisons if one.family == "contrasts"]
    assert contrast.says in under(analysis_page(found), "In words")
    assert not [text for text in under(analysis_page(found), "In words") if "repeated look" in text]


def test_without_a_look_before_the_fixed_verdicts_stay_the_answer(made, tmp_path: Path) -> None:
    found = judged(made(tmp_path, first(8)), sequential=True)
    page = report_page(gather(from_study(tmp_path / "results" / "made"), found))
    assert not [text for text in under(page, "What may be said") if "decided at" in text]


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_documents_hold_them_and_csv_says_that_it_does_not(looked: Path, form: str) -> None:
    asked = ["analyze", str(looked), "--sequential", "--format"]
    done = CliRunner().invoke(cli, [*asked, form], catch_exceptions=False)
    assert "decided at" in done.stdout.lower().partition("in words")[2]
    done = CliRunner().invoke(cli, [*asked, "csv"], catch_exceptions=False)
    assert "--format json has the sequential ones" in done.stderr


def test_a_sequential_sentence_has_the_cautions_of_its_comparison(made, tmp_path: Path) -> None:
    rows = first(8)
    rows["main/plain/kd-T4-a0.5"] = (*rows["main/plain/kd-T4-a0.5"][:7], 90.0)
    found = judged(made(tmp_path, rows), sequential=True)
    warned = {c.name: c for family in found.families for c in family.comparisons if c.warnings}
    said = {one.name: one.says for one in found.sequential.comparisons}
    assert [name for name in warned if "caution: " in said[name]]
    assert not [text for text in said.values() if "repeated look" in text]


def test_seeds_are_offered_by_the_ways_that_are_open(made, tmp_path: Path) -> None:
    def ways(**asked: object) -> str:
        found = judged(tmp_path / "results" / "made", interim=True, **asked)
        (text,) = [line for line in what_next(found, Numbers(found)) if "seeds are added" in line]
        return text.partition("seeds are added ")[2]

    rows = first(5)
    made(tmp_path, {**rows, "main/plain/kd-T1-a0.5": (70.5, 69.75, 70.5, 69.5, 70.25)})
    # an anytime-valid test takes more seeds than one that is made once
    found = judged(tmp_path / "results" / "made", interim=True)
    once = [c.seeds_needed for f in found.families for c in f.comparisons if c.verdict == "inconclusive"]
    in_all = re.search(r"\(then (?:\d+ to )?([\d,]+) in all\)", ways())
    assert in_all is not None
    assert int(in_all[1]) > max(filter(None, once))
    rest = f"{in_all[0]}, or fresh ones alone (--seeds)."
    assert ways() == f"under `analyze --sequential` {rest}"
    assert ways(sequential=True) == f"one by one under the sequential verdicts {rest}"


def test_a_planned_look_is_offered_while_one_is_ahead(made, tmp_path: Path) -> None:
    text = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.5\n  looks: [5, 8]")
    found = judged(made(tmp_path, first(5), text=text))
    assert ways_to_add(found, "by A", "B") == "up to the next planned look, at 8 seeds, by A, or B"
    found = judged(made(tmp_path, first(8), text=text))
    assert ways_to_add(found, "by A", "B") == "by A, or B"
    assert ways_to_add(judged(tmp_path / "results" / "made", unpaired=True), "by A", "B") == "as B"


def test_a_layout_has_what_holds_after_a_look(looked: Path) -> None:
    def said(*words: str) -> str:
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    asked = ("table", str(looked), "--layout", "sequential")
    told = said(*asked)
    answer = said("analyze", str(looked), "--sequential", "--format", "json")
    found = json.loads(answer)["sequential"]["comparisons"]
    rows = [line for line in told.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(found)
    for row, one in zip(rows, found, strict=True):
        assert ("undecided" in row) == (one["decided_at"] is None)
    assert "anytime p" in told
    assert "repeated look" not in told
    paper = said(*asked, "--format", "latex")
    assert "\\begin{tabular}" in paper
    with pytest.raises(InputError, match="--group is for overall, gains and ablation"):
        said(*asked, "--group", "main")


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "json"])
def test_asked_for_beside_verdicts_of_a_fixed_number_both_say_what_they_rest_on(made, tmp_path, form) -> None:
    """Nobody knows of a table whether seeds were added after a look: a sentence of either is pasted alone."""
    study = made(tmp_path, first(8))
    words = ["analyze", str(study), "--sequential", "--format", form]
    done = CliRunner().invoke(cli, [*words, "--all"] if form == "table" else words, catch_exceptions=False)
    text = " ".join(done.stdout.split())
    found = judged(study, sequential=True)
    assert not sequential_leads(found)
    decided = [one for one in found.sequential.comparisons if one.decided_at is not None]
    assert decided
    assert text.count("decided at ") >= len(decided)
    rests = "holds if the number of seeds was fixed before"
    for family in found.families:
        for one in family.comparisons:
            assert one.says.endswith(f"caution: {rests}.")
    assert not any(rests in one.says for one in found.sequential.comparisons)
    assert rests in text
    plain = judged(study)
    assert not any(rests in one.says for family in plain.families for one in family.comparisons)
