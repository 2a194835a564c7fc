"""Sanity before inference: tables that no training can have given are refused, others doubted by cell.

`cases/` holds small tables of a review, each with one thing wrong.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, TableError, analyze
from rigorkd_analysis.results import Analysis
from rigorkd_analysis.stats.new_images import Predictions
from scipy import stats

import rigorkd
from rigorkd.errors import InputError
from rigorkd.readers.raw import Reading
from rigorkd.report.analysis_page import analysis_page, short_page
from rigorkd.report.gated import Terms, sides_of_cells
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.page import title_of
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show
from rigorkd.report.report_page import report_page
from rigorkd.report.sentences import banner_of, titled
from rigorkd.report.sources import Source, from_csv, from_sources, from_study

CASES = Path(__file__).parent / "cases"
BASE = (72.5, 72.9, 72.3, 72.6, 72.7)
KD = (73.5, 73.9, 73.1, 73.6, 73.8)


def case(number: str, **asked: Any) -> Analysis:
    (path,) = CASES.glob(f"{number}-*.csv")
    return analysis_of(from_csv(path), Question(**asked))


def refused(number: str, **asked: Any) -> InputError:
    with pytest.raises(InputError) as error:
        case(number, **asked)
    return error.value


def table(metric: str = "test_top1", *, kd: tuple[float, ...] = KD, **columns: object) -> pd.DataFrame:
    rows = {"base": BASE, "kd": kd}
    frame = pd.DataFrame(
        [
            {"cell": cell, "method": "baseline" if cell == "base" else "kd", "seed": seed, metric: value}
            for cell, values in rows.items()
            for seed, value in enumerate(values)
        ]
    )
    return frame.assign(**columns)


def test_zeros_alone_are_on_no_scale():
    """As of a smoke run that met none of its few images."""
    rows = [{"cell": cell, "method": cell, "seed": 0, "test_top1": 0.0} for cell in ("baseline", "kd")]
    assert analyze(pd.DataFrame(rows), Plan(sesoi=1.0)).sesoi == 1.0


def test_a_sesoi_in_points_on_fractions():
    error = refused("01", baselines=("supervised",), sesoi=0.3)
    assert "sesoi 0.3 is 30 points on this scale" in error.message
    assert "between 0.8146 and 0.8479" in error.message
    assert error.hint == "did you mean --sesoi 0.003?"
    (gain,) = case("01", baselines=("supervised",), sesoi=0.003).family("gains").comparisons
    assert gain.verdict == "better"
    assert (gain.mean_diff, gain.t, gain.p) == pytest.approx((0.0166, 3.7737, 0.01954), abs=5e-5)
    assert (gain.ci_low, gain.ci_high) == pytest.approx((0.0044, 0.0288), abs=5e-5)


def test_fractions_beside_percent():
    error = refused("02", sesoi=0.3)
    assert "csv:7" in error.message
    assert "kd is in fractions (median 0.735) and base in percent (median 72.6)" in error.message


def test_an_accuracy_above_100_or_below_0():
    error = refused("03", sesoi=0.3)
    assert "csv:5" in error.message
    assert "735 is not an accuracy in 'test_top1' (cell kd)" in error.message
    with pytest.raises(TableError, match=r"-73.* is not an accuracy"):
        analyze(table(kd=(*KD[:4], -73.5)))


@pytest.mark.parametrize(("stray", "refuses"), [(0.738, True), (1.0, False), (0.1, False)])
def test_one_fraction_in_a_cell_of_percentages(stray, refuses):
    """A network at chance (1 % of 100 classes, 0.1 % of 1,000) is none."""
    frame = table(kd=(*KD[:4], stray))
    if not refuses:
        assert "fell far behind" in (analyze(frame).family("gains").comparisons[0].not_valid or "")
        return
    with pytest.raises(TableError, match=r"0.738 stands beside 73.5 .* of kd") as error:
        analyze(frame)
    assert error.value.row == 9


def test_losses_and_changes_have_no_such_scale():
    assert analyze(table("test_loss", kd=(172.0, 0.2, 1.0, 2.0, 3.0)))
    assert analyze(table("accuracy_drop", kd=(-1.0, 0.2, 101.0, 2.0, 3.0)), Plan(goal="min"))
    assert analyze(table("accuracy_gain", kd=(-1.0, 0.2, 1.0, 2.0, 3.0)))


def test_a_named_baseline_settles_the_ambiguous_cells_alone():
    assert "kd-10 has several baselines" in refused("07").message
    first, second = case("07", baselines=("base-10",)).family("gains").comparisons
    assert (first.b, second.b) == ("base-10", "base-70")
    assert second.verdict == "worse"
    assert (second.mean_diff, second.t, second.p) == pytest.approx((-1.6933, -29.14, 0.00118), abs=5e-3)
    assert second.p == pytest.approx(0.00118, abs=5e-6)


def test_settings_mixed_inside_a_cell():
    for asked in ({"metric": "test_acc"}, {}):
        error = refused("08", **asked)
        assert "csv:10" in error.message
        assert "the runs of kd differ in 'temperature': 4 and 2" in error.message


@pytest.mark.parametrize(
    "column", ["tau", "lr", "Learning-Rate", "learning_rate", "batch_size", "weight_decay", "epochs", "alpha"]
)
def test_runs_that_differ_in_a_setting_are_not_one_cell(column):
    with pytest.raises(TableError, match="the runs of kd differ in") as error:
        analyze(table(**{column: [0.1] * 9 + [0.2]}))
    assert (error.value.row, error.value.column) == (9, column)
    assert analyze(table(**{column: ["0.1", "1e-1"] * 5})).family("gains").comparisons[0].verdict == "better"


@pytest.mark.parametrize("column", ["epochs_run", "best_epoch", "train_seconds", "final_lr"])
def test_what_a_log_says_of_a_run_may_differ(column):
    assert analyze(table(**{column: range(10)}), Plan(metric="test_top1")).family("gains").size == 1


@pytest.mark.parametrize(
    "metric",
    ["accuracy_drop", "acc_gap", "loss_of_accuracy", "acc_degradation", "forgetting", "test_acc_std"],
)
def test_the_goal_of_a_change_is_asked_for(metric):
    assert "--goal" in (refused("09").hint or "")
    with pytest.raises(TableError, match="better or worse"):
        analyze(table(metric))
    assert analyze(table(metric), Plan(goal="min")).goal == "min"


@pytest.mark.parametrize(
    "metric", ["best_acc", "best_acc1", "best_top1", "acc_best", "student_best", "max_acc", "test_best_acc"]
)
def test_the_best_of_many_epochs_is_chosen_on_test(metric):
    goal = "max" if metric == "student_best" else None
    found = analyze(table(metric), Plan(goal=goal))
    assert any(text.startswith(f"{metric} is chosen on test data") for text in found.warnings)
    assert any(text.startswith("best_acc is chosen on test data") for text in case("10").warnings)


def test_validation_may_have_chosen_the_best():
    said = [
        "chosen on test" in " ".join(analyze(frame, Plan(metric=metric)).warnings)
        for metric, frame in (
            ("best_val_top1", table("best_val_top1")),
            ("best_acc", table("best_acc", val_acc=70.0)),
            ("best_test_acc", table("best_test_acc", val_acc=70.0)),
        )
    ]
    assert said == [False, False, True]


def warnings(frame: pd.DataFrame, **plan: Any) -> str:
    return " | ".join(analyze(frame, Plan(**plan)).warnings)


def test_a_baseline_at_chance():
    frame = table()
    frame.loc[frame["cell"] == "base", "test_top1"] = [10.0, 11.0, 9.5, 10.2, 9.9]
    assert "the baseline base is near chance (10.12; guessing among 10 classes gives 10)" in warnings(
        frame, classes=10
    )
    assert "the baseline base is near chance" in warnings(frame.assign(classes=10))
    assert "near chance" not in warnings(frame)
    assert "near chance" not in warnings(frame, classes=100)


GUESSES = (10.1, 9.5, 10.2, 9.8, 9.9)


def guessed(**columns: object) -> pd.DataFrame:
    frame = table(kd=(10.5, 9.9, 10.7, 10.2, 10.3), **columns)
    frame.loc[frame["cell"] == "base", "test_top1"] = GUESSES
    return frame


def test_a_study_at_chance_says_so_before_anything_else():
    """In every format; its one difference is even found."""
    found = analyze(guessed(), Plan(classes=10))
    assert found.family("gains").comparisons[0].verdict == "better"
    said = "AT CHANCE: no cell is shown to be better than guessing among 10 classes (10; the highest mean is "
    said += "10.32, of kd)"
    assert [text for text in found.warnings if "chance" in text.lower()] == [found.warnings[0]]
    assert found.warnings[0].startswith(said)
    for page in (short_page(found), analysis_page(found), report_page(gather(source(guessed()), found))):
        shown = io.StringIO()
        show(page, shown)
        one_line = " ".join(shown.getvalue().split())
        assert one_line.startswith(said)
        assert one_line.endswith("see first why the training shows so little")
        assert markdown(page).startswith(f"> **{said}")
        assert latex(page).splitlines()[1].startswith("% AT CHANCE: no cell")
        assert "AT CHANCE: no cell" in html(page).partition("<header")[0]
    assert page.short == "Not to be believed: no network is shown to be better than guessing."
    assert "What may be said" not in [title_of(block) for block in page.answer]
    assert page.title == "AT CHANCE: study · rigorkd report"
    assert rigorkd.analyze(guessed(classes=10)).says.startswith(said)
    assert titled("Results", found.warnings) == "AT CHANCE: Results"


def source(frame: pd.DataFrame) -> Source:
    return Source("study", frame, Plan(), lambda error: "study")


def test_smoke_goes_before_chance():
    found = analyze(guessed(smoke=True), Plan(classes=10))
    assert banner_of(found.warnings).startswith("SMOKE")
    assert "AT CHANCE" not in " ".join(found.warnings)


@pytest.mark.parametrize(
    ("kd", "said"),
    [
        ((14.1, 14.2, 14.0, 14.1, 14.2), "AT CHANCE: the baseline base is near chance (9.9; guessing"),
        ((14.1, 8.0, 12.0, 13.0, 9.0), "AT CHANCE: no cell is shown to be better than guessing"),
        ((30.0, 5.0, 55.0, 20.0, 40.0), "AT CHANCE: the baseline base is near chance"),
    ],
)
def test_a_cell_that_learnt_a_little_is_not_guessing(kd, said):
    """By its interval; of one that learnt in some seeds, its spread is no sign of guessing."""
    frame = table(kd=kd)
    frame.loc[frame["cell"] == "base", "test_top1"] = GUESSES
    assert warnings(frame, classes=10).startswith(said)


def test_cells_that_are_each_a_little_better_than_guessing_show_it_together():
    """Of none alone the interval leaves out what guessing gives."""
    cells = {
        "base": (10.6, 9.8, 11.2, 10.1, 11.3),
        "kd": (10.9, 10.7, 9.8, 11.2, 10.2),
        "dkd": (10.0, 11.3, 10.8, 10.6, 10.3),
        "fitnet": (10.7, 10.2, 11.0, 9.8, 11.1),
    }
    rows = [
        {"cell": name, "method": "baseline" if name == "base" else name, "seed": seed, "test_top1": value}
        for name, values in cells.items()
        for seed, value in enumerate(values)
    ]
    assert "no cell is shown" not in warnings(pd.DataFrame(rows), classes=10)
    for values in cells.values():
        alone = stats.ttest_1samp(values, 10).confidence_interval(1 - 0.05 / len(cells))
        assert alone.low < 10


def test_two_classes_far_from_chance_are_not_at_chance_at_two_seeds():
    frame = table(kd=(62.0, 60.0, 61.0, 61.5, 60.5))
    frame = frame.assign(test_top1=frame["test_top1"].where(frame["cell"] == "kd", 61.0))
    frame = frame[frame["seed"] < 2]
    assert "AT CHANCE" not in warnings(frame, classes=2)
    assert "AT CHANCE" not in warnings(frame, classes=None)


def test_one_run_that_learnt_nothing_is_told_as_that():
    kd = (73.5, 73.9, 10.0, 73.6, 73.8)
    said = warnings(table(kd=kd), classes=10)
    assert "no better than guessing: kd has 10 at seed 2 (guessing among 10 classes gives 10): see" in said
    assert "AT CHANCE" not in said
    assert "no better than guessing" not in warnings(table(kd=(73.5, 73.9, 10.1, 73.6, 73.8)), classes=10)
    assert "no better than guessing" not in warnings(table(kd=kd))


def test_every_run_that_learnt_nothing_is_named_whatever_the_other_seeds_of_its_cell_are():
    """A seed that is hard for all cells is no failed run of one of them."""
    frame = table(kd=(73.5, 73.9, 9.0, 73.6, 73.8))
    frame.loc[frame["cell"] == "base", "test_top1"] = [13.0, 12.0, 9.5, 13.0, 12.0]
    told = warnings(frame, classes=10)
    assert "the baseline base is near chance" in told
    said = "no better than guessing: base has 9.5 at seed 2; kd has 9 at seed 2 (guessing among 10 classes"
    assert said in told
    assert "whether these runs were trained" in told
    frame.loc[frame["cell"] == "base", "test_top1"] = [13.0, 9.0, 9.5, 13.0, 12.0]
    assert "base has at most 9.5 in 2 of 5 runs (seeds 1, 2); kd has 9 at" in warnings(frame, classes=10)
    frame.loc[frame["cell"] == "base", "test_top1"] = 9.5
    assert "guessing: base has at most 9.5 in all 5 runs; kd has 9 at seed 2" in warnings(frame, classes=10)
    few, more = (
        frame[frame["seed"] < 3],
        frame.assign(test_top1=frame["test_top1"].mask(frame["seed"] > 2, 9)),
    )
    for one in (few, more):
        assert "kd has" in warnings(one, classes=10).partition("no better than guessing: ")[2]


def test_a_constant_answer_is_the_best_guess_where_the_classes_of_the_images_are_known():
    """Of lesions seven in ten are benign: a network that says so always has learnt nothing."""
    frame = table(kd=(70.4, 69.7, 70.2, 70.1, 69.8))
    frame.loc[frame["cell"] == "base", "test_top1"] = [70.0, 70.2, 69.6, 70.1, 69.8]
    assert "chance" not in warnings(frame, classes=7).lower()
    told = warnings(frame, classes=7, largest_class=0.7)
    by = "by always giving the largest class of the test images"
    assert (
        f"no cell is shown to be better than guessing among 7 classes (70 {by}; the highest mean is" in told
    )
    frame.loc[frame["cell"] == "kd", "test_top1"] += 20
    told = warnings(frame, classes=7, largest_class=0.7)
    assert f"the baseline base is near chance (69.94; guessing among 7 classes gives 70 {by})" in told
    same = warnings(guessed(), classes=10, largest_class=0.1)
    assert same == warnings(guessed(), classes=10), "of equal classes none is the largest"
    target = np.array([0, 0, 0, 1])
    assert Predictions(target, target).largest_class == 0.75


def test_a_title_names_the_baseline_that_is_at_chance():
    frame = guessed()
    frame.loc[frame["method"] == "kd", "test_top1"] += 40
    found = analyze(frame, Plan(classes=10))
    assert titled("Gains", found.warnings) == "AT CHANCE (baseline base): Gains"
    page = report_page(gather(source(frame), found))
    assert page.short == "Not to be believed: the baseline base is near chance."


def test_several_baselines_at_chance_are_one_banner():
    frame = pd.concat([guessed(student="a"), guessed(student="b").replace({"base": "base-b", "kd": "kd-b"})])
    frame.loc[frame["method"] == "kd", "test_top1"] += 40
    text = banner_of(analyze(frame, Plan(classes=10)).warnings)
    assert text.startswith("AT CHANCE: the baselines base, base-b are near chance (9.9, 9.9; guessing")
    assert text.endswith("a gain over them says nothing of distillation")


@pytest.mark.parametrize(
    ("accuracy", "said"), [(12.0, "near chance (12)"), (72.0, "no better than its student")]
)
def test_a_teacher_that_cannot_teach(accuracy, said):
    text = warnings(table(), classes=10, teachers=(("teacher/r50", (accuracy, accuracy)),))
    assert (
        f"the teacher teacher/r50 {'is ' * (accuracy < 20)}{'' if accuracy < 20 else '(72) is '}{said}"
        in text
    )
    assert "teacher" not in warnings(table(), classes=10, teachers=(("teacher/r50", (80.0,)),))
    frame = pd.concat(
        [table(), pd.DataFrame({"cell": "big", "method": "teacher", "seed": [0, 1], "test_top1": accuracy})]
    )
    assert "the teacher big " in warnings(frame, classes=10)


def test_a_teacher_that_is_weak_at_some_seeds():
    """One teacher a seed: where it is below that seed's baseline, a mean above all of them says nothing."""
    weak = {"teachers": (("teacher", (80.0, 71.0, 80.0, 72.6, 80.0)),)}
    own = warnings(table(), classes=10, **weak, teacher_seeds=(("teacher", (0, 1, 2, 3, 4)),))
    assert (
        "the teacher is no better than its student without it, base, at seeds 1, 3 (on average 76.72" in own
    )
    assert "teacher" not in warnings(table(), classes=10, **weak), "one teacher for all seeds"
    rows = {"cell": "big", "method": "teacher", "seed": range(5), "test_top1": weak["teachers"][0][1]}
    for values, said in ((rows["test_top1"], True), ((76.0,) * 5, False)):
        frame = pd.concat([table(), pd.DataFrame({**rows, "test_top1": values})])
        assert ("base, at seeds 1, 3 (on" in warnings(frame, classes=10)) == said


