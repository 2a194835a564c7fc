"""Reading a study, which anybody may have made: the one way in which its files are opened.

What is read is a regular file below the study, of a size that rigorkd could have written. No link is
followed, to a file or to a folder; only the study's own folder, which the user named, may be one. A FIFO is
not waited for. JSON is an object of finite numbers and moderate depth. Anything else is one StoreError that
names the file. Whether a file is there at all is told by OSError, as everywhere. Who can change a study while
it is read is not kept out.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rigorkd.errors import DamagedError, StoreError
from rigorkd.files import sha256_of
from rigorkd.protocol.tree import LONGEST_TEXT
from rigorkd.text import first_line

if TYPE_CHECKING:
    import numpy as np
    from pydantic import TypeAdapter

T = TypeVar("T")

RECORD = 2**20
"""Bytes that a record.json may have: real ones have a few thousand. So with the others, for their kinds."""
STUDY = 16 * 2**20
PROTOCOL = 4 * LONGEST_TEXT
HISTORY = 64 * 2**20
PREDICTIONS = 2**30
"""On the disk, and in memory: 50,000 images with the logits of 1,000 classes have a fifth of it."""
UNPACKED = 64 * 2**20
"""In memory, of an archive that has less than an eighth of it: rigorkd writes them unpacked."""
INTERIM = 16 * 2**20
NOTE = 4 * 2**20
"""What launchers and workers leave for each other, and caches."""
LOG = 256 * 2**20
KEPT = 64 * 2**30
"""Of weights, and of what a command leaves: a file with holes can say that it has any number of bytes."""
_MOST = {"record.json": RECORD, "history.csv": HISTORY, "predictions.npz": PREDICTIONS}
DEEPEST = 64
"""Levels of nesting that JSON may have: study.json has six."""
LONGEST_NAME = 255

NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
"""Errors that say that no file is there; any other says nothing of what is in it."""


# ------------------------------------------------------------------------------------------------- bytes


@contextmanager
def opened(path: Path, root: Path, most: int | None = None) -> Iterator[io.BufferedReader]:
    """A file below the folder `root`, to read; without `most`, of any size: it is not read at once.

    Raises:
        StoreError: it is no regular file, too large, or reached through a link.
        OSError: it is not there, or may not be read.
    """
    descriptor, _ = _opened(path, root, most)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_bytes(path: Path, root: Path, most: int | None) -> bytes:
    """The bytes of a file below `root`, as many as it had when it was opened; raises what `opened` does."""
    descriptor, size = _opened(path, root, most)
    try:
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)


def sha256_below(path: Path, root: Path) -> str:
    """The SHA-256 of a file below `root`, of a size that such a one may have; raises what `opened` does."""
    descriptor, size = _opened(path, root, _MOST.get(path.name, KEPT))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if size <= 2**20:  # the buffer that the other way needs costs more than to hash a small file
            return sha256_of(file.read())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path, root: Path, most: int | None) -> tuple[int, int]:
    """A descriptor of the file, and its size."""
    if path.parent != root:
        refuse_links(path.parent, root)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise _irregular(path) from None
        if path.is_symlink():
            raise _linked(path) from None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and (most is None or found.st_size <= most):
        return descriptor, found.st_size
    os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise _irregular(path)
    assert most is not None, "any other size is no reason"
    raise _large(path, found.st_size, most)


def read_text(path: Path, root: Path, most: int) -> str:
    """The text of a file in UTF-8; raises what `opened` does, StoreError for what is no text."""
    try:
        return read_bytes(path, root, most).decode()
    except UnicodeDecodeError as error:
        raise DamagedError(
            f"{path}: not text in UTF-8 ({error.reason} at byte {error.start})",
            hint="restore the file from a copy, or remove it",
        ) from None


def is_there(path: Path, root: Path) -> bool:
    """Whether something of this name is below `root`; StoreError where a link leads to it."""
    try:
        refuse_links(path.parent, root)
        path.lstat()
    except OSError as error:
        if error.errno in NO_FILE:
            return False
        raise
    return True


def refuse_links(path: Path, root: Path, seen: set[str] | None = None) -> None:
    """StoreError if `path`, or a folder between it and `root`, is a link, or if it lies elsewhere.

    Whoever asks of many paths at once keeps in `seen` what need not be looked at again.
    """
    base = "" if root == Path() else f"{root}/"
    inside = str(path)
    if f"{inside}/" == base or inside == ".":
        return
    parts = inside[len(base) :].split("/")
    if not inside.startswith(base) or ".." in parts or path.is_absolute() != root.is_absolute():
        raise StoreError(f"{path}: lies outside {root}", hint="name something inside the study")
    at = base
    for part in parts:
        at += part
        if seen is None or at not in seen:
            if stat.S_ISLNK(os.lstat(at).st_mode):
                raise _linked(Path(at))
            if seen is not None:
                seen.add(at)
        at += "/"


def refuse_links_inside(folder: Path, root: Path, most: int) -> None:
    """StoreError if anything at or below `folder` is a link, no file, or too large; it need not be there."""
    if not is_there(folder, root):
        return
    refuse_links(folder, root)
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.is_symlink():
                    raise _linked(path)
                if entry.is_dir():
                    waiting.append(path)
                elif not entry.is_file():
                    raise _irregular(path)
                elif (size := entry.stat().st_size) > most:
                    raise _large(path, size, most)


def _linked(path: Path) -> StoreError:
    what = "a link to a folder" if path.is_dir() else "a link"
    return StoreError(
        f"{path}: {what}; rigorkd follows none inside a study",
        hint="put there what it points to (cp -RL copies it), or remove the link",
    )


def _large(path: Path, size: int, most: int) -> DamagedError:
    return DamagedError(
        f"{path}: has {size:,} bytes, and such a file at most {most:,}",
        hint="more than rigorkd writes there: restore it from a copy, or remove it",
    )


def _irregular(path: Path) -> StoreError:
    return StoreError(
        f"{path}: not a regular file", hint="remove it: a study has files and folders, no pipes or devices"
    )


# -------------------------------------------------------------------------------------------------- JSON


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _whole(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"{text[:20]}… is too large a number")
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_whole, parse_constant=_constant)


def parse(content: bytes) -> dict[str, Any]:
    """The object that a JSON text holds; ValueError with the reason for anything else."""
    try:
        document = _DECODER.decode(content.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("it holds no JSON object")
    if content.count(b"{") + content.count(b"[") > DEEPEST:
        refuse_deep(document)
    if b"\\u" in content:  # half of a surrogate pair can be written in JSON, and nowhere else
        json.dumps(document, ensure_ascii=False).encode()
    return document


def refuse_deep(document: dict[str, Any] | list[Any]) -> None:
    """ValueError for what JSON holds that is nested too deeply."""
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [
            item
            for holder in level
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def read_json(path: Path, root: Path, most: int) -> dict[str, Any]:
    """The object in a JSON file; raises what `opened` does, ValueError for what is no such object."""
    return parse(read_bytes(path, root, most))


def is_own(folder: Path) -> bool:
    """Whether a folder is the user's own: reading somebody else's study leaves no trace in it."""
    return folder.stat().st_uid == os.geteuid()


def read_note(path: Path, root: Path, kind: type[T]) -> T | None:
    """A small file that holds a dataclass, with values of its types; None if there is none, or it is torn."""
    assert is_dataclass(kind)
    try:
        content = read_bytes(path, root, NOTE)
        parse(content)
        found: T = _adapter(kind).validate_json(content, strict=True)
        return found
    except (OSError, ValueError):
        return None


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def is_number(value: object) -> bool:
    """Whether a value of JSON is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_digest(value: object) -> bool:
    """Whether a value is a SHA-256 in hex, which may be part of a path."""
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


