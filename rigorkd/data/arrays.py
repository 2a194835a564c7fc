"""What a source hands over before it is split: numpy arrays, with or without a test set of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SourceArrays:
    """A pool of images (n, C, S, S) with labels (n,); `test_*` where the source defines its own test set.

    `mapped` says that the images lie in a file, so that rows should be read only when they are asked for.
    """

    images: Pixels
    labels: Labels
    class_names: tuple[str, ...]
    test_images: Pixels | None = None
    test_labels: Labels | None = None
    mapped: bool = False
