"""What a training objective is: student logits, targets and teacher logits in; weighted terms out.

An objective is a module, so that a method with parameters of its own (a learned temperature, projections)
has them optimised, clipped and checkpointed together with the student.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class Terms(NamedTuple):
    """Scalar tensors of one batch: the loss that is differentiated, and its unweighted parts."""

    total: Tensor
    ce: Tensor
    kd: Tensor | None


class Objective(nn.Module):
    """Base of all objectives. `needs_teacher` says whether `teacher_logits` may be None."""

    needs_teacher = False

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in float32. logits: (B, C), targets: (B,) int64."""
        return F.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing)

    def forward(self, logits: Tensor, targets: Tensor, teacher_logits: Tensor | None) -> Terms:
        """Terms of one batch. logits, teacher_logits: (B, C); targets: (B,) int64."""
        raise NotImplementedError
