"""A smallest effect of interest may be mended until results are shown; later changes are exploratory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rigorkd.records.interim import note_shown
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study

from .conftest import PROTOCOL

MENDED = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.25")
AGAIN = PROTOCOL.replace("sesoi: 0.5", "sesoi: 0.75")
VALUES = {
    "main/plain/baseline": (70.0, 71.0, 70.5, 70.75, 71.25),
    "main/plain/kd-T1-a0.5": (70.5, 71.25, 71.0, 71.5, 71.5),
    "main/plain/kd-T4-a0.5": (71.5, 72.25, 72.0, 72.75, 72.5),
}
PART = {cell: row[:2] for cell, row in VALUES.items()}
FIRST_RUN, MEND, LAST = (f"2026-11-27T{hour:02d}:00:00+00:00" for hour in (10, 11, 14))
"""The runs of a study that is made for a test finish at twelve, between the mend and the last."""


def run_at(study: Path, *times: str) -> None:
    """The protocols of a study, as if they had been run into it at these times."""
    path = study / "study.json"
    document = json.loads(path.read_text())
    for entry, time in zip(document["protocols"], times, strict=True):
        entry["time"] = time
    path.write_text(json.dumps(document))


def seen(study: Path, time: str, file: str = "looks.jsonl", **more: bool) -> None:
    line = {"n": 2, "seeds": [0, 1], "metric": "test_top1", "time": time, **more}
    (study / file).write_text(json.dumps(line) + "\n")


def judged(study: Path) -> tuple[set[bool], list[str]]:
    found = analysis_of(from_study(study), Question(), images=False)
    assert found.sesoi in (0.25, 0.75)
    return {family.planned for family in found.families}, [text for text in found.warnings if "sesoi" in text]


def test_a_margin_mended_before_any_result_was_shown_is_the_planned_one(made, tmp_path: Path) -> None:
    made(tmp_path, PART, seeds=range(5))
    study = made(tmp_path, VALUES, text=MENDED)
    run_at(study, FIRST_RUN, MEND)
    planned, (told,) = judged(study)
    assert planned == {True}
    assert told == (
        "sesoi was changed from 0.5 to 0.25 after the first run, before any result was shown: it is the "
        "planned one"
    )


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("looks.jsonl", {}),
        ("shown.jsonl", {}),
        ("shown.jsonl", {"summary": True}),
    ],
)
def test_a_margin_changed_after_results_were_shown_is_exploratory(made, tmp_path, file, more) -> None:
    made(tmp_path, PART, seeds=range(5))
    study = made(tmp_path, VALUES, text=MENDED)
    run_at(study, FIRST_RUN, MEND)
    seen(study, "2026-11-27T10:30:00+00:00", file, **more)
    planned, (told,) = judged(study)
    assert planned == {False}
    assert told.startswith("changed after the first run: sesoi")


def test_what_is_shown_later_does_not_count_against_an_earlier_mend(made, tmp_path: Path) -> None:
    made(tmp_path, PART, seeds=range(5))
    study = made(tmp_path, VALUES, text=MENDED)
    run_at(study, FIRST_RUN, MEND)
    seen(study, LAST, "shown.jsonl")
    assert judged(study)[0] == {True}


def test_only_the_margin_of_the_first_showing_is_the_planned_one(made, tmp_path: Path) -> None:
    """Neither another one later, nor the very first again."""
    made(tmp_path, PART, seeds=range(5))
    made(tmp_path, PART, seeds=range(5), text=MENDED)
    study = made(tmp_path, VALUES, text=AGAIN)
    run_at(study, FIRST_RUN, MEND, LAST)
    seen(study, "2026-11-27T11:30:00+00:00")
    assert judged(study)[0] == {False}


def test_a_study_whose_runs_had_all_ended_has_shown_its_means(made, tmp_path: Path) -> None:
    """`run` prints them; versions that did not note it are judged by their records."""
    made(tmp_path, VALUES)
    study = made(tmp_path, VALUES, text=MENDED)
    run_at(study, FIRST_RUN, LAST)
    assert judged(study)[0] == {False}


def test_other_keys_are_fixed_by_the_first_run_as_ever(made, tmp_path: Path) -> None:
    made(tmp_path, PART, seeds=range(5))
    study = made(tmp_path, VALUES, text=MENDED.replace("  contrasts", "  alpha: 0.1\n  contrasts"))
    run_at(study, FIRST_RUN, MEND)
    planned, told = judged(study)
    assert planned == {False}
    assert any(text.startswith("sesoi was changed") for text in told)


def test_the_means_below_a_run_are_noted_once_as_a_summary(made, tmp_path: Path) -> None:
    from rigorkd.launch.removal import Wanted, remove

    study = made(tmp_path, VALUES)
    for _ in range(2):
        note_shown(study, range(5), "test_top1", 5, summary=True)
    (line,) = (study / "shown.jsonl").read_text().splitlines()
    assert json.loads(line)["summary"] is True
    planned = remove(study, Wanted(seeds=(4,)), dry=True)
    assert (planned.looked, planned.summary) == (5, True)
    note_shown(study, range(5), "test_top1", 5)
    planned = remove(study, Wanted(seeds=(4,)), dry=True)
    assert (planned.looked, planned.summary) == (5, False)


def test_the_table_of_runs_shows_results(made, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from rigorkd.cli.main import cli

    study = made(tmp_path, VALUES)
    assert CliRunner().invoke(cli, ["table", str(study)], catch_exceptions=False).exit_code == 0
    assert json.loads((study / "shown.jsonl").read_text())["summary"] is True


@pytest.mark.parametrize("looked", [False, True])
def test_a_changed_analysis_is_told_before_the_protocol_is_run(made, tmp_path: Path, looked: bool) -> None:
    """By `plan` and `run`, as `analyze` says it later; and nothing of the protocol that is there."""
    from rigorkd.protocol.load import load_protocol
    from rigorkd.records.read import changed_since

    study = made(tmp_path, PART, seeds=range(5))
    if looked:
        seen(study, LAST)
    changed = "changed after the first run: {}; every verdict that uses it is exploratory"
    text = MENDED.replace("  contrasts", "  alpha: 0.1\n  contrasts")
    for asked, keys in ((PROTOCOL, ""), (MENDED, "sesoi" * looked), (text, "alpha" + ", sesoi" * looked)):
        path = tmp_path / "asked.yaml"
        path.write_text(asked)
        assert changed_since(study, load_protocol(path)) == (changed.format(keys) if keys else "")
    assert changed_since(tmp_path / "none", load_protocol(path)) == ""
