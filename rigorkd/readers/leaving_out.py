"""Rows that `--without method=DKD` leaves out: by what cells are, never by results; said with verdicts."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.short_names import exactly, meant_by, of_pattern

from rigorkd.errors import InputError
from rigorkd.readers.draft import Draft, averaged_over, makes_cells, original
from rigorkd.readers.known_names import NAMED, PARAMETERS, status_of
from rigorkd.readers.row_cells import cell_name
from rigorkd.readers.shapes import is_cost, is_metric
from rigorkd.text import is_float, nearest, some_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LEFT_OUT = "left out by choice: "
"""How the warning begins that says what `--without` left out."""

_NO_WORD_OF = frozenset({"seed", "run", "run_id", "time", "epoch", "step"})
"""Columns in which a word alone is not looked for: no configuration is called by them."""

_SIGNS = re.compile(r"[*?\[\]]")
"""What makes a word a pattern, and is in no name that it is like."""
_LISTED = 12
"""So many values that a word means are each named; of more, their number."""


class NoSuchValueError(InputError):
    """No row of a source has the value that `--without` names; of several sources one may have it alone."""

    def __init__(self, error: InputError, word: str) -> None:
        super().__init__(error.message, hint=error.hint)
        self.word = word


class Leaving:
    """What is to be left out of one table: once its columns have their names, and again once its cells have.

    A word may mean a cell that is made of other columns first; what is found before is left out before, so
    that only what stays decides what a cell, a seed and the metric are.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._open = list(dict.fromkeys(draft.asked.without))
        self._rows = len(draft.frame)
        self._gone: list[tuple[str, str, int, int]] = []

    def now(self) -> None:
        """Leave out the rows that a word means by the columns as they are."""
        draft = self._draft
        for word in list(self._open):
            found = self._meant(word)
            if found is None:
                continue
            column, values, names = found
            rows = values.isin(names).to_numpy(dtype=bool)
            said = {f"{draft.spelt(column)}={name}": values == name for name in names}
            if len(said) > _LISTED:
                said = {f"{word}, {len(said)} values": values.isin(names)}
            fell = self._diverged()
            self._gone += [
                (column, called, int(own.sum()), int((own & fell).sum())) for called, own in said.items()
            ]
            self._open.remove(word)
            if rows.all():
                listed = some_of([called for _, called, *_ in self._gone], 4)
                raise draft.table.error(
                    f"--without {shlex.quote(word)}: nothing is left without {listed}",
                    "leave out less, so that there is something to compare",
                )
            draft.keep(~rows)

    def done(self, metric: str | None) -> None:
        """Say what was left out.

        Raises:
            InputError: a word means no row, or one by its result or by its seed.
        """
        draft = self._draft
        for word in self._open:
            raise NoSuchValueError(self._unknown(word), word)
        for column, called, _, fell in self._gone:
            if column == metric:
                raise self._by_result(called)
            if fell and self._is_seed(column):  # it goes with the seed, and nothing would tell what is left
                raise self._by_seed(column, called)
        if self._gone:
            told = [
                f"{self._said(column, called)} ({number} of {self._rows} rows"
                f"{f', {fell} diverged' * bool(fell)})"
                for column, called, number, fell in self._gone
            ]
            draft.dropped += [f"{text}, as --without asks" for text in told]
            fewer = any(not self._is_seed(column) for column, *_ in self._gone)
            rest = ": corrections are over the comparisons that are left" * fewer  # without seeds all are
            draft.warnings.append(f"{LEFT_OUT}{', '.join(told)}, as --without asks{rest}")

    def _is_seed(self, column: str) -> bool:
        """Whether a column is that of seeds, which nobody may have known before the cells had names."""
        draft = self._draft
        asked = draft.asked.seed
        named = column == "seed" or (asked is not None and column in (asked, original(draft, asked)))
        return named or draft.came.get("seed") == f"column {column!r}"

    def _said(self, column: str, called: str) -> str:
        """What was left out, as `--without` takes it; a seed is called so, whatever its column is called."""
        return f"seed {called.partition('=')[2] or called}" if self._is_seed(column) else called

    def _diverged(self) -> pd.Series[bool]:
        """Which rows are of runs that diverged, by their status."""
        frame = self._draft.frame
        words = frame["status"] if "status" in frame else frame.iloc[:, 0].map(lambda _: "")
        return words.map(lambda word: status_of(str(word)) == "diverged")

    def _meant(self, word: str) -> tuple[str, pd.Series[str], list[str]] | None:
        """The column that a word is of, each row's value in it, and those that it names.

        None where nothing has it, yet.
        """
        draft = self._draft
        column, sign, value = word.partition("=")
        if sign and (known := original(draft, column)) is not None:
            if own := meant_by(value, draft.frame[known]):
                self._refuse(known, word)
                return known, draft.frame[known], own
            if known == "cell" and (level := self._level(value)):
                return level
        there = [(name, draft.frame[name]) for name in self._words()]
        columns = [(name, values, own) for name, values in there if (own := exactly(word, values))]
        if not columns:  # `*` is no number of a column that counts
            words = {name: [text for text in values if not is_float(text)] for name, values in there}
            found = ((name, values, of_pattern(word, words[name])) for name, values in there)
            columns = [one for one in found if one[2]]
        if not columns:
            return self._level(word)
        first = columns[0][1].isin(columns[0][2])
        if any((values.isin(own) != first).any() for _, values, own in columns):
            names = [f"--without {shlex.quote(f'{draft.spelt(name)}={word}')}" for name, *_ in columns]
            raise draft.table.error(
                f"--without {shlex.quote(word)}: several columns have it: "
                f"{', '.join(draft.spelt(name) for name, *_ in columns)}",
                f"say which: {' or '.join(names)}",
            )
        return columns[0]

    def _level(self, word: str) -> tuple[str, pd.Series[str], list[str]] | None:
        """The rows of one value of what is averaged over, by what their cell would be called with it."""
        levels = self._levels()
        if levels is None or not (own := meant_by(word, levels)):
            return None
        return "cell", levels, own

    def _levels(self) -> pd.Series[str] | None:
        """What each row's cell would be called with what is averaged over: `r8/KD-T4` of `r8/KD`."""
        import pandas as pd

        draft = self._draft
        over = [column for name in averaged_over(draft) if (column := original(draft, name)) is not None]
        if not over or "cell" not in draft.frame:
            return None
        made_of = draft.came.get("cell", "")
        own = made_of.removeprefix("columns ").split(", ") if made_of.startswith("columns ") else ["cell"]
        asked = [original(draft, name.strip()) for name in (draft.asked.cell or "").split(",")]
        order = asked if draft.asked.cell else [*NAMED, *PARAMETERS]
        columns = sorted(
            dict.fromkeys((*own, *over)), key=lambda name: order.index(name) if name in order else len(order)
        )
        rows = draft.frame[columns].itertuples(index=False, name=None)
        names = [cell_name(dict(zip(columns, row, strict=True)), draft.spelt) for row in rows]
        return pd.Series(names, index=draft.frame.index, dtype=object)

    def _words(self) -> list[str]:
        """The columns in which a word may stand that says what a cell is."""
        names = map(str, self._draft.frame.columns)
        return [
            name
            for name in names
            if (name not in _NO_WORD_OF or makes_cells(self._draft, name)) and not self._is_result(name)
        ]

    def _is_result(self, column: str) -> bool:
        if makes_cells(self._draft, column):
            return False
        return column == "status" or column.startswith("_") or is_metric(column) or is_cost(column)

    def _refuse(self, column: str, word: str) -> None:
        draft = self._draft
        if column in ("seed", draft.asked.seed):
            raise self._by_seed(column, word)
        if self._is_result(column):
            raise self._by_result(word)

    def _by_seed(self, column: str, word: str) -> InputError:
        return self._draft.table.error(
            f"--without {shlex.quote(word)}: {self._draft.spelt(column)} holds the seed",
            "--seeds judges some seeds alone, and says what that does to verdicts",
        )

    def _by_result(self, word: str) -> InputError:
        return self._draft.table.error(
            f"--without {shlex.quote(word)}: runs came out so, and what is left would be chosen by it",
            "leave out by a setting, such as method=DKD; what is wrong with a run is said by its status",
        )

    def _unknown(self, word: str) -> InputError:
        """That no row has it, with the nearest that some row has."""
        draft = self._draft
        column, sign, value = word.partition("=")
        known = original(draft, column) if sign else None
        if known is not None:
            self._refuse(known, word)
            there = [text for text in map(str, draft.frame[known].unique()) if text]
            hint = f"{draft.spelt(known)} is one of: {some_of(there, 12)}"
            if known == "cell" and (levels := self._levels()) is not None:
                there += map(str, levels.unique())
            if close := nearest(_SIGNS.sub("", value), there):
                hint = f"did you mean --without {shlex.quote(f'{draft.spelt(known)}={close}')}? {hint}"
            return draft.table.error(f"--without {shlex.quote(word)}: no row has it", hint)
        if sign:
            close = nearest(column, [draft.spelt(name) for name in self._words()])
            hint = f"did you mean {close}? " if close else ""
            return draft.table.error(
                f"--without {shlex.quote(word)}: no column is called {column}",
                f"{hint}there are: {draft.columns()}",
            )
        values = {
            str(text): f"{draft.spelt(name)}={text}"
            for name in self._words()
            for text in draft.frame[name].unique()
            if text and draft.frame[name].nunique() <= max(2, len(draft.frame) // 2)
        }
        if (levels := self._levels()) is not None:
            values |= {name: f"cell={name}" for name in map(str, levels.unique())}
        close = nearest(_SIGNS.sub("", word), values)
        hint = f"did you mean --without {shlex.quote(values[close])}? " if close else ""
        return draft.table.error(
            f"--without {shlex.quote(word)}: no row has this value",
            f"{hint}give COLUMN=VALUE; columns: {draft.columns()}",
        )


def words_of(draft: Draft, rows: NDArray[np.bool_], but: str = "") -> list[str]:
    """What these rows have and no others, as `--without` takes it: `method=KD`, or else their cells.

    In any column `but` one.
    """
    found: list[str] = []
    for name in map(str, draft.frame.columns):
        if name in _NO_WORD_OF or name in ("cell", "status", but) or name.startswith("_"):
            continue
        if (is_metric(name) or is_cost(name)) and not makes_cells(draft, name):
            continue
        values = draft.frame[name]
        own = list(map(str, values[rows].unique()))
        if all(own) and (values.isin(own).to_numpy() == rows).all() and (not found or len(own) < len(found)):
            found = [f"{draft.spelt(name)}={value}" for value in own]
    return found or [f"cell={name}" for name in draft.frame["cell"][rows].unique()]
