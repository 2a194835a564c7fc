"""LaTeX that fits its line: smaller letters, cells on several lines, scaled where TeX finds it too wide."""

from __future__ import annotations

import re

from rigorkd.report.page import Column, Page, Table
from rigorkd.report.render.latex import escape, latex, prose
from rigorkd.report.render.latex_width import LINE, fitted, width_of


def page(names: int, columns: int, dense: bool = False) -> str:
    headings = (Column("comparison"), *(Column(f"95 % CI {at}", True) for at in range(columns)))
    rows = tuple((f"a_long/name-of/cell{'x' * names}{at}\nover b", *["1.23"] * columns) for at in range(2))
    return latex(Page(blocks=(Table("Gains", headings, rows, "Caption.", frozenset({1}), dense=dense),)))


def test_a_table_that_fits_stays_as_it_is():
    text = latex(Page(blocks=(Table("T", (Column("a"), Column("b", True)), (("x", "1.0"),), "C."),)))
    assert text.startswith("% needs \\usepackage{booktabs}\n")
    assert "  \\begin{tabular}{lr}\n    \\toprule\n    a & b \\\\\n" in text
    assert "resizebox" not in text


def test_a_wide_table_is_set_small_on_several_lines_and_scaled_if_it_must_be():
    text = page(30, 6)
    assert text.startswith("% needs \\usepackage{booktabs,graphicx}\n")
    assert "\\footnotesize\\setlength{\\tabcolsep}{3pt}" in text
    assert "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}\\else\\leavevmode\\box0\\fi" in text
    assert text.count("{") == text.count("}")
    assert "sidewaystable" not in text
    body = text[text.index("\\midrule") : text.index("\\bottomrule")].strip().splitlines()[1:]
    assert [len(re.findall(r"(?<!\\\\) & ", line)) for line in body] == [6, 6]
    assert body[1].count("\\textbf{") > 6  # each line of a bold cell is bold
    assert "% tab:gains: letters of about" in page(30, 40)
    assert "\\scriptsize" in page(30, 9, dense=True)


def test_cells_are_split_where_they_may_be():
    wide = fitted(["comparison", *["95 % CI of all"] * 8], [["a/b", *["1.23"] * 8]], [], False)
    assert wide.rows[0][1] == ("95 % CI", "of all")
    assert (
        wide.points <= LINE < fitted(["95 % CI of all"] * 9, [["−1.23 … +4.56 of all"] * 9], [], False).points
    )
    narrow = fitted(["comparison", "diff"], [["a\nover b", "1"]], [], False)
    assert narrow.rows[1][0] == ("a over b",)
    assert narrow.size == 1
    assert width_of("WWW") > width_of("iii")


def test_characters_that_pdflatex_has_not_are_named():
    assert escape("3.4–∞ β") == "3.4--$\\infty$ $\\beta$"
    named = latex(Page(blocks=(Table("T", (Column("Модель"),), (("基线",),), "C."),)))
    assert named.splitlines()[1].startswith("% needs xelatex or lualatex, and a font that has М")


def test_a_table_that_is_longer_than_a_page_is_divided():
    """Into floats with the headings, under one number: a float that is higher than a page is cut off."""
    columns = (Column("comparison"), Column("diff", True))

    def of(rows: int) -> str:
        body = tuple((f"cell-{at}", f"{at}.0") for at in range(rows))
        return latex(Page(blocks=(Table("Gains", columns, body, "Caption.", starred=("much", "more")),)))

    assert of(30).count("\\begin{table}") == 1
    parts = of(100).split("\\begin{table}")[1:]
    assert [part.count("\n    cell-") for part in parts] == [39, 40, 21]
    assert [part.count("\n    cell-") for part in of(80).split("\\begin{table}")[1:]] == [39, 38, 3], (
        "not 1 row"
    )
    assert all("comparison & diff" in part for part in parts)
    assert [part.count("\\caption{") for part in parts] == [1, 0, 0]
    assert "Table~\\ref{tab:gains}, continued: Gains." in parts[1]
    assert ["* much" in part for part in parts] == [False, False, True]


def test_two_tables_of_one_title_have_labels_of_their_own():
    tables = tuple(Table("Gains", (Column("cell"),), ((name,),), "Caption.") for name in "abc")
    text = latex(Page(blocks=tables))
    assert re.findall(r"label\{([^}]*)\}", text) == ["tab:gains", "tab:gains-2", "tab:gains-3"]


def test_two_hyphens_of_an_option_do_not_become_a_dash():
    """In commands and beside them; an en dash stays one."""
    told = prose("`analyze --sequential` does, or fresh seeds alone (--seeds); Greenhouse–Geisser")
    assert told == (
        r"\texttt{analyze -{}-sequential} does, or fresh seeds alone (-{}-seeds); Greenhouse--Geisser"
    )
