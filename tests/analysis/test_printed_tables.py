"""Tables as they are printed: mean and sd in one cell, any column names, n per row, Markdown and LaTeX."""

from __future__ import annotations

import re

import pytest
from rigorkd_analysis import Printed, TableError, audit
from rigorkd_analysis.published.printed_cells import (
    pasted_rows,
    pasted_table,
    unmarked,
    value_and_spread,
)
from rigorkd_analysis.published.printed_spread import spread_column
from rigorkd_analysis.published.table_audit import bound_of
from scipy import stats

BASE, KD, DKD = ("r8/base", "72.50", "0.20"), ("r8/kd", "73.33", "0.25"), ("r8/dkd", "76.32", "0.15")


def pairs(table: Printed) -> dict[tuple[str, str], tuple[float, float]]:
    return {(c.b, c.a): (round(c.p_low or -1, 9), round(c.p_high or -1, 9)) for c in audit(table).comparisons}


EXPECTED = pairs(
    Printed([{"cell": name, "top1": mean, "top1_std": sd} for name, mean, sd in (BASE, KD, DKD)], seeds=5)
)


def test_the_reference_itself():
    # |t| over all pairings lies in Δ√k/(s_a + s_b) to Δ√k/|s_a − s_b|; each number is off by .005 at most,
    # and the sds may be those of a population
    t = 0.82 * 5**0.5 / (0.46 * 1.25**0.5)
    assert EXPECTED["r8/kd", "r8/base"][1] == pytest.approx(2 * stats.t.sf(t, 4), abs=1e-9)


@pytest.mark.parametrize(
    "form",
    [
        "{m} ± {s}", "{m}±{s}", "{m}+-{s}", "{m} +/- {s}", r"${m} \pm {s}$", r"$\mathbf{{{m}}} \pm {s}$",
        "{m}({s})", "{m} (±{s})", r"\textbf{{{m}}} $\pm$ {s}", r"${m}_{{\pm {s}}}$", r"{m}\std{{{s}}}",
        "**{m} ± {s}**", r"\underline{{{m}}} {{\scriptsize $\pm${s}}}", "{m} % ± {s} %",
        r"{m} ± {s}\cite{{a}}",
    ],
)  # fmt: skip
def test_mean_and_spread_in_one_cell(form: str):
    rows = [{"cell": name, "top1": form.format(m=mean, s=sd)} for name, mean, sd in (BASE, KD, DKD)]
    assert pairs(Printed(rows, seeds=5)) == EXPECTED


@pytest.mark.parametrize(
    ("mean", "sd"),
    [("test_top1_mean", "test_top1_std"), ("top1", "std"), ("top1 mean", "top1 std"), ("Top-1", "SD"),
     ("mean_top1", "std_top1"), ("top1 (mean)", "top1 (std)"), ("top1/mean", "top1/stdev"), ("top1.mean",
     "top1.sd")],
)  # fmt: skip
def test_any_usual_pair_of_columns(mean: str, sd: str):
    rows = [{"Cell": name, mean: value, sd: spread} for name, value, spread in (BASE, KD, DKD)]
    metric = None if mean in ("top1", "Top-1", "test_top1_mean") else mean
    assert pairs(Printed(rows, seeds=5, metric=metric)) == EXPECTED
    assert spread_column([mean, sd], mean) == sd


def test_rows_named_by_any_header_within_their_students():
    rows = [
        {"Method": "Student", "Student": "resnet8x4", "top1": "72.50"},
        {"Method": "KD", "Student": "resnet8x4", "top1": "73.33"},
        {"Method": "Student", "Student": "vgg8", "top1": "70.36"},
        {"Method": "KD", "Student": "vgg8", "top1": "72.98"},
    ]
    found = audit(Printed(rows, n_test=10_000)).comparisons
    assert [(c.b, c.a, round(c.difference, 2)) for c in found] == [
        ("resnet8x4/KD", "resnet8x4/Student", 0.83),
        ("vgg8/KD", "vgg8/Student", 2.62),
    ]
    named = audit(Printed([{"Approach": "KD", "top1": "73"}, {"Approach": "CRD", "top1": "74"}], n_test=100))
    assert [cell.cell for cell in named.cells] == ["KD", "CRD"]


