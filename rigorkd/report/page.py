"""A rendered result before its format: what holds in words, tables with captions, sentences, notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["table", "json", "csv", "markdown", "latex"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "markdown", "latex")


@dataclass(frozen=True)
class Column:
    """A heading; numbers are set flush right. A `detail` is left out where the page is narrow."""

    heading: str
    numeric: bool = False
    detail: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of finished text. `emphasis` marks the rows whose verdict is a finding; `dense` is set small."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    emphasis: frozenset[int] = frozenset()
    dense: bool = False


@dataclass(frozen=True)
class Page:
    """All of a command's answer. `banner` is said first and last, for results that must not be believed."""

    headline: tuple[str, ...]
    tables: tuple[Table, ...]
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    banner: str = ""
