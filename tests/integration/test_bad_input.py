"""Mistakes of the user: exit code 2, one message that says where and how to mend, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

CHANGES = {
    "unknown key": ("epochs: 3", "epochs: 3\n  colour: red", "colour"),
    "misspelt key": ("epochs: 3", "epoch: 3", "epochs"),
    "duplicate key": ("seeds: 2", "seeds: 2\nseeds: 3", "seeds"),
    "wrong type": ("epochs: 3", "epochs: many", "epochs"),
    "negative learning rate": ("lr: 1e-2", "lr: -1", "lr"),
    "zero temperature": ("T: [1, 4]", "T: [0, 4]", "T"),
    "alpha above 1": ("alpha: 0.5", "alpha: 1.5", "alpha"),
    "alpha below 0": ("alpha: 0.5", "alpha: -0.1", "alpha"),
    "no epochs": ("epochs: 3", "epochs: 0", "epochs"),
    "unknown data set": ("name: digits", "name: digit", "digits"),
    "unknown model": ("name: cnn, channels: [16, 16]", "name: resnet19", "resnet1"),
    "unknown method": ("kd: {T: [1, 4]", "kdd: {T: [1, 4]", "kd"),
    "tabs": ("  epochs: 3", "\tepochs: 3", "tab"),
    "split too large": ("train: 160", "train: 1600", "1,797"),
    "unknown cell in a contrast": (
        "sesoi: 2.0",
        "sesoi: 2.0, contrasts: [[main/plain/kd-T4-a0.5, main/plain/baselin]]",
        "main/plain/baseline",
    ),
}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("case", CHANGES)
def test_a_wrong_protocol_names_its_line(protocol_file: Path, command: str, case: str) -> None:
    from rigorkd.cli.main import cli
    from rigorkd.errors import ProtocolError

    before, after, hint = CHANGES[case]
    text = protocol_file.read_text()
    assert before in text
    broken = text.replace(before, after, 1)
    protocol_file.write_text(broken)
    results = protocol_file.parent / "results"
    outcome = CliRunner().invoke(cli, [command, str(protocol_file), "--results", str(results)])
    assert isinstance(outcome.exception, ProtocolError), outcome
    message = str(outcome.exception)
    line = 1 + next(
        i for i, (a, b) in enumerate(zip(text.split("\n"), broken.split("\n"), strict=False)) if a != b
    )
    assert f"{protocol_file}:{line}" in message or f"{protocol_file}:{line + 1}" in message
    assert hint in message
    assert not results.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"\x00\x01\xff\xfe binary", "text"), (b"- a\n- b\n", "mapping"), (b"a: [", "")],
)
def test_a_file_that_is_no_protocol(tmp_path: Path, rigorkd: Rigorkd, content: bytes, says: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    done = rigorkd("run", path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_no_such_file(rigorkd: Rigorkd) -> None:
    done = rigorkd("run", "none.yaml")
    assert done.returncode == 2
    assert "none.yaml" in done.stderr


@pytest.mark.parametrize("seeds", ["0", "-3", "a", "1,1", "", "5:5", "1.5"])
@pytest.mark.parametrize("command", ["run", "plan"])
def test_wrong_seeds_teach_the_grammar(protocol_file: Path, command: str, seeds: str) -> None:
    from rigorkd.cli.main import cli
    from rigorkd.errors import InputError

    outcome = CliRunner().invoke(cli, [command, str(protocol_file), f"--seeds={seeds}"])
    assert isinstance(outcome.exception, InputError)
    assert "5 means seeds 0 to 4" in str(outcome.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "tiny.yaml", "--only", "main/plain/kd-T8*"], "no cell matches"),
        (["run", "tiny.yaml", "--mode", "fastest"], "fastest"),
        (["run", "tiny.yaml", "--device", "tpu"], "'--device': 'tpu'"),
        (["run", "tiny.yaml", "--jobs", "0"], "--jobs"),
        (["run", "tiny.yaml", "--memory", "nan"], "--memory"),
        (["run", "tiny.yaml", "--replay", "inf"], "--replay"),
        (["run"], "PROTOCOL"),
        (["status", "nowhere"], "not a study"),
        (["table"], "no study"),
        (["analyze"], "no study"),
        (["pln"], "plan"),
    ],
)
def test_wrong_arguments(protocol_file: Path, rigorkd: Rigorkd, arguments: list[str], says: str) -> None:
    assert protocol_file.name == "tiny.yaml"
    done = rigorkd(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((protocol_file.parent / "results").rglob("record.json"))


def test_half_precision_on_a_cpu_is_refused_by_run_and_planned_by_plan(
    protocol_file: Path, rigorkd: Rigorkd
) -> None:
    protocol_file.write_text(protocol_file.read_text().replace("epochs: 3", "epochs: 3\n  precision: fp16"))
    assert rigorkd("plan", protocol_file).returncode == 0
    done = rigorkd("run", protocol_file, "--device", "cpu")
    assert done.returncode == 2
    assert "fp16 cannot be trained on a CPU" in done.stderr


def test_a_refused_run_plans_nothing(protocol_file: Path, rigorkd: Rigorkd) -> None:
    """What was never trained is not held against a later change of the analysis."""
    protocol_file.write_text(protocol_file.read_text().replace("epochs: 3", "epochs: 3\n  precision: fp16"))
    assert rigorkd("run", protocol_file, "--device", "cpu").returncode == 2
    assert list((protocol_file.parent / "results").rglob("study.json")) == []


@pytest.mark.parametrize("command", ["plan", "analyze"])
def test_a_terminal_without_greek_still_gets_its_table(finished: Path, command: str) -> None:
    arguments = ["plan", "tiny.yaml"] if command == "plan" else ["analyze"]
    done = subprocess.run(
        [sys.executable, "-m", "rigorkd", *arguments],
        cwd=finished,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "main/plain/kd-T4-a0.5" in done.stdout


def test_results_in_the_place_of_a_file(protocol_file: Path, rigorkd: Rigorkd) -> None:
    (protocol_file.parent / "taken").write_text("a file")
    done = rigorkd("run", protocol_file, "--results", "taken")
    assert done.returncode == 2
    assert "taken" in done.stderr
    assert "Traceback" not in done.stderr


def mount(folder: Path, options: str) -> None:
    """Mount a small file system, or skip where that is not allowed."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 KiB."""
    folder = tmp_path / "small"
    mount(folder, "size=96k")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_cleanly_and_the_study_resumes_elsewhere(
    protocol_file: Path, rigorkd: Rigorkd, small_disk: Path, finished: Path
) -> None:
    done = rigorkd("run", protocol_file, "--results", small_disk)
    assert done.returncode == 2, done.stdout
    assert "No space left" in done.stderr or "full" in done.stderr
    assert "Traceback" not in done.stderr
    study = small_disk / "tiny"
    assert list(study.rglob("*.tmp")) == []
    for record in study.rglob("record.json"):
        name = record.parent.relative_to(study)
        for product in ("history.csv", "predictions.npz", "model.safetensors"):
            whole = finished / "results" / "tiny" / name / product
            assert (record.parent / product).read_bytes() == whole.read_bytes()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A read-only file system (root ignores the permissions of folders)."""
    folder = tmp_path / "sealed"
    mount(folder, "size=1m,ro")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_an_unwritable_results_folder(protocol_file: Path, rigorkd: Rigorkd, read_only: Path) -> None:
    done = rigorkd("run", protocol_file, "--results", read_only)
    assert done.returncode == 2
    assert "read-only" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(read_only.iterdir()) == []