def is_plain_name(value: object) -> bool:
    """Whether a value can name a file or folder that lies right here, in sight."""
    return is_plain_path(value) and "/" not in str(value)


def is_plain_path(value: object) -> bool:
    """Whether a value names something below here, every part of it in sight."""
    return (
        isinstance(value, str)
        and value.isprintable()
        and _PATH.fullmatch(value) is not None
        and len(value.encode()) <= LONGEST_NAME
    )


_PATH = re.compile(r"[^./\\][^/\\]*(/[^./\\][^/\\]*)*")


# ------------------------------------------------------------------------------------------------ arrays

_MOST_ENTRIES = 1_000
"""Of an archive: listing them takes a hundred times the memory that they take in the file."""


def parse_arrays(content: bytes, shapes: Mapping[str, tuple[str, int]]) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` that are in `shapes`, which gives each its kinds of numbers and its dimensions.

    The arrays are as long as each other. What they would take in memory is counted before any is made.
    Others are passed over. Raises ValueError with the reason.
    """
    import zipfile
    import zlib

    import numpy as np

    found = {}
    if content.count(b"PK\x01\x02") > _MOST_ENTRIES:
        raise ValueError(f"it has more than {_MOST_ENTRIES:,} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [entry for entry in archive.infolist() if entry.filename.removesuffix(".npy") in shapes]
            most = min(PREDICTIONS, max(UNPACKED, 8 * len(content)))
            if sum(entry.file_size for entry in members) > most:
                raise ValueError(f"unpacked it would have more than {most:,} bytes")
            for entry in members:
                name = entry.filename.removesuffix(".npy")
                with archive.open(entry) as file:
                    found[name] = _array(file, entry.file_size, *shapes[name])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it is no archive of arrays ({error})") from None
    if len({len(array) for array in found.values()}) > 1:
        raise ValueError("its arrays have different lengths")
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


def _array(file: Any, size: int, kind: str, dimensions: int) -> np.ndarray:
    """One array of an archive, whose header may not promise more than its `size` bytes hold."""
    import numpy as np

    start = file.read(12)  # magic, version, and in two bytes or four the length of the header
    begins = 12 if start[6:7] == b"\x02" else 10
    length = int.from_bytes(start[8:begins], "little")
    # NumPy refuses a header of more than 10,000 bytes, and one that is cut off.
    rest = file.read(max(0, min(length, 20_000) - (12 - begins)))
    shape, fortran, dtype = _header(start + rest)
    if dtype.kind not in kind or len(shape) != dimensions or fortran:
        raise ValueError(f"an array is {len(shape)}-dimensional of {dtype}")
    expected = math.prod(shape) * dtype.itemsize
    if expected != size - file.tell():
        raise ValueError("an array has not the bytes that its header promises")
    return np.frombuffer(file.read(expected), dtype).reshape(shape)


@lru_cache(maxsize=64)
def _header(content: bytes) -> tuple[tuple[int, ...], bool, Any]:
    """Shape, Fortran order and type that an array's first bytes tell; those of a study's runs are alike."""
    from numpy.lib import format as npy

    file = io.BytesIO(content)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array has format {version}")
    return (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)


@contextlib.contextmanager
def unreadable(path: Path, hint: str) -> Iterator[None]:
    """Say of which file it is that something is wrong with it: a ValueError becomes a DamagedError."""
    try:
        yield
    except ValueError as error:
        reason = first_line(error)
        raise DamagedError(f"{path}: {reason}", hint=hint) from None
