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
        """
        return read_bytes(path, self.root, most)


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


def read_named(path: Path) -> bytes:
    """The bytes of a file that the user named; it may be a link or a pipe."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST:,} bytes", hint="give a part of it")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file or study", hint="give a table, a folder of results or a study"
        ) from None
