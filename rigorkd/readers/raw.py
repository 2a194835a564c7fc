"""A table as it was found, all text, with the file and line of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rigorkd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from rigorkd_analysis.metric_names import Goal

    from rigorkd.readers.item_scores import Items


@dataclass(frozen=True)
class Reading:
    """How a source is to be read, as the command line says it; None leaves it to what the source says itself.

    Attributes:
        cell: the columns that define a cell, by commas.
        seed: a column, or a pattern such as `run{}` for names and paths.
        select: which epoch of a run counts: `last`, or `best:COLUMN`.
        wide: whether every column of numbers is a cell.
        average: a column whose rows are averaged within a run, such as `fold`.
        decimal: the character before decimals.
        encoding: of text files.
        sheet: of a workbook.
        kind: the reader to use, by its name in the registry.
        without: what is left out, as COLUMN=VALUE, or a value that one column has.
        goal: whether more of what is judged is better, if its name does not say.
    """

    cell: str | None = None
    seed: str | None = None
    select: str | None = None
    wide: bool = False
    average: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    kind: str | None = None
    without: tuple[str, ...] = ()
    goal: Goal | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is said of how to read what stays."""
        return replace(self, without=(), goal=None) == Reading()


@dataclass(frozen=True)
class RawTable:
    """A table as found.

    Attributes:
        frame: all text; what is missing is "".
        files: the files that rows come from; `file_of` is each row's position there.
        line: each row's line, counted from 1; 0 where a file has no lines.
        kind: what it is, in words: `CSV`, `W&B runs table`.
        came: for columns that are not simply columns of the file, where they came from.
        dropped: what was left out already, in words.
        settings: what rigorkd itself wrote above the table, if it did.
        items: the scores of single items behind each row, where they are kept.
    """

    frame: pd.DataFrame
    files: tuple[str, ...]
    file_of: NDArray[np.int64]
    line: NDArray[np.int64]
    kind: str
    came: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    items: Items | None = None

    def place(self, row: int) -> str:
        """`file:line` of a row."""
        line = int(self.line[row])
        return self.files[int(self.file_of[row])] + (f":{line}" if line else "")

    def rows(self, keep: NDArray[Any], frame: pd.DataFrame | None = None) -> RawTable:
        """Some of the rows, by position or mask; `frame` if they have been changed."""
        taken = self.frame[keep] if keep.dtype == bool else self.frame.iloc[keep]
        return RawTable(
            (taken if frame is None else frame).reset_index(drop=True),
            self.files,
            self.file_of[keep],
            self.line[keep],
            self.kind,
            self.came,
            self.dropped,
            self.settings,
            None if self.items is None else self.items.rows(keep),
        )

    def error(
        self, message: str, hint: str, row: int | None = None, column: str = "", **offers: str
    ) -> InputError:
        """An error that names file, line and column; `offers` are options that would decide it."""
        place = self.place(row) if row is not None else self.files[0]
        place += f": column {column!r}" if column else ""
        error = InputError(f"{place}: {message}", hint=hint)
        error.offers = {option: value for option, value in offers.items() if value}
        return error


def table_of(
    rows: Sequence[Mapping[str, object]],
    files: Sequence[str],
    kind: str,
    *,
    lines: Sequence[int] | None = None,
    came: Mapping[str, str] | None = None,
    dropped: Sequence[str] = (),
) -> RawTable:
    """A table of rows that need not have the same columns, each with its file."""
    import pandas as pd

    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = pd.DataFrame(
        {name: [text_of(row.get(name)) for row in rows] for name in names}, columns=names, dtype=object
    )
    unique = tuple(dict.fromkeys(files))
    position = {name: index for index, name in enumerate(unique)}
    return RawTable(
        frame,
        unique,
        np.array([position[name] for name in files], dtype=np.int64),
        np.zeros(len(rows), dtype=np.int64) if lines is None else np.asarray(lines, dtype=np.int64),
        kind,
        came or {},
        tuple(dropped),
    )


def text_of(value: object) -> str:
    """A value as text: "" for none, numbers so that they read back as themselves."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "nan" if value != value else repr(value)
    if isinstance(value, int | str):
        return str(value).strip()
    if isinstance(value, np.generic):
        return text_of(value.item())
    return str(value)


def joined(tables: Sequence[RawTable]) -> RawTable:
    """Several tables under each other; a column that one has not is empty there."""
    import pandas as pd

    if len(tables) == 1:
        return tables[0]
    files: dict[str, int] = {}
    codes = []
    for table in tables:
        order = np.array([files.setdefault(name, len(files)) for name in table.files] or [0], dtype=np.int64)
        codes.append(order[table.file_of])
    spelt: dict[str, str] = {}  # one file may say Method, another method
    frames = []
    for table in tables:
        own = [str(name) for name in table.frame.columns]
        kept = {name: spelt.setdefault(name.casefold(), name) for name in own}
        frames.append(
            table.frame.rename(columns=kept) if len(set(kept.values())) == len(own) else table.frame
        )
    frame = pd.concat(frames, ignore_index=True).fillna("")
    kinds = list(dict.fromkeys(table.kind for table in tables))
    return RawTable(
        frame,
        tuple(files),
        np.concatenate(codes),
        np.concatenate([table.line for table in tables]),
        " and ".join(kinds),
        {name: where for table in tables for name, where in table.came.items()},
        tuple(dict.fromkeys(text for table in tables for text in table.dropped)),
        {key: value for table in tables for key, value in table.settings.items()},
        _items(tables),
    )


def _items(tables: Sequence[RawTable]) -> Items | None:
    from rigorkd.readers.item_scores import Items

    if all(table.items is None for table in tables):
        return None
    return Items(
        tuple(
            scores
            for table in tables
            for scores in (table.items.of if table.items is not None else [{}] * len(table.frame))
        )
    )


def as_mapping(value: object) -> dict[str, Any]:
    """A value of somebody's log where an object belongs: anything else holds nothing."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A value of somebody's log where a list belongs: anything else holds nothing."""
    return value if isinstance(value, list) else []


def as_number(value: object) -> float | None:
    """A value of somebody's log where a number belongs; true and false are scores, 1 and 0."""
    return float(value) if isinstance(value, int | float) else None


def flat(values: Mapping[Any, Any], prefix: str = "") -> dict[str, object]:
    """Nested mappings as one, names joined by dots; lists as text."""
    out: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            out.update(flat(value, f"{name}."))
        else:
            out[name] = value
    return out
