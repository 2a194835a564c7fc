"""Cells that were left out: every sentence says so, as it is pasted alone, and which questions went too."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.readers.raw import Reading
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_frame, from_study

from .conftest import PROTOCOL

VALUES = {
    "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75),
    "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5),
    "main/plain/kd-T4-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75),
    "main/plain/kd-T8-a0.5": (72.5, 72.0, 71.75, 72.75, 72.25),
}
TEXT = PROTOCOL.replace("T: [1, 4]", "T: [1, 4, 8]").replace(
    "  contrasts: [[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]]",
    "  primary: main/plain/kd-T4-a0.5\n  contrasts:\n"
    "    - {name: warm beats cool, weights: {main/plain/kd-T4-a0.5: 1, main/plain/kd-T1-a0.5: -1}}\n"
    "    - [main/plain/kd-T8-a0.5, main/plain/kd-T1-a0.5]",
)
CAUTION = "caution: chosen cells: without main/plain/kd-T4-a0.5"
FELL = "without these cells some questions fall away, or are of fewer cells: "


def sentences(document: dict) -> list[str]:
    """Every `says` of a document of which a table or figure shows the caption; picks are of all cells."""
    families = [*document["families"], *(item["family"] for item in document["secondary"])]
    said = [c["says"] for family in families for c in family["comparisons"]]
    said += [whole["says"] for family in families if (whole := family["consistency"])]
    said += [one["says"] for family in families for one in family["by_method"]]
    sequential = document["sequential"]
    said += [one["says"] for one in (sequential["comparisons"] if sequential else ())]
    return [*said, *(one["says"] for name in ("images", "factorial") for one in document[name])]


@pytest.fixture
def study(made, tmp_path: Path) -> Path:
    return made(tmp_path, VALUES, text=TEXT)


@pytest.mark.parametrize("more", [[], ["--sequential"]])
def test_every_sentence_says_which_cells_were_left_out(study: Path, more: list[str]) -> None:
    asked = ["analyze", str(study), "--without", "main/plain/kd-T4-a0.5", *more]
    document = json.loads(
        CliRunner().invoke(cli, [*asked, "--format", "json"], catch_exceptions=False).stdout
    )
    said = sentences(document)
    assert len(said) >= 4
    assert not [text for text in said if CAUTION not in text]
    shown = CliRunner().invoke(cli, [*asked, "--format", "markdown"], catch_exceptions=False).stdout
    words = shown.partition("### In words")[2].partition("###")[0].split("\n- ")[1:]
    assert words
    assert all(CAUTION in text for text in words)
    whole = CliRunner().invoke(cli, ["analyze", str(study), "--format", "json"], catch_exceptions=False)
    assert not [text for text in sentences(json.loads(whole.stdout)) if "chosen" in text]


def test_which_questions_went_with_them_is_said(study: Path) -> None:
    def fell(*without: str) -> list[str]:
        found = analysis_of(from_study(study), Question(without=without), images=False)
        return [text.removeprefix(FELL) for text in found.warnings if text.startswith(FELL)]

    assert fell() == []
    assert fell("main/plain/kd-T4-a0.5") == [
        "the primary gain main/plain/kd-T4-a0.5; the contrast “warm beats cool” (+1·main/plain/kd-T4-a0.5 "
        "-1·main/plain/kd-T1-a0.5); the average gain main/plain/kd: average of 3 (T)"
    ]
    (told,) = fell("main/plain/kd-T1-a0.5")
    assert "the primary gain" not in told
    assert "the contrasts “warm beats cool”" in told
    assert "main/plain/kd-T8-a0.5 vs main/plain/kd-T1-a0.5" in told


def test_so_do_sentences_of_a_table(tmp_path: Path) -> None:
    rows = [
        {"method": method, "T": T, "seed": seed, "acc": value}
        for (cell, values) in VALUES.items()
        for method, T in [("kd", int(cell[-6])) if "kd" in cell else ("baseline", "")]
        for seed, value in enumerate(values)
    ]
    rows += [{**row, "method": "other"} for row in rows if row["method"] == "kd"]
    found = from_frame(pd.DataFrame(rows), Reading(without=("method=other",)), None, "runs")
    (family, *_) = analysis_of(found, Question(baselines=("baseline",)), images=False).families
    assert all(
        "caution: left out by choice: method=other (15 of 35 rows)." in c.says for c in family.comparisons
    )


def test_so_do_sentences_of_a_study_whose_protocol_has_cells_no_more(
    made, tmp_path: Path, study: Path
) -> None:
    less = TEXT.replace("T: [1, 4, 8]", "T: [1, 4]").replace(
        "\n    - [main/plain/kd-T8-a0.5, main/plain/kd-T1-a0.5]", ""
    )
    study = made(tmp_path, VALUES, text=less)
    found = analysis_of(from_study(study), Question(), images=False)
    told = "caution: cells left out of the protocol: main/plain/kd-T8-a0.5."
    assert all(told in c.says for family in found.families for c in family.comparisons)
