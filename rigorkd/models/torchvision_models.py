"""torchvision's classification models by name, and their ImageNet weights."""

from __future__ import annotations

import pickle
import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from rigorkd.errors import InputError
from rigorkd.models.hub import require_answer

# Auxiliary heads answer with tuples in train mode; a plain classifier is built without them.
_PLAIN = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}


def torchvision_model(name: str, *, classes: int, size: int, arguments: dict[str, Any]) -> nn.Module:
    """The model with random weights for colour images (B, 3, S, S), and a head of `classes` outputs."""
    fixed: dict[str, Any] = dict(_PLAIN.get(name, {}))
    if name.startswith("vit_"):
        fixed["image_size"] = size
    if name == "maxvit_t":
        fixed["input_size"] = (size, size)
    model: nn.Module = models.get_model(name, weights=None, num_classes=classes, **fixed, **arguments)
    return model


def imagenet_file(name: str, tag: str) -> Path:
    """Where torch hub's cache keeps published ImageNet weights, or would. InputError if there are none."""
    return Path(torch.hub.get_dir()) / "checkpoints" / str(_published(name, tag).url).rsplit("/", 1)[-1]


def _published(name: str, tag: str) -> Any:
    family = models.get_model_weights(name)
    member = "DEFAULT" if tag == "pretrained" else tag.upper()
    if member not in family.__members__:
        known = ", ".join(key.lower() for key in family.__members__ if key.startswith("IMAGENET1K_V"))
        raise InputError(f"{name} has no weights {tag!r}", hint=f"torchvision has {known or 'none'}")
    return family[member]


def imagenet_weights(name: str, tag: str, *, size: int) -> dict[str, torch.Tensor]:
    """The state dict of published ImageNet weights, from torch hub's cache or downloaded into it.

    `tag` is imagenet1k_v1, imagenet1k_v2, or pretrained for the newest.

    Raises:
        InputError: the model has no such weights, or they can be neither found nor downloaded.
    """
    weights, file = _published(name, tag), imagenet_file(name, tag)
    try:
        if not file.exists():
            require_answer(weights.url)
        state: dict[str, torch.Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (urllib.error.URLError, OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        action = "read" if file.exists() else "downloaded"
        raise InputError(
            f"the weights {tag} of {name} cannot be {action}: {error}",
            hint=f"place {file.name}, from {weights.url}, in {file.parent}",
        ) from error
    if name.startswith("vit_"):
        patch = int(name.rsplit("_", 1)[1])
        state = dict(interpolate_embeddings(size, patch, state))
    return {
        key: value for key, value in state.items() if not key.startswith(("aux1.", "aux2.", "AuxLogits."))
    }