def test_a_word_that_spans_all_rows_names_none_of_them():
    text = (
        "\\begin{tabular}{llr}\nLoss & Setting & Top-1 \\\\\n"
        "\\multirow{2}{*}{Feature} & Top-down & 72.61 \\\\\n & Bottom-up & 72.11 \\\\\n\\end{tabular}\n"
    )
    rows = pasted_rows(text)
    assert rows is not None
    found = audit(Printed(rows, seeds=3))
    assert [(c.b, c.a) for c in found.comparisons] == [("Top-down", "Bottom-up")]


def test_rows_of_different_numbers_of_seeds_by_welch():
    rows = [
        {"cell": "paper", "top1_err": "25.65", "top1_err_std": "0.15", "n": "3"},
        {"cell": "ours", "top1_err": "26.0", "top1_err_std": "0.3", "n": "8"},
    ]
    result = audit(Printed(rows, metric="top1_err"))
    (c,) = result.comparisons
    oracle = stats.ttest_ind_from_stats(26.0, 0.3, 8, 25.65, 0.15, 3, equal_var=False)
    assert c.welch_t == pytest.approx(oracle.statistic, rel=1e-9)
    assert c.welch_p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (round(c.welch_t, 3), round(c.welch_df, 1), round(c.welch_p, 3)) == (2.556, 7.6, 0.035)
    assert (c.t_low, c.p_low) == (None, None)
    assert [cell.n for cell in result.cells] == [3, 8]
    assert result.survives[0].startswith("No difference survives for certain")  # it errs too often below 7
    assert c.not_valid is not None
    told = "8 and 3 seeds cannot be paired: Welch's t = 2.56, df 7.6, p = 0.035 as printed, ≤ 0.15 whatever"
    assert told in c.says
    assert "; no claim: with" in c.says
    more = audit(Printed([{**row, "n": str(int(row["n"]) + 5)} for row in rows], metric="top1_err"))
    assert more.survives == (
        "That ours is above paper survives Welch's test of unpaired seeds, whatever the rounding and the "
        "divisor (n − 1 or n) of the printed standard deviations (p ≤ 0.022, the only pair).",
    )


def test_spreads_without_a_number_of_seeds_are_asked_about():
    with pytest.raises(TableError, match="no number of seeds") as caught:
        audit(Printed([{"cell": "a", "top1": "72.5 ± 0.2"}, {"cell": "b", "top1": "73 ± 0.2"}], n_test=100))
    assert "--seeds K" in caught.value.hint


def test_the_column_and_the_seeds_are_asked_about_at_once():
    rows = [{"cell": name, "r8": "72.5 ± 0.2", "r20": "69.1 ± 0.3"} for name in ("a", "b")]
    for seeds, n, asks in ((None, "", True), (3, "", False), (None, "3", False)):
        with pytest.raises(TableError, match="which column") as caught:
            audit(Printed([{**row, "n": n} if n else row for row in rows], seeds=seeds))
        assert caught.value.hint.startswith("give --metric, one of: r8, r20")
        assert ("; and --seeds K" in caught.value.hint) == asks


MARKDOWN = """\
Table 3. Accuracy of the students.

| Method | Top-1 (%) | Venue |
|:-------|:---------:|-------|
| base   | 72.50 ± 0.20 | |
| KD     | **73.33 ± 0.25** | arXiv |
"""
LATEX = r"""
\begin{table}[t]\caption{Accuracy.}
\begin{tabular}{@{}l|cc@{}} \toprule
  & \multicolumn{2}{c}{CIFAR-100} \\ \cmidrule(lr){2-3}
Method & top1 & top5 \\ \midrule % as printed
\multicolumn{3}{l}{\textit{logits}} \\
base \cite{he} & $72.50 \pm 0.20$ & 92.1 \\
KD~\cite{hinton} & $\mathbf{73.33} \pm 0.25$ & 92.8 \\ \bottomrule
\end{tabular}\end{table}
"""


@pytest.mark.parametrize(("text", "metric"), [(MARKDOWN, "Top-1 (%)"), (LATEX, "CIFAR-100 top1")])
def test_pasted_tables(text: str, metric: str):
    rows = pasted_rows(text)
    assert rows is not None
    found = audit(Printed(rows, seeds=5, metric=metric))
    assert [(cell.cell, cell.value, cell.std) for cell in found.cells] == [
        ("base", 72.5, 0.2),
        ("KD", 73.33, 0.25),
    ]


