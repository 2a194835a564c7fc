"""The catalogue agrees with the libraries that it lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rigorkd.models.model import (
    MODELS,
    STEM_RESNETS,
    TORCHVISION,
    WEIGHTS,
    architecture_of,
    hf_folder,
    is_known_model,
    min_size,
    weights_of,
)
from rigorkd.protocol.load import Protocol

Load = Callable[..., Protocol]

TEACHER = "teacher: {model: {name: cnn, channels: [16, 32]}}"
BASELINE = "    baseline: true"
GRID = "    kd: {T: [1, 4], alpha: [0.1, 0.5]}"


def test_models_and_weights_are_those_of_torchvision() -> None:
    models = pytest.importorskip("torchvision", reason="compares with torchvision").models
    listed = models.list_models(module=models)
    assert list(TORCHVISION) == sorted(listed)
    for name in listed:
        tags = {weights.name.lower() for weights in models.get_model_weights(name)} & set(WEIGHTS)
        newest = {"pretrained"} if tags else set()
        assert set(weights_of(name)) == {"random"} | tags | newest, name


@pytest.mark.parametrize(
    "name", ["timm/resnet18", "hf/google/vit-base", "package.module:function", "cnn", *STEM_RESNETS]
)
def test_models_that_may_be_named(name: str) -> None:
    assert is_known_model(name)
    assert len(set(MODELS)) == len(MODELS)


@pytest.mark.parametrize("name", ["", "timm/", "tim/resnet18", "module:", ":function", "a b:c", "resnet"])
def test_models_that_may_not(name: str) -> None:
    assert not is_known_model(name)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("timm/resnet18", ("random", "pretrained")),
        ("hf/./folder", ("random", "pretrained")),
        ("resnet50", ("random", "imagenet1k_v1", "imagenet1k_v2", "pretrained")),
        ("cnn", ("random",)),
        ("nets:make", ("random",)),
    ],
)
def test_the_weights_that_a_model_may_start_from(name: str, weights: tuple[str, ...]) -> None:
    assert weights_of(name) == weights


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cnn", 8),
        ("timm/vit_small_patch16_224", 16),
        ("timm/vit_small_patch16_224.augreg_in1k", 16),
        ("timm/deit3_small_patch14_224", 14),
        ("timm/convnext_tiny", 32),
        ("timm/regnety_064", 32),
        ("vit_b_16", 32),
        ("vit_h_14", 42),
        ("maxvit_t", 224),
        ("hf/google/vit-base", 32),
        ("nets:make", 32),
    ],
)
def test_the_smallest_images_of_a_model(name: str, size: int) -> None:
    assert min_size(name) == size


def test_only_timms_tags_choose_weights_alone() -> None:
    assert architecture_of("timm/resnet18.a1_in1k") == architecture_of("timm/resnet18") == "timm/resnet18"
    assert architecture_of("package.nets:make") == "package.nets:make"


def test_folders_of_transformers_begin_with_a_dot_or_a_slash() -> None:
    folders = [hf_folder(name) for name in ("hf/./vit", "hf/../vit", "hf//data/vit", "hf/google/vit", "cnn")]
    assert folders == ["./vit", "../vit", "/data/vit", None, None]
