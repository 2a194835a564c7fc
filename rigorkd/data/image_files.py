"""What data sets in files have in common: where they lie, which file is which class, how they are fetched."""

from __future__ import annotations

import os
import tempfile
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from rigorkd.data.dataset import Dataset
from rigorkd.errors import InputError
from rigorkd.files import file_md5, files_below
from rigorkd.text import count, in_full, nearest_place


class Files(Dataset):
    """A data set that lies in files under `root`."""

    root: Annotated[str, Field(min_length=1)] = "data"


class PublishedFiles(Files):
    """One that can be downloaded, if the protocol says so."""

    download: bool = False


@dataclass(frozen=True)
class ImageFile:
    """One image: its path under the data set's folder (with `/`), and its class."""

    name: str
    label: int


@dataclass(frozen=True)
class ImageIndex:
    """The images in the order that they get in the array; `test` is None if the split makes the test set."""

    class_names: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...] | None

    @property
    def files(self) -> tuple[ImageFile, ...]:
        return self.train + (self.test or ())


@dataclass(frozen=True)
class Archive:
    """A published archive with the MD5 that it must have."""

    url: str
    md5: str


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    `folder` is its place under `root`. `parts` are the files and folders that must be there, `optional` those
    that may be; a change in any of them is noticed. `index` reads from the folder what is what. `advice` says
    how to come by the files, and where to put them: `{place}`. `archives` can be downloaded; they unpack into
    `unpacked`.
    """

    folder: str
    parts: tuple[str, ...]
    advice: str
    index: Callable[[Path], ImageIndex]
    optional: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    unpacked: str = ""

    def missing(self, folder: Path) -> list[str]:
        """The parts that are not there."""
        return [part for part in self.parts if not (folder / part).exists()]


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")


# fmt: off
OTHER_PICTURES = frozenset((
    ".heic", ".heif", ".avif", ".jfif", ".jpe", ".jxl", ".jp2", ".j2k", ".tga", ".psd", ".svg",
    ".exr", ".hdr", ".dcm", ".nii", ".gz", ".npy", ".pbm", ".pnm", ".ico", ".raw", ".dng", ".cr2",
    ".cr3", ".nef", ".arw", ".orf", ".rw2",
))
# fmt: on
"""Suffixes of pictures that are not read; what else lies among images are notes and lists, as a rule."""
NOWHERE = "link to nowhere"


def images_below(folder: Path, name: str) -> list[str]:
    """The names (under `folder`) of all images in the folder `name` and its sub-folders, in sorted order.

    Hidden files, and files whose suffix is not that of an image, are no images.
    """
    return [file.name for file in files_below(folder, name) if is_image(file.name)]


def is_image(name: str) -> bool:
    """Whether a file is called as an image is."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def left_out(folder: Path, parts: Iterable[str]) -> Counter[str]:
    """How many pictures of kinds that are not read lie in `parts`, by suffix, and links to nowhere."""
    many: Counter[str] = Counter()
    for part in parts:
        for place, folders, files in os.walk(folder / part, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                suffix = Path(name).suffix.lower()
                if name.startswith("."):
                    continue
                if not Path(place, name).exists():
                    many[NOWHERE] += 1
                elif suffix in OTHER_PICTURES or not suffix:
                    many[suffix or "without a suffix"] += 1
    return many


def says_left_out(many: Mapping[str, int]) -> str:
    """`3 .heic (save them as jpg or png), 2 links to nowhere (put back what they name)`, or ""."""
    kinds = ", ".join(f"{number:,} {suffix}" for suffix, number in sorted(many.items()) if suffix != NOWHERE)
    links = many.get(NOWHERE, 0)
    nowhere = f"{count(links, NOWHERE, 'links to nowhere')} (put back what they name)" if links else ""
    return ", ".join(filter(None, (f"{kinds} (save them as jpg or png)" if kinds else "", nowhere)))


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that says something: neither blank nor a comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error})", hint="put the published file there again"
        ) from None
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def refuse_absent(folder: Path, files: Iterable[ImageFile], listed_in: str) -> None:
    """InputError if an image that `listed_in` lists is not there."""
    absent = [file.name for file in files if not (folder / file.name).is_file()]
    if absent:
        others = f" (and {count(len(absent) - 1, 'other')})" if len(absent) > 1 else ""
        raise InputError(
            f"{folder / absent[0]} is missing{others}, but {folder / listed_in} lists it",
            hint=f"unpack the images into {(folder / absent[0]).parent} again",
        )


def fetch(dataset: Files, layout: Layout) -> None:
    """Return if all parts are there; otherwise download them if that can be done and the protocol says so.

    Raises:
        InputError: a part is missing, and downloading is off, impossible, or failed.
    """
    root = Path(dataset.root).expanduser()
    folder = root / layout.folder
    if not layout.missing(folder):
        return
    wanted = isinstance(dataset, PublishedFiles) and dataset.download
    trouble = ""
    if wanted and layout.archives:
        try:
            _download(layout, root)
        except (urllib.error.URLError, OSError, RuntimeError, EOFError, ValueError) as error:
            trouble = f", and the download failed: {error}"
    elif layout.archives:
        trouble = ", and download is off"
    missing = layout.missing(folder)
    if missing:
        others = f" (and {', '.join(missing[1:])})" if len(missing) > 1 else ""
        absent = folder / missing[0]
        if folder == root and not (layout.archives or folder.exists()):  # a folder of the user's own
            absent, others = folder, ""
        offer = ", or set dataset.download: true" if layout.archives and not wanted else ""
        raise InputError(
            f"{dataset.name}: {absent} is missing{others}{trouble}{in_full(absent)}{nearest_place(root)}",
            hint=layout.advice.format(place=folder.parent if layout.unpacked else folder) + offer,
        )


def _download(layout: Layout, root: Path) -> None:
    """Unpack the archives into a folder beside the target and move in only the parts that are missing.

    So an interruption leaves nothing half, and nothing that lies there already is overwritten. An archive
    that lies there already, and is the published one, is not downloaded again.
    """
    from torchvision.datasets.utils import download_and_extract_archive

    target = root / layout.folder
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as name:
        beside = Path(name)
        for archive in layout.archives:
            file = archive.url.rpartition("/")[2]
            for present in (root / file, target / file):
                if file_md5(present) == archive.md5:
                    (beside / file).symlink_to(present.resolve())
                    break
            download_and_extract_archive(archive.url, name, md5=archive.md5)
        for part in layout.missing(target):
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            (beside / layout.unpacked / part).replace(target / part)
