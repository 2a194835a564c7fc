"""Names from other people's tables come out harmless in every format: as text, and as nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from functools import cache
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rigorkd_analysis import Plan, analyze, document
from rigorkd_analysis.results import Analysis

from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.emit import no_formula, to_csv, to_json
from rigorkd.report.evidence import Evidence, evidence
from rigorkd.report.figures.canvas import figure_file
from rigorkd.report.figures.catalog import figures
from rigorkd.report.page import Code, Column, Count, Facts, Page, Prose, Said, Section, Table, Tally
from rigorkd.report.paper_tables import paper_table
from rigorkd.report.render.html import html
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown
from rigorkd.report.render.terminal import show
from rigorkd.report.report_page import report_page
from rigorkd.text import printable, unhidden

PARTS = (
    *("\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\x00", "\r", "\u202e", "\u2066", "\u200b", "\u2028"),
    *("](javascript:alert(1))", "[x](http://e.org)", "![i](x)", "<script>alert(1)</script>", "<!--", "-->"),
    *("<img src=x onerror=alert(1)>", '"', "'", "&lt;", "&amp;", "|", "_a_", "**b**", "`c`", "$x$", "~~d~~"),
    *("%", "#", "&", "{", "}", "\\", "\\input{x}", "^^M", "~", "^", "[b]", "[/]", "{{ 7 }}", "{% raw %}"),
    *("=cmd()", "+1+1", "-2", "@sum", "\t=1", "1.", "> q", "# h", "plain", "深い", "é", "−"),
)
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
names = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("".join)
often = settings(max_examples=50, deadline=None)

STUDIES = ("".join(PARTS[:18]), "".join(PARTS[18:36]), "".join(PARTS[36:]), "=cmd()", "[b]*_", "@x")
"""Whole studies are slower to make: these names hold every part."""


def study(name: str) -> tuple[pd.DataFrame, Analysis]:
    """Cells, a student, a group and a method that are all called so."""
    rows = [
        {
            "cell": f"{name}/{kind}{T or ''}",
            "group": name,
            "student": name,
            "method": "baseline" if T is None else name,
            "T": T,
            "seed": seed,
            "test_top1": 80 + seed * 0.3 + (1.0 + 0.1 * seed if T else 0.0),
            "latency_ms": 1.0,
        }
        for kind, T in (("b", None), ("k", 2), ("k", 4))
        for seed in range(3)
    ]
    frame = pd.DataFrame(rows)
    contrast = Plan(sesoi=0.5, all_pairs=True, conditioned_on=(name,))
    return frame, analyze(frame, contrast, study=name)


def small(name: str) -> Page:
    """A page on which a name stands in every place."""
    table = Table(name, (Column(name), Column(name, True, name)), ((name, name),), name, frozenset({0}))
    said = Prose((Said(name, lead=name), Said(name)), name, bullets=True)
    tally = Tally(name, (Count(0, name, "better", name, name),))
    blocks = (
        table,
        tally,
        Prose((Said(name),)),
        Section(name, (said, Facts(((name, (name,)),)), Code(name, name))),
    )
    return Page((name, name), blocks, (Said(name),), banner=name, title=name, study=name, question=name)


@pytest.fixture(scope="module", params=STUDIES, ids=range(len(STUDIES)))
def whole(request: pytest.FixtureRequest) -> tuple[Analysis, Evidence]:
    frame, analysis = study(request.param)
    return analysis, evidence(analysis, frame)


def pages(whole: tuple[Analysis, Evidence]) -> tuple[Page, ...]:
    analysis, found = whole
    return analysis_page(analysis), report_page(found), paper_table(found, "gains")


def check_terminal(page: Page) -> None:
    stream = io.StringIO()
    show(page, stream)
    assert not HIDDEN.search(stream.getvalue())


def markdown_tokens(page: Page) -> list[Token]:
    """What a Markdown reader makes of a page, of which names may only have become text."""
    text = markdown(page)
    assert not HIDDEN.search(text)
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or ()}
    assert kinds <= {"text", "strong_open", "strong_close", "em_open", "em_close", "text_special"}, kinds
    blocks = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert blocks <= {
        *("paragraph", "inline", "heading", "bullet_list", "list_item", "fence", "blockquote"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }, blocks
    return inline


LINES = re.compile(r"\\begin\{tabular\}\[[tb]\]\{@\{\}[lr]@\{\}\}(.*?)\\end\{tabular\}")
"""A cell that is set on several lines."""


def on_one_line(found: re.Match[str]) -> str:
    lines = found[1].split(r" \\ ")
    assert not any(re.match(r"[\[*(]", line) for line in lines), "an option of the line above"
    return " ".join(line.removeprefix("{}") for line in lines)


def check_latex(page: Page) -> None:
    text = latex(page)
    assert not HIDDEN.search(text)
    for line in text.splitlines():
        if line.startswith("    ") and not re.fullmatch(r"    \\(toprule|midrule|bottomrule)", line):
            assert not re.match(r"    [\[*(]", line), "an option of the rule above"
            line = LINES.sub(on_one_line, line)
            row = free_of_commands(line.removesuffix(r" \\").removeprefix("    {}").replace(" & ", " "))
            assert not re.search(r"[\\&%$#_{}~^]", re.sub(r"\\textbf\{([^{}]*)\}", r"\1", row)), line
        else:
            assert re.match(r"%|( {2}){0,2}\\[a-z]+| {2}Table~\\ref", line), line  # or a table goes on


def free_of_commands(text: str) -> str:
    """LaTeX without what stands for one sign: an escaped sign, a named one, or one in mathematics."""
    named = "textbackslash|textasciitilde|textasciicircum|textbullet|textbar|dots|dag|ddag"
    text = re.sub(rf"\\(?:{named})\{{\}}", "", text)
    signs = "pm|times|alpha|sigma|varepsilon|geq|leq|to|surd|chi|Delta|infty|approx|neq|cdot|beta|gamma|delta"
    signs += "|lambda|mu|tau|rho|theta|pi|eta|kappa|omega|phi|psi"
    text = re.sub(rf"\$(?:[-<>]|\\(?:{signs})|\^2)\$", "", text)
    return re.sub(r"\\[&%$#_{}]", "", text)


class Tags(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        text = html(page)
        assert not HIDDEN.search(text)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += [tag] * (tag != "wbr")  # where a name may be broken
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


@often
@given(name=names)
def test_a_name_is_text_in_every_format(name: str) -> None:
    page, said = small(name), " ".join(printable(name).splitlines()).strip()
    check_terminal(page)
    check_latex(page)
    inline = markdown_tokens(page)
    texts = ["".join(child.content for child in token.children or ()) for token in inline]
    assert texts.count(said) >= 8 or not said, "read back, it is the name"
    plain, hostile = Tags(small("plain")), Tags(page)
    assert hostile.tags == plain.tags
    assert [key for key, _ in hostile.attributes] == [key for key, _ in plain.attributes]


@cache
def harmless_tags() -> Tags:
    return Tags(report_page(evidence(*reversed(study("plain")))))


def test_whole_pages_are_steered_by_no_name(whole: tuple[Analysis, Evidence]) -> None:
    harmless = harmless_tags()
    for page in pages(whole):
        check_terminal(page)
        check_latex(page)
        markdown_tokens(page)
        read = Tags(page)
        assert set(read.tags) <= set(harmless.tags)
        assert read.tags.count("script") == 1
        assert {key for key, _ in read.attributes} <= {key for key, _ in harmless.attributes}
        links = [value for key, value in read.attributes if key in ("href", "src")]
        assert all(link.startswith(("#", "data:")) for link in links)


def test_figures_lose_hidden_characters(whole: tuple[Analysis, Evidence]) -> None:
    for figure in figures(whole[1]):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # 深 is no hidden character
            drawn = figure_file(figure, "svg").decode()
        assert not HIDDEN.search(drawn)
        assert "<script" not in drawn


def test_a_csv_has_no_formula_and_keeps_its_numbers(whole: tuple[Analysis, Evidence]) -> None:
    comparisons = [c for family in whole[0].families for c in family.comparisons]
    text = to_csv(comparisons, [{"family": whole[0].study}] * len(comparisons))
    assert not HIDDEN.search(text)
    for row, comparison in zip(csv.DictReader(io.StringIO(text, newline="")), comparisons, strict=True):
        for value in row.values():
            if value.startswith(("=", "+", "-", "@", "\t")):
                float(value)
        assert comparison.mean_diff is not None
        assert float(row["mean_diff"]) == comparison.mean_diff


def test_only_text_that_begins_a_formula_is_quoted() -> None:
    kept = ("a=b", "main/x", "", "-1.5", "+2", "1e-3", "−2")
    assert [no_formula(text) for text in kept] == list(kept)
    assert [no_formula(text) for text in ("=1+1", "+x", "-x", "@x")] == ["'=1+1", "'+x", "'-x", "'@x"]


def test_json_keeps_a_name_and_shows_no_hidden_character(whole: tuple[Analysis, Evidence]) -> None:
    text = to_json(whole[0])
    assert not HIDDEN.search(text)
    assert json.loads(text) == document(whole[0])


@given(name=names)
def test_a_document_is_the_same_with_hidden_characters_escaped(name: str) -> None:
    assert json.loads(unhidden(json.dumps(name, ensure_ascii=False))) == name
