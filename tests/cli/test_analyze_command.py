"""`rigorkd analyze` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PUBLISHED = Path(__file__).parents[2] / "analysis" / "published"
RUNS = PUBLISHED / "kd_capacity_gap_runs.csv"


def test_the_capacity_study_in_words(rigorkd):
    done = rigorkd("analyze", RUNS, "--sesoi", "0.2")
    assert done.returncode == 0
    read, *how = done.stderr.splitlines()
    assert read.startswith("read: 50 runs, 10 cells, 5 seeds (0 to 4) from ")
    assert how == ["cells: column cell; seed: column seed", "metric: test_top1"]
    text = " ".join(done.stdout.split())
    start = "Average gain over the baseline (exploratory): no average gain was shown, of 4 tested"
    assert text.startswith(start)
    assert "Gains over the baseline (exploratory): no gain was shown, of 8 tested" in text
    assert (
        "find 1 of 8 below 0.05 (resnet50_to_resnet34_feature, p = 0.0403), and it is a gain; "
        "Holm over 8 leaves none" in text
    )
    assert "A difference of 0.20 points would take 8 to 12 seeds" in text


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "latex"])
def test_documents_are_alone_on_stdout_and_repeat_to_the_byte(rigorkd, form: str):
    first, second = (rigorkd("analyze", RUNS, "--format", form, "--sesoi", "0.2") for _ in range(2))
    assert first.returncode == 0
    assert first.stdout == second.stdout
    start = {"json": "{", "csv": "family,planned,name,", "markdown": "**Average", "latex": "% needs"}[form]
    assert first.stdout.startswith(start)


def test_json_of_a_csv(rigorkd):
    document = json.loads(rigorkd("analyze", RUNS, "--format", "json").stdout)
    shown = [(family["name"], family["planned"], family["size"]) for family in document["families"]]
    assert shown == [("overall", False, 4), ("gains", False, 8)]
    assert document["sesoi"] is None
    assert document["sequential"] is None


def test_options_reach_the_analysis(rigorkd):
    done = rigorkd(
        *("analyze", RUNS, "--format", "json", "--metric", "final_top1", "--correction", "none"),
        *("--compare", "resnet50_to_resnet18_feature", "resnet50_to_resnet18_logit"),
        *("--alpha", "0.1", "--all-pairs", "--sequential"),
    )
    document = json.loads(done.stdout)
    assert (document["metric"], document["correction"], document["alpha"]) == ("final_top1", "none", 0.1)
    names = [family["name"] for family in document["families"]]
    assert names == ["overall", "gains", "contrasts", "all_pairs"]
    assert document["sequential"]["comparisons"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "no such file or study"),
        ([RUNS, "--metric", "test_top"], "did you mean test_top1?"),
        ([RUNS, "--baseline", "resnet18/basline"], "did you mean 'resnet18/baseline'?"),
        ([RUNS, "--compare", "resnet18/baseline", "resnet18/basline"], "did you mean 'resnet18/baseline'?"),
        ([RUNS, "--sesoi", "-1"], "positive number"),
        ([RUNS, "--alpha", "5"], "between 0 and 0.5"),
        ([RUNS, "--correction", "hom"], "Invalid value"),
        ([], "results"),
    ],
)
def test_wrong_input_is_exit_2_with_one_message(rigorkd, arguments, message: str):
    done = rigorkd("analyze", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_value_is_named_by_file_line_and_column(rigorkd, tmp_path):
    lines = RUNS.read_text().splitlines()
    lines[6] = lines[6].replace("95.04,95.04", "95.O4,95.04")
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    done = rigorkd("analyze", "bad.csv")
    assert done.returncode == 2
    assert "bad.csv:7: column 'test_top1': '95.O4' is not a number" in done.stderr


def test_warnings_of_a_document_go_to_stderr(rigorkd, tmp_path):
    header, *lines = RUNS.read_text().splitlines()
    two = [line for line in lines if line.split(",")[6] in ("0", "1")]
    (tmp_path / "few.csv").write_text("\n".join([header, *two]) + "\n")
    done = rigorkd("analyze", "few.csv", "--format", "json")
    json.loads(done.stdout)
    assert "n = 2" in done.stderr


def test_no_torch_is_imported(rigorkd, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')\n")
    done = rigorkd("analyze", RUNS)
    assert done.returncode == 0, done.stderr


def test_a_goal_may_be_said_as_it_is_printed(rigorkd):
    for goal, word in [("max", "higher"), ("min", "lower")]:
        mine, theirs = (rigorkd("analyze", RUNS, "--goal", said, "--sesoi", "0.2") for said in (goal, word))
        assert mine.stdout == theirs.stdout
        assert f"(goal: {word})" in mine.stdout
    done = rigorkd("analyze", RUNS, "--goal", "hihger")
    assert (done.returncode, "'higher', 'lower'" in done.stderr) == (2, True)
