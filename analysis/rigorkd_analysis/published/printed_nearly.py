"""Cells of a printed table that are nearly one number: about 84, a range, at least 0.90, two in one cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from rigorkd_analysis.published.printed_arrows import led
from rigorkd_analysis.published.printed_columns import Lined

_NUMBER = r"[+-]?(?:\d[\d,]*\.?\d*|\.\d+)\s*%?"
_NEARLY = re.compile(
    rf"[*_]*\s*(?:(?:[~≈<>≤≥]|\\(?:sim|approx|geq?|leq?)\b)\s*{_NUMBER}"
    rf"|\d*\.\d+\s*(?:$|[^\d\s.x×a-zA-Z])|\d+\s*[-–—]\s*\d+\s*%|\d+\s*%?\s*\+$)"
)
_ABOUT = re.compile(r"^([*_$]*\s*)(?:≈|\\(?:approx|sim)(?![a-z]))\s*(?=[\d.])")
_MOST = 100
"""Characters of a cell with two numbers."""


def is_nearly_number(cell: str) -> bool:
    """Whether a cell that is not read says a number all the same: `~83–85%`, `0.90+`, `0.61 / 0.19`."""
    bare = cell.strip().strip("*_$ ")
    return _NEARLY.match(bare) is not None or led(bare)


def unread_cell(text: str) -> str:
    """The first cell of a text's tables that begins with a number, behind the one that names its row."""
    for line in text.splitlines():
        is_latex = "&" in line and "\\\\" in line
        parted = re.split(r"(?<!\\)&", line) if is_latex else line.strip().strip("|").split("|")
        for cell in parted[1:]:
            bare = re.sub(r"&nbsp;|\s+", " ", re.sub(r"[*$]|\\\\.*", "", cell)).strip()
            if len(bare) <= _MOST and re.match(r"[~≈]?\s*\d*\.\d|[~≈]?\s*\d+\s*[-–—%]", bare):
                return " ".join(bare.split())
    return ""


def about(cell: str) -> str:
    """A cell of Markdown with ≈ before a number that is said to be about right: `~` is a space in LaTeX."""
    return re.sub(r"^([*_]*)\s*~\s*(?=[\d.])", r"\1≈", cell)


def approximate(rows: Sequence[Mapping[str, str]], column: str) -> list[str]:
    """The values of a column that are said to be about right, as printed: `~84`."""
    found = [
        re.sub(r"[*_$]", "", text).strip() for row in rows if _ABOUT.match(text := row.get(column) or "")
    ]
    return [re.sub(r"^(?:≈|\\approx|\\sim)\s*", "~", text) for text in found]


def numbers_in(cell: str) -> list[str]:
    """The numbers that strokes part in a cell: `78.2/94.0`; none where it holds anything else."""
    parts = [part.strip() for part in cell.split("/")] if len(cell) <= _MOST else []
    return parts if len(parts) > 1 and all(re.fullmatch(_NUMBER, part) for part in parts) else []


def _names_in(heading: str) -> list[str]:
    """The names that strokes part in a heading: `Top-1/Top-5`, `MNLI-(m/mm)`."""
    if inner := re.fullmatch(r"([^()]*)\(([^()/]+(?:/[^()/]+)+)\)([^()/]*)", heading):
        return [f"{inner[1]}{name.strip()}{inner[3]}" for name in inner[2].split("/")]
    names = [name.strip() for name in heading.split("/")]
    return names if all(name.count("(") == name.count(")") for name in names) else []


def in_columns(rows: Sequence[Mapping[str, str]], plain: Callable[[str], str]) -> Sequence[Mapping[str, str]]:
    """Rows with a column for each of the numbers in a cell, where the heading has as many names.

    `Top-1/Top-5` with `78.2/94.0` are two columns; `plain` takes the marks off a cell.
    """
    parted: dict[str, list[str]] = {}
    for column in rows[0]:
        names = _names_in(column)
        if len(names) < 2 or not all(names) or len({*names, *rows[0]}) < len(names) + len(rows[0]):
            continue
        texts = [plain(row.get(column) or "") for row in rows]
        held = [numbers_in(text) for text in texts]
        if any(held) and all(
            len(numbers) == len(names) or not re.search(r"\d", text)
            for numbers, text in zip(held, texts, strict=True)
        ):
            parted[column] = names
    if not parted:
        return rows
    out = []
    for row in rows:
        made: dict[str, str] = {}
        for column, text in row.items():
            if column in parted:
                numbers = numbers_in(plain(text or "")) or [text] * len(parted[column])
                made.update(zip(parted[column], numbers, strict=True))
            else:
                made[column] = text
        out.append(made)
    return out


def may_head(text: str, header: Lined, second: Sequence[str], plain: Callable[[str], str]) -> bool:
    """Whether a row without a value goes on with the heading above it, and is no row that has none.

    What is missing or nearly a number is no heading; nor is what no column needs, below the rule of
    Markdown: that ends the heading, unless that spans columns, which leaves names blank or has them twice.
    """
    if any(is_nearly_number(cell) or plain(cell) in ("-", "--", "---", "—") for cell in second[1:]):
        return False
    line, (first, *names) = header
    if not first and all(second):
        return True
    below = [*text.splitlines(), ""][line]
    if not second[0] or "-" not in below or not re.fullmatch(r"[|:\s+=-]+", below.strip()):
        return True
    return not all(names) or len({*names}) < len(names)


def filled(body: list[Lined], second: Sequence[bool]) -> list[Lined]:
    """Rows with what Markdown prints once in the first column for all below: the others are named beside it.

    `second` says of each row's second cell whether it is a value.
    """
    firsts = [row[0] for _, row in body]
    named = not any(second) and all(len(row) > 2 and row[1] for _, row in body)
    if not named or not firsts[0] or all(firsts) or not any(firsts[1:]):
        return body
    out: list[Lined] = []
    for line, row in body:
        out.append((line, [row[0] or out[-1][1][0], *row[1:]]))
    return out
