"""What a benchmark found: a Markdown table with notes, the same on the terminal and in the documentation."""

from __future__ import annotations

from dataclasses import dataclass

from machine import Machine


@dataclass(frozen=True)
class Table:
    """Rows of text for people and `values` for scripts; `n` is the number of rounds behind each row."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    values: tuple[dict[str, float | str | None], ...]
    notes: tuple[str, ...] = ()

    def text(self, machine: Machine) -> str:
        """The table in Markdown, its columns aligned."""
        grid = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.columns))]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in grid
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = [f"- {note}" for note in self.notes]
        head = [f"## {self.name}: {self.title}", "", f"{machine.text()}", ""]
        return "\n".join([*head, *lines, *([""] if notes else []), *notes, ""])
