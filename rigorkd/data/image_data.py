"""A loaded data set as plain tensors, and the few facts about its images that views need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch

_HOST = torch.device("cpu")
_PIECE = 512
"""Images handled at a time where a whole data set is gone through."""


@dataclass(frozen=True, eq=False)
class StoredImages:
    """Images that stay in host memory, or in a mapped file, until some of them are asked for.

    They are read as a tensor (n, C, S, S) is: `images[rows]`, `images[:8]`, `images.split(500)`. What comes
    back is uint8 and on `device`, with the bits that a tensor there would have. `source` is (N, C, S, S) on
    the host, and `index` (n,) on the host says which of its images these are.
    """

    source: torch.Tensor
    index: torch.Tensor
    device: torch.device = _HOST

    def __getitem__(self, rows: torch.Tensor | slice) -> torch.Tensor:
        wanted = self.index[rows.cpu() if isinstance(rows, torch.Tensor) else rows]
        if self.device.type == "cpu":
            return self.source[wanted]
        # Pinned memory is copied without waiting, and torch reuses it only after the copy is done.
        pinned = self.device.type == "cuda"
        staged = torch.empty((len(wanted), *self.source.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        torch.index_select(self.source, 0, wanted, out=staged)
        return staged.to(self.device, non_blocking=True)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.index), *self.source.shape[1:]))

    @property
    def nbytes(self) -> int:
        return self.shape.numel()

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """Batches of `size` images in order, read one by one."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def to(self, device: torch.device) -> StoredImages:
        """The same images, handed out on another device."""
        return replace(self, device=device)

    def whole(self) -> torch.Tensor:
        """All of them as one tensor on the device."""
        images = torch.empty(self.shape, dtype=torch.uint8, device=self.device)
        for start, piece in zip(range(0, len(self), _PIECE), self.split(_PIECE), strict=True):
            images[start : start + _PIECE] = piece
        return images


@dataclass(frozen=True, eq=False)
class Subset:
    """Images of one part of the split, in the source's order.

    `images` is uint8 (n, C, S, S), a contiguous tensor or read like one, `labels` int64 (n,), `index` int64
    (n,) the position of each image in the source (in its own test set where the source has one).
    """

    images: torch.Tensor | StoredImages
    labels: torch.Tensor
    index: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def at_most(self, count: int) -> Subset:
        """So many images at regular distances, since a source may be sorted by class; all of fewer."""
        if len(self) <= count:
            return self
        rows = torch.arange(count) * len(self) // count
        images = self.images
        if isinstance(images, StoredImages):
            fewer: torch.Tensor | StoredImages = replace(images, index=images.index[rows])
        else:
            fewer = images[rows.to(images.device)]
        return Subset(fewer, self.labels[rows.to(self.labels.device)], self.index[rows.to(self.index.device)])

    def to(self, device: torch.device, *, whole: bool) -> Subset:
        """Images and labels on a device; stored images are copied there `whole`, or batch by batch."""
        images = self.images.to(device)
        if whole and isinstance(images, StoredImages):
            images = images.whole()
        return replace(self, images=images, labels=self.labels.to(device))


@dataclass(frozen=True)
class DataShape:
    """What views must know: channels, side in pixels, channel moments of the training images in [0, 1]."""

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class MeasuredShape(DataShape):
    """The shape of images, whose moments are measured when they are first asked for.

    Not every view needs them, and a large data set takes seconds.
    """

    def __init__(self, images: torch.Tensor | StoredImages) -> None:
        # The base is frozen, so its own way to set a field is used.
        object.__setattr__(self, "_images", images)
        object.__setattr__(self, "channels", int(images.shape[1]))
        object.__setattr__(self, "size", int(images.shape[2]))

    def __getattr__(self, name: str) -> tuple[float, ...]:
        """Called for a field that is not set yet."""
        if name not in ("mean", "std"):
            raise AttributeError(name)
        mean, std = _moments(self.__dict__["_images"])
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)
        return mean if name == "mean" else std


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set, split. `checksum` identifies the source (see `Dataset.checksum`)."""

    train: Subset
    val: Subset
    test: Subset
    class_names: tuple[str, ...]
    checksum: str

    @property
    def nbytes(self) -> int:
        """Bytes of all images."""
        return sum(part.images.nbytes for part in (self.train, self.val, self.test))

    def to(self, device: torch.device, *, whole: bool) -> ImageData:
        """The data on a device, still uint8: see `Subset.to`."""
        train, val, test = (part.to(device, whole=whole) for part in (self.train, self.val, self.test))
        moved = replace(self, train=train, val=val, test=test)
        moved.__dict__["shape"] = self.shape  # the same images: nothing to measure again
        return moved

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
        return MeasuredShape(self.train.images)


def _moments(images: torch.Tensor | StoredImages) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel in [0, 1] units, from exact integer counts of each level."""
    counts = torch.zeros((images.shape[1], 256), dtype=torch.int64)
    for piece in images.split(_PIECE):
        for channel, values in enumerate(piece.unbind(1)):
            counts[channel] += torch.bincount(values.flatten(), minlength=256).cpu()
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for count in counts:
        share = count.double() / count.sum()
        mean = (share * levels).sum()
        means.append(float(mean))
        variance = float((share * (levels - mean) ** 2).sum())
        stds.append(variance**0.5 or 1.0)  # a constant channel is only centred
    return tuple(means), tuple(stds)