@pytest.mark.parametrize("column", ["dataset", "group", "setting"])
def test_a_teacher_is_compared_with_students_of_its_own_data_set(column, tmp_path):
    """Harder data has a teacher below the students of easier data, which says nothing of it."""

    def doubted(teachers: dict[str, float], **networks: str) -> list[str]:
        rows = []
        for place, base in (("easy", 92.0), ("hard", 69.0)):
            own = {"scratch": base, "kd": base + 0.5}
            own |= {"teacher": teachers[place]} if place in teachers else {}
            rows += [
                {
                    column: place,
                    "method": method,
                    "seed": seed,
                    **({"student": networks["big" if method == "teacher" else "small"]} if networks else {}),
                    "test_acc": value + noise,
                }
                for method, value in own.items()
                for seed, noise in enumerate((0.1, 0.3, 0.0, 0.25, 0.2))
            ]
        path = tmp_path / "table.csv"
        pd.DataFrame(rows).to_csv(path, index=False)
        cell = f"{column}{',student' * bool(networks)},method"
        found = analysis_of(from_sources([str(path)], Reading(cell=cell)), Question(baselines=("scratch",)))
        return [text for text in found.warnings if "no better than its student" in text]

    sizes = {"big": "r56", "small": "r20"}
    for networks in ({}, sizes):
        assert doubted({"hard": 73.0}, **networks) == [], "the only teacher is of other data"
        assert doubted({"easy": 94.0, "hard": 73.0}, **networks) == []
        (told,) = doubted({"easy": 94.0, "hard": 68.0}, **networks)
        assert told.startswith("the teacher hard/")
        assert "its student without it, hard/" in told
        (told,) = doubted({"hard": 68.0}, **networks)
        assert told.startswith("the teacher hard/")
        assert "its student without it, hard/" in told


