"""`rigorkd gc`: what no run needs goes, and nothing that anybody needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.gc import gc as command
from rigorkd.errors import InputError, StoreError
from rigorkd.launch.cleaning import KINDS, clear, pieces
from rigorkd.launch.failures import Failure, note_failure
from rigorkd.launch.heartbeat import Heartbeat
from rigorkd.launch.removal import Wanted, remove
from rigorkd.records.integrity import Intact, verify_study
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from tests.launch.made_study import RUNS, at, make

MISSING = "main/wide/kd-T4-a0.5/seed-3"
DONE = "main/wide/kd-T4-a0.5/seed-0"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study with a missing run that has failed, and one of each thing that may lie about."""
    study = make(tmp_path, train=lambda run: run != MISSING)
    folder = StudyFolder(study)
    for run in (DONE, MISSING, "main/gone/baseline/seed-0"):
        for name in ("checkpoint.pt", "best-1.pt"):
            path = folder.checkpoint(run).with_name(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(10))
    note_failure(folder, Failure(MISSING, "hash", "no", log=".logs/worker-2.log"))
    for name, text in (
        (f"{DONE}.log", "started\ndone\n"),
        ("main/wide/baseline/seed-0.log", "2026-01-01T00:00:00+00:00 failed: x\n…done\n"),
        (f"{MISSING}.log", "started\n"),
        ("worker-1.log", "x"),
        ("worker-2.log", "why"),
    ):
        path = folder.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    remove(study, Wanted(only=("main/plain/*",), seeds=(1,)))
    return study


def test_only_what_nobody_needs_is_found(study: Path) -> None:
    names = {
        kind: {str(piece.path.relative_to(study)) for piece in pieces(study, [kind])}
        for kind in KINDS
        if kind != "weights"
    }
    assert names["aside"] == {".removed/1"}
    assert names["logs"] == {f".logs/{DONE}.log", ".logs/worker-1.log"}
    assert names["checkpoints"] == {
        f".work/{run}/{name}"
        for run in (DONE, "main/gone/baseline/seed-0")
        for name in ("checkpoint.pt", "best-1.pt")
    }
    weights = pieces(study, ["weights"])
    assert len(weights) == 16 - 1 - 2
    assert {piece.bytes for piece in weights} == {1000}
    assert not [piece for piece in weights if "teacher" in piece.path.parts], "a teacher's stay"


def test_what_is_left_is_whole_and_says_the_same(study: Path) -> None:
    digest = verify_study(study).digest
    before = {record.run for record in read_records(StudyFolder(study))}
    assert len(clear(study, tuple(KINDS))) == 13 + 2 + 4 + 1
    found = verify_study(study)
    assert (found.damaged, found.digest, len(found.gone)) == ((), digest, 13)
    records = read_records(StudyFolder(study))
    assert {record.run for record in records} == before
    intact = Intact(StudyFolder(study))
    assert [damage for record in records if (damage := intact.damage(record))] == []
    assert pieces(study) == []
    assert StudyFolder(study).checkpoint(MISSING).exists()
    assert not [*(study / ".work").glob(".*")]


def test_weights_that_others_start_from_stay(tmp_path: Path) -> None:
    study = make(tmp_path)
    before = {piece.path for piece in pieces(study, ["weights"])}
    assert len(before) == 16
    kept = {path.parent for path in (study / "teacher").rglob("model.safetensors")}
    assert len(kept) == 4
    clear(study, ["weights"])
    assert all((folder / "model.safetensors").exists() for folder in kept)


def test_logits_stay_while_a_run_is_missing(tmp_path: Path) -> None:
    study = make(tmp_path, train=at(0, 1, 2))
    replay = StudyFolder(study).replay
    (replay / "x").mkdir(parents=True)
    assert pieces(study, ["checkpoints"]) == []
    make(tmp_path)
    assert [piece.path for piece in pieces(study, ["checkpoints"])] == [replay]


def test_nothing_goes_while_a_launcher_is_at_work(study: Path) -> None:
    with Heartbeat(StudyFolder(study)) as me:
        me.begin_work()
        with pytest.raises(StoreError, match="while a launcher is at work"):
            clear(study, tuple(KINDS))
    assert len(pieces(study)) == 20


def test_the_command_shows_sizes_and_asks(study: Path) -> None:
    results = str(study.parent)
    shown = CliRunner().invoke(command, ["--results", results, "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "13.0 kB in 13 places: weights" in shown.output
    refused = CliRunner().invoke(command, ["--results", results])
    assert isinstance(refused.exception, InputError)
    assert "--yes" in str(refused.exception)
    assert len(pieces(study)) == 20
    done = CliRunner().invoke(command, [str(study), "--what", "logs", "--yes"])
    assert "deleted" in done.output
    assert len(pieces(study)) == 18
    assert len(read_records(StudyFolder(study))) == RUNS - 1 - 2
