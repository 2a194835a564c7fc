"""Sizes of models."""

from __future__ import annotations

from torch import nn


def parameters_millions(model: nn.Module) -> float:
    """Trainable and frozen parameters in millions; buffers such as BatchNorm statistics do not count."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6
