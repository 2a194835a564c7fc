"""`rigorkd verify --rerun`: finished runs come out again, bit by bit."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rigorkd.cores import usable_cores
from rigorkd.launch.rerun import Rerun, _together, _workers, compare, deterministic, told_apart
from rigorkd.records.record import Record

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_repeated_runs_have_the_same_bits(finished: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    before = sorted(path for path in (tmp_path / "results").rglob("*") if path.is_file())
    done = rigorkd("verify", "--rerun", "2", "--choice", "3", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    reruns = json.loads(done.stdout)["reruns"]
    assert [entry["same"] for entry in reruns] == [True, True]
    at_once = rigorkd("verify", "--rerun", "6", "--jobs", "3", "--format", "json")
    assert all(entry["same"] for entry in json.loads(at_once.stdout)["reruns"])
    assert "to train on 3 workers" in at_once.stderr
    assert sorted(path for path in (tmp_path / "results").rglob("*") if path.is_file()) == before


def test_runs_are_repeated_at_once_but_for_those_that_others_need() -> None:
    needs = {"teacher": set[str](), "a": {"teacher"}, "b": {"other"}, "c": set[str](), "d": set[str]()}
    threads = {"teacher": 1, "a": 1, "b": 1, "c": 2, "d": 1}
    assert _together(needs, needs, threads, 4) == [["teacher", "b", "d"], ["a"], ["c"]]
    assert _together(needs, needs, threads, 2) == [["teacher", "b"], ["a", "d"], ["c"]]
    assert _together(needs, needs, threads, 1) == [[name] for name in needs]


def test_as_many_workers_repeat_as_run_would_take_and_one_where_commands_meet() -> None:
    said = io.StringIO()
    console = Console(file=said)
    asked: dict[str, Any] = {"by_command": True, "shared": [], "console": console}
    assert _workers("cpu", None, **(asked | {"by_command": False})) == usable_cores()
    assert (_workers("cpu", None, **asked), _workers("cpu", 3, **asked)) == (1, 3)
    assert not said.getvalue()
    assert _workers("cpu", 3, **(asked | {"shared": ["last.txt is written by several runs"]})) == 1
    assert said.getvalue() == "repeated one by one: last.txt is written by several runs\n"


def record(**changes: object) -> Record:
    fields = {
        "cell": "main/s/baseline",
        "seed": 0,
        "mode": "reference",
        "hardware": "CPU",
        "versions": {"torch": "2"},
        "status": "done",
        "weights_sha256": "w",
        "files": {"history.csv": "a", "predictions.npz": "b", "model.safetensors": "w"},
    }
    return Record(Path("there"), {**fields, **changes})


@pytest.mark.parametrize(
    ("after", "differs", "wrong"),
    [
        ({}, (), False),
        ({"files": {"history.csv": "a", "predictions.npz": "b"}}, (), False),
        ({"files": {"history.csv": "A", "predictions.npz": "b"}}, ("history.csv",), True),
        ({"weights_sha256": "v"}, ("weights_sha256",), True),
        ({"weights_sha256": "v", "hardware": "GPU"}, ("weights_sha256",), False),
        ({"weights_sha256": "v", "versions": {"torch": "3"}}, ("weights_sha256",), False),
        ({"weights_sha256": "v", "device": "cpu", "dispatch": "AVX2"}, ("weights_sha256",), False),
        ({"status": "diverged"}, ("status",), True),
    ],
)
def test_what_may_differ(after: dict[str, object], differs: tuple[str, ...], wrong: bool) -> None:
    found = compare(record(), record(**after))
    assert found.differs == differs
    assert found.is_wrong is wrong
    assert isinstance(found, Rerun)
    assert bool(found.excuse) == (bool(differs) and not wrong)


def test_fast_mode_promises_no_bits() -> None:
    found = compare(record(mode="fast"), record(mode="fast", weights_sha256="v"))
    assert not found.is_wrong
    assert "reference mode" in found.excuse


def of_command(accuracy: float, **changes: object) -> Record:
    own = {"command": "python train.py", "code": {}, "metrics": {"accuracy": accuracy}, "mode": None}
    return record(**{**own, "files": {}, **changes})


@pytest.mark.parametrize(
    ("second", "hardware", "files", "wrong", "steady"),
    [
        (2.0, "CPU", [], True, True),
        (2.0, "CPU", ["conf.yaml"], True, True),
        (2.0, "GPU", [], False, True),  # as of the engine, where the bits are others on another machine
        (2.0, "GPU", ["conf.yaml"], True, True),
        (3.0, "CPU", [], False, False),
        (3.0, "CPU", ["conf.yaml"], False, False),
    ],
)
def test_two_repetitions_tell_what_changed_from_chance(
    second: float, hardware: str, files: list[str], wrong: bool, steady: bool
) -> None:
    before, now = of_command(1.0), of_command(2.0, hardware=hardware)
    twice = compare(now, of_command(second, hardware=hardware))
    found = told_apart(compare(before, now), twice, before, now, files)
    assert (found.is_wrong, found.repeats, deterministic([found])) == (wrong, steady, steady)
    assert bool(found.since) == (bool(files) and steady)
