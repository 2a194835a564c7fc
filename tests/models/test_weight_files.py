"""Files of weights as public repositories write them: what loads, what is refused, which network they fit."""

from __future__ import annotations

import os
import pickle
import warnings
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rigorkd.errors import InputError
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.weights import read_weights
from tests.helpers import Touches

State = dict[str, torch.Tensor]


def make(name: str, *, classes: int = 10, **values: Any) -> nn.Module:
    return build(Model(name=name), classes=classes, channels=3, size=32, **{"seed": 0, **values})


def prefixed(state: State) -> State:
    return {f"module.{key}": tensor for key, tensor in state.items()}


LAYOUTS: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "ordered": OrderedDict,
    "mdistiller": lambda state: {"model": state},
    "RepDistiller": lambda state: {
        "epoch": 240,
        "model": state,
        "best_acc": torch.tensor(72.3),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.05, "params": [0]}]},
    },
    "its last epoch": lambda state: {"opt": Namespace(lr=0.05, steps=[150, 180]), "model": state},
    "numpy's numbers": lambda state: {"net": state, "acc": np.float64(72.3), "epoch": np.int64(240)},
    "mdistiller's best": lambda state: {
        "epoch": 240,
        "model": {f"module.student.{key}": tensor for key, tensor in state.items()},
        "best_acc": torch.tensor(72.3),
    },
    "Lightning": lambda state: {"state_dict": {f"model.{key}": tensor for key, tensor in state.items()}},
    "state_dict": lambda state: {"state_dict": state, "arch": "resnet8"},
    "several devices": prefixed,
    "several devices, in a checkpoint": lambda state: {"state_dict": prefixed(state)},
    "compiled": lambda state: {f"_orig_mod.{key}": tensor for key, tensor in state.items()},
    "timm": lambda state: {
        "state_dict": state,
        "state_dict_ema": {key: tensor + 1 for key, tensor in state.items()},
        "args": Namespace(data=Path("data")),
    },
    "torchvision": lambda state: {
        "model": state,
        "model_ema": {"n_averaged": torch.tensor(3), **prefixed(state)},
        "lr_scheduler": {"base_lrs": [0.1], "last_epoch": 3},
    },
    "under a name of its own": lambda state: {"weights": state, "totals": {"loss": torch.tensor(1.0)}},
    "multiply-adds counted": lambda state: {
        **state,
        "total_ops": torch.zeros(1),
        "conv1.total_params": torch.zeros(1),
    },
    "of long ago": lambda state: {key: t for key, t in state.items() if "num_batches" not in key},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_public_checkpoints_load(tmp_path: Path, layout: str, zipped: bool) -> None:
    saved = make("resnet8", seed=1)
    file = tmp_path / "ckpt_epoch_240.pth"
    torch.save(LAYOUTS[layout](dict(saved.state_dict())), file, _use_new_zipfile_serialization=zipped)
    loaded = make("resnet8", seed=2, weights=file).state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in saved.state_dict().items())


def test_a_head_of_another_number_of_classes_is_new(tmp_path: Path) -> None:
    saved, file = make("resnet8", classes=100, seed=1), tmp_path / "model.pth"
    torch.save({"model": saved.state_dict()}, file)
    loaded = make("resnet8", seed=2, weights=file)
    assert torch.equal(loaded.state_dict()["conv1.weight"], saved.state_dict()["conv1.weight"])
    assert loaded.state_dict()["fc.weight"].shape == (10, 64)


def test_a_network_whose_own_layer_is_called_module_keeps_its_name(tmp_path: Path) -> None:
    from rigorkd.models.weights import unprefixed

    network = nn.Sequential(OrderedDict(module=nn.Linear(2, 2)))
    assert set(unprefixed(network, network.state_dict(), "w")) == {"module.weight", "module.bias"}


def test_a_trainers_module_may_hold_more_than_the_network(tmp_path: Path) -> None:
    saved, file = make("resnet8", seed=1).state_dict(), tmp_path / "epoch=9.ckpt"
    student = {f"student.net.{key}": tensor for key, tensor in saved.items()}
    beside = {"loss.weight": torch.ones(10), "teacher.fc.weight": torch.ones(10, 64)}
    torch.save({"epoch": 9, "state_dict": {**student, **beside}}, file)
    loaded = make("resnet8", seed=2, weights=file).state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in saved.items())
    torch.save({"state_dict": {**student, **{f"teacher.{key}": t for key, t in saved.items()}}}, file)
    with pytest.raises(InputError) as caught:
        make("resnet8", seed=2, weights=file)
    assert caught.value.message == f"{file}: it holds the network 2 times, as student.net. and teacher."


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_with_code_is_refused_and_nothing_is_run(tmp_path: Path, zipped: bool) -> None:
    file, touched = tmp_path / "evil.pth", tmp_path / "touched"
    content = {"model": dict(make("resnet8").state_dict()), "extra": Touches(touched)}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError) as caught:
        read_weights(file)
    assert f"{file}: it holds more than tensors ({os.system.__module__}.system)" in caught.value.message
    assert "state_dict()" in caught.value.hint
    assert not touched.exists()


