"""Rows of a table as they are written, with their lines: what `audit`, `compare` and publications read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd_analysis.table_error import TableError

from rigorkd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from rigorkd.readers.raw import Reading


@dataclass(frozen=True)
class Rows:
    """The rows of a CSV as text, and the line of the file on which each one ends.

    `header` is the line of the headings. `caption` is what is written around a pasted table, `elsewhere` what
    lines far from it say of seeds and spreads, each with its number.
    """

    file: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    caption: str = ""
    elsewhere: tuple[tuple[int, str], ...] = ()
    header: int = 1

    def mappings(self) -> list[Mapping[str, str]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def each_once(self) -> Rows:
        """These rows. InputError if a column is there twice: of two under one name, the last would count."""
        if twice := [column for column in self.columns if self.columns.count(column) > 1]:
            raise InputError(
                f"{self.file}: the column {twice[0]!r} is there twice", hint="name every column once"
            )
        return self

    def frame(self) -> pd.DataFrame:
        """The table, all text: what is a number is for the analysis to check, by row."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns), dtype=object)


@contextmanager
def located(where: Callable[[TableError], str]) -> Iterator[None]:
    """Turn a TableError into an InputError that says in which file and line."""
    try:
        yield
    except TableError as error:
        raise InputError(f"{where(error)}: {error.message}", hint=error.hint) from None


def read_rows(path: Path, encoding: str | None = None) -> Rows:
    """Read a CSV as text, strictly: every row has as many fields as the header.

    Raises:
        InputError: with file and line.
    """
    from rigorkd.readers.delimited import decoded
    from rigorkd.readers.listing import read_named

    try:
        text = decoded(str(path), read_named(path), encoding)
        with _readable(path):
            return _rows(path, text)
    except IsADirectoryError:
        raise InputError(
            f"{path}: a folder, but no study", hint="give a study folder or a CSV file"
        ) from None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """An InputError instead of what the csv module says of a file."""
    try:
        yield
    except csv.Error as error:
        raise InputError(
            f"{path}: not a CSV ({error})", hint="separate fields by commas, one row per line"
        ) from None


def printed_rows(path: Path, line: int | None = None, asked: Reading | None = None) -> Rows:
    """The rows of a published table: CSV, JSON, a sheet, or a table pasted into a text (that from `line` on).

    `asked` names its encoding or its sheet, where they were said.

    Raises:
        InputError: it is none of them, with file and line.
    """
    from rigorkd_analysis.published.printed_cells import caption_of, captions_in, pasted_table
    from rigorkd_analysis.published.printed_elsewhere import elsewhere
    from rigorkd_analysis.published.printed_nearly import unread_cell

    from rigorkd.readers.delimited import decoded
    from rigorkd.readers.kinds import TABLES
    from rigorkd.readers.listing import read_named
    from rigorkd.readers.raw import Reading

    asked = asked or Reading()
    ending = path.suffix.casefold()
    if asked.sheet is not None and ending not in (".xlsx", ".xlsm"):
        raise InputError(f"{path}: --sheet {asked.sheet}, but it is no workbook", hint="leave --sheet out")
    if ending in TABLES and ending not in _TEXTS:
        return _rows_of(path, asked)
    place = Path("/dev/stdin") if str(path) == "-" else path
    if place.is_dir():
        return read_rows(path)  # says that it is a folder
    content = read_named(place)
    text = (
        content.decode(errors="replace")
        if asked.encoding is None and ending not in _TEXTS
        else decoded(str(path), content, asked.encoding)
    )
    with located(lambda _: str(path)):
        spaced = not _is_delimited(path, text)
        may_be = ending not in _TEXTS or (spaced and "|" not in text)
        pasted = pasted_table(text, line, spaced) if may_be else None
    if pasted is None:
        if path.suffix.casefold() in (".tex", ".md", ".markdown"):
            if cell := unread_cell(text):
                raise InputError(
                    f"{path}: no cell of its table is one number: {cell!r} is none",
                    hint="print one number in a cell, or mean ± standard deviation: a column for each that "
                    "was measured",
                )
            raise InputError(
                f"{path}: no table with numbers in it",
                hint="paste a paper's table in Markdown or LaTeX, or give a CSV of one row per cell",
            )
        with _readable(path):
            return _rows(path, text.removeprefix("\ufeff"))
    rows, lines = pasted
    fields = tuple(tuple(row.values()) for row in rows)
    columns = tuple(rows[0])
    far = tuple(elsewhere(text, captions_in(text, spaced)))
    return Rows(
        path, columns, fields, tuple(lines), caption_of(text, lines), far, _header(text, columns, lines)
    )


