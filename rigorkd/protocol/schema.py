"""What a protocol file may say, section by section. Parsing only: nothing here reads a file or trains.

Sequences arrive as tuples (see `load`), so that every model is hashable. Short forms (`schedule: cosine`,
`rotation: 15`, `clip_norm: 1.0`) are widened to the full form before validation; groups keep their axes
unexpanded, because what a list means there depends on the key (see `expand`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, create_model, model_validator

from rigorkd.errors import InputError
from rigorkd.fields import (
    Count,
    Finite,
    Fraction,
    Frozen,
    Name,
    NonNegative,
    Positive,
    text_or_mapping,
)
from rigorkd.methods.registry import KINDS
from rigorkd.models.catalog import CNN, CNN_CHANNELS
from rigorkd.protocol.seeds import parse_seeds


def _short(key: str) -> BeforeValidator:
    """Accept the bare value of one key in place of the mapping: `cosine` for `{name: cosine}`."""

    def widen(value: Any) -> Any:
        return {key: value} if isinstance(value, str | int | float | tuple) else value

    return BeforeValidator(widen)


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


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

# ----------------------------------------------------------------------------------------------- data


class Split(Frozen):
    """Sizes of the split, and the seed that draws it. `per_seed` draws a new split for every run seed."""

    train: Count | None = None
    val: Count
    test: Count | None = None
    seed: Annotated[int, Field(ge=0)] | Literal["per_seed"] = 0
    per_class: bool = False


class _DataBase(Frozen):
    split: Split
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0


class _FilesBase(_DataBase):
    root: Annotated[str, Field(min_length=1)] = "data"


class _PublishedBase(_FilesBase):
    download: bool = False


class _DecodedBase(_FilesBase):
    """Image files, decoded once to an array in `cache` (`<root>/.rigorkd` if it is not given)."""

    cache: Annotated[str, Field(min_length=1)] | None = None


class _ResizedBase(_DecodedBase):
    """Image files of any size, stored as squares of `resolution` pixels.

    `fit: crop` resizes the shorter side and keeps the central square, `squash` resizes the whole image to the
    square whatever its aspect ratio.
    """

    resolution: Annotated[int, Field(ge=4)] = 256
    fit: Literal["crop", "squash"] = "crop"


class Digits(_DataBase):
    """scikit-learn's digits: 1,797 grey 8×8 images, 10 classes, embedded. `split.test` must be given."""

    name: Literal["digits"]


class Cifar10(_PublishedBase):
    """CIFAR-10 through torchvision: 50,000 + 10,000 images of 32×32."""

    name: Literal["cifar10"]


class Cifar100(_PublishedBase):
    """CIFAR-100 through torchvision, with its 100 fine or 20 coarse labels."""

    name: Literal["cifar100"]
    labels: Literal["fine", "coarse"] = "fine"


class Synthetic(_DataBase):
    """A learnable source of any shape and size, drawn from `seed`."""

    name: Literal["synthetic"]
    size: Annotated[int, Field(ge=4)] = 16
    channels: Literal[1, 3] = 3
    classes: Annotated[int, Field(ge=2)] = 10
    images: Count = 1024
    test_images: Count = 512
    noise: NonNegative = 0.5
    seed: Annotated[int, Field(ge=0)] = 0


class Pets(_PublishedBase, _ResizedBase):
    """Oxford-IIIT Pets: 37 classes."""

    name: Literal["oxford_pets"]


class Cars(_PublishedBase, _ResizedBase):
    """Stanford Cars: 196 classes."""

    name: Literal["stanford_cars"]


class TinyImageNet(_PublishedBase, _DecodedBase):
    """Tiny ImageNet: 200 classes of 64×64 images."""

    name: Literal["tiny_imagenet"]


class ImageFolder(_ResizedBase):
    """A user's own folder with one sub-folder per class under `train` and, if there is one, `test`."""

    name: Literal["image_folder"]


Dataset = Annotated[
    Digits | Cifar10 | Cifar100 | Synthetic | Pets | Cars | TinyImageNet | ImageFolder,
    Field(discriminator="name"),
]
Decoded = Pets | Cars | TinyImageNet | ImageFolder
"""The data sets whose images are files, decoded once to an array."""

PLACES = frozenset({"root", "download", "cache"})
"""Keys of a data set that say where it lies, which changes no result."""

# ---------------------------------------------------------------------------------------------- views


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the range starts at {value[0]:g}, above its end {value[1]:g}")
    return value


Range = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]


class RandomResizedCrop(Frozen):
    """A random area and aspect ratio, resized (bilinear) to the view's size."""

    op: Literal["random_resized_crop"]
    scale: Range = (0.08, 1.0)
    ratio: Range = (0.75, 4 / 3)


class InceptionCrop(Frozen):
    """The inception-style crop: a random area and aspect ratio with the published defaults."""

    op: Literal["inception_crop"]
    scale: Range = (0.08, 1.0)
    ratio: Range = (0.75, 4 / 3)


