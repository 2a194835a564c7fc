"""Whole studies on an accelerator, from the command line: run, analyse, verify; two workers on one device."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import PROTOCOL, environment
from .conftest import DEVICE, ON_CUDA, QUICK, STUDY_PATIENCE

pytestmark = pytest.mark.cuda
PROTOCOLS = Path(__file__).parents[2] / "protocols"
LATENCY = {"median", "q25", "q75", "n", "mean", "sd", "shared"}

WORKERS = {1: ("--slots", "1"), 2: ("--slots", "2")} if ON_CUDA else {1: ("--jobs", "1"), 2: ("--jobs", "2")}
ROLES = ("tiny",) if QUICK else ("digits", "paper")
"""The studies that are judged as a whole: a real one, and one that is shrunk. In quick the one on which two
workers are compared, which is trained anyway."""

STUDIES: dict[str, tuple[Path | None, tuple[str, ...]]] = {
    "tiny": (None, ()),
    "digits": (PROTOCOLS / "digits.yaml", ()),
    "paper": (PROTOCOLS / "paper.yaml", ("--smoke",)),
}
QUICKER = {
    "epochs: 20": "epochs: 3",
    "  short: {students: [plain], epochs: 2, baseline: true, kd: {T: 2}}\n": "",
    "  plain: {model: {name: cnn, channels: [4, 8]}}\n": "",
}
"""How `tiny` is shortened: what it trains for, a group and a student."""


def rigorkd(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line in a folder, whose workers meet no others: RIGORKD_GATES is where their locks lie.

    Several tests share the device. What they measure beside one another is not worth a look; that a study
    measures where it is alone, as far as it can know, is.
    """
    return subprocess.run(
        [sys.executable, "-m", "rigorkd", *map(str, arguments)],
        cwd=folder,
        env={**environment(), "TMPDIR": str(folder), "RIGORKD_GATES": str(folder / "gates")},
        capture_output=True,
        text=True,
        timeout=STUDY_PATIENCE,
        check=False,
    )


@pytest.fixture(scope="session", autouse=True)
def folders() -> Iterator[list[Path]]:
    """Folders of the session's studies; short names, since sockets in them have short paths."""
    yield _FOLDERS
    for folder in _FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)


_FOLDERS: list[Path] = []


@functools.cache
def study(name: str, workers: int) -> Path:
    """The folder of a study of two seeds that was run on the device; run once per process."""
    folder = Path(tempfile.mkdtemp(prefix="gpu-"))
    _FOLDERS.append(folder)
    protocol, arguments = STUDIES[name]
    if protocol is None:
        protocol = folder / "tiny.yaml"
        text = PROTOCOL
        for long, short in QUICKER.items() if QUICK else ():
            assert long in text
            text = text.replace(long, short)
        protocol.write_text(text)
    line = ("run", protocol, "--seeds", 2, "--device", DEVICE, *WORKERS[workers], *arguments)
    done = rigorkd(*line, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = {path.parent for path in folder.glob("results/*/study.json")}
    return found


def records(study: Path) -> dict[str, dict[str, Any]]:
    """Every record by its run's name; what lies in hidden folders is none."""
    found = {}
    for path in sorted(study.rglob("record.json")):
        name = path.parent.relative_to(study)
        if not name.parts[0].startswith("."):
            found[str(name)] = json.loads(path.read_text())
    return found


def assert_latencies_alone(study: Path) -> None:
    """Every record has a latency, and none says that it was measured beside other work of the study."""
    for name, record in records(study).items():
        latency = record["latency_ms"]
        assert set(latency) == LATENCY, name
        assert 0 < latency["q25"] <= latency["median"] <= latency["q75"], name
        assert latency["mean"] > 0, name
        assert latency["sd"] >= 0, name
        assert latency["n"] >= 5, name
        assert latency["shared"] is False, name


@pytest.mark.cuda(seconds=60)
@pytest.mark.parametrize("name", ROLES)
def test_a_whole_study_is_run_analysed_and_verified(name: str) -> None:
    where = study(name, 1)
    found = records(where)
    assert {record["seed"] for record in found.values()} == {0, 1}
    assert {record["status"] for record in found.values()} <= {"done", "diverged"}
    assert "done" in {record["status"] for record in found.values()}
    assert {record["device"] for record in found.values()} == {DEVICE.partition(":")[0]}
    assert {record["mode"] for record in found.values()} == {"reference"}
    if name == "paper":
        assert {record["precision_used"] for record in found.values()} == {"fp16" if ON_CUDA else "fp32"}
    assert_latencies_alone(where)

    analysed = rigorkd("analyze", where, "--format", "json", folder=where)
    assert analysed.returncode == 0, analysed.stderr
    document = json.loads(analysed.stdout)
    assert document["schema"] == "rigorkd.analysis/1"
    students = {record["cell"] for record in found.values() if record["role"] == "student"}
    assert students <= {cell["cell"] for cell in document["cells"]}
    assert document["families"][0]["comparisons"]

    verified = rigorkd("verify", where, "--format", "json", folder=where)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert len(found) == len(students) * 2 + 2


@pytest.mark.cuda(seconds=50)
def test_two_workers_on_one_device_write_the_bytes_of_one() -> None:
    one, two = study("tiny", 1), study("tiny", 2)
    assert_latencies_alone(one)
    assert_latencies_alone(two)
    names = records(one).keys()
    assert names == records(two).keys()
    assert len(list((two / ".logs").glob("worker-*"))) == 2 * len(list((one / ".logs").glob("worker-*")))
    for name in names:
        files = {path.name for path in (one / name).iterdir()} - {"record.json"}
        assert {"history.csv", "predictions.npz", "model.safetensors"} <= files
        for file in files:
            assert (one / name / file).read_bytes() == (two / name / file).read_bytes(), f"{name}/{file}"
