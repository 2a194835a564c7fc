"""Models and their weights, as a protocol may name them. Imports no torch.

The torchvision lists are written out so that checking a protocol imports no torch; a test compares them with
the installed torchvision.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from rigorkd.fields import Count, Frozen, added, short_form, text_or_mapping
from rigorkd.text import nearest

CIFAR_RESNETS = ("cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_resnet110")
"""The CIFAR ResNets of He et al. 2016, section 4.2: 6n + 2 layers, widths 16, 32, 64."""

STEM_RESNETS = ("resnet18_cifar", "resnet34_cifar", "resnet50_cifar", "resnet101_cifar")
"""The ImageNet ResNets with a 3×3 stride-1 first convolution and no max-pool."""

_NARROW, _WIDE = (16, 16, 32, 64), (32, 64, 128, 256)

CIFAR_NETWORKS: dict[str, tuple[str, tuple[Any, ...]]] = {
    **{f"resnet{depth}": ("resnet", (depth, _NARROW)) for depth in (8, 14, 20, 32, 44, 56, 110)},
    **{f"resnet{depth}x4": ("resnet", (depth, _WIDE)) for depth in (8, 32)},
    "ResNet50": ("resnet50", ((3, 4, 6, 3),)),
    **{f"wrn_{depth}_{widen}": ("wrn", (depth, widen)) for depth in (16, 40) for widen in (1, 2)},
    "vgg8": ("vgg", ((1, 1, 1, 1, 1),)),
    "vgg11_cifar": ("vgg", ((1, 1, 2, 2, 2),)),
    "vgg13_cifar": ("vgg", ((2, 2, 2, 2, 2),)),
    "vgg16_cifar": ("vgg", ((2, 2, 3, 3, 3),)),
    "vgg19_cifar": ("vgg", ((2, 2, 4, 4, 4),)),
    "MobileNetV2": ("mobilenet_v2", (0.5,)),
    "ShuffleV1": ("shuffle_v1", ((240, 480, 960), (4, 8, 4), 3)),
    "ShuffleV2": ("shuffle_v2", ((116, 232, 464), (4, 8, 4), 1024)),
}
"""The networks of the standard CIFAR tables, by the names of the public code: their family and its values.

Where torchvision has the name for another network, `_cifar` is added. `rigorkd.models.cifar_networks` builds
them.
"""

_STAGES = {
    "resnet": ("layer1", "layer2", "layer3"),
    "resnet50": ("layer1", "layer2", "layer3", "layer4"),
    "wrn": ("block1", "block2", "block3"),
    "vgg": ("relu0", "relu1", "relu2", "relu3", "relu4"),
    "mobilenet_v2": ("blocks.1", "blocks.2", "blocks.4", "blocks.6"),
    "shuffle_v1": ("layer1", "layer2", "layer3"),
    "shuffle_v2": ("layer1", "layer2", "layer3"),
}

CNN, CNN_CHANNELS = "cnn", (16, 32)
"""The small plain network, and its default `channels`; `hidden`, `dropout` and `norm` shape it too."""

# fmt: off
_V1_ONLY = (
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121",
    "densenet161", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l",
    "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5",
    "mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "mobilenet_v3_small", "resnet18", "resnet34",
    "resnext101_64x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0", "squeezenet1_0", "squeezenet1_1", "swin_b", "swin_s", "swin_t", "swin_v2_b",
    "swin_v2_s", "swin_v2_t", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19",
    "vgg19_bn", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32",
)

_V1_AND_V2 = (
    "efficientnet_b1", "mobilenet_v2", "mobilenet_v3_large", "regnet_x_16gf", "regnet_x_1_6gf",
    "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf", "regnet_y_16gf",
    "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf",
    "resnet101", "resnet152", "resnet50", "resnext101_32x8d", "resnext50_32x4d", "wide_resnet101_2",
    "wide_resnet50_2",
)
# fmt: on

_NEITHER = ("regnet_y_128gf", "vit_h_14")

TORCHVISION = tuple(sorted({*_V1_ONLY, *_V1_AND_V2, *_NEITHER}))
"""torchvision's classification models."""

MODELS = (CNN, *CIFAR_RESNETS, *STEM_RESNETS, *CIFAR_NETWORKS, *TORCHVISION)
"""Every model with a plain name; others are written `timm/<name>`, `hf/<name>` or `module:function`."""

_MIN_SIZE = {"alexnet": 63, "inception_v3": 75, "maxvit_t": 224, "vit_h_14": 42}
_SMALLEST = 8
_USUAL = 32
"""Five halvings of 32 pixels leave one: what most ImageNet architectures need."""


def is_known_model(name: str) -> bool:
    """Whether a protocol may name this model; names of foreign libraries are checked when they are built."""
    return name in MODELS or is_foreign_model(name)


