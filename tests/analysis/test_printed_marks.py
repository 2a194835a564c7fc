"""Names of printed rows are their words: without links, images, emphasis, tags, citations and footnotes."""

from __future__ import annotations

import pytest
from rigorkd_analysis import Printed, audit
from rigorkd_analysis.published.printed_cells import pasted_rows, unmarked
from rigorkd_analysis.published.printed_marks import LONGEST, without_markdown


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("[KD](https://arxiv.org/abs/1503.02531)", "KD"),
        ('**[DKD](https://a.b/c_d "its title")**', "DKD"),
        ("[**DKD**](<https://a.b/c d>)", "DKD"),
        ("[CVPR](a_(b)), [[12]](#refs)", "CVPR, [12]"),
        ("[![badge](https://img/b.svg)](http://c.d) SP", "badge SP"),
        ("[AT][at] ([paper](http://a.b))", "AT (paper)"),
        ("<https://a.b/c>", "https://a.b/c"),
        ("*FitNet*[^1]", "FitNet"),
        ("***CRD*** _and_ __SP__ ~~RKD~~", "CRD and SP RKD"),
        ("`kd_T4_a0.5`", "kd_T4_a0.5"),
        ("[`kd_*_T4`](x.py)", "kd_*_T4"),
        ("kd_T4_a0.5", "kd_T4_a0.5"),
        ("my__own_kd", "my__own_kd"),
        ("KD* and DKD*", "KD* and DKD*"),
        (r"KD\* \_x\_", "KD* _x_"),
        ('<a href="https://a.b/c_d"><b>KD</b></a><br>(ours)', "KD (ours)"),
        ('<img src="x.png" alt="KD"/> R&amp;D&nbsp;1', "KD R&D 1"),
        ("Qwen[1][2]", "Qwen[1][2]"),
        ("p < 0.05 and T > 4", "p < 0.05 and T > 4"),
    ],
)
def test_a_name_in_markdown(written: str, read: str):
    assert without_markdown(written) == read
    assert unmarked(written) == read.replace("~", " ")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\href{https://arxiv.org/abs/1503.02531}{KD}~\cite{hinton2015}", "KD"),
        (r"\textbf{\href{https://a.b/c_d}{DKD}} \citep[see][p.~3]{zhao}", "DKD"),
        (r"\href{https://a.b}{\textbf{{KD}}}", "KD"),
        (r"\textcolor{red}{FitNet}\footnotemark[1]", "FitNet"),
        (r"CRD\footnote{of \citet{tian}, as \emph{printed}} \parencite{a}\autocite{b}", "CRD"),
        (r"CRD$^{\dagger}$, AT$^\ast$", "CRD†, AT*"),
        (r"{\bf AT} \hyperref[tab:a]{(ours)}", "AT (ours)"),
        (r"\scalebox{0.9}{ResNet\_32} \colorbox{red}{\url{a.b}}", "ResNet_32 a.b"),
        (r"\citet{hinton2015}", "hinton2015"),
    ],
)
def test_a_name_in_latex(written: str, read: str):
    assert unmarked(written) == read


def test_a_row_of_a_pasted_table_is_called_by_the_words_of_its_link():
    rows = pasted_rows(
        "\\begin{tabular}{lc}\nMethod & Top-1 \\\\\n"
        "\\href{https://a.b/c%20d?x=1&y=2}{KD} & 73.33 \\\\\n"
        "\\textbf{DKD}~\\citep{z} & \\textbf{76.32} \\\\\n"
        "\\end{tabular}"
    )
    assert rows is not None
    (pair,) = audit(Printed(rows, n_test=10_000, metric="Top-1")).comparisons
    assert (pair.b, pair.a) == ("DKD", "KD")


def test_numbers_are_read_as_before():
    for text in (
        "**76.32**",
        "*76.32*",
        "__76.32__",
        "76.32[1](#note)",
        "76.32[^1]",
        "76.32\\*",
        "~~76.32~~",
    ):
        assert unmarked(text) == "76.32", text
    assert unmarked("72.5_{0.2}") == "72.5_0.2"


def test_long_texts_take_no_time():
    short = ("[", "*a", " ", "[a](", "_", "`", "\\href{", "<a", "![[", "<br")
    for text in (one * (LONGEST // len(one)) for one in short):
        without_markdown(text)
        without_markdown(text[:-1] + "<")
        unmarked(text)
    assert without_markdown("*x*" * LONGEST) == "*x*" * LONGEST
