"""A study as `analyze` takes it: what is planned, what was changed later, earlier looks, predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from rigorkd_analysis.analysis_plan import AllOf, DifferenceOfGains, Pair, Trend, Weighted

from rigorkd.api import load
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.schema import Analysis
from rigorkd.records.interim import FILE, note_interim_analysis, read_interim_analyses
from rigorkd.records.left_out import LeftOut
from rigorkd.records.read import StudyTable
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study
from rigorkd.report.study_plan import plan_of

from .conftest import PROTOCOL

CONTRASTS = [
    {"pair": ("m/a", "m/b"), "name": "a beats b"},
    {"trend": {"over": "alpha", "group": "m", "where": {"T": 4}}},
    {"difference_of_gains": ("m/a", "m/b")},
    {"all_of": ("m/a", "m/b")},
    {"weights": {"m/a": 1.0, "m/b": -1.0}},
]


def section(**changes: object) -> Analysis:
    document = {
        "sesoi": 0.3,
        "contrasts": tuple(CONTRASTS),
        "sequential": {"c2": 0.5},
        "selection": {"seeds": (0, 1)},
    }
    return Analysis.model_validate({**document, **changes})


def study(planned: Analysis | None, current: Analysis | None, **cells: tuple[str, ...]) -> StudyTable:
    return StudyTable(
        study="s", folder=Path("s"), runs=pd.DataFrame(), planned=planned, current=current, smoke=False,
        mode="reference", conditioned_on=("these test images",), missing=pd.DataFrame(),
        left_out=LeftOut(cells.get("left_out", ())), added=cells.get("added", ()),
    )  # fmt: skip


def test_every_kind_of_contrast_is_translated():
    plan, warnings = plan_of(study(section(), section()))
    assert warnings == ()
    assert plan.planned
    assert plan.contrasts == (
        Pair("m/a", "m/b", name="a beats b", planned=True),
        Trend("alpha", "m", None, (("T", 4),), planned=True),
        DifferenceOfGains("m/a", "m/b", planned=True),
        AllOf(("m/a", "m/b"), planned=True),
        Weighted((("m/a", 1.0), ("m/b", -1.0)), planned=True),
    )
    assert (plan.sesoi, plan.c2, plan.selection_seeds) == (0.3, 0.5, (0, 1))
    assert plan.conditioned_on == ("these test images",)


def test_a_contrast_added_later_is_exploratory():
    plan, _ = plan_of(study(section(contrasts=tuple(CONTRASTS[:1])), section(contrasts=tuple(CONTRASTS[:2]))))
    assert plan.planned
    assert [contrast.planned for contrast in plan.contrasts] == [True, False]


def test_a_cell_added_later_is_told_to_the_analysis():
    plan, (warning,) = plan_of(study(section(), section(), added=("m/c",)))
    assert plan.planned
    assert plan.added == ("m/c",)
    assert warning == "added after the first run, so exploratory: m/c"


def test_a_family_that_lost_cells_is_not_the_planned_one():
    plan, (warning,) = plan_of(study(section(), section(), left_out=("m/c",)))
    assert not plan.planned
    assert all(contrast.planned for contrast in plan.contrasts)  # these are as they were
    assert warning.endswith("not the family that was planned, so they are exploratory")
    plan, (warning,) = plan_of(study(section(), section(), left_out=("teacher/old",)))
    assert plan.planned
    assert warning.endswith("teacher/old")


@pytest.mark.parametrize(
    "change", [{"sesoi": 0.5}, {"metric": "test_loss"}, {"alpha": 0.1}, {"correction": "none"}]
)
def test_a_question_changed_later_is_exploratory(change):
    plan, (warning,) = plan_of(study(section(), section(**change)))
    assert not plan.planned
    assert not any(contrast.planned for contrast in plan.contrasts)
    assert next(iter(change)) in warning


def test_a_study_without_an_analysis_section_has_defaults():
    plan, _ = plan_of(study(None, None))
    assert not plan.planned
    assert plan.metric is None


def test_looks_are_noted_once_per_number_of_seeds(tmp_path):
    assert note_interim_analysis(tmp_path, [2, 0, 1, 1], "test_top1")
    assert note_interim_analysis(tmp_path, [0, 1, 2], "test_top1")
    assert note_interim_analysis(tmp_path, range(5), "test_top1")
    assert note_interim_analysis(tmp_path, range(3), "test_loss")
    looks = read_interim_analyses(tmp_path)
    assert [(look.n, look.seeds, look.metric) for look in looks] == [
        (3, (0, 1, 2), "test_top1"),
        (5, (0, 1, 2, 3, 4), "test_top1"),
        (3, (0, 1, 2), "test_loss"),
    ]


def test_a_damaged_line_and_an_unwritable_folder_stop_nothing(tmp_path):
    (tmp_path / FILE).write_text('not json\n{"n": 3}\n')
    assert read_interim_analyses(tmp_path) == ()
    assert not note_interim_analysis(tmp_path / "missing", [0], "test_top1")
    assert read_interim_analyses(tmp_path / "missing") == ()


STUDY = """\
rigorkd: 1
study: small
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
views: {normalize: dataset}
training: {optimizer: {name: adamw, lr: 5e-3}, batch_size: 32, epochs: 1}
teacher: {model: {name: cnn, channels: [4], hidden: 8}}
students: {plain: {model: {name: cnn, channels: [4]}}}
groups: {main: {baseline: true, kd: {T: [1, 4], alpha: 0.5}}}
seeds: 2
analysis:
  sesoi: 2.0
  secondary: [test_loss]
  contrasts: [{trend: {over: T, group: main}, name: warmer is better}]
