"""A study of four runs on 64 real digits, launched in seconds, with or without somebody who follows it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rigorkd.launch.launch import LaunchOptions, launch
from rigorkd.protocol.load import load_protocol
from rigorkd.track.tracker import MakeTracker

PROTOCOL = """\
rigorkd: 1
study: followed
dataset: {name: digits, split: {train: 64, val: 40, test: 40, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 2}
teacher: {model: {name: cnn, channels: [4]}}
students: {s: {model: {name: cnn, channels: [2]}}}
groups: {main: {baseline: true, kd: {T: [1, 4]}}}
seeds: 1
"""


def launch_followed(folder: Path, tracker: MakeTracker | None) -> tuple[Path, str]:
    """Launch the protocol on one worker; the study's folder and what was printed."""
    (folder / "followed.yaml").write_text(PROTOCOL)
    out = io.StringIO()
    options = LaunchOptions(seeds=(0,), results=folder / "results", device="cpu", jobs=1, tracker=tracker)
    outcome = launch(load_protocol(folder / "followed.yaml"), options, Console(file=out, width=200))
    assert not outcome.failed
    return outcome.study.path, out.getvalue()


@pytest.fixture(scope="session")
def launched() -> Callable[[Path, MakeTracker | None], tuple[Path, str]]:
    return launch_followed


@pytest.fixture(scope="session")
def plain_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study by a launch that nobody followed. Do not change it."""
    study, said = launch_followed(tmp_path_factory.mktemp("untracked"), None)
    assert "track" not in said
    assert not (study / ".tracking").exists()
    return study
