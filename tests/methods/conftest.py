"""The two images on which every published form was computed by hand, and how to ask an objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rigorkd.methods.base import Method, Outputs, Shapes, Targets
from rigorkd.methods.feature import Feature
from rigorkd.methods.objective import Objective
from rigorkd.methods.registry import METHODS

STUDENT = torch.tensor([[2.0, 1.0, 0.1, -1.0], [0.5, 2.5, 0.0, 1.0]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 0.5, 0.2, -2.0], [0.1, 1.0, -0.5, 2.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1])
TARGETS = Targets(LABELS)
CE = 0.407169
"""The mean cross-entropy of STUDENT."""

OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "kd": ({"direction": "reverse", "standardize": True},),
    "dkd": ({"standardize": True},),
    "mlkd": ({"standardize": True}, {"masks": "mean"}),
    "matched_smoothing": ({"peak": "teacher"},),
}
LOGIT_METHODS: tuple[Method, ...] = tuple(
    kind.model_validate({**({"warmup": 0} if kind.warms_up else {}), **options})
    for key, kind in METHODS.items()
    if kind.distils and not kind.needs_features
    for options in ({}, *OPTIONS.get(key, ()))
)
"""Every method that compares logits, at its defaults and with its options."""

FEATURE = Feature(layers=("map", "vector"), cosine=0.5)
SHAPES = Shapes({"map": (2, 4, 4), "vector": (3,)}, {"map": (3, 2, 2), "vector": (2,)}, seed=5)


def label(method: Method) -> str:
    """A method's key and what is not its default, as a test's name."""
    changed = method.model_dump(exclude_defaults=True, exclude={"alpha", "ce_weight", "kd_weight", "warmup"})
    return "-".join([method.key, *changed])


def objective_of(method: Method) -> Objective:
    """The method's objective, in float64."""
    return Objective(method, shapes=SHAPES).double()


def term_of(
    method: Method,
    student: Tensor = STUDENT,
    teacher: Tensor = TEACHER,
    targets: Targets = TARGETS,
    epoch: int = 1,
    epochs: int = 1,
) -> Tensor:
    """The unweighted distillation term of a method that compares logits; the strong view is the weak one."""
    objective = objective_of(method)
    objective.begin_epoch(epoch, epochs)
    return objective.term(Outputs(student, student), targets, Outputs(teacher, teacher))


def features(shapes: Mapping[str, tuple[int, ...]], seed: int, images: int = 2) -> dict[str, Tensor]:
    """Random features of these shapes in float64."""
    generator = torch.Generator().manual_seed(seed)
    return {
        layer: torch.randn(images, *shape, generator=generator, dtype=torch.float64)
        for layer, shape in shapes.items()
    }


def objective_between(
    method: Method, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]
) -> Objective:
    """The objective of a method that compares these layers."""
    sides = ({name: tuple(layer.shape[1:]) for name, layer in side.items()} for side in (student, teacher))
    return Objective(method, shapes=Shapes(*sides, seed=1)).double()


def layers_term(method: Method, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
    """What it says of them."""
    objective = objective_between(method, student, teacher)
    return objective.term(Outputs(STUDENT, None, student), TARGETS, Outputs(TEACHER, None, teacher))
