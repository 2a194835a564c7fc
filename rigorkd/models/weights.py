"""Weights: drawn from a seed, or loaded as a full state dict but for a head that belongs to other classes.

Files are safetensors, or what torch.save wrote of tensors alone: nothing that a file holds is ever run. A
head is whatever changes shape with the number of classes. Here is the one place where torch's global random
state is touched.
"""

from __future__ import annotations

import pickle
import re
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PosixPath

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rigorkd.errors import InputError
from rigorkd.text import first_line, some_of

State = Mapping[str, torch.Tensor]
_COUNTER = "num_batches_tracked"
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
    """The tensors of a file, as safetensors or as torch.save writes a state dict or a checkpoint with one.

    Raises:
        InputError: it is not there or not readable, holds code, or no state dict; the message names it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
        if start[:1] == _PICKLE or start.startswith(_ARCHIVE):
            return _state_in(_unpickled(path), path)
        for begins, what, mend in _NO_WEIGHTS:
            if re.match(begins, start, re.DOTALL | re.IGNORECASE):
                raise InputError(f"{path}: not a file of weights but {what}", hint=mend)
        return load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of weights") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: a folder, not a file of weights", hint="name a file in it") from error
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a readable file of weights (safetensors, or .pth of torch): {first_line(error)}"
        ) from error


_PICKLE, _ARCHIVE = b"\x80", b"PK\x03\x04"
"""How a pickle, and the zip archive around one, begin."""

_NO_WEIGHTS = (
    (rb"$", "an empty file", "fetch it again"),
    (rb"\s*<", "a web page, such as one that says why a download failed", "fetch it again"),
    (rb"version https://git-lfs", "a pointer of Git LFS", "`git lfs pull` fetches what it stands for"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|.{257}ustar", "a compressed file or an archive", "unpack it first"),
)
"""How files begin that are taken for weights, what they are, and how to mend it."""

_HOLDERS = ("state_dict", "model", "net", "model_state_dict")
"""Under which key public checkpoints keep the state dict, which goes before others, such as an average's."""


def _unpickled(path: Path) -> object:
    """What torch.save wrote, as far as it is tensors, plain values and what loading cannot be hurt by."""
    numbers = [getattr(np.dtypes, f"{kind}DType") for kind in ("Bool", "Int64", "Float32", "Float64")]
    scalar = np.float64().__reduce__()[0]  # what makes numpy's numbers, which many checkpoints keep
    harmless = [
        *(Namespace, np.dtype, PosixPath, (PosixPath, "pathlib._local.PosixPath"), *numbers),
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    ]
    try:
        with torch.serialization.safe_globals(harmless), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can raise anything
        named = re.search(r"GLOBAL:? (\S+?)[,.]?\s", str(error))
        if isinstance(error, pickle.UnpicklingError) and named:
            raise InputError(
                f"{path}: it holds more than tensors ({named[1]}), and to load that would be to run code",
                hint="where you trust it, load it in Python and save its tensors alone:"
                " torch.save(model.state_dict(), FILE)",
            ) from None
        if "TorchScript" in str(error):
            raise InputError(
                f"{path}: it is a program of TorchScript, and to load that would be to run code",
                hint="where you trust it, save its tensors alone:"
                " torch.save(torch.jit.load(OLD).state_dict(), FILE)",
            ) from None
        if "zip archive" in str(error):
            raise InputError(
                f"{path}: not a readable file of weights: it is cut off or damaged", hint="fetch it again"
            ) from error
        reason = (
            "it is no checkpoint of torch" if isinstance(error, pickle.UnpicklingError) else first_line(error)
        )
        raise InputError(f"{path}: not a readable file of weights: {reason}") from error
    return content


def _state_in(content: object, path: Path) -> dict[str, torch.Tensor]:
    """The state dict that a checkpoint is, or holds under one of the usual names."""
    if (state := _as_state(content)) is not None:
        return state
    items = content if isinstance(content, Mapping) else {}
    found = {str(key): state for key, one in items.items() if (state := _as_state(one)) is not None}
    usual = {key: found[key] for key in _HOLDERS if key in found}
    networks = usual or {
        key: state for key, state in found.items() if any(tensor.ndim > 1 for tensor in state.values())
    }
    if len(networks) == 1:
        return next(iter(networks.values()))
    if networks:
        raise InputError(
            f"{path}: it holds several state dicts ({', '.join(networks)})",
            hint="save the one that is meant alone",
        )
    raise InputError(
        f"{path}: it holds no state dict, but {some_of([str(key) for key in items], 8) or _kind(content)}",
        hint=f"a state dict is expected, alone or under a name such as {', '.join(_HOLDERS)}",
    )


