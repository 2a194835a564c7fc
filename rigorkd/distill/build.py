"""From a cell's method to its training objective: one line per method."""

from __future__ import annotations

from collections.abc import Callable

from rigorkd.distill.baseline import BaselineObjective
from rigorkd.distill.ctkd import CTKDObjective
from rigorkd.distill.dist import DISTObjective
from rigorkd.distill.dkd import DKDObjective
from rigorkd.distill.eakd import EAKDObjective
from rigorkd.distill.feature import FeatureObjective
from rigorkd.distill.kd import KDObjective
from rigorkd.distill.lskd import LSKDObjective
from rigorkd.distill.matched_smoothing import MatchedSmoothingObjective
from rigorkd.distill.mlkd import MLKDObjective
from rigorkd.distill.objective import Objective
from rigorkd.distill.own import OwnObjective, Term
from rigorkd.distill.permuted_tail import PermutedTailObjective
from rigorkd.distill.rld import RLDObjective
from rigorkd.distill.taps import Shapes
from rigorkd.protocol.methods import (
    CTKD,
    DIST,
    DKD,
    EAKD,
    KD,
    LSKD,
    MLKD,
    RLD,
    Feature,
    MatchedSmoothing,
    Method,
    Own,
    PermutedTail,
)

__all__ = ["OBJECTIVES", "Shapes", "build_objective"]

OBJECTIVES: dict[type[Method], Callable[..., Objective]] = {
    KD: KDObjective,
    DKD: DKDObjective,
    CTKD: CTKDObjective,
    LSKD: LSKDObjective,
    MLKD: MLKDObjective,
    RLD: RLDObjective,
    DIST: DISTObjective,
    EAKD: EAKDObjective,
    Feature: FeatureObjective,
    MatchedSmoothing: MatchedSmoothingObjective,
    PermutedTail: PermutedTailObjective,
}
"""Called with the method and the label smoothing; with the shapes too where the method needs features."""


def build_objective(
    method: Method, label_smoothing: float = 0.0, shapes: Shapes | None = None, term: Term | None = None
) -> Objective:
    """The objective of a method; `shapes` are for methods that compare features, `term` is the user's own."""
    if not method.distils:
        return BaselineObjective(label_smoothing)
    if isinstance(method, Own):
        assert term is not None, "it is imported before"
        return OwnObjective(method, label_smoothing, term)
    objective = OBJECTIVES[type(method)]
    if method.needs_features:
        assert shapes is not None, "the layers of both networks are looked at before"
        return objective(method, label_smoothing, shapes)
    return objective(method, label_smoothing)
