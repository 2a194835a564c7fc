"""Which network a file of weights belongs to, told by the names and shapes of its tensors.

Asked only where weights do not fit the network that they were given for, so that the message can say which
one they would fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache

import torch
from torch import nn

from rigorkd.models.cifar_networks import cifar_network
from rigorkd.models.model import CIFAR_NETWORKS, CIFAR_RESNETS, STEM_RESNETS, TORCHVISION
from rigorkd.models.weights import State, differences
from rigorkd.models.zoo import cifar_resnet, stem_resnet

_CLASSES = 1009
"""A number of classes that no width of a network has, so that what has it is the head."""

_SIZE = 224
"""torchvision's networks take images of this side; position embeddings belong to it."""

_NEAREST = 12
"""torchvision's networks that are compared: those whose parameters are about as many."""

_TRANSFORMERS = (".encoder.layer", ".encoder.stages.", ".embedder.", ".embeddings.")
"""Parts of names that transformers' image classifiers have, and no other library's."""


def belongs_to(state: State, *, channels: int) -> str:
    """The network that the tensors fit, or the nearest and how many of its tensors differ, in words."""
    if {"student", "teacher"} <= {key.split(".", maxsplit=1)[0] for key in state}:
        return "they are a distiller's, of two networks: give a file of one alone (mdistiller's student_best)"
    if any(part in f".{key}" for key in state for part in _TRANSFORMERS):
        return "they are transformers': give model: hf/<org>/<name>, or hf/./folder, with start: pretrained"
    best: tuple[int, int, str] | None = None
    for name, network in _networks(state, channels):
        theirs = network.state_dict()
        head = frozenset(key for key, tensor in theirs.items() if _CLASSES in tensor.shape[:1])
        differing = len(differences(network, state, head, keep_head=True))
        if not differing:
            return f"they fit the model {name}"
        if best is None or differing < best[0]:
            best = (differing, len(theirs), name)
    if best is None or best[0] > best[1] // 2:
        return "no network that rigorkd or torchvision has is near: see docs/own-model.md for your own"
    return f"the nearest network is {best[2]}, where {best[0]} of {best[1]} tensors differ"


def _networks(state: State, channels: int) -> Iterator[tuple[str, nn.Module]]:
    """Every network, large ones as shapes without values; of torchvision's those of about the same size."""
    for name in (*CIFAR_NETWORKS, *CIFAR_RESNETS, *STEM_RESNETS):
        yield name, _outline(name, channels)
    for name in _of_this_size(TORCHVISION, sum(tensor.numel() for tensor in state.values())):
        with suppress(ValueError, RuntimeError, AssertionError):
            yield name, _outline(name, channels)


@cache
def _outline(name: str, channels: int) -> nn.Module:
    with torch.random.fork_rng(devices=()):  # small ones: their values cost less than to do without
        if name in CIFAR_NETWORKS:
            return cifar_network(name, channels=channels, size=32, classes=_CLASSES)
        if name in CIFAR_RESNETS:
            return cifar_resnet(int(name.removeprefix("cifar_resnet")), channels=channels, classes=_CLASSES)
    with torch.device("meta"):
        if name in STEM_RESNETS:
            return stem_resnet(name.removesuffix("_cifar"), channels=channels, classes=_CLASSES)
        from rigorkd.models.torchvision_models import torchvision_model

        return torchvision_model(name, classes=_CLASSES, size=_SIZE, arguments={})


def _of_this_size(names: Iterable[str], parameters: int) -> list[str]:
    """The names whose published weights have nearly as many parameters, nearest first."""
    from torchvision import models

    counted = {
        name: next(iter(models.get_model_weights(name))).meta["num_params"]
        for name in names
        if len(models.get_model_weights(name))
    }
    return sorted(counted, key=lambda name: abs(counted[name] - parameters))[:_NEAREST]
