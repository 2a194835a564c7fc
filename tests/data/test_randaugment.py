"""RandAugment: every operation, magnitude and sign against torchvision on 8-bit images, and its draws."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import RandAugment as TorchvisionRandAugment
from torchvision.transforms.v2 import functional as tv

from rigorkd.data.randaugment import MAGNITUDES, OPERATIONS, RandAugment

pytestmark = pytest.mark.usefixtures("one_thread")

ONE_LEVEL = {"color": 0.035, "contrast": 0.0}
"""Operations whose truncation may fall one level aside, and the largest share of values where it does.

The contrast of a flat picture blends a level with itself: rounding alone decides on which side the sum falls.
"""
FLAT = 2

MOVED = {"shear_x": 0.03, "shear_y": 0.03, "rotate": 0.005}
"""Operations that may round a position to the other of two pixels, and the largest share of such values."""

HALF_WAY = (4, 12, 20, 28)
"""The magnitudes at which a shear puts positions half-way between two pixels: odd multiples of 0.04."""


def pictures(size: int, channels: int = 3) -> torch.Tensor:
    """uint8: noise, low contrast, one flat level, a ramp, dark noise, two levels."""
    generator = torch.Generator().manual_seed(3)
    out = torch.randint(0, 256, (6, channels, size, size), dtype=torch.uint8, generator=generator)
    out[1] = out[1] // 3 + 40
    out[FLAT] = 77
    out[3] = (torch.arange(size) * 255 // size)[:, None]
    out[4] = out[4] // 6
    out[5] = (out[5] > 99) * 255
    return out


def magnitudes_of_torchvision(name: str, size: int) -> tuple[dict[int, float], bool]:
    """Magnitudes in torchvision's own table of the operation, all that differ, and whether it has a sign."""
    key = "".join(part.capitalize() for part in name.split("_")).replace("Autocontrast", "AutoContrast")
    magnitudes, signed = TorchvisionRandAugment._AUGMENTATION_SPACE[key]
    bins = magnitudes(MAGNITUDES, size, size)
    if bins is None:
        return {0: 0.0, MAGNITUDES - 1: 0.0}, signed
    return {m: float(bins[m]) for m in range(MAGNITUDES)}, signed


def by_torchvision(images: torch.Tensor, name: str, magnitude: float) -> torch.Tensor:
    """torchvision's functions as its RandAugment calls them, on uint8 images."""

    def affine(translate: list[float], shear: list[float], center: list[float] | None) -> torch.Tensor:
        return tv.affine(images, angle=0.0, translate=translate, scale=1.0, shear=shear, center=center)

    slope = float(torch.rad2deg(torch.tensor(magnitude, dtype=torch.float64).atan()))
    match name:
        case "shear_x":
            return affine([0, 0], [slope, 0.0], [0, 0])
        case "shear_y":
            return affine([0, 0], [0.0, slope], [0, 0])
        case "translate_x":
            return affine([int(magnitude), 0], [0.0, 0.0], None)
        case "translate_y":
            return affine([0, int(magnitude)], [0.0, 0.0], None)
        case "rotate":
            return tv.rotate(images, magnitude)
        case "brightness":
            return tv.adjust_brightness(images, 1 + magnitude)
        case "color":
            return tv.adjust_saturation(images, 1 + magnitude)
        case "contrast":
            return tv.adjust_contrast(images, 1 + magnitude)
        case "sharpness":
            return tv.adjust_sharpness(images, 1 + magnitude)
        case "posterize":
            return tv.posterize(images, int(magnitude))
        case "solarize":
            return tv.solarize(images, 255 * magnitude)
        case "autocontrast":
            return tv.autocontrast(images)
        case "equalize":
            return tv.equalize(images)
        case _:
            return images


