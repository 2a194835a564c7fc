"""A user's own images: what only their files can tell.

A protocol may leave `resolution` out. Then the files decide, where all are squares of one size. What they
said is settled when a study begins (`study.json` keeps it), so that it can be read where the files are not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import Field

from rigorkd.cores import usable_cores
from rigorkd.data.dataset import FEW_LEVELS, DatasetInfo, ImageGroups, Levels, SourceArrays
from rigorkd.data.decoded import (
    CHANNELS,
    USUAL_RESOLUTION,
    FittedFiles,
    refuse_damaged,
)
from rigorkd.data.image_files import ImageFile, ImageIndex
from rigorkd.data.image_groups import groups_of
from rigorkd.errors import InputError
from rigorkd.extras import is_installed
from rigorkd.files import sha256_of, write_atomically

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels
    from rigorkd.data.examined import Examined
    from rigorkd.data.splits import Divided

T = TypeVar("T")

LARGEST_AGREED = 512
"""Squares larger than this are nobody's wish until somebody says so: an image would take a megabyte."""
SMALLEST = 4
FEW = 20
"""Of so many images one may be of another size by mistake."""
LOOKED_INTO = 24
"""Of so many images of 16 bits a plan reads the pixels: those of one scanner use the same levels."""
MOST_READ_THROUGH = 10**9
"""Pixels that a plan reads through: seconds, as 3,500 photographs of 500×500 are, or 30,000 small files."""
PIXELS_OF_A_FILE = 30_000
"""As many take as long as opening a file."""


@dataclass(frozen=True)
class Survey:
    """What the headers of all images say.

    `sizes` are (width, height, how many), the most frequent first. `grey` and `deep` count images of one
    channel and of 16 bits. `smallest` is the class with the fewest images to split, and their number.
    `source` is the fingerprint of the files. `names` are those of the classes. `left_out` counts, by suffix,
    pictures of kinds that are not read, and links to nowhere. `whole` says that all images were read to
    their end: no header tells that the rest of its file is missing. Then `repeated` are rows of equal files.
    `paged` counts files of several pages or frames, of which the `first_paged` is one. `levels` are the
    highest kept ones, of 256, of some of the images of 16 bits.
    """

    source: str
    classes: int
    images: int
    test_images: int | None
    sizes: tuple[tuple[int, int, int], ...]
    grey: int
    deep: int
    smallest: tuple[str, int]
    names: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...]
    whole: bool = False
    repeated: tuple[tuple[int, ...], ...] = ()
    paged: int = 0
    first_paged: str = ""
    levels: tuple[int, ...] = ()

    def doubted_levels(self) -> Iterator[str]:
        """That most images have 16 bits and use few of the levels that are kept."""
        dark = [level for level in self.levels if level < FEW_LEVELS]
        images, looked = self.images + (self.test_images or 0), len(self.levels)
        if 2 * self.deep * len(dark) > looked * images:
            some = self.deep > looked
            yield from Levels(looked if some else images, 0, len(dark), max(dark), some).doubts()

    @property
    def pixels(self) -> int:
        """Of all images, with what opening their files takes."""
        return sum((width * height + PIXELS_OF_A_FILE) * number for width, height, number in self.sizes)

    @property
    def usual_side(self) -> int:
        """The median of the images' shorter sides."""
        shorter = sorted((min(width, height), number) for width, height, number in self.sizes)
        half, seen = sum(number for _, number in shorter) / 2, 0
        for side, number in shorter:
            seen += number
            if seen >= half:
                return side
        raise AssertionError("there are images")

    @property
    def central(self) -> float:
        """The share of the images' area that their central squares have."""
        shares = [(min(width, height) / max(width, height), number) for width, height, number in self.sizes]
        return sum(share * number for share, number in shares) / sum(number for _, number in shares)

    def says_sizes(self, most: int = 3) -> str:
        """`32×32`, or `32×32 (600), 64×48 (20) and 4 more sizes`."""
        if len(self.sizes) == 1:
            width, height, _ = self.sizes[0]
            return f"{width}×{height}"
        named = ", ".join(f"{width}×{height} ({number:,})" for width, height, number in self.sizes[:most])
        more = len(self.sizes) - most
        return named + (f" and {more:,} more size{'s' * (more > 1)}" if more > 0 else "")


