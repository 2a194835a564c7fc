"""The first lines of an answer: what they say of unfinished, joint and hopeless designs, and added cells."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.analysis_plan import Pair, Trend
from rigorkd_analysis.stats.anova import whose
from rigorkd_analysis.stats.sample_size import seeds_needed
from rigorkd_analysis.wording import number_text

from rigorkd.report import headline as head_of
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.evidence import evidence
from rigorkd.report.figures.catalog import figures
from rigorkd.report.headline import headline
from rigorkd.report.numbers import MetricNumbers
from rigorkd.report.page import Prose
from rigorkd.report.paper_tables import paper_table
from rigorkd.report.render.html import html
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sentences import asked_once

BASE = np.array([80.1, 80.4, 79.9, 80.2, 80.3])


def table(**differences: tuple[float, ...]) -> pd.DataFrame:
    """Cells of one student beside a baseline, by their differences from it seed by seed."""
    cells = {"base": (0.0,) * 5, **differences}
    return pd.DataFrame(
        [
            {
                "cell": cell,
                "student": "net",
                "method": "baseline" if cell == "base" else "kd",
                "T": "" if cell == "base" else cell[1:],
                "seed": seed,
                "test_top1": BASE[seed] + by,
            }
            for cell, shift in cells.items()
            for seed, by in enumerate(shift)
        ]
    )


def test_seeds_beyond_reach_are_not_left_out_of_the_range():
    near, far = (0.3, 0.1, 0.2, -0.1, 0.2), (9.0, -9.0, 8.0, -7.0, 1.0)
    found = analyze(table(k1=near, k2=far), Plan(sesoi=0.05))
    assert [c.seeds_needed is None for c in found.family("gains").comparisons] == [False, True]
    found = replace(found, families=found.families[1:])  # the average of both has one answer
    least = seeds_needed(0.05, float(np.std(near, ddof=1)), comparisons=2)
    (line,) = (line for line in headline(found) if "would take" in line)
    assert line.startswith(f"A difference of 0.05 points would take {least} to more than 100,000 seeds;")


def test_a_spread_that_may_be_out_of_reach_is_said():
    found = analyze(table(k1=(0.3, -0.3, 0.2, -0.1, 0.2)), Plan(sesoi=0.005))
    (comparison,) = found.family("gains").comparisons
    assert comparison.seeds_needed is not None
    assert comparison.seeds_needed_high is None
    assert any("(up to more than 100,000 if the spread" in line for line in headline(found))


def test_joint_verdicts_are_counted_by_their_own_intervals():
    found = analyze(table(k1=(1.0, 1.1, 1.0, 1.05, 0.95), k2=(0.5, 0.2, 0.02, 0.4, 0.3)), Plan(joint=True))
    second = found.family("gains").comparisons[1]
    assert second.p_adjusted is not None
    assert second.ci_simultaneous_low is not None
    assert second.p_adjusted < 0.05
    assert second.ci_simultaneous_low < 0
    text = " ".join(headline(found))
    assert "of 2 gains, 1 better; 1 inconclusive" in text
    assert "find 2 of 2 below 0.05" in text
    assert "simultaneous inference over 2 leaves 1" in text


def test_one_comparison_that_is_asked_in_several_ways_is_shown_once():
    frame = table(k1=(1.0, 1.1, 1.0, 1.05, 0.95))
    plan = Plan(planned=True, primary="k1", contrasts=(Pair("k1", "base", planned=True),), sesoi=0.3)
    assert [family.name for _, family in asked_once(analyze(frame, plan))] == ["primary"]
    named = replace(plan, contrasts=(Pair("k1", "base", "my question", True),))
    assert [family.name for _, family in asked_once(analyze(frame, named))] == ["primary", "contrasts"]


def test_an_average_of_one_gain_is_that_gain_on_the_page_too():
    frame = table(k1=(1.0, 1.1, 1.0, 1.05, 0.95))
    found = analyze(frame, Plan(planned=True, sesoi=0.3))
    assert [family.name for family in found.families] == ["gains"]
    text = html(report_page(evidence(found, frame)))
    assert "Average gain" not in text
    assert 'id="gains"' in text
    assert text.count("test top-1 by 1.02 points over the baseline (") == 2, (
        "in the answer, and in its own section"
    )
    several = analyze(table(k1=(1.0,) * 5, k2=(0.5, 0.2, 0.1, 0.4, 0.3)), Plan(planned=True, sesoi=0.3))
    shown = html(report_page(evidence(several, table(k1=(1.0,) * 5, k2=(0.5, 0.2, 0.1, 0.4, 0.3)))))
    assert "Average gain" in shown


def test_averages_of_one_gain_each_are_left_out_beside_a_primary_gain_too():
    feature, kd, smoothing = (
        (1.0, 0.2, 0.8, 0.5, 0.3),
        (0.3, -0.3, 0.2, -0.1, 0.2),
        (0.1, 0.2, -0.2, 0.3, 0.0),
    )
    frame = table(k1=kd, k2=feature, k4=smoothing)
    frame["method"] = frame["cell"].map({"base": "baseline", "k1": "kd", "k2": "feature", "k4": "smoothing"})
    found = analyze(frame, Plan(planned=True, primary="k2", sesoi=0.3, sequential=True))
    assert [(family.name, family.size) for family in found.families] == [*(("primary", 1), ("gains", 2))]
    assert [family.name for _, family in asked_once(found)] == ["primary", "gains"]
    assert sorted(item.name for item in found.sequential.comparisons) == sorted(
        c.name for f in found.families for c in f.comparisons
    )
    page = html(report_page(evidence(found, frame)))
    for text in (page, markdown(analysis_page(found)), " ".join(headline(found))):
        assert "Average gain" not in text
        assert "averaged" not in text


def test_an_average_of_one_gain_is_none_beside_others_either():
    """Corrected with them it had another p than the gain that it is; and the page would leave it out."""
    frame = table(k1=(0.9, 0.2, 0.8, 0.5, 0.4), k2=(0.5, 0.2, 0.1, 0.4, 0.3), k4=(0.1, 0.2, 0.1, 0.0, 0.3))
    frame["method"] = frame["cell"].map({"base": "baseline", "k1": "feature", "k2": "kd", "k4": "kd"})
    found = analyze(frame, Plan(planned=True, sesoi=0.3, sequential=True))
    assert [c.name for c in found.family("overall").comparisons] == ["net/kd: average of 2 (T)"]
    assert len(found.sequential.comparisons) == 4
    assert found.lead is found.family("gains"), "averages answer nothing about the feature method"
    assert [family.name for _, family in asked_once(found)] == ["gains", "overall"]


def test_a_primary_gain_and_the_others_are_told_apart_where_both_are_open():
    """Gains beside the primary one are not all of them, and a trend has no first and second."""
    frame = table(**{f"k{T}": (0.3, -0.3, 0.2, -0.1, 0.1 * T) for T in (1, 2, 4, 8)})
    plan = Plan(planned=True, primary="k8", sesoi=0.3, contrasts=(Trend("T", name="it rises", planned=True),))
    found = analyze(frame, plan)
    page = short_page(found)
    told = markdown(page)
    assert "for the primary gain" in told
    assert "for other gains" in told
    assert "3 settings of T beside the primary one" in found.family("gains").consistency.says
    (caption,) = (t.caption for t in page.tables if t.title.startswith("Contrasts"))
    assert "“it rises”: the fitted change over T = 1, 2, 4, 8" in caption
    assert "the first minus the second" not in caption


def test_smoke_runs_are_given_no_number_of_seeds():
    frame = table(k1=(0.3, -0.3, 0.2, -0.1, 0.2))
    for smoke in (False, True):
        found = analyze(frame.assign(smoke=smoke), Plan(planned=True, sesoi=0.1))
        pages = markdown(short_page(found)), markdown(analysis_page(found))
        assert [" would take " in page for page in pages] == [not smoke] * 2
        assert ("Power: " in html(report_page(evidence(found, frame)))) is not smoke


def test_what_cannot_be_tested_is_not_counted_as_tested():
    noise = (0.3, -0.5, 0.2, -0.4, 0.6)
    frame = table(k1=noise, k2=noise[::-1], k4=noise)
    one_seed = (frame["cell"] == "k4") & (frame["seed"] > 0)
    (line, *_) = (line for line in headline(analyze(frame[~one_seed])) if line.startswith("Gains"))
    assert "of 2 tested (1 more cannot be: too few seeds, or no spread over them)" in line
    assert "of 3 tested" in next(line for line in headline(analyze(frame)) if line.startswith("Gains"))
    alone = [
        line for line in headline(analyze(frame[frame["seed"] == 0])) if line.startswith(("Gains", "Average"))
    ]
    assert alone
    assert all("be tested: one seed has no spread to test against" in line for line in alone)


def test_added_gains_stand_beside_the_planned_ones_everywhere():
    frame = table(k1=(1.0, 1.1, 1.0, 1.05, 0.95), k2=(0.5, 0.2, 0.1, 0.4, 0.3), k4=(0.1, 0.2, 0.1, 0.0, 0.3))
    found = analyze(frame, Plan(planned=True, added=("k4",), sesoi=0.3))
    lines = headline(found)
    assert lines[0].startswith("Average gain over the baseline (planned): of 1 average gain, ")
    assert any(line.startswith("Gains over the baseline (planned): of 2 gains, ") for line in lines)
    assert any(line.startswith("Gains over the baseline (exploratory): ") for line in lines)
    shown = evidence(found, frame)
    assert [c.a for c in shown.gains()] == ["k1", "k2", "k4"]
    assert [path for _, path in shown.gain_paths()][2] == "families/2/comparisons/0"
    assert {"gains", "gains-exploratory"} <= {figure.name for figure in figures(shown)}
    text = html(report_page(shown))
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    tables = " ".join(table.caption for table in paper_table(shown, "ablation").tables)
    assert "over 2 gains (planned) and over 1 gain (exploratory)" in tables


@pytest.mark.parametrize(
    ("shifts", "short"),
    [
        (((1.0, 1.1, 1.0, 1.05, 0.95),), "Shown for the gain."),
        (((0.1, 0.12, 0.1, 0.11, 0.1),), "Shown for the gain, but by too little to matter."),
        (
            ((0.1, 0.12, 0.1, 0.11, 0.1), (0.3, -0.5, 0.2, -0.4, 0.9)),
            "Shown for 1 of 2 cells, but by too little to matter.",
        ),
        (
            ((1.0, 1.1, 1.0, 1.05, 0.95), (0.1, 0.12, 0.1, 0.11, 0.1)),
            "Shown for 1 of 2 cells; for 1 more by too little to matter.",
        ),
        (
            ((-1.0, -1.1, -1.0, -1.05, -0.95), (-0.1, -0.12, -0.1, -0.11, -0.1)),
            "Not shown for any of 2 cells; 1 is worse; 1 is worse by too little to matter.",
        ),
    ],
)
def test_the_short_answer_is_of_one_piece(shifts, short):
    frame = table(**{f"k{at}": shift for at, shift in enumerate(shifts, start=1)})
    under_0_1 = Plan(sesoi=0.3, planned=True, first_version=True)
    assert report_page(evidence(analyze(frame, under_0_1), frame)).short == short


@pytest.mark.parametrize(
    ("plan", "short"),
    [
        (Plan(sesoi=0.3), "Not shown for the average gain."),
        (Plan(sesoi=0.3, planned=True, primary="k1"), "Shown for the primary gain."),
        (Plan(sesoi=0.3, planned=True, primary="k2"), "Not shown for the primary gain; it is worse."),
    ],
)
def test_the_short_answer_is_of_the_leading_question_alone(plan, short):
    """Of several families some err more often than one: what stands under the title errs at alpha."""
    frame = table(k1=(1.0, 1.1, 1.0, 1.05, 0.95), k2=(-1.0, -1.1, -1.0, -1.05, -0.95))
    page = report_page(evidence(analyze(frame, plan), frame))
    assert page.short == short
    assert page.setting.startswith("2 distilled cells, each against its own baseline")


def test_a_single_cell_that_may_be_best_is_not_among_others():
    frame = table(k1=(2.0, 2.1, 2.0, 2.05, 1.95), k2=(0.5, 0.2, 0.1, 0.4, 0.3)).drop(columns="student")
    (notes,) = (
        b for b in analysis_page(analyze(frame)).blocks if isinstance(b, Prose) and b.title == "Notes"
    )
    assert "The best one of 3 cells is k1 (95 % confidence)." in [said.whole for said in notes.lines]


def test_numbers_have_no_sign_before_zero():
    say = MetricNumbers("test_top1", [80.0, None], [0.1])
    assert (say(-0.001, True), say(0.001, True), say(-0.02, True)) == ("0.00", "0.00", "−0.02")
    loss = MetricNumbers("test_loss", [1.0], [0.0, 0.003])
    assert loss(-0.00001) == "0.0000"


def test_one_result_is_one_number_however_it_was_summed():
    """A half is rounded away from 0: two tables had shown +1.78 and +1.77 of one mean."""
    shares = np.array([7.1, 0.0, 0.0, 0.0])
    two = (float(shares.mean()), float(np.sum(shares / 4)), 1.775 - 2e-14, 1.775 + 2e-14)
    assert {number_text(value, 2, True) for value in two} == {"+1.78"}
    assert {number_text(-value, 2, True) for value in two} == {"−1.78"}
    assert (number_text(1.774999, 2), number_text(0.0, 2, True), number_text(-1e-9, 2)) == (
        "1.77",
        "0.00",
        "0.00",
    )
    assert (number_text(float("inf"), 2), number_text(None, 2)) == ("inf", "–")


def test_sets_of_one_student_are_told_by_their_method():
    rng = np.random.default_rng(1)
    rows = [
        {"cell": f"{method}-T{T}", "method": method, "student": "r8", "T": T, "seed": seed,
         "test_top1": 80 + rng.standard_normal()}
        for method in ("kd", "dkd")
        for T in (2, 4)
        for seed in range(5)
    ]  # fmt: skip
    rows += [{**row, "cell": "base", "method": "baseline", "T": None} for row in rows[:10:2]]
    found = analyze(pd.DataFrame(rows).drop_duplicates(["cell", "seed"])).factorial
    assert sorted(whose(item, found) for item in found) == ["r8, dkd", "r8, kd"]
    assert [whose(item, found[:1]) for item in found[:1]] == ["r8"]


@pytest.mark.parametrize(("second", "said"), [(2.0, "Where it is inconclusive, these"), (0.1, "These")])
def test_what_seeds_detect_is_said_of_what_is_open(second, said):
    """The second gain is decided in one case; how many seeds the first takes is no word about it."""
    noise = {"baseline": (0, 0, 0, 0, 0), "kd": (0, 3, -3, 1.5, -1), "dkd": (0.05, -0.05, 0.02, 0, 0.1)}
    rows = [
        {"cell": method, "method": method, "seed": seed,
         "test_acc": 70 + seed / 3 + own[seed] * (1 if method == "kd" or second > 1 else 30)
         + second * (method == "dkd")}
        for method, own in noise.items()
        for seed in range(5)
    ]  # fmt: skip
    lines = headline(analyze(pd.DataFrame(rows), Plan(sesoi=0.5)))
    (line,) = (line for line in lines if "with 80 % power" in line)
    assert line.startswith(f"{said} seeds detect, with 80 % power, differences of about ")
    (needed,) = (line for line in lines if "would take" in line)
    assert ("seeds there" in needed) == (second > 1)


def test_what_seeds_detect_is_qualified_where_a_family_beside_it_is_decided():
    """The primary gain holds and another is open: how many seeds that takes is no word about the first."""
    noise = {"baseline": (0, 0, 0, 0, 0), "kd": (0.05, -0.05, 0.02, 0, 0.1), "dkd": (0, 3, -3, 1.5, -1)}
    rows = [
        {"cell": method, "method": method, "seed": seed,
         "test_acc": 70 + seed / 3 + own[seed] + 2 * (method == "kd")}
        for method, own in noise.items()
        for seed in range(5)
    ]  # fmt: skip
    lines = headline(analyze(pd.DataFrame(rows), Plan(sesoi=0.5, primary="kd", planned=True)))
    assert "Primary gain (planned): of 1 gain, 1 better." in lines, "the family that is decided"
    (line,) = (line for line in lines if "with 80 % power" in line)
    assert line.startswith(
        "Where it is inconclusive, these seeds detect, with 80 % power, differences of about "
    )
    (needed,) = (line for line in lines if "would take" in line)
    assert "seeds there" in needed


def test_what_the_correction_leaves_and_what_is_not_judged_are_counted_apart():
    rng = np.random.default_rng(5)
    rows = [
        {"cell": f"c{at}", "method": "baseline" if at == 0 else f"m{at}", "seed": seed,
         "test_acc": 70 + seed / 3 + (at > 0) * 3 + rng.normal(0, 0.1)}
        for at in range(4)
        for seed in range(6 if at < 3 else 2)
    ]  # fmt: skip
    found = analyze(pd.DataFrame(rows), Plan(test="unpaired"))
    family = found.family("gains")
    holds = [c for c in family.comparisons if c.p_adjusted < 0.05]
    unjudged = [c for c in holds if c.not_valid]
    lines = " ".join(headline(found))
    assert unjudged, "the case that this is about"
    assert (
        f"leaves {len(holds)}, {len(unjudged)} of which {'is' if len(unjudged) == 1 else 'are'} not judged"
        in lines
    )


def test_no_fewer_seeds_are_named_in_all_than_there_are() -> None:
    rng = np.random.default_rng(3)
    base = 70 + rng.normal(size=10)
    cells = {"baseline": base, "near": base + rng.normal(0.4, 1, 10), "far": base + rng.normal(0.4, 6, 10)}
    rows = [{"cell": c, "seed": s, "test_top1": v} for c, row in cells.items() for s, v in enumerate(row)]
    found = analyze(pd.DataFrame(rows), Plan(sesoi=2.0))
    every = [c for family in found.families for c in family.comparisons]
    assert head_of._in_all(found, every).startswith(" (then 11 to "), "8 or so suffice for the near one"
    assert head_of._in_all(replace(found, sesoi=50.0), every) == "", "all of them had the power for that"
