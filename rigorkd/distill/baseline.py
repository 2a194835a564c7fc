"""The baseline: cross-entropy alone."""

from __future__ import annotations

from rigorkd.distill.objective import Objective, Outputs, Targets, Terms


class BaselineObjective(Objective):
    """Mean cross-entropy over the batch."""

    def forward(self, student: Outputs, targets: Targets, teacher: Outputs | None) -> Terms:
        ce = self.cross_entropy(student.logits, targets)
        return Terms(total=ce, ce=ce, kd=None)
