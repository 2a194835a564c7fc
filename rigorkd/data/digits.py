"""scikit-learn's digits: 1,797 real grey 8×8 images, packaged with rigorkd and never downloaded.

`digits.npz` holds the values of `sklearn.datasets.load_digits` (levels 0 to 16), which are the test part of

    E. Alpaydin and C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning
    Repository. https://doi.org/10.24432/C50P49. Licence: CC BY 4.0.

It is here because importing scikit-learn for it would take longer than many trainings.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from rigorkd.data.dataset import Dataset, DatasetInfo, SourceArrays
from rigorkd.errors import InputError

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels, Pixels


FILE = Path(__file__).with_name("digits.npz")

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
            InputError: the packaged file holds other digits than the ones rigorkd knows.
        """
        images, labels = _pool()
        if digest(images, labels) != DIGITS_SHA256:
            raise InputError(
                f"{FILE}: not the published 1,797 images", hint="reinstall rigorkd, or use another data set"
            )
        return SourceArrays(images, labels, tuple(str(digit) for digit in range(10))), DIGITS_SHA256


@cache
def _pool() -> tuple[Pixels, Labels]:
    """Pixels (1797, 1, 8, 8) and labels (1797,)."""
    import numpy as np

    with np.load(FILE, allow_pickle=False) as found:
        levels, labels = found["levels"].astype(np.int64), found["labels"].astype(np.int64)
    return ((levels * 255 + 8) // 16).astype(np.uint8)[:, None], labels


def digest(images: Pixels, labels: Labels) -> str:
    """SHA-256 of the pixels followed by the labels, whatever the machine's byte order."""
    return hashlib.sha256(images.astype("|u1").tobytes() + labels.astype("<i8").tobytes()).hexdigest()
