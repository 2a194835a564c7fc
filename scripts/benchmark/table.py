"""What a benchmark found: a Markdown table with notes, the same on the terminal and in the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from machine import Machine  # which imports torch; who only reads tables needs none


@dataclass(frozen=True)
class Table:
    """Rows of text for people and `values` for scripts; `n` is the number of rounds behind each row."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    values: tuple[Mapping[str, float | str | None], ...]
    notes: tuple[str, ...] = ()

    def text(self, machine: Machine) -> str:
        """The table in Markdown under its title and the machine."""
        return "\n".join([f"## {self.name}: {self.title}", "", machine.text(), "", self.markdown(), ""])

    def markdown(self) -> str:
        """The table in Markdown, its columns aligned, and its notes."""
        grid = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.columns))]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in grid
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([*lines, *([""] if notes else []), *notes])


def table_of(fields: dict[str, Any]) -> Table:
    """The table that a result file holds."""
    lists = {key: tuple(fields[key]) for key in ("columns", "values", "notes")}
    return Table(fields["name"], fields["title"], rows=tuple(map(tuple, fields["rows"])), **lists)
