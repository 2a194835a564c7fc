"""Processes that train and measure on one device, forked from one that has imported what they need.

python device_lock_program.py FOLDER prints, as JSON, when somebody trained and when somebody measured there
(alone or not), and whether one could measure beside a process that trains, and after it was killed.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from rigorkd.train.runtime import DeviceLock

FORK = mp.get_context("fork")


def train_by_epochs(folder: Path, line: Connection) -> None:
    """A worker: short epochs until it is told to stop; when each began and ended."""
    lock = DeviceLock(folder, "cpu")
    held = []
    while not line.poll():
        with lock.busy():
            begun = time.monotonic()
            if not held:
                line.send("at work")
            time.sleep(0.02)
            held.append((begun, time.monotonic()))
    line.send(held)


def measure_alone(folder: Path, line: Connection) -> None:
    """A worker that wants the device for itself; when it had it."""
    with DeviceLock(folder, "cpu").alone(30) as alone:
        begun = time.monotonic()
        time.sleep(0.1)
        line.send((alone, begun, time.monotonic()))


def hold_for_ever(folder: Path, line: Connection) -> None:
    with DeviceLock(folder, "cpu").busy():
        line.send("at work")
        time.sleep(600)


def start(
    work: Callable[[Path, Connection], None], folder: Path
) -> tuple[mp.process.BaseProcess, Connection]:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=work, args=(folder, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def together(folder: Path) -> dict[str, object]:
    """Two train, and meanwhile two measure: when each epoch and each measurement was."""
    trainers = [start(train_by_epochs, folder)[1] for _ in range(2)]
    assert [line.recv() for line in trainers] == ["at work"] * 2
    measurers = [start(measure_alone, folder)[1] for _ in range(2)]
    windows = [line.recv() for line in measurers]
    for line in trainers:
        line.send("stop")
    return {"windows": windows, "epochs": [epoch for line in trainers for epoch in line.recv()]}


def killed(folder: Path) -> dict[str, object]:
    """Whether the device can be had beside a process that trains, and when it was killed."""
    process, line = start(hold_for_ever, folder)
    assert line.recv() == "at work"
    with DeviceLock(folder, "cpu").alone(0) as beside:
        pass
    process.kill()
    process.join()
    with DeviceLock(folder, "cpu").alone(0) as after:
        pass
    return {"beside": beside, "after": after}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    print(json.dumps({**together(place / "one"), **killed(place / "other")}))
