"""Reading what a report shows beyond the table: teachers, epochs and provenance from a study's records."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rigorkd_analysis.results import Analysis

from rigorkd.errors import DamagedError
from rigorkd.metrics import NAMES
from rigorkd.protocol.chains import comes_from
from rigorkd.records.attempts import failed_attempts
from rigorkd.records.beside import needed_beside
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.record import AGAIN, Record, read_records
from rigorkd.records.study import read_info
from rigorkd.records.untrusted import HISTORY, PROTOCOL, parse_arrays, read_text, unreadable
from rigorkd.report.evidence import (
    CellFacts,
    Evidence,
    History,
    Images,
    Latency,
    Provenance,
    Softness,
    SoftOutput,
    evidence,
)
from rigorkd.report.sources import Source

_SOFTNESS = re.compile(r"softness_T([0-9.e+-]+)")


def gather(found: Source, analysis: Analysis, asked: str = "") -> Evidence:
    """Everything that a report shows of a source; a bare CSV has its runs alone. `asked` is that of it."""
    table = found.judged()
    if found.folder is None:
        return evidence(analysis, table, asked=asked)
    folder = found.folder
    records = read_records(StudyFolder(folder))
    teachers = [record for record in records if record.fields.get("role") == "teacher"]

    def history(cell: str, seed: int) -> History | None:
        return read_history(folder, f"{cell}/seed-{seed}")

    return evidence(
        analysis,
        table,
        teachers=_teachers(teachers, analysis.metric),
        softness=_softness(teachers),
        history=history,
        provenance=_provenance(folder, records),
        latencies=_latencies(records),
        soft_outputs=lambda cell, images: _soft_outputs(
            [one for one in teachers if one.fields["cell"] == cell], images
        ),
        settings=_settings(records),
        asked=asked,
    )


_NOT_SETTINGS = {"metrics", "files", "versions", "latency_ms"}


def _settings(records: Iterable[Record]) -> dict[str, dict[str, str]]:
    """How each cell is set up, by what its first record says: numbers as `%g`, what is nested left out."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        cell = str(record.fields["cell"])
        if cell not in found:
            pairs = ((key, _plain(value)) for key, value in record.fields.items() if key not in _NOT_SETTINGS)
            found[cell] = {key: text for key, text in pairs if text is not None}
    return found


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    return "" if value is None else value if isinstance(value, str) else None


_SORTED = {"temperature": ("f", 1), "entropy": ("f", 1), "rest": ("f", 1), "sorted_softmax": ("f", 2)}
_IMAGES = {"image": ("i", 1), "target": ("i", 1), "softened": ("f", 3)}


def _soft_outputs(records: list[Record], images: Images) -> tuple[SoftOutput, ...]:
    """What the records' `softness.npz` or `softness_train.npz` hold; a record of another kind has none."""
    name = "softness.npz" if images == "test" else "softness_train.npz"
    out = []
    for record in records:
        if name in record.files:
            content = record.content(name)
            with unreadable(record.folder / name, AGAIN):
                arrays = {**parse_arrays(content, _SORTED), **parse_arrays(content, _IMAGES)}
                if arrays.keys() != _SORTED.keys() | _IMAGES.keys():
                    raise ValueError("it lacks arrays of a teacher's softened output")
                out.append(SoftOutput(**arrays))
    return tuple(out)


def _latencies(records: Iterable[Record]) -> dict[str, tuple[Latency, ...]]:
    """The distinct measurements of each cell's architecture, which runs share."""
    found: dict[str, dict[Latency, None]] = {}
    for record in records:
        latency = _latency(record)
        if latency is not None:
            found.setdefault(str(record.fields["cell"]), {})[latency] = None
    return {cell: tuple(latencies) for cell, latencies in found.items()}


def _latency(record: Record) -> Latency | None:
    noted = record.fields.get("latency_ms")
    if not isinstance(noted, Mapping):
        return None
    median, q25, q75, n = (_finite(noted.get(name)) for name in ("median", "q25", "q75", "n"))
    if median is None or q25 is None or q75 is None or n is None:
        return None
    shared = noted.get("shared")
    return Latency(median, q25, q75, round(n), None if shared is None else bool(shared))


