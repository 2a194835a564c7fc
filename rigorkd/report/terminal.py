"""A page on a terminal, readable at 100 columns; plain text where the output is no terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from rigorkd.report.page import Page, Table

WIDTH = 100
#: A longer name is broken before its last part.
LONG_NAME = 26
#: More rows than this are cut on a terminal; the other formats hold them all.
MAX_ROWS = 40


def show(page: Page, stream: TextIO | None = None) -> None:
    """Print a page to a stream, standard output by default."""
    stream = stream or sys.stdout
    console = Console(
        file=stream, width=None if stream.isatty() else WIDTH, highlight=False, soft_wrap=False, emoji=False
    )
    if page.banner:
        console.print(f"[bold red]{escape(page.banner)}[/]")
    for position, line in enumerate(page.headline):
        console.print(f"[bold]{escape(line)}[/]" if position == 0 else escape(line))
    for table in page.tables:
        console.print()
        console.print(f"[bold]{escape(table.title)}[/]")
        console.print(_rich(table, console.width))
        if len(table.rows) > MAX_ROWS:
            console.print(
                f"  … {len(table.rows) - MAX_ROWS:,} more rows; --format csv has them all", style="yellow"
            )
        console.print(escape(table.caption), style="dim")
    for heading, lines in (("In words", page.sentences), ("Notes", page.notes)):
        if lines:
            console.print()
            console.print(f"[bold]{heading}[/]")
            for line in lines[:MAX_ROWS]:
                console.print(f"  • {escape(line)}")
            if len(lines) > MAX_ROWS:
                console.print(
                    f"  … {len(lines) - MAX_ROWS:,} more; --format csv has them all", style="yellow"
                )
    if page.warnings:
        console.print()
        for line in page.warnings:
            console.print(f"[yellow]warning:[/] {escape(line)}")
    if page.banner:
        console.print(f"[bold red]{escape(page.banner)}[/]")


def _broken(text: str) -> str:
    """Long cell names on two lines, broken before their last part: group/student/ and kd-T4-a0.5."""
    words = text.split(" ")
    return " ".join(
        "/\n".join(word.rsplit("/", 1)) if len(word) > LONG_NAME and "\n" not in word else word
        for word in words
    )


def _rich(table: Table, width: int) -> RichTable:
    out = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    shown = [i for i, column in enumerate(table.columns) if width > WIDTH or not column.detail]
    last = len(table.columns) - 1
    texts = [[table.columns[i].heading, *(row[i] for row in table.rows[:MAX_ROWS])] for i in shown]
    wide = sum(max(map(len, column)) + 2 for column in texts) > width
    for position in shown:
        column = table.columns[position]
        out.add_column(
            column.heading,
            justify="right" if column.numeric else "left",
            overflow="fold",
            no_wrap=column.numeric or position == last > 1,
        )
    for position, row in enumerate(table.rows[:MAX_ROWS]):
        out.add_row(
            *(escape(_broken(row[i]) if wide else row[i]) for i in shown),
            style="bold" if position in table.emphasis else None,
        )
    return out
