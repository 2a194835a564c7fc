"""Sizes of models: parameters, and the arithmetic of one forward pass by PyTorch's own counter."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rigorkd.models.compiler import keep_compiler_out


def parameters_millions(model: nn.Module) -> float:
    """Trainable and frozen parameters in millions; buffers such as BatchNorm statistics do not count."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


@torch.no_grad()
def macs_millions(model: nn.Module, image: Tensor) -> float:
    """Millions of multiply-accumulates of one forward of one image (1, C, H, W) in evaluation mode.

    Convolutions, matrix products and attention count, as in published tables, which often call these figures
    FLOPs although each is a multiplication and an addition; normalisation and activations do not. The model's
    mode and statistics stay as they were. A fact of the architecture, not of how it was trained.
    """
    keep_compiler_out()
    was_training = model.training
    model.eval()
    # The fused attention of evaluation mode is one operation, which the counter does not know.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter:
            model(image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        model.train(was_training)
    return int(counter.get_total_flops()) / 2 / 1e6
