"""Which rows of a printed table are compared: with a baseline alone, and without some of them.

Either makes another family, and so another correction: what was chosen is said wherever a claim is.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from rigorkd_analysis.columns import is_setting
from rigorkd_analysis.published.printed_cells import Row, known_name
from rigorkd_analysis.published.printed_table import Entry, decimal_of, row_names
from rigorkd_analysis.runs import suggest
from rigorkd_analysis.table_error import TableError


@dataclass(frozen=True)
class Choice:
    """What a reader chose, and what came of it.

    Attributes:
        baselines, without: as they were given.
        against, left_out: the rows that these words name, by their labels.
        pairs: positions of the rows that are compared.
        alone: rows that no baseline stands beside, and `since` why.
    """

    baselines: tuple[str, ...]
    without: tuple[str, ...]
    against: tuple[str, ...]
    left_out: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    alone: tuple[str, ...] = ()
    since: str = ""

    @property
    def of(self) -> str:
        """Behind a number of pairs: which they are; "" for all pairs of the table."""
        against = f" against {_listed(self.against)}" if self.against else ""
        return against + (f" without {_listed(self.left_out)}" if self.left_out else "")

    def says(self) -> str:
        """In a sentence, "" where nothing was chosen."""
        parts = []
        if self.against:
            parts.append(f"rows are compared with {_listed(self.against)} alone")
        if self.left_out:
            parts.append(f"{_listed(self.left_out)} {'is' if len({*self.left_out}) == 1 else 'are'} left out")
        text = ", and ".join(parts)
        return text[:1].upper() + text[1:]

    def notes(self) -> list[str]:
        if not self.baselines and not self.without:
            return []
        options = [f"--baseline {shlex.quote(word)}" for word in self.baselines]
        options += [f"--without {shlex.quote(word)}" for word in self.without]
        pairs = "this pair" if len(self.pairs) == 1 else f"these {len(self.pairs)} pairs"
        return [
            f"{self.says()} ({' '.join(options)}): the correction is over {pairs} alone, and holds if that "
            "was settled before the values were seen",
            *(
                [f"left out, since no baseline shares {self.since}: {_listed(self.alone)}"]
                if self.alone
                else []
            ),
        ]


def _listed(given: Sequence[str]) -> str:
    names = list(dict.fromkeys(given))
    first, last = (names[:6], f"{len(names) - 6} more") if len(names) > 7 else (names[:-1], names[-1])
    return f"{', '.join(first)} and {last}" if first else last


def rows_without(
    rows: Sequence[Row], words: Sequence[str]
) -> tuple[list[int], tuple[str, ...], tuple[str, ...]]:
    """The positions of the rows that stay, the labels of those that do not, and words that name no row yet.

    Raises:
        TableError: a word may mean several things, or nothing is left.
    """
    labels = row_names(rows)
    out, open_words = set[int](), []
    for word in words:
        if found := _named(rows, labels, word):
            out |= {*found}
        else:
            open_words.append(word)
    _refuse_all(len(rows), out, words)
    stay = [at for at in range(len(rows)) if at not in out]
    return stay, tuple(labels[at] for at in sorted(out)), tuple(open_words)


def entries_without(
    entries: Sequence[Entry], rows: Sequence[Row], words: Sequence[str]
) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries that stay, and the labels of those that these words name.

    Raises:
        TableError: a word names no row, or nothing is left.
    """
    labels = [entry.cell for entry in entries]
    own = [rows[entry.row] for entry in entries]
    out = {at for word in words for at in _surely_named(own, labels, word, "without")}
    _refuse_all(len(entries), out, words)
    stay = [entry for at, entry in enumerate(entries) if at not in out]
    return stay, tuple(labels[at] for at in sorted(out))


def chosen(
    entries: Sequence[Entry],
    rows: Sequence[Row],
    baselines: Sequence[str],
    without: Sequence[str],
    left_out: Sequence[str],
) -> Choice:
    """The pairs to judge: all that may meet, or each row beside its baseline.

    Raises:
        TableError: a baseline is no row of the table, or a row has several.
    """
    every = [(i, j) for i, j in combinations(range(len(entries)), 2) if entries[i].may_meet(entries[j])]
    said = tuple(baselines), tuple(without)
    if not baselines:
        return Choice(*said, (), tuple(left_out), tuple(every))
    own = [rows[entry.row] for entry in entries]
    labels = [entry.cell for entry in entries]
    by_word = {word: _surely_named(own, labels, word, "baseline") for word in baselines}
    named = sorted({at for found in by_word.values() for at in found})
    apart = {word: _telling_apart(own, found) for word, found in by_word.items()}
    pairs, alone = [], []
    for at, entry in enumerate(entries):
        if at in named:
            continue
        beside = [
            base
            for word, found in by_word.items()
            for base in found
            if entries[base].may_meet(entry)
            and (len(found) == 1 or _share(own, labels, base, at, apart[word]))
        ]
        if len({*beside}) > 1:
            raise TableError(
                f"two baselines of {entry.cell}: {labels[beside[0]]} and {labels[beside[1]]}",
                hint=f"name one of them alone: --baseline {shlex.quote(labels[beside[0]])}",
                row=entry.row,
            )
        pairs += [(base, at) for base in beside[:1]]
        alone += [entry.cell] if not beside else []
    if not pairs:
        rows_named = f" ({_listed([labels[at] for at in named])})" if len(named) > 1 else ""
        raise TableError(
            f"no row can be compared with {_listed(baselines)}{rows_named}",
            hint="name one row as the baseline"
            if rows_named
            else "no other row has its student and its data",
        )
    against = tuple(labels[found[0]] if len(found) == 1 else word for word, found in by_word.items())
    since = " and ".join(dict.fromkeys(c for own in apart.values() for c in own)) or "their student and data"
    return Choice(*said, against, tuple(left_out), tuple(pairs), tuple(alone), since)


