"""Vanilla knowledge distillation (Hinton, Vinyals & Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rigorkd.methods.base import Outputs, Targets, Temperature, Weighted
from rigorkd.methods.divergences import full, standardized

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


def kd_loss(
    logits: Tensor,
    teacher_logits: Tensor,
    temperature: float | Tensor,
    *,
    direction: str = "forward",
    t_squared: bool = True,
) -> Tensor:
    """T² · mean over the batch of KL(teacher ‖ student), summed over classes, in float32.

    logits, teacher_logits: (B, C). `direction="reverse"` computes KL(student ‖ teacher);
    `t_squared=False` leaves the factor T² out. The teacher's logits receive no gradient of their own here:
    they arrive detached from the frozen teacher.
    """
    from torch.nn import functional as F

    log_student = F.log_softmax(full(logits) / temperature, dim=1)
    log_teacher = F.log_softmax(full(teacher_logits) / temperature, dim=1)
    # F.kl_div(input, target) is KL(target ‖ input).
    if direction == "forward":
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    else:
        divergence = F.kl_div(log_teacher, log_student, reduction="batchmean", log_target=True)
    return divergence * temperature**2 if t_squared else divergence


class KD(Weighted):
    """Hinton et al. 2015: ce_weight·CE + kd_weight·T²·KL(teacher‖student)."""

    key = "kd"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"T": 4.0, "alpha": 0.5},
        "crd": {"T": 4.0, "alpha": 0.1},
    }
    T: Temperature = 4.0
    direction: Literal["forward", "reverse"] = "forward"
    t_squared: bool = True
    standardize: bool = False

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        logits, teacher_logits = student.logits, teacher.logits
        if self.standardize:
            logits, teacher_logits = standardized(logits), standardized(teacher_logits)
        return kd_loss(
            logits, teacher_logits, objective.temperature, direction=self.direction, t_squared=self.t_squared
        )
