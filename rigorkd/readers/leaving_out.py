"""Rows that `--without method=DKD` leaves out: by what cells are, never by results; said with verdicts."""

from __future__ import annotations

import shlex

import numpy as np
from numpy.typing import NDArray
from rigorkd_analysis.short_names import same

from rigorkd.errors import InputError
from rigorkd.readers.draft import Draft, makes_cells, original
from rigorkd.readers.shapes import is_cost, is_metric
from rigorkd.text import nearest, some_of

LEFT_OUT = "left out by choice: "
"""How the warning begins that says what `--without` left out."""

_NO_WORD_OF = frozenset({"seed", "run", "run_id", "time", "epoch", "step"})
"""Columns in which a word alone is not looked for: no configuration is called by them."""


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
        self._gone: list[tuple[str, str, int]] = []

    def now(self) -> None:
        """Leave out the rows that a word means by the columns as they are."""
        draft = self._draft
        for word in list(self._open):
            found = self._meant(word)
            if found is None:
                continue
            column, value, rows = found
            self._gone.append((column, f"{draft.spelt(column)}={value}", int(rows.sum())))
            self._open.remove(word)
            if rows.all():
                listed = some_of([called for _, called, _ in self._gone], 4)
                raise draft.table.error(
                    f"--without {shlex.quote(word)}: nothing is left without {listed}",
                    "leave out less, so that there is something to compare",
                )
            draft.keep(~rows)

    def done(self, metric: str | None) -> None:
        """Say what was left out.

        Raises:
            InputError: a word means no row, or one by its result.
        """
        draft = self._draft
        for word in self._open:
            raise NoSuchValueError(self._unknown(word), word)
        for column, called, _ in self._gone:
            if column == metric:
                raise self._by_result(called)
        if self._gone:
            told = [f"{called} ({number} of {self._rows} rows)" for _, called, number in self._gone]
            draft.dropped += [f"{text}, as --without asks" for text in told]
            draft.warnings.append(
                f"{LEFT_OUT}{', '.join(told)}, as --without asks: corrections are over the comparisons that "
                "are left"
            )

    def _meant(self, word: str) -> tuple[str, str, NDArray[np.bool_]] | None:
        """The column, the value and the rows of a word; None where nothing has it, yet."""
        draft = self._draft
        column, sign, value = word.partition("=")
        if sign and (known := original(draft, column)) is not None:
            rows = self._having(known, value)
            if rows.any():
                self._refuse(known, word)
                return known, str(draft.frame[known][rows].iloc[0]), rows
        found = [(name, rows) for name in self._words() if (rows := self._having(name, word)).any()]
        if not found:
            return None
        if any((rows != found[0][1]).any() for _, rows in found):
            names = [f"--without {shlex.quote(f'{draft.spelt(name)}={word}')}" for name, _ in found]
            raise draft.table.error(
                f"--without {shlex.quote(word)}: several columns have it: "
                f"{', '.join(draft.spelt(name) for name, _ in found)}",
                f"say which: {' or '.join(names)}",
            )
        name, rows = found[0]
        return name, str(draft.frame[name][rows].iloc[0]), rows

    def _having(self, column: str, value: str) -> NDArray[np.bool_]:
        """The rows that have a value in a column, however it is written: 2 and 2.0 are one."""
        values = self._draft.frame[column]
        return np.asarray(values.isin([own for own in values.unique() if same(own, value)]).to_numpy())

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
            raise draft.table.error(
                f"--without {shlex.quote(word)}: {draft.spelt(column)} holds the seed",
                "--seeds judges some seeds alone, and says what that does to verdicts",
            )
        if self._is_result(column):
            raise self._by_result(word)

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
            if close := nearest(value, there):
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
        close = nearest(word, values)
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
