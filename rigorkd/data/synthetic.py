"""A learnable source of any size, channel count and class count, for smoke runs, tests and benchmarks.

Every class has a smooth random prototype. An image is its class's prototype, shifted, blended with the
prototype of another class, plus noise: a small network learns it, and what it learns includes which classes
look alike. Integer arithmetic only, so every machine draws the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from rigorkd.data.dataset import Dataset, DatasetInfo, SourceArrays, sha256_of
from rigorkd.fields import Count, NonNegative

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rigorkd.data.dataset import Labels, Pixels

    Levels = npt.NDArray[np.int32]


SYNTHETIC_VERSION = 1
"""Raised whenever the synthetic source draws other images from the same parameters."""

_GRID = 4  # control points of a prototype along each side
_AMPLITUDE = 80  # largest deviation of a prototype from mid-grey, in grey levels
_CHUNK = 512  # images made at a time: the working set stays in the cache


class Synthetic(Dataset):
    """A learnable source of any shape and size, drawn from `seed`."""

    in_files: ClassVar[bool] = False
    name: Literal["synthetic"]
    size: Annotated[int, Field(ge=4)] = 16
    channels: Literal[1, 3] = 3
    classes: Annotated[int, Field(ge=2)] = 10
    images: Count = 1024
    test_images: Count = 512
    noise: NonNegative = 0.5
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("synthetic", self.images, self.test_images, self.classes, self.channels, self.size)

    def checksum_at_hand(self) -> str:
        drawn = self.model_dump(exclude={"name", "split", "label_noise"})
        return sha256_of({"source": "synthetic", "version": SYNTHETIC_VERSION, **drawn})

    def read(self) -> tuple[SourceArrays, str]:
        """Draw pool and test set from `seed`; the same parameters give the same bytes."""
        prototypes = _prototypes(self)
        images, labels = _images(self, prototypes, self.images, "train")
        test_images, test_labels = _images(self, prototypes, self.test_images, "test")
        names = tuple(f"class {label}" for label in range(self.classes))
        return SourceArrays(images, labels, names, test_images, test_labels), self.checksum()


def _prototypes(dataset: Synthetic) -> npt.NDArray[np.int16]:
    """Smooth, periodic patterns (classes, C, S, S) with levels in ±_AMPLITUDE."""
    import numpy as np

    from rigorkd.data.random import stream

    shape = (dataset.classes, dataset.channels, _GRID, _GRID)
    generator = stream(dataset.seed, "synthetic/prototypes")
    control = generator.integers(-_AMPLITUDE, _AMPLITUDE + 1, shape, dtype=np.int32)
    rows = _stretch(control, dataset.size, axis=2)
    return _stretch(rows, dataset.size, axis=3).astype(np.int16)


def _stretch(values: Levels, size: int, axis: int) -> Levels:
    """Periodic linear interpolation of the control points along one axis, in integers."""
    import numpy as np

    position = np.arange(size, dtype=np.int32) * _GRID
    left, weight = position // size, position % size
    shape = [-1 if dimension == axis else 1 for dimension in range(values.ndim)]
    weight = weight.reshape(shape)
    first, second = values.take(left, axis), values.take((left + 1) % _GRID, axis)
    return (first * (size - weight) + second * weight) // size


def _images(
    dataset: Synthetic, prototypes: npt.NDArray[np.int16], n: int, part: str
) -> tuple[Pixels, Labels]:
    """Images (n, C, S, S) and their labels (n,), in balanced classes."""
    import numpy as np

    from rigorkd.data.random import stream

    size, classes = dataset.size, dataset.classes
    layout = stream(dataset.seed, f"synthetic/{part}/layout")
    labels = layout.permutation(np.arange(n) % classes).astype(np.int64)
    others = (labels + layout.integers(1, classes, n)) % classes
    reach = max(1, size // 8)
    shifts = layout.integers(-reach, reach + 1, (n, 2))
    blend = layout.integers(0, 128, n).astype(np.int32)  # share of the other class, of 256: below one half
    strength = round(dataset.noise * 256)
    pixels = stream(dataset.seed, f"synthetic/{part}/pixels")
    images = np.empty((n, dataset.channels, size, size), np.uint8)
    span = np.arange(size)
    for start in range(0, n, _CHUNK):
        here = slice(start, min(start + _CHUNK, n))
        rows = (span + shifts[here, :1])[:, None, :, None] % size
        columns = (span + shifts[here, 1:])[:, None, None, :] % size
        channel = np.arange(dataset.channels)[None, :, None, None]
        own, other = (
            prototypes[label[here, None, None, None], channel, rows, columns].astype(np.int32)
            for label in (labels, others)
        )
        weight = blend[here, None, None, None]
        signal = own * (256 - weight) + other * weight
        dice = pixels.integers(0, 256, (2, *own.shape), dtype=np.uint8).astype(np.int32)
        noise = (dice[0] - dice[1]) * strength  # triangular, standard deviation 104 grey levels at noise 1
        images[here] = np.clip((signal + noise) // 256 + 128, 0, 255)
    return images, labels
