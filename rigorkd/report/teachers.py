"""The teachers of a study for `rigorkd analyze`: how good they are, and how soft their output is."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

from rigorkd_analysis.wording import number_text

from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, read_records
from rigorkd.report.page import MISSING, Column, Table

_SHOWN = (1, 4, 10, 40)  # temperatures that fit on a page; the record has more


def teachers_of(folder: Path | None) -> Table | None:
    """The teachers of a study, which lie in a folder of their own; a bare CSV (None) has none."""
    if folder is None:
        return None
    return teachers_table(read_records(StudyFolder(folder), "teacher"))


def teachers_table(records: Iterable[Record]) -> Table | None:
    """Per teacher its accuracy and the normalised entropy of its softened output, None where none is known.

    Means over seeds; the accuracy with its standard deviation.
    """
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        if record.fields["status"] == "done" and "softness_T1" in record.metrics:
            by_cell.setdefault(str(record.fields["cell"]), []).append(record)
    if not by_cell:
        return None
    rows = []
    for cell, found in sorted(by_cell.items()):
        accuracy = _values(found, "test_top1")
        spread = f" ± {number_text(statistics.stdev(accuracy), 2)}" if len(accuracy) > 1 else ""
        top1 = f"{number_text(statistics.fmean(accuracy), 2)}{spread}" if accuracy else MISSING
        rows.append((cell, str(len(found)), top1, *(_softness(found, T) for T in _SHOWN)))
    caption = (
        "T: normalised entropy H(p) / log C of the teacher's output softened at T, over the test images"
        " (0: one-hot, 1: uniform); in brackets the same without its most probable class"
    )
    columns = (Column("teacher"), Column("n", True), Column("test top-1", True))
    return Table("Teachers", (*columns, *(Column(f"T={T}", True) for T in _SHOWN)), tuple(rows), caption)


def _softness(records: list[Record], T: int) -> str:
    whole, rest = _values(records, f"softness_T{T}"), _values(records, f"softness_rest_T{T}")
    text = f"{statistics.fmean(whole):.2f}" if whole else MISSING
    return f"{text} ({statistics.fmean(rest):.2f})" if rest else text


def _values(records: list[Record], metric: str) -> list[float]:
    return [value for record in records if (value := record.metrics.get(metric)) is not None]
