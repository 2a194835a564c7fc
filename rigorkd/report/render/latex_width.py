"""How wide a table will be in LaTeX, and how it is made narrower: cells on two lines, smaller letters.

Widths are those of Computer Modern at 10 pt, near enough to decide; TeX itself measures what is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LINE = 345.0
"""Points of a line of LaTeX's article in one column."""
PAGE = 500.0
"""Points of a page of article, without what stands around its tables; a float that is higher has no end."""
COLUMN = 180.0
"""Points below a line of two columns (200) as these widths are near: what is wider may have to be scaled."""
_GAP = 12.0
_NARROW_GAP = 6.0
"""Points between columns, and where `\\tabcolsep` is 3 pt."""
_SMALL, _DENSE = 0.8, 0.7
"""Of `\\footnotesize` and `\\scriptsize` to `\\normalsize`."""
_LEADING = {1.0: 12.0, _SMALL: 9.5, _DENSE: 8.0}
"""Points from a line of letters of these sizes to the next."""
LEAST = 5.0
"""Points of letters that are still read; below it a table belongs on a page of its own."""

_WIDTHS = (
    ("iljI.,:;'|!", 2.8),
    ("ftrs-()[]/ ", 3.7),
    ("mMW%@—", 8.3),
    ("w±−+<>=≤≥→∞×", 7.6),
    ("ABCDEFGHKLNOPQRSTUVXYZ&…", 7.1),
)
_POINTS = {character: points for characters, points in _WIDTHS for character in characters}
_BOLD = 1.15


@dataclass(frozen=True)
class Grid:
    """The texts of a table, lines of a cell apart, and how it is set.

    Attributes:
        rows: headings first; a cell is its lines.
        size: of its letters, 1 for `\\normalsize`; smaller ones have narrow gaps.
        points: about how wide it is then.
    """

    rows: tuple[tuple[tuple[str, ...], ...], ...]
    size: float
    points: float

    @property
    def letters(self) -> float:
        """The size of its letters once it is scaled to a line, in points."""
        return 10 * self.size * min(1.0, LINE / self.points)

    def divided(self, above: float, below: float) -> list[range]:
        """The rows, without the headings, of each of the pages that they take.

        `above` and `below` are the points of what stands above the first and below the last of them.
        """
        line = (12.0 if self.size == 1 else 9.5 if self.size == _SMALL else 8.0) * min(
            1.0, LINE / self.points
        )
        heights = [line * max(map(len, row)) for row in self.rows]
        out, begin, left = [], 1, PAGE - above - heights[0]
        for at in range(1, len(heights)):
            last = at == len(heights) - 1
            if heights[at] + last * below > left and at > begin:
                out.append(range(begin, at))
                begin, left = at, PAGE - heights[0]
            left -= heights[at]
        if out and (few := _FEWEST - (len(heights) - begin)) > 0 and len(out[-1]) >= 2 * _FEWEST:
            begin -= few  # no page of a row or two
            out[-1] = range(out[-1].start, begin)
        return [*out, range(begin, len(heights))]


_FEWEST = 3
"""Rows that the last page of a table has at least."""


def width_of(text: str, bold: bool = False) -> float:
    """About how many points a text takes."""
    return sum(_POINTS.get(character, 5.0) for character in text) * (_BOLD if bold else 1)


def fitted(headings: Sequence[str], rows: Sequence[Sequence[str]], bold: Iterable[int], dense: bool) -> Grid:
    """The table as it stands if a line holds it; else in small letters, then with cells on several lines."""
    bold = frozenset(at + 1 for at in bold)
    plain = tuple(tuple((" ".join(text.split()),) for text in row) for row in (headings, *rows))
    for size, gap in ((_DENSE, _NARROW_GAP),) if dense else ((1.0, _GAP), (_SMALL, _NARROW_GAP)):
        if (points := _points(plain, bold, size, gap)) <= LINE:
            return Grid(plain, size, points)
    columns = []
    for place, (heading, *cells) in enumerate(zip(headings, *rows, strict=True)):
        body = [_lines(text, place == 0) for text in cells]
        widest = max((width_of(line) for lines in body for line in lines), default=0.0)
        columns.append([_halves(" ".join(heading.split()), widest), *body])
    split = tuple(zip(*columns, strict=True))
    return Grid(split, size, _points(split, bold, size, gap))


def _points(rows: Sequence[Sequence[Sequence[str]]], bold: frozenset[int], scale: float, gap: float) -> float:
    widths = [
        max(width_of(line, at in bold) for at, cell in enumerate(column) for line in cell)
        for column in zip(*rows, strict=True)
    ]
    return scale * sum(widths) + gap * len(widths)


_LONG = 90.0
"""Points from which on a name is broken."""


def _lines(text: str, name: bool) -> tuple[str, ...]:
    """A cell on several lines: as it came, and a long name broken further."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return tuple(part for line in lines for part in (_broken(line) if name else (line,)))


def _halves(heading: str, widest: float) -> tuple[str, ...]:
    """A heading that is wider than what stands below it, parted at the space nearest to its middle."""
    spaces = [at for at, character in enumerate(heading) if character == " "]
    if not spaces or width_of(heading) <= max(widest, 50):
        return (heading,)
    at = min(spaces, key=lambda at: abs(at - len(heading) / 2))
    return heading[:at], heading[at + 1 :]


def _broken(line: str) -> tuple[str, ...]:
    """A long name on lines that end behind a stroke, a comma, a colon or a word."""
    if width_of(line) <= _LONG:
        return (line,)
    parts, begin = list[str](), 0
    for at, character in enumerate(line):
        if character in "/,:- _" and at + 1 < len(line):
            parts.append(line[begin : at + 1])
            begin = at + 1
    parts.append(line[begin:])
    lines = [parts[0]]
    for part in parts[1:]:
        if width_of(lines[-1] + part.rstrip()) <= _LONG:
            lines[-1] += part
        else:
            lines.append(part)
    return tuple(part.strip() for part in lines)
