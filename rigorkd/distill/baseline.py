"""The baseline: cross-entropy alone."""

from __future__ import annotations

from torch import Tensor

from rigorkd.distill.objective import Objective, Targets, Terms


class BaselineObjective(Objective):
    """Mean cross-entropy over the batch."""

    def forward(self, logits: Tensor, targets: Targets, teacher_logits: Tensor | None) -> Terms:
        ce = self.cross_entropy(logits, targets)
        return Terms(total=ce, ce=ce, kd=None)
