"""Facts of data sets that a protocol can be checked against without loading anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rigorkd.protocol.schema import Cars, Cifar100, Dataset, ImageFolder, Pets, Synthetic


@dataclass(frozen=True)
class Facts:
    """A data set's shape. `images` are those to split; `test_images` is None if the split makes the test set.

    `size` is the side in pixels; where images differ in size, that of the squares they are stored as.
    """

    title: str
    images: int
    test_images: int | None
    classes: int
    channels: int
    size: int


_FACTS = {
    "digits": Facts("digits", 1_797, None, 10, 1, 8),
    "cifar10": Facts("CIFAR-10", 50_000, 10_000, 10, 3, 32),
    "cifar100": Facts("CIFAR-100", 50_000, 10_000, 100, 3, 32),
    "oxford_pets": Facts("Oxford-IIIT Pets", 3_680, 3_669, 37, 3, 256),
    "stanford_cars": Facts("Stanford Cars", 8_144, 8_041, 196, 3, 256),
    "tiny_imagenet": Facts("Tiny ImageNet", 100_000, 10_000, 200, 3, 64),
}


def facts(dataset: Dataset) -> Facts | None:
    """The facts of a data set, or None for a user's own folder of images.

    The folder is not looked at: what a protocol means must not depend on the files of a machine.
    """
    if isinstance(dataset, Synthetic):
        return Facts(
            "synthetic", dataset.images, dataset.test_images, dataset.classes, dataset.channels, dataset.size
        )
    known = _FACTS.get(dataset.name)
    if known is not None and isinstance(dataset, Cifar100) and dataset.labels == "coarse":
        return replace(known, classes=20)
    if known is not None and isinstance(dataset, Pets | Cars):
        return replace(known, size=dataset.resolution)
    return known


def side_of(dataset: Dataset) -> int:
    """The side in pixels of the square images that views are given."""
    if isinstance(dataset, ImageFolder):
        return dataset.resolution
    known = facts(dataset)
    assert known is not None, "only a folder's other facts are unknown"
    return known.size
