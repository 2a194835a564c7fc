"""A user's own folder of images, one sub-folder per class.

    <root>/train/<class>/*.jpg
    <root>/test/<class>/*.jpg         optional: without it, `split.test` images of `train` are held out

or, where there is no `train`,

    <root>/<class>/*.jpg              `split` divides them

Classes are the names of the folders, sorted, as torchvision's ImageFolder numbers them. Images may lie in
sub-folders of a class. Beside `train`, other folders under the root are not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rigorkd.data.image_files import (
    ImageFile,
    ImageIndex,
    Layout,
    images_below,
    is_image,
    left_out,
    says_left_out,
)
from rigorkd.data.own_images import OwnImages
from rigorkd.errors import InputError
from rigorkd.text import count, some_of

PARTS = frozenset({"train", "test", "val", "valid", "validation", "training", "testing"})
"""What the folders of a divided data set are called, so that no class of a flat one is."""
MASKS = frozenset(
    {"mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "ground_truth"}
)
"""What the folders of what is drawn over images are called."""
_AS_READ = {"train": "train", "training": "train", "test": "test", "testing": "test"}


def index(folder: Path) -> ImageIndex:
    """List the images. Raises InputError for fewer than two classes, an empty one, or one only in `test`."""
    names, train = _pool(folder, "train/")
    if not (folder / "test").is_dir():
        return ImageIndex(names, train, None)
    tested = _classes(folder / "test")
    if not tested and (lying := _lying(folder / "test")):
        raise InputError(
            f"{folder / 'test'}: {lying} in it, and no folders of classes, so nothing tells the classes",
            hint=f"images without classes cannot be tested on: rename {folder / 'test'} to unlabelled, say, "
            "and hold some of train out by dataset.split.test; or sort them, test/<class>/<image>",
        )
    unknown = sorted(set(tested) - set(names))
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
        raise _too_few(below, part, names)
    if not part and (divided := next((name for name in names if (below / name / "train").is_dir()), None)):
        raise InputError(
            f"{below / divided}: there is a folder train in it, so this is a data set, or a class in parts",
            hint=f"if it is a data set, write root: {below / divided}; if the classes are "
            f"{some_of(names, 3)}, put the parts above them: train/{divided}/<image>, test/{divided}/<image>",
        )
    found = _images(folder, part, names)
    empty = sorted(set(range(len(names))) - {file.label for file in found})
    if empty:
        left = says_left_out(left_out(below, [names[empty[0]]]))
        raise InputError(
            f"{below / names[empty[0]]}: there is no image in this folder" + f", but {left}" * bool(left),
            hint="add images of the class, or remove the folder",
        )
    return names, found


def _too_few(below: Path, part: str, names: tuple[str, ...]) -> InputError:
    """The error for a folder without two folders of classes, with where they may be."""
    what = f"{count(len(names), 'folder')} of classes, but there must be at least two"
    hint = f"put the images of each class into a folder of its own: {part}<class>/<image>"
    if not names and (lying := _lying(below)):
        what = f"{lying} in it, and no folders of classes"
        if others := [name for name in _classes(below.parent) if part and name.lower() not in PARTS]:
            hint += (
                f"; if train is a class beside {some_of(others, 3)}, rename its folder: train, test and val "
                "are parts here"
            )
    inside = below / names[0] if names else below
    while len(deeper := _classes(inside)) == 1 and deeper[0].lower() not in PARTS:
        inside = inside / deeper[0]
    if names and deeper and not part:
        hint += f"; if the data set is inside {inside} ({some_of(deeper, 3)}), write root: {inside}"
    elif names and deeper:
        hint += f"; if the classes are {some_of(deeper, 3)}, move their folders from {inside} to {below}"
    if not deeper:
        hint += _says_what_tells(inside)
    return InputError(f"{below}: {what}", hint=hint)


def _says_what_tells(folder: Path) -> str:
    """Of images in one folder: what seems to tell their classes, and where the lines are that sort them."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and is_image(entry.name))
    starts = Counter(found.group() for name in names if (found := re.match(r"[^\W\d_]+", name)))
    tables = [
        path.name
        for place in (folder, *folder.absolute().parents[:2])
        for path in sorted(place.glob("*.[ct]sv"))
        if _names_them(path, names)
    ]
    told = ""
    if tables:
        told = f"{some_of(tables, 3)} may tell their classes"
    elif starts.total() == len(names) and len(starts) > 1 and 2 * len(starts) <= len(names):
        told = f"their names begin with {some_of(sorted(starts), 3)}"
    where = "docs/data.md, Labels in a table or in names, has the lines that sort them"
    return f"; {told}: {where}" * bool(names and told)


def _names_them(table: Path, names: Sequence[str], most: int = 1 << 20) -> bool:
    """Whether what a table begins with has half of the first images' names, with their suffix or without."""
    try:
        with table.open(encoding="utf-8", errors="replace") as file:
            words = set(re.split(r"[\s,;\"/]+", file.read(most)))
    except OSError:
        return False
    found = [name in words or Path(name).stem in words for name in names[:20]]
    return bool(found) and 2 * sum(found) >= len(found)


def _lying(folder: Path) -> str:
    """`20 images lie`, of those that lie directly in a folder; "" where there are none."""
    lying = sum(is_image(entry.name) for entry in folder.iterdir() if entry.is_file())
    return f"{count(lying, 'image')} {'lies' if lying == 1 else 'lie'}" if lying else ""


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

    def left_out(self) -> Mapping[str, int]:
        layout = self.laid_out()
        return left_out(self.folder, (*layout.parts, *layout.optional))

    def doubts(self) -> Iterator[str]:
        folder = self.folder
        part = folder / "train" if (folder / "train").is_dir() else folder
        names = _classes(part)
        alike = sorted(set.intersection(*(set(_classes(part / name)) for name in names)))
        if len(alike) > 1:
            yield (
                f"each of {some_of(names, 3)} is taken as a class, and has the folders {some_of(alike, 3)}; "
                "if those are the classes, they must stand above, <class>/<any folder>/<image>, or "
                "dataset.root names one folder deeper"
            )
        if masks := sorted({name for one in names for name in _classes(part / one) if name.lower() in MASKS}):
            yield (
                f"folders {some_of(masks, 3)} in those of classes are read, too, and their images count as "
                "images of the class: if they are no pictures of it, move them elsewhere"
            )
        if part == folder and folder.name == "train" and (folder.absolute().parent / "test").is_dir():
            yield (
                f"{folder} is a part of a data set, and test beside it is not read; to test on its images "
                f"write root: {folder.parent}"
            )

    def refuse_unlaid(self) -> None:
        super().refuse_unlaid()
        folder = self.folder
        if not folder.is_dir() or not self.laid_out().missing(folder):
            return
        what, names = "there are no folders of classes in it", _classes(folder)
        hint = self.layout.advice.format(place=folder)
        if names:
            what = f"there is no folder train in it, but {some_of(names, 6)}"
            parts = [name for name in names if name.lower() in PARTS]
            if len(names) == len(parts):
                hint = f"rename {parts[0]} to train if that is what is trained on; or {hint}"
            else:
                others = some_of(sorted({*names} - {*parts}), 3)
                hint += f"; if {parts[0]} is a class beside {others}, rename its folder"
        elif lying := _lying(folder):
            what = f"{lying} in it, and no folders of classes"
            hint += _says_what_tells(folder)
        raise InputError(f"image_folder: {folder}: {what}", hint=hint)

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
