"""The baseline: cross-entropy alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rigorkd.fields import added
from rigorkd.methods.base import Method


class Baseline(Method):
    """Cross-entropy alone.

    `stream` above 0 starts from other weights and sees another order and other augmentations at the same
    seed: a cell equal to the baseline in all but its luck, which shares no batch with the group's others.
    """

    key = "baseline"
    distils = False
    stream: Annotated[int, Field(ge=0)] = added("0.2", 0)
