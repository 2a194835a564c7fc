"""MLflow's file store (`mlruns/<experiment>/<run>/`): parameters, tags, metrics and how each run ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.readers.hydra import read_yaml
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, as_mapping, table_of

STATUSES = {1: "running", 2: "scheduled", 3: "finished", 4: "failed", 5: "killed"}
"""MLflow's numbers for how a run ended."""
SMALL = 2**20

Metrics = dict[str, list[tuple[int, int, str]]]
"""Per metric (step, time, value)."""


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per run with the last value of each metric; with --select, one per run and step."""
    rows, places, dropped = [], [], []
    below: dict[Path, list[Path]] = {}
    runs = {path.parent for path in files}
    for path in found.files:
        owner = next((parent for parent in path.parents if parent in runs), None)
        if owner is not None:
            below.setdefault(owner, []).append(path)
    experiments: dict[Path, str] = {}
    metas = {path: as_mapping(read_yaml(str(path), found.read(path, SMALL))) for path in files}
    for path, meta in metas.items():
        if "run_id" not in meta and "run_uuid" not in meta:
            experiments[path.parent] = str(meta.get("name", ""))
    for path, meta in metas.items():
        folder = path.parent
        if folder in experiments or not {"run_id", "run_uuid"} & set(meta):
            continue
        name = str(meta.get("run_name") or "")
        if meta.get("lifecycle_stage") == "deleted" or ".trash" in path.parts:
            dropped.append(f"{folder}: {name or folder.name} was deleted in MLflow")
            continue
        run: dict[str, object] = {
            "run": name,
            "run_id": str(meta.get("run_id") or meta.get("run_uuid")),
            "status": _status(meta.get("status", "")),
            "start_time": meta.get("start_time"),
        }
        metrics: Metrics = {}
        for file in below.get(folder, ()):
            kind, *parts = file.relative_to(folder).parts
            key = "/".join(parts)
            if kind == "params":
                run.setdefault(key, found.read(file, SMALL).decode(errors="replace"))
            elif kind == "tags" and key == "mlflow.runName" and not run["run"]:
                run["run"] = found.read(file, SMALL).decode(errors="replace")
            elif kind == "metrics":
                metrics[key] = _values(file, found.read(file))
        for row in rows_of(run, metrics, asked):
            rows.append(row)
            places.append(str(folder))
    if not rows:
        raise InputError(f"{found.root}: no run of MLflow in it", hint="name the folder mlruns")
    kind = "MLflow file store" + ("" if asked.select else ", the last value of each metric")
    return [table_of(rows, places, kind, dropped=dropped)]


def _status(value: object) -> str:
    return STATUSES.get(value, str(value)) if isinstance(value, int) else str(value)


def rows_of(run: dict[str, object], metrics: Metrics, asked: Reading) -> list[dict[str, object]]:
    """A run's row, or with --select a row for each of its steps."""
    if not asked.select:
        latest = {name: max(values)[2] for name, values in metrics.items() if values}
        return [{**run, **{name: value for name, value in latest.items() if name not in run}}]
    steps: dict[int, dict[str, object]] = {}
    for name, values in metrics.items():
        for step, _, value in sorted(values):
            steps.setdefault(step, {})[name] = value
    return [{**run, "step": step, **steps[step]} for step in sorted(steps)] or [run]


def _values(path: Path, content: bytes) -> list[tuple[int, int, str]]:
    """Lines of time, value and step."""
    out = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        parts = line.split()
        try:
            out.append((int(parts[2]) if len(parts) > 2 else 0, int(parts[0]), parts[1]))
        except (IndexError, ValueError):
            raise InputError(f"{path}:{number}: no metric of MLflow", hint="restore the file") from None
    return out
