"""The record of one finished run: its schema, its commit, its reading.

A record is written into a folder with a temporary name, `record.json` last, which carries the hashes of its
siblings and of itself; then that folder is renamed. That is the commit point: the first of several commits
wins, and what it wrote is never mixed with another's. A folder without `record.json` holds nothing that
counts.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rigorkd.errors import DamagedError, StoreError
from rigorkd.files import file_sha256, link_or_copy, new_folder, sha256_of, write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import (
    HISTORY,
    NO_FILE,
    PREDICTIONS,
    RECORD,
    is_digest,
    is_number,
    is_plain_path,
    is_there,
    opened,
    read_bytes,
    read_json,
    refuse_links,
    sha256_below,
)

SCHEMA = "rigorkd.record/1"
DONE, DIVERGED = "done", "diverged"
TRAINED, AVERAGED = "trained", "moving average"
"""Which weights were validated, tested and kept."""
SEAL = "record_sha256"
"""The key of a record's hash of itself."""
WEIGHTS = "model.safetensors"
AGAIN = "run the protocol again: the damaged record is set aside and only this run is trained again"
"""The hint of every damaged record."""
_NONE: type = type(None)
_NUMBERS: frozenset[type] = frozenset({int, float, _NONE})
_HOLDERS = frozenset({dict, list})
_DAY = 24 * 3600 * 1000
"""Milliseconds: more than anybody waits for one image."""
_KINDS: dict[str, tuple[str, frozenset[type]]] = {
    **dict.fromkeys(
        (
            *("study", "role", "group", "student", "method", "start", "teacher", "model", "mode", "hardware"),
            *("device", "precision_used", "training_key", "views_key", "finished", "weights_sha256"),
            *("dispatch", "cpu_capability", "evaluated_weights"),
        ),
        ("text", frozenset({str, _NONE})),
    ),
    **dict.fromkeys(("epochs", "epochs_run", "ce_weight", "kd_weight"), ("number", _NUMBERS)),
    **dict.fromkeys(("T", "alpha", "smoke"), ("single value", frozenset({str, bool, *_NUMBERS}))),
    **dict.fromkeys(
        ("versions", "latency_ms", "numerics_of_parts", "code", "inputs", "uncovered_files"),
        ("mapping", frozenset({dict, _NONE})),
    ),
    "axes": ("list", frozenset({list, _NONE})),
}
"""What every reader may take for granted of a record's values, where they are there."""


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
        """Names of files that are missing or unnamed, or whose content is not the one that was committed."""
        damaged = [name for name, digest in self.files.items() if self.digest_of(name) != digest]
        return [*([] if self.sealed else ["record.json"]), *self.unnamed, *damaged]

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each sibling by its name."""
        files: Mapping[str, str] = self.fields["files"]
        return files

    def digest_of(self, name: str) -> str | None:
        """SHA-256 of a sibling, None if it is not there. Its folder was looked at with the record."""
        return digest_of(self.folder / name, self.folder)

    def content(self, name: str) -> bytes:
        """The bytes of a sibling. Raises DamagedError if they are not those that were committed."""
        path = self.folder / name
        try:
            content = read_bytes(path, self.folder, HISTORY if path.suffix == ".csv" else PREDICTIONS)
        except OSError as error:
            raise _unreadable(path, error) from None
        if sha256_of(content) != self.files.get(name):
            raise DamagedError(f"{path}: not the file that its record names", hint=AGAIN)
        return content

    @property
    def dispatch(self) -> str:
        """What a CPU computed with, as `AVX2` or `AVX512, not fixed`; empty for a GPU.

        What version 0.1 computed with was never fixed, and it noted the name alone.
        """
        if self.fields.get("device") != "cpu":
            return ""
        before = self.fields.get("cpu_capability")
        return str(self.fields.get("dispatch") or (f"{before}, not fixed" if before else ""))

    @property
    def is_by_command(self) -> bool:
        """Whether a command trained it: it keeps what that leaves, and its numbers are the command's own."""
        return isinstance(self.fields.get("code"), dict)

    @property
    def unnamed(self) -> list[str]:
        """Files that every record of its kind names, and this one does not."""
        if self.is_by_command:
            return []
        needed = ["history.csv"]
        if self.fields["status"] == DONE:
            needed.append("predictions.npz")
            # The weights of a mean lie with its teachers, and those of a smoke run go when they have served.
            if self.fields.get("role") not in ("student", None) and not (
                self.fields.get("mean_of") or self.fields.get("smoke")
            ):
                needed.append(WEIGHTS)
        return [name for name in needed if name not in self.files]

    @property
    def sealed(self) -> bool:
        """Whether `record.json` still says what was committed; every version has written its hash."""
        return self.fields.get(SEAL) == seal(self.fields)