def _kind(content: object) -> str:
    return "nothing" if content in ({}, [], None) else f"a {type(content).__name__}"


_COUNTED_BY_THOP = ("total_ops", "total_params")
"""What counting multiply-adds leaves in the state of every layer."""


def _as_state(content: object) -> dict[str, torch.Tensor] | None:
    """A mapping of names to tensors, or None."""
    if not isinstance(content, Mapping) or not content:
        return None
    if not all(isinstance(key, str) and isinstance(item, torch.Tensor) for key, item in content.items()):
        return None
    return {
        key: item.detach() for key, item in content.items() if key.rsplit(".")[-1] not in _COUNTED_BY_THOP
    }


_WRAPPERS = ("module.", "_orig_mod.", "student.", "model.", "net.", "network.")
"""What is put before all names: by DataParallel, torch.compile, mdistiller, modules of Lightning."""


def unprefixed(network: nn.Module, state: State, what: str) -> State:
    """The tensors under the network's own names: wrappers put one before all of them.

    A trainer's module may hold others beside the network, as Lightning's do: a loss, a teacher, an average.
    InputError, which calls the weights `what`, where the network is there more than once.
    """
    own = network.state_dict().keys()
    for prefix in _WRAPPERS:
        wrapped = bool(state) and all(key.startswith(prefix) for key in state)
        if wrapped and not all(key.startswith(prefix) for key in own):
            state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    if any(key in own for key in state):
        return state
    places = {key[: dot.end()] for key in state for dot in re.finditer(r"\.", key)}
    inside = {
        place: {key.removeprefix(place): tensor for key, tensor in state.items() if key.startswith(place)}
        for place in sorted(places)
    }
    meant = [
        place
        for place, tensors in inside.items()
        if all(key in tensors or key.endswith(_COUNTER) for key in own) and tensors.keys() <= own
    ]
    if len(meant) > 1:
        raise InputError(
            f"{what}: it holds the network {len(meant)} times, as {' and '.join(meant)}",
            hint="give a file of one alone (mdistiller's student_best)",
        )
    return inside[meant[0]] if meant else state


def differences(network: nn.Module, state: State, head: frozenset[str], *, keep_head: bool) -> list[str]:
    """What of `state` does not fit the network, one phrase per tensor.

    A head may have another number of classes; one that is not kept may also be missing.
    """
    own = network.state_dict()

    def excused(key: str) -> bool:
        if key.endswith(_COUNTER) and key not in state:
            return True  # checkpoints of long ago do not count batches
        if key not in head:
            return False
        return state[key].shape[1:] == own[key].shape[1:] if key in state else not keep_head

    return [
        f"{key} is {_shape(state.get(key))} there and {_shape(own.get(key))} here"
        for key in [*own, *(key for key in state if key not in own)]
        if _shape(state.get(key)) != _shape(own.get(key)) and not excused(key)
    ]


def load_weights(
    network: nn.Module,
    state: State,
    what: str,
    *,
    head: frozenset[str],
    keep_head: bool,
    hint: Callable[[], str] = str,
) -> None:
    """Load every tensor, except a head that is not wanted or has another number of classes.

    Raises InputError, which calls the weights `what`, if any other tensor differs in name or shape; `hint`
    then says how to mend it.
    """
    found = differences(network, state, head, keep_head=keep_head)
    if found:
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        message = f"{what}: the tensors do not fit the model: " + "; ".join(found[:_SHOWN]) + more
        raise InputError(message, hint=hint())
    own = network.state_dict()
    broken = [
        key for key, tensor in network.named_parameters() if key in state and not state[key].isfinite().all()
    ]
    if broken:
        raise InputError(f"{what}: {some_of(broken, _SHOWN)} holds values that are no numbers, or infinite")
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


def _shape(tensor: torch.Tensor | None) -> str:
    return "missing" if tensor is None else "×".join(str(side) for side in tensor.shape) or "a number"
