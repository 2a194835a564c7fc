"""What a protocol file may say, section by section. Parsing only: nothing here reads a file or trains.

Sequences arrive as tuples (see `load`), so that every model is hashable. Short forms (`schedule: cosine`,
`rotation: 15`, `clip_norm: 1.0`) are widened to the full form before validation; groups keep their axes
unexpanded, because what a list means there depends on the key (see `expand`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, create_model, model_validator
from rigorkd_analysis.analysis_plan import unusable

from rigorkd.data.datasets import AnyDataset
from rigorkd.data.operations import Views
from rigorkd.errors import InputError
from rigorkd.fields import (
    Count,
    Finite,
    Frozen,
    Name,
    NonNegative,
    Positive,
    added,
    as_tuple,
    short_form,
    text_or_mapping,
)
from rigorkd.methods.registry import KINDS
from rigorkd.models.model import ModelField, StartField
from rigorkd.protocol.seed_grammar import parse_seeds


def _seeds(value: Any) -> tuple[int, ...]:
    """The grammar of seeds, with its error in the form that pydantic collects."""
    try:
        return parse_seeds(value)
    except InputError as error:
        raise ValueError(f"{error.message} ({error.hint})") from None


def _version(value: Any) -> Any:
    if value is True:  # which Python takes for 1
        raise ValueError("rigorkd must be 1, not true")
    return value


Seeds = Annotated[tuple[int, ...], BeforeValidator(_seeds)]
Beta = Annotated[float, Field(ge=0, lt=1)]

# ------------------------------------------------------------------------------------------- training


class AdamW(Frozen):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    lr: Positive
    weight_decay: NonNegative = 0.01
    betas: tuple[Beta, Beta] = (0.9, 0.999)


class Adam(Frozen):
    """Adam; weight decay is added to the gradient."""

    name: Literal["adam"]
    lr: Positive
    weight_decay: NonNegative = 0.0
    betas: tuple[Beta, Beta] = (0.9, 0.999)


class SGD(Frozen):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    lr: Positive
    weight_decay: NonNegative = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum greater than 0")
        return self


Optimizer = Annotated[AdamW | Adam | SGD, Field(discriminator="name")]


Epochs = Annotated[int, Field(ge=0)]


class Schedule(Frozen):
    """The learning rate over epochs; `min_lr` is the cosine's end, warm-up is linear from lr / (n + 1)."""

    name: Literal["cosine", "constant"] = "cosine"
    min_lr: NonNegative = 0.0
    warmup_epochs: Epochs = 0


class StepSchedule(Frozen):
    """The learning rate times `factor` after each epoch in `at`.

    `multistep` is the same, with its `milestones` and `gamma`.
    """

    name: Literal["step"]
    at: Annotated[tuple[Count, ...], Field(min_length=1)]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    warmup_epochs: Epochs = 0

    @model_validator(mode="after")
    def _rises(self) -> StepSchedule:
        if any(a >= b for a, b in pairwise(self.at)):
            raise ValueError("the epochs of a step schedule must rise")
        if self.at[0] <= self.warmup_epochs:
            raise ValueError(f"the step at {self.at[0]} falls into the {self.warmup_epochs} warm-up epochs")
        return self

    @property
    def min_lr(self) -> float:
        """What the schedules that end at a rate of their own call so: none here."""
        return 0.0


class LinearSchedule(Frozen):
    """The learning rate falls in a straight line, to `min_lr` when the last epoch has ended."""

    name: Literal["linear"]
    min_lr: NonNegative = 0.0
    warmup_epochs: Epochs = 0


class PolynomialSchedule(Frozen):
    """As `linear`, along (1 − the share of the training that is done) to the power of `power`."""

    name: Literal["polynomial"]
    power: Positive
    min_lr: NonNegative = 0.0
    warmup_epochs: Epochs = 0


_MULTISTEP = {"milestones": "at", "gamma": "factor"}


