"""Vanilla knowledge distillation (Hinton, Vinyals & Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from rigorkd.distill.objective import Objective, Targets, Terms
from rigorkd.errors import NotBuiltError
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
    log_student = F.log_softmax(logits.float() / temperature, dim=1)
    log_teacher = F.log_softmax(teacher_logits.float() / temperature, dim=1)
    # F.kl_div(input, target) is KL(target ‖ input).
    if direction == "forward":
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    else:
        divergence = F.kl_div(log_teacher, log_student, reduction="batchmean", log_target=True)
    return divergence * temperature**2 if t_squared else divergence


class KDObjective(Objective):
    """ce_weight · CE + kd_weight · T² · KL(teacher ‖ student)."""

    needs_teacher = True

    def __init__(self, method: KD, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing)
        if not isinstance(method.T, float) or method.ce_weight is None or method.kd_weight is None:
            raise NotBuiltError("kd with a temperature or alpha that changes over the epochs cannot run yet")
        if method.standardize:
            raise NotBuiltError("kd with standardised logits cannot run yet")
        self.temperature = method.T
        self.ce_weight = method.ce_weight
        self.kd_weight = method.kd_weight
        self.direction = method.direction
        self.t_squared = method.t_squared

    def forward(self, logits: Tensor, targets: Targets, teacher_logits: Tensor | None) -> Terms:
        assert teacher_logits is not None
        ce = self.cross_entropy(logits, targets)
        kd = kd_loss(
            logits, teacher_logits, self.temperature, direction=self.direction, t_squared=self.t_squared
        )
        return Terms(total=self.ce_weight * ce + self.kd_weight * kd, ce=ce, kd=kd)
