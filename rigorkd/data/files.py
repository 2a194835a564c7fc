"""Files: what is in them, whether they changed, and writing them whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple


def file_md5(path: Path) -> str | None:
    """The MD5 of a file, or None if there is no such file; read again only when the file changed."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _file_md5(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _file_md5(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, functools.partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, read now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(folder: Path, parts: Iterable[str]) -> str:
    """SHA-256 over name, size and time of every file below `parts`; changes when a file does. Reads none.

    Equal files copied elsewhere have other times, so this is no identity, only a reason to look again.
    """
    digest = hashlib.sha256()
    for part in sorted(parts):
        for file in files_below(folder, part):
            digest.update(f"{file.name}\0{file.size}\0{file.modified}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


class FoundFile(NamedTuple):
    """A file by its path under some folder (with `/`), its bytes, and its time in nanoseconds."""

    name: str
    size: int
    modified: int


def files_below(folder: Path, part: str) -> list[FoundFile]:
    """Every file at or below `folder/part`, sorted by name; nothing if there is no such path. Links count."""
    found, waiting = [], [part]
    if not (folder / part).is_dir():
        with suppress(FileNotFoundError):
            status = (folder / part).stat()
            found.append(FoundFile(part, status.st_size, status.st_mtime_ns))
        return found
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                name = f"{inside}/{entry.name}"
                if entry.is_dir():
                    waiting.append(name)
                    continue
                with suppress(FileNotFoundError):  # a link to nowhere
                    status = entry.stat()
                    found.append(FoundFile(name, status.st_size, status.st_mtime_ns))
    return sorted(found)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary neighbour of `path` to write to, which takes its place at the end.

    It is called `.<name>.<process>.tmp`, and is removed on any error.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
