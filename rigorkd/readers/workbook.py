"""Excel workbooks, by openpyxl: one sheet, its values, merged headings filled."""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import suppress
from xml.parsers import expat

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.readers.grid import Grid, table_from
from rigorkd.readers.listing import most_unpacked
from rigorkd.readers.raw import RawTable, Reading, text_of

CELLS = 10**6
"""Cells that a sheet may reach over, empty ones among them: one cell far out makes a very large sheet."""


def _large(file: str) -> InputError:
    return InputError(
        f"{file}: a sheet reaches over more than {CELLS:,} cells", hint="save what counts as a CSV"
    )


def _unpacked(file: str, content: bytes) -> io.BytesIO:
    """The workbook with its parts not packed, so that what openpyxl reads is no larger than it says.

    InputError for one that would take a lot of memory: unpacked, by its cells, or by what spans over them.
    """
    made, left = io.BytesIO(), most_unpacked(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as plain:
        for name in dict.fromkeys(archive.namelist()):
            with archive.open(name) as part:
                found = part.read(left + 1)
            left -= len(found)
            if left < 0:
                raise InputError(
                    f"{file}: larger than {most_unpacked(content):,} bytes unpacked", hint="save it as a CSV"
                )
            if found.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):  # whatever it is called
                with suppress(expat.ExpatError):
                    _weigh(file, found)
            plain.writestr(name, found)
    made.seek(0)
    return made


def _weigh(file: str, part: bytes) -> None:
    """InputError for a part with more cells, or spans over more, than a sheet may have."""
    from openpyxl.utils.cell import range_boundaries

    weight = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal weight
        kind = name.rpartition(" ")[2]
        if kind == "c":
            weight += 1
        elif kind in _SPANS:
            left, top, right, bottom = range_boundaries(attributes.get("ref", "A1"))
            if None in (left, top, right, bottom):
                raise ValueError(f"{kind} over whole rows or columns")
            weight += (1 + right - left) * (1 + bottom - top)
        if weight > CELLS:
            raise _large(file)

    def refuse(*_: object) -> None:
        raise ValueError("its XML declares a document type")

    reader = expat.ParserCreate(namespace_separator=" ")
    reader.StartElementHandler = begin
    reader.StartDoctypeDeclHandler = refuse
    reader.Parse(part, True)


_SPANS = ("mergeCell", "hyperlink")
"""Elements for each of which openpyxl goes through all cells of their `ref`."""


def read_workbook(file: str, content: bytes, asked: Reading) -> RawTable:
    """Read the sheet that was asked for, or the only one with anything in it.

    Raises:
        InputError: openpyxl is not there, it is no workbook, or several sheets hold something.
    """
    require("excel", "reading a workbook (.xlsx)")
    import openpyxl

    try:
        book = openpyxl.load_workbook(_unpacked(file, content), data_only=True, keep_links=False)
    except (
        *(zipfile.BadZipFile, zlib.error, expat.ExpatError, OSError, EOFError, LookupError, ValueError),
        *(TypeError, AttributeError, ArithmeticError, AssertionError, RuntimeError, SyntaxError),
    ) as error:  # what openpyxl meets in a file that no program wrote, it does not name
        raise InputError(f"{file}: not a workbook ({error})", hint="save it as .xlsx or as a CSV") from None
    if any(sheet.max_row * sheet.max_column > CELLS for sheet in book.worksheets):
        raise _large(file)
    filled = [sheet for sheet in book.worksheets if sheet.max_row > 1]
    if asked.sheet is not None:
        filled = [sheet for sheet in book.worksheets if sheet.title == asked.sheet]
    if len(filled) != 1:
        names = ", ".join(repr(sheet.title) for sheet in book.worksheets)
        raise InputError(f"{file}: {len(filled)} sheets to read; there are {names}", hint="give --sheet NAME")
    sheet = filled[0]
    merged = {}
    headings = 0
    for span in sheet.merged_cells.ranges:
        top = sheet.cell(span.min_row, span.min_col).value
        if span.min_row <= 4 and span.max_col > span.min_col:
            headings = max(headings, span.min_row)
        for row in range(span.min_row, span.max_row + 1):
            for column in range(span.min_col, span.max_col + 1):
                merged[row, column] = top
    rows, lines = [], []
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        words = tuple(text_of(merged.get((number, cell.column), cell.value)) for cell in cells)
        if any(words):
            rows.append(tuple(word.removesuffix(".0") for word in words))
            lines.append(number)
    # a title over the whole width is no heading
    while rows and len(set(rows[0])) == 1 and len(rows[0]) > 1:
        rows, lines, headings = rows[1:], lines[1:], max(0, headings - 1)
    kind = f"sheet {sheet.title!r}"
    return table_from(Grid(file, rows, lines, kind, strict=False, merged=headings))
