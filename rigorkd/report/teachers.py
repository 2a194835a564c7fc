"""The teachers of a study: how good and how soft each is, as one table under its analysis."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, read_records
from rigorkd.report.page import Column, Page, Table

_SHOWN = (1, 4, 10, 40)  # temperatures that fit on a page; the record has more


def with_teachers(page: Page, folder: Path | None) -> Page:
    """The page with the table of a study's teachers below its others; a bare CSV (None) has no teachers."""
    table = None if folder is None else teachers_table(teachers_of(folder))
    return page if table is None else replace(page, tables=(*page.tables, table))


def teachers_of(folder: Path) -> list[Record]:
    """The records of a study's teachers, which lie in a folder of their own."""
    return read_records(StudyFolder(folder), "teacher")


def teachers_table(records: Iterable[Record]) -> Table | None:
    """Per teacher its accuracy and the relative entropy of its softened output, None where none is known.

    Means over seeds; the accuracy with its standard deviation.
    """
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        if record.fields["status"] == "done" and "softness_T1" in record.metrics:
            by_cell.setdefault(str(record.fields["cell"]), []).append(record)
    if not by_cell:
        return None
    columns = [Column("teacher"), Column("n", True), Column("test top-1", True)]
    columns += [Column(f"T={T}", True) for T in _SHOWN]
    rows = tuple(_row(cell, found) for cell, found in sorted(by_cell.items()))
    caption = (
        "T: relative entropy H(p) / log C of the teacher's output softened at T, over the test images"
        " (0: one-hot, 1: uniform); in brackets the same without its most probable class"
    )
    return Table("Teachers", tuple(columns), rows, caption)


def _row(cell: str, records: list[Record]) -> tuple[str, ...]:
    accuracy = _values(records, "test_top1")
    spread = f" ± {statistics.stdev(accuracy):.2f}" if len(accuracy) > 1 else ""
    top1 = f"{statistics.fmean(accuracy):.2f}{spread}" if accuracy else "–"
    return (cell, str(len(records)), top1, *(_softness(records, T) for T in _SHOWN))


def _softness(records: list[Record], T: int) -> str:
    whole, rest = _values(records, f"softness_T{T}"), _values(records, f"softness_rest_T{T}")
    text = f"{statistics.fmean(whole):.2f}" if whole else "–"
    return f"{text} ({statistics.fmean(rest):.2f})" if rest else text


def _values(records: list[Record], metric: str) -> list[float]:
    return [value for record in records if (value := record.metrics.get(metric)) is not None]
