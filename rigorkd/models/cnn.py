"""The small plain network: convolutions, an optional hidden layer, a linear head."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

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
    ReLU, `dropout` acts on the input of the last layer. Layers are named conv1, norm1, relu1, pool1, conv2 …,
    hidden, head.
    """
    layers: dict[str, nn.Module] = {}
    for index, outputs in enumerate(channels, start=1):
        layers[f"conv{index}"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
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
