"""scikit-learn's digits: 1,797 real grey 8×8 images, installed with the library and never downloaded."""

from __future__ import annotations

import hashlib

import numpy as np

from rigorkd.data.arrays import Labels, Pixels, SourceArrays
from rigorkd.data.identity import DIGITS_SHA256
from rigorkd.errors import InputError


def load_digits() -> SourceArrays:
    """All digits as one pool; the 17 grey levels 0–16 are scaled to 0–255.

    Raises:
        InputError: the installed scikit-learn carries other digits than the ones rigorkd knows.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    levels = bunch.images.astype(np.int64)
    images = ((levels * 255 + 8) // 16).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    if digest(images, labels) != DIGITS_SHA256:
        raise InputError(
            "the digits of the installed scikit-learn are not the published 1,797 images",
            hint="reinstall scikit-learn, or use another data set",
        )
    return SourceArrays(images, labels, tuple(str(digit) for digit in range(10)))


def digest(images: Pixels, labels: Labels) -> str:
    """SHA-256 of the pixels followed by the labels, whatever the machine's byte order."""
    return hashlib.sha256(images.astype(np.uint8).tobytes() + labels.astype("<i8").tobytes()).hexdigest()
