"""Image files decoded once to one array on disk, mapped into memory from then on.

In the cache folder (`<root>/.rigorkd`, or one of its own under `dataset.cache`) lie, per size and fit,

    oxford_pets-256-crop.npy      uint8 (n, 3, S, S): the training images, then those of the test set
    oxford_pets-256-crop.json     what it was made from, and the labels; written last: the commit point

An array is used if the source files have the names, sizes and times that the JSON notes, and the array its
size and time. Otherwise content decides: the same content is only noted again, anything else decoded anew.
Processes that build at once wait for one another, and each file is there whole or not at all.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rigorkd.cores import usable_cores
from rigorkd.data.dataset import FEW_LEVELS, Levels, SourceArrays, Watch
from rigorkd.data.image_files import Files, ImageFile, ImageIndex, Layout, fetch
from rigorkd.errors import InputError
from rigorkd.files import file_sha256, fingerprint, replacing, write_atomically
from rigorkd.text import count

if TYPE_CHECKING:
    from rigorkd.data.dataset import ImageGroups, Labels, Pixels
    from rigorkd.data.examined import Examined


SCHEMA = "rigorkd.images/1"
CHANNELS = 3
USUAL_RESOLUTION = 256
MOST_NAMED = 10
"""Of damaged files, so many are named."""
FLOATING = "floating-point levels"
"""What is said of sound images whose levels are no whole numbers, which are no damage."""
DECODE_VERSION = 1
"""Raised whenever the same file would give other pixels: it makes every decoded array obsolete."""

_log = logging.getLogger("rigorkd.data")


class ImageFiles(Files):
    """Image files, decoded once to an array in `cache` (`<root>/.rigorkd` if it is not given)."""

    layout: ClassVar[Layout]

    cache: Annotated[str, Field(min_length=1)] | None = None

    @property
    def folder(self) -> Path:
        """The folder that holds (or will hold) the files."""
        return Path(self.root).expanduser() / self.layout.folder

    def laid_out(self) -> Layout:
        """How the files lie; where there are several ways, the one that is found."""
        return self.layout

    def fetch(self) -> None:
        """Have the files there. InputError if they are not, and cannot be had."""
        fetch(self, self.laid_out())

    def fingerprint(self) -> str:
        """Changes when one of the files does; reads none."""
        layout = self.laid_out()
        return fingerprint(self.folder, (*layout.parts, *layout.optional))

    def cache_folder(self) -> Path:
        """Where what is made of the files is kept."""
        root = Path(self.root).expanduser()
        if self.cache is None:
            return root / ".rigorkd"
        # A cache that several folders share keeps them apart by the folders' places.
        place = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:8]
        return Path(self.cache).expanduser() / f"{root.resolve().name}-{place}"

    def place_of(self, image: ImageFile) -> str:
        """Where somebody finds an image."""
        return str(self.folder / image.name)

    def reader(self) -> Callable[[ImageFile], IO[bytes]]:
        """What gives the encoded bytes of each image."""
        folder = self.folder
        return lambda image: (folder / image.name).open("rb")

    @property
    def fitted(self) -> Literal["crop", "squash"] | None:
        """How an image becomes a square; None if all are squares of one size."""
        return None

    def checksum_at_hand(self) -> str | None:
        """The hash of the content, or None if it is not there or not decoded yet. Reads no image."""
        note = _current(self)
        return None if note is None else note.checksum

    def absent(self) -> str:
        missing = self.laid_out().missing(self.folder)
        return str(self.folder / missing[0]) if missing else ""

    def prepare(self, watch: Watch | None = None) -> None:
        from rigorkd.data.splits import draw_split

        note = ensure_decoded(self, watch)
        labels, test_labels = note.pool_labels, note.own_test_labels
        draw_split(self.split, labels, test_labels, 0, self.grouped())
        found = (len(labels), 0 if test_labels is None else len(test_labels))
        if self.info is not None and found != (self.info.images, self.info.test_images):
            _log.warning(
                "%s: not the published %s: %s + %s images instead of %s + %s",
                *(self.folder, self.info.title, *found, self.info.images, self.info.test_images),
            )

    def read(self) -> tuple[SourceArrays, str]:
        """The mapped images with their labels, and the checksum; decodes first if that was not done.

        The images are mapped privately: they count as writable, but what is written stays in this process.

        Raises:
            InputError: as `ensure_decoded`.
        """
        import numpy as np

        note = ensure_decoded(self)
        images: Pixels = np.load(_array(self), mmap_mode="c", allow_pickle=False)
        pool = len(note.labels)
        arrays = SourceArrays(
            images=images[:pool],
            labels=note.pool_labels,
            class_names=note.class_names,
            test_images=None if note.test_labels is None else images[pool:],
            test_labels=note.own_test_labels,
            mapped=True,
        )
        return arrays, note.checksum

    def examined(self, seed: int = 0) -> Examined | None:
        note = _current(self)
        if self.info is not None or note is None:
            return None
        from rigorkd.data.examined import examine

        groups = _repeated(_array(self), note.array_modified)
        labels, tested = note.pool_labels, note.own_test_labels
        return examine(groups, labels, tested, note.class_names, self.split, self.named, seed, self.grouped())

    def grouped(self) -> ImageGroups | None:
        """Which images belong together, in the order of the array; None where nothing was said of it."""
        return None

    def named(self, row: int) -> str:
        """The image in a row of the array, by its name below the folder."""
        return self.laid_out().index(self.folder).files[row].name

    def pool_labels(self) -> Labels:
        """The labels of the training images (n,); decodes first if that was not done."""
        return ensure_decoded(self).pool_labels


class FittedFiles(ImageFiles):
    """Image files of any size, stored as squares.

    `fit: crop` resizes the shorter side and keeps the central square, `squash` resizes the whole image to the
    square whatever its aspect ratio.
    """

    fit: Literal["crop", "squash"] = "crop"

    @property
    def fitted(self) -> Literal["crop", "squash"]:
        return self.fit


class ResizedFiles(FittedFiles):
    """Of a published data set: stored as squares of `resolution` pixels."""

    resolution: Annotated[int, Field(ge=4)] = USUAL_RESOLUTION

    @property
    def side(self) -> int:
        return self.resolution


@dataclass(frozen=True)
class Note:
    """The JSON beside an array. `source` is the fingerprint of the files, `checksum` their content's hash."""

    schema: str
    checksum: str
    source: str
    decode: dict[str, Any]
    decoder: str
    array_sha256: str
    array_bytes: int
    array_modified: int
    class_names: tuple[str, ...]
    labels: tuple[int, ...]
    test_labels: tuple[int, ...] | None

    @property
    def pool_labels(self) -> Labels:
        """The labels of the training images (n,)."""
        return _label_array(self.labels)

    @property
    def own_test_labels(self) -> Labels | None:
        """The labels of the data set's own test images (n,), if it has any."""
        return None if self.test_labels is None else _label_array(self.test_labels)


