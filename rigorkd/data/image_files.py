"""What data sets of image files have in common: where they lie, and which file is which class.

Every such data set has one module with a `Layout`; `rigorkd.data.decoded` turns its images into one array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.files import files_below
from rigorkd.text import count


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

    title: str
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


def images_below(folder: Path, name: str) -> list[str]:
    """The names (under `folder`) of all images in the folder `name` and its sub-folders, in sorted order.

    Hidden files, and files whose suffix is not that of an image, are no images.
    """
    return [
        file.name
        for file in files_below(folder, name)
        if file.name.lower().endswith(IMAGE_SUFFIXES) and not file.name.rpartition("/")[2].startswith(".")
    ]


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
