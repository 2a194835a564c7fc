"""The files that a command leaves of a run beside its numbers: a history, predictions, what is to be kept."""

from __future__ import annotations

import csv
import fnmatch
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd.errors import StoreError
from rigorkd.records.untrusted import HISTORY, PREDICTIONS, is_plain_path, parse_arrays, read_bytes
from rigorkd.text import bare_number, first_line, is_float, untyped

if TYPE_CHECKING:
    import numpy as np

_ARRAYS = {
    "target": ("iu", 1),
    "prediction": ("iu", 1),
    "loss": ("f", 1),
    "confidence": ("f", 1),
    "top5_hit": ("b", 1),
    "logits": ("f", 2),
}
_KEPT_AS = {"iu": "int32", "f": "float32", "b": "bool"}


class ResultError(Exception):
    """What a command left cannot be used."""


def read_left(path: Path, root: Path, most: int) -> bytes | None:
    """A file of `root`, None if it is not there. Raises ResultError where it cannot be read."""
    try:
        return read_bytes(path, root, most)
    except StoreError as error:
        raise ResultError(f"{path.name}: {error.message.partition(': ')[2]}") from None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultError(f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}") from None


def read_files(out: Path, patterns: tuple[str, ...]) -> dict[str, bytes | Path]:
    """What a record keeps of `out`: history and predictions, checked, and files that match `patterns`.

    Raises:
        ResultError: one of them cannot be used.
    """
    files: dict[str, bytes | Path] = {}
    if (content := read_left(out / "history.csv", out, HISTORY)) is not None:
        files["history.csv"] = _history(content)
    if (content := read_left(out / "predictions.npz", out, PREDICTIONS)) is not None:
        files["predictions.npz"] = _npz(_arrays(content))
    elif (content := read_left(out / "predictions.csv", out, PREDICTIONS)) is not None:
        files["predictions.npz"] = _npz(_predictions_csv(content))
    for name, path in _kept(out, patterns):
        files.setdefault(name, path)
    return files


def rows_of(content: bytes, name: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV that say something, by the line each ends on, without the types of numbers."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ResultError(f"{name} is not text in UTF-8") from None
    reader = csv.reader(io.StringIO(untyped(text), newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if row:
                yield reader.line_num, [bare_number(field) for field in row]
    except csv.Error as error:
        raise ResultError(f"{name}:{reader.line_num}: {error}") from None


def _history(content: bytes) -> bytes:
    """A history as it is, if it is one: numbers by epoch."""
    rows = rows_of(content, "history.csv")
    _, head = next(rows, (0, []))
    if "epoch" not in head or len(set(head)) != len(head):
        raise ResultError("history.csv: its first line names its columns, one of them epoch")
    bare = [head]
    for line, row in rows:
        if len(row) != len(head):
            raise ResultError(f"history.csv:{line}: {len(row)} values for {len(head)} columns")
        bare.append(row)
        for column, value in zip(head, row, strict=True):
            if not is_float(value or "nan"):
                raise ResultError(f"history.csv:{line}: {column} is {value[:40]!r}, not a number")
    if untyped(text := content.decode()) == text and "[" not in text:
        return content
    plain = io.StringIO(newline="")
    csv.writer(plain).writerows(bare)
    return plain.getvalue().encode()


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    try:
        found = parse_arrays(content, _ARRAYS)
    except ValueError as error:
        raise ResultError(f"predictions.npz: {first_line(error)}") from None
    if lacking := [name for name in ("target", "prediction") if name not in found]:
        raise ResultError(f"predictions.npz lacks {' and '.join(lacking)}")
    return found


def _predictions_csv(content: bytes) -> dict[str, np.ndarray]:
    import numpy as np

    rows = rows_of(content, "predictions.csv")
    _, head = next(rows, (0, []))
    if lacking := [name for name in ("target", "prediction") if name not in head]:
        raise ResultError(f"predictions.csv has no column {' and none '.join(lacking)}")
    known = [(name, head.index(name)) for name in _ARRAYS if name in head and name != "logits"]
    columns: dict[str, list[float]] = {name: [] for name, _ in known}
    for line, row in rows:
        for name, index in known:
            text = row[index].strip().lower() if index < len(row) else ""
            try:
                value = {"true": 1.0, "false": 0.0}.get(text)
                value = float(text) if value is None else value
                if not math.isfinite(value) or (_ARRAYS[name][0] != "f" and value != int(value)):
                    raise ValueError
            except ValueError:
                kind = "a number" if _ARRAYS[name][0] == "f" else "a whole number"
                raise ResultError(f"predictions.csv:{line}: {name} is {text[:40]!r}, not {kind}") from None
            columns[name].append(value)
    return {name: np.array(values) for name, values in columns.items()}


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Predictions as a record keeps them; equal arrays give equal bytes."""
    import numpy as np

    if not len(arrays["target"]):
        raise ResultError("its predictions are empty")
    for name in ("target", "prediction"):
        if arrays[name].min() < 0 or arrays[name].max() > np.iinfo(np.int32).max:
            raise ResultError(f"predictions: a {name} is no class, counted from 0")
    buffer = io.BytesIO()
    kept: dict[str, Any] = {name: array.astype(_KEPT_AS[_ARRAYS[name][0]]) for name, array in arrays.items()}
    np.savez(buffer, **kept)
    return buffer.getvalue()


_COMPUTED = re.compile(r"%[-0-9.]*[sdifg]|\$\w+")


def may_name(programs: Iterable[bytes], file: str) -> bool:
    """Whether any of these texts may name a file: all of its name, or the end of one that is put together.

    `last.txt` is named by `last.txt`, and by `{tag}.txt`, `%s_last.txt` or `*.txt`; a name without an ending
    has no end to know it by, and may always be.
    """
    name = file.rpartition("/")[2]
    _, dot, ending = name.rpartition(".")
    if not dot:
        return True
    ends = re.compile(rf"[\w.-]*\.{re.escape(ending)}(?!\w)")
    texts = (_COMPUTED.sub("*", each.decode(errors="replace")) for each in programs)
    return any(name.endswith(end) for text in texts for end in ends.findall(text))


# ------------------------------------------------------------------------------------------------- files


def _kept(out: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The files below `out` that match any of the globs (`*` crosses `/`), hidden ones left out."""
    if not patterns:
        return
    inside = out.resolve()
    for place, folders, files in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            name = path.relative_to(out).as_posix()
            if file.startswith(".") or not any(fnmatch.fnmatchcase(name, each) for each in patterns):
                continue
            real = path.resolve()
            if not is_plain_path(name) or name == "record.json":
                raise ResultError(f"{name!r} cannot be kept: it is rigorkd's own name, or none of a file")
            if not real.is_relative_to(inside) or not real.is_file():
                raise ResultError(f"{name} cannot be kept: it is a link out of {{out}}, or no file")
            yield name, real
