"""timm's models by name: small images, published weights at other sizes and channels, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn

from rigorkd.errors import InputError
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.weights import seeded

Publish = Callable[[str, dict[str, torch.Tensor]], Path]

STUDIED = (
    *("vit_small_patch16_224", "convnext_tiny", "regnety_064", "mobilenetv4_conv_medium"),
    *("convnextv2_pico", "mobilevitv2_150", "resnet18", "resnet50"),
)


def make(
    name: str, *, classes: int = 10, channels: int = 3, size: int = 32, seed: int = 0, **values: Any
) -> nn.Module:
    weights = values.pop("weights", "random")
    model = Model(name=f"timm/{name}", **values)
    return build(model, classes=classes, channels=channels, size=size, weights=weights, seed=seed)


def published(name: str, **values: Any) -> dict[str, torch.Tensor]:
    """Random tensors in the place of published ones, at the model's own size and number of classes."""
    with seeded(99):
        return dict(timm.create_model(name, **values).state_dict())


def write(file: Path, state: dict[str, torch.Tensor]) -> Path:
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, file)
    return file


@pytest.mark.parametrize("name", STUDIED)
def test_the_models_of_published_studies_train_on_small_images(name: str) -> None:
    model = make(name, classes=7)
    assert model.training
    logits = model(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with torch.device("meta"):  # without values, which take longer than all else
        theirs = timm.create_model(name, num_classes=7)
    assert model.state_dict().keys() == theirs.state_dict().keys()


def test_the_seed_alone_decides_the_weights() -> None:
    first, other = make("resnet18", seed=3).state_dict(), make("resnet18", seed=4).state_dict()
    torch.rand(5)
    again = make("resnet18.tv_in1k", seed=3).state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in first.items())
    assert not all(torch.equal(tensor, other[key]) for key, tensor in first.items())


# ------------------------------------------------------------------------------------ published weights


@pytest.mark.parametrize("classes", [10, 1000])
@pytest.mark.parametrize(("name", "tag"), [("resnet18", "a1_in1k"), ("resnet18.tv_in1k", "tv_in1k")])
def test_published_weights_get_a_new_head(publish: Publish, name: str, tag: str, classes: int) -> None:
    source = published("resnet18")
    publish(f"timm/resnet18.{tag}", source)
    random, loaded = make(name, classes=classes), make(name, classes=classes, weights="pretrained")
    for key, tensor in loaded.state_dict().items():
        expected = random.state_dict() if key.startswith("fc.") else source
        assert torch.equal(tensor, expected[key]), key


def test_position_embeddings_are_resampled_to_the_image_size(publish: Publish) -> None:
    source = published("vit_tiny_patch16_224")
    publish("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", source)
    loaded = make("vit_tiny_patch16_224", size=48, weights="pretrained").state_dict()
    assert source["pos_embed"].shape == (1, 1 + 14 * 14, 192)
    assert torch.equal(loaded["pos_embed"], resample_abs_pos_embed(source["pos_embed"], [3, 3]))
    assert torch.equal(loaded["blocks.3.mlp.fc1.weight"], source["blocks.3.mlp.fc1.weight"])
    assert loaded["head.weight"].shape == (10, 192)


def test_grey_images_sum_the_published_first_convolution(publish: Publish) -> None:
    source = published("resnet18")
    publish("timm/resnet18.a1_in1k", source)
    loaded = make("resnet18", channels=1, weights="pretrained").state_dict()
    torch.testing.assert_close(loaded["conv1.weight"], source["conv1.weight"].sum(dim=1, keepdim=True))


def test_weights_published_as_a_plain_address(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(hub_cache))

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(InputError, match="cannot be downloaded: no route to host") as caught:
        make("legacy_seresnet18", weights="pretrained")
    assert str(hub_cache / "checkpoints") in caught.value.hint
    source = published("legacy_seresnet18")
    torch.save(source, hub_cache / "checkpoints" / "seresnet18-4bb0ce65.pth")
    loaded = make("legacy_seresnet18", weights="pretrained").state_dict()
    assert torch.equal(loaded["layer1.0.conv1.weight"], source["layer1.0.conv1.weight"])


def test_weights_that_are_nowhere_name_file_and_folder(hub_cache: Path) -> None:
    with pytest.raises(InputError) as caught:
        make("vit_tiny_patch16_224", weights="pretrained")
    assert "model.safetensors of timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k" in caught.value.message
    assert "there is no connection" in caught.value.message
    assert str(hub_cache / "models--timm--vit_tiny_patch16_224.augreg_in21k_ft_in1k") in caught.value.hint
    assert "hf download timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k" in caught.value.hint


def test_published_weights_that_lack_tensors_are_refused(publish: Publish) -> None:
    source = published("resnet18")
    del source["layer3.0.conv1.weight"]
    publish("timm/resnet18.a1_in1k", source)
    with pytest.raises(InputError, match=r"cannot be loaded into timm/resnet18: .*layer3\.0\.conv1\.weight"):
        make("resnet18", weights="pretrained")


# --------------------------------------------------------------------------------------- weights of a file


def test_a_file_keeps_its_head_if_the_classes_are_as_many(tmp_path: Path) -> None:
    saved = make("resnet18", classes=10, seed=1)
    file = write(tmp_path / "own.safetensors", dict(saved.state_dict()))
    same, fewer = make("resnet18", weights=file), make("resnet18", classes=4, weights=file)
    fresh = make("resnet18", classes=4)
    for key, tensor in saved.state_dict().items():
        assert torch.equal(same.state_dict()[key], tensor)
        expected = fresh.state_dict()[key] if key.startswith("fc.") else tensor
        assert torch.equal(fewer.state_dict()[key], expected)


def test_a_file_for_another_image_size_is_resampled(tmp_path: Path) -> None:
    saved = make("vit_tiny_patch16_224", size=64, classes=6, seed=1).state_dict()
    file = write(tmp_path / "vit.safetensors", dict(saved))
    loaded = make("vit_tiny_patch16_224", size=32, classes=6, weights=file).state_dict()
    assert torch.equal(loaded["pos_embed"], resample_abs_pos_embed(saved["pos_embed"], [2, 2]))
    assert torch.equal(loaded["head.weight"], saved["head.weight"])


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "r18.safetensors", published("resnet18"))
    with pytest.raises(InputError, match=f"{file}: cannot be loaded into timm/resnet34"):
        make("resnet34", weights=file)


# ------------------------------------------------------------------------------------------------ refusals


def test_arguments_reach_timm() -> None:
    model = make("resnet18", args={"drop_rate": 0.25, "global_pool": "max"})
    assert model.get_submodule("global_pool").pool_type == "max"
    assert getattr(model, "drop_rate") == 0.25  # noqa: B009  (a module's attribute is a tensor to mypy)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("resnet81", {}, "has no model 'resnet81'"),
        ("resnet18.a9_in1k", {}, "no weights 'a9_in1k' of resnet18"),
        ("resnet18", {"args": {"in_chans": 4}}, "the protocol sets in_chans itself"),
        ("resnet18", {"args": {"wings": 2}}, "wings"),
        ("resnet18", {"dropout": 0.5}, "takes no dropout"),
        ("resnet18", {"weights": "imagenet1k_v1"}, "has no weights 'imagenet1k_v1'"),
        ("resnet18", {"args": {"features_only": True}}, "not with the logits of 10 classes"),
        ("convnext_tiny", {"size": 16}, "cannot take images of 16×16 pixels"),
    ],
)
def test_what_timm_does_not_have(name: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        make(name, **values)
    assert words in str(caught.value)
