"""A model's own image size: what it sees, and that nothing else of it changes."""

from __future__ import annotations

import torch
from torchvision.transforms.v2 import functional

from rigorkd.models.build import build
from rigorkd.models.inputs import resize_inputs
from rigorkd.models.model import Model


def test_images_of_another_size_are_resized_as_torchvision_does() -> None:
    model = build(Model(name="resnet18"), classes=4, channels=1, size=48, seed=0).eval()
    keys = list(model.state_dict())
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    large = functional.resize(images, [48, 48], antialias=True)
    with torch.no_grad():
        expected = model(large)
        resized = resize_inputs(model, 48)
        assert torch.equal(resized(large), expected)
        torch.testing.assert_close(resized(images), expected)
    assert list(resized.state_dict()) == keys
    assert resized is model
