"""A user's own folder of images, one sub-folder per class.

    <root>/train/<class>/*.jpg
    <root>/test/<class>/*.jpg         optional: without it, `split.test` images of `train` are held out

or, where there is no `train`,

    <root>/<class>/*.jpg              `split` divides them

Classes are the names of the folders, sorted, as torchvision's ImageFolder numbers them. Images may lie in
sub-folders of a class. Beside `train`, other folders under the root are not read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from rigorkd.data.image_files import ImageFile, ImageIndex, Layout, images_below
from rigorkd.data.own_images import OwnImages
from rigorkd.errors import InputError

PARTS = frozenset({"train", "test", "val", "valid", "validation", "training", "testing"})
"""What the folders of a divided data set are called, so that no class of a flat one is."""
_AS_READ = {"train": "train", "training": "train", "test": "test", "testing": "test"}


def index(folder: Path) -> ImageIndex:
    """List the images. Raises InputError for fewer than two classes, an empty one, or one only in `test`."""
    names, train = _pool(folder, "train/")
    if not (folder / "test").is_dir():
        return ImageIndex(names, train, None)
    unknown = sorted(set(_classes(folder / "test")) - set(names))
    if unknown:
        raise InputError(
            f"{folder / 'test' / unknown[0]}: there is no such class under train",
            hint="a class must have the same folder name under train and test",
        )
    test = _images(folder, "test/", names)
    if not test:
        raise InputError(f"{folder / 'test'}: there is no image below it", hint="add images, or remove it")
    return ImageIndex(names, train, test)


def flat_index(folder: Path) -> ImageIndex:
    """List the images of a folder that is not divided into train and test."""
    return ImageIndex(*_pool(folder, ""), None)


def _pool(folder: Path, part: str) -> tuple[tuple[str, ...], tuple[ImageFile, ...]]:
    """The classes below a part (`train/`, or all), and their images."""
    below = folder / part
    names = _classes(below)
    if len(names) < 2:
        hint = f"put the images of each class into a folder of its own: {part}<class>/<image>"
        if not part and len(names) == 1 and (deeper := _classes(below / names[0])):
            some = ", ".join(deeper[:3]) + ", …" * (len(deeper) > 3)
            hint += f"; if the data set is inside {names[0]} ({some}), write root: {below / names[0]}"
        raise InputError(
            f"{below}: {len(names)} folder(s) of classes, but there must be at least two", hint=hint
        )
    found = _images(folder, part, names)
    empty = sorted(set(range(len(names))) - {file.label for file in found})
    if empty:
        raise InputError(
            f"{below / names[empty[0]]}: there is no image in this folder",
            hint="add images of the class, or remove the folder",
        )
    return names, found


def _classes(folder: Path) -> tuple[str, ...]:
    """The folders in it, without hidden ones and what a Mac adds to its archives."""
    return tuple(
        sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".") and entry.name != "__MACOSX"
        )
    )


def _images(folder: Path, part: str, names: tuple[str, ...]) -> tuple[ImageFile, ...]:
    return tuple(
        ImageFile(image, label)
        for label, name in enumerate(names)
        for image in images_below(folder, f"{part}{name}")
    )


IMAGE_FOLDER = Layout(
    folder="",
    parts=("train",),
    optional=("test",),
    advice="put the images of each class into a folder of its own, {place}/train/<class>/<image>, or "
    "{place}/<class>/<image> to have them divided by dataset.split",
    index=index,
)


class ImageFolder(OwnImages):
    """A user's own folder with one sub-folder per class, under `train` and, if there is one, `test`."""

    layout = IMAGE_FOLDER
    name: Literal["image_folder"]

    @property
    def unread(self) -> tuple[str, ...]:
        if not (self.folder / "train").is_dir():
            return ()
        return tuple(name for name in _classes(self.folder) if name not in ("train", "test"))

    def laid_out(self) -> Layout:
        folder = self.folder
        if (folder / "train").exists() or not folder.is_dir():
            return self.layout
        names = _classes(folder)
        other = {name: part for name in names if (part := _AS_READ.get(name.lower())) not in (None, name)}
        if "train" in other.values():
            raise InputError(
                f"image_folder: {folder} has no folder train, but {' and '.join(other)}",
                hint="the parts are called train and test: "
                + " and ".join(f"rename {name} to {part}" for name, part in other.items()),
            )
        if not names or PARTS & {name.lower() for name in names}:
            return self.layout
        return replace(self.layout, parts=names, optional=(), index=flat_index)
