"""Every number and every sentence on the page is the analysis' own, or a mean of the recorded runs."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rigorkd.report.emit import to_json
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.render.html import html
from rigorkd.report.report_page import report_page
from rigorkd.report.sources import from_csv

PUBLISHED = Path(__file__).parents[2] / "analysis" / "published" / "kd_capacity_gap_runs.csv"


@dataclass
class Shown:
    """An element that says what it is: its attributes and its text."""

    attributes: dict[str, str]
    text: str = ""


class Reader(HTMLParser):
    """Elements with `data-path` or `data-count`, and what numeric table cells hold beside such elements."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Shown] = []
        self.stray: list[str] = []
        self._open: list[tuple[str, Shown | None]] = []
        self._numeric = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "code":  # a command is between ticks in a document
            self.handle_data("`")
        if tag == "td" and attributes.get("class") == "n":
            self._numeric = len(self._open) + 1
            self.stray.append("")
        mine = Shown(attributes) if {"data-path", "data-count"} & set(attributes) else None
        if mine is not None:
            self.shown.append(mine)
        if tag not in ("meta", "link", "path", "use", "rect", "circle"):
            self._open.append((tag, mine))

    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self.handle_data("`")
        while self._open and self._open.pop()[0] != tag:
            pass
        if len(self._open) < self._numeric:
            self._numeric = 0

    def handle_data(self, data: str) -> None:
        inside = [mine for _, mine in self._open if mine is not None]
        if inside:
            inside[-1].text += data
        elif self._numeric:
            self.stray[-1] += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def at(document: Any, path: str) -> Any:
    for part in path.split("/"):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def says(text: str, value: float | None) -> bool:
    """Whether a shown text is this value, rounded to the decimals shown."""
    if value is None or text == "–":
        return value is None and text == "–"
    if text == "<.0001":
        return 0 <= value < 1e-4
    plain = text.replace("−", "-").replace(",", "").removesuffix(" %")
    shown = float(plain)
    if text.endswith(" %"):
        value = 100 * value
    exponent = int(plain.split("e")[1]) if "e" in plain else 0
    digits = plain.split("e")[0]
    decimals = len(digits.split(".")[1]) if "." in digits else 0
    return abs(shown - value) <= 0.5000001 * 10.0 ** (exponent - decimals)


Measured = Callable[[str, str, str], float | None]


def compare(html: str, document: dict[str, Any], measured: Measured) -> int:
    """Assert that all of the page agrees with the JSON of the analysis and the runs; how many numbers."""
    reader = read(html)
    numbers = 0
    for shown in reader.shown:
        path = shown.attributes.get("data-path", "")
        if "data-count" in shown.attributes:
            place, verdict = shown.attributes["data-count"].split(":")
            family = document["families"][int(place.removeprefix("sequential/"))]
            judged = family["comparisons"]
            if place.startswith("sequential/"):
                asked = (family["name"], family["planned"])
                every = document["sequential"]["comparisons"]
                judged = [c for c in every if (c["family"], c["planned"]) == asked]
            found = Counter(c["verdict"] for c in judged)
            assert int(shown.text) == found[verdict]
        elif "data-value" not in shown.attributes:
            said = at(document, path)
            if path.endswith("/says"):  # the page says it before the sentence, a document in it
                said = said.removeprefix("exploratory: ")
            assert shown.text == said, path
        else:
            if path.startswith("runs|"):
                _, cell, metric, which = path.split("|")
                value = measured(cell, metric, which)
            else:
                value = at(document, path)
            exact = shown.attributes["data-value"]
            assert (float(exact) if exact else None) == value, path
            assert says(shown.text, value), (path, shown.text, value)
            numbers += value is not None
    for text in reader.stray:
        assert not re.search(r"\d", text), f"a number of no known origin: {text!r}"
    everything = {shown.attributes.get("data-path") for shown in reader.shown}
    for family, members in enumerate(document["families"]):
        for position in range(len(members["comparisons"])):
            for name in ("mean_diff", "ci_low", "p", "p_adjusted", "mde", "n", "t", "says"):
                path = f"families/{family}/comparisons/{position}/{name}"
                missing = name == "ci_low" and at(document, path) is None
                alone = name == "p_adjusted" and members["size"] == 1
                assert path in everything or missing or alone, path
    for position in range(len(document["cells"])):
        assert f"cells/{position}/mean" in everything
    return numbers


