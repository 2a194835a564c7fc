"""Refined logit distillation (Sun et al. 2025, arXiv 2408.07703).

With m the teacher's top class, and p̂ the softmax over the classes that the teacher ranks below the label:

    ce_weight · CE + min(epoch / warmup, 1) · mean[a · T_a² · KL((p_t,m, 1 − p_t,m) ‖ (p_s,y, 1 − p_s,y))
                                                   + b · T² · KL(p̂_t ‖ p̂_s)]

The first part is at temperature T_a, the second at T. An image whose label the teacher ranks last has no
second part. Mixed images weigh the terms of their two labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from rigorkd.fields import NonNegative, Positive
from rigorkd.methods.base import Method, Outputs, Targets, Temperature
from rigorkd.methods.divergences import (
    full,
    kl_among,
    kl_of_pair,
    log_probabilities,
    over_labels,
    split_off,
)

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


def sample_confidence(logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """SCD of every image, (B,), without T_a²: the student's label is to be as sure as the teacher's top."""
    log_teacher = log_probabilities(teacher_logits, temperature)
    return kl_of_pair(
        split_off(log_teacher, log_teacher.argmax(dim=1)),
        split_off(log_probabilities(logits, temperature), labels),
    )


def masked_correlation(logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """MCD of every image, (B,), without T²: over the classes with a smaller teacher logit than the label."""
    teacher_logits = full(teacher_logits)
    below = teacher_logits < teacher_logits.gather(1, labels[:, None])
    return kl_among(teacher_logits / temperature, full(logits) / temperature, below)


class RLD(Method):
    """Sun et al. 2025, refined logit distillation; of two classes none is left to compare below the label."""

    key = "rld"
    least_classes = 3
    warms_up = True
    labels: ClassVar[dict[str, str]] = {"T": "T", "a": "scd", "b": "mcd"}
    short: ClassVar[dict[str, str]] = {**Method.short, "T_a": "Ta"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"T": 4.0, "T_a": 1.0, "a": 1.0, "b": 8.0, "warmup": 20}
    }
    T: Temperature = 4.0
    T_a: Positive = 1.0
    a: NonNegative = 1.0
    b: NonNegative = 8.0
    warmup: Annotated[int, Field(ge=0)] = 20
    ce_weight: NonNegative = 1.0
    t_squared: bool = True

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        T, T_a = objective.temperature, self.T_a
        a, b = (self.a * T_a**2, self.b * T**2) if self.t_squared else (self.a, self.b)

        def of(labels: Tensor) -> Tensor:
            confidence = sample_confidence(student.logits, teacher.logits, labels, T_a)
            correlation = masked_correlation(student.logits, teacher.logits, labels, T)
            return (a * confidence + b * correlation).mean()

        return over_labels(targets, of)
