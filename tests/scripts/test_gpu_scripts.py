"""The check of a GPU runs to its end on a CPU, with what a bare GPU machine has, so that it cannot rot."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rigorkd import __version__
from tests.conftest import run_program

ROOT = Path(__file__).parents[2]
GPU = ROOT / "scripts" / "gpu"
BARE = (
    *("torch", "torchvision", "timm", "accelerate", "statsmodels", "pandas", "scipy"),
    *("psutil", "rich", "click", "jinja2", "matplotlib", "safetensors"),
    *("hypothesis", "pytest", "pytest-xdist"),
)
"""What prepare.sh takes a GPU machine to have, with what these need themselves."""

BLOCKER = """\
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else super().find_spec(name, path, target)

ABSENT = frozenset(%r)
sys.meta_path[:] = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""A sitecustomize.py for a Python that finds some of its modules no more."""


def shell(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable, **environment},
    )


def with_requirements(*names: str) -> set[str]:
    """These distributions and all that they require, as far as they are installed."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, required):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def prepared() -> list[str]:
    """The packages that are brought along."""
    listed = shell(GPU / "prepare.sh", "--list")
    assert listed.returncode == 0, listed.stderr
    return listed.stdout.split()


@pytest.fixture(scope="module")
def absent(prepared: list[str]) -> list[str]:
    """Installed modules that neither the machine has nor prepare.sh brings."""
    there = with_requirements(*BARE) | set(map(canonicalize_name, prepared))
    modules: Mapping[str, list[str]] = metadata.packages_distributions()
    return sorted(
        module
        for module, owners in modules.items()
        if not there & set(map(canonicalize_name, owners)) and not module.startswith(("rigorkd", "_"))
    )


# ------------------------------------------------------------------------------------------------- check.sh


