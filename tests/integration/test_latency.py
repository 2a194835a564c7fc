"""Two workers on one device do not measure latency at once, nor while one of them trains."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: clocked
dataset: {name: digits, split: {train: 96, val: 60, test: 100, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 32, epochs: 2}
teacher: {model: "nets:wide"}
students: {narrow: {model: "nets:narrow"}, middle: {model: "nets:middle"}}
groups: {main: {baseline: true, kd: true}}
seeds: 2
"""

NETS = """\
import itertools
import os
import time
from multiprocessing import parent_process
from pathlib import Path

from torch import nn

NOTES = Path(os.environ["RIGORKD_TEST_NOTES"])
NUMBERS = itertools.count()


class Clocked(nn.Sequential):
    \"\"\"Notes, in workers, when each forward pass began and ended, what for, and of which network.\"\"\"

    def __init__(self, *parts):
        super().__init__(*parts)
        self.number = next(NUMBERS)

    def forward(self, images):
        begun = time.monotonic()
        logits = super().forward(images)
        kind = "train" if self.training else "one" if len(images) == 1 else "evaluate"
        if parent_process() is not None:  # the launcher only tries the networks
            with (NOTES / str(os.getpid())).open("a") as file:
                file.write(f"{kind} {begun} {time.monotonic()} {self.number}\\n")
        return logits


def net(classes, channels, size, width):
    first = nn.Linear(channels * size * size, width)
    return Clocked(nn.Flatten(), first, nn.ReLU(), nn.Linear(width, classes))


def wide(classes, channels, size):
    return net(classes, channels, size, 32)


def middle(classes, channels, size):
    return net(classes, channels, size, 16)


def narrow(classes, channels, size):
    return net(classes, channels, size, 8)
"""


def test_two_workers_do_not_measure_at_once(
    tmp_path: Path, rigorkd: Rigorkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv("RIGORKD_TEST_NOTES", str(notes))
    monkeypatch.setenv("RIGORKD_GATES", str(tmp_path / "gates"))  # of its own: other tests train meanwhile
    (tmp_path / "clocked.yaml").write_text(PROTOCOL)
    (tmp_path / "nets.py").write_text(NETS)
    done = rigorkd("run", "clocked.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "results").rglob("record.json")]
    assert len(records) == 10
    assert {record["latency_ms"]["shared"] for record in records} == {False}
    assert len({record["latency_ms"]["median"] for record in records}) == 3

    workers = {}
    for path in notes.iterdir():
        lines = [line.split() for line in path.read_text().splitlines()]
        workers[path.name] = [(kind, float(begun), float(ended), of) for kind, begun, ended, of in lines]
    assert len(workers) == 2
    # To build a network of one's own takes one pass of one image; to measure it, eight or more.
    windows = {}
    for worker, passes in workers.items():
        often = Counter(of for kind, _, _, of in passes if kind == "one")
        found = [(begun, ended) for kind, begun, ended, of in passes if kind == "one" and often[of] >= 8]
        if found:
            windows[worker] = found
    assert len(windows) == 1  # the other worker found everything noted
    for worker, found in windows.items():
        assert len(found) >= 3 * 8
        others = [one for name, passes in workers.items() if name != worker for one in passes]
        assert others
        assert not [one for one in others if one[1] < found[-1][1] and found[0][0] < one[2]]
