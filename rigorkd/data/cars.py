"""Stanford Cars (Krause et al. 2013): 196 models of cars, the training images as the pool and a test set.

    <root>/stanford_cars/devkit/cars_meta.mat, cars_train_annos.mat
    <root>/stanford_cars/cars_test_annos_withlabels.mat
    <root>/stanford_cars/cars_train/00001.jpg, cars_test/00001.jpg

Classes are the numbers in the annotations, as published; boxes are not used. The publisher's site is gone, so
nothing can be downloaded.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Literal

from rigorkd.data.dataset import DatasetInfo
from rigorkd.data.decoded import ResizedFiles
from rigorkd.data.image_files import ImageFile, ImageIndex, Layout, PublishedFiles, refuse_absent
from rigorkd.errors import InputError

_META = "devkit/cars_meta.mat"
_PARTS = {
    "cars_train": "devkit/cars_train_annos.mat",
    "cars_test": "cars_test_annos_withlabels.mat",
}


def index(folder: Path) -> ImageIndex:
    """Read the annotations. Raises InputError for a damaged file, or an image that is missing."""
    names = tuple(str(name) for name in _variable(folder / _META, "class_names"))
    train, test = (_annotated(folder, images, part, len(names)) for images, part in _PARTS.items())
    return ImageIndex(names, train, test)


def _annotated(folder: Path, images: str, part: str, classes: int) -> tuple[ImageFile, ...]:
    try:
        files = tuple(
            ImageFile(f"{images}/{entry['fname']}", int(entry["class"]) - 1)
            for entry in _variable(folder / part, "annotations")
        )
    except (ValueError, TypeError, IndexError) as error:  # numpy's ways to say that a field is not there
        raise _damaged(folder / part, error) from None
    if not files or not all(0 <= file.label < classes for file in files):
        raise _damaged(folder / part, f"its classes are not 1 to {classes}")
    refuse_absent(folder, files, part)
    return files


def _variable(path: Path, name: str) -> Any:
    """One variable of a MATLAB file, as an array of one dimension."""
    import numpy as np
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return np.atleast_1d(loadmat(path, squeeze_me=True)[name])
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        NotImplementedError,
        MatReadError,
        zlib.error,
    ) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, reason: object) -> InputError:
    return InputError(
        f"{path}: not the published annotations of Stanford Cars ({reason})",
        hint="put the published file there",
    )


CARS = Layout(
    folder="stanford_cars",
    parts=("cars_train", "cars_test", _META, *_PARTS.values()),
    advice="its publisher no longer offers it: from a copy, put the folders cars_train and cars_test, "
    "devkit/cars_meta.mat, devkit/cars_train_annos.mat and cars_test_annos_withlabels.mat into {place}",
    index=index,
)


class Cars(PublishedFiles, ResizedFiles):
    """Stanford Cars: 196 classes."""

    layout = CARS
    name: Literal["stanford_cars"]

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("Stanford Cars", 8_144, 8_041, classes=196, channels=3, size=self.resolution)
