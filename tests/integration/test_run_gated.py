"""`run --gate` trains base and candidate until the gate decides; here by a script that takes no time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

SCRIPT = """
import json, pathlib, random, sys
method, gain, seed, out = sys.argv[1:]
if (method, seed) == ("breaks", "2"):
    sys.exit("no luck")
noise = random.Random(f"{method} {gain} {seed}").gauss(0, 0.4)
found = 70 + float(gain or 0) + noise
(pathlib.Path(out) / "metrics.json").write_text(json.dumps({"accuracy": found}))
"""

PROTOCOL = """\
rigorkd: 1
study: search
trainer: {command: "python train.py {method} {gain} {seed} {out}", metrics: {accuracy: max}}
students: [small]
groups:
  main: {baseline: true, try: {gain: [0, 2, 4]}, breaks: {gain: [3]}}
seeds: 2
analysis: {sesoi: 0.5}
"""
BASE, SAME, TWO, FOUR = "main/small/baseline", *(f"main/small/try-gain{gain}" for gain in (0, 2, 4))


@pytest.fixture
def gate(tmp_path: Path, rigorkd: Rigorkd) -> Rigorkd:
    """`run --gate` of a candidate."""
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "search.yaml").write_text(PROTOCOL)
    return lambda *words: rigorkd("run", "search.yaml", "--jobs", 1, "--gate", *words)


def seeds(folder: Path, cell: str) -> list[int]:
    return sorted(int(path.name[5:]) for path in (folder / "results/search" / cell).glob("seed-*"))


def test_a_better_candidate_is_accepted_and_the_next_has_fresh_seeds(tmp_path: Path, gate: Rigorkd) -> None:
    words = ("--max-seeds", 12, "--ledger", "search.jsonl")
    first = gate(TWO, *words)
    assert first.returncode == 0, first.stderr
    assert "decided, better" in first.stdout
    assert f"{TWO} against {BASE}" in first.stdout
    used = seeds(tmp_path, TWO)
    assert used == seeds(tmp_path, BASE)
    assert 4 <= len(used) < 12
    again = gate(TWO, *words)  # as a job that is started again
    assert again.returncode == 0, again.stderr
    assert seeds(tmp_path, TWO) == used
    second = gate(FOUR, *words)
    assert second.returncode == 0, second.stderr
    assert f"{FOUR} against {TWO}" in second.stdout  # the base of the ledger
    fresh = seeds(tmp_path, FOUR)
    assert not set(fresh) & set(used)
    assert seeds(tmp_path, TWO) == sorted({*used, *fresh})
    assert seeds(tmp_path, BASE) == used
    assert gate(TWO, *words, "--against", BASE).returncode == 2  # its time is over
    entries = [json.loads(line)["kind"] for line in (tmp_path / "search.jsonl").read_text().splitlines()]
    assert entries.count("begin") == 2


def test_a_loser_is_given_up_early(tmp_path: Path, gate: Rigorkd) -> None:
    done = gate(SAME, "--max-seeds", 30, "--margin", 1)
    assert done.returncode in (1, 3), done.stderr
    assert len(seeds(tmp_path, SAME)) < 15
    assert "stopped after" in done.stdout


def test_seeds_that_are_given_may_end_first(tmp_path: Path, gate: Rigorkd) -> None:
    done = gate(TWO, "--max-seeds", 30, "--margin", 1, "--seeds", "0:3")
    assert done.returncode == 3, done.stderr
    assert "stopped after 3 seeds: undecided, and --seeds has no more" in done.stdout


def test_what_cannot_be_decided_is_refused_before_anything_runs(tmp_path: Path, gate: Rigorkd) -> None:
    for words, told in (
        ((TWO, "--max-seeds", 2), "at most 2 seeds can accept nothing"),
        ((TWO, "--max-seeds", 3, "--ledger", "new.jsonl"), "a decision takes 4 seeds at least"),
        (("main/small/try-gain3", "--max-seeds", 9), "no such cell"),
        ((BASE, "--max-seeds", 9), "it has no baseline to be compared with"),
        ((BASE, "--against", BASE, "--max-seeds", 9), "compared with itself"),
        ((TWO, "--max-seeds", 9, "--ledger", "no/new.jsonl"), "there is no folder no"),
        ((TWO, "--max-seeds", 9, "--seeds", "0:2"), "2 seeds to use, and a decision takes 3 at least"),
        ((TWO,), "--max-seeds N"),
        ((TWO, "--max-seeds", 9, "--only", "*"), "leave --only out"),
    ):
        done = gate(*words)
        assert done.returncode == 2, words
        assert told in done.stderr, done.stderr
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "new.jsonl").exists()


def test_the_options_of_a_gate_need_one(tmp_path: Path, gate: Rigorkd, rigorkd: Rigorkd) -> None:
    done = rigorkd("run", "search.yaml", "--margin", 1)
    assert done.returncode == 2
    assert "need --gate CELL" in done.stderr


def test_without_its_runs_nothing_is_decided(tmp_path: Path, gate: Rigorkd) -> None:
    done = gate("main/small/breaks-gain3", "--max-seeds", 9, "--ledger", "search.jsonl")
    assert done.returncode == 3
    assert "main/small/breaks-gain3/seed-2" in done.stderr
    assert not (tmp_path / "search.jsonl").exists()


def test_smoke_runs_decide_nothing(tmp_path: Path, gate: Rigorkd) -> None:
    (tmp_path / "search.yaml").write_text(
        PROTOCOL.replace("metrics:", 'smoke: "python train.py {method} {gain} {seed} {out}", metrics:')
    )
    done = gate(FOUR, "--max-seeds", 9, "--smoke", "--ledger", "search.jsonl")
    assert done.returncode == 2
    assert "no ledger takes them" in done.stderr
    done = gate(FOUR, "--max-seeds", 9, "--smoke")
    assert done.returncode == 3
    assert "smoke runs decide nothing" in done.stdout


def test_the_study_is_judged_by_the_gate_as_well(tmp_path: Path, gate: Rigorkd, rigorkd: Rigorkd) -> None:
    assert gate(FOUR, "--max-seeds", 12).returncode == 0
    done = rigorkd("gate", BASE, FOUR, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["metric"], found["margin"]) == ("accuracy", 0.5)
    looks = (tmp_path / "results/search/looks.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in looks][-1] == found["n"]


TRAINED = """\
rigorkd: 1
study: lengths
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 1}
students: {plain: {model: {name: cnn, channels: [8, 8]}}}
groups: {main: {epochs: [1, 12, 2], baseline: true}}
"""


@pytest.mark.slow
def test_the_engine_trains_for_a_gate(tmp_path: Path, rigorkd: Rigorkd) -> None:
    (tmp_path / "lengths.yaml").write_text(TRAINED)
    short, long = "main/plain/baseline-e1", "main/plain/baseline-e12"
    words = ("run", "lengths.yaml", "--gate", long, "--against", short, "--max-seeds", 12)
    done = rigorkd(*words, "--ledger", "search.jsonl", "--margin", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "better by more than 1.00 points" in done.stdout
    study = tmp_path / "results" / "lengths"
    assert not (study / "main/plain/baseline-e2").exists()
    assert rigorkd("gate", short, long, "--ledger", "search.jsonl").returncode == 0
