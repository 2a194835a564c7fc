"""The renderings: the same result in five formats, each well formed."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze

from rigorkd.report.analysis_page import analysis_page, comparisons_table
from rigorkd.report.emit import to_csv, to_json
from rigorkd.report.headline import headline
from rigorkd.report.numbers import Numbers
from rigorkd.report.page import Column, Page, Said, Table
from rigorkd.report.render.latex import escape, latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show


def table(gain: float = 1.0, n: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    rows = []
    for cell, method, shift in (
        ("net/base_line", "baseline", 0.0),
        ("net/kd_a", "kd", gain),
        ("net/kd_b", "kd", 0.0),
    ):
        rows += [(cell, "net", method, seed, 80 + shift + rng.normal(0, 0.1)) for seed in range(n)]
    return pd.DataFrame(rows, columns=["cell", "student", "method", "seed", "test_top1"])


@pytest.fixture
def result():
    return analyze(table(), Plan(sesoi=0.3), study="a study")


def shown(page: Page) -> str:
    stream = io.StringIO()
    show(page, stream)
    return stream.getvalue()


def test_the_terminal_says_first_what_holds(result):
    text = shown(analysis_page(result))
    first, *further = text.splitlines()
    assert first.startswith("Average gain over the baseline (exploratory): of 1 average gain, 1 better.")
    assert further[0].startswith("Gains over the baseline (exploratory): of 2 gains, 1 better, 1 equivalent.")
    assert max(map(len, text.splitlines())) <= 100
    assert "net/kd_a" in text


def test_the_headline_tells_what_the_correction_took():
    rng = np.random.default_rng(1)
    frame = table()
    frame["test_top1"] = 80 + rng.normal(0, 0.3, len(frame))
    base = frame["method"] == "baseline"
    shift = np.array([0.1, 0.08, 0.2, 0.02, 0.28])
    kd = frame["cell"] == "net/kd_a"
    frame.loc[kd, "test_top1"] = frame.loc[base, "test_top1"].to_numpy() + shift
    found = analyze(frame)
    p = found.family("gains").comparisons[0]
    assert p.p < 0.05 < p.p_adjusted
    text = " ".join(headline(found))
    assert "no gain was shown, of 2 tested" in text
    assert "find 1 of 2 below 0.05 (net/kd_a, p = " in text
    assert "Holm over 2 leaves none" in text
    assert "--sesoi" in text


def test_captions_say_n_test_correction_size_and_plan(result):
    caption = analysis_page(result).tables[1].caption
    for part in (
        "5 seeds",
        "paired t test",
        "Holm over 2 comparisons",
        "exploratory",
        "0.0625 at n = 5",
        "Conditioned on",
    ):
        assert part in caption
    planned = analyze(table(), Plan(planned=True))
    assert "planned before the results were seen" in analysis_page(planned).tables[0].caption


def test_smoke_is_a_banner_first_and_last():
    page = analysis_page(analyze(table().assign(smoke=True)))
    lines = shown(page).strip().splitlines()
    assert lines[0].startswith("SMOKE RUNS")
    assert lines[-1].startswith("SMOKE RUNS")


def test_json_follows_the_contract(result):
    document = json.loads(to_json(result))
    assert document["schema"] == "rigorkd.analysis/1"
    contract = [
        *(
            "name",
            "a",
            "b",
            "weights",
            "student",
            "n",
            "seeds",
            "mean_diff",
            "sd_diff",
            "ci_low",
            "ci_high",
            "ci_simultaneous_low",
        ),
        *(
            "ci_simultaneous_high",
            "t",
            "df",
            "p",
            "p_adjusted",
            "p_signflip",
            "p_signflip_floor",
            "p_wilcoxon",
            "p_welch",
        ),
        *(
            "dz",
            "dz_ci_low",
            "dz_ci_high",
            "g_z",
            "g_av",
            "r",
            "variance_ratio",
            "p_equivalence",
            "p_equivalence_adjusted",
        ),
        *(
            "equivalence_ci_low",
            "equivalence_ci_high",
            "mde",
            "seeds_needed",
            "verdict",
            "magnitude",
            "says",
            "warnings",
        ),
    ]
    keys = list(document["families"][0]["comparisons"][0])
    assert [key for key in keys if key in contract] == contract
    for key in ("study", "metric", "goal", "alpha", "correction", "sesoi", "conditioned_on", "families",
                "cells", "best", "factorial", "images", "sequential", "warnings"):  # fmt: skip
        assert key in document
    assert set(document["best"]) == {"cells", "sets", "validation_pick", "leave_one_seed_out", "optimism"}
    cell = document["cells"][0]
    assert list(cell) == ["cell", "student", "method", "n", "diverged", "mean", "std", "ci_low", "ci_high",
                          "std_ci_low", "std_ci_high"]  # fmt: skip
    assert "NaN" not in to_json(result)


def test_same_result_same_bytes(result):
    again = analyze(table().sample(frac=1, random_state=1), Plan(sesoi=0.3), study="a study")
    assert to_json(result) == to_json(again)
    assert markdown(analysis_page(result)) == markdown(analysis_page(again))


def test_csv_is_one_row_per_comparison(result):
    family = result.family("gains")
    text = to_csv(family.comparisons, [{"family": "gains", "planned": False}] * 2)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["a"] for row in rows] == ["net/kd_a", "net/kd_b"]
    assert rows[0]["planned"] == "false"
    assert float(rows[0]["mean_diff"]) == family.comparisons[0].mean_diff
    assert rows[0]["weights"] == "net/kd_a=1; net/base_line=-1"
    assert rows[0]["seeds"] == "0; 1; 2; 3; 4"


def test_csv_of_nulls_is_empty_not_nan():
    family = analyze(table(n=1)).family("gains")
    text = to_csv(family.comparisons)
    assert "nan" not in text.casefold().replace("n = 1", "")
    assert "None" not in text


def test_latex_is_balanced_and_escaped(result):
    text = latex(analysis_page(result))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    assert r"net/kd\_a" in text
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert not any(
        "%" in line.replace(r"\%", "").removesuffix("%") for line in body
    )  # an end of line may be one
    assert text.replace(r"\{", "").replace(r"\}", "").count("{") == text.replace(r"\{", "").replace(
        r"\}", ""
    ).count("}")
    assert r"\toprule" in text
    rows = [line for line in body if line.endswith(r" \\")]
    assert {line.count(" & ") for line in rows[:3]} == {9}


def test_latex_escapes_every_special_character():
    assert escape("50% of a_b & {c} #1 ~ ^ \\") == (
        r"50\% of a\_b \& \{c\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape("−1 ≤ α").isascii()


def test_markdown_tables_are_rectangular(result):
    text = markdown(analysis_page(result))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    headings = [i for i, line in enumerate(rows) if line.startswith(("| comparison", "| cell"))]
    for start, end in zip(headings, [*headings[1:], len(rows)], strict=True):
        assert len({line.count(" |") for line in rows[start:end]}) == 1
    assert "net/kd\\_a" in text


def test_markdown_escapes_bars_and_newlines():
    page = Page((), (Table("t", (Column("a"), Column("b", True)), (("x|y", "1\n2"),), "c"),))
    assert "| x\\|y | 1 2 |" in markdown(page)


def test_long_tables_are_cut_on_a_terminal_only():
    rows = tuple((f"row-{i}", str(i)) for i in range(100))
    page = Page(("h",), (Table("t", (Column("a"), Column("b", True)), rows, "c"),))
    text = shown(page)
    assert "60 more rows" in text
    assert "row-99" not in text
    assert "row-99" in markdown(page)


def test_markup_in_a_name_is_printed_as_it_is():
    page = Page(
        ("[red]x[/red]",), (Table("t", (Column("a"),), (("[b]cell[/b]",),), "c"),), warnings=(Said("[x]"),)
    )
    text = shown(page)
    assert "[red]x[/red]" in text
    assert "[b]cell[/b]" in text


def test_p_values_of_equivalence_are_headed_by_what_they_are_adjusted_for():
    found = analyze(table(), Plan(sesoi=0.5))
    at, family = next((at, one) for at, one in enumerate(found.families) if one.size > 1)
    fields = ("p_equivalence", "p_equivalence_adjusted")

    def headings(narrow: bool) -> list[str]:
        say = Numbers(found, narrow=narrow)
        made = comparisons_table(found, family, f"families/{at}", fields, say, "t", "c")
        return [column.heading for column in made.columns][1:]

    assert headings(narrow=False) == ["TOST p, unadjusted", "TOST p adjusted"]
    assert headings(narrow=True) == ["TOST p, unadjusted", "TOST Holm p"]
