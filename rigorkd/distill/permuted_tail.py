"""Control: does it matter which wrong classes the teacher finds likely? (arXiv 2603.02430)

Vanilla distillation from a teacher whose logits below its top `keep` classes are permuted, image by image and
anew in every step: confidence and entropy of the softened teacher stay, what it says of the other classes is
lost. ce_weight · CE + kd_weight · T² · KL(permuted teacher ‖ student).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rigorkd.distill.kd import kd_loss
from rigorkd.distill.objective import Distillation, Outputs, Targets
from rigorkd.protocol.methods import PermutedTail


class PermutedTailObjective(Distillation):
    """ce_weight · CE + kd_weight · K_T from a teacher with a permuted tail."""

    def __init__(self, method: PermutedTail, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.keep = method.keep
        self.t_squared = method.t_squared

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        taught = permuted_tail(teacher.logits, self.keep, targets.seed)
        return kd_loss(student.logits, taught, self.temperature, t_squared=self.t_squared)


def permuted_tail(logits: Tensor, keep: int, seed: int) -> Tensor:
    """Logits (B, C) whose top `keep` of every row stay and whose others are permuted, row by row.

    The permutations are a function of the seed, the shape and the device; torch's own generator is not used.
    """
    generator = torch.Generator(logits.device).manual_seed(seed)
    tail = logits.argsort(dim=1, descending=True, stable=True)[:, keep:]
    order = torch.rand(tail.shape, generator=generator, device=logits.device).argsort(dim=1)
    return logits.scatter(1, tail, logits.gather(1, tail.gather(1, order)))
