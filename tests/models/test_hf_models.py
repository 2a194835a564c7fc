"""Image classifiers of transformers: from a folder, from the hub's cache, at another image size."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rigorkd.errors import InputError
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.own_code import read_source
from rigorkd.models.weights import seeded

transformers = pytest.importorskip("transformers", reason="needs the extra rigorkd[hf]")

CLASSES, SIZE = 7, 32


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny vision transformer for 32 pixels and seven classes, written by transformers."""
    folder = tmp_path_factory.mktemp("written")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=SIZE,
        patch_size=8,
        num_labels=CLASSES,
    )
    with seeded(1):
        model = transformers.ViTForImageClassification(config)
    (folder / "vit").mkdir()
    config.architectures = ["ViTForImageClassification"]
    config.save_pretrained(folder / "vit")
    save_file(model.state_dict(), folder / "vit" / "model.safetensors", {"format": "pt"})
    return folder


def make(
    folder: Path, *, name: str = "hf/./vit", classes: int = 10, size: int = SIZE, **values: Any
) -> nn.Module:
    options: dict[str, Any] = {"channels": 3, "seed": 0, "weights": "random", "keep_head": False}
    options |= {key: values.pop(key) for key in tuple(values) if key in options}
    source = read_source(name, folder) if name.startswith("hf/.") else None
    model = Model(name=name, **values)
    return build(model, classes=classes, size=size, source=source, **options)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 48])
def test_images_go_in_and_logits_come_out(written: Path, channels: int, size: int) -> None:
    model = make(written, channels=channels, size=size)
    assert model.training
    logits = model(torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_seed_alone_decides_the_weights(written: Path) -> None:
    first, other = make(written, seed=3).state_dict(), make(written, seed=4).state_dict()
    torch.rand(5)
    again = make(written, seed=3).state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in first.items())
    assert not all(torch.equal(tensor, other[key]) for key, tensor in first.items())


@pytest.mark.parametrize("classes", [CLASSES, 10])
def test_published_weights_get_a_new_head(written: Path, classes: int) -> None:
    saved = transformers.ViTForImageClassification.from_pretrained(written / "vit").state_dict()
    fresh = make(written, classes=classes).state_dict()
    loaded = make(written, classes=classes, weights="pretrained").state_dict()
    assert loaded.keys() == saved.keys()
    for key, tensor in loaded.items():
        assert torch.equal(tensor, (fresh if key.startswith("classifier.") else saved)[key]), key


def test_the_model_computes_what_transformers_computes(written: Path) -> None:
    theirs = transformers.ViTForImageClassification.from_pretrained(written / "vit").eval()
    ours = make(written, classes=CLASSES, weights=written / "vit" / "model.safetensors").eval()
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(pixel_values=images).logits)


@pytest.mark.parametrize("start", ["pretrained", "file"])
def test_position_embeddings_are_resampled_to_the_image_size(written: Path, start: str) -> None:
    from timm.layers.pos_embed import resample_abs_pos_embed

    file = written / "vit" / "model.safetensors"
    saved = transformers.ViTForImageClassification.from_pretrained(written / "vit").state_dict()
    loaded = make(written, size=48, weights=file if start == "file" else start).state_dict()
    key = "vit.embeddings.position_embeddings"
    assert torch.equal(loaded[key], resample_abs_pos_embed(saved[key], [6, 6]))


def test_a_folder_in_half_precision_is_trained_in_full(written: Path, tmp_path: Path) -> None:
    half = transformers.ViTForImageClassification.from_pretrained(written / "vit").half()
    half.config.dtype = torch.float16
    half.config.save_pretrained(tmp_path / "vit")
    save_file(half.state_dict(), tmp_path / "vit" / "model.safetensors", {"format": "pt"})
    assert "float16" in (tmp_path / "vit" / "config.json").read_text()
    for weights in ("random", "pretrained"):
        loaded = make(tmp_path, weights=weights).state_dict()
        assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}
    assert torch.equal(loaded["vit.layernorm.weight"], half.state_dict()["vit.layernorm.weight"].float())


