"""Tables whose cells are nearly numbers, whose rows are no rivals, and whose columns are no results."""

from __future__ import annotations

import pytest

from tests.cli.audits import audited, refused


def values(found) -> dict[str, float]:
    return {cell["cell"]: cell["value"] for cell in found["cells"]}


COUNTS = """| Model | d_model | Training Time | #GPUs | # Train Image | layers | Acc | F1 |
|---|---|---|---|---|---|---|---|
| A | 128 | 22m | 1 | 50000 | 20 | 94.1 | 93.0 |
| A | 256 | 1h32m | 2 | 50000 | 32 | 94.8 | 94.0 |
| B | 256 | 2h | 4 | 45000 | 44 | 95.1 | 94.2 |
"""


def test_times_and_counts_are_no_results_and_name_no_rows(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    assert "give --metric, one of: Acc, F1;" in refused(rigorkd, path, COUNTS)
    found = audited(rigorkd, path, COUNTS, "--metric", "Acc", "--n-test", "1000")
    assert not any("22m" in name for name in values(found))
    assert any(note.startswith("F1: each column is judged") for note in found["notes"])


@pytest.mark.parametrize(
    ("heading", "rows"),
    [
        ("Hyperparameter | Value", ("epoch | 200", "batch size | 128", "learning rate | 0.1")),
        ("Parameter | Value", ("Model | r18", "Batch Size | 16", "Epochs | 5", "Weight Decay | 0.01")),
    ],
)
def test_rows_of_settings_are_no_rivals(rigorkd, tmp_path, heading, rows):
    table = f"| {heading} |\n|---|---|\n" + "".join(f"| {row} |\n" for row in rows)
    said = refused(rigorkd, tmp_path / "t.md", table)
    assert "its rows are settings (" in said
    assert "which are no rivals" in said
    assert audited(rigorkd, tmp_path / "t.md", table, "--metric", "Value")["comparisons"]


def test_regularisers_that_are_called_as_settings_are_methods(rigorkd, tmp_path):
    table = "| Method | Acc |\n|---|---|\n| dropout | 71.2 |\n| label smoothing | 72.0 |\n"
    assert len(audited(rigorkd, tmp_path / "t.md", table, "--n-test", "10000")["comparisons"]) == 1


def test_columns_of_settings_alone_are_refused_as_such(rigorkd, tmp_path):
    table = "| Student | Alpha | T | Acc |\n|---|---|---|---|\n| r18 | 0.1 | 7.0 | |\n| r34 | 0.2 | 4.0 | |\n"
    said = refused(rigorkd, tmp_path / "t.md", table)
    assert "no column of results: Alpha and T say how it was trained, not how well it does" in said


HEAT = """| Temperature (T) | Teacher accuracy (%) | Accuracy with KD (%) | Accuracy with CosineLoss (%) |
|---|---|---|---|
| 0.5 | 75.49 | 70.33 | 70.78 |
| 5.0 | 75.49 | 72.18 | 70.55 |
"""


def test_a_setting_in_numbers_names_rows_and_is_no_result(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    assert "Temperature (T)" not in refused(rigorkd, path, HEAT)
    judged = ("--metric", "Accuracy with CosineLoss (%)", "--n-test", "10000")
    found = audited(rigorkd, path, HEAT, *judged)
    assert values(found) == {"Temperature (T)=0.5": 70.78, "Temperature (T)=5.0": 70.55}
    (pair,) = found["comparisons"]
    assert "Temperature (T)=0.5" in pair["b"], (
        "of an accuracy more is better, whatever loss it was trained with"
    )
    found = audited(rigorkd, path, HEAT, "--turned", "--metric", "5.0", "--n-test", "10000")
    assert next(iter(values(found))) == "Teacher accuracy (%)"
    assert any("by its name the student's teacher" in note for note in found["notes"])


def test_a_column_of_several_numbers_is_parted_where_its_heading_is(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    table = "| Model | Top-1/Top-5 |\n|---|---|\n| A | **78.21/94.01** |\n| B | 80.67 / 95.09 |\n"
    found = audited(rigorkd, path, table, "--metric", "Top-5", "--n-test", "50000")
    assert values(found) == {"A": 94.01, "B": 95.09}
    found = audited(rigorkd, path, table.replace("Top-1/Top-5", "MNLI-(m/mm)"), "--metric", "MNLI-mm")
    assert values(found) == {"A": 94.01, "B": 95.09}
    said = refused(rigorkd, path, table.replace("Top-1/Top-5", "Accuracy"))
    assert "'78.21/94.01' is not a number it holds 2 numbers: print a column for each" in said
    said = refused(
        rigorkd, path, "| M | A |\n|---|---|\n| x | 81.5% mAP 92.6% R1 |\n| y | 80.5% mAP 91.6% R1 |\n"
    )
    assert "no cell of its table is one number: '81.5% mAP 92.6% R1' is none" in said


def test_a_first_row_without_a_number_is_no_second_heading(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    table = "| Model | Input | Accuracy |\n|---|---|---|\n| Teacher | EEG | {} |\n| KD | GSR | 0.772 |\n"
    for cell in ("—", "in progress"):
        found = audited(rigorkd, path, table.format(cell), "--n-test", "500")
        assert (found["metric"], list(values(found))) == ("Accuracy", ["KD"])
    said = refused(rigorkd, path, table.format("~0.83–0.85"))
    assert "column 'Accuracy': '0.83-0.85' is not a number it says no exact number" in said
    assert "--without Teacher" in said
    # a heading that spans columns goes on below the rule
    two = "| | C10 | C10 |\n|---|---|---|\n| Model | Base | +X |\n| r8 | 7.1 | 6.7 |\n| r20 | 6.4 | 5.6 |\n"
    assert "C10 Base, C10 +X" in refused(rigorkd, path, two)


def test_rows_that_are_nearly_numbers_are_not_dropped_without_a_word(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    table = "| Model | SSIM |\n|---|---|\n| A | 0.85 |\n| B | 0.88 |\n| C | **0.90+** |\n"
    said = refused(rigorkd, path, table)
    assert "'0.90+' is not a number it says no exact number: print the one that was measured" in said
    assert len(audited(rigorkd, path, table, "--without", "C")["comparisons"]) == 1


def test_rows_that_hold_nothing_to_judge_are_no_error(rigorkd, tmp_path):
    table = "| Model | Test Error | In paper |\n|---|---|---|\n| A | 7.60 | 6.4 |\n| B | 7.21 | 6.5 |\n"
    table += "| C | | 4.33 / 4.62 (median of 5) |\n"
    found = audited(rigorkd, tmp_path / "t.md", table, "--metric", "Test Error")
    assert values(found) == {"A": 7.6, "B": 7.21}
    said = refused(rigorkd, tmp_path / "t.md", table, "--metric", "In paper")
    assert "'4.33 / 4.62 (median of 5)' is not a number it says no exact number" in said


def test_approximate_numbers_are_said_to_be_so_and_condition_every_claim(rigorkd, tmp_path):
    table = "| Model | Accuracy |\n|---|---|\n| Teacher | ~84 |\n| Student | 70.71 |\n"
    found = audited(rigorkd, tmp_path / "t.md", table, "--n-test", "10000")
    assert any(note.startswith("~84 is printed as approximate") for note in found["notes"])
    (claim,) = (said for said in found["survives"] if "survives (" in said)
    assert "all of it if ~84 is right to the last digit" in claim
    tex = "\\begin{tabular}{lc}\nM & Acc \\\\\nA & ~84.0 \\\\\nB & 70.7 \\\\\n\\end{tabular}\n"
    found = audited(rigorkd, tmp_path / "t.tex", tex, "--n-test", "10000")
    assert not any("approximate" in note for note in found["notes"]), "~ is a space in LaTeX"


def test_a_word_or_a_range_beside_percentages_leaves_them_percentages(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    table = "| model | first | last |\n|---|---|---|\n| A | 94 % | 46% |\n"
    table += "| B | 86 % | 65 % |\n| C | 86 % | {} |\n"
    assert "one of: first, last;" in refused(rigorkd, path, table.format("56–58 %"))
    assert "'56-58 %' is not a number" in refused(rigorkd, path, table.format("56–58 %"), "--metric", "last")
    said = refused(rigorkd, path, table.format("in progress"), "--metric", "last")
    assert "'in progress' is not a number" in said
    assert "--without C" in said


def test_marks_in_brackets_are_no_part_of_a_number(rigorkd, tmp_path):
    table = "| | A | B |\n|---|---|---|\n| test accuracy | 76.15 %(*) | 77.06% (**) |\n"
    found = audited(rigorkd, tmp_path / "t.md", table, "--turned", "--n-test", "50000")
    assert values(found) == {"A": 76.15, "B": 77.06}


def test_rows_of_other_test_sets_and_epochs_of_one_run_are_no_rivals(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    table = (
        "| Crop | Test Samples | Accuracy |\n|---|---|---|\n| a | 2,180 | 90.23% |\n| b | 931 | 89.04% |\n"
    )
    assert "the rows have different n_test: 2,180, 931" in refused(rigorkd, path, table)
    epochs = "| Epoch | Val CE | Time |\n|---|---|---|\n| 1 | 3.54 | 719s |\n| 2 | 3.52 | 718s |\n"
    assert "its rows are one run at each epoch, which are no rivals" in refused(rigorkd, path, epochs)


def test_a_first_column_that_is_printed_once_for_all_rows_below_is_filled(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    table = "| Framework | Backbone | AP |\n|---|---|---|\n| R | Swin | 41.5 |\n| | Ours | 41.8 |\n"
    table += "| M | Swin | 42.7 |\n| | Ours | 42.9 |\n"
    assert "--within 'Framework'" in refused(rigorkd, path, table)
    found = audited(rigorkd, path, table, "--within", "Framework")
    assert {(pair["a"], pair["b"]) for pair in found["comparisons"]} == {
        ("R/Swin", "R/Ours"),
        ("M/Swin", "M/Ours"),
    }


def test_a_median_of_runs_is_not_said_to_name_no_number(rigorkd, tmp_path):
    table = "| Model | Test Error (median of 3 runs) |\n|---|---|\n| A | 7.60 |\n| B | 7.21 |\n"
    path = tmp_path / "t.md"
    found = audited(rigorkd, path, table)
    assert "taken as one seed (though its heading says “median of 3 runs”)" in found["survives"][0]
    shown = rigorkd("audit", path).stdout
    assert "names no number" not in " ".join(shown.split())


def test_the_only_pair_is_not_one_of_one(rigorkd, tmp_path):
    table = "| Model | Acc |\n|---|---|\n| A | 92.0 |\n| B | 92.4 |\n"
    found = audited(rigorkd, tmp_path / "t.md", table, "--n-test", "10000")
    assert "The only pair of networks depends on outcomes that are not printed." in found["survives"]
