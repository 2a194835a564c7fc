"""Decoupled knowledge distillation (Zhao et al. 2022, arXiv 2203.08679).

With b = (p_y, 1 − p_y) and p̂ the softmax over the classes other than y, all at temperature T:

    ce_weight · CE + min(epoch / warmup, 1) · T² · mean[a · KL(b_t ‖ b_s) + b · KL(p̂_t ‖ p̂_s)]

Per image, KL(p_t ‖ p_s) = TCKD + (1 − p_t,y) · NCKD, which is vanilla distillation. Mixed images weigh the
terms of their two labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from rigorkd.fields import NonNegative
from rigorkd.methods.base import Method, Outputs, Targets, Temperature
from rigorkd.methods.divergences import (
    full,
    is_class,
    kl_among,
    kl_of_pair,
    log_probabilities,
    over_labels,
    split_off,
    standardized,
)

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


def decoupled(
    logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """TCKD and NCKD of every image, both (B,), without T². Logits: (B, C), C > 2; labels: (B,)."""
    target = kl_of_pair(
        split_off(log_probabilities(teacher_logits, temperature), labels),
        split_off(log_probabilities(logits, temperature), labels),
    )
    others = ~is_class(labels, logits.shape[1])
    rest = kl_among(full(teacher_logits) / temperature, full(logits) / temperature, others)
    return target, rest


class DKD(Method):
    """Zhao et al. 2022, decoupled knowledge distillation; undefined for two classes."""

    key = "dkd"
    least_classes = 3
    warms_up = True
    labels: ClassVar[dict[str, str]] = {"T": "T", "a": "tckd", "b": "nckd"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"T": 4.0, "a": 1.0, "b": 8.0, "warmup": 20}}
    T: Temperature = 4.0
    a: NonNegative = 1.0
    b: NonNegative = 8.0
    warmup: Annotated[int, Field(ge=0)] = 20
    ce_weight: NonNegative = 1.0
    t_squared: bool = True
    standardize: bool = False

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        logits, teacher_logits = student.logits, teacher.logits
        if self.standardize:
            logits, teacher_logits = standardized(logits), standardized(teacher_logits)

        def of(labels: Tensor) -> Tensor:
            target, rest = decoupled(logits, teacher_logits, labels, objective.temperature)
            return (self.a * target + self.b * rest).mean()

        term = over_labels(targets, of)
        return term * objective.temperature**2 if self.t_squared else term