def commit(folder: Path, fields: Mapping[str, Any], files: Mapping[str, bytes | Path]) -> bool:
    """Write a run's record; False, with nothing changed, if there is one already.

    A file that is given by its path, which may be large, is linked into the record, or copied.

    `fields` lacks `schema`, `files` and the record's own hash, which are filled here. Numbers that are not
    finite become null.
    """
    hashes = {
        name: file_sha256(data) if isinstance(data, Path) else sha256_of(data) for name, data in files.items()
    }
    document = _finite({"schema": SCHEMA, **fields, "files": hashes})
    document[SEAL] = seal(document)
    for _ in range(2):
        try:
            with new_folder(folder) as stage:
                for name, data in files.items():
                    if isinstance(data, Path):
                        link_or_copy(data, stage / name)
                    else:
                        write_atomically(stage / name, data)
                write_atomically(stage / "record.json", to_json(document))
        except FileExistsError:
            if (folder / "record.json").exists():
                return False
            make_room(folder)
        else:
            return True
    return False


def make_room(folder: Path) -> None:
    """Make room where files without a record lie: they count for nothing."""
    aside = folder.with_name(f".{folder.name}.cleared.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    if (aside / "record.json").exists():  # another launcher's commit came between looking and moving
        aside.rename(folder)
    else:
        shutil.rmtree(aside, ignore_errors=True)


def seal(fields: Mapping[str, Any]) -> str:
    """SHA-256 of a record's values, whatever their order and spacing in the file."""
    text = json.dumps({key: value for key, value in fields.items() if key != SEAL}, sort_keys=True)
    return sha256_of(text)


def read_records(study: StudyFolder, below: str = "") -> list[Record]:
    """Every record of a study, or of the cells `below` a part of their name, by name."""
    start = len(study.path.parts)
    runs = ("/".join(path.parts[start:-1]) for path in study.records(below))
    return [read_record(study, run, found=True) for run in runs]


def find_record(study: StudyFolder, run: str, seen: set[str] | None = None) -> Record | None:
    """The record of a run, None if there is none; raises as `read_record`. `refuse_links` tells of `seen`."""
    path = study.record(run)
    try:
        refuse_links(path.parent, study.path, seen)
        return _record(path, run, path.parent)
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise _unreadable(path, error) from None


def read_record(study: StudyFolder, run: str, *, found: bool = False) -> Record:
    """Read one record. A torn or half-edited file is a DamagedError, a foreign or locked one a StoreError.

    `found`: by a search that goes through no links.
    """
    path = study.record(run)
    try:
        return _record(path, run, path.parent if found else study.path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _record(path: Path, run: str, root: Path) -> Record:
    """Read the record of a run, without links below `root`; OSError if it cannot be read."""
    try:
        fields = read_json(path, root, RECORD)
    except ValueError as error:
        raise DamagedError(f"{path}: the record cannot be read ({error})", hint=AGAIN) from None
    schema = str(fields.get("schema", ""))
    if schema != SCHEMA and schema.startswith("rigorkd.record/"):
        raise StoreError(
            f"{path}: a record of schema {schema}, of a newer rigorkd (this: {SCHEMA})",
            hint="read it with that version: pip install --upgrade rigorkd",
        )
    if schema != SCHEMA:
        raise StoreError(
            f"{path}: not a record of schema {SCHEMA}",
            hint="move the file away; results folders hold records only",
        )
    if wrong := list(_wrong(fields)):
        raise DamagedError(f"{path}: {'; '.join(wrong)}", hint=AGAIN)
    record = Record(path.parent, fields)
    if record.run != run:
        raise StoreError(
            f"{path}: this is the record of {record.run}; it does not belong here",
            hint="delete the folder, or move it to where it belongs",
        )
    return record


def _wrong(fields: Mapping[str, Any]) -> Iterator[str]:
    """What nobody could have written into a record; what is not known here may be of a newer version."""
    needed = ("cell", "seed", "run_hash", "metrics", "status", "files")
    if missing := [key for key in needed if key not in fields]:
        yield f"the record lacks {', '.join(missing)}"
        return
    seed, files, metrics = fields["seed"], fields["files"], fields["metrics"]
    if not is_plain_path(fields["cell"]):
        yield "cell is no name of one"
    if seed is not None and (type(seed) is not int or seed < 0):
        yield "seed is no seed"
    if type(fields["run_hash"]) is not str:
        yield "run_hash is no text"
    if fields["status"] not in (DONE, DIVERGED):
        yield f"status is neither {DONE} nor {DIVERGED}"
    if type(metrics) is not dict or not _NUMBERS.issuperset(map(type, metrics.values())):
        yield "metrics holds something else than numbers"
    if type(files) is not dict or not all(is_plain_path(k) and is_digest(v) for k, v in files.items()):
        yield "files names something else than files beside the record or below it, with their hashes"
    for name, (kind, types) in _KINDS.items():
        if type(fields.get(name)) not in types:
            yield f"{name} is no {kind}"
    if type(axes := fields.get("axes")) is list and not all(
        type(name) is str and type(fields.get(name)) in (str, bool, int, float) for name in axes
    ):
        yield "axes names something else than single values"
    for name in ("latency_ms", "versions"):
        inside = fields.get(name)
        if type(inside) is dict and not _HOLDERS.isdisjoint(map(type, inside.values())):
            yield f"{name} holds something else than single values"
    if type(latency := fields.get("latency_ms")) is dict and not _is_latency(latency):
        yield "latency_ms is no measurement: milliseconds from 0 to a day, a count, and whether it was shared"


def _is_latency(latency: Mapping[str, Any]) -> bool:
    """Whether it is what `rigorkd.train.latency` notes; keys of a newer version are not looked at."""
    times = [latency.get(name) for name in ("median", "q25", "q75", "mean", "sd")]
    n, shared = latency.get("n"), latency.get("shared")
    return (
        all(time is None or (is_number(time) and 0 <= time <= _DAY) for time in times)
        and type(n) is int
        and 0 < n <= _DAY
        and type(shared) in (bool, type(None))
    )


def copy_record(study: StudyFolder, run: str, to: StudyFolder) -> None:
    """Copy a record with the files that it names into another study."""
    record = read_record(study, run)
    to.run(run).mkdir(parents=True)
    for name in ("record.json", *record.files):
        path = record.folder / name
        if is_there(path, record.folder):  # a student's weights may have been deleted
            (to.run(run) / name).parent.mkdir(parents=True, exist_ok=True)
            with opened(path, record.folder) as source, (to.run(run) / name).open("xb") as copy:
                shutil.copyfileobj(source, copy)


def verified_weights(study: StudyFolder, run: str) -> Path:
    """The weights of a finished run, whose bytes are those of its record. Raises StoreError otherwise."""
    record = read_record(study, run)
    path = study.run(run) / WEIGHTS
    found, noted = record.digest_of(WEIGHTS), record.files.get(WEIGHTS, "")
    if record.fields.get("smoke") and not noted:
        path = study.passing_weights(run)
        found, noted = digest_of(path, study.path), str(record.fields["weights_sha256"])
    if found != noted:
        raise StoreError(
            f"{path}: not the weights that its record names",
            hint=f"delete {study.record(run)} and run again: this run is then trained again",
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


def digest_of(path: Path, root: Path) -> str | None:
    """SHA-256 of a file below `root`, None if there is none. Raises StoreError if it cannot be read."""
    try:
        return sha256_below(path, root)
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> StoreError:
    """A file that is gone is damage; one that may not be read, or not now, is perhaps whole."""
    message = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
    if error.errno in NO_FILE:
        return DamagedError(message, hint=AGAIN)
    return StoreError(
        message, hint="it may be whole: mend its permissions, or the drive, and do the same again"
    )
