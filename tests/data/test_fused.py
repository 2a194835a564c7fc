"""The fused resampling: the plain resize where nothing is drawn, close to the chain where something is."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from rigorkd.data import geometry
from rigorkd.data.image_data import DataShape
from rigorkd.data.operations import Views
from rigorkd.data.random import EpochTable
from rigorkd.data.views import build_view
from rigorkd.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

RGB = DataShape(3, 32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
B = 256


def pictures(kind: str) -> torch.Tensor:
    """256 images (B, 3, 32, 32) in [0, 1]: neighbouring pixels unrelated, or alike."""
    generator = torch.Generator().manual_seed(3)
    if kind == "noise":
        return torch.rand(B, 3, 32, 32, generator=generator)
    return F.interpolate(torch.rand(B, 3, 8, 8, generator=generator), (32, 32), mode="bicubic").clamp(0, 1)


def draws(columns: int) -> torch.Tensor:
    """Rows of an epoch's table, as training takes them."""
    return torch.from_numpy(EpochTable(7, "student", B).draws(1, columns))


def fused(images: torch.Tensor, size: int, **values: float) -> torch.Tensor:
    return geometry.fused_geometry(
        images,
        draws(24),
        size=size,
        scale=(0.8, 1.0),
        ratio=(0.75, 4 / 3),
        flip=values.get("flip", 0.5),
        degrees=values.get("degrees", 15.0),
    )


def chain(images: torch.Tensor, size: int) -> torch.Tensor:
    drawn = draws(24)
    out = geometry.resize(images, size)
    out = geometry.random_resized_crop(out, drawn[:, :22], (0.8, 1.0), (0.75, 4 / 3))
    return geometry.rotation(geometry.horizontal_flip(out, drawn[:, 22:23], 0.5), drawn[:, 23:], 15.0)


@pytest.mark.parametrize("size", [32, 37, 64, 128, 224])
def test_without_a_crop_flip_or_turn_it_is_the_plain_resize(size: int) -> None:
    images = pictures("noise")[:8]
    whole = torch.tensor([[0, 0, size, size]]).expand(8, 4)
    none = torch.zeros(8, dtype=torch.bool)
    out = geometry.crop_flip_rotate(images, size, whole, none, torch.zeros(8, dtype=torch.float64))
    assert (out - geometry.resize(images, size)).abs().max() < 3e-7 * size
    mirrored = geometry.crop_flip_rotate(images, size, whole, ~none, torch.zeros(8, dtype=torch.float64))
    assert (mirrored - out.flip(3)).abs().max() < 3e-7 * size


BOUNDS = {"smooth": (0.008, 0.01), "noise": (0.03, 0.04)}


@pytest.mark.parametrize("kind", BOUNDS)
def test_it_is_close_to_the_chain_with_the_same_draws(kind: str) -> None:
    images = pictures(kind)
    mean_difference, spread = BOUNDS[kind]
    one, many = fused(images, 128), chain(images, 128)
    assert 0 < (one - many).abs().mean() < mean_difference
    assert abs(one.mean() - many.mean()) < 5e-4
    assert abs(one.std() / many.std() - 1) < spread
    assert ((one == 0).all(1) != (many == 0).all(1)).float().mean() < 1e-3


def test_the_draws_decide_box_flip_and_angle() -> None:
    images = pictures("smooth")
    base = fused(images, 64)
    assert torch.equal(fused(images, 64), base)
    flipped = draws(24)[:, 22] < 0.5
    same = (fused(images, 64, flip=0.0) == base).flatten(1).all(1)
    assert torch.equal(same, ~flipped)
    assert not torch.equal(fused(images, 64, degrees=0.0), base)


def test_a_view_gives_it_the_source_and_24_draws_of_the_table() -> None:
    views = {"size": 64, "normalize": "none", "train": ({"op": "fused_geometry", "degrees": 15.0},)}
    seen = build_view(Views.model_validate(views), RGB, train=True)
    assert (seen.columns, seen.size) == (24, 64)
    images = (pictures("smooth") * 255).round().to(torch.uint8)
    expected = geometry.fused_geometry(
        images.float() / 255,
        draws(24),
        size=64,
        scale=(0.08, 1.0),
        ratio=(0.75, 4 / 3),
        flip=0.5,
        degrees=15.0,
    )
    assert torch.allclose(seen(images, draws(24)), expected, atol=1e-6)


def test_shrinking_is_refused() -> None:
    views = Views.model_validate({"size": 16, "train": ("fused_geometry",)})
    with pytest.raises(InputError, match="32 pixels are not shrunk to 16"):
        build_view(views, RGB, train=True)
