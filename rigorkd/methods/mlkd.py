"""Multi-level logit distillation (Jin et al. 2023, CVPR).

Both networks see a weak and a strong view. T runs over `temperatures` (4, 3, 5, 2, 6), of which the first
three are for the strong view; K_T is the vanilla term and P = softmax(z / T) of the weak view (B, C):

    ce_weight · (CE_weak + CE_strong)
    + kd_weight · [mean_i m_i · Σ_T K_T,i(weak) + Σ_first K_T(strong) + Σ_others K_T(weak)]
    + kd_weight · Σ_T [Σ_c m_c ‖(P_tᵀP_t − P_sᵀP_s)_c‖² / C + Σ_i m_i ‖(P_tP_tᵀ − P_sP_sᵀ)_i‖² / B]

m_i marks images on which the teacher's top probability (T = 1, weak view) is at most the batch's median, m_c
classes whose probability, summed over the batch, is at most the median over classes. The Gram terms carry no
T². `standardize` acts on the logits of the K_T terms alone.

That is as printed. In the released code the masks multiply terms that are already means over the batch, so
that with `masks: mean` each term is that of all images, or classes, times the share that is marked:

    mean m_i · Σ_T K_T(weak),   mean m_c · ‖P_tᵀP_t − P_sᵀP_s‖² / C,   mean m_i · ‖P_tP_tᵀ − P_sP_sᵀ‖² / B
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rigorkd.fields import Positive, added
from rigorkd.methods.base import Outputs, Targets, Weighted
from rigorkd.methods.divergences import full, kl, log_probabilities, standardized

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


_STRONG = 3  # how many of the temperatures, from the first, the strong view is compared at


class MLKD(Weighted):
    """Jin et al. 2023, multi-level logit distillation; needs a weak and a strong view."""

    key = "mlkd"
    needs_strong = True
    short: ClassVar[dict[str, str]] = {**Weighted.short, "masks": "masks-", "temperatures": "T"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}, "code": {"masks": "mean"}}
    default_weights = (0.1, 0.9)
    temperatures: Annotated[tuple[Positive, ...], Field(min_length=1)] = (4.0, 3.0, 5.0, 2.0, 6.0)
    t_squared: bool = True
    standardize: bool = False
    masks: Literal["each", "mean"] = added("0.2", "each")

    def ce_term(self, objective: Objective, student: Outputs, targets: Targets) -> Tensor:
        assert student.strong is not None, "the cohort shows both views"
        weak, strong = (
            objective.cross_entropy(logits, targets) for logits in (student.logits, student.strong)
        )
        return weak + strong

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        assert student.strong is not None, "the cohort shows both views"
        assert teacher.strong is not None, "the cohort shows both views"
        images, classes = unsure(teacher.logits)
        if self.masks == "mean":
            images, classes = images.mean(), classes.mean()
        total = images.new_zeros(())
        scaled = standardized if self.standardize else full
        weak_s, weak_t = scaled(student.logits), scaled(teacher.logits)
        strong_s, strong_t = scaled(student.strong), scaled(teacher.strong)
        for index, T in enumerate(self.temperatures):
            weak = self._kd(weak_s, weak_t, T)
            strong = self._kd(strong_s, strong_t, T) if index < _STRONG else weak
            total = total + (images * weak).mean() + strong.mean()
            p_s = log_probabilities(student.logits, T).exp()
            p_t = log_probabilities(teacher.logits, T).exp()
            # Row c of the first difference belongs to class c, row i of the second to image i.
            of_classes = (p_t.T @ p_t - p_s.T @ p_s).square().sum(dim=1)
            of_images = (p_t @ p_t.T - p_s @ p_s.T).square().sum(dim=1)
            total = total + (classes * of_classes).mean() + (images * of_images).mean()
        return total

    def _kd(self, logits: Tensor, teacher_logits: Tensor, T: float) -> Tensor:
        """K_T of every image, (B,)."""
        divergence = kl(log_probabilities(teacher_logits, T), log_probabilities(logits, T))
        return divergence * T**2 if self.t_squared else divergence


def unsure(teacher_logits: Tensor) -> tuple[Tensor, Tensor]:
    """The masks m_i (B,) and m_c (C,) as 0 and 1; nothing waits for the device. teacher_logits: (B, C)."""
    import torch

    p = log_probabilities(teacher_logits, 1.0).exp()
    top, summed = p.amax(dim=1), p.sum(dim=0)
    return (
        (top <= torch.quantile(top, 0.5)).to(p.dtype),
        (summed <= torch.quantile(summed, 0.5)).to(p.dtype),
    )
