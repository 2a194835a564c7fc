"""Hooks take what layers give, and only while they listen."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from rigorkd.errors import InputError
from rigorkd.methods.forward_hooks import ForwardHooks, feature_shapes


def network(inplace: bool = False) -> nn.Sequential:
    parts = [("conv", nn.Conv2d(1, 3, 3)), ("norm", nn.BatchNorm2d(3)), ("relu", nn.ReLU(inplace=inplace))]
    return nn.Sequential(OrderedDict([*parts, ("flatten", nn.Flatten()), ("head", nn.Linear(12, 2))]))


IMAGES = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def test_what_the_layers_give_carries_gradients() -> None:
    net = network()
    hooks = ForwardHooks(net, ["relu", "head"])
    hooks.open()
    logits = net(IMAGES)
    taken = hooks.take()
    assert set(taken) == {"relu", "head"}
    assert taken["head"] is logits
    assert taken["relu"].shape == (2, 3, 2, 2)
    taken["relu"].sum().backward()
    assert net.conv.weight.grad is not None


def test_a_tap_that_is_not_open_takes_nothing() -> None:
    net = network()
    hooks = ForwardHooks(net, ["conv"])
    net(IMAGES)
    assert hooks.take() == {}
    hooks.open()
    net(IMAGES)
    assert set(hooks.take()) == {"conv"}
    net(IMAGES)
    assert hooks.take() == {}


def test_hooks_can_be_removed() -> None:
    net = network()
    hooks = ForwardHooks(net, ["conv"])
    hooks.remove()
    hooks.open()
    net(IMAGES)
    assert hooks.take() == {}


@pytest.mark.parametrize("layer", ["convv", ""])
def test_an_unknown_layer_offers_the_nearest(layer: str) -> None:
    with pytest.raises(InputError, match="no layer") as error:
        ForwardHooks(network(), [layer])
    there = "there are: conv, norm, relu, flatten, head"
    assert error.value.hint == ("did you mean 'conv'?" if layer else there)


def test_an_output_that_a_later_layer_overwrites_is_refused() -> None:
    """It would be the activation, whatever its layer's name says; the activation itself can be named."""
    net = network(inplace=True)
    hooks = ForwardHooks(net, ["norm"])
    hooks.open()
    net(IMAGES)
    with pytest.raises(InputError, match="'norm' gives is overwritten"):
        hooks.take()
    assert feature_shapes(net, ["relu"], IMAGES[:1]) == {"relu": (3, 2, 2)}


def test_looking_at_shapes_leaves_the_network_as_it_was() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for training in (True, False):
        net.train(training)
        assert feature_shapes(net, ["conv", "flatten"], IMAGES[:1]) == {"conv": (3, 2, 2), "flatten": (12,)}
        assert net.training is training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not net.conv._forward_hooks


class Several(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images


def test_a_layer_of_several_outputs_is_refused() -> None:
    net = nn.Sequential(Several())
    with pytest.raises(InputError, match="'0' gives a tuple, not one tensor"):
        feature_shapes(net, ["0"], IMAGES)
    assert not net[0]._forward_hooks
