"""Cells that are named by what they have: `alpha=0`, or a method's word, beside those that share the rest.

A value is no baseline of everything: whoever has it is compared with the cells that agree with it in all
other columns that tell cells apart, and in what was measured on. No result is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from rigorkd_analysis.columns import OWN_SETTINGS, plain_name, sets_up, tells
from rigorkd_analysis.likeness import is_recipe, on_what
from rigorkd_analysis.runs import Runs

#: What a baseline shares with the cells that it is the baseline of.
MATCHED = ("group", "student", "start", "epochs", "training", "views")

_OF_METHODS = frozenset(
    {"T", "alpha", "ce_weight", "kd_weight", "beta", "gamma", "t_squared", "direction", "teacher"}
)
"""What a method sets for itself: where all baselines have one value of it, they do not use it."""
_OF_METHODS_TOO = frozenset({"temperature", "temp", "tau", "kdtemperature", "kdt", "lambda"})
"""The same by other names, as `plain_name` writes them."""

_KNOWN_DATA = re.compile(
    r"(tiny[-_ ]?)?(cifar|imagenet)[-_ ]?\d*|(fashion|k|e)?[-_ ]?mnist|svhn|stl[-_ ]?10|cub([-_ ]?200)?|coco"
    r"|voc\d*|glue|squad|mnli|qnli|qqp|sst[-_ ]?2|mrpc|rte|cola|stsb|imdb|ag[-_ ]?news|cityscapes|ade20k"
    r"|food[-_ ]?101|dtd|eurosat|caltech[-_ ]?\d+|pets|flowers([-_ ]?102)?|wikitext\d*|librispeech",
    re.IGNORECASE,
)
"""Data sets that a name without columns is known by."""


def data_of(runs: Runs, word: str) -> str:
    """The column that says on what was measured and that a word is of, `dataset=svhn` or `svhn`; "" if none.

    A well-known data set's name is one where no column says what it is. What is a method's word as well, as
    `none` of data sets and of methods, means the method: no data set can be a baseline.
    """
    column, sign, value = word.partition("=")
    if any(same(text, word) for text in runs.attributes.get("method", ())):
        return ""
    for name in on_what(runs):
        texts = runs.attributes[name]
        if any(same(text, word) or (sign and same(name, column) and same(text, value)) for text in texts):
            return name
    others = (texts for name, texts in runs.attributes.items() if name != "group")
    if any(same(text, word) for texts in others for text in texts):
        return ""
    return "dataset" if _KNOWN_DATA.fullmatch(word) else ""


def plain(text: str) -> str:
    """A value as it is compared: 30 and 30.0 are one."""
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text


def same(text: str, word: str) -> bool:
    """Whether a value, or a column, is what somebody wrote, in any case."""
    return plain(text).casefold() == plain(word).casefold()


def of_pattern(word: str, texts: Iterable[str]) -> list[str]:
    """The values of a pattern, `*-T4`, each once; none where a word is no pattern."""
    if {*"*?["}.isdisjoint(word):
        return []
    return [text for text in dict.fromkeys(texts) if text and fnmatchcase(text.casefold(), word.casefold())]


def exactly(word: str, texts: Iterable[str]) -> list[str]:
    """The values that are what somebody wrote, however they are spelt, each once."""
    return [text for text in dict.fromkeys(texts) if same(text, word)]


def meant_by(word: str, texts: Iterable[str]) -> list[str]:
    """The values that somebody means by a word: those that are it, else those of its pattern."""
    there = list(dict.fromkeys(texts))
    return exactly(word, there) or of_pattern(word, there)


_NOTHING = ("", "none", "-", "–", "n/a", "na", "nan", "null")
"""What stands in a column that does not concern a cell."""


@dataclass(frozen=True)
class Having:
    """The cells that have one value in a column.

    Attributes:
        called: how they were named.
        shares: the columns in which one of them agrees with the cell that it is beside.
        strict: the columns of these that no empty value agrees with.
    """

    runs: Runs
    called: str
    column: str
    value: str
    cells: tuple[int, ...]
    shares: tuple[str, ...]
    strict: frozenset[str]

    @property
    def what(self) -> str:
        """`method scratch`, as messages say it."""
        return f"{self.column} {self.value}"

    @property
    def rest(self) -> str:
        """What they share, as messages say it: all cells are beside each other where there is no more.

        A column that none of them has a value of is not shared, nor what methods set for themselves: a
        baseline has no temperature.
        """
        text, unused = self.runs.text, self._unused
        return ", ".join(
            name
            for name in self.shares
            if name not in unused and any(text(name, own).casefold() not in _NOTHING for own in self.cells)
        )

    def beside(self, cell: int, *, all_of_it: bool = False) -> list[int]:
        """Those of them that share the rest with a cell: one, unless the columns do not tell them apart.

        A column that one has no value of does not concern it: a baseline has no temperature. With
        `all_of_it`, what methods set for themselves is shared, too.
        """
        found: list[int] = []
        for columns, cells in self._whole if all_of_it else self._used:
            key = tuple(plain(self.runs.text(column, cell)) for column in columns)
            found = [own for own in cells.get(key, ()) if own != cell]
            if found:
                break
        return found

    @cached_property
    def _whole(self) -> list[tuple[tuple[str, ...], dict[tuple[str, ...], list[int]]]]:
        return self._index(self.shares)

    @cached_property
    def _used(self) -> list[tuple[tuple[str, ...], dict[tuple[str, ...], list[int]]]]:
        return self._index([name for name in self.shares if name not in self._unused])

    def _index(self, shares: Sequence[str]) -> list[tuple[tuple[str, ...], dict[tuple[str, ...], list[int]]]]:
        """The cells by their values in the columns that they have, those with most of these first.

        All of them by all columns come before: of two cells without a temperature one is beside the other.
        """
        out: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {tuple(shares): {}}
        for own in self.cells:
            filled = tuple(name for name in shares if name in self.strict or self.runs.text(name, own))
            for columns in dict.fromkeys((tuple(shares), filled)):
                key = tuple(plain(self.runs.text(name, own)) for name in columns)
                out.setdefault(columns, {}).setdefault(key, []).append(own)
        return sorted(out.items(), key=lambda item: -len(item[0]))

    def _agree(self, column: str, own: int, cell: int) -> bool | None:
        """Whether two cells have the same value; False where one has none; None where they differ."""
        mine, other = self.runs.text(column, own), self.runs.text(column, cell)
        if plain(mine) == plain(other):
            return True
        return False if not mine and column not in self.strict else None

    @property
    def _unused(self) -> set[str]:
        if self.column != "method":
            return set()
        return {
            name
            for name in _OF_METHODS.intersection(self.shares)
            if len({plain(self.runs.text(name, cell)) for cell in self.cells}) == 1
        }

    def differs(self, cell: int) -> Iterator[tuple[str, str, str]]:
        """What keeps the one of them that is most like a cell from being beside it: column, its, theirs."""

        def apart(own: int) -> list[str]:
            return [column for column in self.shares if self._agree(column, own, cell) is None]

        nearest = min(self.cells, key=lambda own: len(apart(own)))
        for column in apart(nearest):
            yield column, self.runs.text(column, cell), self.runs.text(column, nearest)


def having(runs: Runs, word: str) -> Having | None:
    """The cells that `COLUMN=VALUE` names, a value that one column has, or a part of their names, `a0`.

    A value with what their names end in, `KD-T4`, is one of c100/KD/R56/R20-T4, where networks stand between.
    None for a word of data: nothing is beside a cell of other data.
    """
    if data_of(runs, word):
        return None
    column, sign, value = word.partition("=")
    if sign and value:
        for name, texts in runs.attributes.items():
            if same(name, column) and any(same(text, value) for text in texts):
                return _having(runs, word, name, value)
    told = columns_of_cells(runs)
    held = [name for name in told if any(same(text, word) for text in runs.attributes[name])]
    held = ["method"] if "method" in held else held
    if held and all(one_kind(runs, held[:1], (name,)) for name in held[1:]):
        return _having(runs, word, held[0], word)
    parts = [set(re.split(r"[-/]", name)) if word in name else set() for name in runs.cells]
    if not held and (cells := {at for at, own in enumerate(parts) if word in own}):
        for name in told:
            texts = runs.attributes[name]
            value = texts[min(cells)]
            if value and {at for at, text in enumerate(texts) if same(text, value)} == cells:
                return _having(runs, word, name, value)
    return None if held else _having_with_settings(runs, word, told)


def _having_with_settings(runs: Runs, word: str, told: Sequence[str]) -> Having | None:
    """The cells of a value of a column whose names have the word's other parts, away from that value."""
    for name in told:
        for value in dict.fromkeys(runs.attributes[name]):
            end = word.casefold().removeprefix(f"{value}-".casefold())
            if not value or end == word.casefold() or not end:
                continue
            found = _having(runs, word, name, value)
            parts = re.compile(rf"[-/]{re.escape(end)}(?=[-/]|$)")
            cells = [at for at in found.cells if parts.search(runs.cells[at].casefold())]
            if not cells or any(_tells(runs.cells[at].rpartition("/")[2], value) for at in cells):
                continue  # what a name as a whole ends in is looked for by the callers

            def is_of_word(column: str, end: str = end, cells: Sequence[int] = cells) -> bool:
                own = {runs.text(column, at) for at in cells}
                return len(own) == 1 and _tells(end, own.pop())

            shares = tuple(column for column in found.shares if not is_of_word(column))
            return replace(found, value=word, cells=tuple(cells), shares=shares)
    return None


