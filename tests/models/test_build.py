"""Models by name: sizes, seeds, heads, weights, and what is refused."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from rigorkd.errors import InputError
from rigorkd.models.build import build
from rigorkd.models.model import TORCHVISION, Model
from rigorkd.models.sizes import parameters_millions
from rigorkd.models.weights import put_state, seeded


def make(name: str, *, classes: int = 10, channels: int = 3, size: int = 32, **values: Any) -> nn.Module:
    arguments = {key: values.pop(key) for key in ("weights", "seed") if key in values}
    return build(
        Model(name=name, **values), classes=classes, channels=channels, size=size, **{"seed": 0, **arguments}
    )


def bits(model: nn.Module) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())


@pytest.mark.parametrize(
    ("name", "classes", "millions"),
    [
        ("resnet50", 100, "23.71"),
        ("mobilenet_v2", 100, "2.35"),
        ("shufflenet_v2_x1_0", 100, "1.36"),
        ("cifar_resnet20", 10, "0.27"),
        ("cifar_resnet32", 10, "0.46"),
        ("cifar_resnet44", 10, "0.66"),
        ("cifar_resnet56", 10, "0.85"),
        ("cifar_resnet110", 10, "1.73"),
        ("resnet18_cifar", 10, "11.17"),
        ("resnet34_cifar", 10, "21.28"),
        ("resnet50_cifar", 10, "23.52"),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, classes: int, millions: str) -> None:
    assert f"{parameters_millions(make(name, classes=classes)):.2f}" == millions


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name",
    ["cnn", "cifar_resnet20", "resnet18_cifar", "resnet18", "resnet34", "mobilenet_v2", "shufflenet_v2_x1_0"],
)
def test_models_take_grey_and_colour_and_can_be_trained(name: str, channels: int) -> None:
    model = make(name, channels=channels, classes=7)
    assert model.training
    images = torch.rand(4, channels, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (4, 7)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["vit_b_32", "googlenet", "densenet121", "efficientnet_b0", "squeezenet1_1"])
def test_other_families_of_torchvision_get_their_head(name: str) -> None:
    model = make(name, classes=5, size=64, channels=1).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 5)


def test_grey_images_are_repeated_for_a_model_of_three_channels() -> None:
    grey, colour = make("resnet18", channels=1).eval(), make("resnet18", channels=3).eval()
    assert bits(grey) == bits(colour)
    assert grey.state_dict().keys() == models.resnet18(num_classes=10).state_dict().keys()
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(grey(images), colour(images.expand(-1, 3, -1, -1)))


# -------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("name", ["cnn", "cifar_resnet20", "mobilenet_v2"])
def test_the_seed_alone_decides_the_bits(name: str) -> None:
    first = bits(make(name, seed=3))
    with torch.random.fork_rng(devices=[]):
        torch.rand(17)
        state = torch.get_rng_state()
        again = bits(make(name, seed=3))
        assert torch.equal(torch.get_rng_state(), state)
    assert first == again
    assert first != bits(make(name, seed=4))


def test_seeded_restores_the_state_even_after_an_error() -> None:
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="no such shape"), seeded(5):
        fail_after_drawing()
    assert torch.equal(torch.get_rng_state(), state)


def fail_after_drawing() -> None:
    torch.rand(3)
    raise ValueError("no such shape")


def test_a_63_bit_seed_is_accepted() -> None:
    assert bits(make("cnn", seed=2**63 - 1)) != bits(make("cnn", seed=0))


# ------------------------------------------------------------------------------- architectures


def test_the_cnn_is_shaped_by_its_model() -> None:
    model = make("cnn", channels=1, size=8)
    assert [type(layer).__name__ for layer in model.children()] == [
        *("Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d") * 2,
        "Flatten",
        "Linear",
    ]
    wide = build(
        Model(name="cnn", channels=(4, 8, 16, 32, 64), hidden=20, dropout=0.3),
        classes=10,
        channels=1,
        size=9,
        seed=0,
    )
    assert [layer.out_channels for layer in wide.modules() if isinstance(layer, nn.Conv2d)] == [
        4,
        8,
        16,
        32,
        64,
    ]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in wide.modules()) == 2  # 9 → 4 → 2
    linear = [
        (layer.in_features, layer.out_features) for layer in wide.modules() if isinstance(layer, nn.Linear)
    ]
    assert linear == [(64 * 2 * 2, 20), (20, 10)]
    assert [layer.p for layer in wide.modules() if isinstance(layer, nn.Dropout)] == [0.3]


def test_the_cnn_without_norm_has_biases_and_nothing_else() -> None:
    """The notebook's student: convolution, ReLU, pool, twice; two linear layers."""
    small = Model(name="cnn", channels=(16, 32), hidden=256, norm=False)
    model = build(small, classes=10, channels=3, size=32, seed=0)
    names = [type(layer).__name__ for layer in model.children()]
    assert names == ["Conv2d", "ReLU", "MaxPool2d"] * 2 + ["Flatten", "Linear", "ReLU", "Linear"]
    convs = (3 * 9 + 1) * 16 + (16 * 9 + 1) * 32
    linear = (32 * 8 * 8 + 1) * 256 + (256 + 1) * 10
    assert sum(parameter.numel() for parameter in model.parameters()) == convs + linear


