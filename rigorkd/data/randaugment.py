"""RandAugment (Cubuk et al. 2019) for a batch: every image gets its own operations, without a Python loop.

The fourteen operations, their 31 magnitudes and their signs are torchvision's, and so is the arithmetic: on
256 levels, truncated as 8-bit images truncate. Instead of computing fourteen pictures and keeping one, three
stages are applied to every image, each of which leaves alone what is not its own:

    tone      a table of 256 levels per channel   brightness, contrast, posterize, solarize, autocontrast,
                                                  equalize
    picture   a blend with another picture        color (with its grey), sharpness (with its blur)
    place     an affine map, nearest pixel        shear, translate, rotate

What an operation does with its sign is a row of a small table of constants, looked up by the draws, so that
nothing waits for the host. On a CPU one round costs about as much as five rotations (docs/views.md).
"""

from __future__ import annotations

import math

import torch

from rigorkd.data.color import grey
from rigorkd.data.geometry import affine

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
_SIGNED = OPERATIONS[1:10]
MAGNITUDES = 31
COLUMNS_PER_ROUND = 2
"""Draws of one round: which operation, and whether its magnitude is negative."""

_COLOR, _CONTRAST, _AUTOCONTRAST, _EQUALIZE = (
    OPERATIONS.index(name) for name in ("color", "contrast", "autocontrast", "equalize")
)

# Columns of the table of constants: the affine map, then each stage's own; and a row that changes nothing.
_MAP, _TONE, _TONE_REST, _PICTURE, _PICTURE_REST, _MASK, _THRESHOLD = slice(0, 6), 6, 7, 8, 9, 10, 11
_NEUTRAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 255.0, 256.0)


