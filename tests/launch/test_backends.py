"""Backends of other packages: the one on the page about clusters trains; a broken one is one message."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import InputError
from rigorkd.launch.backends import interface
from rigorkd.launch.backends.interface import Backend, Submitted, Work, find_backend
from rigorkd.launch.backends.local import Local
from rigorkd.launch.display import PlainConsole
from rigorkd.launch.launch import LaunchOptions, launch
from rigorkd.protocol.load import load_protocol
from rigorkd.records.layout import StudyFolder
from tests.conftest import run_program
from tests.helpers import PRODUCT

PAGE = Path(__file__).parents[2] / "docs" / "slurm.md"
RUN = "main/plain/baseline/seed-0"

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package of one module that brings backends, by name; the folder in which it lies."""

    def write(module: str, content: str, package: str = "scratch", **backends: str) -> Path:
        folder = tmp_path / "site"
        about = folder / f"{package}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {module}:{target}\n" for name, target in backends.items()]
        (about / "entry_points.txt").write_text(f"[{interface.GROUP}]\n" + "".join(lines))
        (folder / f"{module}.py").write_text(content)
        if str(folder) not in sys.path:
            monkeypatch.syspath_prepend(str(folder))
        return folder

    return write


@pytest.fixture
def shell(install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The backend of the page, installed."""
    (text,) = re.findall(r'```python title="shell_backend.py"\n(.*?)```', PAGE.read_text(), flags=re.DOTALL)
    (name, target) = re.findall(r'^(\w+) = "shell_backend:(\w+)"', PAGE.read_text(), flags=re.MULTILINE)[0]
    monkeypatch.delitem(sys.modules, "shell_backend", raising=False)
    return install("shell_backend", text, **{name: target})


def test_the_page_s_backend_trains_the_bytes_of_the_local_one(
    shell: Path, finished: Path, protocol_file: Path
) -> None:
    folder = protocol_file.parent
    program = folder / "command.py"
    program.write_text("from rigorkd.cli.main import main\nmain()\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        only = ("--seeds", "1", "--only", "main/plain/baseline", "--device", "cpu")
        path = f"{shell}:{os.environ.get('PYTHONPATH', '')}"  # where packages are looked for
        return run_program(program, "run", "tiny.yaml", *only, *arguments, cwd=folder, PYTHONPATH=path)

    done = run("--backend", f"shell:{sys.executable} -m", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiny: 1 runs handed over\nwaiting for the jobs" in done.stdout
    again = f"tiny.yaml --seeds 1 --device cpu --backend 'shell:{sys.executable} -m' --wait"
    assert (
        f"next: rigorkd run {again}, for what --only left out; then rigorkd analyze results/tiny"
        in done.stdout
    )
    for name in PRODUCT:
        there = Path("results", "tiny", RUN, name)
        assert (folder / there).read_bytes() == (finished / there).read_bytes()
    refused = run("--backend", "shell", "--until-decided", "--max-seeds", "5")
    assert refused.returncode == 2
    assert "--backend goes without --until-decided" in refused.stderr
    unknown = run("--backend", "shel")
    assert unknown.returncode == 2
    assert unknown.stderr == "error: --backend shel: there is no such backend\n  did you mean shell?\n"


def options(protocol_file: Path, **more: object) -> LaunchOptions:
    results = protocol_file.parent / "results"
    return LaunchOptions(
        seeds=(0,),
        results=results,
        device="cpu",
        only=("main/plain/baseline",),
        **more,  # type: ignore[arg-type]
    )


def test_what_a_backend_loses_is_named(
    shell: Path, protocol_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "ASK_EVERY", 0.0)
    monkeypatch.setattr(interface, "LOOK_EVERY", 0.01)
    backend = find_backend("shell:false")
    asked = options(protocol_file, wait=True)
    outcome = launch(load_protocol(protocol_file), asked, PlainConsole(), backend)
    assert outcome.failed == {RUN: "what was to train it ended without it"}
    assert outcome.trained == 0
    assert list(outcome.study.launchers.iterdir()) == []


def test_a_detached_backend_is_left_to_go_on(shell: Path, protocol_file: Path) -> None:
    class Kept(type(find_backend("shell"))):  # type: ignore[misc]
        def submit(self, work: Work) -> Submitted:
            self.submitted = super().submit(work)
            return self.submitted

    script = protocol_file.with_name("patient.sh")
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    backend = Kept(str(script))
    outcome = launch(load_protocol(protocol_file), options(protocol_file), PlainConsole(), backend)
    assert not outcome.ended
    assert outcome.failed == {}
    assert list(outcome.study.launchers.iterdir()) == []
    process = backend.submitted.process
    assert process.poll() is None
    assert backend.submitted.alive() == {RUN}
    backend.submitted.cancel()
    process.wait()
    assert backend.submitted.alive() == set()


class Silent(Submitted):
    """Nobody answers who is asked about it, until it is cancelled."""

    cancelled = False

    def alive(self) -> frozenset[str]:
        raise InputError("no answer")

    def cancel(self) -> None:
        self.cancelled = True


class Attached(Backend):
    """Takes everything, trains nothing, and ends with its launcher; keeps what it was asked for."""

    detached = False

    def submit(self, work: Work) -> Submitted:
        self.submitted = Silent(work, work.todo)
        return self.submitted


def test_what_is_attached_is_cancelled_with_its_launcher(
    protocol_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run of which nobody knows is waited for: it may live."""
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(interface, "ASK_EVERY", 0.0)
    monkeypatch.setattr("rigorkd.launch.backends.interface.time.sleep", sleep)
    backend = Attached()
    with pytest.raises(KeyboardInterrupt):
        launch(load_protocol(protocol_file), options(protocol_file), PlainConsole(), backend)
    assert backend.submitted.cancelled
    assert list(StudyFolder(protocol_file.parent / "results" / "tiny").launchers.iterdir()) == []


BROKEN = """\
from rigorkd.launch.backends.interface import Backend

class Half(Backend):
    pass

class Refusing(Backend):
    def __init__(self, text=None):
        raise RuntimeError("no cluster today")
    def submit(self, work):
        ...

thing = 3
"""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("Half", "lacks submit: broken_backend:Half"),
        ("Refusing", "does not work (RuntimeError: no cluster today)"),
        ("thing", "is no rigorkd.launch.backends.interface.Backend: broken_backend:thing"),
        ("gone", "does not work (AttributeError: module 'broken_backend' has no attribute 'gone'"),
    ],
)
def test_a_broken_backend_is_one_message(install: Install, target: str, message: str) -> None:
    install("broken_backend", BROKEN, broken=target)
    with pytest.raises(InputError) as caught:
        find_backend("broken:key=value")
    assert caught.value.message.startswith("--backend broken: the backend ")
    assert message in caught.value.message
    assert "package that brings it" in caught.value.hint


def test_a_module_that_cannot_be_imported_is_one_message(install: Install) -> None:
    install("torn_backend", "import no_such_module_anywhere\n", torn="Torn")
    with pytest.raises(InputError, match="ModuleNotFoundError: No module named 'no_such_module_anywhere'"):
        find_backend("torn")


def test_a_name_of_two_packages_is_refused_and_our_own_are_not_replaced(install: Install) -> None:
    install("broken_backend", BROKEN, local="Half", twice="Half")
    install("other_backend", BROKEN, package="other", twice="Half")
    with pytest.raises(InputError, match="several packages bring: broken_backend:Half, other_backend:Half"):
        find_backend("twice")
    assert isinstance(find_backend("local"), Local)


def test_the_local_backend_takes_no_options() -> None:
    with pytest.raises(InputError, match="--backend local:jobs=2: local takes no options"):
        find_backend("local:jobs=2")
    with pytest.raises(InputError, match="there are local, slurm"):
        find_backend("zzz")
