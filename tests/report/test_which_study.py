"""Which study is meant is said where none is named, and advice names it: later another may be the newest."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rigorkd.cli.main import cli
from rigorkd.records.layout import StudyFolder

from .conftest import PROTOCOL

BASE, KD = "main/plain/baseline", "main/plain/kd-T4-a0.5"
GAINS = {BASE: (81.0, 82.0, 80.0, 82.0, 80.5), "main/plain/kd-T1-a0.5": (83.1, 84.2, 82.0, 84.1, 82.7)}
FELL = {**GAINS, KD: (82.9, 83.0, 70.5, 83.4, 82.2)}
GUESSED = {**GAINS, KD: (82.9, 83.0, 9.5, 83.4, 82.2)}


@pytest.fixture
def folder(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two studies, of which `one` is older, and has a log of a run."""
    text = PROTOCOL.replace("study: made", "study: {}")
    made(tmp_path, FELL, text=text.replace("{}", "one", 1))
    made(
        tmp_path,
        {cell: (*row, row[0] + 0.1) for cell, row in FELL.items()},
        text=text.replace("{}", "two", 1),
    )
    log = StudyFolder(tmp_path / "results" / "one").run_log(f"{KD}/seed-2")
    log.parent.mkdir(parents=True)
    log.write_text("loss is nan\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words: str) -> Result:
    done = CliRunner().invoke(cli, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    "words",
    [["analyze"], ["analyze", "--format", "json"], ["status", "--format", "json"], ["table"], ["report"]],
)
def test_the_newest_study_is_named_where_it_is_meant(folder: Path, words: list[str]) -> None:
    said = "note: results/two: the newest of 2 studies\n"
    done = command(*words)
    assert said in done.stderr
    assert "the newest of" not in done.stdout
    if "json" in words:
        assert json.loads(done.stdout)["study"] == "two"
    named = command(words[0], "results/two", *words[1:])
    assert "the newest of" not in named.stderr
    assert command(*words, "--results", "results").stderr.count(said) == 1


def test_a_study_alone_needs_no_name(folder: Path) -> None:
    (folder / "results" / "two").rename(folder / "two")
    assert "note:" not in command("analyze").stderr


def test_advice_to_look_at_a_log_works_when_another_study_is_the_newest(folder: Path) -> None:
    shown = " ".join(command("analyze", "one").stdout.split())
    (advice,) = re.findall(r"`(rigorkd logs .*?)`", shown)
    words = [f"{KD}/seed-2" if word == "RUN" else word for word in shlex.split(advice)[1:]]
    assert "loss is nan" in command(*words).stdout


def test_runs_that_learnt_nothing_are_looked_at_in_their_study(made, folder: Path) -> None:
    made(folder, GUESSED, text=PROTOCOL.replace("study: made", "study: guess"))
    (text,) = [
        one
        for one in json.loads(command("analyze", "guess", "--format", "json").stdout)["warnings"]
        if one.startswith("no better than guessing")
    ]
    assert text.endswith("is believed (`rigorkd logs RUN --study guess`)")
    rows = [f"{cell},{seed},{top1}" for cell, row in GUESSED.items() for seed, top1 in enumerate(row)]
    table = "\n".join(["method,seed,test_top1,classes", *(f"{row},10" for row in rows)])
    Path("runs.csv").write_text(f"{table}\n".replace(BASE, "baseline"))
    told = command("analyze", "runs.csv", "--format", "json").stdout
    assert "no better than guessing" in told
    assert "rigorkd logs" not in told, "nothing keeps the logs of a table's runs"
