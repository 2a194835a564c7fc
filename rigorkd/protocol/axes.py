"""Reading lists as axes: what a group or a grid writes, as the choices that it stands for.

A list is an axis. A mapping with lists inside stands for the product of its inner axes. Keys whose values are
lists by nature (`views.train`, `betas`, `temperatures`) take a list as one value, lists of lists as an axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from rigorkd.problems import ExpansionError, Path, Problem

MOST_CHOICES = 10_000


@dataclass(frozen=True)
class Choice:
    """One value of an axis. `inner` places the keys of a mapping; `varied` are its keys that are axes.

    `edge` says that this is the first or last value of its axis and of every inner one.
    """

    value: Any
    path: Path
    inner: dict[str, Path] = field(default_factory=dict)
    varied: tuple[str, ...] = ()
    edge: bool = True

    def place(self, rest: Path) -> Path:
        """The path in the file of `rest`, a path inside the value."""
        if rest and isinstance(rest[0], str) and rest[0] in self.inner:
            return (*self.inner[rest[0]], *rest[1:])
        return (*self.path, *rest)


def choices(value: Any, path: Path, *, lists: Iterable[str] = ()) -> tuple[Choice, ...]:
    """The choices that a value stands for; `lists` are the keys whose values are lists by nature."""
    items = [(value, path)]
    if isinstance(value, tuple):
        items = [(item, (*path, index)) for index, item in enumerate(value)]
    if not items:
        raise ExpansionError(
            [Problem(path, "the list is empty", "give at least one value, or remove the key")]
        )
    found: list[Choice] = []
    for index, (item, place) in enumerate(items):
        edge = index in (0, len(items) - 1)
        if isinstance(item, dict):
            found += _product(item, place, frozenset(lists), edge)
        else:
            found.append(Choice(item, place, edge=edge))
        if len(found) > MOST_CHOICES:
            raise too_many(path)
    return tuple(found)


def is_axis(key: str, value: Any, lists: Iterable[str]) -> bool:
    """Whether the value of a key is a list of values rather than one."""
    if not isinstance(value, tuple):
        return False
    return bool(value) and all(isinstance(item, tuple) for item in value) if key in lists else True


def too_many(path: Path) -> ExpansionError:
    """The error of a grid that would not end."""
    return ExpansionError(
        [Problem(path, f"this makes more than {MOST_CHOICES:,} cells", "vary less at once")]
    )


def _product(mapping: dict[str, Any], path: Path, lists: frozenset[str], edge: bool) -> list[Choice]:
    axes = {key: value for key, value in mapping.items() if is_axis(key, value, lists)}
    for key, values in axes.items():
        if not values:
            raise ExpansionError([Problem((*path, key), "the list is empty", "give at least one value")])
    if math.prod(len(values) for values in axes.values()) > MOST_CHOICES:
        raise too_many(path)
    found = []
    for indices in product(*(range(len(values)) for values in axes.values())):
        chosen = dict(zip(axes, indices, strict=True))
        found.append(
            Choice(
                {key: axes[key][chosen[key]] if key in axes else value for key, value in mapping.items()},
                path,
                inner={key: (*path, key, index) for key, index in chosen.items()},
                varied=tuple(key for key, values in axes.items() if len(values) > 1),
                edge=edge and all(index in (0, len(axes[key]) - 1) for key, index in chosen.items()),
            )
        )
    return found
