"""Decoupled knowledge distillation (Zhao et al. 2022, arXiv 2203.08679).

With b = (p_y, 1 − p_y) and p̂ the softmax over the classes other than y, all at temperature T:

    ce_weight · CE + min(epoch / warmup, 1) · T² · mean[a · KL(b_t ‖ b_s) + b · KL(p̂_t ‖ p̂_s)]

Per image, KL(p_t ‖ p_s) = TCKD + (1 − p_t,y) · NCKD, which is vanilla distillation. Mixed images weigh the
terms of their two labels.
"""

from __future__ import annotations

from torch import Tensor

from rigorkd.distill.divergence import (
    is_class,
    kl_among,
    kl_of_pair,
    log_probabilities,
    over_labels,
    split_off,
)
from rigorkd.distill.objective import Distillation, Outputs, Targets, full
from rigorkd.distill.standardize import standardized
from rigorkd.protocol.methods import DKD


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


class DKDObjective(Distillation):
    """ce_weight · CE + warm-up · T² · (a · TCKD + b · NCKD)."""

    warms_up = True

    def __init__(self, method: DKD, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.a, self.b = method.a, method.b
        self.t_squared = method.t_squared
        self.standardize = method.standardize

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        logits, teacher_logits = student.logits, teacher.logits
        if self.standardize:
            logits, teacher_logits = standardized(logits), standardized(teacher_logits)

        def of(labels: Tensor) -> Tensor:
            target, rest = decoupled(logits, teacher_logits, labels, self.temperature)
            return (self.a * target + self.b * rest).mean()

        term = over_labels(targets, of)
        return term * self.temperature**2 if self.t_squared else term