def _schedule(value: Any) -> Any:
    """A schedule by its name alone, without a name, or as other libraries spell it, in the full form."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        return value
    written = {"name": "cosine", **value}
    if written["name"] not in ("step", "multistep"):
        return written
    if twice := [key for key, own in _MULTISTEP.items() if key in written and own in written]:
        raise ValueError(f"{twice[0]} and {_MULTISTEP[twice[0]]} mean the same: give one of them")
    return {**{_MULTISTEP.get(key, key): item for key, item in written.items()}, "name": "step"}


AnySchedule = Annotated[
    Annotated[Schedule | StepSchedule | LinearSchedule | PolynomialSchedule, Field(discriminator="name")],
    BeforeValidator(_schedule),
]


class MovingAverage(Frozen):
    """An exponential moving average of weights and BatchNorm statistics, one step's share being 1 − `decay`.

    It is what is validated, tested and kept; the weights that are trained never see it.
    """

    decay: Annotated[float, Field(gt=0, lt=1)]


class Clip(Frozen):
    """Clip the gradient's L2 norm over all parameters, or parameter tensor by parameter tensor."""

    max: Positive
    per: Literal["global", "layer"] = "global"


class EarlyStopping(Frozen):
    """Stop when the validation monitor has not improved for `patience` epochs."""

    monitor: Literal["objective", "ce", "top1"] = "ce"
    patience: Count


class Training(Frozen):
    """How one model is trained. Also the keys that a group, a teacher or a start may override."""

    optimizer: Optimizer
    schedule: AnySchedule = Schedule()
    batch_size: Count = 128
    epochs: Count
    clip_norm: Annotated[Clip, short_form("max")] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    select: Literal["best_val_top1", "best_val_loss", "best_val_objective", "last"] = "best_val_top1"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    early_stopping: EarlyStopping | None = None
    processes_per_run: Count = 1
    ema: Annotated[MovingAverage, short_form("decay")] | None = added("0.2", None)

    @property
    def needs_objective(self) -> bool:
        """Whether the training objective is computed on the validation images."""
        early = self.early_stopping
        return self.select == "best_val_objective" or (early is not None and early.monitor == "objective")

    def tuned(self, key: str) -> float:
        """The value of one of `TUNING_KEYS`."""
        value: float = getattr(self if key in type(self).model_fields else self.optimizer, key)
        return value


TRAINING_KEYS = tuple(Training.model_fields)
TUNING_KEYS = ("lr", "weight_decay", "label_smoothing")
"""Keys of training or its optimizer that a method's grid may vary: a baseline's tuning on the same budget."""
COHORT_KEYS = ("batch_size", "precision", "processes_per_run")
"""Training keys that the runs of a cohort share."""
SHORT = {
    "batch_size": "bs",
    "clip_norm": "clip",
    "decay": "ema",
    "early_stopping": "es",
    "epochs": "e",
    "label_smoothing": "ls",
    "max": "clip",
    "min_lr": "min",
    "momentum": "m",
    "patience": "es",
    "processes_per_run": "p",
    "warmup_epochs": "w",
    "weight_decay": "wd",
}
"""What a cell's name calls them, and the keys inside them, where that is not the key itself."""

# ------------------------------------------------------------------------------- teachers, students, groups


class _Written(Frozen):
    """Something that may change keys of `training:`; they are checked in full once laid over it."""

    def overrides(self) -> dict[str, Any]:
        """The training keys that were written, as written."""
        return {key: getattr(self, key) for key in TRAINING_KEYS if key in self.model_fields_set}


if TYPE_CHECKING:

    class _Overrides(_Written):
        """The keys of `Training`, each as written."""

else:
    _Overrides = create_model("_Overrides", __base__=_Written, **dict.fromkeys(TRAINING_KEYS, (Any, None)))


DISTILLING = tuple(key for key, kind in KINDS.items() if kind.distils)
"""The methods that need a teacher."""


def _one_teacher(value: Any) -> Any:
    if isinstance(value, tuple | dict):
        raise ValueError("a network has one teacher; declare several as one: both: {mean_of: [a, b]}")
    return value


class _Learning(_Overrides):
    """Something that may itself be distilled: from `teacher`, by one method."""

    teacher: Annotated[str, BeforeValidator(_one_teacher)] | None = None

    def methods(self) -> dict[str, Any]:
        """The methods that were written, as written."""
        return {
            key: getattr(self, key)
            for key in DISTILLING
            if key in self.model_fields_set and getattr(self, key) is not False
        }


if TYPE_CHECKING:

    class _Learner(_Learning):
        """The keys above, and one for every method."""

