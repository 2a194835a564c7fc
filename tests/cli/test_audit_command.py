"""`rigorkd audit` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from rigorkd.errors import InputError
from rigorkd.report.rows import printed_rows

PUBLISHED = Path(__file__).parents[2] / "analysis" / "published"
OVERALL = PUBLISHED / "fauzan2026_overall.csv"


def test_the_ablation_in_words(rigorkd):
    done = rigorkd("audit", PUBLISHED / "fauzan2026_ablation.csv", "--n-test", 10000)
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    assert text.startswith("No claim about a method survives")
    assert "80.88 (alpha=0.3) against 80.87 (T=4) is 1 image of 10,000" in text


def test_latency_cannot_come_from_distillation(rigorkd):
    done = rigorkd("audit", OVERALL, "--differences", PUBLISHED / "fauzan2026_gains.csv")
    text = " ".join(done.stdout.split())
    assert (
        "3.98 and 3.44 for one unchanged architecture; the difference cannot come from distillation" in text
    )
    assert "printed as +0.05, and 4.29 − 4.23 = +0.06" in text


def test_documents(rigorkd):
    document = json.loads(rigorkd("audit", OVERALL, "--n-test", 10000, "--format", "json").stdout)
    assert document["schema"] == "rigorkd.audit/1"
    contract = ["a", "b", "difference", "images", "discordant_min", "discordant_max", "p_min", "p_max",
                "networks_differ", "rejects_up_to_discordant", "break_even_seed_sd"]  # fmt: skip
    assert list(document["comparisons"][0])[: len(contract)] == contract
    assert "says" in document["comparisons"][0]
    rows = list(csv.DictReader(io.StringIO(rigorkd("audit", OVERALL, "--format", "csv").stdout)))
    assert [row["images"] for row in rows] == ["165", "136"]
    assert rigorkd("audit", OVERALL, "--format", "markdown").stdout.startswith("**No claim")
    assert r"\begin{table}" in rigorkd("audit", OVERALL, "--format", "latex").stdout


def test_a_printed_test(rigorkd):
    done = rigorkd("audit", "--t", 3.9024, "--p", 0.0175, "--difference", 2.24)
    assert "n = 5" in done.stdout
    assert json.loads(rigorkd("audit", "--t", 3.9, "--p", 0.0175, "--format", "json").stdout)["n"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no table"),
        (["--t", "3"], "go together"),
        ([OVERALL, "--metric", "top3"], "no column 'top3'"),
        ([PUBLISHED / "nothing.csv"], "no such file"),
        ([OVERALL, "--n-test", "-3"], "n_test = -3"),
    ],
)
def test_wrong_input(rigorkd, arguments, message: str):
    done = rigorkd("audit", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_metric_is_told_the_usual_one(rigorkd, tmp_path):
    (tmp_path / "t.csv").write_text("Method,Teacher,Top-1\nKD,72.1,70.9\nCRD,72.1,71.9\n")
    done = rigorkd("audit", tmp_path / "t.csv", "--metric", "tpo1")
    assert (done.returncode, "did you mean 'top1'?" in done.stderr) == (2, True)


def test_a_text_without_a_table_is_no_csv(rigorkd, tmp_path):
    (tmp_path / "paper.tex").write_text("\\title{A paper}\n\nIt has commas, and no table.\n")
    done = rigorkd("audit", tmp_path / "paper.tex")
    assert done.returncode == 2
    assert "no table with numbers in it" in done.stderr


def test_headings_of_two_rows_and_columns_of_one_name(tmp_path: Path):
    """pandas writes mean and std below each column; of two columns of one name the last would count."""
    table = tmp_path / "t.csv"
    table.write_text("model,acc,acc\n,mean,std\na,80.1,0.2\nb,81.4,0.3\n")
    rows = printed_rows(table)
    assert rows.columns == ("model", "acc_mean", "acc_std")
    assert rows.lines == (3, 4)
    assert rows.each_once() is rows
    table.write_text("model,acc,acc\na,80.1,3\nb,81.4,4\n")
    with pytest.raises(InputError, match="the column 'acc' is there twice"):
        printed_rows(table).each_once()


def test_a_sheet_and_another_encoding_are_read_as_analyze_reads_them(rigorkd, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    sheet = (book := openpyxl.Workbook()).active
    sheet.append(["Method", "lr", "seed", "CIFAR-10", "", "CIFAR-100", ""])
    sheet.append(["", "", "", "mean", "std", "mean", "std"])
    sheet.merge_cells("D1:E1")
    sheet.merge_cells("F1:G1")
    for at in range(6):
        sheet.append([f"m{at}", 0.1, 0, 94.1 + at / 10, 0.2, 73.25 + at / 5, 0.3])
    book.save(tmp_path / "table.xlsx")
    asked = rigorkd("audit", tmp_path / "table.xlsx")
    assert "one of: CIFAR-10_mean, CIFAR-100_mean; and" in asked.stderr  # neither a setting nor a seed
    done = rigorkd("audit", tmp_path / "table.xlsx", "--metric", "CIFAR-10_mean", "--seeds", 3)
    assert "94.4 (m3) against 94.1 (m0) is 0.3" in " ".join(done.stdout.split())  # and not 94.39999999999999
    assert done.stdout.count(" against ") == 3  # of 15 pairs none holds
    assert "--format csv has a sentence of each of the other 12 pairs." in done.stdout
    (tmp_path / "sheet.csv").write_bytes("Verfahren;Genauigkeit\nfür;94,1\nkurz;94,4\n".encode("cp1252"))
    assert "give --encoding, such as cp1252" in rigorkd("audit", tmp_path / "sheet.csv").stderr
    done = rigorkd("audit", tmp_path / "sheet.csv", "--encoding", "cp1252", "--n-test", 10000)
    assert done.returncode == 0
    assert "over für" in done.stdout


def test_the_page_says_what_holds_only_on_a_condition(rigorkd, tmp_path):
    (tmp_path / "t.md").write_text("| Method | MAE |\n|---|---|\n| a | 0.62 ± 0.01 |\n| b | 0.71 ± 0.01 |\n")
    for form in ("table", "markdown", "latex", "json", "csv"):
        said = " ".join(rigorkd("audit", tmp_path / "t.md", "--seeds", 5, "--format", form).stdout.split())
        assert "is taken as a standard deviation over seeds: a standard error would change it" in said
    text = " ".join(rigorkd("audit", tmp_path / "t.md", "--seeds", 5).stdout.split())
    assert "≤ 0.006" in text
    assert "Less is better: the row over another is the worse one." in text
    read = " ".join(rigorkd("audit", tmp_path / "t.md", "--seeds", 5, "--spread", "se").stdout.split())
    assert "± is read as standard errors" in read
    (tmp_path / "e.csv").write_text("model,train_acc\na,91.2\nb,93.5\n")
    one = rigorkd("audit", tmp_path / "e.csv", "--n-test", 10000).stdout
    assert "test images." not in one


def test_the_page_says_what_its_p_values_range_over(rigorkd, tmp_path):
    def below(rows: str, *more: object) -> str:
        (tmp_path / "t.csv").write_text("model,score,score_std,n\n" + rows)
        return " ".join(rigorkd("audit", tmp_path / "t.csv", *more).stdout.split())

    paired = "|t| and p of the paired test range over all pairings of the seeds"
    assert f"{paired}, the rounding and both divisors (n − 1, n) of" in below("a,70.1,0.2,5\nb,72.1,0.2,5\n")
    assert (
        f"{paired} and the rounding, with population standard deviations (divided by n). A seed sd"
        in below("a,70.1,0.2,5\nb,72.1,0.2,5\n", "--spread", "population")
    )
    both = below("a,70.1,0.2,8\nb,72.1,0.2,9\nc,73.1,0.2,9\n", "--spread", "sd")
    assert (
        f"{paired} and the rounding; p of Welch's test, where numbers of seeds differ, ranges over the"
        in both
    )
    assert "2 pairs without printed standard deviations have none." in below(
        "a,70.1,0.2,5\nb,72,0.2,5\nc,71,,5\n"
    )
    none = below("a,70.1,,5\nb,72.1,,5\n")
    assert "No standard deviations are printed, and without them there is no t test." in none
    welch = below("a,70.1,0.2,8\nb,72.1,0.2,9\n", "--spread", "sd")
    told = "ranges over the rounding, with sample standard deviations (divided by n − 1)."
    assert f"P of Welch's test, where numbers of seeds differ, {told}" in welch


def test_a_caption_explains_the_columns_that_its_table_has(rigorkd, tmp_path):
    """Without a test there is no p to correct, and of no images no interval over new ones."""
    (tmp_path / "t.csv").write_text("model,miou\na,70.1\nb,72.1\nc,73.1\n")
    one = rigorkd("audit", tmp_path / "t.csv").stdout
    of_three = rigorkd("audit", tmp_path / "t.csv", "--seeds", 3).stdout
    for text in (one, of_three):
        assert "Holm p" not in text
        assert "new test images" not in text
        assert "As printed." in text
    assert "paired |t|" not in of_three
    assert "p alone" not in of_three
    (tmp_path / "t.csv").write_text("model,top1\na,70.1\nb,72.1\nc,73.1\n")
    counted = rigorkd("audit", tmp_path / "t.csv", "--n-test", 1000).stdout
    assert "Of each network alone, over new test images; printed rounding is included." in counted
    assert "Holm p: the largest p, corrected for the 3 pairs" in " ".join(counted.split())


def test_a_claim_says_in_a_sentence_what_it_holds_over(rigorkd, tmp_path):
    (tmp_path / "t.csv").write_text("model,score,score_std\na,70.1,0.2\nb,70.2,0.2\n")
    text = " ".join(rigorkd("audit", tmp_path / "t.csv", "--seeds", 5, "--spread", "sd").stdout.split())
    settled = "and the rounding, with sample standard deviations (divided by n − 1)."
    assert f"none holds whatever the pairing of the seeds {settled}" in text
    assert f"depending on the pairing {settled}" in text


def test_the_digits_of_a_printed_test_count(rigorkd):
    assert "n = 24 (of 14 to 241, since" in rigorkd("audit", "--t", "2.5", "--p", "0.02").stdout
    assert "n = 24." in rigorkd("audit", "--t", "2.500", "--p", "0.0200").stdout
    done = rigorkd("audit", "--t", "two", "--p", "0.02")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "'two'" in done.stderr


CHOSEN = "| Method | Acc |\n|---|---|\n| A | 70.20 ± 0.20 |\n| B | 71.5 ± 0.10 |\n| C | 73.10 ± 0.30 |\n"


def test_what_was_chosen_is_said_in_every_format(rigorkd, tmp_path):
    (tmp_path / "t.md").write_text(CHOSEN)
    asked = ("audit", tmp_path / "t.md", "--seeds", 5, "--baseline", "a", "--without", "Method=C")
    for form in ("table", "markdown", "latex", "json"):
        done = rigorkd(*asked, "--format", form)
        said = " ".join(done.stdout.split())
        assert (done.returncode, done.stderr) == (0, "")
        assert "the only pair against A without C" in said
        assert "Rows are compared with A alone, and C is left out" in said
    latex = rigorkd(*asked, "--format", "latex").stdout
    captions = [line for line in latex.splitlines() if r"\caption" in line]
    assert "Rows are compared with A alone, and C is left out." in captions[0]
    assert "Left out: C." in captions[1]
    (row,) = csv.DictReader(io.StringIO(rigorkd(*asked, "--format", "csv").stdout))
    assert row["says"].endswith("the only pair against A without C; ± is taken as a standard deviation over "
                                "seeds: a standard error would change it.")  # fmt: skip
    document = json.loads(rigorkd(*asked, "--format", "json").stdout)
    assert (document["baselines"], document["without"], document["left_out"]) == (["a"], ["Method=C"], ["C"])


def test_numbers_are_shown_with_the_zeros_that_are_printed(rigorkd, tmp_path):
    (tmp_path / "t.md").write_text(CHOSEN)
    shown = rigorkd("audit", tmp_path / "t.md", "--seeds", 5).stdout
    assert [f"{row} ± " in shown for row in ("70.20", "71.5", "73.10")] == [True] * 3
    assert "70.20 ± 0.20\n" in shown
    errors = rigorkd("audit", tmp_path / "t.md", "--seeds", 5, "--spread", "se").stdout
    assert "70.20 ± 0.20" in errors
    assert "sd of the seeds" in errors


def test_a_row_that_is_not_there_is_told_the_nearest(rigorkd, tmp_path):
    (tmp_path / "t.md").write_text(CHOSEN.replace("| B |", "| DKD |"))
    for option in ("--without", "--baseline"):
        done = rigorkd("audit", tmp_path / "t.md", "--seeds", 5, option, "DKd2")
        assert done.returncode == 2
        assert f"{option} DKd2: no such row" in done.stderr
        assert "did you mean 'DKD'?" in done.stderr
