"""Views as a protocol writes them: operations, normalisation, mixing; and what is impossible in them.

`rigorkd.data.views` does what is written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from rigorkd.data.dataset import Dataset
from rigorkd.fields import Count, Finite, Fraction, Frozen, NonNegative, Positive, text_or_mapping
from rigorkd.problems import Path, Problem


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


VIEW_LISTS = ("train", "eval", "strong")
"""The keys of `views` that are lists of operations."""


def check_views(views: Views, dataset: Dataset, place: Callable[[Path], Path]) -> list[Problem]:
    """What is impossible in views: random operations under evaluation, squares that do not fit the image,
    a resampling of the source that is not the first or cannot shrink it, moments of another channel count.
    """
    problems = [
        Problem(
            place(("eval", index)), f"{op.op} draws at random, so it cannot be part of the evaluation view"
        )
        for index, op in enumerate(views.eval)
        if not isinstance(op, CenterCrop)
    ]
    known, source = dataset.info, dataset.known_side or math.inf
    for key in VIEW_LISTS:
        side = views.size or source
        for index, op in enumerate(getattr(views, key)):
            if isinstance(op, CenterCrop | Cutout):
                if op.size > side:
                    what = "crop" if isinstance(op, CenterCrop) else "square"
                    message = f"a {what} of {op.size} pixels does not fit into an image of {side}"
                    problems.append(Problem(place((key, index, "size")), message))
                elif isinstance(op, CenterCrop):
                    side = op.size
            elif isinstance(op, RandomCrop) and op.padding >= source:
                message = f"a shift by {op.padding} pixels leaves nothing of an image of {source}"
                problems.append(Problem(place((key, index, "padding")), message))
            elif isinstance(op, FusedGeometry | SourceResizedCrop):
                before = [other for other in getattr(views, key)[:index] if not isinstance(other, RandomCrop)]
                if before:
                    message = f"{op.op} resizes the source itself, so it comes before {before[0].op}"
                    problems.append(Problem(place((key, index)), message))
                elif isinstance(op, FusedGeometry) and side < source < math.inf:
                    message = f"fused_geometry only enlarges: the view has {side} pixels, its source {source}"
                    hint = "use random_resized_crop, horizontal_flip and rotation"
                    problems.append(Problem(place((key, index)), message, hint))
    if (
        not isinstance(views.normalize, str)
        and known
        and len(views.normalize.mean) not in (1, known.channels)
    ):
        given = len(views.normalize.mean)
        problems.append(Problem(place(("normalize", "mean")), f"{given} means for {known.channels} channels"))
    return problems
