"""Colours, marks and sizes of all figures.

Hues are those of Okabe and Ito (2008), which readers with any colour vision can tell apart; a second mark
(shape, filling or dashes) always repeats what a colour says. On the page each colour becomes a variable of
the style sheet, so that one drawing serves light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dashes = Literal["-"] | tuple[float, tuple[float, ...]]
"""As matplotlib wants them: solid, or an offset and lengths in points."""

Role = Literal[
    "ink", "muted", "rule", "band", "paper", "blue", "vermillion", "green", "purple", "orange", "sky"
]


@dataclass(frozen=True)
class Shade:
    """One role's colour on white paper and on a dark screen."""

    light: str
    dark: str


PALETTE: dict[Role, Shade] = {
    "ink": Shade("#1a1f26", "#e7eaee"),
    "muted": Shade("#5d6672", "#a5aebb"),
    "rule": Shade("#d9dee4", "#39414c"),
    "band": Shade("#e9eef3", "#28303a"),
    "paper": Shade("#fefefe", "#14181d"),
    "blue": Shade("#0072b2", "#56b4e9"),
    "vermillion": Shade("#d55e00", "#ff8b3d"),
    "green": Shade("#009e73", "#2ecc9a"),
    "purple": Shade("#cc79a7", "#e6a0c4"),
    "orange": Shade("#e69f00", "#f5c04a"),
    "sky": Shade("#56b4e8", "#9ad4f5"),
}

#: The order in which series take their colours; each has a mark and dashes of its own as well.
SERIES: tuple[Role, ...] = ("blue", "vermillion", "green", "purple", "orange", "sky")
MARKS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Dashes, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    (0, (1, 2)),
)

#: Sizes in inches and points.
PANEL_WIDTH = 3.5
FONT = 8.0
SMALL = 7.0


def light(role: Role) -> str:
    """The colour of a role on paper."""
    return PALETTE[role].light


def series(position: int) -> tuple[Role, str, Dashes]:
    """Colour, mark and dashes of a series; after the sixth colours return with other marks and dashes."""
    at = looks_at(position)
    return SERIES[position % len(SERIES)], MARKS[at], DASHES[at]


def looks_at(position: int) -> int:
    """Which mark and dashes a series has."""
    round_ = position // len(SERIES)
    return (position + 2 * round_) % len(MARKS)
