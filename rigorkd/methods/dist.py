"""DIST: relations within images and within classes (Huang et al. 2022, arXiv 2205.10536).

With Y = softmax(z / τ) and ρ Pearson's correlation:

    ce_weight · CE + τ² · [inter · (1 − mean over images of ρ(rows))
                           + intra · (1 − mean over classes of ρ(columns))]

Published with inter = intra = 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rigorkd.fields import NonNegative, Positive
from rigorkd.methods.base import Method, Outputs, Targets
from rigorkd.methods.divergences import log_probabilities

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


def disagreement(a: Tensor, b: Tensor) -> Tensor:
    """1 − the mean over rows of Pearson's correlation, (). a, b: (n, m); 1e-8 keeps constant rows finite."""
    a = a - a.mean(dim=1, keepdim=True)
    b = b - b.mean(dim=1, keepdim=True)
    correlation = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)
    mean: Tensor = correlation.mean()
    return 1 - mean


class DIST(Method):
    """Huang et al. 2022, inter- and intra-class relations."""

    key = "dist"
    labels: ClassVar[dict[str, str]] = {"tau": "tau"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"cifar": {"tau": 4.0}, "imagenet": {"tau": 1.0}}
    tau: Positive = 4.0
    inter: NonNegative = 2.0
    intra: NonNegative = 2.0
    ce_weight: NonNegative = 1.0
    t_squared: bool = True

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        own = log_probabilities(student.logits, self.tau).exp()
        theirs = log_probabilities(teacher.logits, self.tau).exp()
        term = self.inter * disagreement(own, theirs) + self.intra * disagreement(own.T, theirs.T)
        return term * self.tau**2 if self.t_squared else term