def test_the_cifar_stem_keeps_the_resolution() -> None:
    model = make("resnet18_cifar")
    seen: dict[str, torch.Size] = {}
    for stage in ("layer1", "layer4"):
        model.get_submodule(stage).register_forward_hook(
            lambda _m, _i, out, stage=stage: seen.update({stage: out.shape[-2:]})
        )
    model(torch.zeros(2, 3, 32, 32))
    assert seen == {"layer1": (32, 32), "layer4": (4, 4)}


def test_the_shortcut_of_a_cifar_resnet_has_no_parameters() -> None:
    model = make("cifar_resnet20")
    stage = model.get_submodule("layer2")
    assert not list(stage.get_submodule("0.downsample").parameters())
    kept = stage.get_submodule("0.downsample")(torch.ones(1, 16, 8, 8))
    assert kept.shape == (1, 32, 4, 4)
    assert kept.sum(dim=(0, 2, 3)).tolist() == [0] * 8 + [16] * 16 + [0] * 8
    depth = sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules())
    assert depth == 20


def test_arguments_reach_torchvision() -> None:
    model = make("mobilenet_v2", args={"width_mult": 0.5}, dropout=0.4)
    assert parameters_millions(model) < 1
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.4]


def _is_small(name: str) -> bool:
    tags = models.get_model_weights(name).__members__
    return "IMAGENET1K_V1" in tags and tags["IMAGENET1K_V1"].meta["num_params"] < 30e6


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TORCHVISION if _is_small(name)])
def test_every_torchvision_model_finds_its_head(tmp_path: Path, name: str) -> None:
    """Weights trained on another number of classes load into every model but its head."""
    file = tmp_path / "model.safetensors"
    saved = make(name, size=224, classes=7, seed=1)
    save_file({key: tensor.contiguous() for key, tensor in saved.state_dict().items()}, file)
    loaded = make(name, size=224, classes=9, seed=2, weights=file)
    before = saved.state_dict()
    new = [key for key, tensor in loaded.state_dict().items() if tensor.shape != before[key].shape]
    assert new
    assert all(loaded.state_dict()[key].shape[0] == 9 for key in new)
    assert all(
        torch.equal(tensor, before[key]) for key, tensor in loaded.state_dict().items() if key not in new
    )


# ------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize("name", ["cnn", "cifar_resnet20", "resnet18"])
def test_weights_come_back_from_a_file(tmp_path: Path, name: str) -> None:
    saved = make(name, seed=1)
    file = tmp_path / "model.safetensors"
    save_file(saved.state_dict(), file)
    assert bits(make(name, seed=2, weights=file)) == bits(saved)
    assert bits(make(name, seed=2, weights=str(file))) == bits(saved)


def test_only_a_head_of_another_class_count_is_new(tmp_path: Path) -> None:
    saved = make("cifar_resnet20", seed=1, classes=100)
    file = tmp_path / "model.safetensors"
    save_file(saved.state_dict(), file)
    fresh, loaded = make("cifar_resnet20", seed=2), make("cifar_resnet20", seed=2, weights=file)
    for key, tensor in loaded.state_dict().items():
        source = fresh if key.startswith("fc.") else saved
        assert torch.equal(tensor, source.state_dict()[key])