class RandAugment:
    """`n` operations in turn, each drawn from all fourteen, of magnitude `m` in 0–30.

    Callable: float images (B, C, S, S) in [0, 1], C 1 or 3, and draws (B, 2 n) → floats in [0, 1] on 256
    levels. Images are rounded to 256 levels first.
    """

    def __init__(self, n: int, m: int, channels: int, size: int) -> None:
        self.columns = COLUMNS_PER_ROUND * n
        self._rows = [
            _row(name, sign * magnitude, channels, size)
            for name in OPERATIONS
            for magnitude in (_magnitude(name, m, size),)
            for sign in ((1, -1) if name in _SIGNED else (1, 1))
        ]
        self._tables: dict[torch.device, torch.Tensor] = {}

    def __call__(self, images: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        levels = (images * 255).round_()
        for first in range(0, self.columns, COLUMNS_PER_ROUND):
            choice = (draws[:, first].double() * len(OPERATIONS)).long()
            negative = draws[:, first + 1] < 0.5
            levels = self.apply(levels, choice, negative)
        return levels.mul_(1 / 255)

    def apply(self, levels: torch.Tensor, choice: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        """One round on float levels 0–255: operation `choice` (B,) of `OPERATIONS`, `negative` (B,) its sign.

        Equal to torchvision's functions on uint8 images, with two exceptions, bounded by the tests: the
        truncation of color (and of contrast in a flat picture) may fall one level aside, and shears and
        rotations may round a position that lies half-way between two pixels the other way.
        """
        row = self._table(levels.device)[choice * 2 + negative]
        grey_levels = grey(levels).floor()
        levels = _retone(levels, grey_levels, choice, row)
        levels = _blend(levels, grey_levels, choice, row)
        return affine(levels, row[:, _MAP])

    def _table(self, device: torch.device) -> torch.Tensor:
        table = self._tables.get(device)
        if table is None:
            table = self._tables[device] = torch.tensor(self._rows, dtype=torch.float32, device=device)
        return table


def _magnitude(name: str, m: int, size: int) -> float:
    """The magnitude that torchvision gives to bin `m` of 31; 0 for operations that have none."""
    match name:
        case "shear_x" | "shear_y":
            end = 0.3
        case "translate_x" | "translate_y":
            end = 150 / 331 * size
        case "rotate":
            end = 30.0
        case "brightness" | "color" | "contrast" | "sharpness":
            end = 0.9
        case "posterize":
            return float((8 - torch.tensor(m) / ((MAGNITUDES - 1) / 4)).round())
        case "solarize":
            return float(torch.linspace(1.0, 0.0, MAGNITUDES)[m])
        case _:
            return 0.0
    return float(torch.linspace(0.0, end, MAGNITUDES)[m])


def _row(name: str, magnitude: float, channels: int, size: int) -> tuple[float, ...]:
    """The constants of one operation at one signed magnitude; those of the other stages are neutral."""
    row = list(_NEUTRAL)
    ratio = 1 + magnitude
    match name:
        case "shear_x":  # about the upper left corner, as torchvision does and the operation was published
            row[_MAP] = (1.0, magnitude, magnitude * size / 2, 0.0, 1.0, 0.0)
        case "shear_y":
            row[_MAP] = (1.0, 0.0, 0.0, magnitude, 1.0, magnitude * size / 2)
        case "translate_x":
            row[_MAP] = (1.0, 0.0, -float(int(magnitude)), 0.0, 1.0, 0.0)
        case "translate_y":
            row[_MAP] = (1.0, 0.0, 0.0, 0.0, 1.0, -float(int(magnitude)))
        case "rotate":
            angle = math.radians(magnitude)
            row[_MAP] = (math.cos(angle), -math.sin(angle), 0.0, math.sin(angle), math.cos(angle), 0.0)
        case "brightness" | "contrast":
            row[_TONE], row[_TONE_REST] = ratio, 1 - ratio
        case "color" if channels == 3:
            row[_PICTURE], row[_PICTURE_REST] = ratio, 1 - ratio
        case "sharpness":
            row[_PICTURE_REST] = 1 - ratio
        case "posterize":
            bits = int(magnitude)
            row[_MASK] = float(((1 << bits) - 1) << (8 - bits))
        case "solarize":
            row[_THRESHOLD] = 255 * magnitude
    return tuple(row)


def _retone(
    levels: torch.Tensor, grey_levels: torch.Tensor, choice: torch.Tensor, row: torch.Tensor
) -> torch.Tensor:
    """Send every level of every channel through its table; the table of other operations changes nothing."""
    index = levels.flatten(2).long()
    ramp = torch.arange(256, device=levels.device)[None, None, :]
    # Brightness blends with black, contrast with the mean grey, whose sum of whole numbers is exact.
    mean = grey_levels.flatten(1).sum(1, dtype=torch.float64) / index.shape[2]
    other = torch.where(choice == _CONTRAST, mean, 0).float() * row[:, _TONE_REST]
    table = _clip(ramp * _per_image(row[:, _TONE]) + _per_image(other))
    table = (table.long() & _per_image(row[:, _MASK]).long()).float()
    table = torch.where(table >= _per_image(row[:, _THRESHOLD]), 255 - table, table)
    counts = torch.zeros((*index.shape[:2], 256), dtype=torch.int32, device=index.device)
    counts.scatter_add_(2, index, counts.new_ones(()).expand_as(index))
    present = counts > 0
    low, high = present.int().argmax(2, keepdim=True), 255 - present.flip(2).int().argmax(2, keepdim=True)
    table = torch.where(_per_image(choice == _AUTOCONTRAST), _autocontrast(low, high, ramp), table)
    table = torch.where(_per_image(choice == _EQUALIZE), _equalize(counts, high, ramp), table)
    return table.gather(2, index).view_as(levels)


def _autocontrast(low: torch.Tensor, high: torch.Tensor, ramp: torch.Tensor) -> torch.Tensor:
    """Tables (B, C, 256) that stretch each channel from its lowest and highest level to 0 and 255."""
    step = (high - low).float() * (1 / 255)
    flat = high == low
    return _clip((ramp - torch.where(flat, 0, low)) / torch.where(flat, 1, step))


def _equalize(counts: torch.Tensor, highest: torch.Tensor, ramp: torch.Tensor) -> torch.Tensor:
    """Tables (B, C, 256) that make the levels of each channel equally frequent, by Pillow's whole numbers.

    `counts` (B, C, 256) are the pixels of each level. With `step` pixels per level, the highest level not
    counted, a level becomes the number of darker pixels divided by `step`, rounded; a channel with fewer
    than 255 such pixels stays as it is.
    """
    up_to = counts.cumsum(2)
    step = (up_to[:, :, -1:] - counts.gather(2, highest)).div(255, rounding_mode="floor")
    table = (up_to - counts + step // 2).div(step.clamp(min=1), rounding_mode="floor").clamp(max=255)
    return torch.where(step == 0, ramp, table).float()


def _blend(
    levels: torch.Tensor, grey_levels: torch.Tensor, choice: torch.Tensor, row: torch.Tensor
) -> torch.Tensor:
    """Blend with the grey picture (color) or with the difference to the blurred one (sharpness)."""
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    added = torch.zeros_like(levels)  # the outermost pixels have no blur and stay
    added[inner] = _blur(levels).sub_(levels[inner])
    added = torch.where(_per_picture(choice == _COLOR), grey_levels, added)
    added.mul_(_per_picture(row[:, _PICTURE_REST]))
    return _clip(added.add_(levels * _per_picture(row[:, _PICTURE])))


def _blur(levels: torch.Tensor) -> torch.Tensor:
    """Mean of 3×3 pixels, the middle one counted five times, rounded, without the outermost pixels.

    A sum of whole numbers over 13 is never half-way, so no order of summation could change the rounding.
    """
    across = (levels[..., :-2] + levels[..., 1:-1]).add_(levels[..., 2:])
    nine = (across[..., :-2, :] + across[..., 1:-1, :]).add_(across[..., 2:, :])
    return nine.add_(levels[..., 1:-1, 1:-1], alpha=4).mul_(1 / 13).round_()


def _clip(levels: torch.Tensor) -> torch.Tensor:
    """To 0–255, the fraction cut off."""
    return levels.clamp_(0, 255).trunc_()


def _per_image(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None]


def _per_picture(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]
