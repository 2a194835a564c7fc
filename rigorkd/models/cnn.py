"""The small plain network: convolutions, an optional hidden layer, a linear head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

DEFAULT_CHANNELS = (16, 32)
_SMALLEST_POOLED = 3  # a map of 2×2 or less is not pooled further


def cnn(
    channels: Sequence[int],
    *,
    inputs: int,
    size: int,
    classes: int,
    hidden: int | None = None,
    dropout: float = 0.0,
) -> nn.Sequential:
    """3×3 convolution, BatchNorm, ReLU and 2×2 max-pool per entry of `channels`, then a linear classifier.

    Takes images (B, inputs, size, size); pooling stops once the map is 2×2. `hidden` adds a linear layer with
    ReLU, `dropout` acts on the input of the last layer.
    """
    layers: list[nn.Module] = []
    for outputs in channels:
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        if size >= _SMALLEST_POOLED:
            layers.append(nn.MaxPool2d(2))
            size //= 2
        inputs = outputs
    layers.append(nn.Flatten())
    width = inputs * size * size
    if hidden is not None:
        layers += [nn.Linear(width, hidden), nn.ReLU()]
        width = hidden
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(width, classes))
