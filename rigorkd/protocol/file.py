"""A loaded protocol: the file, what it says, and the cells that it stands for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.problems import Path as KeyPath
from rigorkd.problems import unknown
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.schema import Spec
from rigorkd.protocol.tree import Node, Place


@dataclass(frozen=True)
class Protocol:
    """A protocol file, checked and expanded: teachers first, then starts, then students in file order."""

    path: Path
    text: str
    spec: Spec
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    study: str
    smoke: bool = False
    tree: Node = field(default_factory=lambda: Node(Place(1, 1)), repr=False, compare=False)

    @cached_property
    def _by_name(self) -> dict[str, Cell]:
        return {cell.name: cell for cell in self.cells}

    def cell(self, name: str) -> Cell:
        """The cell of that name. Raises `InputError` with the nearest name."""
        if name not in self._by_name:
            message, hint = unknown("cell", name, self._by_name)
            raise InputError(message, hint=hint)
        return self._by_name[name]

    @property
    def text_hash(self) -> str:
        """sha256 hex of the file's text, as UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def place(self, path: KeyPath) -> Place:
        """Where the value at a path of keys and indices stands, or the deepest part that the text has."""
        return self.tree.find(path)
