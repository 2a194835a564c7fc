"""Published weights without a network: files of the real format where the real libraries look for them."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

State = dict[str, torch.Tensor]
Publish = Callable[[str, State], Path]


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hugging Face hub, on a machine that reaches no network."""
    from huggingface_hub import constants

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    return cache


@pytest.fixture
def publish(hub_cache: Path) -> Publish:
    """Put a state dict into the hub's cache as `model.safetensors` of a repository."""

    def put(repository: str, state: State) -> Path:
        folder = hub_cache / f"models--{repository.replace('/', '--')}"
        file = folder / "snapshots" / "0123abcd" / "model.safetensors"
        file.parent.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("0123abcd")
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, file)
        return file

    return put