"""


def test_a_real_study_from_run_to_verdicts(rigorkd, tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    assert rigorkd("run", "small.yaml", "--seeds", 2).returncode == 0
    first = rigorkd("analyze", "--format", "json")
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    assert [(f["name"], f["planned"], f["size"]) for f in document["families"]] == [
        ("overall", True, 1),
        ("gains", True, 2),
        ("contrasts", True, 1),
    ]
    assert len(document["images"]) == 2
    assert document["images"][0]["images"] == 200
    assert [item["metric"] for item in document["secondary"]] == ["test_loss"]
    assert document["secondary"][0]["goal"] == "min"
    assert document["secondary"][0]["family"]["size"] == 2
    for form in ("table", "markdown", "latex", "csv"):
        told = rigorkd("analyze", "--format", form)
        said = " ".join((told.stderr if form == "csv" else told.stdout).replace("\\_", "_").split())
        assert "Secondary metric, judged apart from test_top1: test_loss (planned): " in said, form
        assert ("--all shows their tables." in said) == (form == "table")
    assert rigorkd("report", "--out", "page.html").returncode == 0
    assert "Secondary metric, judged apart from test_top1: test_loss" in (tmp_path / "page.html").read_text()
    assert "judged apart from test_top1: test_loss" in load(tmp_path / "results" / "small").analyze().says
    assert "teacher per seed" in document["conditioned_on"]
    looks = tmp_path / "results" / "small" / FILE
    looks.write_text(
        looks.read_text().replace('"n": 2', '"n": 1')
    )  # as if one seed had been looked at before
    again = rigorkd("analyze", "results/small", "--format", "json")
    assert "repeated look, not valid at alpha" in again.stderr
    loss = rigorkd("analyze", "--metric", "test_loss", "--format", "json")
    assert "test_loss is a secondary metric" in loss.stderr
    # of the same runs, whose accuracies were known when the seeds were added
    assert "analysed before at n = 1 by test_top1" in loss.stderr
    assert not any(family["planned"] for family in json.loads(loss.stdout)["families"])
    (tmp_path / "runs.csv").write_text(rigorkd("table", "results/small", "--format", "csv").stdout)
    from_csv = json.loads(rigorkd("analyze", "runs.csv", "--format", "json", "--sesoi", "2").stdout)
    there = json.loads(again.stdout)["families"][0]["comparisons"]
    known = {"warnings", "says", "planned", "conditions", "not_valid"}  # what only a study knows
    for ours, theirs in zip(from_csv["families"][0]["comparisons"], there, strict=True):
        assert {k: v for k, v in ours.items() if k not in known} == {
            k: v for k, v in theirs.items() if k not in known
        }


def test_sentences_of_a_study_say_what_its_methods_are_set_to(made, tmp_path):
    """From its protocol, as no column has it: layers, and a warm-up that is the usual one and in no name."""
    kd = "kd: {T: 4, alpha: 0.5, direction: reverse}"
    methods = f"{{baseline: true, feature: {{layers: [pool1]}}, dkd: {{T: 4}}, {kd}}}"
    text = PROTOCOL.replace("{baseline: true, kd: {T: [1, 4], alpha: 0.5}}", methods)
    text = text.partition("  contrasts:")[0]
    (tmp_path / "made.yaml").write_text(text)
    cells = [cell.name for cell in load_protocol(tmp_path / "made.yaml").cells if cell.role == "student"]
    values = {cell: [70 + at + s / 3 + at * s / 9 for s in range(5)] for at, cell in enumerate(cells)}
    study = made(tmp_path, values, text=text)
    found = analysis_of(from_study(study), Question(), images=False)
    said = {c.a.rpartition("/")[2].split("-")[0]: c.says for c in found.family("gains").comparisons}
    assert said["feature"].startswith("Feature distillation at α = 0.5, layers pool1 ")
    assert ", warm-up = 20 " in said["dkd"]
    assert "direction reverse" in said["kd"]