def test_weights_of_another_architecture_name_the_tensors(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(make("cnn").state_dict(), file)
    with pytest.raises(InputError) as caught:
        build(Model(name="cnn", channels=(16, 48)), classes=10, channels=3, size=32, seed=0, weights=file)
    assert str(file) in caught.value.message
    assert "conv2.weight is 32×16×3×3 there and 48×16×3×3 here" in caught.value.message
    with pytest.raises(InputError, match=r"bn1\.weight is missing there"):
        make("cifar_resnet20", weights=file)


def test_a_head_of_another_width_is_not_a_new_head(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(make("cnn", size=32).state_dict(), file)
    with pytest.raises(InputError, match=r"head\.weight is 10×2048 there and 10×512 here"):
        make("cnn", size=16, weights=file)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_an_unusable_file_of_weights_is_one_message(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "model.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=str(file)):
        make("cnn", weights=file)


def write_imagenet_weights(folder: Path, name: str, tag: str) -> nn.Module:
    """A file where torch hub keeps the published one, with the right shapes."""
    with seeded(99):
        published: nn.Module = models.get_model(name)
    file = folder / "checkpoints" / models.get_model_weights(name)[tag].url.rsplit("/", 1)[-1]
    file.parent.mkdir(parents=True)
    torch.save(published.state_dict(), file)
    return published


@pytest.mark.parametrize(
    ("name", "tag", "head"),
    [
        ("mobilenet_v2", "imagenet1k_v2", "classifier.1."),
        ("resnet18", "imagenet1k_v1", "fc."),
        ("shufflenet_v2_x1_0", "pretrained", "fc."),
    ],
)
@pytest.mark.parametrize("classes", [100, 1000])
def test_imagenet_weights_get_a_new_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tag: str, head: str, classes: int
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    published = write_imagenet_weights(tmp_path, name, "DEFAULT" if tag == "pretrained" else tag.upper())
    random = make(name, classes=classes, seed=4)
    started = make(name, classes=classes, seed=4, weights=tag)
    for key, tensor in started.state_dict().items():
        source = random if key.startswith(head) else published
        assert torch.equal(tensor, source.state_dict()[key])


def test_weights_that_cannot_be_downloaded_name_file_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    with pytest.raises(InputError) as caught:
        make("mobilenet_v2", weights="imagenet1k_v2")
    assert "cannot be downloaded" in caught.value.message
    file = models.MobileNet_V2_Weights.IMAGENET1K_V2.url.rsplit("/", 1)[-1]
    assert file in caught.value.hint
    assert str(tmp_path / "checkpoints") in caught.value.hint


def test_a_host_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download has no limit of its own: behind a firewall that drops packets it would wait for minutes."""
    asked: list[tuple[tuple[str, int], float]] = []

    def no_answer(address: tuple[str, int], timeout: float) -> None:
        asked.append((address, timeout))
        raise TimeoutError("timed out")

    def waits(*_: object, **__: object) -> None:
        raise AssertionError("the download was started")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", waits)
    monkeypatch.setattr(socket, "create_connection", no_answer)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    for name in ("mobilenet_v2", "timm/legacy_seresnet18"):
        with pytest.raises(InputError, match="cannot be downloaded: timed out"):
            make(name, weights="pretrained")
    assert len(asked) == 2
    assert all(0 < timeout <= 10 for _, timeout in asked)


def test_damaged_imagenet_weights_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    write_imagenet_weights(tmp_path, "shufflenet_v2_x1_0", "IMAGENET1K_V1")
    (file,) = (tmp_path / "checkpoints").iterdir()
    for damage in (b"", b"no weights", file.read_bytes()[:1000]):
        file.write_bytes(damage)
        with pytest.raises(InputError, match="cannot be read") as caught:
            make("shufflenet_v2_x1_0", weights="imagenet1k_v1")
        assert file.name in caught.value.hint


# ------------------------------------------------------------------------------------ refusals


def test_names_without_a_model_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean resnet8"):
        make("resnet81")


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("resnet18", {"hidden": 5}, "takes no hidden"),
        ("resnet18", {"norm": False}, "takes no norm"),
        ("cifar_resnet20", {"dropout": 0.5}, "takes no dropout"),
        ("cnn", {"args": {"x": 1}}, "takes no args"),
        ("resnet18", {"args": {"wings": 2}}, "wings"),
        ("resnet18", {"dropout": 0.5}, "dropout"),
        ("shufflenet_v2_x1_0", {"weights": "imagenet1k_v2"}, "torchvision has imagenet1k_v1"),
        ("cnn", {"weights": "imagenet1k_v1"}, "has no weights"),
    ],
)
def test_settings_without_meaning_are_refused(name: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        make(name, **values)
    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "size"), [("alexnet", 32), ("inception_v3", 32), ("vit_b_16", 40)])
def test_images_too_small_for_a_model_name_model_and_size(name: str, size: int) -> None:
    with pytest.raises(InputError, match=rf"{name} .* {size}×{size} pixels"):
        make(name, size=size)


def test_weights_kept_in_a_plain_mapping_fit_again() -> None:
    """MNASNet refuses weights without the version that its own state carries."""
    network = build(Model(name="mnasnet0_5"), classes=10, channels=3, size=32, seed=0)
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match="version"):
        network.load_state_dict(kept)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    put_state(network, kept)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(RuntimeError, match="Missing key"):
        put_state(network, {name: kept[name] for name in list(kept)[1:]})
