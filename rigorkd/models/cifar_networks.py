"""The networks of the standard CIFAR tables: those of CRD, DKD, CTKD, LSKD, RLD, MLKD and many others.

Layers and first weights are those of the public code (RepDistiller, mdistiller; the residual networks are
pytorch-cifar-models' too), under its names, so that its checkpoints load. Only the last pooling is over the
whole map here, which at 32 pixels is the same, and images may have another size or be grey. What is called a
stage (`rigorkd.models.model.stages_of`) gives what no later layer overwrites.

Sources: He et al. 2016 (ResNet), Zagoruyko & Komodakis 2016 (WRN), Simonyan & Zisserman 2015 (VGG), Sandler
et al. 2018 (MobileNetV2), Zhang et al. 2018 (ShuffleNet), Ma et al. 2018 (ShuffleNetV2).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.models.model import CIFAR_NETWORKS

_LARGE = 64
"""From this side on a VGG halves its map four times, not three."""


def cifar_network(name: str, *, channels: int, size: int, classes: int) -> nn.Module:
    """The network of this name for images (B, channels, size, size)."""
    family, values = CIFAR_NETWORKS[name]
    network = _FAMILIES[family](*values, channels=channels, size=size, classes=classes)
    _draw_weights(network, family)
    return network


def _draw_weights(network: nn.Module, family: str) -> None:
    """The first weights of the public code; ShuffleNets keep PyTorch's own."""
    if family in ("shuffle_v1", "shuffle_v2"):
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # Zero mean, variance 2 / (kernel area · output channels), whatever the groups.
            area = module.kernel_size[0] * module.kernel_size[1]
            nn.init.normal_(module.weight, 0, math.sqrt(2 / (area * module.out_channels)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and family in ("vgg", "mobilenet_v2"):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and family == "wrn":
            nn.init.zeros_(module.bias)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the map, but for its stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def _sequence(**parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))


def _head() -> dict[str, nn.Module]:
    return {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}


# ---------------------------------------------------------------------------------------------- ResNets


class Residual(nn.Module):
    """Convolutions, each with BatchNorm, added to the input, then ReLU.

    Layers are conv1, bn1, conv2 …; where shapes change, the input passes a 1×1 convolution and BatchNorm,
    which are called `shortcut`.
    """

    def __init__(self, convs: Sequence[nn.Conv2d], shortcut: str) -> None:
        super().__init__()
        self.layers = tuple((f"conv{i}", f"bn{i}") for i in range(1, len(convs) + 1))
        for (conv, norm), layer in zip(self.layers, convs, strict=True):
            self.add_module(conv, layer)
            self.add_module(norm, nn.BatchNorm2d(layer.out_channels))
        inputs, outputs = convs[0].in_channels, convs[-1].out_channels
        stride = max(layer.stride[0] for layer in convs)
        self.way = shortcut if stride > 1 or inputs != outputs else None
        if self.way is not None:
            passed = nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
            self.add_module(self.way, passed)

    def forward(self, maps: Tensor) -> Tensor:
        out = maps
        for conv, norm in self.layers:
            if out is not maps:
                out = F.relu(out, inplace=True)
            out = getattr(self, norm)(getattr(self, conv)(out))
        kept = maps if self.way is None else getattr(self, self.way)(maps)
        return F.relu(out + kept)


def _resnet(depth: int, widths: Sequence[int], *, channels: int, size: int, classes: int) -> nn.Module:
    """6n + 2 layers in three stages, after a stem of `widths[0]` channels."""

    def block(inputs: int, outputs: int, stride: int) -> Residual:
        return Residual([_conv(inputs, outputs, 3, stride), _conv(outputs, outputs, 3)], "downsample")

    stages, _ = _stages("layer", block, widths, [(depth - 2) // 6] * 3, (1, 2, 2))
    return _sequence(
        conv1=_conv(channels, widths[0], 3),
        bn1=nn.BatchNorm2d(widths[0]),
        relu=nn.ReLU(inplace=True),
        **stages,
        **_head(),
        fc=nn.Linear(widths[-1], classes),
    )


def _resnet50(blocks: Sequence[int], *, channels: int, size: int, classes: int) -> nn.Module:
    """The ImageNet ResNet of bottlenecks, with a 3×3 stem and no max-pool."""

    def block(inputs: int, outputs: int, stride: int) -> Residual:
        inner = outputs // 4
        convs = [_conv(inputs, inner, 1), _conv(inner, inner, 3, stride), _conv(inner, outputs, 1)]
        return Residual(convs, "shortcut")

    stages, width = _stages("layer", block, (64, 256, 512, 1024, 2048), blocks, (1, 2, 2, 2))
    return _sequence(
        conv1=_conv(channels, 64, 3),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(inplace=True),
        **stages,
        **_head(),
        linear=nn.Linear(width, classes),
    )


def _stages(
    name: str,
    block: Callable[[int, int, int], nn.Module],
    widths: Sequence[int],
    blocks: Sequence[int],
    strides: Sequence[int],
) -> tuple[dict[str, nn.Sequential], int]:
    """Stages `name`1, `name`2 … of blocks, the first of each with its stride; and their last width."""
    stages, inputs = {}, widths[0]
    for index, (outputs, count, stride) in enumerate(zip(widths[1:], blocks, strides, strict=True), start=1):
        first, rest = block(inputs, outputs, stride), [block(outputs, outputs, 1) for _ in range(count - 1)]
        stages[f"{name}{index}"] = nn.Sequential(first, *rest)
        inputs = outputs
    return stages, inputs


# ----------------------------------------------------------------------------------------- Wide ResNets


class PreActivation(nn.Module):
    """BatchNorm and ReLU before each of two convolutions; where widths change, the shortcut comes after the
    first of them and is a 1×1 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _conv(inputs, outputs, 3, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs, 3)
        self.convShortcut = _conv(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, maps: Tensor) -> Tensor:
        active = F.relu(self.bn1(maps), inplace=True)
        out = self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))
        kept: Tensor = maps if self.convShortcut is None else self.convShortcut(active)
        added: Tensor = kept + out
        return added


def _wrn(depth: int, widen: int, *, channels: int, size: int, classes: int) -> nn.Module:
    """6n + 4 layers in three stages; a stage's blocks are its `layer`."""
    widths = (16, 16 * widen, 32 * widen, 64 * widen)
    stages, width = _stages("block", PreActivation, widths, [(depth - 4) // 6] * 3, (1, 2, 2))
    return _sequence(
        conv1=_conv(channels, 16, 3),
        **{name: _sequence(layer=blocks) for name, blocks in stages.items()},
        bn1=nn.BatchNorm2d(width),
        relu=nn.ReLU(inplace=True),
        **_head(),
        fc=nn.Linear(width, classes),
    )


# -------------------------------------------------------------------------------------------------- VGG


def _vgg(depths: Sequence[int], *, channels: int, size: int, classes: int) -> nn.Module:
    """Five blocks of 3×3 convolutions with biases and BatchNorm; `relu0` … `relu4` end them."""
    parts: dict[str, nn.Module] = {}
    inputs = channels
    for index, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True)):
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            inputs = width
        parts[f"block{index}"] = nn.Sequential(*layers[:-1])
        parts[f"relu{index}"] = nn.ReLU()
        if index < 3 or (index == 3 and size >= _LARGE):
            parts[f"pool{index}"] = nn.MaxPool2d(2)
    return _sequence(**parts, **_head(), classifier=nn.Linear(inputs, classes))


# ---------------------------------------------------------------------------------- networks for phones


class InvertedResidual(nn.Module):
    """Widened by 1×1, filtered channel by channel, narrowed by 1×1; added to the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.conv = nn.Sequential(
            _conv(inputs, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            _conv(inner, inner, 3, stride, groups=inner),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            _conv(inner, outputs, 1),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.conv(maps)
        return maps + out if self.adds else out


_MOBILE = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, width, blocks and stride of every stage of a MobileNetV2."""


def _mobilenet_v2(width: float, *, channels: int, size: int, classes: int) -> nn.Module:
    inputs, last = int(32 * width), 1280
    stem = nn.Sequential(_conv(channels, inputs, 3, 2), nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
    stages = []
    for expansion, full, count, stride in _MOBILE:
        outputs, blocks = int(full * width), []
        for index in range(count):
            blocks.append(InvertedResidual(inputs, outputs, 1 if index else stride, expansion))
            inputs = outputs
        stages.append(nn.Sequential(*blocks))
    return _sequence(
        conv1=stem,
        blocks=nn.Sequential(*stages),
        conv2=nn.Sequential(_conv(inputs, last, 1), nn.BatchNorm2d(last), nn.ReLU(inplace=True)),
        **_head(),
        classifier=nn.Sequential(nn.Linear(last, classes)),
    )


def _shuffled(maps: Tensor, groups: int) -> Tensor:
    """The channels of the groups, dealt in turn."""
    batch, channels, height, width = maps.shape
    dealt = maps.reshape(batch, groups, channels // groups, height, width).transpose(1, 2)
    return dealt.reshape(batch, channels, height, width)


class GroupedBottleneck(nn.Module):
    """ShuffleNet's unit. With stride 2 the averaged input is appended to the output, else it is added."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int, first_groups: int) -> None:
        super().__init__()
        own = outputs - inputs if stride == 2 else outputs
        inner = own // 4
        self.groups, self.appends = first_groups, stride == 2
        self.conv1, self.bn1 = _conv(inputs, inner, 1, groups=first_groups), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = _conv(inner, inner, 3, stride, groups=inner), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = _conv(inner, own, 1, groups=groups), nn.BatchNorm2d(own)

    def forward(self, maps: Tensor) -> Tensor:
        out = _shuffled(F.relu(self.bn1(self.conv1(maps))), self.groups)
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.appends:
            return F.relu(torch.cat([out, F.avg_pool2d(maps, 3, stride=2, padding=1)], dim=1))
        return F.relu(out + maps)


def _shuffle_v1(
    widths: Sequence[int], blocks: Sequence[int], groups: int, *, channels: int, size: int, classes: int
) -> nn.Module:
    stem = 24

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        return GroupedBottleneck(inputs, outputs, stride, groups, 1 if inputs == stem else groups)

    stages, width = _stages("layer", block, (stem, *widths), blocks, (2, 2, 2))
    return _sequence(
        conv1=_conv(channels, stem, 1),
        bn1=nn.BatchNorm2d(stem),
        relu=nn.ReLU(inplace=True),
        **stages,
        **_head(),
        linear=nn.Linear(width, classes),
    )


class SplitUnit(nn.Module):
    """ShuffleNetV2's unit: half of the channels pass as they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.conv1, self.bn1 = _conv(half, half, 1), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = _conv(half, half, 3, groups=half), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = _conv(half, half, 1), nn.BatchNorm2d(half)

    def forward(self, maps: Tensor) -> Tensor:
        kept, out = maps.chunk(2, dim=1)
        out = F.relu(self.bn1(self.conv1(out)))
        out = self.bn2(self.conv2(out))
        out = F.relu(self.bn3(self.conv3(out)))
        return _shuffled(torch.cat([kept, out], dim=1), 2)


class DownUnit(nn.Module):
    """ShuffleNetV2's unit of stride 2: both branches see all channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1, self.bn1 = _conv(inputs, inputs, 3, 2, groups=inputs), nn.BatchNorm2d(inputs)
        self.conv2, self.bn2 = _conv(inputs, half, 1), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = _conv(inputs, half, 1), nn.BatchNorm2d(half)
        self.conv4, self.bn4 = _conv(half, half, 3, 2, groups=half), nn.BatchNorm2d(half)
        self.conv5, self.bn5 = _conv(half, half, 1), nn.BatchNorm2d(half)

    def forward(self, maps: Tensor) -> Tensor:
        left = F.relu(self.bn2(self.conv2(self.bn1(self.conv1(maps)))))
        right = F.relu(self.bn3(self.conv3(maps)))
        right = F.relu(self.bn5(self.conv5(self.bn4(self.conv4(right)))))
        return _shuffled(torch.cat([left, right], dim=1), 2)


def _shuffle_v2(
    widths: Sequence[int], blocks: Sequence[int], last: int, *, channels: int, size: int, classes: int
) -> nn.Module:
    stem = 24

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        return DownUnit(inputs, outputs) if stride == 2 else SplitUnit(outputs)

    stages, width = _stages("layer", block, (stem, *widths), blocks, (2, 2, 2))
    return _sequence(
        conv1=_conv(channels, stem, 1),
        bn1=nn.BatchNorm2d(stem),
        relu=nn.ReLU(inplace=True),
        **stages,
        conv2=_conv(width, last, 1),
        bn2=nn.BatchNorm2d(last),
        relu2=nn.ReLU(inplace=True),
        **_head(),
        linear=nn.Linear(last, classes),
    )


_FAMILIES: Mapping[str, Callable[..., nn.Module]] = {
    "resnet": _resnet,
    "resnet50": _resnet50,
    "wrn": _wrn,
    "vgg": _vgg,
    "mobilenet_v2": _mobilenet_v2,
    "shuffle_v1": _shuffle_v1,
    "shuffle_v2": _shuffle_v2,
}
