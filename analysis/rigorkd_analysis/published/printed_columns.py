"""Tables that spaces alone hold in columns: a data frame as pandas prints it, a table copied from a PDF.

They are read only where that is beyond doubt: every column has a heading, and no line has a word where the
others part their columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

_MOST_ABOVE, _MOST_BELOW = 3, 2
"""Lines right above the header and right below the last row that may be no part of a table."""
_WIDEST = 1_000
"""Characters of a line of a table."""

Lined = tuple[int, list[str]]
"""The cells of a row, and the line on which it begins."""


def aligned_tables(text: str, is_value: Callable[[str], bool]) -> list[tuple[int, list[Lined]]]:
    """The tables of a text, each with its first line; a header of two lines is one row already."""
    tables: list[tuple[int, list[Lined]]] = []
    part: list[tuple[int, str]] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip() and len(line) <= _WIDEST and "\t" not in line:
            if not re.fullmatch(r"[\s=_+─━═-]+", line):  # a rule parts nothing
                part.append((number, line.rstrip()))
            continue
        if (rows := _table_in(part, is_value)) is not None:
            tables.append((rows[0][0], rows))
        part = []
    return tables


def _table_in(part: Sequence[tuple[int, str]], is_value: Callable[[str], bool]) -> list[Lined] | None:
    """The table in lines without a gap, with as few lines left out around it as possible."""
    for left_out in range(_MOST_ABOVE + _MOST_BELOW + 1):
        for above in range(min(left_out, _MOST_ABOVE) + 1):
            below = left_out - above
            if (
                below <= _MOST_BELOW
                and (rows := _read(part[above : len(part) - below], is_value)) is not None
            ):
                return rows
    return None


def _read(part: Sequence[tuple[int, str]], is_value: Callable[[str], bool]) -> list[Lined] | None:
    if len(part) < 3 or any(line.endswith("\\") for _, line in part):  # a frame in several pieces
        return None
    lines = _without_index([line for _, line in part])
    blocks = _parts(lines, 0, max(map(len, lines)), 2)
    fields = [[line[begin:end].strip() for begin, end in blocks] for line in lines]
    begins = next((at for at, row in enumerate(fields) if any(map(is_value, row))), 0)
    if begins not in (1, 2) or len(blocks) < 2 or len(part) - begins < 2:
        return None
    spans = [span for block in blocks for span in _split(lines, begins, block, is_value)]
    rows = [[line[begin:end].strip() for begin, end in spans] for line in lines]
    header, body = (
        [" ".join(filter(None, words)) for words in zip(*rows[:begins], strict=True)],
        rows[begins:],
    )
    if any("  " in field for row in rows for field in row):  # two columns in one
        return None
    if begins == 2 and not _is_named_index(rows[:2]):
        return None
    if not all(header[1:]) or not any(all(map(is_value, column)) for column in zip(*body, strict=True)):
        return None
    return [
        (part[0][0], header),
        *zip([number for number, _ in part[begins:]], _filled(body, is_value), strict=True),
    ]


def _without_index(lines: list[str]) -> list[str]:
    """Lines without the numbers from 0 on by which a data frame counts its rows."""
    for begins in (1, 2):
        body = lines[begins:]
        wide = len(str(len(body) - 1))
        heads = [line[:wide].strip() for line in lines]
        if heads == [*[""] * begins, *map(str, range(len(body)))]:
            return [" " * wide + line[wide:] for line in lines]
    return lines


def _is_named_index(header: Sequence[Sequence[str]]) -> bool:
    """Whether the second line names the first columns, and the first line the others, as pandas writes it."""
    return all(bool(first) != bool(second) for first, second in zip(*header, strict=True))


def _parts(lines: Sequence[str], begin: int, end: int, gap: int) -> list[tuple[int, int]]:
    """The columns of characters between gaps that all lines leave blank, so wide at least."""
    blank = "".join(
        " " if all(line[at : at + 1] in ("", " ") for line in lines) else "x" for at in range(begin, end)
    )
    found = re.finditer(rf"x(?:x| {{1,{gap - 1}}}(?=x))*" if gap > 1 else "x+", blank)
    return [(begin + one.start(), begin + one.end()) for one in found]


def _split(
    lines: Sequence[str], begins: int, block: tuple[int, int], is_value: Callable[[str], bool]
) -> list[tuple[int, int]]:
    """A block as its columns, where one blank parts them: each has a heading, and numbers or words alone."""
    spans = _parts(lines, *block, 1)
    for begin, end in spans:
        column = [line[begin:end].strip() for line in lines]
        numbers = sum(map(is_value, column[begins:]))
        if not any(column[:begins]) or numbers not in (0, len(column) - begins):
            return [block]
    return spans


def _filled(body: list[list[str]], is_value: Callable[[str], bool]) -> list[list[str]]:
    """Rows with the words that pandas prints once for all rows below them."""
    for at in range(len(body[0])):
        column = [row[at] for row in body]
        if not column[0] or any(map(is_value, column)):
            break
        for above, row in pairwise(body):
            row[at] = row[at] or above[at]
    return body
