"""Distillation methods as a protocol writes them: parameters, limits, presets, and how a cell is named.

Losses live in `rigorkd.distill`, one file per method; here is only what a protocol may say. `alpha` weights
the cross-entropy; public code disagrees on that, so `ce_weight` and `kd_weight` are accepted too, and all
three are filled where they can be.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from rigorkd.protocol.base import Count, Finite, Fraction, Frozen, NonNegative, Positive, text_or_mapping
from rigorkd.protocol.catalog import is_own_model


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


class Method(Frozen):
    """Base of all methods. `labels` maps main parameters to their label in a cell's name, in name order.

    `least_classes`, `needs_strong` (both networks see the strong view too) and `needs_features` are what a
    protocol must offer.
    """

    key: ClassVar[str]
    distils: ClassVar[bool] = True
    least_classes: ClassVar[int] = 2
    needs_strong: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    labels: ClassVar[dict[str, str]] = {}
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    @property
    def name(self) -> str:
        """What names of cells, records and tables call the method."""
        return self.key


def loss_weights(method: Method) -> dict[str, float | bool | None]:
    """`ce_weight`, `kd_weight` and `t_squared` of any method: its own, or what its loss implies.

    A weight is that after any warm-up, None if it is a ramp; `t_squared` is None without such a factor.
    """
    implied = {"ce_weight": 1.0, "kd_weight": float(method.distils), "t_squared": None}
    return {key: getattr(method, key, value) for key, value in implied.items()}


class Baseline(Method):
    """Cross-entropy alone."""

    key = "baseline"
    distils = False


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


class KD(Weighted):
    """Hinton et al. 2015: ce_weight·CE + kd_weight·T²·KL(teacher‖student)."""

    key = "kd"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"T": 4.0, "alpha": 0.5},
        "crd": {"T": 4.0, "alpha": 0.1},
    }
    T: Temperature = 4.0
    direction: Literal["forward", "reverse"] = "forward"
    t_squared: bool = True
    standardize: bool = False


class DKD(Method):
    """Zhao et al. 2022, decoupled knowledge distillation; undefined for two classes."""

    key = "dkd"
    least_classes = 3
    labels: ClassVar[dict[str, str]] = {"T": "T", "a": "tckd", "b": "nckd"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"T": 4.0, "a": 1.0, "b": 8.0, "warmup": 20}}
    T: Temperature = 4.0
    a: NonNegative = 1.0
    b: NonNegative = 8.0
    warmup: Annotated[int, Field(ge=0)] = 20
    ce_weight: NonNegative = 1.0
    t_squared: bool = True
    standardize: bool = False


class CTKD(Weighted):
    """Li et al. 2023, curriculum temperature, global."""

    key = "ctkd"
    labels: ClassVar[dict[str, str]] = {"alpha": "a"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"alpha": 0.1, "warmup": 10}}
    default_weights = (0.1, 0.9)
    T_min: Positive = 1.0
    T_range: Positive = 20.0
    warmup: Count = 10
    t_squared: bool = True


class LSKD(Weighted):
    """Sun et al. 2024, logit standardisation."""

    key = "lskd"
    labels: ClassVar[dict[str, str]] = {"T": "T"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"T": 2.0, "ce_weight": 0.1, "kd_weight": 9.0}}
    default_weights = (0.1, 9.0)
    T: Temperature = 2.0
    t_squared: bool = True


class MLKD(Weighted):
    """Jin et al. 2023, multi-level logit distillation; needs a weak and a strong view."""

    key = "mlkd"
    needs_strong = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}}
    default_weights = (0.1, 0.9)
    temperatures: Annotated[tuple[Positive, ...], Field(min_length=1)] = (4.0, 3.0, 5.0, 2.0, 6.0)
    t_squared: bool = True
    standardize: bool = False


class RLD(Method):
    """Sun et al. 2025, refined logit distillation; of two classes none is left to compare below the label."""

    key = "rld"
    least_classes = 3
    labels: ClassVar[dict[str, str]] = {"T": "T", "a": "scd", "b": "mcd"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"T": 4.0, "T_a": 1.0, "a": 1.0, "b": 8.0, "warmup": 20}
    }
    T: Temperature = 4.0
    T_a: Positive = 1.0
    a: NonNegative = 1.0
    b: NonNegative = 8.0
    warmup: Annotated[int, Field(ge=0)] = 20
    ce_weight: NonNegative = 1.0
    t_squared: bool = True


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


class EAKD(Weighted):
    """Su et al. 2025, entropy-weighted distillation."""

    key = "eakd"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"T": 4.0, "alpha": 0.1}}
    default_weights = (0.1, 0.9)
    T: Temperature = 4.0
    entropy_temperature: Positive = 3.0
    entropy_bound: Literal["log_classes", "classes"] = "log_classes"
    t_squared: bool = True


class LayerPair(Frozen):
    """One hooked layer of the student and the teacher's layer that it should imitate."""

    student: str
    teacher: str


