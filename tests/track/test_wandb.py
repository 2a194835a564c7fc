"""Weights & Biases itself, offline: what its files hold, that publishing twice adds nothing, its absence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rigorkd.errors import InputError
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, read_records
from rigorkd.track.ledger import FOLDER
from rigorkd.track.tracker import config_of, history_of, summary_of
from rigorkd.track.wandb_tracker import _short, wandb_mode

from ..conftest import run_command

PROTOCOL = """\
rigorkd: 1
study: shown
dataset: {name: digits, split: {train: 64, val: 40, test: 40, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 2}
teacher: {model: {name: cnn, channels: [4]}}
students: {s: {model: {name: cnn, channels: [2]}}}
groups: {main: {baseline: true, kd: {T: [1, 4]}}}
seeds: 1
"""


def command(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run rigorkd as somebody who is not logged in; standard input is closed, so nothing can be asked."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    own = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "HOME": str(cwd)}
    return run_command(*words, cwd=cwd, environ={**foreign, **own, **environment})


def offline_runs(study: Path) -> dict[str, dict[str, Any]]:
    """The offline W&B runs of a study by display name; two of one name are a failure."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("read_offline.py"), study / FOLDER],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    runs = json.loads(done.stdout)
    by_name = {run["display_name"]: run for run in runs}
    assert len(by_name) == len(runs), "a run was sent twice"
    return by_name


def records(study: Path) -> dict[str, Record]:
    return {record.run: record for record in read_records(StudyFolder(study))}


def assert_shown(run: dict[str, Any], record: Record, project: str) -> None:
    assert run["run_id"] == record.run_hash
    assert run["run_group"] == record.fields["cell"]
    assert run["job_type"] == record.fields["role"]
    assert run["project"] == project
    assert run["exit_code"] == 0
    assert run["tags"] == ["shown"]
    config = config_of(record)
    assert {name: run["config"].get(name) for name in config} == config
    assert set(run["config"]) - {"_wandb"} == set(config)
    rows = [{k: v for k, v in row.items() if not k.startswith("_")} for row in run["history"]]
    assert rows == [{k: v for k, v in row.items() if v is not None} for row in history_of(record)]
    assert [row["_step"] for row in run["history"]] == [row["epoch"] for row in history_of(record)]
    summary = summary_of(record)
    assert {name: run["summary"].get(name) for name in summary} == summary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was run with --wandb by somebody who is not logged in."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "shown.yaml").write_text(PROTOCOL)
    done = command("run", "shown.yaml", "--wandb", "--jobs", 1, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "4 runs sent to wandb (offline): shown" in done.stdout
    assert "warning" not in done.stdout + done.stderr
    return folder


def test_what_was_followed_live_is_what_the_records_say(folder: Path) -> None:
    study = folder / "results" / "shown"
    runs, there = offline_runs(study), records(study)
    assert set(runs) == set(there)
    assert {run["job_type"] for run in runs.values()} == {"student", "teacher"}
    for name, record in there.items():
        assert_shown(runs[name], record, "shown")


def test_publishing_what_was_followed_adds_nothing(folder: Path) -> None:
    study = folder / "results" / "shown"
    before = offline_runs(study)
    done = command("publish", study, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "0 runs sent" in done.stdout
    assert "4 were there already" in done.stdout
    assert offline_runs(study) == before


def test_publishing_from_records_says_the_same_and_only_once(folder: Path, tmp_path: Path) -> None:
    import shutil

    study = tmp_path / "shown"
    shutil.copytree(folder / "results" / "shown", study, ignore=shutil.ignore_patterns(FOLDER))
    untouched = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    first = command("publish", study, "--wandb-project", "kd", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "4 runs sent to wandb (offline): kd" in first.stdout
    second = command("publish", study, "--wandb-project", "kd", cwd=tmp_path)
    assert "0 runs sent" in second.stdout
    runs = offline_runs(study)
    for name, record in records(study).items():
        assert_shown(runs[name], record, "kd")
    assert {path: path.read_bytes() for path in untouched} == untouched


def test_without_wandb_run_works_and_asking_for_it_says_what_to_install(folder: Path) -> None:
    code = "import sys; sys.modules['wandb'] = None; from rigorkd.cli.main import main; main()"
    for words, expected in ((["--wandb"], 2), ([], 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, "run", "shown.yaml", *words],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        assert ("pip install wandb" in done.stderr) == bool(words)
        assert "Traceback" not in done.stderr


def test_options_that_cannot_be_meant_are_refused(folder: Path) -> None:
    study = folder / "results" / "shown"
    for words, environment, message in (
        (["run", "shown.yaml", "--wandb-project", "x"], {}, "need --wandb"),
        (["publish", study, "--wandb-project", "a/b"], {}, "cannot be a W&B project"),
        (["publish", study], {"WANDB_MODE": "disabled"}, "nothing would be tracked"),
        (["publish", "nowhere"], {}, "not a study"),
    ):
        done = command(*words, cwd=folder, **environment)
        assert done.returncode == 2, words
        assert message in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_is_one_message(folder: Path) -> None:
    key = {"WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    done = command("publish", folder / "results" / "shown", cwd=folder, **key)
    assert done.returncode == 2
    assert "the tracker failed" in done.stderr
    assert "0 runs were sent; the same command sends the rest" in done.stderr
    assert "Traceback" not in done.stderr


def test_online_only_for_somebody_who_is_logged_in(tmp_path: Path) -> None:
    keys = tmp_path / "netrc"
    keys.write_text("machine api.wandb.ai\n  login user\n  password " + "a" * 40 + "\n")
    nobody = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "missing")}
    assert wandb_mode({**nobody, "WANDB_API_KEY": "a" * 40}) == "online"
    assert wandb_mode({"NETRC": str(keys)}) == "online"
    assert wandb_mode({"NETRC": str(keys), "WANDB_BASE_URL": "https://wandb.example.org"}) == "offline"
    assert wandb_mode({"NETRC": str(keys), "WANDB_MODE": "offline"}) == "offline"
    keys.write_text("machine without sense")
    assert wandb_mode({"NETRC": str(keys)}) == "offline"
    with pytest.raises(InputError, match="disabled"):
        wandb_mode({"WANDB_MODE": "disabled"})


def test_long_names_fit_and_stay_apart() -> None:
    assert _short("main/s/kd-T4", 128) == "main/s/kd-T4"
    first, second = _short("x" * 200 + "a", 128), _short("x" * 200 + "b", 128)
    assert first != second
    assert len(first) == len(second) == 128
