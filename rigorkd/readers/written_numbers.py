"""Numbers as people write them: percent signs, thousands separators, decimal commas, mean ± spread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rigorkd.readers.known_names import status_of
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.text import bare_number, some_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_PLUS_MINUS = re.compile(r"^\s*(.+?)\s*(?:±|\+/-|\+-|\\pm)\s*(.+?)\s*$")
_MINUS = str.maketrans({"−": "-", "\u00a0": "", "\u202f": "", "\u2009": "", " ": "", "'": ""})
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_POINTS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")
_SHARE = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*")
_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)

ABSENT = frozenset({"", "-", "–", "—", "n/a", "na", "none", "null", "nan"})
"""What stands where there is no number. NaN is no divergence unless a status says so."""


_TO_COME = frozenset({"tbd", "tba", "todo", "to do", "to come", "n.a", "not run", "not yet", "not yet run"})


def stands_for_none(word: str) -> bool:
    """Whether a field says in words that a run has no result: `pending`, `🔶 running`, `(OOM)`, `TBD`.

    A run that diverged has one, and `done` does not say that there is none.
    """
    bare = re.sub(r"^[\W_]+|[\W_]+$", "", word[:60]).casefold()
    return bare in _TO_COME or (bare not in ABSENT and status_of(bare) == "missing")


@dataclass(frozen=True)
class Numbers:
    """A column as numbers: `text` is how each would be written plainly, `said` what had to be understood."""

    values: NDArray[np.float64]
    text: pd.Series[Any]
    said: tuple[str, ...] = ()


def _with_spread(text: str) -> re.Match[str] | None:
    """A value and what follows its ±; nothing that is longer than two numbers."""
    return _PLUS_MINUS.match(text) if len(text) <= 200 else None


def plain(column: pd.Series[Any]) -> NDArray[np.float64]:
    """The column as numbers, NaN for what is none."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def looks_numeric(column: pd.Series[Any]) -> bool:
    """Whether at least half of the values that a column has are numbers in some notation."""
    there = column[~column.str.casefold().isin(ABSENT)]
    if there.empty:
        return False
    sample = there if len(there) <= 2000 else there.iloc[:: len(there) // 2000]
    good = sum(_readable(value) for value in sample)
    return good >= 0.5 * len(sample)


def _readable(text: str) -> bool:
    found = _with_spread(text)
    bare = bare_number(found[1] if found else text).strip().removesuffix("%").translate(_MINUS)
    try:
        float(bare)
    except ValueError:
        return (
            any(form.fullmatch(bare) for form in (_THOUSANDS, _COMMA, _POINTS)) or share_of(bare) is not None
        )
    return "_" not in bare


def share_of(text: str) -> float | None:
    """The share that `19/21` is; None for what is none, and for more than all."""
    found = _SHARE.fullmatch(text)
    if found is None or not 0 <= int(found[1]) <= int(found[2]) or int(found[2]) == 0:
        return None
    return int(found[1]) / int(found[2])


def numbers_of(table: RawTable, column: str, asked: Reading) -> Numbers:
    """A column of the table, read as numbers. What is no number stays text, for the analysis to refuse.

    Raises:
        InputError: a value can be read in two ways; says which option decides.
    """
    text = table.frame[column]
    values = plain(text)
    there = ~text.str.casefold().isin(ABSENT).to_numpy()
    if not (np.isnan(values) & there).any() and asked.decimal != ",":
        return Numbers(values, text)
    said: list[str] = []
    if waiting := [word for word in text[there].unique() if stands_for_none(word)]:
        text = text.where(~text.isin(waiting), "")
        there &= (text != "").to_numpy()
        said.append(f"{column}: {some_of(list(map(repr, waiting)), 3)} is no number, and counts as no result")
        if not there.any() or (not np.isnan(plain(text)[there]).any() and asked.decimal != ","):
            return Numbers(plain(text), text, tuple(said))
    words = {word: bare_number(word) for word in text[there].unique()}
    if typed := [word for word, bare in words.items() if word != bare]:
        said.append(f"{column} as the numbers in it, such as that of {typed[0]}")
    shares = {word: share_of(word) for word in words}
    if None not in shares.values():
        made = text.map(lambda word: word if (share := shares.get(word)) is None else repr(share))
        return Numbers(plain(made), made, (f"{column} as shares, such as {next(iter(shares))}",))
    spreads = {word: found for word in words if (found := _with_spread(word))}
    if spreads:
        words.update({word: found[1] for word, found in spreads.items()})
        said.append(f"what follows ± in {column} is left out: the spread is that over the seeds")
    signed = {word for word, bare in words.items() if bare.rstrip().endswith("%")}
    if signed and len(signed) == len(words):
        words = {word: bare.rstrip()[:-1] for word, bare in words.items()}
        said.append(f"{column} in percent")
    elif signed:
        row = int(np.flatnonzero(text.isin(signed).to_numpy())[0])
        without = [word for word in words if word not in signed]
        if odd := next((word for word in without if not _readable(word)), None):
            raise table.error(
                f"{odd!r} is no number, beside others such as {text.iloc[row]!r}",
                "write its number, or leave the field empty (or write —) where there is no result",
                int(np.flatnonzero((text == odd).to_numpy())[0]),
                column,
            )
        raise table.error(
            f"{text.iloc[row]!r} has a percent sign, other values have none",
            "write all of them with it, or none: one may be a fraction",
            row,
            column,
        )
    words = {word: bare.translate(_MINUS) for word, bare in words.items()}
    if asked.decimal == "," and not any("," in bare for bare in words.values()):
        bare = _points(table, column, words)
        said += [f"{column} with points between thousands"] if bare != words else []
        words = bare
    if any("," in bare for bare in words.values()):
        words, how = _commas(table, column, words, asked)
        said.append(how)
    if all(word == bare for word, bare in words.items()):
        return Numbers(values, text)
    made = text.map(lambda word: words.get(word, word))
    return Numbers(plain(made), made, tuple(said))


def _points(table: RawTable, column: str, words: dict[str, str]) -> dict[str, str]:
    """Points where commas stand before decimals: they separate thousands, or the option is wrong."""
    odd = next((word for word, bare in words.items() if "." in bare and not _POINTS.fullmatch(bare)), None)
    if odd is not None:
        row = int(np.flatnonzero((table.frame[column] == odd).to_numpy())[0])
        raise table.error(
            f"{odd!r} has a point before its decimals, and --decimal , says that a comma stands there",
            "leave --decimal out",
            row,
            column,
        )
    return {word: bare.replace(".", "") for word, bare in words.items()}


def _commas(
    table: RawTable, column: str, words: dict[str, str], asked: Reading
) -> tuple[dict[str, str], str]:
    """What the commas of a column are, by all of its values."""
    bare = [text for text in words.values() if "," in text]
    as_thousands = all(_THOUSANDS.fullmatch(text) for text in bare)
    as_decimal = all(_COMMA.fullmatch(text) or _POINTS.fullmatch(text) for text in bare)
    if asked.decimal:
        as_thousands, as_decimal = asked.decimal == ".", asked.decimal == ","
    elif as_thousands and as_decimal and "semicolons" in table.kind:
        as_thousands = False
    if as_thousands and as_decimal:
        row = int(np.flatnonzero(table.frame[column].map(lambda text: "," in text).to_numpy())[0])
        raise table.error(
            f"{table.frame[column].iloc[row]!r} may be thousands or decimals",
            "give --decimal , if the comma stands before decimals, --decimal . if it separates thousands",
            row,
            column,
        )
    if as_thousands:
        return (
            {
                word: text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
                for word, text in words.items()
            },
            f"{column} with commas between thousands",
        )
    if as_decimal:
        return (
            {
                word: text.replace(".", "").replace(",", ".")
                if _POINTS.fullmatch(text) and "," in text
                else text.replace(",", ".")
                for word, text in words.items()
            },
            f"{column} with decimal commas",
        )
    return words, f"{column} with commas"
