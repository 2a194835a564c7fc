"""Fixtures that several packages' tests share: a small real protocol, and the command line as a process."""

from __future__ import annotations

import atexit
import fcntl
import functools
import gc
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO
from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings

from rigorkd.data.cifar import CIFAR10, CIFAR100
from rigorkd.protocol.load import Protocol, load_protocol

# What tests train takes seconds. With a checkpoint after every epoch their kills meet runs that have some;
# the tests of stopping, and of checkpoints by time, take this back.
os.environ.setdefault("RIGORKD_CHECKPOINT_EVERY", "0")

# What the tests run is nothing that the user has run.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="rigorkd-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

# Looking for cycles as often as usual takes a tenth of the tests' time.
gc.set_threshold(50_000, 20, 20)

# How long an example takes is the machine's affair. Every run has others, so few of them do.
settings.register_profile("rigorkd", deadline=None, max_examples=30)
settings.load_profile("rigorkd")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: no collection goes through it again, and statsmodels asks for one per call."""
    if any(item.path.name == "test_protocols_run.py" for item in session.items):
        _models.extend(["timm/resnet18", "resnet18"])
    gc.freeze()
    atexit.register(gc.unfreeze)  # extension modules report what is still there at the end as leaks


PROTOCOL = """\
rigorkd: 1
study: tiny
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}, label_noise: 0.1}
views: {normalize: dataset, train: [{random_crop: {padding: 1}}]}
training:
  optimizer: {name: adamw, lr: 1e-2}
  batch_size: 16
  epochs: 3
  clip_norm: 1.0
teacher: {model: {name: cnn, channels: [16, 16], hidden: 32}, epochs: 20}
students:
  plain: {model: {name: cnn, channels: [4, 8]}}
  dropping: {model: {name: cnn, channels: [4, 8], hidden: 16, dropout: 0.2}}
groups:
  main: {baseline: true, kd: {T: [1, 4], alpha: 0.5}}
  short: {students: [plain], epochs: 2, baseline: true, kd: {T: 2}}
seeds: 2
analysis: {sesoi: 2.0}
"""

SHIPPED = Path(__file__).parents[1] / "protocols"


@functools.cache
def shipped(path: Path) -> Protocol:
    """A protocol of `SHIPPED`, read once for all tests: some have a thousand cells."""
    return load_protocol(path)


Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


def environment() -> dict[str, str]:
    """The environment of a process that trains in a test."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def run_command(
    *arguments: object, cwd: Path, environ: dict[str, str] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run `rigorkd` with these arguments, `more` in its environment or `environ` as it, in its own process.

    It is forked from one that has imported what commands need: most of their time would go into that.
    `run` takes one worker unless the test says how many: each costs seconds, and tests run side by side.
    """
    line = [str(argument) for argument in arguments]
    if line[:1] == ["run"] and not {"--jobs", "--slurm"}.intersection(line):
        line += ["--jobs", "1"]
    return Started(line, cwd, {**(environment() if environ is None else environ), **more}).wait()


def start_command(*arguments: object, cwd: Path, **more: str) -> Started:
    """Start `rigorkd` with these arguments, `more` in its environment."""
    return Started([str(argument) for argument in arguments], cwd, {**environment(), **more})


def run_program(
    program: Path, *arguments: object, cwd: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python file in its own process, `more` in its environment; torch has been imported there."""
    return start_program(program, *arguments, cwd=cwd, **more).wait()


def start_program(program: Path, *arguments: object, cwd: Path, **more: str) -> Started:
    """The same, without waiting for its end."""
    line = [str(argument) for argument in arguments]
    return Started(line, cwd, {**environment(), **more}, str(program))


class Started:
    """A process that command_server.py has forked for a command or a program."""

    def __init__(self, line: list[str], cwd: Path, env: dict[str, str], program: str | None = None) -> None:
        self._line = line
        self._folder = tempfile.TemporaryDirectory()
        request = {"program": program, "line": line, "cwd": str(cwd), "environment": env}
        for name in ("stdout", "stderr"):
            request[name] = str(Path(self._folder.name, name))
        self._server = asked()
        self._server.write(json.dumps(request) + "\n")
        self._server.flush()
        self.pid = int(self._server.readline())

    def wait(self) -> subprocess.CompletedProcess[str]:
        """What it printed, once it has ended."""
        code = int(self._server.readline())
        self._server.close()
        with self._folder as folder:
            said = (Path(folder, name).read_text() for name in ("stdout", "stderr"))
            return subprocess.CompletedProcess(self._line, code, *said)