def test_rows_that_span_and_text_without_a_table():
    rows = pasted_rows(
        r"Teacher & Method & top1 \\ \hline \multirow{2}{*}{R34} & KD & 71.0 \\ & CRD & 72.0 \\"
    )
    assert rows == [
        {"Teacher": "R34", "Method": "KD", "top1": "71.0"},
        {"Teacher": "R34", "Method": "CRD", "top1": "72.0"},
    ]
    assert pasted_rows("cell,top1\na,70\nb,71\n") is None
    assert pasted_rows("") is None


AWKWARD = r"""
\begin{tabular}{@{}l>{\bfseries}c|*{2}{c}@{}}
\toprule
\multirow{2}{*}[-2pt]{\makecell{Training\\method}}
  & \multicolumn{1}{>{\centering}p{2cm}}{\makecell[c]{Aug. \\ used}}
  & \multicolumn{2}{c@{}}{Top-1} \\ \cmidrule(l){3-4}
 & & mean & sd \\ \midrule
KD $\times 2$ & $\checkmark$ & \textbf{73.33} & 0.25 \\
\rowcolor{gray!10} KD + $\alpha$ & \ding{55} & 72.50 & 0.20 \\
\cellcolor{red!5}\textsc{Dkd} & \xmark & \multicolumn{1}{c}{76.32} & 0.15 \\ \bottomrule
\end{tabular}
"""


def test_marks_signs_and_spans_of_latex():
    rows = pasted_rows(AWKWARD)
    assert rows is not None
    shown = [{unmarked(name): unmarked(text) for name, text in row.items()} for row in rows]
    assert shown == [
        {"Training method": "KD ×2", "Aug. used": "✓", "Top-1 mean": "73.33", "Top-1 sd": "0.25"},
        {"Training method": "KD + α", "Aug. used": "×", "Top-1 mean": "72.50", "Top-1 sd": "0.20"},
        {"Training method": "Dkd", "Aug. used": "×", "Top-1 mean": "76.32", "Top-1 sd": "0.15"},
    ]
    found = audit(Printed(rows, seeds=5, metric="Top-1 mean"))
    assert [(cell.cell, cell.value, cell.std) for cell in found.cells] == [
        ("KD ×2", 73.33, 0.25),
        ("KD + α", 72.5, 0.2),
        ("Dkd", 76.32, 0.15),
    ]


def test_a_span_of_rows_that_stands_in_its_last_row():
    rows = pasted_rows(
        r"Teacher & Method & top1 \\ & KD & 71.0 \\ & CRD & 72.0 \\ \multirow{-3}{*}{R34} & AT & 70.5 \\"
        r"\multirow{2}{*}{\textbf{R50}} & KD & 74.0 \\ & CRD & 75.0 \\"
    )
    assert rows is not None
    assert [unmarked(row["Teacher"]) for row in rows] == ["R34", "R34", "R34", "R50", "R50"]
    assert [row["Method"] for row in rows] == ["KD", "CRD", "AT", "KD", "CRD"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("73.3*", "73.3"),
        ("$73.3^{\\dagger}$", "73.3"),
        ("−0.5", "-0.5"),
        ("+2.34 (8.04%)", "+2.34"),
        ("73.3% (0.2%)", "73.3% (0.2%)"),
        ("0.53±0.10 (**+7.1%**)", "0.53±0.10"),
        ("*0.5*", "0.5"),
    ],
)
def test_marks_of_the_printer(text: str, plain: str):
    assert unmarked(text) == plain


@pytest.mark.parametrize("text", ["72.5", "72.5 (3 seeds)", "KD (ours)", "", "± 0.2", "1-2"])
def test_cells_that_are_not_both(text: str):
    assert value_and_spread(text) is None


@pytest.mark.parametrize(
    "form", [r"{m}$_{{\pm{s}}}$", r"{m}\pm{s}", r"${m}\textpm{s}$", "{m} ± {s} (+0.83)", "{m} ± {s} (↑0.83)"]
)
def test_more_ways_of_writing_both(form: str):
    assert value_and_spread(form.format(m="73.33", s="0.25")) == ("73.33", "0.25")


