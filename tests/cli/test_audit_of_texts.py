"""A table in a text: what lines far from it say of it, where an error lies, and columns made of others."""

from __future__ import annotations

import json

import pytest

TEXT = """# Results

- **Runs**: 10 seeds per dataset

## Main

| Dataset | Plain | Ours | RKD Gain | Gap Closed |
|---|---|---|---|---|
| Cora | 70.10±0.40 | 72.90±0.50 | +2.80% | 91.7% |
| Citeseer | 60.10±0.40 | 60.90±0.50 | +0.80% | 12.5% |

## Reproducibility

Results reported as mean ± std
"""
ASKED = ("--turned", "--metric", "Cora", "--format", "json")


def audited(rigorkd, path, text: str, *options: str):
    path.write_text(text)
    return json.loads(rigorkd("audit", path, *ASKED, *options).stdout)


def test_what_lines_far_from_a_table_say_of_seeds_and_spreads_is_read_and_where_is_said(rigorkd, tmp_path):
    found = audited(rigorkd, tmp_path / "t.md", TEXT)
    assert found["seeds"] == 10
    notes = " ".join(found["notes"])
    assert "n = 10 by line 3 of the text, far from the table (“10 seeds”); --seeds K changes it" in notes
    assert (
        "what ± is, line 14 of the text says, far from the table (“Results reported as mean ± std”)" in notes
    )
    assert "nothing says what ± is" not in notes
    splits = TEXT.replace("- **Runs**: 10 seeds per dataset", "- 10 random splits (seeds 42-51)")
    assert audited(rigorkd, tmp_path / "t.md", splits)["seeds"] == 10
    near = TEXT.replace("## Main", "## Main\n\nMeans over 4 seeds, ± their standard error.")
    found = audited(rigorkd, tmp_path / "t.md", near)
    assert found["seeds"] == 4, "the caption goes first"
    assert not any("far from" in note for note in found["notes"])