@functools.lru_cache(maxsize=4)
def _repeated(array: Path, modified: int) -> tuple[tuple[int, ...], ...]:
    import numpy as np

    from rigorkd.data.examined import repeated

    return repeated(np.load(array, mmap_mode="r", allow_pickle=False))


def _label_array(labels: tuple[int, ...]) -> Labels:
    import numpy as np

    return np.array(labels, np.int64)


def ensure_decoded(dataset: ImageFiles, watch: Watch | None = None) -> Note:
    """Fetch and decode what is missing, so that reading has nothing left to do.

    Raises:
        InputError: files are missing or damaged, or the cache folder cannot be written.
    """
    note = _current(dataset)
    if note is not None:
        return note
    dataset.fetch()
    try:
        _note(dataset).parent.mkdir(parents=True, exist_ok=True)
        with _alone(dataset):
            return _current(dataset) or _same_content(dataset) or _build(dataset, watch)
    except OSError as error:
        raise InputError(
            f"{dataset.name}: decoding its images: {error.filename or _array(dataset)}: {error.strerror}",
            hint=f"they are kept in {_note(dataset).parent}; set dataset.cache to use another folder",
        ) from None


# ------------------------------------------------------------------------------------- looking, then making


def _current(dataset: ImageFiles) -> Note | None:
    """The note, if neither the files nor the array look changed since it was written."""
    note = _read_note(dataset)
    if note is None or note.source != dataset.fingerprint():
        return None
    return note if (note.array_bytes, note.array_modified) == _status(_array(dataset)) else None