class SourceResizedCrop(Frozen):
    """A random area and aspect ratio of the source image, brought to the view's size, antialiased.

    `random_resized_crop` takes its area from the resized image: see docs/views.md. Comes first.
    """

    op: Literal["source_resized_crop"]
    scale: Range = (0.08, 1.0)
    ratio: Range = (0.75, 4 / 3)


class RandomCrop(Frozen):
    """A shift by at most `padding` pixels of the source image, filled with zeros or by reflection."""

    op: Literal["random_crop"]
    padding: Count = 4
    fill: Literal["zero", "reflect"] = "zero"


class HorizontalFlip(Frozen):
    """Mirror left and right with probability `p`."""

    op: Literal["horizontal_flip"]
    p: Fraction = 0.5


class ColorJitter(Frozen):
    """Brightness, contrast, saturation in [1 − v, 1 + v]; hue in [−v, v] turns."""

    op: Literal["color_jitter"]
    brightness: NonNegative = 0.0
    contrast: NonNegative = 0.0
    saturation: NonNegative = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class Rotation(Frozen):
    """A turn by at most ±`degrees`, nearest neighbour, filled with zeros."""

    op: Literal["rotation"]
    degrees: Annotated[float, Field(ge=0, le=180)]


class FusedGeometry(Frozen):
    """Resize, random resized crop, horizontal flip and rotation as one bilinear resampling of the source.

    Another transform than the four one after another: see docs/views.md. Comes first, and only enlarges.
    """

    op: Literal["fused_geometry"]
    scale: Range = (0.08, 1.0)
    ratio: Range = (0.75, 4 / 3)
    flip: Fraction = 0.5
    degrees: Annotated[float, Field(ge=0, le=180)] = 0.0


class CenterCrop(Frozen):
    """The central square of `size` pixels."""

    op: Literal["center_crop"]
    size: Count


class Cutout(Frozen):
    """A random square of `size` pixels is set to the mean."""

    op: Literal["cutout"]
    size: Count


class RandAugment(Frozen):
    """`n` random operations of magnitude `m`."""

    op: Literal["randaugment"]
    n: Count = 2
    m: Annotated[int, Field(ge=0, le=30)] = 9


_SCALAR_FORM = {
    "rotation": "degrees",
    "random_crop": "padding",
    "center_crop": "size",
    "cutout": "size",
    "horizontal_flip": "p",
}


def _widen_op(value: Any) -> Any:
    """`rotation: 15` and `horizontal_flip` in full: {op: rotation, degrees: 15}."""
    if isinstance(value, str):
        return {"op": value}
    if isinstance(value, dict) and len(value) == 1 and "op" not in value:
        ((op, parameters),) = value.items()
        if isinstance(parameters, dict):
            return {"op": op, **parameters}
        if parameters is None:
            return {"op": op}
        if op in _SCALAR_FORM:
            return {"op": op, _SCALAR_FORM[op]: parameters}
        return {"op": op, "value": parameters}  # not a form of any operation: the error names it
    return value


Op = Annotated[
    Annotated[
        RandomResizedCrop
        | InceptionCrop
        | SourceResizedCrop
        | RandomCrop
        | HorizontalFlip
        | ColorJitter
        | Rotation
        | FusedGeometry
        | CenterCrop
        | Cutout
        | RandAugment,
        Field(discriminator="op"),
    ],
    BeforeValidator(_widen_op),
]


class Moments(Frozen):
    """Channel means and standard deviations in [0, 1] units; one value serves every channel."""

    mean: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=3)]
    std: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _same_length(self) -> Moments:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} entries and std has {len(self.std)}")
        return self


Normalize = Annotated[
    Annotated[Literal["none", "imagenet", "dataset"], Tag("text")] | Annotated[Moments, Tag("mapping")],
    Discriminator(text_or_mapping),
]


class Mix(Frozen):
    """MixUp or CutMix, one of them per batch; the mixing weight is drawn from U(0, 1)."""

    mixup: Fraction = 0.5
    cutmix: Fraction = 0.5

    @model_validator(mode="after")
    def _probabilities(self) -> Mix:
        if self.mixup + self.cutmix > 1 + 1e-9:
            raise ValueError("mixup and cutmix are probabilities of one choice: their sum is at most 1")
        return self


class Views(Frozen):
    """How images are shown. `teacher: clean` shows the teacher the evaluation view of the same image."""

    size: Annotated[int, Field(ge=4)] | None = None
    normalize: Normalize = "dataset"
    train: tuple[Op, ...] = ()
    eval: tuple[Op, ...] = ()
    strong: tuple[Op, ...] = ()
    mix: Mix | None = None
    teacher: Literal["same", "clean"] = "same"


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


