"""Files: written whole or not at all, told apart by what is in them, and whether they changed."""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

_TOKEN = secrets.token_hex(4)
"""Process numbers repeat among the hosts that share a folder; with this, temporary names do not."""
_LONGEST = 200
"""Bytes of a name that its temporary one repeats: file systems take 255 in all."""


SECOND = len("2026-01-01T00:00:00")
"""So much of a time as files note it is compared: what follows is its zone."""


def timestamp() -> str:
    """The time as files note it: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


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


def link_or_copy(source: Path, path: Path) -> None:
    """Another name for a file, or a copy where there can be none; on the disk before this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_line(
    path: Path, line: str, *, durable: bool = True, owner: int | None = None, alone: bool = True
) -> None:
    """Append a line of text, if `durable` on the disk before this returns; one that a crash tore stays apart.

    Never through a link: OSError (ELOOP) if `path` is one, and for what is no regular file. It is opened
    through a handle of its folder; PermissionError if that belongs to another than `owner`. A file that has
    another name elsewhere (a hard link, as `cp -al` makes) becomes one of its own before, if `alone`.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if owner is not None and os.fstat(folder).st_uid != owner:
            raise PermissionError(errno.EPERM, "the folder is another user's", str(path.parent))
        descriptor = os.open(path.name, flags, 0o666, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(descriptor, "ab+") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if alone and found.st_nlink > 1:
            file.seek(0)
            write_atomically(path, file.read(), durable=durable)
            append_line(path, line, durable=durable, owner=owner, alone=False)
            return
        torn = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        if durable:
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


def send_output_to(log: Path) -> None:
    """Append stdout and stderr of this process to a file, so that the launcher's display stays clean."""
    log.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        if stream is not None:
            stream.flush()
        os.dup2(target, descriptor)
    os.close(target)


# ------------------------------------------------------------------------------------------ what is in them


def sha256_of(content: bytes | memoryview | str) -> str:
    """The SHA-256 of bytes, or of a text as UTF-8, in hex."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


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


def refuse_odd(path: Path) -> None:
    """OSError (EINVAL) for what can be opened and has no end: a device, a pipe, the kernel's own files."""
    if not stat.S_ISREG(path.stat().st_mode) or path.resolve().parts[1:2] in (("proc",), ("sys",)):
        raise OSError(errno.EINVAL, "not a regular file on a disk", str(path))


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, read now. OSError as `refuse_odd` has it."""
    refuse_odd(path)
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
    """Every file at or below `folder/part`, sorted by name; nothing if there is no such path. Links count.

    OSError (ELOOP) if they lead back to themselves.
    """
    found, waiting = [], [part]
    if not (folder / part).is_dir():
        with contextlib.suppress(FileNotFoundError):
            status = (folder / part).stat()
            found.append(FoundFile(part, status.st_size, status.st_mtime_ns))
        return found
    refuse_endless(folder / part)
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                name = f"{inside}/{entry.name}"
                if entry.is_dir():
                    waiting.append(name)
                    continue
                with contextlib.suppress(FileNotFoundError):  # a link to nowhere
                    status = entry.stat()
                    found.append(FoundFile(name, status.st_size, status.st_mtime_ns))
    return sorted(found)


MOST_LINKED, MOST_IN_A_ROW = 20_000, 8
"""Links that may be below a folder, and behind each other: two in each of a few folders lead to very many."""


def refuse_endless(folder: Path) -> None:
    """OSError (ELOOP) if links below a folder lead back to it or to each other, or are too many."""
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(folder), ())]
    linked = 0
    while waiting:
        place, above = waiting.pop()  # `above` are the folders whose links led here
        with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(place) as entries:
            for entry in entries:
                if not entry.is_symlink():
                    if entry.is_dir():
                        waiting.append((entry.path, above))
                elif os.path.isdir(entry.path):  # noqa: PTH112  it holds for a link to itself, too
                    linked += 1
                    target, led = os.path.realpath(entry.path), (*above, os.path.realpath(place))
                    many = linked > MOST_LINKED or len(led) > MOST_IN_A_ROW
                    if many or any(f"{one}/".startswith(f"{target}/") for one in led):
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), entry.path)
                    waiting.append((entry.path, led))


def _temporary(path: Path) -> Path:
    name = path.name.encode()[:_LONGEST].decode(errors="ignore")
    return path.with_name(f".{name}.{os.getpid()}-{_TOKEN}.tmp")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
