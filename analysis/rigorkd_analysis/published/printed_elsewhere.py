"""What a text says of its tables far from them: `Runs: 10 seeds per dataset`, above all or at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rigorkd_analysis.published.printed_seeds import Told, seeds_said
from rigorkd_analysis.published.printed_spread import meanings

Elsewhere = Sequence[tuple[int, str]]
"""Lines of a text, each with its number."""

_ROW = re.compile(r"\||&.*\\\\|\\(?:begin|end|caption)\b")


def elsewhere(text: str, captions: Sequence[str]) -> list[tuple[int, str]]:
    """The lines that name a number of seeds or what ± is, outside of all tables and of their captions."""
    near = {line.strip() for caption in captions for line in caption.splitlines()}
    lines = [
        (at, re.sub(r"^[\s>#*+•–-]+", "", line).strip())
        for at, line in enumerate(text.splitlines(), 1)
        if line.strip() not in near and not _ROW.search(line)
    ]
    return [(at, line) for at, line in lines if line and (seeds_said(line) or _means(line))]


def seeds_elsewhere(lines: Elsewhere) -> Told:
    """The number of seeds that is the only one that these lines name, and what to say of it."""
    found = [(many, at, words) for at, line in lines for many, words in seeds_said(line)]
    if not found:
        return Told(None)
    if len({many for many, _, _ in found}) > 1:
        named = " and ".join(f"“{words}” on line {at}" for _, at, words in found[:4])
        several = f"the text names several numbers of seeds ({named})"
        return Told(None, f"{several}: --seeds K says which holds", several)
    many, at, words = found[0]
    return Told(
        many, f"n = {many} by line {at} of the text, far from the table (“{words}”); --seeds K changes it"
    )


def spread_elsewhere(lines: Elsewhere) -> tuple[str, str]:
    """The line that says what ± is, if all that do say one thing, and what to say of it; "" for none."""
    found = [(at, line) for at, line in lines if _means(line)]
    if not found or len({frozenset(_means(line)) for _, line in found}) > 1:
        return "", ""
    at, line = found[0]
    return line, f"what ± is, line {at} of the text says, far from the table (“{line}”); --spread changes it"


def _means(line: str) -> frozenset[object]:
    return frozenset(meanings(line)) if re.search(r"±|\\pm|\+/-|\+-", line) else frozenset()
