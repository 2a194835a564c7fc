"""Terms as a user would write them: a function of labels and of the epoch, and a module with parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def weighed(
    student: Tensor, teacher: Tensor, labels: Tensor, epoch: int, epochs: int, T: float, power: float = 1.0
) -> Tensor:
    """Squared differences of logits, weighed by what the teacher gives the label, louder every epoch."""
    sure = F.softmax(teacher / T, dim=1).gather(1, labels[:, None]).squeeze(1) ** power
    return (sure * (student - teacher).square().mean(dim=1)).mean() * epoch / epochs


def plain(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Hinton's term, as most people write it."""
    log_p, p = F.log_softmax(student / T, dim=1), F.softmax(teacher / T, dim=1)
    return F.kl_div(log_p, p, reduction="batchmean") * T**2


class Translated(nn.Module):
    """A linear map of the student's logits, learned with it, is what should be the teacher's."""

    def __init__(self, classes: int, bias: bool = True) -> None:
        super().__init__()
        self.map = nn.Linear(classes, classes, bias=bias)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return F.mse_loss(self.map(student), teacher)


class Centred(nn.Module):
    """Squared differences of logits, from which a running mean of the student's is taken."""

    mean: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(classes))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * student.detach().mean(dim=0)
        return F.mse_loss(student - self.mean, teacher)
