"""Logit standardisation (Sun et al. 2024, arXiv 2403.01427).

Vanilla distillation on Z = (z − mean) / (1e-7 + std), row by row and for both networks:

    ce_weight · CE + kd_weight · T² · KL(softmax(Z_t / T) ‖ softmax(Z_s / T)),     published with 0.1 and 9.

The term does not change when a row of logits is shifted or scaled: only the order and relative distances of
the teacher's logits are taught.
"""

from __future__ import annotations

from torch import Tensor

from rigorkd.distill.kd import kd_loss
from rigorkd.distill.objective import Distillation, Outputs, Targets
from rigorkd.distill.standardize import standardized
from rigorkd.protocol.methods import LSKD


class LSKDObjective(Distillation):
    """ce_weight · CE + kd_weight · K_T of the standardised logits."""

    def __init__(self, method: LSKD, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.t_squared = method.t_squared

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        return kd_loss(
            standardized(student.logits),
            standardized(teacher.logits),
            self.temperature,
            t_squared=self.t_squared,
        )
