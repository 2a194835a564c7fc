"""What a plan says of a user's own images: how many, of which size, and what a network makes of each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd.data.dataset import Dataset
from rigorkd.data.image_files import says_left_out
from rigorkd.data.own_images import OwnImages
from rigorkd.errors import InputError
from rigorkd.extras import is_installed
from rigorkd.models.model import is_hub_model
from rigorkd.models.own_code import has_source
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.load import Protocol
from rigorkd.records.rates import shown_side
from rigorkd.text import count, in_full, nearest_place, some_of

if TYPE_CHECKING:
    from rigorkd.data.own_images import Survey
    from rigorkd.data.splits import Divided
    from rigorkd.launch.cost import Images

MULTIPLIED = 2.0
"""From so many times the work on, it is said that resizing costs it."""
CUT = 0.6
"""Below so large a share of the images, it is said what their central squares keep: photographs have 0.67."""
FEW_TO_TEST = 50
"""Below so many test images it is said what one is worth, where no smallest effect of interest says more."""
FAR = 0.25
"""Where whole groups miss the size that is asked for by a larger share of it, it is said."""
MISSED = 0.05
"""With a larger chance that no image of a class is in a part, it is said."""


@dataclass(frozen=True)
class Shown:
    """A network and the side of the squares that it is shown; millions of multiply-adds for one, if known.

    `unbuilt` says why it could not be built to count them, `uncounted` why nobody tried, and `key` which key
    of the protocol says the side.
    """

    network: str
    side: int
    key: str
    macs_millions: float | None
    unbuilt: str = ""
    uncounted: str = ""


@dataclass(frozen=True)
class OwnData:
    """A user's own images as they were found, or nothing but what is assumed of them.

    `tried` says of a relative place that is not there where it was looked for. `read_through` is False where
    nobody knows yet whether the images are whole. `cropped` says that their central squares are kept, and
    that nobody wrote so. `sesoi` is in points of accuracy. `lacking` is a package without which nobody can
    look at images that are there. `divided` is what the split comes to where it keeps groups together.
    `use_set_apart` is how a folder of images to validate comes to be used.
    """

    where: str
    there: bool
    side: int
    settled: bool
    images: int = 0
    test_images: int | None = None
    classes: int = 0
    channels: int = 3
    parts: Images | None = None
    survey: Survey | None = None
    smallest: tuple[str, int] | None = None
    per_class: bool = False
    unread: tuple[str, ...] = ()
    use_set_apart: str = ""
    doubts: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()
    tried: str = ""
    in_folder: bool = True
    read_through: bool = True
    cropped: bool = False
    sesoi: float | None = None
    class_names: tuple[str, ...] = ()
    batch_size: int = 0
    lacking: str = ""
    divided: Divided | None = None
    per_seed: bool = False

    @property
    def stored_bytes(self) -> int:
        """What the decoded images take."""
        return (self.images + (self.test_images or 0)) * self.channels * self.side**2

    @property
    def says_unread(self) -> str:
        """What lies there and is not read, and where the images to validate come from."""
        unread = some_of(self.unread, 5)
        return f"not read: {unread}; images to validate are taken, by split.val, from those to train on"

    @property
    def native(self) -> int:
        """The usual shorter side of the images themselves."""
        return self.side if self.survey is None else self.survey.usual_side

    def entry(self) -> dict[str, Any]:
        """Its part of the plan's JSON."""
        if not self.there:
            return {"where": self.where, "images": None, "resolution": self.side, "assumed": True}
        found = self.survey
        return {
            "where": self.where,
            "images": self.images,
            "test_images": self.test_images,
            "classes": self.classes,
            "class_names": list(self.class_names) or None,
            "smallest_class": None if self.smallest is None else list(self.smallest),
            "not_read": list(self.unread),
            "read_through": self.read_through,
            "parts": None if self.parts is None else vars(self.parts),
            **({} if self.divided is None else {"groups": asdict(self.divided)}),
            "resolution": self.side,
            "sizes": [list(size) for size in found.sizes] if found else [[self.side, self.side, self.images]],
            "stored_bytes": self.stored_bytes,
            "networks": [vars(shown) for shown in self.shown],
            "warnings": list(self.warnings()),
        }

    def lines(self) -> Iterator[str]:
        """Its lines in a terminal."""
        if self.lacking:
            yield (
                f"data: {self.where} was not looked at: the package {self.lacking} is not installed, and "
                "`rigorkd run` needs it"
            )
            return
        if not self.there:
            assumed = f"; until they are, {self.side}×{self.side} pixels are assumed" * (not self.settled)
            where = f"{self.where}{self.tried}{nearest_place(Path(self.where), folder=self.in_folder)}"
            yield f"data: the images are not there yet ({where}){assumed}"
            return
        tested = f" + {self.test_images:,} for testing" if self.test_images is not None else ""
        size = f"{self.side}×{self.side}" if self.survey is None else self.survey.says_sizes()
        classes = count(self.classes, "class", "classes")
        yield f"data: {count(self.images, 'image')}{tested} of {size} in {classes} ({self.where})"
        if self.class_names:
            yield f"  classes: {some_of(self.class_names, 6)}"
        if self.smallest is not None:
            yield from self._says_smallest(*self.smallest)
        if self.unread:
            yield f"  {self.says_unread}"
        if self.use_set_apart:
            yield f"  {self.use_set_apart}"
        if self.divided is not None:
            yield from self._says_groups(self.divided)
        elif self.parts is not None:
            parts = self.parts
            yield f"  {parts.train:,} to train on, {parts.val:,} to validate, {parts.test:,} to test"
        colour = "grey" if self.channels == 1 else "colour"
        kinds = []
        if self.survey is not None and self.survey.grey:
            kinds.append(f"{self.survey.grey:,} are grey and repeat their channel")
        if self.survey is not None and self.survey.deep:
            kinds.append(f"{self.survey.deep:,} have 16 bits, of which the upper eight are kept")
        yield (
            f"  kept as {self.side}×{self.side} in {colour}, {self.stored_bytes / 1e6:,.1f} MB"
            + "".join(f"; {kind}" for kind in kinds)
        )
        if not self.read_through:
            yield "  their headers were read; `run` names those that are damaged behind it before it trains"
        for side in dict.fromkeys(shown.side for shown in self.shown):
            here = [shown for shown in self.shown if shown.side == side]
            told = [
                f"{shown.network} {_millions(shown.macs_millions)}"
                for shown in here
                if shown.macs_millions is not None
            ]
            for why in dict.fromkeys(shown.uncounted for shown in here if shown.uncounted):
                names = some_of([shown.network for shown in here if shown.uncounted == why], 6)
                told.append(f"not counted: {names} ({why}; records have theirs)")
            if told:
                yield f"  multiply-adds for one image at {side}×{side}: {', '.join(told)}"
        for warning in self.warnings():
            yield f"warning: {warning}"

    def _says_groups(self, divided: Divided) -> Iterator[str]:
        """How many images and groups each part has, and how many images were asked for."""
        drawn = "; each seed draws its own, this is that of seed 0" * self.per_seed
        yield f"  no group is in two parts ({divided.by}{drawn}):"
        for used_for, part in divided.parts.items():
            if part.images or part.asked:
                told = f"    {count(part.images, 'image')} of {count(part.groups, 'group')} to {used_for}"
                as_asked = part.asked in (None, part.images)
                yield told if as_asked else f"{told} ({part.asked:,} asked for)"

    def _doubts_groups(self, divided: Divided) -> Iterator[str]:
        """What of a split by groups may not be meant: far from asked, parts without a class, lone images."""
        if divided.alone:
            yield f"by {divided.by} each image is a group of its own: see that it tells the groups"
        for used_for, part in divided.parts.items():
            asked = part.asked or 0
            if asked and abs(part.images - asked) > FAR * asked:
                yield (
                    f"whole groups give {count(part.images, 'image')} to {used_for}, and {asked:,} are asked "
                    "for: write what they give, or a number that some groups together have"
                )
            if part.without and part.images and used_for == "validate":
                yield f"no image to validate is of {some_of(part.without, 3)}: too few groups have it"

    def _says_smallest(self, name: str, images: int) -> Iterator[str]:
        """Of the smallest class, where it is much smaller than others, or a part may have none of it."""
        missed, far_smaller = self._may_miss(images), 2 * images * self.classes < self.images
        most = (images - 1) // (1 if self.test_images is not None else 2)
        each = "per_class: true in split takes the same number of every class"
        if far_smaller:
            told = f"  the smallest class, {name}, has {count(images, 'image')}"
            if missed:
                told += f", and the split may give none of them to {missed}: add images, or leave it out"
                tested = f", test: {most}" * (self.test_images is None)
                few = most * self.classes
                tested += f", which are {few} to test in all" * (bool(tested) and few < FEW_TO_TEST)
                told += f"; {each}, of this one at most val: {most}{tested}" * (most > 0)
            yield told
        elif missed:
            mend = each if most else "add images"
            yield f"  the split may give no image of a class, such as {name}, to {missed}: {mend}"

    def _coarse(self) -> Iterator[str]:
        """That an accuracy moves in steps beyond the smallest effect of interest, or in large ones."""
        tested = 0 if self.parts is None else self.parts.test
        if not tested or not (100 / tested > self.sesoi if self.sesoi else tested < FEW_TO_TEST):
            return
        more = f", more than the smallest effect of interest, {self.sesoi:g}" if self.sesoi else ""
        mend = "hold out more to test" if self.test_images is None else "test on more images"
        points = f"{100 / tested:.3g} points of accuracy{more}"
        yield f"of {count(tested, 'test image')} one is worth {points}: {mend}"

    def _may_miss(self, images: int) -> str:
        """The part that more than one in twenty splits give none of so many images; "" if there is none."""
        if self.parts is None or self.per_class or self.divided is not None:
            return ""
        drawn = {"train on": self.parts.train, "validate": self.parts.val, "test": self.parts.test}
        if self.test_images is not None:
            del drawn["test"]
        chances = {part: (1 - n / self.images) ** images for part, n in drawn.items() if n}
        part = max(chances, key=lambda part: chances[part])
        return part if chances[part] > MISSED else ""

    def warnings(self) -> Iterator[str]:
        """Folders meant otherwise, maybe, pictures not read or cut, where resizing multiplies the work."""
        yield from self.doubts
        if self.divided is not None:
            yield from self._doubts_groups(self.divided)
        yield from self._coarse()
        alike: dict[str, list[str]] = {}
        for name in self.class_names:
            alike.setdefault("".join(name.split()).casefold(), []).append(name)
        for same in alike.values():
            if len(same) > 1:
                yield (
                    f"the classes {' and '.join(map(repr, same[:3]))} differ in spaces or capitals alone: "
                    "give them one name if they are one"
                )
        if self.parts is not None and self.batch_size > self.parts.train:
            yield (
                f"training.batch_size is {self.batch_size:,}, and there are {self.parts.train:,} images to "
                "train on: an epoch is a single step"
            )
        if self.images < 2 * self.classes:
            classes = count(self.classes, "class", "classes")
            yield f"{classes} of {count(self.images, 'image')}: are their names those of single images?"
        if self.survey is not None and (left := says_left_out(dict(self.survey.left_out))):
            yield f"among the images of {self.where} are not read: {left}"
        if self.survey is not None and self.survey.paged:
            files = count(self.survey.paged, "image file has", "image files have")
            yield (
                f"{files} several pages or frames, first {self.survey.first_paged}, and only the first"
                " page is read: save each page as a file of its own, or leave it if the first is meant"
            )
        if self.survey is not None and self.cropped and self.survey.central < CUT:
            yield (
                f"the central squares are {100 * self.survey.central:.0f} % of the images, and the rest is "
                "cut off: write fit: squash in dataset to keep all of them, or fit: crop if that is meant"
            )
        for shown in self.shown:
            if shown.unbuilt:
                yield f"{shown.network} cannot be built for images of {shown.side} pixels: {shown.unbuilt}"
        for key in dict.fromkeys(shown.key for shown in self.shown):
            side = max(shown.side for shown in self.shown if shown.key == key)
            times = (side / self.native) ** 2
            if times >= MULTIPLIED:
                who = [shown.network for shown in self.shown if shown.key == key and shown.side == side]
                names = ", ".join(dict.fromkeys(who))
                yield (
                    f"{key} shows {names} images of {self.native} pixels at {side}: {times:.3g} times the "
                    "work and no more detail; leave it out, unless a pretrained network wants that size"
                )