def asked() -> TextIO:
    """A new connection to the command server of this run of tests, which the first who asks starts."""
    global _kept
    if _kept is None:
        with socket.socket(socket.AF_UNIX) as listener, suppress(OSError):  # another's
            listener.bind(_ADDRESS)
            listener.listen()
            listener.set_inheritable(True)
            program = str(Path(__file__).with_name("command_server.py"))
            words = [sys.executable, "-P", program, str(listener.fileno()), *_models]
            quiet = [(os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1)]
            os.posix_spawn(sys.executable, words, environment(), file_actions=quiet)
        _kept = _connection()  # while this process lives, so does the server
    return _connection()


_kept: TextIO | None = None
_models: list[str] = []  # whose libraries take seconds to import: once for all where many tests need them
_RUN = f"{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}-{crc32(repr(sys.path).encode())}"
_ADDRESS = f"\0rigorkd-tests-{_RUN}"  # of no file; tests of tests that import from elsewhere have another


def _connection() -> TextIO:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(_ADDRESS)
        return connection.makefile("rw")


@pytest.fixture
def nothing_hangs() -> Iterator[None]:
    """What has no end fails the test instead of stopping all of them."""

    def late(*_: object) -> None:
        raise AssertionError("it takes for ever")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def protocol_file(tmp_path: Path) -> Path:
    """A protocol on 160 real digits that trains in seconds: two students (one with dropout), two lengths."""
    path = tmp_path / "tiny.yaml"
    path.write_text(PROTOCOL)
    return path


@pytest.fixture(scope="session")
def command_line() -> Rigorkd:
    """Run the command line in a folder, which the test names as `cwd`."""
    return run_command


@pytest.fixture
def rigorkd(tmp_path: Path) -> Rigorkd:
    """Run the command line in `tmp_path` (or `cwd`), with more in its environment; what it printed."""

    def run(*arguments: object, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, cwd=cwd or tmp_path, **more)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml and its study in results/tiny, by an undisturbed run. Do not change it.

    Of several processes that test, one trains, and the others wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    said = folder / "stdout.txt"  # written last
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(folder, ignore_errors=True)  # another's failure
            folder.mkdir()
            (folder / "tiny.yaml").write_text(PROTOCOL)
            done = run_command("run", "tiny.yaml", "--jobs", 2, cwd=folder)
            assert done.returncode == 0, done.stderr
            said.write_text(done.stdout)
    return folder


WriteCifar = Callable[..., None]


@pytest.fixture
def write_cifar() -> WriteCifar:
    """Write CIFAR files as published, with few images: `write_cifar("cifar10", root, per_file=30, seed=0)`.

    A protocol with `dataset: {name: cifar10, root: …, split: {val: 20}}` runs on them, with a warning that
    they are not the published ones. Classes differ in a pattern under noise, so they can be learned. Each of
    the six files of CIFAR-10 (the last is the test set) and the two of CIFAR-100 has `per_file` images.
    """
    return write_cifar_files


def write_cifar_files(name: str, root: Path, per_file: int = 30, seed: int = 0) -> None:
    layout, classes = {"cifar10": (CIFAR10, 10), "cifar100": (CIFAR100, 100)}[name]
    folder = root / layout.folder
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).integers(0, 128, (classes, 3072))
    for file in layout.files:
        labels = generator.integers(0, classes, per_file)
        rows = patterns[labels] + generator.integers(0, 128, (per_file, 3072))
        content: dict[str, object] = {
            "data": rows.astype(np.uint8),  # red, green and blue plane after plane
            "filenames": [f"{number}.png" for number in range(per_file)],
        }
        if name == "cifar10":
            content["labels"] = labels.tolist()
        else:
            content |= {"fine_labels": labels.tolist(), "coarse_labels": (labels // 5).tolist()}
        (folder / file.name).write_bytes(pickle.dumps(content))
    kinds = {"label": 10} if name == "cifar10" else {"fine_label": 100, "coarse_label": 20}
    names = {
        f"{kind}_names": [f"{kind.removesuffix('label').rstrip('_') or 'class'} {i}" for i in range(n)]
        for kind, n in kinds.items()
    }
    (folder / layout.meta.name).write_bytes(pickle.dumps(names))
