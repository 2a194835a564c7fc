"""Many may train on a device, one measures there alone: among processes, whoever dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rigorkd.train.runtime import DeviceLock

PROGRAM = Path(__file__).with_name("device_lock_program.py")


@pytest.mark.slow
def test_nobody_trains_while_somebody_measures_and_the_dead_hold_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path], stdout=subprocess.PIPE, timeout=120, check=True
    )
    found = json.loads(done.stdout)
    windows, epochs = found["windows"], found["epochs"]
    assert all(alone for alone, _, _ in windows)
    intervals = sorted((begun, ended) for _, begun, ended in windows)
    assert intervals[0][1] <= intervals[1][0]  # nor do two measure at once
    for begun, ended in intervals:
        assert not [epoch for epoch in epochs if epoch[0] < ended and begun < epoch[1]]
    assert max(end for _, end in epochs) > intervals[1][1]  # training went on afterwards
    assert (found["beside"], found["after"]) == (False, True)


def test_patience_ends(tmp_path: Path) -> None:
    lock = DeviceLock(tmp_path, "cpu")
    with lock.busy(), lock.busy():  # many at work
        with lock.alone(0) as alone:
            assert not alone
        with lock.alone(0.05) as alone:
            assert not alone
    with lock.alone(0) as alone:
        assert alone
        with lock.alone(0) as second:
            assert not second
    with DeviceLock(tmp_path, "cuda-1").busy(), lock.alone(0) as alone:  # another device
        assert alone


def test_a_folder_that_others_could_have_prepared_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "gates"
    folder.mkdir()
    folder.chmod(0o777)
    target = tmp_path / "target"
    (folder / "cpu.gate").symlink_to(target)
    lock = DeviceLock(folder, "cpu")
    with lock.busy(), lock.alone(0) as alone:
        assert not alone  # not known to be
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with DeviceLock(link, "cpu").busy(), DeviceLock(link, "cpu").alone(0) as alone:
        assert not alone
    assert not target.exists()


def test_training_goes_on_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lock = DeviceLock(tmp_path / "file" / "gates", "cpu")
    with lock.busy(), lock.alone(0) as alone:
        assert not alone


def test_an_error_inside_leaves_the_gate_open(tmp_path: Path) -> None:
    lock = DeviceLock(tmp_path, "cpu")
    with pytest.raises(RuntimeError), lock.busy():
        raise RuntimeError
    with pytest.raises(RuntimeError), lock.alone(0):
        raise RuntimeError
    with lock.alone(0) as alone:
        assert alone


@pytest.mark.parametrize("kind", ["dangling link", "link", "folder", "pipe"])
def test_a_lock_that_cannot_be_opened_stops_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cpu.gate"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        target = tmp_path / "target"
        if kind == "link":
            target.write_text("kept")
        path.symlink_to(target)
    lock = DeviceLock(tmp_path, "cpu")
    with lock.busy(), lock.alone(0) as alone:
        assert not alone
    assert kind != "link" or (tmp_path / "target").read_text() == "kept"


def test_a_device_has_one_gate_for_this_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RIGORKD_GATES", raising=False)
    lock = DeviceLock.of(torch.device("cpu"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # as of a job of its own
    assert lock == DeviceLock.of(torch.device("cpu"))
    assert lock.folder == Path(f"/tmp/rigorkd-{os.getuid()}")
    monkeypatch.setenv("RIGORKD_GATES", str(tmp_path / "gates"))
    assert DeviceLock.of(torch.device("cpu")).folder == tmp_path / "gates"
