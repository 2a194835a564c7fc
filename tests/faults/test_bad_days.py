"""Days that go wrong: each ends in one message or none, nothing is lost, and no number is wrong."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import product_bytes, wait_for

PROTOCOL = """\
rigorkd: 1
study: days
dataset: {name: digits, split: {train: 100, val: 100, test: 100, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 5, epochs: 12}
teacher: {model: {name: cnn, channels: [4, 4]}, epochs: 2}
students: {plain: {model: {name: cnn, channels: [4, 8], hidden: 16, dropout: 0.2}}}
groups: {main: {baseline: true, kd: {T: 4, alpha: 0.5}}}
seeds: 2
"""
pytestmark = pytest.mark.slow


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "150", **more}


LINE = f'"{sys.executable}" -m rigorkd run days.yaml --jobs 1 --device cpu'


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", "-c", f"exec {LINE}"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trains_students(study: Path) -> bool:
    return any("epoch 2/" in path.read_text() for path in study.glob(".logs/main/**/*.log"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing went wrong; do not change it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "days.yaml").write_text(PROTOCOL)
    done = shell(folder, LINE)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "days.yaml").write_text(PROTOCOL)
    return tmp_path


def finished_as_if_nothing_had_happened(folder: Path, undisturbed: Path) -> None:
    done = shell(folder, LINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert product_bytes(folder / "results/days") == product_bytes(undisturbed / "results/days")


ODD = {
    "umask 077": f"umask 077; exec {LINE}",
    "few file handles": f"ulimit -n 48; exec {LINE}",
    "no HOME, no TMPDIR": f"unset HOME; export TMPDIR=/nonexistent/folder; exec {LINE}",
    "closed streams": f"exec {LINE} <&- >&- 2>&-",
}


@pytest.mark.parametrize("script", ODD.values(), ids=ODD)
def test_odd_surroundings_change_nothing(folder: Path, undisturbed: Path, script: str) -> None:
    done = shell(folder, script)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert product_bytes(folder / "results/days") == product_bytes(undisturbed / "results/days")


def test_without_shared_memory(folder: Path, undisturbed: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here: /dev/shm cannot be taken away")
    if folder.is_relative_to("/dev/shm"):
        pytest.skip("the test itself lies in /dev/shm")
    done = shell(folder, f"exec unshare -m bash -c 'umount -l /dev/shm && TMPDIR=/tmp exec {LINE}'")
    assert done.returncode == 0, done.stderr
    assert product_bytes(folder / "results/days") == product_bytes(undisturbed / "results/days")


@pytest.mark.parametrize("offset", ["+400d", "-400d"])
def test_a_clock_that_is_wrong_changes_nothing(folder: Path, undisturbed: Path, offset: str) -> None:
    if shutil.which("faketime") is None:
        pytest.skip("libfaketime is not installed")
    study = folder / "results/days"
    first = start(folder)
    wait_for(lambda: trains_students(study))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = shell(folder, f"exec faketime -f {offset} {LINE}")
    assert done.returncode == 0, done.stderr
    assert product_bytes(study) == product_bytes(undisturbed / "results/days")


@pytest.mark.parametrize("removed", [".", "teacher/seed-0", ".protocols"])
def test_what_is_removed_meanwhile_is_told_and_trained_again(
    folder: Path, undisturbed: Path, removed: str
) -> None:
    study = folder / "results/days"
    launcher = start(folder)
    wait_for(lambda: trains_students(study))
    shutil.rmtree(study / removed, ignore_errors=True)
    output, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 2, output
    assert "removed while it was trained: " in output
    assert (removed if removed != "." else "teacher/seed-0") in output
    assert "Traceback" not in output
    finished_as_if_nothing_had_happened(folder, undisturbed)


def test_either_of_two_launchers_may_stand_still_for_a_while(folder: Path, undisturbed: Path) -> None:
    study = folder / "results/days"
    both = [start(folder)]
    wait_for(lambda: trains_students(study))
    both.append(start(folder))
    wait_for(lambda: len(list(study.glob(".launchers/*/progress.json"))) == 2)
    for launcher in both:
        launcher.send_signal(signal.SIGSTOP)
        time.sleep(1)
        launcher.send_signal(signal.SIGCONT)
    outputs = [launcher.communicate(timeout=300)[0] for launcher in both]
    assert [launcher.returncode for launcher in both] == [0, 0], outputs
    assert product_bytes(study) == product_bytes(undisturbed / "results/days")


def test_a_terminal_that_is_closed_loses_nothing(folder: Path, undisturbed: Path) -> None:
    study = folder / "results/days"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("bash", ["bash", "-c", f"exec {LINE}"], environment())
    wait_for(lambda: trains_students(study))
    os.close(terminal)
    os.waitpid(pid, 0)
    finished_as_if_nothing_had_happened(folder, undisturbed)


def test_a_study_copied_and_continued_in_two_places(folder: Path, undisturbed: Path) -> None:
    assert shell(folder, f"{LINE} --seeds 1").returncode == 0
    shutil.copytree(folder, folder / "elsewhere", ignore=shutil.ignore_patterns("elsewhere"))
    for place in (folder, folder / "elsewhere"):
        finished_as_if_nothing_had_happened(place, undisturbed)


def test_permissions_that_are_taken_away(folder: Path, undisturbed: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    study = folder / "results/days"
    launcher = start(folder)
    wait_for(lambda: trains_students(study))
    folders = [path for path in (study, *study.rglob("*")) if path.is_dir()]
    for path in folders:
        path.chmod(0o500)
    output, _ = launcher.communicate(timeout=300)
    for path in folders:
        path.chmod(0o700)
    assert launcher.returncode == 2, output
    assert "Traceback" not in output
    finished_as_if_nothing_had_happened(folder, undisturbed)


def test_no_memory_is_left(folder: Path, undisturbed: Path) -> None:
    """The kernel kills the worker that asks for more than the group may have."""
    group = Path(f"/sys/fs/cgroup/rigorkd-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no control groups can be made here")
    try:
        limit = group / "memory.max"
        if not limit.exists() or not os.access(limit, os.W_OK):
            pytest.skip("no memory is controlled here")
        limit.write_text(str(600 * 2**20))
        done = shell(folder, f"echo $$ > {group}/cgroup.procs && exec {LINE}")
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, -9, 137)
    finally:
        group.rmdir()
    finished_as_if_nothing_had_happened(folder, undisturbed)


def test_five_thousand_cells_are_planned(folder: Path) -> None:
    grid = f"{{T: {list(range(1, 101))}, alpha: {[number / 100 for number in range(1, 51)]}}}"
    (folder / "days.yaml").write_text(PROTOCOL.replace("{T: 4, alpha: 0.5}", grid))
    done = shell(folder, f'"{sys.executable}" -m rigorkd plan days.yaml --format json')
    assert done.returncode == 0, done.stderr
    assert '"total": 10004' in done.stdout