def measured_in(table: pd.DataFrame, teachers: dict[str, list[dict[str, Any]]] | None = None) -> Measured:
    """Values of runs, and their means, straight from the table of runs and the teachers' records."""

    def measured(cell: str, metric: str, which: str) -> float | None:
        if teachers is not None and cell in teachers:
            records = teachers[cell]
            if which == "count":
                return len(records)
            values = [
                record["latency_ms"]["median"] if metric == "latency_ms" else record["metrics"].get(metric)
                for record in records
            ]
        else:
            rows = table[table["cell"] == cell]
            if which != "mean":
                (value,) = rows[rows["seed"].astype(int) == int(which)][metric].astype(float)
                return float(value)
            values = [float(value) for value in rows[metric]]
        values = [value for value in values if value is not None and not math.isnan(value)]
        return math.fsum(values) / len(values) if values else None

    return measured


@pytest.mark.parametrize(
    "asked", [Question(sesoi=0.2), Question(sequential=True), Question(all_pairs=True, correction="none")]
)
def test_the_page_of_a_table_says_what_the_analysis_says(asked: Question) -> None:
    found = from_csv(PUBLISHED)
    analysis = analysis_of(found, asked)
    text = html(report_page(gather(found, analysis)))
    assert compare(text, json.loads(to_json(analysis)), measured_in(pd.read_csv(PUBLISHED))) > 300


def test_the_page_of_a_study_says_what_analyze_prints(finished: Path, rigorkd: Any, tmp_path: Path) -> None:
    """Both commands as a user runs them, on a study with teachers, two groups and predictions."""
    study = finished / "results" / "tiny"
    done = rigorkd("report", study, "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "page.html")
    document = json.loads(rigorkd("analyze", study, "--format", "json").stdout)
    table = pd.DataFrame(json.loads(rigorkd("table", study, "--format", "json").stdout))
    teachers: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(study.glob("teacher*/**/record.json")):
        fields = json.loads(record.read_bytes())
        teachers.setdefault(fields["cell"], []).append(fields)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert compare(html, document, measured_in(table, teachers)) > 200
    html = re.sub("</?code>", "`", html)
    for text in (*document["warnings"], *document["conditioned_on"]):
        assert text in html.replace("&#39;", "'").replace("&lt;", "<"), text


def test_the_comparison_finds_a_wrong_number() -> None:
    """The check itself: one digit changed anywhere is found."""
    found = from_csv(PUBLISHED)
    analysis = analysis_of(found, Question(sesoi=0.2))
    text, document = html(report_page(gather(found, analysis))), json.loads(to_json(analysis))
    measured = measured_in(pd.read_csv(PUBLISHED))
    gain = document["families"][0]["comparisons"][0]["mean_diff"]
    for wrong in (
        text.replace(f'data-value="{gain!r}"', f'data-value="{gain + 1e-9!r}"', 1),
        text.replace(f'data-value="{gain!r}">+', f'data-value="{gain!r}">+1', 1),
        re.sub(r'(<b data-count="[^"]+">)0', r"\g<1>7", text, count=1),
        text.replace("</td></tr>", " 5</td></tr>", 1),
    ):
        assert wrong != text
        with pytest.raises(AssertionError):
            compare(wrong, document, measured)


def test_rounding_is_checked_to_the_last_digit() -> None:
    assert says("+0.75", 0.75)
    assert says("−0.03", -0.025)
    assert says("1,024", 1024)
    assert says("93.5 %", 0.9349)
    assert says("2.3e+04", 23400.0)
    assert not says("0.76", 0.75)
    assert not says("–", 0.0)
