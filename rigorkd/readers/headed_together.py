"""Columns that hold several things, as their headings say: `Dataset/Encoder` above `DTD/ResNet-18, S1`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rigorkd.readers.known_names import NAMED, canonical, folded
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.text import some_of

_BETWEEN = (" x ", " × ", " / ", " + ", " & ", " | ", "; ", ", ", "/", "|", ";", "+")
"""What stands between the things of a heading; those with blanks first, which hold the others."""
_BEHIND = (", ", "; ", " | ", " + ", "/")
"""What may stand before a word that no heading names: the S1 of `ResNet-18, S1`."""
_MODELS = frozenset({"encoder", "net", "cnn", "lm", "llm", "extractor", "feature_extractor", "base_model"})
"""Words for a network that are a column's own where they stand alone."""
_PATHS = frozenset(
    {"name", "id", "path", "type", "version", "file", "dir", "url", "params", "config", "class"}
)
"""What stands behind the slash of a tracker's key, `model/name`, whose values may have slashes too."""
_ON_DATA = frozenset({"dataset", "task"})


@dataclass(frozen=True)
class _Heading:
    """A heading of several things: its words, what stands between them, and what each is, as far as known."""

    column: str
    between: str
    words: tuple[str, ...]
    kinds: tuple[str | None, ...]

    @property
    def joint(self) -> str:
        """What parts the values: blanks around it are no part of it, except around a letter."""
        return self.between if self.between.strip().isalpha() else self.between.strip()


def taken_apart(table: RawTable, asked: Reading) -> RawTable:
    """The table with a column for each thing that a heading names, where the values are written alike.

    Raises:
        InputError: a heading names a data set and something else, and nothing says where its values part.
    """
    columns = [str(name) for name in table.frame.columns]
    if table.settings or not {canonical(name) for name in columns}.isdisjoint(_NAMING):
        return table
    given = {folded(name) for name in (asked.cell or "").split(",")} | {folded(asked.cell or "")}
    found = [heading for name in columns if folded(name) not in given and (heading := _heading_of(name))]
    return _parted(table, found[0]) if len(found) == 1 else table


_NAMING = frozenset({*NAMED, "cell", "run"})
"""What tells configurations apart in a column of its own."""


def _heading_of(column: str) -> _Heading | None:
    if canonical(column) is not None:
        return None
    for between in _BETWEEN:
        words = tuple(word.strip() for word in column.split(between))
        if len(words) < 2 or not all(re.fullmatch(r"[^\W\d_][\w .-]*", word) for word in words):
            continue
        kinds = tuple("model" if folded(word) in _MODELS else canonical(word) for word in words)
        naming = [kind for kind in kinds if kind in NAMED]
        strange = [kind for kind in kinds if kind is not None and kind not in NAMED]
        if (
            not naming
            or strange
            or len(set(naming)) < len(naming)
            or not _PATHS.isdisjoint(map(folded, words))
        ):
            return None
        return _Heading(column, between, words, kinds)
    return None


def _parted(table: RawTable, heading: _Heading) -> RawTable:
    values = [str(word) for word in table.frame[heading.column].unique() if word]
    cut, behind = _cut_of(values, heading)
    if cut is None:
        if _ON_DATA.isdisjoint(heading.kinds):
            return table
        raise _uncertain(table, heading, values)
    names = _columns_of(heading, behind)
    parts = {value: cut(value) for value in values}
    blank = ("",) * len(names)
    whole = [parts.get(str(value), blank) for value in table.frame[heading.column]]
    at = list(table.frame.columns).index(heading.column)
    frame = table.frame.drop(columns=heading.column)
    for position, name in enumerate(names):
        frame.insert(at + position, name, [own[position] for own in whole])
    told = [*heading.words, *([f"what stands behind {behind.strip()!r} as method"] if behind else [])]
    kind = f"{table.kind}, {heading.column!r} read as {', '.join(told[:-1])} and {told[-1]}"
    came = {
        name: f"column {word!r}" for name, word in zip(names, heading.words, strict=False) if name != word
    }
    return replace(table, frame=frame, kind=kind, came={**table.came, **came})


_Cut = Callable[[str], tuple[str, ...]]


def _cut_of(values: Sequence[str], heading: _Heading) -> tuple[_Cut | None, str]:
    """How each value is parted into the things of its heading, and what stands before one more of them."""
    size, between = len(heading.words), heading.joint

    def plainly(value: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in value.split(between))

    made = [plainly(value) for value in values]
    if not all(all(own) for own in made) or len({len(own) for own in made}) != 1:
        return None, ""
    many = len(made[0])
    has_rival = "method" in heading.kinds
    if many == size + 1 and not has_rival and _recurs(made):
        return plainly, between
    if many != size:
        return None, ""
    for behind in () if has_rival else _BEHIND:
        if behind.strip() != between and all(own[-1].count(behind) == 1 for own in made):

            def further(value: str, behind: str = behind) -> tuple[str, ...]:
                *first, last = plainly(value)
                return (*first, *(word.strip() for word in last.split(behind)))

            if _recurs([further(value) for value in values]):
                return further, behind
    return plainly, ""


def _recurs(parts: Sequence[tuple[str, ...]]) -> bool:
    """Whether the last words come again beside other first ones, as those of methods do."""
    lasts = {own[-1] for own in parts}
    firsts = {own[:-1] for own in parts}
    return len(lasts) > 1 and len(set(parts)) > max(len(lasts), len(firsts) if len(firsts) > 1 else 0)


def _columns_of(heading: _Heading, behind: str) -> list[str]:
    """What the columns are called: a word for a network is the model, the last unknown one the method.

    Other unknown words are groups: nothing of one is compared with what is of another.
    """
    names = [kind or "" for kind in heading.kinds]
    has_method = bool(behind) or "method" in names
    unknown = [at for at, name in enumerate(names) if not name]
    is_last = unknown[-1:] == [len(names) - 1]
    if unknown and not has_method and (is_last or {"model", "student"}.isdisjoint(names)):
        names[unknown.pop()] = "method"
    for at in unknown:
        names[at] = "group" if "group" not in names else heading.words[at]
    return [*names, "method"] if behind else names


def _uncertain(table: RawTable, heading: _Heading, values: Sequence[str]) -> Exception:
    between, size = heading.joint, len(heading.words)
    odd = next((one for one in values if one.count(between) != size - 1), values[0] if values else "")
    row = int((table.frame[heading.column] == odd).to_numpy().argmax())
    whole = (
        ""
        if "," in heading.column  # which parts the columns of the option
        else f"; --cell {shlex.quote(heading.column)} takes each as one name, and compares them all"
    )
    return table.error(
        f"the heading names {some_of(list(heading.words), 4)}, and nothing says where {odd!r} parts: cells "
        "of different data would be compared",
        f"write a column for each, or {between!r} between them in every row{whole}",
        row,
        heading.column,
    )
