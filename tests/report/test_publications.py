"""`rigorkd compare --published`: the mappings that are shipped, each number and claim, and every format."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Plan, analyze
from rigorkd_analysis.publication import (
    Expected,
    Outcome,
    PrintedClaim,
    PrintedRow,
    answer,
    compare_publication,
    outcome,
)
from rigorkd_analysis.studies.effects import Effect, Study, effects_of
from rigorkd_analysis.studies.prediction import PrintedValue, printed_family
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import Phrasing
from scipy import stats

from rigorkd.errors import InputError
from rigorkd.files import timestamp
from rigorkd.records.changes import Change, note_change
from rigorkd.records.judged_elsewhere import ELSEWHERE
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from rigorkd.report.publications import (
    Mapped,
    find_mapping,
    printed_rows_of,
    published_folder,
    studies_of,
)
from tests.conftest import SHIPPED, shipped

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

MAPPINGS = sorted(published_folder().glob("*.yaml"))


# ------------------------------------------------------------------------------------- the shipped mappings


@pytest.fixture(scope="module")
def protocols() -> dict[str, Any]:
    loaded = (shipped(path) for path in sorted(SHIPPED.rglob("*.yaml")))
    return {protocol.study: protocol for protocol in loaded}


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_every_printed_number_has_its_cell_and_every_claim_its_question(
    path: Path, protocols: dict[str, Any]
) -> None:
    mapped, folder = find_mapping(path.stem)
    alone = {"000": "compact-cnns-cifar100"}
    for table in mapped.tables:
        cells = {cell.name for cell in protocols[table.study or alone[path.stem]].cells}
        rows = printed_rows_of(table, folder)
        assert rows, f"{table.file}, {table.place}: nothing is selected"
        assert {row.cell for row in rows} <= cells
    for claim in mapped.claims:
        of = studies_of(claim) if claim.study else tuple(filter(None, [alone.get(path.stem)]))
        assert protocols.keys() >= set(of)
        assert of or claim.shown_by is None
        for protocol in [protocols[study] for study in of if claim.shown_by is not None]:
            contrasts = [one.name or " vs ".join(one.pair or ()) for one in protocol.spec.analysis.contrasts]
            distilled = [cell.name for cell in protocol.cells if cell.method.distils]
            assert claim.shown_by in [*contrasts, *distilled], claim.claim
            known = {protocol.spec.analysis.metric, *protocol.spec.analysis.secondary, None}
            assert claim.metric in known


def test_the_printed_numbers_are_those_of_the_tables() -> None:
    mapped, folder = find_mapping("000")
    rows = [row for table in mapped.tables for row in printed_rows_of(table, folder)]
    found = {(row.place, row.metric, row.level, row.cell): row.value for row in rows}
    assert found["Table 4", "test_top1", "cells", "teacher"] == Decimal("81.24")
    assert found["Table 4", "test_loss", "cells", "main/shufflenetv2/kd-T4-a0.5"] == Decimal("1.2488")
    assert found["Table 5", "test_top5", "gains", "main/mobilenetv2/kd-T4-a0.5"] == Decimal("0.63")
    assert found["Table 6", "best_val_top1", "cells", "ablation/mobilenetv2/kd-T6-a0.5"] == Decimal("81.60")
    assert {row.k for row in rows} == {1}


def test_results_by_seed_are_averaged() -> None:
    mapped, folder = find_mapping("002")
    rows = [row for table in mapped.tables[:1] for row in printed_rows_of(table, folder)]
    runs = pd.read_csv(folder / "kd_capacity_gap_runs.csv")
    (one,) = [row for row in rows if (row.metric, row.cell) == ("test_top1", "large/resnet34/baseline")]
    mine = runs[runs.cell == "resnet34/baseline"].test_top1
    assert (float(one.value), one.k) == (pytest.approx(mine.mean()), 5)


# ------------------------------------------------------------------------------------------- the statistics


@pytest.mark.parametrize(
    ("expected", "verdict", "means"),
    [
        ("better", Verdict.BETTER, Outcome.SUPPORTED),
        ("better", Verdict.BETTER_NEGLIGIBLE, Outcome.NEGLIGIBLE),
        ("better", Verdict.EQUIVALENT, Outcome.CONTRADICTED),
        ("better", Verdict.WORSE, Outcome.CONTRADICTED),
        ("worse", Verdict.WORSE, Outcome.SUPPORTED),
        ("different", Verdict.WORSE_NEGLIGIBLE, Outcome.NEGLIGIBLE),
        ("different", Verdict.EQUIVALENT, Outcome.CONTRADICTED),
        ("equivalent", Verdict.BETTER_NEGLIGIBLE, Outcome.SUPPORTED),
        ("equivalent", Verdict.BETTER, Outcome.CONTRADICTED),
        *[(claim, Verdict.INCONCLUSIVE, Outcome.OPEN) for claim in ("better", "worse", "equivalent")],
    ],
)
def test_what_a_verdict_means_for_a_claim(expected: Expected, verdict: Verdict, means: Outcome) -> None:
    assert outcome(expected, verdict) is means


def runs(gain: float = 1.0, n: int = 5) -> pd.DataFrame:
    draw = np.random.default_rng(7)
    rows = []
    for seed in range(n):
        base = 78 + draw.normal(0, 0.3)
        common = {"group": "main", "student": "s", "seed": seed, "epochs": 40}
        rows.append({"cell": "main/s/baseline", "method": "baseline", **common, "test_top1": base})
        distilled = base + gain + draw.normal(0, 0.1)
        rows.append({"cell": "main/s/kd-T4-a0.5", "method": "kd", **common, "test_top1": distilled})
    return pd.DataFrame(rows)


def row(cell: str, value: str, place: str = "Table 1", **more: Any) -> PrintedRow:
    level = more.get("level", "cells")
    return PrintedRow.read(
        place, more.get("metric", "test_top1"), level, cell, Decimal(value), more.get("k", 1)
    )


def compared(frame: pd.DataFrame, rows: list[PrintedRow], *claims: PrintedClaim) -> Any:
    plan = Plan(sesoi=0.3)
    return compare_publication(
        {"test_top1": Study("ours", frame, plan)}, rows, claims, analyze(frame, plan, study="ours"), plan,
        publication="999", source="a test",
    )  # fmt: skip


def test_one_number_printed_twice_counts_once_and_gains_are_those_of_one_table() -> None:
    found = compared(
        runs(),
        [
            row("main/s/baseline", "78.1"),
            row("main/s/kd-T4-a0.5", "79.2"),
            row("main/s/kd-T4-a0.5", "79.2", "Table 2"),
            row("main/s/kd-T4-a0.5", "1.10", "Table 3", level="gains"),
            row("main/s/kd-T2-a0.5", "79.0"),
            row("main/s/baseline", "95.0", metric="test_top5"),
        ],
    )
    (metric,) = found.metrics
    gains, cells = metric.families
    assert [one.printed_name for one in cells.comparisons] == ["Table 1", "Table 1; Table 2"]
    (gain,) = gains.comparisons
    assert gain.printed_name == "Table 3; Table 1"
    assert gain.half_unit == pytest.approx(0.005), "the printed gain is more exact than a difference"
    assert found.unmatched == (
        "main/s/kd-T2-a0.5 (Table 1: the study has no such cell)",
        "all 1 printed values of test_top5 (the study has no test_top5)",
    )


def test_the_interval_is_that_of_a_new_draw_by_hand() -> None:
    found = compared(runs(), [row("main/s/baseline", "80.0", k=3)])
    (one,) = found.metrics[0].families[0].comparisons
    values = runs().query("method == 'baseline'").test_top1.to_numpy()
    half = stats.t.ppf(0.975, 4) * values.std(ddof=1) * np.sqrt(1 / 5 + 1 / 3)
    assert (one.prediction_low, one.prediction_high) == pytest.approx(
        (values.mean() - half, values.mean() + half)
    )


def test_a_claim_is_answered_by_our_own_comparison() -> None:
    frame = runs()
    plan = Plan(sesoi=0.3)
    analysis = analyze(frame, plan)
    gain = next(one for one in analysis.families[-1].comparisons if one.a)
    found = answer(PrintedClaim("it helps", "abstract", "better", "main/s/kd-T4-a0.5"), analysis)
    assert (found.outcome, found.verdict, found.p_adjusted) == (
        Outcome.SUPPORTED, gain.verdict, gain.p_adjusted,
    )  # fmt: skip
    assert found.says == f"exploratory: {gain.says}", "nobody planned it, and the claim stands alone"
    lost = answer(PrintedClaim("it is fast", "abstract", "better", None, because="no test"), analysis)
    assert (lost.outcome, lost.says, lost.n) == (Outcome.UNTESTED, "no test", None)
    other = answer(PrintedClaim("T", "abstract", "better", "a peak"), analysis)
    assert other.outcome is Outcome.UNTESTED
    assert "a peak" in other.says


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3])
def test_true_replications_lie_outside_as_often_as_declared(k: int) -> None:
    """Twelve numbers of one metric, printed by the same process as ours, under Holm."""
    draw = np.random.default_rng(11)
    plan = Plan()
    say = Phrasing.of(effects_of(Study("ours", runs()), None).runs, "max", 0.3)
    trials, wrong, inside = 2000, 0, 0
    for _ in range(trials):
        ours = draw.normal(80, 0.3, (12, 5))
        theirs = draw.normal(80, 0.3, (12, k)).mean(axis=1)
        members = [
            (Effect(str(at), ours[at], 0), PrintedValue("", Decimal(repr(float(value))), 0.0, k))
            for at, value in enumerate(theirs)
        ]
        found = printed_family("cells", members, plan, say, "ours").comparisons
        wrong += any(one.verdict == "outside" for one in found)
        inside += sum(one.inside is True for one in found)
    assert wrong / trials < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert inside / (12 * trials) == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / (12 * trials)))


# ---------------------------------------------------------------------------------------------- the command


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """Runs of the cells of protocols/paper.yaml, as a CSV of that study's name."""
    draw = np.random.default_rng(3)
    rows = []
    for cell in shipped(SHIPPED / "paper.yaml").cells:
        if cell.role == "student":
            method = cell.method
            for seed in range(5):
                rows.append(
                    {
                        "cell": cell.name,
                        "group": cell.group,
                        "student": cell.student,
                        "method": method.name,
                        "T": getattr(method, "T", None),
                        "alpha": getattr(method, "alpha", None),
                        "epochs": cell.training.epochs,
                        "seed": seed,
                        "test_top1": 79.5 + 1.5 * method.distils + draw.normal(0, 0.2),
                        "test_loss": 1.05 + draw.normal(0, 0.02),
                    }
                )
    pd.DataFrame(rows).to_csv(tmp_path / "compact-cnns-cifar100.csv", index=False)
    return tmp_path


