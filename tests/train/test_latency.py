"""One latency per architecture, and for each what was really measured."""

from __future__ import annotations

from rigorkd.protocol.schema import Model
from rigorkd.train.latency import architecture_key


def key(precision: str = "fp32", size: int | None = None) -> str:
    return architecture_key(Model(name="cnn"), (1, 3, 32, 32), 10, "CPU", precision=precision, size=size)


def test_precision_and_image_size_are_part_of_what_is_measured() -> None:
    assert key() == key()
    assert len({key(), key("bf16"), key(size=64)}) == 3
