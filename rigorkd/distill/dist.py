"""DIST: relations within images and within classes (Huang et al. 2022, arXiv 2205.10536).

With Y = softmax(z / τ) and ρ Pearson's correlation:

    ce_weight · CE + τ² · [inter · (1 − mean over images of ρ(rows))
                           + intra · (1 − mean over classes of ρ(columns))]

Published with inter = intra = 2.
"""

from __future__ import annotations

from torch import Tensor

from rigorkd.distill.divergence import log_probabilities
from rigorkd.distill.objective import Distillation, Outputs, Targets
from rigorkd.protocol.methods import DIST


def disagreement(a: Tensor, b: Tensor) -> Tensor:
    """1 − the mean over rows of Pearson's correlation, (). a, b: (n, m); 1e-8 keeps constant rows finite."""
    a = a - a.mean(dim=1, keepdim=True)
    b = b - b.mean(dim=1, keepdim=True)
    correlation = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)
    mean: Tensor = correlation.mean()
    return 1 - mean


class DISTObjective(Distillation):
    """ce_weight · CE + τ² · (inter · inter-class + intra · intra-class disagreement)."""

    def __init__(self, method: DIST, label_smoothing: float = 0.0) -> None:
        super().__init__(method, label_smoothing)
        self.tau, self.inter, self.intra = method.tau, method.inter, method.intra
        self.t_squared = method.t_squared

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        own = log_probabilities(student.logits, self.tau).exp()
        theirs = log_probabilities(teacher.logits, self.tau).exp()
        term = self.inter * disagreement(own, theirs) + self.intra * disagreement(own.T, theirs.T)
        return term * self.tau**2 if self.t_squared else term
