"""A page as data. Every number carries its unrounded value and its path in the JSON of `rigorkd analyze`,
so that a test, or a reader with the page's source, can compare them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Value:
    """A number as shown, and what it is.

    `path` leads to it in the JSON of the analysis (`families/0/comparisons/3/p`), or, where it starts with
    `runs|`, names cell, metric and seed (or `mean`) of the table of runs.
    """

    text: str
    value: float | int | None
    path: str


@dataclass(frozen=True)
class Said:
    """A sentence; `path` leads to it in the JSON of the analysis, "" if it is the page's own.

    `lead` says in bold whom it is about.
    """

    text: str
    path: str = ""
    strong: bool = False
    lead: str = ""


@dataclass(frozen=True)
class Cell:
    """A table's cell: text and values in order; `sort` orders rows by this column, `badge` is a verdict."""

    parts: tuple[str | Value, ...]
    numeric: bool = False
    sort: float | str | None = None
    badge: str = ""
    heading: bool = False


@dataclass(frozen=True)
class Heading:
    """A column's heading; `help` explains it."""

    text: str
    numeric: bool = False
    help: str = ""


@dataclass(frozen=True)
class DataTable:
    """A table that can be sorted by its columns."""

    id: str
    caption: str
    columns: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Prose:
    """Paragraphs, or a list."""

    lines: tuple[Said, ...]
    bullets: bool = False
    kind: Literal["prose"] = "prose"


@dataclass(frozen=True)
class Swatch:
    svg: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A figure: SVG panels, what their marks mean, a caption."""

    id: str
    title: str
    caption: str
    panels: tuple[str, ...]
    swatches: tuple[Swatch, ...]
    omitted: str = ""
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True)
class Facts:
    """Terms and what is known of them."""

    items: tuple[tuple[str, tuple[str, ...]], ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Code:
    """Lines to type, or a file's text."""

    text: str
    label: str
    kind: Literal["code"] = "code"


@dataclass(frozen=True)
class Fold:
    """What is opened on demand."""

    summary: str
    blocks: tuple[Prose | Chart | DataTable | Facts | Code, ...]
    kind: Literal["fold"] = "fold"


Block = Prose | Chart | DataTable | Facts | Code | Fold


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: tuple[Block, ...]
    mark: str = ""


@dataclass(frozen=True)
class Count:
    """How many comparisons of a family have a verdict; `path` is `<family's position>:<verdict>`."""

    number: int
    word: str
    badge: str
    path: str


@dataclass(frozen=True)
class Tally:
    """The verdicts of one family, counted."""

    title: str
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class Answer:
    """What comes first.

    `short` answers the question in a few words; `first` and `further` are the headline of the analysis.
    """

    question: str
    short: str
    setting: str
    first: str
    further: tuple[str, ...]
    tallies: tuple[Tally, ...]
    sentences: tuple[Said, ...]
    undecided: tuple[Said, ...]
    cautions: tuple[Said, ...]
    warnings: tuple[Said, ...]


@dataclass(frozen=True)
class View:
    title: str
    study: str
    banner: str
    answer: Answer
    sections: tuple[Section, ...]
    colophon: str
