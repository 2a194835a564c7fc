"""Networks of rigorkd's own: the small plain one, and ResNets for small images.

Sources of the ResNets: He et al. 2016, section 4.2 (16, 32, 64 channels, shortcuts without parameters); the
stem of a 3×3 stride-1 convolution without max-pool is the usual change to the ImageNet ResNets for images of
32 pixels. torchvision is imported by what builds on it: that takes longer than training a small network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

_SMALLEST_POOLED = 3  # a map of 2×2 or less is not pooled further
_WIDTHS = (16, 32, 64)


def cnn(
    channels: Sequence[int],
    *,
    inputs: int,
    size: int,
    classes: int,
    hidden: int | None = None,
    dropout: float = 0.0,
    norm: bool = True,
) -> nn.Sequential:
    """3×3 convolution, BatchNorm, ReLU and 2×2 max-pool per entry of `channels`, then a linear classifier.

    Without `norm` there is no BatchNorm, and convolutions have biases instead.

    Takes images (B, inputs, size, size); pooling stops once the map is 2×2. `hidden` adds a linear layer with
    ReLU, `dropout` acts on the input of the last layer. Layers are named conv1, norm1, relu1, pool1, conv2 …,
    hidden, head.
    """
    layers: dict[str, nn.Module] = {}
    for index, outputs in enumerate(channels, start=1):
        layers[f"conv{index}"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm)
        if norm:
            layers[f"norm{index}"] = nn.BatchNorm2d(outputs)
        layers[f"relu{index}"] = nn.ReLU()
        if size >= _SMALLEST_POOLED:
            layers[f"pool{index}"] = nn.MaxPool2d(2)
            size //= 2
        inputs = outputs
    layers["flatten"] = nn.Flatten()
    width = inputs * size * size
    if hidden is not None:
        layers["hidden"], layers["hidden_relu"] = nn.Linear(width, hidden), nn.ReLU()
        width = hidden
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(OrderedDict(layers))


class PaddedShortcut(nn.Module):
    """Every second pixel, with new channels of zeros on both sides: option A of He et al. 2016."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.before = new_channels // 2
        self.after = new_channels - self.before

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def cifar_resnet(depth: int, *, channels: int, classes: int) -> nn.Sequential:
    """The ResNet of `depth` = 6n + 2 layers; its stages are named layer1, layer2, layer3."""
    from torchvision.models.resnet import BasicBlock

    blocks = (depth - 2) // 6
    inputs = _WIDTHS[0]
    parts: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(channels, inputs, 3, padding=1, bias=False)),
        ("bn1", nn.BatchNorm2d(inputs)),
        ("relu", nn.ReLU(inplace=True)),
    ]
    for stage, outputs in enumerate(_WIDTHS, start=1):
        grows = outputs != inputs
        shortcut = PaddedShortcut(outputs - inputs) if grows else None
        first = BasicBlock(inputs, outputs, stride=2 if grows else 1, downsample=shortcut)
        rest = [BasicBlock(outputs, outputs) for _ in range(blocks - 1)]
        parts.append((f"layer{stage}", nn.Sequential(first, *rest)))
        inputs = outputs
    parts += [("avgpool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    parts.append(("fc", nn.Linear(inputs, classes)))
    model = nn.Sequential(OrderedDict(parts))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


def stem_resnet(name: str, *, channels: int, classes: int, **arguments: Any) -> nn.Module:
    """torchvision's ResNet `name` with a 3×3 stride-1 first convolution and no max-pool."""
    from torchvision import models

    model: nn.Module = models.get_model(name, weights=None, num_classes=classes, **arguments)
    model.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model
