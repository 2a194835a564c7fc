"""Files, folders and lines that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_TOKEN = secrets.token_hex(4)
"""Process numbers repeat among the hosts that share a folder; with this, temporary names do not."""


def write_atomically(path: Path, *parts: bytes | memoryview, durable: bool = True) -> None:
    """Write `parts`, one after the other, as `replacing` does."""
    with replacing(path, durable=durable) as file:
        file.writelines(parts)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A temporary neighbour of `path` to write to, renamed to `path` at the end.

    Parents are made. `durable` also flushes file and folder to the disk, so that the file survives a power
    cut; without it the file survives the death of the process only. On any error the temporary file is
    removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Append a line of text, on the disk before this returns; one that a crash tore does not swallow it."""
    with path.open("ab+") as file:
        torn = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary neighbour of the folder `path` to fill, renamed to `path` at the end.

    The first to get there wins: if `path` holds anything by then, FileExistsError is raised and nothing in it
    has changed. The kernel decides, so this is exclusive among processes and hosts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        _flush_folder(temporary)
        temporary.rename(path)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        raise
    _flush_folder(path.parent)


def set_aside(path: Path, root: Path, name: str) -> Path:
    """Move a file or folder to `root/<n>/name`, n = 1, 2, … the first that is free; where it now lies."""
    number = 1
    while (place := root / str(number) / name).exists():
        number += 1
    place.parent.mkdir(parents=True, exist_ok=True)
    path.rename(place)
    return place


def sweep_temporary(root: Path, name: str = "") -> int:
    """Remove what dead writers of `name` (of anything, by default) left unfinished under `root`.

    Nobody may be writing any of it. Returns how many files and folders there were.
    """
    found = 0
    for folder, folders, files in os.walk(root):
        for each in [
            each for each in (*folders, *files) if each.startswith(f".{name}") and each.endswith(".tmp")
        ]:
            found += 1
            path = Path(folder) / each
            if each in folders:
                folders.remove(each)
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
    return found


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{_TOKEN}.tmp")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
