"""`run --until-decided` adds seeds by itself, stops by itself, and says why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: lengths
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 1}
students: {plain: {model: {name: cnn, channels: [8, 8]}}}
groups: {main: {epochs: [1, 12], baseline: true}}
analysis:
  contrasts: [{pair: [main/plain/baseline-e12, main/plain/baseline-e1], name: longer is better}]
"""


@pytest.fixture
def lengths(tmp_path: Path) -> Path:
    path = tmp_path / "lengths.yaml"
    path.write_text(PROTOCOL)
    return path


def test_it_stops_when_everything_is_decided(lengths: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("run", lengths, "--until-decided", "--max-seeds", 10)
    assert done.returncode == 0, done.stderr
    assert "every planned comparison is decided" in done.stdout
    study = lengths.parent / "results" / "lengths"
    n = len(list(study.glob("main/plain/baseline-e1/seed-*")))
    assert 4 <= n < 10
    assert f"stopped after {n} seeds" in done.stdout
    named = "“longer is better” (main/plain/baseline-e12 minus main/plain/baseline-e1)"
    assert f"{named}: better, decided at " in " ".join(done.stdout.split())
    looks = [json.loads(line)["n"] for line in (study / "looks.jsonl").read_text().splitlines()]
    assert looks == list(range(4, n + 1))


def test_it_stops_at_the_most_seeds_that_it_was_allowed(lengths: Path, rigorkd: Rigorkd) -> None:
    same = PROTOCOL.replace("epochs: [1, 12]", "epochs: [1, 2]").replace("e12", "e2")
    lengths.write_text(same.replace("epochs: 1}", "epochs: 1, schedule: constant}"))
    done = rigorkd("run", lengths, "--until-decided", "--max-seeds", 2)
    assert done.returncode == 0, done.stderr
    assert "stopped at --max-seeds 2: 1 planned comparison still undecided" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--until-decided"], ["--max-seeds", "5"], ["--until-decided", "--max-seeds", "3", "--seeds", "4"]],
)
def test_half_a_request_is_refused(lengths: Path, rigorkd: Rigorkd, arguments: list[str]) -> None:
    done = rigorkd("run", lengths, *arguments)
    assert done.returncode == 2
    assert "--max-seeds" in done.stderr
    assert not (lengths.parent / "results").exists()


def test_runs_that_are_not_paired_cannot_be_added_until_decided(lengths: Path, rigorkd: Rigorkd) -> None:
    lengths.write_text(PROTOCOL.replace("analysis:", "analysis:\n  test: unpaired"))
    done = rigorkd("run", lengths, "--until-decided", "--max-seeds", 10)
    assert done.returncode == 2
    assert "pairs runs by seed" in done.stderr
    assert not (lengths.parent / "results").exists()
