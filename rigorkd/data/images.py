"""A loaded data set as plain tensors, and the few facts about its images that views need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True, eq=False)
class Subset:
    """Images of one part of the split, in the source's order.

    `images` is uint8 (n, C, S, S) and contiguous, `labels` int64 (n,), `index` int64 (n,) the position of
    each image in the source (in its own test set where the source has one).
    """

    images: torch.Tensor
    labels: torch.Tensor
    index: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataShape:
    """What views must know: channels, side in pixels, channel moments of the training images in [0, 1]."""

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set, split. `checksum` identifies the source (see `rigorkd.data.identity`)."""

    train: Subset
    val: Subset
    test: Subset
    class_names: tuple[str, ...]
    checksum: str

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def channels(self) -> int:
        return int(self.train.images.shape[1])

    @property
    def size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.train.images.shape[2])

    @cached_property
    def shape(self) -> DataShape:
        """Channels, size and the moments of the training images."""
        mean, std = _moments(self.train.images)
        return DataShape(self.channels, self.size, mean, std)


def _moments(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel in [0, 1] units, from exact integer counts of each level."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = (share * levels).sum()
        means.append(float(mean))
        variance = float((share * (levels - mean) ** 2).sum())
        stds.append(variance**0.5 or 1.0)  # a constant channel is only centred
    return tuple(means), tuple(stds)
