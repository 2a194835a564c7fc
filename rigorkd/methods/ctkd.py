"""Curriculum temperature, global (Li et al. 2023, arXiv 2211.16231).

The temperature T = T_min + T_range · sigmoid(θ) is learned against the student: θ, which starts at 1, is in
the optimiser with the student's weights, and its gradient, through T² and both softmaxes, is multiplied by

    λ_e = ½ (1 + cos(π · min(e, warmup) / warmup)) − 1,     from 0 to −1 over the first epochs e.

The loss is ce_weight · CE + kd_weight · T² · KL(teacher ‖ student).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from rigorkd.fields import Count, Positive
from rigorkd.methods.base import Outputs, Shapes, Targets, Weighted
from rigorkd.methods.kd import kd_loss

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class CTKD(Weighted):
    """Li et al. 2023, curriculum temperature, global."""

    key = "ctkd"
    labels: ClassVar[dict[str, str]] = {"alpha": "a"}
    short: ClassVar[dict[str, str]] = {**Weighted.short, "T_min": "Tmin", "T_range": "Trange"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"alpha": 0.1, "warmup": 10}}
    default_weights = (0.1, 0.9)
    T_min: Positive = 1.0
    T_range: Positive = 20.0
    warmup: Count = 10
    t_squared: bool = True

    def set_up(self, objective: Objective, shapes: Shapes | None) -> None:
        import torch

        objective.theta = torch.nn.Parameter(torch.ones(()))

    def learned(self, objective: Objective) -> Tensor:
        """The temperature as it now is, ()."""
        return self.T_min + self.T_range * objective.get_parameter("theta").sigmoid()

    def columns(self, objective: Objective) -> dict[str, float]:
        return {"temperature": self.learned(objective).item()}

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        temperature = scaled_gradient(self.learned(objective), reversal(objective.epoch, self.warmup))
        return kd_loss(student.logits, teacher.logits, temperature, t_squared=self.t_squared)


def reversal(epoch: int, warmup: int) -> float:
    """λ of an epoch (from 1): what the gradient of the temperature is multiplied by."""
    return (1 + math.cos(math.pi * min(epoch, warmup) / warmup)) / 2 - 1


def scaled_gradient(value: Tensor, scale: float) -> Tensor:
    """The value itself, to the last bit, whose gradient is multiplied by a number."""
    fixed = value.detach()
    return fixed + (value - fixed) * scale
