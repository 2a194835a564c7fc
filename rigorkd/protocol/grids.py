"""Grids: what a group writes, lists and mappings of lists, as the choices and the methods that it stands for.

A list is an axis. A mapping with lists inside stands for the product of its inner axes. Keys whose values are
lists by nature (`views.train`, `betas`, `temperatures`) take a list as one value, lists of lists as an axis.
A method's grid (`baseline: true`, `kd: {T: [2, 4], alpha: 0.5}`) needs nothing but the method's own schema,
so it can be checked even where the rest of the protocol is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, get_origin

from rigorkd.methods.base import Method, Weighted
from rigorkd.methods.own import INPUTS, Own
from rigorkd.methods.registry import KINDS
from rigorkd.problems import ExpansionError, Path, Problem, shown, unknown, validated
from rigorkd.protocol.schema import TUNING_KEYS, Group

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


# ----------------------------------------------------------------------------------------- grids of methods


def grids(group: Group, path: Path) -> dict[str, tuple[Choice, ...]]:
    """The points of every method grid of a group, as mappings of what is written at each.

    A list of grids is not an axis: every grid keeps its own first and last values. Raises `ExpansionError`.
    """
    found = {}
    for key in KINDS:
        value = getattr(group, key)
        if key in group.model_fields_set and value is not False:
            found[key] = points_of(key, value, (*path, key))
    return found


def points_of(key: str, value: Any, path: Path) -> tuple[Choice, ...]:
    """The points of one method's grid, as it is written at `path`. Raises `ExpansionError`."""
    parts = [(value, path)]
    if isinstance(value, tuple) and value:
        parts = [(item, (*path, index)) for index, item in enumerate(value)]
    lists = _list_fields(KINDS[key])
    points = [point for item, at in parts for point in choices(item, at, lists=lists)]
    if wrong := [point for point in points if point.value is not True and not isinstance(point.value, dict)]:
        raise ExpansionError(
            Problem(
                point.path,
                f"{key} must be true, a mapping or a list of mappings, not {shown(point.value)}",
                "write true" if point.value in ("yes", "on") else "",
            )
            for point in wrong
        )
    return tuple(replace(point, value={}) if point.value is True else point for point in points)


def read_method(key: str, point: Choice) -> tuple[Method, dict[str, Choice]]:
    """The method at one point of its grid, preset filled in, and the training keys that the point tunes."""
    kind = KINDS[key]
    written: dict[str, Any] = {name: value for name, value in point.value.items() if name != "teacher"}
    filled: dict[str, Any] = {}
    if "preset" in written:
        preset = written.pop("preset")
        if not isinstance(preset, str) or preset not in kind.presets:
            message, hint = unknown(f"preset of {key}", str(preset), kind.presets)
            raise ExpansionError(
                [Problem(point.place(("preset",)), message, hint or f"{key} has no presets")]
            )
        filled = dict(kind.presets[preset])
        if issubclass(kind, Weighted) and any(name in written for name in Weighted.weight_keys):
            filled = {name: value for name, value in filled.items() if name not in Weighted.weight_keys}
    tuning = {
        name: Choice(written.pop(name), point.place((name,))) for name in TUNING_KEYS if name in written
    }
    if issubclass(kind, Own):
        return _own(kind, written, point), tuning
    valid = [*kind.model_fields, *(["preset"] if kind.presets else []), *TUNING_KEYS, "teacher"]
    if misspelt := [name for name in written if name not in kind.model_fields]:
        raise ExpansionError(_unknown_key(kind, name, valid, point.path) for name in misspelt)
    return validated(kind, {**filled, **written}, point.place), tuning


def _own(kind: type[Own], written: dict[str, Any], point: Choice) -> Own:
    """A term of the user's own: keys that are none of its fields are arguments of its function."""
    fields = {name: value for name, value in written.items() if name in kind.model_fields and name != "args"}
    args = {name: written[name] for name in sorted(written.keys() - fields.keys())}
    if ours := [name for name in args if name in INPUTS]:
        hint = "remove the key, or give the parameter another name"
        raise ExpansionError(
            Problem((*point.path, name), f"{name!r} is what rigorkd passes to every term", hint, at_key=True)
            for name in ours
        )
    return validated(
        kind, {**fields, "args": args}, lambda loc: point.place(loc[1:] if loc[:1] == ("args",) else loc)
    )


def _unknown_key(kind: type[Method], name: str, valid: Iterable[str], path: Path) -> Problem:
    """A key that the method does not have; what cells' names call a parameter is no key, but tells it."""
    message, hint = unknown("key", name, valid)
    for key, label in kind.labels.items():
        if label == name:
            hint = f"{name!r} is what names of cells call {key!r}"
    return Problem((*path, name), message, hint, at_key=True)


def grid_problems(group: Group, path: Path) -> list[Problem]:
    """Everything wrong in a group's method grids."""
    problems: list[Problem] = []
    try:
        found = grids(group, path)
    except ExpansionError as error:
        return list(error.problems)
    for key, points in found.items():
        for point in points:
            try:
                read_method(key, point)
            except ExpansionError as error:
                problems += error.problems
    return problems


def _list_fields(method: type[Method]) -> Iterable[str]:
    return [name for name, info in method.model_fields.items() if get_origin(info.annotation) is tuple]
