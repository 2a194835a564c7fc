"""Splits and label noise: which images are used for what. A pure function of sizes, labels and a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rigorkd.data.dataset import ImageGroups, Split
from rigorkd.data.random import stream
from rigorkd.errors import InputError
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    from rigorkd.data.dataset import Labels


@dataclass(frozen=True, eq=False)
class SplitIndex:
    """Positions in the source, ascending; `test` counts in the source's own test set where it has one."""

    train: Labels
    val: Labels
    test: Labels


@dataclass(frozen=True)
class Part:
    """One part of a split by groups: its images, their groups, the classes that it is without.

    `asked` is the number of images that the split asks for, None for a part that takes what is left.
    """

    images: int
    groups: int
    asked: int | None
    without: tuple[str, ...]


@dataclass(frozen=True)
class Divided:
    """What a split by groups comes to; `alone` says that each image is a group of its own."""

    by: str
    train: Part
    val: Part
    test: Part
    alone: bool

    @property
    def parts(self) -> dict[str, Part]:
        """By what each is for."""
        return {"train on": self.train, "validate": self.val, "test": self.test}


def draw_split(
    split: Split,
    labels: Labels,
    test_labels: Labels | None,
    seed: int,
    groups: ImageGroups | None = None,
) -> SplitIndex:
    """Draw disjoint parts; sizes are per class, and the parts stratified, only with `per_class`.

    Without a test set of the source's own, `split.test` images are taken from the pool. With one, the whole
    of it is the test set unless `split.test` limits it. `split.train` limits what is left for training. With
    `groups` no group is in two parts, and all parts are as stratified as whole groups can be.

    Raises:
        InputError: the sizes do not fit, a test set must be given and is not, or the groups do not divide so.
    """
    if test_labels is None and split.test is None:
        raise InputError(
            "this data set has no test set of its own",
            hint="give dataset.split.test, the number of test images to hold out",
        )
    if groups is not None:
        return _draw_groups(split, labels, test_labels, seed, groups)
    if test_labels is None:
        test, val, train = _take(split, labels, (split.test, split.val, split.train), stream(seed, "split"))
        return SplitIndex(train, val, test)
    val, train = _take(split, labels, (split.val, split.train), stream(seed, "split"))
    test = np.arange(len(test_labels))
    if split.test is not None:
        (test,) = _take(split, test_labels, (split.test,), stream(seed, "split/test"))
    return SplitIndex(train, val, test)


def divide(
    split: Split, labels: Labels, test_labels: Labels | None, seed: int, groups: ImageGroups
) -> Divided:
    """What `draw_split` comes to with groups. Raises InputError as it does."""
    drawn = draw_split(split, labels, test_labels, seed, groups)
    each = len(np.unique(labels)) if split.per_class else 1

    def part(index: Labels, asked: int | None, *, own_test: bool = False) -> Part:
        of, classes = (groups.test, test_labels) if own_test else (groups.pool, labels)
        assert of is not None
        assert classes is not None
        lacking = sorted(set(range(len(groups.classes))) - set(classes[index].tolist()))
        without = tuple(groups.classes[label] for label in lacking)
        return Part(len(index), len(np.unique(of[index])), None if asked is None else each * asked, without)

    return Divided(
        groups.by,
        part(drawn.train, split.train),
        part(drawn.val, split.val),
        part(drawn.test, split.test, own_test=test_labels is not None),
        alone=len(np.unique(groups.pool)) == len(labels),
    )


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


# ------------------------------------------------------------------------------------------- whole groups

_STEPS = 20_000
"""Groups times classes that all tries look at together, so that drawing takes a fraction of a second."""
_TRIES = 50
"""A single greedy pass leaves few large groups badly divided; the best of so many passes is taken."""


