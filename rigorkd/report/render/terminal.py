"""A page on a terminal, readable at 100 columns, a narrow one at 80; plain text where it is no terminal."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from rigorkd.report.page import Block, Page, Prose, Section, Table, Tally, lines_of, title_of
from rigorkd.report.row_names import RowNames, short_names
from rigorkd.text import one_line, printable

WIDTH = 100
NARROW = 80
#: A longer heading of a column of numbers is folded, unless its numbers are as wide.
LONG_HEADING = 12
#: More rows than this are cut on a terminal; the other formats hold them all.
MAX_ROWS = 40


def show(page: Page, stream: TextIO | None = None) -> None:
    """Print a page to a stream, standard output by default."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else NARROW if page.narrow else WIDTH
    console = Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False)
    if page.banner:
        _print(console, _text(page.banner, "bold red"))
    opening = [text for text in (page.question, page.setting, page.short, *page.headline) if text]
    for position, line in enumerate(opening):
        _print(console, _text(line, "" if position else "bold"))
    for block in page.everything:
        _block(console, block)
    if page.warnings:
        console.print()
        for said in page.warnings:
            _print(console, Text.assemble(("warning:", "yellow"), " ", one_line(said.whole)), indent=2)
    if page.banner:
        _print(console, _text(page.banner, "bold red"))


def _print(console: Console, text: Text, *, mark: str = "", indent: int | None = None) -> None:
    """Print a text behind a mark, wrapped between words; what continues it stands as far in as `indent`."""
    indent = len(mark) if indent is None else indent
    for position, line in enumerate(text.wrap(console, max(console.width - max(indent, len(mark)), 20))):
        line.rstrip()
        console.print(Text(" " * indent if position else mark) + line, soft_wrap=True)


def _text(text: str, style: str = "") -> Text:
    """A line that a terminal shows as it stands: no markup, no escape sequences."""
    return Text(one_line(text), style)


def _block(console: Console, block: Block) -> None:
    console.print()
    if title := title_of(block):
        _print(console, _text(title, "bold"))
    match block:
        case Table():
            parts = _rich(block, console.width)
            for part in parts:
                if isinstance(part, Text):
                    _print(console, part)
                else:
                    console.print(part)
            if not parts:
                for line in _one_below_another(block, console.width):
                    console.print(Text(line), soft_wrap=True)
            _cut(console, len(block.rows), _rows_left(block), "csv")
            _print(console, _text(block.caption, "dim"))
        case Section():
            for inner in block.blocks:
                _block(console, inner)
        case Prose(bullets=True) | Tally():
            lines = lines_of(block)
            for line in lines[:MAX_ROWS]:
                _print(console, _text(line), mark="  • ")
            _cut(console, len(lines), "more", "markdown")
        case _:
            for line in lines_of(block):
                _print(console, _text(line))


def _cut(console: Console, total: int, what: str, where: str) -> None:
    if total > MAX_ROWS:
        line = f"  … {total - MAX_ROWS:,} {what}; --format {where} has them all"
        console.print(line, style="yellow")


def _rows_left(table: Table) -> str:
    """What the rows are that a terminal does not show: findings among them are counted."""
    left = sum(at >= MAX_ROWS for at in table.emphasis)
    return f"more rows ({left or 'none'} with a finding)" if table.emphasis else "more rows"


def _broken(text: str, room: int) -> str:
    """Names for which there is no room on two lines, broken before their last part: group/student/ and kd-T4.

    A part for which there is no room is folded, of each line of a pair's name.
    """

    def broken(word: str) -> str:
        if len(word) <= room:
            return word
        *rest, last = word.rsplit("/", 1)
        return "\n".join(_folded(part, room) for part in (*(f"{part}/" for part in rest), last))

    return "\n".join(" ".join(map(broken, line.split(" "))) for line in text.split("\n"))


def _folded(text: str, width: int) -> str:
    """A long heading or name on lines of at most `width`, after - . _ / or a blank, never inside a number."""
    lines = [""]
    for part in re.findall(r".+?(?:[-_/ ]|\.(?!\d)|$)", text):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(piece for line in lines for piece in textwrap.wrap(line, width) or [line])


def _least(names: Iterable[str]) -> Iterator[int]:
    """The room that the parts of these names need, which may not be broken."""
    for word in (word for name in names for word in name.split()):
        *rest, last = word.rsplit("/", 1)
        yield from (len(part) + 1 for part in rest)
        yield from map(len, re.findall(r".+?(?:[-_]|\.(?!\d)|$)", last))


def _one_below_another(table: Table, width: int) -> list[str]:
    """The rows of a table that is too wide: each under its name, every number behind its heading, whole."""
    headings, out = [printable(column.heading) for column in table.columns], []
    for row in table.texts()[:MAX_ROWS]:
        first, *rest = (" ".join(printable(text).split("\n")) for text in row)
        called = _broken(first, width).split("\n")
        out += [
            part for line in called for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]
        ]
        line = ""
        for heading, text in zip(headings[1:], rest, strict=True):
            if text == "–":  # an entry that is not there needs no heading
                continue
            part = f"{heading}: {text}"
            if line and len(line) + len(part) + 4 > width:
                out.append(f"  {line};")
                line = ""
            line += f"; {part}" if line else part
        out.append(f"  {line}")
    return out


def _rich(table: Table, width: int) -> list[RichTable | Text]:
    """The table as columns between lines of text; nothing where they would break words or numbers."""
    shown = [i for i, column in enumerate(table.columns) if width > WIDTH or not column.detail]
    rows = [tuple(map(printable, row)) for row in table.texts()[:MAX_ROWS]]
    contents = {i: max((len(line) for row in rows for line in row[i].split("\n")), default=0) for i in shown}
    headings = {i: printable(table.columns[i].heading) for i in shown}
    names = tuple(row[0] for row in rows)
    room, called = width, RowNames(names)
    if sum(max(contents[i], len(headings[i])) + 2 for i in shown) > width:

        def left() -> int:
            taken = (max(contents[i], *map(len, headings[i].split("\n"))) + 2 for i in shown[1:])
            return width - sum(taken)

        room, called = left(), short_names(names, left())
        if not called.fits(room) or len(headings[0]) > room:
            for i in shown[1:]:
                if table.columns[i].numeric:
                    headings[i] = _folded(headings[i], max(LONG_HEADING, contents[i]))
            room, called = left(), short_names(names, left())
        if room < max(_least([headings[0], *called.names])):
            return []
    names = tuple(_broken(name, room) for name in called.names)
    contents[0] = max((len(line) for name in names for line in name.split("\n")), default=0)

    def grid(header: bool) -> RichTable:
        """Columns without rows yet, of equal widths in every part of the table."""
        out = RichTable(
            box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True,
            show_header=header,
        )  # fmt: skip
        last = len(table.columns) - 1
        for position in shown:
            column = table.columns[position]
            wide = max(contents[position], *map(len, headings[position].split("\n")))
            out.add_column(
                Text(headings[position]),
                justify="right" if column.numeric else "left",
                overflow="fold",
                no_wrap=column.numeric or position == last > 1,
                width=min(wide, room) if called.headings and position == 0 else None,
                min_width=wide if called.headings and position else None,
            )
        return out

    out: list[RichTable | Text] = [_text(line, "dim") for line in called.above]
    part = grid(header=True)
    out.append(part)
    for position, row in enumerate(rows):
        if heading := called.headings.get(position):
            part = grid(header=False)
            out += [_text(heading), part]
        part.add_row(
            Text(names[position]),
            *(Text(row[i]) for i in shown[1:]),
            style="bold" if position in table.emphasis else None,
        )
    return out
