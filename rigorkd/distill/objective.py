"""What a training objective is: what student and teacher say of a batch in; weighted terms out.

An objective is a module, so that a method with parameters of its own (a learned temperature, projections)
has them optimised, clipped and checkpointed together with the student. It asks for what it needs by class
attributes: a teacher, a strong view, features of named layers, the teacher's logits of the training set.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.distill.ramp import value_at
from rigorkd.protocol.methods import Method, Ramp


class Terms(NamedTuple):
    """Scalar tensors of one batch: the loss that is differentiated, and its unweighted parts."""

    total: Tensor
    ce: Tensor
    kd: Tensor | None


class Targets(NamedTuple):
    """Labels (B,) int64 of a batch; for mixed images also their partners' labels and the own's weight ().

    `seed` is for what an objective draws itself: a function of (seed, epoch, step), like everything random.
    """

    labels: Tensor
    partners: Tensor | None = None
    weight: Tensor | None = None
    seed: int = 0


class Outputs(NamedTuple):
    """What a network says of a batch: logits (B, C), those of the strong view (B, C), features by layer.

    Features are what the layer gave, usually (B, channels, H, W), in the compute dtype.
    """

    logits: Tensor
    strong: Tensor | None = None
    features: Mapping[str, Tensor] = MappingProxyType({})


def full(tensor: Tensor) -> Tensor:
    """At least float32: losses are computed in full precision whatever the compute dtype."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


class Objective(nn.Module, ABC):
    """Base of all objectives.

    `needs_teacher` says whether `teacher` may be None, `needs_strong` whether both networks must also see the
    strong view, `needs_training_logits` whether `learn_from` is called before training; `student_layers` and
    `teacher_layers` name the modules whose outputs are wanted as features.
    """

    needs_teacher = False
    needs_strong = False
    needs_training_logits = False
    student_layers: tuple[str, ...] = ()
    teacher_layers: tuple[str, ...] = ()

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Set what changes over the `epochs` of a training; `epoch` counts from 1."""

    def columns(self) -> dict[str, float]:
        """The method's own columns of the history, read at the end of an epoch."""
        return {}

    def learn_from(self, teacher_logits: Tensor) -> None:
        """See the teacher's logits (n, C) of the training images in the evaluation view, before training."""

    def cross_entropy(self, logits: Tensor, targets: Targets) -> Tensor:
        """Mean cross-entropy in float32, weighted over the two labels of mixed images. logits: (B, C)."""
        own = F.cross_entropy(full(logits), targets.labels, label_smoothing=self.label_smoothing)
        if targets.partners is None or targets.weight is None:
            return own
        partner = F.cross_entropy(full(logits), targets.partners, label_smoothing=self.label_smoothing)
        return targets.weight * own + (1 - targets.weight) * partner

    @abstractmethod
    def forward(self, student: Outputs, targets: Targets, teacher: Outputs | None) -> Terms:
        """Terms of one batch."""


class Distillation(Objective):
    """ce_weight · CE + kd_weight · term, where a subclass gives the term.

    Weights and temperature are the method's, at their values of the epoch where they are ramps. Where
    `warms_up`, kd_weight grows linearly over the method's first `warmup` epochs to 1. `temperature` is unset
    for a method without T.
    """

    needs_teacher = True
    warms_up = False
    temperature: float

    def __init__(self, method: Method, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing)
        self._T: float | Ramp | None = getattr(method, "T", None)
        self._alpha: float | Ramp | None = getattr(method, "alpha", None)
        self.ce_weight: float = getattr(method, "ce_weight", None) or 0.0
        kd_weight: float | None = getattr(method, "kd_weight", 1.0)
        self.kd_weight: float = kd_weight or 0.0
        self._warmup: int = getattr(method, "warmup", 0) if self.warms_up else 0
        self.begin_epoch(1, 1)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        self.epoch = epoch
        if self._T is not None:
            self.temperature = value_at(self._T, epoch, epochs)
        if isinstance(self._alpha, Ramp):
            self.ce_weight = value_at(self._alpha, epoch, epochs)
            self.kd_weight = 1.0 - self.ce_weight
        if self._warmup:
            self.kd_weight = min(epoch / self._warmup, 1.0)

    def columns(self) -> dict[str, float]:
        own = {}
        if isinstance(self._T, Ramp):
            own["temperature"] = self.temperature
        if isinstance(self._alpha, Ramp):
            own["alpha"] = self.ce_weight
        return own

    @abstractmethod
    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        """The distillation term of one batch, a scalar in float32."""

    def forward(self, student: Outputs, targets: Targets, teacher: Outputs | None) -> Terms:
        assert teacher is not None, "a distilled run always has a teacher"
        ce = self.cross_entropy(student.logits, targets)
        kd = self.term(student, targets, teacher)
        return Terms(total=self.ce_weight * ce + self.kd_weight * kd, ce=ce, kd=kd)
