"""Image classifiers of the Hugging Face hub, or of a folder in its format: the extra `rigorkd[hf]`.

The model is transformers' own, with its own names of weights; hooks make it take images and give logits.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.models.hub import not_there, reachable
from rigorkd.models.inputs import repeat_grey
from rigorkd.models.model import hf_folder
from rigorkd.models.weights import State
from rigorkd.text import first_line

_OURS = ("num_labels", "image_size", "num_channels")
_POSITIONS = "position_embeddings"


def hf_model(
    name: str, *, channels: int, classes: int, size: int, arguments: dict[str, Any], folder: Path | None
) -> nn.Module:
    """The classifier `hf/<org>/<name>` or `hf/./folder` with random weights, for images of side `size`.

    `arguments` replace values of its configuration; a relative folder starts at `folder`. Grey images are
    repeated to RGB unless the configuration has one channel.
    """
    for key in _OURS:
        if key in arguments:
            raise InputError(f"{name}: the protocol sets {key} itself; take it out of args")
    transformers = _library(name)
    config = _fetched(transformers.AutoConfig, name, folder, num_labels=classes, **arguments)
    if hasattr(config, "image_size"):
        config.image_size = size
    try:
        # In float32 whatever the file was saved in: precision is the protocol's to say.
        model = transformers.AutoModelForImageClassification.from_config(config, dtype=torch.float32)
    except ImportError as error:
        raise InputError(f"{name}: {first_line(error)}") from error
    if channels == 1 and getattr(config, "num_channels", 3) == 3:
        repeat_grey(model)
    model.register_forward_hook(_logits)
    assert isinstance(model, nn.Module)
    return model


def hf_weights(name: str, folder: Path | None) -> State:
    """The published tensors, without those that the published file lacks (often the head)."""
    model, loaded = _fetched(
        _library(name).AutoModelForImageClassification, name, folder, output_loading_info=True
    )
    state: State = model.state_dict()
    return {key: tensor for key, tensor in state.items() if key not in loaded["missing_keys"]}


def resampled(state: State, network: nn.Module) -> State:
    """The tensors, with position embeddings brought to the network's number of patches as timm does it."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    own = network.state_dict()
    fitted = dict(state)
    for key, tensor in state.items():
        if key.endswith(_POSITIONS) and key in own and own[key].shape != tensor.shape and tensor.ndim == 3:
            new, prefix = own[key].shape[1], _prefix(tensor.shape[1], own[key].shape[1])
            if prefix is not None:
                side = math.isqrt(new - prefix)
                fitted[key] = resample_abs_pos_embed(tensor, [side, side], num_prefix_tokens=prefix)
    return fitted


def _prefix(old: int, new: int) -> int | None:
    """How many embeddings (class, distillation) come before a square of patches, in both lengths."""
    squares = (p for p in (1, 2, 0) if all(math.isqrt(n - p) ** 2 == n - p > 0 for n in (old, new)))
    return next(squares, None)


def _logits(_: nn.Module, arguments: Any, output: Any) -> torch.Tensor:
    logits: torch.Tensor = output.logits
    return logits


def _library(name: str) -> Any:
    require("hf", f"the model {name}")
    transformers = importlib.import_module("transformers")
    quiet = importlib.import_module("transformers.utils.logging")
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    return transformers


def _fetched(kind: Any, name: str, folder: Path | None, **values: Any) -> Any:
    """`kind.from_pretrained`, from a folder or the hub's cache first, and only then from the network."""
    local = hf_folder(name)
    if local is not None:
        place, revision = str((folder or Path()) / local), None
    else:
        place, _, tag = name.removeprefix("hf/").partition("@")
        revision = tag or None
    reason = ""
    for offline in (True, False):
        if not offline and (local is not None or not reachable()):
            break
        try:
            return kind.from_pretrained(place, local_files_only=offline, revision=revision, **values)
        except OSError as error:
            reason = "" if offline and local is None else first_line(error)
        except (ValueError, ImportError, KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{name}: {place} holds no image classifier: {first_line(error)}") from error
    if local is not None:
        raise InputError(f"{name}: {place} cannot be read: {reason}")
    wanted = "config.json" if kind.__name__ == "AutoConfig" else "model.safetensors"
    raise not_there(place, wanted, reason, otherwise="save it as a folder and name that hf/./folder")
