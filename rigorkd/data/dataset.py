"""What every data set has: its keys in a protocol, what is known of it, its checksum, and its images.

One file per data set holds all of it. Neither this file nor those import torch or numpy when they are
imported: a protocol is checked without them.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rigorkd.fields import Count, Frozen, added
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rigorkd.data.examined import Examined
    from rigorkd.data.splits import Divided

    Pixels = npt.NDArray[np.uint8]
    Labels = npt.NDArray[np.int64]

Watch = Callable[[int, int], None]
"""Called with the number of images decoded so far, and of all."""

LOCATION_KEYS = frozenset({"root", "download", "cache", "file", "path"})
"""Keys of a data set that say where it lies, which changes no result."""


@dataclass(frozen=True)
class DatasetInfo:
    """A data set's shape. `images` are those to split; `test_images` is None if the split makes the test set.

    `size` is the side in pixels; where images differ in size, that of the squares they are stored as.
    `smallest` is the class with the fewest images to split, and their number, where that is not known before.
    `unread` are folders or arrays beside those that are read; `to_test` makes a test set of them. `doubts`
    are warnings of what the images show.
    """

    title: str
    images: int
    test_images: int | None
    classes: int
    channels: int
    size: int
    smallest: tuple[str, int] | None = None
    unread: tuple[str, ...] = ()
    to_test: str = "rename it to test"
    doubts: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    @property
    def set_apart(self) -> tuple[str, ...]:
        """What is not read though its name says that somebody keeps it for validation."""
        return tuple(name for name in self.unread if name.lower().startswith(("val", "dev")))

    @property
    def use_set_apart(self) -> str:
        """How those are used, "" where there are none."""
        if not self.set_apart:
            return ""
        return f"those of {some_of(self.set_apart, 3)} are used once they lie with the images to train on"


@dataclass(frozen=True, eq=False)
class ImageGroups:
    """Which images are of one patient, speaker or scene, so that a split keeps them together.

    `pool` (n,) are positions in `names`, of the images to split; `test` those of a test set of its own.
    `by` is what of the protocol tells the groups, `classes` are the names of the classes, for messages.
    """

    by: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    pool: Labels
    test: Labels | None = None


@dataclass(frozen=True, eq=False)
class SourceArrays:
    """What a data set hands over before it is split: images (n, C, S, S) with labels (n,).

    `test_*` where it defines its own test set. `mapped` says that the images lie in a file, so that rows
    should be read only when they are asked for.
    """

    images: Pixels
    labels: Labels
    class_names: tuple[str, ...]
    test_images: Pixels | None = None
    test_labels: Labels | None = None
    mapped: bool = False
    groups: ImageGroups | None = None


FLAT_SHARE = 20
"""From one image of one colour in so many on, it is said: a few empty ones are in many a collection."""
FEW_LEVELS = 64
"""Images of 16 bits that stay below this level of 256 have two of the eight kept bits empty, or more."""


@dataclass(frozen=True)
class Levels:
    """What decoded images show: how many there are, how many are of one colour all over, and how many of 16
    bits use few of the 256 levels that are kept, with the highest of these. `some` says that others were not
    looked at."""

    images: int
    flat: int
    dark: int
    highest: int
    some: bool = False

    def doubts(self) -> Iterator[str]:
        """What networks will see little of, with the mend."""
        if self.dark and 2 * self.dark > self.images:
            bits = 8 - self.highest.bit_length()
            looked = " that were looked at" * self.some
            yield (
                f"{self.dark:,} of {count(self.images, 'image')}{looked} have 16 bits, and of the upper "
                f"eight, which are kept, they use {count(self.highest + 1, 'level')} of 256, so that most of "
                f"what they show is lost: multiply their levels by {2**bits} before you store them"
            )
        if self.flat and FLAT_SHARE * self.flat >= self.images:
            yield (
                f"{self.flat:,} of {count(self.images, 'image')} {'is' if self.flat == 1 else 'are'} of one "
                "colour all over: take empty ones out; where a transparency has the shape, put a background "
                "behind it, since transparency is dropped"
            )


class Split(Frozen):
    """Sizes of the split, and the seed that draws it. `per_seed` draws a new split for every run seed.

    With `val: 0` nothing is validated, and the last epoch is tested. With `group_by` the images of a group
    stay together, and the sizes are met as closely as whole groups can.
    """

    train: Count | None = None
    val: Annotated[int, Field(ge=0)]
    test: Count | None = None
    seed: Annotated[int, Field(ge=0)] | Literal["per_seed"] = 0
    per_class: bool = False
    group_by: Annotated[str, Field(min_length=1)] | None = added("0.2", None)

    @property
    def tests_per_seed(self) -> bool:
        """Whether every run seed draws test images of its own."""
        return self.seed == "per_seed" and self.test is not None


class Dataset(Frozen):
    """Base of all data sets: its fields are the keys of `dataset:`, and `name` is the one that chooses it."""

    if TYPE_CHECKING:
        name: str  # a literal in every data set

    in_files: ClassVar[bool] = True
    """Whether it lies in files, which may be missing, or other ones than before."""

    takes_groups: ClassVar[str] = ""
    """What `split.group_by` names of it, "" where nothing tells which images belong together."""

    split: Split
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    @abstractmethod
    def info(self) -> DatasetInfo | None:
        """What is known without the files, or None for a user's own images."""

    def looked_at(self) -> DatasetInfo | None:
        """As `info`; of a user's own images what their files say, or None if these are not there.

        Raises:
            InputError: there are files, and they cannot be used.
        """
        return self.info

    @property
    def side(self) -> int:
        """The side in pixels of the square images that views are given."""
        info = self.info
        assert info is not None, "whoever does not know the rest knows the side"
        return info.size

    @property
    def known_side(self) -> int | None:
        """The side, or None where only files could tell it that are not there."""
        return self.side

    @property
    def is_open(self) -> bool:
        """Whether the protocol leaves to the files which side the stored images have."""
        return False

    def agreed(self) -> int | None:
        """Of one that is open: the side on which its files agree, or None if they are not there.

        Raises:
            InputError: they do not agree, so the protocol must say it; or some cannot be read.
        """
        return None

    def settled(self, side: int) -> Dataset:
        """One that is open, with this side."""
        return self

    @abstractmethod
    def checksum_at_hand(self) -> str | None:
        """The checksum of data that can be loaded now, or None if files are missing or not decoded yet."""

    def checksum(self) -> str:
        """A hexadecimal SHA-256, for the run hash, that changes whenever images or labels do.

        What is not there yet counts as unread, or with its published checksum: `prepare` first for the true
        one. Split, label noise, the kind of labels and the stored size are not part of it: they are settings,
        hashed with the cell. Loading verifies that it got what was hashed here.
        """
        return self.checksum_at_hand() or sha256_of({"source": self.name, "images": "unread"})

    def examined(self, seed: int = 0) -> Examined | None:
        """What a verdict may hang on of a user's own images; None for nothing, or if nobody can tell now.

        `seed` is that of a run, and matters only with `split.seed: per_seed`. Reads what is there as arrays,
        and decodes nothing.
        """
        return None

    def divided(self) -> Divided | None:
        """What a split by groups comes to, of the first seed where each has its own; None if nobody can tell.

        None also where images are not grouped.

        Raises:
            InputError: nothing tells the group of an image, or the groups cannot be divided as is asked.
        """
        return None

    def absent(self) -> str:
        """What of its files is not there yet, by its place; "" where all is, or nobody can tell."""
        return ""

    def prepare(self, watch: Watch | None = None) -> None:
        """Get it ready before anything is trained: download, decode, check that the split fits.

        `watch` is told the progress of a decoding, which can take minutes.

        Raises:
            InputError: files are missing or damaged and cannot be had, or the split asks for more images
                than there are.
        """

    @abstractmethod
    def read(self) -> tuple[SourceArrays, str]:
        """The images with the checksum of what was read.

        Raises:
            InputError: files are missing or damaged.
        """


def sha256_of(parts: dict[str, Any]) -> str:
    """SHA-256 of a mapping of plain values, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
