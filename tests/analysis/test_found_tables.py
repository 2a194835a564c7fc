"""Shapes of tables as repositories publish them: in HTML, with methods as columns, with rows of no values."""

from __future__ import annotations

import re

import pytest
from rigorkd_analysis import Printed, TableError, audit
from rigorkd_analysis.published.printed_cells import pasted_table

HTML = """Text.

<table border="1">
  <tr><th rowspan="2">Method</th><th colspan="2">Accuracy&plusmn;std</th><th rowspan="2">Notes</th></tr>
  <tr><th>A</th><th>B</th></tr>
  <tr>
    <td>ours</td><td><b>74.77±0.48</b></td><td>70.10<sub>±0.30</sub></td><td rowspan="2">five <br> runs</td>
  </tr>
  <tr><td>theirs</td><td>74.59±0.55</td><td>69.20±0.40</td></tr>
</table>
"""


def test_a_table_in_html():
    found = pasted_table(HTML)
    assert found is not None
    rows, lines = found
    assert lines == [6, 9]
    assert list(rows[0]) == ["Method", "Accuracy±std A", "Accuracy±std B", "Notes"]
    judged = audit(Printed(rows, seeds=5, metric="Accuracy±std B"))
    assert [cell.printed for cell in judged.cells] == ["70.10 ± 0.30", "69.20 ± 0.40"]
    assert not any("nothing says what" in note for note in judged.notes)
    assert pasted_table("<![foo[ <table><tr><td>1</td></table> <b") is None
    with pytest.raises(TableError, match="2 tables, from lines 3, 13"):
        pasted_table(HTML + HTML)


BY_DATA = [
    {"": data, "k": "1000", "Plain": plain, "Full": full, "Ours": ours, "Size": "1.0 ± 0.1"}
    for data, plain, full, ours in (
        ("CIFAR 10", "65.5 ± 0.1", "68.9 ± 0.4", "72.8 ± 0.7"),
        ("SVHN", "75.2 ± 0.2", "78.3 ± 0.3", "84.4 ± 2.0"),
    )
]


def test_columns_are_compared_where_they_are_the_methods():
    with pytest.raises(TableError, match="which column is to be judged") as caught:
        audit(Printed(BY_DATA, seeds=3))
    assert "--turned compares them" in (caught.value.hint or "")
    found = audit(
        Printed(BY_DATA, seeds=3, turned=True, metric="SVHN/1000", baselines=("Plain",), without=("Size",))
    )
    assert [(c.a, c.b) for c in found.comparisons] == [("Plain", "Full"), ("Plain", "Ours")]
    assert found.comparisons[0].difference == pytest.approx(3.1)
    assert any("--turned" in note for note in found.notes)
    assert "2 pairs of SVHN/1000 alone against Plain without Size" in " ".join(found.survives)
    turned = [
        {"Corruption": "noise", "A RMSE (mean ± SE)": "0.40 ± 0.01", "B RMSE (mean ± SE)": "0.22 ± 0.01"},
        {"Corruption": "drift", "A RMSE (mean ± SE)": "0.41 ± 0.01", "B RMSE (mean ± SE)": "0.23 ± 0.01"},
    ]
    of_noise = audit(Printed(turned, seeds=5, turned=True, metric="noise"))
    assert of_noise.cells[0].std == pytest.approx(0.01 * 5**0.5)
    with pytest.raises(TableError, match="fewer than two columns"):
        audit(Printed([{"m": "a", "acc": "1.0"}, {"m": "b", "acc": "2.0"}], turned=True))


def test_a_table_of_metrics_is_told_how_to_be_turned():
    rows = [{"metric": m, "ours": "71.3 ± 0.2", "theirs": "70.1 ± 0.2"} for m in ("accuracy", "F1")]
    with pytest.raises(TableError, match="its rows are metrics") as caught:
        audit(Printed(rows, seeds=5))
    assert (caught.value.hint or "").startswith("--turned compares its columns")
    found = audit(Printed(rows, seeds=5, turned=True, metric="accuracy"))
    assert [(c.a, c.b) for c in found.comparisons] == [("theirs", "ours")]


def test_rows_called_benchmarks_are_rivals():
    rows = [{"Benchmark": m, "AUC": a} for m, a in (("plain", "0.80 ± 0.05"), ("forest", "0.87 ± 0.04"))]
    assert len(audit(Printed(rows, seeds=5)).comparisons) == 1
    told = audit(Printed([{**row, "model": "r8", "seed": ""} for row in rows], seeds=5))
    assert told.survives[-1].endswith("and --turned compares columns.")


def test_who_names_the_test_images_says_that_it_is_an_accuracy():
    rows = [{"Method": m, "ResNet20": a} for m, a in (("KD", "70.66"), ("FSP", "69.95"))]
    found = audit(Printed(rows, n_test=10_000))
    assert found.comparisons[0].images == 71
    assert "points" in found.comparisons[0].says
    assert audit(Printed(rows)).comparisons[0].images is None


def test_a_spread_of_another_name_is_offered_its_name():
    rows = [
        {"model": m, "mean_test_accuracy": a, "std_test_score": "0.002"}
        for m, a in (("a", ".81"), ("b", ".82"))
    ]
    with pytest.raises(TableError, match="how many test images") as caught:
        audit(Printed(rows))
    name = re.search(r"call it (\S+)$", caught.value.hint or "")
    assert name is not None
    again = [{name[1] if key == "std_test_score" else key: v for key, v in row.items()} for row in rows]
    assert audit(Printed(again, seeds=5)).cells[0].std == 0.002