Layer = Annotated[
    Annotated[str, Tag("text")] | Annotated[LayerPair, Tag("mapping")], Discriminator(text_or_mapping)
]


class Feature(Weighted):
    """FitNets line: MSE after a bias-free 1×1 projection, plus a cosine term of the pooled features."""

    key = "feature"
    needs_features = True
    labels: ClassVar[dict[str, str]] = {"alpha": "a"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "capacity": {"layers": ("layer1", "layer2", "layer3", "layer4"), "cosine": 0.5}
    }
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    )
    cosine: NonNegative = 0.5

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The student's and the teacher's layer of every pair."""
        return tuple(
            (layer, layer) if isinstance(layer, str) else (layer.student, layer.teacher)
            for layer in self.layers
        )


class MatchedSmoothing(Weighted):
    """Control: label smoothing with the entropy of the softened teacher, over the data set or per image."""

    key = "matched_smoothing"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    T: Temperature = 4.0
    scope: Literal["global", "instance"] = "instance"
    t_squared: bool = True

    @model_validator(mode="after")
    def _one_entropy(self) -> MatchedSmoothing:
        if self.scope == "global" and isinstance(self.T, Ramp):
            raise ValueError("scope global is one entropy for the whole training, so its T cannot change")
        return self


class PermutedTail(Weighted):
    """Control: the teacher's probabilities below its top `keep` classes are permuted."""

    key = "permuted_tail"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a", "keep": "keep"}
    T: Temperature = 4.0
    keep: Count = 1
    t_squared: bool = True


def _function(value: str) -> str:
    if not is_own_model(value):
        raise ValueError("term must be module:function, as in losses:matching for a function of losses.py")
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("an argument of a term of one's own is a number, text, true or false")
    if isinstance(value, str) and len(value) > 40:
        raise ValueError(
            "text for a term of one's own is part of cells' names, so it has at most 40 characters"
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)  # 2 and 2.0 are one value to the hash, so the function sees one, too
    return value


INPUTS = ("student", "teacher", "labels", "epoch", "epochs")
"""What a term of one's own is called with, beside its temperature and its arguments."""


class Own(Weighted):
    """A term from a file of the user's own, `module:function`.

    `args` is not written out: every key that is not below is an argument of the function.
    """

    key = "own"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    term: Annotated[str, AfterValidator(_function)]
    T: Temperature | None = None
    args: dict[str, Annotated[str | bool | int | Finite, BeforeValidator(_scalar)]] = Field(default={})

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.term.partition(":")[2]

    def __hash__(self) -> int:
        return hash((self.term, self.alpha, self.ce_weight, self.T, tuple(sorted(self.args))))


METHODS: dict[str, type[Method]] = {
    method.key: method
    for method in (
        Baseline,
        KD,
        DKD,
        CTKD,
        LSKD,
        MLKD,
        RLD,
        DIST,
        EAKD,
        Feature,
        MatchedSmoothing,
        PermutedTail,
    )
}
"""The methods that rigorkd has."""

KINDS: dict[str, type[Method]] = {**METHODS, Own.key: Own}
"""Every key under which a group may write the grid of a method."""
