"""Tables in HTML, as they stand in the Markdown of repositories: rows of texts, spans filled in."""

from __future__ import annotations

from html.parser import HTMLParser

from rigorkd_analysis.published.printed_columns import Lined

_WIDEST = 64
"""Columns or rows that one cell may span."""
_MARKS = {"b": "**", "strong": "**", "br": "<br>", "sub": "<sub>", "sup": "<sup>", "small": "<small>"}
"""What stays of what is inside of a cell, in the way that pasted cells have it."""


def html_tables(text: str) -> list[tuple[int, list[Lined]]]:
    """The tables of a text, each with its first line."""
    if "<table" not in text.casefold():
        return []
    reader = _Tables()
    reader.feed(text.replace("<![", "&lt;!["))  # a marked section of another kind would raise
    reader.close()
    return [(begin, rows) for begin, rows in reader.tables if rows]


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[tuple[int, list[Lined]]] = []
        self._row: list[str] | None = None
        self._begun = 0
        self._cell: list[str] | None = None
        self._span = (1, 1)
        self._filling: dict[int, tuple[str, int]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._end_row()
            self._filling = {}
            self.tables.append((self.getpos()[0], []))
        elif tag == "tr" and self.tables:
            self._end_row()
            self._row, self._begun = [], self.getpos()[0]
        elif tag in ("td", "th") and self._row is not None:
            self._end_cell()
            named = dict(attrs)
            self._span = (_many(named.get("colspan")), _many(named.get("rowspan")))
            self._cell = []
        elif self._cell is not None and tag in _MARKS:
            self._cell.append(_MARKS[tag])

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        elif tag in ("tr", "table"):
            self._end_row()
        elif self._cell is not None and tag in _MARKS and tag != "br":
            self._cell.append(_MARKS[tag].replace("<", "</"))

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None or self._row is None:
            return
        self._fill()
        wide, tall = self._span
        text = " ".join("".join(self._cell).split())
        for position in range(len(self._row), len(self._row) + wide):
            if tall > 1:
                self._filling[position] = (text, tall - 1)
        self._row += [text] * wide
        self._cell = None

    def _fill(self) -> None:
        """Cells of rows above that reach down to the place where the row goes on."""
        row = self._row
        while row is not None and len(row) in self._filling:
            text, left = self._filling.pop(len(row))
            if left > 1:
                self._filling[len(row)] = (text, left - 1)
            row.append(text)

    def _end_row(self) -> None:
        self._end_cell()
        if self._row is not None:
            self._fill()
            if any(self._row):
                self.tables[-1][1].append((self._begun, self._row))
        self._row = None


def _many(text: str | None) -> int:
    return min(int(text), _WIDEST) if text is not None and text.isdecimal() and int(text) > 0 else 1
