"""MixUp and CutMix: one of them, or neither, for a whole batch of viewed images.

    draws = table.mix_draws(epoch, steps)                 # numpy, before the epoch
    mixed = mix_batch(views.mix, images, labels, draws[step])
    loss = mixed.weight * ce(logits, mixed.labels) + (1 - mixed.weight) * ce(logits, mixed.partner_labels)

MixUp (Zhang et al. 2018) averages two images, CutMix (Yun et al. 2019) pastes a box of one into the other.
The partner of image i is image i − 1 of the batch, that of the first is the last: batches are already
shuffled. Everything random is decided on the host from numbers drawn in advance, so nothing waits for the
device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from rigorkd.data.operations import Mix


@dataclass(frozen=True)
class Mixing:
    """What happens to one batch. `weight` is the share of an image's own label, 1 if nothing is mixed.

    `box` is top, left, bottom and right in pixels of what CutMix takes from the partner, else empty.
    """

    kind: Literal["none", "mixup", "cutmix"]
    weight: float
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class MixedBatch:
    """Images (B, C, S, S), the labels (B,) of each and of its partner, and the weight () of its own label."""

    images: torch.Tensor
    labels: torch.Tensor
    partner_labels: torch.Tensor
    weight: torch.Tensor


def draw_mixing(mix: Mix, draws: npt.NDArray[np.float64], size: int) -> Mixing:
    """The mixing of one batch of images of `size` pixels from its four draws.

    The mixing weight is uniform in [0, 1), the centre of a box any pixel. A box has the share 1 − weight of
    the image's area before it is cut off at the border; its weight is then counted anew.
    """
    choice, weight, *centre = draws.tolist()
    if choice < mix.mixup:
        return Mixing("mixup", weight)
    if choice >= mix.mixup + mix.cutmix:
        return Mixing("none", 1.0)
    half = int(0.5 * math.sqrt(1 - weight) * size)
    middle = [int(draw * size) for draw in centre]
    top, left = (max(position - half, 0) for position in middle)
    bottom, right = (min(position + half, size) for position in middle)
    area = (bottom - top) * (right - left)
    return Mixing("cutmix", 1 - area / (size * size), (top, left, bottom, right))


def mix_batch(
    mix: Mix, images: torch.Tensor, labels: torch.Tensor, draws: npt.NDArray[np.float64]
) -> MixedBatch:
    """Mix a batch of viewed images (B, C, S, S) by its four draws; an unmixed batch is returned as it is."""
    mixing = draw_mixing(mix, draws, images.shape[-1])
    weight = torch.full((), mixing.weight, dtype=torch.float32, device=images.device)
    return MixedBatch(mix_images(images, mixing), labels, labels.roll(1), weight)


@torch.no_grad()
def mix_images(images: torch.Tensor, mixing: Mixing) -> torch.Tensor:
    """The mixed images; equal, bit for bit, to torchvision's MixUp or CutMix with this weight and box."""
    if mixing.kind == "none":
        return images
    partners = images.roll(1, 0)
    if mixing.kind == "mixup":
        return partners.mul_(1 - mixing.weight).add_(images * mixing.weight)
    top, left, bottom, right = mixing.box
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = partners[..., top:bottom, left:right]
    return mixed
