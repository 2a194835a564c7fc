"""A result before its format: what every renderer of `rigorkd.report.render` is given.

A page has a headline, blocks and warnings. Numbers carry their unrounded value and its path in the JSON of
`rigorkd analyze`, so that a test, or a reader with a page's source, can compare them all. Text is kept as it
came: what is harmless in a format is for its renderer to see to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rigorkd_analysis.verdicts import Badge

    from rigorkd.report.figures.spec import Figure

Format = Literal["table", "json", "csv", "markdown", "latex"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "markdown", "latex")

COMMAND = re.compile(r"(?<!\w)`((?:rigorkd|analyze|run)(?: [^`]+)?|pip install [^`]+)`(?!\w)")
"""A command within a text: between ticks, which formats that can set it as code do not show. Other ticks
may be of a name of a cell, which is shown as it is."""

MISSING = "–"
"""What stands in the place of a number that is not known."""


STARRED = " * see the warnings."
"""How the caption of a table with stars at its verdicts ends."""


@dataclass(frozen=True)
class Value:
    """A number as shown, and what it is.

    `path` leads to it in the JSON of the analysis (`families/0/comparisons/3/p`), or, where it starts with
    `runs|`, names cell, metric and seed (or `mean`) of the table of runs; "" where there is no such document.
    """

    text: str
    number: float | int | None = None
    path: str = ""


@dataclass(frozen=True)
class Cell:
    """A table's cell: text and values in order. `sort` orders rows instead of what is shown."""

    parts: tuple[str | Value, ...]
    badge: Badge | Literal[""] = ""
    sort: float | None = None

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def order(self) -> float | str | None:
        """What a row is sorted by in this column; None comes last."""
        if self.sort is not None:
            return self.sort
        for part in self.parts:
            if isinstance(part, Value):
                return part.number
        return None if self.text in ("", MISSING) else self.text


Entry = str | Value | Cell


@dataclass(frozen=True)
class Column:
    """A heading; numbers are set flush right. A `detail` is left out where a page is narrow."""

    heading: str
    numeric: bool = False
    help: str = ""
    detail: bool = False


def first_of(most: int | None, total: int, what: str) -> str:
    """What a table that was cut says of it."""
    return f" The first {most} of {total:,} {what}." if most is not None and total > most else ""


POST_HOC = " †"
"""What marks a row whose question was not planned, among rows whose was, or was once."""

DECIDED = "Rows in bold are decided: better, worse or equivalent."
"""What the rows of verdicts are that are set in bold: a reader would take it for the best."""


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first entry of a row is its name.

    `emphasis` marks the rows whose verdict is a finding, and `bold` says so under a table that goes on alone,
    "" where the caption does; `dense` is set small; `id` is its place on a page of HTML, "" for one that
    follows from the title. `starred` is what stars at verdicts stand for, `alone` what
    holds for all rows: a page says both among its warnings, a format whose tables go on alone below them.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    caption: str
    emphasis: frozenset[int] = frozenset()
    dense: bool = False
    id: str = ""
    starred: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    bold: str = ""

    @property
    def whole_caption(self) -> str:
        """The caption with what rows in bold are, where there are such."""
        return " ".join(filter(None, (self.caption, self.bold if self.emphasis else "")))

    def cells(self) -> Iterator[tuple[Cell, ...]]:
        for row in self.rows:
            yield tuple(entry if isinstance(entry, Cell) else Cell((entry,)) for entry in row)

    def texts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(cell.text for cell in row) for row in self.cells())


@dataclass(frozen=True)
class Said:
    """A sentence. `lead` says whom it is about; `path` leads to it in the JSON of the analysis, "" if it is
    the page's own."""

    text: str
    path: str = ""
    strong: bool = False
    lead: str = ""

    @property
    def whole(self) -> str:
        return f"{self.lead}: {self.text}" if self.lead else self.text


@dataclass(frozen=True)
class Prose:
    """Paragraphs, or a list."""

    lines: tuple[Said, ...]
    title: str = ""
    bullets: bool = False


@dataclass(frozen=True)
class Count:
    """How many comparisons have a verdict; `path` is `<position of their family>:<verdict>`.

    Of sequential verdicts it begins with `sequential/`.
    """

    number: int
    label: str
    badge: Badge
    meaning: str
    path: str


@dataclass(frozen=True)
class Tally:
    """The verdicts of one family, counted."""

    title: str
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class Chart:
    """A figure, drawn where a format can."""

    figure: Figure


@dataclass(frozen=True)
class Facts:
    """Terms and what is known of them."""

    items: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Code:
    """Lines to type, or a file's text."""

    text: str
    label: str


@dataclass(frozen=True)
class Section:
    """Blocks under a heading. `mark` says how far to believe them; a `folded` one is opened on demand."""

    title: str
    blocks: tuple[Block, ...]
    id: str = ""
    mark: str = ""
    folded: bool = False


Block = Prose | Table | Tally | Chart | Facts | Code | Section


@dataclass(frozen=True)
class Page:
    """All of an answer.

    Attributes:
        headline: what holds; the first line says the most.
        banner: said first and last, for results that must not be believed.
        question, setting, short: what was asked, how, and the answer in a few words, on a page that is sent.
        narrow: it is made for 80 columns.
        answer: what belongs to the headline, before the warnings; `blocks` come after them.
    """

    headline: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    warnings: tuple[Said, ...] = ()
    banner: str = ""
    title: str = ""
    study: str = ""
    question: str = ""
    setting: str = ""
    short: str = ""
    answer: tuple[Block, ...] = ()
    colophon: str = ""
    narrow: bool = False

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(block for block in flat(self.blocks) if isinstance(block, Table))

    @property
    def everything(self) -> tuple[Block, ...]:
        return (*self.answer, *self.blocks)


def listed(*parts: tuple[str, Iterable[Said]]) -> tuple[Prose, ...]:
    """Lists under their titles, those that have something in them."""
    made = [Prose(tuple(lines), title, bullets=True) for title, lines in parts]
    return tuple(prose for prose in made if prose.lines)


def flat(blocks: tuple[Block, ...]) -> Iterator[Block]:
    """Blocks in order, those of sections in the place of their section."""
    for block in blocks:
        if isinstance(block, Section):
            yield from flat(block.blocks)
        else:
            yield block


def lines_of(block: Block) -> tuple[str, ...]:
    """What is no table as plain lines, for formats that only know text."""
    match block:
        case Prose():
            return tuple(line.whole for line in block.lines)
        case Tally():
            return (", ".join(f"{count.number} {count.label}" for count in block.counts),)
        case Chart():
            figure = block.figure
            said = [f"{one.title}: {one.describe}" if one.title else one.describe for one in figure.panels]
            return (*said, *(text for text in (figure.caption, figure.omitted) if text))
        case Facts():
            return tuple(f"{term}: {', '.join(values)}" for term, values in block.items)
        case Code():
            return tuple(block.text.split("\n"))
    return ()


def title_of(block: Block) -> str:
    """What stands above a block, "" for nothing."""
    match block:
        case Prose() | Table() | Tally() | Section():
            return block.title
        case Chart():
            return block.figure.title
        case Code():
            return block.label
    return ""
