"""The tidy table of a study: one row per student run, the columns that `analyze` reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from rigorkd.methods.base import loss_weights
from rigorkd.metrics import NAMES as METRICS
from rigorkd.protocol.cells import Run
from rigorkd.protocol.hashes import resolved, training_key, views_key
from rigorkd.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTION = (
    *("cell", "seed", "group", "student", "method", "start", "epochs", "epochs_run", "teacher"),
    *("T", "alpha", "ce_weight", "kd_weight", "training", "views"),
    *("status", "mode", "smoke", "run_hash", "weights_sha256", "hardware", "dispatch", "versions"),
    "latency_shared",
)


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """One row per student record, ordered by cell and seed; metrics that a run lacks are NaN.

    The axes of a study whose runs commands train are columns of their own.
    """
    import pandas as pd

    records = [record for record in records if record.fields.get("role") == "student"]
    rows = [_row(record) for record in records]
    axes = sorted({name for record in records for name in record.fields.get("axes") or ()} - {*DESCRIPTION})
    extra = sorted({name for row in rows for name in row} - {*DESCRIPTION, *METRICS, *axes})
    frame = pd.DataFrame(rows, columns=[*DESCRIPTION, *axes, *METRICS, *extra])
    for name in (*METRICS, *extra):
        frame[name] = pd.to_numeric(frame[name])
    return frame.sort_values(["cell", "seed"], kind="stable", ignore_index=True)


def declared(runs: Iterable[Run]) -> pd.DataFrame:
    """Rows, like those of `tidy`, of student runs that have no record: status `missing`, no metrics."""
    import pandas as pd

    by_cell = {}
    rows = []
    for run in runs:
        cell = run.cell
        if cell.name not in by_cell:
            by_cell[cell.name] = {
                **(loss_weights(cell.method) if cell.trainer is None else {}),
                **resolved(cell),
                "cell": cell.name,
                "group": cell.group,
                "student": cell.student,
                "teacher": (cell.teacher if cell.method.distils else None) or "",
                "training": training_key(cell),
                "views": views_key(cell),
                "status": "missing",
            }
        rows.append({**by_cell[cell.name], "seed": run.seed})
    return pd.DataFrame(rows, columns=list(DESCRIPTION))


def teacher_results(records: Iterable[Record]) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The test top-1 of the teachers' finished runs, by the name of their cell."""
    return tuple((name, tuple(top1 for _, top1 in runs)) for name, runs in _of_teachers(records))


def teacher_seeds(
    records: Iterable[Record], per_seed: Collection[str]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The seeds of `teacher_results`, of those teachers that are trained anew at each seed."""
    found = _of_teachers(records)
    return tuple((name, tuple(seed for seed, _ in runs)) for name, runs in found if name in per_seed)


def _of_teachers(records: Iterable[Record]) -> list[tuple[str, list[tuple[int, float]]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        top1 = record.metrics.get("test_top1")
        if record.fields.get("role") == "teacher" and top1 is not None:
            found.setdefault(str(record.fields["cell"]), []).append((int(record.fields["seed"] or 0), top1))
    return sorted(found.items())


def _row(record: Record) -> dict[str, Any]:
    fields = record.fields
    row: dict[str, Any] = {name: fields.get(name) for name in DESCRIPTION}
    row["teacher"] = row["teacher"] or ""
    # Only what two comparable cells must share: no length, and nothing that concerns the teacher alone.
    row["training"], row["views"] = fields.get("training_key"), fields.get("views_key")
    versions = fields.get("versions") or {}
    row["dispatch"] = record.dispatch
    row["versions"] = " ".join(f"{name}={version}" for name, version in versions.items())
    row.update({name: fields.get(name) for name in fields.get("axes") or () if name not in row})
    row.update(fields["metrics"])
    latency = fields.get("latency_ms") or {}
    row["latency_ms"], row["latency_shared"] = latency.get("median"), latency.get("shared")
    return row