def test_top5_of_five_classes():
    frame = table("test_top5")
    assert (
        "test_top5 tells no cells apart: with 5 classes the right one is always among the first five"
        in warnings(frame, classes=5)
    )
    assert "test_top5" not in warnings(frame, classes=10)
    assert "100 in every run" in warnings(frame.assign(test_top5=100.0))
    both = table().assign(test_top5=100.0)
    assert "test_top5 tells no cells apart: with 4" in warnings(both, classes=4, secondary=("test_top5",))


def test_networks_that_predict_one_class():
    target = np.arange(40) % 4

    def read(cell: str, seed: int) -> Predictions:
        one = cell == "kd" and seed in (1, 3)
        return Predictions(target, np.zeros(40, int) if one else np.roll(target, seed % 2))

    found = analyze(table(), predictions=read)
    assert "kd predicts one class for every image at seed 1, 3: it did not learn" in found.warnings
    assert sum("one class" in text for text in found.warnings) == 1


def test_a_study_knows_its_classes_and_its_teachers(made, tmp_path):
    values = {
        "main/plain/baseline": (10.0, 10.5, 9.5, 10.25, 9.75),
        "main/plain/kd-T1-a0.5": (60.0, 60.5, 59.5, 60.0, 59.75),
        "main/plain/kd-T4-a0.5": (62.0, 62.5, 61.5, 62.0, 61.75),
    }
    source = from_study(made(tmp_path, values, teacher=10.0))
    assert (source.plan.classes, source.plan.teachers) == (10, (("teacher", (10.0,) * 5),))
    text = " | ".join(analysis_of(source, Question()).warnings)
    assert "the baseline main/plain/baseline is near chance" in text
    assert "the teacher is near chance" in text
    asked = replace(source, plan=replace(source.plan, classes=None))
    assert "chance" not in " ".join(analysis_of(asked, Question()).warnings)


