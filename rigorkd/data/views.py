"""Views: how uint8 images become the float batch that a model sees, batched on the device.

    view = build_view(views, data.shape, train=True)
    batch = view(images, draws)         # draws: (B, view.columns), from the epoch table; None if columns is 0
    strong = build_strong_view(views, data.shape)     # the second view of a method that needs two

The order of a view is fixed: random_crop, which counts pixels of the source image; resize to `views.size`,
unless fused_geometry or source_resized_crop does it; the other operations in the order written, on floats in
[0, 1]; normalisation, which repeats grey images to three channels when it has three moments. Flips and crops
keep uint8 for as long as nothing needs floats.
Mixing two images (`views.mix`) comes after the view and belongs to the batch: see `rigorkd.data.mix`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from rigorkd.data import color, geometry
from rigorkd.data.image_data import DataShape
from rigorkd.data.operations import (
    CenterCrop,
    ColorJitter,
    Cutout,
    FusedGeometry,
    HorizontalFlip,
    InceptionCrop,
    Moments,
    Op,
    RandAugment,
    RandomCrop,
    RandomResizedCrop,
    Rotation,
    SourceResizedCrop,
    Views,
)
from rigorkd.data.randaugment import RandAugment as RandAugmentStep
from rigorkd.errors import InputError

IMAGENET = Moments(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Step:
    """One operation of a view: how many draws it takes, and whether it needs floats in [0, 1]."""

    apply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    columns: int
    floats: bool


class View:
    """Callable: uint8 images (B, C, H, W) and draws (B, columns) → float32 (B, channels, size, size).

    A pure function of its arguments: a sample's output does not depend on its neighbours in the batch.
    """

    def __init__(self, shape: DataShape, steps: tuple[Step, ...], size: int, moments: Moments | None) -> None:
        self.columns = sum(step.columns for step in steps)
        self.size = size
        self.channels = (
            max(shape.channels, len(moments.mean), len(moments.std)) if moments else shape.channels
        )
        self._steps = steps
        self._moments = moments
        self._constants: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}

    @torch.no_grad()
    def __call__(self, images: torch.Tensor, draws: torch.Tensor | None = None) -> torch.Tensor:
        if draws is None:
            if self.columns:
                raise ValueError(f"this view takes {self.columns} draws per image")
            draws = images.new_empty((len(images), 0), dtype=torch.float32)
        first = 0
        for step in self._steps:
            if step.floats and not images.is_floating_point():
                images = _to_float(images)
            images = step.apply(images, draws[:, first : first + step.columns])
            first += step.columns
        if not images.is_floating_point():
            images = _to_float(images)
        return self._normalize(images).contiguous()

    def _normalize(self, images: torch.Tensor) -> torch.Tensor:
        if self._moments is None:
            return images
        constants = self._constants.get(images.device)
        if constants is None:
            mean, std = (
                torch.tensor(values, dtype=torch.float32, device=images.device).view(1, -1, 1, 1)
                for values in (self._moments.mean, self._moments.std)
            )
            constants = self._constants[images.device] = mean, std
        return (images - constants[0]).div_(constants[1])


def build_view(views: Views, shape: DataShape, *, train: bool) -> View:
    """The training view, or the evaluation view, which draws nothing.

    Raises:
        InputError: an operation does not fit the images, or the evaluation view would be random.
    """
    view = _build(views.train if train else views.eval, views, shape)
    if not train and view.columns:
        raise InputError(
            "views.eval: the evaluation view cannot be random", hint="use center_crop, or nothing"
        )
    return view


def build_strong_view(views: Views, shape: DataShape) -> View:
    """The strong view: `views.strong` is written in full, as the training view is, and adds nothing to it.

    Its draws are `EpochTable.draws(…, view="strong")`.

    Raises:
        InputError: an operation does not fit the images, or there is no strong view.
    """
    if not views.strong:
        raise InputError(
            "views.strong: there is no strong view",
            hint="it is written in full: for example the training view's operations and randaugment",
        )
    return _build(views.strong, views, shape)


def _build(written: tuple[Op, ...], views: Views, shape: DataShape) -> View:
    size = views.size or shape.size
    steps = [_source_step(op, shape) for op in written if isinstance(op, RandomCrop)]
    resizing = FusedGeometry | SourceResizedCrop  # they bring the source to the view's size themselves
    if size != shape.size and not any(isinstance(op, resizing) for op in written):
        steps.append(_step(functools.partial(geometry.resize, size=size)))
    for op in written:
        if not isinstance(op, RandomCrop):
            steps.append(_view_step(op, shape, size))
            size = op.size if isinstance(op, CenterCrop) else size
    return View(shape, tuple(steps), size, _moments(views, shape))


def _source_step(op: RandomCrop, shape: DataShape) -> Step:
    if op.fill == "reflect" and op.padding >= shape.size:
        raise InputError(
            f"random_crop: {op.padding} pixels cannot be reflected from images of {shape.size} pixels",
            hint="lower padding, or fill with zero",
        )
    return Step(functools.partial(geometry.random_crop, padding=op.padding, fill=op.fill), 2, floats=False)


def _view_step(op: Op, shape: DataShape, size: int) -> Step:
    """The step of an operation on images of `size` pixels."""
    match op:
        case HorizontalFlip():
            return Step(functools.partial(geometry.horizontal_flip, p=op.p), 1, floats=False)
        case CenterCrop():
            if op.size > size:
                raise InputError(f"center_crop: {op.size} pixels do not fit into images of {size} pixels")
            return _step(functools.partial(geometry.center_crop, size=op.size), floats=False)
        case RandomResizedCrop() | InceptionCrop():  # two names of one operation
            crop = functools.partial(geometry.random_resized_crop, scale=op.scale, ratio=op.ratio)
            return Step(crop, geometry.RESIZED_CROP_COLUMNS, floats=True)
        case SourceResizedCrop():
            crop = functools.partial(geometry.source_resized_crop, size=size, scale=op.scale, ratio=op.ratio)
            return Step(crop, geometry.RESIZED_CROP_COLUMNS, floats=True)
        case FusedGeometry():
            if size < shape.size:
                raise InputError(f"fused_geometry: {shape.size} pixels are not shrunk to {size}")
            fused = functools.partial(geometry.fused_geometry, size=size, **op.model_dump(exclude={"op"}))
            return Step(fused, geometry.FUSED_COLUMNS, floats=True)
        case ColorJitter():
            strengths = op.model_dump(exclude={"op"})
            return Step(functools.partial(color.color_jitter, **strengths), color.JITTER_COLUMNS, floats=True)
        case Rotation():
            return Step(functools.partial(geometry.rotation, degrees=op.degrees), 1, floats=True)
        case Cutout():
            if op.size > size:
                raise InputError(f"cutout: {op.size} pixels do not fit into images of {size} pixels")
            return Step(functools.partial(geometry.cutout, size=op.size, fill=shape.mean), 2, floats=True)
        case RandAugment():
            rand = RandAugmentStep(op.n, op.m, shape.channels, size)
            return Step(rand, rand.columns, floats=True)
        case RandomCrop():
            raise AssertionError("random crops come before the resize")


def _step(apply: Callable[[torch.Tensor], torch.Tensor], *, floats: bool = True) -> Step:
    """A step that draws nothing."""
    return Step(lambda images, _: apply(images), 0, floats)


def _moments(views: Views, shape: DataShape) -> Moments | None:
    if views.normalize == "none":
        return None
    if views.normalize == "dataset":
        return Moments(mean=shape.mean, std=shape.std)
    moments = IMAGENET if views.normalize == "imagenet" else views.normalize
    lengths = {len(moments.mean), len(moments.std)}
    if not (lengths <= {1, 3} if shape.channels == 1 else lengths <= {1, shape.channels}):
        raise InputError("views.normalize: give one value for all channels, or one for each of the three")
    return moments


def _to_float(images: torch.Tensor) -> torch.Tensor:
    return images.float().mul_(1 / 255)
