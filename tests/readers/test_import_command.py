"""`rigorkd import`: the tidy table gives what its source gives."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from rigorkd.cli.analyze import analyze
from rigorkd.cli.import_results import import_results
from rigorkd.cli.table import table
from rigorkd.errors import InputError

WANDB = """"Name","State","Created","seed","method","student","test/acc1","val/acc1","_step"
"kd-s0","finished","2026-10-01T10:00:00Z","0","kd","r8","75.2","75.0","239"
"kd-s1","finished","2026-10-01T11:00:00Z","1","kd","r8","75.6","75.1","239"
"kd-s2","crashed","2026-10-01T12:00:00Z","2","kd","r8","10.4","9.8","7"
"base-s0","finished","2026-10-01T10:00:00Z","0","baseline","r8","72.5","72.1","239"
"base-s1","finished","2026-10-01T11:00:00Z","1","baseline","r8","72.9","72.4","239"
"base-s2","finished","2026-10-01T12:30:00Z","2","baseline","r8","72.3","72.2","239"
"""
WIDE = "cell,method,seed_0,seed_1,seed_2,mean\n-x,baseline,72.5,72.9,72.3,72.6\n=kd,kd,73.5,73.2,73.9,73.5\n"
EPOCHS = "method,seed,epoch,test_acc\n" + "".join(
    f"{method},{seed},{epoch},{70 + gain + epoch + seed * 0.5}\n"
    for method, gain in (("baseline", 0), ("kd", 1))
    for seed in range(3)
    for epoch in range(2)
)


def said(*arguments: str) -> str:
    done = CliRunner().invoke(analyze, [*arguments, "--format", "json"])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("text", "options"),
    [(WANDB, []), (WIDE, []), (EPOCHS, ["--select", "last"]), (EPOCHS, ["--select", "best:test_acc"])],
)
def test_the_imported_table_gives_what_its_source_gives(folder, monkeypatch, text: str, options: list[str]):
    monkeypatch.chdir(folder.path)
    folder.write("source.csv", text)
    done = CliRunner().invoke(import_results, ["source.csv", "--out", "runs.csv", *options])
    assert done.exit_code == 0, done.output
    assert said("runs.csv") == said("source.csv", *options)
    assert json.loads(said("runs.csv"))["families"][0]["comparisons"]


def test_its_header_says_where_everything_came_from(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    folder.write("source.csv", WANDB)
    done = CliRunner().invoke(import_results, ["source.csv"])
    lines = done.stdout.splitlines()
    head = [line for line in lines if line.startswith("#")]
    assert head[0] == "# rigorkd import/1"
    assert "# column cell: columns student, method" in head
    assert "# column status: column 'State'" in head
    assert "# left out: source.csv:4: kd-s2 (crashed): did not finish, and nothing replaces it" in head
    assert "# metric: test/acc1" in head
    rows = list(csv.DictReader(lines[len(head) :]))
    assert [(row["cell"], row["seed"], row["status"]) for row in rows][-1] == ("r8/kd", "2", "missing")
    assert rows[-1]["test/acc1"] == ""


def test_a_dry_run_says_what_is_understood_and_writes_nothing(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    folder.write("source.csv", WIDE)
    done = CliRunner().invoke(import_results, ["source.csv", "--out", "runs.csv", "--dry-run"])
    assert done.stdout.splitlines() == [
        "read: 6 runs, 2 cells, 3 seeds (0 to 2) from source.csv (CSV, one column per seed)",
        "cells: column cell; seed: the headings (one column per seed)",
        "metric: not named; read as accuracy in percent, more is better (--metric NAME changes it)",
        "left out: columns mean: they sum up",
    ]
    assert done.stdout == CliRunner().invoke(analyze, ["source.csv", "--dry-run"]).stdout
    assert not (folder.path / "runs.csv").exists()


def test_a_dry_run_says_what_the_analysis_would_refuse(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    folder.write("twice.csv", "cell,seed,test_top1\na,0,70\na,1,71\nb,0,72\nb,1,73\nb,0,74\n")
    for command in (analyze, import_results):
        done = CliRunner().invoke(command, ["twice.csv", "--dry-run"])
        assert done.stdout.startswith("read: 5 runs, 2 cells, 2 seeds")
        assert isinstance(done.exception, InputError)
        assert "twice.csv:6" in str(done.exception)
        assert "seed" in str(done.exception)


def test_a_layout_of_a_table_with_folds_takes_the_option_that_its_refusal_names(tmp_path):
    rows = [
        f"{method},{seed},{fold},{70 + gain + seed + fold / 10}"
        for method, gain in (("baseline", 0), ("kd", 1))
        for seed in range(2)
        for fold in range(3)
    ]
    path = tmp_path / "folds.csv"
    path.write_text("\n".join(["method,seed,fold,test_acc", *rows]))
    layout = [str(path), "--layout", "gains"]
    refused = CliRunner().invoke(table, layout)
    assert isinstance(refused.exception, InputError)
    assert "--average fold" in str(refused.exception)
    done = CliRunner().invoke(table, [*layout, "--average", "fold"])
    assert done.exit_code == 0, done.output
    assert "1.00" in done.stdout
    alone = CliRunner().invoke(table, [str(path), "--from", "table"])
    assert str(alone.exception).startswith("--from needs a --layout")
