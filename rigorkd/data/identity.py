"""What a data set is, as one checksum for the run hash; computed without torch and without loading it.

Loading verifies that it got what was hashed here: digits against a constant, CIFAR file by file, image files
when they are decoded, and the synthetic source is a function of its parameters and a version.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from rigorkd.data.decoded import known_checksum
from rigorkd.files import file_md5
from rigorkd.protocol.schema import (
    Cars,
    Cifar10,
    Cifar100,
    Dataset,
    Digits,
    ImageFolder,
    Pets,
    Synthetic,
    TinyImageNet,
)

DIGITS_SHA256 = "0b7e9c3202d7bcd255d6a19a238d3743bf5e320ba74812a6679958a017c55382"
"""SHA-256 of the digits' uint8 pixels followed by their int64 labels, little endian."""

SYNTHETIC_VERSION = 1
"""Raised whenever the synthetic source draws other images from the same parameters."""


@dataclass(frozen=True)
class DataFile:
    """One file of a published data set, with the MD5 that its authors (and torchvision) give."""

    name: str
    md5: str


@dataclass(frozen=True)
class FileLayout:
    """Where a published data set lies under its root."""

    folder: str
    archive: str
    train: tuple[DataFile, ...]
    test: tuple[DataFile, ...]
    meta: DataFile

    @property
    def files(self) -> tuple[DataFile, ...]:
        """The files with images and labels; the names of the classes change no result."""
        return self.train + self.test


CIFAR10 = FileLayout(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    train=(
        DataFile("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        DataFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        DataFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        DataFile("data_batch_4", "634d18415352ddfa80567beed471001a"),
        DataFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ),
    test=(DataFile("test_batch", "40351d587109b95175f43aff81a1287e"),),
    meta=DataFile("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
)
CIFAR100 = FileLayout(
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    train=(DataFile("train", "16019d7e3df5f24257cddd939b257f8d"),),
    test=(DataFile("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
    meta=DataFile("meta", "7973b15100ade9c7d40fb424638fde48"),
)


def file_layout(dataset: Cifar10 | Cifar100) -> FileLayout:
    """The files of a CIFAR data set."""
    return CIFAR10 if isinstance(dataset, Cifar10) else CIFAR100


def data_folder(dataset: Cifar10 | Cifar100) -> Path:
    """The folder that holds (or will hold) the files of a CIFAR data set."""
    return Path(dataset.root).expanduser() / file_layout(dataset).folder


def data_checksum(dataset: Dataset) -> str:
    """A hexadecimal SHA-256 that changes whenever the source's images or labels do.

    CIFAR files that are not there yet count with their published MD5, which a download satisfies. Image files
    that were not decoded yet have no checksum to show, and count as unread: `prepare` first for the true one.
    Split, label noise, the kind of labels and the stored size are not part of it: they are settings, hashed
    with the cell.
    """
    found = checksum_at_hand(dataset)
    if found is not None:
        return found
    if isinstance(dataset, Cifar10 | Cifar100):
        return _cifar_checksum(dataset)
    return _sha256({"source": dataset.name, "images": "unread"})


def checksum_at_hand(dataset: Dataset) -> str | None:
    """The checksum of data that can be loaded now, or None if files are missing or images not decoded yet."""
    match dataset:
        case Digits():
            return DIGITS_SHA256
        case Synthetic():
            drawn = dataset.model_dump(include=_SYNTHETIC_PARAMETERS)
            return _sha256({"source": "synthetic", "version": SYNTHETIC_VERSION, **drawn})
        case Cifar10() | Cifar100():
            folder, layout = data_folder(dataset), file_layout(dataset)
            there = all((folder / file.name).is_file() for file in (*layout.files, layout.meta))
            return _cifar_checksum(dataset) if there else None
        case Pets() | Cars() | TinyImageNet() | ImageFolder():
            return known_checksum(dataset)


def _cifar_checksum(dataset: Cifar10 | Cifar100) -> str:
    folder = data_folder(dataset)
    md5s = {file.name: file_md5(folder / file.name) or file.md5 for file in file_layout(dataset).files}
    return _sha256({"source": dataset.name, **md5s})


_SYNTHETIC_PARAMETERS = {"size", "channels", "classes", "images", "test_images", "noise", "seed"}


def _sha256(facts: dict[str, str | int | float]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
