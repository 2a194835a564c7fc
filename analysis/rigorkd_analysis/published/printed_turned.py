"""Tables whose columns are the methods: turned round, so that a row is what is compared."""

from __future__ import annotations

from collections.abc import Sequence

from rigorkd_analysis.published.printed_cells import Row, known_name, unmarked, value_and_spread
from rigorkd_analysis.published.printed_table import decimal_of
from rigorkd_analysis.table_error import TableError

NAME = "method"


def turned(rows: Sequence[Row]) -> list[Row]:
    """A row for each column of numbers, a column for each row, named by the words on its left.

    Raises:
        TableError: fewer than two columns hold numbers, or rows are named alike.
    """
    numbers = [column for column in rows[0] if any(_is_number(row.get(column) or "") for row in rows)]
    columns = list(rows[0])
    words = columns[: columns.index(numbers[0])] if numbers else []
    # settings such as an amount of data stand on the left, in whole numbers, and name rows too
    while len(numbers) > 2 and all((row.get(numbers[0]) or "").strip().isdecimal() for row in rows):
        words.append(numbers.pop(0))
    if len(numbers) < 2:
        raise TableError("--turned, and fewer than two columns hold numbers", hint="leave --turned out")
    labels = [_label(row, words) for row in rows]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise TableError(
            f"--turned, and two rows are named {twice or 'nothing'}", hint="name every row once, on its left"
        )
    return [
        {NAME: column, **{label: row.get(column) or "" for label, row in zip(labels, rows, strict=True)}}
        for column in numbers
    ]


def _label(row: Row, words: Sequence[str]) -> str:
    parts = [unmarked(row.get(column) or "").strip() for column in words]
    label = "/".join(part for part in parts if part)
    return f"{label} " if known_name(label) == NAME else label


def _is_number(text: str) -> bool:
    plain = unmarked(text).removesuffix("%").strip()
    return value_and_spread(text) is not None or decimal_of(plain) is not None