def _same_content(dataset: ImageFiles) -> Note | None:
    """The note, with new times, if files and array only look changed (copied elsewhere, say)."""
    note = _read_note(dataset)
    if note is None or _status(_array(dataset))[0] != note.array_bytes:
        return None
    source, index = dataset.fingerprint(), dataset.laid_out().index(dataset.folder)
    opened = dataset.reader()
    hashes = [_sha256_of(opened, file) for file in index.files]
    if _checksum(dataset, index, hashes) != note.checksum or index.class_names != note.class_names:
        return None
    if file_sha256(_array(dataset)) != note.array_sha256:
        return None
    return _write_note(dataset, replace(note, source=source, array_modified=_status(_array(dataset))[1]))


def _build(dataset: ImageFiles, watch: Watch | None) -> Note:
    """Decode every image into a new array, and note what it was made from."""
    folder, source = dataset.folder, dataset.fingerprint()
    index = dataset.laid_out().index(folder)
    with replacing(_array(dataset)) as file:
        hashes, levels = _decode_all(dataset, index, file, watch)
        file.flush()
        array_sha256 = file_sha256(Path(file.name))
    if source != dataset.fingerprint():
        raise InputError(
            f"{folder}: the files changed while they were read", hint="run the same command again"
        )
    if dataset.info is None:
        for told in levels.doubts():
            _log.warning("%s: %s", dataset.name, told)
    array_bytes, modified = _status(_array(dataset))
    labels, test_labels = _labels(index)
    return _write_note(
        dataset,
        Note(
            schema=SCHEMA,
            checksum=_checksum(dataset, index, hashes),
            source=source,
            decode=_decode_settings(dataset),
            decoder=_decoder(),
            array_sha256=array_sha256,
            array_bytes=array_bytes,
            array_modified=modified,
            class_names=index.class_names,
            labels=labels,
            test_labels=test_labels,
        ),
    )


def _decode_all(
    dataset: ImageFiles, index: ImageIndex, file: IO[bytes], watch: Watch | None
) -> tuple[list[str], Levels]:
    """Write header and pixels to `file`; the SHA-256 of every source file, and what levels the images use.

    One thread per core: Pillow lets go of Python's lock while it decodes.

    Raises:
        InputError: images cannot be decoded; all of them are looked at, and named up to `MOST_NAMED`.
    """
    import numpy as np

    from rigorkd.data.decode import decode, look

    images, side = index.files, dataset.side
    opened = dataset.reader()
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(images), CHANNELS, side, side)}
    np.lib.format.write_array_header_1_0(file, header)
    file.flush()
    start, size = file.tell(), CHANNELS * side * side

    def one(row: int, image: ImageFile) -> tuple[str, str]:
        """The file's hash, and what is wrong with it. Notes what levels its pixels have."""
        try:
            with opened(image) as stream:
                content = stream.read()
            pixels = decode(content, side, dataset.fitted)
            high = int(pixels.max())
            if high < FEW_LEVELS and look(io.BytesIO(content)).deep:
                dark.append(high)
        except (ValueError, OSError) as error:
            return "", str(error)
        if (pixels == pixels[:, :1, :1]).all():
            flat.append(row)
        _write_at(file.fileno(), pixels.tobytes(), start + row * size)
        return hashlib.sha256(content).hexdigest(), ""

    hashes: list[str] = []
    damaged: list[str] = []
    dark: list[int] = []
    flat: list[int] = []
    pool = ThreadPoolExecutor(max_workers=usable_cores())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities in metadata; what cannot be decoded is an error
        try:
            for done, (digest, wrong) in enumerate(pool.map(one, range(len(images)), images), start=1):
                if wrong:
                    damaged.append(f"{dataset.place_of(images[done - 1])}: {wrong}")
                hashes.append(digest)
                if watch:
                    watch(done, len(images))
        finally:
            pool.shutdown(cancel_futures=True)
    refuse_damaged(damaged)
    return hashes, Levels(len(images), len(flat), len(dark), max(dark, default=0))