def read_history(folder: Path, run: str) -> History | None:
    """One run by epochs, None if there is no such file or nothing in it; not-finite values are NaN."""
    path = StudyFolder(folder).run(run) / "history.csv"
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, folder, HISTORY), newline="")))
    except OSError:
        return None
    except csv.Error as error:
        raise DamagedError(f"{path}: not a CSV ({error})", hint=AGAIN) from None
    if not rows or "epoch" not in rows[0]:
        return None
    columns = {name: np.array([_float(row[name]) for row in rows]) for name in rows[0] if name != "epoch"}
    return History(np.array([_float(row["epoch"]) for row in rows]), columns)


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _teachers(records: list[Record], metric: str) -> tuple[CellFacts, ...]:
    by_cell: dict[str, list[Record]] = {}
    for record in records:
        by_cell.setdefault(str(record.fields["cell"]), []).append(record)
    return tuple(_teacher(cell, members, metric) for cell, members in sorted(by_cell.items()))


def _teacher(cell: str, records: list[Record], metric: str) -> CellFacts:
    """`metric`, of the analysis: a command names its own, which are none of the engine's."""
    measures: dict[str, tuple[float | None, ...]] = {
        name: tuple(_finite(record.metrics.get(name)) for record in records) for name in (*NAMES, metric)
    }
    if any(map(_only_copied, records)):  # how long `cp` took is no training
        measures["train_seconds"] = tuple(None for _ in records)
    latencies = [_latency(record) for record in records]
    measures["latency_ms"] = tuple(item.median if item and not item.shared else None for item in latencies)
    first = records[0].fields
    return CellFacts(
        cell=cell,
        group="",
        student=str(first.get("model") or ""),
        method="teacher",
        teacher=comes_from(first),
        T=None,
        alpha=None,
        epochs=first.get("epochs"),
        seeds=tuple(record.fields["seed"] for record in records),
        measures=measures,
    )


def _only_copied(record: Record) -> bool:
    """Whether all that a command wrote are its inputs, such as a checkpoint that was trained elsewhere."""
    inputs = record.fields.get("inputs")
    written = set(record.files.values())
    return bool(written) and isinstance(inputs, dict) and written <= set(inputs.values())


def _softness(records: list[Record]) -> tuple[Softness, ...]:
    """Measures of the teachers' softened outputs, where the records hold them (`softness_T4`, …)."""
    entropies: dict[tuple[str, float], list[tuple[float, float | None]]] = {}
    for record in records:
        for name, value in record.metrics.items():
            found = _SOFTNESS.fullmatch(name)
            entropy = _finite(value)
            if found is not None and entropy is not None:
                rest = _finite(record.metrics.get(f"softness_rest_T{found[1]}"))
                key = (str(record.fields["cell"]), float(found[1]))
                entropies.setdefault(key, []).append((entropy, rest))
    return tuple(
        Softness(
            teacher,
            temperature,
            tuple(entropy for entropy, _ in items),
            tuple(rest for _, rest in items if rest is not None),
        )
        for (teacher, temperature), items in sorted(entropies.items())
    )


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _provenance(folder: Path, records: list[Record]) -> Provenance:
    info = read_info(folder)
    newest = StudyFolder(folder).protocol(info.protocols[-1])
    fields = [record.fields for record in records]
    finished = sorted(str(item["finished"]) for item in fields if item.get("finished"))
    return Provenance(
        created=info.created,
        planned=info.planned_time,
        finished_first=finished[0] if finished else "",
        finished_last=finished[-1] if finished else "",
        mode=info.mode,
        hardware=_distinct(item.get("hardware") for item in fields),
        dispatch=_distinct(record.dispatch for record in records),
        versions=_distinct(
            ", ".join(f"{name} {version}" for name, version in (item.get("versions") or {}).items())
            for item in fields
        ),
        precision=_distinct(item.get("precision_used") for item in fields),
        git=_distinct(_commit(item) for item in fields),
        data_checksum=_distinct(item.get("data_checksum") for item in fields),
        records=len(records),
        protocol_hashes=info.protocols,
        protocol_text=read_text(newest, folder, PROTOCOL),
        train_seconds=math.fsum(_finite(record.metrics.get("train_seconds")) or 0.0 for record in records),
        of_commands=any(record.is_by_command for record in records),
        failed=StudyFolder(folder).failed_runs(),
        attempts=failed_attempts(folder),
        beside=needed_beside(folder, info, read_protocol(folder).spec.dataset, records),
    )


def _commit(fields: Mapping[str, Any]) -> str | None:
    commit = fields.get("git_commit")
    return None if not commit else f"{commit}{' with uncommitted changes' if fields.get('git_dirty') else ''}"


def _distinct(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values if value}))
