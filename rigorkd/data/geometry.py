"""Batched geometry: every image of a batch gets its own shift, mirror, box or angle, without a Python loop.

Each operation takes images (B, C, S, S) and its uniform draws (B, columns) on the same device, and reproduces
what `torchvision.transforms.v2` does to one image with the same parameters. Parameters are computed in
float64 and with separate multiplications and additions, so a sample's bits do not depend on its batch.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F


def resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """Float images (B, C, S, S) to (B, C, size, size): bilinear, antialiased, torchvision's default."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)


def center_crop(images: torch.Tensor, size: int) -> torch.Tensor:
    """The central square of `size` pixels, rounded as torchvision rounds."""
    start = round((images.shape[-1] - size) / 2)
    return images[..., start : start + size, start : start + size]


def horizontal_flip(images: torch.Tensor, draws: torch.Tensor, p: float) -> torch.Tensor:
    """Mirror left and right where the draw (B, 1) is below `p`."""
    return torch.where((draws < p)[:, :, None, None], images.flip(3), images)


def random_crop(
    images: torch.Tensor, draws: torch.Tensor, padding: int, fill: Literal["zero", "reflect"]
) -> torch.Tensor:
    """Pad every side, then cut out the original size at a position drawn per image, draws (B, 2)."""
    batch, channels, size, _ = images.shape
    width = size + 2 * padding
    corner = (draws.double() * (2 * padding + 1)).long()
    span = torch.arange(size, device=images.device)
    if fill == "zero":
        source = F.pad(images, (padding,) * 4)
        rows, columns = corner[:, :1] + span, corner[:, 1:] + span
    else:
        source, width = images, size
        rows, columns = (_reflect(corner[:, axis, None] + (span - padding), size) for axis in (0, 1))
    index = (rows * width)[:, :, None] + columns[:, None, :]
    index = index.view(batch, 1, size * size).expand(-1, channels, -1)
    return source.flatten(2).gather(2, index).view(batch, channels, size, size)


