"""The outputs of named layers of a network, taken by forward hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rigorkd.errors import InputError
from rigorkd.text import nearest, some_of


class ForwardHooks:
    """Hooks on layers of a network, by their names in `named_modules`.

    They listen only between `open` and `take`, so that evaluation keeps no activations alive.

    Raises:
        InputError: the network has no such layer.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        modules = dict(network.named_modules())
        for layer in layers:
            if layer not in modules or not layer:
                names = [name for name in modules if name]
                close = nearest(layer, names)
                hint = f"did you mean {close!r}?" if close else f"there are: {some_of(names, 12)}"
                raise InputError(f"the network has no layer {layer!r}", hint=hint)
        self._handles = [modules[layer].register_forward_hook(self._hook(layer)) for layer in layers]
        self._open = False
        self._taken: dict[str, tuple[Tensor, int]] = {}

    def open(self) -> None:
        """Listen to the next forward pass."""
        self._open, self._taken = True, {}

    def take(self) -> dict[str, Tensor]:
        """What the layers gave since `open`, by name.

        Raises:
            InputError: the network has overwritten one of them since (an in-place activation, say).
        """
        self._open = False
        taken, self._taken = self._taken, {}
        for layer, (output, version) in taken.items():
            if output._version != version:
                raise InputError(
                    f"what the layer {layer!r} gives is overwritten by a later layer of its network",
                    hint="name the layer that overwrites it (the activation that follows, say)",
                )
        return {layer: output for layer, (output, _) in taken.items()}

    def remove(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, layer: str) -> Any:
        def listen(module: nn.Module, inputs: object, output: object) -> None:
            if self._open:
                if not isinstance(output, Tensor):
                    raise InputError(f"the layer {layer!r} gives a {type(output).__name__}, not one tensor")
                self._taken[layer] = output, output._version

        return listen


@torch.no_grad()
def feature_shapes(network: nn.Module, layers: Sequence[str], images: Tensor) -> dict[str, tuple[int, ...]]:
    """The shapes, without the batch axis, of what the layers give for images (1, channels, size, size).

    The network is looked at in evaluation mode and left as it was.
    """
    training = network.training
    network.eval()  # leaves the statistics of BatchNorm alone
    hooks = ForwardHooks(network, layers)
    hooks.open()
    try:
        network(images)
    finally:
        network.train(training)
        hooks.remove()
    return {layer: tuple(output.shape[1:]) for layer, output in hooks.take().items()}