def refuse_damaged(damaged: list[str]) -> None:
    """InputError that names the images which cannot be decoded, if there are any."""
    if damaged:
        more = f"\n  … and {len(damaged) - MOST_NAMED:,} more" if len(damaged) > MOST_NAMED else ""
        some = "\n  ".join(damaged[:MOST_NAMED])
        other = sum(FLOATING in told for told in damaged)
        hint = "put these files there again, from the original, or remove them"
        if other:
            scaled = (
                "bring floating-point levels to 8 bits, with one low and high for all images: "
                "levels = np.asarray(Image.open(path)); levels = 255 * (levels - low) / (high - low); "
                "Image.fromarray(levels.round().clip(0, 255).astype('uint8')).save(path)"
            )
            hint = scaled if other == len(damaged) else f"{scaled}; of the others: {hint}"
        raise InputError(f"{count(len(damaged), 'image')} cannot be decoded:\n  {some}{more}", hint=hint)


# --------------------------------------------------------------------------------------- what identifies it


def _checksum(dataset: ImageFiles, index: ImageIndex, hashes: list[str]) -> str:
    """SHA-256 over name, class and content of every image, in order; the same wherever the folder lies."""
    digest = hashlib.sha256(f"{dataset.name} {len(index.class_names)} {len(index.train)}\n".encode())
    for image, content in zip(index.files, hashes, strict=True):
        digest.update(f"{image.name}\0{image.label}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _sha256_of(opened: Callable[[ImageFile], IO[bytes]], image: ImageFile) -> str:
    with opened(image) as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def _decode_settings(dataset: ImageFiles) -> dict[str, Any]:
    return {"version": DECODE_VERSION, "side": dataset.side, "fit": dataset.fitted or "none"}


def _decoder() -> str:
    """Pillow and its JPEG library: what the last bit of a pixel can depend on."""
    from PIL import __version__, features

    return f"Pillow {__version__}, libjpeg {features.version_codec('jpg')}"


def _labels(index: ImageIndex) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    pool = tuple(file.label for file in index.train)
    return pool, None if index.test is None else tuple(file.label for file in index.test)


# ------------------------------------------------------------------------------------------------ the files


def _note(dataset: ImageFiles) -> Path:
    """Where the JSON of the data set at its size and fit lies."""
    settings = _decode_settings(dataset)
    stem = "-".join(str(part) for part in (dataset.name, settings["side"], settings["fit"]) if part != "none")
    return dataset.cache_folder() / f"{stem}.json"


def _array(dataset: ImageFiles) -> Path:
    return _note(dataset).with_suffix(".npy")


def _read_note(dataset: ImageFiles) -> Note | None:
    """The note, unless there is none, or it is damaged, or of other settings."""
    path = _note(dataset)
    try:
        status = path.stat()
        note = _parsed_note(path, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return note if note.schema == SCHEMA and note.decode == _decode_settings(dataset) else None


@functools.lru_cache(maxsize=8)
def _parsed_note(path: Path, size: int, modified: int) -> Note:
    fields: dict[str, Any] = json.loads(path.read_bytes())
    values: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Note(**values)


def _write_note(dataset: ImageFiles, note: Note) -> Note:
    write_atomically(_note(dataset), json.dumps(asdict(note)).encode(), durable=False)
    return note


@contextmanager
def _alone(dataset: ImageFiles) -> Iterator[None]:
    """Wait until no other process builds this array. What a killed builder left behind is removed."""
    path = _note(dataset).with_suffix(".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.warning("%s: another process is decoding its images; waiting for it", dataset.name)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a file system without locks: both build, and both write the same bytes
            yield
            return
        for left in path.parent.glob(f".{path.stem}.*.tmp"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of it: one call may write only a part."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _status(path: Path) -> tuple[int, int]:
    """Size and time of a file, or (-1, -1)."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
