"""Models by the names of `rigorkd.protocol.catalog`, built on the CPU from a seed, with given weights.

A head is whatever changes shape with the number of classes. It is new when ImageNet weights are loaded, and
when a file of weights was trained on another number of classes but otherwise fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rigorkd.errors import InputError, NotBuiltError
from rigorkd.models.cifar_resnet import cifar_resnet, stem_resnet
from rigorkd.models.cnn import DEFAULT_CHANNELS, cnn
from rigorkd.models.init import seeded
from rigorkd.models.torchvision_models import imagenet_weights, torchvision_model
from rigorkd.protocol.catalog import CIFAR_RESNETS, CNN, MODELS, STEM_RESNETS, TORCHVISION, is_foreign_model
from rigorkd.protocol.schema import Model
from rigorkd.text import nearest

_SHOWN = 3  # how many differing tensors a message names


def build(
    model: Model,
    *,
    classes: int,
    channels: int,
    size: int,
    weights: str | Path = "random",
    seed: int,
) -> nn.Module:
    """A model for images (B, channels, size, size) that gives logits (B, classes), in train mode.

    `weights` is random, imagenet1k_v1, imagenet1k_v2, pretrained, or the path of a safetensors file with a
    full state dict. The same seed and architecture give the same bits, whatever was drawn before.

    Raises:
        InputError: name, arguments, weights or image size do not fit.
        NotBuiltError: the model comes from a library that this version cannot build from.
    """
    make = _maker(model, channels=channels, size=size)
    try:
        with seeded(seed):
            network = make(classes)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise InputError(
            f"model {model.name} cannot be built for images of {size}×{size} pixels: {_first_line(error)}"
        ) from error
    _require_size(network, model, channels=channels, size=size)
    if weights != "random":
        state, what, keep_head = _state(model, weights, size=size)
        with seeded(seed):
            other = make(classes + 1)
        _load(network, state, what, head=_differing(network, other), keep_head=keep_head)
    return network.train()


Maker = Callable[[int], nn.Module]
"""Builds a network for a number of classes."""


def _maker(model: Model, *, channels: int, size: int) -> Maker:
    """How to build the named architecture; raises for names and arguments that have no meaning."""
    name = model.name
    if is_foreign_model(name):
        raise NotBuiltError(f"model {name}: models of other libraries are not built in this version")
    if name not in MODELS:
        close = nearest(name, MODELS)
        raise InputError(f"no model {name!r}", hint=f"did you mean {close}?" if close else "")
    if name == CNN:
        _refuse(model, "args")
        return lambda classes: cnn(
            model.channels or DEFAULT_CHANNELS,
            inputs=channels,
            size=size,
            classes=classes,
            hidden=model.hidden,
            dropout=model.dropout or 0.0,
        )
    _refuse(model, "channels", "hidden")
    if name in CIFAR_RESNETS:
        _refuse(model, "args", "dropout")
        depth = int(name.removeprefix("cifar_resnet"))
        return lambda classes: cifar_resnet(depth, channels=channels, classes=classes)
    arguments = dict(model.args)
    if model.dropout is not None:
        arguments["dropout"] = model.dropout
    if name in STEM_RESNETS:
        plain = name.removesuffix("_cifar")
        return lambda classes: stem_resnet(plain, channels=channels, classes=classes, **arguments)
    assert name in TORCHVISION
    return lambda classes: torchvision_model(
        name, channels=channels, classes=classes, size=size, arguments=arguments
    )


def _refuse(model: Model, *keys: str) -> None:
    for key in keys:
        if getattr(model, key):
            raise InputError(f"model {model.name} takes no {key}")


def _require_size(network: nn.Module, model: Model, *, channels: int, size: int) -> None:
    """Show the network one empty image: some architectures shrink small images to nothing."""
    network.eval()  # leaves the statistics of BatchNorm alone
    try:
        with torch.no_grad():
            network(torch.zeros(1, channels, size, size))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"model {model.name} cannot take images of {size}×{size} pixels: {_first_line(error)}",
            hint="give views.size a larger value, or choose another model",
        ) from error


def _differing(network: nn.Module, other: nn.Module) -> frozenset[str]:
    """The names of the tensors whose shapes differ: the head, if only the number of classes does."""
    theirs = other.state_dict()
    return frozenset(key for key, tensor in network.state_dict().items() if tensor.shape != theirs[key].shape)


def _state(model: Model, weights: str | Path, *, size: int) -> tuple[dict[str, torch.Tensor], str, bool]:
    """The tensors to load, what to call them in a message, and whether their head may be kept."""
    if isinstance(weights, str) and weights in ("imagenet1k_v1", "imagenet1k_v2", "pretrained"):
        if model.name not in TORCHVISION:
            raise InputError(f"model {model.name} has no weights {weights!r}", hint="start it from random")
        return imagenet_weights(model.name, weights, size=size), f"the weights {weights}", False
    path = Path(weights)
    try:
        return load_file(path), str(path), True
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of weights") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file: {_first_line(error)}") from error


def _load(
    network: nn.Module,
    state: Mapping[str, torch.Tensor],
    what: str,
    *,
    head: frozenset[str],
    keep_head: bool,
) -> None:
    """Load every tensor, except a head that is not wanted or has another number of classes."""
    own = network.state_dict()
    differing = [
        f"{key} is {_shape(state.get(key))} there and {_shape(own.get(key))} here"
        for key in [*own, *(key for key in state if key not in own)]
        if _shape(state.get(key)) != _shape(own.get(key))
        and not (key in head and key in state and state[key].shape[1:] == own[key].shape[1:])
    ]
    if differing:
        more = f", and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise InputError(f"{what}: the tensors do not fit the model: " + "; ".join(differing[:_SHOWN]) + more)
    new_head = not keep_head or any(_shape(state[key]) != _shape(own[key]) for key in head)
    own.update({key: value for key, value in state.items() if not (new_head and key in head)})
    network.load_state_dict(own)


def _shape(tensor: torch.Tensor | None) -> str:
    return "missing" if tensor is None else "×".join(str(side) for side in tensor.shape) or "a number"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
