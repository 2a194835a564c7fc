"""Tiny ImageNet (Stanford CS231n): 200 classes of 64×64 images.

    <root>/tiny-imagenet-200/train/n01443537/images/n01443537_0.JPEG
    <root>/tiny-imagenet-200/val/images/val_0.JPEG, val/val_annotations.txt
    <root>/tiny-imagenet-200/wnids.txt, words.txt

`val` is the test set, as everywhere: the published `test` has no labels, and is not read. Classes are the
WordNet ids in sorted order, as torchvision's ImageFolder numbers them (`wnids.txt` has another order).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rigorkd.data.dataset import DatasetInfo
from rigorkd.data.decoded import ImageFiles
from rigorkd.data.image_files import (
    Archive,
    ImageFile,
    ImageIndex,
    Layout,
    PublishedFiles,
    images_below,
    read_lines,
    refuse_absent,
)
from rigorkd.errors import InputError

_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
_VAL = "val/val_annotations.txt"


def index(folder: Path) -> ImageIndex:
    """Read ids, words and annotations. Raises InputError for a class without images, or a foreign line."""
    ids = sorted(line.strip() for line in read_lines(folder / "wnids.txt"))
    labels = {wnid: label for label, wnid in enumerate(ids)}
    train: list[ImageFile] = []
    for wnid in ids:
        images = images_below(folder, f"train/{wnid}")
        if not images:
            raise InputError(
                f"{folder / 'train' / wnid / 'images'}: no image of this class, which wnids.txt lists",
                hint=f"unpack {_URL} there again",
            )
        train += [ImageFile(name, labels[wnid]) for name in images]
    test: list[ImageFile] = []
    for line in read_lines(folder / _VAL):
        image, wnid, *_ = [*line.split("\t"), ""]
        if wnid.strip() not in labels:
            raise InputError(
                f"{folder / _VAL}: {line[:60]!r} names no class of wnids.txt",
                hint=f"unpack {_URL} there again",
            )
        test.append(ImageFile(f"val/images/{image}", labels[wnid.strip()]))
    refuse_absent(folder, test, _VAL)
    words = dict(line.split("\t", 1) for line in read_lines(folder / "words.txt") if "\t" in line)
    names = tuple(words.get(wnid, wnid).split(",")[0].strip() for wnid in ids)
    return ImageIndex(names, tuple(train), tuple(test))


TINY_IMAGENET = Layout(
    folder="tiny-imagenet-200",
    parts=("train", "val/images", _VAL, "wnids.txt", "words.txt"),
    advice=f"unpack {_URL} into {{place}}",
    index=index,
    archives=(Archive(_URL, "90528d7ca1a48142e341f4ef8d21d0de"),),
    unpacked="tiny-imagenet-200",
)


class TinyImageNet(PublishedFiles, ImageFiles):
    """Tiny ImageNet: 200 classes of 64×64 images."""

    layout = TINY_IMAGENET
    name: Literal["tiny_imagenet"]

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("Tiny ImageNet", 100_000, 10_000, classes=200, channels=3, size=64)