def test_a_gate_between_cells_that_guess_says_so(made, tmp_path):
    values = {
        "main/plain/baseline": (10.0, 10.5, 9.5, 10.25, 9.75),
        "main/plain/kd-T1-a0.5": (10.5, 9.5, 10.0, 10.0, 9.75),
        "main/plain/kd-T4-a0.5": (62.0, 62.5, 61.5, 62.0, 61.75),
    }
    found = from_study(made(tmp_path, values, teacher=70.0))
    base, guessing, learnt = values
    said = sides_of_cells(found, base, guessing, Terms()).warnings
    assert said[0].startswith("AT CHANCE: no cell is shown to be better than guessing among 10 classes")
    assert "AT CHANCE" not in " ".join(sides_of_cells(found, base, learnt, Terms()).warnings)


def test_classes_that_only_the_predictions_know(made, tmp_path):
    values = {"main/plain/baseline": (24.0, 26.0, 25.0), "main/plain/kd-T1-a0.5": (26.0, 25.0, 24.0)}
    found = from_study(made(tmp_path, values, teacher=70.0))
    own = replace(found, plan=replace(found.plan, classes=None))
    assert own.classes() is None, "no predictions are kept"
    target = np.arange(40) % 4
    assert own.classes(Predictions(target, target)) == 4
    assert found.classes(Predictions(target, target)) == 10
    assert own.classes(Predictions(target * 0, target)) is None