def test_a_study_against_its_publication(paper: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("compare", "compact-cnns-cifar100.csv", "--published", "000", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["schema"], found["kind"], found["publication"]) == (
        "rigorkd.compare/1",
        "publication",
        "000",
    )
    assert {one["metric"] for one in found["metrics"]} == {"test_top1", "test_loss"}
    top1 = next(one for one in found["metrics"] if one["metric"] == "test_top1")
    sizes = {family["name"]: family["size"] for family in top1["families"]}
    assert sizes == {"gains": 2, "cells": 9}, "four models of Table 4 and the five cells of Table 6"
    printed = {one["name"]: one for one in top1["families"][1]["comparisons"]}
    assert printed["main/mobilenetv2/baseline"]["printed"] == 79.18
    assert printed["main/mobilenetv2/baseline"]["verdict"] in ("inside", "outside")
    answers = {one["claim"]: one["outcome"] for one in found["claims"]}
    assert answers["MobileNetV2 gains in top-1"] == "supported"
    assert answers["MobileNetV2 gains in top-5"] == "untested"
    assert any("teacher" in text for text in found["unmatched"])
    of_loss = ("--metric", "test_loss", "--format", "json")
    again = rigorkd("compare", "compact-cnns-cifar100.csv", "--published", "000", *of_loss)
    only = json.loads(again.stdout)
    assert [one["metric"] for one in only["metrics"]] == ["test_loss"]


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex"])
def test_every_format_shows_numbers_and_claims(paper: Path, rigorkd: Rigorkd, form: str) -> None:
    done = rigorkd("compare", "compact-cnns-cifar100.csv", "--published", "000", "--format", form)
    assert done.returncode == 0, done.stderr
    assert "79.18" in done.stdout
    text = " ".join(done.stdout.split())
    assert "ShuffleNetV2 gains in top-1" in text
    assert "distillation leaves the architecture as it is" in text, "why nothing answers a claim"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("79.18", "0.7918", "0.7918 is printed (Table 4), and ours is 79"),
        ("79.18", "1e400", "fauzan2026_overall.csv:3: '1e400' is not a number"),
        ("79.18", "7918", "fauzan2026_overall.csv:3: '7918' is not an accuracy"),
        ("train_seconds", "top1", "the column 'top1' is there twice"),
    ],
)
def test_a_mangled_table_is_one_message(
    paper: Path, rigorkd: Rigorkd, before: str, after: str, message: str
) -> None:
    for name in ("000.yaml", "fauzan2026_overall.csv", "fauzan2026_gains.csv", "fauzan2026_ablation.csv"):
        text = (published_folder() / name).read_text(encoding="utf-8")
        (paper / name).write_text(text.replace(before, after, 1) if "overall" in name else text)
    done = rigorkd("compare", "compact-cnns-cifar100.csv", "--published", "000.yaml")
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


