"""The table of teachers under an analysis."""

from __future__ import annotations

import json
from pathlib import Path

from rigorkd.records.record import Record
from rigorkd.report.teachers import teachers_of, teachers_table


def record(
    cell: str, seed: int, top1: float, soft: float, rest: float | None, status: str = "done"
) -> Record:
    metrics: dict[str, float | None] = {"test_top1": top1}
    for T in (1, 4, 10, 40):
        metrics |= {f"softness_T{T}": soft, f"softness_rest_T{T}": rest}
    return Record(Path(), {"cell": cell, "seed": seed, "status": status, "metrics": metrics})


def test_means_over_seeds() -> None:
    table = teachers_table([record("teacher", 0, 90.0, 0.2, 0.5), record("teacher", 1, 92.0, 0.4, 0.7)])
    assert table is not None
    assert table.texts() == (("teacher", "2", "91.00 ± 1.41", *["0.30 (0.60)"] * 4),)


def test_one_seed_two_classes_and_teachers_that_diverged() -> None:
    one = record("teacher/a", 0, 90.0, 0.2, None)
    table = teachers_table([one, record("teacher/b", 0, 1.0, 0.1, 0.1, status="diverged")])
    assert table is not None
    assert table.texts() == (("teacher/a", "1", "90.00", *["0.20"] * 4),)
    assert teachers_table([]) is None


def test_only_a_study_has_teachers(tmp_path: Path) -> None:
    assert teachers_of(None) is None
    assert teachers_of(tmp_path) is None
    folder = tmp_path / "teacher" / "seed-0"
    folder.mkdir(parents=True)
    fields = {
        **record("teacher", 0, 90.0, 0.2, 0.5).fields,
        "schema": "rigorkd.record/1",
        "run_hash": "x",
        "files": {},
    }
    (folder / "record.json").write_text(json.dumps(fields))
    staged = tmp_path / "teacher" / ".seed-1.4711-ab.tmp"  # a worker is about to commit it
    staged.mkdir()
    (staged / "record.json").write_text(json.dumps(fields))
    found = teachers_of(tmp_path)
    assert found is not None
    assert [row[:2] for row in found.texts()] == [("teacher", "1")]
