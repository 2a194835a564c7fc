"""All that keeps the arrays of an `.npz` file from being images with classes, each with what mends it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rigorkd.data.image_groups import KEY
from rigorkd.text import count

if TYPE_CHECKING:
    import numpy as np

WIDE = 20.0
"""Numbers over a wider range were not divided by their standard deviation: they are counts or densities."""


class Fault(NamedTuple):
    """What is wrong, and what mends it."""

    what: str
    mend: str


def faults_of(names: Mapping[str, str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[Fault]:
    """All faults of arrays by what they are (`images`, `labels`, …); `names` says how the file calls them."""
    pictures = [array for key, array in arrays.items() if "images" in key]
    found = []
    if ("test_images" in arrays) != ("test_labels" in arrays):
        found.append(Fault("of test_images and test_labels one is missing", "give both, or neither"))
    for key, array in arrays.items():
        if "images" in key:
            found += _misfits(names[key], array, pictures)
        elif "labels" in key:
            found += _no_classes(names[key], array)
    return [*found, *_gaps(names, arrays), *_unequal(names, arrays), *_apart(names, arrays)]


def flat(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One value for each image, also of an array (n, 1)."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _are_classes(array: np.ndarray[Any, Any]) -> bool:
    return flat(array).ndim == 1 and array.dtype.kind in "iuU" and bool(array.size)


def _unequal(names: Mapping[str, str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[Fault]:
    """Other numbers of labels or groups than of images, where their shape tells how many there are."""
    for of in ("", "test_"):
        images = arrays.get(f"{of}images")
        if images is None or not (images.ndim == 2 or _is_square(images)):
            continue
        for kind in ("labels", "groups"):
            array = arrays.get(of + kind)
            if array is not None and flat(array).ndim == 1 and len(array) != len(images):
                what = f"{len(images):,} {of}images have {len(array):,} {kind}"
                yield Fault(what, f"give one for each in {names[of + kind]}")
            elif array is not None and kind == "groups" and flat(array).ndim != 1:
                what = f"{names[of + kind]} ({KEY}) is of shape {array.shape}, not one group for each image"
                yield Fault(what, "give a number or a name for each image")


def _apart(names: Mapping[str, str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[Fault]:
    """What does not go together: a single class, images of another shape to test, labels of another kind."""
    import numpy as np

    images, labels = arrays.get("images"), arrays.get("labels")
    tests, tested = arrays.get("test_images"), arrays.get("test_labels")
    shaped = images is not None and tests is not None and _is_square(images) and _is_square(tests)
    if images is not None and tests is not None and shaped and _stored(images) != _stored(tests):
        what = f"images and test_images differ in shape: {_shape(images)} and {_shape(tests)}"
        yield Fault(what, "bring them to one shape")
    if labels is None or not _are_classes(labels):
        return
    known = np.unique(flat(labels))
    if len(known) < 2:
        yield Fault(f"labels have {len(known)} class(es)", "there must be at least two")
    if tested is None or not _are_classes(tested):
        return
    if (labels.dtype.kind == "U") != (tested.dtype.kind == "U"):
        yield Fault("labels and test_labels are of two kinds", "give numbers, or names, in both")
    elif unknown := sorted(set(np.unique(flat(tested)).tolist()) - set(known.tolist())):
        yield Fault(f"test_labels have a class that labels lack: {unknown[0]}", "a class must be in both")


def _stored(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Channels and side of images, wherever the channels stand."""
    if array.ndim == 3:
        return 1, array.shape[1]
    first = array.shape[1] in (1, 3) and array.shape[2] == array.shape[3]
    return (array.shape[1], array.shape[2]) if first else (array.shape[3], array.shape[1])


def _shape(array: np.ndarray[Any, Any]) -> str:
    return "×".join(map(str, array.shape[1:]))


def _misfits(
    name: str, array: np.ndarray[Any, Any], pictures: Sequence[np.ndarray[Any, Any]]
) -> Iterator[Fault]:
    """What keeps an array from being images, each with the mend. `pictures` are all that should be images."""
    if array.dtype not in ("uint8", "uint16"):
        what, scaled = _levels(array, pictures)
        scaled = scaled.replace("{}", name)
        yield Fault(f"{name} are {array.dtype}{what}", f"store levels from 0 to 255 as uint8: {scaled}")
    if array.ndim == 2 or not _is_square(array):
        mend = _reshaped(name, array.shape) or "give (n, S, S), (n, S, S, 3) or (n, 3, S, S)"
        yield Fault(f"{name} of shape {_shape(array)} are no square grey or colour images", mend)
    elif not len(array):
        yield Fault(f"there are no {name}", "give at least one for each class")


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


def _no_classes(name: str, array: np.ndarray[Any, Any]) -> Iterator[Fault]:
    """What keeps an array from being one class for each image, with the mend."""
    array = flat(array)
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
    yield Fault(what, f"give whole numbers from 0, or names, one for each image{mend}")


def _gaps(names: Mapping[str, str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[Fault]:
    """That whole numbers of the images to split are not 0, 1, 2, …, with the mend."""
    import numpy as np

    labels = arrays.get("labels")
    if labels is None or not _are_classes(labels) or labels.dtype.kind == "U":
        return
    name, found = names["labels"], np.unique(flat(labels))
    if int(found[0]) == 0 and int(found[-1]) == len(found) - 1:
        return
    mend = (
        "{} - 1" if found[0] == 1 and found[-1] == len(found) else f"np.searchsorted(np.unique({name}), {{}})"
    )
    hint = f"number the classes 0, 1, 2, … without a gap: {mend.format(name)}"
    if "test_labels" in names:
        hint += f", and {mend.format(names['test_labels'])}"
    yield Fault(f"{name} go from {found[0]} to {found[-1]} and have {count(len(found), 'value')}", hint)
