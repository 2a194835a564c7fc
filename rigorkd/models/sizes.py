"""Sizes of models: parameters, and the arithmetic of one forward pass by PyTorch's own counter."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rigorkd.models.compiler import keep_compiler_out


def parameters_millions(model: nn.Module) -> float:
    """Trainable and frozen parameters in millions; buffers such as BatchNorm statistics do not count."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def _by_vector(matrix: torch.Size, vector: torch.Size, **_: Any) -> int:
    return 2 * math.prod(matrix)


def _by_vector_added(added: torch.Size, matrix: torch.Size, vector: torch.Size, **_: Any) -> int:
    return 2 * math.prod(matrix)


def _summed_products(added: torch.Size, left: torch.Size, right: torch.Size, **_: Any) -> int:
    return 2 * math.prod(left) * right[-1]


def _bilinear(left: torch.Size, weight: torch.Size, right: torch.Size, *axes: Any, **_: Any) -> int:
    """Of xᵀ A y: of A y for every row and output, and of x with each."""
    return 2 * left[0] * (math.prod(weight) + weight[0] * weight[1])


def _lstm(steps: torch.Size, inner: torch.Size, outer: torch.Size, *more: Any, **_: Any) -> int:
    """Of one layer in one direction: both of its matrices at every step."""
    return 2 * math.prod(steps[:-1]) * (math.prod(inner) + math.prod(outer))


_PRODUCTS = {
    torch.ops.aten.mv: _by_vector,
    torch.ops.aten.addmv: _by_vector_added,
    torch.ops.aten.dot: _by_vector,
    torch.ops.aten.addbmm: _summed_products,
    torch.ops.aten._trilinear: _bilinear,
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
}
"""Twice the multiply-adds of products that PyTorch's counter leaves out, as it counts those that it knows.

Networks of one's own have them: a matrix by a vector, `nn.Bilinear`, an LSTM on a CPU.
"""


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
        with FlopCounterMode(display=False, custom_mapping=_PRODUCTS) as counter:
            model(image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        model.train(was_training)
    return int(counter.get_total_flops()) / 2 / 1e6
