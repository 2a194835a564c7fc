"""What captions say of the numbers above them: of how many runs, by which test, what p is adjusted for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rigorkd_analysis.results import Analysis
from rigorkd_analysis.verdicts import Verdict

from rigorkd.cli.main import cli
from rigorkd.readers.raw import Reading
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of, judging, note
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.markdown import markdown
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_sources, from_study
from rigorkd.report.stars import some_not_valid, warned_of

from .conftest import CELLS, PROTOCOL

BASE = (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25, 69.75, 70.0)
GAINS = (
    (0.5, 0.25, 0.5, 0.25, 1.0, 0.75, 0.5),
    (2.0, 1.75, 2.25, 2.25, 2.0, 2.25, 1.5),
    (0.75, 0.5, 1.0, 0.25, 0.5, 0.25, 0.5),
    (1.5, 2.25, 2.0, 2.25, 2.25, 1.75, 2.0),
)


def judged(make, folder: Path, analysis: str, seeds: str, settings: str = "1, 4") -> tuple[Path, Analysis]:
    text = PROTOCOL.replace("sesoi: 0.5", f"sesoi: 0.5\n  {analysis}")
    text = text.replace("seeds: 5", f"seeds: {seeds}").replace("T: [1, 4]", f"T: [{settings}]")
    values = {CELLS[0]: BASE if "baseline" in seeds else BASE[:7]}
    for at, T in enumerate(settings.split(", ")):
        values[f"main/plain/kd-T{T}-a0.5"] = tuple(70.0 + d for d in GAINS[at])
    study = make(folder, values, text=text)
    return study, analysis_of(from_study(study), Question())


def test_without_pairing_both_numbers_of_runs_are_said(made, tmp_path):
    study, found = judged(made, tmp_path, "test: unpaired", "{baseline: 9, distilled: 7}")
    evidence = gather(from_study(study), found)
    pages = [short_page(found), analysis_page(found), report_page(evidence)]
    tables = [paper_table(evidence, layout) for layout in ("gains", "ablation")]
    for text in map(markdown, [*pages, *tables]):
        assert "paired by seed" not in text.replace("not paired by seed", "")
        assert "paired t," not in text
        assert "paired t test" not in text
        assert "Sign flips" not in text
        assert "exact test" not in text, "two samples of 7 can reject by permutations, so that is false"
    for text in map(markdown, pages):
        assert "7 to 9 runs per cell" in text
    assert "Welch's t (1947)" in markdown(pages[2])
    assert "the runs of a cell are normal" in markdown(pages[2])


def test_every_family_names_its_own_test(made, tmp_path):
    declared = "test: moderated\n  primary: main/plain/kd-T8-a0.5"
    study, found = judged(made, tmp_path, declared, "7", "1, 4, 2, 8")
    captions = {table.title.split(":")[0]: table.caption for table in short_page(found).tables}
    assert "7 seeds, moderated t, Holm over 3" in captions["Gains over the baseline"]
    assert "minus its baseline; 7 seeds, paired t, one comparison" in captions["Primary gain"]
    assert "averaged; 7 seeds, paired t" in captions["Average gain over the baseline"]
    evidence = gather(from_study(study), found)
    assert "paired t test and moderated t test" in markdown(paper_table(evidence, "gains"))
    assert "moderated t, as declared" in markdown(report_page(evidence))


def test_only_rows_that_are_better_are_bold_and_bold_is_explained(made, tmp_path):
    """In a paper bold means the best: a row whose verdict is worse is none."""
    values = {CELLS[0]: BASE[:7]}
    values |= {f"main/plain/kd-T{T}-a0.5": tuple(70.0 + d for d in GAINS[at]) for T, at in ((1, 1), (4, 3))}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    better = made(tmp_path / "a", values, text=PROTOCOL.replace("seeds: 5", "seeds: 7"))
    values |= {cell: tuple(140 - v for v in own) for cell, own in values.items() if cell != CELLS[0]}
    worse = made(tmp_path / "b", values, text=PROTOCOL.replace("seeds: 5", "seeds: 7"))
    for study, bold in ((better, 2), (worse, 0)):
        evidence = gather(from_study(study), analysis_of(from_study(study), Question()))
        for layout in ("gains", "ablation"):
            table = paper_table(evidence, layout).tables[0]
            averaged = layout == "gains" and bold > 0  # the average of the two has a row of its own
            assert len(table.emphasis) == bold + averaged
            assert ("Rows in bold: better" in table.caption) == bool(bold)


def test_rows_of_two_data_sets_name_them(tmp_path):
    """One student and one method on two data sets are two rows that nothing else tells apart."""
    rows = [
        f"{data},r20,{method},{seed},{70 + seed / 10 + (method == 'kd')}"
        for data in ("cifar100", "tiny")
        for method in ("baseline", "kd")
        for seed in range(3)
    ]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["dataset,student,method,seed,test_acc", *rows]) + "\n")
    source = from_sources([str(path)], Reading(), None)
    evidence = gather(source, analysis_of(source, Question(), images=False))
    (table,) = paper_table(evidence, "overall").tables
    named = [tuple(map(str, row[:3])) for row in table.rows]
    assert len(set(named)) == 4
    assert all(any(data in name for name, *_ in named) for data in ("cifar100", "tiny"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_can_only_be_full_or_one_value_has_no_column(tmp_path, layout):
    """The top-5 of five classes is 100 by its definition; an ablation names what it varies."""
    for top5 in ("100", "9{seed}"):
        rows = [
            f"r20,{method},{T},{seed},{70 + seed / 10 + at},{top5.format(seed=seed)}"
            for at, (method, T) in enumerate((("baseline", ""), ("kd", "1"), ("kd", "4")))
            for seed in range(3)
        ]
        path = tmp_path / "runs.csv"
        path.write_text("\n".join(["student,method,T,seed,test_top1,test_top5", *rows]) + "\n")
        question = Question()
        source = judging(from_sources([str(path)], Reading(), None), ("test_top5",), question)
        evidence = gather(source, analysis_of(source, question, images=False))
        (table,) = paper_table(evidence, layout).tables
        headings = [column.heading for column in table.columns]
        full = top5 == "100"
        assert any("top-5" in heading for heading in headings) is not full
        assert ("Top-5 is 100 in every run, as with few classes" in table.caption) is full
        if layout == "ablation":
            assert table.title == "Ablation of T"
            assert "α" not in headings


def test_a_layout_says_which_gain_is_the_primary_one_and_what_intervals_hold_together(made, tmp_path):
    """Each family is corrected by itself: no interval of a row is one for all rows together."""
    declared = "primary: main/plain/kd-T8-a0.5"
    study, found = judged(made, tmp_path, declared, "7", "1, 4, 2, 8")
    evidence = gather(from_study(study), found)
    for layout in ("gains", "ablation", "overall"):
        (text, *_) = [table.caption for table in paper_table(evidence, layout).tables]
        assert (
            "over 1 gain (planned, the primary one: main/plain/kd-T8-a0.5) and over 3 gains (planned)" in text
        )
        assert "that for all together" not in text
    text = paper_table(evidence, "gains").tables[0].caption
    assert "its 95 % interval alone and that for all that it is corrected with" in text
    (tmp_path / "alone").mkdir()
    alone = judged(made, tmp_path / "alone", "", "7")
    text = paper_table(gather(from_study(alone[0]), alone[1]), "gains").tables[0].caption
    assert "its 95 % interval alone and that for all together" in text


def test_what_is_open_after_a_look_counts_as_open(made, tmp_path):
    """It had been left out: the largest effect was that of a cell that was added later, and narrower."""
    study, _ = judged(made, tmp_path, "", "7")
    source = from_study(study)
    first = analysis_of(source, Question(seeds=(0, 1, 2, 3, 4)))
    note(source, first, Question(seeds=(0, 1, 2, 3, 4)))
    source = from_study(study)
    found = analysis_of(source, Question())
    opened = [c for f in found.families for c in f.comparisons if c.verdict == "inconclusive"]
    assert any(c.not_valid for c in opened)
    ends = [abs(end) for c in opened for end in (c.ci_simultaneous_low, c.ci_simultaneous_high)]
    text = markdown(report_page(gather(source, found)))
    assert f"what is open here may be as large as {max(ends):.2f} points, by its intervals" in text
    assert "the settings are not shown to differ" not in text


def test_the_caption_of_sequential_verdicts_says_which_p_it_is_and_what_became_of_the_plan(made, tmp_path):
    study, _ = judged(made, tmp_path, "", "7", "1, 4, 2, 8")
    source = from_study(study)
    for question in (Question(sequential=True), Question(sequential=True, alpha=0.04)):
        found = analysis_of(source, question, images=False)
        (table,) = (one for one in analysis_page(found).tables if one.title.startswith("Sequential"))
        assert (
            "Intervals are around the difference at the last seed, p is the smallest so far; – is"
            in table.caption
        )
        reason = "" if question.alpha is None else found.families[0].demoted
        assert ("exploratory: planned, but " in table.caption) == bool(reason)
        assert reason in table.caption
    for item in found.sequential.comparisons:  # p never rises with more seeds, as that of the last seed may
        part = analysis_of(source, Question(sequential=True, seeds=(0, 1, 2, 3, 4)), images=False)
        (early,) = (one for one in part.sequential.comparisons if one.name == item.name)
        assert (early.p_adjusted or 1.0) >= (item.p_adjusted or 1.0) - 1e-12


def test_a_conjunction_is_said_to_be_one_sided(made, tmp_path):
    both = "contrasts: [{all_of: [main/plain/kd-T1-a0.5, main/plain/kd-T4-a0.5]}]"
    text = PROTOCOL.replace("contrasts: [[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]]", both)
    values = {CELLS[0]: BASE[:5]} | {
        cell: tuple(70 + d for d in GAINS[at][:5]) for at, cell in enumerate(CELLS[1:])
    }
    found = analysis_of(from_study(made(tmp_path, values, text=text)), Question(), images=False)
    titles = {table.title: table.caption for table in analysis_page(found).tables}
    assert "(of “all of” the largest one-sided p of its members)" in titles["Contrasts"]
    assert "largest one-sided" not in titles["Gains over the baseline"]
    (c,) = found.family("contrasts").comparisons
    assert "largest one-sided p = " in c.says


def test_a_look_that_some_rows_had_names_them_and_takes_no_other_star_away(made, tmp_path):
    _, found = judged(made, tmp_path, "", "7")
    (family,) = [one for one in found.families if one.name == "gains"]
    first, second = family.comparisons
    why = "repeated look, not valid at alpha: analysed before at n = 4"
    doubt = "conf/x.yaml was another for 2 runs, and no hash covers it: if it shapes results, mend it"
    undecided = {"verdict": Verdict.INCONCLUSIVE, "magnitude": None}
    seen = replace(first, not_valid=why, warnings=(why, doubt), says=f"x: inconclusive ({why}).", **undecided)
    text = some_not_valid([replace(family, comparisons=(seen, second))])
    assert text == f" {first.a} is inconclusive whatever p is: {why}."
    assert some_not_valid([replace(family, comparisons=(seen,))]) == f" Inconclusive whatever p is: {why}."
    assert warned_of(seen) == (doubt.partition(": if it")[0],)


def test_an_ablation_speaks_of_the_families_of_its_own_rows(made, tmp_path) -> None:
    """Cells that came later have no row in it: their family was named in its caption."""
    late = "dkd-T4-tckd1-nckd2-w1"
    grid = {
        f"main/plain/{name}": tuple(70 + gain + 0.25 * ((seed * 7) % 5) * (1 + gain) for seed in range(5))
        for name, gain in (("baseline", 0.0), ("kd-T1-a0.5", 0.5), ("kd-T4-a0.5", 1.0), (late, 0.5))
    }
    made(tmp_path, {cell: row for cell, row in grid.items() if late not in cell}, text=PROTOCOL)
    study = made(
        tmp_path, grid, text=PROTOCOL.replace("alpha: 0.5}}", "alpha: 0.5}, dkd: {T: 4, b: 2, warmup: 1}}")
    )
    source = from_study(study)
    evidence = gather(source, analysis_of(source, Question(), images=False))
    said = {layout: paper_table(evidence, layout).tables[0].caption for layout in ("gains", "ablation")}
    assert "Holm over 2 gains (planned) and over 1 gain (exploratory)" in said["gains"]
    assert "Holm over 2 gains (planned), equivalence" in said["ablation"]
    assert "exploratory)" not in said["ablation"]


def test_a_figure_that_goes_on_alone_says_which_gain_is_primary_and_that_labels_are_wrong(made, tmp_path):
    """Its file has no caption: the legend said "over all 2" beside three rows."""
    text = PROTOCOL.replace("contrasts: [[", "primary: main/plain/kd-T4-a0.5\n  contrasts: [[").replace(
        "split: {", "label_noise: 0.2, split: {"
    )
    values = {CELLS[0]: BASE[:5]} | {
        cell: tuple(70 + d for d in GAINS[at][:5]) for at, cell in enumerate(CELLS[1:])
    }
    study = made(tmp_path, values, text=text)
    words = ["figures", str(study), "--out", str(tmp_path / "figures"), "--format", "svg"]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    drawn = " ".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "figures" / "gains.svg").read_text()))
    assert "kd-T4-a0.5 (primary)" in drawn
    assert "20 % of the training labels replaced by wrong ones" in drawn