class OwnImages(FittedFiles):
    """A user's own image files: `resolution` may be left to them."""

    resolution: Annotated[int, Field(ge=SMALLEST)] | None = None

    @property
    def info(self) -> None:
        return None

    @property
    def place(self) -> str:
        """Where they are, in words."""
        return str(self.folder)

    to_test: ClassVar[str] = "rename it to test"

    @property
    def grouped_by(self) -> str:
        """What of the protocol tells which images belong together, "" where nothing does."""
        return "" if self.split.group_by is None else f"split.group_by {self.split.group_by}"

    @abstractmethod
    def group_names(self, index: ImageIndex) -> list[str]:
        """The group of every image, those of a test set of its own last. InputError if one is told none."""

    def grouped(self) -> ImageGroups | None:
        if not self.grouped_by:
            return None
        index = self.laid_out().index(self.folder)
        found = self.group_names(index)
        own_test = index.test is not None
        return groups_of(self.grouped_by, found, index.class_names, len(index.train), own_test=own_test)

    def divided(self) -> Divided | None:
        if not self.grouped_by or not self.is_there:
            return None
        from rigorkd.data.splits import divide

        groups, seed = self.grouped(), self.split.seed
        assert groups is not None
        labels, tested = self._labels_of(self.laid_out().index(self.folder))
        return divide(self.split, labels, tested, 0 if seed == "per_seed" else seed, groups)

    def checksum_at_hand(self) -> str | None:
        known = super().checksum_at_hand()
        return known if known is None or not self.grouped_by else self._with_groups(known, self.grouped())

    def read(self) -> tuple[SourceArrays, str]:
        arrays, checksum = super().read()
        if (groups := self.grouped()) is None:
            return arrays, checksum
        return replace(arrays, groups=groups), self._with_groups(checksum, groups)

    @staticmethod
    def _with_groups(checksum: str, groups: ImageGroups | None) -> str:
        """The checksum of images and their groups, which a table may tell that is no part of the images."""
        assert groups is not None
        parts = [part for part in (groups.pool, groups.test) if part is not None]
        return sha256_of(json.dumps([checksum, *([groups.names[n] for n in part] for part in parts)]))

    @staticmethod
    def _labels_of(index: ImageIndex) -> tuple[Labels, Labels | None]:
        import numpy as np

        def of(part: Sequence[ImageFile]) -> Labels:
            return np.array([image.label for image in part], np.int64)

        return of(index.train), None if index.test is None else of(index.test)

    @property
    def unread(self) -> tuple[str, ...]:
        """Folders or splits beside those that are read, such as `val`."""
        return ()

    @property
    def lacking(self) -> str:
        """The package that this machine lacks to look at them, "" if none."""
        return "" if is_installed("PIL") else "pillow"

    @property
    def is_there(self) -> bool:
        """Whether the images can be looked at now."""
        return is_installed("PIL") and not self.laid_out().missing(self.folder)

    def refuse_unlaid(self) -> None:
        """InputError where there is something, but not laid out as it must be."""
        if not self.folder.is_file():
            return
        place = self.folder
        hint = "give the folder that has the images"
        if place.suffix == ".npz":
            hint = f"of arrays write dataset: {{name: arrays, file: {place}, split: …}}"
        elif place.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
            hint = "unpack it, and give the folder"
        raise InputError(f"{self.name}: {place} is a file, not a folder", hint=hint)

    def left_out(self) -> Mapping[str, int]:
        """How many pictures of kinds that are not read lie among the images, and links to nowhere."""
        return {}

    def doubts(self) -> Iterator[str]:
        """What of the folders may be meant otherwise."""
        yield from ()

    def looked_at(self) -> DatasetInfo | None:
        found = self.survey()
        if found is None:
            return None
        return DatasetInfo(
            str(self.folder),
            found.images,
            found.test_images,
            found.classes,
            CHANNELS,
            self.side,
            smallest=found.smallest,
            unread=self.unread,
            to_test=self.to_test,
            class_names=found.names,
        )

    @property
    def side(self) -> int:
        """Where nothing has settled it yet, a usual one: enough to plan with."""
        return self.resolution or USUAL_RESOLUTION

    @property
    def known_side(self) -> int | None:
        return self.resolution

    @property
    def is_open(self) -> bool:
        return self.resolution is None

    def settled(self, side: int) -> OwnImages:
        return self.model_copy(update={"resolution": side})

    def agreed(self) -> int | None:
        found = self.survey()
        if found is None:
            return None
        width, height, _ = found.sizes[0]
        if len(found.sizes) > 1 or width != height:
            side = max(SMALLEST, min(found.usual_side, USUAL_RESOLUTION))
            total, others = sum(n for *_, n in found.sizes), sum(n for *_, n in found.sizes[1:])
            few = others if FEW * others <= total else 0
            raise InputError(
                f"its images are {found.says_sizes()}: no squares of one size, so resolution must say what "
                "they are stored as",
                hint=f"add resolution: {side} to dataset (their usual shorter side is {found.usual_side}); "
                + "the central square is kept, or all of it with fit: squash"
                + (f"; or take out the {few:,} of other sizes" if few and width == height else ""),
            )
        if not SMALLEST <= width <= LARGEST_AGREED:
            raise InputError(
                f"its images are {width}×{height}, so resolution must say what they are stored as",
                hint="add resolution: 224 to dataset, say; twice the side is four times the work",
            )
        return width

    def survey(self) -> Survey | None:
        """Read the headers of all images, or what is noted of them if no file has changed since.

        None where the files are not there, or Pillow is not.

        Raises:
            InputError: the folder is not laid out as it must be, or images cannot be read.
        """
        if not self.is_there:
            self.refuse_unlaid()
            return None
        source = self.fingerprint()
        if (known := _read(self._noted)) is not None and known.source == source:
            return known
        return self._remember(self._look(source))

    def read_through(self) -> bool:
        """Read all images to their end, once as long as no file changes; whether that is known of them now.

        Not where they are more than `MOST_READ_THROUGH` pixels, which takes long. What is decoded was read.

        Raises:
            InputError: some are damaged; all of them are named.
        """
        found = self.survey()
        if found is None or found.whole or self.checksum_at_hand() is not None:
            return True
        if found.pixels > MOST_READ_THROUGH:
            return False
        from rigorkd.data.decode import look_through

        def content(stream: IO[bytes]) -> bytes:
            flat = look_through(stream)
            stream.seek(0)
            return b"" if flat else hashlib.file_digest(stream, "sha256").digest()  # type: ignore[arg-type]

        contents, damaged = self._read_all(content)
        refuse_damaged(damaged)
        rows: defaultdict[bytes, list[int]] = defaultdict(list)
        for row, told in enumerate(contents):
            rows[told or b""].append(row)
        rows.pop(b"", None)  # images of one colour
        repeated = tuple(tuple(group) for group in rows.values() if len(group) > 1)
        self._remember(replace(found, whole=True, repeated=repeated))
        return True

    def examined(self, seed: int = 0) -> Examined | None:
        """As they were decoded; before that by their files, where they were read to their end."""
        if self.checksum_at_hand() is not None:
            return super().examined(seed)
        found = self.survey()
        if found is None:
            return None
        from rigorkd.data.examined import examine

        labels, tested = self._labels_of(self.laid_out().index(self.folder))
        asked = self.split, self.named, seed, self.grouped()
        return examine(found.repeated, labels, tested, found.names, *asked)

    @property
    def _noted(self) -> Path:
        """Where the survey is kept."""
        return self.cache_folder() / f"{self.name}-files.json"

    def _remember(self, found: Survey) -> Survey:
        with contextlib.suppress(OSError):  # a folder that nobody may write into is looked at every time
            write_atomically(self._noted, json.dumps(asdict(found)).encode(), durable=False)
        return found

    def _look(self, source: str) -> Survey:
        from rigorkd.data.decode import kept_level, look, look_through

        index, opened = self.laid_out().index(self.folder), self.reader()
        sizes: Counter[tuple[int, int]] = Counter()
        damaged: list[str] = []
        grey, deep = 0, list[ImageFile]()
        paged: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities in metadata
            for image in index.files:
                try:
                    with opened(image) as stream:
                        header = look(stream)
                except (ValueError, OSError) as error:
                    damaged.append(f"{self.place_of(image)}: {error}")
                    continue
                sizes[header.width, header.height] += 1
                grey += header.grey
                deep += [image] * header.deep
                if header.pages > 1:
                    paged.append(f"{image.name} ({header.pages} pages)")
        if damaged:  # then all that are, so that one round mends them: truncated files have sound headers
            damaged = self._read_all(look_through)[1] or damaged
        refuse_damaged(damaged)
        levels = self._read_all(kept_level, deep[:: max(1, len(deep) // LOOKED_INTO)][:LOOKED_INTO])[0]
        many = Counter(image.label for image in index.train)
        rarest = min(range(len(index.class_names)), key=lambda label: many[label])
        return Survey(
            source=source,
            classes=len(index.class_names),
            images=len(index.train),
            test_images=None if index.test is None else len(index.test),
            sizes=tuple(sorted(((*size, n) for size, n in sizes.items()), key=lambda size: (-size[2], size))),
            grey=grey,
            deep=len(deep),
            levels=tuple(level for level in levels if level is not None),
            smallest=(index.class_names[rarest], many[rarest]),
            names=index.class_names,
            left_out=tuple(sorted(self.left_out().items())),
            paged=len(paged),
            first_paged=next(iter(paged), ""),
        )

    def _read_all(
        self, read: Callable[[IO[bytes]], T], files: Sequence[ImageFile] | None = None
    ) -> tuple[list[T | None], list[str]]:
        """What `read` makes of every image, or of these `files`, and those that it refuses, with the reason.

        One thread per core, as where they are decoded.
        """
        opened = self.reader()

        def one(image: ImageFile) -> tuple[T | None, str]:
            try:
                with opened(image) as stream:
                    return read(stream), ""
            except (ValueError, OSError) as error:
                return None, f"{self.place_of(image)}: {error}"

        files = self.laid_out().index(self.folder).files if files is None else files
        with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=usable_cores()) as pool:
            warnings.simplefilter("ignore")  # oddities in metadata
            found = list(pool.map(one, files))
        return [made for made, _ in found], [wrong for _, wrong in found if wrong]


def _read(path: Path) -> Survey | None:
    """A noted survey, or None if there is none that can be used."""
    try:
        values = json.loads(path.read_bytes())
        sizes = tuple((int(w), int(h), int(n)) for w, h, n in values["sizes"])
        name, number = values["smallest"]
        left = tuple((str(suffix), int(n)) for suffix, n in values["left_out"])
        told: dict[str, Any] = {"sizes": sizes, "smallest": (str(name), int(number)), "left_out": left}
        told["paged"] = int(values["paged"])  # a note without it was made before they were counted
        told["levels"] = tuple(map(int, values["levels"]))
        told["repeated"] = tuple(tuple(map(int, group)) for group in values.get("repeated", ()))
        return Survey(**{**values, **told, "names": tuple(map(str, values["names"]))})
    except (OSError, ValueError, TypeError, KeyError):
        return None