def test_lines_far_from_a_table_settle_nothing_where_they_differ_or_are_of_another_table(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    path.write_text(TEXT + "\nAll ablations use 3 seeds.\n")
    said = " ".join(rigorkd("audit", path, *ASKED).stderr.split())
    assert "several numbers of seeds (“10 seeds” on line 3 and “use 3 seeds” on line 16)" in said
    other = "\n## Other\n\nMeans over 3 runs.\n\n| Dataset | A | B |\n|---|---|---|\n"
    other += "| Cora | 70.1±0.4 | 71.1±0.4 |\n"
    path.write_text(TEXT.replace("- **Runs**: 10 seeds per dataset\n", "") + other)
    (begins,) = (at for at, line in enumerate(path.read_text().splitlines(), 1) if "Plain" in line)
    assert "no number of seeds" in rigorkd("audit", path, *ASKED, "--line", str(begins)).stderr


def test_columns_that_are_made_of_others_are_left_out_of_a_turned_table_and_said(rigorkd, tmp_path):
    found = audited(rigorkd, tmp_path / "t.md", TEXT)
    assert [(c["a"], c["b"]) for c in found["comparisons"]] == [("Plain", "Ours")]
    assert "left out: RKD Gain, a difference of columns by its name" in found["notes"]
    assert any(note.startswith("left out: Gap Closed, which says how") for note in found["notes"])
    teacher = TEXT.replace("Gap Closed", "Teacher")
    teacher = teacher.replace("91.7%", "74.0").replace("12.5%", "64.0")
    found = audited(rigorkd, tmp_path / "t.md", teacher, "--baseline", "Plain")
    assert "Teacher" in [c["b"] for c in found["comparisons"]], (
        "one without a spread is a method all the same"
    )


@pytest.mark.parametrize("kind", ["md", "tex"])
def test_an_error_in_a_text_names_the_line_that_it_is_of(rigorkd, tmp_path, kind):
    path = tmp_path / f"t.{kind}"
    text = TEXT.replace("70.10±0.40", "about 70")
    if kind == "tex":
        text = "Text.\n\n\\begin{tabular}{lcc}\n\\toprule\nDataset & Plain & Ours \\\\\n\\midrule\n"
        text += (
            "\nCora & about 70 & 72.9 $\\pm$ 0.5 \\\\\nSciteseer & 60.1 $\\pm$ 0.4 & 60.9 $\\pm$ 0.5 \\\\\n"
        )
        text += "\\end{tabular}\n"
    path.write_text(text)
    line = next(at for at, one in enumerate(text.splitlines(), 1) if "about 70" in one)
    said = rigorkd("audit", path, "--turned", "--metric", "Cora", "--seeds", "5").stderr
    assert f"t.{kind}:{line}: column 'Plain'" in said
    said = rigorkd("audit", path, "--metric", "Plain", "--seeds", "5").stderr
    assert f"t.{kind}:{line}: column 'Plain'" in said
    plain = text.replace("Plain", "Test accuracy").replace("about 70", "70.1")
    for more in ("±0.40", "±0.50", " $\\pm$ 0.4", " $\\pm$ 0.5"):
        plain = plain.replace(more, "")
    path.write_text(plain)
    line = next(at for at, one in enumerate(plain.splitlines(), 1) if "Dataset " in one)
    said = rigorkd("audit", path, "--metric", "Test accuracy", "--seeds", "1").stderr
    assert f"t.{kind}:{line}: column 'Test accuracy': how many test images?" in said


def test_what_is_asked_of_a_turned_table_is_a_row(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    path.write_text(TEXT)
    assert "which row is to be judged?" in rigorkd("audit", path, "--turned").stderr
    assert "no row 'Nix' in this table" in rigorkd("audit", path, "--turned", "--metric", "Nix").stderr


GAINS = """
| Teacher | A → B | C → D |
|---|---|---|
| KD | 70.66 | 73.54 |
| KD++ | **72.53**(+1.87) | 74.59(+1.05) |
| DIST++ | 72.52(0.74) | 75.00(+0.58) |
"""


def test_a_number_in_brackets_among_signed_gains_is_a_gain(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    for text in (
        GAINS,
        GAINS.replace("**72.53**(+1.87)", "72.53"),  # its own row alone has a signed one
        GAINS.replace("(+1.87)", " (↑1.87)").replace("(0.74)", " [0.74]"),
    ):
        path.write_text(text)
        run = rigorkd("audit", path, "--metric", "A → B", "--baseline", "KD", "--n-test", "10000")
        assert run.returncode == 0, run.stderr
        assert "±" not in run.stdout.split("Rows\n")[1].split("As printed")[0]
        assert "72.52 (DIST++) against 70.66 (KD)" in " ".join(run.stdout.split())
    spread = GAINS.replace("**72.53**(+1.87)", "72.53(0.20)").replace("(+0.58)", "").replace("(+1.05)", "")
    beside = GAINS.replace("(+1.87)", " (0.2) (+1.87)").replace("(0.74)", " (0.3) (+0.74)")
    for text in (spread, beside):
        path.write_text(text)
        run = rigorkd("audit", path, "--metric", "A → B", "--baseline", "KD")
        assert run.returncode == 2
        assert "no number of seeds" in run.stderr, "brackets of spreads stay spreads"


ZOO = """
| Teacher | Student | {} | CIFAR10 | CIFAR100 |
|---|---|---|---|---|
| - | resnet-20 | Baseline | 92.37% | 68.92% |
| resnet-20 | resnet-20 | Logits | 93.30% | 70.36% |
| resnet-110 | resnet-20 | Logits | 92.98% | 69.78% |
| resnet-20 | resnet-20 | CRD | 92.96% | 70.33% |
"""


@pytest.mark.parametrize("heading", ["Name", "Technique", "KD method", "Verfahren", "Method"])
def test_the_column_of_methods_names_the_rows_and_no_other_result_does(rigorkd, tmp_path, heading: str):
    path = tmp_path / "t.md"
    path.write_text(ZOO.format(heading))
    asked = ("--metric", "CIFAR100", "--n-test", "10000", "--baseline", "Baseline", "--format", "json")
    found = json.loads(rigorkd("audit", path, *asked).stdout)
    names = {row["cell"] for row in found["cells"]}
    assert names == {"Baseline", "Logits/resnet-20", "Logits/resnet-110", "CRD"}


def test_a_column_of_percentages_with_a_dash_is_one_of_numbers(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    path.write_text(
        "|  | Base | T=4 | T=10 |\n|---|---|---|---|\n"
        "| Accuracy | 83.46% | 84.47% | - |\n| + Mixup | 85.10% | - | – |\n"
    )
    run = rigorkd("audit", path)
    assert run.returncode == 2
    assert "which column is to be judged?" in run.stderr
    assert "--turned compares them" in " ".join(run.stderr.split())
    asked = ("--turned", "--metric", "Accuracy", "--n-test", "10000", "--format", "json")
    found = json.loads(rigorkd("audit", path, *asked).stdout)
    assert [(c["a"], c["b"]) for c in found["comparisons"]] == [("Base", "T=4")]
