"""Multiply-accumulates against the numbers that are published with the architectures."""

from __future__ import annotations

import pytest
import torch

from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.sizes import macs_millions

PUBLISHED = {"resnet50": 4089, "mobilenet_v2": 301, "shufflenet_v2_x1_0": 145, "vit_b_16": 17564}
"""Millions, as torchvision lists them with its ImageNet weights (224 × 224 pixels, 1,000 classes)."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name: str) -> None:
    with torch.device("meta"):  # without values
        model = build(Model(name=name), classes=1000, channels=3, size=224, seed=0)
        found = macs_millions(model, torch.zeros(1, 3, 224, 224))
    assert found == pytest.approx(PUBLISHED[name], rel=0.01)


def test_by_hand() -> None:
    """A 3 × 3 convolution from 2 to 5 channels on 6 × 6 pixels, then a linear layer to 7 classes."""
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 5, 3, padding=1),
        torch.nn.BatchNorm2d(5),
        torch.nn.Flatten(),
        torch.nn.Linear(180, 7),
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert macs_millions(model, torch.ones(1, 2, 6, 6)) == (9 * 2 * 5 * 36 + 180 * 7) / 1e6
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