def _refuse_all(rows: int, out: set[int], words: Sequence[str]) -> None:
    if rows - len(out) < 2 and out:
        raise TableError(
            f"without {_listed(words)} fewer than two rows are left", hint="leave fewer of them out"
        )


def _surely_named(rows: Sequence[Row], labels: Sequence[str], word: str, option: str) -> list[int]:
    if found := _named(rows, labels, word):
        return found
    column, _, value = word.partition("=")
    name = _column(rows, column) if value else None
    if name is not None:
        values = dict.fromkeys((row.get(name) or "").strip() for row in rows)
        raise TableError(
            f"--{option} {word}: no row has {value} in {name}", hint=suggest(value, [v for v in values if v])
        )
    words = dict.fromkeys([*labels, *(text for column in _columns(rows) for text in _texts(rows, column))])
    raise TableError(f"--{option} {word}: no such row", hint=suggest(word, [text for text in words if text]))


def _named(rows: Sequence[Row], labels: Sequence[str], word: str) -> list[int]:
    """The rows that a word names: a label, COLUMN=VALUE, a value of one column, or the end of labels.

    Raises:
        TableError: several columns have the value, in different rows.
    """
    wanted = word.strip().casefold()
    if found := [at for at, label in enumerate(labels) if label == word]:
        by_label = {*found}
    else:
        by_label = {at for at, label in enumerate(labels) if label.casefold() == wanted}
    places: dict[str, set[int]] = {}
    for column in _columns(rows):
        texts = _texts(rows, column)
        if found := [at for at, text in enumerate(texts) if text.casefold() == wanted]:
            places[column] = {*found}
    if len({frozenset(found) for found in places.values()}) > 1:
        first, second, *_ = places
        raise TableError(
            f"{word!r} is a value of {first!r} and of {second!r}",
            hint=f"write {shlex.quote(f'{first}={word}')} or {shlex.quote(f'{second}={word}')}",
        )
    if by_label or places:
        return sorted(by_label or next(iter(places.values())))
    column, equals, value = word.partition("=")
    if equals and (name := _column(rows, column)) is not None:
        return [at for at, row in enumerate(rows) if _same((row.get(name) or "").strip(), value.strip())]
    return [at for at, label in enumerate(labels) if label.casefold().endswith(f"/{wanted}")]


def _column(rows: Sequence[Row], name: str) -> str | None:
    folded = {column.casefold(): column for column in rows[0]}
    return folded.get(name.strip().casefold(), folded.get(known_name(name.strip()).casefold()))


def _columns(rows: Sequence[Row]) -> list[str]:
    """The columns of words: of others a value alone says too little."""
    return [c for c in rows[0] if all(decimal_of(row.get(c) or "") is None for row in rows)]


def _texts(rows: Sequence[Row], column: str) -> list[str]:
    return [(row.get(column) or "").strip() for row in rows]


def _same(text: str, value: str) -> bool:
    """Whether two values are one: 0 and 0.0 are."""
    a, b = decimal_of(text), decimal_of(value)
    return text.casefold() == value.casefold() if a is None or b is None else a == b


def _telling_apart(rows: Sequence[Row], named: Sequence[int]) -> list[str]:
    """The columns of words and settings in which baselines differ: a row has the one that it agrees with.

    What names rows, another in each, tells nothing.
    """
    words = _columns(rows)
    return [
        column
        for column in rows[0]
        if column not in ("cell", "run")
        and (column in words or is_setting(column))
        and len({rows[at].get(column) for at in named}) > 1
        and len({row.get(column) for row in rows}) < len(rows)
    ]


def _share(
    rows: Sequence[Mapping[str, str]], labels: Sequence[str], base: int, at: int, apart: Sequence[str]
) -> bool:
    """Whether a row agrees with a baseline in what tells baselines apart, else in the front of its label."""
    if apart:
        return all(rows[base].get(column) == rows[at].get(column) for column in apart)
    return labels[base].rpartition("/")[0] == labels[at].rpartition("/")[0]