def models_like(name: str) -> tuple[str, ...]:
    """The models meant by a name of others (`cifar100_resnet56`, `WRN-40-2`), or else the nearest, if any."""
    wanted = _folded(re.sub(r"^cifar(10|100)?_", "", name.casefold()))
    for spelling in (wanted, wanted.removesuffix("bn"), wanted.removesuffix("cifar")):
        if same := tuple(model for model in MODELS if _folded(model) == spelling):
            return same
    close = nearest(name, MODELS)
    return (close,) if close else ()


def is_named_by_timm(name: str) -> bool:
    """Whether timm, if it is there, has a model of this name; it is imported only for this."""
    try:
        import timm
    except Exception:  # an absent or broken library offers nothing
        return False
    return bool(timm.is_model(name.partition(".")[0]))


def _folded(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.casefold())


def is_foreign_model(name: str) -> bool:
    """`timm/<name>`, `hf/<name>` or `module:function`."""
    library, slash, rest = name.partition("/")
    if slash:
        return library in ("timm", "hf") and bool(rest)
    return is_own_model(name)


def is_own_model(name: str) -> bool:
    """`module:function`: code of the user's own."""
    module, colon, function = name.partition(":")
    return bool(colon) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def hf_folder(name: str) -> str | None:
    """The folder that `hf/./folder`, `hf/../folder` or `hf//folder` names; None for any other model."""
    library, _, rest = name.partition("/")
    return rest if library == "hf" and rest.startswith(("./", "../", "/")) else None


def is_hub_model(name: str) -> bool:
    """`hf/<org>/<name>`: a model whose very shape is on the Hugging Face hub."""
    return name.startswith("hf/") and hf_folder(name) is None


def architecture_of(name: str) -> str:
    """The name without what only chooses weights: timm's `<name>.<tag>` is the architecture `<name>`."""
    return name.partition(".")[0] if name.startswith("timm/") else name


def weights_of(model: str) -> tuple[str, ...]:
    """The starts among `WEIGHTS` that the model has; `pretrained` is its library's newest."""
    if is_own_model(model):
        return ("random",)
    if is_foreign_model(model):
        return ("random", "pretrained")
    v1 = ("imagenet1k_v1",) if model in _V1_ONLY or model in _V1_AND_V2 else ()
    v2 = ("imagenet1k_v2",) if model in _V1_AND_V2 else ()
    return ("random", *v1, *v2, *(("pretrained",) if v1 else ()))


def stages_of(model: str) -> tuple[str, ...]:
    """The layers whose outputs methods imitate, first to last; none where that is not known."""
    if model in CIFAR_NETWORKS:
        return _STAGES[CIFAR_NETWORKS[model][0]]
    if model in CIFAR_RESNETS:
        return _STAGES["resnet"]
    return _STAGES["resnet50"] if model in STEM_RESNETS or re.match(r"(wide_)?resne?x?t\d", model) else ()


def min_size(model: str) -> int:
    """The smallest image side, in pixels and at least 8, that the model is known to accept."""
    if model in (CNN, *CIFAR_RESNETS, *STEM_RESNETS, *CIFAR_NETWORKS):
        return _SMALLEST
    if model in _MIN_SIZE:
        return _MIN_SIZE[model]
    patch = re.search(r"^timm/(?:vit|deit3?)_.*_patch(\d+)_", model)
    return max(_SMALLEST, int(patch[1])) if patch else _USUAL


class Model(Frozen):
    """A model by name: one of `MODELS`, or `timm/<name>`, `hf/<name>`, `module:function`.

    `channels`, `hidden`, `dropout` and `norm` shape the `cnn`: a block of convolution, BatchNorm and ReLU for
    each of the channels, a linear layer of `hidden` units before the classifier. `args` are keyword arguments
    for any other model. The cnn's defaults are filled in, so that one architecture is one value however it
    was spelt.
    """

    name: Annotated[str, Field(min_length=1)]
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    hidden: Count | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    args: dict[str, str | int | float | bool] = Field(default={})
    norm: bool = added("0.2", True)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("name") != CNN:
            return value
        filled = dict(value)
        if filled.get("channels") is None:
            filled["channels"] = CNN_CHANNELS
        if filled.get("dropout") == 0 and filled["dropout"] is not False:
            filled["dropout"] = None
        return filled

    def __hash__(self) -> int:
        return hash((self.name, self.channels, self.hidden, self.dropout, tuple(sorted(self.args))))


ModelField = Annotated[Model, short_form("name")]


class PathStart(Frozen):
    """Weights from a file, safetensors or .pth of torch; a relative path starts at the protocol's folder."""

    path: Annotated[str, Field(min_length=1)]

    @field_validator("path")
    @classmethod
    def _is_here(cls, path: str) -> str:
        if re.match(r"[a-z0-9]+://", path, re.IGNORECASE):
            raise ValueError(f"{path} is an address: fetch the file, and give where it lies")
        return path


WEIGHTS = ("random", "imagenet1k_v1", "imagenet1k_v2", "pretrained")
"""Starts that are not runs; any other name must be declared under `starts:`."""

StartField = Annotated[
    Annotated[str, Tag("text")] | Annotated[PathStart, Tag("mapping")], Discriminator(text_or_mapping)
]
