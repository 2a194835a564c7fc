"""A user's own images as arrays, in one `.npz` file.

    images        uint8 or uint16, (n, S, S) or (n, S, S, 1) grey, (n, S, S, 3) colour; or channels first
    labels        (n,) or (n, 1): whole numbers from 0, or the names of the classes
    test_images, test_labels        optional: without them, `split.test` images are held out
    class_names                     optional

`train_images` and `x_train` are names of the images, too, `train_labels` and `y_train` of the labels, and so
on for the test: as MedMNIST and Keras have them. So are other usual ones (`data` and `target`, `X` and `y`),
in capitals or not, where no two arrays may be meant. Other arrays, such as `val_images`, are not read.
"""

from __future__ import annotations

import functools
import io
import math
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from rigorkd.data.dataset import FEW_LEVELS, Dataset, DatasetInfo, Levels, SourceArrays, Watch
from rigorkd.errors import InputError
from rigorkd.files import file_sha256, sha256_of
from rigorkd.text import count, first_line, in_full, nearest_place, some_of

if TYPE_CHECKING:
    import numpy as np

    from rigorkd.data.dataset import Labels, Pixels
    from rigorkd.data.examined import Examined

NAMES = {
    "images": ("images", "train_images", "x_train"),
    "labels": ("labels", "train_labels", "y_train"),
    "test_images": ("test_images", "x_test"),
    "test_labels": ("test_labels", "y_test"),
}
"""What each array may be called; the first that is there is read."""
_ALSO = {
    "images": ("x", "data", "image", "imgs", "train_x", "train_data"),
    "labels": ("y", "target", "targets", "label", "train_y", "train_targets"),
    "test_images": ("test_x", "test_data"),
    "test_labels": ("test_y", "test_targets"),
}
"""And what else, where it is the only one of these that is there."""

_USUAL_SIDE = 32
WIDE = 20.0
"""Numbers over a wider range were not divided by their standard deviation: they are counts or densities."""


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

    def examined(self, seed: int = 0) -> Examined | None:
        from rigorkd.data.examined import examine

        if self.looked_at() is None:
            return None
        status = self.path.stat()
        found = _repeated(self.path, status.st_size, status.st_mtime_ns)
        images, tests = found.names

        def named(row: int) -> str:
            pool = len(found.labels)
            return f"{images}[{row}]" if row < pool else f"{tests}[{row - pool}]"

        return examine(
            *(found.groups, found.labels, found.test_labels, found.classes), self.split, named, seed
        )

    def read(self) -> tuple[SourceArrays, str]:
        content = _content(self.path)
        return _source(self.path, *_read(self.path, content)), sha256_of(content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"arrays: {path}: {(error.strerror or str(error)).lower()}{in_full(path, 'dataset.file')}"
            f"{nearest_place(path, folder=False)}",
            hint=f"of a folder of images write dataset: {{name: image_folder, root: {path}, split: …}}"
            if path.is_dir()
            else "dataset.file names a .npz file",
        ) from None


@dataclass(frozen=True, eq=False)
class _Repeated:
    """Rows of equal images in a file, with the labels that a split needs and what the arrays are called."""

    groups: tuple[tuple[int, ...], ...]
    labels: Labels
    test_labels: Labels | None
    names: tuple[str, str]
    classes: tuple[str, ...]


@functools.lru_cache(maxsize=4)
def _looked(path: Path, size: int, modified: int) -> tuple[DatasetInfo, _Repeated]:
    import numpy as np

    from rigorkd.data.examined import repeated

    content = _content(path)
    arrays, names, given = _read(path, content)
    found = _source(path, arrays, names, given)
    _, channels, side, _ = found.images.shape
    tested = None if found.test_labels is None else len(found.test_labels)
    many = np.bincount(found.labels, minlength=len(found.class_names))
    smallest = found.class_names[int(many.argmin())], int(many.min())
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        read = {*names.values(), "class_names"}
        unread = tuple(name for name in file if name not in read)
    classes = len(found.class_names)
    info = DatasetInfo(
        *(str(path), len(found.labels), tested, classes, channels, side),
        smallest=smallest,
        unread=unread,
        to_test="name it test_images and test_labels",
        doubts=tuple(_levels_used(found, deep=arrays["images"].dtype == np.uint16).doubts()),
        class_names=found.class_names if found.class_names != _numbered(classes) else (),
    )
    groups = repeated(found.images, found.test_images)
    called = names["images"], names.get("test_images", "")
    return info, _Repeated(groups, found.labels, found.test_labels, called, found.class_names)


def _info(path: Path, size: int, modified: int) -> DatasetInfo:
    return _looked(path, size, modified)[0]


