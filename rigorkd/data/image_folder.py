"""A user's own folder of images, one sub-folder per class.

    <root>/train/<class>/*.jpg
    <root>/test/<class>/*.jpg         optional: without it, `split.test` images of `train` are held out

or, where there is no `train`,

    <root>/<class>/*.jpg              `split` divides them

Classes are the names of the folders, sorted, as torchvision's ImageFolder numbers them. Images may lie in
sub-folders of a class. Beside `train`, other folders under the root are not read.

With `folders: subject/class` the folders of patients, speakers or scenes stand above those of classes, with
`folders: class/subject` below them; either keeps the images of one together.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import model_validator

from rigorkd.data.image_files import (
    ImageFile,
    ImageIndex,
    Layout,
    images_below,
    is_image,
    left_out,
    says_left_out,
)
from rigorkd.data.image_groups import check_pattern, group_files, telling_names, tells_subject
from rigorkd.data.own_images import OwnImages
from rigorkd.errors import InputError
from rigorkd.fields import added
from rigorkd.text import count, in_yaml, some_of

PARTS = frozenset({"train", "test", "val", "valid", "validation", "training", "testing"})
"""What the folders of a divided data set are called, so that no class of a flat one is."""
MASKS = frozenset(
    {"mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "ground_truth"}
)
"""What the folders of what is drawn over images are called."""
_AS_READ = {"train": "train", "training": "train", "test": "test", "testing": "test"}


Folders: TypeAlias = Literal["class", "class/subject", "subject/class"]
"""What the folders of a part are, from above."""


def index(folder: Path, folders: Folders = "class") -> ImageIndex:
    """List the images. Raises InputError for fewer than two classes, an empty one, or one only in `test`."""
    names, train = _pool(folder, "train/", folders)
    if not (folder / "test").is_dir():
        return ImageIndex(names, train, None)
    tested = _named_classes(folder / "test", folders)
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
    test = _images(folder, "test/", names, folders)
    if not test:
        raise InputError(f"{folder / 'test'}: there is no image below it", hint="add images, or remove it")
    return ImageIndex(names, train, test)


def flat_index(folder: Path, folders: Folders = "class") -> ImageIndex:
    """List the images of a folder that is not divided into train and test."""
    return ImageIndex(*_pool(folder, "", folders), None)


def _pool(folder: Path, part: str, folders: Folders) -> tuple[tuple[str, ...], tuple[ImageFile, ...]]:
    """The classes below a part (`train/`, or all), and their images."""
    below = folder / part
    names = _named_classes(below, folders)
    if folders != "class" and len(names) < 2:
        upper = some_of(_classes(below), 3) or "no folders"
        raise InputError(
            f"{below}: {count(len(names), 'folder')} of classes with folders: {folders}, but there must be "
            f"at least two (there are {upper}, and below them {some_of(names, 3) or 'none'})",
            hint=f"put the images into {part}{_asked(folders)}/<image>, or leave folders out where the upper "
            "folders are the classes",
        )
    if len(names) < 2:
        raise _too_few(below, part, names)
    if not part and (divided := next((name for name in names if (below / name / "train").is_dir()), None)):
        raise InputError(
            f"{below / divided}: there is a folder train in it, so this is a data set, or a class in parts",
            hint=f"if it is a data set, write root: {below / divided}; if the classes are "
            f"{some_of(names, 3)}, put the parts above them: train/{divided}/<image>, test/{divided}/<image>",
        )
    found = _images(folder, part, names, folders)
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


def _named_classes(below: Path, folders: Folders) -> tuple[str, ...]:
    """The names of the classes, wherever their folders stand."""
    if folders != "subject/class":
        return _classes(below)
    return tuple(sorted({name for subject in _classes(below) for name in _classes(below / subject)}))


def _asked(folders: Folders) -> str:
    return "/".join(f"<{level}>" for level in folders.split("/"))


def _images(folder: Path, part: str, names: tuple[str, ...], folders: Folders) -> tuple[ImageFile, ...]:
    """The images of a part, by class; with subjects each below a folder of one."""
    if folders == "subject/class":
        subjects = _classes(folder / part)
        places = [
            (label, f"{part}{subject}/{name}") for label, name in enumerate(names) for subject in subjects
        ]
        outside = {name for subject in subjects for name in _lone(folder, f"{part}{subject}")}
    else:
        places = [(label, f"{part}{name}") for label, name in enumerate(names)]
        outside = {name for _, place in places if folders != "class" for name in _lone(folder, place)}
    if outside:
        raise InputError(
            f"{folder / min(outside)} and others lie outside {part}{_asked(folders)}"
            if len(outside) > 1
            else f"{folder / min(outside)} lies outside {part}{_asked(folders)}",
            hint=f"with folders: {folders} each image lies in two folders: move it, or take it out",
        )
    return tuple(ImageFile(image, label) for label, place in places for image in images_below(folder, place))


def _lone(folder: Path, place: str) -> list[str]:
    """The images directly in a folder, by their paths below the other."""
    there = (folder / place).iterdir() if (folder / place).is_dir() else ()
    return [f"{place}/{entry.name}" for entry in there if entry.is_file() and is_image(entry.name)]


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
    takes_groups = "a regular expression, or a table of files and groups"
    name: Literal["image_folder"]
    folders: Folders = added("0.2", "class")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if wrong := check_pattern(self.split.group_by or ""):
            raise ValueError(wrong)
        return self

    @property
    def grouped_by(self) -> str:
        return super().grouped_by or ("" if self.folders == "class" else f"folders {self.folders}")

    def group_names(self, index: ImageIndex) -> list[str]:
        pool = [image.name for image in index.train]
        test = None if index.test is None else [image.name for image in index.test]
        if self.split.group_by is not None:
            return group_files(self.split.group_by, self.folder, pool, test)
        level = self.folders.split("/").index("subject")
        divided = (self.folder / "train").is_dir()  # then the part stands above
        return [name.split("/")[level + divided] for name in [*pool, *(test or ())]]

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
        if self.folders == "class":
            yield from self._doubted_levels(part, names)
        if not self.grouped_by:
            yield from self._ungrouped(part, names)
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

    def _doubted_levels(self, part: Path, names: tuple[str, ...]) -> Iterator[str]:
        """That the folders which are taken as classes may be those of subjects, with the classes below."""
        below = [set(_classes(part / name)) for name in names]
        many = Counter(name for one in below for name in one)
        if all(map(tells_subject, many)):  # subjects below classes, of whom some have several
            return
        each = sorted(set.intersection(*below))
        few = all(below) and 1 < len(many) <= len(names) / 2  # as of patients with one diagnosis each
        if len(each) > 1 or few:
            has = f"has the folders {some_of(each, 3)}"
            if len(each) < 2:
                has = f"has one or more of the folders {some_of(sorted(many), 3)}"
            yield (
                f"each of {some_of(names, 3)} is taken as a class, and {has}; if those are the classes, add "
                "folders: subject/class to dataset, which also keeps the images of each upper folder on one "
                "side of the split; or they must stand above, <class>/<any folder>/<image>, or dataset.root "
                "names one folder deeper"
            )

    def _ungrouped(self, part: Path, names: tuple[str, ...]) -> Iterator[str]:
        """That files or folders are called as of patients, who may be on both sides of a split by images."""
        subjects = sorted({below for one in names for below in _classes(part / one)})
        told, mend = "", ""
        if self.folders == "class" and len(subjects) > 1 and all(map(tells_subject, subjects)):
            told, mend = f"folders in those of classes are named ({subjects[0]})", "folders: class/subject"
        elif by := telling_names(name for one in names for name in images_below(part, one)):
            told, mend = "images are named", f"split.group_by: {in_yaml(by)}"
        if mend:
            yield (
                f"{told} by patients or the like, and the split draws images: then one may be both trained "
                f"on and tested; write {mend} to keep the images of each together"
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
            return replace(self.layout, index=functools.partial(index, folders=self.folders))
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
        listed = functools.partial(flat_index, folders=self.folders)
        return replace(self.layout, parts=names, optional=(), index=listed)
