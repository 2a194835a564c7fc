"""Adaptive average pooling with a deterministic gradient on CUDA, where torch's own has none.

It is a mean over bins of rows and of columns, so two products of matrices do it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def adaptive_average(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (…, H, W) averaged to (…, height, width), as `adaptive_avg_pool2d` does, within rounding."""
    rows, columns = maps.shape[-2:]
    return bins(rows, height, maps) @ maps @ bins(columns, width, maps).T


def bins(inputs: int, outputs: int, like: Tensor) -> Tensor:
    """(outputs, inputs): row i averages the inputs from ⌊i·n/m⌋ up to ⌈(i + 1)·n/m⌉, as adaptive pooling."""
    at, row = torch.arange(inputs, device=like.device), torch.arange(outputs, device=like.device)[:, None]
    inside = (at >= row * inputs // outputs) & (at < -(-(row + 1) * inputs // outputs))
    return inside.to(like.dtype) / inside.sum(dim=1, keepdim=True)


class DeterministicAdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """`nn.AdaptiveAvgPool2d`, but for a gradient on CUDA under deterministic algorithms: there it raises."""

    def forward(self, input: Tensor) -> Tensor:
        gradient = input.requires_grad and torch.is_grad_enabled()
        if gradient and input.device.type == "cuda" and torch.are_deterministic_algorithms_enabled():
            return self.by_products(input)
        return super().forward(input)

    def by_products(self, maps: Tensor) -> Tensor:
        """The same in full precision: averages of many numbers are not to be rounded to half on the way."""
        asked = self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * 2
        height, width = (size or side for size, side in zip(asked, maps.shape[-2:], strict=True))
        with torch.autocast(maps.device.type, enabled=False):
            return adaptive_average(maps.float(), height, width).to(maps.dtype)


def pool_deterministically(network: nn.Module) -> None:
    """Replace every adaptive average pooling but that to one pixel, which torch computes as a plain mean."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.AdaptiveAvgPool2d and child.output_size not in (1, (1, 1)):
                setattr(module, name, DeterministicAdaptiveAvgPool2d(child.output_size))
