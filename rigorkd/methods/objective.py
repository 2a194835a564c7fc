"""The training objective of any method: what student and teacher say of a batch in; weighted terms out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.methods.base import Method, Outputs, Ramp, Shapes, Targets
from rigorkd.methods.divergences import full


class Terms(NamedTuple):
    """Scalar tensors of one batch: the loss that is differentiated, and its unweighted parts."""

    total: Tensor
    ce: Tensor
    kd: Tensor | None


class Objective(nn.Module):
    """ce_weight · CE + kd_weight · term, where the method gives the term; CE alone if it does not distil.

    A module, so that what a method learns (a temperature, projections) is optimised, clipped and checkpointed
    together with the student. `temperature`, `ce_weight` and `kd_weight` are the method's, at their values of
    the epoch; `temperature` is unset for a method without T. `own` is the user's function or module, and
    `own_takes` the names of its parameters.
    """

    temperature: float
    epoch: int
    epochs: int
    own_takes: frozenset[str] = frozenset()

    def __init__(
        self,
        method: Method,
        label_smoothing: float = 0.0,
        shapes: Shapes | None = None,
        own: Callable[..., Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.method, self.label_smoothing, self.own = method, label_smoothing, own
        self.needs_teacher, self.needs_strong = method.distils, method.needs_strong
        self.needs_training_logits = method.needs_training_logits
        self.student_layers = tuple(dict.fromkeys(layer for layer, _ in method.pairs()))
        self.teacher_layers = tuple(dict.fromkeys(layer for _, layer in method.pairs()))
        self._T: float | Ramp | None = getattr(method, "T", None)
        self._alpha: float | Ramp | None = getattr(method, "alpha", None)
        self.ce_weight: float = getattr(method, "ce_weight", None) or 0.0
        kd_weight: float | None = getattr(method, "kd_weight", 1.0)
        self.kd_weight: float = kd_weight or 0.0
        self._warmup: int = getattr(method, "warmup", 0) if method.warms_up else 0
        self.begin_epoch(1, 1)
        method.set_up(self, shapes)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Set what changes over the `epochs` of a training; `epoch` counts from 1."""
        self.epoch, self.epochs = epoch, epochs
        if self._T is not None:
            self.temperature = self._T.at(epoch, epochs) if isinstance(self._T, Ramp) else self._T
        if isinstance(self._alpha, Ramp):
            self.ce_weight = self._alpha.at(epoch, epochs)
            self.kd_weight = 1.0 - self.ce_weight
        if self._warmup:
            self.kd_weight = min(epoch / self._warmup, 1.0)

    def columns(self) -> dict[str, float]:
        """The method's own columns of the history, read at the end of an epoch."""
        changing = {}
        if isinstance(self._T, Ramp):
            changing["temperature"] = self.temperature
        if isinstance(self._alpha, Ramp):
            changing["alpha"] = self.ce_weight
        return {**changing, **self.method.columns(self)}

    def learn_from(self, teacher_logits: Tensor) -> None:
        """See the teacher's logits (n, C) of the training images in the evaluation view, before training."""
        self.method.learn_from(self, teacher_logits)

    def cross_entropy(self, logits: Tensor, targets: Targets) -> Tensor:
        """Mean cross-entropy in float32, weighted over the two labels of mixed images. logits: (B, C)."""
        own = F.cross_entropy(full(logits), targets.labels, label_smoothing=self.label_smoothing)
        if targets.partners is None or targets.weight is None:
            return own
        partner = F.cross_entropy(full(logits), targets.partners, label_smoothing=self.label_smoothing)
        return targets.weight * own + (1 - targets.weight) * partner

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        """The unweighted distillation term of one batch, a scalar in float32."""
        return self.method.kd_term(self, student, targets, teacher)

    def forward(self, student: Outputs, targets: Targets, teacher: Outputs | None) -> Terms:
        """Terms of one batch."""
        ce = self.method.ce_term(self, student, targets)
        if not self.method.distils:
            return Terms(total=ce, ce=ce, kd=None)
        assert teacher is not None, "a distilled run always has a teacher"
        kd = self.term(student, targets, teacher)
        return Terms(total=self.ce_weight * ce + self.kd_weight * kd, ce=ce, kd=kd)