else:
    _Learner = create_model("_Learner", __base__=_Learning, **dict.fromkeys(DISTILLING, (Any, None)))


class Teacher(_Learner):
    """A teacher: trained per seed, once for all (`per_seed: false`), or used as it is (`train: false`).

    With `teacher` and a method it is distilled from another one first: a teacher assistant, or the next
    generation of its kind.
    """

    model: ModelField
    start: StartField = "random"
    per_seed: bool = True
    train: bool = True
    size: Annotated[int, Field(ge=4)] | None = None

    @model_validator(mode="after")
    def _used_as_it_is(self) -> Teacher:
        learned = [*(["teacher"] if self.teacher is not None else []), *self.methods()]
        if not self.train and (unused := [*self.overrides(), *learned]):
            raise ValueError(f"{', '.join(unused)} cannot be set for a teacher with train: false")
        return self


def _equal_weights(value: Any) -> Any:
    """`[a, b]` is `{a: 1, b: 1}`."""
    if not isinstance(value, tuple):
        return value
    names = [name for name in value if isinstance(name, str)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice} is named twice; give it a weight instead: {{{twice}: 2}}")
    return dict.fromkeys(value, 1.0) if len(names) == len(value) else value


class MeanTeacher(Frozen):
    """Several teachers at once: the mean of their logits, by weights that are brought to a sum of 1."""

    mean_of: Annotated[dict[Name, Positive], Field(min_length=2), BeforeValidator(_equal_weights)]


def _one_or_several(value: Any) -> str:
    several = "mean_of" in value if isinstance(value, dict) else isinstance(value, MeanTeacher)
    return "several" if several else "one"


AnyTeacher = Annotated[
    Annotated[Teacher, Tag("one")] | Annotated[MeanTeacher, Tag("several")], Discriminator(_one_or_several)
]


class Start(_Learner):
    """A start that is itself a run: the student's own model trained on the target, distilled or not."""

    start: Annotated[StartField, Field(alias="from")] = "random"


class Student(Frozen):
    """A student's architecture and its default start."""

    model: ModelField
    start: StartField = "random"


class _Group(_Overrides):
    """Cells that belong together: students × axes × method grids. Lists are axes; `expand` checks them."""

    students: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None = None
    teacher: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None = None
    start: Any = None
    views: Any = None


if TYPE_CHECKING:

    class Group(_Group):
        """The keys above, and one for every method."""

else:
    Group = create_model("Group", __base__=_Group, **dict.fromkeys(KINDS, (Any, None)))


# ------------------------------------------------------------------------------------------- analysis


class TrendSpec(Frozen):
    """A trend's cells: one student of one group, all that differ in `over`; `where` fixes other columns."""

    over: str
    group: str
    student: str | None = None
    where: dict[str, str | bool | float] = Field(default={})


def _widen_contrast(value: Any) -> Any:
    return {"pair": value} if isinstance(value, tuple) else value


_CONTRASTS = ("pair", "trend", "difference_of_gains", "all_of", "weights")


class Contrast(Frozen):
    """One named question about cells: a pair, a trend, a difference of gains, a conjunction, or weights."""

    name: Annotated[str, Field(min_length=1)] | None = None
    pair: tuple[str, str] | None = None
    trend: TrendSpec | None = None
    difference_of_gains: tuple[str, str] | None = None
    all_of: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    weights: Annotated[dict[str, Finite], Field(min_length=2)] | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.pair, self.difference_of_gains, self.all_of))

    @model_validator(mode="after")
    def _one_kind(self) -> Contrast:
        if sum(getattr(self, kind) is not None for kind in _CONTRASTS) != 1:
            raise ValueError(f"give exactly one of {', '.join(_CONTRASTS)}")
        if self.weights is not None and abs(sum(self.weights.values())) > 1e-9:
            raise ValueError("the weights of a contrast must sum to 0")
        if self.weights is not None and not any(self.weights.values()):
            raise ValueError("the weights of a contrast are all 0: nothing would be compared")
        return self

    @property
    def kind(self) -> str:
        """The key that says what is asked: `pair`, `trend`, …"""
        return next(kind for kind in _CONTRASTS if getattr(self, kind) is not None)

    @property
    def difference(self) -> str:
        """Which difference it is, whose sign its verdict is about; "" of weights, and of several together."""
        if self.pair is not None:
            return f"{self.pair[0]} minus {self.pair[1]}"
        if self.difference_of_gains is not None:
            return f"the gain of {self.difference_of_gains[0]} minus that of {self.difference_of_gains[1]}"
        return "" if self.trend is None else f"the change as {self.trend.over} grows"

    @property
    def called(self) -> str:
        """Its name, or what it compares."""
        return self.name or self.difference or f"{self.kind} of {', '.join(self.cells())}"

    def cells(self) -> tuple[str, ...]:
        """Every cell that the contrast names."""
        named = self.pair or self.difference_of_gains or self.all_of or tuple(self.weights or ())
        return tuple(named)


