"""A user's own images as arrays, in one `.npz` file.

    images        uint8 or uint16, (n, S, S) or (n, S, S, 1) grey, (n, S, S, 3) colour; or channels first
    labels        (n,) or (n, 1): whole numbers from 0, or the names of the classes
    test_images, test_labels        optional: without them, `split.test` images are held out
    class_names                     optional

`train_images` and `x_train` are names of the images, too, `train_labels` and `y_train` of the labels, and so
on for the test: as MedMNIST and Keras have them. Other arrays, such as `val_images`, are not read.
"""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from rigorkd.data.dataset import Dataset, DatasetInfo, SourceArrays, Watch
from rigorkd.errors import InputError
from rigorkd.files import file_sha256, sha256_of
from rigorkd.text import first_line, in_full, some_of

if TYPE_CHECKING:
    import numpy as np

    from rigorkd.data.dataset import Labels, Pixels

NAMES = {
    "images": ("images", "train_images", "x_train"),
    "labels": ("labels", "train_labels", "y_train"),
    "test_images": ("test_images", "x_test"),
    "test_labels": ("test_labels", "y_test"),
}
"""What each array may be called; the first that is there is read."""

_USUAL_SIDE = 32


class Arrays(Dataset):
    """A user's own images in one `.npz` file with `images` and `labels`."""

    name: Literal["arrays"]
    file: Annotated[str, Field(min_length=1)]
    _side: int | None = PrivateAttr(default=None)
    # Settled when the study begins: who reads a study reads no file that its protocol names.

    @property
    def path(self) -> Path:
        return Path(self.file).expanduser()

    @property
    def info(self) -> None:
        return None

    def looked_at(self) -> DatasetInfo | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return _info(self.path, status.st_size, status.st_mtime_ns)

    @property
    def side(self) -> int:
        """Where nothing has settled it yet, a usual one: enough to plan with."""
        return self._side or _USUAL_SIDE

    @property
    def known_side(self) -> int | None:
        return self._side

    @property
    def is_open(self) -> bool:
        return self._side is None

    def agreed(self) -> int | None:
        known = self.looked_at()
        return None if known is None else known.size

    def absent(self) -> str:
        return "" if self.path.exists() else str(self.path)

    def settled(self, side: int) -> Arrays:
        copy = self.model_copy()
        copy._side = side
        return copy

    def checksum_at_hand(self) -> str | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return _sha256(self.path, status.st_size, status.st_mtime_ns)

    def prepare(self, watch: Watch | None = None) -> None:
        from rigorkd.data.splits import draw_split

        source, _ = self.read()
        draw_split(self.split, source.labels, source.test_labels, seed=0)

    def read(self) -> tuple[SourceArrays, str]:
        content = _content(self.path)
        return _source(self.path, content), sha256_of(content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"arrays: {path}: {(error.strerror or str(error)).lower()}{in_full(path, 'dataset.file')}",
            hint="dataset.file names a .npz file",
        ) from None


@functools.lru_cache(maxsize=4)
def _info(path: Path, size: int, modified: int) -> DatasetInfo:
    import numpy as np

    found = _source(path, _content(path))
    _, channels, side, _ = found.images.shape
    tested = None if found.test_labels is None else len(found.test_labels)
    many = np.bincount(found.labels, minlength=len(found.class_names))
    smallest = found.class_names[int(many.argmin())], int(many.min())
    return DatasetInfo(
        str(path), len(found.labels), tested, len(found.class_names), channels, side, smallest=smallest
    )


@functools.lru_cache(maxsize=4)
def _sha256(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)


def _source(path: Path, content: bytes) -> SourceArrays:
    """The arrays of a file. InputError for one that holds something else."""
    import numpy as np

    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise _refused(path, "one array alone", "np.savez(file, images=…, labels=…) writes both")
        with loaded as file:
            names = {key: next((name for name in NAMES[key] if name in file), None) for key in NAMES}
            for key in ("images", "labels"):
                if names[key] is None:
                    there = f"it has {some_of(sorted(file), 12) or 'nothing'}"
                    raise _refused(path, f"there is no array {key!r}", f"{there}; name it {key}")
            arrays = {key: np.asarray(file[name]) for key, name in names.items() if name is not None}
            given = np.asarray(file["class_names"]) if "class_names" in file else None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        hint = "np.savez(file, images=…, labels=…) writes one; arrays of objects are not read"
        raise _refused(path, f"not a file of arrays ({first_line(error)})", hint) from None
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise _refused(path, "of test_images and test_labels one is missing", "give both, or neither")
    images = _pixels(path, "images", arrays["images"])
    labels, class_names = _classes(path, arrays["labels"], given)
    _refuse_unequal(path, "images", images, labels)
    if "test_images" not in arrays:
        return SourceArrays(images, labels, class_names)
    test_images = _pixels(path, "test_images", arrays["test_images"])
    test_labels = _test_labels(path, arrays["test_labels"], arrays["labels"], class_names)
    _refuse_unequal(path, "test_images", test_images, test_labels)
    if test_images.shape[1:] != images.shape[1:]:
        shapes = f"{_shape(images)} and {_shape(test_images)}"
        raise _refused(path, f"images and test_images differ in shape: {shapes}", "bring them to one shape")
    return SourceArrays(images, labels, class_names, test_images, test_labels)