@pytest.mark.parametrize(
    "text", ["70.55 (+1.49)", "70.55 (-0.3)", "70.55 (−0.3)", "70.55 [+1.49%]", "70.55(↑ 1.5)"]
)
def test_a_gain_beside_a_value_is_no_spread(text: str):
    assert value_and_spread(text) is None
    assert unmarked(text) == "70.55"


def test_a_table_with_a_row_for_each_metric_is_turned_round_by_hand():
    rows = [
        {"Metric": "Top-1 error", "Baseline": "24.7", "AugMix": "23.3"},
        {"Metric": "Top-5 error", "Baseline": "7.1", "AugMix": "6.9"},
    ]
    for metric in ("", "AugMix"):
        with pytest.raises(TableError, match="its rows are metrics") as caught:
            audit(Printed(rows, n_test=10_000, metric=metric))
        assert "a row for each of Baseline, AugMix" in str(caught.value.hint)
    rows = [{"Method": "MAE", "Acc": "24.7"}, {"Method": "F1 loss", "Acc": "23.3"}]  # methods called so
    assert audit(Printed(rows, n_test=10_000)).metric == "Acc"


def test_a_column_of_percentages():
    rows = [{"Model": "a", "Acc@1": "85.41%"}, {"Model": "b", "Acc@1": "**86.62%**"}]
    assert [cell.value for cell in audit(Printed(rows, n_test=10_000, metric="Acc@1")).cells] == [
        85.41,
        86.62,
    ]
    for odd, others in (("0.8662", rows), ("84.3%", [{"Model": "a", "Acc@1": "85.4"}] * 2)):
        told = re.escape(f"'{odd}' stands among values with")  # 0.8662 may be a fraction
        with pytest.raises(TableError, match=told) as caught:
            audit(Printed([*others, {"Model": "c", "Acc@1": odd}], n_test=10_000, metric="Acc@1"))
        assert caught.value.row == 2
    assert audit(Printed(rows, n_test=10_000)).metric == "Acc@1"  # the only one
    with pytest.raises(TableError) as caught:
        audit(Printed([{**row, "F1": "80"} for row in rows], n_test=10_000))
    assert caught.value.hint == "give --metric, one of: Acc@1, F1; each is corrected for its own pairs alone"


def test_a_column_of_standard_errors_is_one_of_standard_deviations_over_root_n():
    rows = [
        {"Method": name, "Accuracy (%)": mean, "Standard Error": f"±{float(sd) / 5**0.5}"}
        for name, mean, sd in (BASE, KD, DKD)
    ]
    result = audit(Printed(rows, seeds=5, metric="Accuracy (%)"))
    spread = {(c.b, c.a): round(c.p_high or -1, 9) for c in result.comparisons}
    unrounded = Printed(
        [{"cell": name, "top1": mean, "top1_std": f"{float(sd):.12f}"} for name, mean, sd in (BASE, KD, DKD)],
        seeds=5,
    )
    assert spread == {key: pytest.approx(high, abs=1e-8) for key, (_, high) in pairs(unrounded).items()}
    assert [note for note in result.notes if "Standard Error" in note]


def test_several_tables_are_not_one():
    """Rows of two data sets would be compared with each other."""
    two = MARKDOWN + "\nOn another data set:\n\n" + MARKDOWN
    with pytest.raises(TableError, match="2 tables, from lines 3, 12") as caught:
        pasted_rows(two)
    assert "one at a time" in caught.value.hint
    with pytest.raises(TableError, match="2 tables, from lines 3, 12"):
        pasted_rows(LATEX + LATEX)
    begun = (
        LATEX.splitlines().index(next(line for line in LATEX.splitlines() if "begin{tabular}" in line)) + 1
    )
    second = begun + LATEX.count("\n")
    assert pasted_table(LATEX + LATEX, second)[0] == pasted_rows(LATEX)
    assert pasted_table(LATEX + LATEX, second)[1] == [
        line + LATEX.count("\n") for line in pasted_table(LATEX)[1]
    ]
    with pytest.raises(TableError, match="no table begins on line 1") as caught:
        pasted_table(LATEX + LATEX, 1)
    assert caught.value.hint == f"they do on {begun}, {second}"
    apart = MARKDOWN.replace("| KD ", "\n| KD ")  # a blank line inside a table begins no other
    assert pasted_rows(apart) == pasted_rows(MARKDOWN)


