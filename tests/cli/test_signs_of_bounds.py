"""Ends of intervals that are rounded to 0, and commands within sentences, as each format shows them."""

from __future__ import annotations

import json
import re

import pytest
from rigorkd_analysis.wording import number_text

from rigorkd.report.page import Page, Prose, Said
from rigorkd.report.render.html import html
from rigorkd.report.render.markdown import markdown

BASE = (72.48, 72.66, 72.55, 72.68, 72.75)
GAIN = {"a": (0.02, 0.10, 0.19, 0.23, 0.33), "b": (0.035, 0.1, 0.19, 0.23, 0.33)}


def table(gains: tuple[float, ...]) -> str:
    rows = [f"scratch,{seed},{value}" for seed, value in enumerate(BASE)]
    rows += [
        f"kd,{seed},{value + gain:.4f}" for seed, (value, gain) in enumerate(zip(BASE, gains, strict=True))
    ]
    return "\n".join(["method,seed,eval_acc", *rows]) + "\n"


@pytest.fixture
def small(tmp_path):
    """A gain whose interval begins just below 0, and one just above."""

    def write(sign: int):
        from scipy.stats import t

        bound = 0.003 * sign
        half = t.ppf(0.975, 4) * 0.12 / 5**0.5
        shape = (-1.2, -0.6, 0.0, 0.6, 1.2)
        scale = (sum(x * x for x in shape) / 4) ** 0.5
        path = tmp_path / "runs.csv"
        path.write_text(table(tuple(bound + half + 0.12 * x / scale for x in shape)))
        return path

    return write


@pytest.mark.parametrize(("sign", "shown"), [(-1, "−0.00"), (1, "+0.00")])
def test_a_bound_of_a_difference_shows_on_which_side_of_0_it_lies(rigorkd, small, tmp_path, sign, shown):
    """“0.00 to +0.30” had stood beside p = 0.054."""
    path = small(sign)
    asked = ("--baseline", "scratch")
    found = json.loads(rigorkd("analyze", path, *asked, "--format", "json").stdout)
    (one,) = found["families"][0]["comparisons"]
    assert abs(one["ci_low"]) < 0.005
    assert (one["ci_low"] > 0) == (one["p"] < 0.05) == (sign > 0)
    assert f"95 % CI {shown} to +0.30" in one["says"]
    for form, mark in (("table", shown), ("markdown", shown), ("latex", shown.replace("−", "$-$"))):
        text = rigorkd("analyze", path, *asked, "--format", form).stdout
        assert re.search(rf"(?<![\d.]){re.escape(mark)} (?:…|\\dots\{{}}|to) \+0\.30", text), form
    page = tmp_path / "page.html"
    rigorkd("report", path, *asked, "--out", page)
    assert f">{shown}</span>" in page.read_text()
    layout = rigorkd("table", path, *asked, "--layout", "gains", "--format", "markdown").stdout
    assert f"{shown} to +0.30" in layout


def test_a_value_of_0_and_a_bound_that_is_0_have_no_sign():
    assert number_text(-0.001, 2, True) == "0.00"
    assert [number_text(end, 2, True, bound=True) for end in (0.0, -1e-12, -0.004, None)] == [
        "0.00",
        "0.00",
        "−0.00",
        "–",
    ]
    assert number_text(-0.004, 2, bound=True) == "0.00"


def test_commands_in_sentences_are_code_where_a_format_has_it():
    said = Said("seeds are added under `analyze --sequential` of a_b <i>, `rigorkd run 'a b'` and 5` or 6`")
    page = Page(question="q", headline=(), blocks=(Prose((said,), "Notes"),), warnings=())
    shown = html(page)
    assert (
        "under <code>analyze --sequential</code> of a_b &lt;i&gt;, <code>rigorkd run &#39;a b&#39;</code>"
        in shown
    )
    assert "and 5` or 6`" in shown
    assert r"under `analyze --sequential` of a\_b \<i>, `rigorkd run 'a b'` and 5\` or 6\`" in markdown(page)


def test_a_page_with_seeds_to_add_shows_no_ticks(rigorkd, small, tmp_path):
    page = tmp_path / "page.html"
    rigorkd("report", small(-1), "--baseline", "scratch", "--sesoi", "0.2", "--out", page)
    text = re.sub(r"<(script|style).*?</\1>", "", page.read_text(), flags=re.DOTALL)
    assert "<code>analyze --sequential</code>" in text
    assert "`" not in text
