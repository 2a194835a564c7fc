"""Cells that the analysis could not judge are named before they are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.protocol.cohorts import lone_cells
from rigorkd.protocol.load import Protocol
from tests.conftest import SHIPPED, shipped

PROTOCOLS = sorted(SHIPPED.rglob("*.yaml"))

Load = Callable[..., Protocol]
KD = "    kd: {T: [1, 4], alpha: [0.1, 0.5]}\n"


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_no_shipped_protocol_has_any(path: Path) -> None:
    assert lone_cells(shipped(path).cells) == ""


@pytest.mark.parametrize(
    ("changes", "number", "first"),
    [
        ([], 0, ""),
        ([("    baseline: true\n", "")], 0, ""),  # all pairs are compared then
        ([(KD, f"{KD}  other:\n{KD}    epochs: 9\n")], 8, "other/small/kd-T1-a0.1"),
        ([(KD, "    kd: {T: 4, lr: [1e-3, 2e-3]}\n")], 2, "main/small/kd-T4-a0.5-lr0.002"),
        ([(KD, "    kd: {T: 4, lr: 2e-3}\n"), ("baseline: true", "baseline: {lr: [1e-3, 2e-3]}")], 0, ""),
    ],
)
def test_each_is_counted_and_the_first_is_named(
    load: Load, changes: list[tuple[str, str]], number: int, first: str
) -> None:
    said = lone_cells(load(*changes).cells)
    assert said.startswith(f"warning: {number} distilled cells without a baseline") if number else said == ""
    assert first in said