def _draw_groups(
    split: Split, labels: Labels, test_labels: Labels | None, seed: int, groups: ImageGroups
) -> SplitIndex:
    """As `draw_split`. Of several random passes over the groups the one whose parts are nearest to asked."""
    if test_labels is not None and groups.test is not None:
        _refuse_shared(groups)
    asked = (
        {"test": split.test or 0, "validate": split.val} if test_labels is None else {"validate": split.val}
    )
    asked = {part: size for part, size in asked.items() if size}
    each = len(np.unique(labels)) if split.per_class else 1
    wanted = each * (sum(asked.values()) + (split.train or 0))
    if wanted + (not split.train) > len(labels):
        raise InputError(
            f"dataset.split asks for {wanted:,} images{' and a rest for training' * (not split.train)}, but "
            f"there are only {count(len(labels), 'image')}",
            hint="lower split.train, split.val or split.test",
        )
    content = _classes_of(labels, groups.pool)
    if asked:
        _refuse_too_few(groups, content, asked)
    all_images = Counter(labels.tolist())
    targets = {
        part: {k: size if split.per_class else size * n / len(labels) for k, n in all_images.items()}
        for part, size in asked.items()
    }
    generator = stream(seed, "split/groups")
    steps = sum(map(len, content.values()))
    best: tuple[float, dict[str, list[int]]] | None = None
    for _ in range(max(1, min(_TRIES, _STEPS // steps)) if asked else 0):
        order = generator.permutation(list(content)).tolist()
        found = _one_pass(content, order, targets)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    if best is None and asked:
        raise InputError(
            f"{groups.by}: its {count(len(content), 'group')} cannot be divided into parts to "
            f"{' and to '.join((*asked, 'train on'))} so that each class is left to train on",
            hint="too many classes have only two groups"
            + (": validate on nothing (split.val: 0, with select: last)" * (len(asked) > 1))
            + ", or add images of other groups",
        )
    taken = {} if best is None else best[1]
    rows = {part: np.flatnonzero(np.isin(groups.pool, chosen)) for part, chosen in taken.items()}
    rest = np.flatnonzero(~np.isin(groups.pool, [group for chosen in taken.values() for group in chosen]))
    if split.train:
        _refuse_small_rest(split, labels, rest)
        rest = rest[_take(split, labels[rest], (split.train,), stream(seed, "split"))[0]]
    none = np.empty(0, np.int64)
    val, test = rows.get("validate", none), rows.get("test", none)
    if test_labels is not None:
        test = np.arange(len(test_labels))
        if split.test is not None:
            (test,) = _take(split, test_labels, (split.test,), stream(seed, "split/test"))
    return SplitIndex(rest, val, test)


def _classes_of(labels: Labels, of: Labels) -> dict[int, Counter[int]]:
    """The images of each class in each group."""
    found: dict[int, Counter[int]] = {int(group): Counter() for group in np.unique(of)}
    for group, label in zip(of.tolist(), labels.tolist(), strict=True):
        found[group][label] += 1
    return found


def _one_pass(
    content: Mapping[int, Counter[int]], order: Sequence[int], targets: Mapping[str, Mapping[int, float]]
) -> tuple[float, dict[str, list[int]]] | None:
    """Go through the groups once for each part, and take those that bring it nearer to what is asked.

    The last group of a class stays to train on, and a group for each part that is drawn later where the class
    has as many. None if a part gets no group.
    """
    left = Counter(label for group in content.values() for label in group)  # groups, by class
    enough = {label for label, n in left.items() if n > len(targets)}
    free, taken, total = list(order), dict[str, list[int]](), 0.0
    for later, (part, target) in zip(range(len(targets) - 1, -1, -1), targets.items(), strict=True):
        chosen, loss = list[int](), _Loss(target)
        spared = {label: 1 + later * (label in enough) for label in left}
        may = [group for group in free if all(left[label] > spared[label] for label in content[group])]
        for group in may:
            images = content[group]
            if all(left[label] > spared[label] for label in images) and loss.change(images) < 0:
                chosen.append(group)
                loss.add(images)
                left.subtract(images.keys())
        if not chosen:
            if not may:
                return None
            nearest = min(may, key=lambda group: loss.change(content[group]))
            chosen.append(nearest)
            loss.add(content[nearest])
            left.subtract(content[nearest].keys())
        gone = set(chosen)
        free = [group for group in free if group not in gone]
        taken[part] = chosen
        total += loss.value
    return total, taken


class _Loss:
    """How far a part is from what is asked of it: by class and in all, each squared over what is asked.

    A class without an image counts as much as a part of no images, or of twice those asked.
    """

    def __init__(self, target: Mapping[int, float]) -> None:
        self._target = target
        self._asked = sum(target.values())
        self._has: Counter[int] = Counter()
        self._images = 0
        self.value = self._asked + sum(target.values()) + len(target) * self._asked

    def change(self, images: Mapping[int, int]) -> float:
        """What adding a group does to it."""
        more = sum(images.values())
        total = self._images - self._asked
        change = ((total + more) ** 2 - total**2) / self._asked
        for label, n in images.items():
            asked, off = self._target[label], self._has[label] - self._target[label]
            change += ((off + n) ** 2 - off**2) / asked - (self._asked if not self._has[label] else 0.0)
        return change

    def add(self, images: Mapping[int, int]) -> None:
        self.value += self.change(images)
        self._has.update(images)
        self._images += sum(images.values())


def _refuse_shared(groups: ImageGroups) -> None:
    """InputError where a group is in a test set of the source's own and among the images to split."""
    assert groups.test is not None
    shared = sorted(set(groups.pool.tolist()) & set(groups.test.tolist()))
    if shared:
        names = [groups.names[group] for group in shared]
        raise InputError(
            f"{groups.by}: {count(len(names), 'group')} with images to train on {_has(names)} test images, "
            f"too: {some_of(names, 5)}",
            hint="move all images of a group to one side; or put train and test together, and let "
            "split.test divide them",
        )


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _refuse_too_few(
    groups: ImageGroups, content: Mapping[int, Counter[int]], asked: Mapping[str, int]
) -> None:
    """InputError with fewer groups than parts, or where a class to be tested is of one group alone."""
    parts = (*asked, "train on")
    if len(content) < len(parts):
        some = some_of([groups.names[group] for group in content], 5)
        raise InputError(
            f"{groups.by}: the images are of {count(len(content), 'group')} ({some}), too few for "
            f"{len(parts)} parts without a group in two of them ({', '.join(parts)})",
            hint="see that it tells the groups apart; or add images of other groups"
            + ("; or validate on nothing (split.val: 0, with select: last)" * (len(parts) > 2)),
        )
    if "test" not in asked:
        return
    of_class = Counter(label for images in content.values() for label in images)
    lone = sorted(label for label, n in of_class.items() if n == 1)
    if lone:
        only = next(group for group, images in content.items() if lone[0] in images)
        more = f" (so has {some_of([groups.classes[label] for label in lone[1:]], 3)})" * (len(lone) > 1)
        raise InputError(
            f"{groups.by}: the class {groups.classes[lone[0]]} has images of one group alone, "
            f"{groups.names[only]}{more}: it would be trained on and never tested, "
            "or tested and never trained on",
            hint="add images of the class from other groups, or leave the class out; or see that it tells "
            "the groups apart",
        )


def _refuse_small_rest(split: Split, labels: Labels, rest: Labels) -> None:
    """InputError where whole groups leave fewer images to train on than `split.train` asks for."""
    assert split.train is not None
    few = min(Counter(labels[rest].tolist()).values()) if split.per_class else len(rest)
    if split.train > few:
        raise InputError(
            f"dataset.split asks for {split.train:,} images{' of each class' * split.per_class} to train on, "
            f"and whole groups leave {few:,}{' of one' * split.per_class}",
            hint="lower split.train, or leave it out and train on all that are left",
        )
