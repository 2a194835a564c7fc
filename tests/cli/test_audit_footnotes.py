"""How many seeds a footnote names: of what it marks, and what is said where nothing else names a number."""

from __future__ import annotations

import json

import pytest

from tests.cli.audits import audited

ROWS = "| Method | Acc |\n|---|---|\n| KD | 73.33 |\n| {} | 75.51 |\n| DKD | {} |\n"
ASKED = ("--baseline", "KD", "--n-test", "10000")


def test_numbers_that_a_footnote_marks_are_means_of_its_seeds(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    found = audited(rigorkd, path, ROWS.format("CRD", "76.32*") + "\n\\* average over 3 runs.\n", *ASKED)
    assert [cell["n"] for cell in found["cells"]] == [1, 1, 3]
    assert not any("McNemar" in text for text in found["survives"])
    assert "DKD: 3 seeds, by its mark * (“over 3 runs”)" in found["notes"]
    assert any(note.endswith("they are taken as one run each") for note in found["notes"])
    found = audited(rigorkd, path, ROWS.format("CRD*", "76.32") + "\n\\* average over 3 runs.\n", *ASKED)
    assert [cell["n"] for cell in found["cells"]] == [1, 3, 1]
    assert any(note.startswith("CRD*: 3 seeds, by its mark *") for note in found["notes"])


def test_a_footnote_of_no_row_is_told_with_every_claim(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    rows = (
        ROWS.format("CRD", "76.32").replace("| Acc |", "| Acc | Net* |").replace("---|---|", "---|---|---|")
    )
    rows = (
        rows.replace(" |\n| ", " | R8 |\n| ")
        .replace("Net* | R8 |", "Net* |")
        .replace("76.32 |", "76.32 | R8 |")
    )
    text = rows + "\n\\* student trained with lr 0.01. Average over 3 runs.\n"
    found = audited(rigorkd, path, text, *ASKED)
    assert found["seeds_assumed"]
    assert found["survives"]
    assert all("though a footnote says “over 3 runs” of what * marks" in told for told in found["survives"])
    assert "names no number" not in json.dumps(found)
    shown = " ".join(rigorkd("audit", path, *ASKED).stdout.split())
    assert "taken as one seed, though a footnote says “over 3 runs” of what * marks" in shown
    assert "names no number" not in shown
    assert audited(rigorkd, path, text, *ASKED, "--seeds", "3")["seeds"] == 3


def test_a_footnote_of_another_table_says_nothing_of_this_one(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    first = ROWS.format("CRD*", "76.32") + "\n\\* average over 3 runs.\n\n"
    text = first + ROWS.format("CRD", "76.32")
    at = len(first.splitlines()) + 1
    found = audited(rigorkd, path, text, *ASKED, "--line", str(at))
    assert "footnote" not in json.dumps(found)
    assert all(told.endswith("which the table does not say.") for told in found["survives"][1:])
    assert [cell["n"] for cell in audited(rigorkd, path, text, *ASKED, "--line", "1")["cells"]] == [1, 3, 1]


@pytest.mark.parametrize("words", ["single run", "a single seed", "one run", "single-run results"])
def test_a_single_run_is_one_seed(rigorkd, tmp_path, words):
    found = audited(
        rigorkd, tmp_path / "t.md", f"ImageNet ({words}):\n\n" + ROWS.format("CRD", "76.32"), *ASKED
    )
    assert not found["seeds_assumed"]
    assert found["seeds"] == 1


def test_several_numbers_are_not_called_none(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    text = "Means over 3 seeds, or over 5 seeds.\n\n" + ROWS.format("CRD", "76.32")
    found = audited(rigorkd, path, text, *ASKED)
    assert "taken as one seed (though the caption names several numbers of seeds" in found["survives"][0]
    assert "names no number" not in json.dumps(found)


def test_what_fell_is_no_number_of_seeds(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    rows = (
        "| Method | Seeds | Acc |\n|---|---|---|\n| KD | 3 | 69.10 ± 0.20 |\n"
        "| AT † | 3 | 70.22 ± 0.16 |\n\n† one seed diverged; mean of 2.\n"
    )
    found = audited(rigorkd, path, rows, "--metric", "Acc")
    assert [cell["n"] for cell in found["cells"]] == [3, 2]
    assert found["comparisons"][0]["welch_p"] is not None
    assert [cell["n"] for cell in audited(rigorkd, path, rows, "--seeds", "3")["cells"]] == [3, 3]
    lone = rows.replace("; mean of 2", "")
    assert [cell["n"] for cell in audited(rigorkd, path, lone)["cells"]] == [3, 3]
    single = rows.replace("one seed diverged; mean of 2", "one seed")
    assert [cell["n"] for cell in audited(rigorkd, path, single)["cells"]] == [3, 3], "its ± is of several"


@pytest.mark.parametrize("mark", ["†", "*", "¹"])
@pytest.mark.parametrize("words", ["over 1 run", "single run", "Single run.", "a single seed", "1 run"])
def test_a_footnote_of_one_run_is_one_seed_among_means(rigorkd, tmp_path, mark, words):
    shown = "\\*" if mark == "*" else mark
    table = (
        "Averaged over 5 runs.\n\n| Method | Acc |\n|---|---|\n| KD | 73.33±0.25 |\n"
        f"| CRD{shown} | 75.51 |\n| DKD | 76.32±0.12 |\n\n{shown} {words}\n"
    )
    found = audited(rigorkd, tmp_path / "t.md", table)
    assert [cell["n"] for cell in found["cells"]] == [5, 1, 5]


def test_a_raised_footnote_far_away_is_of_its_own_table(rigorkd, tmp_path):
    path = tmp_path / "t.md"
    first = ROWS.format("CRD ¹", "76.32") + "\n¹ Single run.\n\n" + "Some text.\n\n" * 9
    found = audited(rigorkd, path, first + ROWS.format("CRD", "76.32"), *ASKED, "--line", "27")
    assert found["seeds_assumed"]
    assert "Single run" not in json.dumps(found)