class Sequential(Frozen):
    """Settings of the anytime-valid analysis: the mixture constant c²."""

    c2: Positive = 0.25


class Selection(Frozen):
    """Seeds that only choose among cells; the others confirm."""

    seeds: Seeds


TAKES_A_GAIN = (
    "primary takes one cell, of a student that is distilled, and asks for its gain over its baseline; two "
    "cells are compared under analysis.contrasts: [[one cell, the other]]"
)


def _one_cell(value: Any) -> Any:
    if isinstance(value, tuple | list | dict):
        raise ValueError(TAKES_A_GAIN)
    return value


class Analysis(Frozen):
    """What will be compared, fixed before the results are seen."""

    metric: str = "test_top1"
    secondary: tuple[str, ...] = ()
    goal: Literal["max", "min"] | None = None
    sesoi: Positive | None = None
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    correction: Literal["holm", "bonferroni", "bh", "none"] = "holm"
    joint: bool = False
    contrasts: tuple[Annotated[Contrast, BeforeValidator(_widen_contrast)], ...] = ()
    sequential: Sequential | None = None
    selection: Selection | None = None
    primary: Annotated[str | None, BeforeValidator(_one_cell)] = added("0.2", None)
    test: Literal["paired", "moderated", "unpaired"] = added("0.2", "paired")
    inference: Literal["seeds", "seeds_and_images"] = added("0.2", "seeds")
    looks: tuple[Count, ...] = added("0.2", ())

    @model_validator(mode="after")
    def _can_be_analysed(self) -> Analysis:
        for message, hint in unusable(self.test, self.inference, self.looks, self.correction):
            raise ValueError(f"{message} ({hint})")
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of cells that are compared by their names."""
        return tuple(contrast.pair for contrast in self.contrasts if contrast.pair is not None)


class SeedsByRole(Frozen):
    """More seeds for baselines than for distilled cells, which are then compared without pairing."""

    baseline: Seeds
    distilled: Seeds


# -------------------------------------------------------------------------------------------- the file


class Spec(Frozen):
    """A whole protocol file, parsed."""

    rigorkd: Annotated[Literal[1], BeforeValidator(_version)]
    study: Name
    dataset: Annotated[AnyDataset, short_form("name")]
    views: Views = Views()
    training: Training
    teacher: Teacher | None = None
    teachers: Annotated[dict[Name, AnyTeacher], Field(min_length=1)] | None = None
    starts: dict[Name, Start] = Field(default={})
    students: Annotated[dict[Name, Annotated[Student, short_form("model")]], Field(min_length=1)]
    groups: Annotated[dict[Name, Group], Field(min_length=1)]
    seeds: Annotated[
        Annotated[Seeds, Tag("text")] | Annotated[SeedsByRole, Tag("mapping")], Discriminator(text_or_mapping)
    ] = (0, 1, 2, 3, 4)
    keep_logits: bool = False
    analysis: Analysis = Analysis()

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed at which any cell is run."""
        if isinstance(self.seeds, SeedsByRole):
            return tuple(dict.fromkeys((*self.seeds.baseline, *self.seeds.distilled)))
        return self.seeds

    def named_teachers(self) -> dict[str, Teacher | MeanTeacher]:
        """Teachers by their cell name: `teacher`, or `teacher/<name>`."""
        if self.teacher is not None:
            return {"teacher": self.teacher}
        return {f"teacher/{name}": teacher for name, teacher in (self.teachers or {}).items()}
