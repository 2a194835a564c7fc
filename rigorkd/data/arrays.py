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
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from rigorkd.data.array_faults import Fault, faults_of, flat
from rigorkd.data.dataset import (
    FEW_LEVELS,
    Dataset,
    DatasetInfo,
    ImageGroups,
    Levels,
    SourceArrays,
    Watch,
)
from rigorkd.data.image_groups import KEY, groups_of, names_groups
from rigorkd.errors import InputError
from rigorkd.files import file_sha256, sha256_of
from rigorkd.text import first_line, in_full, nearest_place, some_of, suggest

if TYPE_CHECKING:
    import numpy as np

    from rigorkd.data.dataset import Labels, Pixels
    from rigorkd.data.examined import Examined
    from rigorkd.data.splits import Divided

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


class Arrays(Dataset):
    """A user's own images in one `.npz` file with `images` and `labels`."""

    takes_groups = "an array"
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
        return _looked(self.path, status.st_size, status.st_mtime_ns, self.split.group_by)[0]

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
        draw_split(self.split, source.labels, source.test_labels, 0, source.groups)

    def examined(self, seed: int = 0) -> Examined | None:
        from rigorkd.data.examined import examine

        if (found := self._rows()) is None:
            return None
        images, tests = found.names

        def named(row: int) -> str:
            pool = len(found.labels)
            return f"{images}[{row}]" if row < pool else f"{tests}[{row - pool}]"

        rows = found.repeated, found.labels, found.test_labels, found.classes
        return examine(*rows, self.split, named, seed, found.groups)

    def divided(self) -> Divided | None:
        if self.split.group_by is None or (found := self._rows()) is None:
            return None
        from rigorkd.data.splits import divide

        assert found.groups is not None
        seed = 0 if self.split.seed == "per_seed" else self.split.seed
        return divide(self.split, found.labels, found.test_labels, seed, found.groups)

    def _rows(self) -> _Rows | None:
        """What the file says of its rows; None if it is not there."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return _looked(self.path, status.st_size, status.st_mtime_ns, self.split.group_by)[1]

    def read(self) -> tuple[SourceArrays, str]:
        content = _content(self.path)
        return _source(self.path, *_read(self.path, content, self.split.group_by)), sha256_of(content)


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
class _Rows:
    """Rows of equal images in a file, what a split needs to know of rows, and what the arrays are called."""

    repeated: tuple[tuple[int, ...], ...]
    labels: Labels
    test_labels: Labels | None
    names: tuple[str, str]
    classes: tuple[str, ...]
    groups: ImageGroups | None


@functools.lru_cache(maxsize=4)
def _looked(path: Path, size: int, modified: int, group_by: str | None) -> tuple[DatasetInfo, _Rows]:
    import numpy as np

    from rigorkd.data.examined import repeated

    content = _content(path)
    arrays, names, given = _read(path, content, group_by)
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
        doubts=(
            *_levels_used(found, deep=arrays["images"].dtype == np.uint16).doubts(),
            *(_ungrouped(unread) if group_by is None else ()),
        ),
        class_names=found.class_names if found.class_names != _numbered(classes) else (),
    )
    groups = repeated(found.images, found.test_images)
    called = names["images"], names.get("test_images", "")
    return info, _Rows(groups, found.labels, found.test_labels, called, found.class_names, found.groups)


def _ungrouped(unread: Sequence[str]) -> Iterator[str]:
    """That an array may tell what belongs together, and that the split does not know of it."""
    if telling := [name for name in unread if names_groups(name)]:
        yield (
            f"the array {telling[0]} is not read, and the split draws images: if it says of whom they are, "
            f"write {KEY}: {telling[0]} to keep the images of each on one side"
        )


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
    if faults := faults_of(names, arrays):
        raise _all_refused(path, faults)
    images = _pixels(arrays["images"])
    labels, class_names = _classes(arrays["labels"], given)
    groups = _groups(arrays, names, class_names)
    if "test_images" not in arrays:
        return SourceArrays(images, labels, class_names, groups=groups)
    test_images = _pixels(arrays["test_images"])
    test_labels = _test_labels(arrays["test_labels"], class_names)
    return SourceArrays(images, labels, class_names, test_images, test_labels, groups=groups)


def _groups(
    arrays: Mapping[str, np.ndarray[Any, Any]], names: Mapping[str, str], classes: tuple[str, ...]
) -> ImageGroups | None:
    """Which images belong together, where an array tells."""
    if "groups" not in arrays:
        return None
    pool, tested = flat(arrays["groups"]).tolist(), arrays.get("test_groups")
    found = [str(group) for group in [*pool, *([] if tested is None else flat(tested).tolist())]]
    return groups_of(f"{KEY} {names['groups']}", found, classes, len(pool), own_test=tested is not None)


def _read(
    path: Path, content: bytes, group_by: str | None
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str], np.ndarray[Any, Any] | None]:
    """The arrays of a file by what they are, how it calls them, and the names of its classes."""
    import numpy as np

    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise _refused(path, "one array alone", "np.savez(file, images=…, labels=…) writes both")
        with loaded as file:
            names = _named(path, tuple(file))
            grouped, lacking = _named_groups(tuple(file), names, group_by)
            names |= grouped
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
            if faults := [*_unnamed(names, there), *lacking]:
                by_shape = _by_shape(there) if len(faults) > len(lacking) else {}
                meant = names | by_shape
                raise _all_refused(
                    path, faults + faults_of(meant, {k: there[n] for k, n in meant.items() if n in there})
                )
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


def _named_groups(
    there: Sequence[str], names: Mapping[str, str], group_by: str | None
) -> tuple[dict[str, str], list[Fault]]:
    """The arrays that tell the groups of images, and what there is none of."""
    if group_by is None:
        return {}, []
    if group_by not in there:
        others = [name for name in there if name not in names.values()]
        mend = suggest(group_by, others, f"it has, beside images and labels, {some_of(others, 8) or 'none'}")
        return {}, [Fault(f"there is no array {group_by!r} ({KEY})", mend)]
    if "test_images" not in names:
        return {"groups": group_by}, []
    tested = (f"test_{group_by}", f"{group_by}_test", group_by.replace("train", "test"))
    name = next((name for name in tested if name in there and name != group_by), None)
    if name is None:
        what = f"there is no array {tested[0]!r}, the groups of the test images ({KEY})"
        return {"groups": group_by}, [Fault(what, "without it nobody knows that no group is on both sides")]
    return {"groups": group_by, "test_groups": name}, []


def _unnamed(names: Mapping[str, str], there: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[Fault]:
    """That there are no images, or no labels, by their names."""
    if lacking := [key for key in ("images", "labels") if key not in names]:
        what = f"there is no array {' and no '.join(map(repr, lacking))}"
        yield Fault(what, _renamed(there))


def _by_shape(there: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, str]:
    """Which array of a file seems to be what, by their shapes; nothing where these do not tell."""
    images = [name for name, array in there.items() if array.ndim > 2]
    images = images or [name for name, array in there.items() if array.ndim == 2 and array.shape[1] > 15]
    labels = [name for name, array in there.items() if flat(array).ndim == 1]
    return {"images": images[0], "labels": labels[0]} if len(images) == len(labels) == 1 else {}


def _renamed(there: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """How to name the arrays of a file, by their shapes where these tell."""
    some = some_of(
        [f"{name} ({'×'.join(map(str, array.shape))})" for name, array in sorted(there.items())], 12
    )
    if not there:
        return "it has nothing: np.savez(file, images=…, labels=…) writes both"
    mend = "np.savez(file, images=…, labels=…) writes both"
    if found := _by_shape(there):
        named = ", ".join(f"{key}=old[{name!r}]" for key, name in found.items())
        mend = f"by their shapes: old = np.load(file); np.savez(file, {named})"
    return f"it has {some}; {mend}"


def _refused(path: Path, what: str, hint: str) -> InputError:
    return InputError(f"arrays: {path}: {what}", hint=hint)


def _all_refused(path: Path, faults: Sequence[Fault]) -> InputError:
    """One error for all faults: of several a list, with what mends each."""
    if len(faults) == 1:
        return _refused(path, *faults[0])
    mends: dict[str, list[str]] = {}
    for number, fault in enumerate(faults, start=1):
        mends.setdefault(fault.mend, []).append(f"({number})")
    listed = "".join(f"\n  ({number}) {fault.what}" for number, fault in enumerate(faults, start=1))
    hint = "\n  ".join(f"mend {' and '.join(numbers)}: {mend}" for mend, numbers in mends.items())
    return _refused(path, f"{len(faults)} faults{listed}", hint)


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


def _numbered(classes: int) -> tuple[str, ...]:
    """The names of classes that nobody has named."""
    return tuple(f"class {label}" for label in range(classes))


def _classes(
    array: np.ndarray[Any, Any], given: np.ndarray[Any, Any] | None
) -> tuple[Labels, tuple[str, ...]]:
    """The labels as numbers, and the classes' names."""
    import numpy as np

    found, numbers = np.unique(flat(array), return_inverse=True)
    if array.dtype.kind == "U":
        return numbers.astype(np.int64), tuple(str(name) for name in found)
    names = _numbered(len(found))
    if given is not None and given.shape == (len(found),):
        names = tuple(str(name) for name in given)
    return flat(array).astype(np.int64), names


def _test_labels(array: np.ndarray[Any, Any], names: tuple[str, ...]) -> Labels:
    import numpy as np

    if array.dtype.kind != "U":
        return flat(array).astype(np.int64)
    number = {name: label for label, name in enumerate(names)}
    return np.array([number[str(name)] for name in flat(array)], np.int64)
