"""Vanilla knowledge distillation (Hinton, Vinyals & Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from rigorkd.distill.objective import Distillation, Outputs, Targets, full
from rigorkd.distill.standardize import standardized
from rigorkd.protocol.methods import KD


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
    log_student = F.log_softmax(full(logits) / temperature, dim=1)
    log_teacher = F.log_softmax(full(teacher_logits) / temperature, dim=1)
    # F.kl_div(input, target) is KL(target ‖ input).
    if direction == "forward":
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    else:
        divergence = F.kl_div(log_teacher, log_student, reduction="batchmean", log_target=True)
    return divergence * temperature**2 if t_squared else divergence


class KDObjective(Distillation):
    """ce_weight · CE + kd_weight · T² · KL(teacher ‖ student)."""

    def __init__(self, method: KD, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.direction = method.direction
        self.t_squared = method.t_squared
        self.standardize = method.standardize

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        logits, teacher_logits = student.logits, teacher.logits
        if self.standardize:
            logits, teacher_logits = standardized(logits), standardized(teacher_logits)
        return kd_loss(
            logits, teacher_logits, self.temperature, direction=self.direction, t_squared=self.t_squared
        )
