"""Control: is a gain more than label smoothing? (the supervision controls of arXiv 2603.02430)

Vanilla distillation with the teacher's softened output replaced by a smoothed label of the same entropy:

    ce_weight · CE + kd_weight · T² · mean KL(q ‖ softmax(z_s / T)),     q = (1 − ε) · label + ε / C,

ε such that H(q) = H(softmax(z_t / T)) of the image (`instance`), or its mean over the training images, seen
in the evaluation view (`global`). Mixed images have their mixed label; a teacher surer than that gives ε = 0.

That study's own forms are `average: sorted_softmax`, where the one entropy of `global` is that of the mean of
all softened outputs, each sorted, which is larger than the mean of their entropies; and `peak: teacher`: the
label is the teacher's top class, so that all other classes score alike for mixed images too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from rigorkd.fields import added
from rigorkd.methods.base import Outputs, Ramp, Shapes, Targets, Temperature, Weighted
from rigorkd.methods.divergences import entropy, is_class, log_probabilities

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


_PARTS, _ROUNDS = 16, 9  # ε to 16⁻⁹, which is 1.5e-11


class MatchedSmoothing(Weighted):
    """Control: label smoothing with the entropy of the softened teacher, over the data set or per image."""

    key = "matched_smoothing"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    T: Temperature = 4.0
    short: ClassVar[dict[str, str]] = {**Weighted.short, "peak": "peak-"}
    scope: Literal["global", "instance"] = "instance"
    t_squared: bool = True
    average: Literal["entropies", "sorted_softmax"] = added("0.2", "entropies")
    peak: Literal["label", "teacher"] = added("0.2", "label")

    @model_validator(mode="after")
    def _one_entropy(self) -> MatchedSmoothing:
        if self.scope == "instance" and self.average != "entropies":
            raise ValueError("scope instance averages nothing; average is for scope: global")
        if self.scope == "global" and isinstance(self.T, Ramp):
            raise ValueError("scope global is one entropy for the whole training, so its T cannot change")
        return self

    @property
    def needs_training_logits(self) -> bool:
        return self.scope == "global"

    def set_up(self, objective: Objective, shapes: Shapes | None) -> None:
        import torch

        objective.register_buffer("entropy", torch.full((), torch.nan))  # of scope `global`, once learned

    def learn_from(self, objective: Objective, teacher_logits: Tensor) -> None:
        softened = log_probabilities(teacher_logits, objective.temperature).double()
        if self.average == "sorted_softmax":
            profile = softened.exp().sort(dim=1, descending=True).values.mean(dim=0, keepdim=True)
            found = entropy(profile.log())
        else:
            found = entropy(softened)
        objective.get_buffer("entropy").copy_(found.mean())

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        import torch

        T = objective.temperature
        log_student = log_probabilities(student.logits, T)
        wanted = (
            objective.get_buffer("entropy").expand(len(log_student))
            if self.needs_training_logits
            else entropy(log_probabilities(teacher.logits, T))
        )
        if self.peak == "teacher":
            targets = Targets(teacher.logits.argmax(dim=1))
        with torch.no_grad():
            q = smoothed(targets, wanted, log_student.shape[1]).to(log_student.dtype)
        divergence: Tensor = (torch.special.xlogy(q, q) - q * log_student).sum(dim=1).mean()
        return divergence * T**2 if self.t_squared else divergence


def smoothed(targets: Targets, wanted: Tensor, classes: int) -> Tensor:
    """q (B, classes) in float64 with the entropies `wanted` (B,), in nats, or the label's own if larger."""
    import torch

    wanted = wanted.double()[:, None]
    own = torch.ones_like(wanted)
    label, partner = targets.labels, targets.labels
    if targets.partners is not None and targets.weight is not None:
        partner = targets.partners
        own = torch.where((label == partner)[:, None], own, targets.weight.double())

    def entropy_at(epsilon: Tensor) -> Tensor:
        """H(q) at ε (B, n), which grows with ε: two classes share the label's mass, all others have ε / C."""
        each = epsilon / classes
        first, second = (1 - epsilon) * own + each, (1 - epsilon) * (1 - own) + each
        xlogy = torch.special.xlogy
        negative: Tensor = xlogy(first, first) + xlogy(second, second) + (classes - 2) * xlogy(each, each)
        return -negative

    # Bisection into many parts at once: as few steps, and launches on a GPU, as the precision allows.
    epsilon, width = torch.zeros_like(own), 1.0
    for _ in range(_ROUNDS):
        width /= _PARTS
        candidates = epsilon + width * torch.arange(_PARTS, device=own.device)
        below = (entropy_at(candidates) < wanted).sum(dim=1, keepdim=True)
        epsilon = epsilon + width * (below - 1).clamp(min=0)
    base = own * is_class(label, classes)
    if partner is not label:
        base = base + (1 - own) * is_class(partner, classes)
    return (1 - epsilon) * base + epsilon / classes