def test_errors_name_the_row_as_it_is_printed():
    rows, lines = pasted_table(MARKDOWN)
    assert [row["Method"] for row in rows] == ["base", "KD"]
    assert lines == [5, 6]
    _, lines = pasted_table(LATEX)
    named = [LATEX.splitlines()[line - 1].split("&")[0].strip() for line in lines]
    assert named == [r"base \cite{he}", r"KD~\cite{hinton}"]
    wide = [
        {"student": "a", "base_top1": "70", "kd_top1": "71"},
        {"student": "b", "base_top1": "7", "kd_top1": "x"},
    ]
    with pytest.raises(TableError, match="'x' is not a number") as caught:
        audit(Printed(wide, n_test=100))
    assert caught.value.row == 1
    twice = [{"run": "r", "top1": "70"}, {"run": "r", "top1": "70"}, {"run": "q", "top1": "170"}]
    with pytest.raises(TableError, match="not an accuracy") as caught:
        audit(Printed(twice, n_test=100))
    assert caught.value.row == 2


WITH_INTERVALS = r"""
\begin{tabular}{llrr}
Model & Stage & Pass@1 [95\% CI] & AUROC $\uparrow$ \\ \midrule
ELF-B & Supervised & 39.17 [37.17, 41.20] & \textbf{49.82} \\
ELF-B & + NFT & 42.16 [39.97, 44.33] & 51.36 \\
\end{tabular}
"""


def test_a_value_with_its_interval_is_the_value():
    rows = pasted_rows(WITH_INTERVALS)
    found = audit(Printed(rows, metric="Pass@1 [95% CI]"))
    assert [cell.value for cell in found.cells] == [39.17, 42.16]
    assert list(rows[0]) == ["Model", "Stage", "Pass@1 [95% CI]", "AUROC"]  # the arrow is no part of a name
    assert unmarked("39.17 (37.17 to 41.20)") == "39.17"
    assert unmarked("(2.5, 2)") == "(2.5, 2)"


def test_thousands_of_rows_are_no_one_claim():
    rows = [{"cell": f"c{i}", "top1": f"{9 + i % 90}.1"} for i in range(120)]
    with pytest.raises(TableError, match="120 rows are 7,140 pairs"):
        audit(Printed(rows, n_test=1000))


def on_two_data_sets(name: str) -> list[dict[str, str]]:
    values = {"Cora": ("81.1", "80.2"), "PubMed": ("76.0", "75.1")}
    return [
        {name: data, "Variant": variant, "Accuracy": value}
        for data, row in values.items()
        for variant, value in zip(("raw", "FCA"), row, strict=True)
    ]


def test_results_on_different_data_are_no_rivals():
    found = audit(Printed(on_two_data_sets("Dataset"), metric="Accuracy", n_test=1000))
    assert {(c.b, c.a) for c in found.comparisons} == {("Cora/raw", "Cora/FCA"), ("PubMed/raw", "PubMed/FCA")}
    known = audit(
        Printed(on_two_data_sets("Where"), metric="Accuracy", n_test=1000)
    )  # by its data sets' names
    assert [(c.b, c.a) for c in known.comparisons] == [(c.b, c.a) for c in found.comparisons]
    asked = [{**row, "Where": f"our {row['Where']}"} for row in on_two_data_sets("Where")]
    with pytest.raises(TableError, match="2 rows are named our Cora, and 'Where' and 'Variant'") as caught:
        audit(Printed(asked, metric="Accuracy", n_test=1000))
    assert "such as --within 'Where'" in caught.value.hint
    within = audit(Printed(asked, metric="Accuracy", n_test=1000, within="where"))
    assert [(c.b, c.a) for c in within.comparisons] == [
        ("our Cora/raw", "our Cora/FCA"),
        ("our PubMed/raw", "our PubMed/FCA"),
    ]
    by_variant = audit(Printed(asked, metric="Accuracy", n_test=1000, within="Variant"))
    assert {(c.b, c.a) for c in by_variant.comparisons} == {
        ("raw/our Cora", "raw/our PubMed"),
        ("FCA/our Cora", "FCA/our PubMed"),
    }
    with pytest.raises(TableError, match="no column 'data'"):
        audit(Printed(asked, metric="Accuracy", n_test=1000, within="data"))


