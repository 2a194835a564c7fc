"""Arrows beside the numbers of a table: notes of its authors, as that a method is ahead of another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

SIGNS = {
    **dict.fromkeys(("uparrow", "Uparrow", "nearrow", "textuparrow"), "↑"),
    **dict.fromkeys(("downarrow", "Downarrow", "searrow", "textdownarrow"), "↓"),
    **dict.fromkeys(("blacktriangle", "triangle", "bigtriangleup", "vartriangle"), "▲"),
    **dict.fromkeys(("blacktriangledown", "triangledown", "bigtriangledown"), "▼"),
}
"""Signs by LaTeX's names for them."""

ARROW = r"(?:[↑↓⇑⇓↗↘▲▼△▽⬆⬇]\ufe0f?)"
PLAIN = r"(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?"
"""A number without a sign."""
_SIGNED = rf"(?:[+-]|{ARROW}\s*[+-]?)\s*{PLAIN}\s*%?"
_GAIN = re.compile(
    rf"(?<=[\d%)])\s*(?:[(\[]\s*(?:{_SIGNED}\s*{ARROW}*|{PLAIN}\s*%?\s*{ARROW}+)\s*[)\]]\s*{ARROW}*"
    rf"|{ARROW}\s*[+-]?\s*{PLAIN}\s*%?)$"
)
"""Behind a value: `(+0.8)`, `(+0.8 ↑)`, `(0.8↑)`, `(↑0.8) ▲`, `↑0.8`."""
_RAISED_GAIN = re.compile(rf"^([+-]?\d[\d,]*\.\d+\s*%?)\s*\^\s*[+-]\s*{PLAIN}\s*%?$")
"""The same above it, and no power of ten; a number above and one below are the ends of an interval."""
_BEHIND = re.compile(rf"(?<=[\d%)*†‡§¶])\s*\^?\s*(?:[(\[]\s*{ARROW}+\s*[)\]]|{ARROW}+)(?!\s*[+-]?\s*\.?\d)")
_BEFORE = re.compile(rf"^\s*[(\[]\s*{ARROW}+\s*[)\]]\s*(?=[+-]?\.?\d)")
_LED = re.compile(rf"^{ARROW}+\s*(\d[\d,]*\.?\d*|\.\d+)\s*%?$")


def without_arrows(text: str) -> str:
    """A cell without the arrows behind its numbers, or before them in brackets.

    One before a number alone, as in `↑ 0.5`, says that the number is a gain, and stays.
    """
    return _BEFORE.sub("", _BEHIND.sub("", text))


def without_gain(text: str) -> str:
    """A cell without the signed number behind its value, which is a gain and no spread."""
    return _RAISED_GAIN.sub(r"\1", _GAIN.sub("", text))


def led(text: str) -> bool:
    """Whether a cell is a number behind an arrow: a result with a note, or a gain."""
    return _LED.match(text) is not None


def results_led(texts: Sequence[str]) -> list[str]:
    """The cells of a column, without the arrows before those numbers that are of the size of its others.

    Where an arrow stands before all of them, or before small numbers alone, these are gains.
    """
    bare = [
        float(text.rstrip("% ").replace(",", "")) for text in texts if re.fullmatch(r"\d+\.?\d*\s*%?", text)
    ]
    if not bare:
        return list(texts)
    low, high = min(bare) / 2, 2 * max(bare)
    return [
        re.sub(rf"^{ARROW}+\s*", "", text)
        if (found := _LED.match(text)) and low <= float(found[1].replace(",", "")) <= high
        else text
        for text in texts
    ]


def noted(rows: Sequence[Mapping[str, str]], columns: Sequence[str], plain: Mapping[str, str]) -> str:
    """That arrows beside the numbers of these columns are no part of them, "" where there are none.

    `plain` has each printed cell with its signs as a screen shows them.
    """
    found = [
        shown
        for row in rows
        for column in columns
        if (shown := plain.get(row.get(column) or "", "")) and (without_arrows(shown) != shown or led(shown))
    ]
    if not found:
        return ""
    told = f"{', '.join(found[:2])}{', …' if len(found) > 2 else ''}"
    return f"arrows beside numbers are notes, and no part of them ({told}): what they stand for is not judged"