MAPPING = """\
publication: tiny
source: a test
tables:
  - file: printed.csv
    place: Table 1
    cell: "{what}"
    names: {student: main/plain/baseline}
    columns: {top1: test_top1}
claims:
  - {claim: it helps, place: abstract, shown_by: main/plain/kd-T4-a0.5}
"""


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(MAPPING)
    (tmp_path / "printed.csv").write_text("what,n,top1\nteacher,2,50.0\nstudent,1,40.0\n")
    return tmp_path


def test_a_study_folder_brings_its_teachers(mapped: Path, finished: Path, rigorkd: Rigorkd) -> None:
    """By a mapping of one's own, by its file and by that of its numbers."""
    study = str(finished / "results" / "tiny")
    done = rigorkd("compare", study, "--published", "tiny.yaml", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (family,) = found["metrics"][0]["families"]
    by_name = {one["name"]: one for one in family["comparisons"]}
    assert by_name["teacher"]["n"] == 2
    assert by_name["teacher"]["k"] == 2
    assert len(found["claims"]) == 1
    alone = rigorkd("compare", study, "--published", "printed.csv", "--format", "json")
    assert json.loads(alone.stdout)["metrics"] == found["metrics"]


def test_what_the_study_warns_of_stands_beside_the_publication(
    mapped: Path, finished: Path, rigorkd: Rigorkd
) -> None:
    study = mapped / "tiny"
    shutil.copytree(finished / "results" / "tiny", study)
    seen = {record.run: (record.run_hash, "") for record in read_records(StudyFolder(study), "main")}
    note_change(study, Change(ELSEWHERE, timestamp(), seen, looked=2, reason="pilot"))
    for form in ("json", "latex", "table"):
        done = rigorkd("compare", str(study), "--published", "tiny.yaml", "--format", form)
        assert "tiny: shown before, in pilot: " in " ".join(done.stdout.split()), (form, done)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.csv", "b.csv", "--published", "000"], "give that study alone"),
        (["compact-cnns-cifar100.csv", "--published", "0000"], "did you mean '000'"),
        (["compact-cnns-cifar100.csv", "--published", "none.yaml"], "no such file"),
        (["compact-cnns-cifar100.csv", "--published", "000", "--seeds", "2"], "mapping says"),
        (["compact-cnns-cifar100.csv", "--published", "002"], "capacity-gap-cifar10"),
        (["compact-cnns-cifar100.csv", "--published", "nobody.csv"], "no mapping beside it"),
        (["compact-cnns-cifar100.csv", "--published", "wrong.yaml"], "wrong.yaml:4:5"),
        (["compact-cnns-cifar100.csv", "--published", "column.yaml"], "did you mean 'top1'"),
        (["compact-cnns-cifar100.csv", "--published", "text.yaml"], "text.csv:2"),
    ],
)
def test_bad_input_is_one_message(paper: Path, rigorkd: Rigorkd, words: list[str], message: str) -> None:
    (paper / "lone.csv").write_text("cell,top1\na,1\n")
    (paper / "wrong.yaml").write_text("publication: x\nsource: x\ntables:\n  - fil: a.csv\n    place: T\n")
    for name, file, column in (("column", "lone.csv", "top"), ("text", "text.csv", "top1")):
        (paper / f"{name}.yaml").write_text(
            f"publication: x\nsource: x\ntables:\n  - {{file: {file}, place: T, cell: '{{cell}}', "
            f"columns: {{{column}: test_top1}}}}\n"
        )
    (paper / "text.csv").write_text("cell,top1\na,high\n")
    done = rigorkd("compare", *words)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_claim_says_what_shows_it_or_why_nothing_can() -> None:
    with pytest.raises(ValueError, match="give shown_by, or because"):
        Mapped.model_validate(
            {"publication": "x", "source": "x", "claims": ({"claim": "a", "place": "b"},)}, strict=True
        )


def test_an_unknown_publication_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown publication 'nothing'"):
        find_mapping("nothing")
