"""What every distillation method has: parameters as a protocol writes them, and the term that they stand for.

One file per method holds both. Neither this file nor those import torch when they are imported, so that a
plan needs none: what they take from it, they import where they use it. `alpha` weights the cross-entropy;
public code disagrees on that, so `ce_weight` and `kd_weight` are accepted too, and all three are filled where
they can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from rigorkd.fields import Count, Finite, Fraction, Frozen, NonNegative, Positive

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective

# --------------------------------------------------------------------------------------- what a term is given


class Targets(NamedTuple):
    """Labels (B,) int64 of a batch; for mixed images also their partners' labels and the own's weight ().

    `seed` is for what a term draws itself: a function of (seed, epoch, step), like everything random.
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


@dataclass(frozen=True)
class Shapes:
    """Shapes, without the batch axis, of the features that a method compares; the seed of its projections."""

    student: Mapping[str, tuple[int, ...]]
    teacher: Mapping[str, tuple[int, ...]]
    seed: int


# ---------------------------------------------------------------------------- values that change over epochs


class Steps(Frozen):
    """A piecewise constant value: `values[i]` from epoch `at[i]` on (epochs count from 1)."""

    at: Annotated[tuple[Count, ...], Field(min_length=1)]
    values: Annotated[tuple[Finite, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _same_length(self) -> Steps:
        if len(self.at) != len(self.values):
            raise ValueError(
                f"at has {len(self.at)} entries and values has {len(self.values)}; they go in pairs"
            )
        if self.at[0] != 1 or any(a >= b for a, b in pairwise(self.at)):
            raise ValueError("at must start at epoch 1 and rise")
        return self


class Ramp(Frozen):
    """A hyper-parameter that changes over the epochs; exactly one shape."""

    linear: tuple[Finite, Finite] | None = None
    cosine: tuple[Finite, Finite] | None = None
    step: Steps | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Ramp:
        if sum(shape is not None for shape in (self.linear, self.cosine, self.step)) != 1:
            raise ValueError("give exactly one of linear, cosine, step")
        return self

    def values(self) -> tuple[float, ...]:
        """Every value that the ramp is anchored at, for range checks."""
        return self.linear or self.cosine or (self.step.values if self.step else ())

    def at(self, epoch: int, epochs: int) -> float:
        """The value at `epoch` (from 1) of `epochs`.

        Linear and half-cosine ramps have their first value in epoch 1 and their second in the last epoch; a
        training of one epoch sees the first.
        """
        if self.step is not None:
            return next(
                value
                for at, value in zip(reversed(self.step.at), reversed(self.step.values), strict=True)
                if epoch >= at
            )
        share = 0.0 if epochs == 1 else (epoch - 1) / (epochs - 1)
        if self.cosine is not None:
            start, end = self.cosine
            return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
        assert self.linear is not None, "a ramp has exactly one shape"
        start, end = self.linear
        return start + (end - start) * share


def _number_or_ramp(value: Any) -> str:
    return "ramp" if isinstance(value, dict | Ramp) else "number"


def _positive_throughout(ramp: Ramp) -> Ramp:
    if min(ramp.values()) <= 0:
        raise ValueError("a temperature must stay greater than 0 over the whole ramp")
    return ramp


def _fraction_throughout(ramp: Ramp) -> Ramp:
    if not all(0 <= value <= 1 for value in ramp.values()):
        raise ValueError("alpha must stay between 0 and 1 over the whole ramp")
    return ramp


Temperature = Annotated[
    Annotated[Positive, Tag("number")] | Annotated[Ramp, AfterValidator(_positive_throughout), Tag("ramp")],
    Discriminator(_number_or_ramp),
]
Weight = Annotated[
    Annotated[Fraction, Tag("number")] | Annotated[Ramp, AfterValidator(_fraction_throughout), Tag("ramp")],
    Discriminator(_number_or_ramp),
]


# ----------------------------------------------------------------------------------------------- the methods


class Method(Frozen):
    """Base of all methods: its fields are the parameters, and `kd_term` what is added to the cross-entropy.

    `labels` maps main parameters to their label in a cell's name, in name order. Others are named where they
    are not at their default, by their key or its `short` form. `least_classes`, `needs_strong` (both networks
    see the strong view too) and `needs_features` are what a protocol must offer. Where it `warms_up`,
    kd_weight grows linearly over the first `warmup` epochs to 1.
    """

    key: ClassVar[str]
    distils: ClassVar[bool] = True
    least_classes: ClassVar[int] = 2
    needs_strong: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    warms_up: ClassVar[bool] = False
    labels: ClassVar[dict[str, str]] = {}
    short: ClassVar[dict[str, str]] = {
        "ce_weight": "ce",
        "standardize": "std",
        "t_squared": "t2",
        "warmup": "w",
    }
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    @property
    def name(self) -> str:
        """What names of cells, records and tables call the method."""
        return self.key

    @property
    def needs_training_logits(self) -> bool:
        """Whether `learn_from` must be called before training."""
        return False

    @property
    def clips_its_own(self) -> bool:
        """Whether the gradients of what the method learns itself are clipped with the student's."""
        return True

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The student's and the teacher's layer of every pair that the method compares."""
        return ()

    def check_feature(self, network: str, layer: str, shape: tuple[int, ...]) -> None:
        """Raise InputError if what a layer of a network gives per image cannot be compared."""

    def misfits(self, classes: int) -> Iterator[tuple[str, str]]:
        """Parameters that do not fit so many classes, each with what is wrong."""
        yield from ()

    def shrunk(self, classes: int) -> Self:
        """The same method for a smoke run on so few classes."""
        return self

    # In training. The objective holds the temperature and weights of the epoch, and whatever is learned.

    def set_up(self, objective: Objective, shapes: Shapes | None) -> None:
        """Give the objective what is learned or kept beside the student: parameters, modules, buffers."""

    def learn_from(self, objective: Objective, teacher_logits: Tensor) -> None:
        """See the teacher's logits (n, C) of the training images in the evaluation view, before training."""

    def columns(self, objective: Objective) -> dict[str, float]:
        """The method's own columns of the history, read at the end of an epoch."""
        return {}

    def ce_term(self, objective: Objective, student: Outputs, targets: Targets) -> Tensor:
        """The unweighted cross-entropy of one batch."""
        return objective.cross_entropy(student.logits, targets)

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        """The unweighted distillation term of one batch, a scalar in float32."""
        raise NotImplementedError


class Weighted(Method):
    """A method of the form ce_weight·CE + kd_weight·term."""

    alpha: Weight | None = None
    ce_weight: NonNegative | None = None
    kd_weight: NonNegative | None = None
    default_weights: ClassVar[tuple[float, float]] = (0.5, 0.5)
    weight_keys: ClassVar[tuple[str, ...]] = ("alpha", "ce_weight", "kd_weight")

    @model_validator(mode="before")
    @classmethod
    def _fill_weights(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        alpha, ce, kd = (data.get(key) for key in cls.weight_keys)
        if alpha is None and ce is None and kd is None:
            ce, kd = cls.default_weights
        if alpha is not None:
            if ce is not None or kd is not None:
                raise ValueError("give alpha or the pair ce_weight and kd_weight, not both")
            if isinstance(alpha, int | float) and not isinstance(alpha, bool):
                ce, kd = float(alpha), round(1.0 - float(alpha), 12)
        elif ce is None or kd is None:
            raise ValueError("give both ce_weight and kd_weight (or alpha alone)")
        elif (ce, kd) == (0, 0) and not isinstance(ce, bool) and not isinstance(kd, bool):
            raise ValueError("ce_weight and kd_weight are both 0: nothing would be learned")
        elif isinstance(ce, int | float) and isinstance(kd, int | float) and abs(ce + kd - 1) < 1e-12:
            alpha = float(ce)
        if (isinstance(ce, float) and ce < 0) or (isinstance(kd, float) and kd < 0):
            ce = kd = None  # alpha is outside [0, 1]; its own limit says so
        return {**data, "alpha": alpha, "ce_weight": ce, "kd_weight": kd}


def loss_weights(method: Method) -> dict[str, float | bool | None]:
    """`ce_weight`, `kd_weight` and `t_squared` of any method: its own, or what its loss implies.

    A weight is that after any warm-up, None if it is a ramp; `t_squared` is None without such a factor.
    """
    implied = {"ce_weight": 1.0, "kd_weight": float(method.distils), "t_squared": None}
    return {key: getattr(method, key, value) for key, value in implied.items()}