def _repeated(path: Path, size: int, modified: int) -> _Repeated:
    return _looked(path, size, modified)[1]


def _levels_used(found: SourceArrays, *, deep: bool) -> Levels:
    """`deep` says that the images had 16 bits."""
    import numpy as np

    parts = [found.images] if found.test_images is None else [found.images, found.test_images]
    high = np.concatenate([part.max(axis=(1, 2, 3)) for part in parts])
    flat = sum(int((part == part[:, :, :1, :1]).all(axis=(1, 2, 3)).sum()) for part in parts)
    dark = high[high < FEW_LEVELS] if deep else high[:0]
    return Levels(len(high), flat, len(dark), int(dark.max(initial=0)))


@functools.lru_cache(maxsize=4)
def _sha256(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)


def _source(
    path: Path,
    arrays: Mapping[str, np.ndarray[Any, Any]],
    names: Mapping[str, str],
    given: np.ndarray[Any, Any] | None,
) -> SourceArrays:
    """The arrays of a file. InputError for one that holds something else, with all that is wrong."""
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise _refused(path, "of test_images and test_labels one is missing", "give both, or neither")
    pictures = [array for key, array in arrays.items() if "images" in key]
    wrong = [
        fault
        for key, array in arrays.items()
        for fault in (
            _misfits(names[key], array, pictures) if "images" in key else _no_classes(names[key], array)
        )
    ]
    wrong += _gaps(names, arrays)
    if wrong:
        raise _refused(path, "; ".join(what for what, _ in wrong), "\n  ".join(dict(wrong).values()))
    images = _pixels(arrays["images"])
    labels, class_names = _classes(path, arrays["labels"], given)
    _refuse_unequal(path, "images", images, labels)
    if "test_images" not in arrays:
        return SourceArrays(images, labels, class_names)
    test_images = _pixels(arrays["test_images"])
    test_labels = _test_labels(path, arrays["test_labels"], arrays["labels"], class_names)
    _refuse_unequal(path, "test_images", test_images, test_labels)
    if test_images.shape[1:] != images.shape[1:]:
        shapes = f"{_shape(images)} and {_shape(test_images)}"
        raise _refused(path, f"images and test_images differ in shape: {shapes}", "bring them to one shape")
    return SourceArrays(images, labels, class_names, test_images, test_labels)


def _read(
    path: Path, content: bytes
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str], np.ndarray[Any, Any] | None]:
    """The arrays of a file by what they are, how it calls them, and the names of its classes."""
    import numpy as np

    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise _refused(path, "one array alone", "np.savez(file, images=…, labels=…) writes both")
        with loaded as file:
            names = _named(path, tuple(file))
            there, objects, wanted = {}, [], {*names.values(), "class_names"}
            for name in file:
                if name not in wanted and {"images", "labels"} <= names.keys():
                    continue
                try:
                    there[name] = np.asarray(file[name])
                except ValueError as error:
                    if "Object arrays" not in str(error):
                        raise
                    objects.append(name)
            for key in ("images", "labels"):
                if key not in names:
                    raise _refused(path, f"there is no array {key!r}", _by_shape(there))
            if objects:
                pictures = {name for key, name in names.items() if "images" in key}
                what = f"{some_of(objects, 6)} hold Python objects, which are not read"
                raise _refused(path, what, _without_objects(path, objects, pictures))
            arrays = {key: there[name] for key, name in names.items()}
            return arrays, names, there.get("class_names")
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        hint = "np.savez(file, images=…, labels=…) writes one"
        raise _refused(path, f"not a file of arrays ({first_line(error)})", hint) from None


def _without_objects(path: Path, objects: Sequence[str], pictures: Collection[str]) -> str:
    """The line that makes plain arrays of Python objects: images of one size, or names."""
    plain = (
        f"old[{name!r}] = "
        + (f"np.stack(old[{name!r}])" if name in pictures else f"old[{name!r}].astype(str)")
        for name in objects
    )
    sized = ", which takes images of one size (resize others, or save them as files in folders of classes)"
    sized *= any(name in pictures for name in objects)
    return (
        f"old = dict(np.load({str(path)!r}, allow_pickle=True)); {'; '.join(plain)}; "
        f"np.savez({str(path)!r}, **old) writes plain arrays{sized}; allow_pickle runs what a file holds, so "
        "only if you trust it"
    )


def _named(path: Path, there: tuple[str, ...]) -> dict[str, str]:
    """Which array of a file is what."""
    found = {}
    for key, usual in NAMES.items():
        names = [name for name in usual if name in there][:1]
        names = names or [name for name in there if name.lower() in (*usual, *_ALSO[key])]
        if len(names) > 1:
            raise _refused(path, f"{' and '.join(names)} may both be the {key}", f"name one of them {key}")
        if names:
            found[key] = names[0]
    return found


