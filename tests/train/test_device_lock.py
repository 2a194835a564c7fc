"""Many may train on a device, one measures there alone: among processes, whoever dies."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from rigorkd.train.runtime import DeviceLock

SPAWN = mp.get_context("spawn")


def train_by_epochs(folder: Path, line: Connection) -> None:
    """A worker: short epochs until it is told to stop; when each began and ended."""
    lock = DeviceLock(folder, "cpu")
    held = []
    while not line.poll():
        with lock.busy():
            begun = time.monotonic()
            if not held:
                line.send("at work")
            time.sleep(0.05)
            held.append((begun, time.monotonic()))
    line.send(held)


def measure_alone(folder: Path, line: Connection) -> None:
    """A worker that wants the device for itself; when it had it."""
    with DeviceLock(folder, "cpu").alone(30) as alone:
        begun = time.monotonic()
        time.sleep(0.2)
        line.send((alone, begun, time.monotonic()))


def hold_for_ever(folder: Path, line: Connection) -> None:
    with DeviceLock(folder, "cpu").busy():
        line.send("at work")
        time.sleep(600)


def start(work: object, folder: Path) -> tuple[mp.process.BaseProcess, Connection]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=work, args=(folder, theirs), daemon=True)  # type: ignore[arg-type]
    process.start()
    theirs.close()
    return process, ours


def test_nobody_trains_while_somebody_measures(tmp_path: Path) -> None:
    _, trainer = start(train_by_epochs, tmp_path)
    _, other = start(train_by_epochs, tmp_path)
    assert (trainer.recv(), other.recv()) == ("at work", "at work")
    _, measurer = start(measure_alone, tmp_path)
    _, second = start(measure_alone, tmp_path)
    windows = [measurer.recv(), second.recv()]
    for line in (trainer, other):
        line.send("stop")
    epochs = [*trainer.recv(), *other.recv()]
    assert all(alone for alone, _, _ in windows)
    intervals = sorted((begun, ended) for _, begun, ended in windows)
    assert intervals[0][1] <= intervals[1][0]  # nor do two measure at once
    for begun, ended in intervals:
        assert not [epoch for epoch in epochs if epoch[0] < ended and begun < epoch[1]]
    assert max(end for _, end in epochs) > intervals[1][1]  # training went on afterwards


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


def test_the_dead_hold_nothing(tmp_path: Path) -> None:
    process, line = start(hold_for_ever, tmp_path)
    assert line.recv() == "at work"
    with DeviceLock(tmp_path, "cpu").alone(0) as alone:
        assert not alone
    process.kill()
    process.join()
    with DeviceLock(tmp_path, "cpu").alone(0) as alone:
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
