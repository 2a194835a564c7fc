"""Logit standardisation (Sun et al. 2024, arXiv 2403.01427).

Vanilla distillation on Z = (z − mean) / (1e-7 + std), row by row and for both networks:

    ce_weight · CE + kd_weight · T² · KL(softmax(Z_t / T) ‖ softmax(Z_s / T)),     published with 0.1 and 9.

The term does not change when a row of logits is shifted or scaled: only the order and relative distances of
the teacher's logits are taught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rigorkd.methods.base import Outputs, Targets, Temperature, Weighted
from rigorkd.methods.divergences import standardized
from rigorkd.methods.kd import kd_loss

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class LSKD(Weighted):
    """Sun et al. 2024, logit standardisation."""

    key = "lskd"
    labels: ClassVar[dict[str, str]] = {"T": "T"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"T": 2.0, "ce_weight": 0.1, "kd_weight": 9.0}}
    default_weights = (0.1, 9.0)
    T: Temperature = 2.0
    t_squared: bool = True

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        logits, teacher_logits = standardized(student.logits), standardized(teacher.logits)
        return kd_loss(logits, teacher_logits, objective.temperature, t_squared=self.t_squared)
