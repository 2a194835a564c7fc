"""What happens to images on their way into a model. Hooks keep the names of layers and weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from rigorkd.data.geometry import resize
from rigorkd.errors import InputError


def repeat_grey(model: nn.Module) -> None:
    """Let a model of three channels take grey images (B, 1, S, S): the one channel is repeated."""
    model.register_forward_pre_hook(_grey_to_rgb)


def resize_inputs(model: nn.Module, size: int) -> nn.Module:
    """Let the model see images of any side at `size` pixels: bilinear, antialiased, on their own device."""

    def to_size(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        images, *rest = arguments
        return (resize(images, size), *rest)

    model.register_forward_pre_hook(to_size, prepend=True)
    return model


def require_untouched(images: torch.Tensor, name: str) -> None:
    """Refuse a model that has written into the new tensor of images it was shown.

    The students of a cohort see the same tensor, and evaluation keeps its batches: what one model does to
    its input would reach all others, and the next epoch.
    """
    if images._version:
        raise InputError(
            f"model {name}: it changes the images that it is given",
            hint="other models see the same images; use no in-place operation on the input (x = x - 0.5)",
        )


def _grey_to_rgb(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    images, *rest = arguments
    return (images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images, *rest)
