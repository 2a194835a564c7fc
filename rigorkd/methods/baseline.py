"""The baseline: cross-entropy alone."""

from __future__ import annotations

from rigorkd.methods.base import Method


class Baseline(Method):
    """Cross-entropy alone."""

    key = "baseline"
    distils = False
