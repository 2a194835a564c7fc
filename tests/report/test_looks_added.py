"""Looks that a protocol got, or lost, after results had been looked at: those planned before are in force."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.stats.group_sequential import nominal_level
from scipy import stats

from rigorkd.cli.main import cli
from rigorkd.protocol.load import load_protocol
from rigorkd.records.interim import FILE, InterimAnalysis
from rigorkd.records.planned_looks import LooksAsked
from rigorkd.records.read import foreseen, looks_ahead
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.emit import to_json
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.paper_tables import paper_table
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_study

from .conftest import PROTOCOL
from .test_looks import first, gains
from .test_mended_margin import run_at

FIRST_RUN, LOOK, LATER, LAST = (f"2026-11-27T{hour:02d}:00:00+00:00" for hour in (10, 13, 14, 15))
BEFORE = "2026-11-27T12:30:00+00:00"
ADDED = "looks: those at 5, 8 seeds were added after a look at n = 5, so they are not used"
DROPPED = "looks: those at 5, 8 seeds were dropped after a look at n = 5, so they still hold"
UNPLANNED = "what was looked at before counts as a look that was not planned"
REPEATED = "repeated look, not valid at alpha: analysed before at n = 5"
OVER_LOOKS = "hold over all planned looks"


def asks(*looks: int, more: str = "") -> str:
    """The protocol with these looks."""
    said = f"\n  looks: {list(looks)}" if looks else ""
    return PROTOCOL.replace("sesoi: 0.5", f"sesoi: 0.5{said}{more}")


def looked(study: Path, seeds: int = 5, time: str = LOOK) -> None:
    line = {"n": seeds, "seeds": [*range(seeds)], "metric": "test_top1", "time": time}
    (study / FILE).write_text(json.dumps(line) + "\n")


def grown(made, folder: Path, *texts: str, times: tuple[str, ...] = (FIRST_RUN, LATER)) -> Path:
    """Five seeds by the first protocol, looked at between the times, and eight by the last."""
    study = made(folder, first(5), text=texts[0])
    looked(study)
    for text in texts[1:]:
        study = made(folder, first(8), text=text)
    run_at(study, *times)
    return study


def test_added_after_a_look_they_are_not_planned_anywhere(made, tmp_path: Path) -> None:
    study = grown(made, tmp_path, asks(), asks(5, 8))
    source = from_study(study)
    found = analysis_of(source, Question())
    assert found.looks == ()
    assert {(c.not_valid, str(c.verdict)) for c in gains(found)} == {(REPEATED, "inconclusive")}
    assert f"{ADDED}: {UNPLANNED}" in found.warnings
    shown = gather(source, found)
    for text in (
        to_json(found),
        latex(analysis_page(found)),
        html(report_page(shown)),
        *(latex(paper_table(shown, layout)) for layout in ("gains", "overall", "ablation")),
    ):
        assert OVER_LOOKS not in text
        assert ADDED in text.replace(r"\;", " ")
        assert REPEATED in text
    for command in (["analyze"], ["analyze", "--all"], ["table", "--layout", "gains"]):
        done = CliRunner().invoke(cli, [*command, str(study)], catch_exceptions=False)
        assert ADDED in " ".join((done.stdout + done.stderr).replace("│", "").split()), command


@pytest.mark.parametrize(("first_asked", "later"), [((), (5, 8)), ((5, 8), ()), ((5, 8), (5, 8, 12))])
def test_looks_that_are_not_used_leave_what_was_planned_planned(
    made, tmp_path: Path, first_asked, later
) -> None:
    study = made(tmp_path, first(5), text=asks(*first_asked))
    looked(study)
    before = analysis_of(from_study(study), Question())
    made(tmp_path, first(5), text=asks(*later))
    run_at(study, FIRST_RUN, LATER)
    found = analysis_of(from_study(study), Question())
    assert found.families == before.families, "the verdicts are those of the plan, to the last digit"
    assert all(family.planned for family in found.families)
    (told,) = [text for text in found.warnings if text.startswith("looks: ")]
    assert not any(text.startswith("changed after the first run") for text in found.warnings)
    done = CliRunner().invoke(cli, ["analyze", str(study)], catch_exceptions=False)
    assert "Gains over the baseline (planned)" in done.stdout
    assert told in " ".join((done.stdout + done.stderr).split())


def test_looks_that_are_used_and_were_not_planned_make_exploratory(made, tmp_path: Path) -> None:
    study = grown(made, tmp_path, asks(), asks(3, 5))
    whole, fresh = (analysis_of(from_study(study), Question(seeds=seeds)) for seeds in (None, (5, 6, 7)))
    assert (whole.looks, fresh.looks) == ((), (3, 5))
    assert all(family.planned for family in whole.families)
    assert not any(family.planned for family in fresh.families)
    changed = "changed after the first run: looks; every verdict that uses it is exploratory"
    assert (changed in whole.warnings, changed in fresh.warnings) == (False, True)


def test_added_before_the_first_look_they_are_planned(made, tmp_path: Path) -> None:
    study = grown(made, tmp_path, asks(), asks(5, 8), times=(FIRST_RUN, BEFORE))
    found = analysis_of(from_study(study), Question())
    assert found.looks == (5, 8)
    assert {c.not_valid for c in gains(found)} == {None}
    assert not any(text.startswith("looks: ") for text in found.warnings)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((), f"{DROPPED}, each at its planned level"),
        (
            (5, 8, 12),
            "looks: changed to 5, 8, 12 seeds after a look at n = 5, so those at 5, 8 seeds, planned before "
            "it, still hold",
        ),
    ],
)
def test_what_was_planned_is_still_paid_for(made, tmp_path: Path, now: tuple[int, ...], said: str) -> None:
    study = grown(made, tmp_path, asks(5, 8), asks(*now))
    found = analysis_of(from_study(study), Question())
    assert (found.looks, said in found.warnings) == ((5, 8), True)
    own = found.families[0].comparisons[0]
    assert own.p_adjusted > own.p, "the p over both looks"
    assert {c.not_valid for c in gains(found)} == {None}


def test_looks_dropped_for_a_test_that_has_none_count_as_others(made, tmp_path: Path) -> None:
    study = grown(made, tmp_path, asks(5, 8), asks(more="\n  correction: bh"))
    found = analysis_of(from_study(study), Question())
    assert found.looks == ()
    assert {c.not_valid for c in gains(found)} == {REPEATED}
    told = "looks: those at 5, 8 seeds were dropped after a look at n = 5, for a test that has none: "
    assert told + UNPLANNED in found.warnings


def test_seeds_that_no_look_has_met_have_the_looks_planned_for_them(made, tmp_path: Path) -> None:
    history = LooksAsked(((FIRST_RUN, ()), (LATER, (3, 5)), ("", (3, 5))))
    looks = [InterimAnalysis(5, tuple(range(5)), "test_top1", LOOK)]
    plan = Plan()
    assert history.planned(looks, range(8), plan).looks == ()
    assert history.planned(looks, range(5, 8), plan) == history.planned([], range(8), plan)
    assert history.planned(looks, range(5, 8), plan).looks == (3, 5)
    looks.append(InterimAnalysis(3, (5, 6, 7), "test_top1", LAST))
    assert history.planned(looks, range(5, 10), plan).looks == (3, 5)
    study = grown(made, tmp_path, asks(), asks(3, 5))
    fresh = analysis_of(from_study(study), Question(seeds=(5, 6, 7)))
    assert (fresh.looks, {c.not_valid for c in gains(fresh)}) == ((3, 5), {None})
    assert not any(text.startswith("looks: ") for text in fresh.warnings)


def test_a_protocol_of_which_nobody_noted_when_it_came_may_have_come_after_the_look() -> None:
    history = LooksAsked((("", (5, 8)), ("", ()), ("", ())))
    looks = [InterimAnalysis(5, tuple(range(5)), "test_top1", LOOK)]
    assert history.planned(looks, range(8), Plan()).looks == (5, 8)


def _written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "asked.yaml"
    path.write_text(text)
    return path


def test_plan_and_run_say_it_of_such_a_protocol(made, tmp_path: Path) -> None:
    study = grown(made, tmp_path, asks(), times=(FIRST_RUN,))
    later = load_protocol(_written(tmp_path, asks(5, 8)))
    assert f"{ADDED}: {UNPLANNED}" in foreseen(study, later).notes
    assert looks_ahead(study, later).looks == ()
    arguments = ["plan", str(tmp_path / "asked.yaml"), "--results", str(tmp_path / "results"), "--seeds", "8"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert ADDED in said
    assert "Analysed again at n = 8" in said
    assert "nominal level of the planned looks" not in said
    (study / FILE).unlink()
    assert looks_ahead(study, later).looks == (5, 8)
    assert not any(text.startswith("looks: ") for text in foreseen(study, later).notes)


def test_looks_added_after_one_reject_more_than_alpha() -> None:
    """Why they are refused: .05 at five seeds, then the level of two looks at eight."""
    rng, level = np.random.default_rng(0), nominal_level((5, 8), 0.05)
    d = rng.normal(size=(40_000, 8))
    p5, p8 = (stats.ttest_1samp(d[:, :n], 0, axis=1).pvalue for n in (5, 8))
    assert np.mean((p5 < 0.05) | (p8 < level)) == pytest.approx(0.066, abs=0.004)
    assert np.mean((p5 < level) | (p8 < level)) == pytest.approx(0.05, abs=0.004)
