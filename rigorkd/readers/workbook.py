"""Excel workbooks, by openpyxl: one sheet, its values, merged headings filled."""

from __future__ import annotations

import io
import zipfile

from rigorkd.errors import InputError
from rigorkd.extras import require
from rigorkd.readers.grid import Grid, table_from
from rigorkd.readers.raw import RawTable, Reading, text_of

UNPACKED = 2**30
"""Bytes that a workbook may have unpacked: a small file can hold a very large sheet."""


def read_workbook(file: str, content: bytes, asked: Reading) -> RawTable:
    """Read the sheet that was asked for, or the only one with anything in it.

    Raises:
        InputError: openpyxl is not there, it is no workbook, or several sheets hold something.
    """
    require("excel", "reading a workbook (.xlsx)")
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > UNPACKED:
                raise InputError(f"{file}: larger than {UNPACKED:,} bytes unpacked", hint="save it as a CSV")
        book = openpyxl.load_workbook(io.BytesIO(content), data_only=True, keep_links=False)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise InputError(f"{file}: not a workbook ({error})", hint="save it as .xlsx or as a CSV") from None
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
