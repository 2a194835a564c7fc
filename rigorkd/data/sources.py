"""Loading a data set: source arrays → split → label noise on the training labels → tensors.

    load(dataset, seed)     what training sees
    prepare(dataset)        downloads what is missing and may be downloaded; call once, before any worker

Sources have one file each: digits, cifar, synthetic.
"""

from __future__ import annotations

import numpy as np
import torch

from rigorkd.data.arrays import Labels, Pixels, SourceArrays
from rigorkd.data.cifar import load_cifar, prepare_cifar
from rigorkd.data.digits import load_digits
from rigorkd.data.identity import data_checksum
from rigorkd.data.images import ImageData, Subset
from rigorkd.data.splits import add_label_noise, draw_split
from rigorkd.data.synthetic import draw_synthetic
from rigorkd.errors import NotBuiltError
from rigorkd.protocol.schema import Cifar10, Cifar100, Dataset, Digits, Synthetic


def load(dataset: Dataset, seed: int) -> ImageData:
    """Load and split a data set; `seed` is the run's seed and matters only with `split.seed: per_seed`.

    Raises:
        InputError: files are missing or damaged, or the sizes of the split do not fit.
        NotBuiltError: the source has no loader in this version.
    """
    source = _read(dataset)
    split_seed = seed if dataset.split.seed == "per_seed" else dataset.split.seed
    parts = draw_split(dataset.split, source.labels, source.test_labels, split_seed)
    classes = len(source.class_names)
    train_labels = source.labels[parts.train]
    if dataset.label_noise:
        train_labels = add_label_noise(train_labels, dataset.label_noise, classes, split_seed)
    own_test = source.test_images is not None and source.test_labels is not None
    test_images = source.test_images if own_test else source.images
    test_labels = source.test_labels if own_test else source.labels
    assert test_images is not None
    assert test_labels is not None
    return ImageData(
        train=_subset(source.images, train_labels, parts.train),
        val=_subset(source.images, source.labels[parts.val], parts.val),
        test=_subset(test_images, test_labels[parts.test], parts.test),
        class_names=source.class_names,
        checksum=data_checksum(dataset),
    )


def prepare(dataset: Dataset) -> None:
    """Make sure that the files of a data set are there, downloading them if the protocol says so.

    Raises:
        InputError: files are missing, and downloading is off or failed.
    """
    if isinstance(dataset, Cifar10 | Cifar100):
        prepare_cifar(dataset)


def _read(dataset: Dataset) -> SourceArrays:
    match dataset:
        case Digits():
            return load_digits()
        case Synthetic():
            return draw_synthetic(dataset)
        case Cifar10() | Cifar100():
            return load_cifar(dataset)
    raise NotBuiltError(f"data set {dataset.name!r} cannot be loaded by this version")


def _subset(images: Pixels, labels: Labels, index: Labels) -> Subset:
    whole = len(index) == len(images)  # index ascends without repeats, so this is every image: no copy
    picked = images if whole else images[index]
    return Subset(
        torch.from_numpy(np.ascontiguousarray(picked)), torch.from_numpy(labels), torch.from_numpy(index)
    )