def own_data(
    protocol: Protocol,
    cells: Sequence[Cell],
    parts: Images | None = None,
    *,
    macs: bool = False,
    through: bool = False,
) -> OwnData | None:
    """What is known of a protocol's own images; None for a data set that is known without its files.

    `macs` counts multiply-adds, which takes torch and its seconds. `through` reads images that are not
    decoded yet to their end.

    Raises:
        InputError: images are damaged.
    """
    dataset = protocol.spec.dataset
    if dataset.info is not None or not dataset.in_files:
        return None
    where, settled = _where(dataset), dataset.known_side is not None
    known = dataset.looked_at()
    if known is None:
        key = {"arrays": "dataset.file", "huggingface": "dataset.path"}.get(dataset.name, "dataset.root")
        tried = in_full(Path(where), key) if getattr(dataset, "is_local", True) else ""
        lacking = dataset.lacking if isinstance(dataset, OwnImages) and dataset.folder.exists() else ""
        folder = key != "dataset.file"
        return OwnData(*(where, False, dataset.side, settled), tried=tried, in_folder=folder, lacking=lacking)
    read_through = not through or not isinstance(dataset, OwnImages) or dataset.read_through()
    survey = dataset.survey() if isinstance(dataset, OwnImages) else None
    return OwnData(
        where=where,
        there=True,
        side=dataset.side,
        settled=settled,
        images=known.images,
        test_images=known.test_images,
        classes=known.classes,
        channels=known.channels,
        parts=parts,
        survey=survey,
        smallest=known.smallest,
        per_class=dataset.split.per_class,
        unread=known.unread,
        use_set_apart=known.use_set_apart,
        doubts=(
            *known.doubts,
            *(dataset.doubts() if isinstance(dataset, OwnImages) else ()),
            *(survey.doubted_levels() if through and survey is not None else ()),  # else as it decodes
            *(examined_told(dataset) if through else ()),
        ),
        shown=tuple(_shown(protocol, cells, macs=macs and is_installed("torch"))),
        cropped=isinstance(dataset, OwnImages) and "fit" not in dataset.model_fields_set,
        read_through=read_through,
        class_names=known.class_names,
        batch_size=max((cell.training.batch_size for cell in cells if cell.train), default=0),
        sesoi=protocol.spec.analysis.sesoi if protocol.spec.analysis.metric == "test_top1" else None,
        divided=dataset.divided(),
        per_seed=dataset.split.seed == "per_seed",
    )