def test_args_change_the_configuration(written: Path) -> None:
    model = make(written, args={"num_hidden_layers": 1, "hidden_dropout_prob": 0.25})
    assert not any("layer.1." in key for key in model.state_dict())
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} >= {0.25}
    with pytest.raises(InputError, match="the protocol sets num_labels itself"):
        make(written, args={"num_labels": 3})


def test_a_model_of_the_hub_comes_from_its_cache(
    written: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = hub_cache / "models--someone--tiny-vit" / "snapshots" / "0123abcd"
    shutil.copytree(written / "vit", snapshot)
    (hub_cache / "models--someone--tiny-vit" / "refs").mkdir()
    (hub_cache / "models--someone--tiny-vit" / "refs" / "main").write_text("0123abcd")
    saved = transformers.ViTForImageClassification.from_pretrained(written / "vit").state_dict()
    loaded = make(written, name="hf/someone/tiny-vit", weights="pretrained").state_dict()
    assert torch.equal(loaded["vit.layernorm.weight"], saved["vit.layernorm.weight"])


def test_a_model_that_is_nowhere_says_what_to_place_where(written: Path, hub_cache: Path) -> None:
    with pytest.raises(InputError) as caught:
        make(written, name="hf/someone/other-vit")
    assert "config.json of someone/other-vit" in caught.value.message
    assert "hf download someone/other-vit" in caught.value.hint
    assert str(hub_cache / "models--someone--other-vit") in caught.value.hint


def test_a_folder_that_holds_something_else(written: Path, tmp_path: Path) -> None:
    (tmp_path / "vit").mkdir()
    with pytest.raises(InputError, match=r"no config\.json in this folder"):
        make(tmp_path)
    (tmp_path / "vit" / "config.json").write_text(json.dumps({"model_type": "nothing-known"}))
    with pytest.raises(InputError, match="holds no image classifier"):
        make(tmp_path)
    shutil.copy(written / "vit" / "config.json", tmp_path / "vit" / "config.json")
    assert make(tmp_path).training
    with pytest.raises(InputError, match=r"hf/\./vit"):
        make(tmp_path, weights="pretrained")


def test_without_the_library_the_extra_is_named(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="needs the package transformers") as caught:
        make(written)
    assert "rigorkd[hf]" in caught.value.hint


# ------------------------------------------------------------------------ a classifier used as it is


@pytest.fixture
def notebooks_teacher(hub_cache: Path) -> nn.Module:
    """A checkpoint in the layout of jialicheng/cifar100-resnet-50, with fewer channels, in the cache."""
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[16, 24, 32, 40],
        depths=[3, 4, 6, 3],
        layer_type="bottleneck",
        num_labels=100,
        architectures=["ResNetForImageClassification"],
    )
    with seeded(3):
        model: nn.Module = transformers.ResNetForImageClassification(config)
    folder = hub_cache / "models--jialicheng--cifar100-resnet-50"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd")
    model.save_pretrained(folder / "snapshots" / "0123abcd")  # type: ignore[operator]
    return model


def test_the_notebooks_teacher_keeps_its_head_and_answers_as_transformers_does(
    notebooks_teacher: nn.Module,
) -> None:
    name = "hf/jialicheng/cifar100-resnet-50"
    options: dict[str, Any] = {"name": name, "classes": 100, "weights": "pretrained", "size": 64}
    ours = make(Path(), **options, keep_head=True).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = notebooks_teacher.eval()(pixel_values=images).logits
        torch.testing.assert_close(ours(images), wanted)
        assert not torch.allclose(make(Path(), **options).eval()(images), wanted)  # to train: a new head


def test_a_head_for_other_classes_cannot_teach(notebooks_teacher: nn.Module) -> None:
    options: dict[str, Any] = {"name": "hf/jialicheng/cifar100-resnet-50", "weights": "pretrained"}
    with pytest.raises(InputError, match="have a head for 100 classes, and the data has 10 classes"):
        make(Path(), **options, classes=10, keep_head=True)
