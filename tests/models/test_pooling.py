"""Adaptive pooling by products of matrices is torch's own, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.pooling import DeterministicAdaptiveAvgPool2d, pool_deterministically


@pytest.mark.parametrize("size", [7, (6, 3), (None, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 3, 13, 9), (3, 10, 14)])
def test_values_and_gradients_are_those_of_torch(
    shape: tuple[int, ...], size: int | tuple[int | None, int | None]
) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    ours, theirs = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    found, wanted = DeterministicAdaptiveAvgPool2d(size).by_products(ours), nn.AdaptiveAvgPool2d(size)(theirs)
    torch.testing.assert_close(found, wanted)
    (found.square().sum() + found.sum()).backward()
    (wanted.square().sum() + wanted.sum()).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_half_precision_is_averaged_in_full() -> None:
    maps = torch.randn((2, 3, 13, 13), generator=torch.Generator().manual_seed(2)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = DeterministicAdaptiveAvgPool2d(4).by_products(maps)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, nn.AdaptiveAvgPool2d(4)(maps.float()).bfloat16())


def test_networks_that_torch_could_not_train_deterministically_on_cuda_can_be() -> None:
    network = build(Model(name="alexnet"), classes=10, channels=3, size=64, seed=0)
    assert type(network.avgpool) is DeterministicAdaptiveAvgPool2d
    assert "avgpool" in dict(network.named_modules())


def test_pooling_to_one_pixel_stays() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.AdaptiveAvgPool2d((1, 1))))
    pool_deterministically(network)
    assert {type(module) for module in network.modules()} == {nn.Sequential, nn.AdaptiveAvgPool2d}
