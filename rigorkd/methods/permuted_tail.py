"""Control: does it matter which wrong classes the teacher finds likely? (arXiv 2603.02430)

Vanilla distillation from a teacher whose logits below its top `keep` classes are permuted, image by image and
anew in every step: confidence and entropy of the softened teacher stay, what it says of the other classes is
lost. ce_weight · CE + kd_weight · T² · KL(permuted teacher ‖ student).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Self

from rigorkd.fields import Count
from rigorkd.methods.base import Outputs, Targets, Temperature, Weighted
from rigorkd.methods.kd import kd_loss

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class PermutedTail(Weighted):
    """Control: the teacher's probabilities below its top `keep` classes are permuted."""

    key = "permuted_tail"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a", "keep": "keep"}
    T: Temperature = 4.0
    keep: Count = 1
    t_squared: bool = True

    def misfits(self, classes: int) -> Iterator[tuple[str, str]]:
        if self.keep > classes - 2:
            yield "keep", f"keep {self.keep} of {classes} classes leaves nothing to permute"

    def shrunk(self, classes: int) -> Self:
        return self.model_copy(update={"keep": max(1, min(self.keep, classes - 2))})

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        taught = permuted_tail(teacher.logits, self.keep, targets.seed)
        return kd_loss(student.logits, taught, objective.temperature, t_squared=self.t_squared)


def permuted_tail(logits: Tensor, keep: int, seed: int) -> Tensor:
    """Logits (B, C) whose top `keep` of every row stay and whose others are permuted, row by row.

    The permutations are a function of the seed, the shape and the device; torch's own generator is not used.
    """
    import torch

    generator = torch.Generator(logits.device).manual_seed(seed)
    tail = logits.argsort(dim=1, descending=True, stable=True)[:, keep:]
    order = torch.rand(tail.shape, generator=generator, device=logits.device).argsort(dim=1)
    return logits.scatter(1, tail, logits.gather(1, tail.gather(1, order)))
