"""Accuracies in fractions of 1, and runs without a number: decimals that tell cells apart, the right unit."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rigorkd_analysis.wording import decimals_for

from rigorkd.launch import display
from rigorkd.launch.planning import Plan
from rigorkd.records import command_notes
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record
from rigorkd.report.analysis_page import analysis_page
from rigorkd.report.gather import gather
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.paper_tables import paper_table
from rigorkd.report.render.markdown import markdown
from rigorkd.report.sources import from_csv


def test_one_seed_of_fractions_has_four_digits(tmp_path: Path) -> None:
    assert decimals_for("", 0.0, 0.8123) == 4
    assert decimals_for("", 0.0, 0.0123) == 5
    assert decimals_for("", 0.0, 81.2) == decimals_for(" points", 0.0, 81.2) == 2
    assert decimals_for("", 0.004, 0.8123) == 4
    file = tmp_path / "runs.csv"
    file.write_text(
        "cell,student,method,seed,test_top1\nb,r,baseline,0,0.8123\nk,r,kd,0,0.8161\n", encoding="utf-8"
    )
    found = analysis_of(source := from_csv(file), Question())
    text = markdown(analysis_page(found))
    assert "0.8123" in text
    assert "0.0038" in text
    assert "points" not in text
    assert "0.8161" in markdown(paper_table(gather(source, found), "gains"))


def test_a_summary_tells_runs_without_a_number_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(cell: str, seed: int, value: float | None, status: str = "done") -> Record:
        metrics = {} if value is None else {"accuracy": value}
        return Record(Path(), {"cell": cell, "seed": seed, "status": status, "metrics": metrics})

    there = [record("teacher", 0, None), record("m/kd", 0, 0.8161), record("m/base", 0, None, "diverged")]
    monkeypatch.setattr(display, "read_records", lambda study: there)
    console = Console(file=io.StringIO(), width=100)
    display.print_summary(StudyFolder(Path()), console, "accuracy")
    assert isinstance(console.file, io.StringIO)
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    assert "teacher – – 1 finished run without a number" in lines
    assert "m/kd 1 0.8161" in lines
    assert "m/base 0 – 1 run diverged" in lines


def test_a_summary_tells_a_metric_of_another_name_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"train_seconds": 1.0, "acc": 87.7}
    fields = {"cell": "teacher", "seed": 0, "status": "done", "metrics": own, "role": "teacher"}
    monkeypatch.setattr(display, "read_records", lambda study: [Record(Path(), fields)])
    console = Console(file=io.StringIO(), width=100)
    display.print_summary(StudyFolder(Path()), console, "test_acc")
    assert isinstance(console.file, io.StringIO)
    text = " ".join(console.file.getvalue().split())
    assert "teacher – – 1 finished run without test_acc (but with acc)" in text


def test_correlations_have_a_true_minus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_notes, "gain_pairs", lambda cells, among: [("kd", "base")])
    values = {"base": {0: 1.0, 1: 2.0, 2: 3.0}, "kd": {0: 3.0, 1: 1.0, 2: 2.0}}
    assert ": −0.50 (1 gain)" in command_notes._correlations([], values, "acc")


def test_a_summary_rounds_a_half_as_every_table_does(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        Record(Path(), {"cell": "m/kd", "seed": seed, "status": "done", "metrics": {"test_top1": value}})
        for seed, value in enumerate((31.62, 31.63))
    ]
    monkeypatch.setattr(display, "read_records", lambda study: there)
    console = Console(file=io.StringIO(), width=100)
    display.print_summary(StudyFolder(Path()), console)
    assert isinstance(console.file, io.StringIO)
    assert "31.63 ± 0.01" in console.file.getvalue(), "31.625"


def test_a_plan_names_the_unit_of_what_commands_measure() -> None:
    plan = Plan("s", ({"command": "x"},), (0,), {}, 1, None, (), metric="accuracy")  # type: ignore[arg-type]
    assert plan.unit == ""
    assert replace(plan, sesoi=0.5).unit == replace(plan, largest=81.0).unit == " points"
    assert replace(plan, sesoi=0.005, largest=0.81).unit == ""
    assert replace(plan, cells=({},), largest=1.0).unit == " points", "at chance, and in percent all the same"
