"""What can be named in a protocol: models and their weights, facts of data sets, and what is built so far.

The torchvision lists are written out so that checking a protocol imports no torch; a test compares them with
the installed torchvision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rigorkd.protocol.cells import Cell
from rigorkd.protocol.methods import KD, Ramp
from rigorkd.protocol.schema import Cifar100, Dataset, Spec, Synthetic

if TYPE_CHECKING:
    from rigorkd.protocol.file import Protocol
    from rigorkd.protocol.problems import Path

# ----------------------------------------------------------------------------------------- models

CIFAR_RESNETS = ("cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_resnet110")
"""The CIFAR ResNets of He et al. 2016, section 4.2: 6n + 2 layers, widths 16, 32, 64."""

STEM_RESNETS = ("resnet18_cifar", "resnet34_cifar", "resnet50_cifar", "resnet101_cifar")
"""The ImageNet ResNets with a 3×3 stride-1 first convolution and no max-pool."""

CNN = "cnn"
"""The small plain network; `channels`, `hidden` and `dropout` shape it."""

# fmt: off
_V1_ONLY = (
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121",
    "densenet161", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l",
    "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5",
    "mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "mobilenet_v3_small", "regnet_y_16gf", "regnet_y_32gf",
    "resnet18", "resnet34", "resnext101_64x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "squeezenet1_0", "squeezenet1_1", "swin_b", "swin_s",
    "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16",
    "vgg16_bn", "vgg19", "vgg19_bn", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32",
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

MODELS = (CNN, *CIFAR_RESNETS, *STEM_RESNETS, *TORCHVISION)
"""Every model with a plain name; others are written `timm/<name>`, `hf/<name>` or `module:function`."""

_MIN_SIZE = {"alexnet": 63, "inception_v3": 75, "maxvit_t": 224}


def is_known_model(name: str) -> bool:
    """Whether a protocol may name this model; names of foreign libraries are checked when they are built."""
    return name in MODELS or is_foreign_model(name)


def is_foreign_model(name: str) -> bool:
    """`timm/<name>`, `hf/<name>` or `module:function`."""
    library, slash, rest = name.partition("/")
    if slash:
        return library in ("timm", "hf") and bool(rest)
    module, colon, function = name.partition(":")
    return bool(colon) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def weights_of(model: str) -> tuple[str, ...]:
    """The starts among `WEIGHTS` that the model has."""
    if is_foreign_model(model):
        return ("random", "pretrained")
    v1 = ("imagenet1k_v1",) if model in _V1_ONLY or model in _V1_AND_V2 else ()
    v2 = ("imagenet1k_v2",) if model in _V1_AND_V2 else ()
    return ("random", *v1, *v2)


def min_size(model: str) -> int:
    """The smallest image side, in pixels and at least 8, that the model is known to accept."""
    return (
        224 if model.startswith("vit_") else _MIN_SIZE.get(model, 8 if model in (CNN, *CIFAR_RESNETS) else 32)
    )


# -------------------------------------------------------------------------------------- data sets


@dataclass(frozen=True)
class Facts:
    """A data set's shape. `images` are those to split; `test_images` is None if the split makes the test set.

    `size` is the side in pixels, None where images differ in size.
    """

    title: str
    images: int
    test_images: int | None
    classes: int
    channels: int
    size: int | None


_FACTS = {
    "digits": Facts("digits", 1_797, None, 10, 1, 8),
    "cifar10": Facts("CIFAR-10", 50_000, 10_000, 10, 3, 32),
    "cifar100": Facts("CIFAR-100", 50_000, 10_000, 100, 3, 32),
    "oxford_pets": Facts("Oxford-IIIT Pets", 3_680, 3_669, 37, 3, None),
    "stanford_cars": Facts("Stanford Cars", 8_144, 8_041, 196, 3, None),
    "tiny_imagenet": Facts("Tiny ImageNet", 100_000, 10_000, 200, 3, 64),
}


def facts(dataset: Dataset) -> Facts | None:
    """The facts of a data set, or None for a user's own folder of images."""
    if isinstance(dataset, Synthetic):
        return Facts(
            "synthetic", dataset.images, dataset.test_images, dataset.classes, dataset.channels, dataset.size
        )
    known = _FACTS.get(dataset.name)
    if known is not None and isinstance(dataset, Cifar100) and dataset.labels == "coarse":
        return Facts(known.title, known.images, known.test_images, 20, known.channels, known.size)
    return known


# ----------------------------------------------------------------------------------- built so far

_BUILT_DATA = ("digits", "cifar10", "cifar100", "synthetic")
_BUILT_METHODS = ("baseline", "kd")


def unbuilt(protocol: Protocol) -> tuple[tuple[Path, str], ...]:
    """What a valid protocol asks for that this version cannot run: a path into the file, and what by name."""
    found = [
        (("dataset", "name"), f"the data set {cell.dataset.name}")
        for cell in protocol.cells
        if _foreign(cell)
    ]
    asked = [*found, *(item for cell in protocol.cells for item in _unbuilt(cell, protocol.spec))]
    return tuple(dict.fromkeys(asked))


def _foreign(cell: Cell) -> bool:
    return cell.dataset.name not in _BUILT_DATA


def _unbuilt(cell: Cell, spec: Spec) -> Iterator[tuple[Path, str]]:
    home = _home(cell, spec)
    method = cell.method
    if method.key not in _BUILT_METHODS:
        yield (*home, method.key), f"the method {method.key}"
    elif isinstance(method, KD):
        if method.standardize:
            yield (*home, "kd", "standardize"), "standardize"
        for key in ("T", "alpha"):
            if isinstance(getattr(method, key), Ramp):
                yield (*home, "kd", key), f"{key} that changes over the epochs"
    if is_foreign_model(cell.model.name):
        owner: Path = home if cell.role == "teacher" else ("students", cell.student)
        yield (*owner, "model", "name"), f"the model {cell.model.name}"
    if cell.start == "pretrained":
        yield _start_place(cell, spec, home), "the start pretrained"
    if cell.size is not None:
        yield (*home, "size"), "a teacher's own image size"
    if cell.training.processes_per_run > 1:
        owner = home if _overrides(cell, spec, "processes_per_run") else ("training",)
        yield (*owner, "processes_per_run"), "more than one process per run"
    views = cell.views
    at: Path = (*home, "views") if _overrides(cell, spec, "views") else ("views",)
    if views.mix is not None and views.teacher == "clean":
        yield (*at, "mix"), "mixed images under a teacher that saw the clean ones"
    if views.strong:
        yield (*at, "strong"), "a strong view"


def _home(cell: Cell, spec: Spec) -> Path:
    """Where the protocol file declares the cell."""
    if cell.role == "student":
        return ("groups", cell.group)
    if cell.role == "start":
        return ("starts", cell.name.split("/")[1])
    return ("teacher",) if spec.teacher is not None else ("teachers", cell.student)


def _overrides(cell: Cell, spec: Spec, key: str) -> bool:
    """Whether the cell's own section, rather than the whole protocol's, sets the key."""
    if cell.role == "student":
        return key in spec.groups[cell.group].model_fields_set
    if cell.role == "start":
        return key in spec.starts[cell.name.split("/")[1]].model_fields_set
    return key in spec.named_teachers()[cell.name].model_fields_set


def _start_place(cell: Cell, spec: Spec, home: Path) -> Path:
    if cell.role == "student" and not _overrides(cell, spec, "start"):
        return ("students", cell.student, "start")
    return (*home, "from" if cell.role == "start" else "start")