STUDENTS = """\
| Teacher <br> Student | resnet32x4 <br> resnet8x4 | vgg13 <br> vgg8 |
|:---:|:---:|:---:|
| Teacher <br> Student | 79.42 <br> 72.50 | 74.64 <br> 70.36 |
| KD ([paper](https://a.b/c#d), [log](docs/kd.md)) | 73.33[1](#note) | 72.98 |
| [CRD](https://a.b) | **75.51** | N/A |
"""


def test_rows_of_two_lines_and_links_in_markdown():
    rows = pasted_rows(STUDENTS)
    assert rows is not None
    found = audit(Printed(rows, n_test=10_000, metric="resnet32x4 resnet8x4"))
    assert [(cell.cell, cell.value) for cell in found.cells] == [
        ("Teacher", 79.42),
        ("Student", 72.5),
        ("KD (paper, log)", 73.33),
        ("CRD", 75.51),
    ]


def test_top_1_however_it_is_spelt_is_a_share_of_images():
    rows = [{"Method": "KD", "Top-1 (%)": "73.33"}, {"Method": "CRD", "Top-1 (%)": "75.51"}]
    (pair,) = audit(Printed(rows, n_test=10_000, metric="Top-1 (%)")).comparisons
    assert pair.images == 218
    rows = [{"Method": row["Method"], "Top-1": row["Top-1 (%)"], "Gain": "1.0"} for row in rows]
    (pair,) = audit(Printed(rows, n_test=10_000, metric="Top-1")).comparisons
    assert pair.images == 218


def test_raw_runs_are_sent_to_analyze():
    rows = [{"method": m, "seed": str(s), "top1": "80.1"} for m in ("base", "kd") for s in range(3)]
    with pytest.raises(TableError, match="base is there at 3 seeds: these rows are runs") as caught:
        audit(Printed(rows, n_test=10_000))
    assert "rigorkd analyze" in caught.value.hint
    assert len(audit(Printed([row for row in rows if row["seed"] == "1"], n_test=10_000)).cells) == 2


def test_fractions_beside_percentages_are_refused():
    rows = [{"method": "baseline", "test_acc": "91.2"}, {"method": "ours", "test_acc": "0.935"}]
    with pytest.raises(
        TableError, match=r"ours is in fractions \(0\.935\) and baseline in percent"
    ) as caught:
        audit(Printed(rows, n_test=10_000))
    assert (caught.value.row, caught.value.column) == (1, "test_acc")
    hard = [{"method": f"m{at}", "test_acc": text} for at, text in enumerate(("0.5", "3.1", "45.0"))]
    assert len(audit(Printed(hard, n_test=10_000)).comparisons) == 3  # percents of a hard task


def test_the_best_of_many_on_test_data_is_told_beside_every_claim():
    rows = [{"method": "baseline", "best_test_acc": "91.2"}, {"method": "ours", "best_test_acc": "94.5"}]
    found = audit(Printed(rows, n_test=10_000, seeds=1))
    assert any(
        "best_test_acc is chosen on test data" in note and "optimistic" in note for note in found.notes
    )
    assert found.survives[1].endswith("chosen on test data, so optimistic.")
    assert found.comparisons[0].says.endswith("chosen on test data, so optimistic.")


def test_an_accuracy_on_training_images_is_none_on_test_images():
    rows = [{"method": "baseline", "train_acc": "91.2"}, {"method": "ours", "train_acc": "94.5"}]
    found = audit(Printed(rows, n_test=10_000, seeds=1))
    assert found.survives == (
        "No claim about a method survives: with one seed its effect is not identifiable.",
    )
    assert (found.n_test, found.comparisons[0].p_max) == (None, None)
    assert any("train_acc is of training data" in note for note in found.notes)


