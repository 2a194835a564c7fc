"""From a cell's method to its training objective."""

from __future__ import annotations

from rigorkd.distill.baseline import BaselineObjective
from rigorkd.distill.kd import KDObjective
from rigorkd.distill.objective import Objective
from rigorkd.errors import NotBuiltError
from rigorkd.protocol.methods import KD, Baseline, Method


def build_objective(method: Method, label_smoothing: float = 0.0) -> Objective:
    """The objective of a method. Raises NotBuiltError for one that this version cannot train."""
    if isinstance(method, Baseline):
        return BaselineObjective(label_smoothing)
    if isinstance(method, KD):
        return KDObjective(method, label_smoothing)
    raise NotBuiltError(f"the method {method.key!r} cannot run yet")
