"""Method grids: what a group writes under a method's key, read as the methods that it stands for.

`baseline: true` and `kd: {T: [2, 4], alpha: 0.5}` need nothing but the method's own schema, so a grid can be
checked even where the rest of the protocol is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_origin

from rigorkd.methods.base import Method, Weighted
from rigorkd.methods.own import INPUTS, Own
from rigorkd.methods.registry import KINDS
from rigorkd.problems import ExpansionError, Path, Problem, shown, unknown, validated
from rigorkd.protocol.axes import Choice, choices
from rigorkd.protocol.schema import TUNING_KEYS, Group


def grids(group: Group, path: Path) -> dict[str, tuple[Choice, ...]]:
    """The points of every method grid of a group, as mappings of what is written at each.

    A list of grids is not an axis: every grid keeps its own first and last values. Raises `ExpansionError`.
    """
    found = {}
    for key, kind in KINDS.items():
        value = getattr(group, key)
        if key not in group.model_fields_set or value is False:
            continue
        several = value if isinstance(value, tuple) and value else None
        parts = [(value, (*path, key))]
        if several is not None:
            parts = [(item, (*path, key, index)) for index, item in enumerate(several)]
        points = [point for item, at in parts for point in choices(item, at, lists=_list_fields(kind))]
        if wrong := [
            point for point in points if point.value is not True and not isinstance(point.value, dict)
        ]:
            raise ExpansionError(
                Problem(
                    point.path,
                    f"{key} must be true, a mapping or a list of mappings, not {shown(point.value)}",
                )
                for point in wrong
            )
        found[key] = tuple(replace(point, value={}) if point.value is True else point for point in points)
    return found


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
