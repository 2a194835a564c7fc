"""Decimal commas and thousands separators of printed numbers, read where they are certain."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(?<![\w.,])(?:\d[\d.,]*\d|,\d+)(?![\w])")
_DECIMAL = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|0?,\d+|\d+,(?:\d{1,2}|\d{4,})")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3}){2,}|[1-9]\d{0,2}(?:,\d{3})+\.\d+")
_EITHER = re.compile(r"[1-9]\d{0,2},\d{3}")
"""One thousand two hundred and thirty-four, or 1.234 with a decimal comma."""


def pointed(texts: Sequence[str]) -> list[str]:
    """The cells of a column with points before their decimals, and nothing between thousands.

    What may be either (`1,234`) is what the other numbers of its column are, and stays as it stands where
    these do not tell.
    """
    numbers = [one[0] for text in texts for one in _NUMBER.finditer(text)]
    if not any("," in number for number in numbers):
        return list(texts)
    decimal = any(map(_DECIMAL.fullmatch, numbers))
    thousands = any(map(_THOUSANDS.fullmatch, numbers)) or any(
        re.fullmatch(r"\d+\.\d+", number) for number in numbers
    )

    def plain(found: re.Match[str]) -> str:
        number = found[0]
        either = _EITHER.fullmatch(number) is not None
        if _DECIMAL.fullmatch(number) or (either and decimal and not thousands):
            return number.replace(".", "").replace(",", ".")
        if _THOUSANDS.fullmatch(number) or (either and thousands and not decimal):
            return number.replace(",", "")
        return number

    return [_NUMBER.sub(plain, text) for text in texts]
