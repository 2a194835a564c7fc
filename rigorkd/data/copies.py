"""Images that a data set has more than once: trained on and tested, or under two classes.

What a network was trained on it may know by heart. The pixels that networks are shown are compared, so that
it holds for files, arrays and tables alike. Images of one colour all over are no copies of one another: they
are told otherwise.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rigorkd.text import count

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels, Pixels, SourceArrays, Split

COMPARED = 4096
"""Bytes in the middle of an image that are compared first: all is read of those alone that agree in them."""
Namer = Callable[[int], str]
"""What somebody calls the image in a row; those of a test set count on behind the ones to split."""


@dataclass(frozen=True)
class Copies:
    """How many `test_images` are copies of images to train on, and how many images have two classes.

    Of each a pair of names; `of_two_classes` says that the pair of a copy is of two. Where every seed draws
    a split of its own, it is counted in that of `seed`.
    """

    test_images: int
    tested: int = 0
    pair: tuple[str, str] = ("", "")
    of_two_classes: bool = False
    mislabelled: int = 0
    labelled_pair: tuple[str, str] = ("", "")
    seed: int | None = None

    @property
    def share(self) -> float:
        """Of the test images, how many percent are copies."""
        return 100 * self.tested / self.test_images

    @property
    def says_tested(self) -> str:
        """What is to be said of test images that are trained on; "" where there are none."""
        if not self.tested:
            return ""
        verb = "is a copy of one" if self.tested == 1 else "are copies of some"
        where = "" if self.seed is None else f" in the split of seed {self.seed}"
        pair = " and ".join(self.pair) + ", say" + ", of two classes" * self.of_two_classes
        return (
            f"{self.tested:,} of {count(self.test_images, 'test image')} {verb} to train on{where} ({pair}): "
            "what may be known by heart is tested; remove one of the two"
        )

    @property
    def says_mislabelled(self) -> str:
        """The same of images that stand under two classes."""
        if not self.mislabelled:
            return ""
        stands = "stands" if self.mislabelled == 1 else "stand"
        pair = " and ".join(self.labelled_pair)
        return (
            f"{count(self.mislabelled, 'image')} {stands} under two classes ({pair}, say): one of the two "
            "labels must be wrong"
        )

    def says(self) -> Iterator[str]:
        """All that is to be said."""
        yield from filter(None, (self.says_tested, self.says_mislabelled))


def repeated(*parts: Pixels | None) -> tuple[tuple[int, ...], ...]:
    """Rows of equal images, in groups of two or more; rows of later parts count on."""
    images = [(part, row) for part in parts if part is not None for row in range(len(part))]
    alike = _grouped(range(len(images)), lambda row: _middle(*images[row]))
    groups = (
        group
        for rows in alike
        for group in _grouped(rows, lambda row: images[row][0][images[row][1]].tobytes())
    )
    return tuple(sorted(group for group in groups if not _is_flat(*images[group[0]])))


def _grouped(rows: range | tuple[int, ...], content: Callable[[int], bytes]) -> Iterator[tuple[int, ...]]:
    found: defaultdict[bytes, list[int]] = defaultdict(list)
    for row in rows:
        found[hashlib.blake2b(content(row), digest_size=16).digest()].append(row)
    return (tuple(group) for group in found.values() if len(group) > 1)


def _middle(part: Pixels, row: int) -> bytes:
    flat = part[row].reshape(-1)
    start = max(0, (flat.size - COMPARED) // 2)
    return bytes(flat[start : start + COMPARED].tobytes())


def _is_flat(part: Pixels, row: int) -> bool:
    return bool((part[row] == part[row][:, :1, :1]).all())


def copies_in(
    groups: tuple[tuple[int, ...], ...],
    labels: Labels,
    test_labels: Labels | None,
    split: Split,
    named: Namer,
    seed: int = 0,
) -> Copies | None:
    """What is to be known of repeated images under a split; None where there is nothing.

    Raises:
        InputError: the sizes of the split do not fit.
    """
    if not groups:
        return None
    import numpy as np

    from rigorkd.data.splits import draw_split

    per_seed = split.seed == "per_seed"
    parts = draw_split(split, labels, test_labels, seed if split.seed == "per_seed" else split.seed)
    pool = len(labels)
    classes = labels if test_labels is None else np.concatenate([labels, test_labels])
    trained = set(parts.train.tolist())
    tested = {int(row) + (pool if test_labels is not None else 0) for row in parts.test}
    pairs = []
    for group in groups:
        if learnt := [row for row in group if row in trained]:
            pairs += [(row, learnt[0]) for row in group if row in tested]
    pair = next((pair for pair in pairs if classes[pair[0]] != classes[pair[1]]), next(iter(pairs), None))
    double = [(group[0], _other(group, classes)) for group in groups if len(set(classes[list(group)])) > 1]
    if pair is None and not double:
        return None
    return Copies(
        len(tested),
        len(pairs),
        ("", "") if pair is None else (named(pair[0]), named(pair[1])),
        pair is not None and bool(classes[pair[0]] != classes[pair[1]]),
        len(double),
        (named(double[0][0]), named(double[0][1])) if double else ("", ""),
        seed if per_seed and pairs else None,
    )


def _other(group: tuple[int, ...], classes: Labels) -> int:
    """The first of a group that is of another class than the first of all."""
    return next(row for row in group if classes[row] != classes[group[0]])


def copies_of(source: SourceArrays, split: Split, named: Namer, seed: int = 0) -> Copies | None:
    """The same of images that are read already."""
    groups = repeated(source.images, source.test_images)
    return copies_in(groups, source.labels, source.test_labels, split, named, seed)
