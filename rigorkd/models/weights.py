"""Weights: drawn from a seed, or loaded as a full state dict but for a head that belongs to other classes.

A head is whatever changes shape with the number of classes. Here is the one place where torch's global random
state is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rigorkd.errors import InputError

State = Mapping[str, torch.Tensor]
_SHOWN = 3  # how many differing tensors a message names


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block and restore its state afterwards.

    Weights are initialised on the CPU, so the same seed and architecture give the same bits on any device
    and whatever was drawn before.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def head_of(network: nn.Module, other: nn.Module) -> frozenset[str]:
    """The names of the head's tensors; `other` is the same architecture for another number of classes."""
    theirs = other.state_dict()
    return frozenset(
        key for key, tensor in network.state_dict().items() if _shape(tensor) != _shape(theirs.get(key))
    )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises InputError naming the file."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of weights") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file: {first_line(error)}") from error


def differences(network: nn.Module, state: State, head: frozenset[str], *, keep_head: bool) -> list[str]:
    """What of `state` does not fit the network, one phrase per tensor.

    A head may have another number of classes; one that is not kept may also be missing.
    """
    own = network.state_dict()

    def excused(key: str) -> bool:
        if key not in head:
            return False
        return state[key].shape[1:] == own[key].shape[1:] if key in state else not keep_head

    return [
        f"{key} is {_shape(state.get(key))} there and {_shape(own.get(key))} here"
        for key in [*own, *(key for key in state if key not in own)]
        if _shape(state.get(key)) != _shape(own.get(key)) and not excused(key)
    ]


def load_weights(
    network: nn.Module, state: State, what: str, *, head: frozenset[str], keep_head: bool
) -> None:
    """Load every tensor, except a head that is not wanted or has another number of classes.

    Raises InputError, which calls the weights `what`, if any other tensor differs in name or shape.
    """
    found = differences(network, state, head, keep_head=keep_head)
    if found:
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InputError(f"{what}: the tensors do not fit the model: " + "; ".join(found[:_SHOWN]) + more)
    own = network.state_dict()
    new_head = not keep_head or any(_shape(state[key]) != _shape(own[key]) for key in head)
    own.update({key: value for key, value in state.items() if not (new_head and key in head)})
    network.load_state_dict(own)


def put_state(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load all tensors of a network, as kept in a plain mapping.

    A network's own state has notes beside its tensors, by which MNASNet knows that its weights are of today.
    """
    state = network.state_dict()
    state.clear()
    state.update(tensors)
    network.load_state_dict(state)


def first_line(error: BaseException) -> str:
    """What an exception says, cut to its first line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _shape(tensor: torch.Tensor | None) -> str:
    return "missing" if tensor is None else "×".join(str(side) for side in tensor.shape) or "a number"
