"""timm's models by name, and their published weights; timm itself is imported when the first one is built.

Position embeddings for another image size, and first convolutions for another number of channels, are
resampled and summed as timm does it when it loads weights.
"""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rigorkd.errors import InputError
from rigorkd.models.hub import hub_file, require_answer
from rigorkd.models.weights import State
from rigorkd.text import first_line, nearest

_OURS = ("num_classes", "in_chans", "img_size", "pretrained")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def timm_model(
    name: str, *, channels: int, classes: int, size: int, arguments: dict[str, Any], **loading: Any
) -> nn.Module:
    """timm's `<name>` or `<name>.<tag>` for images (B, channels, size, size), with a head of `classes`.

    `size` is only passed on to models whose shape depends on it. `loading` is for timm's own way of loading.
    """
    import timm

    for key in _OURS:
        if key in arguments:
            raise InputError(f"timm/{name}: the protocol sets {key} itself; take it out of args")
    values: dict[str, Any] = {"num_classes": classes, "in_chans": channels, **arguments, **loading}
    if published(name).fixed_input_size:
        values["img_size"] = size
    made = timm.create_model(name, **values)
    assert isinstance(made, nn.Module)
    return made


def published(name: str) -> Any:
    """What timm knows of the model: its `PretrainedCfg`, of the tag or of the default one.

    Raises:
        InputError: timm has no such model, or no such tag of it.
    """
    import timm
    from timm.models import get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = nearest(architecture, timm.list_models())
        raise InputError(
            f"timm {timm.__version__} has no model {architecture!r}",
            hint=f"did you mean timm/{close}?" if close else "timm.list_models() lists them",
        )
    try:
        found = get_pretrained_cfg(name)
    except RuntimeError:
        found = None
    if found is None:
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
        raise InputError(
            f"timm {timm.__version__} has no weights {tag!r} of {architecture}",
            hint=f"it has: {', '.join(tags) or 'none'}",
        )
    return found


def timm_weights(name: str, *, channels: int, size: int, arguments: dict[str, Any]) -> State:
    """The state dict of timm's published weights, with the head of their own classes.

    Raises:
        InputError: the model has no weights, or they can be neither found nor downloaded.
    """
    cfg = published(name)
    custom = False
    if cfg.hf_hub_id and cfg.hf_hub_filename:
        file = hub_file(cfg.hf_hub_id, (cfg.hf_hub_filename,))
        custom = cfg.custom_load == "hf"
    elif cfg.hf_hub_id:
        file = hub_file(cfg.hf_hub_id, _HUB_FILES)
    elif cfg.url:
        file = _from_url(cfg.url)
        custom = bool(cfg.custom_load)
    else:
        raise InputError(f"timm/{name} has no published weights", hint="start it from random, or from a file")
    source = {"file": str(file), "custom_load": custom}
    return _through_timm(name, source, str(file), cfg.num_classes, channels, size, arguments)


def timm_reshaped(
    name: str,
    raw: State,
    what: str,
    *,
    head: frozenset[str],
    channels: int,
    size: int,
    arguments: dict[str, Any],
) -> State:
    """The tensors of a file that does not fit as it is, brought to this image size and form by timm."""
    classes = next((len(raw[key]) for key in sorted(head) if key in raw), published(name).num_classes)
    return _through_timm(name, {"state_dict": dict(raw)}, what, classes, channels, size, arguments)


def _through_timm(
    name: str,
    source: dict[str, Any],
    what: str,
    classes: int,
    channels: int,
    size: int,
    arguments: dict[str, Any],
) -> State:
    """The weights as timm loads them into a model of their own number of classes; none may be missing."""
    overlay = {**source, "num_classes": classes}
    try:
        model = timm_model(
            name,
            channels=channels,
            classes=classes,
            size=size,
            arguments=arguments,
            pretrained=True,
            pretrained_cfg_overlay=overlay,
        )
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, OSError, EOFError) as error:
        raise InputError(f"{what}: cannot be loaded into timm/{name}: {_shortly(error)}") from error
    return model.state_dict()


def _from_url(url: str) -> Path:
    """A file of torch hub's cache, downloaded into it if need be."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / url.rsplit("/", 1)[-1]
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            require_answer(url)
            digest = torch.hub.HASH_REGEX.search(file.name)  # part of the name, as in torch's own hub
            torch.hub.download_url_to_file(url, str(file), digest and digest[1], progress=False)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise InputError(
                f"the weights {file.name} cannot be downloaded: {first_line(error)}",
                hint=f"place {file.name}, from {url}, in {folder}",
            ) from error
    return file


def _shortly(error: BaseException) -> str:
    """torch lists every tensor, a line each; the first two lines tell what kind of thing is wrong."""
    words = " ".join(" ".join(str(error).splitlines()[:2]).split())
    return words[:300] or type(error).__name__
