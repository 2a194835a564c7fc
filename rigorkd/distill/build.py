"""From a cell's method to its training objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rigorkd.distill.baseline import BaselineObjective
from rigorkd.distill.kd import KDObjective
from rigorkd.distill.objective import Objective
from rigorkd.errors import NotBuiltError
from rigorkd.protocol.methods import KD, Baseline, Method

_OBJECTIVES: dict[type[Method], Callable[..., Objective]] = {KD: KDObjective}


@dataclass(frozen=True)
class Shapes:
    """Shapes, without the batch axis, of the features that a method compares; the seed of its projections."""

    student: Mapping[str, tuple[int, ...]]
    teacher: Mapping[str, tuple[int, ...]]
    seed: int


def build_objective(method: Method, label_smoothing: float = 0.0, shapes: Shapes | None = None) -> Objective:
    """The objective of a method; `shapes` are for methods that compare features.

    Raises NotBuiltError for a method that this version cannot train.
    """
    if isinstance(method, Baseline):
        return BaselineObjective(label_smoothing)
    if type(method) in _OBJECTIVES:
        return _OBJECTIVES[type(method)](method, label_smoothing)
    raise NotBuiltError(f"the method {method.key!r} cannot run yet")