def test_rows_are_named_by_the_first_columns_that_tell_them_apart():
    columns = ("Name", "model", "dataset", "activation", "test_acc")
    every = [("resnet", "relu"), ("resnet", "gelu"), ("vgg", "relu")]
    rows = [
        dict(zip(columns, (f"run{at}", model, "cifar10", act, f"9{at}.0"), strict=True))
        for at, (model, act) in enumerate(every)
    ]
    assert [cell.cell for cell in audit(Printed(rows, n_test=10_000)).cells] == [
        "resnet/relu",
        "resnet/gelu",
        "vgg",
    ]
    alike = [{**row, "activation": "relu"} for row in rows]
    assert [cell.cell for cell in audit(Printed(alike, n_test=10_000)).cells] == ["run0", "run1", "run2"]
    tuned = [{"model": "resnet", "lr": lr, "test_acc": acc} for lr, acc in (("0.1", "90.0"), ("0.2", "91.0"))]
    found = audit(Printed(tuned, n_test=10_000)).cells
    assert [cell.cell for cell in found] == ["resnet/lr=0.1", "resnet/lr=0.2"]
    nameless = [{"model": "resnet", "test_acc": acc} for acc in ("90.0", "91.0")]
    found = audit(Printed(nameless, n_test=10_000)).cells
    assert [cell.cell for cell in found] == ["resnet (row 1)", "resnet (row 2)"]


def test_too_many_pairs_are_told_the_column_that_parts_them():
    rows = [
        {"model": f"m{at}", "Optimizer": "SGD" if at % 2 else "AdamW", "top1": f"{50 + at / 10:.1f}"}
        for at in range(120)
    ]
    with pytest.raises(TableError) as caught:
        audit(Printed(rows, n_test=10_000))
    assert "--within Optimizer compares the rows that agree in it alone (3,540 pairs)" in caught.value.hint
    assert len(audit(Printed(rows, n_test=10_000, within="Optimizer")).comparisons) == 3540


def test_rows_that_share_no_data_are_told_so():
    rows = [{"dataset": "mnist", "test_acc": "91.2"}, {"dataset": "svhn", "test_acc": "93.5"}]
    found = audit(Printed(rows, n_test=10_000))
    assert "No two of the 2 rows share 'dataset', so nothing is compared." in found.survives
    rows = [{"student": name, "test_acc": "91.2"} for name in ("r8", "r20")]
    assert any("share a student, so" in line for line in audit(Printed(rows, n_test=10_000)).survives)


def test_no_p_value_is_printed_as_0():
    rows = [{"cell": name, "top1": top1, "top1_std": "0.2"} for name, top1 in (("a", "90.0"), ("b", "92.0"))]
    (pair,) = audit(Printed(rows, seeds=5)).comparisons
    assert pair.p_low == 0  # in the limit of equal spreads that go together
    assert f"a paired test over 5 seeds has p {bound_of(pair.p_high or 0)}, depending" in pair.says
    found = audit(Printed([{"cell": "a", "top1": "10.0"}, {"cell": "b", "top1": "99.0"}], n_test=10_000))
    assert "(McNemar p < 1e-300, the only pair)" in found.survives[1]
    assert "(McNemar p < 1e-300)" in found.comparisons[0].says


PIVOTED = [
    {"method": name, "epoch": epoch, "mean_test_acc_dataset=c100": acc, "std_test_acc_dataset=c100": "0.2",
     "mean_ece_dataset=tiny_200": ece, "mean_ece_dataset=c100": ece}
    for name, epoch, acc, ece in (("ce", "180", "72.5", "0.05"), ("kd", "190", "75.5", "0.06"))
]  # fmt: skip


def test_a_column_that_a_program_named_is_found_by_its_metric():
    """pandas calls a column that it turned by what it is and where it was: `mean_test_acc_dataset=c100`."""
    found = audit(Printed(PIVOTED, metric="test_acc", seeds=5))
    assert found.metric == "mean_test_acc_dataset=c100"
    assert any("the only column of test_acc" in note for note in found.notes)
    assert found.comparisons[0].p_high is not None  # its spreads are found too
    with pytest.raises(TableError, match="2 columns are of 'ECE'") as caught:
        audit(Printed(PIVOTED, metric="ECE", seeds=5))
    assert "one of: mean_ece_dataset=tiny_200, mean_ece_dataset=c100; each is corrected" in caught.value.hint
    for wrong in ("test", "acc", "c100"):
        with pytest.raises(TableError, match="no column"):
            audit(Printed(PIVOTED, metric=wrong, seeds=5))


