"""Curriculum temperature, global (Li et al. 2023, arXiv 2211.16231).

The temperature T = T_min + T_range · sigmoid(θ) is learned against the student: θ, which starts at 1, is in
the optimiser with the student's weights, and its gradient, through T² and both softmaxes, is multiplied by

    λ_e = ½ (1 + cos(π · min(e, warmup) / warmup)) − 1,     from 0 to −1 over the first epochs e.

The loss is ce_weight · CE + kd_weight · T² · KL(teacher ‖ student).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from rigorkd.distill.kd import kd_loss
from rigorkd.distill.objective import Distillation, Outputs, Targets
from rigorkd.protocol.methods import CTKD


class CTKDObjective(Distillation):
    """Vanilla distillation with an adversarially learned temperature; the history shows it."""

    def __init__(self, method: CTKD, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.T_min, self.T_range, self.warmup = method.T_min, method.T_range, method.warmup
        self.t_squared = method.t_squared
        self.theta = nn.Parameter(torch.ones(()))

    def learned(self) -> Tensor:
        """The temperature as it now is, ()."""
        return self.T_min + self.T_range * torch.sigmoid(self.theta)

    def columns(self) -> dict[str, float]:
        return {**super().columns(), "temperature": self.learned().item()}

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        temperature = _ScaleGradient.apply(self.learned(), reversal(self.epoch, self.warmup))
        return kd_loss(student.logits, teacher.logits, temperature, t_squared=self.t_squared)


def reversal(epoch: int, warmup: int) -> float:
    """λ of an epoch (from 1): what the gradient of the temperature is multiplied by."""
    return (1 + math.cos(math.pi * min(epoch, warmup) / warmup)) / 2 - 1


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.scale, None
