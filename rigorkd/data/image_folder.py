"""A user's own folder of images, one sub-folder per class.

    <root>/train/<class>/*.jpg
    <root>/test/<class>/*.jpg         optional: without it, `split.test` images of `train` are held out

Classes are the names of the folders under `train`, sorted, as torchvision's ImageFolder numbers them. Images
may lie in sub-folders of a class. Other folders under the root are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rigorkd.data.decoded import ResizedFiles
from rigorkd.data.image_files import ImageFile, ImageIndex, Layout, images_below
from rigorkd.errors import InputError


def index(folder: Path) -> ImageIndex:
    """List the images. Raises InputError for fewer than two classes, an empty one, or one only in `test`."""
    names = _classes(folder / "train")
    if len(names) < 2:
        raise InputError(
            f"{folder / 'train'}: {len(names)} folder(s) of classes, but there must be at least two",
            hint="put the images of each class into a folder of its own: train/<class>/<image>",
        )
    train = _images(folder, "train", names)
    empty = sorted(set(range(len(names))) - {file.label for file in train})
    if empty:
        raise InputError(
            f"{folder / 'train' / names[empty[0]]}: there is no image in this folder",
            hint="add images of the class, or remove the folder",
        )
    if not (folder / "test").is_dir():
        return ImageIndex(names, train, None)
    unknown = sorted(set(_classes(folder / "test")) - set(names))
    if unknown:
        raise InputError(
            f"{folder / 'test' / unknown[0]}: there is no such class under train",
            hint="a class must have the same folder name under train and test",
        )
    test = _images(folder, "test", names)
    if not test:
        raise InputError(f"{folder / 'test'}: there is no image below it", hint="add images, or remove it")
    return ImageIndex(names, train, test)


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    )


def _images(folder: Path, part: str, names: tuple[str, ...]) -> tuple[ImageFile, ...]:
    return tuple(
        ImageFile(image, label)
        for label, name in enumerate(names)
        for image in images_below(folder, f"{part}/{name}")
    )


IMAGE_FOLDER = Layout(
    folder="",
    parts=("train",),
    optional=("test",),
    advice="put the images of each class into a folder of its own, {place}/train/<class>/<image>",
    index=index,
)


class ImageFolder(ResizedFiles):
    """A user's own folder with one sub-folder per class under `train` and, if there is one, `test`."""

    layout = IMAGE_FOLDER
    name: Literal["image_folder"]

    @property
    def info(self) -> None:
        return None
