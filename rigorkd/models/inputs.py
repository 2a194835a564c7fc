"""What happens to images on their way into a model. Hooks keep the names of layers and weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from rigorkd.data.geometry import resize


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


def _grey_to_rgb(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    images, *rest = arguments
    return (images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images, *rest)
