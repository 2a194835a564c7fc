"""The record of one finished run: its schema, its commit, its reading.

A record is written into a folder with a temporary name, `record.json` last, which carries the hashes of its
siblings and of itself; then that folder is renamed. That is the commit point: the first of several commits
wins, and what it wrote is never mixed with another's. A folder without `record.json` holds nothing that
counts.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rigorkd.errors import DamagedError, StoreError
from rigorkd.files import new_folder, write_atomically

SCHEMA = "rigorkd.record/1"
DONE, DIVERGED = "done", "diverged"
SEAL = "record_sha256"
"""The key of a record's hash of itself."""
AGAIN = "run the protocol again: the damaged record is set aside and only this run is trained again"
"""The hint of every damaged record."""
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""Errors that say that no file is there; any other says nothing of what is in it."""


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
        """Names of files that are missing, or whose content is not the one that was committed."""
        damaged = [name for name, digest in self.files.items() if digest_of(self.folder / name) != digest]
        return damaged if self.sealed else ["record.json", *damaged]

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each sibling by its name."""
        files: Mapping[str, str] = self.fields["files"]
        return files

    def content(self, name: str) -> bytes:
        """The bytes of a sibling. Raises DamagedError if they are not those that were committed."""
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from None
        if hashlib.sha256(content).hexdigest() != self.files.get(name):
            raise DamagedError(f"{path}: not the file that its record names", hint=AGAIN)
        return content

    @property
    def sealed(self) -> bool:
        """Whether `record.json` still says what was committed (those of older versions cannot tell)."""
        return SEAL not in self.fields or self.fields[SEAL] == seal(self.fields)


def commit(folder: Path, fields: Mapping[str, Any], files: Mapping[str, bytes]) -> bool:
    """Write a run's record; False, with nothing changed, if there is one already.

    `fields` lacks `schema`, `files` and the record's own hash, which are filled here. Numbers that are not
    finite become null.
    """
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    document = _finite({"schema": SCHEMA, **fields, "files": hashes})
    document[SEAL] = seal(document)
    for _ in range(2):
        try:
            with new_folder(folder) as stage:
                for name, data in files.items():
                    write_atomically(stage / name, data)
                write_atomically(stage / "record.json", to_json(document))
        except FileExistsError:
            if (folder / "record.json").exists():
                return False
            _clear(folder)
        else:
            return True
    return False


def _clear(folder: Path) -> None:
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
    return hashlib.sha256(text.encode()).hexdigest()


def read(record_json: Path) -> Record:
    """Read one record. A torn or half-edited file is a DamagedError, a foreign or locked one a StoreError."""
    try:
        fields = json.loads(record_json.read_bytes())
    except OSError as error:
        raise _unreadable(record_json, error) from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{record_json}: the record cannot be read ({error})", hint=AGAIN) from None
    if isinstance(fields, dict) and str(fields.get("schema", "")).startswith("rigorkd.record/"):
        if fields["schema"] != SCHEMA:
            raise StoreError(
                f"{record_json}: a record of schema {fields['schema']}, of a newer rigorkd (this: {SCHEMA})",
                hint="read it with that version: pip install --upgrade rigorkd",
            )
    else:
        raise StoreError(
            f"{record_json}: not a record of schema {SCHEMA}",
            hint="move the file away; results folders hold records only",
        )
    missing = [key for key in ("cell", "seed", "run_hash", "metrics", "status", "files") if key not in fields]
    missing += [key for key in ("metrics", "files") if not isinstance(fields.get(key, {}), dict)]
    if missing:
        raise DamagedError(f"{record_json}: the record lacks {', '.join(missing)}", hint=AGAIN)
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
    if digest_of(path) != record.files.get(path.name, ""):
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


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file, None if there is none. Raises StoreError if it is there and cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> StoreError:
    """A file that is gone is damage; one that may not be read, or not now, is perhaps whole."""
    message = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
    if error.errno in _NO_FILE:
        return DamagedError(message, hint=AGAIN)
    return StoreError(
        message, hint="it may be whole: mend its permissions, or the drive, and do the same again"
    )
