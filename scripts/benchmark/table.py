"""What a benchmark found: a Markdown table with notes, the same on the terminal and in the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machine import Machine  # which imports torch; who only reads tables needs none


Value = Mapping[str, float | str | None]


@dataclass(frozen=True)
class Table:
    """Rows of text for people and `values` for scripts; `n` is the number of rounds behind each row.

    `planned` has what names each value that was to be measured: a table that was cut has fewer values.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    values: tuple[Value, ...]
    notes: tuple[str, ...] = ()
    planned: tuple[Value, ...] = ()

    def text(self, machine: Machine) -> str:
        """The table in Markdown under its title and the machine."""
        return "\n".join([f"## {self.name}: {self.title}", "", machine.text(), "", self.markdown(), ""])

    def markdown(self) -> str:
        """The table in Markdown, its columns aligned, and its notes."""
        grid = [[plain(cell) for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.columns))]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in grid
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = [f"- {plain(note)}" for note in self.notes]
        return "\n".join([*lines, *([""] if notes else []), *notes])


def plain(text: str) -> str:
    """Text that stays one cell or line of Markdown whatever it holds: no bar, line end, tag or comment."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
