"""One batch of a cohort, shared by all its students."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from rigorkd.methods.base import Targets


class Batch(NamedTuple):
    """Rows (B,) of the training set, shown from position `start` of the epoch on.

    `images` (B, C, S, S) is the training view, `strong` the strong view of the same images where a student
    needs one.
    """

    rows: Tensor
    start: int
    images: Tensor
    strong: Tensor | None
    targets: Targets