def examined_told(dataset: Dataset) -> Iterator[str]:
    """What a verdict may hang on of the images; nothing under a split that does not fit."""
    with contextlib.suppress(InputError):
        found = dataset.examined()
        yield from found.advises() if found is not None else ()


def _where(dataset: Dataset) -> str:
    return dataset.place if isinstance(dataset, OwnImages) else str(getattr(dataset, "file", dataset.name))


def _shown(protocol: Protocol, cells: Sequence[Cell], *, macs: bool) -> Iterator[Shown]:
    """Every network at every side, in the order of the cells."""
    seen: set[tuple[str, int, str]] = set()
    for cell in cells:
        if cell.members:
            continue
        side = shown_side(cell, "train")
        key = "dataset.resolution"
        if cell.size is not None:
            key = f"{cell.name}: size"
        elif cell.views.size is not None:
            key = "views.size"
        name = cell.name if cell.role == "teacher" else str(cell.student)
        if (name, side, key) not in seen:
            seen.add((name, side, key))
            why = _not_run(cell.model.name)
            if not macs or why:
                yield Shown(name, side, key, None, uncounted=why if macs else "")
            elif isinstance(found := _macs(protocol, cell), str):
                yield Shown(name, side, key, None, found)
            else:
                yield Shown(name, side, key, found)


def _millions(macs: float) -> str:
    """Three digits that count, whatever the size."""
    return f"{macs:,.0f} M" if macs >= 100 else f"{macs:.3g} M"


def _not_run(model: str) -> str:
    """Why a plan builds no such network, "" where it does."""
    if is_hub_model(model):
        return "a plan downloads no network from the hub"
    return "a plan does not run code of yours" if has_source(model) else ""


def _macs(protocol: Protocol, cell: Cell) -> float | str:
    """Of networks that are rigorkd's own or a library's.

    Raises:
        InputError: timm has no such model.
    """
    if cell.model.name.startswith("timm/") and is_installed("timm"):
        from rigorkd.models.timm_models import published

        published(cell.model.name.removeprefix("timm/"))
    from rigorkd.train.preflight import macs_of

    return macs_of(protocol, cell)
