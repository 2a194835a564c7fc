"""What a file of layouts may say, and how a layout is found by its name.

A layout names the cells that it wants by patterns: `*` and `?` as in a shell, {2,4,6} for alternatives of
which every one is wanted, and a|b for two names of which one is enough. `show`, `down`, `across`, `panels`
and `lines` name columns that describe a cell (student, method, teacher, T, start, optimizer, …), and `words`
what their values are called.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from rigorkd.errors import InputError
from rigorkd.fields import Count, Frozen, Positive, as_tuple
from rigorkd.problems import unknown
from rigorkd.protocol.load import load_as

Patterns = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Words = dict[str, dict[str, str]]
"""By column: a value and what it is called."""


class Shown(Frozen):
    """One column of a table of rows: exactly one of the keys below `of`."""

    heading: str
    of: Literal["cell", "baseline"] = "cell"
    show: str | None = None
    metric: str | None = None
    gain: str | None = None
    verdict: str | None = None
    difference: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Shown:
        given = (self.show, self.metric, self.gain, self.verdict, self.difference)
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of show, metric, gain, verdict, difference")
        return self


class Block(Frozen):
    """Rows of a table; `named` gives some columns of these rows their text, by heading."""

    cells: Patterns
    named: dict[str, str] = Field(default={})


class _Layout(Frozen):
    title: str
    published: str = ""
    note: str = ""
    words: Words = Field(default={})


class RowsLayout(_Layout):
    """A table with one row per cell."""

    kind: Literal["rows"]
    rows: Annotated[tuple[Block, ...], Field(min_length=1)]
    columns: Annotated[tuple[Shown, ...], Field(min_length=1)]

    @property
    def judged(self) -> tuple[str, ...]:
        """The metrics whose gains it shows."""
        found = (name for one in self.columns for name in (one.gain, one.verdict))
        return tuple(dict.fromkeys(name for name in found if name is not None))


class HeatLayout(_Layout):
    """A table, or a heat map, of one metric: cells by some columns down and others across.

    With `softness` a row begins with the entropies of its teacher's output at that temperature, on `images`.
    """

    kind: Literal["heat"]
    cells: Patterns
    down: Names
    across: Names
    metric: str = "test_top1"
    softness: Positive | None = None
    images: Literal["test", "train"] = "test"


class CatalogLayout(_Layout):
    """Figures of the catalog, in one, of some cells alone."""

    kind: Literal["catalog"]
    figures: Names
    cells: Patterns = ("*",)


class CurvesLayout(_Layout):
    """A metric against a setting: small multiples by `panels`, one line per value of `lines`.

    `x` is the first of these columns that a cell has a value in; one without is a horizontal line. With
    `grey` only the last line of a panel has a colour: the others are overlaid in grey. Panels stand in the
    order of `panels`, the last of which changes fastest, `side_by_side` in a row.
    """

    kind: Literal["curves"]
    cells: Patterns
    x: Names = ("T",)
    metric: str = "test_top1"
    panels: Names = ()
    lines: Names = ()
    grey: bool = False
    side_by_side: Annotated[int, Field(ge=1, le=6)] | None = None


class EpochsLayout(_Layout):
    """Columns of the history against the epoch: small multiples by `panels` and column, one line per cell."""

    kind: Literal["epochs"]
    cells: Patterns
    columns: Names = ("val_loss", "val_top1")
    panels: Names = ("student",)
    lines: Names = ("method",)


class SortedLayout(_Layout):
    """The teachers' mean sorted softmax on some images, over label smoothing of equal entropy."""

    kind: Literal["sorted_softmax"]
    teachers: Patterns = ("teacher*",)
    T: Annotated[tuple[Positive, ...], Field(min_length=1)]
    classes: Count = 20
    images: Literal["test", "train"] = "test"


class SoftenedLayout(_Layout):
    """A teacher's softened output of one test image, the first of the class `target`."""

    kind: Literal["softened"]
    teachers: Patterns = ("teacher*",)
    T: Annotated[tuple[Positive, ...], Field(min_length=1)]
    target: Annotated[int, Field(ge=0)] = 0


Layout = Annotated[
    RowsLayout | HeatLayout | CatalogLayout | CurvesLayout | EpochsLayout | SortedLayout | SoftenedLayout,
    Field(discriminator="kind"),
]
TableLayout = RowsLayout | HeatLayout
FigureLayout = HeatLayout | CatalogLayout | CurvesLayout | EpochsLayout | SortedLayout | SoftenedLayout


class LayoutFile(Frozen):
    """The layouts of one publication, by name."""

    publication: str
    source: str
    layouts: Annotated[dict[str, Layout], Field(min_length=1)]


def find_layouts(name: str) -> dict[str, Layout]:
    """The layouts meant by `000` (all of a publication), `000/table-4`, or a file and a name in it.

    Raises:
        InputError: there is no such file or layout, or it is wrong; with file and line.
    """
    path, wanted = Path(name), ""
    own = Path(__file__).parent
    if path.suffix not in (".yaml", ".yml"):
        head, _, wanted = name.rpartition("/")
        if not head:
            head, wanted = name, ""
        path = Path(head) if Path(head).suffix in (".yaml", ".yml") else own / f"{head}.yaml"
        if path.parent == own and not path.is_file():
            message, hint = unknown("layout", head, known_publications())
            raise InputError(message, hint=f"{hint} or a file of layouts".strip())
    found = load_as(LayoutFile, path).layouts
    prefix = path.stem
    if wanted and wanted not in found:
        message, hint = unknown("layout", name, [f"{head}/{key}" for key in found])
        raise InputError(message, hint=hint)
    return {f"{prefix}-{key}": layout for key, layout in found.items() if wanted in ("", key)}


def as_asked(asked: str, name: str) -> str:
    """One of the layouts of `find_layouts(asked)`, by its key there, as it is typed instead."""
    return shlex.quote(f"{asked}/{name.removeprefix(f'{Path(asked).stem}-')}")


def known_publications() -> list[str]:
    """The publications whose layouts are shipped."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))
