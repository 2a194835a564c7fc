"""scikit-learn's digits: 1,797 real grey 8×8 images, installed with the library and never downloaded."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from rigorkd.data.dataset import Dataset, DatasetInfo, SourceArrays
from rigorkd.errors import InputError

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels, Pixels


DIGITS_SHA256 = "0b7e9c3202d7bcd255d6a19a238d3743bf5e320ba74812a6679958a017c55382"
"""SHA-256 of the digits' uint8 pixels followed by their int64 labels, little endian."""


class Digits(Dataset):
    """scikit-learn's digits: 1,797 grey 8×8 images, 10 classes, embedded. `split.test` must be given."""

    in_files: ClassVar[bool] = False
    name: Literal["digits"]

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("digits", images=1_797, test_images=None, classes=10, channels=1, size=8)

    def checksum_at_hand(self) -> str:
        return DIGITS_SHA256

    def read(self) -> tuple[SourceArrays, str]:
        """All digits as one pool; the 17 grey levels 0–16 are scaled to 0–255.

        Raises:
            InputError: the installed scikit-learn carries other digits than the ones rigorkd knows.
        """
        images, labels = _pool()
        if digest(images, labels) != DIGITS_SHA256:
            raise InputError(
                "the digits of the installed scikit-learn are not the published 1,797 images",
                hint="reinstall scikit-learn, or use another data set",
            )
        return SourceArrays(images, labels, tuple(str(digit) for digit in range(10))), DIGITS_SHA256


@cache
def _pool() -> tuple[Pixels, Labels]:
    """Pixels (1797, 1, 8, 8) and labels (1797,). Kept: reading them takes longer than some trainings."""
    import numpy as np
    from sklearn import datasets

    bunch = datasets.load_digits()
    levels = bunch.images.astype(np.int64)
    images = ((levels * 255 + 8) // 16).astype(np.uint8)[:, None]
    return images, bunch.target.astype(np.int64)


def digest(images: Pixels, labels: Labels) -> str:
    """SHA-256 of the pixels followed by the labels, whatever the machine's byte order."""
    return hashlib.sha256(images.astype("|u1").tobytes() + labels.astype("<i8").tobytes()).hexdigest()
