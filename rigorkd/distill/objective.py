"""What a training objective is: student logits, targets and teacher logits in; weighted terms out.

An objective is a module, so that a method with parameters of its own (a learned temperature, projections)
has them optimised, clipped and checkpointed together with the student.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class Terms(NamedTuple):
    """Scalar tensors of one batch: the loss that is differentiated, and its unweighted parts."""

    total: Tensor
    ce: Tensor
    kd: Tensor | None


class Targets(NamedTuple):
    """Labels (B,) int64 of a batch; for mixed images also their partners' labels and the own's weight ()."""

    labels: Tensor
    partners: Tensor | None = None
    weight: Tensor | None = None


class Objective(nn.Module, ABC):
    """Base of all objectives. `needs_teacher` says whether `teacher_logits` may be None."""

    needs_teacher = False

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def cross_entropy(self, logits: Tensor, targets: Targets) -> Tensor:
        """Mean cross-entropy in float32, weighted over the two labels of mixed images. logits: (B, C)."""
        own = F.cross_entropy(logits.float(), targets.labels, label_smoothing=self.label_smoothing)
        if targets.partners is None or targets.weight is None:
            return own
        partner = F.cross_entropy(logits.float(), targets.partners, label_smoothing=self.label_smoothing)
        return targets.weight * own + (1 - targets.weight) * partner

    @abstractmethod
    def forward(self, logits: Tensor, targets: Targets, teacher_logits: Tensor | None) -> Terms:
        """Terms of one batch. logits, teacher_logits: (B, C)."""