def _having(runs: Runs, word: str, column: str, value: str) -> Having:
    columns, texts = on_what(runs), runs.attributes[column]
    copies = [name for name in runs.attributes if name != column and one_kind(runs, (name,), (column,))]
    others = [*columns, *columns_of_cells(runs), *(name for name in MATCHED if name in runs.attributes)]
    shares = [
        name
        for name in dict.fromkeys(others)
        if name not in (column, *copies) and len(set(map(plain, runs.attributes[name]))) > 1
    ]
    if "group" in shares and one_kind(runs, columns, (*columns, "group")):
        shares.remove("group")  # data sets are the groups of a table
    if {"student", "model"} <= {*shares} and one_kind(runs, ("student",), ("model",)):
        shares.remove("student")
    cells = tuple(at for at, text in enumerate(texts) if same(text, value))
    return Having(runs, word, column, texts[cells[0]], cells, tuple(shares), frozenset(columns))


def one_kind(runs: Runs, some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two sets of columns part the cells alike."""

    def kinds(columns: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(plain(runs.text(name, at)) for name in columns) for at in range(len(runs.cells))]

    a, b = kinds(some), kinds(others)
    return len(set(a)) == len(set(b)) == len(set(zip(a, b, strict=True)))


def columns_of_cells(runs: Runs) -> tuple[str, ...]:
    """The columns that tell cells apart and whose values stand in their names, all but one."""
    found = []
    for column, texts in runs.attributes.items():
        if column == OWN_SETTINGS:
            continue
        cells: dict[str, list[int]] = {}
        for at, text in enumerate(texts):
            cells.setdefault(text, []).append(at)
        if len(cells) < 2:
            continue
        untold = [text for text, own in cells.items() if not all(_tells(runs.cells[at], text) for at in own)]
        if len(untold) > 1:
            continue
        told = [text for text in cells if text not in untold]
        rest = [runs.cells[at] for text in untold for at in cells[text]]
        # the 4 of resnet8x4 is no temperature: those without one have it in their names, too
        if not untold or not all(any(_tells(name, text) for text in told) for name in rest):
            found.append(column)
    return tuple(found)


def _tells(name: str, text: str) -> bool:
    """Whether a name holds a value: a number behind any letter, `a0.5`, a word between others."""
    name = name.casefold()
    for value in {plain(text).casefold(), text.casefold()}:
        if not value or value not in name:
            continue
        number = value.replace(".", "").isdigit()
        before, after = ("(?<![0-9.])", r"(?![0-9]|\.[0-9])") if number else ("(?<![a-z0-9])", "(?![a-z0-9])")
        if re.search(before + re.escape(value) + after, name):
            return True
    return False


def beside_methods(runs: Runs) -> tuple[str, ...]:
    """The columns that set cells up beside their method: what a baseline should share and may not.

    Those that are settings by their names, and those that the cells' names hold, but not what methods set
    for themselves, nor what each method has one value of, or is another name of it, `KD (T=4)` of kd.
    """
    apart = ("method", *MATCHED, *on_what(runs), *_OF_METHODS)
    told = columns_of_cells(runs)
    return tuple(
        name
        for name in runs.attributes
        if name not in apart
        and plain_name(name) not in _OF_METHODS_TOO
        and (sets_up(name) or (name in told and not _is_of_methods(runs, name)))
    )


def _is_of_methods(runs: Runs, column: str) -> bool:
    return _follows_method(runs, column) or _names_methods(runs, column)


def _follows_method(runs: Runs, column: str) -> bool:
    """Whether each method has one value of a column, which is then part of it."""
    own: dict[str, set[str]] = {}
    for cell, text in enumerate(runs.attributes[column]):
        own.setdefault(runs.text("method", cell), set()).add(plain(text))
    return all(len(values) == 1 for values in own.values())


def _names_methods(runs: Runs, column: str) -> bool:
    """Whether a column tells each cell's method: a name of it with more than it, and no setting beside it."""
    cells = [cell for cell in range(len(runs.cells)) if runs.text("method", cell) not in ("", "baseline")]
    return bool(cells) and all(_tells(runs.text(column, at), runs.text("method", at)) for at in cells)


def compared_by(runs: Runs, pairs: Sequence[tuple[int, int]], columns: Sequence[str]) -> frozenset[str]:
    """The columns that are what is compared, where no method is: these cells and their baselines differ in
    each of them, always, by whatever name; a setting by its name is none.
    """
    return frozenset(
        name
        for name in columns
        if not sets_up(name) and all(plain(runs.text(name, a)) != plain(runs.text(name, b)) for a, b in pairs)
    )


def unlike_beside_method(
    runs: Runs, cell: int, baseline: int, columns: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Of these columns those in which a cell differs from its baseline, with both values.

    A column that either has no value of concerns one of them alone, and one that is off in the baseline is a
    switch of the method. Nothing is told twice: what `likeness.unlike` tells is left to it.
    """
    for column in columns:
        mine, its = runs.text(column, cell), runs.text(column, baseline)
        if plain(mine) == plain(its) or {mine.casefold(), its.casefold()} & set(_NOTHING):
            continue
        if not sets_up(column) and (plain(its) == "0" or its.casefold() in ("off", "false", "no")):
            continue
        if is_recipe(column) and not (tells(runs.cells[cell], mine) or tells(runs.cells[baseline], its)):
            continue
        yield column, mine, its
