"""Intervals over new test images say what the verdicts on the same cells do: planned or not, valid or not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli

from .conftest import PROTOCOL

PAIR = "[main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]"
NAMED = PROTOCOL.replace(f"contrasts: [{PAIR}]", f"contrasts: [{{name: warm beats cold, pair: {PAIR}}}]")
ADDED = NAMED.replace("T: [1, 4]", "T: [1, 4, 8]")
BASELINE = "main/plain/baseline"
COLD, WARM, HOT = (f"main/plain/kd-T{T}-a0.5" for T in (1, 4, 8))
VALUES = {
    BASELINE: (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25, 69.75),
    COLD: (70.5, 70.75, 70.0, 70.25, 70.5, 70.5, 60.25, 70.25),  # it falls at seed 6
    WARM: (72.0, 72.25, 71.75, 72.5, 71.75, 72.0, 72.25, 72.0),
}
FIVE = {cell: row[:5] for cell, row in VALUES.items()}
LOOK = "caution: repeated look, not valid at alpha: analysed before at n = 5"

Study = Callable[..., Path]


@pytest.fixture
def study(made: Study, tmp_path: Path) -> Study:
    def of(values: Mapping[str, Sequence[float]], text: str) -> Path:
        images = {
            cell: np.array([np.arange(400) >= 4 * top1 for top1 in row]) for cell, row in values.items()
        }
        return made(tmp_path, values, text=text, predictions=images)

    return of


def analysed(study: Path, *asked: str) -> str:
    done = CliRunner().invoke(cli, ["analyze", str(study), *asked], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def sentences(study: Path) -> dict[tuple[str, str], str]:
    images = json.loads(analysed(study, "--format", "json"))["images"]
    return {(one["a"], one["b"]): one["says"] for one in images}


def told(study: Path, form: str) -> str:
    """The table over new test images with its caption, of the report's page or of `analyze`."""
    if form == "html":
        done = CliRunner().invoke(cli, ["report", str(study)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        text = (study / "report.html").read_text()
        at = text.index('id="images-table"')
        return re.sub("<[^>]*>", " ", text[at : text.index("</section>", at)])
    text = analysed(study, "--all", "--format", form)
    ends = {"table": "\nCells\n", "markdown": "### Cells", "latex": "\\end{table}"}[form]
    text = text[(at := text.index("New test images")) : text.index(ends, at)]
    return " ".join(text.replace("\\_", "_").replace("\\dag{}", "†").split())


def test_a_planned_contrast_with_a_name_is_planned_over_new_images_too(study: Study) -> None:
    says = sentences(study(FIVE, NAMED))
    assert says[WARM, COLD].startswith(f"{WARM} vs {COLD}: +"), "by its name it had not been found"
    assert all("points; uncorrected 95 % CI over new seeds " in one for one in says.values())
    assert not any("caution" in one or one.startswith("exploratory") for one in says.values())


def test_sentences_over_new_images_carry_what_verdicts_on_their_cells_are_warned_of(study: Study) -> None:
    analysed(study(FIVE, NAMED))
    time.sleep(1.1)  # looks are noted by the second: what comes in the same one may have been there
    later = {**VALUES, HOT: tuple(top1 + 0.25 * (at % 3) for at, top1 in enumerate(VALUES[BASELINE]))}
    says = sentences(study(later, ADDED))
    assert LOOK in says[WARM, BASELINE]
    assert LOOK in says[WARM, COLD]
    assert not says[WARM, COLD].startswith("exploratory")
    for pair in ((COLD, BASELINE), (WARM, COLD)):
        assert "one of its cells has 60.25 at seed 6" in says[pair]
    assert "60.25" not in says[WARM, BASELINE]
    assert says[HOT, BASELINE].startswith(f"exploratory: {HOT} vs ")
    assert "; caution: added after a look at n = 5: results were known" in says[HOT, BASELINE]


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "html"])
def test_the_table_over_new_images_says_what_holds_of_its_rows(study: Study, form: str) -> None:
    analysed(study(FIVE, NAMED))
    time.sleep(1.1)  # looks are noted by the second
    later = {**VALUES, HOT: tuple(top1 + 0.25 * (at % 3) for at, top1 in enumerate(VALUES[BASELINE]))}
    text = told(study(later, ADDED), form)
    assert "are inconclusive whatever an interval holds: " in text, "not the one that came later"
    assert "repeated look, not valid at alpha: analysed before at n = 5" in text
    assert "† exploratory: not planned before the results." in text
    assert text.count("†") == 2, "one row came later"
    assert "60.25 at seed 6" in text
