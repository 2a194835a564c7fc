"""The record of one finished run: its schema, its commit, its reading.

`record.json` is written last and carries the hashes of its siblings: it is the commit point. A folder
without it holds nothing that counts.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rigorkd.errors import StoreError
from rigorkd.records.atomic import write_atomically

SCHEMA = "rigorkd.record/1"
DONE, DIVERGED = "done", "diverged"


@dataclass(frozen=True)
class Record:
    """A record as read: the parsed `record.json` and its folder."""

    folder: Path
    fields: Mapping[str, Any]

    @property
    def run_hash(self) -> str:
        return str(self.fields["run_hash"])

    @property
    def run(self) -> str:
        """The run's name, `<cell>/seed-<k>`."""
        seed = self.fields["seed"]
        return f"{self.fields['cell']}/seed-{'fixed' if seed is None else seed}"

    @property
    def metrics(self) -> Mapping[str, float | None]:
        metrics: Mapping[str, float | None] = self.fields["metrics"]
        return metrics

    def verify(self) -> list[str]:
        """Names of sibling files that are missing or whose bytes differ from the recorded hashes."""
        return [
            name
            for name, digest in self.fields["files"].items()
            if not (self.folder / name).is_file() or _sha256((self.folder / name).read_bytes()) != digest
        ]


def commit(folder: Path, fields: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a run's files, then its `record.json`: the run is done when the last rename is.

    `fields` lacks `schema` and `files`, which are filled here. Numbers that are not finite become null.
    """
    hashes = {}
    for name, data in files.items():
        write_atomically(folder / name, data)
        hashes[name] = _sha256(data)
    document = {"schema": SCHEMA, **fields, "files": hashes}
    write_atomically(folder / "record.json", to_json(document))


def read(record_json: Path) -> Record:
    """Read one record. A torn, foreign or half-edited file is a StoreError that names it."""
    try:
        fields = json.loads(record_json.read_bytes())
    except (ValueError, OSError) as error:
        raise StoreError(
            f"{record_json}: the record cannot be read ({error})",
            hint="delete that file and run again: only this run is trained again",
        ) from None
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        raise StoreError(
            f"{record_json}: not a record of schema {SCHEMA}",
            hint="move the file away; results folders hold records only",
        )
    missing = [key for key in ("cell", "seed", "run_hash", "metrics", "status", "files") if key not in fields]
    if missing:
        raise StoreError(
            f"{record_json}: the record lacks {', '.join(missing)}",
            hint="delete that file and run again: only this run is trained again",
        )
    record = Record(record_json.parent, fields)
    if not record_json.absolute().parent.as_posix().endswith(f"/{record.run}"):
        raise StoreError(
            f"{record_json}: this is the record of {record.run}; it does not belong here",
            hint="delete the folder, or move it to where it belongs",
        )
    return record


def verified_weights(folder: Path) -> Path:
    """The weights of a finished run, whose bytes are those of its record. Raises StoreError otherwise."""
    path = folder / "model.safetensors"
    record = read(folder / "record.json")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = error.strerror or "unreadable"
    if found != record.fields["files"].get(path.name):
        raise StoreError(
            f"{path}: not the weights that its record names",
            hint=f"delete {folder / 'record.json'} and run again: this run is then trained again",
        )
    return path


def to_json(document: Mapping[str, Any]) -> bytes:
    """Readable JSON with a final newline, key order kept; not-finite numbers become null."""
    return (json.dumps(_finite(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
