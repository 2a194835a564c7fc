"""Loading a data set: source arrays → split → label noise on the training labels → tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rigorkd.data.dataset import Dataset, SourceArrays
from rigorkd.data.image_data import ImageData, StoredImages, Subset
from rigorkd.data.splits import add_label_noise, draw_split

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels, Pixels


def load(dataset: Dataset, seed: int) -> ImageData:
    """Load and split a data set; `seed` is the run's seed and matters only with `split.seed: per_seed`.

    Raises:
        InputError: files are missing or damaged, or the sizes of the split do not fit.
    """
    source, checksum = dataset.read()
    split_seed = seed if dataset.split.seed == "per_seed" else dataset.split.seed
    parts = draw_split(dataset.split, source.labels, source.test_labels, split_seed, source.groups)
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
        train=_subset(source, source.images, train_labels, parts.train),
        val=_subset(source, source.images, source.labels[parts.val], parts.val),
        test=_subset(source, test_images, test_labels[parts.test], parts.test),
        class_names=source.class_names,
        checksum=checksum,
    )


def _subset(source: SourceArrays, images: Pixels, labels: Labels, index: Labels) -> Subset:
    """The images of `index`, which ascends without repeats; those of a mapped source stay where they are."""
    where = torch.from_numpy(index)
    if source.mapped:
        return Subset(StoredImages(torch.from_numpy(images), where), torch.from_numpy(labels), where)
    picked = images if len(index) == len(images) else images[index]  # all of them: no copy
    return Subset(torch.from_numpy(np.ascontiguousarray(picked)), torch.from_numpy(labels), where)
