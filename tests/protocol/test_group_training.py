"""What a group trains otherwise than the protocol says, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigorkd.protocol.group_training import own_training
from rigorkd.protocol.load import load_protocol

PROTOCOL = """\
rigorkd: 1
study: own
dataset: {name: digits, split: {train: 160, val: 100, test: 200}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 3}
teacher: {model: {name: cnn, channels: [16, 16]}}
students: {plain: {model: {name: cnn, channels: [4, 8]}}}
groups:
  main: {baseline: true, kd: {T: 4, alpha: 0.5}GROUP}
  other: {kd: {T: 2, alpha: 0.5}}
seeds: 2
"""


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", None),
        ("epochs: 3", None),
        ("label_smoothing: 0.1", "label_smoothing 0.1 instead of 0"),
        ("epochs: [5, 3]", "epochs 5 or 3 instead of 3"),
        ("batch_size: 8, epochs: 2", "epochs 2 instead of 3; batch_size 8 instead of 16"),
        ("optimizer: {name: adamw, lr: 1e-3}", "lr 0.001 instead of 0.01"),
        ("views: {teacher: clean}", "teacher_view clean instead of same"),
        ("views: {train: [horizontal_flip]}", "views.train"),
    ],
)
def test_a_departure_is_named_with_what_the_protocol_says(
    tmp_path: Path, written: str, said: str | None
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL.replace("GROUP", f", {written}" if written else ""))
    protocol = load_protocol(path)
    found = own_training(protocol.spec, protocol.cells)
    if said is None:
        assert found == ()
        return
    (only,) = found
    assert only.says.startswith(f"group main with {said}")
    assert only.says.endswith(", its baseline too")