@pytest.fixture(scope="module")
def checked(
    absent: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The quick check on the CPU, in a Python without all that a bare machine lacks; its output folder."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "sitecustomize.py").write_text(BLOCKER % (absent,))
    (folder / "scratch").mkdir()
    line = (GPU / "check.sh", "--device", "cpu", "--quick", "--out", folder / "out")
    done = shell(*line, PYTHONPATH=str(folder), TMPDIR=str(folder / "scratch"))
    assert list((folder / "scratch").iterdir()) == [], "temporary files are left"
    return done, folder / "out"


@pytest.mark.slow
def test_the_quick_check_passes_on_a_bare_machine(
    checked: tuple[subprocess.CompletedProcess[str], Path], absent: list[str]
) -> None:
    assert {"wandb", "transformers", "submitit"} <= set(absent)
    done, out = checked
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(out / "check.json") in done.stdout
    assert f"torch {metadata.version('torch')}" in done.stdout
    assert "slowest" in done.stdout


@pytest.mark.slow
def test_the_result_names_the_machine_and_every_test(
    checked: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    out = checked[1]
    document: dict[str, Any] = json.loads((out / "check.json").read_text())
    assert document["schema"] == "rigorkd.gpu-check/1"
    assert document["torch"] == metadata.version("torch")
    assert document["device"].startswith("CPU")
    assert document["quick"] is True
    assert document["seconds"] > 0
    assert document["rigorkd"] == __version__
    git = shell("git", "rev-parse", "HEAD")
    assert document["git_commit"] == (git.stdout.strip() or None)
    assert type(document["git_dirty"]) is (bool if document["git_commit"] else type(None))
    assert {test["outcome"] for test in document["tests"]} == {"passed", "skipped"}
    for test in document["tests"]:
        assert set(test) == {"name", "outcome", "seconds", "reason"}
        assert bool(test["reason"]) is (test["outcome"] == "skipped"), test
    passed = [test["name"] for test in document["tests"] if test["outcome"] == "passed"]
    assert {name.partition("::")[0] for name in passed} == {
        path.name for path in (ROOT / "tests" / "gpu").glob("test_*.py")
    }
    suite = ElementTree.parse(out / "check.xml").getroot()
    assert len(list(suite.iter("testcase"))) == len(document["tests"])


PROBE = """\
import os
import pytest

pytestmark = pytest.mark.cuda

def test_fails():
    assert 1 == 2, "one is not two"

def test_ends_the_process():
    os._exit(9)
"""


def test_a_failure_is_told_and_a_check_that_dies_leaves_what_it_knew(tmp_path: Path) -> None:
    """A copy of the tests' conftest judges two tests of its own, of which the second ends the process."""
    for folder in ("gpu", "train"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        conftest = Path("tests") / folder / "conftest.py"
        (tmp_path / conftest).write_text((ROOT / conftest).read_text())
    (tmp_path / "tests" / "gpu" / "test_probe.py").write_text(PROBE)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\nmarkers = cuda\n")
    result = tmp_path / "check.json"
    done = run_program(
        Path(pytest.__file__).with_name("__main__.py"),
        *(tmp_path / "tests", "-q", "--rootdir", tmp_path, "-c", tmp_path / "pytest.ini"),
        cwd=ROOT,
        RIGORKD_GPU_DEVICE="cpu",
        RIGORKD_GPU_RESULT=str(result),
        PYTHONPATH=os.pathsep.join(map(str, (ROOT, ROOT / "analysis"))),
    )
    assert done.returncode == 9, done.stdout + done.stderr
    document = json.loads(result.read_text())
    failed, unrun = document["tests"]
    assert (failed["name"], failed["outcome"]) == ("test_probe.py::test_fails", "failed")
    assert "one is not two" in failed["reason"]
    assert (unrun["name"], unrun["outcome"]) == ("test_probe.py::test_ends_the_process", "not run")


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_no_device_is_one_message(tmp_path: Path) -> None:
    done = shell(GPU / "check.sh", "--device", "cuda:9", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "--device cuda:9: no such CUDA device can be used here; use --device cpu" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--device", "tpu"), "tpu"), (("--device",), "--device"), (("--slow",), "--slow"), (("x",), "x")],
)
def test_bad_usage_is_one_message(words: tuple[str, ...], named: str, tmp_path: Path) -> None:
    refused(named, *words)


@pytest.mark.parametrize("workers", ["many", "0", "-1", "2.5"])
def test_a_number_of_workers_that_is_none_is_one_message(workers: str) -> None:
    refused(f"WORKERS={workers}", WORKERS=workers)


def test_results_that_cannot_be_written_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        refused(f"--out {out} cannot be written to", "--device", "cpu", "--out", str(out), said=1)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["pytest", "hypothesis"])
def test_what_the_check_itself_needs_is_looked_for_first(name: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLOCKER % ([name],))
    words = ("--device", "cuda:9", "--out", str(tmp_path / "out"))
    refused(f"lacks {name}: install", *words, PYTHONPATH=str(tmp_path))
    assert not (tmp_path / "out").exists()


def refused(named: str, *words: str, said: int = 0, **environment: str) -> None:
    """One message that names this, after so many lines on the machine."""
    done = shell(GPU / "check.sh", *words, **environment)
    assert done.returncode == 2
    assert done.stdout.count("\n") == said
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


PYTEST = """\
import json, os, signal, subprocess, sys, time
if "-c" in sys.argv[1:2] or "-" in sys.argv[1:2]:  # the script's own questions to Python
    os.execv(REAL, [REAL, *sys.argv[1:]])
DEAF = (
    "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    "open(os.environ['TMPDIR'] + '/left', 'w'); time.sleep(600)"
)
print("arguments", *sys.argv[1:], flush=True)
open(os.environ["RIGORKD_GPU_RESULT"], "w").write("{}")
try:
    subprocess.Popen([REAL, "-c", DEAF])
    while STAYS:
        time.sleep(0.1)
except KeyboardInterrupt:
    print("pytest writes its result", flush=True)
    sys.exit(2)
"""
"""A stand-in for the tests, with a process of its own that hears no interrupt, as the worker of a study."""


def stand_in(folder: Path, *, stays: bool) -> Path:
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\nREAL, STAYS = {sys.executable!r}, {stays}\n{PYTEST}")
    program.chmod(0o755)
    return program


def test_without_xdist_one_process_tests_and_says_so(tmp_path: Path) -> None:
    program = stand_in(tmp_path, stays=False)
    words = (GPU / "check.sh", "--device", "cpu", "--out", tmp_path / "out")
    many = shell(*words, PYTHON=str(program), WORKERS="3")
    assert many.returncode == 0, many.stderr
    assert "--numprocesses 3" in many.stdout
    (tmp_path / "sitecustomize.py").write_text(BLOCKER % (["xdist"],))
    one = shell(*words, PYTHON=str(program), WORKERS="3", PYTHONPATH=str(tmp_path))
    assert one.returncode == 0, one.stderr
    assert "--numprocesses" not in one.stdout
    assert "one process instead of 3" in one.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_the_tests_and_all_that_they_started(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """^C typed at a terminal, and a kill of the script itself."""
    scratch, result = tmp_path / "scratch", tmp_path / "out" / "check.json"
    scratch.mkdir()
    terminal, inside = pty.openpty()
    line = [GPU / "check.sh", "--device", "cpu", "--out", result.parent]
    with subprocess.Popen(
        [sys.executable, "-c", LOGIN, *map(str, line)],
        stdin=inside,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHON": str(stand_in(tmp_path, stays=True)), "TMPDIR": str(scratch)},
    ) as process:
        os.close(inside)
        try:
            while not list(scratch.glob("*/left")):
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            started = psutil.Process(process.pid).children(recursive=True)
            assert len(started) == 2
            if number == signal.SIGINT:
                os.write(terminal, b"\x03")
            else:
                process.send_signal(number)
            said, errors = process.communicate()
        finally:
            os.close(terminal)
            process.kill()
    assert process.returncode == code, errors
    assert b"pytest writes its result" in said
    assert f"interrupted; results: {result}".encode() in said
    assert errors == b""
    assert not psutil.wait_procs(started, timeout=60)[1]
    assert result.exists()
    assert list(scratch.iterdir()) == []


LOGIN = """\
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell have it ignored
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a command with standard input as the terminal of its session."""


@pytest.mark.parametrize("script", ["check.sh", "prepare.sh"])
def test_help_teaches(script: str) -> None:
    done = shell(GPU / script, "--help")
    assert done.returncode == 0
    assert f"scripts/gpu/{script} [" in done.stdout
    assert "set -euo" not in done.stdout
    assert not done.stdout.startswith("#")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_device_every_test_is_collected_and_skips_with_a_reason() -> None:
    """And every one carries the marker: without it, none is left."""
    done = run_program(
        Path(pytest.__file__).with_name("__main__.py"),
        *("tests/gpu", "-q", "-p", "no:cacheprovider", "-m", "cuda"),
        cwd=ROOT,
        RIGORKD_GPU_DEVICE="cuda:0",
        RIGORKD_GPU_QUICK="",
        PYTHONPATH=os.pathsep.join(map(str, (ROOT, ROOT / "analysis"))),
    )
    assert done.returncode == 0, done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert "skipped" in last
    assert not {"passed", "failed", "error", "deselected"} & set(last.replace(",", " ").split())
    assert "no CUDA device (scripts/gpu/check.sh --device cpu" in done.stdout


# -------------------------------------------------------------------------------- prepare.sh, environment.sh


def test_what_is_brought_is_complete_pinned_and_needed(prepared: list[str], absent: list[str]) -> None:
    """Everything that the brought packages require is there, too, and comes in a version that is tested."""
    machine = with_requirements(*BARE)
    brought = set(map(canonicalize_name, prepared))
    assert with_requirements(*prepared) <= brought | machine
    pins = {
        canonicalize_name(line.partition("==")[0])
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert brought <= pins
    # typing_extensions alone is on the machine, too: torch brings it, perhaps too old a one for pydantic.
    assert brought & machine <= {"typing-extensions"}


NAMES = """\
names() { { compgen -v | grep -v PIPESTATUS; declare -F; } | sort; }
before="$(names)"
source scripts/gpu/environment.sh
after="$(names)"
comm -13 <(echo "$before") <(echo "$after")
echo "$PYTHONPATH"
"""


def test_the_environment_sets_two_variables_and_nothing_else() -> None:
    done = shell("bash", "-euo", "pipefail", "-c", NAMES, PYTHONPATH="/kept")
    assert done.returncode == 0, done.stderr
    *defined, path = done.stdout.splitlines()
    assert set(defined) <= {"PYTHON", "PYTHONPATH", "before"}
    assert path.split(":") == [str(ROOT), str(ROOT / "analysis"), "/kept"]


def test_a_python_that_lacks_packages_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLOCKER % (["pydantic"],))
    source = "source scripts/gpu/environment.sh; echo reached"
    done = shell("bash", "-c", source, PYTHONPATH=str(tmp_path), RIGORKD_WHEELS=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "No module named 'pydantic'" in done.stderr
    assert "scripts/gpu/prepare.sh" in done.stderr
