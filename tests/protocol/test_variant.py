"""`--set KEY=VALUE --study NAME`: another protocol from one, its text kept but for what is set."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import InputError
from rigorkd.protocol.load import load_protocol, variant_of
from rigorkd.protocol.tree import parse
from rigorkd.protocol.variant import variant

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

TEXT = """\
rigorkd: 1
study: whole   # of all
dataset: {name: digits, split: {val: 100, test: 200}}
training:
  # the usual
  optimizer: {name: adamw, lr: 1e-3}   # small
  epochs: 30
  clip_norm:
students: {a: cnn}
groups:
  main:
    baseline: true
    kd: [{T: 4}, {T: 8}]
  v1.5: {baseline: true}
"""

CHANGES = [
    ("training.epochs=2", "  epochs: 30", "  epochs: 2"),
    ("training.optimizer.lr=0.5", "lr: 1e-3}   # small", "lr: 0.5}   # small"),
    ("training.optimizer={name: sgd, lr: 1}", "{name: adamw, lr: 1e-3}   #", "{name: sgd, lr: 1}   #"),
    ("training.batch_size=8", "  # the usual\n  optimizer", "  # the usual\n  batch_size: 8\n  optimizer"),
    ("training.schedule.name=constant", "  optimizer", "  schedule: {name: constant}\n  optimizer"),
    ("training.clip_norm=1.0", "  clip_norm:\n", "  clip_norm: 1.0\n"),
    ("dataset.label_noise=0.2", "{name: digits", "{label_noise: 0.2, name: digits"),
    ("groups.main.kd.1.T=[2, 16]", "{T: 8}", "{T: [2, 16]}"),
    ("groups.v1.5.epochs=3", "v1.5: {", "v1.5: {epochs: 3, "),
    (
        "groups.main={baseline: true}",
        "\n    baseline: true\n    kd: [{T: 4}, {T: 8}]\n",
        "\n    {baseline: true}\n",
    ),
    ("seeds=3", "rigorkd: 1\n", "seeds: 3\nrigorkd: 1\n"),
    ("keep_logits = true", "rigorkd: 1\n", "keep_logits: true\nrigorkd: 1\n"),
]


@pytest.mark.parametrize(("change", "before", "after"), CHANGES, ids=[change for change, *_ in CHANGES])
def test_what_is_set_is_changed_and_nothing_else(change: str, before: str, after: str) -> None:
    assert TEXT.count(before) == 1
    expected = TEXT.replace(before, after).replace("study: whole   #", "study: part   #")
    found = variant(TEXT, [change], "part")
    assert found == expected
    assert parse(found).plain()["study"] == "part"


def test_several_changes_are_made_in_turn() -> None:
    found = parse(variant(TEXT, ["training.epochs=2", "training.epochs=3", "seeds=2"], "part")).plain()
    assert (found["training"]["epochs"], found["seeds"]) == (3, 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("training.epochs", "not KEY=VALUE"),
        ("=3", "not KEY=VALUE"),
        ("training..epochs=3", "not KEY=VALUE"),
        ("training.epochs=", "not KEY=VALUE"),
        ("training.epochs={", "is no value"),
        ("training.epochs=1\nseeds: 3", "several lines"),
        ("dataset.split.val=1, test: 3", "cannot stand there"),
        ("training.epochs.more=3", "training.epochs is 30, which has no keys"),
        ("groups.main.kd.2.T=3", "groups.main.kd is a list of 2"),
    ],
)
def test_what_cannot_be_set_is_told(change: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        variant(TEXT, [change], "part")
    assert caught.value.hint
    with pytest.raises(InputError, match="the protocol's own name"):
        variant(TEXT, [], "whole")


def test_a_variant_is_a_study_of_its_own(protocol_file: Path, rigorkd: Rigorkd) -> None:
    """Kept as it was run, so that it is read and repeated without the options."""
    only = ("--seeds", "1", "--only", "short/plain/baseline")
    line = ("--set", "groups.short.epochs=1", "--study", "shorter")
    done = rigorkd("run", protocol_file, *line, *only)
    assert done.returncode == 0, done.stderr
    study = protocol_file.parent / "results" / "shorter"
    (kept,) = (study / ".protocols").glob("*.yaml")
    assert load_protocol(kept).cell("short/plain/baseline").training.epochs == 1
    assert kept.read_bytes() == variant_of(protocol_file, ["groups.short.epochs=1"], "shorter")
    assert "nothing to train" in rigorkd("run", protocol_file, *line, *only).stdout
    assert "all as committed" in rigorkd("verify").stdout
    assert not (study.parent / "tiny").exists()


def test_a_variant_without_a_name_or_with_a_wrong_key_is_refused(
    protocol_file: Path, rigorkd: Rigorkd
) -> None:
    for command in ("run", "plan"):
        nameless = rigorkd(command, protocol_file, "--set", "training.epochs=2")
        assert nameless.returncode == 2
        assert (
            "--set training.epochs=2: this is another study than the protocol's, and has no name"
            in nameless.stderr
        )
        assert "--study NAME" in nameless.stderr
    wrong = rigorkd("plan", protocol_file, "--set", "training.epoch=2", "--study", "other")
    assert wrong.returncode == 2
    assert "with --set training.epoch=2 --study other: " in wrong.stderr
    assert "did you mean 'epochs'?" in wrong.stderr