def random_resized_crop(
    images: torch.Tensor,
    draws: torch.Tensor,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> torch.Tensor:
    """A box of random area and aspect ratio, stretched bilinearly to the size of the images; draws (B, 22).

    A box is never larger than the image, so it is only ever stretched and antialiasing would change nothing.
    """
    size = images.shape[-1]
    top, left, height, width = resized_crop_boxes(draws, size, scale, ratio).unbind(1)
    return resized_crop(images, top, left, height, width)


RESIZED_CROP_TRIES = 10
RESIZED_CROP_COLUMNS = 2 * RESIZED_CROP_TRIES + 2


def resized_crop_boxes(
    draws: torch.Tensor, size: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> torch.Tensor:
    """Top, left, height and width of a box per image, int64 (B, 4), in torchvision's distribution.

    Columns 0–9 draw the area and 10–19 the aspect ratio of ten tries; the first that fits is taken, else the
    largest central box of an allowed ratio. Columns 20 and 21 place the box.
    """
    uniform = draws.double()
    area = (uniform[:, :RESIZED_CROP_TRIES] * (scale[1] - scale[0]) + scale[0]) * (size * size)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = (uniform[:, RESIZED_CROP_TRIES:-2] * (high - low) + low).exp()
    widths, heights = (_sqrt(box).round().long() for box in (area * aspect, area / aspect))
    fits = (widths > 0) & (widths <= size) & (heights > 0) & (heights <= size)
    earliest = torch.arange(RESIZED_CROP_TRIES, 0, -1, device=draws.device)
    first = (fits * earliest).argmax(1, keepdim=True)
    fallback_width = size if ratio[1] >= 1 else round(size * ratio[1])
    fallback_height = size if ratio[0] <= 1 else round(size / ratio[0])
    found = fits.any(1)
    width = torch.where(found, widths.gather(1, first)[:, 0], fallback_width)
    height = torch.where(found, heights.gather(1, first)[:, 0], fallback_height)
    top, left = size - height, size - width
    top = torch.where(found, (uniform[:, -2] * (top + 1)).long(), top // 2)
    left = torch.where(found, (uniform[:, -1] * (left + 1)).long(), left // 2)
    return torch.stack((top, left, height, width), 1)


def _sqrt(values: torch.Tensor) -> torch.Tensor:
    """The square root; on a CPU numpy's, which is the nearest number on every processor: torch's is not.

    Version 0.1 used torch's, whose last bit is lost in the rounding to whole pixels.
    """
    return torch.from_numpy(np.sqrt(values.numpy())) if values.device.type == "cpu" else values.sqrt()


def resized_crop(
    images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, height: torch.Tensor, width: torch.Tensor
) -> torch.Tensor:
    """Stretch one box per image, int64 (B,) each, to the size of the images.

    Within 3e-7 · S of torchvision's resized_crop for values in [0, 1] (4e-5 at 128 pixels a side): sampling
    positions carry the rounding of float32. Antialiasing makes no difference, since boxes are only stretched.
    """
    size = images.shape[-1]
    middle = (torch.arange(size, device=images.device) + 0.5) / size

    def positions(start: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        inside = (middle * length[:, None] - 0.5).clamp(min=0)
        inside = torch.minimum(
            inside, (length - 1)[:, None]
        )  # the box, not the image, is extended at its edge
        return (inside + (start[:, None] + 0.5)) * (2 / size) - 1

    grid = images.new_empty((len(images), size, size, 2))
    grid[..., 0] = positions(left, width)[:, None, :]
    grid[..., 1] = positions(top, height)[:, :, None]
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def source_resized_crop(
    images: torch.Tensor,
    draws: torch.Tensor,
    *,
    size: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> torch.Tensor:
    """A box of random area and aspect ratio of the images, brought to `size`; draws (B, 22)."""
    return resample_boxes(images, resized_crop_boxes(draws, images.shape[-1], scale, ratio), size)


def resample_boxes(images: torch.Tensor, boxes: torch.Tensor, size: int) -> torch.Tensor:
    """Bring one box per image, int64 (B, 4), of float images (B, C, S, S) to (B, C, size, size), antialiased.

    As torchvision's antialiased bilinear `resized_crop`, within rounding: the rows and columns of the result
    are weighted sums of those of the box, so two products of matrices do it for a whole batch.
    """
    top, left, height, width = boxes.unbind(1)
    rows = _triangle_weights(top, height, images.shape[-1], size)[:, None]
    columns = _triangle_weights(left, width, images.shape[-1], size)[:, None]
    return rows @ images @ columns.transpose(2, 3)


def _triangle_weights(start: torch.Tensor, length: torch.Tensor, source: int, size: int) -> torch.Tensor:
    """What each of `source` pixels gives to each of `size`, float32 (B, size, source); every row sums to 1.

    A pixel of the result covers `length` / `size` pixels of the box from `start` on. Its weights are a
    triangle of that half-width, and of at least one pixel.
    """
    step = (length.double() / size)[:, None, None]
    middle = torch.arange(size, device=start.device)[None, :, None] + 0.5
    inside = torch.arange(source, device=start.device)[None, None, :] - start[:, None, None]
    distance = (inside + 0.5 - middle * step).abs()
    weights = (1 - distance / step.clamp(min=1)).clamp(min=0)
    weights = weights.masked_fill((inside < 0) | (inside >= length[:, None, None]), 0)
    return (weights / weights.sum(2, keepdim=True)).float()


FUSED_COLUMNS = RESIZED_CROP_COLUMNS + 2


def fused_geometry(
    images: torch.Tensor,
    draws: torch.Tensor,
    *,
    size: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    flip: float,
    degrees: float,
) -> torch.Tensor:
    """A random box, mirrored or not, turned, and shown at `size`; draws (B, 24); see `crop_flip_rotate`.

    The box is drawn as `random_resized_crop` draws it from images of `size` pixels; column 22 decides the
    flip, column 23 the angle in ±`degrees`.
    """
    boxes = resized_crop_boxes(draws[:, :RESIZED_CROP_COLUMNS], size, scale, ratio)
    mirrored = draws[:, RESIZED_CROP_COLUMNS] < flip
    angles = (draws[:, RESIZED_CROP_COLUMNS + 1].double() * 2 - 1) * degrees
    return crop_flip_rotate(images, size, boxes, mirrored, angles)


def crop_flip_rotate(
    images: torch.Tensor, size: int, boxes: torch.Tensor, mirrored: torch.Tensor, angles: torch.Tensor
) -> torch.Tensor:
    """Resize to `size`, crop, mirror, rotate: one bilinear sampling of float images (B, C, S, S), S ≤ size.

    `boxes` are top, left, height, width, int64 (B, 4), in pixels of the resized image; `mirrored` is bool
    (B,), `angles` are float64 degrees (B,), counter-clockwise. Zeros where the turned crop ends.
    """
    half = size / 2
    radians = torch.deg2rad(angles)
    cosine, sine = (value.float()[:, None, None] for value in (radians.cos(), radians.sin()))
    span = torch.arange(size, device=images.device) + (0.5 - half)
    x, y = span[None, None, :], span[None, :, None]
    along = x * cosine - y * sine  # where in the upright crop a pixel of the turned one lies, from its centre
    down = x * sine + y * cosine
    along = torch.where(mirrored[:, None, None], -along, along)
    outside = (along.abs() > half) | (down.abs() > half)
    top, left, height, width = boxes[:, :, None, None].unbind(1)

    def positions(offset: torch.Tensor, start: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        inside = ((offset + half) * (length / size) - 0.5).clamp(min=0)
        inside = torch.minimum(inside, (length - 1).to(inside.dtype))  # the box is extended at its edge
        return (inside + (start + 0.5)) * (2 / size) - 1

    grid = torch.stack((positions(along, left, width), positions(down, top, height)), 3)
    sampled = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled.masked_fill_(outside[:, None], 0)


def cutout(images: torch.Tensor, draws: torch.Tensor, size: int, fill: tuple[float, ...]) -> torch.Tensor:
    """Set a square of `size` pixels to `fill`, one value per channel; draws (B, 2).

    As in DeVries and Taylor (2017): the centre is any pixel, and what lies outside the image is cut off. An
    even square reaches from `size / 2` pixels before its centre to the pixel before `size / 2` after it.
    """
    side = images.shape[-1]
    start = (draws.double() * side).long()[:, :, None] - size // 2
    span = torch.arange(side, device=images.device)
    hit = (span >= start) & (span < start + size)
    hole = hit[:, 0, :, None] & hit[:, 1, None, :]
    channels = [
        channel.masked_fill(hole, value) for channel, value in zip(images.unbind(1), fill, strict=True)
    ]
    return torch.stack(channels, 1)


def rotation(images: torch.Tensor, draws: torch.Tensor, degrees: float) -> torch.Tensor:
    """Turn each image by an angle in ±`degrees` about its centre; draws (B, 1); see `rotate`."""
    return rotate(images, (draws[:, 0].double() * 2 - 1) * degrees)


def rotate(images: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Turn float images by float64 angles (B,) in degrees, counter-clockwise; nearest pixel, zeros outside.

    Differs from torchvision only where a sampling position lies within rounding of two pixels.
    """
    radians = torch.deg2rad(angles)
    cosine, sine = radians.cos(), radians.sin()
    zero = torch.zeros_like(cosine)
    return affine(images, torch.stack((cosine, -sine, zero, sine, cosine, zero), 1).float())


def affine(images: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Each pixel (x, y) shows the input at (a x + b y + c, d x + e y + f); nearest pixel, zeros outside.

    `matrix` is (B, 6) float32: a, b, c, d, e, f of each image, in pixels from the image's centre. The
    identity and whole shifts are exact.
    """
    size = images.shape[-1]
    a, b, c, d, e, f = matrix[:, :, None, None].unbind(1)
    span = torch.arange(size, device=images.device) + (0.5 - size / 2)
    x, y = span[None, None, :], span[None, :, None]
    grid = images.new_empty((len(images), size, size, 2))
    grid[..., 0] = (x * a + (y * b + c)) / (size / 2)
    grid[..., 1] = (x * d + (y * e + f)) / (size / 2)
    return F.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def _reflect(position: torch.Tensor, size: int) -> torch.Tensor:
    """Positions outside [0, size) mirrored at the border pixels, which are not repeated."""
    return (size - 1) - ((size - 1) - position.abs()).abs()
