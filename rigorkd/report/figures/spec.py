"""A figure before it is drawn: panels, what their marks mean, and what it shows in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rigorkd.report.figures.style import Role

if TYPE_CHECKING:
    from matplotlib.axes import Axes
KeyKind = Literal["line", "thick", "thin", "band", "filled", "hollow", "diamond", "cross", "star"]


@dataclass(frozen=True)
class Key:
    """What one mark means. `kind` is how it looks; a line's dashes and mark are those at `position`."""

    text: str
    kind: KeyKind
    role: Role = "ink"
    position: int = 0


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: says which part of the study it shows, "" for none.
        draw: draws the marks on given axes; margins and title are the canvas' part.
        height: of the axes, in inches.
        left: room for labels left of the axes, in inches.
        describe: what is to be seen, in words, for readers who cannot see it.
    """

    title: str
    draw: Callable[[Axes], None]
    height: float
    describe: str
    left: float = 0.55


@dataclass(frozen=True)
class Figure:
    """Panels under one name.

    `omitted` says what was left out to keep it readable, "" if nothing was; `banner` what must be read above
    the panels of a file, `columns` how many panels stand side by side there. `doubted` are the warnings
    that make what is drawn worthless, None for all of that kind that its studies have.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...] = ()
    omitted: str = ""
    banner: str = ""
    columns: int | None = None
    doubted: tuple[str, ...] | None = None
