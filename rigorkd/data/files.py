"""Files: what is in them, whether they changed, and writing them whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


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
        for name, status in walk(folder / part, part):
            digest.update(
                f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape")
            )
    return digest.hexdigest()


def walk(path: Path | os.DirEntry[str], name: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file at or below a path, as (name, status) in sorted order; nothing if there is no such path."""
    try:
        if not path.is_dir():
            yield name, path.stat()
            return
        with os.scandir(path) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in inside:
        yield from walk(entry, f"{name}/{entry.name}")


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
