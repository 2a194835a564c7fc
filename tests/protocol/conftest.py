"""A small valid protocol that the tests of this folder change at one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.protocol.load import Protocol, load_protocol

VALID = """\
rigorkd: 1
study: tiny
dataset: {name: digits, split: {train: 600, val: 300, test: 600, seed: 7}}
training:
  optimizer: {name: adamw, lr: 1e-3}
  schedule: cosine
  batch_size: 32
  epochs: 4
teacher: {model: {name: cnn, channels: [16, 32]}}
students:
  small: {model: {name: cnn, channels: [8]}}
  large: {model: {name: cnn, channels: [8, 16]}}
groups:
  main:
    baseline: true
    kd: {T: [1, 4], alpha: [0.1, 0.5]}
seeds: 3
"""


@pytest.fixture
def valid() -> str:
    """The text of a valid protocol: 1 teacher, 2 students × (1 baseline + 4 kd)."""
    return VALID


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Protocol]:
    """Load the valid text with replacements: `load(("epochs: 4", "epochs: 0"))`."""

    def load_changed(*changes: tuple[str, str], text: str = VALID) -> Protocol:
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        file = tmp_path / "tiny.yaml"
        file.write_text(text, encoding="utf-8")
        return load_protocol(file)

    return load_changed
