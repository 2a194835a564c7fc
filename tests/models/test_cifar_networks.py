"""The networks of the standard CIFAR tables: parameters, names of layers, stages, grey and other images."""

from __future__ import annotations

import hashlib

import pytest
import torch
from torch import nn

from rigorkd.methods.forward_hooks import ForwardHooks
from rigorkd.models.build import build
from rigorkd.models.cifar_networks import cifar_network
from rigorkd.models.model import CIFAR_NETWORKS, CIFAR_RESNETS, MODELS, Model, models_like, stages_of

PUBLIC = {
    "resnet8": (83_892, "50c4722c53d5bc37"),
    "resnet14": (181_108, "bfa6d8c5f9acb817"),
    "resnet20": (278_324, "a1362ad40b1d0162"),
    "resnet32": (472_756, "60ad15411f35daa9"),
    "resnet44": (667_188, "3e890647cf871c44"),
    "resnet56": (861_620, "0322df116a2275b3"),
    "resnet110": (1_736_564, "be04afff7e5786a6"),
    "resnet8x4": (1_233_540, "6ec9b63a0b07a2bb"),
    "resnet32x4": (7_433_860, "f5248da95c12bf55"),
    "ResNet50": (23_705_252, "60dfe7f6361e7a86"),
    "wrn_16_1": (180_916, "207463348f0e9c67"),
    "wrn_16_2": (703_284, "fd547b2c2b98aa6b"),
    "wrn_40_1": (569_780, "5befeb510a865667"),
    "wrn_40_2": (2_255_156, "6ca5b8257b5e42bd"),
    "vgg8": (3_965_028, "4fa9fe5ee69dbfa4"),
    "vgg11_cifar": (9_277_284, "e1263e79f8bc5faa"),
    "vgg13_cifar": (9_462_180, "1af430c08f26f34e"),
    "vgg16_cifar": (14_774_436, "b189ff0ac9ca7d72"),
    "vgg19_cifar": (20_086_692, "2e107c810041a583"),
    "MobileNetV2": (812_836, "5da2dff324143923"),
    "ShuffleV1": (949_258, "124d583400db6112"),
    "ShuffleV2": (1_355_528, "6a8893a54dcbb6cd"),
}
"""Parameters with 100 classes, and a digest of all names and shapes of the state: of RepDistiller's networks,
instantiated. With their weights these gave their logits and gradients (to 1e-6 of them, in train mode)."""


def outline(name: str, *, classes: int = 100) -> nn.Module:
    """The network as shapes without values."""
    with torch.device("meta"):
        return cifar_network(name, channels=3, size=32, classes=classes)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_every_network_has_its_public_counterpart() -> None:
    assert list(CIFAR_NETWORKS) == list(PUBLIC)
    assert len(set(MODELS)) == len(MODELS)


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_and_layers_are_those_of_the_public_code(name: str) -> None:
    network = outline(name)
    shapes = sorted((key, tuple(tensor.shape)) for key, tensor in network.state_dict().items())
    lines = "\n".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in shapes)
    assert parameters(network) == PUBLIC[name][0]
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == PUBLIC[name][1]


def test_the_public_resnet_of_cifar10_has_parameters_in_its_shortcuts() -> None:
    assert parameters(outline("resnet56", classes=10)) == 855_770
    without = build(Model(name="cifar_resnet56"), classes=10, channels=3, size=32, seed=0)
    assert parameters(without) == 853_018


@pytest.mark.parametrize("name", ["resnet8", "wrn_16_1", "vgg8", "MobileNetV2", "ShuffleV1", "ShuffleV2"])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 64)])
def test_every_family_takes_other_images_and_can_be_trained(name: str, channels: int, size: int) -> None:
    network = build(Model(name=name), classes=7, channels=channels, size=size, seed=0)
    logits = network(torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_seed_alone_decides_the_first_weights() -> None:
    one, again, other = (
        build(Model(name="resnet8"), classes=10, channels=3, size=8, seed=seed).state_dict()["conv1.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", ["wrn_16_2", "vgg8", "MobileNetV2"])
def test_first_weights_have_the_spread_of_the_public_code(name: str) -> None:
    """Variance 2 / (kernel area · output channels) in every convolution that is large enough to tell."""
    network = build(Model(name=name), classes=10, channels=3, size=32, seed=0)
    large = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.weight.numel() > 20_000]
    assert large
    for conv in large:
        wanted = (2 / (conv.kernel_size[0] * conv.kernel_size[1] * conv.out_channels)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("name", [*PUBLIC, *CIFAR_RESNETS[:1]])
def test_stages_give_maps_that_no_later_layer_overwrites(name: str) -> None:
    network = build(Model(name=name), classes=10, channels=3, size=32, seed=0)
    hooks = ForwardHooks(network, stages_of(name))
    hooks.open()
    network(torch.zeros(1, 3, 32, 32).repeat(2, 1, 1, 1))
    maps = hooks.take()
    assert tuple(maps) == stages_of(name)
    sides = [tensor.shape[-1] for tensor in maps.values()]
    assert sides == sorted(sides, reverse=True)
    assert all(tensor.dim() == 4 for tensor in maps.values())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cifar_resnet32x4", ("resnet32x4",)),
        ("cifar100_resnet56", ("resnet56",)),
        ("WRN-40-2", ("wrn_40_2",)),
        ("vgg8_bn", ("vgg8",)),
        ("vgg8_cifar", ("vgg8",)),
        ("mobilenetv2", ("MobileNetV2", "mobilenet_v2")),
        ("shufflenetv1", ("ShuffleV1",)),
        ("resnet8x5", ("resnet8x4",)),
        ("nothing like it", ()),
    ],
)
def test_a_name_that_others_write_is_answered_with_ours(written: str, meant: tuple[str, ...]) -> None:
    assert models_like(written) == meant
