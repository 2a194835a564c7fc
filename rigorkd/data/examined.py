"""What of images a verdict may hang on: trained on and tested, under two classes, of classes never tested.

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

from rigorkd.text import count, some_of

if TYPE_CHECKING:
    from rigorkd.data.dataset import ImageGroups, Labels, Pixels, Split

COMPARED = 4096
"""Bytes in the middle of an image that are compared first: all is read of those alone that agree in them."""
FEW_TESTED = 5
"""Of a class with fewer test images than this, and than half of its share, it is said."""
Namer = Callable[[int], str]
"""What somebody calls the image in a row; those of a test set count on behind the ones to split."""


@dataclass(frozen=True)
class Examined:
    """What of a user's own images a verdict may hang on, under the split that is drawn of them.

    Of the `test_images` so many, `tested`, are copies of images to train on, and so many images,
    `mislabelled`, have two classes; of each a pair of names. `of_two_classes` says that the pair of a copy is
    of two. Of the classes among which networks choose, some are `untested`, and some have few test images.
    Where every seed draws a split of its own, it is that of `seed`. `clusters` says of every test image, in
    order, in which group it is, where images are grouped and all seeds test the same ones.
    """

    test_images: int
    classes: int
    tested: int = 0
    pair: tuple[str, str] = ("", "")
    of_two_classes: bool = False
    mislabelled: int = 0
    labelled_pair: tuple[str, str] = ("", "")
    untested: tuple[str, ...] = ()
    few_tested: tuple[str, ...] = ()
    seed: int | None = None
    clusters: tuple[int, ...] = ()

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
        pair = " and ".join(self.pair) + ", say" + ", of two classes" * self.of_two_classes
        return (
            f"{self.tested:,} of {count(self.test_images, 'test image')} {verb} to train on{self._where} "
            f"({pair}): what may be known by heart is tested; remove one of the two"
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

    @property
    def says_untested(self) -> str:
        """The same of classes that no test image has."""
        if not self.untested:
            return ""
        one = len(self.untested) == 1
        return (
            f"no test image{self._where} is of {some_of(self.untested, 3)}: networks choose among "
            f"{self.classes} classes, and the accuracy says nothing of {'this one' if one else 'these'}"
        )

    @property
    def _where(self) -> str:
        return "" if self.seed is None else f" in the split of seed {self.seed}"

    def says(self) -> Iterator[str]:
        """All that is to be said once there are results."""
        yield from filter(None, (self.says_tested, self.says_mislabelled, self.says_untested))

    def advises(self) -> Iterator[str]:
        """All that is to be said before."""
        yield from self.says()
        if self.few_tested:
            yield (
                f"fewer than {FEW_TESTED} test images{self._where} are of {some_of(self.few_tested, 3)}: the "
                "accuracy hardly depends on how they are told"
            )


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


def examine(
    groups: tuple[tuple[int, ...], ...],
    labels: Labels,
    test_labels: Labels | None,
    class_names: tuple[str, ...],
    split: Split,
    named: Namer,
    seed: int = 0,
    kept: ImageGroups | None = None,
) -> Examined | None:
    """What is to be known of a split, and of `groups` of rows of equal images; None where there is nothing.

    `kept` are the groups of images that the split keeps together.

    Raises:
        InputError: the sizes of the split do not fit.
    """
    import numpy as np

    from rigorkd.data.splits import draw_split

    parts = draw_split(split, labels, test_labels, seed if split.seed == "per_seed" else split.seed, kept)
    own = 0 if test_labels is None else len(labels)  # rows of a test set of its own come behind
    classes = labels if test_labels is None else np.concatenate([labels, test_labels])
    trained, tested = set(parts.train.tolist()), {own + row for row in parts.test.tolist()}
    pairs = []
    for group in groups:
        if learnt := [row for row in group if row in trained]:
            pairs += [(row, learnt[0]) for row in group if row in tested]
    pair = next((pair for pair in pairs if classes[pair[0]] != classes[pair[1]]), next(iter(pairs), None))
    double = [(group[0], _other(group, classes)) for group in groups if len(set(classes[list(group)])) > 1]
    many = np.bincount(classes[sorted(tested)], minlength=len(class_names)).tolist()
    few = [(name, n) for name, n in zip(class_names, many, strict=True) if _is_few(n, many)]
    of = None if kept is None or split.tests_per_seed else kept.test if own else kept.pool
    clusters = () if of is None else tuple(of[parts.test].tolist())
    if pair is None and not double and not few and not clusters:
        return None
    return Examined(
        len(tested),
        len(class_names),
        len(pairs),
        ("", "") if pair is None else (named(pair[0]), named(pair[1])),
        pair is not None and bool(classes[pair[0]] != classes[pair[1]]),
        len(double),
        (named(double[0][0]), named(double[0][1])) if double else ("", ""),
        tuple(name for name, n in few if not n),
        tuple(name for name, n in few if n),
        seed if split.seed == "per_seed" else None,
        clusters,
    )


def _other(group: tuple[int, ...], classes: Labels) -> int:
    """The first of a group that is of another class than the first of all."""
    return next(row for row in group if classes[row] != classes[group[0]])


def _is_few(n: int, many: list[int]) -> bool:
    """Whether a class is tested by none, or by fewer than `FEW_TESTED` and half of an equal share."""
    return n == 0 or (n < FEW_TESTED and 2 * n * len(many) < sum(many))
