"""The files of a folder that somebody else made: looked at, never changed, executed or followed elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.records.untrusted import read_bytes

LARGEST = 2 * 2**30
"""Bytes that one file of results may have."""
PIPED = 256 * 2**20
"""Bytes that are taken from a pipe."""
UNPACKED = 32 * 2**20
"""Bytes that a file of a few kilobytes may have unpacked: a small file can hold a very large one."""
TIMES = 50
"""How many times its own size a larger one may have unpacked; tables and logs have about a tenth of it."""
MOST = 500_000
"""Files and folders that are looked at before a folder is too large to be one of results."""
DEEPEST = 16


@dataclass(frozen=True)
class Listing:
    """A folder and the regular files below it, sorted; links are not followed."""

    root: Path
    files: tuple[Path, ...]

    def named(self, matches: Callable[[Path], bool]) -> list[Path]:
        return [path for path in self.files if matches(path)]

    def read(self, path: Path, most: int = LARGEST) -> bytes:
        """The bytes of a file below the folder.

        Raises:
            StoreError: a link leads to it, or it is too large.
            InputError: it is a pointer of Git LFS.
        """
        return _whole(path, read_bytes(path, self.root, most))


def listing(root: Path) -> Listing:
    """The files below a folder; InputError if there are too many to be results."""
    found: list[Path] = []
    seen = 0
    waiting = [(str(root), 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except PermissionError:
            continue
        for entry in entries:
            try:
                entry.name.encode()
            except UnicodeEncodeError:
                raise InputError(
                    f"{folder}: {os.fsencode(entry.name)!r} is no name in UTF-8", hint="rename it, or move it"
                ) from None
            seen += 1
            if seen > MOST:
                raise InputError(
                    f"{root}: more than {MOST:,} files", hint="name the folder of the runs, or give a glob"
                )
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST and (not entry.name.startswith(".") or entry.name in (".hydra", ".trash")):
                    waiting.append((entry.path, depth + 1))
            elif entry.is_file(follow_symlinks=False):
                found.append(Path(entry.path))
    return Listing(root, tuple(sorted(found)))


def most_unpacked(content: bytes) -> int:
    """How many bytes an archive may have unpacked."""
    return max(UNPACKED, TIMES * len(content))


def _whole(path: Path, content: bytes) -> bytes:
    """The bytes of a file; InputError if it only says where Git keeps them."""
    if content.startswith(b"version https://git-lfs.github.com/spec/"):
        raise InputError(
            f"{path}: a pointer of Git LFS, and not the file itself", hint="fetch it by `git lfs pull`"
        )
    return content


def read_named(path: Path) -> bytes:
    """The bytes of a file that the user named; it may be a link or a pipe."""
    try:
        large = path.is_file() and path.stat().st_size > LARGEST
        content = b""
        if not large:
            with path.open("rb") as file:  # a device has no size, and no end
                content = file.read() if path.is_file() else file.read(PIPED + 1)
        if large or (len(content) > PIPED and not path.is_file()):
            raise InputError(f"{path}: larger than {LARGEST if large else PIPED:,} bytes", hint="give a part")
        return _whole(path, content)
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file or study", hint="give a table, a folder of results or a study"
        ) from None