def test_the_operations_are_those_of_torchvision_in_its_order() -> None:
    theirs = [name.lower() for name in TorchvisionRandAugment._AUGMENTATION_SPACE]
    assert [name.replace("_", "") for name in OPERATIONS] == theirs


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 37, 64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_torchvision_at_every_magnitude_and_sign(name: str, size: int, channels: int) -> None:
    images = pictures(size, channels)
    choice = torch.full((len(images),), OPERATIONS.index(name))
    magnitudes, signed = magnitudes_of_torchvision(name, size)
    for m, magnitude in magnitudes.items():
        randaugment = RandAugment(1, m, channels, size)
        for negative in (False, True) if signed else (m % 2 == 0,):
            out = randaugment.apply(images.float(), choice, torch.full((len(images),), negative))
            expected = by_torchvision(images, name, -magnitude if signed and negative else magnitude)
            difference = (out - expected).abs()
            if name not in MOVED:
                assert difference.max() <= (1 if name in ONE_LEVEL else 0)
            shares = (difference > 0).float().flatten(1).mean(1)
            if name == "contrast":
                shares[FLAT] = 0
            exact = name.startswith("shear") and m not in HALF_WAY
            assert shares.max() <= (0 if exact else ONE_LEVEL.get(name, MOVED.get(name, 0.0)))


@pytest.mark.parametrize("m", [0, 9, 14, 30])
def test_rounds_follow_one_another(m: int) -> None:
    """Three rounds are torchvision's three operations; ones that are bit-equal, so that nothing piles up."""
    exact = [name for name in OPERATIONS if name not in ONE_LEVEL | MOVED]
    generator = torch.Generator().manual_seed(m)
    images = pictures(32)[torch.randint(0, 6, (40,), generator=generator)]
    chosen = torch.randint(0, len(exact), (40, 3), generator=generator)
    signs = torch.rand(40, 3, generator=generator)
    operation = torch.tensor([OPERATIONS.index(name) for name in exact])[chosen]
    draws = torch.stack(((operation + 0.5) / len(OPERATIONS), signs), 2).flatten(1)
    out = RandAugment(3, m, 3, 32)(images.float().mul_(1 / 255), draws)
    for image, names, sign, seen in zip(images, chosen.tolist(), signs.tolist(), out, strict=True):
        expected = image
        for name, u in zip((exact[i] for i in names), sign, strict=True):
            magnitudes, signed = magnitudes_of_torchvision(name, 32)
            magnitude = magnitudes.get(m, 0.0)
            expected = by_torchvision(expected, name, -magnitude if signed and u < 0.5 else magnitude)
        assert torch.equal(seen, expected.float().mul_(1 / 255))


def test_every_operation_and_sign_is_drawn_equally_often() -> None:
    """A picture with one bright pixel tells the shifts apart; 14,000 images, five standard deviations."""
    n = 14_000
    image = torch.zeros(1, 1, 17, 17)
    image[..., 8, 8] = 1
    draws = torch.rand(n, 2, generator=torch.Generator().manual_seed(4))
    out = RandAugment(1, 9, 1, 17)(image.expand(n, -1, -1, -1), draws)
    for row, column in ((8, 6), (8, 10), (6, 8), (10, 8)):
        alone = (out[:, 0, row, column] == 1) & (out.flatten(1).sum(1) == 1)
        expected = n / len(OPERATIONS) / 2
        assert abs(int(alone.sum()) - expected) < 5 * expected**0.5


def test_extreme_draws_choose_the_first_and_the_last_operation() -> None:
    images = pictures(16).float().mul_(1 / 255)
    randaugment = RandAugment(1, 30, 3, 16)
    largest = 1 - 2**-24
    assert torch.equal(randaugment(images, torch.zeros(6, 2)), images)
    equalized = tv.equalize(pictures(16)).float().mul_(1 / 255)
    assert torch.equal(randaugment(images, torch.full((6, 2), largest)), equalized)


def test_images_between_the_levels_are_rounded_to_them() -> None:
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    out = RandAugment(2, 9, 3, 16)(images, torch.zeros(4, 4))
    assert (out - images).abs().max() <= 0.5 / 255 + 1e-7
    assert torch.equal((out * 255).round() * (1 / 255), out)
