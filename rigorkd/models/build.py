"""Models by the names of `rigorkd.models.model`, built on the CPU from a seed, with given weights.

The head is new when published weights are loaded, and when a file of weights was trained on another number
of classes but otherwise fits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from rigorkd.errors import InputError
from rigorkd.models.cifar_networks import cifar_network
from rigorkd.models.fitting import belongs_to
from rigorkd.models.inputs import repeat_grey, require_untouched
from rigorkd.models.model import (
    CIFAR_NETWORKS,
    CIFAR_RESNETS,
    CNN,
    CNN_CHANNELS,
    MODELS,
    STEM_RESNETS,
    TORCHVISION,
    Model,
    is_foreign_model,
    is_own_model,
    models_like,
)
from rigorkd.models.own_code import Source
from rigorkd.models.pooling import pool_deterministically
from rigorkd.models.weights import (
    State,
    differences,
    head_of,
    load_weights,
    read_weights,
    seeded,
    unprefixed,
)
from rigorkd.models.zoo import cifar_resnet, cnn, stem_resnet
from rigorkd.text import first_line

_PUBLISHED = ("imagenet1k_v1", "imagenet1k_v2", "pretrained")


def build(
    model: Model,
    *,
    classes: int,
    channels: int,
    size: int,
    weights: str | Path = "random",
    seed: int,
    source: Source | None = None,
    keep_head: bool = False,
) -> nn.Module:
    """A model for images (B, channels, size, size) that gives logits (B, classes), in train mode.

    `weights` is random, imagenet1k_v1, imagenet1k_v2, pretrained, or the path of a file (safetensors, or .pth
    of torch) with a full state dict. `source` is where a model of the user's own lies. The same seed and
    architecture give the same bits, whatever was drawn before. With `keep_head` published weights keep the
    head that they came with, as a teacher that is used as it is must.

    Raises:
        InputError: name, arguments, weights or image size do not fit.
    """
    wanted = _Wanted(model, channels=channels, size=size, source=source)
    make = _maker(wanted)
    try:
        with seeded(seed):
            network = _shaped(make(classes), wanted)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise InputError(
            f"model {model.name} cannot be built for images of {size}×{size} pixels: {first_line(error)}"
        ) from error
    pool_deterministically(network)
    _require_logits(network, wanted, classes)
    if weights in _PUBLISHED:
        with seeded(seed):
            head = head_of(network, _shaped(make(classes + 1), wanted))
            state = _published(wanted, network, str(weights))
        if keep_head:
            _require_head(state, head, str(weights), classes)
        load_weights(network, state, f"the weights {weights}", head=head, keep_head=keep_head)
    elif weights != "random":
        state = unprefixed(network, read_weights(Path(weights)), str(weights))
        head = frozenset()
        if differences(network, state, head, keep_head=True):
            with seeded(seed):
                head = head_of(network, _shaped(make(classes + 1), wanted))
                state = _refitted(wanted, network, state, str(weights), head)
        load_weights(
            network,
            state,
            str(weights),
            head=head,
            keep_head=True,
            hint=lambda: belongs_to(state, channels=channels),
        )
    return network.train()


def _shaped(network: nn.Module, wanted: _Wanted) -> nn.Module:
    """The network, whose lazy layers take their shapes, and draw their weights, here and not at the first
    images: those of a seed would depend on what was drawn before."""
    if any(isinstance(one, LazyModuleMixin) and one.has_uninitialized_params() for one in network.modules()):
        # whatever is wrong with it, the check of its answers says
        with contextlib.suppress(Exception), torch.no_grad():
            network.eval()(torch.zeros(1, wanted.channels, wanted.size, wanted.size))
    return network


def _require_head(state: State, head: frozenset[str], tag: str, classes: int) -> None:
    """Refuse published weights whose head is missing, or one for another number of classes."""
    found = next((state[key].shape[0] for key in sorted(head & state.keys())), None)
    if found != classes:
        has = "no head" if found is None else f"a head for {found} classes"
        raise InputError(
            f"with train: false, the weights {tag} would teach from a new, random head: they have {has},"
            f" and the data has {classes} classes",
            hint="train it, or give a file that was trained on this data: {path: ...}",
        )


@dataclass(frozen=True)
class _Wanted:
    """What is to be built, but for the number of classes."""

    model: Model
    channels: int
    size: int
    source: Source | None

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def timm_name(self) -> str | None:
        return self.name.removeprefix("timm/") if self.name.startswith("timm/") else None

    @property
    def hf_base(self) -> Path | None:
        """Where the relative folder of an `hf/./folder` starts."""
        return self.source.folder if self.source else None


Maker = Callable[[int], nn.Module]
"""Builds a network for a number of classes."""


def _maker(wanted: _Wanted) -> Maker:
    """How to build the named architecture; raises for names and arguments that have no meaning."""
    model, name, channels, size = wanted.model, wanted.name, wanted.channels, wanted.size
    if is_foreign_model(name):
        return _foreign_maker(wanted)
    if name not in MODELS:
        close = " or ".join(models_like(name))
        raise InputError(f"no model {name!r}", hint=f"did you mean {close}?" if close else "")
    if name == CNN:
        _refuse(model, "args")
        return lambda classes: cnn(
            model.channels or CNN_CHANNELS,
            inputs=channels,
            size=size,
            classes=classes,
            hidden=model.hidden,
            dropout=model.dropout or 0.0,
            norm=model.norm,
        )
    if not model.norm:
        raise InputError(f"model {name} takes no norm")
    _refuse(model, "channels", "hidden")
    if name in CIFAR_RESNETS:
        _refuse(model, "args", "dropout")
        depth = int(name.removeprefix("cifar_resnet"))
        return lambda classes: cifar_resnet(depth, channels=channels, classes=classes)
    if name in CIFAR_NETWORKS:
        _refuse(model, "args", "dropout")
        return lambda classes: cifar_network(name, channels=channels, size=size, classes=classes)
    arguments = dict(model.args)
    if model.dropout is not None:
        arguments["dropout"] = model.dropout
    if name in STEM_RESNETS:
        plain = name.removesuffix("_cifar")
        return lambda classes: stem_resnet(plain, channels=channels, classes=classes, **arguments)
    assert name in TORCHVISION
    from rigorkd.models.torchvision_models import torchvision_model

    def with_grey(classes: int) -> nn.Module:
        made = torchvision_model(name, classes=classes, size=size, arguments=arguments)
        if channels == 1:
            repeat_grey(made)
        return made

    return with_grey


def _foreign_maker(wanted: _Wanted) -> Maker:
    """The libraries are imported here, where a protocol asks for them: each takes seconds."""
    model, name, channels, size = wanted.model, wanted.name, wanted.channels, wanted.size
    _refuse(model, "channels", "hidden", "dropout")
    if is_own_model(name):
        from rigorkd.models.custom import own_model

        return lambda classes: own_model(
            name, wanted.source, classes=classes, channels=channels, size=size, **model.args
        )
    arguments: dict[str, Any] = dict(model.args)
    if wanted.timm_name is not None:
        from rigorkd.models.timm_models import timm_model

        timm_name = wanted.timm_name
        return lambda classes: timm_model(
            timm_name, channels=channels, classes=classes, size=size, arguments=arguments
        )
    from rigorkd.models.hf_models import hf_model

    return lambda classes: hf_model(
        name, channels=channels, classes=classes, size=size, arguments=arguments, folder=wanted.hf_base
    )


def _refuse(model: Model, *keys: str) -> None:
    for key in keys:
        if getattr(model, key):
            raise InputError(f"model {model.name} takes no {key}")


def _require_logits(network: nn.Module, wanted: _Wanted, classes: int) -> None:
    """Show the network one empty image: some architectures shrink small images to nothing."""
    name, size = wanted.name, wanted.size
    network.eval()  # leaves the statistics of BatchNorm alone
    image = torch.zeros(1, wanted.channels, size, size)
    try:
        with torch.no_grad():
            logits: object = network(image)
    except Exception as error:  # code of others can raise anything
        kind = "" if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__}: "
        raise InputError(
            f"model {name} cannot take images of {size}×{size} pixels: {kind}{first_line(error)}",
            hint="give views.size a larger value, or choose another model",
        ) from error
    require_untouched(image, name)
    if not isinstance(logits, torch.Tensor) or logits.shape != (1, classes):
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(
            f"model {name} answers one image of {size}×{size} pixels with {found}, not with the logits of"
            f" {classes} classes, shape (1, {classes})"
        )


def _published(wanted: _Wanted, network: nn.Module, tag: str) -> State:
    """The tensors of published weights."""
    name = wanted.name
    if name in TORCHVISION:
        from rigorkd.models.torchvision_models import imagenet_weights

        return imagenet_weights(name, tag, size=wanted.size)
    if tag == "pretrained" and wanted.timm_name is not None:
        from rigorkd.models.timm_models import timm_weights

        return timm_weights(
            wanted.timm_name, channels=wanted.channels, size=wanted.size, arguments=dict(wanted.model.args)
        )
    if tag == "pretrained" and name.startswith("hf/"):
        from rigorkd.models.hf_models import hf_weights, resampled

        return resampled(hf_weights(name, wanted.hf_base), network)
    raise InputError(f"model {name} has no weights {tag!r}", hint="start it from random")


def _refitted(wanted: _Wanted, network: nn.Module, state: State, what: str, head: frozenset[str]) -> State:
    """The tensors of a file; one written for another image size is resampled by the model's library."""
    if not differences(network, state, head, keep_head=True):
        return state
    if wanted.timm_name is not None:
        from rigorkd.models.timm_models import timm_reshaped

        return timm_reshaped(
            wanted.timm_name,
            state,
            what,
            head=head,
            channels=wanted.channels,
            size=wanted.size,
            arguments=dict(wanted.model.args),
        )
    if wanted.name.startswith("hf/"):
        from rigorkd.models.hf_models import resampled

        return resampled(state, network)
    return state
