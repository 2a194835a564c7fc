"""Splits and label noise: which images are used for what. A pure function of sizes, labels and a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rigorkd.data.dataset import Split
from rigorkd.data.random import stream
from rigorkd.errors import InputError
from rigorkd.text import count

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels


@dataclass(frozen=True, eq=False)
class SplitIndex:
    """Positions in the source, ascending; `test` counts in the source's own test set where it has one."""

    train: Labels
    val: Labels
    test: Labels


def draw_split(split: Split, labels: Labels, test_labels: Labels | None, seed: int) -> SplitIndex:
    """Draw disjoint parts; sizes are per class, and the parts stratified, only with `per_class`.

    Without a test set of the source's own, `split.test` images are taken from the pool. With one, the whole
    of it is the test set unless `split.test` limits it. `split.train` limits what is left for training.

    Raises:
        InputError: the sizes do not fit, or a test set must be given and is not.
    """
    if test_labels is None:
        if split.test is None:
            raise InputError(
                "this data set has no test set of its own",
                hint="give dataset.split.test, the number of test images to hold out",
            )
        test, val, train = _take(split, labels, (split.test, split.val, split.train), stream(seed, "split"))
        return SplitIndex(train, val, test)
    val, train = _take(split, labels, (split.val, split.train), stream(seed, "split"))
    test = np.arange(len(test_labels))
    if split.test is not None:
        (test,) = _take(split, test_labels, (split.test,), stream(seed, "split/test"))
    return SplitIndex(train, val, test)


def add_label_noise(labels: Labels, rate: float, classes: int, seed: int) -> Labels:
    """Replace exactly round(rate · n) labels, each by one of the other classes, uniformly."""
    generator = stream(seed, "label noise")
    wrong = generator.choice(len(labels), round(rate * len(labels)), replace=False)
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + generator.integers(1, classes, len(wrong))) % classes
    return noisy


def _take(
    split: Split, labels: Labels, sizes: tuple[int | None, ...], generator: np.random.Generator
) -> list[Labels]:
    """Disjoint random parts of the given sizes, in that order; None takes the rest."""
    pools = [np.flatnonzero(labels == label) for label in np.unique(labels)] if split.per_class else None
    parts: list[list[Labels]] = [[] for _ in sizes]
    for pool in pools if pools is not None else [np.arange(len(labels))]:
        wanted = sum(size or 0 for size in sizes)
        if wanted > len(pool) or (None in sizes and wanted == len(pool)):
            raise InputError(
                f"dataset.split asks for {wanted:,} images{' and a rest for training' * (None in sizes)}, "
                f"but there are only {count(len(pool), 'image')}{' of one class' * split.per_class}",
                hint="lower split.train, split.val or split.test",
            )
        order, start = generator.permutation(pool), 0
        for part, size in zip(parts, sizes, strict=True):
            stop = len(order) if size is None else start + size
            part.append(order[start:stop])
            start = stop
    return [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]
