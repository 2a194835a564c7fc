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
    assert told.survives[-1] == "--within COLUMN names what rows must share to be compared."
    with pytest.raises(TableError, match="fewer than two columns"):
        audit(Printed([{**row, "model": "r8"} for row in rows], seeds=5, turned=True, metric="plain"))


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


def by_seed(
    sds: tuple[str, str, str] = ("0.16", "0.01", "0.45"), name: str = "Sample SD"
) -> list[dict[str, str]]:
    """As a README prints two seeds of three methods, with what sums them up below."""
    rows = (
        ("42", "68.02%", "70.18%", "69.92%"),
        ("2025", "68.25%", "70.17%", "70.56%"),
        ("**Mean**", "**68.14%**", "**70.18%**", "**70.24%**"),
        (f"**{name}**", *(f"**{sd}**" for sd in sds)),
    )
    return [dict(zip(("Seed", "Baseline", "Vanilla KD", "CBAM-KD"), row, strict=True)) for row in rows]


@pytest.mark.parametrize("metric", [None, "Mean", "mean"])
def test_columns_are_compared_at_the_mean_and_spread_below_their_seeds(metric: str | None):
    found = audit(Printed(by_seed(), turned=True, metric=metric))
    assert [(cell.cell, cell.printed, cell.n) for cell in found.cells] == [
        ("Baseline", "68.14 ± 0.16", 2),
        ("Vanilla KD", "70.18 ± 0.01", 2),
        ("CBAM-KD", "70.24 ± 0.45", 2),
    ]
    assert all(c.p_high is not None and c.p_if_sample is None for c in found.comparisons), (
        "a sample's, it says"
    )
    told = next(note for note in found.notes if "are seeds" in note)
    assert told.startswith(
        "42 and 2025 are seeds, left out here: n counts them, and `rigorkd analyze` judges"
    )
    assert not any("mistyped" in note for note in found.notes)


def test_means_and_deviations_that_their_seeds_do_not_have_are_said():
    found = audit(Printed(by_seed(("0.16", "0.03", "0.45")), turned=True))
    (told,) = (note for note in found.notes if "mistyped" in note)
    assert told.startswith(
        "Sample SD of Vanilla KD is printed as 0.03, and that of its rows of seeds is 0.01"
    )
    assert not [
        note
        for note in audit(Printed(by_seed(("0.12", "0.01", "0.32"), "Std"), turned=True)).notes
        if "mistyped" in note
    ], "np.std divides by n"


def test_seeds_are_no_rivals():
    rows = by_seed()
    with pytest.raises(
        TableError, match=r"its rows are seeds \(42, 2025\) and what sums them up \(Mean, S"
    ) as no:
        audit(Printed(rows, metric="CBAM-KD"))
    assert no.value.hint == (
        "`rigorkd analyze` judges the runs, paired by their seeds; --turned compares the columns at the row "
        "Mean"
    )
    for turned in (True, False):
        with pytest.raises(TableError, match="its numbers are of single runs") as no:
            audit(Printed(rows[:2], metric="CBAM-KD", turned=turned))
        assert "`rigorkd analyze`" in (no.value.hint or "")
    alone = [{"Seed": row["Seed"], "KL": row["Baseline"]} for row in rows]
    with pytest.raises(TableError) as no:
        audit(Printed(alone))
    assert (no.value.hint or "").startswith("one column is one method")


def test_rows_called_seeds_are_runs_and_a_difference_is_no_method():
    rows = [
        {"": "seed 1", "ours": "0.72", "theirs": "0.70", "Δ": "+0.02"},
        {"": "seed 2", "ours": "0.74", "theirs": "0.71", "Δ": "+0.03"},
        {"": "mean ± std", "ours": "0.73 ± 0.01", "theirs": "0.71 ± 0.01", "Δ": "+0.03"},
    ]
    found = audit(Printed(rows, turned=True))
    assert [(c.b, c.a) for c in found.comparisons] == [("ours", "theirs")]
    assert {cell.n for cell in found.cells} == {2}
    assert "left out: Δ, a difference of columns by its name" in found.notes
    with pytest.raises(TableError, match="two rows are named nothing"):
        audit(Printed([{"": "", **{c: row[c] for c in ("ours", "theirs")}} for row in rows], turned=True))
