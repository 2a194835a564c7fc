"""Small helpers for messages."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from rigorkd.errors import InputError


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name closest to a misspelt one, or None if none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in valid}
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


_PLAIN = re.compile(r"[^\W\d_](?:[\w./@ ()+%=-]*[\w./@()+%=-])?")
_NO_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def in_yaml(text: str) -> str:
    """A text as it may be pasted into YAML, also between braces: in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _NO_TEXT:
        return text
    return "'" + text.replace("'", "''") + "'"


def nearest_place(place: Path, *, folder: bool = True) -> str:
    """`; did you mean X?` where a folder (or file) that is not there is called almost as one beside it."""
    try:
        beside = [] if place.exists() else list(place.parent.iterdir())
        there = [other.name for other in beside if other.is_dir() == folder]
    except OSError:
        return ""
    close = nearest(place.name, there)
    return f"; did you mean {place.with_name(close)}?" if close else ""


def in_full(place: Path, key: str = "dataset.root") -> str:
    """What stands behind a relative place in a message: what it starts at, and so where it was looked for."""
    if place.is_absolute():
        return ""
    return f" ({key} starts at the folder that the command is started in, so this is {place.absolute()})"


def suggest(name: str, valid: Iterable[str], otherwise: str = "") -> str:
    """The hint for a misspelt name: `did you mean …?` if a valid one is close, else what to say otherwise."""
    close = nearest(name, valid)
    return f"did you mean {close}?" if close else otherwise


def count(n: int, noun: str, plural: str = "") -> str:
    """`1 run`, `2 runs`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def some_of(names: Sequence[str], most: int = 30) -> str:
    """Names by commas; of very many the first ones, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def first_line(error: BaseException) -> str:
    """What an exception says, cut to its first line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def is_float(text: str) -> bool:
    """Whether Python reads a text as a number; `nan` and `inf` are some."""
    try:
        float(text)
    except ValueError:
        return False
    return True


NUMBER = r"(?i:[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|(?:nan|inf(?:inity)?)(?!\w)))"
"""A number as programs print it."""

_TYPED = re.compile(
    r"(?<![\w.])(?:(?:torch\.|tf\.)?[Tt]ensor|(?:np\.)?[Aa]rray|(?:np|numpy)\.(?:b?float|u?int)\d*)"
    rf"\(\s*\[*\s*({NUMBER})\s*\]*\s*(?:,\s*\w+\s*=\s*(?:[^,()\n]|\([^()\n]*\))*)*\)"
)
_ALONE = re.compile(rf"\[+\s*({NUMBER})\s*\]+")


def untyped(text: str) -> str:
    """A text in which `tensor(86.75, device='cuda:0')` and `np.float64(86.75)` are the number alone."""
    return _TYPED.sub(r"\1", text)


def bare_number(text: str) -> str:
    """The number that a field writes with its type or as `[86.75]`; any other field as it is."""
    bare = untyped(text.strip())
    found = _ALONE.fullmatch(bare)
    bare = found[1] if found else bare
    return bare if bare != text.strip() and is_float(bare.removesuffix("%")) else text


def wrapped(text: str, width: int = 80) -> str:
    """Every line of a text wrapped between words; what continues one stands two columns further in."""
    return "\n".join(
        part
        for line in text.splitlines()
        for part in textwrap.wrap(
            line,
            max(40, width),
            subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [""]
    )


def fitted(text: str, stream: IO[str]) -> str:
    """The text as it goes to a stream: wrapped on a terminal, as it stands for a file or a program."""
    return wrapped(text, shutil.get_terminal_size().columns) if stream.isatty() else text


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `5 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


VARIABLES = ("RIGORKD_CHECKPOINT_EVERY", "RIGORKD_GATES", "RIGORKD_LAUNCHER_EXPIRY")
"""The environment variables that people set, all that are read."""


def misspelt_variables() -> list[str]:
    """A warning for each environment variable that is called almost as one that is read.

    Others beside them are of scripts, or of rigorkd's own for its commands.
    """
    own = {name: difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.8) for name in sorted(os.environ)}
    return [
        f"the environment variable {name} is not read; did you mean {close[0]}?"
        for name, close in own.items()
        if close and name.startswith("RIGORKD_") and name not in VARIABLES
    ]


def seconds_in(variable: str, default: float, *, least: float) -> float:
    """The seconds that an environment variable names, or the default. InputError for less than `least`."""
    text = os.environ.get(variable, "")
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = float("nan")
    if not seconds >= least:
        raise InputError(f"{variable}={text}: not a number of seconds of at least {least:g}")
    return seconds


_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """The text without characters that steer where it is shown: escape sequences, other controls, and marks
    that reorder or hide what stands beside them, or halves of characters. Line breaks and tabs stay."""
    return _HIDDEN.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same on one line, so that no name begins a line of its own."""
    return " ".join(printable(text).splitlines())


def unhidden(document: str) -> str:
    """JSON whose hidden characters are written as escapes: the same document, harmless on a screen."""
    return _HIDDEN.sub(lambda found: _escaped(found[0]), document)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
