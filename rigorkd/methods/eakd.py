"""Entropy-weighted distillation (Su et al. 2025, arXiv 2311.13621).

Images that teacher and student find hard count more. With entropies H (nats) at `entropy_temperature`:

    ce_weight · CE + kd_weight · mean_i[w_i · T² · KL_i],     w_i = ½ (H_t + H_t · H_s / H_ub).

The weights w have no gradient. H_ub is ln C (`log_classes`, the largest entropy there is) or C (`classes`):
released code has the one for ImageNet and the other for CIFAR (`preset: code`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rigorkd.fields import Positive
from rigorkd.methods.base import Outputs, Targets, Temperature, Weighted
from rigorkd.methods.divergences import entropy, kl, log_probabilities

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class EAKD(Weighted):
    """Su et al. 2025, entropy-weighted distillation."""

    key = "eakd"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    short: ClassVar[dict[str, str]] = {
        **Weighted.short,
        "entropy_bound": "bound-",
        "entropy_temperature": "eT",
    }
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"T": 4.0, "alpha": 0.1},
        "code": {"T": 4.0, "alpha": 0.1, "entropy_bound": "classes"},
    }
    default_weights = (0.1, 0.9)
    T: Temperature = 4.0
    entropy_temperature: Positive = 3.0
    entropy_bound: Literal["log_classes", "classes"] = "log_classes"
    t_squared: bool = True

    def image_weights(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """w of every image, (B,), detached."""
        classes = logits.shape[1]
        bound = math.log(classes) if self.entropy_bound == "log_classes" else float(classes)
        own, theirs = (
            entropy(log_probabilities(rows.detach(), self.entropy_temperature))
            for rows in (logits, teacher_logits)
        )
        return (theirs + theirs * own / bound) / 2

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        T = objective.temperature
        divergence = kl(log_probabilities(teacher.logits, T), log_probabilities(student.logits, T))
        term = (self.image_weights(student.logits, teacher.logits) * divergence).mean()
        return term * T**2 if self.t_squared else term
