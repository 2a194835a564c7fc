"""From the cells of a sheet to a table: which rows are the header, and what is not part of the table.

Headers of several rows (pandas' MultiIndex, merged cells of a sheet) become names joined by `LEVEL`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rigorkd.errors import InputError
from rigorkd.readers.raw import RawTable

LEVEL = "\x1f"
"""Between the levels of a header of several rows; no name that people write has it."""

_NUMBER = re.compile(r"\s*[+−-]?[\d.,]*\d[\d.,]*(e[+-]?\d+)?\s*%?\s*", re.IGNORECASE)

_LONGEST = 100
"""Characters of a number as people write it."""


@dataclass(frozen=True)
class Grid:
    """The cells of a file as text, with the line of each row; `merged` rows were filled from merged cells."""

    file: str
    rows: Sequence[tuple[str, ...]]
    lines: Sequence[int]
    kind: str
    strict: bool = True
    merged: int = 0
    notes: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def is_number(text: str) -> bool:
    return len(text) <= _LONGEST and _NUMBER.fullmatch(text) is not None


def table_from(grid: Grid) -> RawTable:
    """The table in a grid.

    Raises:
        InputError: it is empty, or a row has more or fewer fields than the header; says on which line.
    """
    import pandas as pd

    rows, lines = grid.rows, list(grid.lines)
    dropped = list(grid.notes)
    if not rows:
        raise InputError(f"{grid.file}: the file is empty", hint="a header and one row per run")
    begin = _titles(rows)
    if begin:
        dropped.append(f"{grid.file}:{lines[0]}: a title above the table ({rows[0][0][:40]!r})")
    end = _notes(rows, lines, begin)
    for row, line in zip(rows[end:], lines[end:], strict=True):
        dropped.append(f"{grid.file}:{line}: a note below the table ({row[0][:40]!r})")
    rows, lines = rows[:end], lines[:end]
    header, levels = _header(rows[begin:], grid.merged)
    body = rows[begin + levels :]
    places = np.array(lines[begin + levels :], dtype=np.int64)
    width = len(header)
    if grid.strict:
        for row, line in zip(body, places, strict=True):
            if len(row) != width:
                raise ragged(grid.file, int(line), len(row), header, lines[begin])
    else:
        body = [(*row[:width], *[""] * (width - len(row))) for row in body]
    names, kept = _names(header, body, dropped)
    frame = pd.DataFrame(list(body), columns=range(width), dtype=object)[kept]
    frame.columns = pd.Index([names[position] for position in kept])
    return RawTable(
        frame,
        (grid.file,),
        np.zeros(len(frame), dtype=np.int64),
        places,
        grid.kind,
        dropped=tuple(dropped),
        settings=grid.settings,
    )


def ragged(file: str, line: int, fields: int, header: Sequence[str], header_line: int) -> InputError:
    """A row with more or fewer fields than the header; of a header that is a sentence, which line that is."""
    message = f"{file}:{line}: {fields} fields, but the header has {len(header)}"
    hint = "every row needs one field per column; quote fields that hold commas"
    if any(len(name.split()) > _LONGEST_NAME for name in header):
        message += f" (line {header_line}: {', '.join(header)[:60]!r})"
        hint = f"leave line {header_line} out, if it is a caption; {hint}"
    return InputError(message, hint=hint)


_LONGEST_NAME = 4
"""Words of a column's name; more are a sentence."""


def _titles(rows: Sequence[tuple[str, ...]]) -> int:
    """How many rows above the header have one field while the table has several."""
    begin = 0
    while begin + 1 < len(rows) and begin < 5:
        row, after = rows[begin], rows[begin + 1]
        if sum(map(bool, row)) == 1 and row[0] and sum(map(bool, after)) > 1 and len(row) <= len(after):
            begin += 1
        else:
            break
    return begin if begin + 1 < len(rows) else 0


_MARKED = re.compile(r"[*†‡§¹²³]|(?:notes?|n\.b\.|nb|source|legend)\s*:", re.IGNORECASE)
"""How a note begins that stands right below the last run."""


def _notes(rows: Sequence[tuple[str, ...]], lines: Sequence[int], begin: int) -> int:
    """Where the notes begin below a table: rows with nothing but a first field, below a gap or marked.

    A row that was only cut off, or whose values are missing, is none: it follows the others.
    """
    end = len(rows)
    while end > begin + 2 and rows[end - 1][0] and not any(rows[end - 1][1:]):
        end -= 1
    if end == len(rows) or len(rows[begin]) < 2:
        return len(rows)
    while end < len(rows) and lines[end] == lines[end - 1] + 1 and not _MARKED.match(rows[end][0]):
        end += 1
    return end


def _header(rows: Sequence[tuple[str, ...]], merged: int) -> tuple[tuple[str, ...], int]:
    """The names of the columns and how many rows they take."""
    levels = _index_row(rows)
    if levels:
        index = rows[levels]
        own = sum(map(bool, index))
        named = [rows[level][:own][0] if rows[level][:own] else "" for level in range(levels)]
        names = list(index[:own])
        for column in range(own, len(rows[0])):
            parts = [rows[level][column] for level in range(levels)]
            names.append(LEVEL.join(f"{name}={part}" for name, part in zip(named, parts, strict=True)))
        return tuple(names), levels + 1
    if merged or _is_double(rows):
        top, below = list(rows[0]), rows[1]
        for column in range(1, len(top)):
            if not top[column] and any(top[:column]) and column < len(below) and below[column]:
                top[column] = top[column - 1]
        joint = [
            f"={above}{LEVEL}={name}" if above and name and above != name else name or above
            for above, name in zip(top, below, strict=False)
        ]
        return tuple(joint), 2
    return rows[0], 1


def _index_row(rows: Sequence[tuple[str, ...]]) -> int:
    """Where pandas wrote the names of the index below a header of several levels, 0 if it did not."""
    for level in range(2, min(5, len(rows))):
        row = rows[level]
        own = sum(map(bool, row))
        if own and all(row[:own]) and not any(row[own:]) and len(row) > own + 1:
            above = [rows[other] for other in range(level)]
            if all(len(other) == len(row) and all(other[own:]) for other in above):
                return level
    return 0


def _is_double(rows: Sequence[tuple[str, ...]]) -> bool:
    """Whether merged headings stand over the names of the columns, as a sheet saves them to a CSV."""
    if len(rows) < 3 or len(rows[0]) != len(rows[1]):
        return False
    top, below, data = rows[0], rows[1], rows[2]
    return (
        any(top)
        and not all(top)
        and all(below)
        and len(set(below)) < len(below)
        and not any(map(is_number, (*top, *below)))
        and any(map(is_number, data))
    )


def _names(
    header: tuple[str, ...], body: Sequence[tuple[str, ...]], dropped: list[str]
) -> tuple[list[str], list[int]]:
    """A name for each column, and which columns are kept: an index and empty columns are none."""
    names, kept = [], []
    for position, name in enumerate(header):
        unnamed = not name or name.startswith("Unnamed:")
        values = [row[position] for row in body] if unnamed else []
        if unnamed and not any(values):
            names.append("")
            continue
        if unnamed and values == [str(number) for number in range(len(values))]:
            dropped.append(f"column {position + 1}: an index without a name")
            names.append("")
            continue
        names.append(f"column {position + 1}" if unnamed else name)
        kept.append(position)
    return names, kept