class Schedule(Frozen):
    """The learning rate over epochs; `min_lr` is the cosine's end, warm-up is linear from lr / (n + 1)."""

    name: Literal["cosine", "constant"] = "cosine"
    min_lr: NonNegative = 0.0
    warmup_epochs: Annotated[int, Field(ge=0)] = 0


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
    schedule: Annotated[Schedule, _short("name")] = Schedule()
    batch_size: Count = 128
    epochs: Count
    clip_norm: Annotated[Clip, _short("max")] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    select: Literal["best_val_top1", "best_val_loss", "last"] = "best_val_top1"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    early_stopping: EarlyStopping | None = None
    processes_per_run: Count = 1


TRAINING_KEYS = tuple(Training.model_fields)
TUNING_KEYS = ("lr", "weight_decay", "label_smoothing")
"""Training keys that a method's grid may vary, so that a baseline can be tuned on the same budget."""

# --------------------------------------------------------------------------------------------- models


class Model(Frozen):
    """A model by name: one of `catalog.MODELS`, or `timm/<name>`, `hf/<name>`, `module:function`.

    `channels`, `hidden` and `dropout` shape the `cnn`; `args` are keyword arguments for any other model. The
    cnn's defaults are filled in, so that one architecture is one value however it was spelt.
    """

    name: Annotated[str, Field(min_length=1)]
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    hidden: Count | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    args: dict[str, str | int | float | bool] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("name") != CNN:
            return value
        filled = dict(value)
        if filled.get("channels") is None:
            filled["channels"] = CNN_CHANNELS
        if filled.get("dropout") == 0 and filled["dropout"] is not False:
            filled["dropout"] = None
        return filled

    def __hash__(self) -> int:
        return hash((self.name, self.channels, self.hidden, self.dropout, tuple(sorted(self.args))))


ModelField = Annotated[Model, _short("name")]


class PathStart(Frozen):
    """Weights from a safetensors file; a relative path starts at the protocol's folder."""

    path: Annotated[str, Field(min_length=1)]


WEIGHTS = ("random", "imagenet1k_v1", "imagenet1k_v2", "pretrained")
"""Starts that are not runs; any other name must be declared under `starts:`."""

StartField = Annotated[
    Annotated[str, Tag("text")] | Annotated[PathStart, Tag("mapping")], Discriminator(text_or_mapping)
]


class _Overrides(Frozen):
    """Training keys to change for one teacher or start; checked in full once laid over `training:`."""

    optimizer: Any = None
    schedule: Any = None
    batch_size: Any = None
    epochs: Any = None
    clip_norm: Any = None
    precision: Any = None
    select: Any = None
    label_smoothing: Any = None
    early_stopping: Any = None
    processes_per_run: Any = None

    def overrides(self) -> dict[str, Any]:
        """The training keys that were written, as written."""
        return {key: getattr(self, key) for key in TRAINING_KEYS if key in self.model_fields_set}


class Teacher(_Overrides):
    """A teacher: trained per seed, once for all (`per_seed: false`), or used as it is (`train: false`)."""

    model: ModelField
    start: StartField = "random"
    per_seed: bool = True
    train: bool = True
    size: Annotated[int, Field(ge=4)] | None = None

    @model_validator(mode="after")
    def _used_as_it_is(self) -> Teacher:
        if not self.train and (unused := list(self.overrides())):
            raise ValueError(f"{', '.join(unused)} cannot be set for a teacher with train: false")
        return self


class Start(_Overrides):
    """A start that is itself a run: the student's own model trained on the target without distillation."""

    start: Annotated[StartField, Field(alias="from")] = "random"


class Student(Frozen):
    """A student's architecture and its default start."""

    model: ModelField
    start: StartField = "random"


class _Group(_Overrides):
    """Cells that belong together: students × axes × method grids. Lists are axes; `expand` checks them."""

    students: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_tuple)] | None = None
    teacher: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_tuple)] | None = None
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


# -------------------------------------------------------------------------------------------- the file


class Spec(Frozen):
    """A whole protocol file, parsed."""

    rigorkd: Annotated[Literal[1], BeforeValidator(_version)]
    study: Name
    dataset: Annotated[Dataset, _short("name")]
    views: Views = Views()
    training: Training
    teacher: Teacher | None = None
    teachers: Annotated[dict[Name, Teacher], Field(min_length=1)] | None = None
    starts: dict[Name, Start] = Field(default={})
    students: Annotated[dict[Name, Annotated[Student, _short("model")]], Field(min_length=1)]
    groups: Annotated[dict[Name, Group], Field(min_length=1)]
    seeds: Seeds = (0, 1, 2, 3, 4)
    keep_logits: bool = False
    analysis: Analysis = Analysis()

    def named_teachers(self) -> dict[str, Teacher]:
        """Teachers by their cell name: `teacher`, or `teacher/<name>`."""
        if self.teacher is not None:
            return {"teacher": self.teacher}
        return {f"teacher/{name}": teacher for name, teacher in (self.teachers or {}).items()}