def _by_shape(there: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """How to name the arrays of a file, by their shapes where these tell."""
    some = some_of(
        [f"{name} ({'×'.join(map(str, array.shape))})" for name, array in sorted(there.items())], 12
    )
    images = [name for name, array in there.items() if array.ndim > 2]
    labels = [name for name, array in there.items() if array.ndim == 1]
    if not there:
        return "it has nothing: np.savez(file, images=…, labels=…) writes both"
    mend = "np.savez(file, images=…, labels=…) writes both"
    if len(images) == len(labels) == 1:
        named = f"images=old[{images[0]!r}], labels=old[{labels[0]!r}]"
        mend = f"by their shapes: old = np.load(file); np.savez(file, {named})"
    return f"it has {some}; {mend}"


def _refused(path: Path, what: str, hint: str) -> InputError:
    return InputError(f"arrays: {path}: {what}", hint=hint)


def _shape(array: np.ndarray[Any, Any]) -> str:
    return "×".join(map(str, array.shape[1:]))


def _misfits(
    name: str, array: np.ndarray[Any, Any], pictures: Sequence[np.ndarray[Any, Any]]
) -> Iterator[tuple[str, str]]:
    """What keeps an array from being images, each with the mend. `pictures` are all that should be images."""
    if array.dtype not in ("uint8", "uint16"):
        what, scaled = _levels(array, pictures)
        scaled = scaled.replace("{}", name)
        yield f"{name} are {array.dtype}{what}", f"store levels from 0 to 255 as uint8: {scaled}"
    if array.ndim == 2 or not _is_square(array):
        mend = _reshaped(name, array.shape) or "give (n, S, S), (n, S, S, 3) or (n, 3, S, S)"
        yield f"{name} of shape {_shape(array)} are no square grey or colour images", mend
    elif not len(array):
        yield f"there are no {name}", "give at least one for each class"


def _is_square(array: np.ndarray[Any, Any]) -> bool:
    shape = array.shape
    first = array.ndim == 4 and shape[1] in (1, 3) and shape[2] == shape[3]
    last = array.ndim == 4 and shape[3] in (1, 3) and shape[1] == shape[2]
    return first or last or (array.ndim == 3 and shape[1] == shape[2])


def _reshaped(name: str, shape: tuple[int, ...]) -> str:
    """What makes square images of an array of this shape, or "" where nothing is obvious."""
    if len(shape) == 2:
        grey, colour = math.isqrt(shape[1]), math.isqrt(shape[1] // 3)
        if grey**2 == shape[1]:
            return f"make squares of the rows: {name}.reshape(-1, {grey}, {grey})"
        if 3 * colour**2 == shape[1]:
            return (
                f"make squares of the rows: {name}.reshape(-1, {colour}, {colour}, 3), "
                f"or {name}.reshape(-1, 3, {colour}, {colour}) where the channels come first"
            )
    if len(shape) == 4 and shape[0] == shape[1] and shape[2] in (1, 3):
        return f"the images come last: np.moveaxis({name}, 3, 0)"
    if len(shape) == 4 and shape[1] == shape[2] and shape[3] in (2, 4):
        return f"of {shape[3]} channels keep the colours: {name}[..., :{shape[3] - 1}]"
    if len(shape) == 4 and shape[2] == shape[3] and shape[1] in (2, 4):
        return f"of {shape[1]} channels keep the colours: {name}[:, :{shape[1] - 1}]"
    if len(shape) in (3, 4):
        first = len(shape) == 4 and shape[1] in (1, 3)
        high, wide = shape[2:] if first else shape[1:3]
        side = min(high, wide)
        top, left = (high - side) // 2, (wide - side) // 2
        cut = f"{top}:{top + side}, {left}:{left + side}"
        if side >= 4 and (len(shape) == 3 or first or shape[3] in (1, 3)):
            return f"their centres are squares: {name}[:{', :' * first}, {cut}]"
    return ""


def _pixels(array: np.ndarray[Any, Any]) -> Pixels:
    """Images as uint8 (n, C, S, S); of 16 bits the upper eight, as of image files."""
    import numpy as np

    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[1] not in (1, 3) or array.shape[2] != array.shape[3]:
        array = np.moveaxis(array, 3, 1)
    return np.ascontiguousarray(array)


def _levels(array: np.ndarray[Any, Any], pictures: Sequence[np.ndarray[Any, Any]]) -> tuple[str, str]:
    """What numbers are no levels from 0 to 255 in uint8, and what makes them some: the same in all arrays."""
    import numpy as np

    if array.dtype.kind == "b":
        return "", "255 * {}.astype('uint8')"
    if array.dtype.kind not in "iuf" or not array.size:
        return "", "{}.astype('uint8')"
    alike = [other[np.isfinite(other)] for other in pictures if other.dtype == array.dtype]
    alike = [other for other in alike if other.size]
    if not alike:
        return ", and none of their values is a number", "store them again"
    low, high = min(float(other.min()) for other in alike), max(float(other.max()) for other in alike)
    finite = array[np.isfinite(array)]
    whole = np.arange(0, 1) if not finite.size else finite
    said, levels = f" from {float(whole.min()):.4g} to {float(whole.max()):.4g}", "{}"
    if missing := array.size - finite.size:
        said += f", and {count(missing, 'value')} NaN or infinite"
        levels = f"np.nan_to_num({{}}, nan={low!r}, posinf={high!r}, neginf={low!r})"
    return said, _scaled(low, high, floating=array.dtype.kind == "f").replace("{}", levels)


def _scaled(low: float, high: float, *, floating: bool) -> str:
    """What makes levels from 0 to 255 of the numbers {} between these two."""
    if low >= 0 and high <= 1 and floating:
        return "(255 * {}).round().astype('uint8')"
    if -1 <= low < 0 and high <= 1:
        return "(127.5 * ({} + 1)).round().astype('uint8')"
    if low >= 0 and high <= 255:
        return ("{}.round()" if floating else "{}") + ".astype('uint8')"
    from_zero = f"({{}} {'+' if low < 0 else '-'} {abs(low)!r})"
    stretched = f"(255 * {from_zero} / {high - low!r}).round().astype('uint8')"
    if not floating or high - low > WIDE:
        return stretched
    undone = "(255 * ({} * std + mean)).round().clip(0, 255).astype('uint8')"
    return f"{stretched}; or, where they were divided by std after mean was taken away, {undone}"


def _no_classes(name: str, array: np.ndarray[Any, Any]) -> Iterator[tuple[str, str]]:
    """What keeps an array from being one class for each image, with the mend."""
    array = _flat(array)
    if array.ndim == 1 and array.dtype.kind in "iuU":
        return
    mend = ""
    if array.ndim == 2 and array.dtype.kind in "biuf" and (array.sum(axis=1) == 1).all():
        mend = f": {name}.argmax(1) of one-hot rows"
    elif array.ndim == 1 and array.dtype.kind == "f" and (array == array.round()).all():
        mend = f": {name}.astype(int)"
    elif array.ndim == 1 and array.dtype.kind in "bS":
        mend = f": {name}.astype({'int' if array.dtype.kind == 'b' else 'str'})"
    what = f"{name} are {array.dtype} of shape {array.shape}, not one class for each image"
    yield what, f"give whole numbers from 0, or names, one for each image{mend}"


def _gaps(names: Mapping[str, str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[tuple[str, str]]:
    """That whole numbers of the images to split are not 0, 1, 2, …, with the mend."""
    import numpy as np

    name, flat = names["labels"], _flat(arrays["labels"])
    if flat.ndim != 1 or flat.dtype.kind not in "iu" or not flat.size:
        return
    found = np.unique(flat)
    if int(found[0]) == 0 and int(found[-1]) == len(found) - 1:
        return
    mend = (
        "{} - 1" if found[0] == 1 and found[-1] == len(found) else f"np.searchsorted(np.unique({name}), {{}})"
    )
    hint = f"number the classes 0, 1, 2, … without a gap: {mend.format(name)}"
    if "test_labels" in names:
        hint += f", and {mend.format(names['test_labels'])}"
    yield f"{name} go from {found[0]} to {found[-1]} and have {count(len(found), 'value')}", hint


def _numbered(classes: int) -> tuple[str, ...]:
    """The names of classes that nobody has named."""
    return tuple(f"class {label}" for label in range(classes))


def _flat(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _classes(
    path: Path, array: np.ndarray[Any, Any], given: np.ndarray[Any, Any] | None
) -> tuple[Labels, tuple[str, ...]]:
    """The labels as numbers, and the classes' names."""
    import numpy as np

    flat = _flat(array)
    found, numbers = np.unique(flat, return_inverse=True)
    if len(found) < 2:
        raise _refused(path, f"labels have {len(found)} class(es)", "there must be at least two")
    if flat.dtype.kind == "U":
        return numbers.astype(np.int64), tuple(str(name) for name in found)
    names = _numbered(len(found))
    if given is not None and given.shape == (len(found),):
        names = tuple(str(name) for name in given)
    return flat.astype(np.int64), names


def _test_labels(
    path: Path, array: np.ndarray[Any, Any], pool: np.ndarray[Any, Any], names: tuple[str, ...]
) -> Labels:
    import numpy as np

    flat = _flat(array)
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