def test_an_epoch_is_offered_as_no_metric():
    rows = [
        {"m": "a", "epoch": "180", "F1": "80.1", "AUC": "90.0"},
        {"m": "b", "epoch": "9", "F1": "81", "AUC": "91"},
    ]
    with pytest.raises(TableError) as caught:
        audit(Printed(rows))
    assert "one of: F1, AUC;" in caught.value.hint
    assert audit(Printed(rows, metric="epoch", seeds=3)).metric == "epoch"  # who asks for it gets it


def test_a_claim_names_the_column_whose_pairs_it_is_corrected_for():
    rows = [
        {
            "m": name,
            "F1@10%": f"{70 + at * 4}.00 ± 0.20",
            "F1@100%": f"{80 + at * 4}.00 ± 0.20",
            "Params": "1",
        }
        for at, name in enumerate("abc")
    ]
    found = audit(Printed(rows, metric="F1@100%", seeds=5))
    claims = [line for line in found.survives if line.startswith("That ")]
    assert len(claims) == 3
    assert all("Holm's correction over 3 pairs of F1@100% alone" in line for line in claims)
    assert all("by Holm over the table's 3 pairs of F1@100% alone" in c.says for c in found.comparisons)
    assert any(note.startswith("F1@10%: each column is judged with") for note in found.notes)
    alone = [{k: v for k, v in row.items() if k != "F1@10%"} for row in rows]  # no parameters are a rival
    only = audit(Printed(alone, metric="F1@100%", seeds=5))
    assert not any("alone)" in line or "F1@100% alone" in line for line in only.survives)


def test_one_run_behind_each_number_is_an_assumption_where_the_table_does_not_say_it() -> None:
    """Of means over five seeds, in a table that names no number, no network has the printed accuracy."""
    rows = [{"method": "KD", "top1": "73.33"}, {"method": "CRD", "top1": "75.51"}]
    found = audit(Printed(rows, n_test=10_000))
    assert found.seeds_assumed
    assert "taken as one seed (the table names no number)" in found.survives[0]
    assert found.survives[1].endswith(
        "; all of it if each number is of one run, which the table does not say."
    )
    assert any("--seeds K" in note for note in found.notes)
    for said in (
        Printed(rows, n_test=10_000, seeds=1),
        Printed([{**row, "n": "1"} for row in rows], n_test=10_000),
    ):
        assert not audit(said).seeds_assumed
        assert "does not say" not in " ".join(audit(said).survives)


def test_a_temperature_tells_rows_apart_and_no_other_result_does() -> None:
    rows = [
        {"Method": "KD", "T": T, "CIFAR-100": a, "CIFAR-100_std": "0.2", "Tiny": b, "Tiny_std": "0.3"}
        for T, a, b in (("2", "70.05", "52.61"), ("4", "70.66", "52.97"))
    ]
    for metric in ("CIFAR-100", "Tiny"):
        found = audit(Printed(rows, metric=metric, seeds=3))
        assert [cell.cell for cell in found.cells] == ["KD/T=2", "KD/T=4"]
    rows = [{name: text for name, text in row.items() if name != "T"} for row in rows]
    found = audit(Printed(rows, metric="Tiny", seeds=3))
    assert [cell.cell for cell in found.cells] == ["KD (row 1)", "KD (row 2)"]


def test_a_zero_that_stands_for_a_missing_number_claims_nothing() -> None:
    rows = [
        {"method": "KD", "top1": "73.54"},
        {"method": "CRD", "top1": "74.14"},
        {"method": "FSP", "top1": "0.00"},
    ]
    found = audit(Printed(rows, n_test=10_000, seeds=1))
    assert not any("FSP" in claim and "survives" in claim for claim in found.survives)
    assert any(
        "no valid claim: FSP's 0.00 seems to stand for a missing number" in text for text in found.survives
    )
    assert any("--without FSP" in note for note in found.notes)
    rows = [{"method": "a", "top1": "0.00"}, {"method": "b", "top1": "2.10"}]  # as of a hard benchmark
    assert not any("missing" in text for text in audit(Printed(rows, n_test=10_000, seeds=1)).survives)
