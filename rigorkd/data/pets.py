"""Oxford-IIIT Pets (Parkhi et al. 2012): 37 breeds, `trainval` as the pool and `test` as the test set.

    <root>/oxford-iiit-pet/images/Abyssinian_100.jpg
    <root>/oxford-iiit-pet/annotations/trainval.txt, test.txt     lines `Abyssinian_100 1 1 1`

Classes are the second column, as published (the breeds in alphabetical order, cats and dogs together).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rigorkd.data.dataset import DatasetInfo
from rigorkd.data.decoded import ResizedFiles
from rigorkd.data.image_files import (
    Archive,
    ImageFile,
    ImageIndex,
    Layout,
    PublishedFiles,
    read_lines,
    refuse_absent,
)
from rigorkd.errors import InputError

_SITE = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
_LISTS = ("annotations/trainval.txt", "annotations/test.txt")


def index(folder: Path) -> ImageIndex:
    """Read the two lists. Raises InputError for a line that is not one of theirs, or a missing image."""
    names: dict[int, str] = {}
    pool, test = (_listed(folder, part, names) for part in _LISTS)
    absent = sorted(set(range(max(names) + 1)) - names.keys())
    if absent:
        raise InputError(
            f"{folder / _LISTS[0]}: there is no image of class {absent[0] + 1}",
            hint="put the published annotations there again",
        )
    return ImageIndex(tuple(names[label] for label in sorted(names)), pool, test)


def _listed(folder: Path, part: str, names: dict[int, str]) -> tuple[ImageFile, ...]:
    """The images of one list; the names of their classes are added to `names`."""
    files = []
    for line in read_lines(folder / part):
        image, *numbers = line.split()
        if len(numbers) != 3 or not numbers[0].isdecimal() or int(numbers[0]) < 1:
            raise InputError(
                f"{folder / part}: {line[:60]!r} is not a line of the published file",
                hint="put the published annotations there again",
            )
        label = int(numbers[0]) - 1
        names.setdefault(label, image.rpartition("_")[0].replace("_", " "))
        files.append(ImageFile(f"images/{image}.jpg", label))
    if not files:
        raise InputError(f"{folder / part}: lists no image", hint="put the published annotations there again")
    refuse_absent(folder, files, part)
    return tuple(files)


PETS = Layout(
    folder="oxford-iiit-pet",
    parts=("images", *_LISTS),
    advice=f"unpack {_SITE}images.tar.gz and {_SITE}annotations.tar.gz into {{place}}",
    index=index,
    archives=(
        Archive(f"{_SITE}images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        Archive(f"{_SITE}annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
    ),
)


class Pets(PublishedFiles, ResizedFiles):
    """Oxford-IIIT Pets: 37 classes."""

    layout = PETS
    name: Literal["oxford_pets"]

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("Oxford-IIIT Pets", 3_680, 3_669, classes=37, channels=3, size=self.resolution)
