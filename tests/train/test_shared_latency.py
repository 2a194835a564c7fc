"""One latency of an architecture, whoever measures it first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from rigorkd.train import latency
from rigorkd.train.latency import Latency, shared_latency

OURS = Latency(median=2.0, q25=1.0, q75=3.0, n=5)
THEIRS = replace(OURS, median=2.5)


def ask(cache: Path) -> Latency:
    return shared_latency(cache, nn.Flatten(), torch.zeros(1, 1, 2, 2))


def test_of_two_measured_at_once_the_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "key.json"

    def while_another_measures(*_: object) -> Latency:
        monkeypatch.setattr(latency, "measure", lambda *_: THEIRS)
        assert ask(cache) == THEIRS
        return OURS

    monkeypatch.setattr(latency, "measure", while_another_measures)
    assert ask(cache) == THEIRS
    assert ask(cache) == THEIRS
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_a_damaged_note_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "key.json"
    cache.write_text("{torn")
    monkeypatch.setattr(latency, "measure", lambda *_: OURS)
    assert ask(cache) == OURS
    assert ask(cache) == OURS
