"""When a plan was written, and why nothing can be tested: as it is, in what the command line prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_next_commands import PROTOCOL, SCRIPT, here, said

__all__ = ["here"]


def test_a_report_says_when_the_plan_was_written_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing came of the first run, so that what a later one planned is the plan."""
    clock = iter(f"2001-02-03T04:{minute:02}:00+00:00" for minute in range(60))
    monkeypatch.setattr("rigorkd.records.study.timestamp", lambda: next(clock))
    Path("train.py").write_text("raise SystemExit(3)\n")
    said("run", "mine.yaml", code=1)
    Path("train.py").write_text(SCRIPT)
    Path("mine.yaml").write_text(PROTOCOL + "  primary: main/small/kd-T2\n")
    said("run", "mine.yaml", "--retry-failed")
    noted = json.loads(Path("results/mine/study.json").read_text())
    begun, planned = noted["created"][11:16], noted["planned"]["time"][11:16]
    assert begun < planned
    said("report", "mine")
    page = Path("results/mine/report.html").read_text()
    assert f"The plan was written into the study on 2001-02-03 {planned} UTC, before the first of its" in page
    assert f"The study had begun on 2001-02-03 {begun} UTC." in page
    assert "at its first run" not in page
    monkeypatch.undo()


def test_a_plan_of_the_first_run_is_said_to_be_of_it() -> None:
    said("run", "mine.yaml", "--seeds", "3")
    said("report", "mine", "--interim")
    created = json.loads(Path("results/mine/study.json").read_text())["created"]
    told = f"The plan was written into the study at its first run, {created[:10]} {created[11:16]} UTC"
    assert told in Path("results/mine/report.html").read_text()


NONE = "none of 2 gains can be tested"


@pytest.mark.parametrize(
    ("trained", "words", "why"),
    [
        (
            {"baseline": "3", "kd-T2": "3"},
            (),
            (
                "the one average gain cannot be tested: no seed has all its cells.",
                "the one contrast cannot be tested: no seed has all its cells.",
            ),
        ),
        ({"kd-*": "3"}, (), (f"{NONE}: no seed has all the cells of any.",)),
        (
            {"*": "1"},
            (),
            (f"{NONE}: one seed has no spread to test against.",),
        ),
        (
            {"baseline": "1", "kd-T2": "1"},
            (),
            (f"{NONE}: no seed has all the cells of 1 of them, and one seed has no spread to test against.",),
        ),
        (
            {"baseline": "3"},
            ("--unpaired",),
            ("the one contrast cannot be tested: some of its cells have no run.",),
        ),
    ],
    ids=["some cells", "no baseline", "one seed", "one and none", "unpaired"],
)
def test_why_nothing_can_be_tested(
    trained: dict[str, str], words: tuple[str, ...], why: tuple[str, ...]
) -> None:
    for cells, seeds in trained.items():
        said("run", "mine.yaml", "--seeds", seeds, "--only", f"*/{cells}")
    for form in ("table", "markdown"):
        text = said("analyze", "mine", "--interim", *words, "--format", form).replace("\\", "")
        assert all(reason in text for reason in why), text
        if words:
            assert "no seed has all the cells" not in text, "none is paired"
    if not words:
        said("report", "mine", "--interim")
        page = Path("results/mine/report.html").read_text()
        assert all(reason.partition(": ")[2] in page for reason in why)
