"""Rows of a printed table that are no rivals of its others: teachers, other networks, gains, rows alone."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence

from rigorkd_analysis.columns import is_difference, plain_name
from rigorkd_analysis.published.printed_cells import Row
from rigorkd_analysis.published.printed_judged import result_columns
from rigorkd_analysis.published.printed_nearly import is_nearly_number
from rigorkd_analysis.published.printed_table import Entry, Printed, decimal_of, row_names, task_column

_TEACHER = re.compile(
    r"(?:.*/)?\s*teachers?(?:\s+(?:acc(?:uracy|\.)?|top-?1|model|net(?:work)?))?\s*[*†‡§'′]*\s*(?:[(\[:].*)?",
    re.IGNORECASE,
)
"""What the row of a teacher is called: `Teacher (ResNet-34)`; not `Teacher-free KD`."""
_NETWORKS = frozenset(
    {"network", "net", "backbone", "arch", "architecture", "model", "models", "networks", "encoder"}
)


def with_numbers(rows: Sequence[Row], metric: str) -> list[Row]:
    """The rows without those that hold nothing to judge, and elsewhere what is nearly a number alone."""
    stay = [
        row
        for row in rows
        if (row.get(metric) or "").strip() not in ("", "-", "--", "---", "—")
        or any(decimal_of(text or "") is not None for text in row.values())
        or not any(is_nearly_number(text or "") for text in row.values())
    ]
    return stay or list(rows)


def gains_left_out(rows: Sequence[Row], metric: str) -> tuple[list[int], list[str]]:
    """The rows that stay, and notes on those that are gains of others by their name and a sign."""
    names = row_names(rows)
    texts = [(row.get(metric) or "").strip() for row in rows]
    signed = [text[:1] in "+-−" and decimal_of(text) is not None for text in texts]
    out = [
        at
        for at, name in enumerate(names)
        if signed[at] and any(is_difference(name) or is_difference(text) for text in rows[at].values())
    ]
    if not out or len(rows) - len(out) < 2 or sum(signed) > len(out):
        return list(range(len(rows))), []
    shown = ", ".join(names[at] for at in out)
    stay = [at for at in range(len(rows)) if at not in out]
    return stay, [f"left out: {shown}, a difference of rows by its name and its sign"]


def notes_on_rivals(
    entries: Sequence[Entry],
    rows: Sequence[Row],
    pairs: Sequence[tuple[int, int]],
    table: Printed,
) -> list[str]:
    """Which pairs are of different networks, and what leaves them out of the correction."""
    teachers = {at for at, entry in enumerate(entries) if _TEACHER.fullmatch(entry.cell)}
    own = [pair for pair in pairs if not teachers.isdisjoint(pair)]
    notes = []
    if own and len(entries) - len(teachers) > 1:
        names = dict.fromkeys(entries[at].cell for at in sorted(teachers))
        several, pairs_of = len(names) > 1, f"{len(own)} pair{'s' * (len(own) > 1)}"
        count = "counts" if len(own) == 1 else "count"
        notes.append(
            f"{' and '.join(names)} {'are' if several else 'is'} by {'their' if several else 'its'} name the "
            f"student's teacher, and no rival: {pairs_of} with {'them' if several else 'it'} {count} in the "
            f"correction ({' '.join(f'--without {shlex.quote(name)}' for name in names)} leaves "
            f"{'them' if several else 'it'} out)"
        )
    if table.within is None and not table.turned and (column := _networks(entries, rows)):
        words = [(row.get(column) or "").strip() for row in rows]
        apart = [(a, b) for a, b in pairs if words[a] != words[b] and teachers.isdisjoint((a, b))]
        if apart:
            notes.append(
                f"{len(apart)} of {len(pairs)} pairs {'is' if len(apart) == 1 else 'are'} of rows that "
                f"differ in {column} "
                f"({', '.join([*dict.fromkeys(words)][:3])}{', …' if len({*words}) > 3 else ''}): what they "
                f"differ in may be that, and not the method (--within {shlex.quote(column)} compares those "
                "alone that share it)"
            )
    return notes


def _networks(entries: Sequence[Entry], rows: Sequence[Row]) -> str | None:
    """The column of networks beside the one that names rows, where some share a network and some do not."""
    names = [entry.cell for entry in entries]
    for column in rows[0]:
        if plain_name(column) not in _NETWORKS:
            continue
        words = [(row.get(column) or "").strip() for row in rows]
        counts = Counter(words)
        if len(counts) > 1 and max(counts.values()) > 1 and all(words) and words != names:
            return column
    return None


def nothing_compared(rows: Sequence[Row], entries: Sequence[Entry], table: Printed) -> tuple[str, ...]:
    """Why a table has no pairs, and what would give it some."""
    wide = len(result_columns(table.rows)) > 1 and not table.turned
    if len(entries) == 1:
        said = "The table has one row, so nothing is compared."
        return said, "--turned compares its columns." if wide else "Add what it is to be compared with."
    column = task_column(rows, table.within)
    students = len({entry.student for entry in entries}) > 1
    both = ["a student"] if students else []
    both += [repr(column)] if column is not None and len({entry.task for entry in entries}) > 1 else []
    said = f"No two of the {len(entries)} rows share {' and '.join(both)}, so nothing is compared."
    if students and wide:
        return said, "--turned compares its columns."
    if students:
        return said, "Add rows of the same students that they are to be compared with."
    turn = ", and --turned compares columns" if wide else ""
    return said, f"--within COLUMN names what rows must share to be compared{turn}."
