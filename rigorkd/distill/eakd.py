"""Entropy-weighted distillation (Su et al. 2025, arXiv 2311.13621).

Images that teacher and student find hard count more. With entropies H (nats) at `entropy_temperature`:

    ce_weight · CE + kd_weight · mean_i[w_i · T² · KL_i],     w_i = ½ (H_t + H_t · H_s / H_ub).

The weights w have no gradient. H_ub is ln C (`log_classes`, the largest entropy there is) or C (`classes`):
released code has both.
"""

from __future__ import annotations

import math

from torch import Tensor

from rigorkd.distill.divergence import entropy, kl, log_probabilities
from rigorkd.distill.objective import Distillation, Outputs, Targets
from rigorkd.protocol.methods import EAKD


class EAKDObjective(Distillation):
    """ce_weight · CE + kd_weight · K_T, every image weighted by the entropies of both networks."""

    def __init__(self, method: EAKD, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.entropy_temperature = method.entropy_temperature
        self.entropy_bound = method.entropy_bound
        self.t_squared = method.t_squared

    def weights(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """w of every image, (B,), detached."""
        classes = logits.shape[1]
        bound = math.log(classes) if self.entropy_bound == "log_classes" else float(classes)
        own, theirs = (
            entropy(log_probabilities(rows.detach(), self.entropy_temperature))
            for rows in (logits, teacher_logits)
        )
        return (theirs + theirs * own / bound) / 2

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        T = self.temperature
        divergence = kl(log_probabilities(teacher.logits, T), log_probabilities(student.logits, T))
        term = (self.weights(student.logits, teacher.logits) * divergence).mean()
        return term * T**2 if self.t_squared else term
