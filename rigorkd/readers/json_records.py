"""JSON Lines, and JSON files of one object or a list: one row each, nested names joined by dots."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.json_lists import (
    LISTS,
    MAY_BE,
    TAKEN,
    WRITE_THEM,
    may_be_method,
    methods_beside,
    refuse_curves,
    seeds_among,
    unread_lists,
    unread_rows,
)
from rigorkd.readers.known_names import canonical, seed_in
from rigorkd.readers.raw import RawTable, flat, table_of
from rigorkd.readers.shapes import UNNAMED, is_cost, is_metric
from rigorkd.records.untrusted import DEEPEST, refuse_deep

_LONGEST = 200
"""Characters of a text or list that may be part of a table of runs."""


def read_json_lines(file: str, content: bytes) -> RawTable:
    """Read JSON Lines; InputError names the line that is none."""
    rows, lines, whole = [], [], []
    for number, value in json_lines(file, content):
        rows.append(scalars(value))
        lines.append(number)
        whole.append(value)
    if not rows:
        raise InputError(f"{file}: the file is empty", hint="one JSON object per line and run")
    dropped = [told for told in (unread_lists(whole), unread_rows(whole)) if told]
    return table_of(rows, [file] * len(rows), "JSON Lines", lines=lines, dropped=dropped)


def json_lines(file: str, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON Lines with their lines."""
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                value = plain_json(line)
            except ValueError as error:
                raise InputError(
                    f"{file}:{number}: not JSON ({error})", hint="one JSON object per line"
                ) from None
            if not isinstance(value, dict):
                raise InputError(f"{file}:{number}: not a JSON object", hint="one JSON object per line")
            yield number, value


def json_table(file: str, value: Any) -> RawTable:
    """What a JSON file holds: a row, a list of rows, columns, or the results of each method."""
    if isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values()):
        indices = [set(item) for item in value.values()]
        nested = any(isinstance(cell, dict) for item in value.values() for cell in item.values())
        if (
            indices[0]
            and all(index == indices[0] for index in indices[1:])
            and len(indices) > 1
            and not nested
        ):
            keys = list(next(iter(value.values())))
            if all(key.isdecimal() for key in keys):  # DataFrame.to_json()
                value = [{name: column[key] for name, column in value.items()} for key in keys]
    if (beside := methods_beside(file, value)) is not None:
        return beside
    if (listed := _by_method(file, value) or _by_column(value)) is not None:
        rows, came = listed
        return table_of(rows, [file] * len(rows), "JSON", came=came)
    rows = value if isinstance(value, list) else [value]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{file}: no JSON object or list of them", hint="one object per run")
    unread, single = unread_lists(rows), [scalars(row) for row in rows]
    if unread and not any(single):
        raise InputError(f"{file}: {MAY_BE}{unread.removeprefix(LISTS)}", hint=WRITE_THEM)
    dropped = [told for told in (unread, unread_rows(rows)) if told]
    return table_of(single, [file] * len(rows), "JSON", dropped=dropped)


_Listed = tuple[list[dict[str, object]], dict[str, str]]


def _by_column(value: Any) -> _Listed | None:
    """Rows of columns that are lists, as of a data frame: {"method": ["kd", …], "seed": [0, …]}."""
    if not _are_lists(value) or len({len(own) for own in value.values()}) > 1:
        return None
    if not any(map(canonical, value)):
        return None
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)], {}


def _by_method(file: str, value: Any) -> _Listed | None:
    """Rows of methods that each have a list of results, or results by seed: {"kd": [91.2, …], …}.

    A list's places are taken for the seeds, unless a list says them or they look like epochs; where keys are
    metrics or columns they are no methods.

    Raises:
        InputError: places are epochs, or may be.
    """
    if (
        not isinstance(value, dict)
        or len(value) < 2
        or any(canonical(key) or is_metric(key) for key in value)
        or seeds_among(value)  # of lists that are no methods' results beside it
    ):
        return None
    rows: list[dict[str, object]] = []
    if _are_lists(value):
        if not all(_is_number(item) for own in value.values() for item in own):
            return None
        if not all(map(may_be_method, value)):
            return None
        refuse_curves(file, value)
        for method, own in value.items():
            rows += [{"method": method, "seed": place, UNNAMED: item} for place, item in enumerate(own)]
        return rows, {"seed": f"the place in each method's list{TAKEN}", UNNAMED: "the numbers of the lists"}
    if not all(isinstance(own, dict) and own for own in value.values()):
        return None
    listed = {method: own for method, own in value.items() if _are_alike(own)}
    _refuse_epochs(file, listed)
    for method, own in value.items():
        if method in listed:  # {"kd": {"acc": [91.2, …]}}
            seeds = seeds_among(own)
            for place, items in enumerate(zip(*own.values(), strict=True)):
                row = dict(zip(own, items, strict=True))
                rows.append({"method": method, "seed": row.pop(seeds, place), **row})
            continue
        for key, item in own.items():
            seed = key if key.isdecimal() else str((seed_in(key) or ("", ""))[0])
            if not seed or not (_is_number(item) or isinstance(item, dict)):
                return None
            rows.append(
                {"method": method, "seed": seed}
                | (scalars(item) if isinstance(item, dict) else {UNNAMED: item})
            )
    if len(listed) < len(value):
        return rows, {"seed": "the keys below each method"}
    counted = all(map(seeds_among, listed.values()))
    return rows, {"seed": "the list of seeds of each" if counted else f"the place in each list{TAKEN}"}


def _are_alike(own: Any) -> bool:
    """Whether these are lists of one length."""
    return _are_lists(own) and len({len(items) for items in own.values()}) == 1


def _refuse_epochs(file: str, listed: Mapping[str, Mapping[str, list[Any]]]) -> None:
    """Refuse lists below each method whose places are epochs: one counts them, or values go by it."""
    apart = {method: own for method, own in listed.items() if not seeds_among(own)}
    for method, own in apart.items():
        counts = next((name for name in own if canonical(name) in ("epochs", "epoch", "step")), "")
        if counts and sorted(set(own[counts])) == own[counts]:
            raise InputError(
                f"{file}: the places of {method!r}'s lists are counted by {counts!r}, so they are no seeds",
                hint="write the result of each run: a row with method, seed and a metric",
            )
    results = {
        f"{method}.{name}": items
        for method, own in apart.items()
        for name, items in own.items()
        if is_metric(name) and not is_cost(name) and all(map(_is_number, items))
    }
    refuse_curves(file, results)


def _are_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(own, list) and len(own) > 1 for own in value.values())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def json_document(file: str, content: bytes) -> Any:
    """What a JSON file holds; InputError if it holds none."""
    try:
        return plain_json(content)
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error})", hint="restore the file, or leave it out") from None


def plain_json(content: bytes | str) -> Any:
    """What a JSON text of somebody's log holds: NaN and infinity are numbers there.

    ValueError with the reason for what is none, or nests deeper or counts further than any log does.
    """
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content))
    try:
        value = json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if isinstance(value, dict | list) and text.count("{") + text.count("[") > DEEPEST:
        refuse_deep(value)
    if _HALF.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # half of a character can be written nowhere else
    return value


_HALF = re.compile(r"\\u[dD][89abAB]")
_DIGITS = 40
"""Of a whole number: numpy's seeds may have as many."""


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"{text[:20]}… is too large a number")
    return int(text)


def scalars(values: dict[str, Any]) -> dict[str, object]:
    """The numbers and short texts of an object, nested ones by dotted names."""
    return {
        name: value
        for name, value in flat(values).items()
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST)
    }
