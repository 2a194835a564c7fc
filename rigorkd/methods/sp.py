"""Similarity-preserving distillation (Tung & Mori 2019, arXiv 1907.09682).

Images that are alike to the teacher shall be alike to the student. With the features of a batch of B images
as rows of F, G = F·Fᵀ (B, B), each row brought to length 1:

    ce_weight · CE + kd_weight · Σ over pairs of layers of ‖G_s − G_t‖²_F / B²

Published, and in CRD's RepDistiller, at the last layer before the pooling, with the weights 1 and 3000. The
layers may have any shapes: nothing but images is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.divergences import full
from rigorkd.methods.feature import Layer, Layered

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class SP(Layered):
    """Tung & Mori 2019, similarity preservation."""

    key = "sp"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"crd": {"ce_weight": 1.0, "kd_weight": 3000.0}}
    default_weights = (1.0, 3000.0)
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = ("layer3",)

    def check_feature(self, network: str, layer: str, shape: tuple[int, ...]) -> None:
        """Any shape will do."""

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        total = full(student.logits).new_zeros(())
        for own, theirs in self.pairs():
            difference = similarities(student.features[own]) - similarities(teacher.features[theirs])
            total = total + difference.square().mean()
        return total


def similarities(feature: Tensor) -> Tensor:
    """G (B, B) of a feature (B, …), its rows of length 1."""
    from torch.nn import functional as F

    rows = full(feature).flatten(1)
    return F.normalize(rows @ rows.T, dim=1)