def test_a_whole_model_is_code_too(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(InputError, match=r"more than tensors \(torch\.nn\.modules\.linear\.Linear\)"):
        read_weights(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3, "accuracy": 71.2}, "it holds no state dict, but epoch, accuracy"),
        ([1, 2], "it holds no state dict, but a list"),
        ({}, "it holds no state dict, but nothing"),
        ({"model": {"a": torch.ones(1)}, "net": {"a": torch.ones(1)}}, "several state dicts (model, net)"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "model.pth"
    torch.save(content, file)
    with pytest.raises(InputError) as caught:
        read_weights(file)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a file of weights but an empty file"),
        (b"<!DOCTYPE html><html><title>404</title>", "not a file of weights but a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "but a pointer of Git LFS"),
        (b"\x1f\x8b\x08\x00", "but a compressed file"),
    ],
)
def test_what_a_failed_download_leaves_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        read_weights(path)
    assert raised.value.hint


def test_a_folder_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder, not a file of weights"):
        read_weights(tmp_path)


def test_a_program_of_torchscript_is_code(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated; such files are there
        torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(InputError, match="to load that would be to run code"):
        read_weights(tmp_path / "w.pt")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = make("resnet8").state_dict()
    state["fc.weight"][0, 0] = torch.nan
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"fc\.weight holds values that are no numbers"):
        make("resnet8", weights=tmp_path / "w.pth")


@pytest.mark.parametrize("damage", ["torn", "zip of nothing", "another pickle", "empty"])
def test_damaged_files_are_one_message(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "model.pth"
    torch.save(make("resnet8").state_dict(), file)
    content = {
        "torn": file.read_bytes()[:1000],
        "zip of nothing": b"PK\x03\x04 and nothing",
        "another pickle": pickle.dumps([1, "two"]),
        "empty": b"",
    }[damage]
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_weights(file)
    assert str(file) in caught.value.message
    assert "\n" not in caught.value.message


# ------------------------------------------------------------------------------------- what would fit


def test_a_distiller_with_both_networks_is_told(tmp_path: Path) -> None:
    """mdistiller's `best` has the teacher too; `student_best` beside it is what can be loaded."""
    state = dict(make("resnet8").state_dict())
    both = {f"module.{role}.{key}": t for role in ("student", "teacher") for key, t in state.items()}
    torch.save({"model": both}, tmp_path / "best")
    with pytest.raises(InputError) as caught:
        make("resnet8", weights=tmp_path / "best")
    assert "student_best" in caught.value.hint


@pytest.mark.parametrize(
    ("written", "given", "hint"),
    [
        ("resnet56", "cifar_resnet56", "they fit the model resnet56"),
        ("vgg11_cifar", "vgg8", "they fit the model vgg11_cifar"),
        ("cifar_resnet20", "resnet20", "they fit the model cifar_resnet20"),
        ("mobilenet_v2", "MobileNetV2", "they fit the model mobilenet_v2"),
    ],
)
def test_weights_of_another_network_name_the_one_they_fit(
    tmp_path: Path, written: str, given: str, hint: str
) -> None:
    file = tmp_path / "model.pth"
    torch.save({"model": make(written, classes=100).state_dict()}, file)
    with pytest.raises(InputError) as caught:
        make(given, weights=file)
    assert "the tensors do not fit the model: " in caught.value.message
    assert " there and " in caught.value.message
    assert caught.value.hint == hint


def test_the_layer_and_both_shapes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    torch.save(make("wrn_16_2").state_dict(), file)
    with pytest.raises(InputError, match=r"block1\.layer\.0\.conv1\.weight is 32×16×3×3 there and 16×"):
        make("wrn_16_1", weights=file)


def test_the_nearest_network_says_how_much_differs(tmp_path: Path) -> None:
    state = make("resnet20").state_dict()
    state["layer1.0.conv1.weight"] = torch.zeros(16, 16, 5, 5)
    file = tmp_path / "model.pth"
    torch.save(state, file)
    with pytest.raises(InputError) as caught:
        make("vgg8", weights=file)
    assert caught.value.hint == f"the nearest network is resnet20, where 1 of {len(state)} tensors differ"


def test_weights_of_nobody_and_of_transformers_are_told(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    for state, hint in (
        ({"a": torch.zeros(3)}, "no network that rigorkd or torchvision has is near"),
        ({"resnet.encoder.stages.0.layers.0.x": torch.zeros(3)}, "they are transformers'"),
    ):
        torch.save(state, file)
        with pytest.raises(InputError) as caught:
            make("resnet8", weights=file)
        assert hint in caught.value.hint
