"""Tables as repositories print them: roles with results, teachers, costs, gains, and nothing to compare."""

from __future__ import annotations

import pytest

from tests.cli.audits import audited, refused

PAIRS = """| teacher → student | teacher | student | KD |
|---|---|---|---|
| big → small | 72.10 | 69.30 | 70.20 |
| wide → slim | 75.20 | 73.40 | 74.10 |
| deep → small | 74.60 | 69.30 | 70.90 |
"""


def test_a_column_called_student_that_holds_accuracies_is_a_result_and_names_no_student(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    said = refused(rigorkd, path, PAIRS)
    assert "which column is to be judged? give --metric, one of: Teacher, Student, KD;" in said
    found = audited(rigorkd, path, PAIRS, "--metric", "KD")
    assert len(found["comparisons"]) == 3, "69.30 twice is no student that two rows share"
    assert not any("only column of numbers" in note for note in found["notes"])
    assert audited(rigorkd, path, PAIRS, "--metric", "student")["metric"] == "Student"
    found = audited(rigorkd, path, PAIRS, "--turned", "--metric", "wide → slim")
    assert [cell["cell"] for cell in found["cells"]] == ["teacher", "student", "KD"]
    # names of networks are still students
    named = PAIRS.replace("69.30", "small").replace("73.40", "slim")
    assert len(audited(rigorkd, path, named, "--metric", "KD")["comparisons"]) == 1


SHARES = """| Share | 25% | 50% | 100% |
|---|---|---|---|
| Student | 61.50±0.24 | 66.18±0.41 | 69.73±0.10 |
"""


def test_a_table_of_one_row_is_told_to_be_turned_and_its_row_may_be_called_student(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    found = audited(rigorkd, path, SHARES, "--metric", "25%", "--seeds", "3")
    assert found["survives"] == [
        "The table has one row, so nothing is compared.",
        "--turned compares its columns.",
    ]
    found = audited(rigorkd, path, SHARES, "--turned", "--seeds", "3")
    assert [cell["cell"] for cell in found["cells"]] == ["25%", "50%", "100%"], "a share is not its number"
    assert len(found["comparisons"]) == 3


def test_where_nothing_is_compared_no_test_is_spoken_of_and_the_advice_can_be_followed(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    alone = "| Student | Teacher | Ours |\n|---|---|---|\n"
    alone += "| small | big | 70.1±0.2 |\n| slim | wide | 71.2±0.1 |\n"
    found = audited(rigorkd, path, alone, "--seeds", "5")
    assert found["survives"] == [
        "No two of the 2 rows share a student, so nothing is compared.",
        "Add rows of the same students that they are to be compared with.",
    ]
    wide = alone.replace("| Ours |", "| Ours | KD |").replace("|---|\n", "|---|---|\n")
    wide = wide.replace("70.1±0.2 |", "70.1±0.2 | 69.9±0.1 |").replace("71.2±0.1 |", "71.2±0.1 | 70.8±0.2 |")
    found = audited(rigorkd, path, wide, "--metric", "Ours", "--seeds", "5")
    assert found["survives"][1] == "--turned compares its columns."
    assert audited(rigorkd, path, wide, "--turned", "--metric", "small/big", "--seeds", "5")["comparisons"]


TEACHERS = """| Method | Network | Error |
|---|---|---|
| Teacher* (wide) | wide | 21.10 |
| Plain | slim | 24.20 |
| Teacher-free KD | slim | 23.70 |
| Ours | slim | 22.90 |
"""


def test_pairs_with_a_teacher_or_of_two_networks_are_said_to_count_and_how_to_leave_them_out(
    rigorkd, tmp_path
):
    path = tmp_path / "t.md"
    found = audited(rigorkd, path, TEACHERS)
    (note,) = (note for note in found["notes"] if "no rival" in note)
    assert note == (
        "Teacher* (wide) is by its name the student's teacher, and no rival: 3 pairs with it count in the "
        "correction (--without 'Teacher* (wide)' leaves it out)"
    )
    left = audited(rigorkd, path, TEACHERS, "--without", "Teacher* (wide)")
    assert len(left["comparisons"]) == 3
    assert not any("no rival" in note for note in left["notes"])
    other = TEACHERS.replace("Teacher* (wide)", "Old")
    found = audited(rigorkd, path, other)
    assert any(
        note.startswith("3 of 6 pairs are of rows that differ in Network (wide, slim)")
        for note in found["notes"]
    )
    within = audited(rigorkd, path, other, "--within", "Network")
    assert len(within["comparisons"]) == 3
    assert not any("differ in Network" in note for note in within["notes"])


def test_costs_and_gains_are_no_results_unasked(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    sizes = "| Setup | Size ratio |\n|---|---|\n| a | 47.2% |\n| b | 25.0% |\n"
    said = refused(rigorkd, path, sizes)
    assert "no column of results: Size ratio says what a network is" in said
    assert audited(rigorkd, path, sizes, "--metric", "Size ratio")["comparisons"]
    table = """| name | acc@1 | acc@5 | res | FLOPs (G) | #MAdds(M) | total epoch | Gap | Improvement |
|---|---|---|---|---|---|---|---|---|
| S | 81.1 | 95.1 | 224 | 9.4 | 4.1 | 200 | - | 0.3 |
| S | 82.0 | 95.9 | 384 | 9.4 | 4.1 | 200 | +0.9 | 1.2 |
| M | 81.5 | 95.2 | 384 | 9.9 | 5.1 | 200 | -0.4 | 0.7 |
"""
    assert "give --metric, one of: acc@1, acc@5;" in refused(rigorkd, path, table)
    found = audited(rigorkd, path, table, "--metric", "acc@1", "--n-test", "10000")
    assert [cell["cell"] for cell in found["cells"]] == ["S/res=224", "S/res=384", "M"]
    assert any(note.startswith("acc@5: each column is judged") for note in found["notes"])


def test_a_row_of_average_gains_is_no_rival(rigorkd, tmp_path):
    table = "| Method | Acc |\n|---|---|\n| KD | 70.1 |\n| Ours | 71.4 |\n| Avg. Gain | +1.3 |\n"
    found = audited(rigorkd, tmp_path / "t.md", table, "--n-test", "10000")
    assert [cell["cell"] for cell in found["cells"]] == ["KD", "Ours"]
    assert "left out: Avg. Gain, a difference of rows by its name and its sign" in found["notes"]


GROUPED = """| | CIFAR10 | CIFAR10 | CIFAR100 | CIFAR100 |
|---|---|---|---|---|
| Models | Base. | +X | Base. | +X |
| R20 | 7.21 | 6.73 | 30.84 | 29.97 |
| R32 | 6.41 | 5.66 | 28.50 | 27.18 |
"""


def test_columns_of_several_data_sets_are_compared_within_each(rigorkd, tmp_path):
    found = audited(rigorkd, tmp_path / "t.md", GROUPED, "--turned", "--metric", "R32")
    pairs = {(one["a"], one["b"]) for one in found["comparisons"]}
    assert {frozenset(pair) for pair in pairs} == {
        frozenset({f"{data} Base.", f"{data} +X"}) for data in ("CIFAR10", "CIFAR100")
    }
    assert "columns are compared within CIFAR10, CIFAR100, by their names" in found["notes"]


HETERO = r"""\begin{tabular}{lcccc}
\multirow{2}{*}{Dataset} & \multirow{2}{*}{Student Model} & \multicolumn{2}{c}{Teacher Model} \\
\cline{3-4}
 & & 18 & 34 \\
\midrule
\multirow{2}{*}{CIFAR-100} & 18 & 77.85 & 78.13 \\
 & 34 & --- & 78.50 \\
ImageNet & 50 & --- & 71.71 \\
\end{tabular}
"""


def test_a_second_heading_may_be_numbers_and_rows_with_a_value_are_not_advised_away(rigorkd, tmp_path):
    path = tmp_path / "t.tex"
    assert "Teacher Model 18, Teacher Model 34;" in refused(rigorkd, path, HETERO)
    found = audited(rigorkd, path, HETERO, "--metric", "Teacher Model 34")
    assert [cell["value"] for cell in found["cells"]] == [78.13, 78.5, 71.71]
    said = refused(rigorkd, path, HETERO, "--metric", "Teacher Model 18")
    assert "2 are named CIFAR-100" in said
    assert "--without CIFAR-100" not in said


@pytest.mark.parametrize("sign", ["^\\S", "^§", "$^\\P$"])
def test_marks_of_footnotes_are_no_part_of_a_name_or_a_number(rigorkd, tmp_path, sign):
    text = f"A{sign} & 71.10 \\\\\nB & 72.30{sign} \\\\\n"
    table = "\\begin{tabular}{lc}\nMethod & Acc \\\\\n" + text + "\\end{tabular}\n"
    found = audited(rigorkd, tmp_path / "t.tex", table, "--n-test", "10000")
    assert [cell["cell"].rstrip("§¶") for cell in found["cells"]] == ["A", "B"]
    assert found["cells"][1]["value"] == 72.3


def test_a_caption_with_several_numbers_of_seeds_before_brackets_settles_none(rigorkd, tmp_path):
    table = r"""\begin{table}\caption{Accuracy ($\pm$ std). A: all $n=10$ (seeds 42--51). B: $n=5$.}
\begin{tabular}{lc}
Method & Acc \\
KD & 71.10$_{\pm 0.21}$ \\
Ours & 72.10$_{\pm 0.41}$ \\
\end{tabular}\end{table}
"""
    said = refused(rigorkd, tmp_path / "t.tex", table)
    assert "several numbers of seeds (“n=10” and “n=5”): --seeds K says which holds" in said


def test_a_median_of_runs_by_its_heading_is_no_mean_of_those_that_are_named_elsewhere(rigorkd, tmp_path):
    table = "Other tables are averaged over 3 runs.\n\n## Here\n\n| Model | Test Error (median of 3 runs) |\n"
    table += "|---|---|\n| A | 7.60 |\n| B | 7.21 |\n"
    found = audited(rigorkd, tmp_path / "t.md", table)
    assert found["seeds"] == 1
    assert any("its heading says “median of 3 runs”, which is no mean" in note for note in found["notes"])
