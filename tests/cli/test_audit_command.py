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
