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


class Calls(torch.nn.Module):
    """A network of one's own that takes its products by functions."""

    def __init__(self, call) -> None:
        super().__init__()
        self.call = call
        self.kernel = torch.nn.Parameter(torch.ones(5, 3, 3, 3))
        self.matrix = torch.nn.Parameter(torch.ones(36, 7))
        self.vector = torch.nn.Parameter(torch.ones(36))
        self.bilinear = torch.nn.Bilinear(36, 36, 4)
        self.lstm = torch.nn.LSTM(36, 8, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.call(self, image, image.flatten(2))


@pytest.mark.parametrize(
    ("call", "by_hand"),
    [
        (lambda net, image, rows: torch.conv2d(image, net.kernel), 27 * 5 * 16),
        (lambda net, image, rows: rows @ net.matrix, 3 * 36 * 7),
        (lambda net, image, rows: torch.einsum("bci,io->bco", rows, net.matrix), 3 * 36 * 7),
        (lambda net, image, rows: rows @ net.vector, 3 * 36),
        (lambda net, image, rows: torch.addmv(torch.zeros(3), rows[0], net.vector), 3 * 36),
        (lambda net, image, rows: torch.dot(rows[0, 0], net.vector), 36),
        (lambda net, image, rows: torch.addbmm(torch.zeros(3, 7), rows, net.matrix[None]), 3 * 36 * 7),
        (lambda net, image, rows: net.bilinear(rows, rows), 3 * 4 * (36 * 36 + 36)),
        (lambda net, image, rows: net.lstm(rows)[0], 3 * 2 * (32 * (36 + 8) + 32 * (16 + 8))),
    ],
)
def test_products_of_a_network_of_ones_own_count(call, by_hand: int) -> None:
    assert macs_millions(Calls(call), torch.zeros(1, 3, 6, 6)) == by_hand / 1e6