def _refused(path: Path, what: str, hint: str) -> InputError:
    return InputError(f"arrays: {path}: {what}", hint=hint)


def _shape(array: np.ndarray[Any, Any]) -> str:
    return "×".join(map(str, array.shape[1:]))


def _pixels(path: Path, name: str, array: np.ndarray[Any, Any]) -> Pixels:
    """Images as uint8 (n, C, S, S); of 16 bits the upper eight, as of image files."""
    import numpy as np

    given = _shape(array)
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.dtype != np.uint8:
        what, scaled = _levels(array)
        hint = f"store levels from 0 to 255 as uint8: {scaled.format(name)}.astype('uint8')"
        raise _refused(path, f"{name} are {array.dtype}{what}", hint)
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3):
        array = np.moveaxis(array, 3, 1)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.shape[2] != array.shape[3]:
        what = f"{name} of shape {given} are no square grey or colour images"
        raise _refused(path, what, "give (n, S, S), (n, S, S, 3) or (n, 3, S, S)")
    if not len(array):
        raise _refused(path, f"there are no {name}", "give at least one for each class")
    return np.ascontiguousarray(array)


def _levels(array: np.ndarray[Any, Any]) -> tuple[str, str]:
    """What numbers are no levels from 0 to 255 in uint8, and what makes them some."""
    if array.dtype.kind not in "iuf" or not array.size:
        return "", "{}"
    low, high = float(array.min()), float(array.max())
    said = f" from {low:.4g} to {high:.4g}"
    if low >= 0 and high <= 1 and array.dtype.kind == "f":
        return said, "(255 * {}).round()"
    if -1 <= low < 0 and high <= 1:
        return said, "(127.5 * ({} + 1)).round()"
    if low >= 0 and high <= 255:
        return said, "{}.round()" if array.dtype.kind == "f" else "{}"
    return f"{said}, of which nothing tells the levels", "levels"


def _flat(path: Path, name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        what = f"{name} are {array.dtype} of shape {array.shape}, not one class for each image"
        one_hot = array.ndim == 2 and array.dtype.kind in "biuf" and (array.sum(axis=1) == 1).all()
        mend = f": {name}.argmax(1) of one-hot rows" if one_hot else ""
        raise _refused(path, what, f"give whole numbers from 0, or names, one for each image{mend}")
    return array


def _classes(
    path: Path, array: np.ndarray[Any, Any], given: np.ndarray[Any, Any] | None
) -> tuple[Labels, tuple[str, ...]]:
    """The labels as numbers, and the classes' names."""
    import numpy as np

    flat = _flat(path, "labels", array)
    found, numbers = np.unique(flat, return_inverse=True)
    if len(found) < 2:
        raise _refused(path, f"labels have {len(found)} class(es)", "there must be at least two")
    if flat.dtype.kind == "U":
        return numbers.astype(np.int64), tuple(str(name) for name in found)
    if int(found[0]) != 0 or int(found[-1]) != len(found) - 1:
        what = f"labels go from {found[0]} to {found[-1]} and have {len(found)} values"
        from_one = int(found[0]) == 1 and int(found[-1]) == len(found)
        raise _refused(path, what, "number the classes 0, 1, 2, … without a gap" + ": labels - 1" * from_one)
    names = tuple(f"class {label}" for label in range(len(found)))
    if given is not None and given.shape == (len(found),):
        names = tuple(str(name) for name in given)
    return flat.astype(np.int64), names


def _test_labels(
    path: Path, array: np.ndarray[Any, Any], pool: np.ndarray[Any, Any], names: tuple[str, ...]
) -> Labels:
    import numpy as np

    flat = _flat(path, "test_labels", array)
    if (flat.dtype.kind == "U") != (pool.dtype.kind == "U"):
        raise _refused(path, "labels and test_labels are of two kinds", "give numbers, or names, in both")
    if flat.dtype.kind == "U":
        number = {name: label for label, name in enumerate(names)}
        unknown = sorted({str(name) for name in flat} - number.keys())
        labels = np.array([number.get(str(name), -1) for name in flat], np.int64)
    else:
        labels = flat.astype(np.int64)
        unknown = [str(label) for label in np.unique(labels) if not 0 <= label < len(names)]
    if unknown:
        what = f"test_labels have a class that labels lack: {unknown[0]}"
        raise _refused(path, what, "a class must be in both")
    return labels


def _refuse_unequal(path: Path, name: str, images: Pixels, labels: Labels) -> None:
    if len(images) != len(labels):
        raise _refused(path, f"{len(images):,} {name} have {len(labels):,} labels", "give one for each")