def _header(text: str, columns: tuple[str, ...], lines: list[int]) -> int:
    """The line of a pasted table's headings: the nearest above its rows that holds most of them."""
    every = [" ".join(line.split()).replace("*", "") for line in text.splitlines()[: lines[0] - 1]]
    for at in range(len(every), max(0, len(every) - _FAR), -1):
        if 2 * sum(column in every[at - 1] for column in columns) > len(columns):
            return at
    return lines[0]


_FAR = 20
"""Lines above the first row in which headings are looked for."""


_TEXTS = (".csv", ".tsv", ".tab")


def _is_delimited(path: Path, text: str) -> bool:
    """Whether all lines have as many fields, and several."""
    from rigorkd.readers.delimited import delimiter_of

    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text, str(path)))
        widths = {len(row) for row in rows if any(map(str.strip, row))}
    except csv.Error:
        return True
    return len(widths) == 1 and widths != {1}


def _rows_of(path: Path, asked: Reading) -> Rows:
    """The rows of a sheet, of JSON or of Parquet.

    Decimals that these do not keep (94.10 is 94.1 in them) are those of their column.
    """
    from rigorkd.readers.grid import LEVEL
    from rigorkd.readers.kinds import read_table
    from rigorkd.readers.listing import read_named

    table = read_table(path, read_named(path), asked)
    columns = tuple(
        "_".join(level.removeprefix("=") for level in str(name).split(LEVEL)) for name in table.frame.columns
    )
    fields = [_with_zeros([str(field) for field in table.frame.iloc[:, at]]) for at in range(len(columns))]
    return Rows(path, columns, tuple(zip(*fields, strict=True)), tuple(map(int, table.line)))


def _with_zeros(column: list[str]) -> list[str]:
    """Numbers with as many decimals as the one that has most; a sheet may say 94.39999999999999 for 94.4."""
    short = [f"{float(field):.12g}" if re.fullmatch(r"-?\d+\.\d{10,}", field) else field for field in column]
    numbers = [re.fullmatch(r"-?\d+(?:\.(\d+))?", field) for field in short]
    most = max((len(number[1] or "") for number in numbers if number), default=0)
    return [
        f"{field}{'' if number[1] else '.'}{'0' * (most - len(number[1] or ''))}"
        if number and most
        else field
        for field, number in zip(short, numbers, strict=True)
    ]


def _rows(path: Path, text: str) -> Rows:
    from rigorkd.readers.delimited import delimiter_of, spaced, unparted
    from rigorkd.readers.grid import ragged

    delimiter = delimiter_of(text, str(path))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    begins, uneven = 0, None
    for fields in reader:
        row = tuple(field.strip() for field in fields)
        if not any(row):
            continue
        if not columns:
            columns, begins = row, reader.line_num
            continue
        if len(row) != len(columns):
            uneven = uneven or ragged(str(path), reader.line_num, len(row), columns, begins)
        rows.append(row)
        lines.append(reader.line_num)
    if (line := spaced([columns, *rows], [begins, *lines])) is not None:
        raise unparted(str(path), line)
    if uneven is not None:
        raise uneven
    if delimiter != ",":
        rows = list(zip(*map(_with_points, zip(*rows, strict=True)), strict=True))
    if not columns:
        raise InputError(f"{path}: the file is empty", hint="a header and one row per run")
    if len(set(columns)) < len(columns) and len(rows) > 1 and _are_words(rows[0]) and not _are_words(rows[1]):
        columns = tuple("_".join(filter(None, pair)) for pair in zip(columns, rows[0], strict=True))
        rows, lines = rows[1:], lines[1:]  # headings of two rows, as pandas writes mean and std
    return Rows(path, columns, tuple(rows), tuple(lines), header=begins)


_WITH_COMMA = re.compile(r"[-+−]?\d+,\d+(\s*(±|\+/-)\s*\d+(,\d+)?)?\s*%?")


def _with_points(column: tuple[str, ...]) -> tuple[str, ...]:
    """A column of numbers with decimal commas, as sheets write them beside semicolons, with points."""
    if any("." in field for field in column) or not any(_WITH_COMMA.fullmatch(field) for field in column):
        return column
    return tuple(field.replace(",", ".") if _WITH_COMMA.fullmatch(field) else field for field in column)


def _are_words(row: tuple[str, ...]) -> bool:
    """Whether no field of a row begins with a number."""
    return not any(re.match(r"[-+]?\.?\d", field) for field in row)


def at(rows: Rows, error: TableError) -> str:
    """`file:line: column 'x'`, as far as the error knows."""
    place = f"{rows.file}"
    if error.row is not None:
        line = rows.lines[error.row]
        place += f":{line}" if line else f", row {error.row + 1}"  # JSON has no lines
    elif error.column and all(rows.lines):
        place += f":{rows.header}"
    return place + (f": column {error.column!r}" if error.column else "")
